"""Finding the header row: by the names in it, wherever it stands, whatever parts its cells."""

from collections.abc import Iterator
from itertools import islice
from typing import IO, NamedTuple

from spending.reports.columns import Columns, Named, guess_columns, recognised
from spending.reports.records import Record, Records
from spending.reports.rejects import is_of_rejects, to_send_again
from spending.reports.text import UnreadableReport, opened

DELIMITERS = (",", ";", "\t", "|")
HEADER_WITHIN = 60
"""The header is looked for in this many rows from the top."""


class Header(NamedTuple):
    """Where the header is and what it says."""

    line: int
    delimiter: str
    columns: Columns
    of_rejects: bool
    """Whether this is a file of rejects, mended and sent again: its first two columns are ours."""


class _Candidate(NamedTuple):
    line: int
    delimiter: str
    cells: list[str]
    of_rejects: bool
    roles: int
    enough: bool


def find_header(stream: IO[bytes], encoding: str, named: Named, delimiter: str | None) -> Header:
    """The header of a report. Raises `UnreadableReport` when there is none, or its columns are not clear."""
    delimiters = DELIMITERS if delimiter is None else (delimiter,)
    candidates = [candidate for sign in delimiters for candidate in _candidates(stream, encoding, named, sign)]
    if not candidates:
        raise UnreadableReport("the file is empty")
    # The first row that has enough; failing that the row that comes nearest, to say what is missing in it.
    best = min(candidates, key=lambda row: (not row.enough, row.line if row.enough else -row.roles, -len(row.cells)))
    if not best.roles:
        first = " ".join(candidates[0].cells)[:80]
        raise UnreadableReport(
            f"none of the first {HEADER_WITHIN} rows is a header that names a day, a campaign and a cost column; "
            f"the file begins with “{first}”"
        )
    columns = guess_columns(best.cells, named, line=best.line)
    return Header(best.line, best.delimiter, columns, best.of_rejects)


def _candidates(stream: IO[bytes], encoding: str, named: Named, delimiter: str) -> Iterator[_Candidate]:
    with opened(stream, encoding) as text:
        for row in islice(Records(text, delimiter), HEADER_WITHIN):
            yield _judged(row, delimiter, named)


def _judged(row: Record, delimiter: str, named: Named) -> _Candidate:
    of_rejects = is_of_rejects(row.cells)
    cells = to_send_again(row.cells) if of_rejects else row.cells
    roles, enough = (0, False) if row.flaw else recognised(cells, named)
    return _Candidate(row.line, delimiter, cells, of_rejects, roles, enough)
