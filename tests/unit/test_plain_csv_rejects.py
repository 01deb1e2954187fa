"""Rejected rows can be downloaded, mended and sent again."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spending.reports.plain_csv import Report, parse
from spending.reports.rejects import RejectWriter, escaped, unescaped, write_rejects
from spending.reports.rows import Reject, ReportRow

HEADER = ["date", "campaign", "cost"]


def written(*rejects: Reject, header: list[str] = HEADER) -> str:
    file = io.StringIO(newline="")
    write_rejects(file, header, rejects)
    return file.getvalue()


def report(content: str) -> Report:
    return parse(io.BytesIO(content.encode()))


def test_a_reject_is_written_with_its_line_its_reason_and_its_cells() -> None:
    assert written(Reject(7, "no cost reported", ["2026-01-31", "A", "--"])) == (
        "line,reason,date,campaign,cost\r\n7,no cost reported,2026-01-31,A,'--\r\n"
    )


def test_rejects_can_be_written_one_by_one() -> None:
    file = io.StringIO(newline="")

    RejectWriter(file, HEADER).write(Reject(7, "why", ["a"]))

    assert file.getvalue() == "line,reason,date,campaign,cost\r\n7,why,a\r\n"


def test_a_file_of_rejects_opens_in_excel_and_says_how_many_there_are(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"

    count = write_rejects(path, HEADER, [Reject(2, "why", ["é"]), Reject(3, "why", ["b"])])

    assert count == 2
    assert path.read_bytes().startswith(b"\xef\xbb\xbfline,reason,")


@pytest.mark.fault(54)
@pytest.mark.need(19)
@pytest.mark.parametrize("cell", ["=1+1", "+shoes", "-1+1", "@SUM(A1)", "\tx", "\rx", "--", "＝1+1", "'=1", "-", "+"])
def test_what_a_spreadsheet_would_run_is_made_text(cell: str) -> None:
    assert escaped(cell) == "'" + cell
    assert unescaped(escaped(cell)) == cell


@pytest.mark.parametrize("cell", ["-12.50", "+5", "-1.234,56", "-1 234,56", "12", "a=b", "", "'quoted'", "it's"])
def test_numbers_and_harmless_text_stay_as_they_are(cell: str) -> None:
    assert escaped(cell) == cell
    assert unescaped(cell) == cell


def test_headers_and_reasons_are_made_text_too() -> None:
    assert written(Reject(2, "=cmd()", ["x"]), header=["@h"]) == "line,reason,'@h\r\n2,'=cmd(),x\r\n"


def test_a_nul_is_shown_as_a_replacement_character() -> None:
    assert escaped("a\0b") == "a\ufffdb"


def test_mended_rejects_can_be_sent_again_as_they_are() -> None:
    first = report("date,campaign,cost\n2026-01-31,+shoes,--\n2026-01-31,=boots,-5x\n")
    file = written(*[outcome for outcome in first if isinstance(outcome, Reject)], header=list(first.header))

    again = report(file.replace("'--", "12.50").replace("'-5x", "-5"))
    rows = [outcome for outcome in again if isinstance(outcome, ReportRow)]

    assert [(row.campaign_name, str(row.cost)) for row in rows] == [("+shoes", "12.50"), ("=boots", "-5")]
    assert again.of_rejects


def test_rejects_of_rejects_do_not_pile_up_columns() -> None:
    file = written(Reject(70, "no cost reported", ["2026-01-31", "+shoes", "--"]))

    again = report(file)
    (reject,) = again

    assert again.header == tuple(HEADER)
    assert reject == Reject(2, "no cost reported", ["2026-01-31", "+shoes", "--"])
    assert written(reject) == file.replace("70", "2")


def test_an_apostrophe_in_an_ordinary_file_is_kept() -> None:
    (row,) = report("date,campaign,cost\n2026-01-31,'=boots,1\n")

    assert isinstance(row, ReportRow)
    assert row.campaign_name == "'=boots"


def test_a_column_called_reason_elsewhere_is_only_a_column() -> None:
    read = report("date,campaign,cost,line,reason\n2026-01-31,A,1,x,y\n")

    assert not read.of_rejects
    assert len(list(read)) == 1


@given(st.text())
def test_escaping_is_undone_exactly(cell: str) -> None:
    cell = cell.replace("\0", "")

    assert unescaped(escaped(cell)) == cell
    assert not escaped(cell).startswith(("=", "@", "\t", "\r"))


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=5), max_size=5))
def test_every_cell_comes_back_from_the_file(rows: list[list[str]]) -> None:
    rejects = [Reject(line, "why", cells) for line, cells in enumerate(rows)]

    back = list(csv.reader(io.StringIO(written(*rejects), newline="")))[1:]

    assert [[unescaped(cell) for cell in row[2:]] for row in back] == [
        [cell.replace("\0", "\ufffd") for cell in row] for row in rows
    ]
