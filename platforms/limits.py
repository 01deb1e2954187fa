"""The blast radius: more than so many campaigns, or so much of a brand's spend, in one go waits for a person.

One go is a quarter of an hour, so that a change that trickles through many runs counts as one. What a person has
approved does not count, nor do pauses for a used-up budget unless the brand says so: they are what this system is for,
a brand's budget covers all of its campaigns, and a pause that waits spends what must not be spent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from brands.models import Brand
from brands.periods import local_date
from campaigns.holds import Hold
from platforms.models import Act, ActKind, RemoteState, Steering
from spending.models import BudgetPeriod, PeriodKind

ONE_GO = timedelta(minutes=15)
DAYS = 7
BUDGETS = frozenset({Hold.LIFETIME_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED, Hold.DAILY_BUDGET_EXCEEDED})
ACTOR = "worker"


def too_much(fresh: Sequence[RemoteState], steering: Steering, now: datetime) -> list[RemoteState]:
    """Of the rows about to be sent for the first time, those that are too much: all that count, or none."""
    counting = [row for row in fresh if counts(row.campaign.pause_reason, steering)]
    if not counting:
        return []
    acts = Act.objects.filter(
        account__brand=steering.brand_id, kind=ActKind.SENT, attempt=1, actor=ACTOR, at__gt=now - ONE_GO
    )
    sent = {campaign for campaign, reason in acts.values_list("campaign", "reason") if counts(reason, steering)}
    together = sent | {row.campaign_id for row in counting}
    if len(together) > steering.most_campaigns:
        return counting
    share = share_of_spend(steering.brand_id, together, now)
    # A brand with one campaign would never do anything: of one alone the share says nothing.
    return counting if len(together) > 1 and share > steering.most_share else []


def counts(reason: str, steering: Steering) -> bool:
    if reason == Hold.EMERGENCY_STOP:
        return False
    return steering.budgets_count or reason not in BUDGETS


def share_of_spend(brand_id: UUID, campaigns: set[UUID], now: datetime) -> Decimal:
    """The per cent of the brand's spend of the last seven days, today included, that these campaigns spent."""
    first = local_date(Brand.objects.get(pk=brand_id).zone, now) - timedelta(days=DAYS - 1)
    periods = BudgetPeriod.objects.filter(brand=brand_id, kind=PeriodKind.DAY, starts_on__gte=first)
    by_scope = dict(periods.order_by().values_list("scope_id").annotate(total=Sum("posted")))
    whole = by_scope.get(brand_id) or Decimal(0)
    theirs = sum((by_scope.get(one) or Decimal(0) for one in campaigns), Decimal(0))
    return theirs * 100 / whole if whole > 0 else Decimal(0)
