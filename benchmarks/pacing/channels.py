"""Several channels of one campaign: budgets shared hourly by one price of money, beside budgets that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random

from benchmarks.pacing.days import Knowledge, Ticket, generated_days, make_ticket, traffic_hours
from benchmarks.pacing.hindsight import best_value
from benchmarks.pacing.ours import MIDNIGHT, MovedClock
from benchmarks.pacing.recorded import Recorded, recorded_days
from budget_pacer import BudgetPacer, ChannelType, PacingStrategy

CHANNELS = (ChannelType.DISPLAY, ChannelType.NATIVE, ChannelType.VIDEO)
SUPPLY = (0.5, 2.0, 6.0)
"""Of each channel, over a third of the budget."""


@dataclass(frozen=True, slots=True)
class SharedResult:
    """One day of three channels."""

    utilisation: float
    overspend: float
    value: float
    conserved: bool
    """Whether the budgets added up to the same after every reallocation, to the cent."""


def shared_day(number: int, tickets: int, seed: int, data: Recorded | None, *, reallocates: bool) -> SharedResult:
    """Replay one day; every hour the budgets are reallocated, or not."""
    streams = [_stream(number, index, round(tickets * SUPPLY[index] / 3), seed, data) for index in range(3)]
    budget = Decimal(round(sum(known.mean_cost * sum(known.shape) for _, known in streams) / sum(SUPPLY) * 3))
    cents = int(budget) // 10_000
    thirds = [cents // 3, cents // 3, cents - 2 * (cents // 3)]
    clock = MovedClock()
    pacer = BudgetPacer(clock=clock, frontload_protection_hours=0)
    week_before = [MIDNIGHT - timedelta(days=7) + timedelta(hours=hour) for hour in range(168)]
    for channel, (_, known), part in zip(CHANNELS, streams, thirds, strict=True):
        pacer.learn_traffic("c", channel, traffic_hours(known, week_before))
        pacer.allocate_hourly_budget("c", channel, Decimal(part).scaleb(-2), PacingStrategy.ADAPTIVE_HYBRID)
    offers = sorted(
        ((ticket, channel) for (made, _), channel in zip(streams, CHANNELS, strict=True) for ticket in made),
        key=lambda offer: offer[0].at_s,
    )
    value, next_hour, conserved = 0.0, 3600.0, True
    for ticket, channel in offers:
        clock.set(ticket.at_s)
        while reallocates and ticket.at_s >= next_hour:
            conserved &= sum(pacer.reallocate("c").values()) == Decimal(cents).scaleb(-2)
            next_hour += 3600.0
        if pacer.advise("c", channel, ticket.price, ticket.value).approve:
            found = pacer.reserve("c", channel, ticket.price)
            if found.granted:
                pacer.settle(found.reservation_id)
                value += ticket.value
    spent = sum((pacer.spent("c", channel) for channel in CHANNELS), Decimal(0))
    total = cents * 10_000
    best = best_value([ticket for ticket, _ in offers], total)
    used = float(spent) * 1e6 / min(total, sum(ticket.cost for ticket, _ in offers))
    return SharedResult(used, max(0.0, float(spent) * 1e6 / total - 1), value / best, conserved)


def _stream(number: int, index: int, tickets: int, seed: int, data: Recorded | None) -> tuple[list[Ticket], Knowledge]:
    random = Random(f"channel {number} {index} {seed}")
    if data is not None and len(data.exchanges) >= 3:
        one = Recorded(data.regions, data.dates, data.former_dates, [data.exchanges[index]], ())
        day = recorded_days(one, "calm", 1, tickets, seed * 1000 + number * 3 + index)[0]
        return list(day.tickets), day.known
    day = generated_days("calm", 1, tickets, seed * 1000 + number * 3 + index)[0]
    # Channels differ in what a unit of money returns.
    better = random.choice((0.6, 1.0, 1.6))
    made = [make_ticket(ticket.at_s, ticket.cost, ticket.value * better) for ticket in day.tickets]
    known = day.known
    sample: Sequence[tuple[float, float]] = [(cost, value * better) for cost, value in known.sample]
    return made, Knowledge(known.shape, known.mean_cost, known.mean_value * better, sample)
