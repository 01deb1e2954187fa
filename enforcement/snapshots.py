"""Gather: read everything that decides about campaigns, in one query. SQL narrows and gathers; it decides nothing.

`gather` is for sets, `gather_one` for one campaign with what is set aside, which sweeps need not read. Both give the
same facts; a test compares them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection

from brands.periods import local_date, month_start
from brands.services import LockedBrand, zone
from budget_system.db import fetch, is_postgres, param, read_date, read_moment, values_sql
from campaigns import holds
from campaigns.holds import Hold
from enforcement.decision import Budget, Facts, OverrideFact, Scope
from scheduling.windows import week_from_text
from spending.ledger import LIFETIME_STARTS_ON


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
    """Which campaigns to gather: a condition on their brands (b) and one on themselves (c), with the parameters."""

    brands: str
    campaigns: str
    params: tuple[Any, ...]


def of_brands(brand_ids: Iterable[UUID]) -> Selection:
    ids = tuple(map(param, brand_ids))
    return Selection(f"b.id IN ({_marks(ids)})", "true", ids)


def of_campaigns(campaign_ids: Iterable[UUID], brand_ids: Iterable[UUID]) -> Selection:
    """These campaigns, which are of these brands."""
    ids, brands = tuple(map(param, campaign_ids)), tuple(map(param, brand_ids))
    return Selection(f"b.id IN ({_marks(brands)})", f"c.id IN ({_marks(ids)})", (*brands, *ids))


def between_brands(first: UUID, last: UUID) -> Selection:
    return Selection("b.id BETWEEN %s AND %s", "true", (param(first), param(last)))


def _marks(values: Sequence[object]) -> str:
    return ",".join(["%s"] * len(values))


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
    sql = _sql(values, selection, archived=archived)
    brands: dict[str, _Brand] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *selection.params])
        while rows := cursor.fetchmany(5_000):
            for row in rows if is_postgres() else map(_typed, rows):
                yield _read(row, brands)


def _sql(clock_values: str, selection: Selection, *, archived: bool) -> str:
    """One statement. Each total is looked up by its key, and only where there is a budget to compare it with."""
    text = "::text" if is_postgres() else ""
    current = "" if archived else "c.archived_at IS NULL AND "
    return f"""
        WITH clock(zone, today, month) AS (VALUES {clock_values}),
        brand AS MATERIALIZED (
            SELECT b.id, b.currency, b.timezone, clock.today, clock.month,
                b.emergency_stopped_at IS NOT NULL AS stopped,
                b.daily_budget, {_used("b.daily_budget", "b.id", "D", "clock.today")} AS day_used,
                b.monthly_budget, {_used("b.monthly_budget", "b.id", "M", "clock.month")} AS month_used
            FROM brands_brand b LEFT JOIN clock ON clock.zone = b.timezone
            WHERE {selection.brands}
        )
        SELECT c.id{text}, c.brand_id{text}, b.currency, c.holds, c.next_check_at,
            c.emergency_stopped_at IS NOT NULL, c.manual_paused_at IS NOT NULL, c.manual_pause_until,
            c.start_date, c.end_date, c.week,
            c.lifetime_budget, {_used("c.lifetime_budget", "c.id", "L", "'1970-01-01'")},
            c.monthly_budget, {_used("c.monthly_budget", "c.id", "M", "b.month")},
            c.daily_budget, {_used("c.daily_budget", "c.id", "D", "b.today")},
            b.timezone, b.today, b.stopped, b.monthly_budget, b.month_used, b.daily_budget, b.day_used,
            o.lifts, o.starts_at, o.ends_at, o.extra_budget, o.spent_before,
            {_used("o.id", "c.id", "L", "'1970-01-01'", "posted")}, c.breaker_until, c.stopped_channels
        FROM brand b
        JOIN campaigns_campaign c ON c.brand_id = b.id
        LEFT JOIN campaigns_override o ON o.campaign_id = c.id AND o.cleared_at IS NULL
        WHERE {current}{selection.campaigns}
    """  # noqa: S608 - only placeholders and our own conditions


def _used(wanted: str, scope: str, kind: str, starts_on: str, column: str = "used") -> str:
    return (
        f"CASE WHEN {wanted} IS NOT NULL THEN (SELECT p.{column} FROM spending_budgetperiod p"  # noqa: S608
        f" WHERE p.scope_id = {scope} AND p.kind = '{kind}' AND p.starts_on = {starts_on}) END"
    )


class Present(NamedTuple):
    """A campaign with what is set aside, and the rows that count in its brand's and its own present periods."""

    campaign: Snapshot | Undecidable
    period_ids: list[int]
    paced: bool


def gather_one(campaign_id: UUID, brand: LockedBrand, now: datetime, *, archived: bool = False) -> Present | None:
    """This campaign of this brand at `now`; None for an archived one, unless asked for."""
    try:
        today = local_date(zone(brand.timezone), now)
    except (ZoneInfoNotFoundError, ValueError):
        today = None  # it comes out as undecidable below
    day = today or now.date()
    scopes_and_days = (brand.id, campaign_id, day, month_start(day), LIFETIME_STARTS_ON, day, campaign_id)
    with connection.cursor() as cursor:
        found = fetch(cursor, _one_sql(archived=archived), [param(value) for value in scopes_and_days])
    if not found:
        return None
    (
        held, next_at, stopped, manual, until, starts, ends, week, life, month, daily, breaker, channels, paced,
        *override, periods,
    ) = found[0]  # fmt: skip
    counted: dict[str, tuple[int, int]] = {}
    ids = []
    for period in periods.split(",") if periods else ():
        which, period_id, used, posted, reserved = period.split()
        counted[which] = (int(used), int(reserved))
        if which == "Lc":
            counted["posted"] = (int(posted), int(reserved))
        ids.append(int(period_id))
    row = (
        str(campaign_id), str(brand.id), brand.currency, held, next_at, stopped, manual, until, starts, ends, week,
        life, counted.get("Lc"), month, counted.get("Mc"), daily, counted.get("Dc"), brand.timezone, today,
        brand.stopped, brand.monthly_budget, counted.get("Mb"), brand.daily_budget, counted.get("Db"), *override,
        counted.get("posted"), breaker, channels,
    )  # fmt: skip
    return Present(_read(row if is_postgres() else _typed(row), {}), ids, bool(paced))


@cache
def _one_sql(*, archived: bool) -> str:
    """Few and simple parts: for one campaign, planning costs more than reading."""
    join = "string_agg" if is_postgres() else "group_concat"
    current = "" if archived else "AND c.archived_at IS NULL"
    return f"""
        SELECT c.holds, c.next_check_at, c.emergency_stopped_at IS NOT NULL, c.manual_paused_at IS NOT NULL,
            c.manual_pause_until, c.start_date, c.end_date, c.week, c.lifetime_budget, c.monthly_budget, c.daily_budget,
            c.breaker_until, c.stopped_channels, c.paced,
            o.lifts, o.starts_at, o.ends_at, o.extra_budget, o.spent_before,
            (SELECT {join}(p.kind || CASE WHEN p.campaign_id IS NULL THEN 'b ' ELSE 'c ' END || p.id || ' ' || p.used
                    || ' ' || p.posted || ' ' || p.reserved, ',')
                FROM spending_budgetperiod p WHERE p.scope_id IN (%s, %s) AND p.kind IN ('D', 'M', 'L')
                    AND p.starts_on IN (%s, %s, %s) AND (p.kind <> 'D' OR p.starts_on = %s))
        FROM campaigns_campaign c LEFT JOIN campaigns_override o ON o.campaign_id = c.id AND o.cleared_at IS NULL
        WHERE c.id = %s {current}
    """  # noqa: S608 - only placeholders and our own conditions


_Counted = int | tuple[int, int] | None
"""What counts in a period: spend, or spend and what is set aside; None where there is no such row."""


class _Brand(NamedTuple):
    """What the campaigns of a brand have in common."""

    zone: ZoneInfo
    day: date
    stopped: tuple[Scope, ...]
    monthly: tuple[Budget, ...]
    daily: tuple[Budget, ...]
    budgets: tuple[Budget, ...]


def _read(row: Sequence[Any], brands: dict[str, _Brand]) -> Snapshot | Undecidable:
    """The row as a snapshot. `brands` has those read before."""
    try:
        brand = brands.get(row[1])
        if brand is None:
            brand = brands[row[1]] = _brand(*row[17:24])
        return Snapshot(row[0], row[1], row[2], _facts(brand, row), holds.from_text(row[3]), row[4])
    except (ValueError, ZoneInfoNotFoundError) as error:
        return _stopped(row) or Undecidable(row[0], row[1], str(error))


def _stopped(row: Sequence[Any]) -> Snapshot | None:
    """What a person has stopped stays stopped, and can be stopped, although the rest of it cannot be read."""
    stops = (Scope.BRAND,) * bool(row[19]) + _stops(row)
    paused = bool(row[6]) and row[7] is None
    try:
        held = holds.from_text(row[3])
    except ValueError:
        return None
    if not stops and not paused:
        return None
    return Snapshot(row[0], row[1], row[2], Facts(zone("UTC"), date.min, stops, paused), held, row[4])


def _brand(
    zone_name: str, today: date | None, stopped: bool, month: int | None, month_used: _Counted, day: int | None,
    day_used: _Counted,
) -> _Brand:  # fmt: skip
    its_zone = zone(zone_name)
    if today is None:
        raise ValueError("its brand's time zone is not known")
    monthly = _budget(Hold.MONTHLY_BUDGET_EXCEEDED, Scope.BRAND, month, month_used)
    daily = _budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND, day, day_used)
    return _Brand(its_zone, today, (Scope.BRAND,) if stopped else (), monthly, daily, monthly + daily)


def _budget(hold: Hold, scope: Scope, limit: int | None, counted: _Counted) -> tuple[Budget, ...]:
    """The budget, if there is one."""
    if limit is None:
        return ()
    return (
        Budget(hold, scope, limit, *counted)
        if isinstance(counted, tuple)
        else Budget(hold, scope, limit, counted or 0),
    )


def _facts(brand: _Brand, row: Sequence[Any]) -> Facts:
    stopped, manual, until, starts_on, ends_on, week, life, life_used, month, month_used, day, day_used = row[5:17]
    budgets = brand.budgets
    if life is not None or month is not None or day is not None:
        budgets = (
            *_budget(Hold.LIFETIME_BUDGET_EXCEEDED, Scope.CAMPAIGN, life, life_used),
            *brand.monthly,
            *_budget(Hold.MONTHLY_BUDGET_EXCEEDED, Scope.CAMPAIGN, month, month_used),
            *brand.daily,
            *_budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.CAMPAIGN, day, day_used),
        )
    return Facts(
        brand.zone, brand.day, (*brand.stopped, *_stops(row)) if stopped or row[31] else brand.stopped, manual, until,
        starts_on, ends_on, budgets, row[30], week_from_text(week), None if row[24] is None else _override(*row[24:30]),
    )  # fmt: skip


def _stops(row: Sequence[Any]) -> tuple[Scope, ...]:
    """What is stopped of the campaign itself: all of it, or a channel."""
    return (Scope.CAMPAIGN,) * bool(row[5]) + (Scope.CHANNEL,) * bool(row[31])


def _override(
    lifts: str, starts_at: datetime, ends_at: datetime, extra: int | None, spent_before: int, counted: _Counted
) -> OverrideFact:
    posted, reserved = counted if isinstance(counted, tuple) else (counted or 0, 0)
    return OverrideFact(holds.from_text(lifts), starts_at, ends_at, extra, posted - spent_before, reserved)


def _typed(row: Sequence[Any]) -> Sequence[Any]:
    """A row of SQLite's, which has no type for ids, moments, dates and truth values, as PostgreSQL gives it."""
    typed = list(row)
    for index in (0, 1):
        typed[index] = str(UUID(row[index]))
    for index in (4, 7, 25, 26, 30):
        typed[index] = read_moment(row[index])
    for index in (8, 9, 18):
        typed[index] = read_date(row[index])
    for index in (5, 6, 19):
        typed[index] = bool(row[index])
    return typed
