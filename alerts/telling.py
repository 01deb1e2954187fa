"""Telling people: which alerts each receiver is to be told of now, in one message; and the day's digest.

What was told is written in the transaction that makes the message, so that nothing is told twice. In quiet hours
nothing is made: what still stands when they end is told then, and what is over by then is not.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from alerts.findings import zone_of as brand_zone
from alerts.kinds import LABELS, Kind
from alerts.models import Alert, AlertQuerySet, Told
from brands.periods import local_date
from budget_system.db import use_case
from budget_system.errors import Busy
from delivery.messages import Message, Part
from delivery.models import PEOPLE, Endpoint
from delivery.payload import EventType
from delivery.quiet import is_quiet, zone_of
from delivery.receivers import enqueue
from delivery.severity import Severity
from enforcement.explain import local_text

logger = logging.getLogger(__name__)
AT_ONCE = 500
"""As many alerts are told in one message; their first ones by name."""
SHOWN = 20
ENDS = timedelta(days=7)
"""Of what ended longer ago nobody is told any more."""


def tell_all(now: datetime) -> dict[str, int]:
    """Make what messages are due for people. Gives how many of each."""
    counts = {"messages": 0, "digests": 0}
    for endpoint_id in Endpoint.objects.filter(kind__in=PEOPLE, off_at=None).values_list("pk", flat=True):
        try:
            counts["messages"] += tell(endpoint_id, now)
            counts["digests"] += tell_digest(endpoint_id, now)
        except (Busy, DatabaseError, ValidationError):  # its brand's row may be held, or unreadable; the others go on
            logger.exception("Receiver %s could not be told", endpoint_id)
            counts["failed"] = counts.get("failed", 0) + 1
    return counts


@use_case
def tell(endpoint_id: UUID, now: datetime) -> int:
    """The message of what is new and what is over, if there is anything. Gives how many messages: 0 or 1."""
    endpoint = _lock(endpoint_id)
    if endpoint is None:
        return 0
    raised, ended = _due(endpoint, now)
    if not raised and not ended:
        return 0
    rows = [Told(alert=alert, endpoint=endpoint, end=False, at=now) for alert in raised]
    rows += [Told(alert=alert, endpoint=endpoint, end=True, at=now) for alert in ended]
    Told.objects.bulk_create(rows)
    enqueue(endpoint, EventType.MESSAGE, message_of(raised, ended, now), now)
    return 1


@use_case
def tell_digest(endpoint_id: UUID, now: datetime) -> int:
    """The digest of this local day, once its hour has come, however late. Gives how many: 0 or 1."""
    endpoint = _lock(endpoint_id)
    if endpoint is None or endpoint.digest_hour is None:
        return 0
    zone = zone_of(endpoint)
    today = local_date(zone, now)
    if now.astimezone(zone).hour < endpoint.digest_hour or (endpoint.digest_on or today - timedelta(days=1)) >= today:
        return 0
    Endpoint.objects.filter(pk=endpoint.pk).update(digest_on=today)
    enqueue(endpoint, EventType.DIGEST, digest_of(endpoint, now), now)
    return 1


def _lock(endpoint_id: UUID) -> Endpoint | None:
    locked = Endpoint.objects.select_for_update(of=("self",), no_key=True).select_related("brand")
    return locked.filter(pk=endpoint_id, kind__in=PEOPLE, off_at=None).first()


def _of(endpoint: Endpoint) -> AlertQuerySet:
    alerts = Alert.objects.filter(severity__gte=endpoint.minimum_severity)
    return alerts if endpoint.brand_id is None else alerts.filter(brand=endpoint.brand_id)


def _due(endpoint: Endpoint, now: datetime) -> tuple[list[Alert], list[Alert]]:
    """What is new, the gravest first; and what is over of what was told, unless a person has resolved it."""
    theirs = Told.objects.filter(alert=OuterRef("pk"), endpoint=endpoint)
    was_told = Exists(theirs.filter(end=False))
    raised = _of(endpoint).open().filter(~was_told, raised_at__gte=endpoint.starts_at)
    ended = _of(endpoint).filter(
        was_told, ~Exists(theirs.filter(end=True)), ~Q(ending=""), ended_at__gte=now - ENDS, resolved_at=None
    )
    if is_quiet(endpoint.quiet_from, endpoint.quiet_until, zone_of(endpoint), now):
        if endpoint.quiet_for_critical:
            return [], []
        raised, ended = raised.filter(severity=Severity.CRITICAL), ended.filter(severity=Severity.CRITICAL)
    known = ("brand", "campaign")
    return (
        list(raised.select_related(*known).order_by("-severity", "raised_at", "pk")[:AT_ONCE]),
        list(ended.select_related(*known).order_by("ended_at", "pk")[:AT_ONCE]),
    )


# --- Words -----------------------------------------------------------------------------------------------------------


def message_of(raised: Sequence[Alert], ended: Sequence[Alert], now: datetime) -> Message:
    parts = [*(_part(alert, now) for alert in raised[:SHOWN]), *(_over(alert, now) for alert in ended[:SHOWN])]
    hidden = len(raised) + len(ended) - len(parts)
    if hidden:
        parts.append(Part(f"And {hidden:,} more", link=_list_url()))
    if len(raised) + len(ended) == 1:
        [only] = [*raised, *ended]
        subject = only.title if raised else f"Over: {only.title}"
    else:
        told = [f"{len(raised):,} new" if raised else "", f"{len(ended):,} over" if ended else ""]
        subject = f"Alerts: {', '.join(filter(None, told))}. {[*raised, *ended][0].title}"
    return Message(subject, parts, foot=f"All alerts: {_list_url()}")


def _part(alert: Alert, now: datetime) -> Part:
    figures = " · ".join(f"{name}: {figure}" for name, figure in alert.figures)
    lines = [alert.text, figures, f"Since {_moment(alert, alert.since, now)}", f"What to do: {alert.next_step}"]
    return Part(alert.title, list(filter(None, lines)), url_of(alert), Severity(alert.severity).label)


def _over(alert: Alert, now: datetime) -> Part:
    began, ended = _moment(alert, alert.since, now), _moment(alert, alert.ended_at or now, now)
    return Part(f"Over: {alert.title}", [alert.ending, f"From {began} to {ended}"], url_of(alert))


def digest_of(endpoint: Endpoint, now: datetime) -> Message:
    """What stands, and what happened in the last 24 hours."""
    since = now - timedelta(days=1)
    standing = list(_of(endpoint).open().select_related("brand").order_by("-severity", "raised_at")[: AT_ONCE + 1])
    raised = _of(endpoint).filter(raised_at__gte=since).count()
    over = _of(endpoint).filter(ended_at__gte=since)
    resolved = over.exclude(resolved_at=None).count()
    parts = [
        Part(
            alert.title, [f"{LABELS[Kind(alert.kind)]}, since {_moment(alert, alert.since, now)}"], url_of(alert),
            Severity(alert.severity).label,
        )
        for alert in standing[:SHOWN]
    ]  # fmt: skip
    if len(standing) > SHOWN:
        parts.append(Part(f"And {len(standing) - SHOWN:,} more", link=_list_url()))
    whose = str(endpoint.brand) if endpoint.brand else "all brands"
    open_now = f"{len(standing)} open" if len(standing) <= AT_ONCE else f"more than {AT_ONCE} open"
    day = f"{now.astimezone(zone_of(endpoint)):%a %-d %b}"
    intro = (
        f"In the last 24 hours {raised:,} raised, {over.count():,} over, {resolved:,} of them resolved by people. "
        f"{'Open now:' if standing else 'Nothing is open.'}"
    )
    return Message(f"{whose}, {day}: {open_now}", parts, intro, f"All alerts: {_list_url()}")


def url_of(alert: Alert) -> str:
    """The alert's own page, which leads on: a person reads or resolves it there."""
    return f"{settings.PUBLIC_URL}{reverse('admin:alerts_alert_change', args=[alert.pk])}"


def _list_url() -> str:
    return f"{settings.PUBLIC_URL}{reverse('admin:alerts_alert_changelist')}"


def _moment(alert: Alert, at: datetime, now: datetime) -> str:
    return local_text(brand_zone(alert.brand), at, now)
