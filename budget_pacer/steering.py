"""Which opportunities to take: one channel's forecast, price of money and corridor, kept up through the day.

This is advice. It is learned, lives in memory, and may be lost: money is kept in the store, and the limits there hold
whatever is advised here. Not safe for concurrent callers by itself: the pacer holds a lock round it.

Every five minutes it forecasts the rest of the day (`nowcast`), finds the price at which what is left buys the best of
it (`prices`), and bends that price where spend would leave a corridor round the traffic curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import exp, inf, log, sqrt
from typing import Final, NamedTuple

from budget_pacer.day import Day, open_elapsed, slot_elapsed, slot_index
from budget_pacer.levels import HourLevels
from budget_pacer.money import MICROS
from budget_pacer.nowcast import (
    FADE_PRICE,
    FADE_TRAFFIC,
    HALF_LIFE_S,
    PRICE_PRIOR,
    Shapes,
    ahead,
    blend,
    day_volume,
    shapes_of,
)
from budget_pacer.prices import (
    BINS,
    Curve,
    Histogram,
    Supply,
    bin_of,
    bought,
    curve_of,
    log_or_least,
    passes,
    price_for,
    price_text,
    wide_guess,
)
from budget_pacer.reallocation import Demand
from budget_pacer.store import ChannelState
from budget_pacer.values import PacingStrategy

_SOLVE_EVERY_S: Final = 300.0
_WINDOW_S: Final = 1800.0
"""The corridor looks so far ahead."""
_RELEASED_S: Final = 7200.0
"""In the last two open hours the upper rail is taken down: nothing may be left for want of a rail."""
_CLOSING_S: Final = 21_600.0
_PRIOR_REQUESTS: Final = 3000.0
"""What past days say about the spread of returns weighs as much as so many opportunities of today."""
_GUESSED_REQUESTS: Final = 200.0
_DAY_MEMORY: Final = 0.7
_FAST_PRIOR: Final = 10.0
_FAST_PRIOR_PRICES: Final = 100.0
"""Single costs and returns spread widely: so many are needed before the last 40 minutes count half."""

_THROTTLED = (PacingStrategy.EVEN_DISTRIBUTION, PacingStrategy.HISTORICAL_PATTERN)
_CORRIDOR: Final = {
    PacingStrategy.EVEN_DISTRIBUTION: 0.01,
    PacingStrategy.HISTORICAL_PATTERN: 0.01,
    PacingStrategy.PREDICTIVE_ML: 0.01,
    PacingStrategy.ADAPTIVE_HYBRID: 0.05,
    PacingStrategy.PERFORMANCE_WEIGHTED: None,
}
"""How far cumulative spend may be from its curve, as a share of the budget. Narrow is smooth, wide is worth more."""


@dataclass(frozen=True, slots=True)
class TrafficHour:
    """What one past hour offered, bought or not: from logs or reports."""

    starts_at: datetime
    opportunities: float
    cost: float = 0.0
    """Of all opportunities together, in the campaign's currency."""
    value: float = 0.0
    """Of all opportunities together, in the unit of `expected_value`."""
    sample: Sequence[tuple[float, float]] = ()
    """Some of its opportunities, as (cost, value)."""


class Advice(NamedTuple):
    """What to do with one opportunity."""

    approve: bool
    participation: float
    """The chance with which opportunities like this one are taken now."""
    log_price: float | None
    """Logarithm of the price of money, in value per cost; None while money is not scarce, or opportunities are taken by
    chance and not by price."""
    expected_value: float | None
    code: str

    @property
    def price_of_money(self) -> float:
        """What an opportunity has to return per unit of cost."""
        return 0.0 if self.log_price is None else exp(self.log_price)

    @property
    def max_cost(self) -> Decimal | None:
        """The most that this opportunity is worth paying; None when any price within the limits is fine."""
        if self.log_price is None or self.expected_value is None:
            return None
        return Decimal(str(round(self.expected_value / exp(self.log_price), 6)))

    @property
    def reason(self) -> str:
        """Why, in words."""
        verb = "take" if self.approve else "leave"
        if self.code == "price":
            returns = "returns at least" if self.approve else "returns less than"
            return f"{verb}: it {returns} the {price_text(self.log_price)} per unit of money that is asked for now"
        return f"{verb}: {_WORDS[self.code].format(self.participation)}"


_WORDS: Final = {
    "closed": "closed or stopped",
    "spent": "nothing is left of today's budget",
    "free": "the rest of the day can hardly use up the budget",
    "corridor": "spend is ahead of its corridor",
    "throttle": "one in {0:.2f} of the opportunities is taken now",
}


class Returns:
    """Returns per cost of opportunities: their mean logarithm, which a few enormous ones do not move, and how their
    cost spreads round it."""

    __slots__ = ("count", "logs", "spread")

    def __init__(self) -> None:
        self.count = self.logs = 0.0
        self.spread: Histogram = [0.0] * BINS

    @property
    def mean(self) -> float:
        """Of the logarithms; 0 when there are none."""
        return self.logs / self.count if self.count else 0.0

    def add(self, cost: float, log_return: float, level: float) -> None:
        """One opportunity, against the level that is current."""
        self.count += 1.0
        self.logs += log_return
        self.spread[bin_of(log_return - level)] += cost

    def learn(self, offers: Sequence[tuple[float, float]]) -> None:
        """Past ones, as (cost, logarithm of return), against their own mean."""
        level = sum(log_return for _, log_return in offers) / len(offers)
        for cost, log_return in offers:
            self.add(cost, log_return, level)

    def fade_into(self, other: Returns, keep: float) -> None:
        """A day's returns become past ones."""
        self.count = self.count * keep + other.count
        self.logs = self.logs * keep + other.logs
        self.spread = [old * keep + new for old, new in zip(self.spread, other.spread, strict=True)]


class _Start(NamedTuple):
    """Where the corridor begins: the start of the day, or the latest change of its budget."""

    at_s: float
    seen: float
    """Opportunities of the day before it."""
    gone: float
    """Spent and held before it."""


class Steering:
    """One channel of one campaign."""

    def __init__(self) -> None:
        # From past days.
        self._days = 0.0
        self._usual = [0.0] * 24
        self._hours_seen = [0.0] * 24
        self._levels = HourLevels()
        # Returns of scored opportunities, and of any by their cost alone, are in different units: kept apart.
        self._usual_returns = {True: Returns(), False: Returns()}
        self._scored = False
        # Today.
        self._day: Day | None = None
        self._shapes = Shapes((), ())
        self._clear()

    def _clear(self) -> None:
        slots = len(self._day.slots) if self._day else 24
        self._counts = [0.0] * slots
        self._count = self._cost = self._due_cost = 0.0
        self._levels_today = HourLevels()
        self._returns = Returns()
        self._last = (0.0, 0.0, 0.0, 0.0)
        self._fast = [0.0, 0.0, 0.0, 0.0, 0.0]
        self._solved_at = 0.0
        self._next_solve = 0.0
        self._solved_budget = -1
        self._corridor_from = _Start(0.0, 0.0, 0.0)
        self._log_return = 0.0
        self._log_price: float | None = None
        self._participation = 1.0
        self._upper = float("inf")
        self._credit = 0.5
        self._slot = self._hour = 0
        self._slot_end = 0.0
        self._cost_factors, self._return_offsets = [1.0] * 24, [0.0] * 24
        self._supplies: list[Supply] = []
        self._curve = Curve([])
        self._caution = 1.0

    def learn(self, hour: int, traffic: TrafficHour) -> None:
        """Take in a past hour, by the local clock."""
        self._hours_seen[hour] += 1
        self._usual[hour] += traffic.opportunities
        if traffic.cost > 0:
            self._levels.add(hour, traffic.opportunities, traffic.cost, traffic.value or None)
        offers = [(cost, value) for cost, value in traffic.sample if cost > 0]
        if offers:
            self._usual_returns[True].learn([(cost, log_or_least(value / cost)) for cost, value in offers])
            self._usual_returns[False].learn([(cost, -log(cost)) for cost, _ in offers])
        self._days = max(self._hours_seen)

    def _begin(self, day: Day) -> None:
        if self._day is not None and self._count > 0:
            self._remember(self._day)
        self._day = day
        own = None
        if self._days > 0:
            mean = sum(self._usual) / max(sum(self._hours_seen), 1.0)
            own = [(n + mean * 0.25) / (seen + 0.25) for n, seen in zip(self._usual, self._hours_seen, strict=True)]
        self._shapes = shapes_of(own, [slot.hour for slot in day.slots], [slot.open_s for slot in day.slots])
        self._clear()
        self._expect()

    def _expect(self) -> None:
        """What each hour costs and returns beside the average, as far as past days say."""
        self._cost_factors = self._levels.cost_factors()
        self._return_offsets = self._levels.return_offsets(scored=self._scored)

    def _remember(self, day: Day) -> None:
        """A finished day becomes past: hours that were open count, former days weigh less."""
        for slot, count in zip(day.slots, self._counts, strict=True):
            if slot.open_s:
                self._usual[slot.hour] = self._usual[slot.hour] * _DAY_MEMORY + count * 3600 / slot.open_s
                self._hours_seen[slot.hour] = self._hours_seen[slot.hour] * _DAY_MEMORY + 1
        self._levels.fade_into(self._levels_today, _DAY_MEMORY)
        self._usual_returns[self._scored].fade_into(self._returns, _DAY_MEMORY)
        self._days = max(self._hours_seen)

    def advise(
        self, state: ChannelState, day: Day, at_s: float, cost: float, value: float | None, *, stopped: bool
    ) -> Advice:
        """See `BudgetPacer.advise`."""
        if day is not self._day:
            self._begin(day)
        if at_s >= self._slot_end:
            self._slot = slot_index(day, at_s)
            self._slot_end, self._hour = day.slots[self._slot].end, day.slots[self._slot].hour
        if (value is not None) is not self._scored:
            self._scored, self._returns, self._next_solve = value is not None, Returns(), 0.0
            self._last = (self._count, self._cost, self._due_cost, 0.0)
            self._fast[4] = 0.0
            self._expect()
        if self._next_solve == 0.0 or at_s >= self._next_solve or state.limits.budget != self._solved_budget:
            self._solve(state, day, at_s)
        # Without a score all opportunities of an hour are worth the same: the cheaper ones return more.
        worth = 1.0 if value is None else value
        log_return = log_or_least(worth / cost) if cost > 0 else 690.0
        self._counts[self._slot] += 1.0
        self._count += 1.0
        self._cost += cost
        self._due_cost += self._cost_factors[self._hour]
        self._levels_today.add(self._hour, 1.0, cost, value)
        offset = self._return_offsets[self._hour]
        if cost > 0:
            self._returns.add(cost, log_return - offset, self._log_return)
        meter, limits = state.meter, state.limits
        gone = meter.spent + meter.held
        if stopped:
            return Advice(False, 0.0, None, value, "closed")
        if gone >= limits.budget:
            return Advice(False, 0.0, None, value, "spent")
        if gone + cost * MICROS > self._upper and not self._exceptional(log_return, gone + cost * MICROS, state):
            return Advice(False, 0.0, self._log_price, value, "corridor")
        if state.strategy in _THROTTLED:
            return Advice(self._draw(self._participation), self._participation, None, value, "throttle")
        if self._log_price is None:
            return Advice(True, 1.0, None, value, "free")
        level = self._log_return + offset
        chance = passes(log_return - level, self._log_price - level)
        return Advice(self._draw(chance), chance, self._log_price, worth, "price")

    def _exceptional(self, log_return: float, gone: float, state: ChannelState) -> bool:
        """Whether an opportunity returns so much that it is taken although it leads out of the corridor: e times the
        price of money at the rail, and the more the further beyond it."""
        width = _CORRIDOR[state.strategy]
        if self._log_price is None or not width:
            return False
        beyond = (gone - self._upper) / (width * state.limits.budget)
        return log_return > self._log_price + 1 + 5 * beyond

    def _draw(self, chance: float) -> bool:
        """Takes the given share of opportunities, evenly spaced: no dice, so that a replay decides the same."""
        if chance >= 1.0:
            return True
        if chance <= 0.0:
            return False
        self._credit += chance
        if self._credit >= 1.0:
            self._credit -= 1.0
            return True
        return False

    def demand(self, day: Day, at_s: float) -> Demand | None:
        """What the channel could still buy today at a price; None before it has seen any traffic today."""
        if day is not self._day or self._count < 1 or not self._supplies:
            return None
        supplies, curve, caution = list(self._supplies), self._curve, self._caution

        def at_price(price: float) -> float:
            return caution * MICROS * bought(supplies, curve, log_or_least(price))

        return Demand(at_price, exp(max(supply.log_return for supply in supplies) + 5))

    # Solving

    def _solve(self, state: ChannelState, day: Day, at_s: float) -> None:
        slot = day.slots[self._slot]
        part = slot_elapsed(slot, at_s) / slot.open_s if slot.open_s else 1.0
        usual = self._usual_volume(day)
        shape = blend(self._shapes, self._counts, self._slot, part, usual or self._count)
        passed = sum(shape[: self._slot]) + shape[self._slot] * part
        volume = day_volume(usual, self._count, passed)
        price, log_return, fast = self._level_now(usual, self._expected_since(shape, volume, day, at_s), at_s)
        counts, supplies = self._future(shape, volume, part, day, at_s, price, log_return, fast)
        supplies = _capped(supplies, state, self._slot)
        self._log_return = log_return + fast[2]
        past = self._usual_returns[self._scored]
        guess = (past.spread, _PRIOR_REQUESTS) if past.count else (wide_guess(), _GUESSED_REQUESTS)
        self._curve = curve_of([guess, (self._returns.spread, self._returns.count)])
        left_s = max(0.0, day.open_s - open_elapsed(day, at_s))
        hours = left_s / 3600
        # An unspent unit costs more than an early one: the rest of the day is counted as a little less than expected.
        caution = (1 - 0.35 * sqrt(0.05**2 + 0.2**2 / max(hours, 0.5))) * max(0.0, 1 - 600 / left_s if left_s else 0.0)
        self._supplies, self._caution = supplies, caution
        budget = state.limits.budget / MICROS
        gone = (state.meter.spent + state.meter.held) / MICROS
        if self._solved_budget not in (-1, state.limits.budget):
            # Money that came or went since must not be caught up with in half an hour.
            self._corridor_from = _Start(at_s, self._count, gone)
        near_counts, near = self._near(counts, supplies, day, at_s)
        lower, upper = self._rails(
            state.strategy, day, at_s, budget, sum(counts), near_counts, caution, left_s, volume, shape, passed
        )
        if upper is not None and state.strategy not in _THROTTLED:
            # No rail holds back what the rest of the day could not use up.
            later = sum(supply.cost for supply in supplies) - sum(supply.cost for supply in near)
            upper = max(upper, budget - caution * later)
        self._upper = float("inf") if upper is None else upper * MICROS
        if state.strategy in _THROTTLED:
            self._participation = _share_for(supplies, near, budget - gone, lower, upper, gone, caution)
            self._log_price = None
        else:
            self._log_price = _price_for(supplies, near, self._curve, budget - gone, lower, upper, gone, caution)
            hour = supplies[:1]
            if hour and hour[0].cap < hour[0].cost:
                # An hour's limit would stop spend at whatever comes last: rather take the best of the hour.
                least = price_for([hour[0]._replace(cap=inf)], self._curve, hour[0].cap)
                if least is not None and (self._log_price is None or least > self._log_price):
                    self._log_price = least
        self._solved_budget, self._solved_at = state.limits.budget, at_s
        unsure = self._days == 0 and self._count < 500
        self._next_solve = at_s + (60.0 if unsure or left_s < 1800 else _SOLVE_EVERY_S)

    def _usual_volume(self, day: Day) -> float | None:
        if self._days == 0:
            return None
        rate = [n / seen if seen else None for n, seen in zip(self._usual, self._hours_seen, strict=True)]
        known = [value for value in rate if value is not None]
        mean = sum(known) / len(known)
        total = 0.0
        for slot in day.slots:
            value = rate[slot.hour]
            total += (mean if value is None else value) * slot.open_s / 3600
        return max(total, 1.0)

    def _level_now(
        self, usual: float | None, expected: float, at_s: float
    ) -> tuple[float, float, tuple[float, float, float]]:
        """Mean cost and mean logarithm of return today, of an average hour; and how the last 40 minutes differ from
        that: ratios of traffic and cost, difference of the logarithm."""
        prior = 0.0 if usual is None else PRICE_PRIOR * usual
        price = self._cost / self._due_cost if self._due_cost else 0.0
        known = self._levels.mean_cost
        if known is not None and prior:
            price = (self._cost + prior * known) / (self._due_cost + prior)
        past, today = self._usual_returns[self._scored], self._returns
        weight = prior if past.count else 0.0
        total = today.count + weight
        log_return = (today.logs + weight * past.mean) / total if total else 0.0
        keep = 0.5 ** ((at_s - self._solved_at) / HALF_LIFE_S) if self._solved_at else 1.0
        now = (self._count, self._cost, self._due_cost, today.logs)
        new = [total - last for total, last in zip(now, self._last, strict=True)]
        self._last = now
        # Seen and expected opportunities; cost seen and expected for that many; logarithms of return.
        for index, amount in enumerate((new[0], expected, new[1], new[2] * price, new[3])):
            self._fast[index] = self._fast[index] * keep + amount
        seen, due, seen_cost, due_cost, logs = self._fast
        small = _FAST_PRIOR_PRICES * price
        return (
            price,
            log_return,
            (
                (seen + _FAST_PRIOR) / (due + _FAST_PRIOR),
                (seen_cost + small) / (due_cost + small) if small > 0 else 1.0,
                (logs - seen * log_return) / (seen + _FAST_PRIOR_PRICES),
            ),
        )

    def _expected_since(self, shape: Sequence[float], volume: float, day: Day, b: float) -> float:
        """Opportunities that were to be expected since this was last solved."""
        total, a = 0.0, self._solved_at or day.start
        for slot, share in zip(day.slots, shape, strict=True):
            if slot.open_s and slot.start < b and slot.end > a:
                inside = slot_elapsed(slot, b) - slot_elapsed(slot, a)
                total += share * volume * inside / slot.open_s
        return total

    def _future(
        self,
        shape: Sequence[float],
        volume: float,
        part: float,
        day: Day,
        at_s: float,
        price: float,
        log_return: float,
        fast: tuple[float, float, float],
    ) -> tuple[list[float], list[Supply]]:
        """Opportunities and supply of the current slot's rest and of each later one."""
        counts, supplies = [], []
        for index in range(self._slot, len(day.slots)):
            slot = day.slots[index]
            hours = max(0.0, (max(slot.start, at_s) + slot.end) / 2 - at_s) / 3600
            rest = 1 - part if index == self._slot else 1.0
            count = volume * shape[index] * rest * ahead(fast[0], FADE_TRAFFIC, hours)
            counts.append(max(count, 0.0))
            fade = FADE_PRICE**hours
            supplies.append(
                Supply(
                    counts[-1] * price * self._cost_factors[slot.hour] * (1 + (fast[1] - 1) * fade),
                    log_return + self._return_offsets[slot.hour] + fast[2] * fade,
                )
            )
        return counts, supplies

    def _near(
        self, counts: Sequence[float], supplies: Sequence[Supply], day: Day, at_s: float
    ) -> tuple[float, list[Supply]]:
        """The part of the future that the corridor looks at."""
        until = at_s + _WINDOW_S
        near_counts, near = 0.0, []
        for slot, count, supply in zip(day.slots[self._slot :], counts, supplies, strict=True):
            rest = slot.open_s - slot_elapsed(slot, at_s)
            inside = (slot_elapsed(slot, until) - slot_elapsed(slot, at_s)) / rest if rest > 0 else 0.0
            if inside > 0:
                near_counts += count * inside
                near.append(Supply(supply.cost * inside, supply.log_return))
        return near_counts, near

    def _rails(
        self,
        strategy: PacingStrategy,
        day: Day,
        at_s: float,
        budget: float,
        future: float,
        near: float,
        caution: float,
        left_s: float,
        volume: float,
        shape: Sequence[float],
        passed: float,
    ) -> tuple[float | None, float | None]:
        """Least and most that may be spent by the end of the window; None where there is no rail."""
        width = _CORRIDOR[strategy]
        if width is None:
            return None, None
        start, past = self._corridor_from, self._count
        if strategy is PacingStrategy.EVEN_DISTRIBUTION:
            before = _open_share(day, start.at_s)
            curve = careful = _open_share(day, at_s + _WINDOW_S)
        elif strategy is PacingStrategy.HISTORICAL_PATTERN:
            usual = self._shapes.shares[-1] if self._shapes.shares else shape
            before = _usual_share(day, usual, start.at_s)
            curve = careful = _usual_share(day, usual, at_s + _WINDOW_S)
        else:
            total, pessimistic = past + future, past + caution * future
            before = start.seen / total if total > 0 else 0.0
            curve = (past + near) / total if total > 0 else 1.0
            careful = min(1.0, (past + near) / pessimistic) if pessimistic > 0 else 1.0
        if left_s <= _WINDOW_S:
            careful = 1.0
        # What is held back late in the day may find nothing to be spent on: the lower rail closes in.
        room = width * min(1.0, left_s / _CLOSING_S)

        def due(share: float) -> float:
            part = (share - before) / (1 - before) if before < 1 else 1.0
            return start.gone + (budget - start.gone) * min(max(part, 0.0), 1.0)

        upper = None if left_s < _RELEASED_S else min(budget, due(curve) + budget * width)
        return due(careful) - budget * room, upper


def _open_share(day: Day, at_s: float) -> float:
    return open_elapsed(day, at_s) / day.open_s if day.open_s else 1.0


def _usual_share(day: Day, shape: Sequence[float], at_s: float) -> float:
    return sum(
        share * slot_elapsed(slot, at_s) / slot.open_s
        for slot, share in zip(day.slots, shape, strict=True)
        if slot.open_s
    )


def _capped(supplies: Sequence[Supply], state: ChannelState, first: int) -> list[Supply]:
    """Each slot's supply with what its limit leaves."""
    caps, used = state.limits.hour_caps[first:], state.meter.by_slot[first:]
    return [
        supply._replace(cap=max(0, cap - gone) / MICROS) for supply, cap, gone in zip(supplies, caps, used, strict=True)
    ]


def _share_for(
    supplies: Sequence[Supply],
    near: Sequence[Supply],
    left: float,
    lower: float | None,
    upper: float | None,
    gone: float,
    caution: float,
) -> float:
    """The share of opportunities to take, whatever they return."""
    total, soon = sum(supply.cost for supply in supplies), sum(supply.cost for supply in near)
    share = left / (caution * total) if total * caution > 0 else 1.0
    if soon > 0:
        if upper is not None:
            share = min(share, (upper - gone) / soon)
        if lower is not None:
            share = max(share, (lower - gone) / (caution * soon) if caution > 0 else 1.0)
    return min(max(share, 0.0), 1.0)


def _price_for(
    supplies: Sequence[Supply],
    near: Sequence[Supply],
    curve: Curve,
    left: float,
    lower: float | None,
    upper: float | None,
    gone: float,
    caution: float,
) -> float | None:
    """Logarithm of the price of money: the day's, raised or lowered where the corridor asks for it."""
    if caution <= 0 or not supplies:
        return None
    price = price_for(supplies, curve, left / caution)
    if near and upper is not None and upper > gone:
        least = price_for(near, curve, upper - gone)
        if least is not None and (price is None or least > price):
            price = least
    if near and lower is not None and lower > gone:
        most = price_for(near, curve, (lower - gone) / caution)
        price = None if most is None or price is None else min(price, most)
    return price
