"""Pacing in the admin: paced campaigns, alerts, breakers, and money moved between channels."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from access.callers import caller_of
from budget_system import clock
from budget_system.admin import pacing_month, pacing_page, show
from budget_system.admin.base import Panel, RecordAdmin, actor_of, note, noted
from budget_system.admin.campaign_page import who
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.forms import OptionalReasonForm, ReasonForm, UseCaseForm
from budget_system.admin.pacing_page import CHANGE, CLEAR, STOP, Look
from budget_system.admin.pacing_settings import SETTINGS_FIELDSETS, THRESHOLDS, Thresholds, in_force
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, Select, Textarea, TextInput
from budget_system.errors import Refused
from enforcement import pacing
from enforcement.explain import local_text
from pacing.channels import LABELS, label
from pacing.desk import OFF
from pacing.models import (
    AlertKind,
    BreakerState,
    ChannelBudget,
    PaceAlert,
    PacedCampaign,
    Reallocation,
    ReallocationState,
)
from pacing.months import months_of
from pacing.queries import channels_now, paces
from pacing.services import clean_channel
from spending.figures import spent

VIEW, SEE = "campaigns.view_campaign", "campaigns.pause_campaign"
OTHER = "other"


class PacingAdmin(RecordAdmin[Any]):
    """Who sees campaigns sees how they are paced."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    @admin.display(description="campaign", ordering="campaign__name")
    def campaign_name(self, one: Any) -> SafeString:
        return show.link_to(one.campaign, "pacing_pacedcampaign", one.campaign_id)

    @admin.display(description="brand", ordering="campaign__brand__name")
    def brand_name(self, one: Any) -> SafeString:
        return show.link_to(one.campaign.brand, "brands_brand", one.campaign.brand_id)

    def say(self, request: HttpRequest, message: str, level: int = messages.SUCCESS) -> None:
        self.message_user(request, message, level)


def campaigns_page(campaign_id: object) -> str:
    return reverse("admin:pacing_pacedcampaign_change", args=[campaign_id])


# --- Paced campaigns -------------------------------------------------------------------------------------------------


class PaceFilter(DropdownFilter):
    title = "pace"
    parameter_name = "pace"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("ahead", "Ahead of plan"), ("on", "On plan"), ("behind", "Behind plan"), ("quiet", "Too early to say")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PacedCampaign]) -> QuerySet[PacedCampaign]:
        chosen = self.value()
        if chosen not in ("ahead", "on", "behind", "quiet"):
            return queryset
        found = paces(list(queryset.order_by().values_list("pk", flat=True)), clock.now())
        those = [one.campaign.pk for one in found if pacing_page.pace_words(one.pace).state == chosen]
        return queryset.filter(pk__in=those)


class TroubleFilter(DropdownFilter):
    title = "needs a look"
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("breaker", "A breaker is open"), ("stop", "A channel is stopped"), ("alerts", "Alerts that stand")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PacedCampaign]) -> QuerySet[PacedCampaign]:
        channels = ChannelBudget.objects.filter(campaign=OuterRef("pk"))
        match self.value():
            case "breaker":
                return queryset.filter(Exists(channels.exclude(breaker=BreakerState.CLOSED)))
            case "stop":
                return queryset.filter(Exists(channels.exclude(stopped_at=None)))
            case "alerts":
                return queryset.filter(Exists(PaceAlert.objects.filter(campaign=OuterRef("pk"), cleared_at=None)))
            case _:
                return queryset


class PacedForm(UseCaseForm):
    """Nothing is written here: each change has a page of its own."""

    has_version = False


class ThresholdsForm(Thresholds, forms.Form):
    """The thresholds of all channels of a campaign."""

    own: dict[str, object] = {}
    reason = forms.CharField(widget=Textarea(attrs={"rows": 2}), max_length=1000, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_thresholds(in_force(), self.own, self.initial)
        self.order_fields([*THRESHOLDS, "reason"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.clean_thresholds()
        return cleaned


@admin.register(PacedCampaign)
class PacedCampaignAdmin(PacingAdmin, ActionsAdmin):
    form = PacedForm
    list_display = ("campaign_name", "brand_name", "channels", "today", "breakers", "alerts")
    list_display_links = None
    list_select_related = ("campaign__brand",)
    list_filter = (("campaign__brand", AutocompleteSelectFilter), PaceFilter, TroubleFilter)
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, platform campaign id, or brand"
    campaign_path = "campaign"
    brand_path = "campaign__brand"
    ordering = ("campaign__brand__name", "campaign__name", "pk")
    essentials = ("campaign_name", "brand_name", "today", "alerts")
    list_fullwidth = True
    empty_text = (
        "A campaign is paced once one of its channels, such as search or display, has a daily budget. Its money is "
        "then laid out over the hours of the day."
    )
    fieldsets = (("How it is paced", {"fields": ("campaign_name", "brand_name", "moves", "thresholds")}),)
    actions_detail = (
        "add_channel", "approve", "reject",
        {"title": "More", "items": ["propose", "all_thresholds", "moves_by_itself"]},
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[PacedCampaign]:
        found = super().get_queryset(request).select_related("campaign__brand")
        return found.filter(campaign__paced=True, campaign__archived_at=None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CHANGE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A campaign becomes a paced one when a channel of it gets a budget."""
        return HttpResponseRedirect(reverse("admin:pacing_channelbudget_add"))

    # --- The list -----------------------------------------------------------------------------------------------------

    def dress(self, rows: list[PacedCampaign], now: datetime) -> None:
        found = {one.campaign.pk: one for one in paces([row.pk for row in rows], now)}
        for row in rows:
            note(row, found.get(row.pk))

    @admin.display(description="channels")
    def channels(self, row: PacedCampaign) -> SafeString:
        pace = noted(row)
        return show.lines(channel.label for channel in pace.channels) if pace else show.nothing()

    @admin.display(description="spent today")
    def today(self, row: PacedCampaign) -> SafeString:
        found = noted(row)
        if found is None:
            return show.nothing()
        words = pacing_page.pace_words(found.pace)
        bar = pacing_page.pace_bar(found.pace, row.campaign.brand.currency)
        return show.stacked(show.badge(words.text, words.tone), bar)

    @admin.display(description="breaker")
    def breakers(self, row: PacedCampaign) -> SafeString:
        found = noted(row)
        if found is None:
            return show.nothing()
        told = []
        for one in found.channels:
            if one.budget.stopped_at is not None:
                told.append(
                    show.stacked(show.badge("Stopped", show.BAD, one.budget.stop_reason), show.small(one.label))
                )
            elif one.breaker.state is not BreakerState.CLOSED:
                badge = pacing_page.breaker_badge(one.breaker.state, one.breaker.reason)
                told.append(show.stacked(badge, show.small(one.label)))
        return show.lines(told) if told else show.nothing("closed")

    @admin.display(description="alerts")
    def alerts(self, row: PacedCampaign) -> SafeString:
        found = noted(row)
        if found is None or not found.alerts:
            return show.nothing("none")
        return show.lines(
            show.stacked(
                pacing_page.severity_badge(alert),
                show.small(f"{label(alert.channel)}: {pacing_page.message_text(alert, row.campaign.brand.currency)}"),
            )
            for alert in found.alerts
        )

    # --- The page -----------------------------------------------------------------------------------------------------

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        if obj is not None:
            note(obj, caller_of(request), "asked")
            context["title"] = "Pacing"
            context["subtitle"] = show.campaign_label(obj.campaign)
        return super().render_change_form(request, context, *args, **kwargs)

    def panels_above(self, obj: PacedCampaign, now: datetime) -> Sequence[Panel]:
        look = Look(obj, noted(obj, "asked"), now)
        note(obj, look, "look")
        panels = [Panel(show.campaign_label(obj.campaign), pacing_page.summary(look))]
        panels += [Panel(one.label, pacing_page.channel_panel(one, look)) for one in look.channels]
        panels.append(Panel("Money between the channels", pacing_page.reallocation_panel(look)))
        panels.append(Panel("What returns what", pacing_page.performance_panel(look)))
        return panels

    def panels_below(self, obj: PacedCampaign, now: datetime) -> Sequence[Panel]:
        look, things = noted(obj, "look"), (obj.campaign, obj.campaign.brand)
        months = months_of(things, spent(things, now), now)
        currency = obj.campaign.brand.currency
        return [
            Panel(f"The month of {obj.campaign}", pacing_month.panel(months[obj.campaign.pk], currency)),
            Panel(f"The month of {obj.campaign.brand}", pacing_month.panel(months[obj.campaign.brand.pk], currency)),
            Panel("What happened", pacing_page.history_panel(look)),
        ]

    @admin.display(description="moving money")
    def moves(self, row: PacedCampaign) -> str:
        return "By itself, every hour" if row.automatic else "When a person approves a proposal"

    @admin.display(description="thresholds of all channels")
    def thresholds(self, row: PacedCampaign) -> object:
        words = pacing_page.threshold_words(row)
        return show.lines(words) if words else "The usual ones"

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: PacedCampaign) -> Iterable[str]:
        names = ["add_channel", "all_thresholds", "moves_by_itself"]
        if obj.campaign.channel_budgets.count() > 1:
            names.append("propose")
        if Reallocation.objects.filter(campaign=obj.campaign, state=ReallocationState.PROPOSED).exists():
            names += ["approve", "reject"]
        return names

    @object_action("Add a channel…", path="add-channel", needs=CHANGE, icon="add")
    def add_channel(self, request: HttpRequest, obj: PacedCampaign) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:pacing_channelbudget_add')}?campaign={obj.pk}")

    @object_action("Ask for a proposal…", path="propose", needs=CHANGE, icon="swap_horiz")
    def propose(self, request: HttpRequest, obj: PacedCampaign) -> HttpResponse:
        def run(_: Any) -> None:
            found = pacing.propose_reallocation(obj.pk, actor=actor_of(request), now=clock.now())
            if found is None:
                self.say(
                    request,
                    "There is nothing to move now: no channel has money that it will not use, or none returns enough "
                    "more for it.",
                    messages.INFO,
                )
            else:
                self.say(request, "There is a proposal. Nothing was moved yet: approve or reject it.")

        return ask(
            self, request, obj, title="Ask for a proposal", button="Ask", form_class=forms.Form, run=run,
            intro=[
                show.campaign_label(obj.campaign),
                "It is worked out what moving unused money between the channels would do now. Nothing moves until "
                "somebody approves. A proposal that waits is replaced.",
            ],
        )  # fmt: skip

    @object_action("Approve the proposal…", path="approve", needs=CHANGE, icon="check")
    def approve(self, request: HttpRequest, obj: PacedCampaign) -> HttpResponse:
        return self._decide(
            request, obj, "Approve the proposal", "Move the money", pacing.apply_reallocation,
            "The money is moved, for today. Tomorrow starts from the budgets as they are set.",
        )  # fmt: skip

    @object_action("Reject the proposal…", path="reject", needs=CHANGE, icon="close")
    def reject(self, request: HttpRequest, obj: PacedCampaign) -> HttpResponse:
        return self._decide(
            request, obj, "Reject the proposal", "Leave the money where it is", pacing.reject_reallocation,
            "The proposal is rejected; the money stays where it is.",
        )  # fmt: skip

    def _decide(
        self, request: HttpRequest, obj: PacedCampaign, title: str, button: str, decide: Callable[..., Any], done: str
    ) -> HttpResponse:
        """What is decided about is the proposal that the person has seen, which another may have replaced since."""
        proposal = Reallocation.objects.filter(campaign=obj.campaign, state=ReallocationState.PROPOSED).first()
        currency = obj.campaign.brand.currency

        def run(form: Any) -> None:
            decide(
                form.cleaned_data["proposal"], reason=form.cleaned_data["reason"], actor=actor_of(request),
                now=clock.now(),
            )  # fmt: skip
            self.say(request, done)

        return ask(
            self, request, obj, title=title, button=button, form_class=DecisionForm, run=run,
            initial={"proposal": proposal.pk if proposal else None},
            intro=[
                show.campaign_label(obj.campaign),
                *([pacing_page.moves_table(proposal, currency)] if proposal is not None else []),
            ],
        )  # fmt: skip

    @object_action("Thresholds of all channels…", path="thresholds", needs=CHANGE, icon="tune")
    def all_thresholds(self, request: HttpRequest, obj: PacedCampaign) -> HttpResponse:
        def run(form: Any) -> None:
            changes = {"settings": form.own_settings()}
            pacing.change_pacing(
                obj.pk, changes, actor=actor_of(request), now=clock.now(), reason=form.cleaned_data["reason"]
            )
            self.say(request, f"The thresholds of “{obj}” were changed; today's limits follow at once.")

        return ask(
            self, request, obj, title="Thresholds of all channels", button="Save", run=run,
            form_class=type("OwnThresholdsForm", (ThresholdsForm,), {"own": obj.settings}),
            intro=[
                show.campaign_label(obj.campaign),
                "Leave a field empty for the usual value, which is shown in it. A channel's own threshold goes before "
                "these.",
            ],
        )  # fmt: skip

    @object_action("Let money move by itself, or not…", path="moves-by-itself", needs=CHANGE, icon="autorenew")
    def moves_by_itself(self, request: HttpRequest, obj: PacedCampaign) -> HttpResponse:
        automatic = not obj.automatic

        def run(form: Any) -> None:
            pacing.change_pacing(
                obj.pk, {"automatic": automatic}, actor=actor_of(request), now=clock.now(),
                reason=form.cleaned_data["reason"],
            )  # fmt: skip
            self.say(request, "Money moves by itself now." if automatic else "Money moves only when a person approves.")

        title = "Let money move by itself" if automatic else "Ask before moving money"
        text = (
            "Every hour, money that a channel will not use today goes to channels that return more, without asking."
            if automatic
            else "Every hour a proposal is made where it would help, and a person approves or rejects it."
        )
        return ask(
            self, request, obj, title=title, button=title, form_class=OptionalReasonForm, run=run,
            intro=[show.campaign_label(obj.campaign), text],
        )  # fmt: skip


class DecisionForm(OptionalReasonForm):
    proposal = forms.UUIDField(
        widget=forms.HiddenInput, error_messages={"required": "This page is not complete; reload it."}
    )


# --- Channels and their breakers -------------------------------------------------------------------------------------


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


# --- Alerts ----------------------------------------------------------------------------------------------------------


class StandingFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("standing", "Standing"), ("unseen", "Standing, seen by nobody"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PaceAlert]) -> QuerySet[PaceAlert]:
        match self.value():
            case "standing":
                return queryset.filter(cleared_at=None)
            case "unseen":
                return queryset.filter(cleared_at=None, seen_at=None)
            case "over":
                return queryset.exclude(cleared_at=None)
            case _:
                return queryset


class KindFilter(FixedFilter):
    title = "about"
    parameter_name = "about"
    field = "kind"
    values = [(kind.value, str(kind.label)) for kind in AlertKind]


class SeverityFilter(FixedFilter):
    title = "severity"
    parameter_name = "severity"
    field = "severity"
    values = [("critical", "Critical"), ("warning", "Warning")]


@admin.register(PaceAlert)
class PaceAlertAdmin(PacingAdmin, ActionsAdmin):
    form = PacedForm
    list_display = ("severity_now", "what", "campaign_name", "brand_name", "since", "to_do", "seen")
    list_display_links = ("what",)
    list_select_related = ("campaign__brand",)
    list_filter = (
        ("campaign__brand", AutocompleteSelectFilter), StandingFilter, SeverityFilter, KindFilter,
        ("raised_at", DaysFilter),
    )  # fmt: skip
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, platform campaign id, or brand"
    campaign_path = "campaign"
    brand_path = "campaign__brand"
    ordering = (F("cleared_at").desc(nulls_first=True), "severity", "-raised_at", "-pk")
    sortable_by = ()
    essentials = ("action_checkbox", "severity_now", "what", "campaign_name", "brand_name", "to_do")
    list_fullwidth = True
    actions = ("mark_as_seen",)
    actions_detail = ("see",)
    empty_text = "No channel has been off its plan. Pace is checked every five minutes once a campaign is paced."
    fieldsets = (
        (
            "Alert",
            {"fields": ("severity_now", "about", "channel_name", "campaign_name", "brand_name", "told", "to_do")},
        ),
        ("Record", {"fields": ("pace_then", "since", "over", "seen")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PaceAlert]:
        return super().get_queryset(request).select_related("campaign__brand")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_seen_permission(self, request: HttpRequest) -> bool:
        """Asked by the action of the list, as its `permissions` say."""
        return request.user.has_perm(SEE)

    def dress(self, rows: list[PaceAlert], now: datetime) -> None:
        for row in rows:
            note(row, now, "now")

    def panels_above(self, obj: PaceAlert, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            context["title"] = "Alert"
            context["subtitle"] = show.campaign_label(kwargs["obj"].campaign)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="severity")
    def severity_now(self, alert: PaceAlert) -> SafeString:
        return pacing_page.severity_badge(alert)

    @admin.display(description="what")
    def what(self, alert: PaceAlert) -> SafeString:
        return show.stacked(f"{label(alert.channel)}: {alert.get_kind_display().lower()}", show.small(_message(alert)))

    @admin.display(description="message")
    def told(self, alert: PaceAlert) -> str:
        return _message(alert)

    @admin.display(description="about")
    def about(self, alert: PaceAlert) -> str:
        return str(alert.get_kind_display())

    @admin.display(description="channel")
    def channel_name(self, alert: PaceAlert) -> str:
        return label(alert.channel)

    @admin.display(description="since")
    def since(self, alert: PaceAlert) -> object:
        now = noted(alert, "now")
        began = local_text(alert.campaign.brand.zone, alert.raised_at, now)
        if alert.cleared_at is None:
            return began
        ended = local_text(alert.campaign.brand.zone, alert.cleared_at, now)
        return show.stacked(began, show.small(f"until {ended}"))

    @admin.display(description="over since")
    def over(self, alert: PaceAlert) -> str:
        if alert.cleared_at is None:
            return "It stands until what it is about is over"
        return local_text(alert.campaign.brand.zone, alert.cleared_at, noted(alert, "now"))

    @admin.display(description="what to do")
    def to_do(self, alert: PaceAlert) -> str:
        return alert.action if alert.cleared_at is None else "Nothing: it is over"

    @admin.display(description="pace when it was raised")
    def pace_then(self, alert: PaceAlert) -> str:
        return f"{alert.pace:.2f} of what was planned so far"

    @admin.display(description="seen by")
    def seen(self, alert: PaceAlert) -> object:
        if alert.seen_at is None:
            return show.nothing("nobody yet")
        at = local_text(alert.campaign.brand.zone, alert.seen_at, noted(alert, "now"))
        return show.stacked(who(alert.seen_by), show.small(at))

    @admin.action(description="Mark as seen", permissions=["seen"])
    def mark_as_seen(self, request: HttpRequest, alerts: QuerySet[PaceAlert]) -> None:
        now, actor = clock.now(), actor_of(request)
        unseen = list(alerts.filter(seen_at=None).order_by().values_list("pk", flat=True))
        for alert_id in unseen:
            pacing.see_alert(alert_id, actor=actor, now=now)
        count = f"{len(unseen)} alert{'' if len(unseen) == 1 else 's'}"
        self.say(request, f"{count} marked as seen. An alert stands until what it is about is over.")

    def offered(self, obj: PaceAlert) -> Iterable[str]:
        return () if obj.seen_at is not None else ("see",)

    @object_action("Mark as seen", path="see", needs=SEE, icon="visibility")
    def see(self, request: HttpRequest, obj: PaceAlert) -> HttpResponse:
        def run(_: Any) -> None:
            pacing.see_alert(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, "Marked as seen. It stands until what it is about is over.")

        return ask(
            self, request, obj, title="Mark as seen", button="I have seen it", form_class=forms.Form, run=run,
            intro=[
                show.campaign_label(obj.campaign), f"{label(obj.channel)}: {_message(obj)}", obj.action,
            ],
        )  # fmt: skip


def _message(alert: PaceAlert) -> str:
    return pacing_page.message_text(alert, alert.campaign.brand.currency)


# --- Money moved -----------------------------------------------------------------------------------------------------


class MovedFilter(FixedFilter):
    title = "state"
    parameter_name = "state"
    field = "state"
    values = [(state.value, str(state.label)) for state in ReallocationState]


@admin.register(Reallocation)
class ReallocationAdmin(PacingAdmin):
    list_display = ("on_day", "campaign_name", "brand_name", "what", "state_now", "proposed", "decided")
    list_display_links = ("on_day",)
    list_select_related = ("campaign__brand",)
    list_filter = (("campaign__brand", AutocompleteSelectFilter), MovedFilter, ("proposed_at", DaysFilter))
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, platform campaign id, or brand"
    campaign_path = "campaign"
    brand_path = "campaign__brand"
    ordering = ("-id",)
    sortable_by = ()
    essentials = ("on_day", "campaign_name", "brand_name", "what", "state_now")
    list_fullwidth = True
    empty_text = (
        "Money moves between the channels of a paced campaign: open one with two channels or more and ask for a "
        "proposal."
    )
    fieldsets = (
        (
            "Money moved",
            {"fields": ("on_day", "campaign_name", "brand_name", "state_now", "proposed", "decided", "reason")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reallocation]:
        return super().get_queryset(request).select_related("campaign__brand")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"title": "Money moved", **(extra_context or {})})

    def dress(self, rows: list[Reallocation], now: datetime) -> None:
        for row in rows:
            note(row, now, "now")

    def panels_above(self, obj: Reallocation, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    def panels_below(self, obj: Reallocation, now: datetime) -> Sequence[Panel]:
        return [Panel("Moves", pacing_page.moves_table(obj, obj.campaign.brand.currency))]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            context["title"] = "Money moved"
            context["subtitle"] = show.campaign_label(kwargs["obj"].campaign)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="day")
    def on_day(self, row: Reallocation) -> SafeString:
        return show.day(row.day)

    @admin.display(description="moves")
    def what(self, row: Reallocation) -> SafeString:
        return show.right(pacing_page.moves_words(row, row.campaign.brand.currency))

    @admin.display(description="state")
    def state_now(self, row: Reallocation) -> SafeString:
        return pacing_page.moved_badge(row)

    @admin.display(description="proposed")
    def proposed(self, row: Reallocation) -> SafeString:
        at = local_text(row.campaign.brand.zone, row.proposed_at, noted(row, "now"))
        return show.stacked(at, show.small(who(row.proposed_by)))

    @admin.display(description="decided")
    def decided(self, row: Reallocation) -> SafeString:
        if row.decided_at is None:
            return show.link(campaigns_page(row.campaign_id), "Approve or reject it on the campaign's page")
        at = local_text(row.campaign.brand.zone, row.decided_at, noted(row, "now"))
        return show.stacked(at, show.small(who(row.decided_by)), show.small(row.reason))
