"""Paced campaigns in the admin."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from access.callers import caller_of
from budget_system import clock
from budget_system.admin import pacing_month, pacing_page, show
from budget_system.admin.base import Panel, actor_of, note, noted
from budget_system.admin.filters import Lookups
from budget_system.admin.forms import OptionalReasonForm
from budget_system.admin.pacing_page import CHANGE, Look
from budget_system.admin.pacing_settings import THRESHOLDS, Thresholds, in_force
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, Textarea
from enforcement import pacing
from pacing.admin.base import PacedForm, PacingAdmin
from pacing.channels import label
from pacing.models import (
    BreakerState,
    ChannelBudget,
    PaceAlert,
    PacedCampaign,
    Reallocation,
    ReallocationState,
)
from pacing.months import months_of
from pacing.queries import paces
from spending.figures import spent


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
