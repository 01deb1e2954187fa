"""Turns of days and months. Nothing is reset: a new period has a new key. A turn is recorded once, when first seen."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from django.db.models import F
from django.db.models.functions import Greatest

from brands.models import Brand
from brands.periods import local_date, month_start, next_month_start
from brands.services import LockedBrand, zone
from budget_system import money
from campaigns.services import FIRST_DAY
from spending.ledger import PeriodKey, open_periods
from spending.models import BudgetPeriod, ForcedReset, PeriodKind


class Turns(NamedTuple):
    """The days and months of one brand that have begun and are not recorded yet."""

    brand_id: UUID
    days: Sequence[date]
    months: Sequence[date]


def turns_due(brand: LockedBrand, now: datetime) -> Turns | None:
    """Which turns are to be recorded for this brand at `now`; None if there are none."""
    try:
        today = local_date(zone(brand.timezone), now)
    except (ZoneInfoNotFoundError, ValueError):
        return None  # its campaigns are reported as undecidable by the evaluation that follows
    month = month_start(today)
    if brand.day_turned_on == today and brand.month_turned_on == month:
        return None
    days = _days_after(brand.day_turned_on or today - timedelta(days=1), today)
    months = _months_after(brand.month_turned_on, month)
    return Turns(brand.id, days, months) if days or months else None


def _days_after(last: date, today: date) -> list[date]:
    return [last + timedelta(days=step) for step in range(1, (today - max(last, FIRST_DAY)).days + 1)]


def _months_after(last: date | None, month: date) -> list[date]:
    if last is None:
        return [month]
    months = []
    while last < month:
        last = next_month_start(last)
        months.append(last)
    return months


def record_turns(brands: Iterable[LockedBrand], now: datetime) -> list[Turns]:
    """Record every turn of these locked brands that is due. A second call finds nothing."""
    due = [turns for brand in brands if (turns := turns_due(brand, now)) is not None]
    if not due:
        return []
    open_periods(
        (
            PeriodKey(turns.brand_id, kind, starts_on, turns.brand_id)
            for turns in due
            for kind, starts in ((PeriodKind.DAY, turns.days), (PeriodKind.MONTH, turns.months))
            for starts_on in starts
        ),
        now,
    )
    ends: dict[tuple[date | None, date | None], list[UUID]] = {}
    for turns in due:
        last = (turns.days[-1] if turns.days else None, turns.months[-1] if turns.months else None)
        ends.setdefault(last, []).append(turns.brand_id)
    for (day, month), ids in ends.items():
        values: dict[str, object] = {}
        if day is not None:
            values["day_turned_on"] = day
        if month is not None:
            values["month_turned_on"] = month
        Brand.objects.filter(pk__in=ids).update(**values)
    return due


def set_budget_in_force(scope_id: UUID, kind: PeriodKind, budget: object, since: date) -> None:
    """A changed budget is in force in the period of `since` and in those after it; former periods keep theirs."""
    BudgetPeriod.objects.filter(scope_id=scope_id, kind=kind, starts_on__gte=since).update(budget=budget)


def forgive(brand: LockedBrand, kind: PeriodKind, *, reason: str, actor: str, now: datetime) -> ForcedReset:
    """Begin the brand's present day or month afresh: what it and its campaigns have spent no longer counts."""
    today = local_date(zone(brand.timezone), now)
    starts_on = today if kind is PeriodKind.DAY else month_start(today)
    periods = BudgetPeriod.objects.filter(brand_id=brand.id, kind=kind, starts_on=starts_on)
    own = periods.filter(scope_id=brand.id).values_list("used", flat=True).first()
    periods.update(forgiven=Greatest(F("posted"), 0))
    return ForcedReset.objects.create(
        brand_id=brand.id, kind=kind, starts_on=starts_on, forgiven=own or money.from_micros(0), at=now, actor=actor,
        reason=reason,
    )  # fmt: skip
