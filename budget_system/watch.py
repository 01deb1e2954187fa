"""Notices that ticks have stopped, from a thread of a program that is alive when the worker, the broker or the beat is
not: each web process and the beat run one. An alarm is logged at once, and mailed to ADMINS once; so is its end.

What counts is for how long this process has seen the same heartbeat, so a start after a long pause, a laptop that slept
and a clock that jumps raise nothing.
"""

import logging
import threading
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import mail_admins
from django.db import connections
from django.db.models import Q

from budget_system import clock, health
from enforcement import alarms
from enforcement.models import Alarm, AlarmKind

logger = logging.getLogger(__name__)
INTERVAL_S = 10
SAID_AGAIN_S = 300
RUNBOOK = "What to do: docs/operations.md, “{}”."


class Watch:
    """What one process has seen. `moment` is in seconds of a clock that never jumps."""

    def __init__(self, silent: timedelta = health.SILENT) -> None:
        self._silent_s = silent.total_seconds()
        self._seen: datetime | None = None
        self._since: float | None = None
        self._said_at = float("-inf")

    def look(self, now: datetime, moment: float) -> None:
        """Raise or clear the alarm about ticks, and mail what is to be mailed."""
        beat = health.last_heartbeat()
        if self._since is None or beat != self._seen:
            self._seen, self._since = beat, moment
            self._said_at = float("-inf")  # the next silence is another one
        if moment - self._since >= self._silent_s:
            self._silence(now, moment, moment - self._since)
        elif beat is not None:
            standing = Alarm.objects.filter(kind=AlarmKind.TICKS, cleared_at=None, raised_at__lt=beat)
            if standing.exists():
                alarms.clear(AlarmKind.TICKS, now)
        if settings.ADMINS:
            send_mails(now)

    def _silence(self, now: datetime, moment: float, seconds: float) -> None:
        if moment - self._said_at < SAID_AGAIN_S:
            return
        self._said_at = moment
        message = f"No heartbeat for {seconds:.0f} s. {cause()}"
        if not alarms.raise_alarm(AlarmKind.TICKS, message, now):
            logger.error("%s still. %s", AlarmKind.TICKS.label, message)


def cause() -> str:
    """Which part is probably away, in words."""
    waiting = health.queue_length()
    if waiting is None:
        return "The broker cannot be reached."
    if waiting:
        return f"The broker answers and {waiting} tasks wait: no worker takes them."
    return "The broker answers and no task waits: the beat sends nothing, or a worker hangs with what it took."


def send_mails(now: datetime) -> None:
    """One mail for each alarm that stands, one when it is over. A mail that cannot be sent is tried again."""
    unsent = Q(cleared_at=None, mailed_at=None) | Q(cleared_at__isnull=False, mailed_at__isnull=False)
    for alarm in Alarm.objects.filter(unsent, clear_mailed_at=None):
        over = alarm.cleared_at is not None
        column = "clear_mailed_at" if over else "mailed_at"
        # Whoever writes the column sends.
        if not Alarm.objects.filter(pk=alarm.pk, **{column: None}).update(**{column: now}):
            continue
        label = alarm.get_kind_display()
        times = f"Since {alarm.raised_at:%Y-%m-%d %H:%M:%S} UTC"
        times += f", over at {alarm.cleared_at:%Y-%m-%d %H:%M:%S} UTC." if alarm.cleared_at else "."
        subject = f"Over: {label.lower()}" if over else label
        try:
            mail_admins(subject, f"{alarm.message}\n{times}\n{RUNBOOK.format(label)}\n")
        except OSError as error:  # smtplib's errors are among them
            Alarm.objects.filter(pk=alarm.pk).update(**{column: None})
            logger.critical("The mail about “%s” could not be sent: %s", subject, error)


def start() -> threading.Thread:
    """Watch from now on, until the process ends."""
    thread = threading.Thread(target=_run, name="watch", daemon=True)
    thread.start()
    return thread


def _run() -> None:
    watch = Watch()
    failed_at = float("-inf")
    while True:
        moment = time.monotonic()
        try:
            watch.look(clock.now(), moment)
        except Exception as error:  # noqa: BLE001 - a watch that ends watches nothing
            if moment - failed_at >= SAID_AGAIN_S:
                failed_at = moment
                logger.critical("The watch could not look: %s: %s", type(error).__name__, error)
        finally:
            connections.close_all()
        time.sleep(INTERVAL_S)
