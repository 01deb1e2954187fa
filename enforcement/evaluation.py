"""Evaluate: gather, decide, apply. Every use case, sweep and turn comes through here."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from budget_system import money
from budget_system.db import read_uuid
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign
from campaigns.services import Change, apply
from enforcement.decision import Cause, causes_at, decide
from enforcement.snapshots import Selection, Snapshot, Undecidable, gather

logger = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(minutes=5)
"""How long a campaign whose data cannot be read is left alone, so that it neither loops nor vanishes."""


@dataclass
class Evaluation:
    """What evaluating some campaigns found and changed."""

    verdicts: dict[UUID, Verdict] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    undecidable: list[Undecidable] = field(default_factory=list)
    looked_at: int = 0

    @property
    def flips(self) -> list[Change]:
        """The changes that stopped or started a campaign."""
        return [change for change in self.changes if bool(change.from_holds) != bool(change.verdict.holds)]

    def include(self, other: "Evaluation") -> None:
        self.verdicts |= other.verdicts
        self.changes += other.changes
        self.undecidable += other.undecidable
        self.looked_at += other.looked_at


def evaluate(
    selection: Selection, zones: Iterable[str], *, cause: str, actor: str, now: datetime, archived: bool = False
) -> Evaluation:
    """Decide about the chosen campaigns and write what changed. The caller has locked their brands."""
    result = look(selection, zones, now, archived=archived)
    apply(result.changes, cause=cause, actor=actor, now=now)
    if result.undecidable:
        for campaign in result.undecidable:
            logger.error("Campaign %s cannot be decided: %s", campaign.campaign_id, campaign.problem)
        ids = [read_uuid(campaign.campaign_id) for campaign in result.undecidable]
        Campaign.objects.filter(pk__in=ids).update(next_check_at=now + LOOK_AGAIN)
    return result


def look(
    selection: Selection, zones: Iterable[str], now: datetime, *, archived: bool = False, only_changes: bool = False
) -> Evaluation:
    """Decide about the chosen campaigns and write nothing. With `only_changes`, remember no other verdicts."""
    result = Evaluation()
    for snapshot in gather(selection, zones, now, archived=archived):
        result.looked_at += 1
        if isinstance(snapshot, Undecidable):
            result.undecidable.append(snapshot)
            continue
        verdict = decide(snapshot.facts, now)
        if verdict.holds != snapshot.holds or verdict.next_check_at != snapshot.next_check_at:
            result.changes.append(_change(snapshot, verdict, now))
        elif only_changes:
            continue
        result.verdicts[read_uuid(snapshot.campaign_id)] = verdict
    return result


def _change(snapshot: Snapshot, verdict: Verdict, now: datetime) -> Change:
    changed = verdict.holds != snapshot.holds
    figures = figures_of(causes_at(snapshot.facts, now), snapshot.currency) if changed else []
    return Change(read_uuid(snapshot.campaign_id), read_uuid(snapshot.brand_id), snapshot.holds, verdict, figures)


def figures_of(causes: Iterable[Cause], currency: str) -> list[dict[str, object]]:
    """What each hold rests on, as kept with a state change and shown by the API."""
    return [
        {
            "hold": cause.hold.value,
            "scope": cause.scope.value,
            "budget": _text(cause.limit, currency),
            "used": _text(cause.used, currency),
            "until": cause.until.isoformat() if cause.until else None,
            "lifted": cause.lifted,
        }
        for cause in causes
    ]


def _text(micros: int | None, currency: str) -> str | None:
    return None if micros is None else money.exact_text(money.from_micros(micros), currency)


def count_pauses(changes: Iterable[Change]) -> dict[str, int]:
    """How many campaigns were stopped, by the reason shown, and how many started."""
    counts = {"paused_daily": 0, "paused_monthly": 0, "paused_other": 0, "activated": 0}
    names = {Hold.DAILY_BUDGET_EXCEEDED: "paused_daily", Hold.MONTHLY_BUDGET_EXCEEDED: "paused_monthly"}
    for change in changes:
        if not change.verdict.holds:
            counts["activated"] += 1
        else:
            counts[names.get(change.verdict.holds[0], "paused_other")] += 1
    return counts
