"""Writing campaigns: their inputs, and `apply`, the one writer of their outputs. No transactions here."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models

from brands.models import Brand, Stoppable
from brands.services import (
    FOR_NO_KEY_UPDATE,
    LOCKED_COLUMNS,
    LockedBrand,
    check_version,
    clean_budget,
    clean_title,
    read_locked,
)
from budget_system.db import chunks, fetch, is_postgres, param, read_uuid, rows_sql
from budget_system.errors import NotFound, Refused
from budget_system.ids import new_id
from budget_system.text import InvalidText, clean_note, required_note
from campaigns import holds
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign, CampaignStatus, Platform

INPUTS = (
    "name", "platform", "external_id", "daily_budget", "monthly_budget", "lifetime_budget", "start_date", "end_date",
)  # fmt: skip
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)


def lock_brands_of(campaign_ids: Sequence[UUID]) -> tuple[dict[UUID, LockedBrand], dict[UUID, UUID]]:
    """Lock the brands of these campaigns. Gives the brands by id, and each known campaign's brand id.

    A campaign never changes its brand, so the mapping cannot be stale; everything else is read after the lock.
    """
    ids = sorted(set(campaign_ids))
    brands: dict[UUID, LockedBrand] = {}
    brand_of: dict[UUID, UUID] = {}
    with connection.cursor() as cursor:
        for some in chunks(ids, max(len(ids), 1) if is_postgres() else 10_000):
            marks = ",".join(["%s"] * len(some))
            suffix = f"{FOR_NO_KEY_UPDATE} OF b" if is_postgres() else ""
            sql = (
                f"SELECT c.id, {LOCKED_COLUMNS} FROM campaigns_campaign c JOIN brands_brand b ON b.id = c.brand_id"  # noqa: S608 - no input
                f" WHERE c.id IN ({marks}) ORDER BY b.id {suffix}"
            )
            for campaign_id, *columns in fetch(cursor, sql, [param(campaign_id) for campaign_id in some]):
                brand = read_locked(columns)
                brands.setdefault(brand.id, brand)
                brand_of[read_uuid(campaign_id)] = brand.id
    return brands, brand_of


def lock_brand_of(campaign_id: UUID) -> LockedBrand | None:
    """The same for one campaign, in a short statement: planning costs more than reading. None: unknown."""
    return _brand_of(campaign_id, FOR_NO_KEY_UPDATE if is_postgres() else "")


def read_brand_of(campaign_id: UUID) -> LockedBrand:
    """What `lock_brand_of` reads, without the lock: for looking. Raises NotFound."""
    brand = _brand_of(campaign_id)
    if brand is None:
        raise NotFound("There is no such campaign.", field="campaign")
    return brand


def _brand_of(campaign_id: UUID, suffix: str = "") -> LockedBrand | None:
    sql = (
        f"SELECT {LOCKED_COLUMNS} FROM brands_brand b"  # noqa: S608 - no input
        f" WHERE b.id = (SELECT brand_id FROM campaigns_campaign WHERE id = %s) {suffix}"
    )
    with connection.cursor() as cursor:
        rows = fetch(cursor, sql, [param(campaign_id)])
    return read_locked(rows[0]) if rows else None


def get(campaign_id: UUID, expected_version: int | None = None) -> Campaign:
    """The campaign, to be read after its brand was locked."""
    campaign = Campaign.objects.select_related("brand").filter(pk=campaign_id).first()
    if campaign is None:
        raise NotFound("There is no such campaign.", field="campaign")
    check_version(campaign, expected_version)
    return campaign


# --- Inputs ----------------------------------------------------------------------------------------------------------


def clean_inputs(changes: Mapping[str, object]) -> dict[str, Any]:
    """The inputs of a campaign, checked and normalised. Raises Refused naming the field."""
    cleaned: dict[str, Any] = {}
    for field, value in changes.items():
        if field not in INPUTS:
            raise Refused(f"A campaign has no input called {field}.", field=field)
        cleaned[field] = _CLEANERS[field](value, field)
    return cleaned


def check_flight(start: date | None, end: date | None) -> None:
    if start is not None and end is not None and end < start:
        raise Refused(f"The flight ends on {end}, before it starts on {start}.", field="end_date")


def check_external_id(brand: Brand, platform: str, external_id: str, but: UUID | None = None) -> None:
    """Refuse a platform campaign id that another campaign of the brand has."""
    twins = Campaign.objects.filter(brand=brand, platform=platform, external_id=external_id)
    if but is not None:
        twins = twins.exclude(pk=but)
    if external_id and (twin := twins.first()) is not None:
        label = Platform(platform).label
        raise Refused(f"The campaign “{twin}” has the {label} id {external_id} already.", field="external_id")


def _clean_platform(value: object, field: str) -> str:
    if value not in Platform.values:
        raise Refused(f"“{value}” is not one of {', '.join(Platform.values)}.", field=field)
    return str(value)


def _clean_external_id(value: object, field: str) -> str:
    try:
        text = clean_note(str(value or ""), what="platform campaign id", limit=100)
    except InvalidText as error:
        raise Refused(str(error), field=field) from error
    return text


def clean_day(value: object, field: str) -> date | None:
    """A day: None, a date or its ISO text, within the years that budgets are kept for."""
    if value is None or value == "":
        return None
    try:
        day = value if isinstance(value, date) and not isinstance(value, datetime) else date.fromisoformat(str(value))
    except ValueError as error:
        raise Refused(f"“{value}” is not a date; write it like 2026-01-31.", field=field) from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Refused(f"{day} is not between {FIRST_DAY} and {LAST_DAY}.", field=field)
    return day


_CLEANERS = {
    "name": clean_title,
    "platform": _clean_platform,
    "external_id": _clean_external_id,
    "daily_budget": clean_budget,
    "monthly_budget": clean_budget,
    "lifetime_budget": clean_budget,
    "start_date": clean_day,
    "end_date": clean_day,
}


def clean_reason(text: str) -> str:
    """A reason that must be given."""
    try:
        return required_note(text, what="reason")
    except InvalidText as error:
        raise Refused(str(error), field="reason") from error


def set_manual_pause(campaign: Campaign, *, until: datetime | None, reason: str, actor: str, now: datetime) -> None:
    if until is not None and until <= now:
        raise Refused("The pause would end in the past. Choose a later moment.", field="until")
    campaign.manual_paused_at = now
    campaign.manual_pause_until = until
    campaign.manual_pause_reason = reason
    campaign.manual_paused_by = actor
    _save(campaign, now, MANUAL_PAUSE)


def clear_manual_pause(campaign: Campaign, now: datetime) -> None:
    campaign.manual_paused_at = campaign.manual_pause_until = None
    campaign.manual_pause_reason = campaign.manual_paused_by = ""
    _save(campaign, now, MANUAL_PAUSE)


def set_emergency_stop(thing: Stoppable, *, reason: str, actor: str, now: datetime) -> None:
    thing.emergency_stopped_at, thing.emergency_stop_reason, thing.emergency_stopped_by = now, reason, actor
    _save(thing, now, EMERGENCY_STOP)


def clear_emergency_stop(thing: Stoppable, now: datetime) -> None:
    thing.emergency_stopped_at, thing.emergency_stop_reason, thing.emergency_stopped_by = None, "", ""
    _save(thing, now, EMERGENCY_STOP)


MANUAL_PAUSE = ("manual_paused_at", "manual_pause_until", "manual_pause_reason", "manual_paused_by")
EMERGENCY_STOP = ("emergency_stopped_at", "emergency_stop_reason", "emergency_stopped_by")


def _save(thing: Any, now: datetime, fields: Sequence[str]) -> None:
    thing.version += 1
    thing.updated_at = now
    thing.save(update_fields=[*fields, "version", "updated_at"])


def set_archived(things: models.QuerySet[Any], at: datetime | None, now: datetime) -> None:
    things.update(archived_at=at, version=models.F("version") + 1, updated_at=now)


# --- Outputs ---------------------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """A campaign whose outputs are not what its verdict says."""

    campaign_id: UUID
    brand_id: UUID
    from_holds: tuple[Hold, ...]
    verdict: Verdict
    figures: list[dict[str, object]]


def status_of(some_holds: Sequence[Hold]) -> CampaignStatus:
    return CampaignStatus.PAUSED if some_holds else CampaignStatus.ACTIVE


def apply(changes: Sequence[Change], *, cause: str, actor: str, now: datetime) -> None:
    """Write these verdicts and, where the holds changed, a StateChange each. The brands must be locked."""
    size = 5_000 if is_postgres() else 500
    for some in chunks(changes, size):
        _write_outputs(some, now)
    changed = [change for change in changes if change.from_holds != change.verdict.holds]
    for some in chunks(changed, size):
        _record_changes(some, cause, actor, now)


_OUTPUT_TYPES = ("uuid", "text", "text", "text", "timestamptz", "timestamptz", "timestamptz")


def _write_outputs(changes: Sequence[Change], now: datetime) -> None:
    rows, params = rows_sql(
        _OUTPUT_TYPES,
        [
            (
                change.campaign_id,
                status_of(change.verdict.holds).value,
                holds.to_text(change.verdict.holds),
                change.verdict.holds[0].value if change.verdict.holds else "",
                now if change.verdict.holds and not change.from_holds else None,
                now if change.verdict.holds != change.from_holds else None,
                change.verdict.next_check_at,
            )
            for change in changes
        ],
    )
    sql = f"""
        WITH v(id, status, holds, pause_reason, paused_at, updated_at, next_check_at) AS ({rows})
        UPDATE campaigns_campaign AS c SET
            status = v.status, holds = v.holds, pause_reason = v.pause_reason, next_check_at = v.next_check_at,
            paused_at = COALESCE(v.paused_at, c.paused_at), updated_at = COALESCE(v.updated_at, c.updated_at)
        FROM v WHERE c.id = v.id
        RETURNING 1
    """  # noqa: S608 - only placeholders
    with connection.cursor() as cursor:
        written = len(fetch(cursor, sql, params))
    if written != len(changes):
        raise RuntimeError(f"{written} of {len(changes)} campaigns were written")


_CHANGE_COLUMNS = (
    "id", "campaign_id", "brand_id", "at", "from_status", "to_status", "from_holds", "to_holds", "cause", "actor",
    "figures",
)  # fmt: skip
_CHANGE_TYPES = ("uuid", "uuid", "uuid", "timestamptz", "text", "text", "text", "text", "text", "text", "text")


def _record_changes(changes: Sequence[Change], cause: str, actor: str, now: datetime) -> None:
    rows, params = rows_sql(
        _CHANGE_TYPES,
        [
            (
                new_id(),
                change.campaign_id,
                change.brand_id,
                now,
                status_of(change.from_holds).value,
                status_of(change.verdict.holds).value,
                holds.to_text(change.from_holds),
                holds.to_text(change.verdict.holds),
                cause,
                actor,
                json.dumps(change.figures),
            )
            for change in changes
        ],
    )
    columns = ", ".join(_CHANGE_COLUMNS)
    values = f"{columns}::jsonb" if is_postgres() else columns
    sql = f"WITH v({columns}) AS ({rows}) INSERT INTO campaigns_statechange ({columns}) SELECT {values} FROM v"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
