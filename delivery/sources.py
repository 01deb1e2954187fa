"""What happened, read from the records of it: they are the outbox. Nobody's name is told on, only what was done."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, QuerySet

from budget_system.ids import first_id_at
from campaigns import holds
from campaigns.models import Campaign, StateChange
from delivery.models import Delivery
from delivery.payload import Event, EventType, moment
from pacing.models import BreakerChange, PaceAlert
from spending.models import SpendImport


class Source(NamedTuple):
    """Records of one kind: those of some brands since a moment, oldest first, and the event that each is."""

    type: EventType
    rows: Callable[[datetime, Sequence[UUID]], QuerySet[Any]]
    event: Callable[[Any], Event]

    def new(self, since: datetime, brands: Sequence[UUID], endpoint: UUID | None = None) -> Iterator[Event]:
        """The events that nobody, or this endpoint, was told of yet."""
        told = Delivery.objects.filter(source_id=OuterRef("pk"), type=self.type)
        told = told if endpoint is None else told.filter(endpoint=endpoint)
        return map(self.event, self.rows(since, brands).filter(~Exists(told)).iterator(500))


def _state_changes(since: datetime, brands: Sequence[UUID]) -> QuerySet[StateChange]:
    rows = StateChange.objects.filter(id__gte=first_id_at(since), brand__in=brands)
    return rows.select_related("campaign", "brand").order_by("id")


def _state_change(row: StateChange) -> Event:
    data = {
        **_campaign(row.campaign),
        "from": {"status": row.from_status, "holds": _holds(row.from_holds)},
        "to": {"status": row.to_status, "holds": _holds(row.to_holds)},
        "figures": row.figures,
        "cause": row.cause,
    }
    return Event(EventType.STATE_CHANGED, row.pk, row.brand_id, row.campaign_id, row.at, data)


def _alerts(since: datetime, brands: Sequence[UUID]) -> QuerySet[PaceAlert]:
    rows = PaceAlert.objects.filter(id__gte=first_id_at(since), campaign__brand__in=brands)
    return rows.select_related("campaign__brand").order_by("id")


def _cleared_alerts(since: datetime, brands: Sequence[UUID]) -> QuerySet[PaceAlert]:
    rows = PaceAlert.objects.filter(cleared_at__gte=since, campaign__brand__in=brands)
    return rows.select_related("campaign__brand").order_by("cleared_at", "id")


def _alert(row: PaceAlert, kind: EventType, at: datetime) -> Event:
    data = {
        **_campaign(row.campaign),
        "alert": {
            "id": str(row.pk),
            "channel": row.channel,
            "kind": row.kind,
            "severity": row.severity,
            "message": row.message,
            "what_to_do": row.action,
            "pace": row.pace,
            "raised_at": moment(row.raised_at),
        },
    }
    return Event(kind, row.pk, row.campaign.brand_id, row.campaign_id, at, data)


def _raised(row: PaceAlert) -> Event:
    return _alert(row, EventType.ALERT_RAISED, row.raised_at)


def _cleared(row: PaceAlert) -> Event:
    return _alert(row, EventType.ALERT_CLEARED, row.cleared_at or row.raised_at)


def _breaker_changes(since: datetime, brands: Sequence[UUID]) -> QuerySet[BreakerChange]:
    rows = BreakerChange.objects.filter(id__gte=first_id_at(since), campaign__brand__in=brands)
    return rows.select_related("campaign__brand").order_by("id")


def _breaker_change(row: BreakerChange) -> Event:
    data = {
        **_campaign(row.campaign),
        "channel": row.channel,
        "from": row.from_state,
        "to": row.to_state,
        "reason": row.reason,
    }
    return Event(EventType.BREAKER_CHANGED, row.pk, row.campaign.brand_id, row.campaign_id, row.at, data)


def _imports(since: datetime, brands: Sequence[UUID]) -> QuerySet[SpendImport]:
    return _of_one_brand(SpendImport.objects.filter(finished_at__gte=since), brands).order_by("finished_at", "id")


def _undone_imports(since: datetime, brands: Sequence[UUID]) -> QuerySet[SpendImport]:
    return _of_one_brand(SpendImport.objects.filter(undone_at__gte=since), brands).order_by("undone_at", "id")


def _of_one_brand(rows: QuerySet[SpendImport], brands: Sequence[UUID]) -> QuerySet[SpendImport]:
    """The counts of another brand's rows are not this one's to know."""
    single = rows.filter(dry_run=False).annotate(owners=Count("brands")).filter(owners=1).values("pk")
    return SpendImport.objects.filter(pk__in=single, brands__in=brands).prefetch_related("brands")


def _finished(row: SpendImport) -> Event:
    return _import(row, EventType.IMPORT_FINISHED, row.finished_at or row.created_at)


def _undone(row: SpendImport) -> Event:
    return _import(row, EventType.IMPORT_UNDONE, row.undone_at or row.created_at)


def _import(row: SpendImport, kind: EventType, at: datetime) -> Event:
    [brand] = row.brands.all()
    data = {
        "brand": {"id": str(brand.pk), "name": brand.name},
        "import": {
            "id": str(row.pk),
            "file_name": row.file_name,
            "format": row.format,
            "state": row.state,
            "first_day": row.first_day.isoformat() if row.first_day else None,
            "last_day": row.last_day.isoformat() if row.last_day else None,
            **{name: getattr(row, name) for name in _COUNTS},
            "error": row.error,
        },
    }
    return Event(kind, row.pk, brand.pk, row.pk, at, data)


_COUNTS = ("rows", "accepted", "unchanged", "corrected", "duplicate", "rejected")

SOURCES = [
    Source(EventType.STATE_CHANGED, _state_changes, _state_change),
    Source(EventType.ALERT_RAISED, _alerts, _raised),
    Source(EventType.ALERT_CLEARED, _cleared_alerts, _cleared),
    Source(EventType.BREAKER_CHANGED, _breaker_changes, _breaker_change),
    Source(EventType.IMPORT_FINISHED, _imports, _finished),
    Source(EventType.IMPORT_UNDONE, _undone_imports, _undone),
]


def register(source: Source) -> None:
    """Let a room above tell of its records too. Once a process, when its app is ready."""
    if all(known.type is not source.type for known in SOURCES):
        SOURCES.append(source)


def _campaign(campaign: Campaign) -> dict[str, object]:
    return {
        "brand": {"id": str(campaign.brand_id), "name": campaign.brand.name},
        "campaign": {
            "id": str(campaign.pk),
            "name": campaign.name,
            "platform": campaign.platform,
            "external_id": campaign.external_id,
        },
    }


def _holds(held: Sequence[holds.Hold]) -> list[str]:
    return [hold.value for hold in held]
