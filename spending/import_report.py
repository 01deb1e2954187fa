"""What an import did, or in a dry run would do: every line is accounted for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from budget_system import money
from campaigns.holds import Hold
from spending.reports.rows import Reject
from spending.reports.shapes import Format

SHOWN = 200
"""How many lines of each kind the record of an import shows. All rejected lines are in its rejects."""
KEPT = 1_000


class Noted(NamedTuple):
    """A line that was left out, or looked at twice, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Unknown:
    """A campaign that the file names and that could not be found, and what its rows come to."""

    account: str
    external_id: str
    name: str
    reason: str
    rows: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    """By currency; empty where neither the file nor the options name one."""

    def as_json(self) -> dict[str, Any]:
        """As kept with the record of the import."""
        return {
            "account": self.account,
            "external_id": shown(self.external_id),
            "name": shown(self.name),
            "reason": shown(self.reason),
            "rows": self.rows,
            "sums": _texts(self.sums),
        }


class StateFlip(NamedTuple):
    """A campaign's holds before the import and after it."""

    campaign_id: UUID
    brand_id: UUID
    from_holds: tuple[Hold, ...]
    to_holds: tuple[Hold, ...]


class DayMoney(NamedTuple):
    """What a campaign has spent on a day, before the import and after it."""

    campaign_id: UUID
    campaign: str
    brand: str
    currency: str
    day: date
    before: Decimal
    after: Decimal

    def as_json(self) -> dict[str, str]:
        """As kept with the record of the import."""
        return {
            "campaign": str(self.campaign_id),
            "name": shown(self.campaign),
            "brand": shown(self.brand),
            "currency": self.currency,
            "day": self.day.isoformat(),
            "before": _text(self.before, self.currency),
            "after": _text(self.after, self.currency),
        }


@dataclass
class ImportReport:
    """What an import did, or in a dry run would do. accepted + unchanged + corrected + duplicate + rejected = rows."""

    rows: int = 0
    """The file's data lines, without its total lines."""
    accepted: int = 0
    unchanged: int = 0
    corrected: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    """The first `KEPT` of them, in the order of the file."""
    duplicates: list[Noted] = field(default_factory=list)
    """The first `KEPT` of them."""
    flagged: list[Noted] = field(default_factory=list)
    """The first `KEPT` lines whose campaign and day has spend from elsewhere too, taken or not."""
    unknown: list[Unknown] = field(default_factory=list)
    """The campaigns that could not be found, those with most rows first."""
    created_brands: list[str] = field(default_factory=list)
    created_campaigns: list[str] = field(default_factory=list)
    changes: list[StateFlip] = field(default_factory=list)
    money: list[DayMoney] = field(default_factory=list)
    """In a dry run, the first `SHOWN` days of campaigns whose spend would change."""
    money_more: int = 0
    """How many more days of campaigns there are."""
    twice: dict[str, Decimal] = field(default_factory=dict)
    """By currency, what was taken although spend of the same campaign and day is recorded from elsewhere."""
    first_day: date | None = None
    last_day: date | None = None
    totals: dict[str, Decimal] = field(default_factory=dict)
    """By currency, what the lines that count now (accepted, unchanged, corrected) add up to."""
    total_lines: int = 0
    """Lines such as “Total”, which are no spend."""
    totals_agree: bool | None = None
    """Whether such a line equals the sum of all rows; None when there is nothing to compare."""
    sums: dict[str, Decimal] = field(default_factory=dict)
    """By currency, what all rows that could be read add up to: what such a line is compared with."""
    own_total: Decimal | None = None
    """Of such lines, the amount nearest to that sum."""
    dry_run: bool = False
    format: Format = Format.PLAIN
    incomplete: bool = False
    """The file says of itself that figures may still change."""
    metrics: int = 0
    """Days of campaigns whose impressions, clicks, conversions or revenue were in the file."""

    @property
    def paused(self) -> int:
        return sum(not change.from_holds and bool(change.to_holds) for change in self.changes)

    @property
    def activated(self) -> int:
        return sum(bool(change.from_holds) and not change.to_holds for change in self.changes)

    def counts(self) -> dict[str, int]:
        """The figures of the closing line."""
        names = ("rows", "accepted", "unchanged", "corrected", "duplicate", "rejected", "paused", "activated")
        return {name: getattr(self, name) for name in names}

    def as_json(self) -> dict[str, Any]:
        """What a person reads of it, as kept with the record of the import. The counts are columns of their own."""
        return {
            "format": self.format.value,
            "incomplete": self.incomplete,
            "totals": _texts(self.totals),
            "sums": _texts(self.sums),
            "own_total": None if self.own_total is None else _text(self.own_total, next(iter(self.sums), "")),
            "total_lines": self.total_lines,
            "totals_agree": self.totals_agree,
            "metrics": self.metrics,
            "created_brands": self.created_brands[:KEPT],
            "created_campaigns": self.created_campaigns[:KEPT],
            "paused": self.paused,
            "activated": self.activated,
            "changes": [
                {
                    "campaign": str(change.campaign_id),
                    "brand": str(change.brand_id),
                    "from": [hold.value for hold in change.from_holds],
                    "to": [hold.value for hold in change.to_holds],
                }
                for change in self.changes[:KEPT]
            ],
            "money": [one.as_json() for one in self.money],
            "money_more": self.money_more,
            "twice": _texts(self.twice),
            "rejects": [
                {"line": one.line, "reason": shown(one.reason), "row": [shown(cell) for cell in one.raw[:50]]}
                for one in self.rejects[:SHOWN]
            ],
            "duplicates": _lines(self.duplicates),
            "flagged": _lines(self.flagged),
            "unknown": [one.as_json() for one in self.unknown[:SHOWN]],
            "unknown_more": max(len(self.unknown) - SHOWN, 0),
        }


def _texts(sums: dict[str, Decimal]) -> dict[str, str]:
    return {code: _text(total, code) for code, total in sorted(sums.items())}


def _text(amount: Decimal, currency: str) -> str:
    return money.exact_text(amount, currency or "USD")  # two decimals where nobody names a currency


def _lines(noted: Iterable[Noted]) -> list[dict[str, object]]:
    return [{"line": one.line, "reason": shown(one.reason)} for one in list(noted)[:SHOWN]]


def shown(text: str) -> str:
    """Text of a file as it can be kept and shown: not too long, and without NUL, which PostgreSQL refuses."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


_SHOWN_CHARS = 500
