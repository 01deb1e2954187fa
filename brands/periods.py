"""A brand's local calendar: which day and month it is there, and when they turn.

Pure: standard library only, and the clock is never read. `now` is always an aware datetime, in any time zone; every
moment returned is in UTC. Periods are half-open.

Local days are not all 24 hours long, midnight may be missing (Cairo, Santiago) or come twice (Havana, Azores), and a
date may be missing altogether (Apia had no 30 December 2011). One rule covers all of it: a day begins at the first
instant at which the local calendar shows that date or a later one.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_ONE_DAY: Final = timedelta(days=1)
_ONE_SECOND: Final = timedelta(seconds=1)

# A sweep asks for some 600 zones at most, always about the same moment; entries of past moments simply age out.
_MOMENTS: Final = 4096
_ZONE_YEARS: Final = 2048


def to_utc(moment: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError when `moment` has no time zone.

    It comes before every memo: two readings of a repeated local hour compare equal and would share one entry.
    """
    if moment.tzinfo is UTC:
        return moment
    if moment.utcoffset() is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: pass an aware datetime")
    return moment.astimezone(UTC)


def local_date(zone: ZoneInfo, now: datetime) -> date:
    """The date that the calendar in `zone` shows at `now`: the key under which spend of that moment is booked."""
    return _local_date(zone, now if now.tzinfo is UTC else to_utc(now))


@lru_cache(maxsize=_MOMENTS)
def _local_date(zone: ZoneInfo, now: datetime) -> date:
    return now.astimezone(zone).date()


def month_start(day: date) -> date:
    """The first day of the month of `day`: the key of its monthly budget."""
    return date(day.year, day.month, 1)


def next_month_start(day: date) -> date:
    """The first day of the month after that of `day`."""
    return date(day.year + 1, 1, 1) if day.month == 12 else date(day.year, day.month + 1, 1)


def days_in_month(day: date) -> int:
    """How many calendar days the month of `day` has: 28 to 31."""
    return monthrange(day.year, day.month)[1]


@lru_cache(maxsize=_MOMENTS)
def day_starts_at(zone: ZoneInfo, day: date) -> datetime:
    """The first instant (UTC) at which the calendar in `zone` shows `day`.

    Where midnight is skipped that is the first instant after the gap; where it comes twice, the first of the two. A
    date that the zone skipped (Apia, 30 December 2011) starts with the next one that exists, and so has no length.
    """
    midnight = datetime.combine(day, time.min, UTC)
    # No zone is 24 hours or more ahead of UTC, so a day earlier its clock cannot have reached this midnight.
    return _clock_reaches(zone, midnight, midnight - _ONE_DAY)


def day_length(zone: ZoneInfo, day: date) -> timedelta:
    """Real time from the start of `day` to the start of the day after: 24 h, 23 h or 25 h round a change of the clocks,
    0 for a skipped date. Lengths add up: no instant lies between two days or in both."""
    return day_starts_at(zone, day + _ONE_DAY) - day_starts_at(zone, day)


def next_midnight(zone: ZoneInfo, now: datetime) -> datetime:
    """The first instant (UTC) after `now` at which the local date is a later one: the end of the daily budget's day."""
    return _next_midnight(zone, now if now.tzinfo is UTC else to_utc(now))


@lru_cache(maxsize=_MOMENTS)
def _next_midnight(zone: ZoneInfo, now: datetime) -> datetime:
    tomorrow = _local_date(zone, now) + _ONE_DAY
    return _clock_reaches(zone, datetime.combine(tomorrow, time.min, UTC), now)


def next_month(zone: ZoneInfo, now: datetime) -> datetime:
    """The first instant (UTC) after `now` at which the local month is a later one: the end of the budget's month."""
    return _next_month(zone, now if now.tzinfo is UTC else to_utc(now))


@lru_cache(maxsize=_MOMENTS)
def _next_month(zone: ZoneInfo, now: datetime) -> datetime:
    first = next_month_start(_local_date(zone, now))
    return _clock_reaches(zone, datetime.combine(first, time.min, UTC), now)


def _clock_reaches(zone: ZoneInfo, reading: datetime, moment: datetime) -> datetime:
    """The first instant from `moment` on at which the wall clock in `zone` shows `reading` or later.

    `reading` is a wall clock time that wears UTC only to be subtracted from. Between two changes of the offset the
    clock runs evenly, so each such stretch takes one subtraction.
    """
    while True:
        reached_at = reading - _offset(zone, moment)
        if reached_at <= moment:
            return moment
        change = next_offset_change(zone, moment)
        if change is None or reached_at < change:
            return reached_at
        moment = change


def next_offset_change(zone: ZoneInfo, now: datetime) -> datetime | None:
    """The first instant (UTC) after `now` at which the zone's UTC offset changes, exact to the second.

    It looks to the end of the calendar year after that of `now`, so 366 days at least; None when the offset stays until
    then. A moment worked out from a wall clock time holds only up to this change.
    """
    return _next_offset_change(zone, now if now.tzinfo is UTC else to_utc(now))


@lru_cache(maxsize=_MOMENTS)
def _next_offset_change(zone: ZoneInfo, now: datetime) -> datetime | None:
    for year in (now.year, now.year + 1):
        changes = _offset_changes(zone, year)
        position = bisect_right(changes, now)
        if position < len(changes):
            return changes[position]
    return None


@lru_cache(maxsize=_ZONE_YEARS)
def _offset_changes(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """The instants after the start of the UTC year, up to and with its end, at which the offset becomes another one.

    zoneinfo does not publish its table of changes, so the year is probed day by day and each difference halved down to
    the second. Changes have been 167 hours apart or more since 1950 (tz database 2025b): no two hide within a day.
    """
    if year >= MAXYEAR:
        return ()
    changes = []
    moment, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    offset = _offset(zone, moment)
    while moment < end:
        later = moment + _ONE_DAY
        offset_later = _offset(zone, later)
        if offset_later != offset:
            changes.append(_first_instant_of_other_offset(zone, moment, later))
        moment, offset = later, offset_later
    return tuple(changes)


def _first_instant_of_other_offset(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    offset = _offset(zone, before)
    while after - before > _ONE_SECOND:
        middle = before + timedelta(seconds=(after - before) // _ONE_SECOND // 2)
        if _offset(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    if offset is None:
        raise ValueError(f"{zone} names no UTC offset")
    return offset
