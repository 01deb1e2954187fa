"""A month's plan: what today may get of what is left, how far off is still fine, and where the month will end.

Pure functions on values, usable without the rest of the package. Money is `Decimal`; days are local dates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_DAY_CAP: Final = Decimal(2)
"""No day gets more than so many times the month's budget over its open days (ad platforms: twice, Google's rule)."""
_RELEASE_BELOW: Final = Decimal(2)
"""When the supply that is forecast for the rest is less than this times what is left, today is not rationed."""
_TOLERANCE_AT_START: Final = 0.25
_TOLERANCE_AT_END: Final = 0.02
_PRIOR_DAYS: Final = 3.0
"""The spread of a day's delivery, before any is known, counts as so many days of data."""
_PRIOR_SPREAD: Final = 0.3
_CENT: Final = Decimal("0.01")


class InvalidMonth(ValueError):
    """A month's facts that contradict each other."""


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """What is known when today's budget is set, at the start of `today`."""

    budget: Decimal
    spent: Decimal
    """On the days before today; on today too where that is known: it counts as gone."""
    today: date
    last_day: date
    first_day: date
    closed: Collection[date] = ()
    """Days on which nothing can be spent."""
    weekday_weights: Sequence[float] = (1.0,) * 7
    """What a Monday, Tuesday, ... is worth relative to the others."""
    daily_spend: Mapping[date, Decimal] | None = None
    """Spend by finished day: what the projection's spread is learned from."""
    daily_supply: Decimal | None = None
    """What an average day could buy without a limit, where that is known; None: unknown."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Where the month's spend ends. `low` and `high` hold it with the confidence that was asked for; never above the
    budget."""

    low: Decimal
    expected: Decimal
    high: Decimal
    confidence: float


@dataclass(frozen=True, slots=True)
class MonthPlan:
    """What to do today and what to expect."""

    today: Decimal
    """Today's budget, at most what is left; 0 on a closed day."""
    left: Decimal
    open_days_left: int
    """With today."""
    tolerance: float
    """How far spend to date may be from plan to date, as a share, before it deserves attention: 25 % on the first day,
    tightening to 2 % on the last."""
    pace: float
    """Spent over planned to date; 1.0 when nothing was planned."""
    off_pace: bool
    projection: Projection
    reason: str


def plan_month(facts: MonthFacts, *, confidence: float = 0.8, cent: Decimal = _CENT) -> MonthPlan:
    """Today's share of what is left, by the weights of the open days left; see the constants for caps and release.

    Raises InvalidMonth. (Re-solving each day on what is left is the receding-horizon rule; the cap and the release are
    what was measured to help when supply dies towards the end of a month.)
    """
    _check(facts, confidence)
    days = _days(facts.first_day, facts.last_day)
    open_days = [day for day in days if day not in set(facts.closed)]
    ahead = [day for day in open_days if day >= facts.today]
    left = max(Decimal(0), facts.budget - facts.spent)
    today, reason = _today(facts, ahead, left, len(open_days))
    planned = _planned_to_date(facts, open_days)
    pace = float(facts.spent / planned) if planned > 0 else 1.0
    tolerance = _tolerance(facts)
    return MonthPlan(
        today=min(left, today).quantize(cent, ROUND_DOWN) if ahead != [facts.today] else min(left, today),
        left=left,
        open_days_left=len(ahead),
        tolerance=tolerance,
        pace=pace,
        off_pace=planned > 0 and abs(pace - 1) > tolerance,
        projection=project(facts, confidence=confidence, cent=cent),
        reason=reason,
    )


def project(facts: MonthFacts, *, confidence: float = 0.8, cent: Decimal = _CENT) -> Projection:
    """Where the month ends if the days left bring what days have brought so far, by weekday, under the budget.

    A day's delivery over its expectation has a spread learned from the finished days (shrunk to 30 %); days are taken
    as independent, and the level itself as uncertain as the number of finished days makes it.
    """
    _check(facts, confidence)
    closed = set(facts.closed)
    weights = facts.weekday_weights
    ahead = sum(
        weights[day.weekday()]
        for day in _days(facts.first_day, facts.last_day)
        if day >= facts.today and day not in closed
    )
    done = {
        day: float(amount) / weights[day.weekday()]
        for day, amount in (facts.daily_spend or {}).items()
        if day < facts.today and day not in closed and weights[day.weekday()] > 0
    }
    left = max(0.0, float(facts.budget - facts.spent))
    if done:
        level = sum(done.values()) / len(done)
        squares = sum((value - level) ** 2 for value in done.values()) + _PRIOR_DAYS * (_PRIOR_SPREAD * level) ** 2
        spread = (squares / (len(done) + _PRIOR_DAYS)) ** 0.5
        error = spread * (ahead + ahead**2 / len(done)) ** 0.5
    else:
        # Nothing has been delivered yet: the plan is the only expectation there is.
        level = left / ahead if ahead else 0.0
        error = _PRIOR_SPREAD * level * (ahead + ahead**2 / _PRIOR_DAYS) ** 0.5
    far = _NORMAL.inv_cdf(0.5 + confidence / 2) * error

    def bounded(value: float) -> Decimal:
        more = Decimal(str(round(min(max(value, 0.0), left), 6))).quantize(cent, ROUND_DOWN)
        return facts.spent + min(more, max(Decimal(0), facts.budget - facts.spent))

    return Projection(bounded(level * ahead - far), bounded(level * ahead), bounded(level * ahead + far), confidence)


def _today(facts: MonthFacts, ahead: Sequence[date], left: Decimal, open_days: int) -> tuple[Decimal, str]:
    if facts.today not in ahead:
        return Decimal(0), "closed today"
    if left == 0:
        return Decimal(0), "the month's budget is spent"
    weights = {day: Decimal(str(facts.weekday_weights[day.weekday()])) for day in ahead}
    total = sum(weights.values())
    if total == 0:
        return Decimal(0), "the days left have no weight"
    even = facts.budget / open_days
    share = left * weights[facts.today] / total
    cap = even * _DAY_CAP
    supply = facts.daily_supply
    if len(ahead) == 1:
        return min(left, cap), "the last open day: all that is left, under the day's cap"
    if supply is not None and supply * total / _mean_weight(facts) < left * _RELEASE_BELOW:
        return min(left, cap), "not rationed: the supply forecast for the rest hardly covers what is left"
    if share > cap:
        return cap, f"capped at {_DAY_CAP} times an even day"
    return share, f"what is left, by weekday over {len(ahead)} open days"


def _mean_weight(facts: MonthFacts) -> Decimal:
    return Decimal(str(sum(facts.weekday_weights) / 7)) or Decimal(1)


def _planned_to_date(facts: MonthFacts, open_days: Sequence[date]) -> Decimal:
    weights = [Decimal(str(facts.weekday_weights[day.weekday()])) for day in open_days]
    before = sum((w for day, w in zip(open_days, weights, strict=True) if day < facts.today), Decimal(0))
    total = sum(weights, Decimal(0))
    return facts.budget * before / total if total else Decimal(0)


def _tolerance(facts: MonthFacts) -> float:
    length = (facts.last_day - facts.first_day).days
    passed = (facts.today - facts.first_day).days / length if length else 1.0
    return _TOLERANCE_AT_START + (_TOLERANCE_AT_END - _TOLERANCE_AT_START) * passed


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _check(facts: MonthFacts, confidence: float) -> None:
    if not facts.first_day <= facts.today <= facts.last_day:
        raise InvalidMonth(f"today, {facts.today}, is outside {facts.first_day} to {facts.last_day}")
    if facts.budget < 0 or not facts.budget.is_finite() or not facts.spent.is_finite():
        raise InvalidMonth(f"a budget of {facts.budget} with {facts.spent} spent cannot be planned")
    if len(facts.weekday_weights) != 7 or min(facts.weekday_weights) < 0:
        raise InvalidMonth(f"weekday_weights is {facts.weekday_weights!r}: give seven numbers of 0 or more")
    if not 0 < confidence < 1:
        raise InvalidMonth(f"a confidence of {confidence} is not between 0 and 1")
