"""Processes of their own that work on the test's database: what one process cannot show of locks, races and kills.

Run as `python -m tests.integration.processes`, it is such a process: it reads a list of steps a line, does them, and
answers with a line. With `celery` and that program's arguments, it is Celery with some settings of the test's own.
Imported, it starts and asks them, and says what is wrong with the books afterwards.
"""

import json
import os
import selectors
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import psycopg2
import psycopg2.extensions

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
"""How long a test waits for what must come; only a failing test waits that long."""

PATIENT = {"LOCK_TIMEOUT_MS": "60000", "STATEMENT_TIMEOUT_MS": "60000"}
"""For processes that wait for a lock as long as the test does."""

Step = dict[str, Any]
Answer = dict[str, Any]


# --- The test's side -------------------------------------------------------------------------------------------------


def database_url() -> str:
    """Where the test database is, for another process."""
    from django.conf import settings

    name = quote(str(settings.DATABASES["default"]["NAME"]), safe="")
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url(), "LOG_LEVEL": "ERROR", **more}


class Worker:
    """One process. `backend` is the number of its database session."""

    def __init__(self, **more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=environment(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._backend: int | None = None

    @property
    def backend(self) -> int:
        if self._backend is None:
            self._backend = int(self.answer()["answers"][0])
        return self._backend

    def begin(self, steps: Sequence[Step]) -> None:
        """Hand the steps over; the process sets to work at once."""
        assert self.backend
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(steps, default=str) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Answer:
        """The answer to what was handed over."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"Process {self.process.pid} has ended with {self.process.wait()}.")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def ask(self, *steps: Step) -> list[Any]:
        self.begin(steps)
        answers: list[Any] = self.answer()["answers"]
        return answers

    def kill(self) -> None:
        """kill -9, and wait until the process is gone."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()


class Crew:
    """Several workers, started together."""

    def __init__(self, size: int, **more: str) -> None:
        self.workers = [Worker(**more) for _ in range(size)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for worker in self.workers:
            worker.close()

    def work(self, *jobs: Sequence[Step], meanwhile: Callable[[], None] = lambda: None) -> list[Answer]:
        """Do the jobs at the same time, one a worker, and `meanwhile` again and again until all are done."""
        busy = self.workers[: len(jobs)]
        assert len(busy) == len(jobs) == sum(worker.backend > 0 for worker in busy)
        with selectors.DefaultSelector() as selector:
            for worker, steps in zip(busy, jobs, strict=True):
                assert worker.process.stdout is not None
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
                worker.begin(steps)
            answers: dict[Worker, Answer] = {}
            while len(answers) < len(busy):
                meanwhile()
                for key, _ in selector.select(timeout=0.001):
                    selector.unregister(key.fileobj)
                    answers[key.data] = key.data.answer()
        return [answers[worker] for worker in busy]


def seconds(answers: Sequence[Answer]) -> float:
    """How long the slowest took."""
    return max(float(answer["seconds"]) for answer in answers)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look again and again, without guessing how long it takes."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {PATIENCE_S} s: {what}")
        time.sleep(0.005)


@contextmanager
def session() -> Iterator[psycopg2.extensions.connection]:
    """A plain session beside all others, with no limit to its patience; what it leaves open is undone."""
    url = urlsplit(database_url())
    connection = psycopg2.connect(url.geturl().replace("postgres://", "postgresql://", 1))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        connection.commit()
        yield connection
    finally:
        connection.close()


@contextmanager
def held(sql: str, *params: object) -> Iterator[psycopg2.extensions.connection]:
    """What this statement locks stays locked within the block."""
    with session() as connection, connection.cursor() as cursor:
        cursor.execute(sql, [str(value) if isinstance(value, UUID) else value for value in params])
        yield connection


def held_brand(brand_id: UUID) -> Any:
    return held("SELECT 1 FROM brands_brand WHERE id = %s FOR NO KEY UPDATE", brand_id)


def waits_for_a_lock(backend: int) -> bool:
    """Whether this session waits for another's lock."""
    return bool(_ask("SELECT cardinality(pg_blocking_pids(%s)) > 0", backend))


def waiting_sessions() -> int:
    """How many sessions of this database wait for another's lock."""
    return int(
        _ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND cardinality(pg_blocking_pids(pid)) > 0"
        )
    )


def is_gone(backend: int) -> bool:
    return not _ask("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", backend)


def deadlocks() -> int:
    """How many deadlocks this database has broken so far. Sessions must have flushed their statistics."""
    return int(_ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


def _ask(sql: str, *params: object) -> Any:
    with session() as connection, connection.cursor() as cursor:
        cursor.execute(sql, params)
        row = cursor.fetchone()
        assert row is not None
        return row[0]


# --- What is wrong afterwards ----------------------------------------------------------------------------------------


def wrong_totals() -> list[str]:
    """Periods whose total is not the sum of the ledger, added up here one spend at a time."""
    from spending.models import BudgetPeriod, Spend

    sums: dict[tuple[UUID, str, date], Decimal] = {}
    for spend in Spend.objects.filter(voided_at=None):
        month = spend.spend_date.replace(day=1)
        keys = [(scope, "M", month) for scope in (spend.brand_id, spend.campaign_id)]
        if spend.spend_type != "MONTHLY":
            keys += [(scope, "D", spend.spend_date) for scope in (spend.brand_id, spend.campaign_id)]
        for key in [*keys, (spend.campaign_id, "L", date(1970, 1, 1))]:
            sums[key] = sums.get(key, Decimal(0)) + spend.amount
    wrong = []
    for period in BudgetPeriod.objects.all():
        total = sums.pop((period.scope_id, period.kind, period.starts_on), Decimal(0))
        if period.posted != total or period.used != total - period.forgiven:
            wrong.append(f"{period}: {period.posted} and {period.used}, but the ledger says {total}")
    return wrong + [f"{key}: no row for {total}" for key, total in sums.items() if total]


def wrong_states(now: datetime) -> list[str]:
    """Campaigns whose stored holds are not what is decided about them now."""
    from enforcement.sweeps import enforce_all

    sweep = enforce_all(now, actor="a test", dry_run=True)
    return [*sweep.errors, *(f"{change}" for change in sweep.evaluation.changes)]


def broken_chains() -> list[str]:
    """Campaigns whose recorded changes do not lead, link by link, from nothing to the holds they have."""
    from campaigns.models import Campaign, StateChange

    last: dict[UUID, Any] = {}
    broken = []
    for change in StateChange.objects.order_by("id"):
        if change.from_holds != last.get(change.campaign_id, ()) or change.from_holds == change.to_holds:
            broken.append(f"{change.campaign_id}: {change.from_holds} → {change.to_holds} at {change.at}")
        last[change.campaign_id] = change.to_holds
    for campaign in Campaign.objects.all():
        if campaign.holds != last.get(campaign.pk, ()):
            broken.append(f"{campaign.pk}: {campaign.holds}, but its last change says {last.get(campaign.pk)}")
    return broken


def everything_wrong(now: datetime) -> list[str]:
    return wrong_totals() + broken_chains() + wrong_states(now)


# --- The other side --------------------------------------------------------------------------------------------------


def spend(rows: Sequence[Sequence[Any]], now: str, source: str = "api", correct: bool = False) -> list[Any]:
    """Post rows of campaign, amount, day and key; their outcomes and ids, or `busy`."""
    from budget_system.errors import Busy
    from enforcement.services import post_spend
    from spending.services import SpendRow

    given = [
        SpendRow(UUID(campaign), Decimal(amount), date.fromisoformat(day), key=key)
        for campaign, amount, day, key in rows
    ]
    try:
        posted = post_spend(given, source=source, actor="a process", now=datetime.fromisoformat(now), correct=correct)
    except Busy as busy:
        return [[busy.code, None]]
    return [[answer.outcome, answer.spend_id] for answer in posted.answers]


def use(name: str, target: str, now: str, arguments: Sequence[Any] = (), **named: Any) -> str:
    """Call a use case of a brand or a campaign: `busy` or `done`."""
    from budget_system.errors import Busy
    from campaigns.holds import Hold
    from enforcement import services

    if name == "set_override":
        arguments = [[Hold(hold) for hold in arguments[0]]]
    try:
        getattr(services, name)(UUID(target), *arguments, actor="a process", now=datetime.fromisoformat(now), **named)
    except Busy as busy:
        return busy.code
    return "done"


def reserve(campaign: str, amount: str, now: str, id: str = "", ttl_s: float = 600, channel: str = "") -> list[Any]:
    """The code, what remains in micros, whether it was granted before, and the id; or `busy`."""
    from budget_system.errors import Busy
    from enforcement import reservations

    wanted = UUID(id) if id else uuid4()
    try:
        answer = reservations.reserve(
            wanted, UUID(campaign), Decimal(amount), channel=channel, ttl=timedelta(seconds=ttl_s), actor="a process",
            now=datetime.fromisoformat(now),
        )  # fmt: skip
    except Busy as busy:
        return [busy.code, None, False, None]
    made = answer.reservation and answer.reservation.pk
    return [answer.authorisation.code, answer.authorisation.remaining, answer.replayed, made]


def resolve(name: str, id: str, now: str, amount: str = "") -> str:
    """Settle or void: what its status is then, `replayed`, or why not."""
    from budget_system.errors import Refused
    from enforcement import reservations

    moment = datetime.fromisoformat(now)
    try:
        if name == "void":
            return str(reservations.void(UUID(id), actor="a process", now=moment).status)
        done = reservations.settle(UUID(id), Decimal(amount), actor="a process", now=moment)
    except Refused as refused:
        return refused.code
    return "replayed" if done.replayed else str(done.reservation.status)


def expire(now: str, limit: int = 1_000) -> int:
    from enforcement import reservations

    return reservations.expire_due(datetime.fromisoformat(now), limit)


def money(seed: int, times: int, campaigns: list[str], brands: list[str], now: str) -> dict[str, int]:
    """So many things at random that may become of money; how often each answer was given.

    Mostly reservations, each settled (as asked or less), given back, or left to expire; among them spends and budgets.
    """
    dice = Random(seed)
    moment = datetime.fromisoformat(now)
    told: Counter[str] = Counter()
    mine: list[str] = []
    for number in range(times):
        moment += timedelta(seconds=dice.choice([0, 1, 5]))
        at, campaign = moment.isoformat(), dice.choice(campaigns)
        what = dice.choices(["reserve", "settle", "void", "expire", "spend", "budget"], [55, 20, 8, 2, 10, 5])[0]
        if what == "reserve":
            code, _, _, made = reserve(campaign, f"{dice.randint(1, 9)}.{dice.randint(0, 999_999):06d}", at, ttl_s=30)
            told[code] += 1
            mine += [made] if made else []
        elif what in ("settle", "void") and mine:
            one = mine.pop(dice.randrange(len(mine)))
            told[f"{what} {resolve(what, str(one), at, amount=f'0.{dice.randint(1, 999_999):06d}')}"] += 1
        elif what == "expire":
            told["expired"] += expire(at)
        elif what == "spend":
            row = [campaign, f"0.{dice.randint(1, 99_999):05d}", at[:10], f"{seed}-{number}"]
            told[spend([row], at)[0][0]] += 1
        elif what == "budget":
            changes = {"daily_budget": str(dice.choice([40, 80, 120, 160]))}
            told[use("change_brand", dice.choice(brands), at, [changes])] += 1
    return dict(told)


def sweep(name: str, now: str) -> dict[str, Any]:
    """Sweep, without a line in the run log: how many changes, and what went wrong."""
    from enforcement import sweeps

    done = getattr(sweeps, name)(datetime.fromisoformat(now), actor="worker")
    turned = sum(len(turns.days) + len(turns.months) for turns in done.turns)
    return {"changes": len(done.evaluation.changes), "errors": done.errors, "turned": turned}


def job(name: str, now: str) -> str:
    """Run a job as tasks do: `done`, or `already_running`."""
    from enforcement import jobs
    from enforcement.runs import AlreadyRunning

    moment = datetime.fromisoformat(now)
    try:
        jobs.run(getattr(jobs, name), actor="worker", clock=lambda: moment)
    except AlreadyRunning as other:
        return other.code
    return "done"


def sql(statement: str) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
    return "done"


def repeat(steps: list[Step], times: int, later_by_s: float = 0) -> list[Any]:
    """The steps again and again; each round is so much later than the one before."""
    answers = []
    for number in range(times):
        later = timedelta(seconds=number * later_by_s)
        for step in steps:
            moment = (datetime.fromisoformat(step["now"]) + later).isoformat()
            answers.append(do({**step, "now": moment}))
    return answers


STEPS: Mapping[str, Callable[..., Any]] = {
    "spend": spend, "use": use, "sweep": sweep, "job": job, "sql": sql, "repeat": repeat,
    "reserve": reserve, "resolve": resolve, "expire": expire, "money": money,
}  # fmt: skip


def do(step: Step) -> Any:
    arguments = dict(step)
    return STEPS[arguments.pop("do")](**arguments)


def serve() -> None:
    import django

    django.setup()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        _say({"answers": list(cursor.fetchone() or ())})
    for line in sys.stdin:
        started = time.perf_counter()
        try:
            answers = [do(step) for step in json.loads(line)]
        except Exception:  # noqa: BLE001 - it is handed to the test, which fails with it
            _say({"error": traceback.format_exc()})
        else:
            _say({"answers": answers, "seconds": time.perf_counter() - started})


def _say(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer, default=str) + "\n")
    sys.stdout.flush()


def celery(arguments: Sequence[str]) -> None:
    """Celery as in production, but for what CELERY_DIFFERS says; `beat_s`: the seconds between beats of every entry."""
    from budget_system.celery import app

    differs = json.loads(os.environ["CELERY_DIFFERS"])
    interval_s = differs.pop("beat_s", None)
    app.conf.update(differs)
    if interval_s:
        for entry in app.conf.beat_schedule.values():
            entry["schedule"] = interval_s
    app.start(list(arguments))


if __name__ == "__main__":
    if sys.argv[1:2] == ["celery"]:
        celery(sys.argv[2:])
    else:
        serve()
