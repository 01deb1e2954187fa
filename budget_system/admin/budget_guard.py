"""Large changes of budgets are shown before they are made: what would pause or start, what remains, and a tick.
So is another time zone, if campaigns would pause or start by it.

The call that changes something is first made in a rehearsal, which is undone, and then again for real. What is large is
said in `enforcement.preview`. The API is not asked: whoever calls it means what they send.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brands.models import Brand
from budget_system.admin import show
from budget_system.admin.ui import Textarea
from budget_system.errors import Refused
from campaigns.models import Campaign
from enforcement.explain import local_text
from enforcement.preview import Moved, Preview, preview, why_large
from spending.figures import Use

T = TypeVar("T")

SHOWN = 10
SEEN = "change_seen"
ZONE = "timezone"
WHY = "change_reason"


class ConfirmForm(forms.Form):
    """Shown with what a large change would do. `change_seen` says which changes, and which consequences, were shown."""

    change_seen = forms.CharField(widget=forms.HiddenInput)
    change_reason = forms.CharField(
        label="Why", widget=Textarea(attrs={"rows": 2}), max_length=1000, help_text="Kept with the record."
    )
    change_confirmed = forms.BooleanField(
        label="Yes, change it",
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
        error_messages={"required": "Tick this to make the change."},
    )


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
    expected = preview(thing, lambda: call(reason or ""), now)
    large = any(_why_large(thing, name, after) for name, after in moved.items())
    if not large and not expected.moves:
        return call(reason or "")
    confirm = _confirmed(form, expected.fingerprint(changes), asks_why=reason is None)
    if confirm.is_valid():
        return call(confirm.cleaned_data.get(WHY, reason or ""))
    seen_before = bool(form.data.get(SEEN)) and not confirm.is_bound
    message = (
        "Nothing is saved yet: what the change would do is another thing now than what was shown."
        if seen_before
        else f"Nothing is saved yet: {_why_asked(large=large)}. See what it would do, and confirm it."
    )
    raise Unconfirmed(message, confirm, consequences(thing, moved, expected, now))


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


def _why_large(thing: Brand | Campaign, name: str, after: object) -> str:
    return "" if name == ZONE else why_large(getattr(thing, name), _amount(after))


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
    thing: Brand | Campaign, changes: Mapping[str, object], expected: Preview, now: datetime
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
        campaigns=moved_lines(expected),
        remains=remains(expected),
        as_of=local_text(brand.zone, now, now),
    )


def _shown(name: str, value: object, brand: Brand) -> str:
    return str(value) if name == ZONE else show.limit(_amount(value), brand.currency)


def moved_lines(expected: Preview) -> list[object]:
    """Which campaigns would pause and which would start; one line that says so if none would."""
    lines = [
        *_lines(expected.pauses, "would pause", "would pause"),
        *_lines(expected.starts, "would start", "would start"),
    ]
    return lines or [f"No campaign would pause or start: {expected.run} of {expected.of} run."]


def _lines(moved: Sequence[Moved], one: str, several: str) -> list[object]:
    if not moved:
        return []
    head = f"{len(moved)} campaign{'' if len(moved) == 1 else 's'} {one if len(moved) == 1 else several}:"
    return [head, names(moved)]


def names(moved: Sequence[Moved]) -> SafeString:
    """Links to the first of them, with what would hold them."""
    rows: list[object] = [_name(one) for one in moved[:SHOWN]]
    if len(moved) > SHOWN:
        rows.append(f"and {len(moved) - SHOWN} more")
    return show.lines(rows)


def _name(one: Moved) -> object:
    link = show.link(reverse("admin:campaigns_campaign_change", args=[one.campaign_id]), one.name)
    return format_html("{} – {}", link, show.hold_words(one.holds).lower()) if one.holds else link


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
