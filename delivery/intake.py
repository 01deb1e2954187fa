"""From what happened to messages: every record gets one delivery for each endpoint that wants to be told of it.

A look begins some time before the end of the last one: records are not committed in the order of their ids and moments.
The end of a look is never later than the beginning of the oldest transaction that still runs.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from uuid import UUID

from django.db import connection
from django.db.models import Q

from budget_system.db import fetch, is_postgres, use_case
from delivery.models import Delivery, DeliveryState, Endpoint, EndpointKind, Relay
from delivery.payload import Event, body
from delivery.sources import SOURCES

LOOK_BACK = timedelta(minutes=10)
"""By how much a record's moment may precede the transaction that writes it: a task may take five minutes."""
AT_ONCE = 2_000
"""How many events are taken up in one transaction. What is left is found by the next look."""


def begin_to_look(now: datetime) -> None:
    """From the first of these calls on nothing is missed."""
    Relay.objects.get_or_create(pk=1, defaults={"looked_until": now})


@use_case
def take_up(now: datetime) -> int:
    """Make deliveries of what has happened since the last look. Gives how many. Doing it again makes none twice."""
    begin_to_look(now)
    relay = Relay.objects.select_for_update(no_key=True).get(pk=1)
    looked_until = relay.looked_until or now
    until = min(now, _oldest_transaction() or now)
    endpoints = list(Endpoint.objects.filter(kind=EndpointKind.WEBHOOK, off_at=None))
    events, rest = _new_events(looked_until - LOOK_BACK, endpoints)
    made = _deliver_to(events, endpoints, now)
    if not rest:
        Relay.objects.filter(pk=1).update(looked_until=max(looked_until, until))
    return made


def take_up_missed(endpoint: Endpoint, since: datetime, now: datetime) -> int:
    """Make deliveries of what happened since then, where this endpoint has none. Inside the caller's transaction."""
    if endpoint.brand_id is None:
        return 0
    kinds = (source for source in SOURCES if source.type in endpoint.events)
    events = merge(*(kind.new(since, [endpoint.brand_id], endpoint.pk) for kind in kinds), key=lambda event: event.at)
    made = 0
    while some := list(islice(events, AT_ONCE)):
        made += _deliver_to(some, [endpoint], now)
    return made


def _new_events(since: datetime, endpoints: Iterable[Endpoint]) -> tuple[list[Event], bool]:
    """What nobody was told of, at most so many of each kind; and whether there is more."""
    found: list[Event] = []
    rest = False
    for source in SOURCES:
        starts: dict[UUID, datetime] = {}
        for one in endpoints:
            if source.type in one.events and one.brand_id is not None:
                starts[one.brand_id] = min(one.starts_at, starts.get(one.brand_id, one.starts_at))
        if not starts:
            continue
        wanted = (event for event in source.new(since, sorted(starts)) if event.at >= starts[event.brand_id])
        some = list(islice(wanted, AT_ONCE + 1))
        rest = rest or len(some) > AT_ONCE
        found += some[:AT_ONCE]
    return found, rest


def _deliver_to(events: Iterable[Event], endpoints: Iterable[Endpoint], now: datetime) -> int:
    of_brand: dict[UUID, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        if endpoint.brand_id is not None:
            of_brand[endpoint.brand_id].append(endpoint)
    made = [
        Delivery(
            endpoint=endpoint, type=event.type, source_id=event.source_id, order_key=event.order_key,
            happened_at=event.at, body=body(event), next_at=now, created_at=now,
        )
        for event in sorted(events, key=lambda event: event.at)
        for endpoint in of_brand[event.brand_id]
        if event.type in endpoint.events and event.at >= endpoint.starts_at
    ]  # fmt: skip
    Delivery.objects.bulk_create(made, batch_size=500, ignore_conflicts=True)
    return len(made)


def _oldest_transaction() -> datetime | None:
    """When the oldest transaction of others began that has written, or may still show an older state."""
    if not is_postgres():
        return None  # one writer at a time: whatever this transaction does not see begins after it
    with connection.cursor() as cursor:
        [(began,)] = fetch(
            cursor,
            "SELECT min(xact_start) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
        )
    oldest: datetime | None = began
    return oldest


def tidy(now: datetime) -> int:
    """Delete messages that have arrived, or were parked, and are older than 30 days; and those that wait for an
    endpoint that is off."""
    over = ~Q(state=DeliveryState.PENDING) | Q(endpoint__off_at__isnull=False)
    old = Delivery.objects.filter(over, created_at__lt=now - KEPT).order_by("id").values_list("pk", flat=True)
    return Delivery.objects.filter(pk__in=list(old[:5_000])).delete()[1].get("delivery.Delivery", 0)


KEPT = timedelta(days=30)
