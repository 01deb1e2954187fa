"""What a day of traffic is in a replay, and the generator that ships with the benchmark.

Constants of the generator: what was measured on real traffic in the large (spread of days and hours, of prices and of
scores), nothing of any one data set. Everything follows from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import cos, exp, pi, sqrt
from random import Random

from budget_pacer import TrafficHour


@dataclass(frozen=True, slots=True)
class Noise:
    """How far a day is from what was to be expected."""

    level: float
    hour: float
    spikes: float
    """Chance of one: four times the traffic for 15 to 45 minutes."""
    outages: float
    """Chance of one: nothing for 60 to 180 minutes."""
    own_history: bool
    """Whether the forecast knows the campaign's own shape, or only the average of others."""


SETTINGS = {
    "calm": Noise(0.15, 0.15, 0.10, 0.05, True),
    "cold": Noise(0.15, 0.15, 0.10, 0.05, False),
    "stress": Noise(0.35, 0.35, 0.50, 0.35, False),
}
TIGHTNESS = (1.2, 2.0, 4.0, 8.0)
"""Expected supply over budget; days take turns."""
AR_HOUR = 0.7
PRICE_DAY, PRICE_HOUR, AR_PRICE = 0.16, 0.31, 0.84
VALUE_HOUR = 0.2
SPREADS = ((0.9, 1.1), (1.1, 0.4))
"""Standard deviations of log cost and log value of single opportunities, for two kinds of campaigns."""
CORRELATION = 0.15


@dataclass(frozen=True, slots=True)
class Ticket:
    """One opportunity: when (seconds of the day), what it costs and what it is worth."""

    at_s: float
    cost: int
    """Micros."""
    price: Decimal
    """The same as the pacer takes it."""
    value: float


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What everybody is told before the day: the expected hours, and opportunities of former days."""

    shape: Sequence[float]
    """Expected opportunities of the 24 hours."""
    mean_cost: float
    mean_value: float
    sample: Sequence[tuple[float, float]]
    """(cost in micros, value)."""
    costs: Sequence[float] = (1.0,) * 24
    """What an opportunity of each hour usually costs, over the mean."""
    values: Sequence[float] = (1.0,) * 24
    """The same of what it is worth."""


@dataclass(frozen=True, slots=True)
class ReplayDay:
    """A day to replay."""

    name: str
    setting: str
    tickets: Sequence[Ticket]
    budget: int
    known: Knowledge

    @property
    def supply(self) -> int:
        """Cost of all opportunities together."""
        return sum(ticket.cost for ticket in self.tickets)


def make_ticket(at_s: float, cost: float, value: float) -> Ticket:
    """A ticket; its cost at least one micro."""
    micros = max(1, round(cost))
    return Ticket(at_s, micros, Decimal(micros).scaleb(-6), value)


def traffic_hours(known: Knowledge, starts: Sequence[datetime]) -> list[TrafficHour]:
    """The same knowledge as the pacer takes it."""
    hours = []
    for index, start in enumerate(starts):
        count = known.shape[start.hour]
        cost, value = known.mean_cost * known.costs[start.hour], known.mean_value * known.values[start.hour]
        sample = [(c / 1e6, v) for c, v in known.sample] if index == 0 else ()
        hours.append(TrafficHour(start, count, count * cost / 1e6, count * value, sample))
    return hours


def ar_path(random: Random, length: int, spread: float, memory: float) -> list[float]:
    """Logarithms of hourly factors that drift."""
    value, path = random.gauss(0, spread), []
    for _ in range(length):
        path.append(value)
        value = memory * value + random.gauss(0, spread * sqrt(1 - memory * memory))
    return path


def minute_rates(random: Random, shape: Sequence[float], noise: Noise) -> list[float]:
    """Expected opportunities a minute on one day, with its level, drift, spikes and outages."""
    level = random.gauss(0, noise.level)
    hours = ar_path(random, 24, noise.hour, AR_HOUR)
    rates = [rate * exp(level + hours[minute // 60]) for minute, rate in enumerate(_smooth(shape))]
    if random.random() < noise.spikes:
        _scale(rates, random.randrange(1440), random.randint(15, 45), 4.0)
    if random.random() < noise.outages:
        _scale(rates, random.randrange(1440), random.randint(60, 180), 0.0)
    return rates


def _smooth(shape: Sequence[float]) -> list[float]:
    """Opportunities a minute that run evenly from the middle of one hour to that of the next, each hour's sum kept."""
    rates = []
    for hour, count in enumerate(shape):
        before, after = shape[hour - 1], shape[(hour + 1) % 24]
        raw = [
            count + (after - count) * (part - 30) / 60 if part >= 30 else count + (before - count) * (30 - part) / 60
            for part in (minute + 0.5 for minute in range(60))
        ]
        rates += [rate * count / sum(raw) for rate in raw]
    return rates


def _scale(rates: list[float], start: int, length: int, factor: float) -> None:
    for minute in range(start, min(start + length, 1440)):
        rates[minute] *= factor


def poisson(random: Random, mean: float) -> int:
    """A Poisson number, for small means."""
    if mean <= 0:
        return 0
    limit, product, count = exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


def random_shape(random: Random, tickets: int) -> list[float]:
    """A campaign's usual day: a quiet night, a peak between late morning and evening, perhaps a second one."""
    peak, depth = random.gauss(13.5, 1.5), random.uniform(0.6, 0.95)
    second, where = random.uniform(0, 0.25), random.uniform(0, 12)
    raw = [
        1 + depth * cos(2 * pi * (h + 0.5 - peak) / 24) + second * cos(4 * pi * (h + 0.5 - where) / 24)
        for h in range(24)
    ]
    raw = [max(value, 0.05) for value in raw]
    return [value / sum(raw) * tickets for value in raw]


def generated_days(setting: str, count: int, tickets: int, seed: int) -> list[ReplayDay]:
    """`count` days of a setting; the same for the same seed."""
    noise = SETTINGS[setting]
    others = Random(f"others {seed}")
    many = [random_shape(others, tickets) for _ in range(200)]
    average = [sum(shape[hour] for shape in many) / len(many) for hour in range(24)]
    return [_generated(setting, noise, number, tickets, seed, average) for number in range(count)]


def _generated(setting: str, noise: Noise, number: int, tickets: int, seed: int, average: Sequence[float]) -> ReplayDay:
    # The same days in calm and cold: only what is known beforehand differs.
    random = Random(f"{noise.level} {noise.hour} {number} {seed}")
    shape = random_shape(random, tickets)
    cost_spread, value_spread = SPREADS[number // len(TIGHTNESS) % 2]
    expected_cost = 50_000.0

    def draw(log_price: float, log_value: float) -> tuple[float, float]:
        a, b = random.gauss(0, 1), random.gauss(0, 1)
        b = CORRELATION * a + sqrt(1 - CORRELATION**2) * b
        cost = expected_cost * exp(log_price + cost_spread * a - cost_spread**2 / 2)
        return cost, exp(log_value + value_spread * b - value_spread**2 / 2) * 1e-3

    sample = [draw(0.0, 0.0) for _ in range(1500)]
    rates = minute_rates(random, shape, noise)
    day_price = random.gauss(0, PRICE_DAY)
    prices = [day_price + x for x in ar_path(random, 24, PRICE_HOUR, AR_PRICE)]
    values = ar_path(random, 24, VALUE_HOUR, AR_HOUR)
    made = []
    for minute, rate in enumerate(rates):
        for at_s in sorted(minute * 60 + random.random() * 60 for _ in range(poisson(random, rate))):
            cost, value = draw(prices[minute // 60], values[minute // 60])
            made.append(make_ticket(at_s, cost, value))
    mean_cost = sum(cost for cost, _ in sample) / len(sample)
    mean_value = sum(value for _, value in sample) / len(sample)
    known = Knowledge(shape if noise.own_history else average, mean_cost, mean_value, sample)
    budget = round(tickets * mean_cost / TIGHTNESS[number % len(TIGHTNESS)])
    return ReplayDay(f"{setting} {number}", setting, made, budget // 10_000 * 10_000, known)
