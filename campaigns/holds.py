"""Holds: the reasons why a campaign may not run. Pure: standard library only.

A campaign runs if and only if its set of holds is empty. The order of the enum is the precedence for display:
the first hold of a set is the campaign's `pause_reason`; all of them are kept and shown.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class Hold(StrEnum):
    """Why a campaign may not run. Declared in order of precedence."""

    EMERGENCY_STOP = "EMERGENCY_STOP"
    MANUAL = "MANUAL"
    ENDED = "ENDED"
    NOT_STARTED = "NOT_STARTED"
    LIFETIME_BUDGET_EXCEEDED = "LIFETIME_BUDGET_EXCEEDED"
    MONTHLY_BUDGET_EXCEEDED = "MONTHLY_BUDGET_EXCEEDED"
    DAILY_BUDGET_EXCEEDED = "DAILY_BUDGET_EXCEEDED"
    CIRCUIT_BREAKER = "CIRCUIT_BREAKER"
    NO_SCHEDULE = "NO_SCHEDULE"
    OUTSIDE_SCHEDULE = "OUTSIDE_SCHEDULE"

    @property
    def label(self) -> str:
        """The hold in plain words."""
        return _LABELS[self]


_LABELS = {
    Hold.EMERGENCY_STOP: "Emergency stop",
    Hold.MANUAL: "Paused by hand",
    Hold.ENDED: "Flight ended",
    Hold.NOT_STARTED: "Flight not started",
    Hold.LIFETIME_BUDGET_EXCEEDED: "Lifetime budget used up",
    Hold.MONTHLY_BUDGET_EXCEEDED: "Monthly budget used up",
    Hold.DAILY_BUDGET_EXCEEDED: "Daily budget used up",
    Hold.CIRCUIT_BREAKER: "Circuit breaker open",
    Hold.NO_SCHEDULE: "No active schedule",
    Hold.OUTSIDE_SCHEDULE: "Outside schedule",
}

PRECEDENCE: tuple[Hold, ...] = tuple(Hold)
_RANK = {hold: rank for rank, hold in enumerate(PRECEDENCE)}


def in_order(holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """Each hold once, in order of precedence."""
    return tuple(sorted(set(holds), key=_RANK.__getitem__))


def to_text(holds: Iterable[Hold]) -> str:
    """The stored form: codes in order of precedence, joined by commas; empty when nothing holds."""
    return ",".join(in_order(holds))


@lru_cache(maxsize=1024)
def from_text(text: str) -> tuple[Hold, ...]:
    """Read the stored form. Raises ValueError for a code that is not a hold."""
    return tuple(map(Hold, text.split(","))) if text else ()


class Verdict(NamedTuple):
    """The answer to "may it run?": only if nothing holds; and when the answer may next change by itself."""

    holds: tuple[Hold, ...]
    next_check_at: datetime

    @property
    def runs(self) -> bool:
        return not self.holds

    @property
    def pause_reason(self) -> Hold | None:
        return self.holds[0] if self.holds else None
