"""Whatever the dialect, a table reads back as written; whatever the bytes, no row is lost and nothing crashes."""

import csv
import io
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from unicodedata import normalize

from hypothesis import example, given, settings
from hypothesis import strategies as st

from spending.reports.days import DayFormat
from spending.reports.numbers import AmountFormat
from spending.reports.plain_csv import Options, UnreadableReport, parse
from spending.reports.rows import Reject, ReportRow

Fact = tuple[str, str, date, Decimal, str]

VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])
NAMES = st.text(VISIBLE | st.sampled_from(" ,;\t|\"'\r\n"), min_size=1, max_size=12).map(
    lambda text: normalize("NFC", text).strip()
)
IDS = st.from_regex(r"[0-9]{1,15}", fullmatch=True)
COSTS = st.decimals(Decimal(-10_000_000), Decimal(10_000_000), places=2)
FACTS = st.tuples(
    IDS,
    NAMES.filter(bool),
    st.dates(date(1990, 1, 1), date(2099, 12, 31)),
    COSTS,
    st.sampled_from(["USD", "EUR", "JPY", ""]),
)


class Dialect(NamedTuple):
    """A way in which some spreadsheet writes its CSV."""

    encoding: str
    delimiter: str
    line_end: str
    quote_all: bool
    days: tuple[str, DayFormat]
    amounts: tuple[str, AmountFormat]
    preamble: str


WAYS_OF_DAYS: list[tuple[str, DayFormat]] = [
    ("%Y-%m-%d", "ymd"),
    ("%d/%m/%Y", "dmy"),
    ("%d.%m.%Y", "dmy"),
    ("%m/%d/%Y", "mdy"),
]
WAYS_OF_AMOUNTS: list[tuple[str, AmountFormat]] = [
    ("", "point"),
    (",", "point"),
    ("'", "point"),
    ("", "comma"),
    (".", "comma"),
    ("\u202f", "comma"),
    (" ", "comma"),
]
DIALECTS = st.builds(
    Dialect,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote_all=st.booleans(),
    days=st.sampled_from(WAYS_OF_DAYS),
    amounts=st.sampled_from(WAYS_OF_AMOUNTS),
    preamble=st.sampled_from(["", "Campaign report\nSeptember 1, 2026 - September 3, 2026\n", "\n\n"]),
)


def written(facts: list[Fact], dialect: Dialect) -> bytes:
    file = io.StringIO(newline="")
    file.write(dialect.preamble)
    # Python's writer leaves a lone \r or \n bare where it is not the line end.
    quote_all = dialect.quote_all or any(not name.isprintable() for _, name, *_ in facts)
    writer = csv.writer(
        file,
        delimiter=dialect.delimiter,
        lineterminator=dialect.line_end,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerow(["Campaign ID", "Campaign", "Day", "Cost", "Currency"])
    for external_id, name, day, cost, currency in facts:
        writer.writerow([external_id, name, f"{day:{dialect.days[0]}}", amount_text(cost, dialect), currency])
    return file.getvalue().encode(dialect.encoding)


def amount_text(cost: Decimal, dialect: Dialect) -> str:
    thousands, form = dialect.amounts
    whole, part = f"{cost:,.2f}".split(".")
    return whole.replace(",", thousands) + ("." if form == "point" else ",") + part


@given(st.lists(FACTS, max_size=15), DIALECTS)
def test_a_table_reads_back_as_written_in_any_dialect(facts: list[Fact], dialect: Dialect) -> None:
    options = Options(day_format=dialect.days[1], amount_format=dialect.amounts[1])

    outcomes = list(parse(io.BytesIO(written(facts, dialect)), options))

    assert [
        (row.campaign_id, row.campaign_name, row.day, row.cost, row.currency or "")
        for row in outcomes
        if isinstance(row, ReportRow)
    ] == facts
    assert len(outcomes) == len(facts)


@given(st.lists(FACTS, max_size=15), DIALECTS)
def test_without_options_a_table_reads_back_as_written_or_is_refused(facts: list[Fact], dialect: Dialect) -> None:
    with suppress(UnreadableReport):
        outcomes = list(parse(io.BytesIO(written(facts, dialect))))

        assert [(row.day, row.cost) for row in outcomes if isinstance(row, ReportRow)] == [fact[2:4] for fact in facts]


CELLS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "--",
            "Total",
            "Total Wine",
            "2026-01-31",
            "13/01/2026",
            "A",
            "7",
            "12.50",
            "1,234",
            "€ 5",
            "USD",
            "=1",
        ]
    ),
    st.text(max_size=6),
    st.text(alphabet='",;\t\r\n\0 1.-', max_size=8),
)


@given(st.lists(st.lists(CELLS, max_size=6), max_size=12), st.booleans())
def test_well_formed_rows_are_never_lost(rows: list[list[str]], all_quoted: bool) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL)
    writer.writerows([["date", "campaign", "cost", "currency"], *rows])
    content = file.getvalue().encode("utf-8", "replace")
    given_rows = [
        row for row in csv.reader(io.StringIO(content.decode(), newline="")) if any(cell.strip() for cell in row)
    ]

    report = parse(
        io.BytesIO(content), Options(delimiter=",", day_format="dmy", amount_format="point", encoding="utf-8")
    )
    outcomes = list(report)

    assert len(outcomes) + len(report.tally.totals) == report.given == report.tally.lines
    assert report.given >= len(given_rows) - 1
    assert all(outcome.reason for outcome in outcomes if isinstance(outcome, Reject))


@given(st.lists(CELLS | st.sampled_from(list(',,,\n\n"')), max_size=60))
def test_rows_rejects_and_totals_add_up_whatever_the_text(pieces: list[str]) -> None:
    content = ("date,campaign,cost\n" + "".join(pieces)).encode("utf-8", "replace")
    stream = io.BytesIO(content)

    with suppress(UnreadableReport):
        report = parse(stream)
        outcomes = list(report)

        assert len(outcomes) + len(report.tally.totals) == report.given
        lines = [outcome.line for outcome in outcomes]
        assert lines == sorted(set(lines))
        assert all(2 <= line <= 2 + content.count(b"\n") + content.count(b"\r") for line in lines)


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"date,campaign,cost\n"])
)
@example(b"PK", b"")
@example(b"\x00\xd8", b"\xff\xfe")
@settings(max_examples=300)
def test_random_bytes_are_read_or_refused(content: bytes, start: bytes) -> None:
    with suppress(UnreadableReport):
        report = parse(io.BytesIO(start + content))

        assert len(list(report)) + len(report.tally.totals) == report.given
