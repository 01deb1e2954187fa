"""What a month will come to, if it goes on as it did. Pure: the standard library only.

Each day that is left is expected to be like the same weekdays of the last four weeks: traffic has a weekly shape.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from brands.periods import month_start, next_month_start

WEEKS = 4
FEWEST_DAYS = 7
"""Of how many days before today something must be known."""


def days_to_come(spent: Mapping[date, Decimal], today: date) -> dict[date, Decimal] | None:
    """What today and each later day of its month will come to; None while too little is known.

    `spent` is by day, today's and those of the four weeks before. What is spent today counts: today comes to no less.
    """
    known = [today - timedelta(days=back) for back in range(1, 7 * WEEKS + 1)]
    first = min((day for day in spent if day in set(known)), default=today)
    past = [day for day in known if day >= first]
    if len(past) < FEWEST_DAYS:
        return None
    left = (next_month_start(month_start(today)) - today).days
    expected = {day: _usual(day, past, spent) for day in (today + timedelta(days=n) for n in range(left))}
    expected[today] = max(expected[today], spent.get(today, Decimal(0)))
    return expected


def month_end(spent: Mapping[date, Decimal], posted: Decimal, today: date) -> Decimal | None:
    """What the month of `today` will come to; None while too little is known.

    `spent` is as for `days_to_come`; `posted` is the month's total so far, which may hold more than its days do
    (monthly fees).
    """
    expected = days_to_come(spent, today)
    if expected is None:
        return None
    to_come = sum(expected.values(), -spent.get(today, Decimal(0)))
    return (posted + to_come).quantize(Decimal("0.01"))


def _usual(day: date, past: list[date], spent: Mapping[date, Decimal]) -> Decimal:
    """The mean of the same weekdays; every day that is known counts, also one on which nothing was spent."""
    same = [spent.get(one, Decimal(0)) for one in past if one.weekday() == day.weekday()]
    return sum(same, Decimal(0)) / len(same)
