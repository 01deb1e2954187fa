"""A day's plan under each strategy: sums, caps, closed hours, changes of the clocks, honest fallback."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budget_pacer import BudgetPacer, ChannelType, HourlyAllocation, InvalidAmount, PacingStrategy, open_daily
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE
CAP = Decimal("0.15")
strategies = st.sampled_from(list(PacingStrategy))
budgets = st.integers(0, 10_000_000).map(lambda cents: Decimal(cents).scaleb(-2))
hours_of_data = st.sampled_from([0, 5, 24, 100, 168, 400])


def taught(hours: int, seed: int = 0, *, clock: Clock | None = None, zone: str = "UTC") -> BudgetPacer:
    """A pacer with so many past hours, of which some bring much and some nothing."""
    clock = clock or Clock()
    pacer = BudgetPacer(clock=clock, timezone=zone)
    for back in range(hours, 0, -1):
        at = clock.now - timedelta(hours=back)
        clicks = 10 + (at.hour * 7 + seed) % 40
        pacer.learn(
            "c",
            GOOGLE,
            at,
            impressions=clicks * 20,
            clicks=clicks,
            conversions=5 if at.hour == 20 else seed % 2,
            cost=Decimal(clicks),
        )
    return pacer


def amounts(plan: list[HourlyAllocation]) -> list[Decimal]:
    return [entry.amount for entry in plan]


@given(strategies, budgets, hours_of_data, st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_amounts_add_up_and_caps_hold(strategy: PacingStrategy, budget: Decimal, hours: int, seed: int) -> None:
    plan = taught(hours, seed).allocate_hourly_budget("c", GOOGLE, budget, strategy)

    assert [entry.hour for entry in plan] == list(range(24))
    assert sum(amounts(plan)) == budget
    assert max(amounts(plan)) < budget * CAP + Decimal("0.01")
    assert all(0 <= entry.confidence_score <= 1 for entry in plan)
    assert sum(entry.base_allocation_pct for entry in plan) == pytest.approx(1)


@given(strategies, budgets, st.integers(1, 100_000), hours_of_data)
@settings(max_examples=30, deadline=None)
def test_no_hour_falls_when_the_budget_rises(
    strategy: PacingStrategy, budget: Decimal, more_cents: int, hours: int
) -> None:
    pacer = taught(hours)
    less = pacer.allocate_hourly_budget("c", GOOGLE, budget, strategy)
    more = pacer.allocate_hourly_budget("c", GOOGLE, budget + Decimal(more_cents).scaleb(-2), strategy)

    assert all(a <= b for a, b in zip(amounts(less), amounts(more), strict=True))


@given(strategies, st.integers(0, 23), st.integers(1, 24), hours_of_data)
@settings(max_examples=40, deadline=None)
def test_closed_hours_get_nothing(strategy: PacingStrategy, start: int, length: int, hours: int) -> None:
    pacer, end = taught(hours), min(start + length, 24)
    pacer.set_campaign("c", open_hours=open_daily(time(start), time(end % 24)))

    plan = pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000), strategy)

    assert sum(amounts(plan)) == 1000
    assert all((entry.amount > 0) == (start <= entry.hour < end) for entry in plan)
    closed = [entry.reason for entry in plan if not start <= entry.hour < end]
    assert set(closed) <= {"closed"}


def test_a_day_that_is_never_open_gets_nothing_at_all() -> None:
    pacer = BudgetPacer(clock=Clock())  # a Monday
    pacer.set_campaign("c", open_hours=open_daily(time(9), time(17), days=(2,)))

    assert sum(amounts(pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000)))) == 0
    assert pacer.can_spend("c", GOOGLE, Decimal(1)) == (False, pacer.can_spend("c", GOOGLE, Decimal(1))[1])


def test_a_campaign_open_for_three_hours_gets_a_third_in_each() -> None:
    pacer = BudgetPacer(clock=Clock())
    pacer.set_campaign("c", open_hours=open_daily(time(9), time(12)))

    plan = pacer.allocate_hourly_budget("c", GOOGLE, Decimal("900.00"))

    assert amounts(plan)[9:12] == [Decimal("300.00")] * 3


@pytest.mark.parametrize("strategy", list(PacingStrategy))
def test_a_skipped_hour_gets_nothing_and_a_repeated_one_both_parts(strategy: PacingStrategy) -> None:
    zone = ZoneInfo("Europe/Berlin")
    for day, of_two in ((datetime(2026, 3, 29, 12, tzinfo=zone), 0), (datetime(2026, 10, 25, 12, tzinfo=zone), 2)):
        pacer = BudgetPacer(clock=Clock(day), timezone="Europe/Berlin")

        plan = pacer.allocate_hourly_budget("c", GOOGLE, Decimal("1000.00"), strategy)

        assert len(plan) == 24
        assert sum(amounts(plan)) == 1000
        assert plan[2].base_allocation_pct == pytest.approx(of_two * plan[5].base_allocation_pct)


def test_without_a_day_of_data_every_strategy_is_even_and_says_so() -> None:
    for strategy in PacingStrategy:
        plan = taught(23).allocate_hourly_budget("c", GOOGLE, Decimal("240.00"), strategy)

        assert amounts(plan) == [Decimal("10.00")] * 24
        assert plan[0].confidence_score == 0
        assert "even" in plan[0].reason
        if strategy is not PacingStrategy.EVEN_DISTRIBUTION:
            assert "23 h of data, 24 h are needed" in plan[0].reason


def test_confidence_grows_from_a_day_to_a_week_of_data() -> None:
    scores = [taught(hours).allocate_hourly_budget("c", GOOGLE, Decimal(100))[12].confidence_score for hours in HOURS]

    assert scores == sorted(scores)
    assert scores[0] == 0
    assert scores[-1] > 0.8


HOURS = (10, 24, 100, 168, 336)


@pytest.mark.parametrize(
    "strategy",
    [PacingStrategy.PERFORMANCE_WEIGHTED, PacingStrategy.PREDICTIVE_ML, PacingStrategy.ADAPTIVE_HYBRID],
)
def test_the_hour_that_brings_the_conversions_gets_more(strategy: PacingStrategy) -> None:
    plan = taught(336).allocate_hourly_budget("c", GOOGLE, Decimal(1000), strategy)

    assert plan[20].performance_multiplier > 1.5
    assert plan[20].base_allocation_pct == max(entry.base_allocation_pct for entry in plan)
    assert plan[20].predicted_conversion_rate > 3 * plan[3].predicted_conversion_rate > 0
    assert plan[20].predicted_cost_per_click == pytest.approx(Decimal(1))


def test_the_historical_pattern_follows_traffic_and_not_returns() -> None:
    plan = taught(336).allocate_hourly_budget("c", GOOGLE, Decimal(1000), PacingStrategy.HISTORICAL_PATTERN)

    traffic = {entry.hour: 10 + entry.hour * 7 % 40 for entry in plan}
    busiest = max(traffic, key=lambda hour: traffic[hour])
    quietest = min(traffic, key=lambda hour: traffic[hour])
    assert plan[busiest].amount > 2 * plan[quietest].amount


def test_weekdays_differ_only_after_a_week_of_data() -> None:
    monday = datetime(2026, 5, 4, tzinfo=UTC)
    for hours, differ in ((24 * 6, False), (24 * 14, True)):
        clock = Clock(monday + timedelta(days=14))
        pacer = BudgetPacer(clock=clock)
        for back in range(hours, 0, -1):
            at = clock.now - timedelta(hours=back)
            clicks = 100 if (at.weekday(), at.hour) == (0, 9) else 10
            pacer.learn("c", GOOGLE, at, clicks=clicks, cost=Decimal(1))
        plan = pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000), PacingStrategy.HISTORICAL_PATTERN)
        assert (plan[9].amount > 2 * plan[10].amount) is differ


@pytest.mark.parametrize("budget", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal("0.0000001"), 1.5])
def test_amounts_that_are_no_money_are_refused(budget: Decimal) -> None:
    with pytest.raises(InvalidAmount):
        BudgetPacer().allocate_hourly_budget("c", GOOGLE, budget)


@pytest.mark.fault(42)
def test_yen_are_split_whole() -> None:
    pacer = BudgetPacer(clock=Clock())
    pacer.set_campaign("c", smallest_unit=Decimal(1))

    plan = pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))

    assert {entry.amount for entry in plan} == {Decimal(41), Decimal(42)}
