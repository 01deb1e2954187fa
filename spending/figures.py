"""What brands or campaigns have spent: one query for a whole page of them, however many rows it has."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from django.db.models import F, Q, QuerySet, Sum

from brands.models import Brand
from brands.periods import local_date, month_start
from brands.services import zone
from budget_system import money
from campaigns.models import Campaign
from spending.ledger import LIFETIME_STARTS_ON
from spending.models import BudgetPeriod, PeriodKind, Spend


class Use(NamedTuple):
    """What counts against a budget, what a forced reset no longer counts, and what is set aside and not settled yet."""

    used: Decimal = Decimal(0)
    forgiven: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    def left_of(self, budget: Decimal | None) -> Decimal | None:
        """What may still be authorised of a budget, never less than 0; None where there is no limit."""
        return None if budget is None else max(budget - self.used - self.reserved, Decimal(0))


class Spent(NamedTuple):
    """A scope's present day and month, and a campaign's lifetime."""

    day: Use = Use()
    month: Use = Use()
    lifetime: Use = Use()


def day_totals(places: Collection[tuple[UUID, date]]) -> dict[tuple[UUID, date], Decimal]:
    """What is recorded for these campaigns on these days, of whatever type and source, without what is void."""
    totals = dict.fromkeys(places, Decimal(0))
    if not totals:
        return totals
    campaigns, days = {campaign_id for campaign_id, _ in places}, {day for _, day in places}
    standing = Spend.objects.filter(campaign__in=campaigns, spend_date__in=days, voided_at=None).order_by()
    sums = standing.values("campaign_id", "spend_date").annotate(total=Sum("amount"))
    found = {(row["campaign_id"], row["spend_date"]): row["total"] for row in sums}
    return {place: found.get(place, total) for place, total in totals.items()}


def present(zones: Iterable[str], now: datetime) -> Q:
    """The day and the month that it is now, of brands in these time zones; those that cannot be read have none."""
    found = Q(pk=None)
    for name in zones:
        try:
            today = local_date(zone(name), now)
        except (ZoneInfoNotFoundError, ValueError):
            continue
        starts = Q(kind=PeriodKind.DAY, starts_on=today) | Q(kind=PeriodKind.MONTH, starts_on=month_start(today))
        found |= starts & Q(brand__timezone=name)
    return found


def most_used(brands: QuerySet[Brand], zones: Iterable[str], now: datetime, limit: int) -> list[UUID]:
    """Up to `limit` of the brands: those that have used the largest share of a budget of now. Where there are many,
    without looking at each."""
    ids = list(brands.order_by("name").values_list("pk", flat=True)[: limit + 1])
    if len(ids) <= limit:
        return ids
    used = BudgetPeriod.objects.of_brands().filter(present(zones, now), brand__in=brands, budget__gt=0)
    # Twice as many, as a brand may be there with its day and its month.
    found = used.annotate(share=F("used") * 100 / F("budget")).order_by("-share").values_list("brand_id", flat=True)
    return list(dict.fromkeys(found[: 2 * limit]))[:limit] or ids[:limit]


def left_text(micros: int | None, currency: str) -> str | None:
    """What may still be authorised, never less than 0; None where there is no limit."""
    return None if micros is None else money.exact_text(money.from_micros(max(micros, 0)), currency)


def spent(scopes: Iterable[Brand | Campaign], now: datetime) -> dict[UUID, Spent]:
    """The present periods of these scopes, by their brands' local dates. Campaigns need their brand fetched."""
    wanted: dict[UUID, dict[str, Any]] = {}
    for scope in scopes:
        today = local_date(scope.zone if isinstance(scope, Brand) else scope.brand.zone, now)
        wanted[scope.pk] = {
            PeriodKind.DAY: today,
            PeriodKind.MONTH: month_start(today),
            PeriodKind.LIFETIME: LIFETIME_STARTS_ON,
        }
    of_kind = Q()
    for kind in PeriodKind.values:
        of_kind |= Q(kind=kind, starts_on__in={starts[kind] for starts in wanted.values()})
    found: dict[UUID, dict[str, Use]] = {scope_id: {} for scope_id in wanted}
    if wanted:
        for period in BudgetPeriod.objects.filter(of_kind, scope_id__in=wanted):
            if wanted[period.scope_id][period.kind] == period.starts_on:
                found[period.scope_id][period.kind] = Use(period.used, period.forgiven, period.reserved)
    return {
        scope_id: Spent(
            uses.get(PeriodKind.DAY, Use()), uses.get(PeriodKind.MONTH, Use()), uses.get(PeriodKind.LIFETIME, Use())
        )
        for scope_id, uses in found.items()
    }
