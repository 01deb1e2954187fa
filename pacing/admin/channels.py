"""Budgets of channels in the admin, and their breakers."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import pacing_page, show
from budget_system.admin.base import actor_of, note, noted
from budget_system.admin.campaign_page import who
from budget_system.admin.filters import Lookups
from budget_system.admin.forms import OptionalReasonForm, ReasonForm, UseCaseForm
from budget_system.admin.pacing_page import CHANGE, CLEAR, STOP
from budget_system.admin.pacing_settings import SETTINGS_FIELDSETS, Thresholds, in_force
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, Select, Textarea, TextInput
from budget_system.errors import Refused
from enforcement import pacing
from enforcement.explain import local_text
from pacing.admin.base import PacingAdmin, campaigns_page
from pacing.channels import LABELS, label
from pacing.desk import OFF
from pacing.models import (
    BreakerState,
    ChannelBudget,
    PacedCampaign,
)
from pacing.queries import channels_now
from pacing.services import clean_channel

OTHER = "other"


class ChannelForm(Thresholds, UseCaseForm):
    """A channel's budget: of which campaign, how much, how it is laid out, and which thresholds differ."""

    channel = forms.ChoiceField(
        choices=[*((str(name), words) for name, words in LABELS.items()), (OTHER, "Another one, named below")],
        widget=Select,
        help_text="Spend that names this channel counts against it. Spend that names none belongs to the only channel, "
        "or to that of the campaign's platform.",
    )
    other_channel = forms.CharField(
        required=False, max_length=40, widget=TextInput, help_text="Its name as your reports write it, such as audio."
    )
    reason = forms.CharField(widget=Textarea(attrs={"rows": 2}), max_length=1000, required=False)
    helps = {
        "daily_budget": "What this channel may spend a day, inside the campaign's own daily budget. 0: nothing.",
        "strategy": "How the day's money is laid out over its hours. With little data every strategy begins evenly.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            return
        self.fields.pop("other_channel", None)
        if "daily_budget" in self.fields:
            row: PacedCampaign = self.instance.campaign.pacing
            self.add_thresholds(in_force(row.settings), self.instance.settings, self.initial)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.instance._state.adding:
            self._clean_channel(cleaned)
        elif "daily_budget" in self.fields:
            self.clean_thresholds()
        return cleaned

    def _clean_channel(self, cleaned: dict[str, Any]) -> None:
        chosen, field = cleaned.get("channel"), "channel"
        if chosen == OTHER:
            chosen, field = cleaned.get("other_channel") or "", "other_channel"
        if chosen is None:
            return
        try:
            cleaned["channel"] = clean_channel(chosen)
        except Refused as error:
            self.add_error(field, error.message)


class StateFilter(DropdownFilter):
    """What needs a look is shown unless something else is asked for."""

    title = "state"
    parameter_name = "state"
    all_option = ["", "Open, probing or stopped"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [
            ("open", "Open"), ("probing", "Probing"), ("stopped", "Stopped by a person"), ("closed", "Closed"),
            ("all", "All channels"),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[ChannelBudget]) -> QuerySet[ChannelBudget]:
        match self.value():
            case "all":
                return queryset
            case "closed":
                return queryset.filter(breaker=BreakerState.CLOSED, stopped_at=None)
            case "stopped":
                return queryset.exclude(stopped_at=None)
            case "probing":
                probing = Q(breaker=BreakerState.HALF_OPEN) | Q(breaker_until__lte=clock.now())
                return queryset.filter(probing)
            case "open":
                return queryset.filter(breaker=BreakerState.OPEN, breaker_until__gt=clock.now())
            case _:
                return queryset.filter(~Q(breaker=BreakerState.CLOSED) | Q(stopped_at__isnull=False))


@admin.register(ChannelBudget)
class ChannelBudgetAdmin(PacingAdmin, ActionsAdmin):
    form = ChannelForm
    inputs = ("daily_budget", "strategy")
    opens_after_add = True
    list_display = ("channel_name", "campaign_name", "brand_name", "state", "why", "until", "today")
    list_display_links = None
    list_select_related = ("campaign__brand",)
    list_filter = (("campaign__brand", AutocompleteSelectFilter), StateFilter)
    search_fields = ("campaign__name", "channel")
    search_help_text = "Campaign, platform campaign id, brand, or channel"
    campaign_path = "campaign"
    other_search = ("channel__iexact",)
    brand_path = "campaign__brand"
    ordering = ("campaign__brand__name", "campaign__name", "channel")
    essentials = ("channel_name", "campaign_name", "brand_name", "state", "why")
    list_fullwidth = True
    autocomplete_fields = ("campaign",)
    actions_detail = ("close_breaker", "stop", "clear_stop", "remove")
    empty_text = (
        "A breaker belongs to a channel with a daily budget, and opens by itself when its spend is not as it should "
        "be. Give a channel of a campaign a budget to begin."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChannelBudget]:
        found = super().get_queryset(request).select_related("campaign__brand", "campaign__pacing")
        return found.filter(campaign__archived_at=None)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            vars(found)["brand"] = found.campaign.brand  # whose currency the amounts are in
        return found

    def may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CHANGE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_change(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_change(request)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (
                ("Which channel", {"fields": ("campaign", "channel", "other_channel")}),
                ("How much, and how", {"fields": ("daily_budget", "strategy")}),
            )
        about = ("Channel", {"fields": ("channel_name", "campaign_name", "brand_name")})
        if not self.may_change(request):
            return (about, ("How it is paced", {"fields": ("budget_words", "strategy_words", "thresholds")}))
        return (
            about,
            ("How much, and how", {"fields": ("daily_budget", "strategy")}),
            *SETTINGS_FIELDSETS,
            ("Why", {"fields": ("reason",)}),
        )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The thresholds are added by the form itself: Django is to look for none of them in the model."""
        if obj is not None:
            kwargs["fields"] = ["daily_budget", "strategy"] if self.may_change(request) else []
        return super().get_form(request, obj, change=change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return (
            "channel", "campaign", "channel_name", "campaign_name", "brand_name", "budget_words", "strategy_words",
            "thresholds",
        )  # fmt: skip

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"title": "Breakers", **(extra_context or {})})

    def url_of(self, obj: ChannelBudget) -> str:
        """All about a channel is on the page of its campaign."""
        if not ChannelBudget.objects.filter(campaign=obj.campaign_id).exists():
            return reverse("admin:campaigns_campaign_change", args=[obj.campaign_id])
        return f"{campaigns_page(obj.campaign_id)}#channel-{obj.pk}"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        if obj is not None:
            context["title"] = "Channel budget"
            context["subtitle"] = _full_label(obj)
        return super().render_change_form(request, context, *args, **kwargs)

    # --- The list -----------------------------------------------------------------------------------------------------

    def dress(self, rows: list[ChannelBudget], now: datetime) -> None:
        found = channels_now(rows, now)
        for row in rows:
            note(row, found[row.pk])
            note(row, now, "now")

    @admin.display(description="channel", ordering="channel")
    def channel_name(self, row: ChannelBudget) -> SafeString:
        return show.link(f"{campaigns_page(row.campaign_id)}#channel-{row.pk}", label(row.channel))

    @admin.display(description="state")
    def state(self, row: ChannelBudget) -> SafeString:
        badge = pacing_page.breaker_badge(noted(row).breaker.state)
        if row.stopped_at is None:
            return badge
        stopped = show.badge("Stopped", show.BAD, row.stop_reason)
        return stopped if noted(row).breaker.state is BreakerState.CLOSED else show.stacked(stopped, " ", badge)

    @admin.display(description="why")
    def why(self, row: ChannelBudget) -> object:
        if row.stopped_at is not None:
            return f"{row.stop_reason} (by {who(row.stopped_by)})"
        return noted(row).breaker.reason or show.nothing()

    @admin.display(description="until")
    def until(self, row: ChannelBudget) -> object:
        if row.stopped_at is not None:
            return "a person clears it"
        at = noted(row).breaker.probes_at
        return show.nothing() if at is None else f"a probe {local_text(row.campaign.brand.zone, at, noted(row, 'now'))}"

    @admin.display(description="spent today")
    def today(self, row: ChannelBudget) -> SafeString:
        present = noted(row)
        return show.use_bar(present.spent, present.budget, row.campaign.brand.currency, reserved=present.held)

    @admin.display(description="daily budget")
    def budget_words(self, row: ChannelBudget) -> str:
        return show.amount(row.daily_budget, row.campaign.brand.currency)

    @admin.display(description="strategy")
    def strategy_words(self, row: ChannelBudget) -> str:
        return str(row.get_strategy_display())

    @admin.display(description="thresholds")
    def thresholds(self, row: ChannelBudget) -> object:
        words = pacing_page.threshold_words(row.campaign.pacing, row)
        return show.lines(words) if words else "The usual ones"

    # --- Adding and changing ------------------------------------------------------------------------------------------

    def create(self, request: HttpRequest, form: Any, now: datetime) -> ChannelBudget:
        cleaned = form.cleaned_data
        budget = pacing.set_channel_budget(
            cleaned["campaign"].pk, cleaned["channel"], form.given(self.inputs), actor=actor_of(request), now=now,
            new=True,
        )  # fmt: skip
        self.say(request, f"{_full_label(budget)} has a daily budget now. Today's plan is laid; it can be seen below.")
        return budget

    def change(self, request: HttpRequest, obj: ChannelBudget, form: Any, now: datetime) -> None:
        changes = form.changes(self.inputs)
        settings = form.own_settings()
        if _as_text(settings) != _as_text(obj.settings):
            changes["settings"] = settings
        if not changes:
            self.say(request, f"Nothing was changed in {_full_label(obj)}.", messages.INFO)
            return
        pacing.set_channel_budget(
            obj.campaign_id, obj.channel, changes, actor=actor_of(request), now=now, new=False,
            expected_version=form.cleaned_data["expected_version"], reason=form.cleaned_data["reason"],
        )  # fmt: skip
        self.say(request, f"{_full_label(obj)} was changed. Today's plan and limits follow at once.")

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: ChannelBudget) -> Iterable[str]:
        names = ["clear_stop"] if obj.stopped_at is not None else ["stop", "remove"]
        present = channels_now([obj], clock.now())[obj.pk].breaker.state
        return names if present is BreakerState.CLOSED else ["close_breaker", *names]

    @object_action("Close the breaker…", path="close-breaker", needs=CLEAR, icon="power")
    def close_breaker(self, request: HttpRequest, obj: ChannelBudget) -> HttpResponse:
        def run(form: Any) -> None:
            pacing.close_breaker(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, f"The breaker of {_full_label(obj)} is closed; it may spend again.")

        return ask(
            self, request, obj, title="Close the breaker", button="Close it", form_class=ReasonForm, run=run,
            intro=[
                _full_label(obj),
                f"It opened: {channels_now([obj], clock.now())[obj.pk].breaker.reason}.",
                "Close it once you know why. The channel may spend again at once, within its limits; it opens again if "
                "the same is seen once more.",
            ],
        )  # fmt: skip

    @object_action("Emergency stop of this channel…", path="stop", needs=STOP, icon="emergency_home", danger=True)
    def stop(self, request: HttpRequest, obj: ChannelBudget) -> HttpResponse:
        def run(form: Any) -> None:
            pacing.stop_channel(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, f"{_full_label(obj)} is stopped. It stays so until a person clears it.")

        return ask(
            self, request, obj, title="Emergency stop of a channel", button="Stop it now", danger=True,
            form_class=ReasonForm, run=run,
            intro=[
                _full_label(obj),
                f"Platforms stop campaigns, not channels: all of “{obj.campaign}” is held until a person clears this.",
            ],
        )  # fmt: skip

    @object_action("Clear the stop…", path="clear-stop", needs=CLEAR, icon="play_circle")
    def clear_stop(self, request: HttpRequest, obj: ChannelBudget) -> HttpResponse:
        def run(form: Any) -> None:
            pacing.clear_channel_stop(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"The emergency stop of {_full_label(obj)} is cleared.")

        return ask(
            self, request, obj, title="Clear the emergency stop", button="Clear it", form_class=OptionalReasonForm,
            run=run, intro=[_full_label(obj), f"Stopped by {who(obj.stopped_by)}: {obj.stop_reason}"],
        )  # fmt: skip

    @object_action("Stop pacing this channel…", path="remove", needs=CHANGE, icon="delete", danger=True)
    def remove(self, request: HttpRequest, obj: ChannelBudget) -> HttpResponse:
        name = _full_label(obj)

        def run(form: Any) -> HttpResponse:
            pacing.remove_channel_budget(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"{name} is paced no longer. What it spent still counts for the campaign.")
            return HttpResponseRedirect(self.url_of(obj))

        return ask(
            self, request, obj, title="Stop pacing this channel", button="Take its budget away", danger=True,
            form_class=OptionalReasonForm, run=run,
            intro=[name, "Its daily budget goes. What it spent stays; the campaign's own budgets still hold."],
        )  # fmt: skip


def _full_label(budget: ChannelBudget) -> str:
    return f"{label(budget.channel)}, {show.campaign_label(budget.campaign)}"


def _as_text(settings: dict[str, object]) -> dict[str, str]:
    return {name: OFF if value == OFF else str(Decimal(str(value)).normalize()) for name, value in settings.items()}
