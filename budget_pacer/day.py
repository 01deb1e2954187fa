"""A campaign's local day: its hours in the order in which they really come, and which parts of them are open.

Pure: standard library only; the clock is never read. Moments are whole seconds since 1970 (UTC). A day has 23, 24 or 25
hours where clocks change; a `Slot` is one run of the local clock through one hour, so a repeated hour has two slots and
a skipped one has none.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

OpenWeek = tuple[tuple[int, int], ...]
"""[start, end) in seconds since local Monday 00:00: sorted, disjoint. None stands for always open."""

_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S
_DAYS_KEPT: Final = 8192


class InvalidOpenHours(ValueError):
    """Open hours that cannot be meant as they are written."""


class Slot(NamedTuple):
    """One run of the local clock through one hour."""

    start: int
    end: int
    hour: int
    """What the local clock shows: 0 to 23."""
    opens: tuple[tuple[int, int], ...]
    open_s: int


class Day(NamedTuple):
    """A local day. `end` is the start of the next one."""

    date: date
    start: int
    end: int
    slots: tuple[Slot, ...]
    open_before_slot: tuple[int, ...]
    """Open seconds of the day before each slot; one entry more than slots, the last is the sum."""
    slot_starts: tuple[int, ...]

    @property
    def open_s(self) -> int:
        """Open seconds of the whole day."""
        return self.open_before_slot[-1]


def open_daily(opens: time, closes: time, days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)) -> OpenWeek:
    """The same hours on the given weekdays (0 = Monday). An end of 00:00 is the end of the day; one that is not after
    the start is refused."""
    start = _second(opens)
    end = _second(closes) or _DAY_S
    if end <= start:
        raise InvalidOpenHours(f"open hours end at {closes:%H:%M}, not after their start at {opens:%H:%M}")
    return check_week(tuple((day * _DAY_S + start, day * _DAY_S + end) for day in sorted(set(days))))


def check_week(week: OpenWeek) -> OpenWeek:
    """The week itself. Raises InvalidOpenHours unless its parts are sorted, disjoint and inside the week."""
    last = 0
    for start, end in week:
        if not last <= start < end <= _WEEK_S:
            raise InvalidOpenHours(
                f"open hours {start}-{end} are not in order, overlap, or leave the week: give sorted [start, end) in "
                f"seconds since Monday 00:00, up to {_WEEK_S}"
            )
        last = end
    return week


def _second(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def day_at(zone: ZoneInfo, week: OpenWeek | None, at_s: float) -> Day:
    """The local day that contains a moment."""
    return local_day(zone, week, datetime.fromtimestamp(at_s, zone).date())


@lru_cache(maxsize=_DAYS_KEPT)
def local_day(zone: ZoneInfo, week: OpenWeek | None, day: date) -> Day:
    """The day of this date; without slots when the zone skipped the date."""
    start, end = _starts_at(zone, day), _starts_at(zone, day + timedelta(days=1))
    slots: list[Slot] = []
    at = start
    while at < end:
        offset = _offset(zone, at)
        change = _next_change(zone, at, end)
        while at < change:
            local = at + offset
            until = min(change, at + 3600 - local % 3600)
            opens = ((at, until),) if week is None else _open_parts(week, local, at, until)
            slots.append(Slot(at, until, local // 3600 % 24, opens, sum(b - a for a, b in opens)))
            at = until
    before = tuple(accumulate((slot.open_s for slot in slots), initial=0))
    return Day(day, start, end, tuple(slots), before, tuple(slot.start for slot in slots))


def _open_parts(week: OpenWeek, local: int, at: int, until: int) -> tuple[tuple[int, int], ...]:
    # The weekday comes from the wall clock itself: after a change at midnight it may still show the day before.
    position = (local - 4 * _DAY_S) % _WEEK_S  # 1970-01-05 was a Monday
    parts = []
    for start, end in week:
        a, b = max(start, position), min(end, position + until - at)
        if a < b:
            parts.append((at + a - position, at + b - position))
    return tuple(parts)


def slot_index(day: Day, at_s: float) -> int:
    """Which slot a moment of the day lies in; moments before or after the day count to its first or last."""
    return min(max(bisect_right(day.slot_starts, at_s) - 1, 0), len(day.slots) - 1)


def open_elapsed(day: Day, at_s: float) -> float:
    """Open seconds of the day before a moment."""
    if at_s >= day.end or not day.slots:
        return day.open_s
    index = slot_index(day, at_s)
    return day.open_before_slot[index] + slot_elapsed(day.slots[index], at_s)


def slot_elapsed(slot: Slot, at_s: float) -> float:
    """Open seconds of the slot before a moment."""
    return sum(min(b, at_s) - a for a, b in slot.opens if a < at_s)


def is_open(day: Day, at_s: float) -> bool:
    """Whether the campaign is open at a moment of the day."""
    return any(a <= at_s < b for a, b in day.slots[slot_index(day, at_s)].opens) if day.slots else False


def opens_again(day: Day, at_s: float) -> int | None:
    """The first open moment of the day from `at_s` on; None when it does not open again that day."""
    return next((max(a, int(at_s)) for slot in day.slots for a, b in slot.opens if b > at_s), None)


def moment_of_open_second(day: Day, second: float) -> float:
    """When so much open time of the day has passed: the inverse of open_elapsed, at the earliest moment."""
    for slot, before in zip(day.slots, day.open_before_slot, strict=False):
        if before + slot.open_s >= second:
            left = second - before
            for a, b in slot.opens:
                if left <= b - a:
                    return a + left
                left -= b - a
    return day.end


def _starts_at(zone: ZoneInfo, day: date) -> int:
    """The first second at which the local calendar shows `day` or a later date: midnight may be missing, or twice."""
    midnight = (day - date(1970, 1, 1)).days * _DAY_S
    low, high = midnight - _DAY_S, midnight + _DAY_S  # no zone is a day or more from UTC
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date() >= day:
            high = middle
        else:
            low = middle
    return high


def _next_change(zone: ZoneInfo, at: int, end: int) -> int:
    """The first second in (at, end) with another offset than at `at`; `end` when there is none."""
    offset = _offset(zone, at)
    low = at
    while low < end:
        high = min(low + 3600, end)
        if _offset(zone, high) != offset:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            return high
        low = high
    return end


def _offset(zone: ZoneInfo, at: int) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
