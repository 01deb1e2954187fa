"""The paced campaigns of the sample data: spend by channel, what it returns, and budgets that leave something to do."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from math import cos, pi
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from budget_system import money
from enforcement import pacing
from enforcement.demo.catalogue import CHANNELS, ChannelIdea
from enforcement.demo.plan import CampaignPlan, nice
from enforcement.demo.traffic import chance
from pacing import hours
from pacing.models import ChannelBudget
from pacing.queries import paces
from spending.services import SpendRow

GENEROUS = Decimal("2.2")
"""A first budget, as a multiple of the channel's usual day: nothing comes near its limits."""
MOST_SPENT = 0.85
"""Of a channel's budget in the end, so that no breaker is in the way."""
ORDER_VALUE = 55
USUAL_LEVEL = Decimal(400)
"""Prices are those of a campaign of so much a day; others, as those in yen, are scaled by their own."""


def split(amount: Decimal, channels: Sequence[ChannelIdea], hour: int, decimals: int) -> dict[str, Decimal]:
    """The amount by channel, in whole coins; each has its hours. What rounding leaves goes to the first."""
    weights = {one.name: one.share * (1 + 0.6 * cos((hour - one.peak) * pi / 12)) for one in channels}
    total = sum(weights.values())
    coin = Decimal(1).scaleb(-decimals)
    parts = {
        name: (amount * Decimal(str(round(weight / total, 6)))).quantize(coin, ROUND_DOWN)
        for name, weight in weights.items()
    }
    first = channels[0].name
    parts[first] += amount - sum(parts.values())
    return {name: part for name, part in parts.items() if part}


def count_returns(
    seed: int, rows: Sequence[SpendRow], plans: Mapping[UUID, tuple[ZoneInfo, CampaignPlan]], now: datetime
) -> None:
    """Clicks, conversions and revenue of these spends, in the hour in which they arrive."""
    moves = {}
    for row in rows:
        zone, plan = plans[row.campaign_id]
        day, starts_at = hours.hour_of(zone, now)
        if row.spend_date == day:
            found = _returns(seed, CHANNELS[row.channel], row, float(plan.level / USUAL_LEVEL))
            moves[hours.Key(row.campaign_id, row.channel, day, starts_at)] = found
    if moves:
        with transaction.atomic():
            hours.add(moves)


def _returns(seed: int, idea: ChannelIdea, row: SpendRow, scale: float) -> hours.Figures:
    noise = chance(seed, row.key, "returns")
    cost = float(row.amount)
    clicks = round(cost / scale / idea.cost_per_click * noise.lognormvariate(0, 0.1))
    revenue = round(cost * idea.revenue_per_cost * noise.lognormvariate(0, 0.2), 2)
    conversions = round(revenue / scale / ORDER_VALUE, 1)
    return hours.Figures(
        0, clicks * noise.randint(25, 40), clicks, money.to_micros(Decimal(str(conversions))),
        money.to_micros(Decimal(str(revenue))),
    )  # fmt: skip


def start(campaign_id: UUID, plan: CampaignPlan, actor: str, now: datetime) -> None:
    """Give each channel its first budget, unless it has one."""
    if ChannelBudget.objects.filter(campaign=campaign_id).exists():
        return
    for idea in plan.channels:
        budget = nice(plan.level * GENEROUS * idea.share / 100)
        pacing.set_channel_budget(campaign_id, idea.name, {"daily_budget": budget}, actor=actor, now=now)


def fit(brand_id: UUID, campaign_id: UUID, plan: CampaignPlan, actor: str, now: datetime) -> None:
    """Set budgets by which each channel stands to its plan as it is meant to; look at the pace; ask what to move."""
    start(campaign_id, plan, actor, now)
    pacing.refit(campaign_id, now)
    ideas = {idea.name: idea for idea in plan.channels}
    for found in paces([campaign_id], now):
        for channel in found.channels:
            share = float(channel.pace.planned / channel.pace.budget) if channel.pace.budget else 0.0
            spent, idea = float(channel.pace.spent), ideas[channel.channel]
            if not spent or not share:
                continue
            budget = nice(Decimal(str(round(max(spent / (share * idea.pace), spent / MOST_SPENT), 2))))
            pacing.set_channel_budget(campaign_id, idea.name, {"daily_budget": budget}, actor=actor, now=now)
    pacing.check_pace(brand_id, actor=actor, now=now)
    pacing.propose_reallocation(campaign_id, actor=actor, now=now)
