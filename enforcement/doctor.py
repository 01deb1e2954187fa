"""Is the system well? Invariants of what is stored and of what runs, each with what was looked at and its remedy.

A check reads and changes nothing. `repair` does what is safe: it makes what is derived again from what people and
platforms gave, and does what a tick would have done. Nothing that a person or a platform gave is changed by it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sized
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.core import checks as system_checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F, Q
from kombu.exceptions import OperationalError as BrokerError
from redis import RedisError

from brands.models import Brand
from brands.services import read_all, zone
from budget_system import health
from budget_system.celery import app
from budget_system.errors import Refused
from budget_system.sealed import unreadable
from campaigns.models import Campaign
from enforcement import books, jobs, pace_jobs, reservations, runs
from enforcement.demo.login import PASSWORD, USERNAME
from enforcement.models import Run
from enforcement.snapshots import zones_in_use
from pacing.models import BreakerState, ChannelBudget, PacedCampaign
from spending import import_records
from spending.models import BudgetPeriod, Reservation, ReservationStatus, SpendImport
from spending.turns import turns_due

Clock = Callable[[], datetime]

SAFE_SQLITE = (3, 51, 3)
"""Before it, processes that write at the same time in WAL mode may in rare cases lose a page (the WAL-reset bug)."""
LATELY = timedelta(hours=24)
NAMED = 3


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Finding(NamedTuple):
    """What a check found. `looked_at` says what it rests on, `remedy` what to do where it is not ok."""

    check: str
    state: State
    looked_at: str
    problem: str = ""
    remedy: str = ""
    fixable: bool = False


# --- What is configured ----------------------------------------------------------------------------------------------


def _settings(_: datetime) -> Finding:
    """What Django's own checks and ours say, and what they do not look at."""
    found = system_checks.run_checks(include_deployment_checks=not settings.DEMO, databases=["default"])
    problems = [f"{one.id}: {one.msg}" for one in found if one.level >= system_checks.WARNING]
    bad = any(one.level >= system_checks.ERROR for one in found)
    mode = "demo mode" if settings.DEMO else "production"
    if settings.DEBUG and not settings.DEMO:
        problems.append("DEBUG is on: errors show the inside of the system to everybody.")
        bad = True
    if not settings.DEMO and "*" in settings.ALLOWED_HOSTS:
        problems.append("ALLOWED_HOSTS has *: requests may name any host.")
        bad = True
    looked_at = f"{mode}, Django's checks and ours, hosts {', '.join(settings.ALLOWED_HOSTS)}"
    return _of("settings", looked_at, problems, "Set what is named in the environment (.env.example).", failed=bad)


def _login(_: datetime) -> Finding:
    """Outside demo mode nobody may have the password that everybody knows."""
    looked_at = f"the user “{USERNAME}”"
    if settings.DEMO:
        return Finding("login", State.OK, f"{looked_at}: demo mode, this machine only")
    user = get_user_model().objects.filter(username=USERNAME, is_active=True).first()
    known = user is not None and check_password(PASSWORD, user.password)
    problems = [f"“{USERNAME}” can log in with the demo's password, which everybody knows."] if known else []
    return _of("login", looked_at, problems, f"manage.py changepassword {USERNAME}")


def _secrets(_: datetime) -> Finding:
    """A key that was taken out of ENCRYPTION_KEYS too early silences webhooks and ad platforms."""
    closed = unreadable()
    problems = [f"{sum(closed.values())} cannot be decrypted, of {_some(closed)}"] if closed else []
    remedy = (
        "Put the former key back behind the newest in ENCRYPTION_KEYS and run manage.py renew_encryption; if it is "
        "lost, make new secrets and enter credentials anew."
    )
    return _of("secrets", "credentials of webhooks, receivers and platform accounts", problems, remedy)


def _migrations(_: datetime) -> Finding:
    executor = MigrationExecutor(connection)
    wanted = executor.loader.graph.leaf_nodes()
    missing = [f"{migration.app_label} {migration.name}" for migration, _ in executor.migration_plan(wanted)]
    problems = [f"{len(missing)} not applied: {_some(missing)}"] if missing else []
    return _of("migrations", f"{len(executor.loader.disk_migrations)} migrations", problems, "manage.py migrate")


def _database(_: datetime) -> Finding:
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0]
        return Finding("database", State.OK, f"PostgreSQL {version}")
    looked_at = f"SQLite {sqlite3.sqlite_version}, its pages"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA quick_check(3)")
        damage = [str(row[0]) for row in cursor.fetchall() if row[0] != "ok"]
    if damage:
        remedy = "Restore the last backup, or begin the demo anew: make destroy."
        return Finding("database", State.FAILED, looked_at, f"Damaged: {_some(damage)}", remedy)
    if sqlite3.sqlite_version_info < SAFE_SQLITE:
        problem = f"Below {'.'.join(map(str, SAFE_SQLITE))} several processes in WAL mode may, rarely, damage a page."
        remedy = "Fine for a demo. For data that matters: PostgreSQL through DATABASE_URL, or a newer Python."
        return Finding("database", State.WARNING, looked_at, problem, remedy)
    return Finding("database", State.OK, looked_at)


def _zones(_: datetime) -> Finding:
    names = zones_in_use()
    unknown = sorted(name for name in names if not _is_known(name))
    problems = [f"Not known here: {_some(unknown)}. Its brands' campaigns cannot be decided."] if unknown else []
    remedy = "Update the package tzdata, or correct the brand's time zone."
    return _of("time zones", f"{len(names)} in use", problems, remedy)


def _is_known(name: str) -> bool:
    try:
        zone(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True


# --- What is stored --------------------------------------------------------------------------------------------------


def _books(now: datetime) -> Finding:
    """Totals, what is set aside, budgets in force, weeks, and holds that explain each status."""
    found = books.check(now)
    parts: dict[str, Sized] = {
        "totals are not the sum of the ledger": found.totals,
        "totals say other money is set aside": found.reserved,
        "budgets in force are not those that are set": found.budgets,
        "compiled weeks are not their schedules": found.weeks,
        "statuses are not what the decision says": found.holds,
        "campaigns cannot be decided": found.undecidable,
    }
    problems = [f"{len(some)} {what}" for what, some in parts.items() if some]
    looked_at = f"{found.periods:,} totals, {Campaign.objects.count():,} campaigns"
    remedy = "See manage.py check_ledger; --rebuild makes them again."
    return _of("books", looked_at, problems, remedy, fixable=bool(found.brand_ids()))


def _mend_books(actor: str, clock: Clock) -> str:
    found = books.check(clock())
    books.rebuild(found, actor=actor, now=clock())
    return f"{len(found.brand_ids())} brands rebuilt"


def _periods(now: datetime) -> Finding:
    """Every brand's present day and month are open and recorded."""
    brands = read_all()
    behind = [turns for brand in brands if (turns := turns_due(brand, now - health.OVERDUE))]
    problems = [f"{len(behind)} brands have days or months that began and are not recorded"] if behind else []
    remedy = "manage.py reset_spends --both; and see that worker and beat run."
    return _of("periods", f"{len(brands):,} brands' days and months", problems, remedy, fixable=True)


def _mend_periods(actor: str, clock: Clock) -> str:
    sweep = jobs.run(jobs.DAILY_RESET, actor=actor, clock=clock)
    return f"{len(sweep.turns)} brands' turns recorded"


def _due(now: datetime) -> Finding:
    """No campaign waits for a look that should have come."""
    current = Campaign.objects.current()
    overdue = current.filter(next_check_at__lt=now - health.OVERDUE).count()
    problems = [f"{overdue} campaigns wait for a look that was due {health.OVERDUE.seconds // 60} minutes ago or more"]
    remedy = "manage.py enforce_dayparting; and see that worker and beat run."
    return _of("due looks", f"{current.count():,} campaigns", problems if overdue else [], remedy, fixable=True)


def _mend_due(actor: str, clock: Clock) -> str:
    sweep = jobs.run(jobs.DAYPARTING, actor=actor, clock=clock)
    return f"{sweep.checked} campaigns looked at"


def _reservations(now: datetime) -> Finding:
    pending = Reservation.objects.filter(status=ReservationStatus.PENDING)
    overdue = pending.filter(expires_at__lt=now - health.RESERVATION_OVERDUE).count()
    problems = [f"{overdue} are over, and their money is still set aside"] if overdue else []
    remedy = "manage.py expire_reservations; and see that worker and beat run."
    return _of("reservations", f"{pending.count():,} pending", problems, remedy, fixable=True)


def _mend_reservations(_: str, clock: Clock) -> str:
    return f"{reservations.expire_due(clock())} expired"


def _orphans(_: datetime) -> Finding:
    """Rows without a foreign key in the database, and those that name their brand twice."""
    periods = BudgetPeriod.objects.all()
    lost = periods.exclude(brand__in=Brand.objects.all()).count()
    lost += periods.exclude(campaign=None).exclude(campaign__in=Campaign.objects.all()).count()
    pending = Reservation.objects.filter(status=ReservationStatus.PENDING)
    strayed = periods.exclude(campaign=None).exclude(brand=F("campaign__brand")).count()
    strayed += pending.exclude(brand=F("campaign__brand")).count()
    problems = [
        *([f"{lost} totals of brands or campaigns that do not exist"] if lost else []),
        *([f"{strayed} totals or reservations of another brand than their campaign's"] if strayed else []),
    ]
    remedy = "Somebody wrote to the database by hand. Restore a backup, or ask who it was."
    return _of("orphans", f"{periods.count():,} totals, {pending.count():,} reservations", problems, remedy)


def _pacing(_: datetime) -> Finding:
    """What campaigns say of their channels is what the channels say."""
    channels: dict[UUID, list[ChannelBudget]] = {}
    for budget in ChannelBudget.objects.order_by("campaign_id", "channel"):
        channels.setdefault(budget.campaign_id, []).append(budget)
    without_state = set(channels) - set(PacedCampaign.objects.values_list("pk", flat=True))
    concerned = Q(pk__in=channels) | Q(paced=True) | ~Q(stopped_channels="") | Q(breaker_until__isnull=False)
    differing = [
        campaign.name
        for campaign in Campaign.objects.filter(concerned).order_by("name")
        if not _agrees(campaign, channels.get(campaign.pk, []))
    ]
    problems = [
        *([f"{len(differing)} campaigns disagree with their channels: {_some(differing)}"] if differing else []),
        *([f"{len(without_state)} campaigns with channel budgets have no state"] if without_state else []),
    ]
    count = sum(map(len, channels.values()))
    remedy = "manage.py pace --check"
    return _of("pacing", f"{count} channels of {len(channels)} campaigns", problems, remedy, fixable=True)


def _agrees(campaign: Campaign, channels: list[ChannelBudget]) -> bool:
    stopped = {one.channel for one in channels if one.stopped_at is not None}
    all_open = bool(channels) and all(one.breaker == BreakerState.OPEN for one in channels)
    named = set(filter(None, campaign.stopped_channels.split(",")))
    return (campaign.paced, campaign.breaker_until is not None, named) == (bool(channels), all_open, stopped)


def _mend_pacing(actor: str, clock: Clock) -> str:
    counts = pace_jobs.check_pace(actor=actor, clock=clock)
    return f"{counts['checked']} campaigns looked at"


def _imports(now: datetime) -> Finding:
    then = now - health.IMPORT_STUCK
    stuck = [*import_records.due(then), *import_records.undos_due(then)]
    names = SpendImport.objects.filter(pk__in=stuck).values_list("file_name", flat=True)
    problems = [f"{len(stuck)} wait without a worker: {_some(names)}"] if stuck else []
    remedy = "Start a worker and the beat: each minute's tick hands them out again."
    return _of("imports", f"{SpendImport.objects.count():,} imports", problems, remedy)


# --- What runs -------------------------------------------------------------------------------------------------------


def _ticks(now: datetime) -> Finding:
    """By the health check: the last tick, the heartbeat and the broker."""
    part = health.check(now)["checks"]["services"]
    age = part.get("last_tick_age_s")
    looked_at = f"last tick {'never' if age is None else f'{age:,} s ago'}, broker {part.get('broker', 'unknown')}"
    silence = part.get("heartbeat_age_s")
    if part.get("broker") == "healthy" and silence is not None and silence <= health.SILENT.total_seconds():
        problem = "Worker and beat are at work, and no tick has ended lately."
        remedy = "If they have just been started, look again in a minute. Else see what the worker says."
    else:
        problem = "Worker, beat or broker are not at work."
        remedy = "Start them: make run, or the services worker, beat and broker. Spend still stops on its own budget."
    problems = [] if part["status"] == "healthy" else [problem]
    return _of("ticks", looked_at, problems, remedy, failed=not settings.DEMO)


def _runs(now: datetime) -> Finding:
    """What the sweeps and turns of the last day reported."""
    lately = Run.objects.filter(started_at__gte=now - LATELY)
    failed = list(lately.exclude(error="")[:NAMED])
    lost = lately.filter(finished_at=None, started_at__lt=now - runs.LEASE).count()
    problems = [f"{one}: {one.error.splitlines()[0]}" for one in failed]
    if lost:
        problems.append(f"{lost} did not finish")
    remedy = "See Runs in the admin; the next run does what was missed."
    return _of("runs", f"{lately.count():,} runs in 24 hours", problems, remedy, failed=False)


def _redis(_: datetime) -> Finding:
    """The broker must keep every message: none evicted, all on disk."""
    try:
        with app.connection_for_read(connect_timeout=2) as link:
            if link.transport.driver_type != "redis":
                return Finding("redis", State.UNKNOWN, f"broker {link.transport.driver_type}, which is not Redis")
            link.ensure_connection(max_retries=1, timeout=3)
            channel: Any = link.default_channel
            return of_policy(channel.client)
    except (BrokerError, RedisError, OSError) as error:
        return Finding("redis", State.UNKNOWN, "its settings cannot be read", str(error))


def of_policy(client: Any) -> Finding:
    found = {**client.config_get("maxmemory-policy"), **client.config_get("appendonly")}
    policy, appends = (_str(found.get(name)) for name in ("maxmemory-policy", "appendonly"))
    problems = [
        *(
            [f"maxmemory-policy is {policy}: when memory is short, queued tasks are thrown away"]
            if policy != "noeviction"
            else []
        ),
        *(["appendonly is off: a restart forgets queued tasks"] if appends != "yes" else []),
    ]
    remedy = "Set maxmemory-policy noeviction and appendonly yes. No task is the only one to know of money."
    return _of("redis", f"maxmemory-policy {policy}, appendonly {appends}", problems, remedy, failed=False)


def _str(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# --- All of it -------------------------------------------------------------------------------------------------------


def _of(
    check: str, looked_at: str, problems: Iterable[str], remedy: str, *, fixable: bool = False, failed: bool = True
) -> Finding:
    text = "\n".join(problems)
    if not text:
        return Finding(check, State.OK, looked_at)
    return Finding(check, State.FAILED if failed else State.WARNING, looked_at, text, remedy, fixable)


_FIRST = {"migrations": _migrations}
"""What the others need: without it they cannot look."""
CHECKS: dict[str, Callable[[datetime], Finding]] = {
    **_FIRST,
    "settings": _settings,
    "login": _login,
    "secrets": _secrets,
    "database": _database,
    "time zones": _zones,
    "books": _books,
    "periods": _periods,
    "due looks": _due,
    "reservations": _reservations,
    "orphans": _orphans,
    "pacing": _pacing,
    "imports": _imports,
    "ticks": _ticks,
    "runs": _runs,
    "redis": _redis,
}
REPAIRS: dict[str, Callable[[str, Clock], str]] = {
    "periods": _mend_periods,
    "due looks": _mend_due,
    "reservations": _mend_reservations,
    "pacing": _mend_pacing,
    "books": _mend_books,
}


def look(name: str, now: datetime) -> Finding:
    """One of the CHECKS. Where the database does not let it look, that is what it finds."""
    try:
        return CHECKS[name](now)
    except DatabaseError as error:
        remedy = "See whether the database that DATABASE_URL names is up, and that migrations are applied."
        return Finding(name, State.FAILED, "nothing: the database refused", str(error).strip(), remedy)


def examine(now: datetime) -> list[Finding]:
    """All checks; only the first where that failed, as the others need what it looks at."""
    found = []
    for name in CHECKS:
        found.append(look(name, now))
        if name in _FIRST and found[-1].state is State.FAILED:
            break
    return found


def repair(name: str, *, actor: str, clock: Clock) -> str:
    """Do what is safe about this check, and say in words what was done. Raises Refused where another does it now."""
    if name not in REPAIRS:
        raise Refused(f"Nothing can be repaired by itself about {name}.")
    return REPAIRS[name](actor, clock)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (f" and {len(listed) - NAMED} more" if len(listed) > NAMED else "")
