"""What platforms report beside the cost of a campaign's day. The caller has locked the brands. No transactions here."""

from collections.abc import Iterable, Mapping, Set
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from budget_system import money
from budget_system.db import chunks, is_postgres, param, rows_sql
from budget_system.ids import new_id
from spending.models import DayMetrics
from spending.reports.rows import Metrics

_TYPES = ("uuid", "uuid", "date", "text", "bigint", "bigint", "bigint", "bigint", "uuid", "timestamptz")
_FIGURES = ("impressions", "clicks", "conversions", "revenue")
_LARGEST = 2**63 - 1

DayFigures = Mapping[tuple[UUID, date], Metrics]
"""By campaign and day."""


class MetricsMoved(NamedTuple):
    """By how much the figures of a campaign's day moved; conversions and revenue in micros."""

    campaign_id: UUID
    day: date
    impressions: int
    clicks: int
    conversions: int
    revenue: int


def moved_by(row: DayMetrics, sign: int) -> MetricsMoved:
    """What these figures move when they begin (1) or cease (-1) to count."""
    figures = (row.impressions or 0, row.clicks or 0, _micros(row.conversions) or 0, _micros(row.revenue) or 0)
    return MetricsMoved(row.campaign_id, row.day, *(sign * figure for figure in figures))


def keep(
    figures: DayFigures,
    source: str,
    now: datetime,
    spend_import_id: UUID | None = None,
    *,
    watched: Set[tuple[UUID, date]] = frozenset(),
) -> list[MetricsMoved]:
    """Keep what was reported; the same day from the same source again corrects.

    A figure that is not reported now leaves the one that was: a report without the column says nothing about it.
    Gives what moved on the `watched` days of campaigns, against what the same source had said before.
    """
    told_of_watched = {place: told for place, told in figures.items() if place in watched} if watched else {}
    moved = _moved(told_of_watched, source) if told_of_watched else []
    rows = [
        (
            new_id(), campaign_id, day, source, _count(told.impressions), _count(told.clicks),
            _micros(told.conversions), _micros(told.revenue), spend_import_id, now,
        )
        for (campaign_id, day), told in sorted(figures.items(), key=lambda item: (item[0][0].int, item[0][1]))
    ]  # fmt: skip
    latest = ", ".join(f"{name} = COALESCE(excluded.{name}, m.{name})" for name in _FIGURES)
    changed = " OR ".join(f"(excluded.{name} IS NOT NULL AND {_differs(name)})" for name in _FIGURES)
    with connection.cursor() as cursor:
        for some in chunks(rows, 10_000 if is_postgres() else 500):
            values, params = rows_sql(_TYPES, [tuple(map(param, row)) for row in some])
            cursor.execute(
                f"""
                INSERT INTO spending_daymetrics AS m
                    (id, campaign_id, day, source, {", ".join(_FIGURES)}, spend_import_id, updated_at)
                SELECT v.* FROM ({values}) AS v WHERE true
                ON CONFLICT (campaign_id, day, source) DO UPDATE
                    SET {latest}, spend_import_id = excluded.spend_import_id, updated_at = excluded.updated_at
                    WHERE {changed}
                """,  # noqa: S608 - only placeholders
                params,
            )
    return moved


def _moved(figures: DayFigures, source: str) -> list[MetricsMoved]:
    """What keeping these will move. The rows are their brands', which are locked: nobody else writes them meanwhile."""
    kept = _kept(figures, source)
    moved = []
    for place, told in figures.items():
        latest = (_count(told.impressions), _count(told.clicks), _micros(told.conversions), _micros(told.revenue))
        before = kept.get(place, (None,) * len(_FIGURES))
        steps = [0 if new is None else new - (old or 0) for new, old in zip(latest, before, strict=True)]
        if any(steps):
            moved.append(MetricsMoved(*place, *steps))
    return moved


def _kept(places: Iterable[tuple[UUID, date]], source: str) -> dict[tuple[UUID, date], tuple[int | None, ...]]:
    found: dict[tuple[UUID, date], tuple[int | None, ...]] = {}
    for some in chunks(list(places), 10_000 if is_postgres() else 500):
        rows = DayMetrics.objects.filter(
            campaign__in={campaign_id for campaign_id, _ in some}, day__in={day for _, day in some}, source=source
        )
        for campaign_id, day, impressions, clicks, conversions, revenue in rows.order_by().values_list(
            "campaign_id", "day", *_FIGURES
        ):
            found[campaign_id, day] = (impressions, clicks, _micros(conversions), _micros(revenue))
    return found


def _differs(name: str) -> str:
    return f"excluded.{name} IS {'DISTINCT FROM' if is_postgres() else 'NOT'} m.{name}"


def _count(number: int | None) -> int | None:
    return number if number is None or number <= _LARGEST else None


def _micros(number: Decimal | None) -> int | None:
    """None also for what is too large to be kept: a metric is never worth refusing a row."""
    try:
        return None if number is None else money.to_micros(number)
    except money.InvalidAmount:
        return None
