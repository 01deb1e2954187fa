"""Import a report of spend."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, TextIO
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brands.queries import find_brand
from budget_system import clock, money
from budget_system.errors import NotFound
from campaigns.models import Platform
from enforcement.imports import MAX_BYTES, start_import
from enforcement.management.console import Progress, actor, errors_as_exit_code, table
from spending.importing import ImportOptions
from spending.models import ImportState, SpendImport
from spending.reports import days, numbers, plain_csv
from spending.reports.columns import OPTIONS, Named
from spending.reports.header import DELIMITERS
from spending.reports.shapes import Format

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Import a report of spend: an export of Google Ads, Meta, Microsoft or TikTok, or a plain CSV with a row per "
        "campaign and day. Rows that repeat campaign and day are added up. The same file again changes nothing, a newer"
        " one corrects. Exit code 1 when the file cannot be read, and with --strict also when rows were rejected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="The file; - for standard input.")
        parser.add_argument("--dry-run", action="store_true", help="Show what would come of it; change nothing.")
        parser.add_argument("--strict", action="store_true", help="Exit code 1 when rows were rejected.")
        parser.add_argument("--rejects", metavar="CSV", help="Write rejected rows here, to mend and send again.")
        whose = parser.add_argument_group("whose rows these are")
        whose.add_argument("--brand", help="All rows are this brand's (name or id). Else the account column says.")
        whose.add_argument("--platform", type=str.upper, choices=Platform.values, help="Only campaigns of it.")
        whose.add_argument("--source", default="", help="Where the figures come from. Default: the kind of report.")
        whose.add_argument("--currency", type=str.upper, help="For rows without one. Default: the brand's.")
        whose.add_argument("--create-campaigns", action="store_true", help="Create campaigns that are not known.")
        whose.add_argument("--create-brands", action="store_true", help="Create brands that are not known.")
        whose.add_argument("--timezone", default="UTC", help="Of brands that are created. Default: UTC.")
        whose.add_argument(
            "--even-if-typed", action="store_true", help="Also take days that have spend from elsewhere already."
        )
        written = parser.add_argument_group("how the file is written, where that cannot be told from it")
        for role, option in OPTIONS.items():
            help = "Its name or number; '' for none."
            written.add_argument(option, dest=f"column_{role}", metavar="COLUMN", help=help)
        written.add_argument("--campaign-column", metavar="COLUMN", help="The same as --campaign-id-column.")
        kinds = [kind.value for kind in Format]
        written.add_argument("--format", choices=kinds, help="The kind of report. Default: told from the file.")
        written.add_argument("--day-format", choices=days.DAY_FORMATS)
        written.add_argument("--amount-format", choices=numbers.AMOUNT_FORMATS)
        written.add_argument("--delimiter", help=r"One of , ; | or \t.")
        written.add_argument("--encoding", help="Such as cp1252. Default: UTF-8 or UTF-16, told from the file.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code(), ExitStack() as stack:
            import_options = _import_options(options)
            stream = stack.enter_context(_opened(options["file"]))
            rejects = stack.enter_context(_writing(options["rejects"]))
            record = start_import(
                stream,
                "standard input" if options["file"] == "-" else options["file"],
                import_options,
                actor=actor(),
                now=clock.now(),
                clock=clock.now,
                dry_run=options["dry_run"],
                inline_bytes=MAX_BYTES,  # whoever waits at a terminal needs no worker
                progress=Progress(self.stderr, "campaign days"),
            )
            if record.state == ImportState.FAILED:
                raise CommandError(record.error)
            if rejects is not None:
                rejects.write(record.rejects)
        self._show(record, options["rejects"])
        if options["strict"] and record.rejected:
            sys.exit(1)

    def _show(self, record: SpendImport, rejects_path: str | None) -> None:
        write, report = self.stdout.write, record.report
        for before in report["seen_before"][:1]:
            at = datetime.fromisoformat(before["at"]).astimezone(UTC)
            write(f"This very file was imported before, on {at:%Y-%m-%d at %H:%M} UTC by {before['by']}.")
        for what, names in (("brand", report["created_brands"]), ("campaign", report["created_campaigns"])):
            if names:
                listed = ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
                write(f"Created {len(names)} {what}{'s' if len(names) > 1 else ''}: {listed}")
        self._show_figures(record)
        for noted in report["duplicates"][:SHOWN]:
            write(f"Line {noted['line']}: left out, {noted['reason']}")
        if record.duplicate > SHOWN:
            write(f"… and {record.duplicate - SHOWN:,} more left out")
        self._show_rejects(record, rejects_path)
        if not record.dry_run and record.accepted + record.corrected:
            write(f"To take all of it back: undo_import {record.pk} --reason …")
        write(f"INFO {'Dry run: ' if record.dry_run else ''}Import completed: {_counts(record)}")

    def _show_figures(self, record: SpendImport) -> None:
        write, report = self.stdout.write, record.report
        for line in table(("Rows", "Number"), [(name, f"{count:,}") for name, count in _counts(record).items()]):
            write(line)
        for currency, total in report["totals"].items():
            shown = money.display_text(Decimal(total), currency)
            write(f"{record.first_day} to {record.last_day}: {shown} {currency}")
        if record.format != Format.PLAIN:
            write(f"Read as a report of the kind {record.format}.")
        if report["metrics"]:
            write(f"Kept impressions, clicks, conversions or revenue of {report['metrics']:,} campaign days.")
        if report["incomplete"]:
            write("The file says that its figures may be incomplete; import it again later.")
        if report["totals_agree"] is not None:
            verdict = "equals the sum of the rows" if report["totals_agree"] else "differs from the sum of the rows"
            write(f"The file's own total {verdict}.")

    def _show_rejects(self, record: SpendImport, rejects_path: str | None) -> None:
        if rejects_path is not None:
            self.stdout.write(f"Rejected rows are in {rejects_path}: mend them and import that file.")
            if left_out := record.report.get("rejects_left_out"):
                self.stdout.write(f"The last {left_out:,} are left out, as the file would be too large.")
            return
        for reject in record.report["rejects"][:SHOWN]:
            self.stdout.write(f"Line {reject['line']}: rejected, {reject['reason']}: {_shown(reject['row'])}")
        if record.rejected > SHOWN:
            self.stdout.write(f"… and {record.rejected - SHOWN:,} more rejected; --rejects FILE writes them all")


def _counts(record: SpendImport) -> dict[str, int]:
    """The figures of the closing line."""
    names = ("rows", "accepted", "unchanged", "corrected", "duplicate", "rejected")
    counts: dict[str, int] = {name: getattr(record, name) for name in names}
    return {**counts, "paused": record.report["paused"], "activated": record.report["activated"]}


def _shown(cells: Any) -> str:
    text = ", ".join("".join(char if char.isprintable() else "�" for char in cell) for cell in cells)
    return text if len(text) <= 200 else text[:200] + "…"


def _brand_id(text: str, *, may_be_new: bool) -> UUID | None:
    """The brand's id; None for a name that is to be created."""
    try:
        return find_brand(text).pk
    except NotFound:
        if not may_be_new or _is_id(text):
            raise
        return None


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _import_options(options: dict[str, Any]) -> ImportOptions:
    columns = {role: options[f"column_{role}"] for role in OPTIONS}
    if options["campaign_column"] is not None:
        if columns["campaign_id"] is not None:
            raise CommandError("Say --campaign-column or --campaign-id-column, not both.")
        columns["campaign_id"] = options["campaign_column"]
    delimiter = "\t" if options["delimiter"] == r"\t" else options["delimiter"]
    if delimiter not in (None, *DELIMITERS):
        raise CommandError(rf"“{delimiter}” is not a delimiter; use one of , ; | or \t.")
    reading = plain_csv.Options(
        columns=Named(**columns),
        day_format=options["day_format"],
        amount_format=options["amount_format"],
        delimiter=delimiter,
        encoding=options["encoding"],
    )
    brand_id = _brand_id(options["brand"], may_be_new=options["create_brands"]) if options["brand"] else None
    return ImportOptions(
        reading=reading,
        format=Format(options["format"]) if options["format"] else None,
        source=options["source"],
        brand_id=brand_id,
        brand_name="" if brand_id or not options["brand"] else options["brand"],
        platform=options["platform"] or "",
        currency=options["currency"],
        timezone=options["timezone"],
        create_campaigns=options["create_campaigns"],
        create_brands=options["create_brands"],
        even_if_typed=options["even_if_typed"],
    )


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """The file, or standard input."""
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below; only its opening may fail in this way
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


@contextmanager
def _writing(path: str | None) -> Iterator[TextIO | None]:
    """The file of rejects: UTF-8 with a mark, which Excel needs."""
    if path is None:
        yield None
        return
    try:
        file = Path(path).open("w", encoding="utf-8-sig", newline="")  # noqa: SIM115 - as above
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    with file:
        yield file
