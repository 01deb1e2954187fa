"""What was spent when: by day from the totals, by hour from the moments at which spend arrived; for charts."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, Sum
from django.db.models.functions import TruncMinute

from brands.models import Brand
from brands.periods import day_starts_at
from campaigns.models import Campaign
from spending.models import BudgetPeriod, PeriodKind, Spend, SpendType


def by_day(scopes: Collection[UUID], first: date, last: date) -> dict[UUID, dict[date, Decimal]]:
    """What each brand or campaign has spent on the days from `first` to `last`, both included. One query."""
    found: dict[UUID, dict[date, Decimal]] = {scope: {} for scope in scopes}
    periods = BudgetPeriod.objects.filter(
        scope_id__in=scopes, kind=PeriodKind.DAY, starts_on__gte=first, starts_on__lte=last
    ).order_by()
    for scope, day, posted in periods.values_list("scope_id", "starts_on", "posted"):
        found[scope][day] = posted
    return found


def budgets_by_day(scope: Brand | Campaign, first: date, last: date, today: date) -> list[Decimal | None]:
    """The daily budget of each day from `first` to `last`: the one then in force, or today's where none is kept."""
    kept = BudgetPeriod.objects.filter(
        scope_id=scope.pk, kind=PeriodKind.DAY, starts_on__gte=first, starts_on__lte=min(last, today)
    ).order_by()
    in_force = dict(kept.values_list("starts_on", "budget"))
    return [in_force.get(day, scope.daily_budget) for day in days(first, last)]


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def by_hour(scope: Brand | Campaign, day: date) -> dict[datetime, Decimal]:
    """A day's spend by the local hour in which it arrived, by each hour's beginning; empty hours are left out.

    The beginnings are in UTC: two local ones of a repeated hour would be equal. What came before the day began counts
    in its first hour, what came after its end in its last: platforms report late.
    """
    zone = scope.zone if isinstance(scope, Brand) else scope.brand.zone
    begins, ends = day_starts_at(zone, day), day_starts_at(zone, day + timedelta(days=1))
    whose = Q(brand=scope) if isinstance(scope, Brand) else Q(campaign=scope)
    # By minutes of UTC, which no change of the clock repeats; the hours of a zone need not be those of UTC.
    minutes = (
        Spend.objects.filter(whose, spend_date=day, voided_at=None)
        .exclude(spend_type=SpendType.MONTHLY)
        .order_by()
        .annotate(minute=TruncMinute("created_at", tzinfo=UTC))
        .values_list("minute")
        .annotate(spent=Sum("amount"))
    )
    found: dict[datetime, Decimal] = {}
    for minute, spent in minutes:
        local = min(max(minute, begins), ends - timedelta(minutes=1)).astimezone(zone)
        hour = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        found[hour] = found.get(hour, Decimal(0)) + spent
    return dict(sorted(found.items()))
