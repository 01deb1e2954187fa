"""Money in and out: exact, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget_system import money

BAD = [
    "", " ", "NaN", "nan", "Infinity", "-Infinity", "inf", "1e400", "1e2", "1_000", "1,000", "１２", "١٢", "0x10",
    "0.0000001", "10000000000000000000000000000000", "--1", "1.", ".5", "1 000", "True", "None", "12\x00",
]  # fmt: skip


@pytest.mark.fault(41)
@pytest.mark.parametrize("text", BAD)
def test_what_is_not_a_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(money.InvalidAmount):
        money.parse_amount(text)


@pytest.mark.parametrize(
    "bad", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+400"), Decimal("1e-7")]
)
def test_decimals_that_are_no_amounts_are_refused(bad: Decimal) -> None:
    with pytest.raises(money.InvalidAmount):
        money.to_micros(bad)


@pytest.mark.parametrize("value", [1, 1.5, True, "1", None])
def test_only_decimals_are_money(value: object) -> None:
    with pytest.raises(money.InvalidAmount):
        money.to_micros(value)  # type: ignore[arg-type]


@given(st.integers(-money.MAX_AMOUNT_MICROS, money.MAX_AMOUNT_MICROS))
def test_micros_come_back_as_they_went(micros: int) -> None:
    amount = money.from_micros(micros)

    assert money.to_micros(amount) == micros
    assert money.to_micros(money.parse_amount(f"{amount:f}")) == micros
    assert money.to_micros(Decimal(money.exact_text(amount, "USD"))) == micros


def test_the_largest_amount_is_taken_and_a_micro_more_is_not() -> None:
    largest = money.from_micros(money.MAX_AMOUNT_MICROS)

    assert money.to_micros(largest) == money.MAX_AMOUNT_MICROS
    with pytest.raises(money.InvalidAmount):
        money.to_micros(largest + Decimal("0.000001"))


@pytest.mark.parametrize(
    ("amount", "currency", "exact", "shown"),
    [
        ("25.5", "USD", "25.50", "25.50"),
        ("1234567", "JPY", "1234567", "1,234,567"),
        ("3", "KWD", "3.000", "3.000"),
        ("0.000001", "USD", "0.000001", "0.000001"),
        ("0.005", "USD", "0.005", "0.005"),
        ("-1234.5", "USD", "-1234.50", "-1,234.50"),
        ("-12.30", "EUR", "-12.30", "-12.30"),
        ("0.5", "JPY", "0.5", "0.5"),
        ("-0.5", "USD", "-0.50", "-0.50"),
    ],
)
def test_amounts_are_written_with_their_currencys_decimals(amount: str, currency: str, exact: str, shown: str) -> None:
    assert money.exact_text(Decimal(amount), currency) == exact
    assert money.display_text(Decimal(amount), currency) == shown


@pytest.mark.parametrize(("code", "known"), [("EUR", True), ("eur", False), ("", False), ("EURO", False)])
def test_currencies_are_known_by_their_code(code: str, known: bool) -> None:
    assert money.is_currency(code) is known
