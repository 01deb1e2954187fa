"""When a budget will be reached, if money is spent as it was today. Pure: no Django, and the clock is never read."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from brands.periods import day_starts_at, local_date, next_midnight
from scheduling.windows import Week, open_seconds

LEAST_OPEN_S: Final = 1_800
"""What the first half hour of an open day spends says nothing of the rest."""


def reaches_at(
    week: Week, zone: ZoneInfo, now: datetime, *, spent: Decimal, left: Decimal, within: timedelta
) -> datetime | None:
    """The moment within this time, and before the local day ends, at which `left` more will be spent; else None.

    `spent` is today's so far. What counts is open time: nothing is spent while every window is closed.
    """
    so_far = open_seconds(week, zone, day_starts_at(zone, local_date(zone, now)), now)
    if so_far < LEAST_OPEN_S or spent <= 0:
        return None
    needed = left * so_far / spent
    last = min(now + within, next_midnight(zone, now))
    if needed > open_seconds(week, zone, now, last):
        return None
    early, late = 0, int((last - now).total_seconds())
    while early < late:
        middle = (early + late) // 2
        if open_seconds(week, zone, now, now + timedelta(seconds=middle)) >= needed:
            late = middle
        else:
            early = middle + 1
    return now + timedelta(seconds=late)
