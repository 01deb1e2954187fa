"""What happens in the sample data besides spend as it goes: late reports, corrections, fees, what people do. Pure."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import NamedTuple

from brands.periods import day_starts_at, local_date, month_start, next_midnight
from enforcement.demo.catalogue import PAUSE_REASONS, PEOPLE
from enforcement.demo.plan import BrandPlan, CampaignPlan, Plan, Role, Trait
from enforcement.demo.traffic import ONE_DAY, ONE_HOUR, Traffic, chance


class Limit(StrEnum):
    """Which budget is meant; the value is the input's name."""

    DAY = "daily_budget"
    MONTH = "monthly_budget"
    LIFETIME = "lifetime_budget"


class LateDay(NamedTuple):
    """The whole spend of a day arrives, days after it."""

    day: date


class Restate(NamedTuple):
    """The platform reports another figure for the largest spend of a day."""

    day: date
    factor: Decimal


class CountTwice(NamedTuple):
    """Someone types in what the import has brought already: the largest spend of the day."""

    day: date


class VoidTwin(NamedTuple):
    """The spend that was counted twice is voided."""

    day: date


class Credit(NamedTuple):
    """Money back for invalid clicks."""

    day: date
    amount: Decimal


class Fee(NamedTuple):
    """A flat fee for a month."""

    month: date
    amount: Decimal


class Pause(NamedTuple):
    """Paused by hand."""

    reason: str
    until: datetime | None = None


class Activate(NamedTuple):
    """The manual pause is ended."""


class Stop(NamedTuple):
    """An emergency stop."""

    reason: str


class ClearStop(NamedTuple):
    """The emergency stop is cleared."""


class LiftDay(NamedTuple):
    """An override of the daily budget until midnight, for so much more; only where that budget holds."""

    extra: Decimal


class CloseWindows(NamedTuple):
    """All windows are made inactive: an easy mistake."""


class Archive(NamedTuple):
    """Out of sight."""


class SetDay(NamedTuple):
    """The campaign's own daily budget becomes this multiple of the planned one."""

    factor: Decimal
    reason: str


class FitBudget(NamedTuple):
    """The budget is set so that what is spent makes `share` of it; with `only_lower`, only if it is not yet so much.

    Without a campaign the brand's budget is meant.
    """

    limit: Limit
    share: Decimal
    reason: str
    only_lower: bool = False


class StartPacing(NamedTuple):
    """Each of its channels gets a generous daily budget."""


class FitPacing(NamedTuple):
    """The channels' budgets are set so that each stands to its plan as it is meant to; then the pace is looked at, and
    a proposal asked for to move what one will not use."""


Action = (
    LateDay | Restate | CountTwice | VoidTwin | Credit | Fee | Pause | Activate | Stop | ClearStop | LiftDay
    | CloseWindows | Archive | SetDay | FitBudget
    | StartPacing | FitPacing
)  # fmt: skip


class Event(NamedTuple):
    """Something that happens to a brand, or to one of its campaigns."""

    at: datetime
    actor: str
    brand: BrandPlan
    campaign: CampaignPlan | None
    action: Action


PLATFORM = "sample data"
"""Who acts where no person does."""
RAISED = {Trait.PLAIN, Trait.OVERRIDE, Trait.OFFICE_HOURS, Trait.LIFETIME}
LOOK_BACK = timedelta(days=8)
"""Nothing happens because of a day that is longer ago."""


def syncs(seed: int, since: datetime, until: datetime) -> Iterator[datetime]:
    """When platforms are asked for spend, after `since`: once an hour some minutes past it, and at `until`."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    while hour < until:
        at = hour + timedelta(seconds=chance(seed, "sync", hour).randint(120, 840))
        if since < at < until:
            yield at
        hour += ONE_HOUR
    if since < until:
        yield until


def events(plan: Plan, since: datetime, until: datetime) -> list[Event]:
    """All events of (since, until], in order of time."""
    found = [
        event
        for brand in plan.brands
        for event in (*_of_brand(plan, brand, since, until), *_closing_scenes(plan, brand))
        if max(since, plan.start) < event.at <= until
    ]
    return sorted(found, key=lambda event: event.at)


def _of_brand(plan: Plan, brand: BrandPlan, since: datetime, until: datetime) -> Iterator[Event]:
    first = max(local_date(brand.zone, since - LOOK_BACK), local_date(brand.zone, plan.start))
    days = [first + ONE_DAY * number for number in range((local_date(brand.zone, until) - first).days + 1)]
    for day in days:
        if day.day == 1:
            fee = Fee(month_start(day), brand.fee)
            yield Event(day_starts_at(brand.zone, day), PLATFORM, brand, brand.campaigns[0], fee)
    for campaign in brand.campaigns:
        traffic = Traffic(plan.seed, brand, campaign)
        for day in days:
            yield from _of_platform(plan.seed, brand, campaign, traffic, day)
            if day_starts_at(brand.zone, day) + 3 * ONE_DAY < plan.end:  # the last days are for the closing scenes
                yield from _of_people(plan.seed, brand, campaign, day)


def _of_platform(seed: int, brand: BrandPlan, campaign: CampaignPlan, traffic: Traffic, day: date) -> Iterator[Event]:
    """Late days, restated and credited ones, and those counted twice."""

    def event(at: datetime, action: Action, actor: str = PLATFORM) -> Event:
        return Event(at, actor, brand, campaign, action)

    rng = chance(seed, campaign.external_id, day, "platform")
    ended_at = day_starts_at(brand.zone, day + ONE_DAY)
    if late := traffic.days_late(day):
        yield event(ended_at + late * ONE_DAY - _hours(rng, 2, 20), LateDay(day))
    if rng.random() < 0.03:
        factor = Decimal(rng.choice((82, 90, 94, 96, 98, 103, 105, 109))) / 100
        yield event(ended_at + _hours(rng, 9, 60), Restate(day, factor))
    if rng.random() < 0.01:
        twice_at = ended_at - _hours(rng, 6, 9)
        yield event(twice_at, CountTwice(day), rng.choice(PEOPLE))
        yield event(twice_at + _hours(rng, 2, 30), VoidTwin(day), rng.choice(PEOPLE))
    if rng.random() < 0.015:
        credit = campaign.level * Decimal(rng.randint(5, 40)) / 1000
        yield event(ended_at + _hours(rng, 30, 100), Credit(day, -credit))


def _of_people(seed: int, brand: BrandPlan, campaign: CampaignPlan, day: date) -> Iterator[Event]:
    """Pauses by hand, overrides of a used up day, and now and then an emergency."""
    rng = chance(seed, campaign.external_id, day, "people")
    started_at, person = day_starts_at(brand.zone, day), rng.choice(PEOPLE)
    if campaign.trait in {Trait.PLAIN, Trait.OVERRIDE} and rng.random() < 0.015:
        paused_at = started_at + _hours(rng, 9, 17)
        yield Event(paused_at, person, brand, campaign, Pause(rng.choice(PAUSE_REASONS)))
        yield Event(paused_at + _hours(rng, 3, 44), rng.choice(PEOPLE), brand, campaign, Activate())
    if campaign.trait in RAISED and rng.random() < 0.015:
        raised_at, back_at = started_at + _hours(rng, 13, 18), started_at + ONE_DAY + _hours(rng, 7, 9)
        yield Event(raised_at, person, brand, campaign, SetDay(Decimal("1.25"), "A good day: a quarter more."))
        yield Event(back_at, person, brand, campaign, SetDay(Decimal(1), "Back to the plan."))
    if brand.role is Role.OVER_DAY and rng.random() < 0.06:
        yield Event(started_at + _hours(rng, 16, 21), person, brand, campaign, LiftDay(campaign.level / 5))
    if brand.role is Role.STOPPED and rng.random() < 0.01:
        stopped_at = started_at + _hours(rng, 10, 16)
        yield Event(stopped_at, person, brand, campaign, Stop("The shop does not take orders."))
        yield Event(stopped_at + _hours(rng, 1, 3), person, brand, campaign, ClearStop())


def _hours(rng: Random, low: int, high: int) -> timedelta:
    return timedelta(minutes=rng.randint(low * 60, high * 60))


# --- The closing scenes: what makes the end of the sample data show every state --------------------------------------


def _closing_scenes(plan: Plan, brand: BrandPlan) -> Iterator[Event]:
    mira, jonas, aiko = PEOPLE
    today = _day_began(plan, brand)
    if brand.role is Role.OVER_DAY:
        cut = FitBudget(Limit.DAY, Decimal("1.03"), "The client wants to spend less today.", only_lower=True)
        yield Event(_before(plan, hours=2, after=today), mira, brand, None, cut)
    if brand.role is Role.NEAR_DAY:
        yield Event(plan.end, jonas, brand, None, FitBudget(Limit.DAY, Decimal("0.94"), "Agreed with the client."))
    if brand.role is Role.OVER_MONTH:
        cut = FitBudget(Limit.MONTH, Decimal("1.02"), "The client moves the rest to next month.", only_lower=True)
        yield Event(_before(plan, hours=4, after=today), aiko, brand, None, cut)
    for campaign in brand.campaigns:
        for at, person, action in _closing_scene(plan, brand, campaign, today):
            yield Event(at, person, brand, campaign, action)


def _closing_scene(
    plan: Plan, brand: BrandPlan, campaign: CampaignPlan, today: datetime
) -> Iterable[tuple[datetime, str, Action]]:
    mira, jonas, aiko = PEOPLE
    if campaign.channels:
        return [(_before(plan, hours=20), jonas, StartPacing()), (plan.end, jonas, FitPacing())]
    match campaign.trait:
        case Trait.OVERRIDE:
            return [(_before(plan, hours=1, after=today), mira, LiftDay(campaign.level / 2))]
        case Trait.MANUAL:
            pause = Pause("The new prices are online tomorrow.", next_midnight(brand.zone, plan.end))
            return [(_before(plan, hours=3), jonas, pause)]
        case Trait.STOPPED:
            return [(_before(plan, hours=5), aiko, Stop("The ad leads to a page that is not found."))]
        case Trait.NO_SCHEDULE:
            return [(_before(plan, hours=30), jonas, CloseWindows())]
        case Trait.LIFETIME:
            fit = FitBudget(Limit.LIFETIME, Decimal("1.02"), "Ends sooner than planned.", only_lower=True)
            return [(_before(plan, hours=40), aiko, fit)]
        case Trait.ARCHIVED:
            return [(plan.end - (plan.end - plan.start) / 4, mira, Archive())]
    return []


def _before(plan: Plan, *, hours: int, after: datetime | None = None) -> datetime:
    """So many hours before the end; at the end where that is not later than `after`, or than the beginning."""
    at = plan.end - timedelta(hours=hours, minutes=7)
    return at if at > (after or plan.start) and at > plan.start else plan.end


def _day_began(plan: Plan, brand: BrandPlan) -> datetime:
    return day_starts_at(brand.zone, local_date(brand.zone, plan.end))
