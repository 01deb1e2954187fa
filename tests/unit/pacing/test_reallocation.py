"""Moving unused money: transfers only, to the cent, never below what is spent, and never compounding."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget_pacer import BudgetPacer, ChannelType, SpendTransaction, UnknownBudget
from budget_pacer.reallocation import ChannelFacts, Demand, reallocate, share_by_price
from tests.unit.pacing.clocks import Clock

GOOGLE, FACEBOOK, TIKTOK = ChannelType.GOOGLE, ChannelType.FACEBOOK, ChannelType.TIKTOK
CENT = 10_000


@st.composite
def channels(draw: st.DrawFn) -> dict[str, ChannelFacts]:
    facts = {}
    for name in draw(st.lists(st.sampled_from(list(ChannelType)), min_size=1, max_size=5, unique=True)):
        budget = draw(st.integers(0, 10**6)) * CENT
        original = draw(st.sampled_from([budget, budget, budget + 50 * CENT]))
        used = draw(st.integers(0, budget + budget // 5))
        value = draw(st.none() | st.floats(0, 100))
        facts[str(name)] = ChannelFacts(budget, original, used, draw(st.floats(0, 1)), value, draw(st.booleans()))
    return facts


@given(channels())
def test_totals_are_kept_and_nobody_falls_below_what_is_spent(facts: dict[str, ChannelFacts]) -> None:
    same_day = {name: fact._replace(original=fact.budget) for name, fact in facts.items()}
    for given_facts in (facts, same_day):
        if sum(f.original for f in given_facts.values()) != sum(f.budget for f in given_facts.values()):
            continue
        result = reallocate(given_facts, 0.2, CENT)

        assert sum(result.budgets.values()) == sum(fact.budget for fact in given_facts.values())
        assert all(result.budgets[name] >= min(fact.used, fact.budget) for name, fact in given_facts.items())
        assert result.reasons
        for move in result.moves:
            donor, receiver = given_facts[move.donor], given_facts[move.receiver]
            assert (receiver.value_per_cost or 0) > 1.2 * (donor.value_per_cost or 0)


@given(channels(), st.lists(st.floats(0.1, 10), min_size=8, max_size=8))
def test_sharing_by_price_keeps_totals_too(facts: dict[str, ChannelFacts], levels: list[float]) -> None:
    demands = {
        name: Demand(lambda price, level=level: 10**9 * level / (level + price), 50.0)  # type: ignore[misc]
        for name, level in zip(facts, levels, strict=False)
    }

    result = share_by_price(facts, demands, CENT)

    assert sum(result.budgets.values()) == sum(fact.budget for fact in facts.values())
    assert all(result.budgets[name] >= min(fact.used, fact.budget) for name, fact in facts.items())


def afternoon() -> BudgetPacer:
    """At 18:00 Google has used what it should and returns 4 for 1, Facebook little, returning half for 1."""
    clock = Clock()
    clock.now = clock.now.replace(hour=18)
    pacer = BudgetPacer(clock=clock)
    for channel in (GOOGLE, FACEBOOK):
        pacer.allocate_hourly_budget("c", channel, Decimal("500.00"))
    for hour in range(8, 18):
        at = clock.now.replace(hour=hour)
        pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal("37.50"), at, 100, 10, 3, Decimal(150)))
        pacer.record_spend(SpendTransaction("c", FACEBOOK, Decimal("12.00"), at, 100, 10, 1, Decimal(6)))
    return pacer


def test_unused_money_goes_to_the_channel_that_returns_more() -> None:
    pacer = afternoon()

    budgets = asyncio.run(pacer.reallocate_unused("c"))

    assert sum(budgets.values()) == Decimal("1000.00")
    assert budgets == {GOOGLE: Decimal("790.00"), FACEBOOK: Decimal("210.00")}
    assert pacer.budget("c", GOOGLE) == budgets[GOOGLE]
    report = pacer.last_reallocation("c")
    assert report is not None
    assert report.reasons[0].startswith("290.00 from facebook (used 120.00 with 75% of its plan passed, returns 0.5)")


def test_asking_again_moves_nothing_more() -> None:
    pacer = afternoon()
    first = asyncio.run(pacer.reallocate_unused("c"))

    for _ in range(12):
        assert asyncio.run(pacer.reallocate_unused("c")) == first


def test_a_proposal_changes_nothing() -> None:
    pacer = afternoon()

    proposal = pacer.propose_reallocation("c")

    assert proposal.moves
    assert pacer.budget("c", GOOGLE) == 500


def test_a_difference_below_the_threshold_moves_nothing_and_says_why() -> None:
    pacer = afternoon()
    pacer.reallocation_threshold = Decimal(100)

    budgets = asyncio.run(pacer.reallocate_unused("c"))

    assert set(budgets.values()) == {Decimal("500.00")}
    report = pacer.last_reallocation("c")
    assert report is not None
    assert any("facebook has" in reason for reason in report.reasons)


def test_the_next_day_starts_from_the_original_split() -> None:
    pacer = afternoon()
    asyncio.run(pacer.reallocate_unused("c"))
    clock = pacer._clock
    assert isinstance(clock, Clock)

    clock.wait(86_400)

    assert pacer.budget("c", FACEBOOK) == 500


def test_a_campaign_without_budgets_is_unknown() -> None:
    with pytest.raises(UnknownBudget):
        BudgetPacer().reallocate("nobody")


def test_one_price_serves_the_channel_with_supply_worth_buying() -> None:
    facts = {
        "google": ChannelFacts(100 * CENT, 100 * CENT, 0, 0.1, 1.0),
        "facebook": ChannelFacts(100 * CENT, 100 * CENT, 0, 0.1, 1.0),
    }
    demands = {
        "google": Demand(lambda price: 180 * CENT if price < 2 else 0.0, 10),
        "facebook": Demand(lambda price: 500 * CENT if price < 1 else 0.0, 10),
    }

    result = share_by_price(facts, demands, CENT)

    assert result.budgets["google"] >= 100 * CENT
    assert sum(result.budgets.values()) == 200 * CENT


@pytest.mark.parametrize(("used", "moves"), [(975, True), (300, False)])
def test_what_is_too_little_to_move_is_measured_by_what_is_left(used: int, moves: bool) -> None:
    """The same few units are worth moving in the evening and not in the morning: a fiftieth of what is left."""
    facts = {
        "good": ChannelFacts(1000 * 10**6, 1000 * 10**6, used * 10**6, used / 1000, 4.0),
        "poor": ChannelFacts(1000 * 10**6, 1000 * 10**6, 890 * used * 10**3, used / 1000, 1.0),
    }

    result = reallocate(facts, 0.2, CENT)

    assert bool(result.moves) is moves
    assert moves or "too little to move" in result.reasons[0]
