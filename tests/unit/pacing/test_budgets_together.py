"""Several budgets in one step, budgets that are taken away, and today by hour."""

from datetime import UTC, datetime, time
from decimal import Decimal

import pytest

from budget_pacer import (
    BudgetPacer,
    ChannelType,
    InvalidAmount,
    MemoryStore,
    PacingStrategy,
    SpendTransaction,
    UnknownBudget,
    open_daily,
)
from tests.unit.pacing.clocks import Clock

GOOGLE, VIDEO, SEARCH = ChannelType.GOOGLE, ChannelType.VIDEO, ChannelType.SEARCH
EVEN, HYBRID = PacingStrategy.EVEN_DISTRIBUTION, PacingStrategy.ADAPTIVE_HYBRID


def test_several_budgets_are_set_in_one_step_and_others_stay() -> None:
    store = MemoryStore()
    pacer = BudgetPacer(clock=Clock(), store=store)
    pacer.allocate_hourly_budget("c", SEARCH, Decimal(50))

    assert pacer.set_budgets("c", {GOOGLE: (Decimal(300), EVEN), VIDEO: (Decimal(200), HYBRID)})
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(10)))
    before = store.load("c")
    assert not pacer.set_budgets("c", {GOOGLE: (Decimal("300.00"), EVEN), VIDEO: (Decimal(200), HYBRID)})

    assert store.load("c") is before
    assert pacer.set_budgets("c", {GOOGLE: (Decimal(300), HYBRID)})
    assert [pacer.budget("c", channel) for channel in (SEARCH, GOOGLE, VIDEO)] == [50, 300, 200]
    assert pacer.spent("c", GOOGLE) == 10


def test_setting_the_same_budgets_again_leaves_a_reallocation_alone() -> None:
    clock = Clock(datetime(2026, 5, 4, 0, tzinfo=UTC))
    pacer = BudgetPacer(clock=clock, frontload_protection_hours=0)
    budgets = {GOOGLE: (Decimal(1000), EVEN), VIDEO: (Decimal(1000), EVEN)}
    pacer.set_budgets("c", budgets)
    clock.wait(15 * 3600)
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(600), clicks=100, revenue=Decimal(1800)))
    pacer.record_spend(SpendTransaction("c", VIDEO, Decimal(100), clicks=10, revenue=Decimal(100)))
    pacer.reallocate("c")
    moved = pacer.budget("c", GOOGLE)

    pacer.set_budgets("c", budgets)
    assert pacer.budget("c", GOOGLE) == moved > 1000
    pacer.set_budgets("c", {GOOGLE: (Decimal(1000), EVEN), VIDEO: (Decimal(900), EVEN)})

    assert pacer.budget("c", GOOGLE) + pacer.budget("c", VIDEO) == 1900


def test_one_wrong_budget_sets_none() -> None:
    pacer = BudgetPacer(clock=Clock())
    with pytest.raises(InvalidAmount):
        pacer.set_budgets("c", {GOOGLE: (Decimal(300), EVEN), VIDEO: (Decimal(-1), EVEN)})
    with pytest.raises(UnknownBudget):
        pacer.budget("c", GOOGLE)


def test_a_budget_is_taken_away_and_its_reservations_can_still_be_closed() -> None:
    pacer = BudgetPacer(clock=Clock())
    pacer.set_budgets("c", {GOOGLE: (Decimal(300), EVEN), VIDEO: (Decimal(200), EVEN)})
    for name in ("settled", "voided"):
        pacer.reserve("c", VIDEO, Decimal(5), reservation_id=name)

    assert pacer.remove_channel("c", VIDEO)
    assert not pacer.remove_channel("c", VIDEO)
    assert not pacer.remove_channel("unknown", VIDEO)
    pacer.settle("settled")
    pacer.void("voided")

    assert pacer.can_spend("c", VIDEO, Decimal(1)) == (False, "no budget: c has none for video")
    assert pacer.reallocate("c") == {GOOGLE: 300}


def test_today_by_hour_shows_plan_against_actual() -> None:
    clock = Clock(datetime(2026, 5, 4, 11, 30, tzinfo=UTC))
    pacer = BudgetPacer(clock=clock)
    pacer.set_campaign("c", open_hours=open_daily(time(11), time(21)))
    plan = pacer.allocate_hourly_budget("c", GOOGLE, Decimal("100.01"), EVEN)
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal("2.50")))
    pacer.reserve("c", GOOGLE, Decimal(1))

    detail = pacer.plan_detail("c", GOOGLE)

    assert [status.planned for status in detail] == [entry.amount for entry in plan]
    assert detail[11].starts_at == datetime(2026, 5, 4, 11, tzinfo=UTC)
    assert (detail[11].spent, detail[11].held, detail[11].protected) == (Decimal("2.50"), Decimal(1), True)
    assert detail[11].cap < Decimal("5.01")
    assert detail[11].reason == "even: the same for every open minute; front-load protection"
    assert (detail[15].cap, detail[15].protected) == (Decimal("15.001500"), False)
    assert (detail[21].cap, detail[21].reason) == (Decimal(0), "closed")


@pytest.mark.parametrize(("day", "count"), [(29, 23), (28, 24)])
def test_today_by_hour_has_the_hours_that_really_come(day: int, count: int) -> None:
    pacer = BudgetPacer(clock=Clock(datetime(2026, 3, day, 12, tzinfo=UTC)), timezone="Europe/Berlin")
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))

    detail = pacer.plan_detail("c", GOOGLE)

    assert len(detail) == count
    assert sum(status.planned for status in detail) == 1000
