"""The breaker's transitions, as a state machine beside a naive model, and one by one through the pacer."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from budget_pacer import (
    AlertType,
    BudgetPacer,
    ChannelType,
    CircuitBreakerState,
    InvalidConfiguration,
    PacerConfig,
    PacingAlert,
    SpendTransaction,
    UnknownBudget,
)
from budget_pacer import breaker as breakers
from tests.unit.pacing.clocks import Clock

GOOGLE, FACEBOOK = ChannelType.GOOGLE, ChannelType.FACEBOOK
CLOSED, OPEN, HALF_OPEN = CircuitBreakerState.CLOSED, CircuitBreakerState.OPEN, CircuitBreakerState.HALF_OPEN
CONFIG = PacerConfig()


class BreakerMachine(RuleBasedStateMachine):
    """Whatever happens: an open breaker turns half-open with time only, and closes through clean data only."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now = breakers.NEW, 0.0

    def apply(self, after: breakers.Breaker, allowed: set[tuple[CircuitBreakerState, CircuitBreakerState]]) -> None:
        before = self.breaker.state
        self.breaker = after
        assert before is after.state or (before, after.state) in allowed

    @rule(seconds=st.integers(0, 8000))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        due = breakers.reopens_at(self.breaker, CONFIG)
        after = breakers.at(self.breaker, self.now, CONFIG)
        if self.breaker.state is OPEN:
            assert (after.state is HALF_OPEN) == (self.now >= due)
        self.apply(after, {(OPEN, HALF_OPEN)})

    @rule()
    def grave_breach(self) -> None:
        self.apply(breakers.tripped(self.breaker, "x", self.now), {(CLOSED, OPEN), (HALF_OPEN, OPEN)})
        assert self.breaker.state is OPEN

    @rule()
    def overspend(self) -> None:
        trips = self.breaker.state is not CLOSED or self.breaker.overspends + 1 == CONFIG.overspends_to_trip
        self.apply(breakers.overspent(self.breaker, "x", self.now, CONFIG), {(CLOSED, OPEN), (HALF_OPEN, OPEN)})
        assert (self.breaker.state is OPEN) == trips

    @rule(breach=st.sampled_from(["low", None]))
    def judged(self, breach: str | None) -> None:
        before, in_a_row = self.breaker.state, self.breaker.breaches + 1
        self.apply(breakers.judged(self.breaker, breach, self.now, CONFIG), {(CLOSED, OPEN), (HALF_OPEN, OPEN)})
        trips = breach is not None and (before is HALF_OPEN or in_a_row >= CONFIG.breaches_to_trip)
        assert (self.breaker.state is OPEN) == (before is OPEN or trips)

    @rule()
    def clean_transaction(self) -> None:
        before, in_a_row = self.breaker.state, self.breaker.clean + 1
        self.apply(breakers.went_well(self.breaker, CONFIG), {(HALF_OPEN, CLOSED)})
        closes = before is HALF_OPEN and in_a_row == CONFIG.clean_to_close
        assert (self.breaker.state is CLOSED) == (before is CLOSED or closes)

    @invariant()
    def the_cooldown_is_bounded(self) -> None:
        assert 1 <= self.breaker.cooldowns <= 8
        assert self.breaker.state is CLOSED or self.breaker.reason


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def pacer_at_noon(**settings: int) -> tuple[BudgetPacer, Clock]:
    clock = Clock()
    pacer = BudgetPacer(clock=clock)
    for name, value in settings.items():
        setattr(pacer, name, value)
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))
    return pacer, clock


def spend(pacer: BudgetPacer, amount: str, clicks: int = 0) -> None:
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(amount), clicks=clicks))


def test_ninety_percent_ahead_of_plan_opens_it_and_the_end_of_the_day_does_not() -> None:
    pacer, clock = pacer_at_noon()
    spend(pacer, "910")
    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    assert "ahead of plan" in pacer.can_spend("c", GOOGLE, Decimal(1))[1]

    pacer, clock = pacer_at_noon()
    clock.now = clock.now.replace(hour=22, minute=30)
    spend(pacer, "990")
    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED
    clock.wait(3600)
    assert pacer.can_spend("c", GOOGLE, Decimal(1)) == (True, "ok")


def test_an_opened_breaker_probes_after_the_cooldown_and_closes_by_clean_data() -> None:
    pacer, clock = pacer_at_noon()
    spend(pacer, "910")

    clock.wait(899)
    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    clock.now = clock.now.replace(hour=22)
    assert pacer.circuit_breaker_state("c", GOOGLE) is HALF_OPEN
    for _ in range(3):
        assert pacer.can_spend("c", GOOGLE, Decimal(5))[0]
        spend(pacer, "5")

    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED


@pytest.mark.fault(47)
def test_a_probe_is_limited_and_a_breach_in_it_doubles_the_cooldown() -> None:
    pacer, clock = pacer_at_noon(clean_to_close=9)
    spend(pacer, "910")
    clock.now = clock.now.replace(hour=21, minute=0)

    assert pacer.can_spend("c", GOOGLE, Decimal(15)) == (True, "ok")
    spend(pacer, "15")
    assert "probe" in pacer.can_spend("c", GOOGLE, Decimal(6))[1]
    spend(pacer, "200")

    assert pacer.breaker("c", GOOGLE).cooldowns == 2
    clock.wait(1799)
    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    clock.wait(1)
    assert pacer.circuit_breaker_state("c", GOOGLE) is HALF_OPEN


def test_unusual_velocity_opens_it_but_one_large_amount_is_no_velocity() -> None:
    pacer, _ = pacer_at_noon()
    spend(pacer, "400")
    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED

    pacer, _ = pacer_at_noon(overspends_to_trip=1000)
    for _ in range(30):
        spend(pacer, "10")
    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    assert "velocity" in pacer.breaker("c", GOOGLE).reason


def test_repeated_overspend_opens_it() -> None:
    pacer, _ = pacer_at_noon()
    spend(pacer, "150")
    for expected in (CLOSED, CLOSED, OPEN):
        spend(pacer, "1")
        assert pacer.circuit_breaker_state("c", GOOGLE) is expected


def test_two_evaluations_in_a_row_below_a_threshold_open_it() -> None:
    pacer, _ = pacer_at_noon()
    pacer.min_conversion_rate = Decimal("0.02")

    spend(pacer, "5", clicks=500)
    _, alert = pacer.check_pace("c", GOOGLE)
    first = pacer.circuit_breaker_state("c", GOOGLE)
    spend(pacer, "5", clicks=500)
    pacer.check_pace("c", GOOGLE)

    assert alert is not None
    assert alert.alert_type in (AlertType.PERFORMANCE_DEGRADATION, AlertType.UNDER_PACING)
    assert first is CLOSED
    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    assert "conversion rate" in pacer.breaker("c", GOOGLE).reason


def test_a_good_evaluation_between_two_bad_ones_keeps_it_closed() -> None:
    pacer, _ = pacer_at_noon()
    pacer.max_cost_per_click = Decimal("0.10")
    for cost in ("20", "5", "20"):
        spend(pacer, cost, clicks=100)
        pacer.check_pace("c", GOOGLE)

    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED


def test_few_clicks_are_no_evidence() -> None:
    pacer, _ = pacer_at_noon()
    pacer.min_conversion_rate = Decimal("0.02")
    for _ in range(5):
        spend(pacer, "1", clicks=15)
        pacer.check_pace("c", GOOGLE)

    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED


@pytest.mark.parametrize("later", [datetime(2026, 5, 4, 23, tzinfo=UTC), datetime(2026, 5, 9, 3, tzinfo=UTC)])
def test_an_emergency_stop_outlives_time_clean_data_and_new_budgets(later: datetime) -> None:
    pacer, clock = pacer_at_noon()
    asyncio.run(pacer.emergency_stop("c", "wrong landing page"))

    clock.now = later
    spend(pacer, "1")
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(2000))
    pacer.allocate_hourly_budget("c", FACEBOOK, Decimal(2000))

    for channel in (GOOGLE, FACEBOOK):
        assert pacer.circuit_breaker_state("c", channel) is OPEN
        assert pacer.can_spend("c", channel, Decimal(1)) == (False, "emergency stop: wrong landing page")
        assert not pacer.reserve("c", channel, Decimal(1)).granted
    pacer.clear_emergency_stop("c")
    assert pacer.circuit_breaker_state("c", FACEBOOK) is CLOSED


def test_a_breaker_of_one_channel_leaves_the_others_alone() -> None:
    pacer, _ = pacer_at_noon()
    pacer.allocate_hourly_budget("c", FACEBOOK, Decimal(1000))
    spend(pacer, "950")

    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    assert pacer.can_spend("c", FACEBOOK, Decimal(10))[0]


def test_something_outside_opens_it_and_a_person_closes_it() -> None:
    alerts: list[PacingAlert] = []
    clock = Clock()
    pacer = BudgetPacer(clock=clock, alert_callback=alerts.append)
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))

    pacer.trip("c", GOOGLE, "clicks cost ten times as much")
    pacer.trip("c", GOOGLE, "something else")

    assert "clicks cost ten times as much" in pacer.can_spend("c", GOOGLE, Decimal(1))[1]
    assert [alert.alert_type for alert in alerts] == [AlertType.CIRCUIT_BREAKER_OPEN]
    pacer.close_breaker("c", GOOGLE)
    assert pacer.can_spend("c", GOOGLE, Decimal(1)) == (True, "ok")
    assert pacer.active_alerts("c", GOOGLE) == []


def test_what_trips_a_probe_doubles_the_cooldown() -> None:
    pacer, clock = pacer_at_noon()
    pacer.trip("c", GOOGLE, "prices")
    clock.wait(900)
    pacer.trip("c", GOOGLE, "prices")

    assert pacer.breaker("c", GOOGLE).cooldowns == 2


def test_closing_a_breaker_ends_no_emergency_stop() -> None:
    pacer, _ = pacer_at_noon()
    pacer.stop("c", "wrong page")
    pacer.trip("c", GOOGLE, "prices")
    pacer.close_breaker("c", GOOGLE)

    assert pacer.circuit_breaker_state("c", GOOGLE) is OPEN
    assert AlertType.CIRCUIT_BREAKER_OPEN in pacer.active_alerts("c", GOOGLE)
    pacer.clear_emergency_stop("c")
    assert pacer.circuit_breaker_state("c", GOOGLE) is CLOSED


def test_a_breaker_is_opened_with_a_reason_and_only_where_there_is_a_budget() -> None:
    pacer, _ = pacer_at_noon()
    with pytest.raises(InvalidConfiguration, match="reason"):
        pacer.trip("c", GOOGLE, " ")
    with pytest.raises(UnknownBudget):
        pacer.trip("c", FACEBOOK, "prices")
    with pytest.raises(UnknownBudget):
        pacer.close_breaker("unknown", GOOGLE)
