"""Celery's door to tidying up: what nobody will ask for again is deleted. Nothing of it carries money."""

import logging

from celery import shared_task
from django.contrib.sessions.models import Session

from access import answers
from alerts import services as alerts
from budget_system import clock
from delivery import intake
from delivery import services as delivery

logger = logging.getLogger(__name__)


@shared_task(name="tasks.tidy_tasks.tidy_task")
def tidy_task() -> dict[str, int]:
    """Once an hour: forget kept answers of the API, old messages and alerts, and secrets and sessions that are over."""
    now = clock.now()
    counts = {
        "answers": answers.forget_old(now),
        "alerts": alerts.tidy(now),
        "deliveries": intake.tidy(now),
        "secrets": delivery.forget_former_secrets(now),
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
    }
    logger.info("Tidied up: %s", counts)
    return counts
