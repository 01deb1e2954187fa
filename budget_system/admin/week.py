"""A campaign's week on its page: rows that are saved all together or not at all, and a grid to paint them with.

The rows are the truth, with or without JavaScript: the grid (static/budget/week.js) reads them, and writes what a
person paints into them. They are saved as a whole, so that what a person sees is what is there afterwards.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from brands.periods import next_offset_change
from budget_system.admin.ui import INPUT_CLASSES, InlineFormSet, TabularInline
from campaigns.models import Campaign
from scheduling.models import Schedule
from scheduling.services import ScheduleRow, describe
from scheduling.services import rows_of as stored_rows
from scheduling.windows import InvalidWindow, Window, check_window

COLUMNS = ("day_of_week", "start_time", "end_time", "ends_next_day", "is_active")
CLOCK_CHANGES_SHOWN_FOR = timedelta(weeks=4)


class ClockInput(forms.TimeInput):
    """Hours from 00 to 23, as everywhere here: a browser's own field goes by its language, and might show 12:00 AM."""

    def __init__(self) -> None:
        super().__init__({"class": " ".join(INPUT_CLASSES), "placeholder": "hh:mm", "autocomplete": "off"})

    def format_value(self, value: Any) -> str | None:
        if isinstance(value, time) and not value.microsecond:
            return value.isoformat("seconds" if value.second else "minutes")
        return super().format_value(value)


class WindowForm(forms.ModelForm[Schedule]):
    """One window. It is checked by the rule of the schedule itself, in its words; nothing is written here."""

    start_time = forms.TimeField(label="From", widget=ClockInput)
    end_time = forms.TimeField(label="To", widget=ClockInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        day: Any = self.fields["day_of_week"]
        day.choices = [("", "–"), *(choice for choice in day.choices if choice[0] != "")]
        _name(day, "Day")
        _name(self.fields["start_time"], "From")
        _name(self.fields["end_time"], "To")
        _name(self.fields["ends_next_day"], "Runs into the next day")
        _name(self.fields["is_active"], "Active")

    @property
    def is_blank(self) -> bool:
        """A row that nobody has filled in."""
        return self.instance._state.adding and not (self.is_bound and self.has_changed())

    @property
    def is_removed(self) -> bool:
        return self.is_bound and bool(self.data.get(self.add_prefix("DELETE")))

    def _post_clean(self) -> None:
        cleaned = self.cleaned_data
        if cleaned.get("DELETE") or self.errors:
            return
        try:
            check_window(window_of(cleaned))
        except InvalidWindow as error:
            self.add_error("end_time", str(error))


def _name(field: forms.Field, text: str) -> None:
    """The columns have headings; a screen reader needs the name on the field."""
    field.widget.attrs["aria-label"] = text


def window_of(cleaned: dict[str, Any]) -> Window:
    return Window(
        int(cleaned["day_of_week"]), cleaned["start_time"], cleaned["end_time"], bool(cleaned["ends_next_day"])
    )


def row_of(cleaned: dict[str, Any]) -> ScheduleRow:
    return ScheduleRow(window_of(cleaned), bool(cleaned["is_active"]))


class WeekFormSet(InlineFormSet[Schedule, Campaign, forms.ModelForm[Schedule]]):
    """Two equal windows are a union, so nothing about the rows together is refused.

    Every row that is sent is a new one: a saved week replaces the former rows, so that the ids on a page are gone as
    soon as somebody else has saved, while what was painted on it must not be.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:
            sent = {key: value for key, value in self.data.items() if not self._is_id(key)}
            self.data = {**sent, f"{self.prefix}-INITIAL_FORMS": "0"}

    def _is_id(self, key: str) -> bool:
        return key.startswith(f"{self.prefix}-") and key.endswith("-id")

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            _name(form.fields["DELETE"], "Remove this row")

    def validate_unique(self) -> None:
        return


class WeekInline(TabularInline[Schedule, Campaign]):
    """Whoever may change schedules may add rows here and remove them: it is the week that changes."""

    model = Schedule
    form = WindowForm
    formset = WeekFormSet
    fields = COLUMNS
    extra = 2
    ordering = ("day_of_week", "start_time")
    template = "budget/week.html"
    verbose_name = "window"
    verbose_name_plural = "schedule"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and getattr(obj, "archived_at", None) is None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("campaign__brand")


def changed_rows(formsets: Sequence[Any], campaign: Campaign) -> list[ScheduleRow] | None:
    """The rows that are to be there; None if they are those that are stored."""
    for formset in formsets:
        rows = _rows_of(formset)
        return rows if sorted(rows) != sorted(_stored(stored_rows(campaign))) else None
    return None


def _rows_of(formset: Any) -> list[ScheduleRow]:
    return [row_of(form.cleaned_data) for form in formset.forms if _is_kept(form)]


def _is_kept(form: Any) -> bool:
    return not form.is_blank and not form.cleaned_data.get("DELETE")


def _stored(rows: Iterable[Schedule]) -> list[ScheduleRow]:
    return [ScheduleRow(row.window, row.is_active) for row in rows]


def stored_week(campaign: Campaign) -> list[list[object]]:
    """The stored rows as a page can bring them along, to tell later whether they are still the same."""
    return _plain(_stored(stored_rows(campaign)))


def is_week(formset: Any, week: object) -> bool:
    """Whether the rows that were sent are these, as `stored_week` gave them."""
    return formset.is_bound and formset.is_valid() and _plain(_rows_of(formset)) == week


def _plain(rows: Iterable[ScheduleRow]) -> list[list[object]]:
    return [
        [window.day_of_week, window.start.isoformat(), window.end.isoformat(), window.ends_next_day, active]
        for window, active in sorted(rows)
    ]


# --- What the grid needs to know -------------------------------------------------------------------------------------


def week_context(campaign: Campaign, inlines: Sequence[Any], now: datetime) -> dict[str, Any]:
    """For the template: the rows in words, and for the grid the zone's clock and its next change.

    `stored` has the rows in words where those on the page, which could not be saved, are others.
    """
    change = clock_change(campaign, now)
    rows = stored_rows(campaign)
    formsets = [inline.formset for inline in inlines if inline.formset.is_bound]
    differs = any(formset.is_valid() and sorted(_rows_of(formset)) != sorted(_stored(rows)) for formset in formsets)
    return {
        "zone": campaign.brand.zone.key,
        "rows": rows,
        "stored": describe(rows) or ["no rows, around the clock"] if differs else [],
        "unsaved": bool(formsets),
        "change": change,
        "data": json.dumps(
            {
                "local": _second_of_week(now.astimezone(campaign.brand.zone)),
                "change": change,
                "asks": reverse("admin:campaigns_campaign_what_if", args=[campaign.pk]),
                "rows": [_row_data(row) for row in rows],
            }
        ),
    }


def _row_data(row: Schedule) -> dict[str, Any]:
    return {
        "day": row.day_of_week,
        "start": row.start_time.isoformat(),
        "end": row.end_time.isoformat(),
        "nextDay": row.ends_next_day,
        "active": row.is_active,
    }


def _second_of_week(local: datetime) -> int:
    return ((local.weekday() * 24 + local.hour) * 60 + local.minute) * 60 + local.second


def clock_change(campaign: Campaign, now: datetime) -> dict[str, Any] | None:
    """The next change of the brand's clocks, if it comes within weeks: the stretch of the week it skips or repeats."""
    zone = campaign.brand.zone
    at = next_offset_change(zone, now)
    if at is None or at - now > CLOCK_CHANGES_SHOWN_FOR:
        return None
    before = (at - timedelta(seconds=1)).astimezone(zone) + timedelta(seconds=1)  # by the clock as it ran until then
    after = at.astimezone(zone)
    skipped = after.replace(tzinfo=None) > before.replace(tzinfo=None)
    first, last = (before, after) if skipped else (after, before)
    stretch = f"{first:%H:%M}–{last:%H:%M}"
    text = (
        f"On {first:%a %-d %b %Y} the clocks go forward from {before:%H:%M} to {after:%H:%M}: {stretch} does not "
        "exist on that day, and a window in it does not open."
        if skipped
        else f"On {first:%a %-d %b %Y} the clocks go back from {before:%H:%M} to {after:%H:%M}: {stretch} comes twice "
        "on that day, and a window in it is open both times."
    )
    start = _second_of_week(first)
    length = round((last.replace(tzinfo=None) - first.replace(tzinfo=None)).total_seconds())
    word = "skipped" if skipped else "twice"
    return {"start": start, "end": start + length, "word": f"{word} on {first:%-d %b}", "text": text, "skip": skipped}
