"""The Celery application. Its settings, beat schedule and task modules are in settings.py.

Its programs log as the web does, with the ids of the task and of the request that asked for it; what tasks take is
added up in the database, where any web process reads it; the beat watches whether ticks come.
"""

import logging.config
import os
import time
from typing import Any

import structlog
from celery import Celery
from celery.signals import beat_init, before_task_publish, setup_logging, task_postrun, task_prerun
from django_structlog.celery.receivers import CeleryReceiver
from django_structlog.celery.signals import bind_extra_task_metadata

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "budget_system.settings")

app = Celery("budget_system")
app.config_from_object("django.conf:settings", namespace="CELERY")

_ids = CeleryReceiver()
before_task_publish.connect(_ids.receiver_before_task_publish)
task_prerun.connect(_ids.receiver_task_prerun)
_started: dict[str, float] = {}


def name_the_task(task: Any, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(task=task.name)


bind_extra_task_metadata.connect(name_the_task)


@setup_logging.connect
def log_as_the_web_does(**_: Any) -> None:
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@task_prerun.connect
def begin(task_id: str, **_: Any) -> None:
    _started[task_id] = time.perf_counter()


@task_postrun.connect
def add_up(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    from enforcement.models import TaskTotal

    TaskTotal.count(task.name, failed=state == "FAILURE", seconds=time.perf_counter() - _started.pop(task_id))
    structlog.contextvars.clear_contextvars()


@beat_init.connect
def watch(**_: Any) -> None:
    from budget_system.watch import start

    start()
