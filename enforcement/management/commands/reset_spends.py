"""Record the days and months that have begun; with --force, begin the present ones afresh."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from brands.models import Brand
from brands.periods import next_midnight, next_month
from brands.queries import find_brand
from budget_system import clock
from budget_system.db import rehearsal
from budget_system.money import display_text
from enforcement import jobs
from enforcement.explain import local_text
from enforcement.management.console import JobCommand, actor, confirm, errors_as_exit_code
from enforcement.services import force_reset
from spending.models import PeriodKind


class Command(JobCommand):
    help = (
        "Record the local days and months that have begun and evaluate. Spend is keyed by its date, so nothing has "
        "to be reset; with --force, what was spent so far in the present period no longer counts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--daily", action="store_true", help="The day.")
        which.add_argument("--monthly", action="store_true", help="The month.")
        which.add_argument("--both", action="store_true", help="The day and the month.")
        parser.add_argument("--force", action="store_true", help="Begin the present period afresh. Needs --reason.")
        parser.add_argument("--reason", default="", help="Why, for the record.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            brand = find_brand(options["brand"]) if options["brand"] else None
            if options["force"]:
                self._force(brand, options)
            else:
                sweeps = [
                    self.do(job, brand.pk if brand else None, dry_run=options["dry_run"]) for job in _jobs(options)
                ]
                if not any(sweep.turns for sweep in sweeps):
                    self.stdout.write("Nothing was due: every local day and month that has begun is recorded.")
                self._say_when(brand)

    def _force(self, brand: Brand | None, options: dict[str, Any]) -> None:
        kinds = [kind for kind, wanted in _kinds(options) if wanted]
        chosen = [brand] if brand else list(Brand.objects.current())
        words = " and ".join(kind.label.lower() for kind in kinds)
        if not chosen:
            raise CommandError("There is no brand to reset.")
        if not options["reason"].strip() and not options["dry_run"]:
            raise CommandError("A forced reset is kept on record: say why with --reason.")
        if options["dry_run"] or not options["yes"]:
            for one in chosen:
                with rehearsal():
                    self._force_one(one.pk, kinds, "A dry run", would="would ")
        if options["dry_run"]:
            return
        if not options["yes"] and not confirm(f"Begin the {words} of {len(chosen)} brand(s) afresh?"):
            raise CommandError("Nothing was changed. Answer y on a terminal, or pass --yes.")
        counts = {"resets": 0, "activated": 0, "errors": 0}
        for one in chosen:
            counts["resets"] += len(kinds)
            counts["activated"] += self._force_one(one.pk, kinds, options["reason"])
        self.stdout.write(f"INFO Forced reset completed: {counts}")

    def _force_one(self, brand_id: UUID, kinds: list[PeriodKind], reason: str, would: str = "") -> int:
        """Reset, say what no longer counts, and how many campaigns that starts."""
        resets, evaluation = force_reset(brand_id, kinds, reason=reason, actor=actor(), now=clock.now())
        started = sum(change.verdict.runs for change in evaluation.flips)
        for reset in resets:
            amount = f"{display_text(reset.forgiven, reset.brand.currency)} {reset.brand.currency}"
            period = f"{reset.get_kind_display().lower()} {reset.starts_on}"
            self.stdout.write(f"{reset.brand}: {amount} of {period} {would}no longer count.")
        if started:
            self.stdout.write(f"{started} of its campaigns {would}start.")
        return started

    def _say_when(self, brand: Brand | None) -> None:
        """The next turn, so that "nothing was due" is not a riddle."""
        now = clock.now()
        zones = {brand.zone} if brand else {one.zone for one in Brand.objects.current()}
        if zones:
            zone = min(zones, key=lambda zone: next_midnight(zone, now))
            self.stdout.write(f"The next day begins {local_text(zone, next_midnight(zone, now), now)}.")
            zone = min(zones, key=lambda zone: next_month(zone, now))
            self.stdout.write(f"The next month begins {local_text(zone, next_month(zone, now), now)}.")


def _kinds(options: dict[str, Any]) -> list[tuple[PeriodKind, bool]]:
    both = options["both"]
    return [(PeriodKind.DAY, options["daily"] or both), (PeriodKind.MONTH, options["monthly"] or both)]


def _jobs(options: dict[str, Any]) -> list[jobs.Job]:
    by_kind = {PeriodKind.DAY: jobs.DAILY_RESET, PeriodKind.MONTH: jobs.MONTHLY_RESET}
    return [by_kind[kind] for kind, wanted in _kinds(options) if wanted]
