"""What lists and pages of endpoints show beside them."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Count

from delivery.models import Attempt, Delivery, DeliveryState, Endpoint

MOST_ATTEMPTS = 50
"""As many of a message are shown."""
OPEN = (DeliveryState.PENDING, DeliveryState.PARKED)


def open_counts(endpoints: Sequence[Endpoint]) -> dict[UUID, dict[str, int]]:
    """How many messages wait and are parked, by endpoint and state. One query for all of them."""
    counts: dict[UUID, dict[str, int]] = {}
    found = Delivery.objects.filter(state__in=OPEN, endpoint__in=endpoints).order_by().values_list("endpoint", "state")
    for endpoint_id, state, count in found.annotate(count=Count("pk")):
        counts.setdefault(endpoint_id, {})[state] = count
    return counts


def latest_attempts(delivery: Delivery) -> list[Attempt]:
    return list(delivery.log.all()[:MOST_ATTEMPTS])
