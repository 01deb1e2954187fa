"""What would come of a pause or an override, before it is made: the decision, asked about facts that are otherwise."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brands.periods import next_midnight, next_month
from budget_system import money
from budget_system.admin import show
from budget_system.errors import Refused
from campaigns.holds import Hold, in_order
from campaigns.models import Campaign
from enforcement.decision import Facts
from enforcement.explain import explain_facts, known, local_text
from enforcement.services import NEEDS_EXPLICIT_END
from enforcement.what_if import activated, overridden, paused


def of_pauses(campaign: Campaign, now: datetime) -> SafeString:
    """What a pause with each of the usual ends would do."""
    zone = campaign.brand.zone
    return _foreseen(
        campaign,
        [
            ("Until a person changes it", None),
            (f"Until the end of the day, {local_text(zone, next_midnight(zone, now), now)}", next_midnight(zone, now)),
            (f"Until the end of the month, {local_text(zone, next_month(zone, now), now)}", next_month(zone, now)),
        ],
        now,
    )


def _foreseen(campaign: Campaign, ends: Sequence[tuple[str, datetime | None]], now: datetime) -> SafeString:
    facts = _facts(campaign, now)
    if facts is None:
        return SafeString()
    lines = [f"{words}: {_after_pause(campaign, facts, until, now)}" for words, until in ends]
    return _list("What would come of it", lines)


def of_pause(campaign: Campaign, until: datetime | None, now: datetime) -> str:
    """What a pause until this moment would do."""
    if until is not None and until <= now:
        raise Refused("The pause would end in the past. Choose a later moment.", field="moment")
    facts = _facts(campaign, now)
    if facts is None:
        return ""
    end = "" if until is None else f"until {local_text(campaign.brand.zone, until, now)}"
    return f"Paused {end or 'until a person changes it'}: {_after_pause(campaign, facts, until, now)}"


def _after_pause(campaign: Campaign, facts: Facts, until: datetime | None, now: datetime) -> str:
    if until is None:
        return "it does not run again without a person."
    supposed = explain_facts(campaign, paused(facts, until), now)
    if supposed.runs_next_at is None:
        return "it would still not run then without a person, as other holds stay."
    return f"it would next run {local_text(facts.zone, supposed.runs_next_at, now)}, if nothing else changes."


def of_activation(campaign: Campaign, now: datetime) -> str:
    """What would be if the pause by hand ended now."""
    facts = _facts(campaign, now)
    if facts is None:
        return "This ends the pause by hand."
    verdict = explain_facts(campaign, activated(facts), now).verdict
    if verdict.runs:
        return "Nothing but the pause by hand holds it: it would run at once."
    ends = campaign.manual_paused_at is not None
    by_hand = "This ends the pause by hand. It would stay" if ends else "It is not paused by hand; it is"
    way = (
        "Clear the emergency stop first; nothing else lets it run."
        if Hold.EMERGENCY_STOP in verdict.holds
        else "To let it run in spite of that, the next page offers an override."
    )
    return f"{by_hand} paused: {show.hold_words(verdict.holds)}. {way}"


def of_overrides(campaign: Campaign, lifts: Sequence[Hold], now: datetime) -> SafeString | str:
    """What an override of the holds that stand now would do until the usual ends."""
    if not lifts:
        return "Nothing that an override could lift holds it now."
    zone = campaign.brand.zone
    ends = [("end of the month", next_month(zone, now))]
    if not NEEDS_EXPLICIT_END.intersection(lifts):
        ends.insert(0, ("end of the day", next_midnight(zone, now)))
    lines = [f"Until the {words}: {of_override(campaign, lifts, ends_at, None, now)}" for words, ends_at in ends]
    return _list("What would come of it, with what is ticked now", lines)


def of_override(
    campaign: Campaign, lifts: Iterable[Hold], ends_at: datetime | None, extra: Decimal | None, now: datetime
) -> str:
    """What this override would do, and what would be when it ends."""
    if ends_at is None or ends_at <= now:
        raise Refused("The override would end in the past. Choose a later moment.", field="moment")
    facts = _facts(campaign, now)
    if facts is None:
        return ""
    zone = campaign.brand.zone
    limit = None if extra is None else money.to_micros(extra)
    supposed = overridden(facts, lifts, ends_at, limit, now)
    held = explain_facts(campaign, supposed, now).verdict.holds
    begins = f"it would stay paused: {show.hold_words(held)}" if held else "it would run at once"
    lifted = f", in spite of: {show.hold_words(in_order(lifts)).lower()}" if not held else ""
    money_text = "" if extra is None else f" or {show.amount(extra, campaign.brand.currency)} more are spent"
    then = explain_facts(campaign, supposed, ends_at).verdict.holds
    after = f"it is held again: {show.hold_words(then)}" if then else "it runs on without it"
    ends = f"until {local_text(zone, ends_at, now)}{money_text}"
    return f"{begins}{lifted}, {ends}; after that {after}, if nothing else changes."


def _facts(campaign: Campaign, now: datetime) -> Facts | None:
    try:
        return known(campaign.pk, now)[1]
    except Refused:
        return None  # the state above says why nothing can be decided


def _list(title: str, lines: Iterable[str]) -> SafeString:
    items = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
    return format_html('<p class="font-semibold text-important">{}</p><ul class="foreseen">{}</ul>', title, items)
