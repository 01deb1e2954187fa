"""Facts that are otherwise: the same decision is asked, about other facts."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.holds import Hold
from enforcement.decision import Budget, Facts, Scope, decide, runs_next
from enforcement.what_if import KEYS, Otherwise, activated, otherwise, overridden, paused
from scheduling.windows import Window, compile_week

NOW = datetime(2026, 5, 5, 10, tzinfo=UTC)  # a Tuesday, 12:00 in Berlin
BRAND_DAY = (Hold.DAILY_BUDGET_EXCEEDED, Scope.BRAND)
OWN_DAY = (Hold.DAILY_BUDGET_EXCEEDED, Scope.CAMPAIGN)
FACTS = Facts(ZoneInfo("Europe/Berlin"), date(2026, 5, 5), budgets=(Budget(*BRAND_DAY, 100, 100),))


def test_nothing_otherwise_leaves_the_facts_as_they_are() -> None:
    assert otherwise(FACTS, {}, Otherwise()) == FACTS


def test_another_budget_keeps_what_counts_against_it() -> None:
    raised = otherwise(FACTS, {}, Otherwise({BRAND_DAY: 101}))

    assert decide(FACTS, NOW).holds == (Hold.DAILY_BUDGET_EXCEEDED,)
    assert decide(raised, NOW).runs
    assert raised.budgets == (Budget(*BRAND_DAY, 101, 100),)


def test_no_limit_takes_a_budget_away_and_a_new_one_counts_what_is_spent() -> None:
    facts = otherwise(FACTS, {OWN_DAY: 70}, Otherwise({BRAND_DAY: None, OWN_DAY: 70}))

    assert facts.budgets == (Budget(*OWN_DAY, 70, 70),)
    assert decide(facts, NOW).holds == (Hold.DAILY_BUDGET_EXCEEDED,)


def test_budgets_come_in_the_order_of_the_facts() -> None:
    facts = otherwise(FACTS, {}, Otherwise(dict.fromkeys(reversed(KEYS), 5)))

    assert [(budget.hold, budget.scope) for budget in facts.budgets] == list(KEYS)


def test_less_spend_counts_in_every_budget() -> None:
    facts = otherwise(FACTS, {}, Otherwise(more=-1))

    assert decide(facts, NOW).runs


def test_another_week_is_asked_when_it_opens() -> None:
    nights = compile_week([Window(1, time(22), time(6), True)])
    free = FACTS._replace(budgets=())

    supposed = otherwise(free, {}, Otherwise(other_week=True, week=nights))

    assert decide(supposed, NOW).holds == (Hold.OUTSIDE_SCHEDULE,)
    assert runs_next(supposed, NOW) == datetime(2026, 5, 5, 20, tzinfo=UTC)
    assert otherwise(supposed, {}, Otherwise(other_week=True, week=None)).week is None


def test_pauses_and_overrides_are_facts_like_others() -> None:
    later = NOW + timedelta(hours=1)
    lifted = overridden(FACTS, [Hold.DAILY_BUDGET_EXCEEDED], later, 5, NOW)

    assert runs_next(paused(FACTS._replace(budgets=()), later), NOW) == later
    assert decide(activated(paused(FACTS, None)), NOW) == decide(FACTS, NOW)
    assert decide(lifted, NOW).runs
    assert not decide(lifted, later).runs
    assert not decide(otherwise(lifted, {}, Otherwise(more=5)), NOW).runs  # the extra money is used up
