"""Amounts as reports write them: which sign is the decimal one (decided per column), symbols, codes, signs."""

import re
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

from budget_system.money import InvalidAmount, from_micros, is_currency, parse_amount, to_micros
from spending.reports.text import UnreadableReport

AmountFormat = Literal["point", "comma"]
"""`point`: 1,234.56; `comma`: 1.234,56. Spaces and apostrophes may part thousands in both."""
AMOUNT_FORMATS: tuple[AmountFormat, ...] = get_args(AmountFormat)
OPTION = "--amount-format"

NOT_REPORTED = frozenset({"", "-", "--", "---", "–", "—", "n/a", "N/A"})
"""What platforms write for “no figure”, which is not zero."""

_DOLLARS = frozenset(["USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP", "UYU", "BRL"])
_CROWNS = frozenset(["SEK", "NOK", "DKK", "ISK"])
SYMBOLS: dict[str, frozenset[str]] = {
    "$": _DOLLARS,
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP"}),
    "¥": frozenset({"JPY", "CNY"}),
    "￥": frozenset({"JPY", "CNY"}),
    "₹": frozenset({"INR"}),
    "₩": frozenset({"KRW"}),
    "₺": frozenset({"TRY"}),
    "₽": frozenset({"RUB"}),
    "₴": frozenset({"UAH"}),
    "₪": frozenset({"ILS"}),
    "₫": frozenset({"VND"}),
    "฿": frozenset({"THB"}),
    "₱": frozenset({"PHP"}),
    "zł": frozenset({"PLN"}),
    "Kč": frozenset({"CZK"}),
    "kr": _CROWNS,
    "kr.": _CROWNS,
    "US$": frozenset({"USD"}),
    "CA$": frozenset({"CAD"}),
    "C$": frozenset({"CAD"}),
    "A$": frozenset({"AUD"}),
    "NZ$": frozenset({"NZD"}),
    "HK$": frozenset({"HKD"}),
    "NT$": frozenset({"TWD"}),
    "MX$": frozenset({"MXN"}),
    "R$": frozenset({"BRL"}),
}
"""The currencies a symbol may stand for."""

_SPACES = " \u00a0\u2007\u2009\u202f"
_APOSTROPHES = "'’"
_BODY = rf"[0-9.,](?:[0-9.,{_SPACES}{_APOSTROPHES}]*[0-9])?"
_MONEY = rf"(?:[^\W\d_]{{1,3}}\.?|[^\W\d_]{{0,2}}[{re.escape(''.join(s for s in SYMBOLS if len(s) == 1))}])"
_WRITTEN = re.compile(
    rf"([+-]?)[{_SPACES}]*({_MONEY})?[{_SPACES}]*([+-]?)[{_SPACES}]*({_BODY})"
    rf"[{_SPACES}]*(-?)[{_SPACES}]*({_MONEY})?"
)
_IN_PARENTHESES = re.compile(r"([^()]*)\(([^()]+)\)([^()]*)")


def _number(decimal: str, thousands: str) -> re.Pattern[str]:
    """Whole digits, plain or in groups (of three, or the Indian 12,34,567), then decimals."""
    sign = rf"[{re.escape(thousands)}{_SPACES}{_APOSTROPHES}]"
    whole = (
        rf"[0-9]+|[1-9][0-9]{{0,2}}(?P<g>{sign})[0-9]{{3}}(?:(?P=g)[0-9]{{3}})*"
        rf"|[1-9][0-9]?(?:{re.escape(thousands)}[0-9]{{2}})+{re.escape(thousands)}[0-9]{{3}}"
    )
    return re.compile(rf"(?P<whole>{whole})?(?:{re.escape(decimal)}(?P<part>[0-9]+))?")


_NUMBERS: dict[AmountFormat, re.Pattern[str]] = {"point": _number(".", ","), "comma": _number(",", ".")}
_PLAIN = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
_PLAIN_COMMA = re.compile(r"[0-9]{1,12}(?:,[0-9]{1,6})?")
_SHORT_COMMA = re.compile(r"[1-9][0-9]{0,2},[0-9]+")
_COUNT = re.compile(
    rf"([0-9]+|[1-9][0-9]{{0,2}}(?:([.,{_SPACES}{_APOSTROPHES}])[0-9]{{3}})(?:\2[0-9]{{3}})*)(?:[.,]0{{1,2}})?"
)
_LONG_NUMBER = re.compile(r"-?[0-9]{1,13}(?:\.[0-9]{1,30})?(?:[eE]-[0-9]{1,2})?")
_MICROS = re.compile(r"(-?[0-9]{1,25})(?:\.0{1,6})?")
_MAX_COUNT_DIGITS = 15
_NOT_DIGITS = re.compile(r"[^0-9]+")
_SHAPE = str.maketrans("123456789", "9" * 9)
_MEMO_LIMIT = 10_000
_MAX_CHARS = 60


class NotReported(ValueError):
    """The cell holds no figure: not the same as 0."""


class Amount(NamedTuple):
    """An amount and the currencies it may be in, going by the symbol or code beside it (empty: none there)."""

    value: Decimal
    currencies: frozenset[str]


class _Written(NamedTuple):
    """An amount taken apart: its digits with their separators, its sign, and what stands beside it."""

    body: str
    negative: bool
    marks: tuple[str, ...]


_UNMARKED: frozenset[str] = frozenset()


def read_amount(text: str, form: AmountFormat) -> Amount:
    """The amount that a cell says. Raises `NotReported` or `InvalidAmount`."""
    if form == "point":
        if _PLAIN.fullmatch(text):
            return Amount(Decimal(text), _UNMARKED)
    elif _PLAIN_COMMA.fullmatch(text):
        return Amount(Decimal(text.replace(",", ".")), _UNMARKED)
    written = _take_apart(text)
    if written is None:
        raise InvalidAmount(f"“{text.strip()[:40]}” is not an amount")
    value = parse_amount(("-" if written.negative else "") + _digits(written.body, form))
    return Amount(value, _currencies(written.marks, text))


def _take_apart(text: str) -> _Written | None:
    """None when the cell is not written like an amount at all. Raises `NotReported`."""
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if text in NOT_REPORTED:
        raise NotReported("no cost reported")
    in_parentheses = _IN_PARENTHESES.fullmatch(text)
    if in_parentheses:
        text = "".join(in_parentheses.groups()).strip()
    match = _WRITTEN.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None:
        return None
    sign, mark, inner_sign, body, last_sign, last_mark = match.groups()
    signs = sign + inner_sign + last_sign
    if len(signs) > 1 or (in_parentheses and signs):
        return None
    return _Written(body, bool(in_parentheses) or signs == "-", tuple(filter(None, (mark, last_mark))))


def _digits(body: str, form: AmountFormat) -> str:
    """The number with a point for decimals and nothing between thousands."""
    match = _NUMBERS[form].fullmatch(body)
    if match is None:
        like = "1,234.56" if form == "point" else "1.234,56"
        raise InvalidAmount(f"“{body[:40]}” is not an amount written like {like}")
    part = match["part"] or ""
    if len(part) > 6:
        raise InvalidAmount(f"“{body[:40]}” has more than six decimals")
    whole = _NOT_DIGITS.sub("", match["whole"] or "0").lstrip("0") or "0"
    if len(whole) > 13:
        raise InvalidAmount(f"“{body[:40]}” is too large")
    return f"{whole}.{part}" if part else whole


def _currencies(marks: tuple[str, ...], text: str) -> frozenset[str]:
    """What the symbols and codes beside an amount agree on."""
    found = [currencies_of(mark) for mark in marks]
    if not all(found):
        raise InvalidAmount(f"“{text.strip()[:40]}” is not an amount: what stands beside it is no currency")
    agreed = frozenset.intersection(*found) if found else _UNMARKED
    if found and not agreed:
        raise InvalidAmount(f"“{text.strip()[:40]}” names two currencies")
    return agreed


def currencies_of(mark: str) -> frozenset[str]:
    """The currencies that a symbol or an ISO code may stand for; none when it is neither."""
    code = mark.upper()
    return SYMBOLS.get(mark) or (frozenset({code}) if is_currency(code) else _UNMARKED)


def read_number(text: str, form: AmountFormat) -> Decimal:
    """Conversions, or their value: like an amount, but with any number of decimals, rounded to six.

    Raises `NotReported` or `InvalidAmount`.
    """
    if form == "point" and _LONG_NUMBER.fullmatch(text):
        number = Decimal(text)
        return number if -6 <= int(number.as_tuple().exponent) <= 0 else round(number, 6)
    return read_amount(text, form).value


class AmountEvidence:
    """Gathers, over a column, which sign its decimals are written with. Memory is bounded."""

    def __init__(self) -> None:
        self._shapes: set[str] = set()
        self._samples: dict[str, tuple[int, str]] = {}

    def see(self, text: str, line: int) -> None:
        """Take one cell into account. Only its shape matters: “1,234” and “5,678” say the same."""
        shape = text.translate(_SHAPE)
        if shape in self._shapes:
            return
        if len(self._shapes) < _MEMO_LIMIT and len(shape) <= _MAX_CHARS:
            self._shapes.add(shape)
        testimony = _testimony(text)
        if testimony is not None:
            self._samples.setdefault(testimony, (line, text.strip()[:40]))
        if testimony == "either":
            self._samples.setdefault("either comma" if "," in text else "either point", (line, text))

    def decide(self, column: str, wanted: AmountFormat | None, usual: AmountFormat | None = None) -> AmountFormat:
        """The format of the column; `usual`, where that is known, when all its amounts can be read in two ways.

        Raises `UnreadableReport` when nothing or too much speaks for one.
        """
        if wanted is not None:
            return wanted
        point, comma = self._samples.get("point"), self._samples.get("comma")
        short, either = self._samples.get("short comma"), self._samples.get("either")
        if point and (comma or short):
            raise UnreadableReport(_contradiction(column, point, comma or short or point))
        if comma:
            return "comma"
        if point:
            return "point"
        if doubtful := short or either:
            if usual is None or not self._fits(usual):
                raise UnreadableReport(_ambiguity(column, *doubtful))
            return usual
        return "point"

    def told(self) -> AmountFormat | None:
        """The format, when some amount leaves no doubt of it and none contradicts."""
        point, comma = "point" in self._samples, "comma" in self._samples
        if point == (comma or "short comma" in self._samples):
            return None
        return "point" if point else "comma" if comma else None

    @property
    def doubtful(self) -> bool:
        """Whether there are amounts that can be read in two ways."""
        return "short comma" in self._samples or "either" in self._samples

    def _fits(self, usual: AmountFormat) -> bool:
        """Whether the usual format explains the doubtful amounts without decimals in threes, which nobody writes."""
        if usual == "point":
            return "short comma" not in self._samples and "either point" not in self._samples
        return "either comma" not in self._samples


def read_micros(text: str) -> Amount:
    """The amount of so many millionths, exactly; an empty cell is zero, which APIs leave out.

    Raises `NotReported` or `InvalidAmount`.
    """
    text = text.strip()
    if not text:
        return Amount(Decimal(0), _UNMARKED)
    if text in NOT_REPORTED:
        raise NotReported("no cost reported")
    match = _MICROS.fullmatch(text)
    if match is None:
        raise InvalidAmount(f"“{text[:40]}” is not a whole number of micros")
    value = from_micros(int(match[1]))
    to_micros(value)  # refuses what is too large
    return Amount(value, _UNMARKED)


def read_count(text: str) -> int | None:
    """A whole number such as impressions, thousands parted or not; None when the cell has none (`--`, masked `<5`)."""
    if text.isascii() and text.isdecimal() and len(text) <= _MAX_COUNT_DIGITS:
        return int(text)
    match = _COUNT.fullmatch(text.strip()) if len(text) <= _MAX_CHARS else None
    if match is None:
        return None
    digits = _NOT_DIGITS.sub("", match[1])
    return int(digits) if len(digits) <= _MAX_COUNT_DIGITS else None


def _testimony(text: str) -> str | None:
    """What one cell says of its column's decimal sign: point, comma, short comma, either; None: nothing."""
    try:
        written = _take_apart(text)
    except NotReported:
        return None
    if written is None or not ("." in written.body or "," in written.body):
        return None
    point, comma = (pattern.fullmatch(written.body) is not None for pattern in _NUMBERS.values())
    if point and comma:
        return "either"
    if comma:
        # “12,34” alone may as well be a slip for 12.34 or 1,234; “0,50” and “1234,56” may not.
        return "short comma" if _SHORT_COMMA.fullmatch(written.body) else "comma"
    return "point" if point else None


def _ambiguity(column: str, line: int, sample: str) -> str:
    return (
        f"the amounts in column “{column}” can be read in two ways, such as “{sample}” on line {line}: "
        f"say {OPTION} point when they are written like 1,234.56, or {OPTION} comma when like 1.234,56"
    )


def _contradiction(column: str, point: tuple[int, str], comma: tuple[int, str]) -> str:
    return (
        f"the amounts in column “{column}” are written in two ways: “{point[1]}” on line {point[0]} with a decimal "
        f"point, “{comma[1]}” on line {comma[0]} with a decimal comma; mend the file, or say {OPTION} point or "
        f"{OPTION} comma to have the rows that do not fit rejected"
    )
