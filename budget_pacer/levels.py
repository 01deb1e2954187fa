"""What an opportunity of each hour of the clock costs and returns, beside an average one: prices have their hours as
traffic has.

An hour with few opportunities of its own borrows from the average of the day.
"""

from __future__ import annotations

from math import log
from typing import Final

_PRIOR_OPPORTUNITIES: Final = 100.0
"""Single costs and returns spread widely: with so many an hour counts half."""


class HourLevels:
    """Sums over opportunities by hour of the clock; costs and values in any unit."""

    __slots__ = ("costs", "counts", "scored_costs", "values")

    def __init__(self) -> None:
        self.counts, self.costs = [0.0] * 24, [0.0] * 24
        self.scored_costs, self.values = [0.0] * 24, [0.0] * 24

    def add(self, hour: int, count: float, cost: float, value: float | None) -> None:
        """Take in opportunities with the cost of all of them together, and their value, None where it is not known."""
        self.counts[hour] += count
        self.costs[hour] += cost
        if value is not None and value > 0:
            self.scored_costs[hour] += cost
            self.values[hour] += value

    def fade_into(self, other: HourLevels, keep: float) -> None:
        """A day's sums become past ones."""
        for name in self.__slots__:
            old, new = getattr(self, name), getattr(other, name)
            setattr(self, name, [a * keep + b for a, b in zip(old, new, strict=True)])

    @property
    def mean_cost(self) -> float | None:
        """Of one opportunity; None when nothing is known."""
        count = sum(self.counts)
        return sum(self.costs) / count if count else None

    def cost_factors(self) -> list[float]:
        """What an opportunity of each hour costs over what an average one does."""
        mean = self.mean_cost
        if not mean:
            return [1.0] * 24
        prior = _PRIOR_OPPORTUNITIES
        return [(cost / mean + prior) / (count + prior) for cost, count in zip(self.costs, self.counts, strict=True)]

    def return_offsets(self, *, scored: bool) -> list[float]:
        """Logarithms of each hour's return per cost over the average: of values where opportunities are scored; where
        they are not, all are worth the same and the dearer ones return less."""
        if not scored:
            return [-log(factor) for factor in self.cost_factors()]
        mean, cost, value = self.mean_cost, sum(self.scored_costs), sum(self.values)
        if not mean or not cost:
            return [0.0] * 24
        prior = _PRIOR_OPPORTUNITIES * mean
        return [
            log((own * cost / value + prior) / (spent + prior))
            for own, spent in zip(self.values, self.scored_costs, strict=True)
        ]
