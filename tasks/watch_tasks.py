"""Celery's doors to what watches the system itself."""

import logging

from celery import shared_task

from budget_system import clock
from enforcement import book_jobs
from enforcement.models import Heartbeat
from enforcement.runs import AlreadyRunning

logger = logging.getLogger(__name__)
ACTOR = "worker"
LIMIT_S = 270
"""Below the broker's visibility timeout, so that no check under way is handed out twice."""


@shared_task(name="tasks.watch_tasks.heartbeat_task")
def heartbeat_task() -> None:
    """Every 15 seconds: leave a trace that beat, broker, worker and database are at work."""
    Heartbeat.objects.update_or_create(name=Heartbeat.TICK, defaults={"at": clock.now()})


@shared_task(name="tasks.watch_tasks.check_books_task", soft_time_limit=LIMIT_S, time_limit=LIMIT_S + 20)
def check_books_task() -> dict[str, int]:
    """Every hour: see whether the books agree; raise an alarm if they do not."""
    try:
        return book_jobs.check_books(actor=ACTOR, clock=clock.now)
    except AlreadyRunning as other:
        logger.info("%s", other)
        return {"skipped": 1}
