"""The pacer's own runs, each with its line in the run log. Brand by brand or campaign by campaign: one that cannot be
handled is reported, the others go on; and all of it may be lost, late or doubled."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import DatabaseError

from budget_system.errors import Busy, Refused
from campaigns.models import Campaign
from enforcement import pacing, runs
from enforcement.models import RunKind
from pacing.learning import paced_campaign_ids

logger = logging.getLogger(__name__)
T = TypeVar("T")
Clock = Callable[[], datetime]


def check_pace(*, actor: str, clock: Clock, brand_id: UUID | None = None) -> dict[str, int]:
    """Look at the pace of all paced campaigns (of one brand if given)."""
    campaigns = Campaign.objects.current().filter(paced=True).order_by()
    if brand_id is not None:
        campaigns = campaigns.filter(brand=brand_id)
    brand_ids = sorted(set(campaigns.values_list("brand_id", flat=True)))
    return _run(
        RunKind.PACE, brand_ids, lambda brand: pacing.check_pace(brand, actor=actor, now=clock()), "checked",
        actor=actor, clock=clock,
    )  # fmt: skip


def move_unused(*, actor: str, clock: Clock, campaign_ids: Sequence[UUID] | None = None) -> dict[str, int]:
    """Move unused money between channels, or propose to, where a campaign has two or more with a budget."""
    ids = paced_campaign_ids(channels=2) if campaign_ids is None else campaign_ids
    return _run(
        RunKind.REALLOCATION, ids, lambda campaign: int(_moved(campaign, actor, clock)), "moved_or_proposed",
        actor=actor, clock=clock,
    )  # fmt: skip


def _moved(campaign_id: UUID, actor: str, clock: Clock) -> bool:
    return pacing.move_unused(campaign_id, actor=actor, now=clock()) is not None


def refit(*, actor: str, clock: Clock, campaign_ids: Sequence[UUID] | None = None) -> dict[str, int]:
    """Fit the models of all paced campaigns (or these) afresh."""
    ids = paced_campaign_ids() if campaign_ids is None else campaign_ids
    return _run(
        RunKind.REFIT, ids, lambda campaign: len(pacing.refit(campaign, clock())), "fitted", actor=actor, clock=clock
    )


def _run(
    kind: RunKind, things: Iterable[UUID], work: Callable[[UUID], int], counted: str, *, actor: str, clock: Clock
) -> dict[str, int]:
    with runs.recorded(kind, trigger=actor, now=clock(), clock=clock) as record:
        done, errors = 0, []
        for thing in things:
            try:
                done += work(thing)
            except (Busy, Refused, DatabaseError) as error:
                logger.warning("%s of %s: %s", kind.label, thing, error)
                errors.append(f"{thing}: {error}")
        counts = {counted: done, "errors": len(errors)}
        record.counts, record.error = counts, "\n".join(errors)
    return counts
