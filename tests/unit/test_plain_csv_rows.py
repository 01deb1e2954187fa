"""What becomes of each line of a plain CSV report: a row, a reject with its reason, or a total."""

import io
import unicodedata
from datetime import date
from decimal import Decimal

import pytest

from spending.reports.plain_csv import Options, Report, parse
from spending.reports.records import MAX_RECORD_LINES, MAX_RUNAWAYS
from spending.reports.rows import MAX_TOTALS, Reject, ReportRow

HEADER = "date,campaign_id,campaign,cost,currency,note\n"
GOOD = "2026-01-31,7,Spring,12.50,USD,\n"


def report(rows: str, header: str = HEADER, options: Options | None = None) -> Report:
    return parse(io.BytesIO((header + rows).encode()), options)


def read(rows: str, header: str = HEADER, options: Options | None = None) -> list[ReportRow | Reject]:
    return list(report(rows, header, options))


def one_row(rows: str, header: str = HEADER) -> ReportRow:
    (outcome,) = read(rows, header)
    assert isinstance(outcome, ReportRow), outcome
    return outcome


def one_reject(rows: str, header: str = HEADER, options: Options | None = None) -> Reject:
    (outcome,) = read(rows, header, options)
    assert isinstance(outcome, Reject), outcome
    return outcome


def test_a_row_says_who_spent_what_when() -> None:
    header = "date,campaign_id,campaign,brand,cost,currency,spend type,description,key\n"

    row = one_row("2026-01-31,00123, Spring ,Acme,12.50,usd,DAILY, a note ,k-1\n", header)

    assert row == ReportRow(
        line=2,
        campaign_id="00123",
        campaign_name="Spring",
        day=date(2026, 1, 31),
        cost=Decimal("12.50"),
        currency="USD",
        account="Acme",
        spend_type="DAILY",
        description="a note",
        key="k-1",
        raw=["2026-01-31", "00123", "Spring ", "Acme", "12.50", "usd", "DAILY", "a note ", "k-1"],
    )


def test_what_the_report_does_not_say_is_none() -> None:
    row = one_row("2026-01-31,Spring,0\n", "date,campaign,cost\n")

    assert (row.campaign_id, row.currency, row.account, row.spend_type, row.key) == (None,) * 5
    assert row.description == ""
    assert row.cost == 0


def test_a_row_can_be_rejected_later_with_its_cells() -> None:
    row = one_row(GOOD)

    assert row.rejected("no such campaign") == Reject(2, "no such campaign", row.raw)


def test_names_that_look_the_same_are_the_same() -> None:
    decomposed = unicodedata.normalize("NFD", "Café")

    assert one_row(f"2026-01-31,7,{decomposed},1,USD,\n").campaign_name == "Café"


def test_a_quoted_cell_may_hold_newlines_quotes_and_delimiters() -> None:
    first, second = read('2026-01-31,7,"Spring,\r\n""big"" sale",1,USD,\n' + GOOD)

    assert isinstance(first, ReportRow)
    assert first.campaign_name == 'Spring,\r\n"big" sale'
    assert (first.line, second.line) == (2, 4)


def test_a_space_before_a_quote_is_ignored() -> None:
    assert one_row('2026-01-31,7, "Spring, sale",1,USD,\n').campaign_name == "Spring, sale"


def test_blank_lines_are_not_rows_but_count_as_lines() -> None:
    read_report = report("\n" + GOOD + " \n,,,,,\n\t\n" + GOOD + "\n")

    assert [outcome.line for outcome in read_report] == [3, 7]
    assert read_report.given == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-01-31,,,1,USD,", "no campaign given"),
        (",7,A,1,USD,", "date: no day given"),
        ("31.31.2026,7,A,1,USD,", "date: “31.31.2026” is not a day written like 2026-01-31"),
        ("2026-01-31,7,A,,USD,", "no cost reported"),
        ("2026-01-31,7,A, --,USD,", "no cost reported"),
        ("2026-01-31,7,A,1e5,USD,", "cost: “1e5” is not an amount"),
        ("2026-01-31,7,A,1.2345678,USD,", "cost: “1.2345678” has more than six decimals"),
        ("2026-01-31,7,A,99999999999999,USD,", "cost: “99999999999999” is too large"),
        ("2026-01-31,7,A,1", "has 4 cells where the header has 6"),
        ("2026-01-31", "has 1 cell where the header has 6"),
        ("2026-01-31,7,A,1,USD,,", "has 7 cells where the header has 6"),
        ("2026-01-31,1.23457E+12,A,1,USD,", "“1.23457E+12”: Excel shortened this id"),
        ('2026-01-31,"1,23457E+12",A,1,USD,', "“1,23457E+12”: Excel shortened this id"),
        ("2026-01-31,7,1.23457E+12,1,USD,", "“1.23457E+12”: Excel shortened this id"),
        ("2026-01-31,7,A,1,DOLLAR,", "“DOLLAR” is not a currency code such as USD"),
        ("2026-01-31,7,A,€ 1,USD,", "the row names different currencies: USD and EUR"),
        ("2026-01-31,7,A\0,1,USD,", "a cell holds a NUL character"),
        (f"2026-01-31,7,{'x' * 10_001},1,USD,", "a cell is longer than 10,000 characters"),
        ('2026-01-31,7,"A"B,1,USD,', "the quotes in this line do not pair up"),
    ],
)
def test_a_row_that_cannot_be_read_is_rejected_with_its_reason(row: str, reason: str) -> None:
    bad, good = read(f"{row}\n{GOOD * 40}")[:2]  # one NUL in a short file would make it a binary one

    assert isinstance(bad, Reject)
    assert bad.line == 2
    assert bad.reason.startswith(reason)
    assert good.line == 3


def test_a_reject_keeps_the_cells_as_written() -> None:
    assert one_reject("nonsense, 7,  Spring ,1,USD,\n").raw == ["nonsense", "7", "Spring ", "1", "USD", ""]


def test_a_cell_too_long_to_keep_is_cut() -> None:
    assert one_reject(f"2026-01-31,7,{'x' * 10_001},1,USD,\n").raw[2] == "x" * 200 + "…"


def test_a_cell_of_ten_thousand_characters_is_still_a_cell() -> None:
    assert one_row(f"2026-01-31,7,A,1,USD,{'x' * 10_000}\n").description == "x" * 10_000


def test_a_ten_megabyte_cell_costs_one_row() -> None:
    giant = f"2026-01-31,7,{'x' * 10_000_000},1,USD,\n"

    outcomes = read(GOOD + giant + GOOD)

    assert [type(outcome) for outcome in outcomes] == [ReportRow, Reject, ReportRow]
    assert [outcome.line for outcome in outcomes] == [2, 3, 4]


def test_a_quote_never_closed_costs_its_own_line_only() -> None:
    outcomes = read(GOOD + '2026-01-31,7,"Spring,1,USD,\n' + GOOD * 3)

    assert [outcome.line for outcome in outcomes] == [2, 3, 4, 5, 6]
    assert [outcome.line for outcome in outcomes if isinstance(outcome, Reject)] == [3]
    assert "never closed" in str(outcomes[1])


def test_a_quote_closed_by_a_later_stray_quote_costs_its_own_line_only() -> None:
    outcomes = read('2026-01-31,7,"Spring,1,USD,\n' + GOOD + '2026-01-31,7,"Autumn",1,USD,\n')

    assert [outcome.line for outcome in outcomes] == [2, 3, 4]
    assert [type(outcome) for outcome in outcomes] == [Reject, ReportRow, ReportRow]


def test_a_cell_that_runs_on_for_too_many_lines_is_given_up() -> None:
    outcomes = read('2026-01-31,7,"' + "\n" * MAX_RECORD_LINES + GOOD)

    assert [type(outcome) for outcome in outcomes] == [Reject, ReportRow]


def test_a_file_full_of_open_quotes_is_read_in_reasonable_time() -> None:
    lines = MAX_RUNAWAYS * 20
    spoilt = report('a","\n' * lines, options=Options(delimiter=","))

    assert sum(isinstance(outcome, Reject) for outcome in spoilt) == lines


def test_the_currency_may_stand_beside_the_amount() -> None:
    header = "date,campaign,cost\n"

    assert one_row("2026-01-31,A,€ 12.50\n", header).currency == "EUR"
    assert one_row("2026-01-31,A,12.50 CHF\n", header).currency == "CHF"
    assert one_row("2026-01-31,A,$12.50\n", header).currency is None


def test_the_currency_may_stand_in_the_header() -> None:
    assert one_row("2026-01-31,A,12.5\n", "Day,Campaign,Amount spent (USD)\n").currency == "USD"
    assert one_row("2026-01-31,A,$12.5\n", "Day,Campaign,Amount spent (USD)\n").currency == "USD"
    assert one_row("2026-01-31,A,12.5\n", "Day,Campaign,Cost ($)\n").currency is None


def test_a_dollar_sign_agrees_with_any_dollar() -> None:
    assert one_row("2026-01-31,7,A,$12.5,CAD,\n").currency == "CAD"


def test_an_empty_currency_cell_leaves_it_to_the_header() -> None:
    header = "Day,Campaign,Cost (EUR),Currency\n"

    assert one_row("2026-01-31,A,12.5,\n", header).currency == "EUR"
    assert one_reject("2026-01-31,A,12.5,USD\n", header).reason == "the row names different currencies: USD and EUR"


@pytest.mark.parametrize(
    "row",
    [
        "Total,,,37.50,USD,",
        ",,Total,37.50,,",
        ",Grand total,--,37.50,,",
        " --,,TOTAL,37.50,,",
        ",,Gesamt: Konto,37.5,,",
    ],
)
def test_a_total_row_is_kept_as_a_checksum(row: str) -> None:
    read_report = report(GOOD * 3 + row + "\n")

    assert len(list(read_report)) == 3
    (total,) = read_report.tally.totals
    assert (total.line, total.cost) == (5, Decimal("37.5"))
    assert read_report.tally.lines == read_report.given == 4
    assert read_report.tally.totals_agree is True


def test_a_total_in_the_account_column_is_a_total() -> None:
    read_report = report("2026-01-31,Acme,7,1\n,Total,,1\n", "date,account,campaign_id,cost\n")

    assert len(list(read_report)) == 1
    assert read_report.tally.totals_agree is True


def test_a_total_that_differs_from_its_rows_is_noticed() -> None:
    read_report = report(GOOD * 2 + "Total,,,37.50,USD,\n")
    list(read_report)

    assert read_report.tally.totals_agree is False


def test_without_a_total_or_with_two_currencies_nothing_can_be_compared() -> None:
    without, mixed = report(GOOD), report(GOOD + GOOD.replace("USD", "EUR") + "Total,,,25,,\n")
    list(without), list(mixed)

    assert without.tally.totals_agree is None
    assert mixed.tally.totals_agree is None


def test_a_total_without_a_readable_cost_says_nothing() -> None:
    read_report = report(GOOD + "Total,,,--,,\n")
    list(read_report)

    assert read_report.tally.totals[0].cost is None
    assert read_report.tally.totals_agree is None


def test_a_campaign_called_total_wine_is_a_campaign() -> None:
    assert one_row("2026-01-31,,Total Wine,1,USD,\n").campaign_name == "Total Wine"
    assert one_reject(",,Total Wine,1,USD,\n").reason == "date: no day given"


def test_a_campaign_called_total_with_a_day_is_a_campaign() -> None:
    assert one_row("2026-01-31,,Total,1,USD,\n").campaign_name == "Total"


def test_a_row_named_total_with_a_campaign_id_is_not_a_total() -> None:
    assert one_reject(",7,Total,1,USD,\n").reason == "date: no day given"


def test_endless_totals_are_rejected_rather_than_kept() -> None:
    read_report = report(GOOD + "Total,,,1,,\n" * (MAX_TOTALS + 5))

    assert len(list(read_report)) == 6
    assert len(read_report.tally.totals) == MAX_TOTALS
    assert read_report.tally.lines == read_report.given


def test_the_days_of_a_column_are_read_in_the_order_that_the_column_proves() -> None:
    header = "date,campaign,cost\n"

    first, _ = read("03/04/2026,A,1\n13/04/2026,A,1\n", header)

    assert isinstance(first, ReportRow)
    assert first.day == date(2026, 4, 3)


def test_the_formats_of_a_report_are_said() -> None:
    read_report = report("13.01.2026;A;1.234,56\n", "Datum;Kampagne;Kosten\n")

    assert (read_report.day_format, read_report.amount_format) == ("dmy", "comma")
    assert (read_report.delimiter, read_report.encoding, read_report.header_line) == (";", "utf-8", 1)
    assert read_report.header == ("Datum", "Kampagne", "Kosten")


def test_with_the_option_rows_in_another_format_are_rejected_one_by_one() -> None:
    outcomes = read(
        '2026-01-31,A,12.50\n2026-01-31,A,"1.234,56"\n', "date,campaign,cost\n", Options(amount_format="point")
    )

    assert [type(outcome) for outcome in outcomes] == [ReportRow, Reject]


def test_the_tally_adds_up_by_currency() -> None:
    read_report = report(GOOD + GOOD.replace("USD", "EUR") + GOOD + "x\n")
    list(read_report)

    assert read_report.tally.sums == {"USD": Decimal("25.00"), "EUR": Decimal("12.50")}
    assert (read_report.tally.rows, read_report.tally.rejects) == (3, 1)
