"""Runs one way of pacing through one day and measures it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.pacing.days import ReplayDay
from benchmarks.pacing.hindsight import best_value, best_value_without_scores
from benchmarks.pacing.rivals import Rival, forecast_curve

GRID = 288


@dataclass(frozen=True, slots=True)
class Result:
    """What one way of pacing did on one day."""

    method: str
    setting: str
    day: str
    ratio: float
    """Realised supply over budget."""
    utilisation: float
    """Spend over what could have been spent: the smaller of budget and supply."""
    overspend: float
    """Above the budget, as a share of it."""
    ks: float
    """Largest gap between the cumulative shares of spend and of traffic."""
    mad: float
    """Mean gap."""
    premature: bool
    """99 % spent with more than 5 % of the traffic to come."""
    value: float
    """Over the hindsight optimum."""
    value_no_scores: float
    """Over the hindsight optimum of somebody who sees no scores."""
    plan_curve: tuple[float, ...]
    """What was expected of the day before it began, as a share."""
    spend_curve: tuple[float, ...]
    traffic_curve: tuple[float, ...]


def replay(method: str, rival: Rival, day: ReplayDay) -> Result:
    """Every ticket in order, through a ledger that never passes the budget."""
    spent, value = 0, 0.0
    spend_at, traffic_at = [0] * (GRID + 1), [0] * (GRID + 1)
    for ticket in day.tickets:
        step = int(ticket.at_s * GRID / 86_400) + 1
        traffic_at[step] += 1
        if spent + ticket.cost <= day.budget and rival.takes(ticket, spent):
            spent += ticket.cost
            value += ticket.value
            spend_at[step] += ticket.cost
    traffic, spend = _cumulative(traffic_at), _cumulative(spend_at)
    gaps = [abs(a - b) for a, b in zip(traffic, spend, strict=True)]
    supply = day.supply
    expected = forecast_curve(day.known)
    done = next((index for index, share in enumerate(spend) if share * spent >= 0.99 * day.budget), None)
    return Result(
        method=method,
        setting=day.setting,
        day=day.name,
        ratio=supply / day.budget,
        utilisation=spent / min(day.budget, supply) if supply else 1.0,
        overspend=max(0, spent - day.budget) / day.budget,
        ks=max(gaps),
        mad=sum(gaps) / len(gaps),
        premature=done is not None and traffic[done] < 0.95,
        value=value / best_value(day.tickets, day.budget),
        value_no_scores=value / best_value_without_scores(day.tickets, day.budget),
        plan_curve=tuple(expected(step * 86_400 / GRID) for step in range(GRID + 1)),
        spend_curve=tuple(share * spent / day.budget for share in spend),
        traffic_curve=tuple(traffic),
    )


def _cumulative(amounts: list[int]) -> list[float]:
    total, shares, running = sum(amounts), [], 0
    for amount in amounts:
        running += amount
        shares.append(running / total if total else 0.0)
    return shares
