"""Celery's doors to imports: one runs an import, the other finds those whose message or worker was lost.

The file and how far it is are in the database, so a message carries an id only, and may be lost, late or doubled.
"""

import logging
from uuid import UUID

from celery import shared_task

from budget_system import clock
from enforcement import imports
from spending import import_records

logger = logging.getLogger(__name__)
LIMIT_S = 270
"""Below the broker's visibility timeout, so that no running import is handed out twice. What is not done by then is
gone on with by another worker."""


@shared_task(
    name="tasks.import_tasks.run_import_task", soft_time_limit=LIMIT_S, time_limit=LIMIT_S + 20, ignore_result=True
)
def run_import_task(import_id: str) -> None:
    """Run an import, or go on with it."""
    try:
        record = imports.run_import(UUID(import_id), clock=clock.now)
    except imports.AlreadyRunning as other:
        logger.info("%s", other)
        return
    logger.info(
        "Import %s of “%s”: %s, %d rows, %d accepted, %d corrected, %d rejected", import_id, record.file_name,
        record.state, record.rows, record.accepted, record.corrected, record.rejected,
    )  # fmt: skip


@shared_task(name="tasks.import_tasks.pick_up_imports_task")
def pick_up_imports_task() -> dict[str, int]:
    """Every minute: hand out imports that wait or have lost their worker, and drop what is kept for some days only."""
    now = clock.now()
    import_records.tidy(now)
    due = import_records.due(now)
    for import_id in due:
        # Should the queue be long, the next minute's message takes over from this one.
        run_import_task.apply_async((str(import_id),), expires=55)
    return {"handed_out": len(due)}
