"""Schedule windows in the admin, one by one. The whole week of a campaign is edited on the campaign's page."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import UseCaseAdmin, actor_of
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.ui import AutocompleteSelectFilter
from budget_system.admin.week import COLUMNS, row_of
from budget_system.errors import Refused
from enforcement import services
from scheduling.models import Schedule


class ScheduleForm(UseCaseForm):
    """A window carries no version of its own; its campaign's rises with every change of the week."""

    version_of = "campaign"
    helps = {
        "day_of_week": "The day on which the window opens, by the brand's clock.",
        "ends_next_day": "For a window over midnight: Friday 22:00 to 06:00 with this ticked closes on Saturday at "
        "06:00. An end after the start then makes it longer than 24 hours.",
        "is_active": "A window that is not active is kept and does not open. A campaign of whose windows none is "
        "active does not run at all.",
    }


@admin.register(Schedule)
class ScheduleAdmin(UseCaseAdmin[Schedule]):
    form = ScheduleForm
    list_display = ("campaign_name", "brand_name", "weekday", "window_text", "zone_name", "active")
    list_select_related = ("campaign__brand",)
    list_filter = (("campaign__brand", AutocompleteSelectFilter), "day_of_week", "is_active")
    search_fields = ("campaign__name",)
    campaign_path = "campaign"
    brand_path = "campaign__brand"
    ordering = ("-id",)
    autocomplete_fields = ("campaign",)
    empty_text = "Every new campaign gets seven whole days. Add a campaign, or a window for one that has none."
    fieldsets = ((None, {"fields": ("campaign", *COLUMNS)}),)

    def is_closed(self, obj: Any) -> bool:
        return obj.campaign.archived_at is not None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = request.user.has_perm("scheduling.delete_schedule")
        return allowed and not (isinstance(obj, Schedule) and self.is_closed(obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("campaign",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        return super().get_queryset(request).select_related("campaign__brand")

    @admin.display(description="campaign")
    def campaign_name(self, schedule: Schedule) -> str:
        return str(schedule.campaign)

    @admin.display(description="brand")
    def brand_name(self, schedule: Schedule) -> SafeString:
        return show.link_to(schedule.campaign.brand, "brands_brand", schedule.campaign.brand_id)

    @admin.display(description="weekday", ordering="day_of_week")
    def weekday(self, schedule: Schedule) -> str:
        return schedule.get_day_of_week_display()

    @admin.display(description="window", ordering="start_time")
    def window_text(self, schedule: Schedule) -> str:
        return schedule.hours

    @admin.display(description="time zone")
    def zone_name(self, schedule: Schedule) -> str:
        return schedule.campaign.brand.zone.key

    @admin.display(description="active", ordering="is_active")
    def active(self, schedule: Schedule) -> SafeString:
        return show.badge("Active", show.GOOD) if schedule.is_active else show.badge("Inactive")

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Schedule:
        campaign = form.cleaned_data["campaign"]
        schedule, verdict = services.add_window(
            campaign.pk, row_of(form.cleaned_data), actor=actor_of(request), now=now
        )
        self._told(request, f"{schedule} was added to “{campaign}”.", verdict)
        return schedule

    def change(self, request: HttpRequest, obj: Schedule, form: Any, now: datetime) -> None:
        if not form.changes(COLUMNS):
            self.say(request, f"Nothing was changed in {obj}.", messages.INFO)
            return
        verdict = services.change_window(
            obj.pk, row_of(form.cleaned_data), actor=actor_of(request), now=now,
            expected_version=form.cleaned_data["expected_version"],
        )  # fmt: skip
        obj.refresh_from_db()
        self._told(request, f"The window of “{obj.campaign}” is now {obj}.", verdict)

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        verdict = services.remove_window(obj.pk, actor=actor_of(request), now=clock.now())
        self._told(request, f"{obj} was removed from “{obj.campaign}”.", verdict)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as error:
            self.say(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.path)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        return self.response_post_save_add(request, Schedule())

    def _told(self, request: HttpRequest, what: str, verdict: Any) -> None:
        state = "The campaign runs." if verdict.runs else f"It is paused: {show.hold_words(verdict.holds)}."
        self.say(request, format_html("{} {}", what, state))
