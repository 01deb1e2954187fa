"""What is wrong now, as the records and the decision have it. Nothing is decided here: figures and holds are read.

`World` is read once a look, in a number of queries that does not grow with brands and campaigns.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import CharField, Count, QuerySet
from django.db.models.functions import Cast
from django.urls import reverse

from alerts import rules
from alerts.kinds import Kind, Severity
from alerts.rules import Rule, Rules
from brands.models import Brand
from brands.services import zone_names
from budget_system import money
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus
from enforcement.snapshots import zones_in_use
from scheduling.windows import ALWAYS, Week, union, week_from_text
from spending.figures import present
from spending.models import BudgetPeriod, PeriodKind

Figures = Sequence[tuple[str, str]]


class Finding(NamedTuple):
    """Something that people should know. `key` is the same as long as it is the same issue.

    With a `series`, nothing is raised of it at this `level` or below once it was raised.
    """

    kind: Kind
    key: str
    brand_id: UUID | None
    campaign_id: UUID | None
    severity: Severity
    title: str
    text: str
    figures: Figures
    since: datetime
    next_step: str
    link: str
    series: str = ""
    level: int = 0


class Finder(NamedTuple):
    """Finds issues of these kinds and of no others."""

    name: str
    """What it looks at, in words."""
    kinds: frozenset[Kind]
    find: Callable[["World"], Iterator[Finding]]


def finder(name: str, find: Callable[["World"], Iterator[Finding]], *kinds: Kind) -> Finder:
    return Finder(name, frozenset(kinds), find)


BUDGET_HOLDS = (Hold.LIFETIME_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED, Hold.DAILY_BUDGET_EXCEEDED)


@dataclass
class World:
    """Brands with what counts against their budgets now, and their campaigns that run or are paused by a budget."""

    now: datetime
    rules: Rules
    brands: dict[UUID, Brand]
    """Those that are not archived and whose time zone is known here."""
    hidden: Sequence[UUID]
    """Those whose time zone is not: they cannot be read. `manage.py doctor` names them."""
    used: Mapping[tuple[UUID, str], Decimal]
    """By brand and kind of period."""
    running: Counter[UUID]
    held: Mapping[tuple[UUID, Hold], list[Campaign]]
    """By brand and pause reason, where that is a budget."""
    _weeks: dict[UUID, Week] = field(default_factory=dict)

    def rule(self, kind: Kind, brand_id: UUID | None) -> Rule:
        return self.rules.of(kind, brand_id)

    def used_of(self, brand: Brand, kind: PeriodKind) -> Decimal:
        return self.used.get((brand.pk, kind), Decimal(0))

    def week_of(self, brand: Brand) -> Week:
        """When any of its campaigns may run."""
        return self._weeks.get(brand.pk, ALWAYS)


def budget_of(brand: Brand, kind: PeriodKind) -> Decimal | None:
    budget: Decimal | None = brand.daily_budget if kind == PeriodKind.DAY else brand.monthly_budget
    return budget


def read_world(now: datetime) -> World:
    unknown = [name for name in zones_in_use() if name not in zone_names()]
    hidden = list(
        Brand.objects.alias(zone_name=Cast("timezone", CharField()))
        .filter(zone_name__in=unknown)
        .values_list("pk", flat=True)
        if unknown
        else ()
    )
    brands = {brand.pk: brand for brand in Brand.objects.current().exclude(pk__in=hidden)}
    periods = BudgetPeriod.objects.of_brands().filter(present(zones_in_use(), now), brand__archived_at=None)
    used = {(brand, kind): amount for brand, kind, amount in periods.values_list("brand_id", "kind", "used")}
    campaigns = Campaign.objects.current().filter(brand__archived_at=None).order_by()
    active = campaigns.filter(status=CampaignStatus.ACTIVE)
    counts = active.values_list("brand_id").annotate(count=Count("pk")).values_list("brand_id", "count")
    held: defaultdict[tuple[UUID, Hold], list[Campaign]] = defaultdict(list)
    for campaign in _named(campaigns.filter(pause_reason__in=[hold.value for hold in BUDGET_HOLDS])):
        if campaign.brand_id not in brands:
            continue
        campaign.brand = brands[campaign.brand_id]
        held[campaign.brand_id, Hold(campaign.pause_reason)].append(campaign)
    weeks: defaultdict[UUID, set[str]] = defaultdict(set)
    for brand_id, text in campaigns.values_list("brand_id", "week").distinct():
        weeks[brand_id].add(text)
    return World(
        now, rules.read(), brands, hidden, used, Counter(dict(counts)), held,
        {brand_id: _union(texts) for brand_id, texts in weeks.items()},
    )  # fmt: skip


def _named(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    """What a finding says of a campaign."""
    return campaigns.order_by("name", "pk").only(
        "name", "brand_id", "pause_reason", "paused_at", "daily_budget", "monthly_budget", "lifetime_budget", "holds"
    )


def _union(texts: set[str]) -> Week:
    found = [week_from_text(text) for text in texts]
    return ALWAYS if None in found else union(week for week in found if week is not None)


# --- Words -----------------------------------------------------------------------------------------------------------


def amount(value: Decimal, brand: Brand) -> str:
    return f"{money.display_text(value, brand.currency)} {brand.currency}"


def named(campaign: Campaign) -> str:
    return f"{campaign.name} · {campaign.brand.name}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def running(number: int) -> str:
    return f"{count(number, 'campaign')} {'runs' if number == 1 else 'run'}"


def some(names: Sequence[str], most: int = 5) -> str:
    """“A, B and 3 more”."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def zone_of(brand: Brand | None) -> ZoneInfo:
    return brand.zone if brand else ZoneInfo("UTC")


def page(name: str, pk: object) -> str:
    return reverse(f"admin:{name}_change", args=[pk])
