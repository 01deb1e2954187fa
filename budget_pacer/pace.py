"""How spend stands to plan, and what about it deserves an alert. Pure functions on values."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

from budget_pacer.config import PacerConfig
from budget_pacer.money import about_text, money_text
from budget_pacer.values import AlertType, Performance
from budget_pacer.watch import Price

_SILENT_UNTIL: Final = 0.02
"""Share of the plan that has to have passed before a ratio means anything."""
_UNDER_FROM: Final = 0.10
_CLEARS_AT: Final = 0.95
"""An issue clears when the ratio is so far inside its threshold: it does not flutter on it."""
_EVIDENCE: Final = 0.01
"""A conversion rate is below its threshold when so few conversions are less likely than this at the threshold."""
_GRAVE: Final = 2.0
"""A price so many times the limit away opens the breaker at once."""
_IMPROBABLE: Final = 1e-4
"""Conversions are abnormally few when so few are less likely than this at half the usual rate."""

PACE_ALERTS: Final = frozenset(
    {
        AlertType.EMERGENCY_STOP_REQUIRED,
        AlertType.CRITICAL_OVERPACING,
        AlertType.WARNING_OVERPACING,
        AlertType.UNDER_PACING,
    }
)


def pace_ratio(spent: int, budget: int, planned: float) -> float:
    """Spent share of the budget over the share that was planned by now: 1.0 is on plan, 1.6 is 60 % ahead.

    1.0 when nothing was planned and nothing spent; infinite when something was spent and nothing planned.
    """
    due = budget * planned
    if due > 0:
        return spent / due
    return 1.0 if spent <= 0 else float("inf")


def pace_issues(
    spent: int, budget: int, planned: float, config: PacerConfig, standing: Iterable[AlertType] = ()
) -> frozenset[AlertType]:
    """Which pace issues there are now. One that stands already needs a little more to clear than it took to arise."""
    ratio = pace_ratio(spent, budget, planned)
    known = frozenset(standing)
    issues = set()
    if is_emergency(spent, budget, planned, config):
        issues.add(AlertType.EMERGENCY_STOP_REQUIRED)
    if planned >= _SILENT_UNTIL or spent >= budget * _SILENT_UNTIL:
        for alert, threshold in (
            (AlertType.CRITICAL_OVERPACING, config.pace_critical_threshold),
            (AlertType.WARNING_OVERPACING, config.pace_warning_threshold),
        ):
            if ratio > float(threshold) * (_CLEARS_AT if alert in known else 1.0):
                issues.add(alert)
    under = float(config.pace_under_threshold) / (_CLEARS_AT if AlertType.UNDER_PACING in known else 1.0)
    if planned >= _UNDER_FROM and ratio < under:
        issues.add(AlertType.UNDER_PACING)
    return frozenset(issues)


def is_emergency(spent: int, budget: int, planned: float, config: PacerConfig) -> bool:
    """Nearly everything spent, and well ahead of plan. Nearly everything spent near the end of the plan is success."""
    return spent > budget * config.emergency_stop_threshold and spent - budget * planned > float(
        budget * config.emergency_lead
    )


def pace_text(spent: int, budget: int, planned: float) -> str:
    """For messages: the figures behind a ratio."""
    return f"{money_text(spent)} of {money_text(budget)} spent, {about_text(budget * planned)} planned by now"


def performance_breach(fresh: Performance, config: PacerConfig) -> str | None:
    """What about fresh data is below its threshold, in words; None when nothing is, or no threshold is set."""
    if config.min_conversion_rate is not None and fresh.clicks:
        expected = fresh.clicks * float(config.min_conversion_rate)
        if poisson_at_most(round(fresh.conversions), expected) < _EVIDENCE:
            return (
                f"conversion rate {fresh.conversions / fresh.clicks:.4f} over {fresh.clicks:.0f} clicks, "
                f"at least {config.min_conversion_rate} wanted"
            )
    if config.max_cost_per_click is not None and fresh.clicks and fresh.cost / fresh.clicks > config.max_cost_per_click:
        return f"cost per click {fresh.cost / fresh.clicks:.4f}, at most {config.max_cost_per_click} wanted"
    if config.target_roas is not None and fresh.cost and fresh.revenue / fresh.cost < config.target_roas:
        return f"return on ad spend {fresh.revenue / fresh.cost:.2f}, at least {config.target_roas} wanted"
    return None


class Conversions(NamedTuple):
    """The usual conversion rate a click, and how many conversions it is known from."""

    rate: float
    known: float


class Anomaly(NamedTuple):
    """What is not as usual."""

    text: str
    grave: bool


def anomaly(
    fresh: Performance, price: Price | None, conversions: Conversions | None, config: PacerConfig, *, enough: bool
) -> Anomaly | None:
    """What about fresh data is far from usual; None when nothing is. Without `enough` of it only prices that are far
    too high count: clicks may be reported a little before their cost."""
    if config.anomaly_z is None:
        return None
    limit = float(config.anomaly_z)
    if price is not None and (abs(price.z) > limit if enough else price.z > limit * _GRAVE):
        text = f"{price.price:.4g} for a {price.unit}, usual at this hour are {price.usual:.4g} (z {price.z:+.1f})"
        return Anomaly(text, abs(price.z) > limit * _GRAVE)
    if not enough or conversions is None:
        return None
    # Half of the usual rate: rates wander, and over enough clicks every wandering would be improbable.
    usual = conversions.rate * max(0.0, 1 - 2 / sqrt(conversions.known))
    if poisson_at_most(round(fresh.conversions), fresh.clicks * usual / 2) < _IMPROBABLE:
        seen = f"{fresh.conversions:.0f} conversions of {fresh.clicks:.0f} clicks"
        text = f"{seen}, usual are {conversions.rate:.4f} a click"
        return Anomaly(text, grave=False)
    return None


def poisson_at_most(count: int, mean: float) -> float:
    """The chance of so few events or fewer when `mean` are expected."""
    if mean > 700:  # exp underflows; the normal approximation is good to a few per mille there
        return NormalDist(mean, mean**0.5).cdf(count + 0.5)
    term = total = exp(-mean)
    for k in range(1, count + 1):
        term *= mean / k
        total += term
    return min(1.0, total)
