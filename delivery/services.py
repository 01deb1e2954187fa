"""Endpoints and their messages as people manage them. Each is one use case and leaves its audit entry."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from brands.models import Brand
from brands.services import audit, check_version, clean_title
from budget_system.db import joined, use_case
from budget_system.errors import NotFound, Refused
from budget_system.ids import new_id
from budget_system.sealed import is_closed, seal
from budget_system.text import InvalidText, required_note
from delivery.addresses import Policy, Resolve, checked, parse, resolve
from delivery.intake import begin_to_look, take_up_missed
from delivery.messages import message_body, test_message
from delivery.models import Delivery, DeliveryState, Endpoint, EndpointKind, noun
from delivery.payload import CHOSEN, Event, EventType, body, moment
from delivery.relay import LEASE
from delivery.secrets import new_secret

INPUTS = ("name", "url", "events")
NAME_LENGTH = 100
MOST_AGAIN = 1_000
OVERLAP = timedelta(hours=24)
"""How long a secret that was replaced still signs."""


def add_endpoint(
    brand_id: UUID, inputs: Mapping[str, object], *, policy: Policy, actor: str, now: datetime, find: Resolve = resolve
) -> tuple[Endpoint, str]:
    """A new endpoint, which is told what happens from now on, and its secret, which is shown now and never again."""
    if missing := [name for name in INPUTS if name not in inputs]:
        raise Refused("This is needed.", field=missing[0])
    return _add(brand_id, _clean(inputs, policy, find), actor, now)  # names are resolved outside of the transaction


@use_case
def _add(brand_id: UUID, cleaned: dict[str, Any], actor: str, now: datetime) -> tuple[Endpoint, str]:
    brand = Brand.objects.filter(pk=brand_id, archived_at=None).first()
    if brand is None:
        raise NotFound("There is no such brand.", field="brand")
    begin_to_look(now)
    secret = new_secret()
    endpoint = Endpoint.objects.create(
        brand=brand, secret=seal(secret), starts_at=now, created_at=now, updated_at=now, **cleaned
    )
    audit(endpoint, "add webhook", brand_id=brand.pk, actor=actor, now=now, after=cleaned)
    return endpoint, secret


def change_endpoint(
    endpoint_id: UUID,
    changes: Mapping[str, object],
    *,
    policy: Policy,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
    find: Resolve = resolve,
) -> Endpoint:
    """Another name, address or choice of events. What waits goes to the new address."""
    return _change(endpoint_id, _clean(changes, policy, find), expected_version, actor, now)


@use_case
def _change(
    endpoint_id: UUID, wanted: dict[str, Any], expected_version: int | None, actor: str, now: datetime
) -> Endpoint:
    endpoint = lock(endpoint_id)
    check_version(endpoint, expected_version)
    cleaned = {name: value for name, value in wanted.items() if getattr(endpoint, name) != value}
    if cleaned:
        before = {name: getattr(endpoint, name) for name in cleaned}
        if "url" in cleaned:
            leave_alone_no_longer(endpoint, now)
        write(endpoint, now, **cleaned)
        audit(
            endpoint, "change webhook", brand_id=endpoint.brand_id, actor=actor, now=now, before=before, after=cleaned
        )
    return endpoint


@use_case
def new_endpoint_secret(endpoint_id: UUID, *, at_once: bool, actor: str, now: datetime) -> tuple[Endpoint, str]:
    """Another secret, shown now and never again. The former one signs too for a day, unless it is to end `at_once`, or
    cannot sign as no key opens it any more."""
    endpoint = lock(endpoint_id)
    secret = new_secret()
    former = ("", None) if at_once or is_closed(endpoint.secret) else (endpoint.secret, now + OVERLAP)
    write(endpoint, now, secret=seal(secret), former_secret=former[0], former_until=former[1])
    after = {"former secret ends": moment(former[1] or now)}
    audit(endpoint, "change webhook's secret", brand_id=endpoint.brand_id, actor=actor, now=now, after=after)
    return endpoint, secret


def forget_former_secrets(now: datetime) -> int:
    """Those that sign no more. Gives how many."""
    return Endpoint.objects.filter(former_until__lte=now).update(former_secret="", former_until=None)


@use_case
def switch_off(endpoint_id: UUID, *, reason: str, actor: str, now: datetime) -> Endpoint:
    """Nothing is sent there any more, and what happens from now on is not kept for it."""
    endpoint = lock(endpoint_id)
    if endpoint.off_at is None:
        reason = _reason(reason)
        write(endpoint, now, off_at=now, off_reason=reason)
        audit(endpoint, f"switch off {noun(endpoint)}", brand_id=endpoint.brand_id, actor=actor, now=now, reason=reason)
    return endpoint


@use_case
def switch_on(endpoint_id: UUID, *, catch_up: bool, actor: str, now: datetime) -> tuple[Endpoint, int]:
    """Sent again, and how many messages it is told of what happened meanwhile: none unless it is to `catch_up`."""
    endpoint = lock(endpoint_id)
    if endpoint.off_at is None:
        return endpoint, 0
    off_at = endpoint.off_at
    leave_alone_no_longer(endpoint, now)
    write(endpoint, now, off_at=None, off_reason="", gave_up=False, starts_at=off_at if catch_up else now)
    made = take_up_missed(endpoint, off_at, now) if catch_up else 0
    after = {"messages of what happened meanwhile": made}
    audit(endpoint, f"switch on {noun(endpoint)}", brand_id=endpoint.brand_id, actor=actor, now=now, after=after)
    return endpoint, made


@use_case
def resend(delivery_ids: Iterable[int], *, actor: str, now: datetime) -> int:
    """Send these again, with all their attempts, under the same id. Gives how many; those that wait anyway are not
    counted. Raises Refused if an endpoint is off."""
    found = Delivery.objects.select_for_update(of=("self",), no_key=True).select_related("endpoint")
    again = list(found.filter(pk__in=list(delivery_ids)).exclude(state=DeliveryState.PENDING).order_by("pk"))
    for delivery in again:
        _refuse_off(delivery.endpoint)
    for delivery in again:
        before = {"state": delivery.state, "attempts": delivery.attempts}
        audit(
            delivery.endpoint, "send again", brand_id=delivery.endpoint.brand_id, actor=actor, now=now, before=before,
            after={"message": delivery.message_id},
        )  # fmt: skip
    Delivery.objects.filter(pk__in=[delivery.pk for delivery in again]).update(
        state=DeliveryState.PENDING, attempts=0, next_at=now, sent_at=None
    )
    return len(again)


@use_case
def resend_parked(endpoint_id: UUID, *, actor: str, now: datetime) -> tuple[int, int]:
    """Send again what is parked for this endpoint, the oldest first. Gives how many, and how many are left: no more
    than `MOST_AGAIN` are sent again at once. Raises Refused if the endpoint is off."""
    endpoint = _found(Endpoint.objects.all(), endpoint_id)  # not locked: the relay's results would wait for it
    _refuse_off(endpoint)
    parked = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PARKED)
    chosen = list(parked.order_by("pk").values_list("pk", flat=True)[:MOST_AGAIN])
    with joined():
        sent = resend(chosen, actor=actor, now=now)
    return sent, parked.count()


@use_case
def ping(endpoint_id: UUID, *, actor: str, now: datetime) -> Delivery:
    """A test message, claimed for its one who asks: hand it to `relay.send_now`. Raises Refused if it is off."""
    endpoint = lock(endpoint_id)
    _refuse_off(endpoint)
    source_id = new_id()
    delivery = Delivery.objects.create(
        endpoint=endpoint, type=EventType.PING, source_id=source_id, order_key=source_id, happened_at=now,
        body=_test_body(endpoint, source_id, now), attempts=1, next_at=now + LEASE, created_at=now,
    )  # fmt: skip
    audit(endpoint, f"test {noun(endpoint)}", brand_id=endpoint.brand_id, actor=actor, now=now)
    return delivery


def _refuse_off(endpoint: Endpoint) -> None:
    if endpoint.off_at is not None:
        raise Refused(f"“{endpoint}” is switched off. Switch it on first; nothing was sent.")


def _test_body(endpoint: Endpoint, source_id: UUID, now: datetime) -> str:
    if endpoint.kind == EndpointKind.WEBHOOK and endpoint.brand is not None:
        data = {"brand": {"id": str(endpoint.brand_id), "name": endpoint.brand.name}, "webhook": endpoint.name}
        return body(Event(EventType.PING, source_id, endpoint.brand.pk, source_id, now, data))
    return message_body(endpoint.kind, test_message(endpoint.name, str(endpoint.brand or "all brands")))


def _clean(inputs: Mapping[str, object], policy: Policy, find: Resolve) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for field, value in inputs.items():
        if field == "name":
            cleaned[field] = clean_title(value, field)
            if len(cleaned[field]) > NAME_LENGTH:
                raise Refused(f"The name is longer than {NAME_LENGTH} characters.", field=field)
        elif field == "url":
            cleaned[field] = str(value).strip()
            # Every call checks again. This says at once what would never be called.
            checked(parse(cleaned[field], policy), policy, find)
        elif field == "events":
            cleaned[field] = _clean_events(value)
        else:
            raise Refused(f"A webhook has no input called {field}.", field=field)
    return cleaned


def _clean_events(value: object) -> list[str]:
    chosen = [str(one) for one in value] if isinstance(value, list | tuple | set) else []
    if unknown := sorted(set(chosen) - set(CHOSEN)):
        raise Refused(f"There is no event called “{unknown[0]}”; there are {', '.join(CHOSEN)}.", field="events")
    if not chosen:
        raise Refused("Choose at least one event.", field="events")
    return [kind.value for kind in CHOSEN if kind in chosen]


def lock(endpoint_id: UUID) -> Endpoint:
    return _found(Endpoint.objects.select_for_update(of=("self",), no_key=True).select_related("brand"), endpoint_id)


def _found(endpoints: QuerySet[Endpoint], endpoint_id: UUID) -> Endpoint:
    endpoint = endpoints.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFound("There is no such webhook.")
    return endpoint


def leave_alone_no_longer(endpoint: Endpoint, now: datetime) -> None:
    """What failed before says nothing any more, and what waits for a later attempt is due."""
    _set(endpoint, failures=0, failing_since=None, leave_until=None)
    waiting = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING, next_at__gt=now + LEASE)
    waiting.update(next_at=now)


def write(endpoint: Endpoint, now: datetime, **values: Any) -> None:
    _set(endpoint, **values, version=endpoint.version + 1, updated_at=now)


def _set(endpoint: Endpoint, **values: Any) -> None:
    for name, value in values.items():
        setattr(endpoint, name, value)
    endpoint.save(update_fields=list(values))


def _reason(text: str) -> str:
    try:
        return required_note(text, what="reason")
    except InvalidText as error:
        raise Refused(str(error), field="reason") from error
