"""Bids and participation for callers who do not ask about single opportunities: from pace, hour and returns.

A pure function on values. Each factor says why it is there; they multiply, and the product is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from budget_pacer.config import PacerConfig
from budget_pacer.history import Forecast
from budget_pacer.values import CircuitBreakerState, Performance

_LOWEST: Final = 0.5
_HIGHEST: Final = 1.5
_STILL: Final = 0.05
"""A pace so near to 1 asks for nothing."""
_LEAST_CLICKS: Final = 20


@dataclass(frozen=True, slots=True)
class BidAdvice:
    """What to multiply bids by (0.5 to 1.5; 0 when nothing may be spent), which share of opportunities to take (0 to
    1), and why."""

    bid_multiplier: float
    participation: float
    reasons: tuple[str, ...]


def advise_bids(
    ratio: float,
    forecast: Forecast,
    recent: Performance,
    state: CircuitBreakerState,
    stopped: str,
    config: PacerConfig,
) -> BidAdvice:
    """Ahead of plan: bid less and take part less, in proportion. Behind: bid more, gently, because a price that has
    been paid cannot be taken back. More in hours that return more, as far as that is known."""
    if stopped:
        return BidAdvice(0.0, 0.0, (f"emergency stop: {stopped}",))
    if state is CircuitBreakerState.OPEN:
        return BidAdvice(0.0, 0.0, ("the circuit breaker is open",))
    bid, participation = 1.0, 1.0
    reasons = []
    if state is CircuitBreakerState.HALF_OPEN:
        participation = 0.1
        reasons.append("the circuit breaker is probing: one opportunity in ten")
    if ratio > 1 + _STILL:
        bid, participation = bid / ratio, participation * max(0.1, 1 / ratio)
        reasons.append(f"pace {ratio:.2f}: ahead of plan")
    elif ratio < 1 - _STILL:
        bid *= 1 + (1 - ratio) / 2
        reasons.append(f"pace {ratio:.2f}: behind plan")
    hour = forecast.multiplier ** (0.5 * forecast.confidence)
    if abs(hour - 1) > _STILL:
        bid *= hour
        reasons.append(f"this hour returns {forecast.multiplier:.2f} times the average hour")
    cost_per_click = recent.cpc
    limit = config.max_cost_per_click
    if limit is not None and cost_per_click and recent.clicks >= _LEAST_CLICKS and cost_per_click > limit:
        bid *= float(limit) / cost_per_click
        reasons.append(f"cost per click {cost_per_click:.2f} is above {limit}")
    target, returned = config.target_roas, recent.roas
    if target is not None and returned is not None and recent.clicks >= _LEAST_CLICKS and returned < target:
        bid *= max(_LOWEST, returned / float(target))
        reasons.append(f"return on ad spend {returned:.2f} is below {target}")
    return BidAdvice(
        round(min(max(bid, _LOWEST), _HIGHEST), 4), round(participation, 4), tuple(reasons) or ("on plan",)
    )
