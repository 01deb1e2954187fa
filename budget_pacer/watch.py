"""What a click usually costs, hour of the week by hour of the week, and how far from that is abnormal. Bounded memory.

The usual logarithm of the price is a level of the last day or so, plus what the hour of the day adds, plus what the
hour of the week adds to that. All three follow what each finished hour has shown, an outlier no further than three
standard deviations. The spread round it is a running median of absolute deviations: one wild hour must neither hide the
next one nor become what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import exp, log, sqrt
from typing import Final, NamedTuple

HOURS_TO_JUDGE: Final = 168
"""Finished hours with data before anything is called abnormal: a week, or the first Sunday would be."""
LEAST_CLICKS: Final = 10.0
IMPRESSIONS_PER_CLICK: Final = 100.0
"""Of a channel that counts no clicks: so many impressions are as much evidence as one."""
_DAY: Final = 24
_WEEK: Final = 168
_NORMAL: Final = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""
_LEAST_SD: Final = 0.1
"""However steady prices are: a price that is half as high again is not stopped for."""
_FIRST_MAD: Final = 0.15
_CLIP: Final = 3.0
_SLOWEST: Final = 0.02
_LEVEL_HOURS: Final = 24
_MOST_OF_HOUR: Final = 30
_MOST_OF_WEEK: Final = 8


class Price(NamedTuple):
    """A unit price beside what is usual then. In currency units, a click or a thousand impressions."""

    price: float
    usual: float
    z: float
    """How many standard deviations of its logarithm it is away from the usual; negative when it is cheaper."""
    unit: str


@dataclass(slots=True)
class OpenHour:
    """The hour that is still being counted."""

    number: int = -1
    position: int = 0
    cost: float = 0.0
    clicks: float = 0.0
    impressions: float = 0.0


@dataclass(slots=True)
class PriceWatch:
    """What is usual, learned from finished hours. Not safe for concurrent writers by itself."""

    hours: int = 0
    by_click: bool = False
    """Whether clicks are counted; impressions are the unit until they are."""
    level: float = 0.0
    deviation: float = _FIRST_MAD
    """Running median of absolute deviations of the logarithm."""
    of_day: list[float] = field(default_factory=lambda: [0.0] * _DAY)
    of_week: list[float] = field(default_factory=lambda: [0.0] * _WEEK)
    seen: list[int] = field(default_factory=lambda: [0] * _WEEK)
    open: OpenHour = field(default_factory=OpenHour)

    def add(self, position: int, number: int, cost: float, clicks: float, impressions: float) -> None:
        """Count what came in an hour of the week; `number` is that of the hour since 1970. Hours come in order: what
        comes late, for an hour before the one that is being counted, is not learned from."""
        now = self.open
        if number == now.number:
            now.cost += cost
            now.clicks += clicks
            now.impressions += impressions
        elif number > now.number:
            self._finish(now)
            self.open = OpenHour(number, position, cost, clicks, impressions)

    def usual(self, position: int) -> float:
        """The usual logarithm of the price in an hour of the week."""
        return self.level + self.of_day[position % _DAY] + self.of_week[position]

    @property
    def sd(self) -> float:
        """Standard deviation of the logarithm round what is usual."""
        return max(_LEAST_SD, _NORMAL * self.deviation)

    def judge(self, first: int, hours: int, cost: float, clicks: float, impressions: float) -> Price | None:
        """What was paid in `hours` hours of the week from `first` on, beside what is usual then. None as long as too
        little is known, or nothing is reported to have been paid, or there are fewer than ten clicks."""
        units = self._units(clicks, impressions)
        if self.hours < HOURS_TO_JUDGE or units < LEAST_CLICKS or cost <= 0:
            return None
        usual = sum(exp(self.usual((first + hour) % _WEEK)) for hour in range(hours)) / hours
        price = cost / units
        ratio = log(price / usual)
        scale = 1.0 if self.by_click else 1000.0 / IMPRESSIONS_PER_CLICK
        unit = "click" if self.by_click else "thousand impressions"
        return Price(price * scale, usual * scale, ratio / sqrt(self.sd**2 + 1 / units), unit)

    def copy(self) -> PriceWatch:
        """One that can be added to without changing this one."""
        return replace(
            self,
            of_day=list(self.of_day),
            of_week=list(self.of_week),
            seen=list(self.seen),
            open=replace(self.open),
        )

    def _units(self, clicks: float, impressions: float) -> float:
        return clicks if self.by_click else impressions / IMPRESSIONS_PER_CLICK

    def _finish(self, hour: OpenHour) -> None:
        if hour.clicks > 0 and not self.by_click:
            # Everything before was by impressions: nothing of it says what a click costs.
            fresh = PriceWatch(by_click=True)
            self.hours, self.by_click, self.level, self.deviation = 0, True, fresh.level, fresh.deviation
            self.of_day, self.of_week, self.seen = fresh.of_day, fresh.of_week, fresh.seen
        units = self._units(hour.clicks, hour.impressions)
        if units < LEAST_CLICKS or hour.cost <= 0:
            return
        price = log(hour.cost / units)
        if not self.hours:
            self.level = price
        self._learn(hour.position, price - self.usual(hour.position))

    def _learn(self, position: int, error: float) -> None:
        """Level, hour of the day, hour of the week take their part of the error in turn, each of what is left."""
        hour = position % _DAY
        if self.hours >= _DAY:
            step = max(_SLOWEST, 1 / (self.hours - _DAY + 2))
            self.deviation *= exp(step if abs(error) > self.deviation else -step)
            most = _CLIP * self.sd
            error = min(max(error, -most), most)
        part = error * max(1 / _LEVEL_HOURS, 1 / (self.hours + 1))
        self.level += part
        error -= part
        part = error / (min(sum(self.seen[hour::_DAY]), _MOST_OF_HOUR) + 1)
        self.of_day[hour] += part
        error -= part
        # One hour more in the divisor: the hour of the week is shrunk to the hour of the day.
        self.of_week[position] += error / (min(self.seen[position], _MOST_OF_WEEK) + 2)
        self.seen[position] += 1
        self.hours += 1
