"""Posting spend, in bulk and one by one: against COPY, and against one bare statement for ledger and totals."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import count, cycle
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from benchmarks import bare
from benchmarks.data import NOW
from benchmarks.databases import Database, Databases
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, Work, alternate, rate
from budget_system.db import chunks
from budget_system.ids import new_id
from enforcement.importing import BATCH, import_spend
from enforcement.services import post_spend
from spending.importing import ImportOptions
from spending.services import Outcome, SpendRow

SOURCE = "api"
DAYS = 10
DEVICES = 5
_number = count(1)


class Owner(NamedTuple):
    """A campaign that spends, as the ledger and as reports name it."""

    campaign: UUID
    brand: UUID
    external_id: str
    account: str


Spend = tuple[Owner, SpendRow]


def import_rows(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """A report of ten days: each of some campaigns once a day. As a file, and as the rows that its reading gives.

    And a file of as many lines that tells the devices apart, as platforms do: five lines make a campaign's day.
    """
    database = databases.use(sizes.middle)
    owners = owners_of(sizes.middle, sizes.imported // DAYS)
    spends = list(_report(owners))
    by_brand = sorted(spends, key=lambda spend: (spend[0].brand, spend[0].campaign))
    prepare = partial(restore, database)
    by_device = [*_report(owners[: len(owners) // DEVICES])] * DEVICES
    file, file_by_device, posted, added_up, copied = alternate(
        Work(partial(_import, _as_csv(spends), len(spends)), prepare),
        Work(partial(_import, _as_csv(by_device), len(by_device)), prepare),
        Work(partial(_post_in_batches, [row for _, row in by_brand]), prepare),
        Work(partial(_post_bare_in_batches, database, by_brand), prepare),
        Work(partial(_copy, database, _as_copy_text(spends)), prepare),
        rounds=max(sizes.rounds // 2, 1),
    )
    yield rate("5", f"import of a file of {len(spends):,} rows, against COPY", len(spends), file, copied, 0.25, 0.5)
    name = f"import of a file of {len(by_device):,} rows, {DEVICES} a campaign and day, against COPY"
    yield rate("5", name, len(by_device), file_by_device, copied, 0.25, 0.5)
    yield rate(
        "5", "post_spend of one a campaign and day, in batches, against COPY", len(spends), posted, copied, 0.25, 0.5
    )
    yield rate("6", "post_spend of one a campaign and day, in batches", len(spends), posted, added_up, 0.4, 0.6)


def import_a_file(campaigns: int, wanted: int) -> None:
    """The import alone."""
    _import(_as_csv(_report(owners_of(campaigns, wanted // DAYS))), wanted)


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
    restore(database)
    ours, plain = alternate(
        Work(partial(_post_for, owners, rows, _post_ours)),
        Work(partial(_post_for, owners, rows, partial(_post_bare, database))),
        rounds=sizes.rounds * 2,
    )
    return rate("6", name, rows * calls, ours, plain, goal, stretch)


def owners_of(campaigns: int, wanted: int) -> list[Owner]:
    """Campaigns spread evenly over the table, which lie in as many brands as may be."""
    step = max(campaigns // wanted, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, b.id, c.external_id, b.name FROM generate_series(1, %s) n"
            " JOIN campaigns_campaign c ON c.id = bench_id(2, 1 + (n * %s) %% %s) JOIN brands_brand b"
            " ON b.id = c.brand_id ORDER BY n",
            (wanted, step, campaigns),
        )
        return [Owner(*row) for row in cursor.fetchall()]


# --- A report --------------------------------------------------------------------------------------------------------


def _report(owners: Sequence[Owner]) -> Iterator[Spend]:
    """Day after day, as platforms write reports."""
    cents = cycle(range(100, 997))
    for days_ago in reversed(range(DAYS)):
        day = NOW.date() - timedelta(days=days_ago)
        for owner in owners:
            yield owner, _row(owner, day, f"{owner.campaign.hex}/{day}", next(cents))


def _row(owner: Owner, day: date, key: str, cents: int) -> SpendRow:
    return SpendRow(owner.campaign, Decimal(cents).scaleb(-2), day, key=key, currency="USD")


def _as_csv(spends: Iterable[Spend]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("Day", "Account name", "Campaign ID", "Campaign", "Ad ID", "Currency code", "Cost"))
    for number, (owner, row) in enumerate(spends):
        writer.writerow((row.spend_date, owner.account, owner.external_id, "", number, row.currency, row.amount))
    return text.getvalue().encode()


def _import(file: bytes, rows: int) -> None:
    report = import_spend(io.BytesIO(file), ImportOptions(), actor="benchmark", now=NOW)
    if report.accepted != rows:
        raise AssertionError(report)


def _post_in_batches(rows: Sequence[SpendRow]) -> None:
    for some in chunks(rows, BATCH):
        _post(some, correct=True)


def _post(rows: Sequence[SpendRow], *, correct: bool = False) -> None:
    answers = post_spend(rows, source=SOURCE, actor="benchmark", now=NOW, correct=correct).answers
    if any(answer.outcome is not Outcome.RECORDED for answer in answers):
        raise AssertionError("a row was not recorded")


def _post_bare_in_batches(database: Database, spends: Sequence[Spend]) -> None:
    for some in chunks(spends, BATCH):
        _insert_bare(database, some)


def _as_copy_text(spends: Sequence[Spend]) -> str:
    return "".join("\t".join(map(str, (*_columns(owner, row), 1))) + "\n" for owner, row in spends)


def _copy(database: Database, text: str) -> None:
    columns = (
        "id, brand_id, campaign_id, amount, spend_date, spend_type, description, source, key, fingerprint,"
        " created_at, created_by, origin, version"
    )
    with database.bare, database.bare.cursor() as cursor:
        cursor.copy_expert(f"COPY spending_spend ({columns}) FROM STDIN", io.StringIO(text))


def _columns(owner: Owner, row: SpendRow) -> tuple[object, ...]:
    return (
        str(new_id()), str(owner.brand), str(owner.campaign), int(row.amount * 1_000_000), row.spend_date,
        row.spend_type, row.description, SOURCE, row.key, "0" * 32, NOW, "benchmark", "",
    )  # fmt: skip


# --- Batches and single spends ---------------------------------------------------------------------------------------


def _post_for(owners: Sequence[Owner], size: int, post: Callable[[Sequence[Owner]], None]) -> None:
    """A spend of today for each of these, `size` of them a transaction."""
    for some in chunks(owners, size):
        post(some)


def _todays(owner: Owner) -> SpendRow:
    return _row(owner, NOW.date(), f"{next(_number)}", 1)


def _post_ours(owners: Sequence[Owner]) -> None:
    _post([_todays(owner) for owner in owners])


def _post_bare(database: Database, owners: Sequence[Owner]) -> None:
    _insert_bare(database, [(owner, _todays(owner)) for owner in owners])


def _insert_bare(database: Database, spends: Sequence[Spend]) -> None:
    mark = "(%s::uuid,%s::uuid,%s::uuid,%s,%s::date,%s,%s,%s,%s,%s,%s::timestamptz,%s,%s)"
    params = [value for owner, row in spends for value in _columns(owner, row)]
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute(bare.POST.replace("{values}", ",".join([mark] * len(spends))), params)


def restore(database: Database) -> None:
    """No spend, the totals and the outputs as they were loaded."""
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute(bare.RESTORE)
    database.vacuum("campaigns_campaign", "spending_budgetperiod", "spending_spend")
