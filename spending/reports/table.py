"""The one way in which tables are read, whatever the platform: what is special about one, its `Shape` says.

A table is read twice: once to decide per column how days and amounts are written, once for the rows. Nothing is held
but the row at hand. The file must be seekable; nobody else may move it while a `Report` is being iterated.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import IO, NamedTuple, Protocol
from unicodedata import normalize

from budget_system.money import InvalidAmount, is_currency
from spending.reports import days, numbers
from spending.reports.columns import Columns, MissingColumn, Named, guess_columns
from spending.reports.days import DayEvidence, DayFormat, InvalidDay, read_day
from spending.reports.header import DELIMITERS, Found
from spending.reports.numbers import (
    Amount,
    AmountEvidence,
    AmountFormat,
    NotReported,
    read_amount,
    read_count,
    read_micros,
    read_number,
)
from spending.reports.records import Record, Records
from spending.reports.rejects import to_send_again
from spending.reports.rows import MAX_TOTALS, Metrics, Reject, ReportRow, Tally, Total
from spending.reports.shapes import Facts, Format, Shape, Usual
from spending.reports.text import UnreadableReport, opened

TOTAL = re.compile(
    r"(?:(?:grand|sub|account|overall|report)[ -]?)?totals?|(?:gesamt)?summe|gesamt|totaux|total général|totale|totaal"
    r"|(?:total|totals|gesamt|totale|totaal)\s*:.*",
    re.IGNORECASE,
)
_SHORTENED_ID = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+")
_DAYS_KEPT = 10_000
_ZERO = Decimal(0)


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


class Source(Protocol):
    """Where records come from: below a header in a text, or objects in JSON."""

    @property
    def encoding(self) -> str: ...

    @property
    def found(self) -> Found: ...

    def records(self) -> Iterator[Record]:
        """The data, from its start, as often as wanted; cells in the order of the header."""
        ...


class TextSource(NamedTuple):
    """The records below the header of a text; of a file of rejects only the cells that are to be sent again."""

    stream: IO[bytes]
    encoding: str
    found: Found

    def records(self) -> Iterator[Record]:
        """See `Source`."""
        header = self.found
        with opened(self.stream, self.encoding) as text:
            records = iter(Records(text, header.delimiter))
            for record in records:
                if record.line >= header.line:
                    break
            if not header.of_rejects:
                yield from records
                return
            for line, cells, flaw in records:
                yield Record(line, to_send_again(cells), flaw)


class Place(NamedTuple):
    """What a line is about, as far as it can be told."""

    account: str | None
    campaign_id: str | None
    campaign_name: str | None
    day: date


@dataclass(slots=True)
class Report:
    """A file whose header and formats are known. Iterating reads it from the start, as often as wanted."""

    source: Source
    shape: Shape
    columns: Columns
    day_format: DayFormat
    amount_format: AmountFormat
    facts: Facts
    given: int
    """How many data lines the file has: what `tally.lines` is after an iteration to the end."""
    number_formats: tuple[AmountFormat | None, AmountFormat | None] = (None, None)
    """How conversions and revenue are written; None: there are none, or they can be read in two ways."""
    tally: Tally = field(default_factory=Tally)
    """What the latest iteration has come to so far."""

    @property
    def format(self) -> Format:
        """The kind of report."""
        return self.shape.format

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, as written."""
        return self.columns.header

    @property
    def header_line(self) -> int:
        return self.source.found.line

    @property
    def delimiter(self) -> str:
        """What parts the cells; empty for JSON."""
        return self.source.found.delimiter

    @property
    def encoding(self) -> str:
        return self.source.encoding

    @property
    def of_rejects(self) -> bool:
        """Whether the file is one of rejects sent again: its `line` and `reason` columns are left out."""
        return self.source.found.of_rejects

    @property
    def first_day(self) -> date | None:
        """The first day of the period that the report states, else of the rows iterated so far."""
        return self.facts.period.first if self.facts.period else self.tally.first_day

    @property
    def last_day(self) -> date | None:
        """The last day of the period that the report states, else of the rows iterated so far."""
        return self.facts.period.last if self.facts.period else self.tally.last_day

    @property
    def currency(self) -> str | None:
        """The one currency of the header or of all rows iterated so far; None: several, or not said."""
        stated = self.columns.cost_currencies | {code for code in self.tally.sums if code}
        return next(iter(stated)) if len(stated) == 1 and None not in self.tally.sums else None

    @property
    def time_zone(self) -> str | None:
        """The zone of the report's days, as the report writes it; None: it does not say."""
        return self.facts.time_zone

    @property
    def incomplete(self) -> bool | None:
        """Whether the platform warns that figures are still to come; None: it does not say."""
        return self.facts.incomplete

    @property
    def checksum_agrees(self) -> bool | None:
        """After an iteration, whether the sums and the number of rows are what the report claims; None: no claim."""
        rows = None if self.facts.rows is None else self.facts.rows == self.tally.rows + self.tally.rejects
        verdicts = {rows, self.tally.totals_agree} - {None}
        return all(verdicts) if verdicts else None

    def read_day(self, text: str) -> date:
        """The day that a cell of the day column says. Raises `InvalidDay`."""
        return read_day(self.shape.day_text(text) if self.shape.day_text else text, self.day_format)

    def place(self, reject: Reject) -> Place | None:
        """Whose day is incomplete because this line was rejected; None when that cannot be told."""
        cells, where = reject.raw, self.columns
        if len(cells) != len(where.header):
            return None
        try:
            day = self.read_day(cells[where.day])
        except InvalidDay:
            return None
        account, (campaign_id, name) = _text(cells, where.account), _campaign(cells, where)
        return Place(account or None, campaign_id or None, name or None, day) if campaign_id or name else None

    def __iter__(self) -> Iterator[ReportRow | Reject]:
        """Every data line as a row or a reject, in order; total rows go to `tally.totals`."""
        self.tally = tally = Tally()
        read = _RowReader(self).read
        sums = tally.sums
        first, last = date.max, date.min
        for record in _data(self.source, self.shape):
            outcome = read(record, len(tally.totals) < MAX_TOTALS)
            if isinstance(outcome, ReportRow):
                tally.rows += 1
                sums[outcome.currency] = sums.get(outcome.currency, _ZERO) + outcome.cost
                day = outcome.day
                if day < first:
                    tally.first_day = first = day
                if day > last:
                    tally.last_day = last = day
                yield outcome
            elif isinstance(outcome, Reject):
                tally.rejects += 1
                yield outcome
            else:
                tally.totals.append(outcome)


def read_table(source: Source, shape: Shape, options: Options) -> Report:
    """Find out how a table is written; iterate the result for its rows.

    Raises `UnreadableReport` when a column is missing or the file can be read in two ways.
    """
    found = source.found
    facts = shape.facts(found) if shape.facts else Facts()
    try:
        columns = guess_columns(found.cells, options.columns, line=found.line, words=shape.words)
    except MissingColumn as error:
        if shape.missing is None:
            raise
        raise UnreadableReport(f"{shape.missing(error.role, found, facts)}; {error.listed}") from error
    evidence = _Evidence(columns)
    given = evidence.gather(source, shape)
    usual = shape.usual(found) if shape.usual else Usual()
    wanted = "point" if shape.micros else options.amount_format  # an API writes numbers as programs do
    amount_format = evidence.cost.decide(columns.name(columns.cost), wanted, usual.amounts)
    return Report(
        source=source,
        shape=shape,
        columns=columns,
        day_format=evidence.day.decide(columns.name(columns.day), options.day_format, usual.days),
        amount_format=amount_format,
        facts=facts,
        given=given,
        number_formats=evidence.number_formats(amount_format, wanted),
    )


class _Evidence:
    """The first reading: what the columns say of their formats, and how many data lines there are."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.day, self.cost = DayEvidence(), AmountEvidence()
        self._numbers = [(index, AmountEvidence()) for index in columns.metrics[2:] if index is not None]

    def gather(self, source: Source, shape: Shape) -> int:
        """Read the table; how many data lines it has."""
        see_day, see_amount, numbers_seen, given = self.day.see, self.cost.see, self._numbers, 0
        columns, day_text = self._columns, shape.day_text
        day, cost, width = columns.day, columns.cost, len(columns.header)
        for line, cells, flaw in _data(source, shape):
            given += 1
            if flaw is None and len(cells) == width:
                see_day(day_text(cells[day]) if day_text else cells[day], line)
                see_amount(cells[cost], line)
                for index, evidence in numbers_seen:
                    evidence.see(cells[index], line)
        return given

    def number_formats(
        self, of_cost: AmountFormat, wanted: AmountFormat | None
    ) -> tuple[AmountFormat | None, AmountFormat | None]:
        """Of conversions and revenue: their own, else that of the costs; metrics are never worth refusing a file."""
        evidence_of = dict(self._numbers)
        conversions, revenue = (
            self._number_format(evidence_of[index], of_cost, wanted) if index is not None else None
            for index in self._columns.metrics[2:]
        )
        return conversions, revenue

    def _number_format(
        self, evidence: AmountEvidence, of_cost: AmountFormat, wanted: AmountFormat | None
    ) -> AmountFormat | None:
        if told := wanted or evidence.told():
            return told
        return of_cost if not evidence.doubtful or self.cost.told() else None


def _data(source: Source, shape: Shape) -> Iterator[Record]:
    """The data lines: without the footer."""
    if shape.footer is None:
        return source.records()
    is_footer = shape.footer
    return (record for record in source.records() if record.flaw is not None or not is_footer(record.cells))


def _read_micros(text: str, _form: AmountFormat) -> Amount:
    return read_micros(text)


class _BadCell(ValueError):
    """A cell that spoils its row."""


class _Days(dict[str, date]):
    """Days by their text: a report has few different ones."""

    def __init__(self, read: Callable[[str], date]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> date:
        day = self._read(text)
        if len(self) >= _DAYS_KEPT:
            self.clear()
        self[text] = day
        return day


class _RowReader:
    """Makes a row, a reject or a total of each record."""

    def __init__(self, report: Report) -> None:
        columns, shape = report.columns, report.shape
        self._columns = columns
        self._width = len(columns.header)
        self._amount_format = report.amount_format
        self._days = _Days(report.read_day)
        self._read_cost: Callable[[str, AmountFormat], Amount] = _read_micros if shape.micros else read_amount
        self._sums_up = shape.sums_up(columns) if shape.sums_up else None
        self._metrics = _MetricsReader(report) if any(at is not None for at in columns.metrics) else None
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
        if self._sums_up and (label := self._sums_up(cells)) is not None:
            return self._total(line, label, cells, totals_welcome)
        try:
            return self._row(line, cells)
        except (_BadCell, InvalidDay, InvalidAmount, NotReported) as error:
            if (label := self._total_label(cells)) is None:
                return Reject(line, self._reasons(error, cells), cells)
            return self._total(line, label, cells, totals_welcome)

    def _row(self, line: int, cells: list[str]) -> ReportRow:
        where = self._columns
        campaign_id, campaign_name = _campaign(cells, where)
        if not (campaign_id or campaign_name):
            raise _BadCell("no campaign given")
        if "+" in campaign_id or "+" in campaign_name:
            _refuse_shortened(campaign_id, campaign_name)
        day = self._days[cells[where.day]]
        cost, marks = self._read_cost(cells[where.cost], self._amount_format)
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
            self._metrics.read(cells) if self._metrics else None,
            _text(cells, where.channel),
        )

    def _currency(self, cells: list[str], marks: frozenset[str]) -> str | None:
        """What the currency column, the cost column's name and the amount itself agree on."""
        code = _text(cells, self._columns.currency).upper()
        if code in numbers.NOT_REPORTED:
            code = ""
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

    def _reasons(self, first: ValueError, cells: list[str]) -> str:
        """The error at which reading ended, and what else is wrong: who mends a row should not have to do it twice."""
        told = [self._reason(first)]
        where = self._columns
        for read in (
            lambda: self._days[cells[where.day]],
            lambda: self._read_cost(cells[where.cost], self._amount_format),
        ):
            try:
                read()
            except (InvalidDay, InvalidAmount, NotReported) as error:
                if (reason := self._reason(error)) not in told:
                    told.append(reason)
        return "; ".join(told)

    def _reason(self, error: ValueError) -> str:
        """The error, with the column it is about."""
        if isinstance(error, InvalidDay):
            return f"{self._columns.name(self._columns.day)}: {error}"
        if isinstance(error, InvalidAmount):
            return f"{self._columns.name(self._columns.cost)}: {error}"
        return str(error)

    def _total_label(self, cells: list[str]) -> str | None:
        """The word that makes this row a sum of others, in whatever column; None for rows of a campaign or a day."""
        where = self._columns
        for index in (where.day, where.campaign_id, where.campaign_name):
            text = _text(cells, index)
            if text not in numbers.NOT_REPORTED and not TOTAL.fullmatch(text):
                return None
        return next((cell.strip() for cell in cells if TOTAL.fullmatch(cell.strip())), None)

    def _total(self, line: int, label: str, cells: list[str], welcome: bool) -> Total | Reject:
        if not welcome:
            return Reject(line, f"more than {MAX_TOTALS} total rows", cells)
        cost: Decimal | None
        day: date | None
        try:
            cost = self._read_cost(cells[self._columns.cost], self._amount_format).value
        except (InvalidAmount, NotReported):
            cost = None
        try:
            day = self._days[cells[self._columns.day]]
        except InvalidDay:
            day = None
        return Total(line, label, cost, cells, day)


class _MetricsReader:
    """Reads the metrics of a row. A cell that is none, masked or unclear is not reported; it never costs the row."""

    def __init__(self, report: Report) -> None:
        self._impressions, self._clicks, self._conversions, self._revenue = report.columns.metrics
        self._conversions_format, self._revenue_format = report.number_formats
        self._zero_omitted = report.shape.micros

    def read(self, cells: list[str]) -> Metrics:
        """The metrics of one row."""
        return Metrics(
            self._count(cells, self._impressions),
            self._count(cells, self._clicks),
            self._number(cells, self._conversions, self._conversions_format),
            self._number(cells, self._revenue, self._revenue_format),
        )

    def _count(self, cells: list[str], index: int | None) -> int | None:
        if index is None:
            return None
        text = cells[index]
        return 0 if not text and self._zero_omitted else read_count(text)

    def _number(self, cells: list[str], index: int | None, form: AmountFormat | None) -> Decimal | None:
        if index is None or form is None:
            return None
        text = cells[index]
        if not text and self._zero_omitted:
            return _ZERO
        try:
            return read_number(text, form)
        except (InvalidAmount, NotReported):
            return None


def _campaign(cells: Sequence[str], where: Columns) -> tuple[str, str]:
    """Id and name. “--” is no id; nor is it a name, unless there is an id."""
    campaign_id, name = _text(cells, where.campaign_id), _text(cells, where.campaign_name)
    if campaign_id in numbers.NOT_REPORTED:
        return "", "" if name in numbers.NOT_REPORTED else name
    return campaign_id, name


def _text(cells: Sequence[str], index: int | None) -> str:
    """A cell without the space around it, in NFC so that twins compare equal; empty when there is no such column."""
    if index is None:
        return ""
    text = cells[index].strip()
    return text if text.isascii() else normalize("NFC", text)


def _refuse_shortened(*campaign: str) -> None:
    for text in campaign:
        if _SHORTENED_ID.fullmatch(text):
            raise _BadCell(f"“{text[:40]}”: Excel shortened this id, its digits are lost; export it as text")
