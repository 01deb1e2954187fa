"""Health: may this process be sent requests, and is everything behind it at work? One truth for probes, the health
task, metrics, the overview and the watch.

Details say nothing of brands and amounts, for anybody may ask; why a server cannot be reached is in the log.
"""

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from kombu import Connection, Queue
from kombu.exceptions import OperationalError as BrokerError

from budget_system.celery import app
from campaigns.models import Campaign, CampaignStatus
from enforcement.models import Heartbeat, Run, RunKind
from spending import import_records
from spending.models import ImportState, Reservation, ReservationStatus, SpendImport

logger = logging.getLogger(__name__)

SILENT = timedelta(seconds=75)
"""A heartbeat comes every 15 seconds; after this long ticks count as stopped."""
OVERDUE = timedelta(minutes=3)
"""A tick comes every minute; a campaign that waits longer than this says that ticks do not come."""
RESERVATION_OVERDUE = timedelta(minutes=1)
"""Reservations expire every ten seconds; one that waits longer than this says that none do, or that one cannot."""
IMPORT_STUCK = timedelta(minutes=10)
"""Each minute's tick hands imports out; one without a worker for longer than this is stuck."""
LATE = {RunKind.PACE: timedelta(minutes=15), RunKind.BOOKS: timedelta(hours=2, minutes=15)}
"""After so long a run of this kind has been missed twice."""
LATELY = timedelta(days=1)

Part = dict[str, Any]
NO_DATABASE = "The database does not answer."
READ_ONLY = "The database cannot be written to."
NOT_MIGRATED = "Migrations are not applied: run manage.py migrate."


def check(now: datetime) -> Part:
    """`timestamp`, `status` (healthy, degraded or unhealthy) and `checks` by name.

    Degraded: requests are answered, and something behind them needs a person.
    """
    database = _database()
    checks = {"database": database}
    behind = {
        "campaigns": _campaigns, "reservations": _reservations, "services": _services, "books": _books,
        "imports": _imports, "pacing": _pacing,
    }  # fmt: skip
    for name, look in behind.items():
        try:
            checks[name] = look(now) if database["status"] == "healthy" else _unknown()
        except DatabaseError as error:
            logger.critical("Health of %s: %s", name, error)
            checks[name] = _unknown()
    states = {part["status"] for part in checks.values()}
    status = "unhealthy" if states & {"unhealthy", "unknown"} else "degraded" if "degraded" in states else "healthy"
    return {"timestamp": now.isoformat(), "status": status, "checks": checks}


def why_not_ready(now: datetime) -> list[str]:
    """Why this process should get no requests; empty if it may."""
    try:
        if not _is_migrated():
            return [NOT_MIGRATED]
    except DatabaseError as error:
        logger.critical("Not ready: %s", error)
        return [NO_DATABASE]
    try:
        Heartbeat.objects.update_or_create(name=Heartbeat.WEB, defaults={"at": now})
    except DatabaseError as error:
        logger.critical("Not ready: %s", error)
        return [READ_ONLY]
    return []


def why_refused() -> str | None:
    """Why the database refused a command, and what to do; None where it answers and is migrated."""
    try:
        return None if _is_migrated() else NOT_MIGRATED
    except DatabaseError as error:
        return f"{NO_DATABASE} {' '.join(str(error).split())}"


def _is_migrated() -> bool:
    return migrations() <= set(MigrationRecorder(connection).applied_migrations())


@functools.cache
def migrations() -> set[tuple[str, str]]:
    """The last migration of each app, as this code has them."""
    return set(MigrationLoader(None).graph.leaf_nodes())


def last_heartbeat() -> datetime | None:
    return Heartbeat.objects.filter(name=Heartbeat.TICK).values_list("at", flat=True).first()


def heartbeat_age(now: datetime) -> timedelta | None:
    """None: there was none yet."""
    last = last_heartbeat()
    return None if last is None else now - last


def last_run(kind: RunKind) -> Run | None:
    """The last run of this kind that has ended."""
    return Run.objects.filter(kind=kind).exclude(finished_at=None).first()


def run_age(kind: RunKind, now: datetime) -> timedelta | None:
    """Since the last run of this kind began or, where there is none, since the first line of the run log."""
    run = last_run(kind) or Run.objects.last()
    return None if run is None else now - run.started_at


@contextmanager
def _broker() -> Iterator[Connection]:
    """A connection to the broker. Raises BrokerError or OSError within 3 seconds when there is none."""
    with app.connection_for_read(connect_timeout=2) as link:
        link.ensure_connection(max_retries=1, timeout=3)
        yield link


def queue_length() -> int | None:
    """How many tasks wait for a worker; None when the broker cannot be reached, for the reason in the log."""
    try:
        with _broker() as link:
            try:
                queue: Any = Queue(app.conf.task_default_queue, channel=link.channel()).queue_declare(passive=True)
            except link.channel_errors:
                return 0  # there is no such queue before the first task
            return int(queue.message_count)
    except (BrokerError, OSError) as error:
        logger.warning("The broker cannot be reached: %s", error)
        return None


def _unknown() -> Part:
    return {"status": "unknown", "detail": NO_DATABASE}


def _seconds(age: timedelta | None) -> int | None:
    return None if age is None else round(age.total_seconds())


def _database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        logger.critical("The database does not answer: %s", error)
        return {"status": "unhealthy", "detail": NO_DATABASE}
    return {"status": "healthy", "vendor": connection.vendor}


def _campaigns(now: datetime) -> Part:
    current = Campaign.objects.current()
    overdue = current.filter(next_check_at__lt=now - OVERDUE).count()
    return {
        "status": "degraded" if overdue else "healthy",
        "active": current.filter(status=CampaignStatus.ACTIVE).count(),
        "paused": current.filter(status=CampaignStatus.PAUSED).count(),
        "overdue": overdue,
    }


def oldest_overdue(now: datetime) -> timedelta:
    """How long the oldest reservation is overdue: its time is over, and its money is still set aside."""
    due = Reservation.objects.filter(status=ReservationStatus.PENDING, expires_at__lte=now).order_by("expires_at")
    oldest = due.values_list("expires_at", flat=True).first()
    return timedelta() if oldest is None else now - oldest


def _reservations(now: datetime) -> Part:
    overdue = oldest_overdue(now)
    status = "degraded" if overdue > RESERVATION_OVERDUE else "healthy"
    return {"status": status, "oldest_overdue_s": _seconds(overdue)}


def _services(now: datetime) -> Part:
    last, silence, waiting = last_run(RunKind.DAYPARTING), heartbeat_age(now), queue_length()
    age = None if last is None else now - last.started_at
    ticking = age is not None and age <= OVERDUE and (silence is None or silence <= SILENT)
    return {
        "status": "healthy" if waiting is not None and ticking else "degraded",
        "broker": "unreachable" if waiting is None else "healthy",
        "last_tick": None if last is None else last.started_at.isoformat(),
        "last_tick_age_s": _seconds(age),
        "heartbeat_age_s": _seconds(silence),
    }


def _books(now: datetime) -> Part:
    last, age = last_run(RunKind.BOOKS), run_age(RunKind.BOOKS, now)
    failed = last is not None and last.error != ""
    late = age is not None and age > LATE[RunKind.BOOKS]
    differences = None if last is None else last.counts.get("differences")
    return {"status": "degraded" if failed or late else "healthy", "differences": differences, "age_s": _seconds(age)}


def stuck_imports(now: datetime) -> int:
    then = now - IMPORT_STUCK
    return len(import_records.due(then)) + len(import_records.undos_due(then))


def _imports(now: datetime) -> Part:
    stuck = stuck_imports(now)
    failed = SpendImport.objects.filter(state=ImportState.FAILED, created_at__gte=now - LATELY, dry_run=False).count()
    return {"status": "degraded" if stuck else "healthy", "stuck": stuck, "failed_last_day": failed}


def _pacing(now: datetime) -> Part:
    age = run_age(RunKind.PACE, now)
    late = age is not None and age > LATE[RunKind.PACE]
    return {"status": "degraded" if late else "healthy", "last_check_age_s": _seconds(age)}
