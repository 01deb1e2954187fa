"""Is money spent faster than the day goes by? A rule of thumb, until the pacer plans each hour.

Pure: standard library only, and the clock is never read. Opening hours are compiled weeks (scheduling.windows).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from brands.periods import day_starts_at, local_date, next_midnight
from scheduling.windows import ALWAYS, Week, open_seconds, union

AHEAD: Final = 1.25
"""Over pace is a quarter more than the share of the day that has passed."""
LEAST_SHARE: Final = 0.1
"""Less than a tenth of a budget is never over pace: a day's first minutes say nothing."""
BEHIND: Final = 0.5
"""Under pace is less than half of the share of the day that has passed."""
LEAST_PASSED: Final = 0.5
"""Before the middle of the open day nothing is under pace: reports come late."""


def passed_share(weeks: Iterable[Week | None], zone: ZoneInfo, now: datetime) -> float:
    """Which part of the open seconds of the local day has passed, from 0 to 1. None among the weeks is always open.

    With several weeks, the day is open when any of them is. A day without any open second has passed: whatever is
    spent on it was not meant to be.
    """
    known = list(weeks)
    week = ALWAYS if None in known else union(one for one in known if one is not None)
    starts_at = day_starts_at(zone, local_date(zone, now))
    in_all = open_seconds(week, zone, starts_at, next_midnight(zone, now))
    return open_seconds(week, zone, starts_at, now) / in_all if in_all else 1.0


def ratio(used_share: float, passed: float) -> float:
    """1 is as fast as the day goes by, 1.6 is 60 % faster; infinite before the day has opened."""
    return used_share / passed if passed > 0 else float("inf")


def is_over(used_share: float, passed: float) -> bool:
    """Whether the used share of a daily budget is well above the share of the open day that has passed."""
    return used_share >= LEAST_SHARE and used_share > passed * AHEAD


def is_under(used_share: float, passed: float) -> bool:
    """Whether it is well below. Nothing used at all is no pace: then nobody has reported yet."""
    return passed >= LEAST_PASSED and 0 < used_share < passed * BEHIND
