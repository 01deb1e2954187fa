"""What a month comes to: a range, bounded by the budget that stops it, and the day on which that is used up."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from budget_pacer.month import look_ahead, weekday_weights

TODAY, LAST = date(2026, 5, 20), date(2026, 5, 31)


def days_before(count: int, amount: str = "10") -> dict[date, Decimal]:
    return {TODAY - timedelta(days=back): Decimal(amount) for back in range(1, count + 1)}


def test_the_budget_bounds_what_the_month_comes_to_and_says_when() -> None:
    outlook = look_ahead(days_before(28), Decimal(190), TODAY, LAST, budget=Decimal(250))

    assert outlook is not None
    assert outlook.unlimited.expected == Decimal("310.00")
    assert outlook.comes_to.expected == outlook.comes_to.high == 250
    assert outlook.is_stopped
    assert outlook.used_up_on == date(2026, 5, 25), "60 are left, and 20 May is the first of six days of 10"


def test_what_is_spent_beyond_the_budget_stays_spent() -> None:
    outlook = look_ahead(days_before(28), Decimal(190), TODAY, LAST, budget=Decimal(150))

    assert outlook is not None
    assert outlook.comes_to.low == outlook.comes_to.high == 190
    assert outlook.used_up_on == TODAY


def test_without_a_budget_or_below_it_nothing_is_used_up() -> None:
    for budget in (None, Decimal(1000)):
        outlook = look_ahead(days_before(28), Decimal(190), TODAY, LAST, budget=budget)
        assert outlook is not None
        assert outlook.used_up_on is None
        assert outlook.comes_to == outlook.unlimited


def test_the_range_is_wider_where_days_differ_and_where_few_are_known() -> None:
    def width(spent: dict[date, Decimal]) -> Decimal:
        outlook = look_ahead(spent, Decimal(190), TODAY, LAST)
        assert outlook is not None
        return outlook.unlimited.high - outlook.unlimited.low

    uneven = {day: amount + (5 if day.toordinal() // 7 % 2 else -5) for day, amount in days_before(28).items()}

    assert 0 < width(days_before(28)) < width(days_before(8)) < width(days_before(7))
    assert width(days_before(28)) < width(uneven)


def test_yen_have_no_decimals() -> None:
    spent = {day: Decimal(1000 + day.day) for day in days_before(28)}

    outlook = look_ahead(spent, Decimal(19000), TODAY, LAST, budget=Decimal(10**6), unit=Decimal(1))

    assert outlook is not None
    for amount in (outlook.unlimited.low, outlook.unlimited.expected, outlook.comes_to.high):
        assert amount == amount.to_integral_value()


def test_weekdays_weigh_what_they_brought_half_way_to_the_average() -> None:
    weekend = {day: Decimal(0) if day.weekday() >= 5 else Decimal(14) for day in days_before(28)}

    assert weekday_weights(weekend, TODAY) == (1.2,) * 5 + (0.5,) * 2
    assert weekday_weights(days_before(6), TODAY) == (1.0,) * 7
    assert weekday_weights({}, TODAY) == (1.0,) * 7


@given(
    st.dictionaries(st.dates(date(2026, 4, 22), TODAY), st.decimals(0, 10**6, places=2), min_size=1),
    st.decimals(0, 10**6, places=2),
    st.none() | st.decimals(0, 10**7, places=2),
)
def test_ranges_are_in_order_and_never_beyond_what_stops_them(
    spent: dict[date, Decimal], so_far: Decimal, budget: Decimal | None
) -> None:
    outlook = look_ahead(spent, so_far, TODAY, LAST, budget=budget)

    if outlook is None:
        return
    for one in (outlook.unlimited, outlook.comes_to):
        assert so_far <= one.low <= one.expected <= one.high
    if budget is not None:
        assert outlook.comes_to.high <= max(budget, so_far)
        assert outlook.unlimited.expected >= budget or outlook.used_up_on is None
