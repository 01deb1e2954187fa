"""Celery's doors to the pacer. They carry no state: each looks at the database and makes it true."""

import logging
from collections.abc import Callable

from celery import shared_task

from budget_system import clock
from enforcement import pace_jobs
from enforcement.runs import AlreadyRunning

logger = logging.getLogger(__name__)
ACTOR = "worker"


def _run(job: Callable[..., dict[str, int]]) -> dict[str, int]:
    try:
        return job(actor=ACTOR, clock=clock.now)
    except AlreadyRunning as other:
        logger.info("%s", other)
        return {"skipped": 1}


@shared_task(name="tasks.pacing_tasks.check_pace_task")
def check_pace_task() -> dict[str, int]:
    """Every five minutes: plans of a new day, alerts that are raised or over, breakers."""
    return _run(pace_jobs.check_pace)


@shared_task(name="tasks.pacing_tasks.move_unused_task")
def move_unused_task() -> dict[str, int]:
    """Every hour: move money that a channel will not use to those that return more, or propose to."""
    return _run(pace_jobs.move_unused)


@shared_task(name="tasks.pacing_tasks.refit_pacing_task")
def refit_pacing_task() -> dict[str, int]:
    """Every week: fit what is learned of each channel's hours afresh."""
    return _run(pace_jobs.refit)
