"""Other ways to pace, each as it is described in public: what the strategies are measured against.

All share one ledger that never lets spend pass the budget, so none of them can win or lose by overspending.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from random import Random
from typing import Protocol

from benchmarks.pacing.days import Knowledge, ReplayDay, Ticket

STEP_S = 300.0


class Rival(Protocol):
    """Decides over one day's tickets in order."""

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """Whether it takes a ticket, given what was spent before it."""


Maker = Callable[[ReplayDay], Rival]


def forecast_curve(known: Knowledge) -> Callable[[float], float]:
    """Expected share of the day's traffic before a moment."""
    total = sum(known.shape)
    before = [0.0]
    for count in known.shape:
        before.append(before[-1] + count / total)

    def share(at_s: float) -> float:
        hour = min(int(at_s // 3600), 23)
        return before[hour] + (before[hour + 1] - before[hour]) * min(1.0, at_s / 3600 - hour)

    return share


class Asap:
    """Takes everything until nothing is left."""

    def __init__(self, _day: ReplayDay) -> None:
        pass

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """Always."""
        return True


class EvenByClock:
    """Spend may follow the clock; what was not spent is carried over."""

    def __init__(self, day: ReplayDay) -> None:
        self._budget = day.budget

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """As long as spend stays below the clock's share."""
        return spent + ticket.cost <= self._budget * ticket.at_s / 86_400


class EvenHourlyCap:
    """A twenty-fourth an hour; what an hour leaves is lost."""

    def __init__(self, day: ReplayDay) -> None:
        self._cap = day.budget / 24
        self._hour, self._at_start = -1, 0

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """As long as the hour's part lasts."""
        hour = int(ticket.at_s // 3600)
        if hour != self._hour:
            self._hour, self._at_start = hour, spent
        return spent - self._at_start + ticket.cost <= self._cap


class HourlyPlanNoCarry:
    """A common public pacer, as described: a plan by hour (by performance or by past traffic) whose caps are undone by
    normalising again, single amounts above a minute's share refused, nothing carried over, half the plan in the first
    four hours, a breaker that opens at 90 % of the budget and stays open."""

    def __init__(self, day: ReplayDay, *, by_traffic: bool) -> None:
        self._budget = day.budget
        shape = day.known.shape if by_traffic else [1.0] * 24
        capped = [min(value / sum(shape), 0.15) for value in shape]
        self._plan = [value / sum(capped) * day.budget for value in capped]
        self._hour, self._at_start, self._open = -1, 0, False

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """Under all of that."""
        hour = int(ticket.at_s // 3600)
        if hour != self._hour:
            self._hour, self._at_start = hour, spent
        if self._open or spent > 0.9 * self._budget:
            self._open = True
            return False
        cap = self._plan[hour] * (0.5 if hour < 4 else 1.0)
        return ticket.cost <= self._budget / 1440 * 60 / 5 and spent - self._at_start + ticket.cost <= cap


class ProbabilisticThrottle:
    """A chance that rises by a tenth each minute while spend is behind the forecast curve and falls by a tenth while it
    is ahead, on a forecast cut to 22 hours."""

    def __init__(self, day: ReplayDay, hours: float = 22.0) -> None:
        self._curve, self._budget, self._end = forecast_curve(day.known), day.budget, hours * 3600
        self._chance, self._next, self._random = 0.1, 60.0, Random(day.name)

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """By that chance."""
        while ticket.at_s >= self._next:
            due = self._budget * min(1.0, self._curve(self._next) / self._curve(self._end))
            self._chance = min(1.0, max(1e-4, self._chance * (0.9 if spent > due else 1.1)))
            self._next += 60.0
        return self._random.random() < self._chance


class Pid:
    """A controller on the spend error against the forecast curve, every five minutes; it moves a chance, a cost cap or
    a threshold of value per cost by the exponential of its signal."""

    def __init__(self, day: ReplayDay, actuator: str, gain: float) -> None:
        known = day.known
        self._curve, self._budget, self._actuator = forecast_curve(known), day.budget, actuator
        self._gain, self._sum, self._last, self._next = gain, 0.0, 0.0, STEP_S
        self._random = Random(day.name)
        expected = sum(known.shape) * known.mean_cost
        self._base = min(1.0, day.budget / expected)
        if actuator != "chance":
            self._base = _threshold(known, actuator, self._base)
        self._now = self._base

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """By the controlled chance, cap or threshold."""
        while ticket.at_s >= self._next:
            self._step(spent)
        if self._actuator == "chance":
            return self._random.random() < self._now
        worth = ticket.value if self._actuator == "value" else 1.0
        return worth >= self._now * ticket.cost

    def _step(self, spent: int) -> None:
        error = (self._budget * self._curve(self._next) - spent) / self._budget
        self._sum += error * STEP_S / 3600
        signal = self._gain * (error + 0.3 * self._sum + 0.2 * (error - self._last))
        self._last = error
        signal = min(max(signal, -8.0), 8.0)
        sign = 1.0 if self._actuator == "chance" else -1.0
        self._now = self._base * exp(sign * signal)
        self._next += STEP_S


def _threshold(known: Knowledge, actuator: str, share: float) -> float:
    """Value per cost (or 1 per cost) at which the given share of the sample's cost is bought."""
    offers = sorted(((v if actuator == "value" else 1.0) / c, c) for c, v in known.sample)
    total, left = sum(c for _, c in offers), 0.0
    for ratio, cost in reversed(offers):
        left += cost
        if left >= share * total:
            return ratio
    return offers[0][0]


class DualDescent:
    """One multiplier, moved against the rate of spend after every ticket; accepts what is worth its price."""

    def __init__(self, day: ReplayDay, step: float = 0.02) -> None:
        expected = sum(day.known.shape) * day.known.mean_cost
        self._rate = day.budget / sum(day.known.shape)
        self._log = log(_threshold(day.known, "value", min(1.0, day.budget / expected)))
        self._step = step

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """Whether it is worth the price."""
        takes = ticket.value >= exp(self._log) * ticket.cost
        used = ticket.cost if takes else 0
        self._log -= self._step * max(-20.0, 1 - used / self._rate) * 0.1
        return takes
