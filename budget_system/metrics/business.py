"""Money and campaigns, from the database.

Counters say what happened since 00:00 UTC and begin again then, so no question reads more than a day of a table that
grows for ever. Amounts are in units of the currency, and are floats here: the books are in the database.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db import connection
from django.db.models import Case, Count, F, Max, Q, Sum, When
from prometheus_client.core import Metric

from brands.models import Brand
from budget_system import health
from budget_system.db import fetch, read_moment
from budget_system.fields import MoneyField
from budget_system.metrics.families import counter, gauge, one, today
from campaigns.models import Campaign, CampaignStatus, StateChange
from enforcement.snapshots import zones_in_use
from pacing.models import BreakerState, ChannelBudget, PaceAlert
from spending.figures import most_used, present, spent
from spending.models import BudgetPeriod, ImportState, PeriodKind, Reservation, ReservationStatus, SpendImport

BRANDS = 200
"""So many brands have series of their own: those that have used the largest share of a budget. Totals have all."""
SPENDS = 20_000
"""So many of the last spends are looked through for the last one of each source; imports are known besides."""
SOURCES = 50


def totals(now: datetime) -> Iterator[Metric]:
    """All brands together, by currency."""
    over = Case(When(used__gt=F("budget"), then=F("used") - F("budget")), default=0, output_field=MoneyField())
    periods = BudgetPeriod.objects.of_brands().filter(present(zones_in_use(), now), brand__archived_at=None)
    rows = [
        ((PeriodKind(kind).label.lower(), currency), *figures)
        for kind, currency, *figures in periods.order_by()
        .values_list("kind", "brand__currency")
        .annotate(
            posted=Sum("posted"),
            reserved=Sum("reserved"),
            overshoot=Sum(over),
            are_over=Count("pk", filter=Q(used__gt=F("budget"))),
        )
        .order_by("kind", "brand__currency")
    ]
    labels = ("period", "currency")
    for number, (name, says) in enumerate(
        {
            "budget_spend_amount": "Spent by all brands in their present day or month.",
            "budget_reserved_amount": "Set aside by all brands and not settled yet.",
            "budget_overshoot_amount": "Used beyond budgets, by brands that are over theirs.",
            "budget_brands_over": "Brands that have used more than their budget.",
        }.items(),
        start=1,
    ):
        yield gauge(name, says, labels, [(row[0], float(row[number])) for row in rows])


def brands(now: datetime) -> Iterator[Metric]:
    """Brand by brand, `BRANDS` at most."""
    current = Brand.objects.current()
    chosen = list(current.filter(pk__in=most_used(current, zones_in_use(), now, BRANDS)).order_by("pk"))
    figures = spent(chosen, now)
    spend, used = [], []
    for brand in chosen:
        whose = (brand.pk, brand.name)
        of_brand = figures[brand.pk]
        for period, use, budget in (
            ("day", of_brand.day, brand.daily_budget),
            ("month", of_brand.month, brand.monthly_budget),
        ):
            spend.append(((*whose, period, brand.currency), float(use.used + use.forgiven)))
            if budget:
                used.append(((*whose, period), float(use.used / budget)))
    whose_period = ("brand_id", "brand", "period")
    yield gauge("budget_brand_spend_amount", "Spent by a brand.", (*whose_period, "currency"), spend)
    yield gauge("budget_brand_used_ratio", "Share of a brand's budget that is used; 1 is all.", whose_period, used)
    yield one("budget_brands", "Brands that are not archived.", current.count())
    yield one("budget_brands_shown", "Brands that have series of their own.", len(chosen))


def campaigns(now: datetime) -> Iterator[Metric]:
    rows = Campaign.objects.current().order_by().values_list("status", "pause_reason").annotate(Count("pk"))
    labels = ("status", "reason")
    yield gauge(
        "budget_campaigns", "Campaigns, by the reason that is shown.", labels, [(row[:2], row[2]) for row in rows]
    )
    overdue = Campaign.objects.current().filter(next_check_at__lt=now - health.OVERDUE).count()
    yield one("budget_campaigns_overdue", "Campaigns that wait for a tick that should have come.", overdue)


def changes(now: datetime) -> Iterator[Metric]:
    rows = today(StateChange, "at", now).exclude(from_status=F("to_status"))
    found: Counter[tuple[str, str]] = Counter()
    for status, held, count in rows.order_by().values_list("to_status", "to_holds").annotate(Count("pk")):
        found["reactivated" if status == CampaignStatus.ACTIVE else "paused", held[0].value if held else ""] += count
    yield counter(
        "budget_state_changes_total", "Campaigns paused and reactivated since 00:00 UTC, by reason.",
        ("change", "reason"), sorted(found.items()),
    )  # fmt: skip


def reservations(now: datetime) -> Iterator[Metric]:
    pending = Reservation.objects.filter(status=ReservationStatus.PENDING).count()
    yield one("budget_reservations_pending", "Reservations that are neither settled nor over.", pending)
    overdue = health.oldest_overdue(now)
    yield one("budget_reservation_overdue_seconds", "How long the oldest one has been due to expire.", overdue)


def imports(now: datetime) -> Iterator[Metric]:
    begun = today(SpendImport, "created_at", now).filter(dry_run=False)
    ended = {
        "done": Q(state__in=[ImportState.DONE, ImportState.UNDOING, ImportState.UNDONE]),
        "failed": Q(state=ImportState.FAILED),
        "undone": Q(state=ImportState.UNDONE),
    }
    rows = ("accepted", "unchanged", "corrected", "duplicate", "rejected")
    found = begun.aggregate(
        **{name: Count("pk", filter=which) for name, which in ended.items()},
        **{f"rows_{name}": Sum(name, default=0) for name in rows},
    )
    waiting = SpendImport.objects.filter(state__in=[ImportState.QUEUED, ImportState.RUNNING, ImportState.UNDOING])
    result = ("result",)
    yield counter("budget_imports_total", "Imports begun since 00:00 UTC.", result, [((n,), found[n]) for n in ended])
    yield counter("budget_import_rows_total", "Their rows.", result, [((n,), found[f"rows_{n}"]) for n in rows])
    yield one("budget_imports_waiting", "Imports that wait or are under way.", waiting.count())
    yield one("budget_imports_stuck", "Of them, without a worker for ten minutes.", health.stuck_imports(now))


def reports(now: datetime) -> Iterator[Metric]:
    """How long ago each source last brought spend."""
    last: dict[str, datetime] = {}
    finished = SpendImport.objects.filter(state=ImportState.DONE, dry_run=False, finished_at__isnull=False)
    for source, at in (
        finished.order_by().values_list("source").annotate(at=Max("finished_at")).order_by("-at")[:SOURCES]
    ):
        last[source] = at
    with connection.cursor() as cursor:
        spends = "SELECT source, created_at FROM spending_spend ORDER BY id DESC LIMIT %s"
        sql = f"SELECT source, max(created_at) FROM ({spends}) AS last GROUP BY source"  # noqa: S608 - no input
        for source, written in fetch(cursor, sql, [SPENDS]):
            at = read_moment(written) or now
            last[source] = max(at, last.get(source, at))
    newest = sorted(last.items(), key=lambda pair: pair[1], reverse=True)[:SOURCES]
    rows = [((source,), (now - at).total_seconds()) for source, at in newest]
    yield gauge("budget_report_age_seconds", "Since a source last brought spend.", ("source",), rows)


def pacing(_: datetime) -> Iterator[Metric]:
    states = Counter(dict.fromkeys(BreakerState.values, 0))
    states.update(dict(ChannelBudget.objects.order_by().values_list("breaker").annotate(Count("pk"))))
    yield gauge("budget_breakers", "Circuit breakers of channels.", ("state",), [((s,), n) for s, n in states.items()])
    standing = Counter(critical=0, warning=0)
    alerts = PaceAlert.objects.filter(cleared_at=None).order_by()
    standing.update(dict(alerts.values_list("severity").annotate(Count("pk"))))
    yield gauge(
        "budget_pace_alerts", "Alerts of pace that stand.", ("severity",), [((s,), n) for s, n in standing.items()]
    )
