"""The price of money: how much an opportunity has to return per unit of cost to be worth a part of what is left.

Pure functions. Buying what returns at least `price` per cost, with the price at which the rest of the day's supply just
uses up the rest of the budget, is the optimum of the day in hindsight (a fractional knapsack; one Lagrange multiplier).
Solved anew every few minutes on what is left it corrects itself (re-solving, or receding horizon).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, log
from statistics import NormalDist
from typing import Final, NamedTuple

BINS: Final = 160
_WIDTH: Final = 0.0625
_LOWEST: Final = -BINS * _WIDTH / 2
_STEPS: Final = 26

Histogram = list[float]
"""Cost of opportunities by the logarithm of their return per cost relative to the hour's mean: BINS entries."""


class Supply(NamedTuple):
    """What a stretch of time is expected to offer."""

    cost: float
    """Of all its opportunities together."""
    log_return: float
    """Logarithm of the mean return per cost."""
    cap: float = inf
    """The most that a limit allows to be spent in it."""


class Curve(NamedTuple):
    """W: which share of the cost returns at least so much, relative to the mean. Falls from 1 to 0."""

    above: Sequence[float]
    """Share of the bins from each one on; BINS + 1 entries."""

    def share(self, log_ratio: float) -> float:
        """Of the cost, what returns at least exp(log_ratio) times the mean; evenly within a bin."""
        position = (log_ratio - _LOWEST) / _WIDTH
        if position <= 0:
            return 1.0
        if position >= BINS:
            return 0.0
        index = int(position)
        part = position - index
        return self.above[index] * (1 - part) + self.above[index + 1] * part


def bin_of(log_ratio: float) -> int:
    """The bin that a return, relative to the mean, falls into."""
    return min(max(int((log_ratio - _LOWEST) / _WIDTH), 0), BINS - 1)


def passes(log_ratio: float, log_threshold: float) -> float:
    """The chance with which an opportunity is taken: 1 above the threshold's bin, 0 below it, in part within it, as
    `Curve.share` counts it. So identical opportunities are not all taken or all left."""
    position = (log_threshold - _LOWEST) / _WIDTH
    mine = bin_of(log_ratio)
    if position <= mine:
        return 1.0
    return max(0.0, mine + 1 - position)


def curve_of(histograms: Sequence[tuple[Histogram, float]]) -> Curve:
    """The curve of several histograms, each scaled to a weight."""
    mixed = [0.0] * BINS
    for histogram, weight in histograms:
        total = sum(histogram)
        if total > 0 and weight > 0:
            scale = weight / total
            for index, value in enumerate(histogram):
                if value:
                    mixed[index] += value * scale
    total = sum(mixed)
    above = [0.0] * (BINS + 1)
    for index in range(BINS - 1, -1, -1):
        above[index] = above[index + 1] + (mixed[index] / total if total else 1 / BINS)
    return Curve(above)


def wide_guess(spread: float = 1.0) -> Histogram:
    """A lognormal spread of returns, for when nothing has been seen."""
    normal = NormalDist(0.0, spread)
    edges = [normal.cdf(_LOWEST + index * _WIDTH) for index in range(BINS + 1)]
    return [b - a for a, b in pairwise(edges)]


def bought(supplies: Sequence[Supply], curve: Curve, log_price: float) -> float:
    """What would be spent if everything that returns at least the price were bought."""
    share = curve.share
    return sum(min(supply.cost * share(log_price - supply.log_return), supply.cap) for supply in supplies)


def price_for(supplies: Sequence[Supply], curve: Curve, money: float) -> float | None:
    """Logarithm of the price at which `money` is spent; None when even everything costs no more than that."""
    if sum(min(supply.cost, supply.cap) for supply in supplies) <= money:
        return None
    low = min(supply.log_return for supply in supplies) + _LOWEST
    high = max(supply.log_return for supply in supplies) - _LOWEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if bought(supplies, curve, middle) > money:
            low = middle
        else:
            high = middle
    return high


def log_or_least(value: float) -> float:
    """The logarithm; of 0 and less that of a very small number."""
    return log(value) if value > 1e-300 else -690.0


def price_text(log_price: float | None) -> str:
    """For messages."""
    return "0" if log_price is None else f"{exp(log_price):.4g}"
