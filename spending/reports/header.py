"""Finding the header row: by the names in it, wherever it stands, whatever parts its cells."""

from itertools import islice
from typing import IO, NamedTuple

from spending.reports.columns import WORDS, Named, Words, recognised
from spending.reports.records import Record, Records
from spending.reports.rejects import is_of_rejects, to_send_again
from spending.reports.text import UnreadableReport, opened

DELIMITERS = (",", ";", "\t", "|")
HEADER_WITHIN = 60
"""The header is looked for in this many rows from the top."""


class Top(NamedTuple):
    """The first rows of a file, taken apart at one delimiter."""

    delimiter: str
    rows: list[Record]


class Found(NamedTuple):
    """The row that is the header, or comes nearest to one; its columns need not be all there."""

    line: int
    delimiter: str
    cells: list[str]
    of_rejects: bool
    """Whether this is a file of rejects, mended and sent again: its first two columns are ours."""
    preamble: tuple[Record, ...]
    """The rows above it."""
    below: tuple[Record, ...]
    """The first rows under it."""


class _Candidate(NamedTuple):
    top: Top
    at: int
    of_rejects: bool
    roles: int
    enough: bool

    @property
    def row(self) -> Record:
        return self.top.rows[self.at]


def read_tops(stream: IO[bytes], encoding: str, delimiter: str | None) -> list[Top]:
    """The first rows of the file at each delimiter that it may have."""
    tops = []
    for sign in DELIMITERS if delimiter is None else (delimiter,):
        with opened(stream, encoding) as text:
            tops.append(Top(sign, list(islice(Records(text, sign), HEADER_WITHIN))))
    return tops


def header_row(tops: list[Top], named: Named, words: Words = WORDS) -> Found:
    """The row that has the names of the columns. Raises `UnreadableReport` when none has any."""
    candidates = [_judged(top, index, named, words) for top in tops for index in range(len(top.rows))]
    if not candidates:
        raise UnreadableReport("the file is empty")
    # The first row that has enough; failing that the row that comes nearest, to say what is missing in it.
    best = min(
        candidates,
        key=lambda one: (not one.enough, one.row.line if one.enough else -one.roles, -len(one.row.cells)),
    )
    if not best.roles:
        first = " ".join(candidates[0].row.cells)[:80]
        raise UnreadableReport(
            f"none of the first {HEADER_WITHIN} rows is a header that names a day, a campaign and a cost column; "
            f"the file begins with “{first}”"
        )
    rows, at = best.top.rows, best.at
    cells = to_send_again(best.row.cells) if best.of_rejects else best.row.cells
    return Found(
        best.row.line, best.top.delimiter, cells, best.of_rejects, tuple(rows[:at]), tuple(rows[at + 1 : at + 4])
    )


def _judged(top: Top, index: int, named: Named, words: Words) -> _Candidate:
    row = top.rows[index]
    of_rejects = is_of_rejects(row.cells)
    cells = to_send_again(row.cells) if of_rejects else row.cells
    roles, enough = (0, False) if row.flaw else recognised(cells, named, words)
    return _Candidate(top, index, of_rejects, roles, enough)
