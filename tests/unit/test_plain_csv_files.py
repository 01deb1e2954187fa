"""What kind of file it is: encodings, delimiters, archives, and where the header stands."""

import gzip
import io
import zipfile

import pytest

from spending.reports.columns import Named
from spending.reports.plain_csv import Options, Report, parse
from spending.reports.rows import ReportRow
from spending.reports.text import MAX_LINE_CHARS, UnreadableReport

PLAIN = "date,campaign,cost\n2026-01-31,Zoë’s café,12.50\n2026-02-01,Zoë’s café,7\n"


def report(content: bytes | str, options: Options | None = None) -> Report:
    return parse(io.BytesIO(content.encode() if isinstance(content, str) else content), options)


def costs(content: bytes | str, options: Options | None = None) -> list[tuple[str | None, str]]:
    return [(row.campaign_name, str(row.cost)) for row in report(content, options) if isinstance(row, ReportRow)]


@pytest.mark.fault(54)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_files_are_read_whatever_their_encoding(encoding: str) -> None:
    assert costs(PLAIN.encode(encoding)) == [("Zoë’s café", "12.50"), ("Zoë’s café", "7")]


def test_big_endian_utf_16_is_read() -> None:
    assert costs(b"\xfe\xff" + PLAIN.encode("utf-16-be")) == costs(PLAIN)


def test_a_file_that_is_not_utf_8_is_refused_with_the_line_and_the_option() -> None:
    with pytest.raises(UnreadableReport, match=r"line 2 is not utf-8 text \(byte 0xeb\): .*--encoding"):
        report(PLAIN.encode("cp1252"))


def test_the_line_of_a_bad_byte_is_right_far_into_a_file() -> None:
    content = "date,campaign,cost\r\n" + "2026-01-31,a,1\r\n" * 5_000

    with pytest.raises(UnreadableReport, match="line 5002 "):
        report(content.encode() + b"2026-01-31,\xff,1\r\n")


def test_the_encoding_can_be_named() -> None:
    assert costs(PLAIN.encode("cp1252"), Options(encoding="windows-1252")) == costs(PLAIN)
    assert costs(PLAIN.encode("utf-16-le"), Options(encoding="utf-16-le")) == costs(PLAIN)


@pytest.mark.parametrize("name", ["klingon", "unicode_escape", "rot13", "a\0b"])
def test_an_unknown_encoding_is_refused(name: str) -> None:
    with pytest.raises(UnreadableReport, match="not an encoding"):
        report(PLAIN, Options(encoding=name))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    read = report(PLAIN.replace(",", delimiter))

    assert read.delimiter == delimiter
    assert len(list(read)) == 2


def test_commas_in_amounts_do_not_hide_a_semicolon() -> None:
    assert costs("Datum;Kampagne;Kosten\n31.01.2026;A, B;1.234,56\n") == [("A, B", "1234.56")]


def test_the_delimiter_can_be_named() -> None:
    with pytest.raises(UnreadableReport, match="none of the first"):
        report(PLAIN, Options(delimiter=";"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do(end: str) -> None:
    assert [row.line for row in report(PLAIN.replace("\n", end))] == [2, 3]


def test_the_last_line_needs_no_line_end() -> None:
    assert costs(PLAIN.rstrip("\n")) == costs(PLAIN)


def test_a_preamble_before_the_header_is_skipped_and_lines_are_numbered_as_in_an_editor() -> None:
    read = report('sep=,\nCampaign report\n"September 1, 2026\n- September 3"\n\n' + PLAIN)

    assert read.header_line == 6
    assert [row.line for row in read] == [7, 8]


def test_a_stray_quote_in_the_preamble_does_not_hide_the_header() -> None:
    assert costs('The 19" report\n"never closed\n' + PLAIN) == costs(PLAIN)


def test_no_header_at_all_is_refused_showing_how_the_file_begins() -> None:
    with pytest.raises(UnreadableReport, match=r"none of the first 60 rows is a header .* begins with “hello world”"):
        report("hello,world\n1,2\n")


def test_the_header_nearest_to_one_is_shown_when_a_column_is_missing() -> None:
    with pytest.raises(
        UnreadableReport, match=r"no column looks like the day: .* the header on line 2 has “Campaign”, "
    ):
        report("My report\nCampaign,Cost,Currency\nA,1,USD\n")


def test_the_header_is_found_by_the_names_given_by_hand() -> None:
    named = Options(columns=Named(day="When", campaign_name="What", cost="How much"))

    assert costs("a,b,c\nWhen,What,How much\n2026-01-31,A,5\n", named) == [("A", "5")]


def test_a_header_without_rows_is_a_report_of_nothing() -> None:
    read = report("date,campaign,cost\n")

    assert list(read) == []
    assert read.given == 0


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\n\n", b" \r\n"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableReport, match="the file is empty"):
        report(content)


def test_an_excel_workbook_is_refused() -> None:
    workbook = io.BytesIO()
    with zipfile.ZipFile(workbook, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")

    with pytest.raises(UnreadableReport, match=r"this is an Excel workbook .*: save it as CSV"):
        report(workbook.getvalue())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(PLAIN.encode(), mtime=0), "gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook"),
        (b"%PDF-1.7", "PDF"),
        (b"<!DOCTYPE html><html>", "web page"),
        (PLAIN.encode("utf-32"), "UTF-32"),
        (PLAIN.encode("utf-16-le"), "binary data, or UTF-16"),
        (bytes(range(256)), "not utf-8|binary"),
        (PLAIN.encode("utf-16")[:-1], "utf-16"),
    ],
)
def test_what_is_no_csv_is_refused_with_what_it_is(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableReport, match=message):
        report(content)


def test_the_file_stays_open_and_can_be_read_again() -> None:
    stream = io.BytesIO(PLAIN.encode())
    read = parse(stream)

    first, second = list(read), list(read)

    assert first == second
    assert read.tally.lines == read.given == 2
    assert not stream.closed


def test_closing_the_file_midway_does_no_harm() -> None:
    stream = io.BytesIO(PLAIN.encode())
    rows = iter(parse(stream))
    next(rows)

    stream.close()
    del rows

    assert stream.closed


@pytest.mark.fault(54)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("beyond", [-30, -1, 0, 1, 2, MAX_LINE_CHARS, 3 * MAX_LINE_CHARS + 7])
def test_a_line_too_long_to_hold_costs_only_itself(beyond: int, end: str) -> None:
    row = "2026-01-31,A,5"
    long = f"2026-01-31,{'x' * (MAX_LINE_CHARS + beyond - 14)},5"
    lines = ["date,campaign,cost", row, long, row]

    outcomes = list(report(end.join(lines)))

    assert [outcome.line for outcome in outcomes] == [2, 3, 4]
    assert [isinstance(outcome, ReportRow) for outcome in outcomes] == [True, False, True]
    assert sum(map(len, outcomes[1].raw)) < 1_000


def test_bad_options_are_the_callers_slip() -> None:
    with pytest.raises(ValueError, match="day_format"):
        Options(day_format="dym")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="amount_format"):
        Options(amount_format="dot")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="delimiter"):
        Options(delimiter=":")
