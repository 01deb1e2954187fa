"""What comes in and goes out, and the system itself: no spend, imports with rejects, receivers off, runs missed."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef, Q
from django.urls import reverse

from alerts.findings import Finding, World, count, finder, page, running
from alerts.kinds import Kind
from brands.periods import day_starts_at, local_date
from budget_system.text import day_text
from delivery.models import Endpoint, EndpointKind
from enforcement.models import Alarm, AlarmKind, Heartbeat, Run, RunKind
from spending.models import BudgetPeriod, ImportState, PeriodKind, SpendImport

IMPORTS = timedelta(days=7)
ALARM_SHOWN = timedelta(minutes=10)
"""An alarm about ticks is over when the first tick comes, and so before anybody here can look. It is told all the
same."""
OVERDUE = timedelta(minutes=3)
MOST_DAYS = 32


def _stale(world: World) -> Iterator[Finding]:
    kind = Kind.DATA_STALE
    with_running = [pk for pk, number in world.running.items() if number and pk in world.brands]
    since = world.now.date() - timedelta(days=MOST_DAYS)
    days = BudgetPeriod.objects.of_brands().filter(kind=PeriodKind.DAY, starts_on__gte=since, posted__gt=0).order_by()
    last_days = dict(days.values_list("brand_id").annotate(last=Max("starts_on")).values_list("brand_id", "last"))
    for brand_id in with_running:
        brand = world.brands[brand_id]
        rule, zone = world.rule(kind, brand_id), brand.zone
        last = last_days.get(brand_id)
        known = last or local_date(zone, brand.created_at)
        if not rule.on or known > local_date(zone, world.now) - timedelta(days=rule.limit):
            continue
        begins = day_starts_at(zone, known + timedelta(days=1)) if last else brand.created_at
        after = (
            f"after {day_text(last)}"
            if last
            else "yet"
            if brand.created_at.date() >= since
            else f"for {MOST_DAYS} days"
        )
        yield Finding(
            kind, f"{kind}:{brand_id}", brand_id, None, rule.severity,
            f"{brand}: campaigns run, and no spend was reported {after}",
            f"{running(world.running[brand_id])}. What they spend is not known here, so no budget can "
            "stop them.",
            [("campaigns running", f"{world.running[brand_id]:,}"),
             ("last day with spend", day_text(last) if last else "–")],
            begins, "Import a report, or see whether the program that reports spend runs.",
            page("brands_brand", brand_id),
        )  # fmt: skip


def _imports(world: World) -> Iterator[Finding]:
    """By brand; an import of several brands' spend is told to none of them, and to administrators only."""
    kind = Kind.IMPORT_REJECTS
    better = SpendImport.objects.filter(
        file_name=OuterRef("file_name"), state=ImportState.DONE, rejected=0, dry_run=False,
        created_at__gt=OuterRef("created_at"),
    )  # fmt: skip
    bad = SpendImport.objects.filter(
        Q(state=ImportState.DONE, rejected__gt=0) | Q(state=ImportState.FAILED), ~Exists(better), dry_run=False,
        created_at__gte=world.now - IMPORTS,
    )  # fmt: skip
    for record in bad.exclude(brands__in=world.hidden).prefetch_related("brands").order_by("pk"):
        owners = list(record.brands.all())
        brand = owners[0] if len(owners) == 1 else None
        rule = world.rule(kind, brand.pk if brand else None)
        if not rule.on or (brand is not None and brand.pk not in world.brands):
            continue
        failed = record.state == ImportState.FAILED
        what = "could not be read" if failed else f"{count(record.rejected, 'row')} left out"
        text = (
            record.error
            if failed
            else (
                f"Of {count(record.rows, 'row')} {record.accepted:,} were accepted, {record.corrected:,} corrected, "
                f"{record.unchanged:,} unchanged, {record.duplicate:,} duplicate and {record.rejected:,} left out."
            )
        )
        figures = [] if failed else [("rows", f"{record.rows:,}"), ("left out", f"{record.rejected:,}")]
        yield Finding(
            kind, f"{kind}:{record.pk}", brand.pk if brand else None, None, rule.severity,
            f"{brand}: import “{record.file_name}”: {what}" if brand else f"Import “{record.file_name}”: {what}", text,
            figures, record.finished_at or record.created_at,
            "It says why; mend the file, or read it with other settings." if failed
            else "Download the rows that were left out, mend them, and import that file.",
            page("spending_spendimport", record.pk),
        )  # fmt: skip


def _receivers(world: World) -> Iterator[Finding]:
    kind = Kind.WEBHOOK_OFF
    off = Endpoint.objects.filter(gave_up=True, off_at__isnull=False).exclude(brand__in=world.hidden)
    for endpoint in off.select_related("brand"):
        rule = world.rule(kind, endpoint.brand_id)
        if not rule.on or (endpoint.brand is not None and endpoint.brand.archived_at is not None):
            continue
        off_at = endpoint.off_at or world.now
        name = f"{endpoint.brand}: {endpoint}" if endpoint.brand else str(endpoint)
        where = "delivery_endpoint" if endpoint.kind == EndpointKind.WEBHOOK else "delivery_receiver"
        what = str(endpoint.get_kind_display())
        yield Finding(
            kind, f"{kind}:{endpoint.pk}", endpoint.brand_id, None, rule.severity,
            f"{name}: switched off, nothing arrived there any more",
            f"{what} “{endpoint}” was switched off. {endpoint.off_reason}", [("kind", what)], off_at,
            "See whether it is still there; then switch it on and let it be told what happened meanwhile.",
            page(where, endpoint.pk),
        )  # fmt: skip


# --- The system itself -----------------------------------------------------------------------------------------------


def _alarms(world: World) -> Iterator[Finding]:
    kind = Kind.RUNS_MISSED
    rule = world.rule(kind, None)
    if not rule.on:
        return
    lately = Q(cleared_at=None) | Q(kind=AlarmKind.TICKS, cleared_at__gte=world.now - ALARM_SHOWN)
    for alarm in Alarm.objects.filter(lately):
        over = f" until {_utc(alarm.cleared_at)}" if alarm.cleared_at else ""
        yield Finding(
            kind, f"ALARM:{alarm.pk}", None, None, rule.severity, str(alarm.get_kind_display()),
            f"{alarm.message} From {_utc(alarm.raised_at)}{over}.",
            [("since", _utc(alarm.raised_at)), *([("until", _utc(alarm.cleared_at))] if alarm.cleared_at else [])],
            alarm.raised_at, "docs/operations.md says what to look at; manage.py doctor finds most causes.",
            _runs_page(),
        )  # fmt: skip


def _runs(world: World) -> Iterator[Finding]:
    """Kinds of runs whose last one failed, or that do not come while the worker does."""
    kind = Kind.RUNS_MISSED
    rule = world.rule(kind, None)
    if not rule.on:
        return
    for its, words in RunKind.choices:
        last = Run.objects.filter(kind=its).exclude(finished_at=None).first()
        if last is None:
            continue
        overdue = its == RunKind.DAYPARTING and _is_overdue(last, world.now)
        if not last.error and not overdue:
            continue
        text = f"The last one began {_utc(last.started_at)}; they come every minute." if overdue else last.error
        yield Finding(
            kind, f"{kind}:{its}", None, None, rule.severity,
            f"{words}: {'does not run' if overdue else 'the last run failed'}", text[:2_000],
            [("last run", _utc(last.started_at))], last.started_at,
            "Open the run: its error names the cause." if not overdue else "See whether the beat and a worker run.",
            page("enforcement_run", last.pk),
        )  # fmt: skip


def _is_overdue(last: Run, now: datetime) -> bool:
    """While heartbeats come: without them there is an alarm already."""
    beat = Heartbeat.objects.filter(name=Heartbeat.TICK).values_list("at", flat=True).first()
    return now - last.started_at > OVERDUE and beat is not None and now - beat < OVERDUE


def _utc(at: datetime | None) -> str:
    return "–" if at is None else f"{day_text(at)} {at:%H:%M} UTC"


def _runs_page() -> str:
    return reverse("admin:enforcement_run_changelist")


FINDERS = (
    finder("spend that is not reported", _stale, Kind.DATA_STALE),
    finder("imports", _imports, Kind.IMPORT_REJECTS),
    finder("webhooks and receivers", _receivers, Kind.WEBHOOK_OFF),
    finder("the system's alarms", _alarms, Kind.RUNS_MISSED),
    finder("the run log", _runs, Kind.RUNS_MISSED),
)
