"""Local days of 23, 24 and 25 hours, and which parts of them are open."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget_pacer.day import InvalidOpenHours, check_week, is_open, local_day, open_daily, open_elapsed, opens_again

BERLIN = ZoneInfo("Europe/Berlin")
zones = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/Havana",
        "Atlantic/Azores",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Africa/Cairo",
    ]
).map(ZoneInfo)
dates = st.dates(date(2020, 1, 1), date(2027, 12, 31))


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 5, 4), 24), (date(2026, 10, 25), 25)])
def test_a_day_has_as_many_slots_as_real_hours(day: date, hours: int) -> None:
    found = local_day(BERLIN, None, day)

    assert len(found.slots) == hours
    assert found.open_s == found.end - found.start == hours * 3600


def test_the_skipped_hour_has_no_slot_and_the_repeated_one_has_two() -> None:
    spring = [slot.hour for slot in local_day(BERLIN, None, date(2026, 3, 29)).slots]
    autumn = [slot.hour for slot in local_day(BERLIN, None, date(2026, 10, 25)).slots]

    assert spring.count(2) == 0
    assert autumn.count(2) == 2


@given(zones, dates)
def test_days_follow_each_other_without_gap_and_slots_fill_them(zone: ZoneInfo, day: date) -> None:
    today = local_day(zone, None, day)
    tomorrow = local_day(zone, None, date.fromordinal(day.toordinal() + 1))

    assert today.end == tomorrow.start
    assert today.start == today.slots[0].start
    assert today.end == today.slots[-1].end
    assert all(a.end == b.start for a, b in zip(today.slots, today.slots[1:], strict=False))


@given(zones, dates, st.integers(0, 23), st.integers(1, 24))
def test_open_time_is_what_the_wall_clock_shows(zone: ZoneInfo, day: date, start: int, length: int) -> None:
    end = min(start + length, 24)
    week = open_daily(time(start), time(end % 24))
    found = local_day(zone, week, day)

    for moment in range(found.start, found.end, 1800):
        local = datetime.fromtimestamp(moment, zone)
        assert is_open(found, moment) == (start <= local.hour < end)
    assert open_elapsed(found, found.end) == found.open_s
    assert open_elapsed(found, found.start) == 0


def test_open_hours_at_a_quarter() -> None:
    day = local_day(BERLIN, open_daily(time(11), time(22)), date(2026, 5, 4))
    now = datetime(2026, 5, 4, 13, 45, tzinfo=BERLIN).timestamp()

    assert open_elapsed(day, now) / day.open_s == 0.25
    assert opens_again(day, day.start) == int(datetime(2026, 5, 4, 11, tzinfo=BERLIN).timestamp())
    assert opens_again(day, datetime(2026, 5, 4, 20, tzinfo=UTC).timestamp()) is None


@pytest.mark.parametrize("week", [((5, 5),), ((0, 9), (8, 20)), ((0, 700_000),)])
def test_open_hours_out_of_order_are_refused(week: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InvalidOpenHours, match="not in order"):
        check_week(week)
