"""The books: are the totals that decide the sums of the ledger, is what is set aside the sum of the reservations that
wait, and are the budgets beside them the ones in force?

The ledger is the truth and the budget periods are made from it, so whatever damaged them they can be made again.
Every question is one set-based statement about a range of brands, which sees one state of the database.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from django.db import connection, transaction

from brands.periods import local_date, month_start
from brands.services import zone
from budget_system import money
from budget_system.db import fetch, is_postgres, param, read_date, read_uuid, values_sql
from spending.ledger import LIFETIME_STARTS_ON, PeriodKey, move_totals
from spending.models import BudgetPeriod, BudgetPeriodQuerySet

TIME_LIMIT = "15min"
"""For statements that read a whole ledger; elsewhere a statement has seconds."""


class Brands(NamedTuple):
    """The brands whose ids lie between these two, both included."""

    first: UUID
    last: UUID


class TotalDiffers(NamedTuple):
    """A period whose total is not the sum of its spends, in micros. `kept` is None where the row is missing."""

    key: PeriodKey
    kept: int | None
    ledger: int


class ReservedDiffers(NamedTuple):
    """A period that says something else is set aside than its pending reservations, in micros. `kept` as above."""

    key: PeriodKey
    kept: int | None
    pending: int


class BudgetDiffers(NamedTuple):
    """A present or later period whose budget is not that of its brand or campaign, in micros. None: no limit."""

    key: PeriodKey
    kept: int | None
    in_force: int | None


def count_periods(brands: Brands) -> int:
    return BudgetPeriod.objects.filter(brand_id__gte=brands.first, brand_id__lte=brands.last).count()


def wrong_totals(brands: Brands) -> list[TotalDiffers]:
    """Compare both ways: a ledger day without its row differs, and a row without spends must be 0."""
    month, lifetime = _starts("spend_date")
    between = "brand_id BETWEEN %s AND %s"
    sql = f"""
        WITH day AS (
            SELECT brand_id, campaign_id, spend_date, spend_type, sum(amount) AS amount
            FROM spending_spend WHERE voided_at IS NULL AND {between}
            GROUP BY brand_id, campaign_id, spend_date, spend_type
        ), whole(scope_id, brand_id, kind, starts_on, kept, ledger, is_kept) AS (
            SELECT scope_id, brand_id, kind, starts_on, posted, 0, 1 FROM spending_budgetperiod WHERE {between}
            UNION ALL SELECT campaign_id, brand_id, 'D', spend_date, 0, amount, 0 FROM day WHERE spend_type <> 'MONTHLY'
            UNION ALL SELECT brand_id, brand_id, 'D', spend_date, 0, amount, 0 FROM day WHERE spend_type <> 'MONTHLY'
            UNION ALL SELECT campaign_id, brand_id, 'M', {month}, 0, amount, 0 FROM day
            UNION ALL SELECT brand_id, brand_id, 'M', {month}, 0, amount, 0 FROM day
            UNION ALL SELECT campaign_id, brand_id, 'L', {lifetime}, 0, amount, 0 FROM day
        )
        SELECT brand_id, kind, starts_on, scope_id, sum(kept), sum(ledger), sum(is_kept) FROM whole
        GROUP BY brand_id, kind, starts_on, scope_id
        HAVING sum(kept) <> sum(ledger) OR sum(is_kept) = 0
        ORDER BY brand_id, scope_id, kind, starts_on
    """  # noqa: S608 - only placeholders and our own expressions
    found = []
    for *key, kept, ledger, is_kept in _read(sql, [*map(param, brands)] * 2):
        found.append(TotalDiffers(_key(*key), int(kept) if is_kept else None, int(ledger)))
    return found


def wrong_reserved(brands: Brands) -> list[ReservedDiffers]:
    """Compare both ways: a pending reservation counts in five periods, and nothing else is set aside in any."""
    month, lifetime = _starts("day")
    between = "brand_id BETWEEN %s AND %s"
    sql = f"""
        WITH pending AS (
            SELECT brand_id, campaign_id, day, sum(amount) AS amount
            FROM spending_reservation WHERE status = 'PENDING' AND {between}
            GROUP BY brand_id, campaign_id, day
        ), whole(scope_id, brand_id, kind, starts_on, kept, pending, is_kept) AS (
            SELECT scope_id, brand_id, kind, starts_on, reserved, 0, 1 FROM spending_budgetperiod WHERE {between}
            UNION ALL SELECT campaign_id, brand_id, 'D', day, 0, amount, 0 FROM pending
            UNION ALL SELECT brand_id, brand_id, 'D', day, 0, amount, 0 FROM pending
            UNION ALL SELECT campaign_id, brand_id, 'M', {month}, 0, amount, 0 FROM pending
            UNION ALL SELECT brand_id, brand_id, 'M', {month}, 0, amount, 0 FROM pending
            UNION ALL SELECT campaign_id, brand_id, 'L', {lifetime}, 0, amount, 0 FROM pending
        )
        SELECT brand_id, kind, starts_on, scope_id, sum(kept), sum(pending), sum(is_kept) FROM whole
        GROUP BY brand_id, kind, starts_on, scope_id
        HAVING sum(kept) <> sum(pending) OR sum(is_kept) = 0
        ORDER BY brand_id, scope_id, kind, starts_on
    """  # noqa: S608 - only placeholders and our own expressions
    found = []
    for *key, kept, pending, is_kept in _read(sql, [*map(param, brands)] * 2):
        found.append(ReservedDiffers(_key(*key), int(kept) if is_kept else None, int(pending)))
    return found


def _starts(day: str) -> tuple[str, str]:
    """The first day of the month of this column, and that of a lifetime, in SQL."""
    if is_postgres():
        return f"date_trunc('month', {day})::date", "DATE '1970-01-01'"
    return f"date({day}, 'start of month')", "'1970-01-01'"


def wrong_budgets(brands: Brands, zones: Iterable[str], now: datetime) -> list[BudgetDiffers]:
    """Periods that are not over yet must have the budget that is set now; former ones keep theirs."""
    clock = []
    for name in zones:
        try:
            today = local_date(zone(name), now)
        except (ZoneInfoNotFoundError, ValueError):
            continue  # its campaigns are undecidable, which is shown elsewhere
        clock.append((name, today, month_start(today)))
    if not clock:
        return []
    values, params = values_sql(clock)
    sql = f"""
        WITH clock(zone, today, month) AS (VALUES {values}),
        current AS (
            SELECT p.brand_id, p.kind, p.starts_on, p.scope_id, p.budget,
                CASE WHEN c.id IS NULL THEN CASE p.kind WHEN 'D' THEN b.daily_budget ELSE b.monthly_budget END
                     ELSE CASE p.kind WHEN 'D' THEN c.daily_budget WHEN 'M' THEN c.monthly_budget
                          ELSE c.lifetime_budget END END AS in_force
            FROM spending_budgetperiod p JOIN brands_brand b ON b.id = p.brand_id
            JOIN clock ON clock.zone = b.timezone LEFT JOIN campaigns_campaign c ON c.id = p.campaign_id
            WHERE p.brand_id BETWEEN %s AND %s
                AND (p.kind = 'L' OR p.starts_on >= CASE p.kind WHEN 'D' THEN clock.today ELSE clock.month END)
        )
        SELECT brand_id, kind, starts_on, scope_id, budget, in_force FROM current
        WHERE budget <> in_force OR (budget IS NULL) <> (in_force IS NULL)
        ORDER BY brand_id, scope_id, kind, starts_on
    """  # noqa: S608 - only placeholders
    rows = _read(sql, [*params, *map(param, brands)])
    return [BudgetDiffers(_key(*key), kept, in_force) for *key, kept, in_force in rows]


def rebuild_totals(differences: Iterable[TotalDiffers]) -> None:
    """Make these totals the sums of the ledger. What is reserved, forgiven and turned stays. The brand is locked."""
    move_totals([(one.key, one.ledger - (one.kept or 0)) for one in differences])


def rebuild_reserved(differences: Iterable[ReservedDiffers]) -> None:
    """Make what is set aside the sum of the pending reservations. The brand is locked."""
    some = list(differences)
    move_totals([(one.key, 0) for one in some if one.kept is None])  # makes the rows that are missing
    for one in some:
        _period(one.key).update(reserved=money.from_micros(one.pending))


def rebuild_budgets(differences: Iterable[BudgetDiffers]) -> None:
    """Put the budgets in force beside these totals. The brand is locked."""
    for one in differences:
        _period(one.key).update(budget=None if one.in_force is None else money.from_micros(one.in_force))


def _period(key: PeriodKey) -> BudgetPeriodQuerySet:
    return BudgetPeriod.objects.filter(scope_id=key.scope_id, kind=key.kind, starts_on=key.starts_on)


def _read(sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        if is_postgres():
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [TIME_LIMIT])
        return fetch(cursor, sql, params)


def _key(brand_id: UUID | str, kind: str, starts_on: date | str, scope_id: UUID | str) -> PeriodKey:
    return PeriodKey(read_uuid(brand_id), kind, read_date(starts_on) or LIFETIME_STARTS_ON, read_uuid(scope_id))
