"""May it spend? The rule as properties: what is granted fits every budget, and nothing else decides."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.holds import Hold
from enforcement.decision import (
    Authorisation,
    Budget,
    Code,
    Facts,
    OverrideFact,
    Scope,
    as_granted,
    authorise,
    causes_at,
    decide,
)
from tests.unit.test_decision import facts_at

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 5, 5, 10, 0, tzinfo=UTC)
TODAY = date(2026, 5, 5)
LIFETIME, MONTHLY, DAILY = (
    Hold.LIFETIME_BUDGET_EXCEEDED,
    Hold.MONTHLY_BUDGET_EXCEEDED,
    Hold.DAILY_BUDGET_EXCEEDED,
)
amounts = st.integers(1, 200_000_000)
set_aside = st.integers(0, 200_000_000)


@st.composite
def facts_with_reserved(draw: st.DrawFn) -> tuple[Facts, datetime]:
    """As the decision's own tests make them, with money set aside of each budget and of the campaign."""
    facts, now = draw(facts_at())
    budgets = tuple(budget._replace(reserved=draw(set_aside)) for budget in facts.budgets)
    override = facts.override and facts.override._replace(reserved=draw(set_aside))
    return facts._replace(budgets=budgets, override=override), now


def stands(override: OverrideFact | None, now: datetime) -> bool:
    if override is None or not override.starts_at <= now < override.ends_at:
        return False
    return override.extra is None or override.spent < override.extra


def naive_room(facts: Facts, now: datetime) -> int | None:
    """What all that limits it leaves, by walking over everything."""
    override = facts.override
    lifts = set(override.lifts) if override is not None and stands(override, now) else set()
    room = [b.limit - b.used - b.reserved for b in facts.budgets if b.hold not in lifts]
    if override is not None and stands(override, now) and override.extra is not None:
        room.append(override.extra - override.spent - override.reserved)
    return min(room) if room else None


@given(facts_with_reserved(), amounts)
def test_it_is_granted_if_and_only_if_nothing_holds_it_and_all_that_limits_it_has_room(
    case: tuple[Facts, datetime], amount: int
) -> None:
    facts, now = case
    room = naive_room(facts, now)

    answer = authorise(facts, amount, now)

    assert answer.granted == (decide(facts, now).runs and (room is None or amount <= room))
    if answer.granted:
        assert (answer.code, answer.hold) == (Code.GRANTED, None)
        assert answer.remaining == (None if room is None else room - amount)
    elif answer.hold is not None:
        assert answer.hold is decide(facts, now).pause_reason
        assert answer.code == answer.hold.value
        assert answer.remaining == (0 if answer.limit is not None else None if room is None else max(room, 0))
    else:
        assert room is not None
        assert answer.remaining == max(room, 0) < amount
        assert answer.code in set(Code) - {Code.GRANTED}


@given(facts_with_reserved(), amounts)
def test_the_figures_add_up_to_what_remains(case: tuple[Facts, datetime], amount: int) -> None:
    facts, now = case

    answer = authorise(facts, amount, now)

    figures = (answer.limit, answer.used, answer.reserved)
    if answer.limit is None:
        assert figures == (None, None, None)
    elif answer.hold is None:
        assert answer.used is not None
        assert answer.reserved is not None
        assert answer.remaining == max(answer.limit - answer.used - answer.reserved, 0)
    else:
        cause = next(cause for cause in causes_at(facts, now) if cause.hold is answer.hold)
        assert (cause.limit, cause.used, cause.reserved, cause.scope) == (*figures, answer.scope)


@given(facts_with_reserved(), amounts, amounts)
def test_what_is_granted_is_gone_for_the_next_and_landing_exactly_on_a_budget_leaves_nothing(
    case: tuple[Facts, datetime], first: int, second: int
) -> None:
    facts, now = case
    granted = authorise(facts, first, now)
    if not granted.granted:
        return

    def with_(amount: int) -> Facts:
        override = facts.override
        return facts._replace(
            budgets=tuple(budget._replace(reserved=budget.reserved + amount) for budget in facts.budgets),
            override=override and override._replace(reserved=override.reserved + amount),
        )

    one_after_the_other, at_once = authorise(with_(first), second, now), authorise(facts, first + second, now)
    assert (one_after_the_other.granted, one_after_the_other.code) == (at_once.granted, at_once.code)
    assert as_granted(with_(first), now) == granted
    if granted.remaining is not None:
        assert authorise(facts, first + granted.remaining, now).granted
        assert not authorise(facts, first + granted.remaining + 1, now).granted


@given(facts_with_reserved())
def test_money_that_is_set_aside_holds_nothing(case: tuple[Facts, datetime]) -> None:
    facts, now = case
    override = facts.override and facts.override._replace(reserved=0)
    without = facts._replace(budgets=tuple(b._replace(reserved=0) for b in facts.budgets), override=override)

    assert decide(facts, now) == decide(without, now)


@given(facts_with_reserved(), amounts, st.integers(0, 100_000_000))
def test_a_higher_budget_never_refuses_what_a_lower_one_grants(
    case: tuple[Facts, datetime], amount: int, more: int
) -> None:
    facts, now = case
    raised = facts._replace(budgets=tuple(budget._replace(limit=budget.limit + more) for budget in facts.budgets))

    if authorise(facts, amount, now).granted:
        assert authorise(raised, amount, now).granted


def brand(hold: Hold, limit: int, used: int, reserved: int = 0, scope: Scope = Scope.BRAND) -> Budget:
    return Budget(hold, scope, limit, used, reserved)


def facts(*budgets: Budget, **more: Any) -> Facts:
    return Facts(BERLIN, TODAY, budgets=budgets, **more)


@pytest.mark.parametrize(
    ("budgets", "code", "remaining"),
    [
        ([brand(DAILY, 100, 60, 30)], Code.DAILY_BUDGET_INSUFFICIENT, 10),
        ([brand(DAILY, 100, 60, 30), brand(MONTHLY, 900, 895)], Code.MONTHLY_BUDGET_INSUFFICIENT, 5),
        ([brand(DAILY, 100, 60), brand(LIFETIME, 80, 60, 17, Scope.CAMPAIGN)], Code.LIFETIME_BUDGET_INSUFFICIENT, 3),
        ([brand(DAILY, 100, 95), brand(MONTHLY, 900, 895)], Code.MONTHLY_BUDGET_INSUFFICIENT, 5),
        ([brand(DAILY, 100, 60, 70)], Code.DAILY_BUDGET_INSUFFICIENT, 0),
        ([brand(DAILY, 100, -40, 130)], Code.DAILY_BUDGET_INSUFFICIENT, 10),
    ],
    ids=["reserved", "the month leaves less", "the lifetime leaves less", "as little", "cut since", "a credit"],
)
def test_what_leaves_the_least_refuses(budgets: list[Budget], code: Code, remaining: int) -> None:
    answer = authorise(facts(*budgets), 11, NOON)

    assert (answer.granted, answer.code, answer.hold, answer.remaining) == (False, code, None, remaining)


def test_without_a_budget_anything_is_granted() -> None:
    assert authorise(facts(), 10**18, NOON) == Authorisation(True, Code.GRANTED, None)


def override(*lifts: Hold, extra: int | None, spent: int = 0, reserved: int = 0) -> OverrideFact:
    return OverrideFact(lifts, NOON - timedelta(hours=1), NOON + timedelta(hours=1), extra, spent, reserved)


def test_an_override_lifts_its_budgets_and_limits_by_its_own_money() -> None:
    reached = (brand(DAILY, 100, 105), brand(MONTHLY, 2_000, 1_000))

    without_end = authorise(facts(*reached, override=override(DAILY, extra=None)), 500, NOON)
    within = authorise(facts(*reached, override=override(DAILY, extra=50, spent=20, reserved=10)), 20, NOON)
    beyond = authorise(facts(*reached, override=override(DAILY, extra=50, spent=20, reserved=10)), 21, NOON)
    other = authorise(facts(*reached, override=override(DAILY, extra=None)), 1_001, NOON)
    spent = authorise(facts(*reached, override=override(DAILY, extra=50, spent=50)), 1, NOON)

    assert (without_end.granted, without_end.remaining) == (True, 500)
    assert (within.granted, within.remaining) == (True, 0)
    assert (beyond.granted, beyond.code, beyond.remaining) == (False, Code.OVERRIDE_INSUFFICIENT, 20)
    assert (other.granted, other.code) == (False, Code.MONTHLY_BUDGET_INSUFFICIENT)
    assert (spent.granted, spent.code, spent.hold) == (False, DAILY.value, DAILY)


def test_what_holds_it_refuses_and_other_holds_than_budgets_say_what_money_remains() -> None:
    paused = authorise(facts(brand(DAILY, 100, 60, 30), manual=True), 1, NOON)
    used_up = authorise(facts(brand(DAILY, 100, 100, 7), brand(MONTHLY, 2_000, 100)), 1, NOON)

    assert (paused.code, paused.hold, paused.remaining, paused.limit) == ("MANUAL", Hold.MANUAL, 10, None)
    assert (used_up.code, used_up.remaining) == ("DAILY_BUDGET_EXCEEDED", 0)
    assert (used_up.limit, used_up.used, used_up.reserved) == (100, 100, 7)


def test_at_another_moment_than_the_facts_are_of_only_what_counts_then_counts() -> None:
    of_today = facts(brand(DAILY, 100, 90, 10), brand(MONTHLY, 300, 90, 10), brand(LIFETIME, 400, 90, 10))

    tomorrow = authorise(of_today, 100, NOON + timedelta(days=1))
    next_month = authorise(of_today, 100, NOON + timedelta(days=31))

    assert (authorise(of_today, 1, NOON).granted, tomorrow.granted, next_month.granted) == (False, True, True)
    assert (tomorrow.limit, tomorrow.remaining) == (100, 0)
    assert authorise(of_today, 101, NOON + timedelta(days=31)).code == Code.DAILY_BUDGET_INSUFFICIENT
