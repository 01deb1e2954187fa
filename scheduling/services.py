"""Writing schedules. Every write ends in `_compile`, which keeps the campaign's compiled week true to its rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import F

from budget_system.errors import NotFound, Refused
from campaigns.models import Campaign
from scheduling.models import Schedule, Weekday
from scheduling.windows import InvalidWindow, Window, check_window, compile_week, week_to_text, whole_week

MAX_WINDOWS = 7 * 96
"""As many as a week has quarter hours."""


class ScheduleRow(NamedTuple):
    """A window as a person edits it. An inactive one is kept and does not open."""

    window: Window
    is_active: bool = True


def always() -> list[ScheduleRow]:
    """Seven whole-day rows, ready to be edited."""
    return [ScheduleRow(window) for window in whole_week()]


def replace_rows(campaign: Campaign, rows: Sequence[ScheduleRow], now: datetime) -> None:
    """The campaign's rows become exactly these. None at all means around the clock."""
    if len(rows) > MAX_WINDOWS:
        raise Refused(f"A week has at most {MAX_WINDOWS} windows; {len(rows)} were given.", field="windows")
    for row in rows:
        _check(row.window)
    Schedule.objects.filter(campaign=campaign).delete()
    Schedule.objects.bulk_create([_schedule(campaign.pk, row, now) for row in rows])
    _compile(campaign, now)


def add_row(campaign: Campaign, row: ScheduleRow, now: datetime) -> Schedule:
    _check(row.window)
    if Schedule.objects.filter(campaign=campaign).count() >= MAX_WINDOWS:
        raise Refused(f"A week has at most {MAX_WINDOWS} windows.", field="campaign")
    schedule = _schedule(campaign.pk, row, now)
    schedule.save(force_insert=True)
    _compile(campaign, now)
    return schedule


def change_row(schedule: Schedule, row: ScheduleRow, now: datetime) -> None:
    _check(row.window)
    _fill(schedule, row)
    schedule.updated_at = now
    schedule.save()
    _compile(schedule.campaign, now)


def remove_row(schedule: Schedule, now: datetime) -> None:
    campaign = schedule.campaign
    schedule.delete()
    _compile(campaign, now)


def get(schedule_id: UUID) -> Schedule:
    """The row, to be read after its brand was locked."""
    schedule = Schedule.objects.select_related("campaign__brand").filter(pk=schedule_id).first()
    if schedule is None:
        raise NotFound("There is no such schedule window.", field="schedule")
    return schedule


def compiled(rows: Sequence[Schedule]) -> str:
    """The stored form of a campaign's rows: what Campaign.week must be."""
    if not rows:
        return week_to_text(None)
    return week_to_text(compile_week(row.window for row in rows if row.is_active))


def describe(rows: Sequence[Schedule]) -> list[str]:
    """The rows as the audit record keeps them."""
    return [f"{row}{'' if row.is_active else ' (inactive)'}" for row in rows]


def rows_of(campaign: Campaign) -> list[Schedule]:
    return list(Schedule.objects.filter(campaign=campaign).order_by("day_of_week", "start_time", "pk"))


def _compile(campaign: Campaign, now: datetime) -> None:
    week = compiled(rows_of(campaign))
    Campaign.objects.filter(pk=campaign.pk).update(week=week, version=F("version") + 1, updated_at=now)


def _schedule(campaign_id: UUID, row: ScheduleRow, now: datetime) -> Schedule:
    schedule = Schedule(campaign_id=campaign_id, created_at=now, updated_at=now)
    _fill(schedule, row)
    return schedule


def _fill(schedule: Schedule, row: ScheduleRow) -> None:
    schedule.day_of_week, schedule.start_time, schedule.end_time, schedule.ends_next_day = row.window
    schedule.is_active = row.is_active


def _check(window: Window) -> None:
    try:
        check_window(window)
    except InvalidWindow as error:
        raise Refused(
            str(error), field="end_time" if window.day_of_week in Weekday.values else "day_of_week"
        ) from error
