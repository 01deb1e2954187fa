"""A month's plan: what today may get of what is left, how far off is still fine, and where the month will end.

Pure functions on values, usable without the rest of the package. Money is `Decimal`; days are local dates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from math import exp, sqrt
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_DAY_CAP: Final = Decimal(2)
"""No day gets more than so many times the month's budget over its open days (ad platforms: twice, Google's rule)."""
_SUPPLY_DRIFT: Final = 0.3
"""Supply may die away: after n days it is counted as exp(-0.3 √n) of today's. (The lower twentieth of a random walk of
logarithms with steps of 0.18.)"""
_AMPLE: Final = 2.0
"""A day to come counts fully when the supply that is so counted is this many times what it would get."""
_TOLERANCE_AT_START: Final = 0.25
_TOLERANCE_AT_END: Final = 0.02
_PRIOR_DAYS: Final = 3.0
"""The spread of a day's delivery, before any is known, counts as so many days of data."""
_PRIOR_SPREAD: Final = 0.3
_CENT: Final = Decimal("0.01")
WEEKS: Final = 4
"""A day is expected to be like the same weekdays of so many weeks."""
FEWEST_DAYS: Final = 7
"""Of how many days before today something must be known before anything is expected."""


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
    """What an average day could buy without a limit, where that is known (`daily_supply_of`); None: unknown."""


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
    """Today's share of what is left, by the weights of the open days left, under the day's cap. Where supply is known,
    a day to come weighs less the less certain it is that it could spend its part; see the constants.

    Raises InvalidMonth. (Re-solving each day on what is left is the receding-horizon rule; the discount is what was
    measured to help when supply dies away before the month's end.)
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
    reason = f"what is left, by weekday over {len(ahead)} open days"
    if len(ahead) == 1:
        return min(left, cap), "the last open day: all that is left, under the day's cap"
    if facts.daily_supply is not None:
        certain = _certain(facts, ahead, float(left / total))
        if certain is None:
            return min(left, cap), "not rationed: supply may die away, and what then comes does not cover what is left"
        if min(certain.values()) < 1:
            weights = {day: weights[day] * Decimal(str(part)) for day, part in certain.items()}
            share = left * weights[facts.today] / sum(weights.values())
            reason = f"{reason}; later ones count for less, since supply may die away"
    return (cap, f"capped at {_DAY_CAP} times an even day") if share > cap else (share, reason)


def _certain(facts: MonthFacts, ahead: Sequence[date], rate: float) -> dict[date, float] | None:
    """How far each day can be counted on to spend `rate` times its weight, 0 to 1, if supply dies away as far as it
    well may; None when all days together could not."""
    mean_weight = sum(facts.weekday_weights) / 7
    supply = float(facts.daily_supply or 0) / mean_weight / rate
    times = {day: supply * exp(-_SUPPLY_DRIFT * sqrt((day - facts.today).days)) for day in ahead}
    weights = facts.weekday_weights
    if sum(weights[day.weekday()] * (part - 1) for day, part in times.items()) < 0:
        return None
    return {day: min(1.0, part / _AMPLE) for day, part in times.items()}


def daily_supply_of(supplies: Sequence[Decimal]) -> Decimal | None:
    """What a day is expected to offer, from what finished days offered, in order: the mean of the last week or of the
    last three days, whichever is lower. None without any."""
    if not supplies:
        return None
    week, latest = supplies[-7:], supplies[-3:]
    return min(sum(week, Decimal(0)) / len(week), sum(latest, Decimal(0)) / len(latest))


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


# --- What the month comes to -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Range:
    """An expected amount, and between which bounds it lies in four of five months."""

    low: Decimal
    expected: Decimal
    high: Decimal

    def at_most(self, most: Decimal) -> Range:
        """The same where something stops it there."""
        return Range(min(self.low, most), min(self.expected, most), min(self.high, most))


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a month comes to, if it goes on like the last weeks."""

    by_day: Mapping[date, Decimal]
    """What today and each later day come to, if the month's budget does not stop them; today no less than is spent."""
    so_far: Decimal
    unlimited: Range
    """The month's end if its budget stopped nothing."""
    budget: Decimal | None
    used_up_on: date | None
    """The day on which the budget is expected to be reached; today where it is reached already, None where the month
    does not reach it."""

    @property
    def comes_to(self) -> Range:
        """The month's end: the budget stops what would go beyond it; what is spent beyond it already stays spent."""
        return self.unlimited if self.budget is None else self.unlimited.at_most(max(self.budget, self.so_far))

    @property
    def is_stopped(self) -> bool:
        """Whether the budget, and not the traffic, decides what the month comes to."""
        return self.used_up_on is not None


def look_ahead(
    spent: Mapping[date, Decimal],
    so_far: Decimal,
    today: date,
    last_day: date,
    *,
    budget: Decimal | None = None,
    unit: Decimal = _CENT,
    confidence: float = 0.8,
) -> Outlook | None:
    """What the month of `today` comes to; None while less than a week is known.

    `spent` is by day, today's and those of the four weeks before; `so_far` is the month's total, which may hold more
    than its days do (monthly fees). Each day to come is expected to be like its weekdays. Days differ from that
    independently, as much as they have so far (shrunk to 30 %), and the level itself is as uncertain as the number of
    known days makes it. Amounts are rounded to `unit`.
    """
    by_day = days_to_come(spent, today, last_day)
    if by_day is None:
        return None
    known = _known_days(spent, today)
    gone = spent.get(today, Decimal(0))
    to_come = sum(by_day.values(), -gone)
    far = Decimal(str(round(_NORMAL.inv_cdf(0.5 + confidence / 2) * _error(spent, known, by_day.values()), 6)))

    def rounded(more: Decimal) -> Decimal:
        return max((so_far + more).quantize(unit, ROUND_HALF_EVEN), so_far)

    unlimited = Range(rounded(max(to_come - far, Decimal(0))), rounded(to_come), rounded(to_come + far))
    return Outlook(by_day, so_far, unlimited, budget, _used_up_on(by_day, so_far - gone, budget, so_far, today))


def days_to_come(spent: Mapping[date, Decimal], today: date, last_day: date) -> dict[date, Decimal] | None:
    """What today and each later day up to the last come to, each like its weekdays of the last four weeks; None while
    less than a week is known. What is spent today counts: today comes to no less."""
    known = _known_days(spent, today)
    if len(known) < FEWEST_DAYS:
        return None
    expected = {day: _usual(day, known, spent) for day in _days(today, last_day)}
    expected[today] = max(expected[today], spent.get(today, Decimal(0)))
    return expected


def _known_days(spent: Mapping[date, Decimal], today: date) -> list[date]:
    """The days of the last four weeks since the first with spend; a day without spend between them is known to be 0."""
    past = [today - timedelta(days=back) for back in range(1, 7 * WEEKS + 1)]
    first = min((day for day in past if day in spent), default=today)
    return [day for day in past if day >= first]


def _usual(day: date, known: Sequence[date], spent: Mapping[date, Decimal]) -> Decimal:
    same = [spent.get(one, Decimal(0)) for one in known if one.weekday() == day.weekday()]
    return sum(same, Decimal(0)) / len(same)


def _error(spent: Mapping[date, Decimal], known: Sequence[date], to_come: Iterable[Decimal]) -> float:
    """The standard error of the sum of the days to come. Days on which nothing is expected add none."""
    level = sum(float(spent.get(day, 0)) for day in known) / len(known)
    off = sum(float(spent.get(day, Decimal(0)) - _usual(day, known, spent)) ** 2 for day in known)
    weekdays = len({day.weekday() for day in known})
    squares = off + _PRIOR_DAYS * (_PRIOR_SPREAD * level) ** 2
    spread = (squares / (len(known) - weekdays + _PRIOR_DAYS)) ** 0.5
    ahead = sum(1 for amount in to_come if amount > 0)
    return float(spread * (ahead + ahead**2 / len(known)) ** 0.5)


def _used_up_on(
    by_day: Mapping[date, Decimal], before_today: Decimal, budget: Decimal | None, so_far: Decimal, today: date
) -> date | None:
    if budget is None:
        return None
    if so_far >= budget:
        return today
    total = before_today
    for day, amount in by_day.items():
        total += amount
        if total >= budget:
            return day
    return None


def weekday_weights(spent: Mapping[date, Decimal], today: date) -> tuple[float, ...]:
    """What a Monday, Tuesday, … of the last four weeks was worth relative to the average day, half way to it: four of
    each say no more. All 1 while less than a week is known, or nothing was spent."""
    known = _known_days(spent, today)
    level = sum(float(spent.get(day, 0)) for day in known) / len(known) if known else 0.0
    if len(known) < FEWEST_DAYS or level <= 0:
        return (1.0,) * 7
    means = [
        _mean([max(float(spent.get(day, 0)), 0.0) for day in known if day.weekday() == number]) / level
        for number in range(7)
    ]
    return tuple((1 + mean) / 2 for mean in means)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
