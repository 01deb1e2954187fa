"""Money inside the package: `Decimal` at the edge, whole micros (1/1,000,000 of the unit) within. Never float."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

MICROS: Final = 1_000_000


class InvalidAmount(ValueError):
    """An amount that is not a finite Decimal (or int) with at most six decimals."""


def to_micros(amount: Decimal | int) -> int:
    """The amount in whole micros, exactly. Raises InvalidAmount: floats, NaN, infinities, more than six decimals."""
    if type(amount) is not Decimal and (isinstance(amount, bool) or not isinstance(amount, int | Decimal)):
        raise InvalidAmount(f"{amount!r} is not an amount: pass a Decimal, as Decimal('12.34')")
    micros = amount * MICROS
    try:
        whole = int(micros)
    except (ValueError, OverflowError):
        raise InvalidAmount(f"{amount} is not a finite amount") from None
    if whole != micros:
        raise InvalidAmount(f"{amount} has more than six decimals")
    return whole


def to_positive_micros(amount: Decimal | int) -> int:
    """As to_micros; an amount of 0 or less is refused too."""
    micros = to_micros(amount)
    if micros <= 0:
        raise InvalidAmount(f"{amount} is not more than 0")
    return micros


def from_micros(micros: int, unit: int = 10_000) -> Decimal:
    """The amount that `micros` stands for, exactly; written with the decimals of `unit` (10,000 micros are a cent)
    unless it needs more."""
    amount = Decimal(micros).scaleb(-6)
    if micros % unit == 0:
        return amount.quantize(Decimal(unit).scaleb(-6).normalize())
    return amount


def money_text(micros: int) -> str:
    """For messages: thousands separated, two decimals, more only where they are not zero."""
    text = f"{Decimal(micros).scaleb(-6):,.6f}"
    return text[:-4] + text[-4:].rstrip("0")


def about_text(micros: float) -> str:
    """For messages about what is worked out and not counted (a plan, a limit): rounded to two decimals."""
    return money_text(round(micros / 10_000) * 10_000)
