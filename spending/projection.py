"""What a month will come to, if it goes on as it did: the calendar's months, and money's decimals. Pure.

How it is worked out: `budget_pacer.month.look_ahead`.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from brands.periods import month_start, next_month_start
from budget_pacer import month
from budget_pacer.month import WEEKS as WEEKS
from budget_pacer.month import Outlook as Outlook


def month_outlook(
    spent: Mapping[date, Decimal], posted: Decimal, today: date, *, budget: Decimal | None = None, decimals: int = 2
) -> Outlook | None:
    """What the month of `today` will come to, as a range; None while too little is known.

    `spent` is by day, today's and those of the four weeks before; `posted` is the month's total so far, which may hold
    more than its days do (monthly fees). `budget` is the month's: it stops what would go beyond it. Amounts have so
    many decimals.
    """
    unit = Decimal(1).scaleb(-decimals)
    return month.look_ahead(spent, posted, today, last_day_of(today), budget=budget, unit=unit)


def last_day_of(today: date) -> date:
    return next_month_start(month_start(today)) - timedelta(days=1)
