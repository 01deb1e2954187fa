"""A week against the wall clock of a zone: open or not, since when, until when, also while the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.windows import (
    ALWAYS,
    NEVER,
    InvalidWindow,
    Opening,
    Week,
    Window,
    check_window,
    compile_week,
    is_open,
    next_change,
    next_opening,
    open_seconds,
    opening,
    whole_week,
)

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DAY_S = 86_400


def at(text: str) -> datetime:
    """An instant, written in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def in_berlin(text: str) -> datetime:
    """An instant, written as Berlin's wall clock shows it (the first time, if twice)."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def week_of(*windows: Window) -> Week:
    return compile_week(windows)


# Worked examples of the semantics


def test_friday_night_is_open_until_saturday_morning() -> None:
    # worked example 11
    week = week_of(Window(FRI, time(22), time(6), ends_next_day=True))

    assert not is_open(week, BERLIN, in_berlin("2026-06-05 21:59:59"))
    assert is_open(week, BERLIN, in_berlin("2026-06-05 22:00:00"))
    assert is_open(week, BERLIN, in_berlin("2026-06-06 05:59:59"))
    assert not is_open(week, BERLIN, in_berlin("2026-06-06 06:00:00"))
    assert not is_open(week, BERLIN, in_berlin("2026-06-07 02:00:00"))
    assert next_change(week, BERLIN, in_berlin("2026-06-06 05:59:59")) == in_berlin("2026-06-06 06:00")
    assert next_change(week, BERLIN, in_berlin("2026-06-06 06:00")) == in_berlin("2026-06-12 22:00")


def test_a_window_in_the_skipped_hour_does_not_open_that_day() -> None:
    # worked example 12, spring
    week = week_of(Window(SUN, time(2), time(3)))
    day = in_berlin("2026-03-29 00:00")

    assert not any(is_open(week, BERLIN, day + MINUTE * minute) for minute in range(24 * 60))
    assert open_seconds(week, BERLIN, day, day + DAY) == 0
    assert next_change(week, BERLIN, day) == in_berlin("2026-04-05 02:00")
    assert next_opening(week, BERLIN, day) == in_berlin("2026-04-05 02:00")


def test_a_window_in_the_repeated_hour_is_open_for_two_real_hours_without_a_break() -> None:
    # worked example 12, autumn
    week = week_of(Window(SUN, time(2), time(3)))
    day = in_berlin("2026-10-25 00:00")

    assert next_change(week, BERLIN, day) == at("2026-10-25 00:00")
    assert next_change(week, BERLIN, at("2026-10-25 00:00")) == at("2026-10-25 02:00")
    assert open_seconds(week, BERLIN, day, day + DAY) == 7200


def test_overlapping_windows_open_once_and_close_once() -> None:
    # worked example 13
    week = week_of(Window(MON, time(9), time(12)), Window(MON, time(11), time(15)))

    assert next_change(week, BERLIN, in_berlin("2026-06-01 00:00")) == in_berlin("2026-06-01 09:00")
    assert next_change(week, BERLIN, in_berlin("2026-06-01 09:00")) == in_berlin("2026-06-01 15:00")
    assert next_change(week, BERLIN, in_berlin("2026-06-01 15:00")) == in_berlin("2026-06-08 09:00")


def test_without_rows_it_is_open_and_without_an_active_row_it_is_not_and_says_so() -> None:
    # worked example 14
    now = in_berlin("2026-06-01 12:00")

    assert opening(None, BERLIN, now) == Opening(open=True, has_active=True, changes_at=None)
    assert opening(NEVER, BERLIN, now) == Opening(open=False, has_active=False, changes_at=None)


# Open or not, and until when


def test_the_first_instant_is_inside_and_the_last_is_not() -> None:
    week = week_of(Window(MON, time(9), time(17)))

    assert not is_open(week, BERLIN, in_berlin("2026-06-01 08:59:59.999999"))
    assert is_open(week, BERLIN, in_berlin("2026-06-01 09:00"))
    assert is_open(week, BERLIN, in_berlin("2026-06-01 16:59:59.999999"))
    assert not is_open(week, BERLIN, in_berlin("2026-06-01 17:00"))


def test_the_next_change_is_strictly_after_now_also_within_a_second() -> None:
    week = week_of(Window(MON, time(9), time(17)))

    assert next_change(week, BERLIN, in_berlin("2026-06-01 08:59:59.999999")) == in_berlin("2026-06-01 09:00")
    assert next_change(week, BERLIN, in_berlin("2026-06-01 09:00:00.000001")) == in_berlin("2026-06-01 17:00")


@pytest.mark.parametrize("week", [ALWAYS, NEVER, compile_week(whole_week())])
def test_what_never_changes_has_no_next_change(week: Week) -> None:
    assert next_change(week, BERLIN, in_berlin("2026-03-28 12:00")) is None


def test_always_is_open_now_and_never_does_not_open() -> None:
    now = in_berlin("2026-06-01 12:00")

    assert (is_open(ALWAYS, BERLIN, now), next_opening(ALWAYS, BERLIN, now)) == (True, now)
    assert (is_open(NEVER, BERLIN, now), next_opening(NEVER, BERLIN, now)) == (False, None)


def test_a_window_round_the_end_of_the_week_does_not_change_there() -> None:
    week = week_of(Window(SUN, time(22), time(6), ends_next_day=True))

    assert next_change(week, BERLIN, in_berlin("2026-06-07 23:00")) == in_berlin("2026-06-08 06:00")
    assert is_open(week, BERLIN, in_berlin("2026-06-08 00:00"))


def test_a_window_that_ends_or_starts_with_the_week_changes_there() -> None:
    evening = week_of(Window(SUN, time(22), time(0)))
    morning = week_of(Window(MON, time(0), time(6)))

    assert next_change(evening, BERLIN, in_berlin("2026-06-07 23:00")) == in_berlin("2026-06-08 00:00")
    assert next_change(morning, BERLIN, in_berlin("2026-06-07 23:00")) == in_berlin("2026-06-08 00:00")


def test_a_single_second_that_is_closed_is_found() -> None:
    week: Week = ((0, 100_000), (100_001, 604_800))
    monday = in_berlin("2026-06-01 00:00")

    assert next_change(week, BERLIN, monday) == monday + 100_000 * SECOND
    assert next_change(week, BERLIN, monday + 100_000 * SECOND) == monday + 100_001 * SECOND
    assert next_change(week, BERLIN, monday + 100_001 * SECOND) == monday + 7 * DAY + 100_000 * SECOND


def test_the_next_opening_is_now_when_open_and_the_start_of_a_window_when_not() -> None:
    week = week_of(Window(MON, time(9), time(17)))

    assert next_opening(week, BERLIN, in_berlin("2026-06-01 12:00:00.5")) == in_berlin("2026-06-01 12:00:00.5")
    assert next_opening(week, BERLIN, in_berlin("2026-06-01 17:00")) == in_berlin("2026-06-08 09:00")


def test_an_opening_says_all_at_once() -> None:
    week = week_of(Window(MON, time(9), time(17)))

    assert opening(week, BERLIN, in_berlin("2026-06-01 12:00")) == Opening(True, True, in_berlin("2026-06-01 17:00"))
    assert opening(week, BERLIN, in_berlin("2026-06-01 18:00")) == Opening(False, True, in_berlin("2026-06-08 09:00"))
    assert opening(ALWAYS, BERLIN, in_berlin("2026-06-01 18:00")) == Opening(True, True, None)


def test_every_answer_is_in_utc_and_now_may_be_in_any_zone() -> None:
    week = week_of(Window(MON, time(9), time(17)))
    now = in_berlin("2026-06-01 12:00").astimezone(ZoneInfo("Asia/Tokyo"))

    for answer in (
        next_change(week, BERLIN, now),
        opening(week, BERLIN, now).changes_at,
        next_opening(week, BERLIN, now),
    ):
        assert answer is not None
        assert answer.tzinfo is UTC


def test_a_moment_without_a_time_zone_is_refused() -> None:
    now = datetime.fromisoformat("2026-06-01 12:00")

    for ask in (is_open, next_change, next_opening, opening):
        with pytest.raises(ValueError, match="has no time zone"):
            ask(ALWAYS, BERLIN, now)
    with pytest.raises(ValueError, match="has no time zone"):
        open_seconds(ALWAYS, BERLIN, now, at("2026-06-02 00:00"))


def test_the_two_readings_of_a_repeated_hour_are_two_moments() -> None:
    week = week_of(Window(SUN, time(0), time(2, 30)))
    first = datetime(2026, 10, 25, 2, 15, tzinfo=BERLIN)
    second = first.replace(fold=1)
    assert first == second  # Python compares the wall clock, so a memo keyed by these would mix them up

    assert next_change(week, BERLIN, first) == at("2026-10-25 00:30")
    assert next_change(week, BERLIN, second) == at("2026-10-25 01:30")


# While the clocks change


def test_a_window_that_reaches_into_the_skipped_hour_closes_where_it_begins() -> None:
    week = week_of(Window(SUN, time(1), time(2, 30)))

    assert next_change(week, BERLIN, in_berlin("2026-03-29 01:30")) == at("2026-03-29 01:00")
    assert open_seconds(week, BERLIN, at("2026-03-28 23:00"), at("2026-03-29 22:00")) == 3600


def test_a_window_that_starts_in_the_skipped_hour_opens_where_it_ends() -> None:
    # 02:30 does not exist: as a fixed instant it would come out an hour off
    new_york = ZoneInfo("America/New_York")
    week = week_of(Window(SUN, time(2, 30), time(5)))

    assert next_change(week, new_york, at("2026-03-08 06:00")) == at("2026-03-08 07:00")
    assert next_change(week, new_york, at("2026-03-08 07:00")) == at("2026-03-08 09:00")


def test_a_window_that_ends_in_the_repeated_hour_opens_a_second_time() -> None:
    week = week_of(Window(SUN, time(1), time(2, 30)))
    changes = []
    now = in_berlin("2026-10-25 00:00")
    for _ in range(4):
        now = next_change(week, BERLIN, now) or now
        changes.append(now)

    assert changes == [
        at("2026-10-24 23:00"),  # 01:00
        at("2026-10-25 00:30"),  # 02:30 the first time
        at("2026-10-25 01:00"),  # back at 02:00
        at("2026-10-25 01:30"),  # 02:30 the second time
    ]
    assert open_seconds(week, BERLIN, at("2026-10-24 22:00"), at("2026-10-25 23:00")) == 7200


@pytest.mark.fault(32)
def test_an_overnight_window_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    week = week_of(Window(SAT, time(22), time(6), ends_next_day=True))

    assert open_seconds(week, BERLIN, in_berlin("2026-03-28 12:00"), in_berlin("2026-03-29 12:00")) == 7 * 3600
    assert open_seconds(week, BERLIN, in_berlin("2026-10-24 12:00"), in_berlin("2026-10-25 12:00")) == 9 * 3600


def test_lord_howe_loses_and_repeats_half_an_hour() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    week = week_of(Window(SUN, time(1, 30), time(2, 30)))

    assert open_seconds(week, lord_howe, at("2025-10-04 13:30"), at("2025-10-05 13:00")) == 1800
    assert open_seconds(week, lord_howe, at("2025-04-05 13:00"), at("2025-04-06 13:30")) == 5400


def test_a_friday_that_never_was_has_no_window() -> None:
    apia = ZoneInfo("Pacific/Apia")
    week = week_of(Window(FRI, time(0), time(0)))

    assert next_change(week, apia, at("2011-12-29 12:00")) == at("2012-01-05 10:00")
    assert open_seconds(week, apia, at("2011-12-28 10:00"), at("2012-01-05 10:00")) == 0


def test_the_evening_that_is_lived_twice_counts_twice() -> None:
    # Cairo's clocks go from midnight back to 23:00
    cairo = ZoneInfo("Africa/Cairo")
    week = week_of(Window(THU, time(23), time(0)))

    assert next_change(week, cairo, at("2024-10-31 12:00")) == at("2024-10-31 20:00")
    assert next_change(week, cairo, at("2024-10-31 20:00")) == at("2024-10-31 22:00")


def test_a_closing_that_two_changes_of_the_clocks_a_week_apart_put_off_is_found() -> None:
    # Summer in Noronha lasted one week in 2000. The Sunday it began has no 00:00; on the next the clock goes back
    # just before 00:00, and reaches it an hour later.
    noronha = ZoneInfo("America/Noronha")
    week: Week = ((0, 6 * DAY_S), (6 * DAY_S + 1800, 7 * DAY_S))

    assert next_change(week, noronha, at("2000-10-08 01:59")) == at("2000-10-15 02:00")
    assert next_change(week, noronha, at("2000-10-15 02:00")) == at("2000-10-15 02:30")


# Open seconds


def test_the_open_seconds_of_an_interval_are_cut_at_both_of_its_ends() -> None:
    week = week_of(Window(MON, time(9), time(17)))

    assert open_seconds(week, BERLIN, in_berlin("2026-06-01 16:59:50"), in_berlin("2026-06-08 09:00:05")) == 15
    assert open_seconds(week, BERLIN, in_berlin("2026-06-01 10:00"), in_berlin("2026-06-01 10:00:01")) == 1


def test_an_empty_or_backward_interval_has_no_open_seconds() -> None:
    now = in_berlin("2026-06-01 12:00")

    assert open_seconds(ALWAYS, BERLIN, now, now) == 0
    assert open_seconds(ALWAYS, BERLIN, now, now - HOUR) == 0


def test_a_year_of_always_is_a_year_of_seconds() -> None:
    assert open_seconds(ALWAYS, BERLIN, at("2025-01-01 00:00"), at("2026-01-01 00:00")) == 365 * DAY_S
    assert open_seconds(NEVER, BERLIN, at("2025-01-01 00:00"), at("2026-01-01 00:00")) == 0


def test_a_change_of_the_clocks_beyond_the_horizon_is_still_seen() -> None:
    # Kathmandu moved by 15 minutes on New Year 1986 and had not for decades before
    kathmandu = ZoneInfo("Asia/Kathmandu")
    week = week_of(Window(WED, time(0), time(0, 15)))
    weeks_without = open_seconds(week, kathmandu, at("1980-01-01 00:00"), at("1985-12-31 00:00"))

    assert weeks_without == 313 * 900
    assert open_seconds(week, kathmandu, at("1980-01-01 00:00"), at("1986-01-01 12:00")) == weeks_without


# Against brute force, over changes of the clocks

CHANGES = [
    ("Europe/Berlin", "2026-03-29 01:00"),
    ("Europe/Berlin", "2026-10-25 01:00"),
    ("America/New_York", "2025-03-09 07:00"),
    ("America/New_York", "2025-11-02 06:00"),
    ("Africa/Cairo", "2024-04-25 22:00"),
    ("Africa/Cairo", "2024-10-31 21:00"),
    ("Asia/Beirut", "2025-03-29 22:00"),
    ("Asia/Beirut", "2025-10-25 21:00"),
    ("America/Santiago", "2025-04-06 03:00"),
    ("America/Santiago", "2025-09-07 04:00"),
    ("America/Havana", "2025-03-09 05:00"),
    ("America/Havana", "2025-11-02 05:00"),
    ("Atlantic/Azores", "2025-03-30 01:00"),
    ("Atlantic/Azores", "2025-10-26 01:00"),
    ("Australia/Lord_Howe", "2025-04-05 15:00"),
    ("Australia/Lord_Howe", "2025-10-04 15:30"),
    ("Pacific/Auckland", "2025-04-05 14:00"),
    ("Pacific/Auckland", "2025-09-27 14:00"),
    ("Africa/Casablanca", "2025-02-23 02:00"),
    ("Africa/Casablanca", "2025-04-06 02:00"),
    ("Pacific/Apia", "2011-12-30 10:00"),
    ("America/St_Johns", "2025-03-09 05:30"),
    ("America/St_Johns", "2006-10-29 02:31"),
    ("Asia/Kathmandu", "1985-12-31 18:30"),
    ("Asia/Kolkata", "2026-01-04 18:30"),  # nothing but the end of a week
]
EACH_CHANGE = [
    pytest.param(*change, marks=() if number % 3 == 0 else pytest.mark.slow) for number, change in enumerate(CHANGES)
]

to_the_minute = st.builds(time, st.integers(0, 23), st.sampled_from([0, 0, 0, 1, 15, 29, 30, 31, 45, 58, 59]))
round_the_change = st.builds(time, st.integers(0, 3), st.sampled_from([0, 0, 30]))
to_the_second = st.builds(time, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))


def is_valid(window: Window) -> bool:
    try:
        check_window(window)
    except InvalidWindow:
        return False
    return True


def windows_of(times: st.SearchStrategy[time]) -> st.SearchStrategy[list[Window]]:
    window = st.builds(Window, st.integers(0, 6), times, times, st.booleans()).filter(is_valid)
    return st.lists(window, min_size=1, max_size=6)


@cache
def wall_clock(zone: str, start: datetime, step: timedelta, count: int) -> list[tuple[datetime, int, time]]:
    """Instants with the weekday and time that a clock on the wall shows."""
    moments = [start + step * number for number in range(count)]
    local = [moment.astimezone(ZoneInfo(zone)) for moment in moments]
    return [(moment, there.weekday(), there.time()) for moment, there in zip(moments, local, strict=True)]


def covers(window: Window, weekday: int, clock: time) -> bool:
    """The rule as people say it, without any arithmetic of the code under test."""
    whole_first = window.end in (time(0), time(23, 59), time(23, 59, 59))
    if not window.ends_next_day or window.end == time(0):
        return weekday == window.day_of_week and clock >= window.start and (whole_first or clock < window.end)
    if weekday == window.day_of_week:
        return clock >= window.start
    return weekday == (window.day_of_week + 1) % 7 and (whole_first or clock < window.end)


def walked(week: Week, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    changes = []
    change = next_change(week, zone, start)
    while change is not None and change < end:
        changes.append(change)
        change = next_change(week, zone, change)
    return changes


def assert_agrees(windows: list[Window], zone_name: str, clock: list[tuple[datetime, int, time]]) -> None:
    zone, week = ZoneInfo(zone_name), compile_week(windows)
    start, step = clock[0][0], clock[1][0] - clock[0][0]
    end = clock[-1][0] + step
    truth = [any(covers(window, weekday, there) for window in windows) for _, weekday, there in clock]
    turns = [moment for number, (moment, _, _) in enumerate(clock) if number and truth[number] != truth[number - 1]]

    assert is_open(week, zone, start) == truth[0]
    assert walked(week, zone, start, end) == turns
    assert open_seconds(week, zone, start, end) == sum(truth) * step // SECOND
    for number in [*range(0, len(clock), 97), *[(turn - start) // step + by for turn in turns for by in (-1, 0)]]:
        assert opening(week, zone, clock[number][0]).open == truth[number]


@pytest.mark.fault(32, 33)
@pytest.mark.parametrize(("zone", "change"), EACH_CHANGE)
def test_open_minutes_are_those_of_the_wall_clock_minute_by_minute(zone: str, change: str) -> None:
    @given(st.one_of(windows_of(to_the_minute), windows_of(round_the_change)))
    @settings(deadline=None, max_examples=8)
    def holds(windows: list[Window]) -> None:
        assert_agrees(windows, zone, wall_clock(zone, at(change) - 4 * DAY, MINUTE, 8 * 24 * 60))

    holds()


@pytest.mark.parametrize(("zone", "change"), EACH_CHANGE)
def test_openings_and_closings_are_exact_to_the_second(zone: str, change: str) -> None:
    start = at(change) - 4000 * SECOND
    clock = wall_clock(zone, start, SECOND, 8000)
    near = st.sampled_from([there for _, _, there in clock])

    @given(windows_of(st.one_of(near, to_the_second)))
    @settings(deadline=None, max_examples=5)
    def holds(windows: list[Window]) -> None:
        assert_agrees(windows, zone, clock)

    holds()


@pytest.mark.slow
@given(
    windows_of(to_the_second),
    st.sampled_from(CHANGES),
    st.lists(st.integers(-20 * DAY_S * 1000, 20 * DAY_S * 1000), min_size=3, max_size=3),
)
@settings(deadline=None, max_examples=200)
def test_the_open_seconds_of_the_parts_add_up_to_the_whole(
    windows: list[Window], place: tuple[str, str], offsets_ms: list[int]
) -> None:
    zone, week = ZoneInfo(place[0]), compile_week(windows)
    first, middle, last = (at(place[1]) + timedelta(milliseconds=offset) for offset in sorted(offsets_ms))

    whole = open_seconds(week, zone, first, last)
    assert open_seconds(week, zone, first, middle) + open_seconds(week, zone, middle, last) == whole
    assert 0 <= whole <= (last - first) / SECOND + 1


@pytest.mark.slow
@given(windows_of(to_the_second), st.sampled_from(CHANGES), st.integers(-20 * DAY_S, 20 * DAY_S))
@settings(deadline=None, max_examples=200)
def test_one_week_of_windows_always_changes_within_three(
    windows: list[Window], place: tuple[str, str], offset_s: int
) -> None:
    zone, week = ZoneInfo(place[0]), compile_week(windows)
    now = at(place[1]) + timedelta(seconds=offset_s)
    change = next_change(week, zone, now)

    if week in (ALWAYS, NEVER):
        assert change is None
        return
    assert change is not None
    assert now < change <= now + 21 * DAY
    assert is_open(week, zone, change) != is_open(week, zone, now) == is_open(week, zone, change - SECOND)
    assert next_opening(week, zone, now) == (now if is_open(week, zone, now) else change)
