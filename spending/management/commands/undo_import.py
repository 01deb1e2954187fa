"""Take an import back as a whole."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from budget_system import clock
from enforcement.imports import undo_import
from enforcement.management.console import actor, confirm, errors_as_exit_code
from spending import import_records


class Command(BaseCommand):
    help = (
        "Take an import back as a whole: spends that it recorded are voided, those that it corrected are what they were"
        " before, its metrics are removed. What was changed since stays, and so do brands and campaigns it created."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", metavar="ID", type=UUID, help="The import's id, as import_spend showed it.")
        parser.add_argument("--reason", required=True, help="Why: it is kept with the import and each spend.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            record = import_records.get(options["id"])
            held = ", ".join(record.brands.order_by("name").values_list("name", flat=True)) or "no brand"
            rows = record.accepted + record.corrected
            question = f"Undo the import of {record}, by {record.created_by}: {rows:,} rows of {held}?"
            if not options["yes"] and not confirm(question):
                raise CommandError(f"{question} Nothing was changed: answer y on a terminal, or say --yes.")
            record = undo_import(record.pk, reason=options["reason"], actor=actor(), now=clock.now())
        undo, write = record.report["undo"], self.stdout.write
        if undo["left_changed_by_hand"]:
            write(f"{undo['left_changed_by_hand']:,} spends were changed by hand since, and stay as they are.")
        if undo["left_changed_by_import"]:
            write(
                f"{undo['left_changed_by_import']:,} spends have their value from later imports, and stay as they are."
            )
        for other in undo["reported_too"]:
            write(
                f"The import {other['id']} by {other['by']} reported the same figures: send its file again if needed."
            )
        if record.report.get("created_brands") or record.report.get("created_campaigns"):
            write("The brands and campaigns that the import created stay.")
        counts = {name: undo[name] for name in ("voided", "restored", "metrics_removed")}
        write(f"INFO Undo completed: {counts}")
