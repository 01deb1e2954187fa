"""The breaker on unit prices: quiet in normal hours, open inside labelled anomalies. Public functions only.

Each hour of a series is bought in four parts of 25 clicks (or 2,500 impressions) at the hour's price, if `can_spend`
allows it; after each, `check_pace`. What the pacer has not bought it has not seen. Nothing but the past is known.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import exp, pi, sin, sqrt
from pathlib import Path
from random import Random

from budget_pacer import BudgetPacer, ChannelType, CircuitBreakerState, PacingStrategy, SpendTransaction

FIRST_HOURS = 240
"""Not reported. The default was chosen on generated prices and looked at on this first part alone."""
MINUTES = (5, 20, 35, 50)
_CHANNEL = ChannelType.DISPLAY


@dataclass(frozen=True, slots=True)
class Series:
    """Hourly prices with what a person has labelled as abnormal in them: [start, end] of each window."""

    name: str
    by_click: bool
    prices: Sequence[tuple[datetime, float]]
    windows: Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of one series, after its first part."""

    name: str
    normal_hours: int
    opened_in_normal: int
    not_closed_in_normal: int
    windows: int
    found: int
    closes_again: bool


def watch(series: Series) -> Watched:
    """Buy through a series and note when the breaker opens."""
    moment = [series.prices[0][0]]
    pacer = BudgetPacer(
        clock=lambda: moment[0],
        frontload_protection_hours=0,
        max_hourly_spend_pct=Decimal(1),
        velocity_factor=Decimal(1440),
    )
    budget = Decimal(str(round(max(price for _, price in series.prices) * 100 * 24 * 10, 2)))
    pacer.allocate_hourly_budget("c", _CHANNEL, budget, PacingStrategy.EVEN_DISTRIBUTION)
    opened: set[datetime] = set()
    disturbed: set[datetime] = set()
    for hour, price in series.prices:
        was_open = pacer.circuit_breaker_state("c", _CHANNEL) is CircuitBreakerState.OPEN
        for minute in MINUTES:
            moment[0] = hour + timedelta(minutes=minute)
            state = _buy(pacer, price, series.by_click)
            if state is CircuitBreakerState.OPEN and not was_open:
                opened.add(hour)
            if state is not CircuitBreakerState.CLOSED:
                disturbed.add(hour)
            was_open = state is CircuitBreakerState.OPEN
    reported = [hour for hour, _ in series.prices[FIRST_HOURS:]]
    normal = {hour for hour in reported if not any(start <= hour <= end for start, end in series.windows)}
    after_first = [window for window in series.windows if window[1] >= reported[0]]
    return Watched(
        series.name,
        len(normal),
        len(opened & normal),
        len(disturbed & normal),
        len(after_first),
        sum(any(start <= hour <= end for hour in opened) for start, end in after_first),
        _closes_again(disturbed, [hour for hour, _ in series.prices]),
    )


def _closes_again(disturbed: set[datetime], hours: Sequence[datetime]) -> bool:
    """Whether a breaker that opened was closed again within two days, each time."""
    run = 0
    for hour in hours:
        run = run + 1 if hour in disturbed else 0
        if run > 48:
            return False
    return True


def _buy(pacer: BudgetPacer, price: float, by_click: bool) -> CircuitBreakerState:
    units, impressions = (25, 0) if by_click else (0, 2500)
    amount = Decimal(str(round(price * (25 if by_click else 2.5), 6)))
    if amount and pacer.can_spend("c", _CHANNEL, amount)[0]:
        pacer.record_spend(SpendTransaction("c", _CHANNEL, amount, impressions=impressions, clicks=units))
    pacer.check_pace("c", _CHANNEL)
    return pacer.circuit_breaker_state("c", _CHANNEL)


def recorded_prices(folder: Path) -> list[Series]:
    """All `exchange*_cpc_hourly.csv` and `exchange*_cpm_hourly.csv` of a folder with the windows that its
    `*anomaly_windows.json` label in them; [] without labels."""
    labels: dict[str, list[list[str]]] = {}
    for path in sorted(folder.glob("*anomaly_windows.json")):
        labels |= json.loads(path.read_text(encoding="utf-8"))
    # The labels name the series as they were published: exchange-2_cpc_results.csv.
    windows = {name.replace("-", "").replace("_results.csv", ""): found for name, found in labels.items()}
    result = []
    for path in sorted(folder.glob("exchange*_hourly.csv")) if windows else []:
        name = path.stem.removesuffix("_hourly")
        with path.open(encoding="utf-8", newline="") as file:
            prices = {_hour(row["timestamp"]): float(row["value"]) for row in csv.DictReader(file)}
        marked = [(_hour(start), _hour(end)) for start, end in windows.get(name, [])]
        result.append(Series(name, name.endswith("cpc"), sorted(prices.items()), marked))
    return result


def _hour(text: str) -> datetime:
    return datetime.strptime(text[:13], "%Y-%m-%d %H").replace(tzinfo=UTC)


def generated_prices(count: int, seed: int) -> list[Series]:
    """Ten weeks of hourly prices each: a daily curve, weekdays, a wandering level, noise that lingers and has heavy
    tails; and six windows of 4 to 60 hours in which the price is 2 to 7 times, or a half to a seventh, of itself."""
    start = datetime(2026, 1, 5, tzinfo=UTC)
    result = []
    for number in range(count):
        random = Random(f"prices {number} {seed}")
        lingers, sd = random.choice([(0.7, 0.15), (0.85, 0.2), (0.5, 0.3)])
        weekdays = [random.gauss(0, 0.1) for _ in range(7)]
        hours = 10 * 168
        found = sorted(random.randrange(FIRST_HOURS, hours - 100) for _ in range(6))
        windows = [(at, at + random.randrange(4, 60), random.choice([-1, 1]) * random.uniform(0.7, 2)) for at in found]
        level = noise = 0.0
        prices = []
        for hour in range(hours):
            shock = random.gauss(0, 3 if random.random() < 0.05 else 1)
            noise = lingers * noise + sqrt(1 - lingers**2) * sd * shock
            level += random.gauss(0, 0.01)
            price = -2 + level + 0.4 * sin(2 * pi * (hour - 9) / 24) + weekdays[hour // 24 % 7] + noise
            price += sum(size for at, end, size in windows if at <= hour < end)
            prices.append((start + timedelta(hours=hour), exp(price)))
        marked = [(start + timedelta(hours=at), start + timedelta(hours=end - 1)) for at, end, _ in windows]
        result.append(Series(f"generated {number}", number % 2 == 0, prices, marked))
    return result
