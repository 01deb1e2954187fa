"""The ledger's hot SQL: spends in, totals up. Set-based, the same on PostgreSQL and SQLite.

The brands concerned are locked by the caller, so nobody else writes these rows meanwhile. Totals move in the same
transaction as the ledger, by what was really inserted. Amounts are integer micros here.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection

from brands.periods import month_start
from budget_system import money
from budget_system.db import chunks, fetch, is_postgres, param, read_date, read_uuid, values_sql
from budget_system.errors import Refused
from spending.models import PeriodKind, SpendType

LIFETIME_STARTS_ON = date(1970, 1, 1)


class Entry(NamedTuple):
    """A spend to insert. The order of the fields is the order of the columns."""

    id: UUID
    brand_id: UUID
    campaign_id: UUID
    amount: int
    spend_date: date
    spend_type: str
    description: str
    source: str
    key: str | None
    fingerprint: str
    created_at: datetime
    created_by: str


class PeriodKey(NamedTuple):
    """A budget period. Sorted, it gives the one order in which period rows are written."""

    brand_id: UUID
    kind: str
    starts_on: date
    scope_id: UUID


class PeriodAfter(NamedTuple):
    """A period after its total moved by `delta`."""

    key: PeriodKey
    delta: int
    budget: int | None
    used: int
    forgiven: int


def insert(entries: Sequence[Entry]) -> set[UUID]:
    """Insert spends; one whose (brand, source, key) exists already is left out. Gives the ids really inserted."""
    inserted: set[UUID] = set()
    columns = ", ".join(Entry._fields)
    with connection.cursor() as cursor:
        for some in chunks(entries, 5_000 if is_postgres() else 500):
            values, params = values_sql(some)
            sql = (
                f"INSERT INTO spending_spend ({columns}, version) SELECT v.*, 1 FROM (VALUES {values}) AS v"  # noqa: S608
                " WHERE true ON CONFLICT (brand_id, source, key) DO NOTHING RETURNING id"
            )
            inserted.update(read_uuid(row[0]) for row in fetch(cursor, sql, params))
    return inserted


def periods_of(brand_id: UUID, campaign_id: UUID, spend_date: date, spend_type: str) -> list[PeriodKey]:
    """The periods that a spend counts in: its day (not if monthly), its month, and the campaign's lifetime."""
    month = month_start(spend_date)
    keys = [
        PeriodKey(brand_id, PeriodKind.LIFETIME, LIFETIME_STARTS_ON, campaign_id),
        PeriodKey(brand_id, PeriodKind.MONTH, month, brand_id),
        PeriodKey(brand_id, PeriodKind.MONTH, month, campaign_id),
    ]
    if spend_type != SpendType.MONTHLY:
        keys.append(PeriodKey(brand_id, PeriodKind.DAY, spend_date, brand_id))
        keys.append(PeriodKey(brand_id, PeriodKind.DAY, spend_date, campaign_id))
    return keys


def add_up(spends: Iterable[tuple[UUID, UUID, int, date, str]]) -> dict[PeriodKey, int]:
    """How much each period's total moves by these (brand, campaign, amount, date, type)."""
    by_day: dict[tuple[UUID, UUID, date, str], int] = {}
    for brand_id, campaign_id, amount, spend_date, spend_type in spends:
        day = (brand_id, campaign_id, spend_date, spend_type)
        by_day[day] = by_day.get(day, 0) + amount
    moves: dict[PeriodKey, int] = {}
    for day, amount in by_day.items():
        for key in periods_of(*day):
            moves[key] = moves.get(key, 0) + amount
    return moves


def move_totals(moves: Mapping[PeriodKey, int]) -> list[PeriodAfter]:
    """Add to each period's total, making the rows that are missing with the budget in force.

    What a forced reset forgave never exceeds what is posted: a later correction must not become extra budget.
    """
    if any(abs(amount) > money.MAX_TOTAL_MICROS for amount in moves.values()):
        raise Refused("The total would be larger than can be kept.", field="amount")
    least, greatest = ("LEAST", "GREATEST") if is_postgres() else ("MIN", "MAX")
    after: list[PeriodAfter] = []
    ordered = sorted(moves.items())
    with connection.cursor() as cursor:
        for some in chunks(ordered, 5_000 if is_postgres() else 500):
            values, params = values_sql([(*key, amount) for key, amount in some])
            sql = f"""
                WITH v(brand_id, kind, starts_on, scope_id, amount) AS (VALUES {values})
                INSERT INTO spending_budgetperiod AS p
                    (scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven)
                {_ROWS} ORDER BY v.brand_id, v.kind, v.starts_on, v.scope_id
                ON CONFLICT (scope_id, kind, starts_on) DO UPDATE SET posted = p.posted + excluded.posted,
                    forgiven = {least}(p.forgiven, {greatest}(p.posted + excluded.posted, 0))
                RETURNING brand_id, kind, starts_on, scope_id, budget, used, forgiven
            """
            try:
                rows = fetch(cursor, sql, params)
            except IntegrityError as error:
                if "budget_period_posted_in_range" not in str(error):
                    raise
                raise Refused("The total would be larger than can be kept.", field="amount") from error
            for brand_id, kind, starts_on, scope_id, budget, used, forgiven in rows:
                key = PeriodKey(
                    read_uuid(brand_id), kind, read_date(starts_on) or LIFETIME_STARTS_ON, read_uuid(scope_id)
                )
                after.append(PeriodAfter(key, moves[key], budget, used, forgiven))
    return after


# The budget is read here, in a statement that begins after the brand was locked: what was read before may be old.
_ROWS = """
    SELECT v.scope_id, v.brand_id, c.id, v.kind, v.starts_on,
        CASE WHEN c.id IS NULL THEN CASE v.kind WHEN 'D' THEN b.daily_budget ELSE b.monthly_budget END
             ELSE CASE v.kind WHEN 'D' THEN c.daily_budget WHEN 'M' THEN c.monthly_budget ELSE c.lifetime_budget END
        END, v.amount, 0, 0
    FROM v JOIN brands_brand b ON b.id = v.brand_id LEFT JOIN campaigns_campaign c ON c.id = v.scope_id
"""


def open_periods(keys: Iterable[PeriodKey], now: datetime) -> None:
    """Record that these periods of brands have begun. One that is recorded already stays as it is."""
    rows = [(*key, 0) for key in sorted(keys)]
    with connection.cursor() as cursor:
        for some in chunks(rows, 5_000 if is_postgres() else 500):
            values, params = values_sql(some)
            cursor.execute(
                f"""
                WITH v(brand_id, kind, starts_on, scope_id, amount) AS (VALUES {values}),
                     n(scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven)
                         AS ({_ROWS})
                INSERT INTO spending_budgetperiod AS p
                    (scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven, turned_at)
                SELECT n.*, %s FROM n WHERE true ORDER BY n.brand_id, n.kind, n.starts_on
                ON CONFLICT (scope_id, kind, starts_on)
                    DO UPDATE SET turned_at = COALESCE(p.turned_at, excluded.turned_at)
                """,  # noqa: S608 - only placeholders
                [*params, param(now)],
            )
