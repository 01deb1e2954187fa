"""Made-up spend of realistic sizes, for trying the system. Pure: the dice and the figures are handed in.

Amounts are log-normal between two bounds, as costs of single reports are: many small ones and few large. Larger
campaigns get more of them.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import exp, log
from random import Random
from typing import NamedTuple
from uuid import UUID

SMALLEST, LARGEST = Decimal("0.001"), Decimal("0.03")
"""Where nobody names bounds: a single spend as a share of what a campaign may spend in a day."""
UNLIMITED_DAY = Decimal(200)
"""What a campaign without any budget is taken to spend in a day, in units of its currency."""
DAYS_A_MONTH = 30


class Bounds(NamedTuple):
    """The least and the most of one amount, in units of the currency."""

    least: Decimal
    most: Decimal


def day_size(own: Decimal | None, day: Decimal | None, month: Decimal | None, campaigns: int) -> Decimal:
    """What a campaign may spend in a day: its own daily budget, or its share of its brand's day or month."""
    if own:
        return own
    if day:
        return day / campaigns
    return month / DAYS_A_MONTH / campaigns if month else UNLIMITED_DAY


def usual_bounds(size: Decimal) -> Bounds:
    return Bounds(size * SMALLEST, size * LARGEST)


def draw_amount(dice: Random, bounds: Bounds, decimals: int) -> Decimal:
    """An amount within the bounds, in the currency's smallest unit and at least one of it.

    Their geometric mean is the median; each bound is three standard deviations away.
    """
    step = Decimal(1).scaleb(-decimals)
    least, most = max(int(bounds.least / step), 1), max(int(bounds.most / step), 1)
    middle, spread = (log(least) + log(most)) / 2, (log(most) - log(least)) / 6
    drawn = round(exp(dice.gauss(middle, spread)))
    return min(max(drawn, least), most) * step


def draw_campaign(dice: Random, sizes: Mapping[UUID, Decimal]) -> UUID:
    """One of these campaigns, the larger the likelier."""
    ids = list(sizes)
    return dice.choices(ids, weights=[float(sizes[one]) for one in ids])[0]
