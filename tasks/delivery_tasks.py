"""Celery's door to the relay. It carries no state: what is to be sent, and when, is in the database."""

import logging

from celery import shared_task

from budget_system import clock
from delivery import outlets, relay

logger = logging.getLogger(__name__)


@shared_task(name="tasks.delivery_tasks.deliver_task")
def deliver_task() -> dict[str, int]:
    """Every three seconds: take up what happened, and send what is due."""
    try:
        return relay.run(clock=clock.now, send=outlets.send)
    except relay.AlreadyAtWork as other:
        logger.debug("%s", other)
        return {"skipped": 1}
