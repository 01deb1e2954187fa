"""What hours cost and return beside the average: learned from sums, shrunk where there is little."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import exp
from random import Random

import pytest

from budget_pacer import BudgetPacer, ChannelType, TrafficHour
from budget_pacer.levels import HourLevels
from tests.unit.pacing.clocks import Clock

MIDNIGHT = datetime(2026, 5, 5, tzinfo=UTC)


def levels(count: float, *, dear: float, value: float | None = None) -> HourLevels:
    """`count` opportunities in each hour; those of the first twelve cost `dear` times as much as the others."""
    made = HourLevels()
    for hour in range(24):
        made.add(hour, count, count * (dear if hour < 12 else 1.0), None if value is None else count * value)
    return made


def test_much_seen_is_believed_and_little_is_not() -> None:
    much, little = levels(100_000, dear=3).cost_factors(), levels(1, dear=3).cost_factors()

    assert [much[0], much[23]] == pytest.approx([1.5, 0.5], abs=0.01)
    assert [little[0], little[23]] == pytest.approx([1, 1], abs=0.01)


def test_nothing_seen_is_an_even_day() -> None:
    empty, free = HourLevels(), HourLevels()
    free.add(3, 5, 0.0, 2.0)

    assert (empty.mean_cost, free.mean_cost) == (None, 0.0)
    assert free.cost_factors() == empty.cost_factors() == [1.0] * 24
    assert empty.return_offsets(scored=True) == empty.return_offsets(scored=False) == [0.0] * 24


def test_unscored_opportunities_return_less_where_they_cost_more() -> None:
    found = levels(100_000, dear=3)

    assert [exp(-offset) for offset in found.return_offsets(scored=False)] == pytest.approx(found.cost_factors())
    assert found.return_offsets(scored=True) == [0.0] * 24, "nothing was scored"


def test_scored_ones_return_their_value_per_cost() -> None:
    offsets = levels(100_000, dear=3, value=7).return_offsets(scored=True)

    assert exp(offsets[23] - offsets[0]) == pytest.approx(3, rel=0.02)
    assert exp(offsets[0]) == pytest.approx((7 / 3) / (7 / 2), rel=0.02), "over the average return"


def test_the_unit_of_money_and_of_value_changes_nothing() -> None:
    one, other = HourLevels(), HourLevels()
    random = Random(1)
    for hour in range(24):
        count, cost, value = random.randint(1, 500), random.uniform(1, 900), random.uniform(0, 5)
        one.add(hour, count, cost, value)
        other.add(hour, count, cost * 1000, value / 7)

    assert one.cost_factors() == pytest.approx(other.cost_factors())
    assert one.return_offsets(scored=True) == pytest.approx(other.return_offsets(scored=True))


def test_past_days_fade() -> None:
    past = levels(100_000, dear=3)
    for _ in range(60):
        past.fade_into(levels(1000, dear=1), 0.7)

    assert past.cost_factors()[0] == pytest.approx(1, abs=0.01)


def left_at_the_end(*, known: bool) -> Decimal:
    """Of a budget of 240 on a day that offers about 340, two thirds of it in its dear half."""
    clock, random = Clock(MIDNIGHT), Random(3)
    pacer = BudgetPacer(clock=clock, frontload_protection_hours=0)
    week = [MIDNIGHT - timedelta(hours=back) for back in range(168, 0, -1)]
    pacer.learn_traffic(
        "c",
        ChannelType.DISPLAY,
        [
            TrafficHour(start, 60, 60 * (0.157 * (2 if start.hour < 12 else 1) if known else 0.236), 1.0)
            for start in week
        ],
    )
    pacer.allocate_hourly_budget("c", ChannelType.DISPLAY, Decimal(240))
    for second in sorted(random.uniform(0, 86_399) for _ in range(1440)):
        clock.now = MIDNIGHT + timedelta(seconds=second)
        cost = Decimal(round(random.uniform(0.5, 1.5) * (31.4 if second < 43_200 else 15.7))).scaleb(-2)
        if pacer.advise("c", ChannelType.DISPLAY, cost, random.lognormvariate(-5, 1)).approve:
            found = pacer.reserve("c", ChannelType.DISPLAY, cost)
            if found.granted:
                pacer.settle(found.reservation_id)
    return Decimal(240) - pacer.spent("c", ChannelType.DISPLAY)


def test_a_day_whose_evening_is_cheap_is_not_left_with_money() -> None:
    assert left_at_the_end(known=True) < 3
    assert left_at_the_end(known=False) > 10, "what knowing the hours is worth"
