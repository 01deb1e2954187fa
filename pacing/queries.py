"""Reading pacing: where channels and campaigns stand at a moment, for the API, commands and pages.

Nothing here takes a lock or writes: a new day's plan that nobody has laid yet is laid in memory only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from brands.models import Brand
from brands.periods import local_date
from budget_pacer import HourlyAllocation, HourStatus, PacerConfig
from budget_pacer import breaker as breakers
from budget_pacer.day import OpenWeek, day_at
from budget_pacer.pace import pace_ratio
from budget_pacer.plan import planned_share
from budget_pacer.serialize import load_state
from budget_pacer.store import CampaignState
from budget_system import money
from campaigns.models import Campaign
from pacing.channels import channel_of, label
from pacing.desk import Desk, calendar_of, config_of
from pacing.learning import KEPT
from pacing.models import BreakerState, ChannelBudget, HourTotal, PaceAlert, PacedCampaign

SPEAKS_FROM = 0.02
"""Before so much of the plan has passed nothing is said about how the day will end."""
_NO_SETTINGS = frozenset({"extra_channels", "reservation_ttl_s"})


# --- Channels --------------------------------------------------------------------------------------------------------


class Breaker(NamedTuple):
    """A channel's breaker at a moment: an open one whose time is over lets a probe through."""

    state: BreakerState
    reason: str
    probes_at: datetime | None


class ChannelNow(NamedTuple):
    """A channel today: its budget after money was moved, and what of it is gone."""

    budget: Decimal
    spent: Decimal
    held: Decimal
    breaker: Breaker

    @property
    def left(self) -> Decimal:
        return max(self.budget - self.spent - self.held, Decimal(0))


def channels_now(budgets: Iterable[ChannelBudget], now: datetime) -> dict[UUID, ChannelNow]:
    """The present figures of these channel budgets by their ids, in one query. They have campaign and brand fetched."""
    given = list(budgets)
    paced = PacedCampaign.objects.in_bulk({budget.campaign_id for budget in given})
    states = {pk: load_state(row.state, row.version) for pk, row in paced.items() if row.state}
    return {
        budget.pk: _channel_now(budget, states.get(budget.campaign_id), paced[budget.campaign_id], now)
        for budget in given
    }


def _channel_now(budget: ChannelBudget, state: CampaignState | None, paced: PacedCampaign, now: datetime) -> ChannelNow:
    known = None if state is None else state.channels.get(budget.channel)
    if state is None or known is None:
        return ChannelNow(budget.daily_budget, Decimal(0), Decimal(0), Breaker(BreakerState.CLOSED, "", None))
    config = config_of(paced.settings, budget.settings)
    breaker = _breaker(breakers.at(known.breaker, now.timestamp(), config), config)
    if state.day != local_date(budget.campaign.brand.zone, now).toordinal():
        # Another day's figures: today begins with the budget as it was set.
        return ChannelNow(money.from_micros(known.original), Decimal(0), Decimal(0), breaker)
    budget_today, spent, held = map(money.from_micros, (known.limits.budget, known.meter.spent, known.meter.held))
    return ChannelNow(budget_today, spent, held, breaker)


def _breaker(breaker: breakers.Breaker, config: PacerConfig) -> Breaker:
    state = BreakerState(breaker.state.value)
    is_open = state is BreakerState.OPEN
    probes_at = datetime.fromtimestamp(breakers.reopens_at(breaker, config), UTC) if is_open else None
    return Breaker(state, breaker.reason, probes_at)


def settings_in_force(*settings: dict[str, object]) -> dict[str, str | int | None]:
    """Every setting by name, the defaults with these in their place; numbers with decimals as text."""
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in asdict(config_of(*settings)).items()
        if name not in _NO_SETTINGS
    }


def paced_of(brand: Brand | None = None) -> list[UUID]:
    """The campaigns whose channels have budgets, of one brand if given."""
    paced = Campaign.objects.current().filter(paced=True)
    if brand is not None:
        paced = paced.filter(brand=brand)
    return list(paced.order_by("brand_id", "pk").values_list("pk", flat=True))


# --- Pace ------------------------------------------------------------------------------------------------------------


class Pace(NamedTuple):
    """Spend beside plan."""

    budget: Decimal
    spent: Decimal
    held: Decimal
    planned: Decimal
    """What should have been spent by now."""
    ratio: float | None
    """1.0 is on plan; None: something was spent and nothing planned yet."""
    projected: Decimal | None
    """What the day comes to if the pace stays as it is; None while it says little."""


@dataclass(frozen=True)
class ChannelPace:
    channel: str
    budget: ChannelBudget
    pace: Pace
    breaker: Breaker
    alerts: Sequence[PaceAlert]
    """Those that stand, the latest first."""

    @property
    def label(self) -> str:
        return label(self.channel)


@dataclass(frozen=True)
class CampaignPace:
    campaign: Campaign
    pace: Pace
    channels: Sequence[ChannelPace]

    @property
    def alerts(self) -> list[PaceAlert]:
        return [alert for channel in self.channels for alert in channel.alerts]


def paces(campaign_ids: Collection[UUID], now: datetime) -> list[CampaignPace]:
    """How the paced ones among these campaigns stand, by brand and name. As many queries for one as for many, as long
    as today's plans are laid."""
    desk = Desk(campaign_ids, now)
    alerts = defaultdict(list)
    for alert in PaceAlert.objects.filter(campaign__in=[row.pk for row in desk.campaigns], cleared_at=None):
        alerts[alert.campaign_id, alert.channel].append(alert)
    found = []
    for row in desk.campaigns:
        budgets = desk.budgets[str(row.pk)]
        if not budgets:
            continue
        channels, sums = [], _Sums()
        for name, budget in sorted(budgets.items()):
            one = _sums_of(desk, budget)
            sums = _Sums(*map(sum, zip(sums, one, strict=True)))
            config = config_of(row.settings, budget.settings)
            breaker = _breaker(desk.breaker(budget), config)
            channels.append(ChannelPace(name, budget, _pace(one, row.campaign), breaker, alerts[row.pk, name]))
        found.append(CampaignPace(row.campaign, _pace(sums, row.campaign), channels))
    return sorted(found, key=lambda one: (one.campaign.brand.name, one.campaign.name, one.campaign.pk))


class _Sums(NamedTuple):
    """In micros."""

    budget: int = 0
    spent: int = 0
    held: int = 0
    planned: int = 0


def _sums_of(desk: Desk, budget: ChannelBudget) -> _Sums:
    key, at_s = str(budget.campaign_id), desk.now.timestamp()
    desk.pacer.spent(key, budget.channel)  # so that the state is of today
    state = desk.pacer.store.load(key)
    if state is None:
        raise AssertionError("a channel with a budget has a state")
    known = state.channels[budget.channel]
    share = planned_share(known.plan, day_at(ZoneInfo(state.zone), state.week, at_s), at_s)
    planned = round(known.limits.budget * share)
    return _Sums(known.limits.budget, known.meter.spent, known.meter.held, planned)


def _pace(sums: _Sums, campaign: Campaign) -> Pace:
    ratio = pace_ratio(sums.spent, sums.planned, 1.0)
    says = sums.planned > sums.budget * SPEAKS_FROM
    projected = sums.budget * sums.spent // sums.planned if says else None
    return Pace(
        money.from_micros(sums.budget),
        money.from_micros(sums.spent),
        money.from_micros(sums.held),
        _in_units(sums.planned, campaign),
        round(ratio, 4) if isfinite(ratio) else None,
        None if projected is None else _in_units(projected, campaign),
    )


def _in_units(micros: int, campaign: Campaign) -> Decimal:
    """Rounded down to the currency's smallest unit: a figure of a plan, not of an account."""
    unit = 10 ** (6 - money.decimals(campaign.brand.currency))
    return money.from_micros(micros // unit * unit)


# --- Plan ------------------------------------------------------------------------------------------------------------


class PlannedHour(NamedTuple):
    """One hour of the local clock today: what it gets and why, beside what was spent in it.

    One that comes twice counts both times; one that is skipped has nothing.
    """

    hour: int
    planned: Decimal
    spent: Decimal
    held: Decimal
    cap: Decimal
    protected: bool
    multiplier: float
    conversion_rate: float
    cost_per_click: Decimal
    confidence: float
    reason: str


@dataclass(frozen=True)
class ChannelPlan:
    channel: str
    budget: ChannelBudget
    today: Decimal
    """Its budget of today, after money was moved; the hours add up to it."""
    data_hours: int
    """From how many hours it has learned."""
    hours: Sequence[PlannedHour]

    @property
    def label(self) -> str:
        return label(self.channel)


def plans(campaign_id: UUID, now: datetime) -> list[ChannelPlan]:
    """Today's plan of each channel with a budget, in 24 entries each."""
    desk, key = Desk([campaign_id], now), str(campaign_id)
    return [
        ChannelPlan(
            name,
            budget,
            desk.pacer.budget(key, name),
            desk.pacer.data_hours(key, name),
            _hours(desk.pacer.plan(key, name), desk.pacer.plan_detail(key, name)),
        )
        for name, budget in sorted(desk.budgets.get(key, {}).items())
    ]


def _hours(entries: Sequence[HourlyAllocation], slots: Sequence[HourStatus]) -> list[PlannedHour]:
    return [
        PlannedHour(
            entry.hour,
            entry.amount,
            sum((slot.spent for slot in slots if slot.hour == entry.hour), Decimal(0)),
            sum((slot.held for slot in slots if slot.hour == entry.hour), Decimal(0)),
            sum((slot.cap for slot in slots if slot.hour == entry.hour), Decimal(0)),
            any(slot.protected for slot in slots if slot.hour == entry.hour),
            entry.performance_multiplier,
            entry.predicted_conversion_rate,
            entry.predicted_cost_per_click,
            entry.confidence_score,
            next((slot.reason for slot in slots if slot.hour == entry.hour), entry.reason),
        )
        for entry in entries
    ]


# --- What is on record -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecordedChannel:
    """A channel's hours on record, and what its plans go by now."""

    channel: str
    rows: Sequence[HourTotal]
    week: OpenWeek | None
    most: Decimal
    """The largest share of a day that an hour may get."""


def recorded_channels(campaign: Campaign, days: int, now: datetime) -> list[RecordedChannel]:
    """The hours of the last `days` and of the weeks that a fit looks back before them, by channel: by those with a
    budget, or, where none has one, by those that spend has named."""
    paced = PacedCampaign.objects.filter(pk=campaign.pk).first()
    budgets = {budget.channel: budget for budget in ChannelBudget.objects.filter(campaign=campaign)}
    by_channel: dict[str, list[HourTotal]] = defaultdict(list)
    since = now - KEPT - timedelta(days=days + 1)
    for row in HourTotal.objects.filter(campaign=campaign, starts_at__gte=since).order_by("starts_at"):
        name = channel_of(row.channel, campaign.platform, budgets) if budgets else row.channel
        if name is not None:
            by_channel[name].append(row)
    of_campaign = paced.settings if paced else {}
    _, week, _ = calendar_of(campaign)
    return [
        RecordedChannel(
            name,
            rows,
            week,
            config_of(of_campaign, budgets[name].settings if name in budgets else {}).max_hourly_spend_pct,
        )
        for name, rows in sorted(by_channel.items())
    ]
