"""What the sample data consists of: brands and campaigns with their budgets, chosen so that at the end the whole range
of states can be seen. Pure: the same seed and the same moment give the same plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from random import Random
from zoneinfo import ZoneInfo

from brands.periods import local_date
from enforcement.demo.catalogue import BRANDS, CAMPAIGNS, CHANNELS, BrandIdea, CampaignIdea, ChannelIdea
from scheduling.windows import Window

MOST_BRANDS = len(BRANDS)
DAYS_A_MONTH = Decimal("30.4")


class Role(StrEnum):
    """How a brand stands when the sample data ends."""

    OVER_DAY = "over today's budget"
    NEAR_DAY = "near today's budget"
    MIXED = "campaigns held for many reasons"
    OVER_MONTH = "over the month's budget"
    CALM = "in no trouble"
    STOPPED = "with an emergency stop"
    ORDINARY = "as it comes"


class Trait(StrEnum):
    """How a campaign stands when the sample data ends."""

    PLAIN = "runs unless a budget holds it"
    OVERRIDE = "runs over its budget by permission"
    OFFICE_HOURS = "runs on workdays in the daytime"
    MANUAL = "paused by hand until tomorrow"
    ENDED = "its flight is over"
    NOT_STARTED = "its flight is to come"
    LIFETIME = "its lifetime budget is used up"
    NO_SCHEDULE = "has windows, and none is active"
    OUTSIDE = "outside its windows"
    ARCHIVED = "archived"
    STOPPED = "stopped in an emergency"


TRAITS = {
    Role.OVER_DAY: (Trait.PLAIN, Trait.OVERRIDE, Trait.PLAIN, Trait.PLAIN),
    Role.NEAR_DAY: (Trait.PLAIN, Trait.PLAIN, Trait.MANUAL),
    Role.MIXED: (Trait.PLAIN, Trait.NO_SCHEDULE, Trait.OUTSIDE, Trait.NOT_STARTED, Trait.ARCHIVED),
    Role.OVER_MONTH: (Trait.PLAIN, Trait.OFFICE_HOURS, Trait.ENDED),
    Role.CALM: (Trait.PLAIN, Trait.PLAIN),
    Role.STOPPED: (Trait.PLAIN, Trait.STOPPED, Trait.LIFETIME),
    Role.ORDINARY: (Trait.PLAIN, Trait.OFFICE_HOURS, Trait.PLAIN),
}

# The brand's daily and monthly budgets as multiples of what its campaigns are told to spend; None: no limit.
BUDGETS = {
    Role.OVER_DAY: ("0.7", "0.8"),
    Role.NEAR_DAY: ("1.1", "1.1"),
    Role.MIXED: ("1.6", None),
    Role.OVER_MONTH: ("1.3", "0.74"),
    Role.CALM: ("1.9", "1.6"),
    Role.STOPPED: ("1.5", "1.3"),
    Role.ORDINARY: ("1.2", "1.1"),
}

# The first campaign of these brands is paced: nothing else stops it, and one of them is in the middle of its day.
PACED = {Role.NEAR_DAY: ("search", "shopping", "display"), Role.CALM: ("facebook", "video")}


@dataclass(frozen=True)
class CampaignPlan:
    """A campaign to make. `level` is the daily budget that its platform was told, whether it is kept here or not."""

    name: str
    platform: str
    external_id: str
    trait: Trait
    business: bool
    level: Decimal
    daily_budget: Decimal | None
    lifetime_budget: Decimal | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    windows: tuple[Window, ...] | None = None
    channels: tuple[ChannelIdea, ...] = ()
    """Those whose budgets are paced; none for most campaigns."""


@dataclass(frozen=True)
class BrandPlan:
    """A brand to make, with its campaigns. `fee` is charged for each month, on the first campaign."""

    name: str
    zone: ZoneInfo
    currency: str
    role: Role
    daily_budget: Decimal | None
    monthly_budget: Decimal | None
    fee: Decimal
    campaigns: tuple[CampaignPlan, ...]


@dataclass(frozen=True)
class Plan:
    """Everything to make. History begins at `start`; `end` is the moment whose state the plan is made for."""

    seed: int
    start: datetime
    end: datetime
    brands: tuple[BrandPlan, ...]


def make_plan(seed: int, end: datetime, *, days: int, brands: int) -> Plan:
    """The plan for so many days of history up to `end` (UTC) and so many brands, at most MOST_BRANDS."""
    start = (end - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    ideas = BRANDS[:brands]
    roles = _roles(ideas, end)
    return Plan(seed, start, end, tuple(_brand(seed, idea, roles[idea], end, days) for idea in ideas))


def nice(amount: Decimal, digits: int = 2) -> Decimal:
    """The amount rounded to so many digits, as people choose budgets."""
    if amount == 0:
        return Decimal(0)
    step = Decimal(1).scaleb(amount.adjusted() - digits + 1)
    return Decimal(f"{(amount / step).quantize(Decimal(1), ROUND_HALF_EVEN) * step:f}")


def _roles(ideas: Sequence[BrandIdea], end: datetime) -> dict[BrandIdea, Role]:
    """The brand whose day is oldest is over its budget, one in the afternoon near it; the others in order."""
    hours = {idea: _local_hour(ZoneInfo(idea.zone), end) for idea in ideas}
    over = max(ideas, key=hours.__getitem__)
    roles = {over: Role.OVER_DAY}
    rest = [idea for idea in ideas if idea is not over]
    if rest:
        near = min(rest, key=lambda idea: abs(hours[idea] - 15))
        roles[near] = Role.NEAR_DAY
        rest.remove(near)
    others = [Role.MIXED, Role.OVER_MONTH, Role.CALM, Role.STOPPED]
    for position, idea in enumerate(rest):
        roles[idea] = others[position] if position < len(others) else Role.ORDINARY
    return roles


def _local_hour(zone: ZoneInfo, moment: datetime) -> float:
    local = moment.astimezone(zone)
    return local.hour + local.minute / 60


def _brand(seed: int, idea: BrandIdea, role: Role, end: datetime, days: int) -> BrandPlan:
    rng = Random(f"{seed}|{idea.name}")  # noqa: S311 - sample data, to be repeatable
    zone = ZoneInfo(idea.zone)
    traits = TRAITS[role]
    # Two campaigns of a brand never have the same idea, so names and ids are its own.
    chosen = rng.sample(CAMPAIGNS, len(traits))
    total = Decimal(idea.level) * Decimal(rng.randint(70, 140)) / 100
    weights = [rng.randint(15, 50) for _ in traits]
    campaigns = tuple(
        _campaign(rng, campaign, trait, role, nice(total * weight / sum(weights)), zone, end, days)
        for campaign, trait, weight in zip(chosen, traits, weights, strict=True)
    )
    if role in PACED:
        channels = tuple(CHANNELS[name] for name in PACED[role])
        campaigns = (replace(campaigns[0], channels=channels), *campaigns[1:])
    told = sum((campaign.level for campaign in campaigns if campaign.trait is not Trait.NOT_STARTED), Decimal(0))
    daily, monthly = BUDGETS[role]
    return BrandPlan(
        idea.name, zone, idea.currency, role,
        nice(told * Decimal(daily)) if daily else None,
        nice(told * DAYS_A_MONTH * Decimal(monthly)) if monthly else None,
        nice(told), campaigns,
    )  # fmt: skip


def _campaign(
    rng: Random, idea: CampaignIdea, trait: Trait, role: Role, level: Decimal, zone: ZoneInfo, end: datetime, days: int
) -> CampaignPlan:
    today = local_date(zone, end)
    external_id = str(rng.randint(10 ** (idea.digits - 1), 10**idea.digits - 1))
    return CampaignPlan(
        idea.name, idea.platform, external_id, trait, idea.business, level,
        None if role is Role.CALM or (role is Role.NEAR_DAY and trait is Trait.PLAIN) else level,
        lifetime_budget=nice(level * days * Decimal("0.5")) if trait is Trait.LIFETIME else None,
        starts_on=today + timedelta(days=9) if trait is Trait.NOT_STARTED else None,
        ends_on=today - timedelta(days=min(6, days // 3)) if trait is Trait.ENDED else None,
        windows=_windows(trait, zone, end),
    )  # fmt: skip


def _windows(trait: Trait, zone: ZoneInfo, end: datetime) -> tuple[Window, ...] | None:
    """None stands for the seven whole days that a new campaign is given."""
    if trait is Trait.OFFICE_HOURS:
        return tuple(Window(day, time(8), time(20)) for day in range(5))
    if trait is not Trait.OUTSIDE:
        return None
    if 8 <= _local_hour(zone, end) < 20:
        return tuple(Window(day, time(20), time(2), True) for day in range(7))
    return tuple(Window(day, time(9), time(18)) for day in range(7))
