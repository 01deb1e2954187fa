"""How amounts are read: the decimal sign is decided per column, or the file is refused."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget_system.money import InvalidAmount
from spending.reports.numbers import AMOUNT_FORMATS, AmountEvidence, AmountFormat, NotReported, read_amount
from spending.reports.text import UnreadableReport


def decided(*cells: str, wanted: AmountFormat | None = None) -> AmountFormat:
    evidence = AmountEvidence()
    for line, cell in enumerate(cells, 2):
        evidence.see(cell, line)
    return evidence.decide("Cost", wanted)


def value(text: str, form: AmountFormat = "point") -> Decimal:
    return read_amount(text, form).value


def test_whole_numbers_alone_need_no_decision() -> None:
    assert decided("1234", "5", "0") == "point"


def test_a_single_point_without_three_digits_after_it_is_a_decimal_point() -> None:
    assert decided("12.5") == "point"
    assert decided("1234.5678") == "point"


def test_a_point_that_cannot_part_thousands_is_a_decimal_point() -> None:
    assert decided("0.123") == "point"
    assert decided("1234.567") == "point"


def test_two_different_separators_settle_the_column() -> None:
    assert decided("1,234.56") == "point"
    assert decided("1.234,56") == "comma"
    assert decided("1 234,56") == "comma"
    assert decided("1\u00a0234,56") == "comma"
    assert decided("1\u202f234,56") == "comma"
    assert decided("1'234.56") == "point"


def test_a_repeated_separator_parts_thousands() -> None:
    assert decided("1,234,567") == "point"
    assert decided("1.234.567") == "comma"


def test_one_clear_amount_settles_the_ambiguous_ones_beside_it() -> None:
    assert decided("1,234", "12.50") == "point"
    assert decided("1.234", "12,34", "1.234,56") == "comma"
    assert decided("12,34", "0,50") == "comma"


@pytest.mark.parametrize("cell", ["1,234", "1.234", "12,34", "$1,234", "(1,234)", "12,00 €"])
def test_a_column_that_can_be_read_in_two_ways_is_refused_with_the_option_that_settles_it(cell: str) -> None:
    with pytest.raises(UnreadableReport) as refused:
        decided("7", cell)

    assert "“Cost”" in str(refused.value)
    assert f"“{cell}” on line 3" in str(refused.value)
    assert "--amount-format point" in str(refused.value)
    assert "--amount-format comma" in str(refused.value)


def test_a_column_written_in_two_ways_is_refused_with_both_lines() -> None:
    with pytest.raises(UnreadableReport, match=r"“12\.50” on line 2 .* “1\.234,56” on line 3"):
        decided("12.50", "1.234,56")


def test_a_short_decimal_comma_contradicts_a_decimal_point() -> None:
    with pytest.raises(UnreadableReport, match=r"“12\.50” on line 2 .* “12,34” on line 3"):
        decided("12.50", "12,34")


def test_the_option_settles_any_column() -> None:
    assert decided("1,234", wanted="comma") == "comma"
    assert decided("12.50", "1.234,56", wanted="point") == "point"


def test_what_is_no_amount_says_nothing_about_the_column() -> None:
    assert decided("--", "n/a", "1,2,3", "abc", "12.5", "x" * 10_000) == "point"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1234", "1234"),
        ("12.5", "12.5"),
        (".5", "0.5"),
        ("1,234.56", "1234.56"),
        ("1,234,567.89", "1234567.89"),
        ("12,34,567.00", "1234567"),
        ("1 234.56", "1234.56"),
        ("1'234.56", "1234.56"),
        ("1’234.56", "1234.56"),
        (" 12.50 ", "12.5"),
        ("-12.50", "-12.5"),
        ("−12.50", "-12.5"),
        ("12.50-", "-12.5"),
        ("+12.50", "12.5"),
        ("(12.50)", "-12.5"),
        ("($1,234.50)", "-1234.5"),
        ("$(12.50)", "-12.5"),
        ("-$12.50", "-12.5"),
        ("$-12.50", "-12.5"),
        ("$ 12.50", "12.5"),
        ("USD 12.00", "12"),
        ("usd 12.00", "12"),
        ("12.00 EUR", "12"),
        ("$12.00 USD", "12"),
        ("US$12.00", "12"),
        ("kr. 12.00", "12"),
        ("0.000001", "0.000001"),
        ("999999999999.999999", "999999999999.999999"),
    ],
)
def test_amounts_with_a_decimal_point(text: str, expected: str) -> None:
    assert value(text) == Decimal(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.234,56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u00a0234,56", "1234.56"),
        ("1\u202f234,56", "1234.56"),
        ("12,00 €", "12"),
        ("12,00\u00a0€", "12"),
        ("€ 1.234", "1234"),
        ("-1.234,5", "-1234.5"),
        ("12,345", "12.345"),
        ("12", "12"),
    ],
)
def test_amounts_with_a_decimal_comma(text: str, expected: str) -> None:
    assert value(text, "comma") == Decimal(expected)


@pytest.mark.parametrize("text", ["", " ", "--", " --", "-", "—", "n/a"])
def test_a_figure_not_reported_is_not_zero(text: str) -> None:
    with pytest.raises(NotReported, match="no cost reported"):
        read_amount(text, "point")


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "inf", "-Infinity", "1e5", "1E5", "1_000", "0x10", "１２", "١٢", "1२", "true", "None"),
        *("1,23", "1,2345", "12,34.56", "1.2.3", "1,234,56", "1 23", "1'23", "01,234", "1,234'567", "1.", ".", ","),
        *("--12", "+-12", "-12-", "(-12)", "((12))", "(12", "12)", "5%", "12 34", "$", "€ 5 $", "XYQ 5", "5 apples"),
        *("1.2345678", "12.0000000", "1" * 14, "9999999999999", "1" * 10_000, "-" + " " * 9_000 + "x"),
    ],
)
def test_what_is_not_an_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        read_amount(text, "point")


def test_a_comma_amount_is_refused_in_a_point_column_and_the_other_way_round() -> None:
    with pytest.raises(InvalidAmount, match=r"written like 1,234\.56"):
        read_amount("1.234,56", "point")
    with pytest.raises(InvalidAmount, match=r"written like 1\.234,56"):
        read_amount("1,234.56", "comma")


def test_the_symbol_or_code_beside_an_amount_says_its_currency() -> None:
    assert read_amount("12.00 €", "point").currencies == {"EUR"}
    assert read_amount("CHF 12.00", "point").currencies == {"CHF"}
    assert read_amount("$12.00 CAD", "point").currencies == {"CAD"}
    assert read_amount("12.00", "point").currencies == frozenset()
    assert {"USD", "CAD"} < read_amount("$12.00", "point").currencies


AMOUNTS = st.decimals(min_value=Decimal("-999999999999"), max_value=Decimal("999999999999"), places=2)


@given(AMOUNTS)
def test_every_way_of_writing_an_amount_reads_back_the_same(amount: Decimal) -> None:
    whole, part = f"{amount:,.2f}".split(".")

    for thousands in (",", " ", "\u00a0", "\u202f", "'"):
        assert value(whole.replace(",", thousands) + "." + part) == amount
    for thousands in (".", " ", "\u00a0", "\u202f", "'"):
        assert value(whole.replace(",", thousands) + "," + part, "comma") == amount


@given(AMOUNTS)
def test_an_amount_with_both_separators_is_never_misread(amount: Decimal) -> None:
    english = f"{amount:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))

    assert decided(english) == "point"
    if abs(amount) >= 1000 or abs(amount) < 1:
        assert decided(german) == "comma"


@given(st.text(max_size=80))
def test_any_cell_is_read_or_refused_in_both_formats(cell: str) -> None:
    for form in AMOUNT_FORMATS:
        try:
            amount = read_amount(cell, form)
        except (InvalidAmount, NotReported):
            continue
        assert amount.value.is_finite()


@given(st.text(alphabet="0123456789.,' ()-+$€", max_size=12))
def test_a_decision_made_without_the_option_never_depends_on_taste(cell: str) -> None:
    """Where both formats read a cell but disagree, the column is refused."""
    readings = set()
    for form in AMOUNT_FORMATS:
        with suppress(InvalidAmount, NotReported):
            readings.add(read_amount(cell, form).value)

    if len(readings) == 2:
        with pytest.raises(UnreadableReport):
            decided(cell)
