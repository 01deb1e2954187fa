"""Large changes of budgets are shown before they are made: what would pause or start, what remains, and a question.
So is another time zone, if campaigns would pause or start by it.

The call that changes something is first made in a rehearsal, which is undone, and then again for real. What is large is
said in `enforcement.preview`. The API is not asked: whoever calls it means what they send.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brands.models import Brand
from budget_system.admin import show
from budget_system.admin.ui import Textarea
from budget_system.admin.what_if import week_in_words
from budget_system.errors import Refused
from campaigns.models import Campaign, CampaignStatus
from enforcement.explain import Prospect, local_text, prospects
from enforcement.preview import Moved, Preview, preview, why_large
from spending.figures import Use

T = TypeVar("T")

SHOWN = 10
SEEN = "change_seen"
ZONE = "timezone"
WEEK = "week"
WHY = "change_reason"


class ConfirmForm(forms.Form):
    """Shown with what a large change would do. `change_seen` says which changes, and which consequences, were shown."""

    change_seen = forms.CharField(widget=forms.HiddenInput)
    change_reason = forms.CharField(
        label="Why", widget=Textarea(attrs={"rows": 2}), max_length=1000, help_text="Kept with the record."
    )
    change_confirmed = forms.BooleanField(error_messages={"required": "It is saved once you say yes here."})
    """The button that says yes."""


class Unconfirmed(Refused):
    """A large change that nobody has confirmed yet. `form` asks for that, beside what the change would do."""

    def __init__(self, message: str, form: ConfirmForm, shown: "Consequences") -> None:
        super().__init__(message)
        self.form = form
        self.shown = shown


class Consequences(NamedTuple):
    """A preview in words, as the template shows it."""

    changes: Sequence[tuple[str, str, str]]
    """What changes, from what to what, and what makes it large."""
    campaigns: Sequence[object]
    remains: Sequence[tuple[str, object]]
    as_of: str


def guarded(
    form: forms.Form,
    thing: Brand | Campaign,
    changes: Mapping[str, object],
    budgets: Sequence[str],
    call: Callable[[str], T],
    now: datetime,
    *,
    reason: str | None = None,
) -> T:
    """`call(reason)`, which makes these changes; or Unconfirmed, if they are large and nobody has confirmed them.

    Looked at are the `budgets`, and a brand's time zone: by another midnight, another day's budget counts. `reason` is
    what the page itself has asked for; without it, a large change asks for one.
    """
    moved = {name: changes[name] for name in (*budgets, ZONE) if name in changes}
    if not moved:
        return call(reason or "")
    found = rehearsed(thing, lambda: call(reason or ""), now)
    expected = found.preview
    large = any(_why_large(thing, name, after) for name, after in moved.items())
    if not large and not expected.moves:
        return call(reason or "")
    week = _week(expected.thing)
    also = {WEEK: week} if week != _week(thing) else {}
    confirm = _confirmed(form, expected.fingerprint({**changes, **also}), asks_why=reason is None)
    if confirm.is_valid():
        return call(confirm.cleaned_data.get(WHY, reason or ""))
    seen_before = bool(form.data.get(SEEN)) and not confirm.is_bound
    message = (
        "Nothing is saved yet: what the change would do is another thing now than what was shown."
        if seen_before
        else f"Nothing is saved yet: {_why_asked(large=large)}."
    )
    raise Unconfirmed(message, confirm, consequences(thing, {**moved, **also}, found, now))


def _confirmed(form: forms.Form, seen: str, *, asks_why: bool) -> ConfirmForm:
    """What the person has answered, if what they saw is still what would happen; else the question."""
    same = form.data.get(SEEN) == seen
    confirm = (
        ConfirmForm(form.data)
        if same
        else ConfirmForm(initial={SEEN: seen, WHY: form.data.get(WHY, "") if asks_why else ""})
    )
    if not asks_why:
        del confirm.fields[WHY]
    return confirm


def _why_asked(*, large: bool) -> str:
    return "this is a large change" if large else "campaigns would pause or start by this change"


class Rehearsed(NamedTuple):
    """A preview, and what is to be expected of the first campaigns that would pause."""

    preview: Preview
    again: Mapping[UUID, Prospect]


def rehearsed(thing: Brand | Campaign, act: Callable[[], object], now: datetime) -> Rehearsed:
    """What this act would do, and when what it pauses would run again. Raises what it raises, or Busy."""
    whole = isinstance(thing, Brand)
    looked_at = Campaign.objects.filter(brand=thing.pk) if whole else Campaign.objects.filter(pk=thing.pk)
    again: dict[UUID, Prospect] = {}

    def acted() -> None:
        ran = set(looked_at.filter(status=CampaignStatus.ACTIVE).values_list("pk", flat=True))
        act()
        paused = looked_at.filter(status=CampaignStatus.PAUSED).order_by("name", "pk").values_list("pk", flat=True)
        first = [pk for pk in paused if pk in ran][:SHOWN]
        again.update(prospects(list(Campaign.objects.filter(pk__in=first).select_related("brand")), now))

    return Rehearsed(preview(thing, acted, now), again)


def _week(thing: Brand | Campaign) -> str:
    return thing.week if isinstance(thing, Campaign) else ""


def _why_large(thing: Brand | Campaign, name: str, after: object) -> str:
    return "" if name in (ZONE, WEEK) else why_large(getattr(thing, name), _amount(after))


def _amount(value: object) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


def warn_of_daily_above_monthly(model_admin: Any, request: HttpRequest, thing: Brand | Campaign) -> None:
    """A daily budget above the monthly one is allowed, and is likely a typing error."""
    daily, monthly = thing.daily_budget, thing.monthly_budget
    currency = thing.currency if isinstance(thing, Brand) else thing.brand.currency
    if daily is not None and monthly is not None and daily > monthly:
        model_admin.say(
            request,
            f"The daily budget {show.amount(daily, currency)} is higher than the monthly budget "
            f"{show.amount(monthly, currency)}: the month will end before the day does. Is that meant?",
            messages.WARNING,
        )


# --- In words --------------------------------------------------------------------------------------------------------


def consequences(
    thing: Brand | Campaign, changes: Mapping[str, object], found: Rehearsed, now: datetime
) -> Consequences:
    brand = thing if isinstance(thing, Brand) else thing.brand
    return Consequences(
        changes=[
            (
                name.replace("timezone", "time zone").replace("_", " ").capitalize(),
                f"{_shown(name, getattr(thing, name), brand)} → {_shown(name, after, brand)}",
                _why_large(thing, name, after),
            )
            for name, after in changes.items()
        ],
        campaigns=moved_lines(found, now),
        remains=remains(found.preview),
        as_of=local_text(brand.zone, now, now),
    )


def _shown(name: str, value: object, brand: Brand) -> str:
    if name == WEEK:
        return week_in_words(str(value))
    return str(value) if name == ZONE else show.limit(_amount(value), brand.currency)


def moved_lines(found: Rehearsed, now: datetime) -> list[object]:
    """Which campaigns would pause, and until when, and which would start; one line that says so if none would."""
    expected = found.preview
    zone = expected.thing.zone if isinstance(expected.thing, Brand) else expected.thing.brand.zone
    told = {pk: run_again_text(prospect.runs_next_at, zone, now) for pk, prospect in found.again.items()}
    lines = [*_lines(expected.pauses, "would pause", told), *_lines(expected.starts, "would start", {})]
    return lines or [f"No campaign would pause or start: {expected.run} of {expected.of} run."]


def run_again_text(at: datetime | None, zone: ZoneInfo, now: datetime) -> str:
    """“would run again Wed 00:00 Europe/Berlin”."""
    return "would not run again without a person" if at is None else f"would run again {local_text(zone, at, now)}"


def _lines(moved: Sequence[Moved], what: str, told: Mapping[UUID, str]) -> list[object]:
    if not moved:
        return []
    return [f"{len(moved)} campaign{'' if len(moved) == 1 else 's'} {what}:", names(moved, told)]


def names(moved: Sequence[Moved], told: Mapping[UUID, str]) -> SafeString:
    """Links to the first of them, with what would hold them, and until when."""
    rows: list[object] = [_name(one, told.get(one.campaign_id)) for one in moved[:SHOWN]]
    if len(moved) > SHOWN:
        rows.append(f"and {len(moved) - SHOWN} more")
    return show.lines(rows)


def _name(one: Moved, told: str | None) -> object:
    link = show.link(reverse("admin:campaigns_campaign_change", args=[one.campaign_id]), one.name)
    if not one.holds:
        return link
    return format_html("{} – {}{}", link, show.hold_words(one.holds).lower(), f"; {told}" if told else "")


def remains(expected: Preview) -> list[tuple[str, object]]:
    """What would remain of each budget."""
    thing, uses = expected.thing, expected.spent
    found = [
        ("Today", uses.day, thing.daily_budget),
        ("This month", uses.month, thing.monthly_budget),
    ]
    if isinstance(thing, Campaign):
        found.append(("In all", uses.lifetime, thing.lifetime_budget))
    currency = thing.currency if isinstance(thing, Brand) else thing.brand.currency
    return [(title, left_text(use, budget, currency)) for title, use, budget in found]


def left_text(use: Use, budget: Any, currency: str) -> str:
    """“60.00 of 250.00 EUR · 24 %; 190.00 EUR remain”."""
    left = use.left_of(budget)
    used = show.use_text(use.used, budget, currency)
    return used if left is None else f"{used}; {show.amount(left, currency)} remain"
