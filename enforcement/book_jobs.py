"""The hourly check of the books, with its line in the run log and its alarm."""

from collections.abc import Callable
from datetime import datetime

from enforcement import alarms, books, runs
from enforcement.models import AlarmKind, RunKind


def check_books(*, actor: str, clock: Callable[[], datetime]) -> dict[str, int]:
    """Compare everything derived with what it is derived from. Changes nothing but the alarm and the run log.

    Brands in which something differs are looked at again: what a change under way made seem different is gone by then.
    """
    with runs.recorded(RunKind.BOOKS, trigger=actor, now=clock(), clock=clock) as record:
        found = books.check(clock())
        differences = len(found.undecidable)
        for brand_id in sorted(found.brand_ids()):
            again = books.check(clock(), brand_id=brand_id)
            differences += again.differences - len(again.undecidable)
        record.counts = {"periods": found.periods, "differences": differences}
        if differences:
            record.error = f"Differences: {differences}. See manage.py check_ledger; --rebuild repairs."
            alarms.raise_alarm(AlarmKind.BOOKS, record.error, clock())
        else:
            alarms.clear(AlarmKind.BOOKS, clock())
    return dict(record.counts)
