"""Gather: read everything that decides about campaigns, in one query. SQL narrows and gathers; it decides nothing."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from django.db import connection

from brands.periods import local_date, month_start
from brands.services import zone
from budget_system.db import fetch, is_postgres, param, read_date, read_moment, values_sql
from campaigns import holds
from campaigns.holds import Hold
from enforcement.decision import Budget, Facts, OverrideFact, Scope
from scheduling.windows import week_from_text


class Snapshot(NamedTuple):
    """A campaign as it stands: the facts, and the outputs that are stored. Ids as text: most are never needed."""

    campaign_id: str
    brand_id: str
    currency: str
    facts: Facts
    holds: tuple[Hold, ...]
    next_check_at: datetime


class Undecidable(NamedTuple):
    """A campaign whose stored data cannot be read, and why. It is shown to a person; the others go on."""

    campaign_id: str
    brand_id: str
    problem: str


class Selection(NamedTuple):
    """Which campaigns to gather: a condition on c (campaign) and b (brand), with its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


def of_brands(brand_ids: Iterable[UUID]) -> Selection:
    ids = list(brand_ids)
    return Selection(f"b.id IN ({','.join(['%s'] * len(ids))})", tuple(map(param, ids)))


def of_campaigns(campaign_ids: Iterable[UUID]) -> Selection:
    ids = list(campaign_ids)
    return Selection(f"c.id IN ({','.join(['%s'] * len(ids))})", tuple(map(param, ids)))


def between_brands(first: UUID, last: UUID) -> Selection:
    return Selection("b.id BETWEEN %s AND %s", (param(first), param(last)))


def zones_in_use() -> set[str]:
    with connection.cursor() as cursor:
        return {row[0] for row in fetch(cursor, "SELECT DISTINCT timezone FROM brands_brand")}


def gather(
    selection: Selection, zones: Iterable[str], now: datetime, *, archived: bool = False
) -> Iterator[Snapshot | Undecidable]:
    """The chosen campaigns with their facts at `now`; those of archived campaigns only when asked for."""
    clock = []
    for name in zones:
        try:
            day = local_date(zone(name), now)
        except (ZoneInfoNotFoundError, ValueError):
            continue  # its campaigns come out as undecidable below
        clock.append((name, day, month_start(day)))
    if not clock:
        clock.append(("", now.date(), month_start(now.date())))
    values, params = values_sql(clock)
    sql = _sql(values, selection.sql, archived=archived)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *selection.params])
        while rows := cursor.fetchmany(5_000):
            yield from map(_read, rows)


def _sql(clock_values: str, condition: str, *, archived: bool) -> str:
    text = "::text" if is_postgres() else ""
    current = "" if archived else "c.archived_at IS NULL AND "
    return f"""
        WITH clock(zone, today, month) AS (VALUES {clock_values})
        SELECT c.id{text}, c.brand_id{text}, b.currency, c.holds, c.next_check_at, b.timezone, clock.today,
            b.emergency_stopped_at IS NOT NULL, c.emergency_stopped_at IS NOT NULL,
            c.manual_paused_at IS NOT NULL, c.manual_pause_until, c.start_date, c.end_date, c.week,
            b.daily_budget, bd.used, b.monthly_budget, bm.used,
            c.daily_budget, cd.used, c.monthly_budget, cm.used, c.lifetime_budget, cl.used,
            o.lifts, o.starts_at, o.ends_at, o.extra_budget, o.spent_before, cl.posted
        FROM brands_brand b
        JOIN campaigns_campaign c ON c.brand_id = b.id
        LEFT JOIN clock ON clock.zone = b.timezone
        LEFT JOIN campaigns_override o ON o.campaign_id = c.id AND o.cleared_at IS NULL
        LEFT JOIN spending_budgetperiod bd ON b.daily_budget IS NOT NULL
            AND bd.scope_id = b.id AND bd.kind = 'D' AND bd.starts_on = clock.today
        LEFT JOIN spending_budgetperiod bm ON b.monthly_budget IS NOT NULL
            AND bm.scope_id = b.id AND bm.kind = 'M' AND bm.starts_on = clock.month
        LEFT JOIN spending_budgetperiod cd ON c.daily_budget IS NOT NULL
            AND cd.scope_id = c.id AND cd.kind = 'D' AND cd.starts_on = clock.today
        LEFT JOIN spending_budgetperiod cm ON c.monthly_budget IS NOT NULL
            AND cm.scope_id = c.id AND cm.kind = 'M' AND cm.starts_on = clock.month
        LEFT JOIN spending_budgetperiod cl ON (c.lifetime_budget IS NOT NULL OR o.id IS NOT NULL)
            AND cl.scope_id = c.id AND cl.kind = 'L' AND cl.starts_on = '1970-01-01'
        WHERE {current}{condition}
    """  # noqa: S608 - only placeholders and our own conditions


def _read(row: Sequence[Any]) -> Snapshot | Undecidable:
    try:
        return Snapshot(row[0], row[1], row[2], _facts(row), holds.from_text(row[3]), _moment(row[4]))
    except (ValueError, ZoneInfoNotFoundError) as error:
        return Undecidable(row[0], row[1], str(error))


def _facts(row: Sequence[Any]) -> Facts:
    (
        zone_name, today, brand_stopped, stopped, manual, until, starts_on, ends_on, week,
        brand_day, brand_day_used, brand_month, brand_month_used, day, day_used, month, month_used, life, life_used,
    ) = row[5:24]  # fmt: skip
    budgets = []
    if life is not None:
        budgets.append(Budget(Hold.LIFETIME_BUDGET_EXCEEDED, Scope.CAMPAIGN, life, life_used or 0))
    if brand_month is not None:
        budgets.append(Budget(Hold.MONTHLY_BUDGET_EXCEEDED, Scope.BRAND, brand_month, brand_month_used or 0))
    if month is not None:
        budgets.append(Budget(Hold.MONTHLY_BUDGET_EXCEEDED, Scope.CAMPAIGN, month, month_used or 0))
    if brand_day is not None:
        budgets.append(Budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND, brand_day, brand_day_used or 0))
    if day is not None:
        budgets.append(Budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.CAMPAIGN, day, day_used or 0))
    stops: tuple[Scope, ...] = ()
    if brand_stopped or stopped:
        stops = (Scope.BRAND,) * bool(brand_stopped) + (Scope.CAMPAIGN,) * bool(stopped)
    return Facts(
        zone(zone_name), _day(today), stops, bool(manual), read_moment(until), read_date(starts_on),
        read_date(ends_on), tuple(budgets), False, week_from_text(week), _override(row),
    )  # fmt: skip


def _override(row: Sequence[Any]) -> OverrideFact | None:
    lifts, starts_at, ends_at, extra, spent_before, posted = row[24:30]
    if lifts is None:
        return None
    return OverrideFact(
        holds.from_text(lifts), _moment(starts_at), _moment(ends_at), extra, (posted or 0) - spent_before
    )


def _day(value: date | str | None) -> date:
    day = read_date(value)
    if day is None:
        raise ValueError("its brand's time zone is not known")
    return day


def _moment(value: datetime | str) -> datetime:
    moment = read_moment(value)
    if moment is None:
        raise ValueError("a moment is missing")
    return moment
