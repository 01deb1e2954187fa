"""Celery's door to alerts: look at the present, then make what messages are due. The relay sends them."""

import logging

from celery import shared_task

from alerts import services, telling
from budget_system import clock

logger = logging.getLogger(__name__)


@shared_task(name="tasks.alert_tasks.alert_task")
def alert_task() -> dict[str, int]:
    """Every half minute: raise what is new, clear what is over, tell people."""
    now = clock.now()
    try:
        looked = services.look(now)
    finally:  # also of what stands when a look fails
        told = telling.tell_all(now)
    counts = {**looked, **told}
    if counts.get("raised") or counts.get("cleared"):
        logger.info("Alerts: %s", counts)
    return counts
