"""A month's plan: what today gets, how far off is fine, where the month ends."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget_pacer import InvalidMonth, MonthFacts, plan_month
from budget_pacer.month import daily_supply_of

FIRST, LAST = date(2026, 6, 1), date(2026, 6, 30)


def facts(day: int, spent: str = "0", **more: object) -> MonthFacts:
    return MonthFacts(Decimal(3000), Decimal(spent), date(2026, 6, day), LAST, FIRST, **more)  # type: ignore[arg-type]


def test_today_gets_its_share_of_what_is_left_over_the_open_days_left() -> None:
    assert plan_month(facts(1)).today == 100
    assert plan_month(facts(11, "1000")).today == 100
    assert plan_month(facts(11, "2000")).today == 50
    assert plan_month(facts(11, "1000", closed=[date(2026, 6, d) for d in range(21, 31)])).today == 200


def test_no_day_gets_more_than_twice_an_even_day_and_the_last_gets_what_is_left_under_it() -> None:
    plan = plan_month(facts(28, "1000"))

    assert plan.today == 200
    assert "twice" in plan.reason or "2 times" in plan.reason
    assert plan_month(facts(30, "2850.01")).today == Decimal("149.99")
    assert plan_month(facts(30, "1000")).today == 200


def test_weekday_weights_shift_money_between_days() -> None:
    weights = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0)  # 1 June 2026 is a Monday, the 7th a Sunday

    assert plan_month(facts(1, weekday_weights=weights)).today > plan_month(facts(2, weekday_weights=weights)).today
    assert plan_month(facts(7, weekday_weights=weights)).today == 0


def test_a_dying_supply_is_not_rationed() -> None:
    plan = plan_month(facts(20, "1500", daily_supply=Decimal(120)))

    assert plan.today == 200
    assert "not rationed" in plan.reason


def spent_of(supply: list[int], *, known: bool) -> tuple[list[Decimal], bool]:
    """What each day of June spends if the plan is followed, and whether any day was off its pace."""
    days, off = list[Decimal](), False
    for day in range(1, 31):
        seen = daily_supply_of([Decimal(one) for one in supply[: day - 1]]) if known else None
        plan = plan_month(facts(day, str(sum(days)), daily_supply=seen))
        off |= plan.off_pace
        days.append(min(plan.today, Decimal(supply[day - 1])))
    return days, off


def test_the_nearer_supply_is_to_what_is_needed_the_more_is_spent_early() -> None:
    supplies = [2000, 600, 300, 150]

    todays = [plan_month(facts(1, daily_supply=Decimal(supply))).today for supply in supplies]

    assert todays[0] == 100
    assert todays == sorted(todays)
    assert 110 < todays[2] < todays[3] == 200


def test_a_month_whose_supply_dies_away_has_spent_more_of_its_budget_before() -> None:
    dies = [240] * 16 + [max(0, 180 - 60 * n) for n in range(14)]

    with_forecast, without = spent_of(dies, known=True)[0], spent_of(dies, known=False)[0]

    assert sum(with_forecast) > Decimal("1.2") * sum(without)
    assert max(with_forecast) <= 200


def test_a_month_with_plenty_of_supply_is_spent_evenly() -> None:
    days, off = spent_of([900] * 30, known=True)

    assert sum(days) == 3000
    assert max(days) < 110
    assert not off


def test_supply_is_expected_to_be_that_of_the_last_week_or_the_last_days_if_lower() -> None:
    assert daily_supply_of([]) is None
    assert daily_supply_of([Decimal(1000), *[Decimal(70)] * 7]) == 70
    assert daily_supply_of([*[Decimal(70)] * 4, *[Decimal(10)] * 3]) == 10
    assert daily_supply_of([*[Decimal(10)] * 4, *[Decimal(80)] * 3]) == 40


def test_tolerance_tightens_towards_the_end() -> None:
    tolerances = [plan_month(facts(day)).tolerance for day in (1, 10, 20, 30)]

    assert tolerances == sorted(tolerances, reverse=True)
    assert tolerances[0] == pytest.approx(0.25)
    assert tolerances[-1] == pytest.approx(0.02)
    assert plan_month(facts(3, "240")).off_pace is False
    assert plan_month(facts(28, "2400")).off_pace is True


def test_the_projection_narrows_as_days_pass_and_never_passes_the_budget() -> None:
    def spent(days: int) -> dict[date, Decimal]:
        return {FIRST + timedelta(days=n): Decimal(70 + 20 * (n % 2)) for n in range(days)}

    early = plan_month(facts(6, "390", daily_spend=spent(5))).projection
    late = plan_month(facts(26, "1990", daily_spend=spent(25))).projection

    assert early.low <= early.expected <= early.high <= 3000
    assert late.high - late.low < early.high - early.low
    assert late.expected == pytest.approx(Decimal(2390), abs=20)


@given(st.integers(1, 30), st.integers(0, 400_000), st.integers(0, 400_000), st.sets(st.integers(1, 30)))
def test_a_plan_never_gives_more_than_is_left(day: int, budget: int, spent: int, closed: set[int]) -> None:
    plan = plan_month(
        MonthFacts(
            Decimal(budget).scaleb(-2),
            Decimal(spent).scaleb(-2),
            date(2026, 6, day),
            LAST,
            FIRST,
            closed={date(2026, 6, d) for d in closed},
        )
    )

    assert 0 <= plan.today <= plan.left == max(0, Decimal(budget - spent).scaleb(-2))
    assert plan.today == 0 or day not in closed
    assert plan.projection.low <= plan.projection.expected <= plan.projection.high


@given(st.lists(st.integers(0, 300), min_size=30, max_size=30))
def test_following_the_plan_never_overspends_the_month(supply: list[int]) -> None:
    spent = Decimal(0)
    for day in range(1, 31):
        today = plan_month(facts(day, str(spent))).today
        spent += min(today, Decimal(supply[day - 1]))

    assert spent <= 3000


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": Decimal(-1)},
        {"today": date(2026, 7, 1)},
        {"weekday_weights": (1.0,) * 6},
        {"weekday_weights": (-1.0,) * 7},
    ],
)
def test_facts_that_contradict_each_other_are_refused(wrong: dict[str, object]) -> None:
    right = {"budget": Decimal(1), "spent": Decimal(0), "today": FIRST, "last_day": LAST, "first_day": FIRST}
    with pytest.raises(InvalidMonth):
        plan_month(MonthFacts(**{**right, **wrong}))  # type: ignore[arg-type]
