"""Look at everything that must hold, and say what to do where it does not."""

import json
import sys
from textwrap import wrap
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from budget_system import clock
from budget_system.errors import Refused
from enforcement import doctor
from enforcement.doctor import Finding, State
from enforcement.management.console import actor, errors_as_exit_code
from enforcement.management.screen import paragraphs, width_of

INDENT = " " * 24


class Command(BaseCommand):
    help = (
        "Check settings, database, books, periods, reservations, pacing, imports, ticks and broker. Exit code 1 when "
        "a check failed; warnings and what cannot be known leave it 0."
    )
    requires_system_checks: list[str] = []  # they are part of what it reports

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="Repair what is safe to repair, and look again.")
        parser.add_argument("--json", action="store_true", help="For machines.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            found = doctor.examine(clock.now())
            repairs = self._repair(found) if options["fix"] else {}
        after = [repairs[one.check][1] if one.check in repairs else one for one in found]
        if options["json"]:
            self.stdout.write(json.dumps([_json(one, repairs) for one in after], indent=2))
        else:
            for one in found:
                self._show(one)
                if one.check in repairs:
                    done, again = repairs[one.check]
                    self.stdout.write(f"  repaired: {done}. Looked again:")
                    self._show(again)
            if not options["fix"] and any(one.fixable for one in found):
                self.stdout.write("--fix repairs: " + ", ".join(one.check for one in found if one.fixable))
            counts = {state.value: sum(one.state is state for one in after) for state in State}
            self.stdout.write(f"INFO Examination completed: {counts}")
        if any(one.state is State.FAILED for one in after):
            sys.exit(1)

    def _repair(self, found: list[Finding]) -> dict[str, tuple[str, Finding]]:
        """What was done about each check that could be mended, and what it finds then."""
        bad = {one.check for one in found if one.fixable}
        done = {}
        for name in doctor.REPAIRS:
            if name not in bad:
                continue
            try:
                text = doctor.repair(name, actor=actor(), clock=clock.now)
            except Refused as error:
                text = f"nothing, as {error.message}"
            done[name] = (text, doctor.look(name, clock.now()))
        return done

    def _show(self, one: Finding) -> None:
        width = width_of(self.stdout)
        for line in wrap(f"{one.state:<8}  {one.check:<12}  {one.looked_at}", width, subsequent_indent=INDENT):
            self.stdout.write(line)
        for text in (one.problem, one.remedy and f"→ {one.remedy}"):
            for line in paragraphs(text, INDENT, width):
                self.stdout.write(line)


def _json(one: Finding, repairs: dict[str, tuple[str, Finding]]) -> dict[str, Any]:
    return {**one._asdict(), "repaired": repairs[one.check][0] if one.check in repairs else None}
