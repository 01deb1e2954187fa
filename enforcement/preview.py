"""Previews: what a change would do, found out by doing it and undoing it; and which changes of budgets are large.

A large change is one that a person may have mistyped, or may not have meant: the admin asks before it is made.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from brands.models import Brand
from brands.services import lock
from budget_system.db import rehearsal, use_case
from campaigns.holds import Hold
from campaigns.models import Campaign
from spending.figures import Spent, spent

LARGE_FACTOR = 2
"""A budget that becomes more than so many times as high, or falls below that fraction of itself, changes by much."""


class Moved(NamedTuple):
    """A campaign that would stop or start, and what would hold it then."""

    campaign_id: UUID
    name: str
    holds: tuple[Hold, ...]


class Preview(NamedTuple):
    """What would be if a change were made now."""

    thing: Brand | Campaign
    """As it would be."""
    spent: Spent
    pauses: list[Moved]
    starts: list[Moved]
    run: int
    """How many of the looked-at campaigns would run then."""
    of: int

    @property
    def moves(self) -> bool:
        return bool(self.pauses or self.starts)

    def fingerprint(self, changes: Mapping[str, object]) -> str:
        """The same as long as these changes would stop and start the same campaigns."""
        moved = [[str(one.campaign_id) for one in some] for some in (self.pauses, self.starts)]
        return sha256(repr((str(self.thing.pk), sorted(changes.items()), moved)).encode()).hexdigest()[:20]


def preview(thing: Brand | Campaign, act: Callable[[], object], now: datetime) -> Preview:
    """What `act`, one use case on this brand or campaign, would do. Raises what it raises, or Busy; nothing is kept.

    The brand is locked meanwhile, so that nothing else happens in between.
    """
    whole = isinstance(thing, Brand)
    campaigns = Campaign.objects.filter(brand=thing.pk) if whole else Campaign.objects.filter(pk=thing.pk)
    rows = campaigns.order_by("name", "pk").values_list("pk", "name", "holds")
    with rehearsal():
        use_case(lock)([thing.pk if isinstance(thing, Brand) else thing.brand_id])
        before = {pk: holds for pk, _, holds in rows.filter(archived_at=None)}
        act()
        after = [Moved(*row) for row in rows if row[0] in before]
        then: Brand | Campaign = (
            Brand.objects.get(pk=thing.pk) if whole else Campaign.objects.select_related("brand").get(pk=thing.pk)
        )
        uses = spent([then], now)[then.pk]
    return Preview(
        thing=then,
        spent=uses,
        pauses=[one for one in after if one.holds and not before[one.campaign_id]],
        starts=[one for one in after if not one.holds and before[one.campaign_id]],
        run=sum(not one.holds for one in after),
        of=len(after),
    )


def is_large(before: Decimal | None, after: Decimal | None) -> bool:
    """Whether a budget changes by much: more than double, less than half, to or from no limit, to 0."""
    if before == after:
        return False
    if before is None or after is None or after == 0:
        return True
    return after > before * LARGE_FACTOR or after * LARGE_FACTOR < before


def why_large(before: Decimal | None, after: Decimal | None) -> str:
    """The same in words; empty for a small change."""
    if not is_large(before, after):
        return ""
    if after is None:
        return "no limit any more"
    if before is None:
        return "there was no limit"
    if after == 0:
        return "nothing may be spent any more"
    return "more than double" if after > before else "less than half"
