"""Totals by channel and hour: what arrived on its own day, in the hour in which it arrived. The brands are locked."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper

from brands.periods import local_date
from budget_system.db import chunks, fetch, is_postgres, param, read_uuid, rows_sql


class Key(NamedTuple):
    """A campaign's channel on a day of its brand; an empty channel is the campaign's own."""

    campaign_id: UUID
    channel: str
    day: date
    starts_at: datetime


class Figures(NamedTuple):
    """By how much an hour's sums change; money and conversions in micros."""

    spent: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    revenue: int = 0


def hour_of(zone: ZoneInfo, now: datetime) -> tuple[date, datetime]:
    """The local day, and when its present hour began, in UTC: a repeated hour is two."""
    local = now.astimezone(zone)
    return local_date(zone, now), local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)


_COLUMNS = (*Key._fields, *Figures._fields)
_TYPES = ("uuid", "text", "date", "timestamptz", "bigint", "bigint", "bigint", "bigint", "bigint")


def add(moves: Mapping[Key, Figures]) -> set[UUID]:
    """Add these to the hours' sums. Says which of the campaigns are paced."""
    paced: set[UUID] = set()
    rows = [(*key, *figures) for key, figures in sorted(moves.items(), key=_in_order)]
    with connection.cursor() as cursor:
        for some in chunks(rows, 10_000 if is_postgres() else 500):
            selected, params = rows_sql(_TYPES, [tuple(map(param, row)) for row in some])
            columns = ", ".join(_COLUMNS)
            added = ", ".join(f"{name} = h.{name} + excluded.{name}" for name in Figures._fields)
            insert = (
                f"INSERT INTO pacing_hourtotal AS h ({columns}) SELECT v.* FROM ({selected}) AS v WHERE true"  # noqa: S608 - only placeholders
                f" ON CONFLICT (campaign_id, starts_at, channel) DO UPDATE SET {added}"
            )
            if is_postgres():
                found = fetch(
                    cursor,
                    f"WITH moved AS ({insert} RETURNING h.campaign_id) SELECT DISTINCT c.id FROM moved m"  # noqa: S608
                    " JOIN campaigns_campaign c ON c.id = m.campaign_id WHERE c.paced",
                    params,
                )
            else:
                cursor.execute(insert, params)
                found = _paced(cursor, {row[0] for row in some})
            paced.update(read_uuid(row[0]) for row in found)
    return paced


def _paced(cursor: CursorWrapper, campaign_ids: Collection[UUID]) -> list[tuple[Any, ...]]:
    marks = ",".join(["%s"] * len(campaign_ids))
    sql = f"SELECT id FROM campaigns_campaign WHERE paced AND id IN ({marks})"  # noqa: S608 - only placeholders
    return fetch(cursor, sql, [param(campaign_id) for campaign_id in campaign_ids])


def _in_order(item: tuple[Key, Figures]) -> tuple[int, datetime, str]:
    key, _ = item
    return key.campaign_id.int, key.starts_at, key.channel
