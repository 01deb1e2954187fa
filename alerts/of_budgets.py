"""Budgets: used to a part, soon used up, used up with campaigns paused; and how fast the day's is used."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import F

from alerts.findings import (
    BUDGET_HOLDS,
    Finding,
    World,
    amount,
    budget_of,
    count,
    finder,
    named,
    page,
    running,
    some,
)
from alerts.forecast import reaches_at
from alerts.kinds import Kind, Severity, severity_of_share
from brands.models import Brand
from brands.periods import day_starts_at, local_date, month_start, next_midnight, next_month
from budget_system import money
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus
from enforcement.decision import reached
from enforcement.explain import local_text
from enforcement.pace import LEAST_SHARE, is_over, is_under, passed_share, ratio
from enforcement.snapshots import zones_in_use
from scheduling.windows import ALWAYS, week_from_text
from spending.figures import present, spent
from spending.models import BudgetPeriod, PeriodKind

PERIODS = (
    (PeriodKind.DAY, Kind.DAY_USED, Hold.DAILY_BUDGET_EXCEEDED, "daily"),
    (PeriodKind.MONTH, Kind.MONTH_USED, Hold.MONTHLY_BUDGET_EXCEEDED, "monthly"),
)


def _used(world: World) -> Iterator[Finding]:
    paused_for = {}
    for brand in world.brands.values():
        for period, _, hold, word in PERIODS:
            budget = budget_of(brand, period)
            campaigns = world.held.get((brand.pk, hold), [])
            used = world.used_of(brand, period)
            if campaigns and budget is not None and reached(_micros(budget), _micros(used)):
                paused_for[brand.pk, hold] = True
                if world.rule(Kind.BUDGET_PAUSE, brand.pk).on:
                    yield _brand_paused(world, brand, period, word, budget, used, campaigns)
    for brand in world.brands.values():
        for period, kind, hold, word in PERIODS:
            told_as_paused = (brand.pk, hold) in paused_for and world.rule(Kind.BUDGET_PAUSE, brand.pk).on
            yield from _part_used(world, brand, period, kind, word, told_as_paused=told_as_paused)
    yield from _campaigns_paused(world, set(paused_for))


def _soon_used(world: World) -> Iterator[Finding]:
    for brand in world.brands.values():
        yield from _expected(world, brand)
    yield from _campaigns_expected(world)


def _paces(world: World) -> Iterator[Finding]:
    for brand in world.brands.values():
        yield from _pace(world, brand)


def _micros(value: Decimal) -> int:
    return money.to_micros(value, limit=money.MAX_TOTAL_MICROS)


# --- Used to a part --------------------------------------------------------------------------------------------------


def _part_used(
    world: World, brand: Brand, period: PeriodKind, kind: Kind, word: str, *, told_as_paused: bool
) -> Iterator[Finding]:
    """Only the highest of the thresholds that are reached; that a budget is used up is told once, with the pause."""
    rule, budget, used = world.rule(kind, brand.pk), budget_of(brand, period), world.used_of(brand, period)
    if not rule.on or not budget or used <= 0:
        return
    share = money.percent_used(used, budget)
    level = max((limit for limit in rule.limits if share >= limit), default=0)
    if not level or told_as_paused:
        return
    starts = _starts(brand, period, world.now)
    series = f"{kind}:{brand.pk}:{starts:%Y-%m-%d}:{_micros(budget)}"
    ends = "midnight there" if period == PeriodKind.DAY else "the month's end"
    yield Finding(
        kind, f"{series}:{level}", brand.pk, None, rule.severity if rule.own_severity else severity_of_share(level),
        f"{brand}: {share} % of the {word} budget is used",
        f"{amount(used, brand)} of {amount(budget, brand)} are used. {running(world.running[brand.pk])}; "
        f"the budget begins anew at {ends}.",
        [("used", amount(used, brand)), (f"{word} budget", amount(budget, brand)), ("share", f"{share} %"),
         ("threshold", f"{level} %")],
        world.now, "Raise the budget or pause a campaign, if it is not to be used up.", page("brands_brand", brand.pk),
        series, level,
    )  # fmt: skip


def _starts(brand: Brand, period: PeriodKind, now: datetime) -> datetime:
    """When the present day or month began there, as the local wall clock has it."""
    today = local_date(brand.zone, now)
    day = today if period == PeriodKind.DAY else month_start(today)
    return day_starts_at(brand.zone, day).astimezone(brand.zone)


# --- Paused by a budget ----------------------------------------------------------------------------------------------


def _brand_paused(
    world: World, brand: Brand, period: PeriodKind, word: str, budget: Decimal, used: Decimal, campaigns: list[Campaign]
) -> Finding:
    begins = _starts(brand, period, world.now)
    again = next_midnight(brand.zone, world.now) if period == PeriodKind.DAY else next_month(brand.zone, world.now)
    until = f"until {local_text(brand.zone, again, world.now)}" if budget else "until a person raises it"
    share = f" ({money.percent_used(used, budget)} %)" if budget else ""
    since = min((one.paused_at for one in campaigns if one.paused_at), default=begins)
    return Finding(
        Kind.BUDGET_PAUSE, f"{Kind.BUDGET_PAUSE}:{brand.pk}:{period}", brand.pk, None,
        world.rule(Kind.BUDGET_PAUSE, brand.pk).severity,
        f"{brand}: {word} budget used up, {count(len(campaigns), 'campaign')} paused",
        f"{amount(used, brand)} of {amount(budget, brand)} are used{share}. Paused {until}, unless the budget is "
        f"raised: {some([one.name for one in campaigns])}.",
        [("used", amount(used, brand)), (f"{word} budget", amount(budget, brand)),
         ("campaigns paused", f"{len(campaigns):,}")],
        max(since, begins), f"Raise the {word} budget, or let the campaigns wait.", page("brands_brand", brand.pk),
    )  # fmt: skip


OWN = {
    Hold.LIFETIME_BUDGET_EXCEEDED: ("lifetime", "lifetime_budget"),
    Hold.MONTHLY_BUDGET_EXCEEDED: ("monthly", "monthly_budget"),
    Hold.DAILY_BUDGET_EXCEEDED: ("daily", "daily_budget"),
}


def _campaigns_paused(world: World, brands: set[tuple[object, Hold]]) -> Iterator[Finding]:
    """Campaigns that are paused by a budget of their own."""
    own = [
        (one, hold)
        for hold in BUDGET_HOLDS
        for (brand_id, its), campaigns in world.held.items()
        if its is hold and (brand_id, hold) not in brands and world.rule(Kind.BUDGET_PAUSE, brand_id).on
        for one in campaigns
    ]
    figures = spent([one for one, _ in own], world.now) if own else {}
    for campaign, hold in own:
        brand, (word, attribute) = campaign.brand, OWN[hold]
        budget = getattr(campaign, attribute)
        if budget is None:
            continue  # it was taken away a moment ago; the next look finds the campaign running
        uses = figures[campaign.pk]
        used = {"daily": uses.day, "monthly": uses.month, "lifetime": uses.lifetime}[word].used
        yield Finding(
            Kind.BUDGET_PAUSE, f"{Kind.BUDGET_PAUSE}:{campaign.pk}:{word}", brand.pk, campaign.pk,
            world.rule(Kind.BUDGET_PAUSE, brand.pk).severity,
            f"{named(campaign)}: its {word} budget is used up, it is paused",
            f"{amount(used, brand)} of its {word} budget of {amount(budget, brand)} are used. "
            f"{_until(campaign, hold, world.now)}",
            [("used", amount(used, brand)), (f"{word} budget", amount(budget, brand))],
            campaign.paused_at or world.now, f"Raise its {word} budget, override it, or let it wait.",
            page("campaigns_campaign", campaign.pk),
        )  # fmt: skip


def _until(campaign: Campaign, hold: Hold, now: datetime) -> str:
    zone = campaign.brand.zone
    match hold:
        case Hold.DAILY_BUDGET_EXCEEDED:
            return f"The budget begins anew {local_text(zone, next_midnight(zone, now), now)}."
        case Hold.MONTHLY_BUDGET_EXCEEDED:
            return f"The budget begins anew {local_text(zone, next_month(zone, now), now)}."
        case _:
            return "It does not run again without a person."


# --- Soon used up ----------------------------------------------------------------------------------------------------


def _expected(world: World, brand: Brand) -> Iterator[Finding]:
    rule = world.rule(Kind.PAUSE_EXPECTED, brand.pk)
    today = world.used_of(brand, PeriodKind.DAY)
    if not rule.on or not world.running[brand.pk] or today <= 0:
        return
    for period, _, _, word in PERIODS:
        budget, used = budget_of(brand, period), world.used_of(brand, period)
        if not budget or used >= budget or (period == PeriodKind.DAY and float(used / budget) < LEAST_SHARE):
            continue
        at = reaches_at(
            world.week_of(brand), brand.zone, world.now, spent=today, left=budget - used,
            within=timedelta(minutes=rule.limit),
        )  # fmt: skip
        if at is not None:
            yield _soon(
                world, brand, None, str(brand), word, budget, used, at, rule.severity, _starts(brand, period, world.now)
            )


def _campaigns_expected(world: World) -> Iterator[Finding]:
    """Campaigns whose own daily budget will be used up: of those that have used a good part of it."""
    periods = BudgetPeriod.objects.filter(
        present(zones_in_use(), world.now), kind=PeriodKind.DAY, campaign__status=CampaignStatus.ACTIVE,
        campaign__archived_at=None, brand__archived_at=None, used__gt=0, used__lt=F("campaign__daily_budget"),
    )  # fmt: skip
    # Rows and not objects: of many thousands that are looked at, few are told.
    rows = periods.order_by().values_list(
        "campaign_id", "campaign__name", "campaign__daily_budget", "campaign__week", "brand_id", "used"
    )
    for campaign_id, name, budget, week_text, brand_id, used in rows.iterator(2_000):
        brand, rule = world.brands.get(brand_id), world.rule(Kind.PAUSE_EXPECTED, brand_id)
        if brand is None or budget is None or not rule.on or float(used / budget) < LEAST_SHARE:
            continue
        week = week_from_text(week_text)
        at = reaches_at(
            ALWAYS if week is None else week, brand.zone, world.now, spent=used, left=budget - used,
            within=timedelta(minutes=rule.limit),
        )  # fmt: skip
        if at is not None:
            campaign = Campaign(pk=campaign_id, name=name, brand=brand)
            starts = _starts(brand, PeriodKind.DAY, world.now)
            yield _soon(world, brand, campaign, named(campaign), "daily", budget, used, at, rule.severity, starts)


def _soon(
    world: World, brand: Brand, campaign: Campaign | None, name: str, word: str, budget: Decimal, used: Decimal,
    at: datetime, severity: Severity, starts: datetime,
) -> Finding:  # fmt: skip
    scope = campaign or brand
    series = f"{Kind.PAUSE_EXPECTED}:{scope.pk}:{word}:{starts:%Y-%m-%d}:{_micros(budget)}"
    minutes = max(1, round((at - world.now).total_seconds() / 60))
    return Finding(
        Kind.PAUSE_EXPECTED, series, brand.pk, campaign.pk if campaign else None, severity,
        f"{name}: the {word} budget will be used up in about {minutes} min",
        f"{amount(used, brand)} of {amount(budget, brand)} are used. At the rate of today the rest is spent by "
        f"{local_text(brand.zone, at, world.now)}, and a pause follows.",
        [("used", amount(used, brand)), (f"{word} budget", amount(budget, brand)),
         ("left", amount(budget - used, brand)), ("used up by", local_text(brand.zone, at, world.now))],
        world.now, "Raise the budget now, or let the pause come.",
        page("campaigns_campaign", campaign.pk) if campaign else page("brands_brand", brand.pk), series, 1,
    )  # fmt: skip


# --- Pace ------------------------------------------------------------------------------------------------------------


def _pace(world: World, brand: Brand) -> Iterator[Finding]:
    """A brand's day against the open time of its campaigns; told once a day."""
    budget, used = brand.daily_budget, world.used_of(brand, PeriodKind.DAY)
    if not budget or not world.running[brand.pk] or used <= 0 or used >= budget:
        return
    share, passed = float(used / budget), passed_share([world.week_of(brand)], brand.zone, world.now)
    over, under = is_over(share, passed), is_under(share, passed)
    kind = Kind.OVER_PACING if over else Kind.UNDER_PACING
    rule = world.rule(kind, brand.pk)
    if not rule.on or not (over or under):
        return
    pace = ratio(share, passed)
    fast = f"{pace:.1f} times as fast as its day" if 0.05 <= pace < 100 else "far from its day"
    series = f"{kind}:{brand.pk}:{_starts(brand, PeriodKind.DAY, world.now):%Y-%m-%d}"
    step = (
        "See which campaign spends it; pause one, or raise the budget."
        if over
        else "See whether campaigns are held, or spend is reported late."
    )
    yield Finding(
        kind, series, brand.pk, None, rule.severity,
        f"{brand}: {'over' if over else 'under'} pace, {fast}",
        f"{amount(used, brand)} of the daily budget of {amount(budget, brand)} are used "
        f"({money.percent_used(used, budget)} %), and {passed * 100:.0f} % of the open day is over.",
        [("used", amount(used, brand)), ("daily budget", amount(budget, brand)),
         ("of the open day", f"{passed * 100:.0f} %"), ("pace", f"{pace:.2f}" if pace < 100 else "–")],
        world.now, step, page("brands_brand", brand.pk), series, 1,
    )  # fmt: skip


FINDERS = (
    finder("what is used of budgets", _used, Kind.BUDGET_PAUSE, Kind.DAY_USED, Kind.MONTH_USED),
    finder("budgets that will be used up soon", _soon_used, Kind.PAUSE_EXPECTED),
    finder("the pace of brands", _paces, Kind.OVER_PACING, Kind.UNDER_PACING),
)
