"""Brands and the audit record in the admin."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from moneyed import CURRENCIES

from access.callers import Caller, caller_of
from access.services import join_if_needed
from brands.models import AuditEntry, Brand
from brands.services import INPUTS, zone_names
from budget_system import money
from budget_system.admin import brand_page, show
from budget_system.admin.base import Panel, RecordAdmin, note, noted, query_url, with_archived
from budget_system.admin.brand_actions import BUDGETS, stop_notice
from budget_system.admin.brand_bulk import BrandBulk
from budget_system.admin.brand_charts import outlook
from budget_system.admin.brand_timeline import timeline_of
from budget_system.admin.budget_guard import warn_of_daily_above_monthly
from budget_system.admin.filters import ArchivedFilter, DaysFilter, FixedFilter, Lookups, TodayFilter
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.lists import pace_text, paces_of, share_used
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, SearchableSelect
from budget_system.db import joined, use_case
from campaigns.models import Campaign, CampaignStatus
from enforcement import services
from enforcement.explain import local_text
from spending.figures import Spent, spent
from spending.models import PeriodKind

SEE_MEMBERS = ("access.view_membership", "brands.change_brand")
"""Who may do one of these sees who works for a brand: its managers too, who cannot change that."""


class BrandStateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [
            ("stopped", "Emergency stop"), ("paused", "With paused campaigns"), ("idle", "Nothing runs"),
            ("running", "With running campaigns"),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[Brand]) -> QuerySet[Brand]:
        campaigns = Campaign.objects.current().filter(brand=OuterRef("pk"))
        runs = Exists(campaigns.filter(status=CampaignStatus.ACTIVE))
        match self.value():
            case "stopped":
                return queryset.exclude(emergency_stopped_at=None)
            case "paused":
                return queryset.filter(Exists(campaigns.filter(status=CampaignStatus.PAUSED)))
            case "idle":
                return queryset.exclude(runs)
            case "running":
                return queryset.filter(runs)
            case _:
                return queryset


class ZoneFilter(DropdownFilter):
    title = "time zone"
    parameter_name = "zone"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        zones = model_admin.get_queryset(request).order_by().values_list("timezone", flat=True).distinct()
        return [(name, name) for name in sorted(str(zone) for zone in zones)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Brand]) -> QuerySet[Brand]:
        return queryset.filter(timezone=self.value()) if self.value() in zone_names() else queryset


class CurrencyFilter(DropdownFilter):
    title = "currency"
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        codes = model_admin.get_queryset(request).order_by("currency").values_list("currency", flat=True).distinct()
        return [(code, code) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Brand]) -> QuerySet[Brand]:
        return queryset.filter(currency=self.value()) if self.value() else queryset


class BrandForm(UseCaseForm):
    timezone = forms.ChoiceField(
        label="Time zone",
        widget=SearchableSelect,
        choices=lambda: [(name, name) for name in sorted(zone_names())],
        initial="UTC",
        help_text="Days, months and schedules of this brand go by the clock here. If another zone would pause or start "
        "campaigns, you are shown which before it is saved.",
    )
    currency = forms.ChoiceField(
        widget=SearchableSelect,
        choices=lambda: [
            (code, f"{code} – {CURRENCIES[code].name}") for code in sorted(CURRENCIES) if money.is_currency(code)
        ],
        initial="USD",
        help_text="Of all its budgets and spends. It cannot change once there is spend.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "timezone" in self.initial:
            self.initial["timezone"] = str(self.initial["timezone"])


class BrandFigures:
    """What a row of the list shows beside the brand itself."""

    def __init__(self, spent: Spent, now: datetime) -> None:
        self.spent = spent
        self.now = now
        self.running = 0
        self.paused = 0
        self.pace: float | None = None


@admin.register(Brand)
class BrandAdmin(BrandBulk):
    form = BrandForm
    inputs = INPUTS
    budgets = BUDGETS
    brand_path = "pk"
    list_display = (
        "name", "today", "month", "campaigns_count", "state", "local_day", "currency",
    )  # fmt: skip
    list_filter = (TodayFilter, BrandStateFilter, CurrencyFilter, ZoneFilter, ArchivedFilter)
    search_fields = ("name",)
    search_help_text = "Brand"
    ordering = ("name", "pk")
    orderings: Mapping[str, Callable[[datetime], Any]] = {
        "today": partial(share_used, Brand, PeriodKind.DAY),
        "month": partial(share_used, Brand, PeriodKind.MONTH),
    }
    essentials = ("action_checkbox", "name", "today", "month", "campaigns_count", "state")
    list_fullwidth = True
    empty_text = "A brand is a client with its budgets, time zone and currency. Add the first one, then its campaigns."
    fieldsets = (
        ("Brand", {"fields": ("name", "timezone", "currency")}),
        ("Budgets", {"fields": BUDGETS, "description": "They cover the sum of all campaigns. A change acts at once."}),
    )

    def visible(self, things: QuerySet[Brand], caller: Caller) -> QuerySet[Brand]:
        return with_archived(super().visible(things, caller), caller)

    # --- The list -----------------------------------------------------------------------------------------------------

    def dress(self, rows: list[Brand], now: datetime) -> None:
        uses = spent(rows, now)
        figures = {brand.pk: BrandFigures(uses[brand.pk], now) for brand in rows}
        counts = (
            Campaign.objects.current()
            .filter(brand__in=list(figures))
            .order_by()
            .values_list("brand_id", "status")
            .annotate(Count("pk"))
        )
        for brand_id, status, count in counts:
            if status == CampaignStatus.ACTIVE:
                figures[brand_id].running = count
            else:
                figures[brand_id].paused = count
        for brand_id, pace in paces_of(rows, {pk: use.day.used for pk, use in uses.items()}, now).items():
            figures[brand_id].pace = pace
        for brand in rows:
            note(brand, figures[brand.pk])

    @admin.display(description="spent today", ordering="today")
    def today(self, brand: Brand) -> SafeString:
        figures = noted(brand)
        use = figures.spent.day
        bar = show.use_bar(use.used, brand.daily_budget, brand.currency, use.forgiven)
        return bar if figures.pace is None else show.stacked(bar, show.small(pace_text(figures.pace)))

    @admin.display(description="spent this month", ordering="month")
    def month(self, brand: Brand) -> SafeString:
        use = noted(brand).spent.month
        return show.use_bar(use.used, brand.monthly_budget, brand.currency, use.forgiven)

    @admin.display(description="campaigns")
    def campaigns_count(self, brand: Brand) -> SafeString:
        return _campaigns(brand, noted(brand))

    @admin.display(description="state")
    def state(self, brand: Brand) -> SafeString:
        return _state(brand)

    @admin.display(description="local day")
    def local_day(self, brand: Brand) -> SafeString:
        now = noted(brand).now.astimezone(brand.zone)
        return show.stacked(f"{now:%a %d %b %H:%M}", show.small(brand.zone.key))

    # --- The page -----------------------------------------------------------------------------------------------------

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            note(kwargs["obj"], (caller_of(request), request.GET.get("campaigns", "1")), "asked")
        return super().render_change_form(request, context, *args, **kwargs)

    def panels_above(self, obj: Brand, now: datetime) -> Sequence[Panel]:
        caller, page = noted(obj, "asked")
        uses = spent([obj], now)[obj.pk]
        ahead, past = outlook(obj, uses, now)
        money_now = brand_page.money_now(obj, uses, ahead, now)
        panels = [
            Panel(f"Now, {local_text(obj.zone, now, now)}", format_html("{}{}", stop_notice(obj, now), money_now)),
            Panel("Spend", brand_page.charts_of(obj, ahead, past, now)),
        ]
        if caller.may("campaigns.view_campaign"):
            panels.insert(1, Panel("Campaigns", brand_page.campaigns_of(obj, uses, page, now)))
        return panels

    def panels_below(self, obj: Brand, now: datetime) -> Sequence[Panel]:
        caller, _ = noted(obj, "asked")
        panels = [Panel("History of the budgets", brand_page.budgets_table(obj))]
        if any(map(caller.may, SEE_MEMBERS)):
            panels.append(Panel("Members", brand_page.members_of(obj, caller)))
        return [*panels, Panel("Timeline", timeline_of(obj, caller, now))]

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Brand:
        brand = _create(caller_of(request), form.given(INPUTS), now)
        self.say(request, f"The brand “{brand}” is there. Add its campaigns next.")
        warn_of_daily_above_monthly(self, request, brand)
        return brand

    def change(self, request: HttpRequest, obj: Brand, form: Any, now: datetime) -> None:
        changes = form.changes(INPUTS)
        if changes:
            self.change_inputs(request, obj, form, changes, now)
        else:
            self.say(request, f"Nothing was changed in “{obj}”.", messages.INFO)


@use_case
def _create(caller: Caller, inputs: Mapping[str, object], now: datetime) -> Brand:
    """A new brand, whose first member is who made it: they would not see it otherwise."""
    with joined():
        brand = services.create_brand(inputs, actor=caller.name, now=now)
    join_if_needed(caller.user, brand.pk, caller.name, now)
    return brand


def _campaigns(brand: Brand, figures: BrandFigures) -> SafeString:
    url = query_url("campaigns_campaign", brand__id__exact=brand.pk)
    return show.link(url, f"{figures.running} running, {figures.paused} paused")


def _state(brand: Brand) -> SafeString:
    if brand.emergency_stopped_at is not None:
        return show.badge("Emergency stop", show.BAD, brand.emergency_stop_reason)
    if brand.archived_at is not None:
        return show.badge("Archived")
    return show.nothing()


# --- Audit -----------------------------------------------------------------------------------------------------------


class AuditActionFilter(FixedFilter):
    title = "action"
    parameter_name = "action"
    field = "action"
    values = [
        (action, action)
        for action in (
            "activate", "add channel budget", "amend spend", "archive", "change brand", "change campaign",
            "change channel budget", "change pacing", "change schedule", "clear emergency stop", "clear override",
            "close circuit breaker", "create brand", "create campaign", "emergency stop", "export", "forced reset",
            "issue token", "join brand", "leave brand", "move money between channels", "override", "pause", "rebuild",
            "reject moving money", "remove channel budget", "rename token", "restore", "revoke token",
            "see pace alert", "set up sample data", "undo import", "void reservation", "void spend",
        )
    ]  # fmt: skip


class AuditTypeFilter(FixedFilter):
    title = "thing"
    parameter_name = "type"
    field = "object_type"
    values = [
        (name, name)
        for name in (
            "brand", "campaign", "channel budget", "paced campaign", "spend", "reservation", "import", "export",
            "membership", "API token",
        )
    ]  # fmt: skip


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin[AuditEntry]):
    list_display = ("when", "by", "action", "thing", "what", "reason")
    essentials = list_display
    list_display_links = ("when",)
    list_select_related = ("brand",)
    list_filter = (
        ("brand", AutocompleteSelectFilter), AuditActionFilter, AuditTypeFilter, ("at", DaysFilter),
    )  # fmt: skip
    search_fields = ("object_label", "actor", "reason")
    brand_path = "brand"  # what belongs to no brand, such as a token, is for those who see all brands
    ordering = ("-id",)
    list_fullwidth = True
    empty_text = "Every change of an input is written down here: add a brand to see the first entry."
    fieldsets = ((None, {"fields": ("when", "by", "action", "thing", "brand_link", "what", "reason")}),)

    @admin.display(description="when")
    def when(self, entry: AuditEntry) -> str:
        return show.moment(entry.at, entry.brand.zone) if entry.brand else show.utc(entry.at)

    @admin.display(description="who")
    def by(self, entry: AuditEntry) -> str:
        return show.who(entry.actor)

    @admin.display(description="thing")
    def thing(self, entry: AuditEntry) -> SafeString:
        return _thing(entry.object_type, entry.object_id, entry.object_label)

    @admin.display(description="brand")
    def brand_link(self, entry: AuditEntry) -> SafeString:
        return show.link_to(entry.brand, "brands_brand", entry.brand.pk) if entry.brand else show.nothing()

    @admin.display(description="change")
    def what(self, entry: AuditEntry) -> SafeString:
        zone = entry.brand.zone if entry.brand else None
        return show.stacked(show.change_lines(entry.before, entry.after, zone))


_PAGES = {
    "brand": "brands_brand",
    "campaign": "campaigns_campaign",
    "spend": "spending_spend",
    "reservation": "spending_reservation",
    "import": "spending_spendimport",
    "API token": "access_apitoken",
}


def _thing(object_type: str, object_id: UUID, label: str) -> SafeString:
    page = _PAGES.get(object_type)
    shown = show.link_to(label, page, object_id) if page else format_html("{}", label)
    return show.stacked(format_html("{} {}", object_type, shown))
