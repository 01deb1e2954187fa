"""What was spent turns out to be more or less."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budget_pacer import (
    AlertType,
    BudgetPacer,
    ChannelType,
    CircuitBreakerState,
    SpendTransaction,
    UnknownBudget,
)
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def at_noon() -> tuple[BudgetPacer, Clock]:
    clock = Clock(NOON)
    pacer = BudgetPacer(clock=clock)
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))
    return pacer, clock


def spend(pacer: BudgetPacer, amount: str, at: datetime | None = None) -> None:
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(amount), at, clicks=1))


def hours(pacer: BudgetPacer) -> dict[int, Decimal]:
    return {status.hour: status.spent for status in pacer.plan_detail("c", GOOGLE) if status.spent}


def test_a_correction_moves_the_day_and_the_hour() -> None:
    pacer, clock = at_noon()
    spend(pacer, "100")

    clock.wait(600)
    assert pacer.correct_spend("c", GOOGLE, Decimal("-30.00")) == -30
    assert pacer.correct_spend("c", GOOGLE, Decimal("5.00")) == 5

    assert pacer.spent("c", GOOGLE) == 75
    assert hours(pacer) == {12: 75}
    assert pacer.can_spend("c", GOOGLE, Decimal(75))[0]
    assert pacer.performance("c", GOOGLE).cost == 75


def test_what_the_hour_has_not_spent_is_taken_from_the_hours_before_and_then_from_those_behind() -> None:
    pacer, _ = at_noon()
    for hour in (8, 10, 11, 12):
        spend(pacer, "20", NOON.replace(hour=hour))

    pacer.correct_spend("c", GOOGLE, Decimal(-30), at=NOON.replace(hour=11))
    assert hours(pacer) == {8: 20, 10: 10, 12: 20}
    pacer.correct_spend("c", GOOGLE, Decimal(-35), at=NOON.replace(hour=11))
    assert hours(pacer) == {12: 15}


def test_no_more_is_taken_back_than_was_spent_and_what_is_held_stays() -> None:
    pacer, _ = at_noon()
    spend(pacer, "10")
    pacer.reserve("c", GOOGLE, Decimal(40), reservation_id="r")

    assert pacer.correct_spend("c", GOOGLE, Decimal(-25)) == -10

    status = pacer.plan_detail("c", GOOGLE)[12]
    assert (status.spent, status.held) == (Decimal(0), Decimal(40))
    pacer.void("r")
    assert pacer.can_spend("c", GOOGLE, Decimal(150))[0]
    assert not pacer.can_spend("c", GOOGLE, Decimal("150.01"))[0]


def test_another_days_correction_changes_nothing_of_today() -> None:
    pacer, clock = at_noon()
    spend(pacer, "10")
    clock.wait(86_400)
    spend(pacer, "20")
    before = pacer.store.load("c")

    assert pacer.correct_spend("c", GOOGLE, Decimal(-5), at=NOON) == 0

    assert pacer.store.load("c") is before
    assert pacer.performance("c", GOOGLE).cost == 25


def test_corrections_neither_open_nor_close_a_breaker_nor_count_for_the_velocity() -> None:
    pacer, clock = at_noon()
    for _ in range(9):
        pacer.correct_spend("c", GOOGLE, Decimal(110))
    assert pacer.spent("c", GOOGLE) == 990
    assert pacer.circuit_breaker_state("c", GOOGLE) is CircuitBreakerState.CLOSED
    assert "velocity" not in pacer.can_spend("c", GOOGLE, Decimal(1))[1]

    pacer.trip("c", GOOGLE, "looks wrong")
    clock.wait(900)
    for _ in range(9):
        pacer.correct_spend("c", GOOGLE, Decimal(-1))
    assert pacer.circuit_breaker_state("c", GOOGLE) is CircuitBreakerState.HALF_OPEN


def test_issues_clear_with_the_next_check() -> None:
    pacer, _ = at_noon()
    pacer.emergency_stop_threshold = Decimal(1)
    spend(pacer, "900")
    pacer.check_pace("c", GOOGLE)
    assert AlertType.WARNING_OVERPACING in pacer.active_alerts("c", GOOGLE)

    pacer.correct_spend("c", GOOGLE, Decimal(-400))
    assert pacer.check_pace("c", GOOGLE)[0] == 1.0

    assert pacer.active_alerts("c", GOOGLE) == []


def test_a_channel_without_a_budget_has_nothing_to_correct() -> None:
    pacer, _ = at_noon()
    with pytest.raises(UnknownBudget):
        pacer.correct_spend("c", ChannelType.VIDEO, Decimal(1))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("scr"), st.integers(0, 12), st.integers(-200, 200)), max_size=30))
def test_the_hours_always_add_up_to_the_day(steps: list[tuple[str, int, int]]) -> None:
    pacer, _ = at_noon()
    held: list[tuple[int, datetime]] = []
    for what, hour, amount in steps:
        at = NOON - timedelta(hours=12 - hour)
        if what == "s" and amount > 0:
            spend(pacer, str(amount), at)
        elif what == "c":
            pacer.correct_spend("c", GOOGLE, Decimal(amount), at=at)
        elif amount > 0 and pacer.set_aside("c", GOOGLE, Decimal(amount))[0]:
            held.append((amount, NOON))
        elif held:
            freed, at = held.pop()
            pacer.give_back("c", GOOGLE, Decimal(freed), at)

        detail = pacer.plan_detail("c", GOOGLE)
        assert sum(status.spent for status in detail) == pacer.spent("c", GOOGLE)
        assert sum(status.held for status in detail) == sum(amount for amount, _ in held)
        assert min(min(status.spent, status.held) for status in detail) >= 0
