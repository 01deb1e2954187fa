"""What would run at another moment: the same decision about the facts that are known now for that moment.

Nothing more is spent until then. What counts on another local day or in another month is what is known of it now: none,
if it is still to come. Pauses, overrides, flights and breakers are as they stand.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from brands import services as brands
from brands.models import Brand
from brands.periods import local_date, to_utc
from budget_system.db import chunks, use_case
from budget_system.errors import Refused
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign
from campaigns.services import FIRST_DAY, LAST_DAY, Change, apply
from enforcement.evaluation import LOOK_AGAIN, look
from enforcement.explain import Explanation, explain_facts
from enforcement.snapshots import Undecidable, gather, of_brands

CAUSE = "simulated time"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
BRANDS = 500


class LocalTime(NamedTuple):
    """A time as a brand's clock shows it. What is left out: the time of day is that of now, the day the next one."""

    clock: time | None = None
    weekday: int | None = None
    day: date | None = None

    def in_zone(self, zone: ZoneInfo, now: datetime) -> datetime:
        """When the clock in `zone` next shows this, in UTC; a day that is named may be over.

        A time that the clock skips is the same time after it was put forward.
        """
        here = now.astimezone(zone)
        clock = self.clock if self.clock is not None else here.time().replace(microsecond=0)
        if self.day is not None:
            return to_utc(datetime.combine(self.day, clock, zone))
        day = local_date(zone, now)
        for _ in range(9):
            at = to_utc(datetime.combine(day, clock, zone))
            if at >= to_utc(now).replace(microsecond=0) and self.weekday in (None, day.weekday()):
                return at
            day += timedelta(days=1)
        raise AssertionError("every weekday comes within nine days")


class Would(NamedTuple):
    """A campaign as it is stored now, and what the decision says of it at the other moment (None: why it cannot)."""

    campaign: Campaign
    before: tuple[Hold, ...]
    then: Explanation | None
    problem: str = ""

    @property
    def starts(self) -> bool:
        return self.then is not None and self.then.verdict.runs and bool(self.before)

    @property
    def stops(self) -> bool:
        return self.then is not None and not self.then.verdict.runs and not self.before


def moment(wanted: LocalTime | datetime, zone: ZoneInfo, now: datetime) -> datetime:
    """The moment meant, for a brand in this zone. Raises Refused for years that are not kept."""
    at = wanted if isinstance(wanted, datetime) else wanted.in_zone(zone, now)
    if not FIRST_DAY < at.date() < LAST_DAY:
        raise Refused(f"{at.date()} is not between {FIRST_DAY} and {LAST_DAY}.", field="at")
    return at


def would_run(some: Iterable[Brand], wanted: LocalTime | datetime, now: datetime) -> Iterator[Would]:
    """Every current campaign of these brands at the moment meant, by brand and name. Changes nothing."""
    by_zone: dict[str, list[Brand]] = defaultdict(list)
    for brand in some:
        by_zone[str(brand.timezone)].append(brand)
    for zone_name, its_brands in sorted(by_zone.items()):
        try:
            at = moment(wanted, brands.zone(zone_name), now)
        except (ZoneInfoNotFoundError, ValueError):
            at = now  # its campaigns come out as undecidable
        for group in chunks(sorted(its_brands, key=lambda brand: (brand.name, brand.pk)), BRANDS):
            yield from _would_run([brand.pk for brand in group], zone_name, at)


def _would_run(brand_ids: list[UUID], zone_name: str, at: datetime) -> Iterator[Would]:
    campaigns = {
        str(one.pk): one
        for one in Campaign.objects.current()
        .filter(brand__in=brand_ids)
        .select_related("brand")
        .order_by("brand__name", "brand_id", "name", "pk")
    }
    found = {one.campaign_id: one for one in gather(of_brands(brand_ids), [zone_name], at)}
    for campaign_id, campaign in campaigns.items():
        snapshot = found.get(campaign_id)
        if isinstance(snapshot, Undecidable):
            yield Would(campaign, campaign.holds, None, snapshot.problem)
        elif snapshot is not None:
            yield Would(campaign, snapshot.holds, explain_facts(campaign, snapshot.facts, at))


@use_case
def apply_as_of(brand_id: UUID, at: datetime, *, actor: str, now: datetime) -> list[Change]:
    """Store the states that a brand's campaigns would have at `at`, for a demo; gives those that changed.

    The records say when it was done and that it was simulated. The next sweep makes the present true again, and the
    minute tick does after `LOOK_AGAIN`.
    """
    locked = brands.lock([brand_id])
    seen = look(of_brands(locked), {brand.timezone for brand in locked.values()}, at)
    changes = [
        change._replace(verdict=Verdict(change.verdict.holds, now + LOOK_AGAIN))
        for change in seen.changes
        if change.from_holds != change.verdict.holds
    ]
    apply(changes, cause=CAUSE, actor=actor, now=now)
    return changes
