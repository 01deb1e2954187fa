"""What platforms would spend, hour by hour, if nobody stopped them. Pure; the same seed gives the same traffic.

Chance is drawn anew for each campaign and day, so what a day brings does not depend on where a run begins or ends.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from brands.periods import day_starts_at, local_date
from enforcement.demo.plan import BrandPlan, CampaignPlan
from enforcement.demo.shapes import day_ratio, hour_shares
from scheduling.windows import Week, compile_week, is_open

ONE_DAY, ONE_HOUR = timedelta(days=1), timedelta(hours=1)
HOUR_NOISE = 0.25
LATE_DAYS = 0.02


class Piece(NamedTuple):
    """What a campaign would spend from `start` for at most an hour, on one local day; in units of the currency."""

    start: datetime
    day: date
    amount: float


def chance(seed: int, *about: object) -> Random:
    """A source of chance of its own for whatever is named."""
    return Random("|".join(map(str, (seed, *about))))  # noqa: S311 - sample data, to be repeatable


class Traffic:
    """The traffic of one campaign."""

    def __init__(self, seed: int, brand: BrandPlan, campaign: CampaignPlan) -> None:
        self.seed, self.zone, self.campaign = seed, brand.zone, campaign
        self._week: Week | None = None if campaign.windows is None else compile_week(campaign.windows)
        self._days: dict[date, list[Piece]] = {}

    def between(self, since: datetime, until: datetime) -> Iterator[Piece]:
        """The pieces of [since, until), cut at full hours and at midnight."""
        day = local_date(self.zone, since)
        while True:
            for piece in self.on(day):
                start, end = max(piece.start, since), min(piece.start + ONE_HOUR, until)
                if start < end and piece.amount:
                    yield Piece(start, day, piece.amount * ((end - start) / ONE_HOUR))
            day += ONE_DAY
            if day_starts_at(self.zone, day) >= until:
                return

    def on(self, day: date) -> list[Piece]:
        """The hours of a local day: 23, 24 or 25 of them."""
        if day not in self._days:
            self._days[day] = self._hours(day)
        return self._days[day]

    def ratio(self, day: date) -> float:
        """The day's spend as a multiple of the daily budget."""
        campaign = self.campaign
        year, week, _ = day.isocalendar()
        week_noise = chance(self.seed, campaign.external_id, year, week).gauss()
        day_noise = chance(self.seed, campaign.external_id, day).gauss()
        return day_ratio(day, week_noise, day_noise, business=campaign.business, platform=campaign.platform)

    def days_late(self, day: date) -> int:
        """How many days after its end this day is reported: 0 for one that is reported as it goes."""
        rng = chance(self.seed, self.campaign.external_id, day, "late")
        return rng.randint(1, 3) if rng.random() < LATE_DAYS else 0

    def _hours(self, day: date) -> list[Piece]:
        starts = _hours_of(self.zone, day)
        rng = chance(self.seed, self.campaign.external_id, day, "hours")
        shares = hour_shares(day)
        weights = [
            shares[start.astimezone(self.zone).hour] * rng.lognormvariate(0, HOUR_NOISE) * self._open(start)
            for start in starts
        ]
        total = sum(weights)
        amount = float(self.campaign.level) * self.ratio(day)
        return [
            Piece(start, day, amount * weight / total if total else 0.0)
            for start, weight in zip(starts, weights, strict=True)
        ]

    def _open(self, start: datetime) -> bool:
        return self._week is None or is_open(self._week, self.zone, start)


@lru_cache(maxsize=64)
def _hours_of(zone: ZoneInfo, day: date) -> list[datetime]:
    start, end = day_starts_at(zone, day), day_starts_at(zone, day + ONE_DAY)
    return [start + ONE_HOUR * hour for hour in range((end - start) // ONE_HOUR)]
