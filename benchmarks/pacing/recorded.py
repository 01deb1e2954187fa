"""Days made of recorded traffic: real hourly shares, real hourly prices and click rates, real auctions in their order.

Nothing is fitted to the files. The first part of each says what is known beforehand (average of other regions, a sample
of auctions); the rest is replayed. What no file says, the strength of a day and its noise, comes from the generator.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from pathlib import Path
from random import Random
from statistics import mean

from benchmarks.pacing.days import (
    SETTINGS,
    TIGHTNESS,
    Knowledge,
    ReplayDay,
    make_ticket,
    minute_rates,
    poisson,
)

HELD_OUT = 0.4
FIRST_DATES = 40
MEAN_COST = 50_000.0


class UnableToReadData(ValueError):
    """A file that is needed is missing or says something else than expected."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the files say."""

    regions: Sequence[Sequence[Sequence[float]]]
    """Share of the week's traffic by region, weekday and hour."""
    dates: Sequence[tuple[Sequence[float], Sequence[float]]]
    """Hourly price and click-rate factors of each date to be replayed, around 1."""
    former_dates: Sequence[tuple[Sequence[float], Sequence[float]]]
    """The same of the dates before those: what is known of the hours beforehand."""
    auctions: Sequence[Sequence[tuple[float, float]]]
    """(price, predicted click rate) in order, by log."""
    exchanges: Sequence[Sequence[tuple[float, float]]]
    """The same by exchange, of a log that names exchanges."""


def read(folder: Path) -> Recorded:
    """Read a folder of files named and laid out as README.md there says. Raises UnableToReadData."""
    try:
        regions = _regions(folder / "traffic_share_by_hour.csv")
        former, dates = _dates(_only(folder, "exchange*_cpc_hourly.csv"), _only(folder, "exchange*_cpm_hourly.csv"))
        logs = [_auctions(path) for path in sorted(folder.glob("auctions_*"))]
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UnableToReadData(f"{folder}: {error}") from error
    if not logs:
        raise UnableToReadData(f"{folder}: no file auctions_*")
    by_exchange = [log for pairs in logs for log in _split(pairs)]
    return Recorded(regions, dates, former, [[(p, v) for p, v, _ in log] for log in logs], by_exchange)


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise UnableToReadData(f"{folder}: no file {pattern}")
    return found[0]


def _regions(path: Path) -> list[list[list[float]]]:
    shares: dict[str, list[list[float]]] = defaultdict(lambda: [[0.0] * 24 for _ in range(7)])
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            shares[row["region_id"]][int(row["dow"]) - 1][int(row["hour"])] = float(row["traffic_share"])
    return [shares[name] for name in sorted(shares)]


_Dates = list[tuple[list[float], list[float]]]


def _dates(cost_per_click: Path, cost_per_mille: Path) -> tuple[_Dates, _Dates]:
    clicks, milles = _hourly(cost_per_click), _hourly(cost_per_mille)
    rates = {hour: milles[hour] / clicks[hour] for hour in clicks.keys() & milles.keys() if clicks[hour] > 0}
    price_mean = sum(milles.values()) / len(milles)
    rate_mean = sum(rates.values()) / len(rates)
    days = sorted({hour[:10] for hour in rates})

    def whole(some: Sequence[str]) -> _Dates:
        found = []
        for day in some:
            hours = [f"{day} {hour:02d}" for hour in range(24)]
            if all(hour in rates for hour in hours):
                found.append(([milles[h] / price_mean for h in hours], [rates[h] / rate_mean for h in hours]))
        return found

    return whole(days[:FIRST_DATES]), whole(days[FIRST_DATES:])


def _hourly(path: Path) -> dict[str, float]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["timestamp"][:13]: float(row["value"]) for row in csv.DictReader(file)}


def _auctions(path: Path) -> list[tuple[float, float, str]]:
    """click, price, predicted click rate and perhaps the exchange, separated by blanks."""
    found = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            parts = line.split()
            price, value = float(parts[1]), float(parts[2])
            if price > 0 and value > 0:
                found.append((price, value, parts[3] if len(parts) > 3 else ""))
    return found


def _split(log: Sequence[tuple[float, float, str]]) -> list[list[tuple[float, float]]]:
    names = sorted({name for _, _, name in log if name})
    return [[(p, v) for p, v, name in log if name == wanted] for wanted in names]


def recorded_days(data: Recorded, setting: str, count: int, tickets: int, seed: int) -> list[ReplayDay]:
    """`count` days of a setting; the same for the same seed and files."""
    noise, chooser = SETTINGS[setting], Random(f"regions {seed}")
    order = list(range(len(data.regions)))
    chooser.shuffle(order)
    held_out = order[: max(1, round(len(order) * HELD_OUT))]
    others = order[len(held_out) :] or order
    days = []
    for number in range(count):
        random = Random(f"{noise.level} {noise.hour} {number} {seed} recorded")
        weekday = number % 7
        own = data.regions[held_out[number % len(held_out)]][weekday]
        average = [sum(data.regions[i][weekday][hour] for i in others) / len(others) for hour in range(24)]
        log = data.auctions[number // len(TIGHTNESS) % len(data.auctions)]
        half = len(log) // 2
        sample = random.sample(log[:half], min(1500, half))
        # Prices are scaled so that a mean one costs five cents.
        scale = MEAN_COST / (sum(price for price, _ in sample) / len(sample))
        shape = [share / sum(own) * tickets for share in own]
        expected = shape if noise.own_history else [share / sum(average) * tickets for share in average]
        # Both move together within an hour: square roots keep the spread of single auctions the larger one.
        prices, rates = _roots(*random.choice(data.dates))
        at = half + random.randrange(len(log) - half)
        made = []
        for minute, rate in enumerate(minute_rates(random, shape, noise)):
            hour = minute // 60
            for moment in sorted(minute * 60 + random.random() * 60 for _ in range(poisson(random, rate))):
                price, value = log[at]
                at = half if at + 1 == len(log) else at + 1
                made.append(make_ticket(moment, price * scale * prices[hour], value * rates[hour]))
        known = Knowledge(
            expected,
            MEAN_COST,
            sum(value for _, value in sample) / len(sample),
            [(price * scale, value) for price, value in sample],
            *_usual_hours(data.former_dates),
        )
        budget = round(tickets * MEAN_COST / TIGHTNESS[number % len(TIGHTNESS)]) // 10_000 * 10_000
        days.append(ReplayDay(f"{setting} {number}", setting, made, budget, known))
    return days


def _roots(prices: Sequence[float], rates: Sequence[float]) -> tuple[list[float], list[float]]:
    return [sqrt(price) for price in prices], [sqrt(rate) for rate in rates]


def _usual_hours(dates: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
    """Mean price and click-rate factors of each hour of the day."""
    found = [_roots(*date) for date in dates]
    if not found:
        return [1.0] * 24, [1.0] * 24
    hours = range(24)
    return [mean(prices[h] for prices, _ in found) for h in hours], [
        mean(rates[h] for _, rates in found) for h in hours
    ]


def month_series(folder: Path) -> list[list[float]]:
    """What could be spent on each day of a month, by campaign and placement; [] when the file is not there."""
    path = folder / "display_campaigns_daily.csv"
    if not path.exists():
        return []
    sums: dict[tuple[str, str, str], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = row["campaign_number"], row["placement"], row["month"]
            sums[key][int(row["day"])] += float(row["cost"])
    found = []
    for (_, _, month), by_day in sorted(sums.items()):
        length = 31 if month in {"January", "March", "May", "July", "August", "October", "December"} else 30
        series = [by_day.get(day, 0.0) for day in range(1, length + 1)]
        if sum(series) > 0:
            found.append(series)
    return found


def generated_month_series(count: int, seed: int) -> list[list[float]]:
    """Months with weekday patterns and a drifting level; in a third of them supply dies away towards the end."""
    found = []
    for number in range(count):
        random = Random(f"month {number} {seed}")
        week = [exp(random.gauss(0, 0.2)) for _ in range(7)]
        level, dies = 0.0, random.randrange(12, 28) if number % 3 == 0 else 99
        series = []
        for day in range(30):
            level = 0.8 * level + random.gauss(0, 0.2)
            fade = exp(-(day - dies) / 4) if day > dies else 1.0
            series.append(100 * week[day % 7] * exp(level + random.gauss(0, 0.15)) * fade)
        found.append(series)
    return found
