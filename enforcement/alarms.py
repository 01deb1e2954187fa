"""Alarms about the system itself: raised once, logged, and cleared. Whoever notices first raises; the others see that
it stands. `budget_system.watch` mails them."""

import logging
from datetime import datetime

from django.db import IntegrityError, transaction

from enforcement.models import Alarm, AlarmKind

logger = logging.getLogger(__name__)


def raise_alarm(kind: AlarmKind, message: str, now: datetime) -> bool:
    """Raise it unless it stands. Says whether this call did."""
    if Alarm.objects.filter(kind=kind, cleared_at=None).exists():
        return False
    try:
        with transaction.atomic():
            Alarm.objects.create(kind=kind, message=message, raised_at=now)
    except IntegrityError:
        return False  # another process was faster
    logger.critical("%s. %s", kind.label, message)
    return True


def clear(kind: AlarmKind, now: datetime) -> bool:
    """Clear it if it stands. Says whether this call did."""
    standing = Alarm.objects.filter(kind=kind, cleared_at=None)
    since = standing.values_list("raised_at", flat=True).first()
    if since is None or not standing.update(cleared_at=now):
        return False
    minutes = (now - since).total_seconds() / 60
    logger.warning("Over after %.1f minutes: %s", minutes, kind.label.lower())
    return True
