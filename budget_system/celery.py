"""The Celery application. Its settings, beat schedule and task modules are in settings.py."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import after_setup_logger

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "budget_system.settings")

app = Celery("budget_system")
app.config_from_object("django.conf:settings", namespace="CELERY")


class EveryTenSeconds(logging.Filter):
    """Drop the lines about a task that runs all the time, unless something is wrong with it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO or "expire_reservations" not in record.getMessage()


@after_setup_logger.connect
def quiet(logger: logging.Logger, **_: Any) -> None:
    for handler in logger.handlers:
        handler.addFilter(EveryTenSeconds())
