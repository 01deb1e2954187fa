"""A day's plan: which share of the budget each hour gets under a strategy, and how much of it should be spent by when.

Pure functions on values. A plan is laid out over the slots of the local day, so that a repeated hour counts twice and a
closed one not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from typing import Final, NamedTuple

from budget_pacer.allocation import split_money, water_fill
from budget_pacer.day import Day, slot_elapsed, slot_index
from budget_pacer.history import HOURS_FOR_BASIC, HOURS_FOR_FULL, Forecast
from budget_pacer.money import from_micros
from budget_pacer.values import HourlyAllocation, PacingStrategy

_FINE: Final = 1_000_000
"""Weights are whole numbers, so that shares are exact."""


class Plan(NamedTuple):
    """Shares of the slots of one day, in whole numbers over `total`."""

    weights: tuple[int, ...]
    before: tuple[int, ...]
    """Sum of the weights before each slot; one more entry than slots."""
    reason: str

    @property
    def total(self) -> int:
        """The sum of the weights: what a share is over."""
        return self.before[-1]


def lay_out(
    strategy: PacingStrategy, day: Day, forecasts: Sequence[Forecast], data_hours: int, max_share: Decimal
) -> Plan:
    """The plan of a day. `forecasts` has one entry for each hour of the clock; with less than 24 hours of data behind
    them every strategy lays out evenly, and says so.

    No slot gets more than `max_share` unless the day is open too short to spend the budget under it.
    """
    if strategy is PacingStrategy.EVEN_DISTRIBUTION:
        weights, reason = [float(slot.open_s) for slot in day.slots], "even: the same for every open minute"
    elif data_hours < HOURS_FOR_BASIC:
        weights = [float(slot.open_s) for slot in day.slots]
        reason = f"even, as a fallback: {data_hours} h of data, {HOURS_FOR_BASIC} h are needed for predictions"
    else:
        of_hour = [_weight(strategy, forecast, data_hours) for forecast in _scaled(forecasts)]
        weights = [of_hour[slot.hour] * slot.open_s for slot in day.slots]
        reason = _WHY[strategy] + _basis(data_hours)
    whole = _whole(weights, [slot.open_s for slot in day.slots])
    return _plan(whole, Fraction(max_share), reason)


_WHY: Final = {
    PacingStrategy.PERFORMANCE_WEIGHTED: "by what each hour has returned for its money",
    PacingStrategy.HISTORICAL_PATTERN: "by the traffic that each hour has brought",
    PacingStrategy.PREDICTIVE_ML: "by predicted traffic and return",
    PacingStrategy.ADAPTIVE_HYBRID: "by predicted traffic and return, even as far as data is missing",
}


def _basis(data_hours: int) -> str:
    if data_hours >= HOURS_FOR_FULL:
        return f", by hour of the week ({data_hours} h of data)"
    return f", by hour of the day ({data_hours} h of data; {HOURS_FOR_FULL} h are needed to tell weekdays apart)"


def _weight(strategy: PacingStrategy, forecast: Forecast, data_hours: int) -> float:
    if strategy is PacingStrategy.PERFORMANCE_WEIGHTED:
        return forecast.multiplier
    if strategy is PacingStrategy.HISTORICAL_PATTERN:
        return forecast.traffic
    if strategy is PacingStrategy.PREDICTIVE_ML:
        return forecast.traffic * forecast.multiplier
    known = min(1.0, data_hours / HOURS_FOR_FULL)
    return (1 - known) + known * forecast.traffic * sqrt(forecast.multiplier)


def _scaled(forecasts: Sequence[Forecast]) -> list[Forecast]:
    mean = sum(forecast.traffic for forecast in forecasts) / len(forecasts)
    return [f._replace(traffic=f.traffic / mean if mean > 0 else 1.0) for f in forecasts]


def _whole(weights: Sequence[float], open_s: Sequence[int]) -> tuple[int, ...]:
    """Whole numbers in the same proportions. An open slot keeps at least a trace, so that it is never taken for closed;
    weights that are whole already stay exactly as they are."""
    if all(weight == int(weight) for weight in weights):
        return tuple(int(weight) for weight in weights)
    most = max(weights)
    return tuple(max(1, round(w / most * _FINE)) if o else 0 for w, o in zip(weights, open_s, strict=True))


@lru_cache(maxsize=8192)
def _plan(weights: tuple[int, ...], max_share: Fraction, reason: str) -> Plan:
    shares = water_fill(weights, [max_share] * len(weights))
    common = 1
    for share in shares:
        common = common * share.denominator // _gcd(common, share.denominator)
    whole = tuple(int(share * common) for share in shares)
    return Plan(whole, tuple(accumulate(whole, initial=0)), reason)


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def planned_share(plan: Plan, day: Day, at_s: float) -> float:
    """Which share of the day's budget should be spent before a moment, 0 to 1: within an hour in proportion to its open
    time. 1.0 at and after the end of the day, 0.0 on a day that is never open."""
    if not plan.total:
        return 0.0
    if at_s >= day.end:
        return 1.0
    index = slot_index(day, at_s)
    slot = day.slots[index]
    part = slot_elapsed(slot, at_s) / slot.open_s if slot.open_s else 0.0
    return (plan.before[index] + plan.weights[index] * part) / plan.total


def slot_amounts(plan: Plan, budget: int, unit: int) -> list[int]:
    """What each slot gets of `budget` micros: together exactly that; nothing on a day that is never open."""
    if not plan.total:
        return [0] * len(plan.weights)
    return split_money(budget, [Fraction(weight, plan.total) for weight in plan.weights], unit)


def hourly_allocations(
    plan: Plan, day: Day, budget: int, unit: int, forecasts: Sequence[Forecast]
) -> list[HourlyAllocation]:
    """24 entries whose amounts add up to `budget` micros exactly; all 0 on a day that is never open."""
    shares = [Fraction(weight, plan.total) if plan.total else Fraction(0) for weight in plan.weights]
    amounts = slot_amounts(plan, budget, unit)
    result = []
    for hour in range(24):
        of_hour = [index for index, slot in enumerate(day.slots) if slot.hour == hour]
        forecast = forecasts[hour]
        result.append(
            HourlyAllocation(
                hour=hour,
                base_allocation_pct=float(sum(shares[index] for index in of_hour)),
                amount=from_micros(sum(amounts[index] for index in of_hour), unit),
                performance_multiplier=round(forecast.multiplier, 4),
                predicted_conversion_rate=round(forecast.conversion_rate, 6),
                predicted_cost_per_click=Decimal(str(round(forecast.cost_per_click, 4))),
                confidence_score=round(forecast.confidence, 4),
                reason=reason_of(day, of_hour, plan),
            )
        )
    return result


def reason_of(day: Day, of_hour: Sequence[int], plan: Plan) -> str:
    """Why the slots of one hour of the clock get what they get."""
    if not of_hour:
        return "the clocks skip this hour today"
    open_s = sum(day.slots[index].open_s for index in of_hour)
    if not open_s:
        return "closed"
    notes = [plan.reason]
    if len(of_hour) > 1:
        notes.append("the hour comes twice today")
    elif open_s < 3600:
        notes.append(f"open for {open_s // 60} minutes")
    return "; ".join(notes)
