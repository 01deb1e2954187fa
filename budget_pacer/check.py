"""What a look at a channel finds: issues, breaches of what is wanted or usual, and what that does to the breaker.

Pure functions on frozen values.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from budget_pacer import booking
from budget_pacer import breaker as breakers
from budget_pacer.breaker import Breaker
from budget_pacer.config import PacerConfig
from budget_pacer.day import Day
from budget_pacer.history import History
from budget_pacer.meter import slot_of
from budget_pacer.pace import Conversions, anomaly, pace_issues, performance_breach
from budget_pacer.plan import planned_share
from budget_pacer.store import ChannelState
from budget_pacer.values import AlertType, CircuitBreakerState, Performance
from budget_pacer.watch import IMPRESSIONS_PER_CLICK, LEAST_CLICKS, Price

_LEAST_CONVERSIONS: Final = 25
_CONVERTING: Final = 3


class Usual(NamedTuple):
    """What the fresh data of a channel is held against; None where too little is known."""

    price: Price | None
    conversions: Conversions | None


NOT_ASKED: Final = Usual(None, None)


def worth_asking(state: ChannelState, config: PacerConfig) -> bool:
    """Whether there is enough fresh data to hold against what is usual; histories may be dear to come by."""
    fresh = state.fresh
    units = fresh.clicks or fresh.impressions / IMPRESSIONS_PER_CLICK
    return config.anomaly_z is not None and units >= LEAST_CLICKS


def usual_of(history: History, state: ChannelState, day: Day, at_s: float) -> Usual:
    """The fresh price beside the usual one of the hours that it comes from, and the usual conversion rate."""
    fresh = state.fresh
    now = day.date.weekday() * 24 + day.slots[slot_of(day, at_s)].hour
    hours = min(24, max(1, int(at_s // 3600) - int(state.fresh_since_s // 3600) + 1))
    price = history.prices.judge(now - hours + 1, hours, fresh.cost, fresh.clicks, fresh.impressions)
    if state.converting < _CONVERTING:
        return Usual(price, None)
    total = history.performance()
    if total.conversions < _LEAST_CONVERSIONS or not total.clicks:
        return Usual(price, None)
    return Usual(price, Conversions(total.conversions / total.clicks, total.conversions))


def checked(
    state: ChannelState, day: Day, at_s: float, stopped: bool, usual: Usual, config: PacerConfig
) -> tuple[ChannelState, str]:
    """The channel after it was looked at, and in words what about its performance is wrong."""
    planned = planned_share(state.plan, day, at_s)
    spent, budget = state.meter.spent, state.limits.budget
    breaker = breakers.at(state.breaker, at_s, config)
    if booking.emergency(state, state.meter, day, at_s, config):
        breaker = breakers.tripped(breaker, booking.emergency_text(state, state.meter, day, at_s), at_s)
    issues = set(pace_issues(spent, budget, planned, config, state.issues))
    state, breaker, breach, degraded = _evaluated(state, breaker, usual, at_s, config)
    if degraded:
        issues.add(AlertType.PERFORMANCE_DEGRADATION)
    if stopped or breaker.state is not CircuitBreakerState.CLOSED:
        issues.add(AlertType.CIRCUIT_BREAKER_OPEN)
    return state._replace(breaker=breaker, issues=frozenset(issues)), breach


def _evaluated(
    state: ChannelState, breaker: Breaker, usual: Usual, at_s: float, config: PacerConfig
) -> tuple[ChannelState, Breaker, str, bool]:
    """State, breaker, breach, and whether performance stands as degraded: until an evaluation finds it well."""
    fresh, least = state.fresh, config.performance_min_clicks
    enough = fresh.clicks >= least or (not fresh.clicks and fresh.impressions >= least * IMPRESSIONS_PER_CLICK)
    found = anomaly(fresh, usual.price, usual.conversions, config, enough=enough)
    if found is not None and found.grave:
        return state._replace(fresh=Performance()), breakers.tripped(breaker, found.text, at_s), found.text, True
    if not enough:
        return state, breaker, "", AlertType.PERFORMANCE_DEGRADATION in state.issues
    breach = performance_breach(fresh, config) if fresh.clicks else None
    if breach is None and found is not None:
        breach = found.text
    converting = state.converting
    if fresh.conversions:
        converting = min(converting + 1, _CONVERTING)
    elif found is None:
        converting = 0
    state = state._replace(fresh=Performance(), converting=converting)
    return state, breakers.judged(breaker, breach, at_s, config), breach or "", breach is not None
