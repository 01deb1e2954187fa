"""Reserve, settle, void: whatever the order and however many at once, no limit is passed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from budget_pacer import BudgetPacer, ChannelType, ReservationRefused, SpendTransaction, UnknownReservation
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE


class Walk(RuleBasedStateMachine):
    """Beside a naive model: a list of what is held and spent, by hour."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.pacer = BudgetPacer(clock=self.clock, velocity_factor=Decimal(1440))
        self.pacer.allocate_hourly_budget("c", GOOGLE, Decimal(100))
        self.held: dict[str, tuple[Decimal, int, int]] = {}
        self.spent: list[tuple[Decimal, int, int]] = []

    def key(self) -> tuple[int, int]:
        return self.clock.now.toordinal(), self.clock.now.hour

    def forget_lapsed(self) -> None:
        known = {
            name
            for name in self.held
            if (hold := self.pacer.store.hold(name)) is not None and hold.lapses_at_s > self.clock.now.timestamp()
        }
        self.held = {name: value for name, value in self.held.items() if name in known}

    @rule(cents=st.integers(1, 2000))
    def reserve(self, cents: int) -> None:
        amount = Decimal(cents).scaleb(-2)
        self.forget_lapsed()
        found = self.pacer.reserve("c", GOOGLE, amount)
        day, hour = self.key()
        today = sum((a for a, d, _ in (*self.held.values(), *self.spent) if d == day), Decimal(0))
        this_hour = sum((a for a, d, h in (*self.held.values(), *self.spent) if (d, h) == (day, hour)), Decimal(0))
        cap = Decimal(15) if hour >= 4 else Decimal(100) / 24 / 2
        assert found.granted == (today + amount <= 100 and this_hour + amount <= cap)
        if found.granted:
            self.held[found.reservation_id] = (amount, day, hour)

    @rule(part=st.integers(0, 100), which=st.integers(0, 50))
    def settle(self, part: int, which: int) -> None:
        self.forget_lapsed()
        if self.held:
            name = sorted(self.held)[which % len(self.held)]
            amount, day, hour = self.held.pop(name)
            used = (amount * part / 100).quantize(Decimal("0.01"))
            self.pacer.settle(name, used)
            self.pacer.settle(name, used)
            self.spent.append((used, day, hour))

    @rule(which=st.integers(0, 50))
    def void(self, which: int) -> None:
        self.forget_lapsed()
        if self.held:
            name = sorted(self.held)[which % len(self.held)]
            del self.held[name]
            self.pacer.void(name)
            self.pacer.void(name)

    @rule(minutes=st.sampled_from([1, 10, 30, 60, 600]))
    def wait(self, minutes: int) -> None:
        self.clock.now += timedelta(minutes=minutes)

    @invariant()
    def what_is_counted_is_what_happened(self) -> None:
        today = self.clock.now.toordinal()
        assert self.pacer.spent("c", GOOGLE) == sum((a for a, d, _ in self.spent if d == today), Decimal(0))


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def pacer_with(budget: int, **more: Decimal) -> tuple[BudgetPacer, Clock]:
    clock = Clock()
    pacer = BudgetPacer(clock=clock, **more)  # type: ignore[arg-type]
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(budget))
    return pacer, clock


def at_once(work: Callable[[int], object], workers: int = 16) -> list[object]:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, range(workers)))


def test_many_callers_at_once_stay_within_the_hour_together() -> None:
    pacer, _ = pacer_with(1000, velocity_factor=Decimal(1440))

    def caller(number: int) -> Decimal:
        total = Decimal(0)
        for turn in range(60):
            found = pacer.reserve("c", GOOGLE, Decimal("0.69"))
            if found.granted and (number + turn) % 5 == 0:
                pacer.void(found.reservation_id)
            elif found.granted:
                pacer.settle(found.reservation_id, Decimal("0.50"))
                total += Decimal("0.50")
        return total

    spent = sum((Decimal(str(total)) for total in at_once(caller)), Decimal(0))

    assert pacer.spent("c", GOOGLE) == spent <= 150
    assert spent > 140


def test_velocity_holds_for_many_callers_at_once() -> None:
    pacer, _ = pacer_with(1000)

    granted = at_once(lambda _: sum(pacer.reserve("c", GOOGLE, Decimal("0.69")).granted for _ in range(50)))

    assert sum(map(int, map(str, granted))) == 101  # the one that passes 69.44 is the last


def test_records_of_many_threads_are_all_counted() -> None:
    pacer, _ = pacer_with(10_000)

    def caller(_number: int) -> None:
        for _ in range(100):
            pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal("0.01")))

    at_once(caller)

    assert pacer.spent("c", GOOGLE) == Decimal("16.00")
    assert pacer.performance("c", GOOGLE).cost == pytest.approx(16)


def test_one_reservation_settled_by_many_is_settled_once() -> None:
    pacer, _ = pacer_with(1000)
    pacer.reserve("c", GOOGLE, Decimal(10), reservation_id="r")

    at_once(lambda _: pacer.settle("r", Decimal(7)))

    assert pacer.spent("c", GOOGLE) == 7
    assert pacer.performance("c", GOOGLE).cost == 7


def test_the_same_id_sets_aside_once() -> None:
    pacer, _ = pacer_with(1000)

    answers = at_once(lambda _: pacer.reserve("c", GOOGLE, Decimal(100), reservation_id="r").granted)

    assert all(answers)
    assert pacer.can_spend("c", GOOGLE, Decimal(50)) == (False, pacer.can_spend("c", GOOGLE, Decimal(50))[1])
    with pytest.raises(ReservationRefused, match="another channel or amount"):
        pacer.reserve("c", GOOGLE, Decimal(99), reservation_id="r")


def test_a_reservation_lapses_and_then_cannot_be_settled() -> None:
    pacer, clock = pacer_with(1000)
    first = pacer.reserve("c", GOOGLE, Decimal(150))
    clock.wait(901)

    assert pacer.reserve("c", GOOGLE, Decimal(150)).granted
    with pytest.raises(ReservationRefused, match="lapsed"):
        pacer.settle(first.reservation_id)


def test_more_than_reserved_cannot_be_settled_and_a_void_one_not_at_all() -> None:
    pacer, _ = pacer_with(1000)
    found = pacer.reserve("c", GOOGLE, Decimal(10))

    with pytest.raises(ReservationRefused, match=r"over 10\.00, not 10\.01"):
        pacer.settle(found.reservation_id, Decimal("10.01"))
    pacer.void(found.reservation_id)
    with pytest.raises(ReservationRefused, match="voided"):
        pacer.settle(found.reservation_id)
    with pytest.raises(UnknownReservation):
        pacer.void("never made")


def test_yesterdays_reservation_leaves_today_alone() -> None:
    pacer, clock = pacer_with(1000)
    clock.now = clock.now.replace(hour=23, minute=55)
    found = pacer.reserve("c", GOOGLE, Decimal(100))
    clock.wait(600)

    pacer.settle(found.reservation_id)

    assert pacer.spent("c", GOOGLE) == 0
    assert pacer.performance("c", GOOGLE, hour=23).cost == 100


def test_what_is_held_from_the_hour_before_counts_against_the_day() -> None:
    clock = Clock()
    pacer = BudgetPacer(
        clock=clock, max_hourly_spend_pct=Decimal(1), frontload_protection_hours=0, velocity_factor=Decimal(1440)
    )
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(100))
    clock.now += timedelta(minutes=55)
    assert pacer.reserve("c", GOOGLE, Decimal(60)).granted
    clock.now += timedelta(minutes=10)

    refused = pacer.reserve("c", GOOGLE, Decimal("40.01"))

    assert not refused.granted
    assert refused.reason.startswith("daily budget: 40.00 of 100.00 left")
    assert pacer.reserve("c", GOOGLE, Decimal(40)).granted
