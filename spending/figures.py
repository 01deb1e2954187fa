"""What brands or campaigns have spent: one query for a whole page of them, however many rows it has."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, Sum

from brands.models import Brand
from brands.periods import local_date, month_start
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
