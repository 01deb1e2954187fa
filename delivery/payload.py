"""What is told, and in which shape: event types and bodies, version 1. docs/schemas/webhooks-v1.json describes them.

A body keeps its fields as long as its version lasts. New fields may come; whoever reads leaves alone what it does not
know.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

VERSION = 1


class EventType(StrEnum):
    STATE_CHANGED = "campaign.state_changed"
    ALERT_RAISED = "pacing.alert_raised"
    ALERT_CLEARED = "pacing.alert_cleared"
    BREAKER_CHANGED = "pacing.breaker_changed"
    IMPORT_FINISHED = "import.finished"
    IMPORT_UNDONE = "import.undone"
    ISSUE_RAISED = "alert.raised"
    ISSUE_RESOLVED = "alert.resolved"
    PING = "webhook.ping"
    MESSAGE = "people.message"
    DIGEST = "people.digest"


TO_ONE = (EventType.PING, EventType.MESSAGE, EventType.DIGEST)
"""What is made for one receiver: tests, and what people are told."""
CHOSEN = tuple(kind for kind in EventType if kind not in TO_ONE)
"""What a webhook can choose."""


class Event(NamedTuple):
    """Something that happened to a brand. `source_id` is the record of it. Events of one `order_key` (a campaign, an
    import) are told in their order."""

    type: EventType
    source_id: UUID
    brand_id: UUID
    order_key: UUID
    at: datetime
    data: Mapping[str, object]


def message_id(kind: str, source_id: UUID) -> str:
    """The `webhook-id`, which an event keeps. Without full stops: the signature has its own use for them."""
    return f"{kind.replace('.', '_')}_{source_id.hex}"


def body(event: Event) -> str:
    """The body of an event as JSON text. It is made once: what is sent again has the same bytes."""
    return json.dumps(
        {
            "id": message_id(event.type, event.source_id),
            "type": event.type,
            "version": VERSION,
            "timestamp": moment(event.at),
            "data": event.data,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
