"""Campaigns, overrides and state changes in the admin."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.callers import Caller
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import Panel, RecordAdmin, actor_of, note, noted, with_archived
from budget_system.admin.budget_guard import guarded, warn_of_daily_above_monthly
from budget_system.admin.campaign_actions import now_text, state_of
from budget_system.admin.campaign_list import CampaignList
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.ui import (
    AutocompleteSelectFilter,
    DropdownFilter,
    Switch,
)
from budget_system.admin.week import WeekInline, rows_of
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign, Override, StateChange
from campaigns.services import INPUTS
from enforcement import services
from enforcement.services import Cause
from spending.ledger import LIFETIME_STARTS_ON
from spending.models import BudgetPeriod, PeriodKind

TIMELINE = 20
BUDGETS = ("daily_budget", "monthly_budget", "lifetime_budget")


class CampaignForm(UseCaseForm):
    paused = forms.BooleanField(
        required=False, widget=Switch, label="Create it paused", help_text="It then waits for a person to activate it."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            del self.fields["paused"]


@admin.register(Campaign)
class CampaignAdmin(CampaignList):
    form = CampaignForm
    inputs = INPUTS
    budgets = BUDGETS
    brand_path = "brand"
    opens_after_add = True
    autocomplete_fields = ("brand",)
    inlines = (WeekInline,)
    empty_text = "A campaign spends its brand's budget. Add one: it runs around the clock until you edit its schedule."
    fieldsets = (
        ("Campaign", {"fields": ("brand", "name", "platform", "external_id")}),
        ("Budgets", {"fields": BUDGETS}),
        ("Flight", {"fields": ("start_date", "end_date")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is not None else (*fieldsets, ("Start", {"fields": ("paused",)}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return super().get_readonly_fields(request, obj)
        fixed = (*super().get_readonly_fields(request, obj), "brand")  # a campaign never changes its brand
        return fixed if self.may_change(request) else (*fixed, *INPUTS)

    def edits_budgets(self, request: HttpRequest, obj: Any) -> bool:
        return super().edits_budgets(request, obj) and self.may_change(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change schedules edits the week on the campaign's page, and nothing else there."""
        may_change = self.may_change(request) or request.user.has_perm("scheduling.change_schedule")
        return may_change and not (isinstance(obj, Campaign) and self.is_closed(obj))

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return () if obj is None else self.inlines  # a new one gets seven whole days from the use case

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return super().get_queryset(request).select_related("brand")

    def visible(self, things: QuerySet[Campaign], caller: Caller) -> QuerySet[Campaign]:
        return with_archived(super().visible(things, caller), caller)

    # --- The page -----------------------------------------------------------------------------------------------------

    def panels_above(self, obj: Campaign, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        use, currency = noted(obj), obj.brand.currency
        facts = show.facts(
            [
                ("Spent today", show.use_bar(use.day.used, obj.daily_budget, currency, use.day.forgiven)),
                ("Spent this month", show.use_bar(use.month.used, obj.monthly_budget, currency, use.month.forgiven)),
                ("Spent in all", show.use_bar(use.lifetime.used, obj.lifetime_budget, currency, use.lifetime.forgiven)),
                ("Next check", self.next_check(obj)),
            ]
        )
        return [Panel("State", format_html("{}{}", state_of(obj, now), facts))]

    def panels_below(self, obj: Campaign, now: datetime) -> Sequence[Panel]:
        return [Panel("Timeline", _timeline(obj))]

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Campaign:
        campaign = services.create_campaign(
            form.cleaned_data["brand"].pk, form.given(INPUTS), paused=form.cleaned_data["paused"],
            actor=actor_of(request), now=now,
        )  # fmt: skip
        self.say(request, f"The campaign “{campaign}” is there; its schedule is seven whole days, ready to be edited.")
        warn_of_daily_above_monthly(self, request, campaign)
        return campaign

    def change(self, request: HttpRequest, obj: Campaign, form: Any, now: datetime) -> None:
        """Inputs and schedule are one use case, which `save_related` calls: only there both are at hand."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if not change:
            return
        campaign, changes = form.instance, form.changes(INPUTS)
        weeks = [rows_of(formset) for formset in formsets if formset.has_changed()]
        if not changes and not weeks:
            self.say(request, f"Nothing was changed in “{campaign}”.", messages.INFO)
            return
        now = clock.now()

        def call(reason: str) -> Verdict:
            return services.change_campaign(
                campaign.pk, changes, rows=weeks[0] if weeks else None, reason=reason, actor=actor_of(request), now=now,
                expected_version=form.cleaned_data["expected_version"],
            )  # fmt: skip

        verdict = guarded(form, campaign, changes, BUDGETS, call, now)
        campaign.refresh_from_db()
        what = "" if changes else "The schedule of "
        self.say(request, f"{what}“{campaign}” was changed. {now_text(verdict)}")
        if changes:
            warn_of_daily_above_monthly(self, request, campaign)


def _timeline(campaign: Campaign) -> SafeString:
    zone = campaign.brand.zone
    changes = StateChange.objects.filter(campaign=campaign).order_by("-id")[:TIMELINE]
    return show.table(
        ["When", "From", "To", "Because", "Cause", "Who"],
        [
            (
                show.moment(change.at, zone),
                change.get_from_status_display(),
                change.get_to_status_display(),
                show.hold_words(change.to_holds) or show.nothing("nothing holds it"),
                change.cause,
                change.actor,
            )
            for change in changes
        ],
        "No change of state yet.",
    )


# --- Overrides -------------------------------------------------------------------------------------------------------


class OverrideStateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("open", "Not over yet"), ("over", "Ended or cleared")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Override]) -> QuerySet[Override]:
        match self.value():
            case "open":
                return queryset.filter(cleared_at=None, ends_at__gt=clock.now())
            case "over":
                return queryset.exclude(cleared_at=None, ends_at__gt=clock.now())
            case _:
                return queryset


@admin.register(Override)
class OverrideAdmin(RecordAdmin[Override]):
    list_display = ("name", "brand_name", "lifted", "state", "ends", "extra", "reason", "created_by")
    list_display_links = ("lifted",)
    list_select_related = ("campaign__brand",)
    list_filter = (OverrideStateFilter, ("campaign__brand", AutocompleteSelectFilter))
    search_fields = ("campaign__name",)
    campaign_path = "campaign"
    brand_path = "campaign__brand"
    ordering = ("-starts_at", "pk")
    list_fullwidth = True
    empty_text = "To let a campaign run in spite of a hold, open the campaign and choose Override."
    fieldsets = (
        (
            None,
            {"fields": ("name", "lifted", "state", "starts", "ends", "extra", "reason", "created_by", "cleared")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Override]:
        return super().get_queryset(request).select_related("campaign__brand")

    def dress(self, rows: list[Override], now: datetime) -> None:
        posted = dict(
            BudgetPeriod.objects.filter(
                scope_id__in={override.campaign_id for override in rows},
                kind=PeriodKind.LIFETIME,
                starts_on=LIFETIME_STARTS_ON,
            ).values_list("scope_id", "posted")
        )
        for override in rows:
            note(override, posted.get(override.campaign_id, Decimal(0)) - override.spent_before)
            note(override, now, "now")

    def panels_above(self, obj: Override, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    @admin.display(description="campaign")
    def name(self, override: Override) -> SafeString:
        return show.link_to(override.campaign, "campaigns_campaign", override.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, override: Override) -> SafeString:
        return show.link_to(override.campaign.brand, "brands_brand", override.campaign.brand_id)

    @admin.display(description="lifts")
    def lifted(self, override: Override) -> str:
        return show.hold_words(override.lifts)

    @admin.display(description="state")
    def state(self, override: Override) -> SafeString:
        now = noted(override, "now")
        if override.cleared_at is not None:
            return show.badge("Cleared", show.PLAIN, f"by {override.cleared_by}")
        if override.ends_at <= now:
            return show.badge("Ended")
        if override.extra_budget is not None and noted(override) >= override.extra_budget:
            return show.badge("Money used up", show.WARN)
        return show.badge(f"In force, ends {show.ago(override.ends_at, now)}", show.GOOD)

    @admin.display(description="began", ordering="starts_at")
    def starts(self, override: Override) -> str:
        return show.moment(override.starts_at, override.campaign.brand.zone)

    @admin.display(description="ends", ordering="ends_at")
    def ends(self, override: Override) -> str:
        return show.moment(override.ends_at, override.campaign.brand.zone)

    @admin.display(description="extra money")
    def extra(self, override: Override) -> SafeString:
        currency = override.campaign.brand.currency
        over = override.cleared_at is not None or override.ends_at <= noted(override, "now")
        if over or override.extra_budget is None:
            return format_html("{}", show.limit(override.extra_budget, currency))
        return show.use_bar(noted(override), override.extra_budget, currency)

    @admin.display(description="cleared")
    def cleared(self, override: Override) -> str:
        if override.cleared_at is None:
            return "–"
        return f"{show.moment(override.cleared_at, override.campaign.brand.zone)} by {override.cleared_by}"


# --- State changes ---------------------------------------------------------------------------------------------------


class CauseFilter(FixedFilter):
    title = "cause"
    parameter_name = "cause"
    field = "cause"
    values = [(text, text) for name, text in vars(Cause).items() if name.isupper()]


class ToStatusFilter(FixedFilter):
    title = "new status"
    parameter_name = "to"
    field = "to_status"
    values = [("ACTIVE", "Active"), ("PAUSED", "Paused")]


@admin.register(StateChange)
class StateChangeAdmin(RecordAdmin[StateChange]):
    list_display = ("when", "name", "brand_name", "change", "why", "cause", "actor")
    list_display_links = ("when",)
    list_select_related = ("campaign", "brand")
    list_filter = (("brand", AutocompleteSelectFilter), ToStatusFilter, CauseFilter, ("at", DaysFilter))
    search_fields = ("campaign__name",)
    campaign_path = "campaign"
    brand_path = "brand"
    ordering = ("-id",)
    list_fullwidth = True
    empty_text = "Whenever a campaign stops, starts, or is held for other reasons, it is written down here."
    fieldsets = (
        (None, {"fields": ("when", "name", "brand_name", "change", "before", "why", "cause", "actor", "basis")}),
    )

    @admin.display(description="when")
    def when(self, change: StateChange) -> str:
        return show.moment(change.at, change.brand.zone)

    @admin.display(description="campaign")
    def name(self, change: StateChange) -> SafeString:
        return show.link_to(change.campaign, "campaigns_campaign", change.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, change: StateChange) -> SafeString:
        return show.link_to(change.brand, "brands_brand", change.brand_id)

    @admin.display(description="from → to")
    def change(self, change: StateChange) -> SafeString:
        tone = show.GOOD if change.to_status == "ACTIVE" else show.WARN
        return format_html(
            '<span class="whitespace-nowrap">{} → {}</span>',
            change.get_from_status_display(),
            show.badge(change.get_to_status_display(), tone),
        )

    @admin.display(description="reasons before")
    def before(self, change: StateChange) -> str:
        return show.hold_words(change.from_holds) or "nothing held it"

    @admin.display(description="reasons")
    def why(self, change: StateChange) -> str:
        return show.hold_words(change.to_holds) or "nothing holds it"

    @admin.display(description="figures")
    def basis(self, change: StateChange) -> SafeString:
        return show.table(
            ["Hold", "Of", "Used", "Budget", "Until"],
            [
                (
                    Hold(figure["hold"]).label,
                    figure["scope"],
                    figure.get("used") or "–",
                    figure.get("budget") or "–",
                    _until(figure.get("until"), change),
                )
                for figure in change.figures
            ],
            "None.",
        )


def _until(text: str | None, change: StateChange) -> str:
    return show.moment(datetime.fromisoformat(text), change.brand.zone) if text else "until a person acts"
