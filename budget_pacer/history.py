"""What a channel has brought by hour of the week, kept in 168 bins however much passes: the memory of the models.

Rates are shrunk: an hour with little data of its own borrows from the same hour of other days, and that from the whole
(Gamma-Poisson and beta-binomial posterior means). Each further week lets the former ones weigh a tenth less.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from budget_pacer.values import Performance
from budget_pacer.watch import PriceWatch

HOURS_FOR_BASIC: Final = 24
HOURS_FOR_FULL: Final = 168
_BINS: Final = 168
_KEEP: Final = 0.9
"""What a week still weighs when another one has passed."""
_PRIOR_HOURS: Final = 1.0
"""An hour of the week borrows the weight of so many hours from what it is shrunk to."""
_PRIOR_EVENTS: Final = 5.0
_PRIOR_CLICKS: Final = 100.0
_PRIOR_CLICKS_FOR_COST: Final = 20.0


class Sums(NamedTuple):
    """Sums over one or more bins; money in currency units, as floats: statistics, never an account."""

    hours: float = 0.0
    opportunities: float = 0.0
    impressions: float = 0.0
    clicks: float = 0.0
    conversions: float = 0.0
    cost: float = 0.0
    revenue: float = 0.0


class Forecast(NamedTuple):
    """What one hour of the week is expected to be."""

    traffic: float
    """In the units of `History.traffic_measure`, an hour; 1.0 for every hour when nothing is known."""
    multiplier: float
    """Return for money over the average hour's; 1.0 when nothing is known."""
    conversion_rate: float
    cost_per_click: float
    confidence: float


@dataclass(slots=True)
class History:
    """168 bins and a count. Not safe for concurrent writers by itself: the pacer holds a lock round it."""

    bins: list[list[float]] = field(default_factory=lambda: [[0.0] * len(Sums._fields) for _ in range(_BINS)])
    last_hour: list[int] = field(default_factory=lambda: [-1] * _BINS)
    """The latest hour since 1970 that each bin has seen."""
    data_hours: int = 0
    """How many different hours have brought data."""
    prices: PriceWatch = field(default_factory=PriceWatch)
    """What is usual of unit prices."""

    def add(
        self,
        weekday: int,
        hour: int,
        hour_number: int,
        *,
        opportunities: float = 0.0,
        impressions: float = 0.0,
        clicks: float = 0.0,
        conversions: float = 0.0,
        cost: float = 0.0,
        revenue: float = 0.0,
    ) -> None:
        """Count what happened in an hour of the local clock; `hour_number` tells one week's from the next: hours since
        1970 at its start."""
        position = weekday * 24 + hour
        sums = self.bins[position]
        if hour_number > self.last_hour[position]:
            if self.last_hour[position] >= 0:
                for index, value in enumerate(sums):
                    sums[index] = value * _KEEP
            self.last_hour[position] = hour_number
            self.data_hours += 1
            sums[0] += 1.0
        sums[1] += opportunities
        sums[2] += impressions
        sums[3] += clicks
        sums[4] += conversions
        sums[5] += cost
        sums[6] += revenue
        self.prices.add(position, hour_number, cost, clicks, impressions)

    def correct(self, weekday: int, hour: int, hour_number: int, cost: float) -> None:
        """Change the cost of an hour that was counted; of hours before the latest of its bin nothing is known."""
        position = weekday * 24 + hour
        if self.last_hour[position] == hour_number:
            self.bins[position][5] = max(0.0, self.bins[position][5] + cost)

    def copy(self) -> History:
        """One that can be added to without changing this one."""
        return History([list(sums) for sums in self.bins], list(self.last_hour), self.data_hours, self.prices.copy())

    def performance(self, hour: int | None = None) -> Performance:
        """Sums over all weeks kept, of all hours or of one hour of the day."""
        sums = self._total() if hour is None else self._hour_of_day(hour)
        return Performance(sums.impressions, sums.clicks, sums.conversions, sums.cost, sums.revenue)

    @property
    def evidence(self) -> float:
        """0 below a day of data, 1 from a full week on."""
        return 0.0 if self.data_hours < HOURS_FOR_BASIC else min(1.0, self.data_hours / HOURS_FOR_FULL)

    def forecasts(self, weekday: int) -> list[Forecast]:
        """One forecast for each hour of a weekday (0 = Monday).

        With less than 24 hours of data nothing is predicted; with less than 168 the weekday is left out of it.
        """
        if self.data_hours < HOURS_FOR_BASIC:
            return [Forecast(1.0, 1.0, *self._rates(Sums(), self._total()), 0.0)] * 24
        total = self._total()
        full = self.data_hours >= HOURS_FOR_FULL
        result = []
        for hour in range(24):
            same_hour = self._hour_of_day(hour)
            own = Sums(*self.bins[weekday * 24 + hour]) if full else same_hour
            traffic = self._traffic(same_hour, self._mean_traffic(total))
            if full:
                traffic = self._traffic(own, traffic)
            confidence = self.evidence * same_hour.hours / (same_hour.hours + _PRIOR_HOURS)
            result.append(
                Forecast(traffic, self._multiplier(own, same_hour, total), *self._rates(same_hour, total), confidence)
            )
        return result

    @property
    def traffic_measure(self) -> str:
        """What traffic is counted in: the first of these that there is any of."""
        total = self._total()
        for name in ("opportunities", "impressions", "clicks", "cost"):
            if getattr(total, name) > 0:
                return name
        return "hours"

    def _mean_traffic(self, total: Sums) -> float:
        return float(getattr(total, self.traffic_measure)) / total.hours if total.hours else 1.0

    def _traffic(self, sums: Sums, prior: float) -> float:
        counted = float(getattr(sums, self.traffic_measure))
        return (counted + _PRIOR_HOURS * prior) / (sums.hours + _PRIOR_HOURS)

    def _multiplier(self, own: Sums, same_hour: Sums, total: Sums) -> float:
        measure = "conversions" if total.conversions > 0 else "clicks"
        events, cost = getattr(total, measure), total.cost
        if events <= 0 or cost <= 0:
            return 1.0
        # Where revenue is known, an event counts by what it brought.
        worth = events / total.revenue if total.revenue > 0 and measure == "conversions" else 0.0

        def ratio(sums: Sums, prior: float) -> float:
            seen = sums.revenue * worth if worth else getattr(sums, measure)
            return float((seen + _PRIOR_EVENTS * prior) / (sums.cost * events / cost + _PRIOR_EVENTS))

        of_hour = ratio(same_hour, 1.0)
        value = of_hour if own is same_hour else ratio(own, of_hour)
        return min(max(value, 0.25), 4.0)

    def _rates(self, sums: Sums, total: Sums) -> tuple[float, float]:
        if total.clicks <= 0:
            return 0.0, 0.0
        rate = (sums.conversions + _PRIOR_CLICKS * min(1.0, total.conversions / total.clicks)) / (
            sums.clicks + _PRIOR_CLICKS
        )
        cost = (sums.cost + _PRIOR_CLICKS_FOR_COST * total.cost / total.clicks) / (sums.clicks + _PRIOR_CLICKS_FOR_COST)
        return min(rate, 1.0), cost

    def _hour_of_day(self, hour: int) -> Sums:
        return Sums(*map(sum, zip(*self.bins[hour::24], strict=True)))

    def _total(self) -> Sums:
        return Sums(*map(sum, zip(*self.bins, strict=True)))
