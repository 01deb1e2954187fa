"""The record of what was taken out of the system as a file."""

from collections.abc import Sequence
from datetime import datetime

from brands.models import AuditEntry
from budget_system import origin
from budget_system.db import use_case
from budget_system.ids import new_id

ACTION = "export"


@use_case
def record_export(
    what: str, *, form: str, filters: Sequence[str], columns: Sequence[str], rows: int, actor: str, now: datetime
) -> AuditEntry:
    """Who took how many rows of `what`, chosen by which filters, with which columns."""
    return AuditEntry.objects.create(
        at=now,
        actor=actor,
        action=ACTION,
        object_type="export",
        object_id=new_id(),
        object_label=f"of {what} as {form}",
        after={"rows": rows, "filters": list(filters) or ["none"], "columns": list(columns)},
        origin=origin.current(),
    )
