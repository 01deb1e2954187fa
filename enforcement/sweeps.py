"""Sweeps and turns: the same evaluation without an input. They look at what time may have changed, and at everything.

A full sweep looks without locks and evaluates again, under the lock, only what seems to differ: whoever changes a fact
evaluates it in the same transaction, so a look that is a moment old can only raise a false alarm. A brand that cannot
be handled is counted and reported; the others go on.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError

from brands import services as brands
from brands.models import Brand
from budget_system.db import chunks, use_case
from budget_system.errors import Busy
from campaigns.models import Campaign
from enforcement.evaluation import Evaluation, count_pauses, look
from enforcement.services import Cause, evaluate_brands
from enforcement.snapshots import between_brands, of_brands, of_campaigns, zones_in_use
from spending.turns import Turns, record_turns, turns_due

logger = logging.getLogger(__name__)

LOOK_BRANDS = 200
LOCK_BRANDS = 200
Progress = Callable[[int, int], None]


@dataclass
class Sweep:
    """What a sweep saw and did."""

    checked: int = 0
    evaluation: Evaluation = field(default_factory=Evaluation)
    turns: list[Turns] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """What a person has to look at, in words."""
        return [
            *self.failures,
            *(f"Campaign {bad.campaign_id}: {bad.problem}" for bad in self.evaluation.undecidable),
        ]

    def counts(self) -> dict[str, int]:
        return {"checked": self.checked, **count_pauses(self.evaluation.flips), "errors": len(self.errors)}


def _silent(done: int, total: int) -> None:
    """No progress shown."""


def enforce_all(
    now: datetime,
    *,
    actor: str,
    brand_id: UUID | None = None,
    dry_run: bool = False,
    progress: Progress = _silent,
) -> Sweep:
    """Look at every campaign (of one brand if given) and set right what differs. A dry run only looks."""
    result = Sweep()
    zones = zones_in_use()
    brand_ids = [brand_id] if brand_id else list(Brand.objects.order_by("pk").values_list("pk", flat=True))
    done = 0
    for some in chunks(brand_ids, LOOK_BRANDS):
        seen = look(between_brands(some[0], some[-1]), zones, now, only_changes=True)
        result.checked += seen.looked_at
        if dry_run:
            result.evaluation.include(seen)
        else:
            _settle(result, _suspects(seen), now, cause=Cause.SWEEP, actor=actor)
        progress(done := done + len(some), len(brand_ids))
    return result


def _suspects(seen: Evaluation) -> dict[UUID, set[UUID]]:
    """By brand, the campaigns that did not look as they should."""
    suspects: dict[UUID, set[UUID]] = {}
    for change in seen.changes:
        suspects.setdefault(change.brand_id, set()).add(change.campaign_id)
    for bad in seen.undecidable:
        suspects.setdefault(UUID(bad.brand_id), set()).add(UUID(bad.campaign_id))
    return suspects


def enforce_due(
    now: datetime, *, actor: str, brand_id: UUID | None = None, dry_run: bool = False, progress: Progress = _silent
) -> Sweep:
    """Evaluate the campaigns whose next_check_at has come: what time alone may have changed."""
    result = Sweep()
    due = Campaign.objects.current().filter(next_check_at__lte=now).order_by()
    if brand_id:
        due = due.filter(brand_id=brand_id)
    suspects: dict[UUID, set[UUID]] = {}
    for campaign_id, its_brand in due.values_list("pk", "brand_id"):
        suspects.setdefault(its_brand, set()).add(campaign_id)
    result.checked = sum(map(len, suspects.values()))
    if dry_run:
        for some in chunks(list(suspects), LOOK_BRANDS):
            due_of_them = [campaign_id for its_brand in some for campaign_id in suspects[its_brand]]
            result.evaluation.include(look(of_campaigns(due_of_them, some), zones_in_use(), now))
    else:
        _settle(result, suspects, now, cause=Cause.TIME, actor=actor, progress=progress)
    return result


def turn_periods(
    now: datetime, *, actor: str, brand_id: UUID | None = None, dry_run: bool = False, progress: Progress = _silent
) -> Sweep:
    """Record the local days and months that have begun, brand by brand, and evaluate those brands."""
    result = Sweep()
    due = []
    for brand in brands.read_all(brand_id):
        result.checked += 1
        if (turns := turns_due(brand, now)) is not None:
            due.append(turns)
    if dry_run:
        result.turns = due
        for some in chunks([turns.brand_id for turns in due], LOOK_BRANDS):
            result.evaluation.include(look(of_brands(some), zones_in_use(), now))
    else:
        _settle(result, {turns.brand_id: set() for turns in due}, now, cause=Cause.TIME, actor=actor, progress=progress)
    return result


def _settle(
    result: Sweep,
    suspects: dict[UUID, set[UUID]],
    now: datetime,
    *,
    cause: str,
    actor: str,
    progress: Progress = _silent,
) -> None:
    """Evaluate these campaigns under the locks of their brands, some brands a transaction.

    Of what was found only changed holds and troubles are remembered: a sweep may see a million campaigns.
    """
    done = 0
    for some in chunks(sorted(suspects), LOCK_BRANDS):
        for group in _divide(some, suspects, now, cause=cause, actor=actor, result=result):
            found = group.evaluation
            result.evaluation.changes += [one for one in found.changes if one.from_holds != one.verdict.holds]
            result.evaluation.undecidable += found.undecidable
            result.turns += group.turns
        done += len(some)
        progress(done, len(suspects))


def _divide(
    some: Sequence[UUID],
    suspects: dict[UUID, set[UUID]],
    now: datetime,
    *,
    cause: str,
    actor: str,
    result: Sweep,
) -> Iterable[Sweep]:
    """All at once; if that fails, brand by brand, so that one brand's trouble stays its own."""
    try:
        yield _settle_brands(some, suspects, now, cause=cause, actor=actor)
    except (Busy, DatabaseError) as error:
        logger.warning("%d brands could not be evaluated together (%s); trying one by one", len(some), error)
    else:
        return
    for brand_id in some:
        try:
            yield _settle_brands([brand_id], suspects, now, cause=cause, actor=actor)
        except (Busy, DatabaseError) as error:
            logger.exception("Brand %s could not be evaluated", brand_id)
            result.failures.append(f"Brand {brand_id}: {error}")


@use_case
def _settle_brands(
    brand_ids: Sequence[UUID], suspects: dict[UUID, set[UUID]], now: datetime, *, cause: str, actor: str
) -> Sweep:
    locked = brands.lock(brand_ids)
    turns = record_turns(locked.values(), now)
    brand_of = {campaign: brand for brand in locked for campaign in suspects[brand]}
    evaluation = evaluate_brands(
        locked, brand_of, {turn.brand_id for turn in turns}, cause=cause, actor=actor, now=now, brand_of=brand_of
    )
    return Sweep(evaluation=evaluation, turns=turns)
