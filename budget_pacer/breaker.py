"""The circuit breaker of a channel: a small state machine, as one pure function on frozen values.

    CLOSED    --grave breach, or enough breaches in a row-->  OPEN
    OPEN      --cooldown over-->                              HALF_OPEN, with a fresh probe
    HALF_OPEN --any breach-->                                 OPEN, with twice the cooldown (up to 8 times)
    HALF_OPEN --enough clean transactions-->                  CLOSED

It looks at what is abnormal, never at success: a budget that is nearly spent at the end of the day is not a breach. An
emergency stop is not a state of this machine but lies over it (`CampaignState.stopped`): nothing in here can lift it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from budget_pacer.config import PacerConfig
from budget_pacer.values import CircuitBreakerState

_MOST_COOLDOWNS: Final = 8
_CLOSED, _OPEN, _HALF_OPEN = CircuitBreakerState.CLOSED, CircuitBreakerState.OPEN, CircuitBreakerState.HALF_OPEN


class Breaker(NamedTuple):
    """One channel's breaker as it is stored. Read it through `at`: an OPEN one turns HALF_OPEN with time."""

    state: CircuitBreakerState = _CLOSED
    reason: str = ""
    opened_at_s: float = 0.0
    cooldowns: int = 1
    """How many times the cooldown has to pass."""
    breaches: int = 0
    """Evaluations in a row below the performance thresholds."""
    overspends: int = 0
    """Recorded amounts in a row beyond a limit."""
    clean: int = 0
    """Clean transactions in this probe."""
    probed: int = 0
    """Spent and held in this probe, in micros."""


NEW: Final = Breaker()


def at(breaker: Breaker, at_s: float, config: PacerConfig) -> Breaker:
    """The breaker at a moment: an open one whose cooldown is over may probe."""
    if breaker.state is _OPEN and at_s >= reopens_at(breaker, config):
        return breaker._replace(state=_HALF_OPEN, clean=0, probed=0)
    return breaker


def reopens_at(breaker: Breaker, config: PacerConfig) -> float:
    """When an open breaker turns half-open."""
    return breaker.opened_at_s + config.cooldown_s * breaker.cooldowns


def tripped(breaker: Breaker, reason: str, at_s: float) -> Breaker:
    """After a grave breach. One that is open already stays as it is: the first reason is the one to look into."""
    if breaker.state is _OPEN:
        return breaker
    failed_probe = breaker.state is _HALF_OPEN
    return Breaker(_OPEN, reason, at_s, cooldowns=min(breaker.cooldowns * 2, _MOST_COOLDOWNS) if failed_probe else 1)


def overspent(breaker: Breaker, reason: str, at_s: float, config: PacerConfig) -> Breaker:
    """After an amount was recorded beyond a limit: grave when repeated, or during a probe."""
    overspends = breaker.overspends + 1
    if overspends >= config.overspends_to_trip or breaker.state is _HALF_OPEN:
        return tripped(breaker, reason, at_s)
    return breaker._replace(overspends=overspends)


def judged(breaker: Breaker, breach: str | None, at_s: float, config: PacerConfig) -> Breaker:
    """After performance was evaluated on fresh data: `breach` says what is below its threshold; None: nothing."""
    if breach is None:
        return breaker._replace(breaches=0) if breaker.breaches else breaker
    if breaker.breaches + 1 >= config.breaches_to_trip or breaker.state is _HALF_OPEN:
        return tripped(breaker, breach, at_s)
    return breaker._replace(breaches=breaker.breaches + 1)


def went_well(breaker: Breaker, config: PacerConfig) -> Breaker:
    """After a transaction within all limits."""
    if breaker.state is _HALF_OPEN:
        if breaker.clean + 1 >= config.clean_to_close:
            return NEW
        return breaker._replace(clean=breaker.clean + 1)
    return breaker._replace(overspends=0) if breaker.overspends else breaker
