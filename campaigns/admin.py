"""Campaigns, overrides and state changes in the admin."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.callers import Caller
from brands.models import AuditEntry
from budget_system import clock
from budget_system.admin import show, what_if
from budget_system.admin.base import Panel, RecordAdmin, actor_of, note, noted, with_archived
from budget_system.admin.brand_page import budgets_table
from budget_system.admin.budget_guard import guarded, warn_of_daily_above_monthly
from budget_system.admin.campaign_actions import OVERRIDES, now_text
from budget_system.admin.campaign_list import CampaignList
from budget_system.admin.campaign_page import OLDER, charts_panel, state_panel, timeline_panel, who
from budget_system.admin.edit_conflict import SEEN, merged, seen_text
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.ui import (
    AutocompleteSelectFilter,
    DropdownFilter,
    Switch,
)
from budget_system.admin.week import WeekInline, changed_rows, is_week, stored_week, week_context
from budget_system.errors import Conflict
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign, Override, StateChange
from campaigns.services import INPUTS
from enforcement import services
from enforcement.services import Cause
from spending.ledger import LIFETIME_STARTS_ON
from spending.models import BudgetPeriod, PeriodKind

BUDGETS = ("daily_budget", "monthly_budget", "lifetime_budget")


class CampaignForm(UseCaseForm):
    paused = forms.BooleanField(
        required=False, widget=Switch, label="Create it paused", help_text="It then waits for a person to activate it."
    )

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    helps = {
        "platform": "Where it runs. Reports of that platform are matched with it.",
        "external_id": "The id that the platform's own reports and addresses show, such as 12345678901 in Google Ads. "
        "An import finds the campaign by it; while it is empty, by its name.",
        "start_date": "First day on which it may run, from midnight by the brand's clock. Empty: no start.",
        "end_date": "Last day on which it may run, until midnight by the brand's clock. Empty: no end.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            del self.fields[SEEN]
        else:
            del self.fields["paused"]
            self.initial[SEEN] = seen_text(self, INPUTS, stored_week(self.instance))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if isinstance(self.refusal, Conflict) and cleaned.get("expected_version") != self.instance.version:
            self.errors.pop(NON_FIELD_ERRORS, None)
            self.add_error(None, self._go_on_from_what_is_stored())
        return cleaned

    def _check_version(self, expected: int | None) -> None:
        try:
            super()._check_version(expected)
        except ValidationError:
            if expected is None:
                raise
            raise ValidationError(self._go_on_from_what_is_stored()) from None

    def _go_on_from_what_is_stored(self) -> str:
        """Nothing that was typed or painted is lost, and saving once more writes that and nothing else. Says so."""
        found = merged(self, INPUTS, stored_week(self.instance))
        data = dict(self.data.items()) if found is None else found.data
        self.data = {**data, self.add_prefix("expected_version"): str(self.instance.version)}
        if found is not None:
            note(self.instance, found.week, SEEN)
        last = AuditEntry.objects.filter(object_id=self.instance.pk).order_by("-id").first()
        who_and_what = f" ({last.action}, by {who(last.actor)})" if last is not None else ""
        begin = f"“{self.instance}” was changed by somebody else while you were editing{who_and_what}."
        if found is None:
            return (
                f"{begin} Nothing was saved; what you typed and painted is still here. Save again to put yours in the "
                "place of theirs, or reload the page to begin from what is stored."
            )
        theirs = f"They changed {', '.join(found.theirs)}." if found.theirs else "Nothing on this form was changed."
        both = (
            f" You both changed the {', the '.join(found.both)}: saving puts yours in its place." if found.both else ""
        )
        return (
            f"{begin} {theirs} Nothing of yours was saved yet; what you typed and painted is still here.{both} Save "
            "again to save only what you changed, or reload the page to begin from what is stored."
        )


@admin.register(Campaign)
class CampaignAdmin(CampaignList):
    form = CampaignForm
    inputs = INPUTS
    budgets = BUDGETS
    brand_path = "brand"
    opens_after_add = True
    autocomplete_fields = ("brand",)
    inlines = (WeekInline,)
    change_form_template = "budget/campaign_form.html"
    warn_unsaved_form = False  # static/budget/week.js warns: what is painted counts too
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

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Campaign | None = None,
    ) -> HttpResponse:
        if obj is not None:
            note(obj, request.GET.get(OLDER), OLDER)
            week = week_context(obj, context["inline_admin_formsets"], clock.now())
            context["week"] = {**week, "unsaved": context["adminform"].form.is_bound}
        return super().render_change_form(request, context, add=add, change=change, form_url=form_url, obj=obj)

    def get_inline_formsets(self, request: HttpRequest, formsets: Any, inline_instances: Any, obj: Any = None) -> Any:
        """After a conflict, a week that this person did not change is shown as somebody else has left it."""
        seen = None if obj is None else vars(obj).get(f"_{SEEN}")
        if seen is not None:
            formsets = [
                self._stored_anew(request, obj, inline, formset) if is_week(formset, seen) else formset
                for formset, inline in zip(formsets, inline_instances, strict=True)
            ]
        return super().get_inline_formsets(request, formsets, inline_instances, obj)

    def _stored_anew(self, request: HttpRequest, obj: Campaign, inline: Any, formset: Any) -> Any:
        arguments = self.get_formset_kwargs(request, obj, inline, formset.prefix)
        sent = ("data", "files", "save_as_new")
        return type(formset)(**{name: value for name, value in arguments.items() if name not in sent})

    def panels_above(self, obj: Campaign, now: datetime) -> Sequence[Panel]:
        return [Panel(show.campaign_label(obj), state_panel(obj, now)), Panel("Spend", charts_panel(obj, now))]

    def panels_below(self, obj: Campaign, now: datetime) -> Sequence[Panel]:
        timeline = Panel("Timeline", timeline_panel(obj, noted(obj, OLDER)))
        panels = [timeline, Panel("History of the budgets", budgets_table(obj))]
        return panels if obj.archived_at is not None else [Panel("What if…", what_if.panel(obj)), *panels]

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
        campaign, changes, now = form.instance, form.changes(INPUTS), clock.now()
        rows = changed_rows(formsets, campaign) if request.user.has_perm("scheduling.change_schedule") else None
        if not changes and rows is None:
            self.say(request, f"Nothing was changed in “{campaign}”.", messages.INFO)
            return
        by: dict[str, Any] = {
            "actor": actor_of(request), "now": now, "expected_version": form.cleaned_data["expected_version"]
        }  # fmt: skip

        def call(reason: str) -> Verdict:
            if rows is not None and not changes:
                return services.replace_week(campaign.pk, rows, **by)
            return services.change_campaign(campaign.pk, changes, rows=rows, reason=reason, **by)

        verdict = guarded(form, campaign, changes, BUDGETS, call, now)
        campaign.refresh_from_db()
        what = "" if changes else "The schedule of "
        self.say(request, f"{what}“{campaign}” was changed. {now_text(verdict)}")
        if changes:
            warn_of_daily_above_monthly(self, request, campaign)


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
    list_display = ("name", "brand_name", "lifted", "state", "ends", "extra", "reason", "by")
    essentials = ("name", "lifted", "state", "reason")
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
            {"fields": ("name", "lifted", "state", "starts", "ends", "extra", "reason", "by", "cleared")},
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

    def get_list_display(self, request: HttpRequest) -> Any:
        """Who may override can end one from here."""
        columns = super().get_list_display(request)
        return (*columns, "clear") if request.user.has_perm(OVERRIDES) else columns

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Override | None = None,
    ) -> HttpResponse:
        if obj is not None:
            note(obj, request.user.has_perm(OVERRIDES), "may_clear")
        return super().render_change_form(request, context, add=add, change=change, form_url=form_url, obj=obj)

    def panels_above(self, obj: Override, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        campaign = show.link_to(show.campaign_label(obj.campaign), "campaigns_campaign", obj.campaign_id)
        clear = self.clear(obj) if noted(obj, "may_clear") else ""
        return [Panel("Campaign", show.lines([campaign, clear]))]

    @admin.display(description="campaign")
    def name(self, override: Override) -> SafeString:
        return show.link_to(override.campaign, "campaigns_campaign", override.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, override: Override) -> SafeString:
        return show.link_to(override.campaign.brand, "brands_brand", override.campaign.brand_id)

    @admin.display(description="by")
    def by(self, override: Override) -> str:
        return show.who(override.created_by)

    @admin.display(description="end it")
    def clear(self, override: Override) -> SafeString:
        over = override.cleared_at is not None or override.ends_at <= noted(override, "now")
        if over or override.campaign.archived_at is not None:
            return show.nothing()
        url = reverse("admin:campaigns_campaign_clear_override", args=[override.campaign_id])
        return show.link(url, "Clear override…")

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
    def cleared(self, override: Override) -> object:
        if override.cleared_at is None:
            return show.nothing()
        return f"{show.moment(override.cleared_at, override.campaign.brand.zone)} by {show.who(override.cleared_by)}"


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
    list_display = ("when", "name", "brand_name", "change", "why", "cause", "by")
    essentials = ("when", "name", "brand_name", "change", "why")
    list_display_links = ("when",)
    list_select_related = ("campaign", "brand")
    list_filter = (("brand", AutocompleteSelectFilter), ToStatusFilter, CauseFilter, ("at", DaysFilter))
    search_fields = ("campaign__name",)
    campaign_path = "campaign"
    brand_path = "brand"
    ordering = ("-id",)
    list_fullwidth = True
    empty_text = "Whenever a campaign stops, starts, or is held for other reasons, it is written down here."
    fieldsets = ((None, {"fields": ("when", "name", "brand_name", "change", "before", "why", "cause", "by", "basis")}),)

    @admin.display(description="when")
    def when(self, change: StateChange) -> str:
        return show.moment(change.at, change.brand.zone)

    @admin.display(description="campaign")
    def name(self, change: StateChange) -> SafeString:
        return show.link_to(change.campaign, "campaigns_campaign", change.campaign_id)

    @admin.display(description="brand")
    def brand_name(self, change: StateChange) -> SafeString:
        return show.link_to(change.brand, "brands_brand", change.brand_id)

    @admin.display(description="by")
    def by(self, change: StateChange) -> str:
        return show.who(change.actor)

    @admin.display(description="from → to")
    def change(self, change: StateChange) -> SafeString:
        status = change.get_to_status_display()
        if change.from_status == change.to_status:
            before = show.hold_words(change.from_holds) or "nothing"
            after = show.hold_words(change.to_holds) or "nothing"
            told = f"reason changed from “{before}” to “{after}”"
            return show.stacked(show.badge(f"Still {status}"), show.small(told))
        tone = show.GOOD if change.to_status == "ACTIVE" else show.WARN
        return format_html(
            '<span class="whitespace-nowrap">{} → {}</span>',
            change.get_from_status_display(),
            show.badge(status, tone),
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
                    figure.get("used") or show.nothing(),
                    figure.get("budget") or show.nothing(),
                    _until(figure.get("until"), change),
                )
                for figure in change.figures
            ],
            "None.",
        )


def _until(text: str | None, change: StateChange) -> str:
    return show.moment(datetime.fromisoformat(text), change.brand.zone) if text else "until a person acts"
