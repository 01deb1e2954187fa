"""Days as reports write them: is 03/04 in March or in April? Decided per column, refused when nothing tells."""

import re
from datetime import date
from typing import Literal, get_args

from spending.reports.text import UnreadableReport

DayFormat = Literal["ymd", "dmy", "mdy"]
"""`ymd`: 2026-01-31; `dmy`: 31/01/2026; `mdy`: 01/31/2026. A year or a month's name first leaves no doubt, so
2026-01-31 and 31 Jan 2026 are read in every format."""
DAY_FORMATS: tuple[DayFormat, ...] = get_args(DayFormat)
OPTION = "--day-format"

FIRST_YEAR, LAST_YEAR = 1990, 2100

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MIDNIGHT = re.compile(
    r"(.*[0-9])(?:[T ]0?0:00(?::00(?:\.0{1,9})?)?(?: ?(?:Z|UTC|\+00:?00))?|,? 12:00(?::00)? ?[Aa][Mm])"
)
_TIME = re.compile(r".*[0-9][T ,]+[0-9]{1,2}:[0-9]{2}.*")
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_SHORT_YEAR = re.compile(r"[0-9]{1,2}([-/.])[0-9]{1,2}\1[0-9]{2}|[0-9]{1,2}[ -][A-Za-z]{3,9}[ -][0-9]{2}")
_DAY_NAMED = re.compile(r"([0-9]{1,2})[ -]([A-Za-z]{3,9})\.?,?[ -]([0-9]{4})")
_NAMED_DAY = re.compile(r"([A-Za-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})")
_SERIAL = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")

_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()} | {"sept": 9}
_MEMO_LIMIT = 10_000
_MAX_CHARS = 60


class InvalidDay(ValueError):
    """The text is not a day, or not one in the column's format."""


def read_day(text: str, form: DayFormat) -> date:
    """The day that a cell says. Raises `InvalidDay`."""
    if _ISO.fullmatch(text):
        return _valid(int(text[:4]), int(text[5:7]), int(text[8:]), text)
    bare = _without_midnight(text)
    if not bare:
        raise InvalidDay("no day given")
    numbers = _plain_numbers(bare)
    if numbers:
        return _valid(*numbers, text)
    ends = _YEAR_LAST.fullmatch(bare)
    if ends is None:
        raise InvalidDay(f"“{_excerpt(text)}” {_trouble(bare)}")
    first, second, year = int(ends[1]), int(ends[3]), int(ends[4])
    if form == "ymd":
        raise InvalidDay(f"“{_excerpt(text)}” is not a day written like 2026-01-31")
    return _valid(year, second, first, text) if form == "dmy" else _valid(year, first, second, text)


def _plain_numbers(bare: str) -> tuple[int, int, int] | None:
    """Year, month and day of what can be read in one way only."""
    if match := _YEAR_FIRST.fullmatch(bare):
        year, _, month, day = match.groups()[:4] if match[1] else (match[5], "", match[6], match[7])
        return int(year), int(month), int(day)
    if match := _DAY_NAMED.fullmatch(bare):
        month, year, day = match[2], match[3], match[1]
    elif match := _NAMED_DAY.fullmatch(bare):
        month, year, day = match[1], match[3], match[2]
    else:
        return None
    return int(year), _MONTHS.get(month.lower(), 0), int(day)


def _without_midnight(text: str) -> str:
    """“2026-01-31T00:00:00” is a day; any other time of day is left, to be refused."""
    text = text.strip()
    if len(text) > _MAX_CHARS:
        return text[: _MAX_CHARS + 1]  # no day: let no pattern labour over it
    midnight = _MIDNIGHT.fullmatch(text)
    return midnight[1] if midnight else text


def _valid(year: int, month: int, day: int, text: str) -> date:
    try:
        found = date(year, month, day)
    except ValueError as error:
        raise InvalidDay(f"“{_excerpt(text)}” is not a day in the calendar") from error
    if not FIRST_YEAR <= year < LAST_YEAR:
        raise InvalidDay(f"“{_excerpt(text)}” is not in the years {FIRST_YEAR} to {LAST_YEAR - 1}")
    return found


def _trouble(bare: str) -> str:
    if _SHORT_YEAR.fullmatch(bare):
        return "has a year of two digits: write it with four"
    if _TIME.fullmatch(bare):
        return "has a time of day: spend is reported per day"
    if _SERIAL.fullmatch(bare):
        return "looks like Excel's number for a day: format the column as a date"
    return "is not a day such as 2026-01-31"


def _excerpt(text: str) -> str:
    return text.strip()[:40]


class DayEvidence:
    """Gathers, over a column, in which order its days are written. Memory is bounded."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._samples: dict[str, tuple[int, str]] = {}

    def see(self, text: str, line: int) -> None:
        """Take one cell into account."""
        if text in self._seen:
            return
        if len(self._seen) < _MEMO_LIMIT and len(text) <= _MAX_CHARS:
            self._seen.add(text)
        testimony = None if _ISO.fullmatch(text) else _testimony(text)
        if testimony is not None:
            self._samples.setdefault(testimony, (line, _excerpt(text)))

    def decide(self, column: str, wanted: DayFormat | None, usual: DayFormat | None = None) -> DayFormat:
        """The format of the column; `usual`, where that is known, when all its days can be read in two ways.

        Raises `UnreadableReport` when nothing or too much speaks for one.
        """
        if wanted is not None:
            return wanted
        dmy, mdy, either = (self._samples.get(name) for name in ("dmy", "mdy", "either"))
        if dmy and mdy:
            raise UnreadableReport(_contradiction(column, dmy, mdy))
        if dmy:
            return "dmy"
        if mdy:
            return "mdy"
        if either:
            if usual is None:
                raise UnreadableReport(_ambiguity(column, *either))
            return usual
        return "dmy" if "same" in self._samples else "ymd"


def _testimony(text: str) -> str | None:
    """What one cell says of its column: dmy, mdy, either, same (03/03: no matter); None: nothing."""
    ends = _YEAR_LAST.fullmatch(_without_midnight(text))
    if ends is None:
        return None
    first, second, year = int(ends[1]), int(ends[3]), int(ends[4])
    day_first, month_first = _exists(year, second, first), _exists(year, first, second)
    if day_first and month_first:
        if first == second:
            return "same"
        return "dmy" if ends[2] == "." else "either"  # nobody writes 01.31.2026
    if day_first:
        return "dmy"
    return "mdy" if month_first else None


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _ambiguity(column: str, line: int, sample: str) -> str:
    return (
        f"the days in column “{column}” can be read in two ways, such as “{sample}” on line {line}: "
        f"say {OPTION} dmy when the day comes first, or {OPTION} mdy when the month does"
    )


def _contradiction(column: str, dmy: tuple[int, str], mdy: tuple[int, str]) -> str:
    return (
        f"the days in column “{column}” are written in two ways: “{dmy[1]}” on line {dmy[0]} has the day first, "
        f"“{mdy[1]}” on line {mdy[0]} the month; mend the file, or say {OPTION} dmy or {OPTION} mdy to have the "
        f"rows that do not fit rejected"
    )
