"""States and histories as JSON and back, exactly."""

import json
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budget_pacer import (
    BudgetPacer,
    CampaignState,
    Channel,
    ChannelType,
    History,
    PacingStrategy,
    SpendTransaction,
    UnreadableData,
    dump_history,
    dump_state,
    load_history,
    load_state,
    open_daily,
)
from tests.unit.pacing.clocks import Clock

CHANNELS: list[Channel] = [ChannelType.GOOGLE, ChannelType.VIDEO, "podcast"]
AMOUNTS = st.integers(1, 400_000_000).map(lambda micros: Decimal(micros).scaleb(-6))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["spend", "reserve", "check", "correct", "trip", "stop", "wait", "budget", "reallocate"]),
        st.sampled_from(CHANNELS),
        AMOUNTS,
    ),
    max_size=25,
)


def stored(data: Any) -> Any:
    """As a database hands it back: through text, with the keys of objects in another order."""
    return json.loads(json.dumps(data, sort_keys=True, allow_nan=False))


def in_parts(state: CampaignState) -> list[tuple[object, ...]]:
    """For comparing types and the order of channels; issues come last, because sets are shown in any order."""
    return [(name, channel._replace(issues=frozenset()), channel.issues) for name, channel in state.channels.items()]


def run(steps: list[tuple[str, Channel, Decimal]], zone: str, open_from: int | None, strategy: PacingStrategy) -> Any:
    clock = Clock(datetime(2026, 3, 28, 20, tzinfo=UTC))
    pacer = BudgetPacer(clock=clock, extra_channels=["podcast"], min_conversion_rate=Decimal("0.1"))
    week = None if open_from is None else open_daily(time(open_from), time(0))
    pacer.set_campaign("c", timezone=zone, open_hours=week)
    for hours in range(200):
        pacer.learn("c", "podcast", clock.now - timedelta(hours=hours), clicks=hours % 24, cost=Decimal(hours % 7))
    for channel in CHANNELS:
        pacer.allocate_hourly_budget("c", channel, Decimal(1000), strategy)
    for what, channel, amount in steps:
        match what:
            case "spend":
                pacer.record_spend(SpendTransaction("c", channel, amount, clicks=7, revenue=amount / 3))
            case "reserve":
                pacer.reserve("c", channel, amount)
            case "check":
                pacer.check_pace("c", channel)
            case "correct":
                pacer.correct_spend("c", channel, amount - 200)
            case "trip":
                pacer.trip("c", channel, "prices: 3 × as usual")
            case "stop":
                pacer.stop("c", "“wrong page”")
            case "budget":
                pacer.allocate_hourly_budget("c", channel, amount, strategy)
            case "reallocate":
                pacer.reallocate("c")
        clock.wait(float(amount) * 20)
    state = pacer.store.load("c")
    assert state is not None
    return state, pacer._learned.history("c", "podcast", lambda history: history.copy())


@settings(max_examples=30, deadline=None)
@given(
    STEPS,
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.sampled_from([None, 0, 11, 22]),
    st.sampled_from(PacingStrategy),
)
def test_what_is_stored_as_json_comes_back_the_same(
    steps: list[tuple[str, Channel, Decimal]], zone: str, open_from: int | None, strategy: PacingStrategy
) -> None:
    state, history = run(steps, zone, open_from, strategy)

    loaded = load_state(stored(dump_state(state)), version=17)

    assert loaded == state._replace(version=17)
    assert [repr(item[:-1]) for item in in_parts(loaded)] == [repr(item[:-1]) for item in in_parts(state)]
    assert load_history(stored(dump_history(history))) == history


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 167), st.integers(0, 10**6), st.floats(0, 1e12)), max_size=30))
def test_any_history_comes_back_the_same(hours: list[tuple[int, int, float]]) -> None:
    history = History()
    for position, number, amount in hours:
        history.add(position // 24, position % 24, number, clicks=amount, cost=amount / 3)

    assert load_history(stored(dump_history(history))) == history


def a_state() -> CampaignState:
    pacer = BudgetPacer(clock=Clock())
    pacer.allocate_hourly_budget("c", ChannelType.GOOGLE, Decimal(1000))
    state = pacer.store.load("c")
    assert state is not None
    return state


@pytest.mark.parametrize("format_", [None, 0, 2, "1"])
def test_another_format_is_refused_by_name(format_: object) -> None:
    data = {**dump_state(a_state()), "format": format_}

    with pytest.raises(UnreadableData, match=rf"format {format_!r}: this version of the package reads format 1"):
        load_state(data, 1)
    with pytest.raises(UnreadableData, match="a history in format"):
        load_history({**dump_history(History()), "format": format_})


def test_damaged_data_is_refused() -> None:
    data = dump_state(a_state())
    del data["channels"][0]["meter"]
    with pytest.raises(UnreadableData, match="meter"):
        load_state(data, 1)

    data = dump_state(a_state())
    data["channels"][0]["strategy"] = "guess"
    with pytest.raises(UnreadableData, match="guess"):
        load_state(data, 1)

    with pytest.raises(UnreadableData, match="index"):
        load_history({"format": 1, "data_hours": 1, "bins": [[168, 0, 1.0]]})


def test_a_state_takes_little_room() -> None:
    assert len(json.dumps(dump_state(a_state()))) < 1500
