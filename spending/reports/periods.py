"""The period that a report states above its header, in the languages it is written in."""

import re
from datetime import date
from typing import NamedTuple
from unicodedata import normalize

_MONTHS = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv févr mars avr mai juin juil août sept oct nov déc",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jan feb mär apr mai jun jul aug sep okt nov dez",
    )
    for number, name in enumerate(names.split(), 1)
}
_WORD = r"([^\W\d_]{3,12})\.?"
_MONTH_FIRST = re.compile(rf"{_WORD} ([0-9]{{1,2}}),? ([0-9]{{4}})")
_DAY_FIRST = re.compile(rf"([0-9]{{1,2}})(?:\.|er)? {_WORD} ([0-9]{{4}})")
_YEAR_FIRST = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_DOTTED = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_SLASHED = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}")
_FROM_TO = re.compile(r"(.+?)(?: [-–—] ?| ?[–—] ?| to )(.+)")
_ALWAYS = frozenset(
    ["all time", "toute la période", "toutes les dates", "depuis le début", "gesamter zeitraum", "gesamte zeit"]
)
_MAX_CHARS = 100


class Period(NamedTuple):
    """Days, both included."""

    first: date
    last: date


def read_period(text: str) -> Period | None:
    """The days that “September 1, 2026 - September 3, 2026” names; None when it names none, or not for sure."""
    text = _plain(text)
    if len(text) > _MAX_CHARS:
        return None
    if day := _day(text):
        return Period(day, day)
    if match := _FROM_TO.fullmatch(text):
        first, last = _day(match[1]), _day(match[2])
        if first and last and first <= last:
            return Period(first, last)
    return None


def is_period(text: str) -> bool:
    """Whether the text says which days a report is about, be it “All time”."""
    plain = _plain(text)
    if len(plain) > _MAX_CHARS:
        return False
    if plain in _ALWAYS or read_period(plain) is not None:
        return True
    slashed = _FROM_TO.fullmatch(plain)
    return bool(slashed and _SLASHED.fullmatch(slashed[1]) and _SLASHED.fullmatch(slashed[2]))


def _plain(text: str) -> str:
    return " ".join(normalize("NFKC", text).casefold().split())


def _day(text: str) -> date | None:
    if match := _MONTH_FIRST.fullmatch(text):
        year, month, day = match[3], _MONTHS.get(match[1], 0), match[2]
    elif match := _DAY_FIRST.fullmatch(text):
        year, month, day = match[3], _MONTHS.get(match[2], 0), match[1]
    elif match := _YEAR_FIRST.fullmatch(text):
        year, month, day = match[1], int(match[2]), match[3]
    elif match := _DOTTED.fullmatch(text):
        year, month, day = match[3], int(match[2]), match[1]
    else:
        return None
    try:
        return date(int(year), month, int(day))
    except ValueError:
        return None
