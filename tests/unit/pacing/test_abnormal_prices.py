"""Unit prices and conversions that are not as usual open the breaker; what is usual is learned and not fooled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from budget_pacer import AlertType, BudgetPacer, ChannelType, CircuitBreakerState, SpendTransaction
from budget_pacer.watch import PriceWatch
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE
CLOSED, OPEN, HALF_OPEN = CircuitBreakerState.CLOSED, CircuitBreakerState.OPEN, CircuitBreakerState.HALF_OPEN
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def known(weeks: int = 2, conversions: int = 10, **settings: object) -> tuple[BudgetPacer, Clock]:
    """A channel whose clicks cost 1.00 by day, 0.50 by night and a fifth more on Sundays, give or take a tenth."""
    clock, random = Clock(NOON), Random(1)
    pacer = BudgetPacer(clock=clock, **settings)  # type: ignore[arg-type]
    for hours in range(weeks * 168, 0, -1):
        at = NOON - timedelta(hours=hours)
        cost = Decimal(str(round(200 * usual(at) * (1 + random.uniform(-0.1, 0.1)), 2)))
        pacer.learn("c", GOOGLE, at, clicks=200, conversions=conversions, cost=cost)
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1_000_000))
    return pacer, clock


def usual(at: datetime) -> float:
    return (1.0 if 7 <= at.hour < 22 else 0.5) * (1.2 if at.weekday() == 6 else 1.0)


def buy(pacer: BudgetPacer, price: float, clicks: int = 100, conversions: int = 5) -> CircuitBreakerState:
    amount = Decimal(str(round(price * clicks, 2)))
    pacer.record_spend(SpendTransaction("c", GOOGLE, amount, clicks=clicks, conversions=conversions))
    pacer.check_pace("c", GOOGLE)
    return pacer.circuit_breaker_state("c", GOOGLE)


@pytest.mark.parametrize("price", [10.0, 0.1])
def test_a_price_far_from_usual_opens_it_at_once(price: float) -> None:
    pacer, _ = known()

    assert buy(pacer, price) is OPEN

    assert f"{price:.4g} for a click, usual at this hour are" in pacer.breaker("c", GOOGLE).reason


def test_ten_clicks_are_enough_for_a_price_that_is_out_of_all_proportion() -> None:
    pacer, _ = known()
    assert buy(pacer, 3.0, clicks=15) is CLOSED

    pacer, _ = known()
    assert buy(pacer, 30.0, clicks=15) is OPEN


def test_a_price_that_is_only_high_opens_it_when_it_stays() -> None:
    pacer, clock = known()

    assert buy(pacer, 1.7) is CLOSED
    clock.wait(600)
    assert buy(pacer, 1.7) is OPEN

    pacer, clock = known()
    assert [buy(pacer, price) for price in (1.7, 1.0, 1.7, 1.0)] == [CLOSED] * 4


def test_what_is_usual_depends_on_the_hour_of_the_week() -> None:
    pacer, clock = known()
    clock.now = NOON.replace(hour=23)
    pacer.check_pace("c", GOOGLE)

    assert [buy(pacer, 1.0), buy(pacer, 1.0)] == [CLOSED, OPEN]


def test_clicks_that_come_slowly_are_held_against_all_the_hours_they_come_from() -> None:
    pacer, clock = known()
    clock.now = NOON.replace(hour=18)
    for _ in range(11):
        assert buy(pacer, usual(clock.now), clicks=18) is CLOSED
        clock.wait(3600)
    assert buy(pacer, usual(clock.now), clicks=18) is CLOSED
    assert AlertType.PERFORMANCE_DEGRADATION not in pacer.active_alerts("c", GOOGLE)


def test_a_week_of_steady_prices_with_some_noise_is_quiet() -> None:
    pacer, clock = known()
    random = Random(2)
    for _ in range(7 * 24):
        price = usual(clock.now) * (1 + random.uniform(-0.2, 0.2))
        assert buy(pacer, price, conversions=random.choice([0, 2, 5, 8])) is CLOSED
        clock.wait(3600)


def test_less_than_a_week_of_prices_is_no_ground_for_a_verdict() -> None:
    pacer, clock = known(weeks=0)
    for hour in range(7 * 24 - 1):
        assert buy(pacer, 1.0 if hour % 50 else 20.0) is CLOSED
        clock.wait(3600)


def test_it_can_be_switched_off() -> None:
    pacer, _ = known(anomaly_z=None)
    assert [buy(pacer, 10.0, conversions=0) for _ in range(3)] == [CLOSED] * 3


def test_impressions_are_the_unit_where_no_clicks_are_counted() -> None:
    clock = Clock(NOON)
    pacer = BudgetPacer(clock=clock)
    for hours in range(200, 0, -1):
        pacer.learn("c", GOOGLE, NOON - timedelta(hours=hours), impressions=20_000, cost=Decimal(40))
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1_000_000))

    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(20), impressions=10_000))
    pacer.check_pace("c", GOOGLE)
    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(90), impressions=10_000))
    pacer.check_pace("c", GOOGLE)

    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    assert "9 for a thousand impressions, usual at this hour are 2 " in pacer.breaker("c", GOOGLE).reason


def test_clicks_reported_before_their_cost_are_not_taken_for_free_ones() -> None:
    pacer, _ = known()
    assert buy(pacer, 0.0, clicks=70, conversions=0) is CLOSED
    assert buy(pacer, 0.1, clicks=10, conversions=0) is CLOSED
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(80)))
    assert buy(pacer, 1.0, clicks=20) is CLOSED


def test_conversions_too_few_for_half_the_usual_rate_open_it_on_the_second_look() -> None:
    pacer, _ = known()
    for _ in range(3):
        assert buy(pacer, 1.0, clicks=1000, conversions=50) is CLOSED

    assert buy(pacer, 1.0, clicks=1000, conversions=0) is CLOSED
    assert buy(pacer, 1.0, clicks=1000, conversions=2) is OPEN

    assert "2 conversions of 1000 clicks" in pacer.breaker("c", GOOGLE).reason


@pytest.mark.parametrize("every", [1000, 10, 2])
def test_conversions_that_come_later_than_their_clicks_or_all_at_once_are_not_missed(every: int) -> None:
    pacer, _ = known()
    for number in range(1, 30):
        assert buy(pacer, 1.0, clicks=1000, conversions=0 if number % every else 50 * every) is CLOSED


def test_results_that_are_reported_apart_from_their_cost_are_looked_at_too() -> None:
    pacer, _ = known()
    for conversions in (50, 60, 40, 1, 0):
        pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(1000)))
        pacer.report_performance("c", GOOGLE, clicks=1000, conversions=conversions)
        pacer.check_pace("c", GOOGLE)

    assert "conversions of 1000 clicks" in pacer.breaker("c", GOOGLE).reason


def test_a_history_that_is_kept_elsewhere_is_asked_for_only_when_there_is_something_to_compare() -> None:
    asked = []
    given, clock = known()
    pacer = BudgetPacer(clock=clock, store=given.store, history_of=lambda *key: asked.append(key))
    pacer.check_pace("c", GOOGLE)
    buy(pacer, 1.0, clicks=9)
    assert asked == []

    buy(pacer, 1.0, clicks=1)
    assert asked == [("c", GOOGLE)]


def test_an_opened_breaker_closes_again_when_prices_are_back() -> None:
    pacer, clock = known()
    buy(pacer, 10.0)
    clock.wait(900)
    assert pacer.circuit_breaker_state("c", GOOGLE) is HALF_OPEN

    for _ in range(3):
        buy(pacer, 1.0)

    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED


def test_a_higher_price_that_stays_becomes_usual() -> None:
    pacer, clock = known()
    states = []
    for _ in range(7 * 24):
        states.append(buy(pacer, usual(clock.now) * 2))
        clock.wait(3600)

    assert OPEN in states[:3]
    assert set(states[-24:]) == {CLOSED}


def test_one_wild_hour_changes_little_of_what_is_usual() -> None:
    calm, wild = PriceWatch(), PriceWatch()
    random = Random(3)
    for hour in range(400):
        cost = 100 * random.uniform(0.8, 1.2)
        calm.add(hour % 168, hour, cost, 100, 0)
        wild.add(hour % 168, hour, cost * 1000 if hour == 350 else cost, 100, 0)

    assert abs(wild.usual(400 % 168) - calm.usual(400 % 168)) < calm.sd / 3
    assert wild.sd < calm.sd * 1.1


def test_late_hours_and_hours_with_few_clicks_teach_nothing() -> None:
    watch = PriceWatch()
    watch.add(5, 100, 10.0, 100, 0)
    watch.add(4, 99, 99.0, 100, 0)
    watch.add(6, 101, 50.0, 9, 0)
    watch.add(7, 102, 10.0, 100, 0)

    assert watch.hours == 1
    assert watch.judge(7, 1, 10.0, 100, 0) is None
