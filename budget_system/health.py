"""Health: does the database answer, are campaigns up to date, are the broker and the ticks at work?"""

from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from kombu.exceptions import OperationalError as BrokerError

from budget_system.celery import app
from campaigns.models import Campaign, CampaignStatus
from enforcement.models import Run, RunKind
from spending.models import Reservation, ReservationStatus

OVERDUE = timedelta(minutes=3)
"""A tick comes every minute; a campaign that waits longer than this says that ticks do not come."""
RESERVATION_OVERDUE = timedelta(minutes=1)
"""Reservations expire every ten seconds; one that waits longer than this says that none do, or that one cannot."""


def check(now: datetime) -> dict[str, Any]:
    """`timestamp`, `status` (healthy, degraded or unhealthy) and `checks` by name."""
    database = _database()
    checks = {"database": database}
    if database["status"] == "healthy":
        checks["campaigns"] = _campaigns(now)
        checks["reservations"] = _reservations(now)
        checks["services"] = _services(now)
    else:
        unknown = {"status": "unknown", "detail": "The database does not answer."}
        checks["campaigns"] = checks["reservations"] = checks["services"] = unknown
    states = {part["status"] for part in checks.values()}
    status = "unhealthy" if states & {"unhealthy", "unknown"} else "degraded" if "degraded" in states else "healthy"
    return {"timestamp": now.isoformat(), "status": status, "checks": checks}


def _database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return {"status": "unhealthy", "detail": str(error).strip()}
    return {"status": "healthy", "vendor": connection.vendor}


def _campaigns(now: datetime) -> dict[str, Any]:
    current = Campaign.objects.current()
    overdue = current.filter(next_check_at__lt=now - OVERDUE).count()
    return {
        "status": "degraded" if overdue else "healthy",
        "active": current.filter(status=CampaignStatus.ACTIVE).count(),
        "paused": current.filter(status=CampaignStatus.PAUSED).count(),
        "overdue": overdue,
    }


def _reservations(now: datetime) -> dict[str, Any]:
    """How long the oldest reservation is overdue: its time is over, and its money is still set aside."""
    due = Reservation.objects.filter(status=ReservationStatus.PENDING, expires_at__lte=now).order_by("expires_at")
    oldest = due.values_list("expires_at", flat=True).first()
    overdue = timedelta() if oldest is None else now - oldest
    return {
        "status": "degraded" if overdue > RESERVATION_OVERDUE else "healthy",
        "oldest_overdue_s": round(overdue.total_seconds()),
    }


def _services(now: datetime) -> dict[str, Any]:
    last = Run.objects.filter(kind=RunKind.DAYPARTING).exclude(finished_at=None).first()
    age = None if last is None else round((now - last.started_at).total_seconds())
    broker = _broker()
    ticking = age is not None and age <= OVERDUE.total_seconds()
    return {
        "status": "healthy" if broker == "healthy" and ticking else "degraded",
        "broker": broker,
        "last_tick": None if last is None else last.started_at.isoformat(),
        "last_tick_age_s": age,
    }


def _broker() -> str:
    try:
        with app.connection_for_read(connect_timeout=2) as broker:
            broker.ensure_connection(max_retries=1, timeout=3)
    except (BrokerError, OSError) as error:
        return f"unreachable: {error}"
    return "healthy"
