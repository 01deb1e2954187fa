"""Tables as files that spreadsheets open: CSV line by line, XLSX as a whole.

A text that a spreadsheet would take for a formula is given an apostrophe in front; numbers are numbers and stay so.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

Cell = str | int | float | Decimal | date | datetime | None
"""Moments are naive: spreadsheets know no time zones, so the header names the zone."""

LONGEST_TEXT = 32_767
"""Characters that a cell of a workbook can hold."""
LINES_AT_ONCE = 500
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_text(text: str) -> str:
    """A text that no spreadsheet runs: see OWASP, CSV injection. Spaces in front do not hide a formula from all."""
    return f"'{text}" if text.startswith(_FORMULAS) or text.lstrip(" ").startswith(_FORMULAS) else text


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """UTF-8 with a mark at the beginning, by which Excel knows it; some hundred lines at a time."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(header)
    for number, row in enumerate(rows, 1):
        writer.writerow([_for_csv(cell) for cell in row])
        if number % LINES_AT_ONCE == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _for_csv(cell: Cell) -> object:
    if isinstance(cell, str):
        return safe_text(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    return f"{cell:f}" if isinstance(cell, Decimal) else cell


def write_workbook(file: IO[bytes], title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """One sheet whose first row stays in sight and filters the others. Rows go to a temporary file one by one."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    for number, name in enumerate(header, 1):
        sheet.column_dimensions[get_column_letter(number)].width = max(12, min(len(name) + 4, 40))
    titles = [WriteOnlyCell(sheet, value=name) for name in header]
    for cell in titles:
        cell.font = Font(bold=True)
    sheet.append(titles)
    count = 1
    for count, row in enumerate(rows, 2):  # noqa: B007 - the last number is needed below
        sheet.append([_for_workbook(cell) for cell in row])
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(header))}{count}"
    book.save(file)


def _for_workbook(cell: Cell) -> object:
    return ILLEGAL_CHARACTERS_RE.sub("", safe_text(cell))[:LONGEST_TEXT] if isinstance(cell, str) else cell
