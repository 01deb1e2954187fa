"""What could have been had by somebody who knew the whole day: a fractional knapsack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.pacing.days import Ticket


def best_value(tickets: Iterable[Ticket], budget: int) -> float:
    """The most value for the budget."""
    return _fill(((ticket.value, ticket.value, ticket.cost) for ticket in tickets), budget)


def best_value_without_scores(tickets: Sequence[Ticket], budget: int) -> float:
    """The same when single scores are unknown, but each hour's mean value is: the cheap ones of good hours first."""
    sums = [[0.0, 0] for _ in range(24)]
    for ticket in tickets:
        of_hour = sums[int(ticket.at_s // 3600)]
        of_hour[0] += ticket.value
        of_hour[1] += 1
    mean = [value / count if count else 0.0 for value, count in sums]
    return _fill(((mean[int(t.at_s // 3600)], mean[int(t.at_s // 3600)], t.cost) for t in tickets), budget)


def _fill(offers: Iterable[tuple[float, float, int]], budget: int) -> float:
    left, value = budget, 0.0
    for _, worth, cost in sorted(offers, key=lambda offer: -offer[0] / offer[2]):
        if cost >= left:
            return value + worth * left / cost
        left -= cost
        value += worth
    return value
