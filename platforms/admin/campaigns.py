"""Campaigns at the platforms in the admin: what they show there, what is next, and what a person decides."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import Panel, actor_of, note, noted
from budget_system.admin.bulk import DONE, REFUSED, Act, BulkAdmin, Outcome, begin
from budget_system.admin.filters import FixedFilter, Lookups
from budget_system.admin.forms import ReasonForm, UseCaseForm
from budget_system.admin.pages import ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter
from campaigns.holds import Hold
from platforms import services
from platforms.admin.words import APPROVE, LATEST, act_words, next_words, ours, theirs, took_words
from platforms.drift import at_risk_now
from platforms.models import STEP_LABELS, WHY_LABELS, RemoteState
from platforms.models import Act as PlatformAct
from platforms.protocol import Status
from platforms.queries import URGENCY, by_urgency
from platforms.steps import Step, Why, wanted
from spending.figures import spent


class StepFilter(FixedFilter):
    title = "next step"
    parameter_name = "step"
    field = "step"
    values = [(step.value, label) for step, label in STEP_LABELS.items()]


class RiskFilter(DropdownFilter):
    title = "money at risk"
    parameter_name = "risk"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("yes", "Runs there and must not")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RemoteState]) -> QuerySet[RemoteState]:
        return queryset.filter(at_risk_now()) if self.value() == "yes" else queryset


class StateForm(UseCaseForm):
    """Nothing is written here: what a person decides has pages of its own."""

    has_version = False


def _approve(row: RemoteState, _: Any, actor: str, now: datetime) -> Outcome:
    if not services.approve([row.pk], actor=actor, now=now):
        return Outcome(REFUSED, "it does not wait for approval any more")
    verb = "paused" if wanted(row.campaign.pause_reason) is Status.PAUSED else "started"
    return Outcome(DONE, f"is {verb} there within seconds")


def _leave(row: RemoteState, form: Any, actor: str, now: datetime) -> Outcome:
    left = services.leave([row.pk], reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(DONE, "stays as it is there") if left else Outcome(REFUSED, "it does not wait any more")


def _foretold(ids: Sequence[UUID]) -> Iterable[object]:
    """What would be sent, campaign by campaign."""
    found = RemoteState.objects.filter(pk__in=ids).select_related("campaign__brand", "account")
    rows = [
        [show.campaign_label(row.campaign), row.account.get_platform_display(), theirs(row), ours(row),
         WHY_LABELS[Why(row.why)]]
        for row in by_urgency(found)[:50]
    ]  # fmt: skip
    return [show.cards(["campaign", "platform", "there now", "becomes, as here", "why it waits"], rows, "")]


@admin.register(RemoteState)
class RemoteStateAdmin(BulkAdmin):
    form = StateForm
    list_display = ("campaign_name", "brand_name", "account_name", "here", "there", "next_one", "since")
    list_display_links = ("campaign_name",)
    list_select_related = ("campaign__brand", "account")
    list_filter = (
        ("campaign__brand", AutocompleteSelectFilter), ("account", AutocompleteSelectFilter), StepFilter, RiskFilter,
    )  # fmt: skip
    brand_path = "campaign__brand"
    campaign_path = "campaign"
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, brand or platform id"
    sortable_by = ()
    essentials = ("campaign_name", "there", "next_one")
    list_fullwidth = True
    actions = ("approve_several", "leave_several")
    actions_detail = ("approve_one", "leave_one", "take_over", "put_back")
    fieldsets = (
        ("Campaign", {"fields": ("campaign_link", "brand_name", "account_name")}),
        ("How it stands", {"fields": ("here", "there", "beyond", "seen", "next_one", "since")}),
    )
    empty_text = "Campaigns appear here once a platform account is connected and has campaigns with their ids."
    acts: Mapping[str, Act] = {
        "approve": Act(
            "Approve", "Send the changes", APPROVE, forms.Form, _approve,
            "These changes are sent to the platforms, and read back there.", foretells=_foretold,
        ),
        "leave": Act(
            "Leave as it is", "Leave them as they are", APPROVE, ReasonForm, _leave,
            "Nothing is sent. They are not asked about again until something else is wanted.", foretells=_foretold,
        ),
    }  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(APPROVE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteState]:
        return super().get_queryset(request).select_related("campaign__brand", "account")

    def get_ordering(self, request: HttpRequest) -> Any:
        return URGENCY

    # --- What is shown ------------------------------------------------------------------------------------------------

    def dress(self, rows: list[RemoteState], now: datetime) -> None:
        for row in rows:
            note(row, now, "now")

    @admin.display(description="campaign")
    def campaign_name(self, row: RemoteState) -> str:
        return str(row.campaign)

    @admin.display(description="campaign")
    def campaign_link(self, row: RemoteState) -> SafeString:
        return show.link_to(row.campaign, "campaigns_campaign", row.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, row: RemoteState) -> SafeString:
        return show.link_to(row.campaign.brand, "brands_brand", row.campaign.brand_id)

    @admin.display(description="account")
    def account_name(self, row: RemoteState) -> SafeString:
        return show.link_to(row.account, "platforms_account", row.account_id)

    @admin.display(description="here")
    def here(self, row: RemoteState) -> SafeString:
        return ours(row)

    @admin.display(description="there")
    def there(self, row: RemoteState) -> SafeString:
        return theirs(row)

    @admin.display(description="next")
    def next_one(self, row: RemoteState) -> SafeString:
        return next_words(row)

    @admin.display(description="since")
    def since(self, row: RemoteState) -> str:
        return show.ago(row.step_since, noted(row, "now"))

    @admin.display(description="read there")
    def seen(self, row: RemoteState) -> object:
        return show.nothing("not yet") if row.seen_at is None else show.ago(row.seen_at, noted(row, "now"))

    @admin.display(description="beyond today's budget")
    def beyond(self, row: RemoteState) -> object:
        """What was spent there until the pause had arrived."""
        campaign, budget = row.campaign, row.campaign.daily_budget
        if budget is None:
            return show.nothing("it has no daily budget of its own")
        used = spent([campaign], noted(row, "now"))[campaign.pk].day.used
        if used <= budget:
            return show.nothing("nothing")
        currency = campaign.brand.currency
        share = f", {(used - budget) / budget:.0%} of the budget" if budget else ""
        words = f"{show.amount(used, currency)} of {show.amount(budget, currency)} are spent{share}"
        return show.stacked(show.amount(used - budget, currency), show.small(words))

    def panels_above(self, obj: RemoteState, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    def panels_below(self, obj: RemoteState, now: datetime) -> Sequence[Panel]:
        latest = PlatformAct.objects.filter(campaign=obj.campaign_id).order_by("-id")[: 2 * LATEST]
        rows = [
            [show.utc(act.at), act_words(act), Hold(act.reason).label if act.reason else show.nothing("nothing holds"),
             took_words(act), show.who(act.actor), act.note or show.nothing()]
            for act in latest
        ]  # fmt: skip
        headers = ["at", "what", "here", "took", "who", "note"]
        return [Panel("What was done there", show.cards(headers, rows, "Nothing was sent there yet."))]

    # --- Actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Approve…", permissions=["approve"])
    def approve_several(self, request: HttpRequest, chosen: QuerySet[RemoteState]) -> HttpResponse | None:
        return begin(self, request, chosen.filter(step__in=[Step.WAITING, Step.LEFT]), "approve")

    @admin.action(description="Leave as it is…", permissions=["approve"])
    def leave_several(self, request: HttpRequest, chosen: QuerySet[RemoteState]) -> HttpResponse | None:
        return begin(self, request, chosen.filter(step=Step.WAITING), "leave")

    def offered(self, obj: RemoteState) -> Iterable[str]:
        match Step(obj.step):
            case Step.WAITING:
                return ("approve_one", "leave_one")
            case Step.LEFT:
                return ("approve_one",)
            case Step.DRIFT:
                return ("take_over", "put_back")
            case _:
                return ()

    @object_action("Approve…", path="approve", needs=APPROVE, icon="check")
    def approve_one(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        def run(_: Any) -> None:
            services.approve([obj.pk], actor=actor_of(request), now=clock.now())
            self.say(request, "It is sent within seconds, and read back there.")

        return ask(
            self, request, obj, title="Approve", button="Send the change", form_class=forms.Form, run=run,
            intro=_foretold([obj.pk]),
        )  # fmt: skip

    @object_action("Leave as it is…", path="leave", needs=APPROVE, icon="close")
    def leave_one(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        def run(form: Any) -> None:
            services.leave([obj.pk], reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, "It stays as it is there.")

        return ask(
            self, request, obj, title="Leave as it is", button="Leave it", form_class=ReasonForm, run=run,
            intro=["Nothing is sent. It is not asked about again until something else is wanted."],
        )  # fmt: skip

    @object_action("Take over theirs…", path="take-over", needs=APPROVE, icon="download")
    def take_over(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        paused = obj.actual == Status.PAUSED
        becomes = "paused by hand here too" if paused else "no longer paused by hand here"

        def run(form: Any) -> None:
            services.take_over(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, f"It is {becomes}. Nothing is sent.")

        return ask(
            self, request, obj, title="Take over theirs", button="Take it over", form_class=ReasonForm, run=run,
            intro=[f"Somebody has {'paused' if paused else 'started'} it there. It becomes {becomes}."],
        )  # fmt: skip

    @object_action("Put ours back…", path="put-back", needs=APPROVE, icon="upload")
    def put_back(self, request: HttpRequest, obj: RemoteState) -> HttpResponse:
        def run(form: Any) -> None:
            services.put_back(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, "It is sent within seconds, and read back there.")

        return ask(
            self, request, obj, title="Put ours back", button="Put it back", form_class=ReasonForm, run=run,
            intro=_foretold([obj.pk]),
        )  # fmt: skip
