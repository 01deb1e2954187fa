"""Brands and the audit record in the admin."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from moneyed import CURRENCIES

from access.callers import Caller, caller_of
from access.services import join_if_needed
from brands.models import AuditEntry, Brand
from brands.services import INPUTS, zone_names
from budget_system import clock, money
from budget_system.admin import show
from budget_system.admin.base import Panel, RecordAdmin, actor_of, note, noted, query_url, with_archived
from budget_system.admin.budget_guard import guarded
from budget_system.admin.filters import ArchivedFilter, DaysFilter, FixedFilter, Lookups, TodayFilter
from budget_system.admin.forms import OptionalReasonForm, ReasonForm, UseCaseForm
from budget_system.admin.lists import share_used
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter, Radios, SearchableSelect
from budget_system.db import joined, use_case
from campaigns.models import Campaign, CampaignStatus
from enforcement import services
from enforcement.evaluation import Evaluation
from enforcement.explain import local_text
from spending.figures import Spent, spent
from spending.models import PeriodKind

BUDGETS = ("daily_budget", "monthly_budget")
HISTORY = 20


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
        help_text="Days and months of this brand begin at midnight here.",
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


class ForcedResetForm(ReasonForm):
    """Which period begins afresh; a second look is asked for, as the budget counts from 0 again."""

    kinds = forms.ChoiceField(
        label="Begin afresh",
        widget=Radios,
        choices=[("D", "Today"), ("M", "This month"), ("DM", "Both")],
        initial="D",
    )
    confirm = forms.BooleanField(
        label="Yes: what has been spent in it no longer counts against the budget",
        error_messages={"required": "Tick this to confirm."},
    )
    field_order = ["kinds", "reason", "confirm"]


class BrandFigures:
    """What a row of the list shows beside the brand itself."""

    def __init__(self, spent: Spent, now: datetime) -> None:
        self.spent = spent
        self.now = now
        self.running = 0
        self.paused = 0


@admin.register(Brand)
class BrandAdmin(ActionsAdmin):
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
    actions_detail = (
        "emergency_stop", "clear_stop", "forced_reset", "archive", "restore",
    )  # fmt: skip
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
        for brand in rows:
            note(brand, figures[brand.pk])

    @admin.display(description="spent today", ordering="today")
    def today(self, brand: Brand) -> SafeString:
        use = noted(brand).spent.day
        return show.use_bar(use.used, brand.daily_budget, brand.currency, use.forgiven)

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

    def panels_above(self, obj: Brand, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        use = noted(obj).spent
        facts = show.facts(
            [
                ("Spent today", show.use_bar(use.day.used, obj.daily_budget, obj.currency, use.day.forgiven)),
                (
                    "Spent this month",
                    show.use_bar(use.month.used, obj.monthly_budget, obj.currency, use.month.forgiven),
                ),
                ("Campaigns", _campaigns(obj, noted(obj))),
                ("Local time", f"{now.astimezone(obj.zone):%a %d %b %Y %H:%M} {obj.zone.key}"),
            ]
        )
        return [Panel("Now", format_html("{}{}", _notice(obj, now), facts))]

    def panels_below(self, obj: Brand, now: datetime) -> Sequence[Panel]:
        return [Panel("History of the budgets", _budget_history(obj))]

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Brand:
        brand = _create(caller_of(request), form.given(INPUTS), now)
        self.say(request, f"The brand “{brand}” is there. Add its campaigns next.")
        self._warn(request, brand)
        return brand

    def change(self, request: HttpRequest, obj: Brand, form: Any, now: datetime) -> None:
        changes = form.changes(INPUTS)
        if not changes:
            self.say(request, f"Nothing was changed in “{obj}”.", messages.INFO)
            return
        evaluation = self._change(request, obj, form, changes, now)
        obj.refresh_from_db()
        self.say(request, f"“{obj}” was changed.{flips_text(evaluation)}")
        self._warn(request, obj)

    def _change(
        self, request: HttpRequest, brand: Brand, form: Any, changes: Mapping[str, object], now: datetime,
        reason: str | None = None,
    ) -> Evaluation:  # fmt: skip
        """Change it; budgets by much only when a person has seen what that does."""

        def call(reason: str) -> Evaluation:
            return services.change_brand(
                brand.pk, changes, reason=reason, actor=actor_of(request), now=now,
                expected_version=form.cleaned_data["expected_version"],
            )  # fmt: skip

        return guarded(form, brand, changes, BUDGETS, call, now, reason=reason)

    def _warn(self, request: HttpRequest, brand: Brand) -> None:
        brand.refresh_from_db()
        if brand.daily_budget is not None and brand.monthly_budget is not None:
            warn_of_daily_above_monthly(self, request, brand.daily_budget, brand.monthly_budget, brand.currency)

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: Brand) -> Iterable[str]:
        stop = "emergency_stop" if obj.emergency_stopped_at is None else "clear_stop"
        if obj.archived_at is not None:
            return ("restore",)
        return (stop, "forced_reset", "archive")

    @object_action("Emergency stop…", path="stop", needs="brands.emergency_stop", icon="emergency_home", danger=True)
    def emergency_stop(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(form: Any) -> None:
            evaluation = services.emergency_stop_brand(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"“{obj}” is stopped.{flips_text(evaluation)} It stays so until a person clears it.")

        return ask(
            self, request, obj, title="Emergency stop", button="Stop all campaigns now", danger=True,
            form_class=ReasonForm, run=run,
            intro=["Every campaign of this brand stops now. No override, reset or schedule lifts it."],
        )  # fmt: skip

    @object_action("Clear emergency stop…", path="clear-stop", needs="brands.clear_emergency_stop", icon="play_circle")
    def clear_stop(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(form: Any) -> None:
            evaluation = services.clear_brand_stop(
                obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            self.say(request, f"The emergency stop of “{obj}” is cleared.{flips_text(evaluation)}")

        return ask(
            self, request, obj, title="Clear emergency stop", button="Clear it", form_class=OptionalReasonForm,
            run=run, intro=[_notice(obj, clock.now()), "Campaigns run again where nothing else holds them."],
        )  # fmt: skip

    @object_action("Forced reset…", path="reset", needs="brands.force_reset", icon="restart_alt")
    def forced_reset(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(form: Any) -> None:
            kinds = [PeriodKind(code) for code in form.cleaned_data["kinds"]]
            resets, evaluation = services.force_reset(
                obj.pk, kinds, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now()
            )
            told = "; ".join(
                f"{PeriodKind(reset.kind).label.lower()} {reset.starts_on}: {show.amount(reset.forgiven, obj.currency)}"
                for reset in resets
            )
            self.say(request, f"No longer counted for “{obj}”: {told}.{flips_text(evaluation)}")

        use = spent([obj], clock.now())[obj.pk]
        return ask(
            self, request, obj, title="Forced reset", button="Begin afresh", danger=True,
            form_class=ForcedResetForm, run=run,
            intro=[
                "The ledger keeps the truth; what was spent so far only stops counting against the budget.",
                f"Today: {show.use_text(use.day.used, obj.daily_budget, obj.currency)}",
                f"This month: {show.use_text(use.month.used, obj.monthly_budget, obj.currency)}",
            ],
        )  # fmt: skip

    @object_action("Archive…", path="archive", needs="brands.delete_brand", icon="archive")
    def archive(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(form: Any) -> None:
            services.archive_brand(obj.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj}” and its campaigns are archived and paused. Nothing was deleted.")

        count = obj.campaigns.filter(archived_at=None).count()
        return ask(
            self, request, obj, title="Archive", button="Archive", danger=True, form_class=OptionalReasonForm, run=run,
            intro=[f"The brand and its {count} campaigns are paused and leave the lists. Nothing is deleted."],
        )  # fmt: skip

    @object_action("Restore…", path="restore", needs="access.restore", icon="unarchive")
    def restore(self, request: HttpRequest, obj: Brand) -> HttpResponse:
        def run(_: Any) -> None:
            services.restore_brand(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, f"“{obj}” is back. Its campaigns stay paused until a person activates them.")

        return ask(
            self, request, obj, title="Restore", button="Restore", form_class=forms.Form, run=run,
            intro=["The brand and the campaigns archived with it come back, paused."],
        )  # fmt: skip


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


def _notice(brand: Brand, now: datetime) -> SafeString:
    if brand.emergency_stopped_at is None:
        return SafeString()
    return format_html(
        '<p class="mb-4">{} since {} by {}: {}</p>',
        show.badge("Emergency stop", show.BAD),
        local_text(brand.zone, brand.emergency_stopped_at, now),
        brand.emergency_stopped_by,
        brand.emergency_stop_reason,
    )


def _budget_history(brand: Brand) -> SafeString:
    entries = AuditEntry.objects.filter(object_id=brand.pk).order_by("-id")[: HISTORY * 10]
    changes = [entry for entry in entries if set(BUDGETS) & set(entry.after)][:HISTORY]
    return show.table(
        ["When", "Who", "What", "Why"],
        [
            (
                show.moment(entry.at, brand.zone),
                entry.actor,
                show.change_lines(_budgets(entry.before, brand), _budgets(entry.after, brand)),
                entry.reason or show.nothing(),
            )
            for entry in changes
        ],
        "No change of a budget yet.",
    )


def _budgets(values: dict[str, Any], brand: Brand) -> dict[str, object]:
    """Those of these values that are budgets, in words."""
    return {
        name: show.limit(None if value is None else Decimal(value), brand.currency)
        for name, value in values.items()
        if name in BUDGETS
    }


def flips_text(evaluation: Evaluation) -> str:
    """How many campaigns an act stopped and started; empty if none."""
    stopped = sum(1 for change in evaluation.flips if change.verdict.holds)
    started = len(evaluation.flips) - stopped
    parts = [f"{count} {word}" for count, word in ((stopped, "stopped"), (started, "started")) if count]
    return f" Campaigns: {', '.join(parts)}." if parts else ""


def warn_of_daily_above_monthly(
    model_admin: ActionsAdmin, request: HttpRequest, daily: Decimal, monthly: Decimal, currency: str
) -> None:
    """A daily budget above the monthly one is allowed, and is likely a typing error."""
    if daily > monthly:
        model_admin.say(
            request,
            f"The daily budget {show.amount(daily, currency)} is higher than the monthly budget "
            f"{show.amount(monthly, currency)}: the month will end before the day does. Is that meant?",
            messages.WARNING,
        )


# --- Audit -----------------------------------------------------------------------------------------------------------


class AuditActionFilter(FixedFilter):
    title = "action"
    parameter_name = "action"
    field = "action"
    values = [
        (action, action)
        for action in (
            "activate", "amend spend", "archive", "change brand", "change campaign", "change schedule",
            "clear emergency stop", "clear override", "create brand", "create campaign", "emergency stop",
            "forced reset", "issue token", "join brand", "leave brand", "override", "pause", "rename token", "restore",
            "revoke token", "void spend",
        )
    ]  # fmt: skip


class AuditTypeFilter(FixedFilter):
    title = "thing"
    parameter_name = "type"
    field = "object_type"
    values = [(name, name) for name in ("brand", "campaign", "spend", "membership", "API token")]


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin[AuditEntry]):
    list_display = ("when", "actor", "action", "thing", "what", "reason")
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
    fieldsets = ((None, {"fields": ("when", "actor", "action", "thing", "brand_link", "what", "reason")}),)

    @admin.display(description="when")
    def when(self, entry: AuditEntry) -> str:
        return show.moment(entry.at, entry.brand.zone) if entry.brand else show.utc(entry.at)

    @admin.display(description="thing")
    def thing(self, entry: AuditEntry) -> SafeString:
        return _thing(entry.object_type, entry.object_id, entry.object_label)

    @admin.display(description="brand")
    def brand_link(self, entry: AuditEntry) -> SafeString:
        return show.link_to(entry.brand, "brands_brand", entry.brand.pk) if entry.brand else show.nothing()

    @admin.display(description="change")
    def what(self, entry: AuditEntry) -> SafeString:
        return show.change_lines(entry.before, entry.after, entry.brand.zone if entry.brand else None)


_PAGES = {
    "brand": "brands_brand",
    "campaign": "campaigns_campaign",
    "spend": "spending_spend",
    "API token": "access_apitoken",
}


def _thing(object_type: str, object_id: UUID, label: str) -> SafeString:
    page = _PAGES.get(object_type)
    shown = show.link_to(label, page, object_id) if page else format_html("{}", label)
    return format_html("{} {}", object_type, shown)
