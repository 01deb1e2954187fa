"""Money: `Decimal` in Python, integer micros (1/1,000,000 of the unit) in the database, text outside.

The one place where amounts are parsed, checked, converted and written out. Never float.
"""

import re
from decimal import Decimal
from functools import cache

import moneyed

MICROS = 1_000_000
MAX_AMOUNT_MICROS = 10**18
"""The largest single amount: a thousand billion units. Four such amounts still fit a counter."""
MAX_TOTAL_MICROS = 4 * 10**18
"""The largest total a counter may hold; a database constraint keeps it far from the 64-bit edge."""

_LONG = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_AMOUNT = re.compile(r"[+-]?[0-9]{1,13}(\.[0-9]{1,6})?", re.ASCII)


class InvalidAmount(ValueError):
    """The amount is not a finite number of at most 13 digits and six decimals."""


def parse_amount(text: str) -> Decimal:
    """Read an amount such as `25.50`: ASCII digits, a point for decimals, at most six of them."""
    text = text.strip()
    if not _AMOUNT.fullmatch(text):
        if _LONG.fullmatch(text):
            most = f"{from_micros(MAX_AMOUNT_MICROS):,.0f}"
            raise InvalidAmount(f"“{text[:40]}” is too large or too fine: at most {most}, with six decimals")
        raise InvalidAmount(f"“{text[:40]}” is not an amount; write it like 1234.56")
    amount = Decimal(text)
    to_micros(amount)
    return amount


def to_micros(amount: Decimal, *, limit: int = MAX_AMOUNT_MICROS) -> int:
    """The amount in whole micros. Refuses what is not finite, finer than a micro, or beyond `limit` micros."""
    if not isinstance(amount, Decimal):
        raise InvalidAmount(f"{amount!r} is not a Decimal")
    if not amount.is_finite():
        raise InvalidAmount(f"{amount} is not a finite amount")
    if amount.adjusted() > 12:
        raise InvalidAmount(f"{amount:.3E} is too large: the limit is {from_micros(limit):,f}")
    micros = amount * MICROS
    whole = int(micros)
    if whole != micros:
        raise InvalidAmount(f"{amount} has more than six decimals")
    if abs(whole) > limit:
        raise InvalidAmount(f"{amount:f} is too large: the limit is {from_micros(limit):,f}")
    return whole


def from_micros(micros: int) -> Decimal:
    """The amount that `micros` stands for, exactly."""
    return Decimal(micros).scaleb(-6)


@cache
def decimals(currency: str) -> int:
    """How many decimals amounts in this ISO 4217 currency are written with (USD 2, JPY 0, KWD 3)."""
    return len(str(moneyed.get_currency(currency).sub_unit)) - 1


@cache
def is_currency(code: str) -> bool:
    """Whether `code` is a known ISO 4217 currency code in capitals."""
    return code in moneyed.CURRENCIES


def percent_used(used: Decimal, budget: Decimal) -> int:
    """Rounded down, so that 99.99 of 100.00 is not shown as used up. The budget is not 0."""
    return max(0, int(used * 100 // budget))


def exact_text(amount: Decimal, currency: str) -> str:
    """The amount as exchanged in JSON and CSV: the currency's decimals, more only where they are not zero."""
    text = f"{amount:.6f}"
    keep = len(text) - 6 + decimals(currency)
    text, rest = text[:keep], text[keep:].rstrip("0")
    return (text + rest).rstrip(".")


def display_text(amount: Decimal, currency: str) -> str:
    """The amount for a person: like `exact_text`, with thousands separated.

    Never rounded, so that what is shown adds up, and 99.995 of 100.00 does not look used up.
    """
    whole, point, rest = exact_text(amount, currency).partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{rest}"
