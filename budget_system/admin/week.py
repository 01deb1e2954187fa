"""A campaign's week as rows on its page: all of them are saved by one call, or none."""

from typing import Any

from django import forms
from django.http import HttpRequest

from budget_system.admin.ui import InlineFormSet, TabularInline
from campaigns.models import Campaign
from scheduling.models import Schedule
from scheduling.services import ScheduleRow
from scheduling.windows import InvalidWindow, Window, check_window

COLUMNS = ("day_of_week", "start_time", "end_time", "ends_next_day", "is_active")


class WindowForm(forms.ModelForm[Schedule]):
    """One window. It is checked by the rule of the schedule itself, in its words; nothing is written here."""

    def _post_clean(self) -> None:
        cleaned = self.cleaned_data
        if cleaned.get("DELETE") or self.errors:
            return
        try:
            check_window(window_of(cleaned))
        except InvalidWindow as error:
            self.add_error("end_time", str(error))


def window_of(cleaned: dict[str, Any]) -> Window:
    return Window(
        int(cleaned["day_of_week"]), cleaned["start_time"], cleaned["end_time"], bool(cleaned["ends_next_day"])
    )


def row_of(cleaned: dict[str, Any]) -> ScheduleRow:
    return ScheduleRow(window_of(cleaned), bool(cleaned["is_active"]))


class WeekFormSet(InlineFormSet[Schedule, Campaign, forms.ModelForm[Schedule]]):
    """Two equal windows are a union, so nothing about the rows together is refused."""

    def validate_unique(self) -> None:
        return


class WeekInline(TabularInline[Schedule, Campaign]):
    model = Schedule
    form = WindowForm
    formset = WeekFormSet
    fields = COLUMNS
    extra = 0
    ordering = ("day_of_week", "start_time")
    verbose_name = "window"
    verbose_name_plural = "schedule, in the brand's time zone (no rows: around the clock)"
    hide_title = True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and getattr(obj, "archived_at", None) is None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("campaign__brand")


def rows_of(formset: Any) -> list[ScheduleRow]:
    """The rows that are to be there."""
    return [row_of(form.cleaned_data) for form in formset.forms if _is_kept(form)]


def _is_kept(form: Any) -> bool:
    untouched_extra = form.instance._state.adding and not form.has_changed()
    return not untouched_extra and not form.cleaned_data.get("DELETE")
