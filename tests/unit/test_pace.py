"""Over pace: a share of the budget well above the share of the open day that has passed."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from enforcement.pace import is_over, passed_share, ratio
from scheduling.windows import ALWAYS, NEVER, Week, Window, compile_week

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY_11_TO_22 = compile_week(Window(day, time(11), time(22)) for day in range(7))
MORNINGS = compile_week(Window(day, time(8), time(10)) for day in range(7))


def at(local: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=BERLIN, fold=fold)


def test_the_worked_example_is_one_point_six_times_as_fast_as_the_day() -> None:
    passed = passed_share([EVERY_DAY_11_TO_22], BERLIN, at("2026-05-05 13:45"))

    assert passed == 0.25
    assert ratio(0.4, passed) == pytest.approx(1.6)
    assert is_over(0.4, passed)


@pytest.mark.parametrize(
    ("weeks", "now", "share"),
    [
        ([None], "2026-05-05 06:00", 0.25),
        ([ALWAYS], "2026-05-05 00:00", 0.0),
        ([EVERY_DAY_11_TO_22], "2026-05-05 11:00", 0.0),
        ([EVERY_DAY_11_TO_22], "2026-05-05 23:00", 1.0),
        ([MORNINGS, EVERY_DAY_11_TO_22], "2026-05-05 10:30", 2 / 13),
        ([MORNINGS, None], "2026-05-05 12:00", 0.5),
        ([NEVER], "2026-05-05 12:00", 1.0),
        ([], "2026-05-05 12:00", 1.0),
    ],
)
def test_only_open_hours_count(weeks: list[Week | None], now: str, share: float) -> None:
    assert passed_share(weeks, BERLIN, at(now)) == pytest.approx(share)


def test_a_day_of_23_hours_and_one_of_25_pass_by_real_time() -> None:
    spring = passed_share([None], BERLIN, at("2026-03-29 12:00"))
    autumn = passed_share([None], BERLIN, at("2026-10-25 12:00"))

    assert spring == pytest.approx(11 / 23)
    assert autumn == pytest.approx(13 / 25)


def test_a_little_money_early_is_not_over_pace() -> None:
    assert not is_over(0.09, 0.001)
    assert is_over(0.1, 0.001)


def test_as_fast_as_the_day_and_a_little_faster_is_not_over_pace() -> None:
    assert not is_over(0.5, 0.5)
    assert not is_over(0.6, 0.5)
    assert is_over(0.63, 0.5)


def test_what_is_spent_before_the_day_opens_is_infinitely_fast() -> None:
    assert ratio(0.2, 0.0) == float("inf")
    assert is_over(0.2, 0.0)
