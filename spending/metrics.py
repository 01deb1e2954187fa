"""What platforms report beside the cost of a campaign's day. The caller has locked the brands. No transactions here."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from budget_system import money
from budget_system.db import chunks, is_postgres, param, rows_sql
from budget_system.ids import new_id
from spending.reports.rows import Metrics

_TYPES = ("uuid", "uuid", "date", "text", "bigint", "bigint", "bigint", "bigint", "uuid", "timestamptz")
_FIGURES = ("impressions", "clicks", "conversions", "revenue")
_LARGEST = 2**63 - 1

DayFigures = Mapping[tuple[UUID, date], Metrics]
"""By campaign and day."""


def keep(figures: DayFigures, source: str, now: datetime, spend_import_id: UUID | None = None) -> None:
    """Keep what was reported; the same day from the same source again corrects.

    A figure that is not reported now leaves the one that was: a report without the column says nothing about it.
    """
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
