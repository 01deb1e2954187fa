"""Celery's tasks by hand: python -m tools.inside.tasks run NAME | schedule

`run` hands the task to a worker if one answers, else does it here, and shows what the run log says of it. `schedule`
shows when the beat sends each task next.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

WAIT_S = 90
TASKS = {
    "budget-check": ("enforce_budget_limits_task", "BUDGETS"),
    "dayparting": ("enforce_dayparting_task", "DAYPARTING"),
    "daily-reset": ("daily_reset_task", "DAILY_RESET"),
    "monthly-reset": ("monthly_reset_task", "MONTHLY_RESET"),
}
"""The task and its kind in the run log, by the name that people use."""


def run(name: str) -> int:
    from celery.exceptions import CeleryError
    from kombu.exceptions import OperationalError as BrokerError

    from budget_system import clock
    from budget_system.celery import app
    from enforcement.models import RunKind
    from tasks import budget_tasks

    task = getattr(budget_tasks, TASKS[name][0])
    kind = RunKind[TASKS[name][1]]
    asked_at = clock.now()
    try:
        with app.connection_for_write(connect_timeout=2) as broker:
            broker.ensure_connection(max_retries=1, timeout=3)  # a ping alone would try for half a minute
        if app.control.ping(timeout=1.0):
            task.apply_async(retry=False, expires=WAIT_S)
            print(f"Sent {task.name} to a worker; waiting for it ...", flush=True)
            return _wait(kind, asked_at)
    except (BrokerError, CeleryError, OSError) as error:
        print(f"The broker does not answer: {error}")
    print(f"No worker answers, so {task.name} runs here ...", flush=True)
    result = task.apply()
    if result.failed():
        sys.stderr.write(f"error: {result.result}\n")
    else:
        print(f"It returned {json.dumps(result.result)}.")
    return _show(kind, asked_at) or int(result.failed())


def _wait(kind: Any, asked_at: datetime) -> int:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if _last(kind, asked_at) is not None:
            return _show(kind, asked_at)
        time.sleep(0.2)
    sys.stderr.write(f"error: nothing came of it within {WAIT_S} s. What the worker says: make logs-worker\n")
    return 1


def _last(kind: Any, since: datetime) -> Any:
    from enforcement.models import Run

    return Run.objects.filter(kind=kind, finished_at__gte=since).order_by("-finished_at").first()


def _show(kind: Any, since: datetime) -> int:
    """The run in the run log's words. (One that was under way when this was asked for counts: it did the same.)"""
    done = _last(kind, since)
    if done is None:
        return 0
    seconds = (done.finished_at - done.started_at).total_seconds()
    counts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in done.counts.items())
    if done.started_at < since:
        print(f"{done.get_kind_display()} was under way already, so the task had nothing to do:")
    counts = counts or "no counts"
    print(f"{done.get_kind_display()} by {done.trigger}, {done.started_at:%H:%M:%S} UTC, {seconds:.2f} s: {counts}")
    if done.error:
        sys.stderr.write(f"error: {done.error}\n")
        return 1
    return 0


def schedule() -> int:
    from budget_system import clock
    from budget_system.celery import app

    for line in schedule_lines(app.conf.beat_schedule.items(), clock.now()):
        print(line)
    return 0


def schedule_lines(entries: Iterable[tuple[str, dict[str, Any]]], now: datetime) -> list[str]:
    """The beat's entries, the next one first; those that come at an interval say so."""
    rows = []
    for name, entry in entries:
        every = entry["schedule"]
        if isinstance(every, int | float):
            rows.append((now, f"{name:<24}{f'every {every:.0f} s':<22}"))
        else:
            # To the minute, for the estimate reads a clock of its own a moment later.
            at = now + max(every.remaining_estimate(now), timedelta()) + timedelta(seconds=30)
            rows.append((at, f"{name:<24}{f'{at:%a %Y-%m-%d %H:%M} UTC':<22}"))
    return [f"{'task':<24}{'next':<22}".rstrip(), *(line.rstrip() for _, line in sorted(rows, key=lambda row: row[0]))]


def main(arguments: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "budget_system.settings")
    import django

    django.setup()
    if arguments == ["schedule"]:
        return schedule()
    if len(arguments) != 2 or arguments[0] != "run" or arguments[1] not in TASKS:
        sys.stderr.write(f"usage: python -m tools.inside.tasks run {'|'.join(TASKS)} | schedule\n")
        return 2
    return run(arguments[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
