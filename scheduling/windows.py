"""Dayparting: in which hours of the week a campaign may run, and when that next changes.

Pure: standard library only, and the clock is never read. `now` is always an aware datetime; every moment returned is in
UTC. A window is meant by the local wall clock: one that lies in a skipped hour loses it, in a repeated hour both count.

Windows are compiled once into a `Week`, seconds since local Monday 00:00, which is what is stored and asked. A week is
valid in every zone and at any date, because only asking it brings the zone and its changes of the clocks in.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from brands.periods import next_offset_change, to_utc

Week = tuple[tuple[int, int], ...]
"""A compiled week: sorted, disjoint, non-touching [start, end) in seconds since local Monday 00:00; what runs over the
end of the week is split there."""

_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S

ALWAYS: Final[Week] = ((0, _WEEK_S),)
NEVER: Final[Week] = ()

# People type the last minute or second of a day when they mean its end.
_END_OF_DAY: Final = frozenset({time(0, 0), time(23, 59), time(23, 59, 59)})
_DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# Each skipped or repeated hour may undo one opening or closing; no zone has changed its clocks even 10 times in a year.
_OFFSET_CHANGES_LOOKED_PAST: Final = 20

# next_offset_change looks at least this far ahead.
_OFFSET_KNOWN_FOR_S: Final = 365 * _DAY_S

# Bounds of the memos. A sweep asks about one moment, some 600 zones at most and however many weeks people have drawn
# up; entries of past moments age out.
_WEEKS: Final = 8192
_MOMENTS: Final = 4096
_WEEKS_AT_MOMENTS: Final = 16_384


class InvalidWindow(ValueError):
    """A window that cannot be meant as it is written."""


class Window(NamedTuple):
    """[start, end) on one weekday of the brand's zone, as a person wrote it.

    An end of 00:00, 23:59 or 23:59:59 is the end of the day. With `ends_next_day` the window still belongs to the
    weekday on which it starts and runs into the next day up to `end`: 00:00 is then the midnight between the two, 23:59
    and 23:59:59 the end of the next day, and an end after the start makes it longer than 24 hours.
    """

    day_of_week: int
    """0 = Monday."""
    start: time
    end: time
    ends_next_day: bool = False


class Opening(NamedTuple):
    """What a week says at one moment."""

    open: bool
    has_active: bool
    """False when there are schedule rows and none of them is active: nobody can have meant that."""
    changes_at: datetime | None
    """When `open` next turns (UTC); None when it never does."""


def check_window(window: Window) -> None:
    """Raises InvalidWindow, in words for the person who wrote it, when the window cannot be meant as it is written."""
    if not 0 <= window.day_of_week <= 6:
        raise InvalidWindow(f"{window.day_of_week} is no day of the week: use 0 (Monday) to 6 (Sunday).")
    for moment in (window.start, window.end):
        if moment.tzinfo is not None:
            raise InvalidWindow(f"{moment.isoformat()} has a time zone: windows are in the brand's own, give none.")
        if moment.microsecond:
            raise InvalidWindow(f"{moment.isoformat()} has fractions of a second: windows are exact to the second.")
    if window.ends_next_day or window.end in _END_OF_DAY or window.end > window.start:
        return
    start, end, day = _clock_text(window.start), _clock_text(window.end), _DAY_NAMES[window.day_of_week]
    if window.end == window.start:
        raise InvalidWindow(
            f"{day}'s window ends at {end}, when it starts. If it runs into the next day, say so: ends_next_day; "
            "for a whole day, use 00:00 to 00:00."
        )
    raise InvalidWindow(
        f"{day}'s window ends at {end}, before it starts at {start}. If it runs into the next day, say so: "
        "ends_next_day."
    )


def _clock_text(moment: time) -> str:
    return moment.isoformat("seconds" if moment.second else "minutes")


def compile_week(windows: Iterable[Window]) -> Week:
    """The union of the windows. Raises InvalidWindow when one of them is invalid. No windows make NEVER: that a
    campaign without any schedule rows runs 24/7 is for the caller to say, as None."""
    parts = []
    for window in windows:
        check_window(window)
        start, end = _bounds_s(window)
        parts.append((start, min(end, _WEEK_S)))
        if end > _WEEK_S:
            parts.append((0, end - _WEEK_S))
    return _union(parts)


def union(weeks: Iterable[Week]) -> Week:
    """Open whenever one of these weeks is."""
    return _union([part for week in weeks for part in week])


def _bounds_s(window: Window) -> tuple[int, int]:
    midnight = window.day_of_week * _DAY_S
    start = midnight + _second_of_day(window.start)
    if window.end == time.min:
        return start, midnight + _DAY_S
    end = _DAY_S if window.end in _END_OF_DAY else _second_of_day(window.end)
    return start, midnight + end + (_DAY_S if window.ends_next_day else 0)


def _second_of_day(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _union(parts: list[tuple[int, int]]) -> Week:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def whole_week() -> list[Window]:
    """Seven whole-day windows, ready to be edited: what a new campaign is given. They compile to ALWAYS."""
    return [Window(day, time.min, time.min) for day in range(7)]


def windows_from_week(week: Week) -> list[Window]:
    """The simplest windows that compile to this week, in order and split at midnight, to show it to a person.

    Raises ValueError for a week that no windows can say: an end of 23:59:00 would be read as the end of the day.
    """
    windows = []
    for start, end in week:
        while start < end:
            day = start // _DAY_S
            until = min(end, (day + 1) * _DAY_S)
            windows.append(Window(day, _time_of_day(start), _time_of_day(until)))
            start = until
    if compile_week(windows) != week:
        raise ValueError(f"no windows say {week_to_text(week)}: an end of 23:59 or 23:59:59 means the end of the day")
    return windows


def _time_of_day(second: int) -> time:
    minute, second = divmod(second % _DAY_S, 60)
    return time(minute // 60, minute % 60, second)


def week_to_text(week: Week | None) -> str:
    """The stored form: "" for None (no schedule rows, 24/7), "-" for NEVER (rows, but none active), else the seconds of
    the week, as "32400-64800,118800-151200". Equal weeks have equal texts."""
    if week is None:
        return ""
    return ",".join(f"{start}-{end}" for start, end in week) or "-"


_NUMBER = "(?:0|[1-9][0-9]{0,5})"
_WEEK_TEXT: Final = re.compile(f"{_NUMBER}-{_NUMBER}(?:,{_NUMBER}-{_NUMBER})*")


@lru_cache(maxsize=_WEEKS)
def week_from_text(text: str) -> Week | None:
    """The week that `week_to_text` wrote. Raises ValueError for anything else. The same text gives the same object."""
    if text == "":
        return None
    if text == "-":
        return NEVER
    if not _WEEK_TEXT.fullmatch(text):
        raise ValueError(f"{text!r} is no compiled week: expected seconds of the week, as 32400-64800,118800-151200")
    week: list[tuple[int, int]] = []
    last_end = -1
    for part in text.split(","):
        start, end = map(int, part.split("-"))
        if not last_end < start < end <= _WEEK_S:
            raise ValueError(
                f"{text!r} is no compiled week: {part} is empty, ends after {_WEEK_S}, or overlaps, touches or comes "
                "before what is written in front of it"
            )
        week.append((start, end))
        last_end = end
    return tuple(week)


def opening(week: Week | None, zone: ZoneInfo, now: datetime) -> Opening:
    """All that a decision needs to know of a schedule, in one memoised call. None stands for no schedule rows: 24/7."""
    return _opening(week, zone, now if now.tzinfo is UTC else to_utc(now))


def is_open(week: Week, zone: ZoneInfo, now: datetime) -> bool:
    """Whether the wall clock in `zone` is inside the week's hours at `now`."""
    return _opening(week, zone, now if now.tzinfo is UTC else to_utc(now)).open


def next_change(week: Week, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The first instant (UTC) after `now` at which `is_open` turns; None when it never does (ALWAYS, NEVER)."""
    return _opening(week, zone, now if now.tzinfo is UTC else to_utc(now)).changes_at


def next_opening(week: Week, zone: ZoneInfo, now: datetime) -> datetime | None:
    """`now` itself (in UTC) when open, else the first instant at which the week opens; None when it never does."""
    now = to_utc(now)
    state = _opening(week, zone, now)
    return now if state.open else state.changes_at


@lru_cache(maxsize=_WEEKS_AT_MOMENTS)
def _opening(week: Week | None, zone: ZoneInfo, now: datetime) -> Opening:
    if week is None:
        return Opening(True, True, None)
    flips, open_before = _pattern(week)
    if not flips:
        return Opening(open_before, open_before, None)
    second, position, left = _stretch(zone, now)
    open_now, wait = _turn(flips, open_before, position)
    if left is None or wait < left:
        return Opening(open_now, True, second + timedelta(seconds=wait))
    return Opening(open_now, True, _turn_across_offset_changes(week, zone, second + timedelta(seconds=left), open_now))


def _turn_across_offset_changes(week: Week, zone: ZoneInfo, change: datetime, open_now: bool) -> datetime | None:
    """When the week turns, from a change of the offset on. It hops from one change to the next: the week turns at one
    of its own seconds, or because the clocks jumped into or out of its hours."""
    flips, open_before = _pattern(week)
    for _ in range(_OFFSET_CHANGES_LOOKED_PAST):
        second, position, left = _stretch(zone, change)
        open_there, wait = _turn(flips, open_before, position)
        if open_there != open_now:
            return second
        if left is None or wait < left:
            return second + timedelta(seconds=wait)
        change = second + timedelta(seconds=left)
    return None


def _turn(flips: tuple[int, ...], open_before: bool, position: int) -> tuple[bool, int]:
    """Whether the week is open at this second of it, and how many seconds of an even clock later it turns."""
    passed = bisect_right(flips, position)
    following = flips[passed] if passed < len(flips) else flips[0] + _WEEK_S
    return open_before ^ (passed & 1 == 1), following - position


@lru_cache(maxsize=_WEEKS)
def _pattern(week: Week) -> tuple[tuple[int, ...], bool]:
    """The seconds of the week, in order, at which it turns, and whether it is open just before Monday 00:00."""
    open_before = bool(week) and week[-1][1] == _WEEK_S
    flips = {second % _WEEK_S for part in week for second in part}
    if open_before and week[0][0] == 0:
        flips.discard(0)  # open through the end of the week: nothing turns there
    return tuple(sorted(flips)), open_before


class _Stretch(NamedTuple):
    """Where a moment, cut to the second, lies: between two changes of the offset the wall clock runs evenly."""

    second: datetime
    position: int
    """Seconds since local Monday 00:00."""
    left: int | None
    """Seconds until the offset changes; None when that is a year away or more."""


@lru_cache(maxsize=_MOMENTS)
def _stretch(zone: ZoneInfo, now: datetime) -> _Stretch:
    second = now.replace(microsecond=0)
    local = second.astimezone(zone)
    position = local.weekday() * _DAY_S + local.hour * 3600 + local.minute * 60 + local.second
    change = next_offset_change(zone, second)
    return _Stretch(second, position, None if change is None else (change - second) // timedelta(seconds=1))


def open_seconds(week: Week, zone: ZoneInfo, start: datetime, end: datetime) -> int:
    """Real open seconds in [start, end): 7200 for a window of 02:00-03:00 on a day on which that hour comes twice.

    Both ends are cut to the second, so the parts of an interval add up to the whole. 0 when `end` is not after `start`.
    """
    return _open_seconds(
        week, zone, start if start.tzinfo is UTC else to_utc(start), end if end.tzinfo is UTC else to_utc(end)
    )


@lru_cache(maxsize=_WEEKS_AT_MOMENTS)
def _open_seconds(week: Week, zone: ZoneInfo, start: datetime, end: datetime) -> int:
    total = 0
    remaining = (end - start.replace(microsecond=0)) // timedelta(seconds=1)
    while remaining > 0:
        second, position, left = _stretch(zone, start)
        length = min(remaining, _OFFSET_KNOWN_FOR_S if left is None else left)
        total += _open_before(week, position + length) - _open_before(week, position)
        start = second + timedelta(seconds=length)
        remaining -= length
    return total


def _open_before(week: Week, position: int) -> int:
    """Open seconds from the start of the week to `position`, which may lie in a later week."""
    weeks, position = divmod(position, _WEEK_S)
    whole = sum(end - start for start, end in week) if weeks else 0
    return weeks * whole + sum(min(end, position) - start for start, end in week if start < position)
