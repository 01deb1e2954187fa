"""What could have been had by somebody who knew the whole day: a fractional knapsack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.pacing.days import Ticket


def best_value(tickets: Iterable[Ticket], budget: int) -> float:
    """The most value for the budget."""
    return _fill(((ticket.value, ticket.value, ticket.cost) for ticket in tickets), budget)


def best_value_without_scores(tickets: Sequence[Ticket], budget: int) -> float:
    """What somebody gets who knows all costs of the day and no value: the cheapest first."""
    return _fill(((1.0, ticket.value, ticket.cost) for ticket in tickets), budget)


def _fill(offers: Iterable[tuple[float, float, int]], budget: int) -> float:
    left, value = budget, 0.0
    for _rank, worth, cost in sorted(offers, key=lambda offer: -offer[0] / offer[2]):
        if cost >= left:
            return value + worth * left / cost
        left -= cost
        value += worth
    return value
