"""From lines to records of cells: quotes, newlines in cells, and lines that no record can be made of."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from spending.reports.text import MAX_LINE_CHARS, lines

MAX_CELL_CHARS = 10_000
MAX_RECORD_LINES = 100
"""A quoted cell that runs on for more lines than this was never closed."""
MAX_RUNAWAYS = 1_000
"""After so many quotes that were never closed, newlines in cells are no longer believed in: reading the lines
after each of them again takes too long."""
_EXCERPT = 200
_NEVER_CLOSED = "a quote is opened here and never closed"
_LONG = f"the line is longer than {MAX_LINE_CHARS:,} characters"


class Record(NamedTuple):
    """The cells of one row; `flaw` says why they cannot be used."""

    line: int
    cells: list[str]
    flaw: str | None


class _Runaway(Exception):
    """The record does not end where a record should."""


class Records:
    """The records of a text, blank ones left out; each with the number of its first line.

    A record that is broken (a quote never closed, text after a closing quote, too long) costs its first line
    only: the lines after it are read afresh, so that one stray quote does not swallow the rest of the file.
    """

    def __init__(self, text: TextIO, delimiter: str) -> None:
        self._delimiter = delimiter
        self._lines = lines(text)
        self._again: deque[str] = deque()
        self._taken: list[str] = []  # the lines of the record being read
        self._before = 0  # how many lines came before it
        self._runaways = 0

    def __iter__(self) -> Iterator[Record]:
        taken = self._taken
        while True:
            reader = csv.reader(self._feed(), delimiter=self._delimiter, strict=True, skipinitialspace=True)
            try:
                for cells in reader:
                    number = self._before + 1
                    self._before += len(taken)
                    text = taken[0] if len(taken) == 1 else "".join(taken)
                    taken.clear()
                    if not any(cells) or text.isspace():
                        continue
                    if len(text) > MAX_CELL_CHARS or "\0" in text:
                        yield _checked(number, cells)
                    else:
                        yield Record(number, cells, None)
            except _Runaway as flaw:
                yield self._broken(str(flaw))
            except csv.Error:
                yield self._broken("the quotes in this line do not pair up")
            else:
                return

    def _feed(self) -> Iterator[str]:
        """The lines for csv, remembered until their record is complete."""
        again, following, taken, size = self._again, self._lines, self._taken, 0
        while True:
            line = again.popleft() if again else next(following, "")
            if not line:
                if taken:
                    raise _Runaway(_NEVER_CLOSED)
                return
            size = size + len(line) if taken else len(line)
            taken.append(line)
            if (
                size > MAX_LINE_CHARS
                or len(taken) > MAX_RECORD_LINES
                or (len(taken) > 1 and self._runaways > MAX_RUNAWAYS)
            ):
                raise _Runaway(_NEVER_CLOSED if len(taken) > 1 else _LONG)
            yield line

    def _broken(self, flaw: str) -> Record:
        """The first line of the record being read, given up; the others will be read again."""
        first, *rest = self._taken
        self._runaways += bool(rest)
        self._again.extendleft(reversed(rest))
        self._taken.clear()
        self._before += 1
        return Record(self._before, _rough_cells(first, self._delimiter), flaw)


def _checked(line: int, cells: list[str]) -> Record:
    """A record that is long or holds a NUL: are its cells still cells?"""
    flaw = None
    if any("\0" in cell for cell in cells):
        flaw = "a cell holds a NUL character"
    elif any(len(cell) > MAX_CELL_CHARS for cell in cells):
        flaw = f"a cell is longer than {MAX_CELL_CHARS:,} characters"
    return Record(line, [_shortened(cell) for cell in cells], flaw)


def _rough_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a broken line as well as they can be told apart, for a person to mend."""
    try:
        cells = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        cells = [line]
    return [_shortened(cell) for cell in cells]


def _shortened(cell: str) -> str:
    return cell if len(cell) <= MAX_CELL_CHARS else cell[:_EXCERPT] + "…"
