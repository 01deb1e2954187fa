"""The jobs that tasks and commands share: a sweep or a turn, its line in the run log, and its closing line in words."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from enforcement import runs
from enforcement.models import RunKind
from enforcement.sweeps import Progress, Sweep, enforce_all, enforce_due, turn_periods


class Job(NamedTuple):
    """A kind of run, what it does and what its closing line calls it."""

    kind: RunKind
    sweep: Callable[..., Sweep]
    title: str


BUDGETS = Job(RunKind.BUDGETS, enforce_all, "Budget enforcement")
DAYPARTING = Job(RunKind.DAYPARTING, enforce_due, "Dayparting enforcement")
DAILY_RESET = Job(RunKind.DAILY_RESET, turn_periods, "Daily reset")
MONTHLY_RESET = Job(RunKind.MONTHLY_RESET, turn_periods, "Monthly reset")


def run(
    job: Job,
    *,
    actor: str,
    clock: Callable[[], datetime],
    brand_id: UUID | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Do the job, logged. Raises AlreadyRunning when another run of its kind is under way."""
    now = clock()
    with runs.recorded(job.kind, trigger=actor, now=now, clock=clock) as record:
        shown = {"progress": progress} if progress else {}
        sweep = job.sweep(now, actor=actor, brand_id=brand_id, **shown)
        record.counts = counts(job, sweep)
        record.error = "\n".join(sweep.errors)
    return sweep


def look(job: Job, *, clock: Callable[[], datetime], brand_id: UUID | None = None) -> Sweep:
    """What the job would do now. Changes nothing and is not logged."""
    return job.sweep(clock(), actor="dry run", brand_id=brand_id, dry_run=True)


def counts(job: Job, sweep: Sweep) -> dict[str, int]:
    result = sweep.counts()
    if job.kind in {RunKind.DAILY_RESET, RunKind.MONTHLY_RESET}:
        turned = {"turned_days": sum(len(turns.days) for turns in sweep.turns)}
        turned["turned_months"] = sum(len(turns.months) for turns in sweep.turns)
        return {"checked": result["checked"], **turned, "activated": result["activated"], "errors": result["errors"]}
    return result


def closing_line(job: Job, sweep: Sweep) -> str:
    return f"{job.title} completed: {counts(job, sweep)}"
