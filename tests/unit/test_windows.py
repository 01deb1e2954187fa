"""What a window means, how windows become a week, and how a week is stored and shown."""

from __future__ import annotations

from datetime import UTC, time
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduling.windows import (
    ALWAYS,
    NEVER,
    InvalidWindow,
    Week,
    Window,
    check_window,
    compile_week,
    week_from_text,
    week_to_text,
    whole_week,
    windows_from_week,
)

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
DAY_S = 86_400
WEEK_S = 7 * DAY_S
END_OF_DAY = (time(0, 0), time(23, 59), time(23, 59, 59))

times = st.builds(time, st.integers(0, 23), st.integers(0, 59), st.sampled_from([0, 0, 0, 1, 30, 59]))
times_with_favourites = st.one_of(times, st.sampled_from([time(0), time(0, 0, 1), time(12), time(23, 59), *END_OF_DAY]))


def is_valid(window: Window) -> bool:
    try:
        check_window(window)
    except InvalidWindow:
        return False
    return True


windows = st.builds(Window, st.integers(0, 6), times_with_favourites, times_with_favourites, st.booleans()).filter(
    is_valid
)
lists_of_windows = st.lists(windows, max_size=8)


def hours(day: int, start: float, end: float) -> tuple[int, int]:
    return int(day * DAY_S + start * 3600), int(day * DAY_S + end * 3600)


# One window


def test_a_window_is_half_open_seconds_of_the_week() -> None:
    assert compile_week([Window(TUE, time(9), time(17, 30))]) == (hours(TUE, 9, 17.5),)


@pytest.mark.fault(33)
@pytest.mark.parametrize("end", END_OF_DAY)
def test_an_end_at_the_last_minute_or_second_or_midnight_is_the_end_of_the_day(end: time) -> None:
    assert compile_week([Window(WED, time(18), end)]) == (hours(WED, 18, 24),)
    assert compile_week([Window(WED, time(0), end)]) == (hours(WED, 0, 24),)
    assert compile_week([Window(SUN, time(18), end)]) == (hours(SUN, 18, 24),)


def test_the_last_half_minute_of_a_day_can_be_a_window() -> None:
    assert compile_week([Window(MON, time(23, 59, 30), time(23, 59, 59))]) == ((DAY_S - 30, DAY_S),)
    assert compile_week([Window(MON, time(23, 59, 59), time(23, 59))]) == ((DAY_S - 1, DAY_S),)


def test_an_end_a_second_before_the_special_ones_is_meant_literally() -> None:
    assert compile_week([Window(MON, time(9), time(23, 58, 59))]) == ((9 * 3600, DAY_S - 61),)
    assert compile_week([Window(MON, time(9), time(23, 59, 58))]) == ((9 * 3600, DAY_S - 2),)


def test_a_window_into_the_next_day_belongs_to_the_day_on_which_it_starts() -> None:
    assert compile_week([Window(FRI, time(22), time(6), ends_next_day=True)]) == (hours(FRI, 22, 30),)


@pytest.mark.fault(32)
def test_a_window_from_sunday_into_monday_wraps_round_the_week() -> None:
    assert compile_week([Window(SUN, time(22), time(6), ends_next_day=True)]) == (hours(MON, 0, 6), hours(SUN, 22, 24))


def test_a_window_into_the_next_day_may_be_longer_than_a_day() -> None:
    assert compile_week([Window(FRI, time(9), time(17), ends_next_day=True)]) == (hours(FRI, 9, 41),)
    assert compile_week([Window(FRI, time(9), time(9), ends_next_day=True)]) == (hours(FRI, 9, 33),)
    assert compile_week([Window(SUN, time(9), time(17), ends_next_day=True)]) == (hours(MON, 0, 17), hours(SUN, 9, 24))


def test_a_window_into_the_next_day_that_ends_at_midnight_ends_between_the_two() -> None:
    assert compile_week([Window(FRI, time(22), time(0), ends_next_day=True)]) == (hours(FRI, 22, 24),)
    assert compile_week([Window(SUN, time(22), time(0), ends_next_day=True)]) == (hours(SUN, 22, 24),)


@pytest.mark.parametrize("end", [time(23, 59), time(23, 59, 59)])
def test_a_window_into_the_next_day_that_ends_in_its_last_minute_takes_all_of_that_day(end: time) -> None:
    assert compile_week([Window(FRI, time(22), end, ends_next_day=True)]) == (hours(FRI, 22, 48),)
    assert compile_week([Window(SUN, time(0), end, ends_next_day=True)]) == (hours(MON, 0, 24), hours(SUN, 0, 24))


# What is refused


def test_an_end_before_the_start_is_refused_and_told_how_to_be_said() -> None:
    with pytest.raises(InvalidWindow) as refusal:
        check_window(Window(FRI, time(22), time(6)))

    assert str(refusal.value) == (
        "Friday's window ends at 06:00, before it starts at 22:00. If it runs into the next day, say so: ends_next_day."
    )


def test_an_end_at_the_start_is_refused_and_told_both_ways_to_be_said() -> None:
    with pytest.raises(InvalidWindow) as refusal:
        check_window(Window(MON, time(9, 0, 30), time(9, 0, 30)))

    assert str(refusal.value) == (
        "Monday's window ends at 09:00:30, when it starts. If it runs into the next day, say so: ends_next_day; "
        "for a whole day, use 00:00 to 00:00."
    )


@pytest.mark.parametrize("day", [-1, 7, 100])
def test_a_day_outside_the_week_is_refused(day: int) -> None:
    with pytest.raises(InvalidWindow, match=f"^{day} is no day of the week"):
        check_window(Window(day, time(9), time(17)))


def test_a_time_with_a_time_zone_is_refused() -> None:
    for window in (Window(MON, time(9, tzinfo=UTC), time(17)), Window(MON, time(9), time(17, tzinfo=UTC))):
        with pytest.raises(InvalidWindow, match="has a time zone"):
            check_window(window)


def test_a_time_with_fractions_of_a_second_is_refused() -> None:
    for window in (
        Window(MON, time(9, 0, 0, 1), time(17)),
        Window(MON, time(9), time(23, 59, 59, 999_999)),
        Window(MON, time(9), time(6, 0, 0, 1), ends_next_day=True),
    ):
        with pytest.raises(InvalidWindow, match="fractions of a second"):
            check_window(window)


def test_compiling_refuses_what_checking_refuses() -> None:
    with pytest.raises(InvalidWindow, match="Saturday's window"):
        compile_week([Window(MON, time(9), time(17)), Window(SAT, time(3), time(2))])


# Several windows are a union


def test_overlapping_windows_are_one() -> None:
    # worked example 13
    week = compile_week([Window(MON, time(9), time(12)), Window(MON, time(11), time(15))])
    assert week == (hours(MON, 9, 15),)


def test_touching_windows_are_one() -> None:
    assert compile_week([Window(MON, time(9), time(12)), Window(MON, time(12), time(15))]) == (hours(MON, 9, 15),)
    assert compile_week([Window(MON, time(18), time(0)), Window(TUE, time(0), time(6))]) == (hours(MON, 18, 30),)


def test_a_window_inside_another_adds_nothing() -> None:
    assert compile_week([Window(MON, time(9), time(17)), Window(MON, time(10), time(11))]) == (hours(MON, 9, 17),)


def test_seven_whole_days_are_always() -> None:
    assert compile_week(whole_week()) == ALWAYS
    assert len(whole_week()) == 7
    assert sorted(window.day_of_week for window in whole_week()) == list(range(7))


def test_no_windows_are_never() -> None:
    assert compile_week([]) == NEVER


def open_seconds_of(window: Window) -> set[int]:
    """The plain meaning of a window, by the seconds 0, 1, 30 and 59 of each minute: all that `times` can tell apart."""
    day_ends = DAY_S
    start = window.start.hour * 3600 + window.start.minute * 60 + window.start.second
    end = window.end.hour * 3600 + window.end.minute * 60 + window.end.second
    if window.end == time(0):
        end = day_ends
    elif window.end in END_OF_DAY:
        end = 2 * day_ends if window.ends_next_day else day_ends
    elif window.ends_next_day:
        end += day_ends
    return {(window.day_of_week * DAY_S + second) % WEEK_S for second in told_apart(start, end)}


def told_apart(start: int, end: int) -> list[int]:
    return [
        second
        for minute in range(start // 60 * 60, end, 60)
        for second in (minute, minute + 1, minute + 30, minute + 59)
        if start <= second < end
    ]


@pytest.mark.fault(33)
@given(st.lists(windows, max_size=5))
@settings(deadline=None, max_examples=60)
def test_a_week_is_the_union_of_its_windows_to_the_second(written: list[Window]) -> None:
    week = compile_week(written)

    assert {second for start, end in week for second in told_apart(start, end)} == {
        second for window in written for second in open_seconds_of(window)
    }


@given(lists_of_windows)
@settings(deadline=None, max_examples=200)
def test_a_week_is_sorted_disjoint_and_never_touches_itself(written: list[Window]) -> None:
    edges = [edge for part in compile_week(written) for edge in part]

    assert edges == sorted(set(edges))
    assert all(0 <= edge <= WEEK_S for edge in edges)


@given(lists_of_windows, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_neither_the_order_nor_the_repetition_of_windows_matters(written: list[Window], random: Random) -> None:
    shuffled = [*written, *written[:2]]
    random.shuffle(shuffled)

    assert compile_week(shuffled) == compile_week(written)


# Showing a week


def test_a_week_is_shown_as_windows_that_stop_at_midnight() -> None:
    week = compile_week([Window(FRI, time(22), time(6), ends_next_day=True), Window(MON, time(9), time(17))])

    assert windows_from_week(week) == [
        Window(MON, time(9), time(17)),
        Window(FRI, time(22), time(0)),
        Window(SAT, time(0), time(6)),
    ]


def test_always_is_shown_as_seven_whole_days_and_never_as_none() -> None:
    assert windows_from_week(ALWAYS) == whole_week()
    assert windows_from_week(NEVER) == []


@given(lists_of_windows)
@settings(deadline=None, max_examples=200)
def test_the_windows_shown_compile_to_the_same_week(written: list[Window]) -> None:
    week = compile_week(written)
    shown = windows_from_week(week)

    assert compile_week(shown) == week
    assert not any(window.ends_next_day for window in shown)


@pytest.mark.parametrize("end", [DAY_S - 60, DAY_S - 1])
def test_a_week_that_no_windows_can_say_is_not_shown_as_another(end: int) -> None:
    with pytest.raises(ValueError, match=f"no windows say 0-{end}"):
        windows_from_week(((0, end),))


# Storing a week


def test_a_week_is_stored_as_the_seconds_of_its_parts() -> None:
    week = compile_week([Window(MON, time(9), time(18)), Window(TUE, time(9), time(18))])

    assert week_to_text(week) == "32400-64800,118800-151200"
    assert week_from_text("32400-64800,118800-151200") == week


def test_no_rows_and_no_active_rows_are_stored_apart() -> None:
    # worked example 14: all rows deleted is 24/7; a row that is kept inactive makes an empty schedule
    assert (week_to_text(None), week_from_text("")) == ("", None)
    assert (week_to_text(NEVER), week_from_text("-")) == ("-", NEVER)
    assert (week_to_text(ALWAYS), week_from_text("0-604800")) == ("0-604800", ALWAYS)


def test_the_same_text_gives_the_same_object() -> None:
    assert week_from_text("3600-7200,86400-90000") is week_from_text(",".join(["3600-7200", "86400-90000"]))


@given(lists_of_windows)
@settings(deadline=None, max_examples=200)
def test_a_stored_week_comes_back_as_it_was(written: list[Window]) -> None:
    week = compile_week(written)
    assert week_from_text(week_to_text(week)) == week


@pytest.mark.parametrize(
    "text",
    [
        "9-5",  # ends before it starts
        "5-5",  # empty
        "5-9,9-12",  # touching
        "5-9,8-12",  # overlapping
        "5-9,6-7",  # inside
        "10-12,5-9",  # unsorted
        "0-604801",  # past the week
        "604800-604801",
        "0-6048000",
        "-5-9",
        "05-9",  # not as it is written
        "+5-9",
        "5-9,",
        ",5-9",
        "5-9,,10-12",
        "5",
        "5-",
        "--",
        "- ",
        " ",
        " 5-9",
        "5-9\n",
        "-\n",
        "5 - 9",
        "5-9;10-12",
        "5.0-9",
        "1_0-20",
        "0x1-9",
        "٥-٩",  # Arabic-Indic digits
        "５-９",  # full-width digits
        "5-²",
        "5−9",  # a minus sign
        "None",
        "24/7",
        "5-9\x00",
    ],
)
def test_a_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no compiled week"):
        week_from_text(text)


@given(st.text(alphabet="0123456789-,", max_size=24))
@example("0-1,2-3")
@settings(deadline=None, max_examples=300)
def test_whatever_text_is_accepted_is_the_one_text_of_its_week(text: str) -> None:
    try:
        week = week_from_text(text)
    except ValueError:
        return

    assert week_to_text(week) == text
    assert is_a_week(week or NEVER)


def is_a_week(week: Week) -> bool:
    edges = [edge for part in week for edge in part]
    return edges == sorted(set(edges)) and all(0 <= edge <= WEEK_S for edge in edges)
