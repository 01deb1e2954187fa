"""The list of campaigns: what runs, why not, how much of today's and this month's budget is used, and how fast."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.campaign_bulk import CampaignBulk
from budget_system.admin.filters import ArchivedFilter, FixedFilter, Lookups, TodayFilter
from budget_system.admin.lists import local_days, pace_of, pace_text, share_used
from budget_system.admin.notes import note, noted
from budget_system.admin.search import campaigns_with
from budget_system.admin.ui import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement.explain import prospects
from spending.figures import spent
from spending.models import PeriodKind

SOON = timedelta(days=7)


class StatusFilter(DropdownFilter):
    """In the words of the badge. What is stopped is paused too, as counts elsewhere have it."""

    title = "status"
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("ACTIVE", "Active"), ("PAUSED", "Paused or stopped"), ("STOPPED", "Stopped")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> QuerySet[Campaign]:
        match self.value():
            case "STOPPED":
                return queryset.filter(holds__contains=Hold.EMERGENCY_STOP.value)
            case "ACTIVE" | "PAUSED" as status:
                return queryset.filter(status=status)
            case _:
                return queryset


class ReasonFilter(FixedFilter):
    """Any hold of a campaign, not only the one that is shown first."""

    title = "reason"
    parameter_name = "reason"
    field = "holds__contains"
    values = [(hold.value, hold.label) for hold in Hold]


class FlightFilter(DropdownFilter):
    """Where a campaign stands in its flight, by its brand's calendar."""

    title = "flight"
    parameter_name = "flight"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [
            ("in", "In its flight"), ("before", "Not started"), ("after", "Ended"), ("soon", "Ends within 7 days"),
            ("none", "No flight dates"),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> QuerySet[Campaign]:
        chosen = self.value()
        if chosen == "none":
            return queryset.filter(start_date=None, end_date=None)
        if chosen not in ("in", "before", "after", "soon"):
            return queryset
        found = Q(pk__in=())
        for today, zones in local_days(clock.now()):
            by_then = {
                "before": Q(start_date__gt=today),
                "after": Q(end_date__lt=today),
                "soon": Q(end_date__gte=today, end_date__lt=today + SOON)
                & (Q(start_date=None) | Q(start_date__lte=today)),
                "in": (Q(start_date=None) | Q(start_date__lte=today))
                & (Q(end_date=None) | Q(end_date__gte=today))
                & ~Q(start_date=None, end_date=None),
            }
            found |= Q(brand__timezone__in=zones) & by_then[chosen]
        return queryset.filter(found)


class CampaignList(CampaignBulk):
    """The list's part of the campaign admin."""

    list_display = ("name", "brand_name", "status_now", "why", "runs_again", "platform", "today", "month")
    list_select_related = ("brand",)
    list_filter = (
        ("brand", AutocompleteSelectFilter), StatusFilter, ReasonFilter, TodayFilter,
        FlightFilter, ("platform", ChoicesDropdownFilter), ArchivedFilter,
    )  # fmt: skip
    search_fields = ("name", "external_id", "brand__name")
    search_help_text = "Campaign, platform campaign id, or brand"
    ordering = ("name", "pk")
    orderings: Mapping[str, Callable[[datetime], Any]] = {
        "today": partial(share_used, Campaign, PeriodKind.DAY),
        "month": partial(share_used, Campaign, PeriodKind.MONTH),
    }
    essentials = ("action_checkbox", "name", "brand_name", "status_now", "why", "runs_again", "today")
    list_fullwidth = True

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Campaign], search_term: str
    ) -> tuple[QuerySet[Campaign], bool]:
        """Each word may be the campaign's or its brand's."""
        term = search_term.strip()
        return (queryset.filter(campaigns_with(term)) if term else queryset), False

    def dress(self, rows: list[Campaign], now: datetime) -> None:
        uses, seen = spent(rows, now), prospects(rows, now)
        for campaign in rows:
            note(campaign, uses[campaign.pk])
            note(campaign, seen.get(campaign.pk), "prospect")
            note(campaign, now, "now")

    @admin.display(description="brand", ordering="brand__name")
    def brand_name(self, campaign: Campaign) -> SafeString:
        return show.link_to(campaign.brand, "brands_brand", campaign.brand_id)

    @admin.display(description="status", ordering="status")
    def status_now(self, campaign: Campaign) -> SafeString:
        return show.status_badge(campaign)

    @admin.display(description="reason", ordering="pause_reason")
    def why(self, campaign: Campaign) -> object:
        return show.why(campaign, noted(campaign, "prospect"), noted(campaign, "now"))

    @admin.display(description="runs again")
    def runs_again(self, campaign: Campaign) -> object:
        return show.runs_again(campaign, noted(campaign, "prospect"), noted(campaign, "now"))

    @admin.display(description="spent today", ordering="today")
    def today(self, campaign: Campaign) -> SafeString:
        use = noted(campaign).day
        bar = show.use_bar(use.used, campaign.daily_budget, campaign.brand.currency, use.forgiven)
        pace = pace_of(campaign, use.used, [campaign.week], noted(campaign, "now"))
        return bar if pace is None else show.stacked(bar, show.small(pace_text(pace)))

    @admin.display(description="spent this month", ordering="month")
    def month(self, campaign: Campaign) -> SafeString:
        use = noted(campaign).month
        return show.use_bar(use.used, campaign.monthly_budget, campaign.brand.currency, use.forgiven)
