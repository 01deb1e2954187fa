"""The measures by name, run one after another; the lines of the report, and the machine it was made on."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import django
import psycopg2

from benchmarks.agreement import agreement
from benchmarks.api import requests
from benchmarks.databases import Databases, server_url, temporary
from benchmarks.lists import lists
from benchmarks.memory import memory
from benchmarks.pacing_store import pacing_store
from benchmarks.posting import import_rows, post_batch, post_one
from benchmarks.reserving import reserve
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.sweeps import full_sweep, full_sweep_with_changes, growth, tick
from benchmarks.timing import Result
from budget_system import clock

Measure = Callable[[Databases, Sizes], Iterator[Result]]

MEASURES: dict[str, Measure] = {
    "sweep": full_sweep,
    "change": full_sweep_with_changes,
    "import": import_rows,
    "batch": post_batch,
    "single": post_one,
    "reserve": reserve,
    "pacing_store": pacing_store,
    "tick": tick,
    "growth": growth,
    "api": requests,
    "lists": lists,
    "memory": memory,
    "agreement": agreement,
}
HEAD = ("#", "measure", "ours, median (min–max)", "bare SQL", "figure", "goal (stretch)", "")


def run(arguments: Sequence[str]) -> int:
    chosen = _parse(arguments)
    started = time.monotonic()
    print(machine(), flush=True)
    results: list[Result] = []
    with temporary() as databases:
        for name in chosen.names or MEASURES:
            for result in MEASURES[name](databases, QUICK if chosen.quick else FULL):
                results.append(result)
                print(" | ".join(result.cells()), flush=True)
    print(f"\n{table(results)}\n\n{time.monotonic() - started:.0f} s in all")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules[__name__].__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that the benchmark works")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"measures: {', '.join(MEASURES)}; all if none")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(MEASURES):
        parser.error(f"there is no measure called {', '.join(sorted(unknown))}")
    return chosen


def machine() -> str:
    """Where and when: figures are compared within one run only."""
    connection = psycopg2.connect(server_url())
    major, minor = divmod(connection.server_version, 10_000)
    connection.close()
    return (
        f"{clock.now():%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores ({platform.machine()}),"
        f" load {os.getloadavg()[0]:.1f};"
        f" PostgreSQL {major}.{minor}, Python {platform.python_version()}, Django {django.__version__}"
    )


def table(results: Iterable[Result]) -> str:
    """All lines under one another, as Markdown."""
    rows = [HEAD, *(result.cells() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
