"""Files of rejected rows: for a person to read, mend and send again."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from spending.reports.rows import Reject

REJECT_COLUMNS = ("line", "reason")
"""The first two columns of a file of rejects, which are not part of the rows to send again."""

# Spreadsheets take a cell that begins so for a formula (OWASP, CSV injection); the wide forms too, in some locales.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_PLAIN_NUMBER = re.compile(r"[+-][0-9][0-9.,'’ \u00a0\u2009\u202f]*")


class RejectWriter:
    """Writes rejects one by one to an open text file (opened with `newline=""`)."""

    def __init__(self, file: TextIO, header: Sequence[str]) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow([*REJECT_COLUMNS, *map(escaped, header)])

    def write(self, reject: Reject) -> None:
        """Add one."""
        self._writer.writerow([reject.line, escaped(reject.reason), *map(escaped, reject.raw)])


def write_rejects(target: TextIO | Path | str, header: Sequence[str], rejects: Iterable[Reject]) -> int:
    """Write rejects as CSV (a path: UTF-8 with BOM, which Excel needs) and say how many they were.

    Importing the file again ignores the `line` and `reason` columns and undoes what `escaped` did.
    """
    if isinstance(target, str | Path):
        with Path(target).open("w", encoding="utf-8-sig", newline="") as file:
            return write_rejects(file, header, rejects)
    writer, count = RejectWriter(target, header), 0
    for reject in rejects:
        writer.write(reject)
        count += 1
    return count


def is_of_rejects(header: Sequence[str]) -> bool:
    """Whether a header is that of a file of rejects."""
    return tuple(text.strip().lower() for text in header[: len(REJECT_COLUMNS)]) == REJECT_COLUMNS


def to_send_again(cells: Sequence[str]) -> list[str]:
    """The cells of a row in a file of rejects as they were before they were rejected."""
    return [unescaped(cell) for cell in cells[len(REJECT_COLUMNS) :]]


def escaped(cell: str) -> str:
    """The cell with a `'` before what a spreadsheet would run; numbers such as -12.50 stay as they are."""
    cell = cell.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"'{cell}" if _FORMULA.match(cell) and not _PLAIN_NUMBER.fullmatch(cell) else cell


def unescaped(cell: str) -> str:
    """The cell that `escaped` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
