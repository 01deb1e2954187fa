"""What if? Another moment, other budgets, other spend or another week: what the same decision would say.

Nothing is written. The form is sent by GET, so that an answer has an address; the campaign's page has it too, and shows
the answer there.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from budget_system import money
from budget_system.admin import show
from budget_system.admin.campaign_page import until_text
from budget_system.admin.forms import AmountField, LocalMomentField
from budget_system.admin.ui import Select
from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement.decision import Scope
from enforcement.explain import Explanation, explain_facts, known, local_text, suppose
from enforcement.what_if import Key, Otherwise
from scheduling.windows import ALWAYS as WHOLE_WEEK
from scheduling.windows import Week, Window, week_from_text, windows_from_week

SAVED, ALWAYS, PAINTED = "saved", "always", "painted"

BUDGETS: Mapping[str, tuple[Key, str]] = {
    "brand_daily": ((Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND), "Daily budget of the brand"),
    "brand_monthly": ((Hold.MONTHLY_BUDGET_EXCEEDED, Scope.BRAND), "Monthly budget of the brand"),
    "daily": ((Hold.DAILY_BUDGET_EXCEEDED, Scope.CAMPAIGN), "Daily budget of the campaign"),
    "monthly": ((Hold.MONTHLY_BUDGET_EXCEEDED, Scope.CAMPAIGN), "Monthly budget of the campaign"),
    "lifetime": ((Hold.LIFETIME_BUDGET_EXCEEDED, Scope.CAMPAIGN), "Lifetime budget of the campaign"),
}


class WhatIfForm(forms.Form):
    """Filled in with what is; whatever is changed is otherwise."""

    moment = LocalMomentField(label="At", required=False, help_text="In the brand's time zone. Empty: now.")
    more = AmountField(
        label="Spent besides", required=False, help_text="By this campaign on that day; with a minus: so much less."
    )
    week = forms.ChoiceField(
        widget=Select,
        required=False,
        choices=[(SAVED, "As it is saved"), (ALWAYS, "Around the clock"), (PAINTED, "As painted above")],
    )
    painted = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ["moment", *BUDGETS, "more", "week", "painted"]

    def __init__(self, campaign: Campaign, data: QueryDict | None = None) -> None:
        super().__init__(data or None, initial=_present(campaign), prefix="if")
        for name, (_, label) in BUDGETS.items():
            self.fields[name] = AmountField(label=label, required=False, help_text="Empty: no limit.")
        self.order_fields(self.field_order)
        for field in self.fields.values():
            if isinstance(field, AmountField):
                field.currency = campaign.brand.currency
        if data is None or not data.get(self.add_prefix("painted")):
            week: Any = self.fields["week"]
            week.choices = week.choices[:2]

    def clean_painted(self) -> str:
        text: str = self.cleaned_data["painted"]
        try:
            week_from_text(text)
        except ValueError as error:
            raise forms.ValidationError("The painted week cannot be read. Paint it again.") from error
        return text

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in BUDGETS:
            if (cleaned.get(name) or Decimal(0)) < 0:
                self.add_error(name, "A budget cannot be negative. Leave it empty for no limit.")
        return cleaned

    def otherwise(self) -> Otherwise:
        """What the form has changed."""
        cleaned = self.cleaned_data
        limits = {key: _micros(cleaned[name]) for name, (key, _) in BUDGETS.items() if name in self.changed_data}
        week = cleaned["week"] or SAVED
        return Otherwise(
            limits=limits,
            more=_micros(cleaned["more"]) or 0,
            other_week=week != SAVED,
            week=week_from_text(cleaned["painted"]) if week == PAINTED else None,
        )

    def in_words(self, campaign: Campaign) -> list[str]:
        """What is otherwise, a line for each."""
        cleaned, currency = self.cleaned_data, campaign.brand.currency
        lines = [
            f"{label}: {show.limit(cleaned[name], currency)} instead of {show.limit(self.initial[name], currency)}"
            for name, (_, label) in BUDGETS.items()
            if name in self.changed_data
        ]
        if cleaned["more"]:
            word = "more" if cleaned["more"] > 0 else "less"
            lines.append(f"{show.amount(abs(cleaned['more']), currency)} {word} spent")
        if cleaned["week"] == ALWAYS:
            lines.append("Week: around the clock")
        elif cleaned["week"] == PAINTED:
            lines.append(f"Week: {week_in_words(cleaned['painted'])}")
        return lines


def week_in_words(text: str) -> str:
    """A compiled week in words, day by day."""
    week = week_from_text(text)
    if week is None or week == WHOLE_WEEK:
        return "around the clock"
    windows = windows_from_week(week)
    days = [", ".join(_hours(one) for one in windows if one.day_of_week == day) for day in range(7)]
    texts = []
    for hours, group in groupby(enumerate(days), key=lambda pair: pair[1]):
        numbers = [number for number, _ in group]
        names = _DAYS[numbers[0]] if len(numbers) == 1 else f"{_DAYS[numbers[0]]}–{_DAYS[numbers[-1]]}"
        texts.append(f"{names} {hours or 'closed'}")
    return "; ".join(texts)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _hours(window: Window) -> str:
    start, end = (moment.isoformat("seconds" if moment.second else "minutes") for moment in window[1:3])
    return f"{start}–{'24:00' if end == '00:00' else end}"


def _present(campaign: Campaign) -> dict[str, Any]:
    return {
        "brand_daily": campaign.brand.daily_budget,
        "brand_monthly": campaign.brand.monthly_budget,
        "daily": campaign.daily_budget,
        "monthly": campaign.monthly_budget,
        "lifetime": campaign.lifetime_budget,
        "week": SAVED,
    }


def _micros(amount: Decimal | None) -> int | None:
    return None if amount is None else money.to_micros(amount)


# --- A week that is painted and not saved yet ------------------------------------------------------------------------

SAVED_AS = "saved-as"
"""The parameter that has the week, as `week_to_text` writes it: the page of the campaign asks while it is painted."""


def if_saved(campaign: Campaign, week: Week | None, now: datetime) -> tuple[str, bool]:
    """What would come of saving this week, in a sentence; and whether it would pause a campaign that runs."""
    _, facts = known(campaign.pk, now)
    supposed = explain_facts(campaign, facts._replace(week=week), now)
    runs, would_run = explain_facts(campaign, facts, now).verdict.runs, supposed.verdict.runs
    if would_run:
        return f"Saved like this, the campaign would {'go on running' if runs else 'run at once'}.", False
    held = show.hold_words(supposed.verdict.holds).lower()
    at = supposed.runs_next_at
    then = "not run again without a person" if at is None else f"run again {local_text(facts.zone, at, now)}"
    return f"Saved like this, the campaign would {'pause now' if runs else 'stay paused'} ({held}) and {then}.", runs


def _if_saved(request: HttpRequest, campaign: Campaign, now: datetime) -> JsonResponse:
    try:
        text, pauses = if_saved(campaign, week_from_text(request.GET[SAVED_AS]), now)
    except (ValueError, Refused) as error:
        return JsonResponse({"problem": str(error)}, status=400)
    return JsonResponse({"text": text, "pauses": pauses})


# --- The answer ------------------------------------------------------------------------------------------------------


def answer(campaign: Campaign, form: WhatIfForm, now: datetime) -> SafeString:
    """Now beside what would be, and what differs. Raises Refused where nothing can be decided."""
    at = form.cleaned_data["moment"] or now
    present = explain_facts(*known(campaign.pk, now), now)
    supposed = suppose(campaign.pk, at, form.otherwise())
    return render_to_string(
        "budget/what_if_answer.html",
        {
            "otherwise": form.in_words(campaign) or ["Nothing but the moment" if at != now else "Nothing"],
            "columns": [_column("Now", present, campaign), _column("What if", supposed, campaign)],
            "differences": _differences(present, supposed),
        },
    )


def _column(title: str, explanation: Explanation, campaign: Campaign) -> dict[str, Any]:
    zone, at = campaign.brand.zone, explanation.at
    runs = explanation.verdict.runs
    following = explanation.runs_next_at
    return {
        "title": title,
        "at": f"{at.astimezone(zone):%a %-d %b %Y %H:%M} {zone.key}",
        "badge": show.badge("Runs", show.GOOD) if runs else show.badge("Paused", show.WARN),
        "summary": explanation.summary,
        "holds": [
            f"{sentence}, {until_text(cause, campaign, at)}" if cause.limit is not None else sentence
            for cause, sentence in zip(explanation.causes, explanation.sentences, strict=True)
        ],
        "next": "" if runs or following is None else local_text(zone, following, at),
    }


def _differences(present: Explanation, supposed: Explanation) -> list[str]:
    before, after = present.verdict.holds, supposed.verdict.holds
    lines = [f"No longer: {hold.label}" for hold in before if hold not in after]
    lines += [f"New: {hold.label}" for hold in after if hold not in before]
    if bool(before) != bool(after):
        lines.insert(0, "It would stop." if after else "It would run.")
    return lines


def panel(campaign: Campaign) -> SafeString:
    """The form, for the campaign's page."""
    with timezone.override(campaign.brand.zone):
        context = {**_form_context(campaign, WhatIfForm(campaign)), "here": True}
        return render_to_string("budget/what_if_form.html", context)


def _form_context(campaign: Campaign, form: WhatIfForm) -> dict[str, Any]:
    return {"form": form, "url": reverse("admin:campaigns_campaign_what_if", args=[campaign.pk])}


def page(model_admin: Any, request: HttpRequest, campaign: Campaign, now: datetime) -> HttpResponse:
    """The form with its answer, on a page of its own; or, about a week that is being painted, a sentence."""
    if SAVED_AS in request.GET:
        return _if_saved(request, campaign, now)
    with timezone.override(campaign.brand.zone):
        asked = any(name.startswith("if-") for name in request.GET)
        form = WhatIfForm(campaign, request.GET if asked else None)
        found = SafeString()
        if asked and form.is_valid():
            try:
                found = answer(campaign, form, now)
            except Refused as error:
                form.add_error(None, error.message)
        context = {
            **model_admin.admin_site.each_context(request),
            **_form_context(campaign, form),
            "title": "What if…",
            "subtitle": str(campaign),
            "opts": model_admin.opts,
            "original": campaign,
            "media": model_admin.media,
            "answer": found,
            "back": model_admin.url_of(campaign),
        }
        request.current_app = model_admin.admin_site.name
        return render(request, "budget/what_if.html", context)
