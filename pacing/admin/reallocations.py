"""Money moved between channels, in the admin."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from budget_system.admin import pacing_page, show
from budget_system.admin.base import Panel, note, noted
from budget_system.admin.campaign_page import who
from budget_system.admin.filters import DaysFilter, FixedFilter
from budget_system.admin.ui import AutocompleteSelectFilter
from enforcement.explain import local_text
from pacing.admin.base import PacingAdmin, campaigns_page
from pacing.models import (
    Reallocation,
    ReallocationState,
)


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
