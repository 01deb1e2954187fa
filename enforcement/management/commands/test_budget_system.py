"""Check the system on the database that is in use, and leave nothing behind."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from budget_system import clock
from enforcement import self_check
from enforcement.management.screen import mark, paragraphs, width_of
from enforcement.self_check import CHECKS, Step

FULL = "full"


class Command(BaseCommand):
    help = (
        "Do what the system does with a throw-away brand, and compare each answer with what it must be. Works on the "
        "database that is in use, in transactions that are undone: nothing is kept. Exit code 1 if an answer is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--test", choices=[*CHECKS, FULL], default=FULL, help="Which part. Default: full.")

    def handle(self, *args: Any, **options: Any) -> None:
        names = list(CHECKS) if options["test"] == FULL else [options["test"]]
        now, counts = clock.now(), {"passed": 0, "failed": 0}
        try:
            for name in names:
                self.stdout.write(f"{CHECKS[name][0]}")
                for step in self_check.run(name, now):
                    self._show(step)
                    counts["passed" if step.good else "failed"] += 1
                self.stdout.write("")
            last = self_check.left_behind()
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Nothing was kept: each check is one transaction, undone.") from None
        self._show(last)
        counts["passed" if last.good else "failed"] += 1
        self.stdout.write(f"INFO Self-check completed: {counts}")
        if counts["failed"]:
            sys.exit(1)

    def _show(self, step: Step) -> None:
        self.stdout.write(f"  {mark(self.stdout, good=step.good)} {step.text}")
        if step.found:
            for line in paragraphs(step.found, "      ", width_of(self.stdout)):
                self.stdout.write(line)
