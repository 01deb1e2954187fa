"""Explain: the same decision in words, with its figures and when the campaign will next run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from brands.periods import month_start
from budget_system import money
from budget_system.errors import NotFound, Refused
from campaigns.holds import PRECEDENCE, Hold, Verdict, in_order
from campaigns.models import Campaign
from enforcement.decision import Cause, Facts, Scope, causes_at, decide, runs_next
from enforcement.snapshots import Undecidable, gather, of_campaigns
from enforcement.what_if import Key, Otherwise, otherwise
from spending.figures import spent
from spending.models import BudgetPeriod, PeriodKind


@dataclass(frozen=True)
class Explanation:
    """What the decision says about one campaign at one moment, for people and for the API."""

    campaign: Campaign
    at: datetime
    verdict: Verdict
    causes: tuple[Cause, ...]
    sentences: tuple[str, ...]
    runs_next_at: datetime | None
    summary: str


def explain(campaign_id: UUID, now: datetime) -> Explanation:
    """All holds of the campaign at `now` with their figures, and when it will run if nothing else changes.

    `now` may be another moment: the facts are then those known today for that day.
    """
    campaign, facts = known(campaign_id, now)
    explanation = explain_facts(campaign, facts, now)
    return replace(explanation, sentences=(*explanation.sentences, *_beside(campaign, facts.day)))


@dataclass(frozen=True)
class Prospect:
    """What a line about a campaign says: why it does not run, what an override lifts and until when, and when it runs
    again (None: not without a person)."""

    standing: tuple[Cause, ...]
    lifted: tuple[Cause, ...]
    lifted_until: datetime | None
    runs_next_at: datetime | None


def prospects(campaigns: Sequence[Campaign], now: datetime) -> dict[UUID, Prospect]:
    """The prospect of each of these campaigns that can be decided. One query."""
    if not campaigns:
        return {}
    selection = of_campaigns([one.pk for one in campaigns], {one.brand_id for one in campaigns})
    found = {}
    for snapshot in gather(selection, {str(one.brand.timezone) for one in campaigns}, now, archived=True):
        if isinstance(snapshot, Undecidable):
            continue
        facts = snapshot.facts
        causes = sorted(causes_at(facts, now), key=lambda cause: PRECEDENCE.index(cause.hold))
        lifted = tuple(cause for cause in causes if cause.lifted)
        until = facts.override.ends_at if lifted and facts.override is not None else None
        standing = tuple(cause for cause in causes if not cause.lifted)
        found[UUID(snapshot.campaign_id)] = Prospect(standing, lifted, until, runs_next(facts, now))
    return found


def short(cause: Cause) -> str:
    """A cause in a few words that say whose it is: “Brand's daily budget used up (108 %)”."""
    if cause.limit is None or cause.used is None:
        named = {Scope.BRAND: " of the brand", Scope.CHANNEL: " of a channel"}
        return cause.hold.label + (named.get(cause.scope, "") if cause.hold is Hold.EMERGENCY_STOP else "")
    share = f" ({cause.used * 100 // cause.limit} %)" if cause.limit else ""
    return f"{cause.scope.capitalize()}'s {_PERIODS[cause.hold]} budget used up{share}"


def suppose(campaign_id: UUID, at: datetime, what: Otherwise) -> Explanation:
    """What the decision would say at `at` if some of the facts known for that moment were others."""
    campaign, facts = known(campaign_id, at)
    counted = _counted(campaign, at)
    return explain_facts(campaign, otherwise(facts, counted, what), at)


def known(campaign_id: UUID, now: datetime) -> tuple[Campaign, Facts]:
    """The campaign, and all that decides about it at `now`. Raises NotFound, or Refused for what cannot be read."""
    campaign = Campaign.objects.select_related("brand").filter(pk=campaign_id).first()
    if campaign is None:
        raise NotFound("There is no such campaign.", field="campaign")
    selection = of_campaigns([campaign_id], [campaign.brand_id])
    snapshot = next(gather(selection, [str(campaign.brand.timezone)], now, archived=True))
    if isinstance(snapshot, Undecidable):
        raise Refused(f"“{campaign}” cannot be decided: {snapshot.problem}")
    return campaign, snapshot.facts


def _counted(campaign: Campaign, at: datetime) -> dict[Key, int]:
    """What counts against each budget that the campaign has or might have."""
    uses = spent([campaign, campaign.brand], at)
    own, brand = uses[campaign.pk], uses[campaign.brand_id]
    counts = {
        (Hold.LIFETIME_BUDGET_EXCEEDED, Scope.CAMPAIGN): own.lifetime,
        (Hold.MONTHLY_BUDGET_EXCEEDED, Scope.CAMPAIGN): own.month,
        (Hold.DAILY_BUDGET_EXCEEDED, Scope.CAMPAIGN): own.day,
        (Hold.MONTHLY_BUDGET_EXCEEDED, Scope.BRAND): brand.month,
        (Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND): brand.day,
    }
    return {key: money.to_micros(use.used, limit=money.MAX_TOTAL_MICROS) for key, use in counts.items()}


def explain_facts(campaign: Campaign, facts: Facts, now: datetime) -> Explanation:
    """The decision about these facts in words; of the campaign only what the facts do not hold, such as who paused."""
    causes = tuple(causes_at(facts, now))
    next_at = runs_next(facts, now)
    return Explanation(
        campaign=campaign,
        at=now,
        verdict=decide(facts, now),
        causes=causes,
        sentences=tuple(sentence(cause, campaign, now) for cause in causes),
        runs_next_at=next_at,
        summary=_summary(facts, causes, next_at, now),
    )


def _beside(campaign: Campaign, day: date) -> Iterator[str]:
    """What no longer counts of the brand's present day and month, and what is set aside of its budgets, so that the
    figures above, and a refusal to set more aside, can be understood.
    """
    present = Q(kind=PeriodKind.DAY, starts_on=day) | Q(kind=PeriodKind.MONTH, starts_on=month_start(day))
    periods = BudgetPeriod.objects.filter(present, scope_id=campaign.brand_id).order_by("kind")
    for period in periods.filter(Q(forgiven__gt=0) | Q(reserved__gt=0, budget__isnull=False)):
        what = f"the brand's {period.get_kind_display().lower()}"
        if period.forgiven > 0:
            yield f"{_amount(period.forgiven, campaign)} of {what} no longer count, by a forced reset"
        if period.reserved > 0 and period.budget is not None:
            yield f"{_amount(period.reserved, campaign)} of {what} are set aside and not settled yet"


def local_text(zone: ZoneInfo, at: datetime, now: datetime) -> str:
    """A moment as the brand's people read it: the weekday, the date unless it is within a week, the time, the zone."""
    local = at.astimezone(zone)
    near = abs((local.date() - now.astimezone(zone).date()).days) < 7
    return f"{local:%a %H:%M} {zone.key}" if near else f"{local:%a %-d %b %Y %H:%M} {zone.key}"


def sentence(cause: Cause, campaign: Campaign, now: datetime) -> str:
    """One cause in words, with its figures."""
    text = _sentence(cause, campaign, now)
    return f"{text} (lifted by an override)" if cause.lifted else text


def _sentence(cause: Cause, campaign: Campaign, now: datetime) -> str:
    zone = campaign.brand.zone
    if cause.limit is not None and cause.used is not None:
        return _budget_sentence(cause, cause.limit, cause.used, campaign, now)
    match cause.hold:
        case Hold.EMERGENCY_STOP if cause.scope is Scope.CHANNEL:
            return f"Emergency stop of {campaign.stopped_channels.replace(',', ', ')}, a channel of it"
        case Hold.EMERGENCY_STOP:
            thing = campaign.brand if cause.scope is Scope.BRAND else campaign
            return f"Emergency stop of the {cause.scope} by {thing.emergency_stopped_by}: {thing.emergency_stop_reason}"
        case Hold.MANUAL:
            until = f" until {local_text(zone, cause.until, now)}" if cause.until else ""
            why = f": {campaign.manual_pause_reason}" if campaign.manual_pause_reason else ""
            return f"Paused by hand by {campaign.manual_paused_by}{until}{why}"
        case Hold.ENDED:
            return f"The flight ended on {campaign.end_date}"
        case Hold.NOT_STARTED:
            return f"The flight starts on {campaign.start_date}"
        case Hold.CIRCUIT_BREAKER:
            probe = f"; a probe may spend from {local_text(zone, cause.until, now)}" if cause.until else ""
            return f"The circuit breaker opened: {campaign.breaker_reason}{probe}"
        case Hold.NO_SCHEDULE:
            return "It has schedule windows, and none of them is active"
        case Hold.OUTSIDE_SCHEDULE:
            opens = f"; it opens {local_text(zone, cause.until, now)}" if cause.until else ""
            return f"Outside its schedule at {local_text(zone, now, now)}{opens}"
        case _:
            return cause.hold.label


_PERIODS = {
    Hold.DAILY_BUDGET_EXCEEDED: "daily",
    Hold.MONTHLY_BUDGET_EXCEEDED: "monthly",
    Hold.LIFETIME_BUDGET_EXCEEDED: "lifetime",
}


def _budget_sentence(cause: Cause, limit: int, used: int, campaign: Campaign, now: datetime) -> str:
    owner = "Brand" if cause.scope is Scope.BRAND else "Campaign"
    budget, spent = amount_text(limit, campaign), amount_text(used, campaign)
    at = now.astimezone(campaign.brand.zone)
    return f"{owner} {_PERIODS[cause.hold]} budget {budget} reached, {spent} spent at {at:%H:%M}"


def amount_text(micros: int, campaign: Campaign) -> str:
    return _amount(money.from_micros(micros), campaign)


def _amount(amount: Decimal, campaign: Campaign) -> str:
    return f"{money.display_text(amount, campaign.brand.currency)} {campaign.brand.currency}"


def _summary(facts: Facts, causes: tuple[Cause, ...], next_at: datetime | None, now: datetime) -> str:
    standing = in_order(cause.hold for cause in causes if not cause.lifted)
    if not standing:
        lifted = in_order(cause.hold for cause in causes)
        return f"Runs, by an override of: {_words(lifted)}." if lifted else "Runs."
    if next_at is None:
        return f"Paused: {_words(standing)}. It will not run again without a person."
    condition = ", if spend stays under its budgets" if facts.budgets else ""
    return f"Paused: {_words(standing)}. It will next run {local_text(facts.zone, next_at, now)}{condition}."


def _words(holds: tuple[Hold, ...]) -> str:
    return ", ".join(hold.label.lower() for hold in holds)
