"""What the management commands share: finding things by name, tables, progress, and exit codes."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from getpass import getuser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brands.queries import find_brand
from budget_system import clock
from budget_system.errors import Refused
from campaigns.models import Campaign
from enforcement import jobs
from enforcement.sweeps import Sweep


def actor() -> str:
    """Who runs this command, as the records name them."""
    try:
        return f"command line: {getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"command line: uid {os.getuid()}"


@contextmanager
def errors_as_exit_code() -> Iterator[None]:
    """An expected refusal becomes one line on standard error and exit code 1."""
    try:
        yield
    except Refused as error:
        raise CommandError(error.message) from error


class Progress:
    """A counter on one line of a terminal; nothing in a pipe."""

    def __init__(self, stream: Any, noun: str) -> None:
        self.stream, self.noun = stream, noun
        self.shown = hasattr(stream, "isatty") and stream.isatty()

    def __call__(self, done: int, total: int) -> None:
        if self.shown:
            line = f"\r{done:,} of {total:,} {self.noun}" + ("\n" if done >= total else "")
            self.stream.write(line, style_func=str, ending="")  # not in the red of errors
            self.stream.flush()


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as aligned text, first line headings."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    for row in (headings, ["-" * width for width in widths], *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


class JobCommand(BaseCommand):
    """A command that does one job, or shows with --dry-run what the job would do."""

    job: jobs.Job

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Show what would change and why; change nothing.")
        parser.add_argument("--brand", help="Only this brand (its name or id).")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            brand_id = find_brand(options["brand"]).pk if options["brand"] else None
            self.do(self.job, brand_id, dry_run=options["dry_run"])

    def do(self, job: jobs.Job, brand_id: UUID | None, *, dry_run: bool) -> Sweep:
        if dry_run:
            sweep = jobs.look(job, clock=clock.now, brand_id=brand_id)
            self.show(sweep)
        else:
            progress = Progress(self.stderr, "brands")
            sweep = jobs.run(job, actor=actor(), clock=clock.now, brand_id=brand_id, progress=progress)
        for error in sweep.errors:
            self.stderr.write(f"ERROR {error}")
        self.stdout.write(f"INFO {'Dry run: ' if dry_run else ''}{jobs.closing_line(job, sweep)}")
        if sweep.errors:
            sys.exit(1)
        return sweep

    def show(self, sweep: Sweep) -> None:
        """The table of what would change."""
        changes = [change for change in sweep.evaluation.changes if change.from_holds != change.verdict.holds]
        if not changes:
            self.stdout.write("No campaign would change.")
            return
        campaigns = Campaign.objects.select_related("brand").in_bulk([change.campaign_id for change in changes])
        rows = []
        for change in changes:
            campaign = campaigns[change.campaign_id]
            now_is, would_be = _state(change.from_holds), _state(change.verdict.holds)
            rows.append((str(campaign.brand), str(campaign), now_is, would_be))
        for line in table(("Brand", "Campaign", "Now", "Would be"), sorted(rows)):
            self.stdout.write(line)


def _state(holds: Sequence[Any]) -> str:
    return "PAUSED " + ", ".join(holds) if holds else "ACTIVE"


def confirm(question: str, ask: Callable[[str], str] = input) -> bool:
    """Ask on a terminal; in a pipe nobody can answer, so the answer is no."""
    return sys.stdin.isatty() and ask(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
