"""Posting spend, in bulk and one by one: against COPY, and against one bare statement for ledger and totals."""

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import count, islice
from uuid import UUID

from django.db import connection

from benchmarks import bare
from benchmarks.data import NOW
from benchmarks.databases import Database, Databases
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, Work, alternate, rate
from budget_system.db import chunks
from budget_system.ids import new_id
from enforcement.services import post_spend
from spending.services import Outcome, SpendRow

SOURCE = "api"
DAYS = 10
BATCH = 5_000
_number = count(1)


def import_rows(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """A report of ten days: each of some campaigns once a day, day after day."""
    database = databases.use(sizes.middle)
    owners = owners_of(sizes.middle, sizes.imported // DAYS)
    rows = list(_report(owners))
    brand_of = dict(owners)
    restore = partial(_restore, database)
    ours, plain = alternate(
        Work(partial(_import, rows), restore),
        Work(partial(_copy, database, _copy_text(rows, brand_of)), restore),
        rounds=max(sizes.rounds // 2, 1),
    )
    yield rate("5", f"import of {len(rows):,} rows, against COPY", len(rows), ours, plain, 0.25, 0.5)


def post_batch(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """A batch of today's spend of as many campaigns."""
    yield _against_bare_sql(databases, sizes, sizes.posted, 1, f"post_spend of {sizes.posted:,} rows", 0.4, 0.6)


def post_one(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """One spend a transaction, each of another campaign."""
    yield _against_bare_sql(databases, sizes, 1, sizes.singles, "post_spend of 1 row", 0.5, 0.8)


def _against_bare_sql(
    databases: Databases, sizes: Sizes, rows: int, calls: int, name: str, goal: float, stretch: float
) -> Result:
    database = databases.use(sizes.middle)
    owners = owners_of(sizes.middle, rows * calls)
    _restore(database)
    ours, plain = alternate(
        *_posts(database, owners, rows, _post_ours, _post_bare),
        rounds=sizes.rounds * 2,
    )
    return rate("6", name, rows * calls, ours, plain, goal, stretch)


Owner = tuple[UUID, UUID]
"""A campaign and its brand."""


def _posts(
    database: Database, owners: Sequence[Owner], size: int, *ways: Callable[[Database, Sequence[Owner]], object]
) -> Iterator[Work]:
    """Each way as a work that posts for these owners, `size` of them a transaction."""
    for way in ways:

        def run(way: Callable[[Database, Sequence[Owner]], object] = way) -> None:
            for some in chunks(owners, size):
                way(database, some)

        yield Work(run)


def _post_ours(_: Database, owners: Sequence[Owner]) -> None:
    rows = [_row(campaign, next(_number), 0) for campaign, _ in owners]
    _all_recorded(post_spend(rows, source=SOURCE, actor="benchmark", now=NOW).answers)


def _post_bare(database: Database, owners: Sequence[Owner]) -> None:
    with database.bare, database.bare.cursor() as cursor:
        mark = "(%s::uuid,%s::uuid,%s::uuid,%s,%s::date,%s,%s,%s,%s,%s,%s::timestamptz,%s)"
        params = [
            value
            for campaign, brand in owners
            for value in _columns(_row(campaign, next(_number), 0), brand)
        ]  # fmt: skip
        cursor.execute(bare.POST.replace("{values}", ",".join([mark] * len(owners))), params)


def owners_of(campaigns: int, wanted: int) -> list[Owner]:
    """Campaigns spread evenly over the table, which lie in as many brands as may be."""
    step = max(campaigns // wanted, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, brand_id FROM generate_series(1, %s) n JOIN campaigns_campaign c"
            " ON c.id = bench_id(2, 1 + (n * %s) %% %s) ORDER BY n",
            (wanted, step, campaigns),
        )
        return list(cursor.fetchall())


def _row(campaign: UUID, number: int, days_ago: int) -> SpendRow:
    day = NOW.date() - timedelta(days=days_ago)
    return SpendRow(campaign, Decimal("0.01"), day, key=f"{campaign}:{day}:{number}", currency="USD")


def _columns(row: SpendRow, brand: UUID) -> tuple[object, ...]:
    return (
        str(new_id()), str(brand), str(row.campaign_id), int(row.amount * 1_000_000), row.spend_date, row.spend_type,
        row.description, SOURCE, row.key, "0" * 32, NOW, "benchmark",
    )  # fmt: skip


def _report(owners: Sequence[Owner]) -> Iterator[SpendRow]:
    return (_row(campaign, 1, days_ago) for days_ago in range(DAYS, 0, -1) for campaign, _ in owners)


def import_in_batches(campaigns: int, wanted: int) -> None:
    """The same import, of rows that are made one batch at a time as a file is read."""
    rows = _report(owners_of(campaigns, wanted // DAYS))
    while some := list(islice(rows, BATCH)):
        _import(some)


def _import(rows: Sequence[SpendRow]) -> None:
    for some in chunks(rows, BATCH):
        _all_recorded(post_spend(some, source=SOURCE, actor="benchmark", now=NOW, correct=True).answers)


def _all_recorded(answers: Sequence[object]) -> None:
    if any(getattr(answer, "outcome", None) is not Outcome.RECORDED for answer in answers):
        raise AssertionError("a row was not recorded")


def _copy_text(rows: Sequence[SpendRow], brand_of: dict[UUID, UUID]) -> str:
    return "".join("\t".join(map(str, (*_columns(row, brand_of[row.campaign_id]), 1))) + "\n" for row in rows)


def _copy(database: Database, text: str) -> None:
    columns = (
        "id, brand_id, campaign_id, amount, spend_date, spend_type, description, source, key, fingerprint,"
        " created_at, created_by, version"
    )
    with database.bare, database.bare.cursor() as cursor:
        cursor.copy_expert(f"COPY spending_spend ({columns}) FROM STDIN", io.StringIO(text))


def _restore(database: Database) -> None:
    """No spend, the totals and the outputs as they were loaded."""
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute(bare.RESTORE)
    database.vacuum("campaigns_campaign", "spending_budgetperiod", "spending_spend")
