"""Plain CSV files of spend: a header, and a row per campaign and day, in whatever dialect a spreadsheet wrote.

The file is read twice: once to decide per column how days and amounts are written, once for the rows. Nothing is
held but the row at hand. It must be seekable; nobody else may move it while a `Report` is being iterated.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import IO
from unicodedata import normalize

from budget_system.money import InvalidAmount, is_currency
from spending.reports import days, numbers
from spending.reports.columns import Columns, Named
from spending.reports.days import DayEvidence, DayFormat, InvalidDay, read_day
from spending.reports.header import DELIMITERS, Header, find_header
from spending.reports.numbers import AmountEvidence, AmountFormat, NotReported, read_amount
from spending.reports.records import Record, Records
from spending.reports.rejects import to_send_again
from spending.reports.rows import MAX_TOTALS, Reject, ReportRow, Tally, Total
from spending.reports.text import HEAD_BYTES, UnreadableReport, detect_encoding, opened

_TOTAL = re.compile(
    r"(?:(?:grand|sub|account|overall|report)[ -]?)?totals?|(?:gesamt)?summe|gesamt|totaux|total général|totale|totaal"
    r"|(?:total|totals|gesamt|totale|totaal)\s*:.*",
    re.IGNORECASE,
)
_SHORTENED_ID = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+")
_DAYS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the person who imports says about the file; None: find out."""

    columns: Named = field(default_factory=Named)
    day_format: DayFormat | None = None
    amount_format: AmountFormat | None = None
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        """Raises `ValueError` for what is not an option; callers offer the choices, so it is their slip."""
        if self.day_format not in (None, *days.DAY_FORMATS):
            raise ValueError(f"day_format is one of {days.DAY_FORMATS}, not {self.day_format!r}")
        if self.amount_format not in (None, *numbers.AMOUNT_FORMATS):
            raise ValueError(f"amount_format is one of {numbers.AMOUNT_FORMATS}, not {self.amount_format!r}")
        if self.delimiter not in (None, *DELIMITERS):
            raise ValueError(f"delimiter is one of {DELIMITERS}, not {self.delimiter!r}")


@dataclass(slots=True)
class Report:
    """A file whose header and formats are known. Iterating reads it from the start, as often as wanted."""

    stream: IO[bytes]
    encoding: str
    header_line: int
    delimiter: str
    columns: Columns
    day_format: DayFormat
    amount_format: AmountFormat
    of_rejects: bool
    """Whether the file is one of rejects sent again: its `line` and `reason` columns are left out."""
    given: int
    """How many data lines the file has: what `tally.lines` is after an iteration to the end."""
    tally: Tally = field(default_factory=Tally)
    """What the latest iteration has come to so far."""

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, as written."""
        return self.columns.header

    def __iter__(self) -> Iterator[ReportRow | Reject]:
        """Every data line as a row or a reject, in order; total rows go to `tally.totals`."""
        self.tally = tally = Tally()
        reader = _RowReader(self.columns, self.day_format, self.amount_format)
        sums = tally.sums
        for record in _data(self.stream, self.encoding, self):
            outcome = reader.read(record, len(tally.totals) < MAX_TOTALS)
            if isinstance(outcome, ReportRow):
                tally.rows += 1
                sums[outcome.currency] = sums.get(outcome.currency, _ZERO) + outcome.cost
                yield outcome
            elif isinstance(outcome, Reject):
                tally.rejects += 1
                yield outcome
            else:
                tally.totals.append(outcome)


_ZERO = Decimal(0)


def parse(stream: IO[bytes], options: Options | None = None) -> Report:
    """Find out how a seekable binary file is written; iterate the result for its rows.

    Raises `UnreadableReport` when the file as a whole cannot be read or can be read in two ways.
    """
    options = options or Options()
    stream.seek(0)
    encoding = detect_encoding(stream.read(HEAD_BYTES), options.encoding)
    header = find_header(stream, encoding, options.columns, options.delimiter)
    day_evidence, amount_evidence, given = _scan(stream, encoding, header)
    columns = header.columns
    return Report(
        stream=stream,
        encoding=encoding,
        header_line=header.line,
        delimiter=header.delimiter,
        columns=columns,
        day_format=day_evidence.decide(columns.name(columns.day), options.day_format),
        amount_format=amount_evidence.decide(columns.name(columns.cost), options.amount_format),
        of_rejects=header.of_rejects,
        given=given,
    )


def _scan(stream: IO[bytes], encoding: str, header: Header) -> tuple[DayEvidence, AmountEvidence, int]:
    """The first reading: what the columns say of their formats, and how many data lines there are."""
    day_evidence, amount_evidence, given = DayEvidence(), AmountEvidence(), 0
    see_day, see_amount = day_evidence.see, amount_evidence.see
    day, cost, width = header.columns.day, header.columns.cost, len(header.columns.header)
    for line, cells, flaw in _data(stream, encoding, header):
        given += 1
        if flaw is None and len(cells) == width:
            see_day(cells[day], line)
            see_amount(cells[cost], line)
    return day_evidence, amount_evidence, given


def _data(stream: IO[bytes], encoding: str, header: Header | Report) -> Iterator[Record]:
    """The records below the header; of a file of rejects only the cells that are to be sent again."""
    first = header.line if isinstance(header, Header) else header.header_line
    with opened(stream, encoding) as text:
        records = iter(Records(text, header.delimiter))
        for record in records:
            if record.line >= first:
                break
        if not header.of_rejects:
            yield from records
            return
        for line, cells, flaw in records:
            yield Record(line, to_send_again(cells), flaw)


class _BadCell(ValueError):
    """A cell that spoils its row."""


class _Days(dict[str, date]):
    """Days by their text: a report has few different ones."""

    def __init__(self, form: DayFormat) -> None:
        super().__init__()
        self._form = form

    def __missing__(self, text: str) -> date:
        day = read_day(text, self._form)
        if len(self) >= _DAYS_KEPT:
            self.clear()
        self[text] = day
        return day


class _RowReader:
    """Makes a row, a reject or a total of each record."""

    def __init__(self, columns: Columns, day_format: DayFormat, amount_format: AmountFormat) -> None:
        self._columns = columns
        self._width = len(columns.header)
        self._amount_format = amount_format
        self._days = _Days(day_format)
        cost_currencies = columns.cost_currencies
        self._default = next(iter(cost_currencies)) if len(cost_currencies) == 1 else None

    def read(self, record: Record, totals_welcome: bool) -> ReportRow | Reject | Total:
        """What the record is. Totals past what one report may have are rejected."""
        line, cells, flaw = record
        if flaw is not None:
            return Reject(line, flaw, cells)
        if len(cells) != self._width:
            count = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            return Reject(line, f"has {count} where the header has {self._width}", cells)
        try:
            return self._row(line, cells)
        except (_BadCell, InvalidDay, InvalidAmount, NotReported) as error:
            if (label := self._total_label(cells)) is None:
                return Reject(line, self._reason(error), cells)
            if not totals_welcome:
                return Reject(line, f"more than {MAX_TOTALS} total rows", cells)
            return Total(line, label, self._total_cost(cells), cells)

    def _row(self, line: int, cells: list[str]) -> ReportRow:
        where = self._columns
        campaign_id, campaign_name = _text(cells, where.campaign_id), _text(cells, where.campaign_name)
        if not (campaign_id or campaign_name):
            raise _BadCell("no campaign given")
        if "+" in campaign_id or "+" in campaign_name:
            _refuse_shortened(campaign_id, campaign_name)
        day = self._days[cells[where.day]]
        cost, marks = read_amount(cells[where.cost], self._amount_format)
        currency = self._default
        if marks or where.currency is not None:
            currency = self._currency(cells, marks)
        return ReportRow(
            line,
            campaign_id or None,
            campaign_name or None,
            day,
            cost,
            currency,
            _text(cells, where.account) or None,
            _text(cells, where.spend_type) or None,
            _text(cells, where.description),
            _text(cells, where.key) or None,
            cells,
        )

    def _currency(self, cells: list[str], marks: frozenset[str]) -> str | None:
        """What the currency column, the cost column's name and the amount itself agree on."""
        code = _text(cells, self._columns.currency).upper()
        if code and not is_currency(code):
            raise _BadCell(f"“{code[:40]}” is not a currency code such as USD")
        said = [names for names in (frozenset({code} if code else ()), self._columns.cost_currencies, marks) if names]
        if not said:
            return None
        agreed = frozenset.intersection(*said)
        if not agreed:
            both = " and ".join(sorted(names)[0] if len(names) == 1 else "/".join(sorted(names)[:3]) for names in said)
            raise _BadCell(f"the row names different currencies: {both}")
        return next(iter(agreed)) if len(agreed) == 1 else None

    def _reason(self, error: ValueError) -> str:
        """The error, with the column it is about."""
        if isinstance(error, InvalidDay):
            return f"{self._columns.name(self._columns.day)}: {error}"
        if isinstance(error, InvalidAmount):
            return f"{self._columns.name(self._columns.cost)}: {error}"
        return str(error)

    def _total_label(self, cells: list[str]) -> str | None:
        """The word that makes this row a sum of others; None for rows that a campaign or a day belongs to."""
        where = self._columns
        found = None
        for index in (where.day, where.campaign_id, where.campaign_name, where.account):
            text = _text(cells, index)
            if _TOTAL.fullmatch(text):
                found = found or text
            elif text not in numbers.NOT_REPORTED and index != where.account:
                return None
        return found

    def _total_cost(self, cells: list[str]) -> Decimal | None:
        try:
            return read_amount(cells[self._columns.cost], self._amount_format).value
        except (InvalidAmount, NotReported):
            return None


def _text(cells: list[str], index: int | None) -> str:
    """A cell without the space around it, in NFC so that twins compare equal; empty when there is no such column."""
    if index is None:
        return ""
    text = cells[index].strip()
    return text if text.isascii() else normalize("NFC", text)


def _refuse_shortened(*campaign: str) -> None:
    for text in campaign:
        if _SHORTENED_ID.fullmatch(text):
            raise _BadCell(f"“{text[:40]}”: Excel shortened this id, its digits are lost; export it as text")


__all__ = ["Options", "Report", "UnreadableReport", "parse"]
