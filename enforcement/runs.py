"""The run log, which is also the guard against overlap: at most one run of a kind is unfinished."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from structlog.contextvars import bound_contextvars

from budget_system.errors import Refused
from enforcement.models import Run, RunKind

LEASE = timedelta(seconds=55)
"""A run that is unfinished after this counts as lost, so that the tick after a kill -9 takes over. If it was only slow,
two run beside each other, which is harmless: all evaluation is under the brand's lock and writes only what differs."""
KEPT_FOR = timedelta(days=30)


class AlreadyRunning(Refused):
    """Another run of this kind is under way; what it does is what this one would do."""

    code = "already_running"


@contextmanager
def recorded(kind: RunKind, *, trigger: str, now: datetime, clock: Callable[[], datetime]) -> Iterator[Run]:
    """Log a run around the block; the block fills `counts` and `error`. Raises AlreadyRunning when there is one."""
    run = _start(kind, trigger, now)
    try:
        with bound_contextvars(run=kind.value):
            yield run
    except BaseException as error:
        run.error = run.error or f"{type(error).__name__}: {error}"
        raise
    finally:
        run.finished_at = clock()
        run.save(update_fields=["finished_at", "counts", "error"])


def _start(kind: RunKind, trigger: str, now: datetime) -> Run:
    Run.objects.filter(kind=kind, finished_at=None, started_at__lt=now - LEASE).update(
        finished_at=now, error="It did not finish: its process ended before it did."
    )
    Run.objects.filter(kind=kind, started_at__lt=now - KEPT_FOR).delete()
    try:
        with transaction.atomic():
            return Run.objects.create(kind=kind, trigger=trigger, started_at=now)
    except IntegrityError as error:
        other = Run.objects.filter(kind=kind, finished_at=None).first()
        since = f" since {other.started_at:%H:%M:%S} UTC ({other.trigger})" if other else ""
        raise AlreadyRunning(f"{kind.label} is under way{since}; nothing was done.") from error
