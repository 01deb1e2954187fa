"""Full sweeps and minute ticks against one bare statement that decides and writes the same."""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import bare
from benchmarks.data import NOW
from benchmarks.databases import Database, Databases
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, Work, alternate, duration, slower
from enforcement.sweeps import Sweep, enforce_all, enforce_due

PARAMS = {"now": NOW, "cause": "sweep", "actor": "benchmark"}


def full_sweep(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """Nothing changes."""
    for campaigns in (sizes.small, sizes.middle):
        database = databases.use(campaigns)
        ours, plain = alternate(
            Work(partial(_ours, enforce_all, checked=campaigns, changed=0)),
            Work(partial(_bare, database, bare.SWEEP, changed=0)),
            rounds=sizes.rounds,
        )
        yield slower("1", f"full sweep, {campaigns:,} campaigns, nothing changes", ours, plain, 10, 5)


def full_sweep_with_changes(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """One campaign in a hundred is set right, with a StateChange each."""
    database = databases.use(sizes.middle)
    changed = sizes.middle // 100
    spoil = partial(_spoil, database, changed, due=False)
    ours, plain = alternate(
        Work(partial(_ours, enforce_all, checked=sizes.middle, changed=changed), spoil),
        Work(partial(_bare, database, bare.SWEEP, changed=changed), spoil),
        rounds=sizes.rounds,
    )
    yield slower("2", f"full sweep, {sizes.middle:,} campaigns, 1 % change", ours, plain, 10, 5)


def tick(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """A minute at which nothing is due, and one at which some campaigns are, all of which change."""
    database = databases.use(sizes.large)
    for due, stretch in ((0, 2), (sizes.due, 3)):
        spoil = partial(_spoil, database, due, due=True)
        ours, plain = alternate(
            Work(partial(_ours, enforce_due, checked=due, changed=due), spoil),
            Work(partial(_bare, database, bare.TICK, changed=due), spoil),
            rounds=sizes.rounds,
        )
        yield slower("3", f"minute tick, {sizes.large:,} campaigns, {due:,} due", ours, plain, 5, stretch)


def growth(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """The same tick among ten times as many campaigns."""
    small, large = (_tick_of(databases, campaigns, sizes.due) for campaigns in (sizes.middle, sizes.large))
    in_small, in_large = alternate(small, large, rounds=sizes.rounds)
    yield Result(
        "4", f"tick with {sizes.due:,} due: {sizes.large:,} campaigns against {sizes.middle:,}",
        in_large.spread(duration), in_small.spread(duration), in_large.median / in_small.median, 1.3, 1.1,
    )  # fmt: skip


def _tick_of(databases: Databases, campaigns: int, due: int) -> Work:
    def prepare() -> None:
        _spoil(databases.use(campaigns), due, due=True)

    return Work(partial(_ours, enforce_due, checked=due, changed=due), prepare)


def _ours(sweep: Callable[..., Sweep], *, checked: int, changed: int) -> None:
    result = sweep(NOW, actor="benchmark")
    if result.errors or (result.checked, len(result.evaluation.changes)) != (checked, changed):
        raise AssertionError(f"{result.checked} checked, {len(result.evaluation.changes)} changed, {result.errors}")


def _bare(database: Database, sql: str, *, changed: int) -> None:
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute(sql, PARAMS)
        if cursor.rowcount != changed:
            raise AssertionError(f"{cursor.rowcount} changed instead of {changed}")


def _spoil(database: Database, campaigns: int, *, due: bool) -> None:
    """Spoil the outputs of so many campaigns, spread evenly over the table, and leave no trace of the run before."""
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute("TRUNCATE campaigns_statechange")
        step = database.campaigns // campaigns if campaigns else 0
        cursor.execute("SELECT array_agg(bench_id(2, n * %s)) FROM generate_series(1, %s) n", (step, campaigns))
        (ids,) = cursor.fetchone() or ([],)
        cursor.execute(bare.SPOIL, {"ids": ids or [], "due": due, "now": NOW})
    database.vacuum("campaigns_campaign", "campaigns_statechange")
