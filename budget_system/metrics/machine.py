"""Is the system at work? Heartbeat, runs, tasks, the broker, alarms."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import Metric

from budget_system import health
from budget_system.metrics.families import counter, gauge, one
from enforcement.models import Alarm, AlarmKind, RunKind, TaskTotal


def heart(now: datetime) -> Iterator[Metric]:
    yield one("budget_heartbeat_age_seconds", "Since a worker last did what the beat asked.", health.heartbeat_age(now))


def runs(now: datetime) -> Iterator[Metric]:
    last = [run for run in map(health.last_run, RunKind) if run is not None]
    ages = [((run.kind,), (now - run.started_at).total_seconds()) for run in last]
    took = [((run.kind,), (run.finished_at - run.started_at).total_seconds()) for run in last if run.finished_at]
    looked = [((run.kind,), run.counts["checked"]) for run in last if "checked" in run.counts]
    failed = [((run.kind,), bool(run.error)) for run in last]
    books = [run.counts.get("differences") for run in last if run.kind == RunKind.BOOKS]
    kind = ("kind",)
    yield gauge("budget_run_age_seconds", "Since the last run that ended began.", kind, ages)
    yield gauge("budget_run_duration_seconds", "How long that run took.", kind, took)
    yield gauge("budget_run_failed", "1: that run had an error.", kind, failed)
    yield gauge("budget_run_decisions", "Campaigns that run decided about.", kind, looked)
    yield one("budget_books_differences", "What the last check of the books found.", books[0] if books else None)


def tasks(_: datetime) -> Iterator[Metric]:
    rows = list(TaskTotal.objects.order_by("name").values_list("name", "runs", "failures", "seconds"))
    task = ("task",)
    yield counter("budget_task_runs_total", "Tasks run by workers.", task, [((row[0],), row[1]) for row in rows])
    yield counter("budget_task_failures_total", "Of them, failed.", task, [((row[0],), row[2]) for row in rows])
    yield counter("budget_task_seconds_total", "How long they took.", task, [((row[0],), row[3]) for row in rows])


def broker(_: datetime) -> Iterator[Metric]:
    waiting = health.queue_length()
    yield one("budget_broker_up", "1: the broker can be reached.", float(waiting is not None))
    yield one("budget_queue_tasks", "Tasks that wait for a worker.", waiting)


def alarms(_: datetime) -> Iterator[Metric]:
    standing = set(Alarm.objects.filter(cleared_at=None).values_list("kind", flat=True))
    rows = [((kind,), float(kind in standing)) for kind in AlarmKind.values]
    yield gauge("budget_alarm", "1: the alarm stands.", ("kind",), rows)
