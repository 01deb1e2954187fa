"""A month's budget over days of uneven supply: the plan beside simpler rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from budget_pacer import MonthFacts, plan_month
from budget_pacer.month import daily_supply_of

SHARE = 0.7
"""The month's budget over its supply."""

Rule = Callable[[Decimal, Decimal, int, Sequence[float]], Decimal]
"""(budget, spent, day from 0, supplies of all days) -> today's budget; it looks at finished days only."""


@dataclass(frozen=True, slots=True)
class MonthResult:
    """One month under one rule."""

    rule: str
    utilisation: float
    overspend: float
    largest_day: float
    """Largest daily budget over an even day."""
    in_interval: bool
    """Whether the month ended inside the 80 % interval projected on its tenth day."""


def fixed(budget: Decimal, spent: Decimal, _day: int, supplies: Sequence[float]) -> Decimal:
    """The same every day, nothing carried over."""
    return min(budget / len(supplies), budget - spent)


def even_left(budget: Decimal, spent: Decimal, day: int, supplies: Sequence[float]) -> Decimal:
    """What is left over the days left."""
    return (budget - spent) / (len(supplies) - day)


def planned(budget: Decimal, spent: Decimal, day: int, supplies: Sequence[float]) -> Decimal:
    """The package's plan, with its forecast of supply."""
    return plan_month(_facts(budget, spent, day, supplies, {})).today


RULES: dict[str, Rule] = {"the same every day": fixed, "left over days left": even_left, "month plan": planned}


def _facts(
    budget: Decimal, spent: Decimal, day: int, supplies: Sequence[float], daily: dict[date, Decimal]
) -> MonthFacts:
    first = date(2026, 3, 1) if len(supplies) == 31 else date(2026, 4, 1)
    supply = daily_supply_of([Decimal(str(round(supply, 6))) for supply in supplies[:day]])
    last = first + timedelta(days=len(supplies) - 1)
    return MonthFacts(budget, spent, first + timedelta(days=day), last, first, daily_spend=daily, daily_supply=supply)


def month(name: str, supplies: Sequence[float]) -> MonthResult:
    """Replay a month, in money of which an average day offers 1,000: cents must not matter."""
    scale = 1000 * len(supplies) / sum(supplies)
    supplies = [supply * scale for supply in supplies]
    budget = Decimal(str(round(sum(supplies) * SHARE, 2)))
    even, spent, largest = budget / len(supplies), Decimal(0), Decimal(0)
    daily: dict[date, Decimal] = {}
    low, high = Decimal(0), budget
    for day, supply in enumerate(supplies):
        facts = _facts(budget, spent, day, supplies, daily)
        if day == 10:
            projection = plan_month(facts).projection
            low, high = projection.low, projection.high
        today = RULES[name](budget, spent, day, supplies)
        if day < len(supplies) - 1:
            largest = max(largest, today)
        used = min(today, Decimal(str(round(supply, 6))))
        spent += used
        daily[facts.today] = used
    reachable = min(budget, Decimal(str(sum(supplies))))
    over = max(Decimal(0), spent - budget)
    slack = budget / 1000
    return MonthResult(
        name, float(spent / reachable), float(over), float(largest / even), low - slack <= spent <= high + slack
    )
