"""How the reports of a platform differ from a plain table: what each platform's module says, and nothing does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from spending.reports.columns import Columns, Role, Words
from spending.reports.days import DayFormat
from spending.reports.header import Found
from spending.reports.numbers import AmountFormat
from spending.reports.periods import Period
from spending.reports.records import Record


class Format(StrEnum):
    """The kinds of report that can be read."""

    PLAIN = "plain_csv"
    GOOGLE_ADS = "google_ads"
    GOOGLE_ADS_API = "google_ads_api"
    META_ADS = "meta_ads"
    MICROSOFT_ADS = "microsoft_ads"
    TIKTOK_ADS = "tiktok_ads"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report states about itself, beside its rows; None: it does not say."""

    period_text: str | None = None
    """The period as the report writes it."""
    period: Period | None = None
    time_zone: str | None = None
    """As the report writes it: “(GMT-08:00) Pacific Time (US & Canada)”, “Europe/Berlin”."""
    incomplete: bool | None = None
    """Whether the platform warns that figures are still to come."""
    complete_until: str | None = None
    """Until when the figures are complete, as the report writes it."""
    rows: int | None = None
    """How many rows it claims to have."""


class Usual(NamedTuple):
    """How a platform writes what could be read in two ways; None: it does both."""

    days: DayFormat | None = None
    amounts: AmountFormat | None = None


Cells = Sequence[str]
SumsUp = Callable[[Cells], str | None]
"""The label of a row that is a sum of others although it may look like a row of spend; None for any other row."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A platform's report, as far as it is not a plain table. None: in this respect it is one."""

    format: Format
    words: Words
    """The names of its columns."""
    claims: Callable[[frozenset[str], Sequence[Record]], bool] | None = None
    """Whether a row with these names (comparable), below these rows, is the header of such a report."""
    facts: Callable[[Found], Facts] | None = None
    """What it states about itself. Raises `UnreadableReport` where that makes it useless."""
    missing: Callable[[Role, Found, Facts], str] | None = None
    """What is wrong with a report without this column, and how to get one that has it."""
    usual: Callable[[Found], Usual] | None = None
    """How it writes what could be read in two ways."""
    sums_up: Callable[[Columns], SumsUp] | None = None
    """For totals that have a day. Totals without one are known by their words, in every format."""
    footer: Callable[[Cells], bool] | None = None
    """Whether a row below the header is no data at all."""
    day_text: Callable[[str], str] | None = None
    """The day in a cell that holds more than a day."""
    micros: bool = False
    """Costs are whole millionths, and what is left out is zero."""
