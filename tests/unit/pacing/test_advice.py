"""Advice on opportunities: it looks at the past only, keeps to its corridor, and does not depend on names or units."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from budget_pacer import BudgetPacer, ChannelType, PacingStrategy, SpendTransaction, TrafficHour
from budget_pacer.nowcast import day_volume
from tests.unit.pacing.clocks import Clock

MIDNIGHT = datetime(2026, 5, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Offer:
    second: float
    cents: int
    value: float


def offers(seed: int = 1, count: int = 1500) -> list[Offer]:
    random = Random(seed)
    return [
        Offer(second, random.randint(5, 200), random.lognormvariate(-5, 1))
        for second in sorted(random.uniform(0, 86_399) for _ in range(count))
    ]


def decisions(
    seen: list[Offer],
    strategy: PacingStrategy = PacingStrategy.ADAPTIVE_HYBRID,
    *,
    scale: int = 1,
    channel: ChannelType = ChannelType.DISPLAY,
    timezone: str = "UTC",
    shift: timedelta = timedelta(0),
    scores: bool = True,
) -> tuple[list[bool], Decimal]:
    clock = Clock(MIDNIGHT + shift)
    pacer = BudgetPacer(clock=clock, timezone=timezone)
    hours = [TrafficHour(clock.now - timedelta(hours=back), 60, 60.0 * scale, 1.0) for back in range(168, 0, -1)]
    pacer.learn_traffic("c", channel, hours)
    pacer.allocate_hourly_budget("c", channel, Decimal(500 * scale), strategy)
    taken: list[bool] = []
    for offer in seen:
        clock.now = MIDNIGHT + shift + timedelta(seconds=offer.second)
        cost = Decimal(offer.cents * scale).scaleb(-2)
        approve = pacer.advise("c", channel, cost, offer.value if scores else None).approve
        if approve and pacer.reserve("c", channel, cost, reservation_id=f"r{len(taken)}").granted:
            pacer.settle(f"r{len(taken)}")
        taken.append(approve)
    return taken, pacer.spent("c", channel)


@pytest.mark.parametrize("strategy", list(PacingStrategy))
def test_what_comes_later_changes_nothing_before(strategy: PacingStrategy) -> None:
    first, other = offers(1), offers(2)
    half = [offer for offer in first if offer.second < 43_200]
    mixed = half + [offer for offer in other if offer.second >= 43_200]

    assert decisions(first, strategy)[0][: len(half)] == decisions(mixed, strategy)[0][: len(half)]


@pytest.mark.parametrize("strategy", list(PacingStrategy))
def test_the_budget_is_used_and_never_passed(strategy: PacingStrategy) -> None:
    _, spent = decisions(offers(), strategy)

    assert Decimal(490) < spent <= 500


@pytest.mark.slow
def test_units_names_and_time_zones_change_no_decision() -> None:
    taken, _ = decisions(offers())

    assert decisions(offers(), channel=ChannelType.VIDEO)[0] == taken
    assert decisions(offers(), timezone="Asia/Tokyo", shift=timedelta(hours=-9))[0] == taken
    scaled = decisions(offers(), scale=10)[0]
    assert sum(a != b for a, b in zip(scaled, taken, strict=True)) <= 0.01 * len(taken)


def test_scores_bring_more_than_costs_alone() -> None:
    def value(taken: list[bool]) -> float:
        return sum(offer.value for offer, yes in zip(offers(), taken, strict=True) if yes)

    assert value(decisions(offers())[0]) > 1.1 * value(decisions(offers(), scores=False)[0])


def test_a_channel_without_any_history_still_spends_its_day_evenly() -> None:
    clock = Clock(MIDNIGHT)
    pacer = BudgetPacer(clock=clock)
    pacer.allocate_hourly_budget("c", ChannelType.DISPLAY, Decimal(500))
    spent_at_noon = Decimal(0)
    for offer in offers():
        clock.now = MIDNIGHT + timedelta(seconds=offer.second)
        cost = Decimal(offer.cents).scaleb(-2)
        if offer.second < 43_200:
            spent_at_noon = pacer.spent("c", ChannelType.DISPLAY)
        if pacer.advise("c", ChannelType.DISPLAY, cost, offer.value).approve:
            found = pacer.reserve("c", ChannelType.DISPLAY, cost)
            if found.granted:
                pacer.settle(found.reservation_id)

    assert 150 < spent_at_noon < 320
    assert pacer.spent("c", ChannelType.DISPLAY) > 480


def a_known_week(budget: int, strategy: PacingStrategy) -> tuple[Clock, BudgetPacer]:
    """A pacer that knows a week of about as much traffic as `offers` brings."""
    clock = Clock(MIDNIGHT)
    pacer = BudgetPacer(clock=clock, frontload_protection_hours=0)
    hours = [TrafficHour(clock.now - timedelta(hours=back), 62, 64.0, 1.0) for back in range(168, 0, -1)]
    pacer.learn_traffic("c", ChannelType.DISPLAY, hours)
    pacer.allocate_hourly_budget("c", ChannelType.DISPLAY, Decimal(budget), strategy)
    return clock, pacer


@pytest.mark.parametrize("strategy", [PacingStrategy.ADAPTIVE_HYBRID, PacingStrategy.EVEN_DISTRIBUTION])
def test_money_that_comes_at_noon_lasts_till_the_evening(strategy: PacingStrategy) -> None:
    clock, pacer = a_known_week(100, strategy)
    spent: dict[int, Decimal] = {}
    for offer in offers():
        clock.now = MIDNIGHT + timedelta(seconds=offer.second)
        if offer.second >= 43_200 and 24 not in spent:
            pacer.allocate_hourly_budget("c", ChannelType.DISPLAY, Decimal(300), strategy)
        cost = Decimal(offer.cents).scaleb(-2)
        if pacer.advise("c", ChannelType.DISPLAY, cost, offer.value).approve:
            found = pacer.reserve("c", ChannelType.DISPLAY, cost)
            if found.granted:
                pacer.settle(found.reservation_id)
        spent[int(offer.second // 1800)] = pacer.spent("c", ChannelType.DISPLAY)

    first_hour, rest = spent[25] - spent[23], 300 - spent[23]
    assert first_hour < rest / 8, "a twelfth is an hour's part of what is left"
    assert spent[47] > 290


def test_a_quiet_night_says_little_of_the_evening() -> None:
    usual, passed = 1000.0, 0.1  # a tenth of a usual day should have come; half of that has

    assert day_volume(usual, 50, passed) > 0.8 * usual
    assert 0.5 * usual < day_volume(usual, 400, 0.8) < 0.65 * usual, "late in the day what has come decides"
    assert day_volume(None, 50, passed) == 500


def test_every_answer_has_its_reason() -> None:
    clock = Clock(MIDNIGHT + timedelta(hours=12))
    pacer = BudgetPacer(clock=clock)
    pacer.allocate_hourly_budget("c", ChannelType.DISPLAY, Decimal(500), PacingStrategy.EVEN_DISTRIBUTION)

    assert pacer.advise("c", ChannelType.DISPLAY, Decimal(1)).reason
    pacer.stop("c", "wrong page")
    advice = pacer.advise("c", ChannelType.DISPLAY, Decimal(1), 0.5)
    assert (advice.approve, advice.reason) == (False, "leave: closed or stopped")
    assert pacer.bid_advice("c", ChannelType.DISPLAY).reasons == ("emergency stop: wrong page",)


@pytest.mark.parametrize(
    ("spent", "bid", "word"), [("500", 1.0, "on plan"), ("750", 0.6667, "ahead"), ("250", 1.25, "behind")]
)
def test_bids_follow_the_pace(spent: str, bid: float, word: str) -> None:
    pacer = BudgetPacer(clock=Clock(MIDNIGHT + timedelta(hours=12)))
    pacer.allocate_hourly_budget("c", ChannelType.DISPLAY, Decimal(1000))
    pacer.record_spend(SpendTransaction("c", ChannelType.DISPLAY, Decimal(spent)))

    advice = pacer.bid_advice("c", ChannelType.DISPLAY)

    assert advice.bid_multiplier == bid
    assert word in advice.reasons[0]


def test_a_dear_channel_is_told_to_bid_less() -> None:
    pacer = BudgetPacer(
        clock=Clock(MIDNIGHT + timedelta(hours=12)), max_cost_per_click=Decimal(5), target_roas=Decimal(2)
    )
    pacer.allocate_hourly_budget("c", ChannelType.DISPLAY, Decimal(1000))
    pacer.record_spend(SpendTransaction("c", ChannelType.DISPLAY, Decimal(500), clicks=80, revenue=Decimal(750)))

    advice = pacer.bid_advice("c", ChannelType.DISPLAY)

    assert advice.bid_multiplier == pytest.approx(5 / 6.25 * 0.75, abs=0.001)
    assert len(advice.reasons) == 2


@pytest.mark.parametrize("strategy", [PacingStrategy.PREDICTIVE_ML, PacingStrategy.ADAPTIVE_HYBRID])
def test_what_returns_far_more_is_taken_out_of_the_corridor_too(strategy: PacingStrategy) -> None:
    clock, pacer = a_known_week(500, strategy)
    for offer in offers():
        clock.now = MIDNIGHT + timedelta(seconds=offer.second)
        advice = pacer.advise("c", ChannelType.DISPLAY, Decimal(offer.cents).scaleb(-2), offer.value)
        if advice.code == "corridor" and offer.second > 3600:
            break
        # All that the corridor lets through, whatever it returns.
        if advice.code != "corridor":
            pacer.record_spend(SpendTransaction("c", ChannelType.DISPLAY, Decimal(offer.cents).scaleb(-2)))
    else:
        raise AssertionError("spend never came to the rail")

    assert pacer.advise("c", ChannelType.DISPLAY, Decimal(1), 1000.0).approve
    usual = pacer.advise("c", ChannelType.DISPLAY, Decimal(1), 1.5 * advice.price_of_money)
    assert (usual.approve, usual.code) == (False, "corridor")


def test_a_channel_without_money_takes_nothing_however_much_it_returns() -> None:
    _, pacer = a_known_week(0, PacingStrategy.ADAPTIVE_HYBRID)

    assert pacer.advise("c", ChannelType.DISPLAY, Decimal(1), 1e9).code == "spent"
