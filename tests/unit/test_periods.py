"""Local calendars: the date somewhere, and the instants at which its days and months begin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from brands.periods import (
    day_length,
    day_starts_at,
    days_in_month,
    local_date,
    month_start,
    next_midnight,
    next_month,
    next_month_start,
    next_offset_change,
)

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
EVERY_ZONE = sorted(available_timezones())


def at(text: str) -> datetime:
    """An instant, written in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(zone: ZoneInfo, moment: datetime) -> date:
    """What a calendar on the wall there shows."""
    return moment.astimezone(zone).date()


zones = st.sampled_from(EVERY_ZONE).map(ZoneInfo)
moments = st.integers(0, int((datetime(2038, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())).map(
    lambda second: EPOCH + timedelta(seconds=second)
)


# The date there


def test_the_local_date_is_that_of_the_zone_not_of_utc() -> None:
    assert local_date(BERLIN, at("2026-05-31 21:59:59")) == date(2026, 5, 31)
    assert local_date(BERLIN, at("2026-05-31 22:00:00")) == date(2026, 6, 1)
    assert local_date(ZoneInfo("Asia/Kathmandu"), at("2026-05-31 18:14:59")) == date(2026, 5, 31)
    assert local_date(ZoneInfo("Asia/Kathmandu"), at("2026-05-31 18:15:00")) == date(2026, 6, 1)


def test_the_two_sides_of_the_date_line_show_different_dates() -> None:
    assert local_date(ZoneInfo("Pacific/Kiritimati"), at("2026-01-01 10:30")) == date(2026, 1, 2)
    assert local_date(ZoneInfo("Pacific/Pago_Pago"), at("2026-01-01 10:30")) == date(2025, 12, 31)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    for ask in (local_date, next_midnight, next_month, next_offset_change):
        with pytest.raises(ValueError, match="has no time zone"):
            ask(BERLIN, at("2026-05-31 12:00").replace(tzinfo=None))


def test_a_moment_may_be_given_in_any_time_zone_and_the_answer_is_in_utc() -> None:
    in_utc = at("2026-05-31 21:30")
    in_tokyo = in_utc.astimezone(ZoneInfo("Asia/Tokyo"))
    in_an_offset = in_utc.astimezone(timezone(timedelta(hours=-9)))

    for moment in (in_utc, in_tokyo, in_an_offset):
        assert local_date(BERLIN, moment) == date(2026, 5, 31)
        for answer in (next_midnight(BERLIN, moment), next_month(BERLIN, moment)):
            assert answer == at("2026-05-31 22:00")
            assert answer.tzinfo is UTC


def test_the_two_readings_of_a_repeated_hour_are_two_moments() -> None:
    havana = ZoneInfo("America/Havana")
    first = datetime(2025, 11, 2, 0, 30, tzinfo=havana)
    second = first.replace(fold=1)
    assert first == second  # Python compares the wall clock, so a memo keyed by these would mix them up

    assert next_offset_change(havana, first) == at("2025-11-02 05:00")
    assert next_offset_change(havana, second) == at("2026-03-08 05:00")


# Days


@pytest.mark.fault(30, 31)
@pytest.mark.parametrize(
    ("zone", "day", "starts_at", "hours"),
    [
        ("UTC", "2026-03-29", "2026-03-29 00:00", 24),
        ("Europe/Berlin", "2026-03-28", "2026-03-27 23:00", 24),
        ("Europe/Berlin", "2026-03-29", "2026-03-28 23:00", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24 22:00", 25),
        ("America/New_York", "2026-03-08", "2026-03-08 05:00", 23),
        ("America/New_York", "2026-11-01", "2026-11-01 04:00", 25),
        ("Australia/Lord_Howe", "2025-10-05", "2025-10-04 13:30", 23.5),
        ("Australia/Lord_Howe", "2025-04-06", "2025-04-05 13:00", 24.5),
        # midnight is skipped: the day starts at 01:00
        ("Africa/Cairo", "2024-04-26", "2024-04-25 22:00", 23),
        ("Asia/Beirut", "2025-03-30", "2025-03-29 22:00", 23),
        ("America/Santiago", "2025-09-07", "2025-09-07 04:00", 23),
        ("America/Havana", "2025-03-09", "2025-03-09 05:00", 23),
        ("Atlantic/Azores", "2025-03-30", "2025-03-30 01:00", 23),
        ("America/Asuncion", "2023-10-01", "2023-10-01 04:00", 23),
        # midnight comes twice: the first is the start
        ("America/Havana", "2025-11-02", "2025-11-02 04:00", 25),
        ("Atlantic/Azores", "2025-10-26", "2025-10-26 00:00", 25),
        # the clock goes from midnight back to 23:00, so the evening is the longer day
        ("Africa/Cairo", "2024-10-31", "2024-10-30 21:00", 25),
        ("America/Santiago", "2025-04-05", "2025-04-05 03:00", 25),
    ],
)
def test_a_day_starts_at_its_first_existing_instant_and_has_its_real_length(
    zone: str, day: str, starts_at: str, hours: float
) -> None:
    assert day_starts_at(ZoneInfo(zone), date.fromisoformat(day)) == at(starts_at)
    assert day_length(ZoneInfo(zone), date.fromisoformat(day)) == timedelta(hours=hours)


def test_a_skipped_date_starts_with_the_next_and_has_no_length() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert day_starts_at(apia, date(2011, 12, 29)) == at("2011-12-29 10:00")
    assert day_starts_at(apia, date(2011, 12, 30)) == at("2011-12-30 10:00")
    assert day_starts_at(apia, date(2011, 12, 31)) == at("2011-12-30 10:00")
    assert day_length(apia, date(2011, 12, 30)) == timedelta(0)
    assert day_length(apia, date(2011, 12, 31)) == DAY
    assert next_midnight(apia, at("2011-12-30 09:59:59")) == at("2011-12-30 10:00")
    assert local_date(apia, at("2011-12-30 10:00")) == date(2011, 12, 31)

    kwajalein = ZoneInfo("Pacific/Kwajalein")
    assert day_length(kwajalein, date(1993, 8, 21)) == timedelta(0)
    assert next_midnight(kwajalein, at("1993-08-21 11:00")) == day_starts_at(kwajalein, date(1993, 8, 22))


def test_a_date_that_is_left_and_comes_back_starts_the_first_time() -> None:
    # Until 2011 Newfoundland put its clocks back at 00:01, so one minute of Sunday was followed by an hour of Saturday.
    newfoundland = ZoneInfo("America/St_Johns")

    assert day_starts_at(newfoundland, date(2006, 10, 29)) == at("2006-10-29 02:30")
    assert local_date(newfoundland, at("2006-10-29 02:30")) == date(2006, 10, 29)
    assert local_date(newfoundland, at("2006-10-29 02:31")) == date(2006, 10, 28)
    assert next_midnight(newfoundland, at("2006-10-29 02:31")) == at("2006-10-29 03:30")


def test_the_next_midnight_is_strictly_after_now() -> None:
    assert next_midnight(BERLIN, at("2026-05-31 21:59:59.999999")) == at("2026-05-31 22:00")
    assert next_midnight(BERLIN, at("2026-05-31 22:00")) == at("2026-06-01 22:00")


def test_the_next_midnight_lies_before_the_first_of_two_and_a_day_after_either() -> None:
    azores = ZoneInfo("Atlantic/Azores")
    assert next_midnight(azores, at("2025-10-25 23:30")) == at("2025-10-26 00:00")
    assert next_midnight(azores, at("2025-10-26 00:30")) == at("2025-10-27 01:00")
    assert next_midnight(azores, at("2025-10-26 01:30")) == at("2025-10-27 01:00")


@pytest.fixture(scope="module")
def days_to_try() -> dict[str, list[date]]:
    """Of every zone, 2024 to 2028: each day within two of a change of the clocks, and each seventh of the others."""
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(5 * 365 + 2)]
    noons = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
    chosen = {}
    for name in EVERY_ZONE:
        zone = ZoneInfo(name)
        offsets = [noon.astimezone(zone).utcoffset() for noon in noons]
        near = set(range(0, len(days), 7))
        for position, (before, after) in enumerate(pairwise(offsets)):
            if before != after:
                near.update(range(max(0, position - 2), min(len(days), position + 4)))
        chosen[name] = [days[position] for position in sorted(near)]
    return chosen


@pytest.mark.slow
@pytest.mark.fault(31)
def test_in_every_zone_a_day_starts_where_the_calendar_turns_to_it_from_the_day_before(
    days_to_try: dict[str, list[date]],
) -> None:
    wrong = []
    for name, days in days_to_try.items():
        zone = ZoneInfo(name)
        for day in days:
            start = day_starts_at(zone, day)
            if shown(zone, start) != day or shown(zone, start - SECOND) != day - DAY:
                wrong.append((name, day))

    assert wrong == []
    assert len(days_to_try) > 400


@pytest.mark.fault(30, 31)
@pytest.mark.slow
def test_in_every_zone_the_days_follow_each_other_without_gap_or_overlap(days_to_try: dict[str, list[date]]) -> None:
    wrong = []
    for name, days in days_to_try.items():
        zone = ZoneInfo(name)
        for day in days:
            start, end = day_starts_at(zone, day), day_starts_at(zone, day + DAY)
            if next_midnight(zone, start) != end or next_midnight(zone, end - SECOND) != end:
                wrong.append((name, day))
            if day_length(zone, day) != end - start or not 22 * HOUR <= end - start <= 26 * HOUR:
                wrong.append((name, day))

    assert wrong == []


@given(zones, moments)
@example(ZoneInfo("America/St_Johns"), at("2006-10-29 02:15"))
@example(ZoneInfo("Pacific/Apia"), at("2011-12-30 09:00"))
@example(ZoneInfo("Pacific/Kwajalein"), at("1969-09-30 10:00"))
@settings(deadline=None, max_examples=300)
def test_no_instant_before_the_next_midnight_shows_a_later_date(zone: ZoneInfo, now: datetime) -> None:
    midnight = next_midnight(zone, now)

    today = shown(zone, now)
    assert now < midnight <= now + timedelta(hours=49)
    assert shown(zone, midnight) > today
    for moment in [now + timedelta(minutes=10) * step for step in range((midnight - now) // timedelta(minutes=10))]:
        assert shown(zone, moment) <= today
    assert shown(zone, midnight - SECOND) <= today


@given(zones, moments)
@settings(deadline=None, max_examples=300)
def test_every_moment_lies_in_the_day_or_month_that_its_local_date_names(zone: ZoneInfo, now: datetime) -> None:
    today = local_date(zone, now)

    assert today == shown(zone, now)
    assert day_starts_at(zone, today) <= now
    assert day_starts_at(zone, month_start(today)) <= now < next_month(zone, now)
    assert shown(zone, next_month(zone, now)) >= next_month_start(today)
    assert shown(zone, next_month(zone, now) - SECOND) < next_month_start(today)


# Months


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@pytest.mark.fault(36)
def test_every_day_from_1970_to_2100_has_the_right_month() -> None:
    wrong = 0
    day = date(1970, 1, 1)
    while day.year <= 2100:
        length = [31, 29 if is_leap(day.year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][day.month - 1]
        first = day - timedelta(days=day.day - 1)
        wrong += (
            month_start(day) != first
            or next_month_start(day) != first + timedelta(days=length)
            or days_in_month(day) != length
        )
        day += DAY

    assert wrong == 0


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    ("day", "following"),
    [
        ("2024-02-29", "2024-03-01"),
        ("2025-02-28", "2025-03-01"),
        ("2100-02-28", "2100-03-01"),
        ("2026-01-31", "2026-02-01"),
        ("2026-12-31", "2027-01-01"),
    ],
)
def test_the_last_day_of_a_month_is_followed_by_the_next_month(day: str, following: str) -> None:
    assert next_month_start(date.fromisoformat(day)) == date.fromisoformat(following)


def test_the_month_turns_at_local_midnight() -> None:
    assert next_month(BERLIN, at("2026-10-31 22:59:59")) == at("2026-10-31 23:00")
    assert next_month(BERLIN, at("2026-10-31 23:00")) == at("2026-11-30 23:00")
    # Both changes of the clocks and a leap day lie in the months passed over
    assert next_month(BERLIN, at("2026-03-01 12:00")) == at("2026-03-31 22:00")
    assert next_month(BERLIN, at("2026-10-01 12:00")) == at("2026-10-31 23:00")
    assert next_month(BERLIN, at("2028-02-01 12:00")) == at("2028-02-29 23:00")


def test_a_month_starts_at_one_where_midnight_of_the_first_is_skipped() -> None:
    assert next_month(ZoneInfo("America/Asuncion"), at("2023-09-15 12:00")) == at("2023-10-01 04:00")


# Changes of the offset


@pytest.mark.parametrize(
    ("zone", "now", "change"),
    [
        ("Europe/Berlin", "2026-01-01 00:00", "2026-03-29 01:00"),
        ("Europe/Berlin", "2026-03-29 00:59:59.999999", "2026-03-29 01:00"),
        ("Europe/Berlin", "2026-03-29 01:00", "2026-10-25 01:00"),
        ("Europe/Berlin", "2026-10-25 01:00", "2027-03-28 01:00"),
        ("America/New_York", "2025-01-01 00:00", "2025-03-09 07:00"),
        ("America/St_Johns", "2025-01-01 00:00", "2025-03-09 05:30"),
        ("America/St_Johns", "2006-10-01 00:00", "2006-10-29 02:31"),
        ("Australia/Lord_Howe", "2025-05-01 00:00", "2025-10-04 15:30"),
        ("Pacific/Auckland", "2025-05-01 00:00", "2025-09-27 14:00"),
        ("Africa/Casablanca", "2025-01-01 00:00", "2025-02-23 02:00"),
        ("Africa/Casablanca", "2025-02-23 02:00", "2025-04-06 02:00"),
        ("Pacific/Apia", "2011-12-01 00:00", "2011-12-30 10:00"),
        # a summer of one week
        ("America/Noronha", "2000-09-01 00:00", "2000-10-08 02:00"),
        ("America/Noronha", "2000-10-08 02:00", "2000-10-15 01:00"),
        ("Asia/Kathmandu", "1985-01-01 00:00", "1985-12-31 18:30"),
        # the offset itself had seconds, and the change falls on one
        ("Africa/Monrovia", "1971-06-01 00:00", "1972-01-07 00:44:30"),
        # new year's midnight in UTC belongs to neither year's inside
        ("Asia/Singapore", "1981-06-01 00:00", "1981-12-31 16:00"),
        ("UTC", "2026-01-01 00:00", None),
        ("Asia/Kathmandu", "2020-01-01 00:00", None),
    ],
)
def test_the_next_change_of_the_offset_is_exact_to_the_second(zone: str, now: str, change: str | None) -> None:
    assert next_offset_change(ZoneInfo(zone), at(now)) == (at(change) if change else None)


@pytest.mark.slow
@given(zones, moments)
@settings(deadline=None, max_examples=100)
def test_the_offset_stays_until_the_next_change_and_differs_from_there(zone: ZoneInfo, now: datetime) -> None:
    change = next_offset_change(zone, now)

    offset = now.astimezone(zone).utcoffset()
    end = now + timedelta(days=366) if change is None else change
    assert end > now
    for hour in range((end - SECOND - now) // HOUR):
        assert (now + hour * HOUR).astimezone(zone).utcoffset() == offset
    if change is not None:
        assert (change - SECOND).astimezone(zone).utcoffset() == offset
        assert change.astimezone(zone).utcoffset() != offset


def test_the_end_of_the_calendar_is_no_trap() -> None:
    assert next_offset_change(BERLIN, at("9999-06-01 12:00")) is None
    assert local_date(BERLIN, at("9999-12-31 12:00")) == date(9999, 12, 31)
    assert day_starts_at(BERLIN, date(9999, 12, 31)).year == 9999
