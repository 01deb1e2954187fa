"""What a person who watches the system sees at a glance: gathered in a number of queries that does not grow with it."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Q

from brands.models import Brand
from budget_system import health
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus
from enforcement.models import Alarm, RunKind
from enforcement.snapshots import zones_in_use
from pacing.models import BreakerState, ChannelBudget, PaceAlert
from spending.figures import Spent, most_used, spent

TICKS = (RunKind.DAYPARTING, RunKind.BUDGETS, RunKind.PACE, RunKind.DAILY_RESET, RunKind.BOOKS)
"""The runs whose age tells whether the system looks."""


class BrandNow(NamedTuple):
    """A brand's day and month, and how many of its campaigns run."""

    brand: Brand
    spent: Spent
    running: int
    paused: int

    @property
    def share(self) -> Decimal:
        """The larger part of its day's and its month's budget, in per cent."""
        pairs = ((self.spent.day.used, self.brand.daily_budget), (self.spent.month.used, self.brand.monthly_budget))
        return max((part(used, budget) or Decimal(0) for used, budget in pairs), default=Decimal(0))


class Tick(NamedTuple):
    """When a kind of run last ended what it began, and its error."""

    kind: RunKind
    started_at: datetime | None
    error: str = ""


@dataclass(frozen=True)
class View:
    """The system at a moment. `waiting`: tasks in the queue, None where the broker does not answer."""

    at: datetime
    status: str
    troubles: list[str]
    """The parts of the health check that are not healthy."""
    alarms: list[str]
    """Those about the system itself that stand."""
    brands: list[BrandNow]
    """Those that have used most of a budget, the first of them first."""
    of_brands: int
    running: int
    paused: list[tuple[Hold, int]]
    ticks: list[Tick]
    waiting: int | None
    alerts: dict[str, int]
    """The pacing alerts that stand, by severity."""
    breakers: int
    stopped_brands: int


def part(used: Decimal, budget: Decimal | None) -> Decimal | None:
    """How much of a budget is used, in per cent; None without a limit. All of a budget of 0 is used."""
    if budget is None:
        return None
    return used * 100 / budget if budget else Decimal(100)


def view(now: datetime, limit: int) -> View:
    """The system now, with up to `limit` brands."""
    current = Brand.objects.current()
    chosen = list(current.filter(pk__in=most_used(current, zones_in_use(), now, limit)))
    figures = spent(chosen, now)
    campaigns = Campaign.objects.current().order_by()
    its = campaigns.filter(brand__in=chosen).values_list("brand_id", "status").annotate(count=Count("pk"))
    counts = {(brand_id, status): count for brand_id, status, count in its}
    rows = [
        BrandNow(
            brand,
            figures[brand.pk],
            counts.get((brand.pk, CampaignStatus.ACTIVE), 0),
            counts.get((brand.pk, CampaignStatus.PAUSED), 0),
        )
        for brand in chosen
    ]
    reasons = Counter(dict(campaigns.values_list("pause_reason").annotate(count=Count("pk"))))
    running = reasons.pop("", 0)
    checked = health.check(now)
    return View(
        at=now,
        status=checked["status"],
        troubles=[_trouble(name, found) for name, found in checked["checks"].items() if found["status"] != "healthy"],
        alarms=[str(alarm) for alarm in Alarm.objects.filter(cleared_at=None)],
        brands=sorted(rows, key=lambda row: (-row.share, row.brand.name)),
        of_brands=current.count(),
        running=running,
        paused=[(Hold(reason), count) for reason, count in reasons.most_common()],
        ticks=[_tick(kind) for kind in TICKS],
        waiting=health.queue_length(),
        alerts=dict(PaceAlert.objects.filter(cleared_at=None).order_by().values_list("severity").annotate(Count("pk"))),
        breakers=ChannelBudget.objects.filter(breaker=BreakerState.OPEN, campaign__archived_at=None).count(),
        stopped_brands=current.filter(~Q(emergency_stopped_at=None)).count(),
    )


def _trouble(name: str, found: dict[str, Any]) -> str:
    """“services degraded: broker unreachable, last_tick_age_s 1069”"""
    told = ", ".join(f"{key} {value}" for key, value in found.items() if key != "status" and value is not None)
    return f"{name} {found['status']}" + (f": {told}" if told else "")


def _tick(kind: RunKind) -> Tick:
    last = health.last_run(kind)
    return Tick(kind, None) if last is None else Tick(kind, last.started_at, last.error)
