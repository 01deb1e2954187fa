"""Settings of each channel, and histories that are kept elsewhere."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from budget_pacer import (
    BudgetPacer,
    ChannelType,
    CircuitBreakerState,
    History,
    PacerConfig,
    PacingStrategy,
    SpendTransaction,
)
from tests.unit.pacing.clocks import Clock

GOOGLE, VIDEO = ChannelType.GOOGLE, ChannelType.VIDEO


def test_each_channel_of_each_campaign_has_its_own_settings() -> None:
    settings = {
        ("a", GOOGLE): PacerConfig(max_hourly_spend_pct=Decimal("0.10")),
        ("a", VIDEO): PacerConfig(overspends_to_trip=1),
        ("b", GOOGLE): PacerConfig(cooldown_s=60),
    }
    clock = Clock()
    pacer = BudgetPacer(clock=clock, settings_of=lambda campaign, channel: settings[campaign, ChannelType(channel)])
    for campaign, channel in settings:
        pacer.allocate_hourly_budget(campaign, channel, Decimal(1000))

    assert not pacer.can_spend("a", GOOGLE, Decimal(101))[0]
    assert pacer.can_spend("a", VIDEO, Decimal(101))[0]
    pacer.record_spend(SpendTransaction("a", VIDEO, Decimal(151)))
    pacer.record_spend(SpendTransaction("b", GOOGLE, Decimal(151)))
    assert pacer.circuit_breaker_state("a", VIDEO) is CircuitBreakerState.OPEN
    assert pacer.circuit_breaker_state("b", GOOGLE) is CircuitBreakerState.CLOSED
    pacer.trip("b", GOOGLE, "looks wrong")
    clock.wait(60)
    assert pacer.circuit_breaker_state("b", GOOGLE) is CircuitBreakerState.HALF_OPEN
    assert pacer.circuit_breaker_state("a", VIDEO) is CircuitBreakerState.OPEN


def test_limits_follow_changed_settings_when_told() -> None:
    share = Decimal("0.15")
    pacer = BudgetPacer(clock=Clock(), settings_of=lambda _campaign, _channel: PacerConfig(max_hourly_spend_pct=share))
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))

    share = Decimal("0.30")
    assert not pacer.can_spend("c", GOOGLE, Decimal(200))[0]
    pacer.relimit("c")

    assert pacer.can_spend("c", GOOGLE, Decimal(200))[0]


def test_a_setting_by_channel_says_where_reallocation_begins() -> None:
    """The most careful channel's threshold holds for all: money moves between them."""
    for careful, moves in ((Decimal("0.2"), True), (Decimal(5), False)):
        clock = Clock(datetime(2026, 5, 4, 0, tzinfo=UTC))
        pacer = BudgetPacer(
            clock=clock,
            settings_of=lambda _, channel, careful=careful: PacerConfig(  # type: ignore[misc]
                frontload_protection_hours=0, reallocation_threshold=careful if channel == VIDEO else Decimal("0.2")
            ),
        )
        for channel in (GOOGLE, VIDEO):
            pacer.allocate_hourly_budget("c", channel, Decimal(1000), PacingStrategy.EVEN_DISTRIBUTION)
        clock.wait(15 * 3600)
        pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(600), clicks=100, revenue=Decimal(1800)))
        pacer.record_spend(SpendTransaction("c", VIDEO, Decimal(100), clicks=10, revenue=Decimal(100)))

        pacer.reallocate("c")

        assert (pacer.budget("c", GOOGLE) > 1000) is moves


def week_of_evenings() -> History:
    history = History()
    for number in range(24 * 14):
        history.add(number // 24 % 7, number % 24, number, clicks=100 if number % 24 == 20 else 1, cost=1)
    return history


def test_a_history_is_asked_for_once_and_the_pacer_adds_to_a_copy() -> None:
    asked, given = [], week_of_evenings()

    def history_of(campaign_id: str, channel: str) -> History | None:
        asked.append((campaign_id, channel))
        return given if channel == GOOGLE else None

    pacer = BudgetPacer(clock=Clock(), history_of=history_of)
    plan = pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000), PacingStrategy.HISTORICAL_PATTERN)
    pacer.allocate_hourly_budget("c", VIDEO, Decimal(1000), PacingStrategy.HISTORICAL_PATTERN)
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(10), clicks=1_000))
    for channel in (GOOGLE, VIDEO):
        pacer.check_pace("c", channel)
        pacer.plan("c", channel)

    assert max(plan, key=lambda entry: entry.amount).hour == 20
    assert asked == [("c", GOOGLE), ("c", VIDEO)]
    assert given == week_of_evenings()
    assert pacer.data_hours("c", GOOGLE) == given.data_hours + 1
    assert pacer.data_hours("c", VIDEO) == 0


def test_what_is_taught_on_purpose_is_added_to_a_history_from_elsewhere() -> None:
    pacer = BudgetPacer(clock=Clock(), history_of=lambda _campaign, _channel: week_of_evenings())
    pacer.learn("c", GOOGLE, datetime(2026, 5, 1, tzinfo=UTC), clicks=5)

    assert pacer.data_hours("c", GOOGLE) == week_of_evenings().data_hours + 1


def test_a_new_pacer_for_every_operation_decides_as_one_that_stays() -> None:
    clock, given = Clock(), week_of_evenings()
    stays = BudgetPacer(clock=clock, history_of=lambda _campaign, _channel: given)
    stays.allocate_hourly_budget("c", GOOGLE, Decimal(1000))
    comes = BudgetPacer(clock=clock, history_of=lambda _campaign, _channel: given)
    comes.allocate_hourly_budget("c", GOOGLE, Decimal(1000))
    for minute in range(300):
        clock.wait(60)
        comes = BudgetPacer(clock=Clock(clock.now), store=comes.store, history_of=lambda _campaign, _channel: given)
        amount = Decimal(minute % 17 + 1)
        assert comes.can_spend("c", GOOGLE, amount) == stays.can_spend("c", GOOGLE, amount)
        for pacer in (stays, comes):
            pacer.record_spend(SpendTransaction("c", GOOGLE, amount))
            assert pacer.check_pace("c", GOOGLE)[0] == stays.check_pace("c", GOOGLE)[0]

    clock.wait(timedelta(days=1).total_seconds())
    assert comes.store.load("c") == stays.store.load("c")
