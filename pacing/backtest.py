"""What each strategy's plan would have been on past days, beside the traffic that then came.

The plan of a day is laid with what was known before it began: the hours kept, of the weeks that a fit looks back. What
is compared is the shape of the day. No spend is simulated: where money ran out, traffic that it could not buy is not on
record, and what another hour would have returned for more money is not known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from math import ceil
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from budget_pacer import PacingStrategy
from budget_pacer.day import Day, OpenWeek, local_day, slot_index
from budget_pacer.history import HOURS_FOR_BASIC, Forecast, History
from budget_pacer.plan import lay_out
from pacing.learning import KEPT, add_hours
from pacing.models import HourTotal

LEAST_HOURS: Final = 6
"""A day with fewer hours of traffic has no shape."""
MEASURES: Final = ("clicks", "impressions", "spent")


class Sample(NamedTuple):
    """One strategy's plan of one day beside that day's traffic."""

    day: date
    strategy: PacingStrategy
    measure: str
    """What traffic was counted in."""
    data_hours: int
    """Of how many hours there was data when the plan was laid."""
    ks: float
    """The largest gap between the cumulative shares of plan and traffic, at the ends of hours."""
    mad: float
    """The mean gap."""
    value: float | None
    """What money laid out so returned, by that day's returns of each hour, over even; None: no hour returned any."""


@dataclass(frozen=True)
class Score:
    """One strategy over all its samples."""

    strategy: PacingStrategy
    ks_mean: float
    ks_p95: float
    mad_mean: float
    value: float | None
    """The mean over the days on which returns are known."""
    value_days: int


def samples(
    rows: Sequence[HourTotal], zone: ZoneInfo, week: OpenWeek | None, today: date, days: int, most: Decimal
) -> Iterator[Sample]:
    """A sample for each strategy and each of the last `days` full days with traffic. `rows` are one channel's hours;
    `most` is the largest share of a day that an hour may get.

    The first day on record is left out, because recording may have begun in the middle of it, and so is `today`.
    """
    given = sorted(rows, key=lambda row: row.starts_at)
    first = min((row.day for row in given), default=today)
    for back in range(days, 0, -1):
        on = today - timedelta(days=back)
        day = local_day(zone, week, on)
        of_day = [row for row in given if row.day == on]
        measure = _measure(of_day)
        if on <= first or not day.open_s or measure is None:
            continue
        yield from _of_day(day, of_day, measure, _known(given, day, zone), most)


def _measure(of_day: Sequence[HourTotal]) -> str | None:
    """What the day's traffic is counted in; None where it says nothing about the shape of the day."""
    for measure in MEASURES:
        hours = {row.starts_at for row in of_day if getattr(row, measure) > 0}
        if hours:
            return measure if len(hours) >= LEAST_HOURS else None
    return None


def _known(rows: Sequence[HourTotal], day: Day, zone: ZoneInfo) -> History:
    """What a fit at the beginning of the day would have learned."""
    until = datetime.fromtimestamp(day.start, zone)
    history = History()
    add_hours(history, [row for row in rows if until - KEPT <= row.starts_at < until], zone)
    return history


def _of_day(day: Day, rows: Sequence[HourTotal], measure: str, history: History, most: Decimal) -> Iterator[Sample]:
    traffic, cost, returned = ([0.0] * len(day.slots) for _ in range(3))
    by = "revenue" if any(row.revenue > 0 for row in rows) else "conversions"
    for row in rows:
        slot = slot_index(day, row.starts_at.timestamp())
        traffic[slot] += max(float(getattr(row, measure)), 0.0)
        cost[slot] += max(float(row.spent), 0.0)
        returned[slot] += max(float(getattr(row, by)), 0.0)
    forecasts = history.forecasts(day.date.weekday())
    even = _worth(_shares(day, PacingStrategy.EVEN_DISTRIBUTION, history, forecasts, most), cost, returned)
    for strategy in PacingStrategy:
        plan = _shares(day, strategy, history, forecasts, most)
        gaps = _gaps(plan, traffic)
        worth = _worth(plan, cost, returned)
        yield Sample(
            day.date,
            strategy,
            measure,
            history.data_hours,
            max(gaps),
            sum(gaps) / len(gaps),
            worth / even if worth is not None and even else None,
        )


def _shares(
    day: Day, strategy: PacingStrategy, history: History, forecasts: Sequence[Forecast], most: Decimal
) -> list[float]:
    plan = lay_out(strategy, day, forecasts, history.data_hours, most)
    return [weight / plan.total for weight in plan.weights]


def _gaps(plan: Sequence[float], traffic: Sequence[float]) -> list[float]:
    in_all = sum(traffic)
    return [abs(a - b / in_all) for a, b in zip(accumulate(plan), accumulate(traffic), strict=True)]


def _worth(plan: Sequence[float], cost: Sequence[float], returned: Sequence[float]) -> float | None:
    """Return per money of the plan, over the hours whose return is known because something was spent in them."""
    known = [(share, back / spent) for share, spent, back in zip(plan, cost, returned, strict=True) if spent > 0]
    weight = sum(share for share, _ in known)
    if not weight or not any(back for _, back in known):
        return None
    return sum(share * back for share, back in known) / weight


def scores(found: Iterable[Sample]) -> list[Score]:
    """One line a strategy, in the order of the strategies."""
    by_strategy: dict[PacingStrategy, list[Sample]] = {}
    for sample in found:
        by_strategy.setdefault(sample.strategy, []).append(sample)
    return [_score(strategy, by_strategy[strategy]) for strategy in PacingStrategy if strategy in by_strategy]


def _score(strategy: PacingStrategy, found: Sequence[Sample]) -> Score:
    gaps = sorted(sample.ks for sample in found)
    values = [sample.value for sample in found if sample.value is not None]
    return Score(
        strategy,
        sum(gaps) / len(gaps),
        gaps[ceil(0.95 * len(gaps)) - 1],
        sum(sample.mad for sample in found) / len(found),
        sum(values) / len(values) if values else None,
        len(values),
    )


def without_data(found: Iterable[Sample]) -> int:
    """On how many days every plan was even, for lack of data before them."""
    even = PacingStrategy.EVEN_DISTRIBUTION
    return sum(sample.strategy is even and sample.data_hours < HOURS_FOR_BASIC for sample in found)
