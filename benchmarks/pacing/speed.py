"""How fast a question and a record are, with few and with a million transactions behind them."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from time import perf_counter

from benchmarks.pacing.ours import MovedClock
from budget_pacer import BudgetPacer, ChannelType, SpendTransaction

AMOUNT = Decimal("0.0001")
CALLS = 5_000
ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Speed:
    """Pairs of can_spend and record_spend a second, medians of alternating rounds."""

    few: float
    many: float
    past: int
    grown_kib: float
    """Memory that the last tenth of the past transactions has left behind."""


def measure(past: int) -> Speed:
    """Compare a pacer with 10 transactions behind it to one with `past`."""
    fresh, old = _pacer(), _pacer()
    _run(fresh, 10)
    _run(old, past - past // 10)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    _run(old, past // 10)
    grown = (tracemalloc.get_traced_memory()[0] - before) / 1024
    tracemalloc.stop()
    few, many = [], []
    for _ in range(ROUNDS):
        # A new one each round: after one round the first would have thousands behind it.
        fresh = _pacer()
        _run(fresh, 10)
        few.append(CALLS / _run(fresh, CALLS))
        many.append(CALLS / _run(old, CALLS))
    return Speed(median(few), median(many), past, grown)


def _pacer() -> BudgetPacer:
    clock = MovedClock()
    clock.set(43_200)
    pacer = BudgetPacer(clock=clock)
    pacer.allocate_hourly_budget("c", ChannelType.GOOGLE, Decimal(10_000_000))
    return pacer


def _run(pacer: BudgetPacer, calls: int) -> float:
    transaction = SpendTransaction("c", ChannelType.GOOGLE, AMOUNT, clicks=1)
    start = perf_counter()
    for _ in range(calls):
        pacer.can_spend("c", ChannelType.GOOGLE, AMOUNT)
        pacer.record_spend(transaction)
    return perf_counter() - start
