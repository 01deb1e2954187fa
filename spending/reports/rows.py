"""What every report format yields: rows of spend, rejects, and the total rows kept as a checksum."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

MAX_TOTALS = 1_000
"""How many total rows one report may have; more of them are rejected, so that memory stays bounded."""


class Reject(NamedTuple):
    """A data line that could not be read, and why."""

    line: int
    """Where the row starts in the file, as an editor shows it: the first line is 1."""
    reason: str
    raw: Sequence[str]
    """The row's cells as written (one beyond the length limit is cut, ending in “…”)."""


class Metrics(NamedTuple):
    """What a row says beside its cost; None: the report has no such column, or no figure in it (masked, `--`)."""

    impressions: int | None = None
    clicks: int | None = None
    conversions: Decimal | None = None
    """May have decimals: platforms share a conversion out among the campaigns that led to it."""
    revenue: Decimal | None = None
    """Value of the conversions, in the currency of the row's cost."""


class ReportRow(NamedTuple):
    """Spend of one campaign on one day, as the report says. Several rows may share campaign and day.

    A named tuple because a report has hundreds of thousands of them.
    """

    line: int
    """Where the row starts in the file, as an editor shows it: the first line is 1."""
    campaign_id: str | None
    """The platform's id, as text: “00123” keeps its zeros. At least one of id and name is there."""
    campaign_name: str | None
    day: date
    cost: Decimal
    """In units of `currency`; may be zero or negative: what that means is for the importer to say."""
    currency: str | None
    """ISO 4217 code when the report names one, in its own column, the header or beside the amount."""
    account: str | None
    """The account, client or brand as text."""
    spend_type: str | None
    description: str
    key: str | None
    raw: Sequence[str]
    """The row's cells as written."""
    metrics: Metrics | None = None
    """None: the report has no column of metrics."""
    channel: str = ""

    def rejected(self, reason: str) -> Reject:
        """This row as a reject, for what only the importer can tell (no such campaign, wrong currency)."""
        return Reject(self.line, reason, self.raw)


class Total(NamedTuple):
    """A row that sums others up (“Total”, “Grand total”): never spend, only a checksum."""

    line: int
    label: str
    cost: Decimal | None
    """None when its cost cell could not be read."""
    raw: Sequence[str]
    day: date | None = None
    """The day it sums up; None: the whole report."""


@dataclass(slots=True)
class Tally:
    """What one reading of a report came to: `rows + rejects + len(totals)` is the number of data lines."""

    rows: int = 0
    rejects: int = 0
    totals: list[Total] = field(default_factory=list)
    sums: dict[str | None, Decimal] = field(default_factory=dict)
    """The cost of the rows by currency."""
    first_day: date | None = None
    last_day: date | None = None

    @property
    def lines(self) -> int:
        """How many data lines were given."""
        return self.rows + self.rejects + len(self.totals)

    @property
    def totals_agree(self) -> bool | None:
        """Whether some total row equals the sum of the rows; None when there is nothing to compare.

        Some, not every: platforms add subtotals (“Total: Search”). Nothing can be said of rows in several
        currencies. Rejected rows count in a report's total but not in the sum, so they make it disagree.
        """
        off = self.totals_off_by
        return None if off is None else not off

    @property
    def totals_off_by(self) -> Decimal | None:
        """What the sum of the rows lacks of the total row nearest to it (or of all totals of single days together)."""
        claims = [total.cost for total in self.totals if total.cost is not None]
        if not claims or len(self.sums) > 1:
            return None
        daily = [total.cost for total in self.totals if total.cost is not None and total.day is not None]
        if daily:
            claims.append(sum(daily, Decimal(0)))
        spent = sum(self.sums.values(), Decimal(0))
        return min((claim - spent for claim in claims), key=abs)
