"""What a pacer needs of a store, and that memory stays bounded."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from random import Random

import pytest

from budget_pacer import BudgetPacer, CampaignState, ChannelType, Hold, MemoryStore, SpendTransaction
from budget_pacer.store import _CLOSED_KEPT, Store
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE


class VersionedStore:
    """As a database would do it: it hands out other objects each time, compares versions, and often says that somebody
    else was faster."""

    def __init__(self) -> None:
        self._inner = MemoryStore()
        self._random = Random(1)

    def load(self, campaign_id: str) -> CampaignState | None:
        state = self._inner.load(campaign_id)
        return None if state is None else state._replace()

    def swap(
        self, campaign_id: str, expected: CampaignState | None, new: CampaignState, holds: Sequence[Hold] = ()
    ) -> bool:
        if self._random.random() < 0.3:
            return False
        state = self._inner.load(campaign_id)
        if (None if state is None else state.version) != (None if expected is None else expected.version):
            return False
        version = 1 if expected is None else expected.version + 1
        return self._inner.swap(campaign_id, state, new._replace(version=version), holds)

    def hold(self, hold_id: str) -> Hold | None:
        return self._inner.hold(hold_id)

    def lapsed(self, campaign_id: str, at_s: float) -> Sequence[Hold]:
        return self._inner.lapsed(campaign_id, at_s)

    def campaign_ids(self) -> Iterable[str]:
        return self._inner.campaign_ids()


def test_two_pacers_over_one_store_keep_one_account() -> None:
    store: Store = VersionedStore()
    clock = Clock()
    first, second = BudgetPacer(clock=clock, store=store), BudgetPacer(clock=clock, store=store)
    first.allocate_hourly_budget("c", GOOGLE, Decimal(1000))

    first.record_spend(SpendTransaction("c", GOOGLE, Decimal(20)))
    reserved = second.reserve("c", GOOGLE, Decimal(30))
    first.settle(reserved.reservation_id, Decimal(25))
    second.stop("c", "wrong page")

    assert first.spent("c", GOOGLE) == second.spent("c", GOOGLE) == 45
    assert first.can_spend("c", GOOGLE, Decimal(1)) == (False, "emergency stop: wrong page")


@pytest.mark.fault(47)
@pytest.mark.parametrize("make", [MemoryStore, VersionedStore])
def test_a_restarted_pacer_goes_on_where_the_store_is(make: type[MemoryStore] | type[VersionedStore]) -> None:
    store, clock = make(), Clock()
    before = BudgetPacer(clock=clock, store=store)
    before.allocate_hourly_budget("c", GOOGLE, Decimal(1000))
    before.record_spend(SpendTransaction("c", GOOGLE, Decimal(950)))

    after = BudgetPacer(clock=clock, store=store)

    assert after.circuit_breaker_state("c", GOOGLE) == before.circuit_breaker_state("c", GOOGLE) == "open"
    assert after.spent("c", GOOGLE) == 950


def test_closed_reservations_are_forgotten_in_the_end() -> None:
    store, clock = MemoryStore(), Clock()
    pacer = BudgetPacer(clock=clock, store=store)
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1_000_000))

    for number in range(_CLOSED_KEPT + 500):
        pacer.reserve("c", GOOGLE, Decimal("0.01"), reservation_id=f"{number}")
        pacer.void(f"{number}")

    assert store.hold("0") is None
    assert store.hold(f"{_CLOSED_KEPT + 499}") is not None
    assert len(store._holds) == _CLOSED_KEPT


def test_the_state_does_not_grow_with_transactions() -> None:
    store, clock = MemoryStore(), Clock()
    pacer = BudgetPacer(clock=clock, store=store)
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1_000_000))
    sizes = []
    for count in (10, 3000):
        for _ in range(count):
            pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal("0.01"), clicks=1))
        sizes.append(len(repr(store.load("c"))))

    assert sizes[1] - sizes[0] < 50
