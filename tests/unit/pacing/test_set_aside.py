"""Reservations that the caller keeps: the pacer counts them and knows no more."""

from datetime import timedelta
from decimal import Decimal

import pytest

from budget_pacer import BudgetPacer, ChannelType, InvalidAmount, MemoryStore, SpendTransaction, UnknownBudget
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE


def fresh() -> tuple[BudgetPacer, Clock, MemoryStore]:
    clock, store = Clock(), MemoryStore()
    pacer = BudgetPacer(clock=clock, store=store)
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))
    return pacer, clock, store


def test_setting_aside_and_giving_back_count_as_reserve_and_void_do() -> None:
    (ours, our_clock, ours_kept), (theirs, their_clock, theirs_kept) = fresh(), fresh()
    made: list[tuple[int, object]] = []
    for step in range(200):
        amount = Decimal(step % 23 + 1)
        allowed, reason = ours.set_aside("c", GOOGLE, amount)
        answer = theirs.reserve("c", GOOGLE, amount, reservation_id=f"{step}")
        assert (allowed, reason) == (answer.granted, answer.reason)
        if allowed and step % 3 == 0:
            ours.give_back("c", GOOGLE, amount, our_clock.now)
            theirs.void(f"{step}")
        elif allowed and step % 3 == 1:
            ours.spend_aside(SpendTransaction("c", GOOGLE, amount / 2, clicks=3), amount, our_clock.now)
            theirs.settle(f"{step}", amount / 2, clicks=3)
        assert ours_kept.load("c") == theirs_kept.load("c")
        for clock in (our_clock, their_clock):
            clock.wait(4)
        made.append((step, allowed))

    assert {allowed for _, allowed in made} == {True, False}
    assert ours.performance("c", GOOGLE) == theirs.performance("c", GOOGLE)


def test_it_belongs_to_the_hour_in_which_it_was_made() -> None:
    pacer, clock, _ = fresh()
    made_at = clock.now
    assert pacer.set_aside("c", GOOGLE, Decimal(100)) == (True, "ok")

    clock.wait(3600)
    pacer.spend_aside(SpendTransaction("c", GOOGLE, Decimal(80)), Decimal(100), made_at)

    detail = pacer.plan_detail("c", GOOGLE)
    assert [(status.spent, status.held) for status in detail[12:14]] == [
        (Decimal(80), Decimal(0)),
        (Decimal(0), Decimal(0)),
    ]


def test_what_another_day_set_aside_counts_no_more() -> None:
    pacer, clock, store = fresh()
    made_at = clock.now
    pacer.set_aside("c", GOOGLE, Decimal(100))
    clock.wait(86_400)
    pacer.set_aside("c", GOOGLE, Decimal(50))
    before = store.load("c")

    pacer.give_back("c", GOOGLE, Decimal(100), made_at)
    assert store.load("c") is before

    pacer.spend_aside(SpendTransaction("c", GOOGLE, Decimal(70), made_at), Decimal(100), made_at)
    assert pacer.spent("c", GOOGLE) == 70
    assert pacer.plan_detail("c", GOOGLE)[12].held == 50


def test_giving_back_twice_makes_no_room_for_more_than_the_budget() -> None:
    pacer, clock, _ = fresh()
    pacer.set_aside("c", GOOGLE, Decimal(100))
    for _ in range(3):
        pacer.give_back("c", GOOGLE, Decimal(100), clock.now)

    assert not pacer.can_spend("c", GOOGLE, Decimal("150.01"))[0]
    assert pacer.plan_detail("c", GOOGLE)[12].held == 0


def test_answers_where_there_is_no_budget() -> None:
    pacer, clock, _ = fresh()

    assert pacer.set_aside("unknown", GOOGLE, Decimal(1)) == (False, "no budget: unknown has none")
    assert pacer.set_aside("c", "video", Decimal(1)) == (False, "no budget: c has none for video")
    pacer.give_back("unknown", GOOGLE, Decimal(1), clock.now)
    pacer.give_back("c", "video", Decimal(1), clock.now)
    with pytest.raises(UnknownBudget):
        pacer.spend_aside(SpendTransaction("c", "video", Decimal(1)), Decimal(1), clock.now)
    with pytest.raises(InvalidAmount, match="record the rest apart"):
        pacer.spend_aside(SpendTransaction("c", GOOGLE, Decimal(2)), Decimal(1), clock.now)
    pacer.stop("c", "wrong page")
    assert pacer.set_aside("c", GOOGLE, Decimal(1)) == (False, "emergency stop: wrong page")


def test_it_is_kept_after_a_change_of_time_zone() -> None:
    pacer, clock, _ = fresh()
    pacer.set_aside("c", GOOGLE, Decimal(100))
    pacer.set_campaign("c", timezone="Asia/Tokyo")
    pacer.give_back("c", GOOGLE, Decimal(100), clock.now)

    assert all(status.held == 0 for status in pacer.plan_detail("c", GOOGLE))
    pacer.give_back("c", GOOGLE, Decimal(100), clock.now + timedelta(hours=1))
    clock.wait(600)
    assert pacer.can_spend("c", GOOGLE, Decimal(150))[0]
