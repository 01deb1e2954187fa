"""Reserving money, eight clients at once: on brands of their own and all on one; against one bare guarded statement."""

from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks import bare
from benchmarks.clients import Clients, Target
from benchmarks.data import NOW
from benchmarks.databases import Database, Databases
from benchmarks.posting import restore
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, Work, alternate, rate


def reserve(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """A decision and five totals each time. The periods exist already, as they do but for a day's first moment."""
    database = databases.use(sizes.middle)
    with Clients(database.url, sizes.clients) as clients:
        compare = partial(_compare, database, clients, sizes.rounds)
        spread = _targets(database, bare.RUNNING_SPREAD, sizes.reserved)
        yield compare(spread, sizes.clients, "reserve on brands of their own")
        yield compare(
            _targets(database, bare.RUNNING_OF_ONE, sizes.reserved), sizes.clients, "reserve on one hot brand"
        )
        yield compare(spread[: sizes.reserved // 4], 1, "reserve on brands of their own")
    restore(database)


def _compare(
    database: Database, clients: Clients, rounds: int, targets: Sequence[Target], count: int, name: str
) -> Result:
    prepare = partial(_prepare, database, targets)
    ours, plain = alternate(
        Work(partial(clients.reserve, "ours", targets, count), prepare),
        Work(partial(clients.reserve, "bare", targets, count), prepare),
        rounds=rounds,
    )
    return rate("7", f"{name}, clients: {count}", len(targets), ours, plain, 0.4, 0.7)


def _targets(database: Database, sql: str, wanted: int) -> list[Target]:
    """Running campaigns, as often in turn as it takes."""
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute(sql, {"now": NOW, "wanted": wanted})
        found = [Target(*row) for row in cursor.fetchall()]
    return [found[number % len(found)] for number in range(wanted)]


def _prepare(database: Database, targets: Sequence[Target]) -> None:
    restore(database)
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute(bare.OPEN_PERIODS, {"ids": sorted({target.campaign for target in targets}), "now": NOW})
    database.vacuum("spending_budgetperiod", "spending_reservation")
