"""Celery's doors to the sweeps and turns. A task looks at the database and makes it true, so it may run twice or late.

A tick that finds another of its kind under way does nothing. Errors are in the run log; a failed tick raises, so that
the worker's log shows it, and the next tick tries again.
"""

import logging
from typing import Any

from celery import shared_task

from budget_system import clock, health
from budget_system.errors import Refused
from enforcement import jobs, reservations
from enforcement.runs import AlreadyRunning

logger = logging.getLogger(__name__)
ACTOR = "worker"


class TickFailed(Refused):
    """Some campaigns could not be handled; the run log names them."""


def _run(job: jobs.Job) -> dict[str, int]:
    try:
        sweep = jobs.run(job, actor=ACTOR, clock=clock.now)
    except AlreadyRunning as other:
        logger.info("%s", other)
        return {"skipped": 1}
    logger.info(jobs.closing_line(job, sweep))
    if sweep.errors:
        raise TickFailed("; ".join(sweep.errors[:5]))
    return jobs.counts(job, sweep)


@shared_task(name="tasks.budget_tasks.enforce_budget_limits_task")
def enforce_budget_limits_task() -> dict[str, int]:
    """Every five minutes: look at every campaign and set right what differs."""
    return _run(jobs.BUDGETS)


@shared_task(name="tasks.budget_tasks.enforce_dayparting_task")
def enforce_dayparting_task() -> dict[str, int]:
    """Every minute: evaluate what time may have changed (windows, midnights, flights, pauses, overrides)."""
    return _run(jobs.DAYPARTING)


@shared_task(name="tasks.budget_tasks.daily_reset_task")
def daily_reset_task() -> dict[str, int]:
    """Record the local days that have begun, and evaluate the brands concerned."""
    return _run(jobs.DAILY_RESET)


@shared_task(name="tasks.budget_tasks.monthly_reset_task")
def monthly_reset_task() -> dict[str, int]:
    """Record the local months that have begun, and evaluate the brands concerned."""
    return _run(jobs.MONTHLY_RESET)


@shared_task(name="tasks.budget_tasks.expire_reservations_task")
def expire_reservations_task() -> dict[str, int]:
    """Every ten seconds: release what is set aside for longer than was asked for."""
    return {"expired": reservations.expire_due(clock.now())}


@shared_task(name="tasks.budget_tasks.health_check_task")
def health_check_task() -> dict[str, Any]:
    """Whether the database answers, campaigns are up to date and the services are at work."""
    return health.check(clock.now())
