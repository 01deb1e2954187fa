"""Taking an import back: what it recorded is voided, what it corrected is what it was before. No transactions here.

A spend's states in order are its revisions and then the spend itself, each with the import that gave it. The state to
go back to is the latest one that neither this import nor another that was undone, or is being undone, has given.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from spending import ledger
from spending.ledger import Moved
from spending.models import ImportState, Spend, SpendImport, SpendRevision
from spending.revisions import moved_by, revise, save


class TakenBack(NamedTuple):
    """What became of some spends of an import."""

    voided: int
    restored: int
    restored_by_hand: int
    """Of these, how many are again what a person had made of them."""
    campaign_ids: set[UUID]
    moved: list[Moved]


def take_back(spend_ids: Sequence[UUID], spend_import_id: UUID, *, reason: str, actor: str, now: datetime) -> TakenBack:
    """Undo what the import did to those of these spends that are still as it left them. Their brands are locked."""
    spends = list(Spend.objects.filter(pk__in=spend_ids, spend_import=spend_import_id, voided_at=None))
    former = _former([spend.pk for spend in spends if spend.version > 1], spend_import_id)
    moved: list[Moved] = []
    revisions: list[SpendRevision] = []
    voided = by_hand = 0
    for spend in spends:
        revisions.append(revise(spend, actor=actor, reason=reason, now=now))
        moved.append(moved_by(spend, -1))
        before = former.get(spend.pk)
        if before is None:
            # Its import stays: that tells it from one that a person voided, which no import brings back.
            spend.voided_at = now
            voided += 1
            continue
        spend.amount, spend.spend_date, spend.spend_type = before.amount, before.spend_date, before.spend_type
        spend.channel, spend.description = before.channel, before.description
        spend.voided_at, spend.spend_import_id = before.voided_at, before.spend_import_id
        by_hand += before.spend_import_id is None
        if spend.voided_at is None:
            moved.append(moved_by(spend, 1))
    save(spends, revisions)
    if moved:
        ledger.move_totals(ledger.add_up(moved))
    return TakenBack(voided, len(spends) - voided, by_hand, {spend.campaign_id for spend in spends}, moved)


def _former(spend_ids: Sequence[UUID], spend_import_id: UUID) -> dict[UUID, SpendRevision]:
    """For each spend the state to go back to; those are missing of which there would be nothing without imports."""
    revisions = list(SpendRevision.objects.filter(spend__in=spend_ids).order_by("version"))
    imports = {revision.spend_import_id for revision in revisions if revision.spend_import_id is not None}
    taken_back = SpendImport.objects.filter(pk__in=imports, state__in=[ImportState.UNDOING, ImportState.UNDONE])
    undone = set(taken_back.values_list("pk", flat=True))
    gone = undone | {spend_import_id}
    return {revision.spend_id: revision for revision in revisions if revision.spend_import_id not in gone}
