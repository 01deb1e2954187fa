"""Changing spends in bulk while keeping every former value: in as few statements as inserting them takes."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from budget_system import money
from budget_system.db import chunks, is_postgres, rows_sql
from spending.ledger import Moved
from spending.models import Spend, SpendRevision


def revise(spend: Spend, *, actor: str, reason: str, now: datetime) -> SpendRevision:
    """The present value, to be kept as a former one; the spend goes on as the next version."""
    revision = SpendRevision(
        spend_id=spend.pk, version=spend.version, amount=spend.amount, spend_date=spend.spend_date,
        spend_type=spend.spend_type, channel=spend.channel, description=spend.description,
        voided_at=spend.voided_at, spend_import_id=spend.spend_import_id, replaced_at=now, replaced_by=actor,
        reason=reason,
    )  # fmt: skip
    spend.version += 1
    return revision


def moved_by(spend: Spend, sign: int) -> Moved:
    """What totals move by when this spend begins (1) or ceases (-1) to count."""
    amount = sign * money.to_micros(spend.amount)
    return Moved(spend.brand_id, spend.campaign_id, amount, spend.spend_date, spend.spend_type, spend.channel)


_VALUES = {
    "amount": "bigint", "spend_date": "date", "spend_type": "text", "channel": "text", "description": "text",
    "voided_at": "timestamptz", "spend_import_id": "uuid", "version": "bigint",
}  # fmt: skip
"""What a change may change, and the types of these columns."""
_KEPT = {
    "id": "uuid", "spend_id": "uuid", **_VALUES, "replaced_at": "timestamptz", "replaced_by": "text", "reason": "text",
}  # fmt: skip


def save(spends: Sequence[Spend], revisions: Sequence[SpendRevision]) -> None:
    """Write the spends as they are now, and the former values that `revise` gave of them."""
    size = 5_000 if is_postgres() else 500
    with connection.cursor() as cursor:
        for some in chunks(spends, size):
            rows, params = rows_sql(("uuid", *_VALUES.values()), [(spend.pk, *_values(spend)) for spend in some])
            assigned = ", ".join(f"{name} = v.{name}" for name in _VALUES)
            cursor.execute(
                f"WITH v(id, {', '.join(_VALUES)}) AS ({rows})"  # noqa: S608 - only placeholders
                f" UPDATE spending_spend AS s SET {assigned} FROM v WHERE s.id = v.id",
                params,
            )
        for kept in chunks(revisions, size):
            values = [
                (one.pk, one.spend_id, *_values(one), one.replaced_at, one.replaced_by, one.reason) for one in kept
            ]
            rows, params = rows_sql(tuple(_KEPT.values()), values)
            names = ", ".join(_KEPT)
            cursor.execute(f"INSERT INTO spending_spendrevision ({names}) {rows}", params)


def _values(stands: Spend | SpendRevision) -> tuple[object, ...]:
    return (
        money.to_micros(stands.amount), stands.spend_date, stands.spend_type, stands.channel, stands.description,
        stands.voided_at, stands.spend_import_id, stands.version,
    )  # fmt: skip
