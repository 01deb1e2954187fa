"""Do the books agree? Totals with the ledger, what is set aside with the reservations, budgets with those set, weeks
with their rows, holds with the decision.

A check reads and changes nothing. A rebuild makes everything derived again from what people and platforms gave, one
transaction a brand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from brands import services as brands
from brands.models import Brand
from brands.services import audit
from budget_system.db import chunks, use_case
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement.evaluation import look
from enforcement.services import evaluate_brands
from enforcement.snapshots import Undecidable, between_brands, zones_in_use
from scheduling.models import Schedule
from scheduling.services import compiled
from spending import books
from spending.books import Brands, BudgetDiffers, ReservedDiffers, TotalDiffers
from spending.turns import record_turns

BRANDS = 500
CAUSE = "ledger check"

Progress = Callable[[int, int], None]


class WeekDiffers(NamedTuple):
    """A campaign whose compiled week is not what its schedule rows say."""

    brand_id: UUID
    campaign_id: UUID
    kept: str
    rows: str


class HoldsDiffer(NamedTuple):
    """A campaign whose stored holds are not what is decided now, although nothing was due to change by itself."""

    brand_id: UUID
    campaign_id: UUID
    kept: tuple[Hold, ...]
    decided: tuple[Hold, ...]


@dataclass
class Books:
    """What a check found."""

    periods: int = 0
    totals: list[TotalDiffers] = field(default_factory=list)
    reserved: list[ReservedDiffers] = field(default_factory=list)
    budgets: list[BudgetDiffers] = field(default_factory=list)
    weeks: list[WeekDiffers] = field(default_factory=list)
    holds: list[HoldsDiffer] = field(default_factory=list)
    undecidable: list[Undecidable] = field(default_factory=list)

    @property
    def differences(self) -> int:
        drift = len(self.totals) + len(self.reserved) + len(self.budgets) + len(self.weeks)
        return drift + len(self.holds) + len(self.undecidable)

    def counts(self) -> dict[str, int]:
        return {"periods": self.periods, "differences": self.differences}

    def brand_ids(self) -> set[UUID]:
        """The brands that something is wrong with."""
        return (
            {one.key.brand_id for one in self.totals}
            | {one.key.brand_id for one in self.reserved}
            | {one.key.brand_id for one in self.budgets}
            | {one.brand_id for one in self.weeks}
            | {one.brand_id for one in self.holds}
        )


def _silent(done: int, total: int) -> None:
    """No progress shown."""


def check(now: datetime, *, brand_id: UUID | None = None, progress: Progress = _silent) -> Books:
    """Compare everything derived with what it is derived from, of one brand or all. Changes nothing."""
    found = Books()
    zones = zones_in_use()
    ids = [brand_id] if brand_id else list(Brand.objects.order_by("pk").values_list("pk", flat=True))
    done = 0
    for some in chunks(ids, BRANDS):
        those = Brands(some[0], some[-1])
        found.periods += books.count_periods(those)
        found.totals += books.wrong_totals(those)
        found.reserved += books.wrong_reserved(those)
        found.budgets += books.wrong_budgets(those, zones, now)
        found.weeks += wrong_weeks(those)
        _compare_holds(those, zones, now, found)
        progress(done := done + len(some), len(ids))
    return found


def wrong_weeks(those: Brands) -> list[WeekDiffers]:
    """Compile the schedules of these brands' campaigns again and compare."""
    memo: dict[tuple[tuple[object, ...], ...], str] = {}
    rows_of = dict(_rows_by_campaign(those))
    found = []
    campaigns = Campaign.objects.filter(brand_id__gte=those.first, brand_id__lte=those.last).order_by("brand_id", "pk")
    for campaign_id, brand_id, week in campaigns.values_list("pk", "brand_id", "week").iterator(chunk_size=5_000):
        rows = rows_of.get(campaign_id, ())
        if rows not in memo:
            memo[rows] = compiled([Schedule(**dict(zip(_WINDOW, row, strict=True))) for row in rows])
        if week != memo[rows]:
            found.append(WeekDiffers(brand_id, campaign_id, week, memo[rows]))
    return found


_WINDOW = ("day_of_week", "start_time", "end_time", "ends_next_day", "is_active")


def _rows_by_campaign(those: Brands) -> Iterator[tuple[UUID, tuple[tuple[object, ...], ...]]]:
    schedules = Schedule.objects.filter(
        campaign__brand_id__gte=those.first, campaign__brand_id__lte=those.last
    ).order_by("campaign_id", *_WINDOW)
    rows = schedules.values_list("campaign_id", *_WINDOW).iterator(chunk_size=10_000)
    for campaign_id, group in groupby(rows, key=lambda row: row[0]):
        yield campaign_id, tuple(row[1:] for row in group)


def _compare_holds(those: Brands, zones: set[str], now: datetime, found: Books) -> None:
    """What was to change by itself and waits for the next tick is no difference."""
    seen = look(between_brands(*those), zones, now, only_changes=True)
    found.undecidable += seen.undecidable
    differing = [change for change in seen.changes if change.from_holds != change.verdict.holds]
    for some in chunks(differing, 1_000):
        ids = [change.campaign_id for change in some]
        due = set(Campaign.objects.filter(pk__in=ids, next_check_at__lte=now).values_list("pk", flat=True))
        found.holds += [
            HoldsDiffer(change.brand_id, change.campaign_id, change.from_holds, change.verdict.holds)
            for change in some
            if change.campaign_id not in due
        ]


def rebuild(found: Books, *, actor: str, now: datetime, progress: Progress = _silent) -> None:
    """Repair the brands that something is wrong with, each in a transaction of its own, and evaluate them."""
    ids = sorted(found.brand_ids())
    for done, brand_id in enumerate(ids, 1):
        rebuild_brand(brand_id, actor=actor, now=now)
        progress(done, len(ids))


@use_case
def rebuild_brand(brand_id: UUID, *, actor: str, now: datetime) -> None:
    """Make the brand's totals, what is set aside, budgets in force and compiled weeks again; evaluate its campaigns.

    What a forced reset forgave stays as far as it is posted.
    """
    locked = brands.lock([brand_id])
    record_turns(locked.values(), now)
    those = Brands(brand_id, brand_id)
    totals = books.wrong_totals(those)
    books.rebuild_totals(totals)
    reserved = books.wrong_reserved(those)
    books.rebuild_reserved(reserved)
    budgets = books.wrong_budgets(those, [locked[brand_id].timezone], now)
    books.rebuild_budgets(budgets)
    weeks = wrong_weeks(those)
    for one in weeks:
        Campaign.objects.filter(pk=one.campaign_id).update(week=one.rows, updated_at=now)
    if totals or reserved or budgets or weeks:
        after: dict[str, object] = {
            "totals": len(totals), "reserved": len(reserved), "budgets": len(budgets), "weeks": len(weeks),
        }  # fmt: skip
        brand = Brand.objects.get(pk=brand_id)
        audit(brand, "rebuild", brand_id=brand_id, actor=actor, now=now, after=after)
    evaluate_brands(locked, (), [brand_id], cause=CAUSE, actor=actor, now=now)
