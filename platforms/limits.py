"""The blast radius: more than so many campaigns, or so much of a brand's spend, in one go waits for a person.

One go is a quarter of an hour, so that a change that trickles through many runs counts as one. What counts is what
people and programs change (budgets, pauses, schedules, corrections) and what has waited: a slip there moves everything
at once. What the clock and spend decide does not, unless the brand says so: a budget that is used up and a day that
begins are what this system is for, and a pause that waits spends what must not be spent. Nor does what a person has
approved, or an emergency stop.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import OuterRef, Subquery, Sum

from brands.models import Brand
from brands.periods import local_date
from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement.services import Cause
from platforms.models import Act, RemoteState, Steering
from spending.models import BudgetPeriod, PeriodKind

ONE_GO = timedelta(minutes=15)
DAYS = 7
BUDGETS = frozenset({Hold.LIFETIME_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED, Hold.DAILY_BUDGET_EXCEEDED})
CLOCK = frozenset({Cause.TIME, Cause.SWEEP})


def counting(fresh: Sequence[RemoteState], steering: Steering, now: datetime) -> list[RemoteState]:
    """Of the rows about to be sent for the first time, those that count."""
    rows = [row for row in fresh if row.campaign.pause_reason != Hold.EMERGENCY_STOP]
    if not rows or steering.budgets_count:
        return rows
    latest = StateChange.objects.filter(campaign=OuterRef("pk")).order_by("-id")
    decided = Campaign.objects.filter(pk__in=[row.pk for row in rows]).values_list(
        "pk", Subquery(latest.values("cause")[:1]), Subquery(latest.values("at")[:1])
    )
    why = {pk: (cause, at) for pk, cause, at in decided}
    return [row for row in rows if not _is_planned(row, *why[row.pk], now)]


def _is_planned(row: RemoteState, cause: str | None, at: datetime | None, now: datetime) -> bool:
    """The clock or spend has decided it, a moment ago."""
    if cause == Cause.SPEND or row.campaign.pause_reason in BUDGETS:
        return cause in CLOCK | {Cause.SPEND}
    return cause in CLOCK and at is not None and now - at < ONE_GO


def is_too_much(rows: Sequence[RemoteState], steering: Steering, now: datetime) -> bool:
    """Whether these rows, together with what counted in the last quarter of an hour, are more than the brand lets."""
    if not rows:
        return False
    lately = Act.objects.filter(account__brand=steering.brand_id, counts=True, at__gt=now - ONE_GO)
    together = set(lately.values_list("campaign", flat=True)) | {row.campaign_id for row in rows}
    if len(together) > steering.most_campaigns:
        return True
    # A brand with one campaign would never do anything: of one alone the share says nothing.
    return len(together) > 1 and share_of_spend(steering.brand_id, together, now) > steering.most_share


def share_of_spend(brand_id: UUID, campaigns: set[UUID], now: datetime) -> Decimal:
    """The per cent of the brand's spend of the last seven days, today included, that these campaigns spent."""
    first = local_date(Brand.objects.get(pk=brand_id).zone, now) - timedelta(days=DAYS - 1)
    periods = BudgetPeriod.objects.filter(brand=brand_id, kind=PeriodKind.DAY, starts_on__gte=first)
    by_scope = dict(periods.order_by().values_list("scope_id").annotate(total=Sum("posted")))
    whole = by_scope.get(brand_id) or Decimal(0)
    theirs = sum((by_scope.get(one) or Decimal(0) for one in campaigns), Decimal(0))
    return theirs * 100 / whole if whole > 0 else Decimal(0)
