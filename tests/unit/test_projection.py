"""What a month will come to."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from budget_pacer.month import days_to_come
from spending.projection import last_day_of, month_outlook

TODAY = date(2026, 5, 20)


def month_end(spent: dict[date, Decimal], posted: Decimal, today: date) -> Decimal | None:
    outlook = month_outlook(spent, posted, today)
    return None if outlook is None else outlook.unlimited.expected


def days_before(count: int, amount: str = "10") -> dict[date, Decimal]:
    return {TODAY - timedelta(days=back): Decimal(amount) for back in range(1, count + 1)}


def test_a_steady_month_goes_on_as_it_was() -> None:
    assert month_end(days_before(28), Decimal(190), TODAY) == Decimal("310.00")


def test_what_was_spent_today_is_not_expected_once_more() -> None:
    spent = {**days_before(28), TODAY: Decimal(4)}

    assert month_end(spent, Decimal(194), TODAY) == Decimal("310.00")
    assert month_end({**spent, TODAY: Decimal(30)}, Decimal(220), TODAY) == Decimal("330.00")


def test_the_days_that_are_left_are_like_their_weekdays() -> None:
    weekend = {day: Decimal(0) if day.weekday() >= 5 else amount for day, amount in days_before(28).items()}

    assert month_end(weekend, Decimal(130), TODAY) == Decimal("210.00"), "Wed 20 to Sun 31 May has 8 weekdays"


def test_each_day_that_is_left_has_its_own_figure() -> None:
    spent = {**days_before(28), TODAY: Decimal(25)}

    expected = days_to_come(spent, TODAY, last_day_of(TODAY))

    assert expected is not None
    assert list(expected) == [TODAY + timedelta(days=n) for n in range(12)], "20 to 31 May"
    assert expected[TODAY] == 25
    assert set(list(expected.values())[1:]) == {Decimal(10)}
    assert days_to_come(days_before(6), TODAY, last_day_of(TODAY)) is None


def test_a_week_must_be_known() -> None:
    assert month_end(days_before(6), Decimal(60), TODAY) is None
    assert month_end({}, Decimal(0), TODAY) is None
    assert month_end(days_before(7), Decimal(70), TODAY) == Decimal("190.00")


def test_monthly_fees_count_once() -> None:
    assert month_end(days_before(28), Decimal(190) + Decimal(500), TODAY) == Decimal("810.00")


@given(
    st.dictionaries(st.dates(date(2026, 4, 22), TODAY), st.decimals(0, 10**6, places=2), min_size=1),
    st.decimals(0, 10**6, places=2),
)
def test_it_is_never_less_than_what_is_spent(spent: dict[date, Decimal], posted: Decimal) -> None:
    projected = month_end(spent, posted, TODAY)

    assert projected is None or projected >= posted
