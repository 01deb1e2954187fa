"""Receivers of people, e-mail and Slack, as they are managed; and what they are told. Their sending is the relay's."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from brands.models import Brand
from brands.periods import local_date
from brands.services import audit, check_version, clean_title
from budget_system.db import use_case
from budget_system.errors import NotFound, Refused
from budget_system.ids import new_id
from budget_system.sealed import seal
from delivery.addresses import LONGEST, Policy, Resolve, checked, parse, resolve
from delivery.messages import Message, message_body
from delivery.models import PEOPLE, Delivery, DeliveryState, Endpoint, EndpointKind, noun
from delivery.payload import EventType
from delivery.quiet import zone_of
from delivery.services import NAME_LENGTH, leave_alone_no_longer, lock, write
from delivery.severity import Severity

INPUTS = (
    "name", "address", "minimum_severity", "quiet_from", "quiet_until", "quiet_for_critical", "digest_hour",
)  # fmt: skip
MOST_ADDRESSES = 20


def add_receiver(
    brand_id: UUID | None,
    kind: str,
    inputs: Mapping[str, object],
    *,
    policy: Policy,
    actor: str,
    now: datetime,
    find: Resolve = resolve,
) -> Endpoint:
    """A receiver of alerts for a brand, or (None) for all brands and the system itself, from now on."""
    if kind not in PEOPLE:
        raise Refused("Choose e-mail or Slack.", field="kind")
    for name in ("name", "address"):
        if not inputs.get(name):
            raise Refused("This is needed.", field=name)
    return _add(brand_id, kind, _clean(kind, inputs, policy, find), actor, now)


@use_case
def _add(brand_id: UUID | None, kind: str, cleaned: dict[str, Any], actor: str, now: datetime) -> Endpoint:
    brand = None
    if brand_id is not None:
        brand = Brand.objects.filter(pk=brand_id, archived_at=None).first()
        if brand is None:
            raise NotFound("There is no such brand.", field="brand")
    endpoint = Endpoint(kind=kind, brand=brand, starts_at=now, created_at=now, updated_at=now, **cleaned)
    _check(endpoint)
    endpoint.digest_on = _digest_begins(endpoint, now)
    endpoint.save(force_insert=True)
    audit(endpoint, f"add {noun(endpoint)}", brand_id=brand_id, actor=actor, now=now, after=_told(cleaned, kind))
    return endpoint


def change_receiver(
    endpoint_id: UUID,
    changes: Mapping[str, object],
    *,
    policy: Policy,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
    find: Resolve = resolve,
) -> Endpoint:
    """Another name, address or hours. An empty address leaves the present one."""
    kind = Endpoint.objects.filter(pk=endpoint_id, kind__in=PEOPLE).values_list("kind", flat=True).first()
    if kind is None:
        raise NotFound("There is no such receiver.")
    given = {name: value for name, value in changes.items() if name != "address" or value}
    return _change(endpoint_id, _clean(kind, given, policy, find), expected_version, actor, now)


@use_case
def _change(
    endpoint_id: UUID, wanted: dict[str, Any], expected_version: int | None, actor: str, now: datetime
) -> Endpoint:
    endpoint = lock(endpoint_id)
    check_version(endpoint, expected_version)
    cleaned = {name: value for name, value in wanted.items() if getattr(endpoint, name) != value}
    if not cleaned:
        return endpoint
    before = {name: getattr(endpoint, name) for name in cleaned}
    if cleaned.keys() & {"url", "secret"}:
        leave_alone_no_longer(endpoint, now)
    for name, value in cleaned.items():
        setattr(endpoint, name, value)
    _check(endpoint)
    if "digest_hour" in cleaned:
        cleaned["digest_on"] = _digest_begins(endpoint, now)
    write(endpoint, now, **cleaned)
    audit(
        endpoint, f"change {noun(endpoint)}", brand_id=endpoint.brand_id, actor=actor, now=now,
        before=_told(before, endpoint.kind), after=_told(cleaned, endpoint.kind),
    )  # fmt: skip
    return endpoint


def enqueue(endpoint: Endpoint, kind: EventType, message: Message, now: datetime) -> Delivery:
    """A message for the relay to send. Inside the caller's transaction."""
    source_id = new_id()
    return Delivery.objects.create(
        endpoint=endpoint, type=kind, source_id=source_id, order_key=endpoint.pk, happened_at=now,
        body=message_body(endpoint.kind, message), state=DeliveryState.PENDING, next_at=now, created_at=now,
    )  # fmt: skip


# --- What is given ---------------------------------------------------------------------------------------------------


def _clean(kind: str, inputs: Mapping[str, object], policy: Policy, find: Resolve) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for field, value in inputs.items():
        match field:
            case "name":
                cleaned[field] = clean_title(value, field)
                if len(cleaned[field]) > NAME_LENGTH:
                    raise Refused(f"The name is longer than {NAME_LENGTH} characters.", field=field)
            case "address":
                cleaned |= _clean_slack(value, policy, find) if kind == EndpointKind.SLACK else _clean_mail(value)
            case "minimum_severity":
                cleaned[field] = _clean_severity(value)
            case "quiet_from" | "quiet_until":
                cleaned[field] = _clean_time(value, field)
            case "quiet_for_critical":
                cleaned[field] = bool(value)
            case "digest_hour":
                cleaned[field] = _clean_hour(value)
            case _:
                raise Refused(f"A receiver has no input called {field}.", field=field)
    return cleaned


def _clean_slack(value: object, policy: Policy, find: Resolve) -> dict[str, str]:
    """The address is sealed; what is shown and recorded is its host."""
    url = str(value).strip()
    try:
        target = parse(url, policy)
        checked(target, policy, find)
    except Refused as error:
        raise Refused(error.message, field="address") from error
    return {"url": f"{target.scheme}://{target.host_header}/…", "secret": seal(url)}


def _clean_mail(value: object) -> dict[str, str]:
    found = [one.strip() for one in str(value).replace(";", ",").replace("\n", ",").split(",") if one.strip()]
    if len(found) > MOST_ADDRESSES:
        raise Refused(f"At most {MOST_ADDRESSES} addresses; a mailing list reaches more.", field="address")
    for one in found:
        try:
            validate_email(one)
        except ValidationError as error:
            raise Refused(f"“{one[:100]}” is not an e-mail address.", field="address") from error
    if not found:
        raise Refused("This is needed.", field="address")
    url = ", ".join(dict.fromkeys(found))
    if len(url) > LONGEST:
        raise Refused(
            f"Together the addresses are longer than {LONGEST:,} characters; a mailing list reaches more.",
            field="address",
        )
    return {"url": url}


def _clean_severity(value: object) -> int:
    try:
        return Severity(int(str(value))).value
    except ValueError:
        raise Refused("There is no such severity.", field="minimum_severity") from None


def _clean_time(value: object, field: str) -> time | None:
    if value in (None, ""):
        return None
    if isinstance(value, time):
        return value.replace(second=0, microsecond=0)
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        raise Refused("Write a time such as 22:00.", field=field) from None


def _clean_hour(value: object) -> int | None:
    if value in (None, ""):
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text[:3]) <= 23):
        raise Refused("An hour from 0 to 23.", field="digest_hour")
    return int(text)


def _check(endpoint: Endpoint) -> None:
    if (endpoint.quiet_from is None) != (endpoint.quiet_until is None):
        missing = "quiet_until" if endpoint.quiet_until is None else "quiet_from"
        raise Refused("Quiet hours need a beginning and an end, or neither.", field=missing)
    if endpoint.quiet_from is not None and endpoint.quiet_from == endpoint.quiet_until:
        raise Refused("They end when they begin. Leave both empty for none.", field="quiet_until")


def _digest_begins(endpoint: Endpoint, now: datetime) -> Any:
    """If its hour is past today, the first one comes tomorrow."""
    zone = zone_of(endpoint)
    if endpoint.digest_hour is None or now.astimezone(zone).hour < endpoint.digest_hour:
        return None
    return local_date(zone, now)


def _told(values: Mapping[str, Any], kind: str) -> dict[str, object]:
    """As the audit record keeps it: never the address of a Slack channel."""
    names = {"url": "address", "minimum_severity": "from", "quiet_for_critical": "critical ones wait too"}
    told: dict[str, object] = {}
    for name, value in values.items():
        if name in {"secret", "digest_on"}:
            continue
        shown = f"{value:%H:%M}" if isinstance(value, time) else value
        told[names.get(name, name)] = Severity(value).label if name == "minimum_severity" else shown
    if "secret" in values and kind == EndpointKind.SLACK:
        told["address"] = f"{values.get('url', '')} (another one)".strip()
    return told
