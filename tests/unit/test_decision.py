"""The decision as a property: holds are only ever explained by facts, and the same facts give the same verdict."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brands.periods import local_date
from campaigns.holds import PRECEDENCE, Hold
from enforcement.decision import Budget, Facts, OverrideFact, Scope, causes_at, decide, runs_next
from scheduling.windows import is_open

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("Pacific/Auckland"), ZoneInfo("America/New_York"), ZoneInfo("Africa/Cairo"), ZoneInfo("UTC")]
NOON = datetime(2026, 5, 5, 10, 0, tzinfo=UTC)
NINE_TO_FIVE = tuple((day * 86400 + 9 * 3600, day * 86400 + 17 * 3600) for day in range(7))

FIRST, LAST = date(2026, 1, 1), date(2027, 12, 31)
moments = st.builds(
    lambda day, second: datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=second),
    st.dates(FIRST, LAST),
    st.integers(0, 86_399),
)
days = st.dates(date(2025, 12, 1), date(2028, 1, 31))
amounts = st.integers(0, 200_000_000)
weeks = st.sampled_from([None, (), NINE_TO_FIVE, ((0, 604800),), ((79200, 108000), (500000, 604800))])
kinds = [Hold.LIFETIME_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED, Hold.DAILY_BUDGET_EXCEEDED]
budgets = st.builds(Budget, st.sampled_from(kinds), st.sampled_from(Scope), amounts, amounts)


@st.composite
def facts_at(draw: st.DrawFn) -> tuple[Facts, datetime]:
    now, zone = draw(moments), draw(st.sampled_from(ZONES))
    override = None
    if draw(st.booleans()):
        lifted = draw(st.sets(st.sampled_from([hold for hold in Hold if hold is not Hold.EMERGENCY_STOP]), min_size=1))
        start = now - timedelta(hours=draw(st.integers(0, 48)))
        end = start + timedelta(hours=draw(st.integers(1, 96)))
        override = OverrideFact(tuple(lifted), start, end, draw(st.none() | amounts.filter(bool)), draw(amounts))
    return Facts(
        zone=zone,
        day=local_date(zone, now),
        stopped=tuple(sorted(draw(st.sets(st.sampled_from(Scope), max_size=1)))),
        manual=draw(st.booleans()),
        manual_until=draw(st.none() | moments),
        starts_on=draw(st.none() | days),
        ends_on=draw(st.none() | days),
        budgets=tuple(draw(st.lists(budgets, max_size=5))),
        breaker_until=draw(st.none() | moments),
        week=draw(weeks),
        override=override,
    ), now


def naive_holds(facts: Facts, now: datetime) -> set[Hold]:
    """The table of docs/semantics.md, read off as plainly as can be."""
    today = now.astimezone(facts.zone).date()
    override = facts.override
    stands = override and override.starts_at <= now < override.ends_at
    stands = stands and (override.extra is None or override.spent < override.extra) if override else False
    held = {budget.hold for budget in facts.budgets if budget.used >= budget.limit}
    held |= {Hold.MANUAL} if facts.manual and not (facts.manual_until and facts.manual_until <= now) else set()
    held |= {Hold.ENDED} if facts.ends_on and facts.ends_on < today else set()
    held |= {Hold.NOT_STARTED} if facts.starts_on and today < facts.starts_on else set()
    held |= {Hold.CIRCUIT_BREAKER} if facts.breaker_until and now < facts.breaker_until else set()
    held |= {Hold.NO_SCHEDULE} if facts.week == () else set()
    held |= {Hold.OUTSIDE_SCHEDULE} if facts.week and not is_open(facts.week, facts.zone, now) else set()
    held -= set(override.lifts) if override and stands else set()
    return held | ({Hold.EMERGENCY_STOP} if facts.stopped else set())


@given(facts_at())
def test_the_decision_is_the_table_of_holds(case: tuple[Facts, datetime]) -> None:
    facts, now = case

    verdict = decide(facts, now)

    assert set(verdict.holds) == naive_holds(facts, now)
    assert list(verdict.holds) == [hold for hold in PRECEDENCE if hold in verdict.holds]
    assert verdict == decide(facts, now)


@given(facts_at())
def test_every_hold_has_a_cause_and_every_cause_that_is_not_lifted_holds(case: tuple[Facts, datetime]) -> None:
    facts, now = case

    causes = causes_at(facts, now)

    assert {cause.hold for cause in causes if not cause.lifted} == set(decide(facts, now).holds)
    assert all(cause.until is None or cause.until > now for cause in causes)


@given(facts_at(), st.integers(1, 10_000))
def test_nothing_changes_before_the_next_check(case: tuple[Facts, datetime], share: int) -> None:
    facts, now = case
    verdict = decide(facts, now)

    between = now + (verdict.next_check_at - now) * share / 10_001

    assert now < verdict.next_check_at <= now + timedelta(hours=26)
    assert decide(facts, between).holds == verdict.holds


@given(facts_at())
def test_it_runs_when_explain_says_and_not_before(case: tuple[Facts, datetime]) -> None:
    facts, now = case

    at = runs_next(facts, now)

    look, steps = now, 0
    while at is not None and look < at and steps < 400:
        assert decide(facts, look).holds, f"runs at {look}, said {at}"
        look, steps = decide(facts, look).next_check_at, steps + 1
    if at is not None:
        assert decide(facts, at).runs
    elif not facts.override:
        later = [decide(facts, now + timedelta(days=day, hours=day % 24)).holds for day in range(0, 60, 7)]
        assert all(later)


@given(facts_at())
def test_no_override_lifts_an_emergency_stop(case: tuple[Facts, datetime]) -> None:
    facts, now = case

    verdict = decide(facts._replace(stopped=(Scope.BRAND,)), now)

    assert verdict.pause_reason is Hold.EMERGENCY_STOP


@pytest.mark.parametrize(("used", "holds"), [(99_999_999, ()), (100_000_000, (Hold.DAILY_BUDGET_EXCEEDED,))])
def test_a_budget_is_reached_by_spend_equal_to_it_and_not_a_micro_before(used: int, holds: tuple[Hold, ...]) -> None:
    facts = Facts(BERLIN, date(2026, 5, 5), budgets=(Budget(kinds[2], Scope.BRAND, 100_000_000, used),))

    assert decide(facts, NOON).holds == holds


def test_an_override_holds_from_its_first_instant_to_before_its_last() -> None:
    hour = timedelta(hours=1)
    override = OverrideFact((Hold.MANUAL,), NOON, NOON + hour, None, 0)
    facts = Facts(BERLIN, local_date(BERLIN, NOON), manual=True, override=override)

    runs = [
        decide(facts, NOON + at).runs for at in (-timedelta.resolution, 0 * hour, hour - timedelta.resolution, hour)
    ]

    assert runs == [False, True, True, False]


def test_yesterdays_totals_do_not_hold_today_and_last_months_not_this_month() -> None:
    day = Budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND, 1, 1)
    month = Budget(Hold.MONTHLY_BUDGET_EXCEEDED, Scope.BRAND, 1, 1)
    life = Budget(Hold.LIFETIME_BUDGET_EXCEEDED, Scope.CAMPAIGN, 1, 1)
    facts = Facts(BERLIN, date(2026, 5, 31), budgets=(day, month, life))

    last_second = datetime(2026, 5, 31, 21, 59, 59, tzinfo=UTC)

    assert len(decide(facts, last_second).holds) == 3
    assert decide(facts, last_second).next_check_at == last_second + timedelta(seconds=1), "midnight in Berlin"
    assert decide(facts, last_second + timedelta(seconds=1)).holds == (Hold.LIFETIME_BUDGET_EXCEEDED,)


@dataclass(frozen=True)
class Switch:
    """One cause that can be there or not."""

    hold: Hold
    change: dict[str, Any]


SWITCHES = [
    Switch(Hold.EMERGENCY_STOP, {"stopped": (Scope.CAMPAIGN,)}),
    Switch(Hold.MANUAL, {"manual": True}),
    Switch(Hold.ENDED, {"ends_on": date(2026, 5, 4)}),
    Switch(Hold.CIRCUIT_BREAKER, {"breaker_until": NOON + timedelta(minutes=15)}),
    Switch(Hold.OUTSIDE_SCHEDULE, {"week": ((0, 3600),)}),
    Switch(Hold.DAILY_BUDGET_EXCEEDED, {"budgets": (Budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND, 1, 1),)}),
]


@pytest.mark.fault(45)
def test_it_runs_exactly_when_no_cause_is_left_whatever_the_set() -> None:
    free = Facts(BERLIN, date(2026, 5, 5))
    for size in range(len(SWITCHES) + 1):
        for chosen in combinations(SWITCHES, size):
            facts = free._replace(**{name: value for switch in chosen for name, value in switch.change.items()})

            assert set(decide(facts, NOON).holds) == {switch.hold for switch in chosen}


def test_it_runs_next_when_the_last_of_several_causes_ends() -> None:
    facts = Facts(
        BERLIN,
        date(2026, 5, 5),
        manual=True,
        manual_until=datetime(2026, 5, 6, 18, 0, tzinfo=UTC),
        budgets=(Budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND, 5, 5),),
        week=NINE_TO_FIVE,
    )

    assert runs_next(facts, NOON) == datetime(2026, 5, 7, 7, 0, tzinfo=UTC)


def test_a_budget_of_nothing_never_ends_by_itself() -> None:
    facts = Facts(BERLIN, date(2026, 5, 5), budgets=(Budget(Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND, 0, 0),))

    assert runs_next(facts, NOON) is None
