"""What brands or campaigns have spent: one query for a whole page of them, however many rows it has."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from brands.models import Brand
from brands.periods import local_date, month_start
from budget_system import money
from campaigns.models import Campaign
from spending.ledger import LIFETIME_STARTS_ON
from spending.models import BudgetPeriod, PeriodKind


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
