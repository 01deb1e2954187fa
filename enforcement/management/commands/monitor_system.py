"""Watch the system from a terminal."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from textwrap import wrap
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from budget_system import clock, health, money
from enforcement.management.screen import WIDTH, grid, is_terminal, lines_of, width_of
from enforcement.monitor import BrandNow, Tick, View, part, view

SHORTEST_S, LONGEST_S = 1.0, 3_600.0
BAR = 5
NAME = 16
OTHER_LINES = 16
"""What the page needs besides its brands."""
MOST_BRANDS, IN_A_PIPE = 40, 20
HEADINGS = ("Brand", "There", "Used of today's budget", "Month", "Run")
INDENT = " " * 11
TONES = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}


class Command(BaseCommand):
    help = (
        "Show brands by budget used, campaigns by state, the last ticks, the queue, alerts and health, again and again "
        "until Ctrl-C. In a pipe: a block of plain lines each time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=5.0, metavar="S", help="Seconds between looks (5).")
        parser.add_argument("--once", action="store_true", help="Look once, and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        interval = options["interval"]
        if not SHORTEST_S <= interval <= LONGEST_S:
            raise CommandError(f"--interval is from {SHORTEST_S:g} to {LONGEST_S:,.0f} seconds.")
        try:
            if options["once"] or not is_terminal(self.stdout):
                self._lines(interval, once=options["once"])
            else:
                self._live(interval)
        except (KeyboardInterrupt, BrokenPipeError):
            return

    def _lines(self, interval: float, *, once: bool) -> None:
        while True:
            with _quiet():
                seen = _look(IN_A_PIPE)
            for line in lines_of(seen, width_of(self.stdout)):
                self.stdout.write(line)
            self.stdout.flush()
            if once:
                return
            self.stdout.write("")
            time.sleep(interval)

    def _live(self, interval: float) -> None:
        self.stdout.ending = ""  # rich ends its lines itself
        console = Console(file=cast(IO[str], self.stdout), width=width_of(self.stdout))
        with _quiet(), Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                rows = max(1, min(console.height - OTHER_LINES, MOST_BRANDS))
                hint = Text(f"Every {interval:g} s. Ctrl-C ends.", style="dim")
                live.update(Group(_look(rows), hint), refresh=True)
                time.sleep(interval)


def _look(rows: int) -> Group:
    """The page now. That the database does not answer is worth watching too."""
    now = clock.now()
    try:
        return page(view(now, rows))
    except DatabaseError as error:
        connection.close()
        why = health.why_refused() or f"the database does not answer: {str(error).strip()}"
        return Group(Text(f"{now:%a %Y-%m-%d %H:%M:%S} UTC: {why}"))


@contextmanager
def _quiet() -> Iterator[None]:
    """What is wrong stands on the page; lines of the log would break it."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


# --- The page --------------------------------------------------------------------------------------------------------


def page(seen: View) -> Group:
    """The view as text, with colours where they can be shown."""
    head = Text(f"Budget system, {seen.at.astimezone(UTC):%a %Y-%m-%d %H:%M:%S} UTC: ")
    head.append(seen.status, style=TONES.get(seen.status, ""))
    parts: list[Text | Table] = [head]
    parts += [Text(f"  {trouble}", style="yellow") for trouble in seen.troubles]
    parts += [Text(f"  {alarm}", style="red") for alarm in seen.alarms]
    parts.append(Text())
    if seen.brands:
        parts.append(_brands(seen))
        if seen.of_brands > len(seen.brands):
            parts.append(Text(f"The {len(seen.brands)} of {seen.of_brands:,} brands that have used most of a budget."))
    else:
        parts.append(Text("There is no brand yet: manage.py setup_demo makes some."))
    parts += [Text(), *(Text(line) for fact in _facts(seen) for line in wrap(fact, WIDTH, subsequent_indent=INDENT))]
    return Group(*parts)


def _brands(seen: View) -> Table:
    shown = grid(HEADINGS, [])
    for row in seen.brands:
        shown.add_row(*_row(row, seen.at), style=_tone(row.share))
    return shown


def _row(row: BrandNow, at: datetime) -> Iterator[Text]:
    brand, day = row.brand, row.spent.day
    yield _short(brand.name)
    yield Text(f"{at.astimezone(brand.zone):%a %H:%M}")
    share = part(day.used, brand.daily_budget)
    used = money.display_text(day.used, brand.currency)
    if share is None or brand.daily_budget is None:
        yield Text(f"no limit, {used} {brand.currency}")
    else:
        budget = money.display_text(brand.daily_budget, brand.currency)
        yield Text(f"{_bar(share)} {share:3.0f} % {used} / {budget} {brand.currency}")
    month = part(row.spent.month.used, brand.monthly_budget)
    yield Text("-" if month is None else f"{month:.0f} %")
    yield Text(f"{row.running}/{row.running + row.paused}")


def _short(name: str) -> Text:
    return Text(name if len(name) <= NAME else f"{name[: NAME - 1]}…")


def _bar(share: Decimal) -> str:
    full = min(max(int(share * BAR / 100), 0), BAR)
    return "█" * full + "░" * (BAR - full)


def _tone(share: Decimal) -> str:
    return "red" if share >= 100 else "yellow" if share >= 90 else ""


def _facts(seen: View) -> Iterator[str]:
    paused = sum(count for _, count in seen.paused)
    why = ", ".join(f"{count} {hold.label.lower()}" for hold, count in seen.paused)
    yield f"Campaigns  {seen.running:,} run, {paused:,} paused" + (f": {why}" if why else "")
    yield "Last runs  " + ", ".join(_ran(tick, seen.at) for tick in seen.ticks)
    yield "Queue      " + ("unknown: the broker does not answer" if seen.waiting is None else f"{seen.waiting} waiting")
    alerts = ", ".join(f"{count} {severity}" for severity, count in sorted(seen.alerts.items())) or "none"
    yield f"Pacing     alerts: {alerts}; breakers open: {seen.breakers}"
    if seen.stopped_brands:
        yield f"Stopped    emergency stop of {seen.stopped_brands} brands"


def _ran(tick: Tick, now: datetime) -> str:
    name = str(tick.kind.label).lower()
    if tick.started_at is None:
        return f"{name} never"
    return f"{name} {_ago((now - tick.started_at).total_seconds())}" + (" with an error" if tick.error else "")


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"
