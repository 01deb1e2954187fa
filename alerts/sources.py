"""Alerts as events for webhooks: raised; and resolved, by a person or because they are over."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from alerts.models import Alert
from budget_system.ids import first_id_at
from delivery.payload import Event, EventType, moment
from delivery.severity import Severity
from delivery.sources import Source


def _raised(since: datetime, brands: Sequence[UUID]) -> QuerySet[Alert]:
    return _known(Alert.objects.filter(id__gte=first_id_at(since), brand__in=brands)).order_by("id")


def _ended(since: datetime, brands: Sequence[UUID]) -> QuerySet[Alert]:
    return _known(Alert.objects.filter(ended_at__gte=since, brand__in=brands)).order_by("ended_at", "id")


def _known(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    return alerts.select_related("brand", "campaign")


def _event(alert: Alert, kind: EventType, at: datetime) -> Event:
    brand, campaign = alert.brand, alert.campaign
    if brand is None:
        raise ValueError("What belongs to no brand is told to no webhook.")
    data = {
        "brand": {"id": str(brand.pk), "name": brand.name},
        "campaign": None
        if campaign is None
        else {
            "id": str(campaign.pk),
            "name": campaign.name,
            "platform": campaign.platform,
            "external_id": campaign.external_id,
        },
        "alert": {
            "id": str(alert.pk),
            "kind": alert.kind,
            "severity": Severity(alert.severity).code,
            "title": alert.title,
            "text": alert.text,
            "figures": [{"name": name, "figure": figure} for name, figure in alert.figures],
            "since": moment(alert.since),
            "what_to_do": alert.next_step,
            "link": f"{settings.PUBLIC_URL}{alert.link}",
            "raised_at": moment(alert.raised_at),
            "over": alert.cleared_at is not None,
        },
    }
    return Event(kind, alert.pk, brand.pk, alert.campaign_id or brand.pk, at, data)


SOURCES = (
    Source(EventType.ISSUE_RAISED, _raised, lambda row: _event(row, EventType.ISSUE_RAISED, row.raised_at)),
    Source(EventType.ISSUE_RESOLVED, _ended, lambda row: _event(row, EventType.ISSUE_RESOLVED, row.ended_at)),
)
