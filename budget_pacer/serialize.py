"""States and histories as plain data for JSON, and back exactly. For stores that keep them in a database or a file.

Every value in it is a string, a whole number, a float, None or a list or dict of those; dicts have strings as keys, and
nothing depends on their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from itertools import accumulate
from typing import Any, Final

from budget_pacer.breaker import Breaker
from budget_pacer.history import History, Sums
from budget_pacer.meter import Limits, Meter
from budget_pacer.plan import Plan
from budget_pacer.store import CampaignState, ChannelState
from budget_pacer.values import AlertType, CircuitBreakerState, PacingStrategy, Performance, as_channel
from budget_pacer.watch import OpenHour, PriceWatch

FORMAT: Final = 1


class UnreadableData(ValueError):
    """Data that this version of the package did not write, or that was damaged since."""


def dump_state(state: CampaignState) -> dict[str, Any]:
    """The state as plain data, without `version`: that is the store's."""
    return {
        "format": FORMAT,
        "zone": state.zone,
        "week": None if state.week is None else [list(part) for part in state.week],
        "unit": state.unit,
        "day": state.day,
        "stopped": state.stopped,
        # A list, because databases sort the keys of objects and the order of channels is kept.
        "channels": [_dump_channel(name, channel) for name, channel in state.channels.items()],
    }


def load_state(data: Mapping[str, Any], version: int) -> CampaignState:
    """The state that `dump_state` was given, with the version that the store keeps beside it. Raises UnreadableData."""
    _check(data, "state")
    try:
        week = data["week"]
        return CampaignState(
            zone=str(data["zone"]),
            week=None if week is None else tuple((int(start), int(end)) for start, end in week),
            unit=int(data["unit"]),
            channels={as_channel(channel["name"]): _load_channel(channel) for channel in data["channels"]},
            day=int(data["day"]),
            stopped=str(data["stopped"]),
            version=version,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UnreadableData(f"the state of a campaign cannot be read: {error!r}") from error


def _dump_channel(name: str, channel: ChannelState) -> dict[str, Any]:
    breaker, limits, meter = channel.breaker, channel.limits, channel.meter
    return {
        "name": str(name),
        "strategy": str(channel.strategy),
        "original": channel.original,
        "plan": [list(channel.plan.weights), channel.plan.reason],
        "limits": [list(part) if isinstance(part, tuple) else part for part in limits],
        "meter": [list(part) if isinstance(part, tuple) else part for part in meter],
        "breaker": [str(breaker.state), *breaker[1:]],
        "issues": sorted(str(issue) for issue in channel.issues),
        "fresh": [*channel.fresh, channel.fresh_since_s],
        "converting": channel.converting,
    }


def _load_channel(data: Mapping[str, Any]) -> ChannelState:
    weights, reason = data["plan"]
    state, why, opened_at_s, *counts = data["breaker"]
    plan = Plan(tuple(weights), tuple(accumulate(weights, initial=0)), str(reason))
    return ChannelState(
        strategy=PacingStrategy(data["strategy"]),
        original=int(data["original"]),
        plan=plan,
        limits=_load_limits(data["limits"]),
        meter=_load_meter(data["meter"]),
        breaker=Breaker(CircuitBreakerState(state), str(why), float(opened_at_s), *map(int, counts)),
        issues=frozenset(AlertType(issue) for issue in data["issues"]),
        fresh=Performance(*map(float, data["fresh"][:-1])),
        fresh_since_s=float(data["fresh"][-1]),
        converting=int(data.get("converting", 0)),
    )


def _load_limits(data: list[Any]) -> Limits:
    budget, hour_caps, plain_caps, emergency_from, window_trips_at, protected_until, part, limit, released = data
    return Limits(
        budget=int(budget),
        hour_caps=tuple(hour_caps),
        plain_caps=tuple(plain_caps),
        emergency_from=int(emergency_from),
        window_trips_at=int(window_trips_at),
        protected_until_s=float(protected_until),
        window_part_s=float(part),
        window_limit=int(limit),
        window_released_s=float(released),
    )


def _load_meter(data: list[Any]) -> Meter:
    spent, held, by_slot, window, newest, amounts, held_by_slot = data
    return Meter(spent, held, tuple(by_slot), tuple(window), newest, amounts, tuple(held_by_slot))


def dump_history(history: History) -> dict[str, Any]:
    """The history as plain data; hours of the week that have seen nothing are left out."""
    prices = history.prices
    return {
        "format": FORMAT,
        "data_hours": history.data_hours,
        "prices": [
            prices.hours,
            prices.by_click,
            prices.level,
            prices.deviation,
            prices.of_day,
            [[position, seen, prices.of_week[position]] for position, seen in enumerate(prices.seen) if seen],
            list(astuple(prices.open)),
        ],
        "bins": [
            [position, latest, *sums]
            for position, (latest, sums) in enumerate(zip(history.last_hour, history.bins, strict=True))
            if latest >= 0 or any(sums)
        ],
    }


def load_history(data: Mapping[str, Any]) -> History:
    """The history that `dump_history` was given. Raises UnreadableData."""
    _check(data, "history")
    try:
        history = History(data_hours=int(data["data_hours"]))
        for position, latest, *sums in data["bins"]:
            history.last_hour[position] = int(latest)
            history.bins[position] = list(Sums(*map(float, sums)))
        history.prices = _load_prices(data["prices"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UnreadableData(f"the history of a channel cannot be read: {error!r}") from error
    return history


def _load_prices(data: list[Any]) -> PriceWatch:
    hours, by_click, level, deviation, of_day, of_week, (number, at, *sums) = data
    prices = PriceWatch(int(hours), bool(by_click), float(level), float(deviation), [float(value) for value in of_day])
    for position, seen, value in of_week:
        prices.seen[position], prices.of_week[position] = int(seen), float(value)
    prices.open = OpenHour(int(number), int(at), *map(float, sums))
    return prices


def _check(data: Mapping[str, Any], what: str) -> None:
    found = data.get("format") if isinstance(data, Mapping) else None
    if found != FORMAT:
        raise UnreadableData(f"a {what} in format {found!r}: this version of the package reads format {FORMAT}")
