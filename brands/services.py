"""Writing brands: locks, checked inputs, and the audit record that every room writes through. No transactions here."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.db import connection, models

from brands.models import AuditEntry
from budget_system import money, origin
from budget_system.db import fetch, is_postgres, param, read_date, read_uuid
from budget_system.errors import Conflict, Refused
from budget_system.text import InvalidText, clean_name

INPUTS = ("name", "timezone", "currency", "daily_budget", "monthly_budget")
FOR_NO_KEY_UPDATE = "FOR NO KEY UPDATE"


class LockedBrand(NamedTuple):
    """A brand whose row this transaction holds: nobody else posts to it, evaluates or changes it until commit.

    The budgets are in micros. They are as they were when it was locked.
    """

    id: UUID
    timezone: str
    currency: str
    day_turned_on: date | None
    month_turned_on: date | None
    daily_budget: int | None
    monthly_budget: int | None
    stopped: bool


LOCKED_COLUMNS = (
    "b.id, b.timezone, b.currency, b.day_turned_on, b.month_turned_on, b.daily_budget, b.monthly_budget,"
    " b.emergency_stopped_at IS NOT NULL"
)


def read_locked(row: Iterable[Any]) -> LockedBrand:
    brand_id, timezone, currency, day, month, daily, monthly, stopped = row
    return LockedBrand(
        read_uuid(brand_id), timezone, currency, read_date(day), read_date(month), daily, monthly, bool(stopped)
    )


def lock(brand_ids: Iterable[UUID]) -> dict[UUID, LockedBrand]:
    """Lock these brands in the one order in which brands are locked. Unknown ids are left out."""
    ids = sorted(set(brand_ids))
    if not ids:
        return {}
    suffix = f"{FOR_NO_KEY_UPDATE} OF b" if is_postgres() else ""
    marks = ",".join(["%s"] * len(ids))
    sql = f"SELECT {LOCKED_COLUMNS} FROM brands_brand b WHERE b.id IN ({marks}) ORDER BY b.id {suffix}"  # noqa: S608 - no input
    with connection.cursor() as cursor:
        locked = map(read_locked, fetch(cursor, sql, [param(brand_id) for brand_id in ids]))
        return {brand.id: brand for brand in locked}


def read_all(brand_id: UUID | None = None) -> list[LockedBrand]:
    """What `lock` reads, of all brands (or one), without the locks: for looking at what may be due."""
    condition, params = (" WHERE b.id = %s", [param(brand_id)]) if brand_id else ("", [])
    with connection.cursor() as cursor:
        return list(map(read_locked, fetch(cursor, f"SELECT {LOCKED_COLUMNS} FROM brands_brand b{condition}", params)))  # noqa: S608 - no input


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises ZoneInfoNotFoundError (a KeyError) or ValueError for a name that is none."""
    try:
        return ZoneInfo(name)
    except OSError as error:  # “America” is a directory of zones
        raise ZoneInfoNotFoundError(f"No time zone found with key {name}") from error


@cache
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "posixrules", "Factory"})


def check_version(thing: Any, expected: int | None) -> None:
    """Refuse to overwrite what somebody else changed since `expected` was read."""
    if expected is not None and thing.version != expected:
        raise Conflict(
            f"“{thing}” was changed by somebody else while you were editing. Nothing was saved; "
            "reload the page and make your change again."
        )


def clean_inputs(changes: Mapping[str, object]) -> dict[str, Any]:
    """The inputs of a brand, checked and normalised. Raises Refused naming the field."""
    cleaned: dict[str, Any] = {}
    for field, value in changes.items():
        if field not in INPUTS:
            raise Refused(f"A brand has no input called {field}.", field=field)
        cleaned[field] = _CLEANERS[field](value, field)
    return cleaned


def clean_title(value: object, field: str) -> str:
    try:
        return clean_name(str(value), what=field)
    except InvalidText as error:
        raise Refused(str(error), field=field) from error


def clean_budget(value: object, field: str) -> Decimal | None:
    """A budget: None for no limit, else an amount that is not negative."""
    if value is None or value == "":
        return None
    try:
        amount = value if isinstance(value, Decimal) else money.parse_amount(str(value))
        money.to_micros(amount)
    except money.InvalidAmount as error:
        raise Refused(str(error), field=field) from error
    if amount < 0:
        raise Refused("A budget cannot be negative. Leave it empty for no limit.", field=field)
    return amount


def _clean_zone(value: object, field: str) -> ZoneInfo:
    if str(value) not in zone_names():
        raise Refused(f"“{value}” is not a time zone; write it like Europe/Berlin.", field=field)
    return zone(str(value))


def _clean_currency(value: object, field: str) -> str:
    code = str(value).upper()
    if not money.is_currency(code):
        raise Refused(f"“{value}” is not an ISO 4217 currency code, such as USD or EUR.", field=field)
    return code


_CLEANERS = {
    "name": clean_title,
    "timezone": _clean_zone,
    "currency": _clean_currency,
    "daily_budget": clean_budget,
    "monthly_budget": clean_budget,
}


def plain(value: object, currency: str) -> object:
    """A value as the audit record keeps it: money as text, moments and dates in ISO form."""
    if isinstance(value, Decimal):
        return money.exact_text(value, currency)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | list | dict | None) else str(value)


def write_inputs(
    thing: Any,
    cleaned: Mapping[str, Any],
    currency: str,
    now: datetime,
    check: Callable[[Any], None] | None = None,
) -> tuple[dict[str, object], dict[str, object]]:
    """Write the inputs that really change; give back their values before and after, both empty if none does.

    `check` sees the thing with its new values and may refuse them together.
    """
    changed = {field: value for field, value in cleaned.items() if getattr(thing, field) != value}
    if not changed:
        return {}, {}
    before = {field: plain(getattr(thing, field), currency) for field in changed}
    for field, value in changed.items():
        setattr(thing, field, value)
    if check is not None:
        check(thing)
    thing.version += 1
    thing.updated_at = now
    thing.save(update_fields=[*changed, "version", "updated_at"])
    return before, {field: plain(value, currency) for field, value in changed.items()}


def audit(
    target: models.Model,
    action: str,
    *,
    brand_id: UUID | None,
    actor: str,
    now: datetime,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    reason: str = "",
) -> None:
    """Record that `actor` did `action` to `target`. Every write of an input goes through here."""
    AuditEntry.objects.create(
        at=now,
        actor=actor,
        action=action,
        brand_id=brand_id,
        object_type=str(target._meta.verbose_name),
        object_id=target.pk,
        object_label=str(target)[:400],
        before=before or {},
        after=after or {},
        reason=reason,
        origin=origin.current(),
    )
