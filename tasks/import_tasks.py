"""Celery's doors to imports: one runs an import, one undoes it, one finds those whose message or worker was lost.

The file and how far it is are in the database, so a message carries an id only, and may be lost, late or doubled.
"""

import logging
from uuid import UUID

from celery import shared_task
from celery.exceptions import CeleryError
from kombu.exceptions import OperationalError as BrokerError

from budget_system import clock
from enforcement import imports
from spending import import_records
from spending.models import ImportState, SpendImport

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


@shared_task(
    name="tasks.import_tasks.undo_import_task", soft_time_limit=LIMIT_S, time_limit=LIMIT_S + 20, ignore_result=True
)
def undo_import_task(import_id: str) -> None:
    """Undo an import, or go on with that."""
    try:
        record = imports.run_undo(UUID(import_id), clock=clock.now)
    except imports.AlreadyRunning as other:
        logger.info("%s", other)
        return
    logger.info("Undo of import %s of “%s”: %s", import_id, record.file_name, record.state)


def ask_worker(record: SpendImport) -> None:
    """Have a worker run the import, or its undo, if it waits for one. Should that be lost, the next minute's task asks
    again."""
    task = {ImportState.QUEUED: run_import_task, ImportState.UNDOING: undo_import_task}.get(ImportState(record.state))
    if task is None:
        return
    try:
        task.apply_async((str(record.pk),), retry=False)
    except (BrokerError, CeleryError, OSError) as error:
        logger.warning("Import %s waits for the next tick, as the broker cannot be reached: %s", record.pk, error)


@shared_task(name="tasks.import_tasks.pick_up_imports_task")
def pick_up_imports_task() -> dict[str, int]:
    """Every minute: hand out imports and undos that wait or have lost their worker, and drop what is kept for some
    days only."""
    now = clock.now()
    import_records.tidy(now)
    due = [(run_import_task, import_id) for import_id in import_records.due(now)]
    due += [(undo_import_task, import_id) for import_id in import_records.undos_due(now)]
    for task, import_id in due:
        # Should the queue be long, the next minute's message takes over from this one.
        task.apply_async((str(import_id),), expires=55)
    return {"handed_out": len(due)}
