"""Celery for real: its settings, and a worker process on a real broker and database, killed at the wrong moment."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F

from budget_system.celery import app
from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement import services
from enforcement.models import Run, RunKind
from enforcement.runs import LEASE
from spending.models import BudgetPeriod, PeriodKind
from tests.figures import Figure
from tests.integration.processes import (
    ROOT,
    broken_chains,
    environment,
    held_brand,
    wait_until,
    waiting_sessions,
    wrong_totals,
)
from tools.processes import ProcessGroup, stop

TICK = "tasks.budget_tasks.enforce_dayparting_task"
ALL = [f"tasks.budget_tasks.{name}_task" for name in (
    "enforce_dayparting", "enforce_budget_limits", "daily_reset", "monthly_reset",
)]  # fmt: skip

# --- Settings --------------------------------------------------------------------------------------------------------


def ask_a_fresh_process(code: str) -> Any:
    """What the application says of itself where nobody has imported a task by hand."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json; from budget_system.celery import app; {code}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.slow
def test_each_beat_names_a_task_that_a_worker_knows() -> None:
    beats, tasks = ask_a_fresh_process(
        "app.loader.import_default_modules();"
        "print(json.dumps([{k: v['task'] for k, v in app.conf.beat_schedule.items()}, list(app.tasks)]))"
    )

    assert beats["enforce_dayparting"] == "tasks.budget_tasks.enforce_dayparting_task"
    assert beats["enforce_budget_limits"] == "tasks.budget_tasks.enforce_budget_limits_task"
    assert beats["daily_reset"] == "tasks.budget_tasks.daily_reset_task"
    assert beats["monthly_reset"] == "tasks.budget_tasks.monthly_reset_task"
    assert set(beats.values()) <= set(tasks)
    assert "tasks.budget_tasks.health_check_task" in tasks


@pytest.mark.fault(26)
def test_every_tick_expires_before_the_next_one_comes() -> None:
    intervals_s = {"enforce_dayparting": 60, "enforce_budget_limits": 300, "daily_reset": 86_400}

    for name, entry in app.conf.beat_schedule.items():
        assert 0 < entry["options"]["expires"] < intervals_s.get(name, 86_400)


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_retry_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,
        "worker_prefetch_multiplier": 1,
        "task_time_limit": 60,
        "task_soft_time_limit": 50,
        "worker_max_tasks_per_child": 1000,
        "task_ignore_result": True,
        "accept_content": ["json"],
        "result_backend": None,
        "visibility_timeout": 300,
        "worker_soft_shutdown_timeout": 25,
        "enable_utc": True,
        "timezone": "UTC",
        "beat_cron_starting_deadline": 1800,
    }.items(),
)
def test_no_task_is_lost_with_its_worker_and_none_is_handed_out_twice(name: str, value: object) -> None:
    assert getattr(app.conf, name) == value


def test_the_limits_of_time_stand_in_the_one_order_in_which_they_work() -> None:
    """A killed child's run is closed by the next minute's tick; a killed worker's message comes back later."""
    options = app.conf.broker_transport_options

    assert options == {"visibility_timeout": 300, "unacked_restore_interval": 5, "unacked_restore_throttle": 1}
    limits = [app.conf.task_soft_time_limit, LEASE.total_seconds(), app.conf.task_time_limit, 300]
    assert limits == sorted(set(limits))


# --- A real worker ---------------------------------------------------------------------------------------------------

needs_servers = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql" or not os.environ["REDIS_URL"].startswith("redis"),
        reason="needs PostgreSQL and a broker: python -m tools.servers -- pytest",
    ),
]
LONG_AGO = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANNA = "Anna"


class Program:
    """A Celery program, its log, and its end."""

    def __init__(self, group: ProcessGroup, log: Path, ready: str, *arguments: str, **differs: object) -> None:
        self.log = log
        patient = {"LOCK_TIMEOUT_MS": "50000", "STATEMENT_TIMEOUT_MS": "50000", "LOG_LEVEL": "INFO"}
        with log.open("wb") as output:
            self.process = group.start(
                [sys.executable, "-m", "tests.integration.processes", "celery", *arguments],
                environment=environment(CELERY_DIFFERS=json.dumps(differs), **patient),
                output=output,
            )
        self.ready = ready

    def wait_until_it_says(self, words: str, times: int = 1) -> None:
        wait_until(
            lambda: self.says(words) >= times or self.process.poll() is not None,
            f"“{words}” in the log:\n{self.log.read_text(errors='replace')}",
        )
        assert self.says(words) >= times, self.log.read_text(errors="replace")

    def says(self, words: str) -> int:
        return self.log.read_text(errors="replace").count(words)

    def children(self) -> list[int]:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
        return [pid for pid, parent in pairs if parent == self.process.pid]

    def kill_all(self) -> None:
        """kill -9 of the worker and of its children, as when a machine goes."""
        children = self.children()
        self.process.kill()
        for child in children:
            os.kill(child, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator["Starter"]:
    """Starts workers and beats; an empty broker, and nothing left running."""
    with app.connection_for_write() as broker:
        broker.default_channel.client.flushdb()  # type: ignore[attr-defined]
    with ProcessGroup() as group:
        starter = Starter(group, tmp_path)
        yield starter
        for program in starter.started:
            stop(program.process, signal.SIGQUIT, limit_s=5)


class Starter:
    def __init__(self, group: ProcessGroup, directory: Path) -> None:
        self.group = group
        self.directory = directory
        self.started: list[Program] = []

    def worker(self, concurrency: int = 1, **differs: object) -> Program:
        program = self.start(
            " ready.", "worker", "--concurrency", str(concurrency), "--loglevel", "INFO", "--without-gossip",
            "--without-mingle", **differs,
        )  # fmt: skip
        program.wait_until_it_says(program.ready)
        return program

    def beat(self, interval_s: float) -> Program:
        schedule = self.directory / f"schedule-{len(self.started)}"
        return self.start(
            "beat: Starting", "beat", "--loglevel", "INFO", "--pidfile", "", "--schedule", str(schedule),
            "--max-interval", "1", beat_s=interval_s,
        )  # fmt: skip

    def start(self, ready: str, *arguments: str, **differs: object) -> Program:
        log = self.directory / f"{arguments[0]}-{len(self.started)}.log"
        program = Program(self.group, log, ready, *arguments, **differs)
        self.started.append(program)
        return program


def waiting_campaigns(count: int = 1) -> UUID:
    """A brand whose flights were to start the day after: any tick since finds that they may run."""
    brand = services.create_brand({"name": "Acme"}, actor=ANNA, now=LONG_AGO)
    for number in range(count):
        inputs = {"name": f"Campaign {number}", "start_date": "2026-03-02"}
        services.create_campaign(brand.pk, inputs, rows=[], actor=ANNA, now=LONG_AGO)
    assert set(Campaign.objects.values_list("holds", flat=True)) == {(Hold.NOT_STARTED,)}
    return brand.pk


def send(name: str = TICK, **options: Any) -> None:
    app.send_task(name, **options)


def starts() -> Counter[UUID]:
    return Counter(StateChange.objects.filter(to_status="ACTIVE").values_list("campaign_id", flat=True))


def each_started_once() -> bool:
    return starts() == dict.fromkeys(Campaign.objects.values_list("pk", flat=True), 1)


def finished(kind: RunKind = RunKind.DAYPARTING) -> int:
    return Run.objects.filter(kind=kind, error="").exclude(finished_at=None).count()


def the_lease_passes() -> None:
    """As if the run that was left behind had begun so much earlier."""
    Run.objects.filter(finished_at=None).update(started_at=F("started_at") - LEASE - timedelta(seconds=1))


@contextmanager
def a_task_in_mid_work(brand: UUID) -> Iterator[None]:
    """A tick that a worker has begun and that waits for the brand, which somebody holds until the block ends."""
    with held_brand(brand):
        send()
        wait_until(lambda: waiting_sessions() == 1, "the task waits for the brand")
        yield


@pytest.mark.slow
class TestWorker:
    pytestmark = needs_servers

    def test_a_tick_that_is_sent_takes_effect_in_the_database_and_the_same_message_again_does_nothing(
        self, programs: Starter
    ) -> None:
        waiting_campaigns(3)
        programs.worker()

        send(task_id="one")
        wait_until(lambda: finished() == 1, "the tick has run")
        once = each_started_once()
        send(task_id="one")
        wait_until(lambda: finished() == 2, "the tick has run again")

        assert once
        assert each_started_once()
        assert list(Run.objects.order_by("id").values_list("counts__activated", flat=True)) == [3, 0]

    @pytest.mark.fault(19)
    def test_a_task_whose_child_is_killed_takes_effect_once(self, programs: Starter, figure: Figure) -> None:
        """The message comes back at once, while the dead run still has its lease; the tick after the lease acts."""
        brand = waiting_campaigns(2)
        worker = programs.worker()

        with a_task_in_mid_work(brand):
            [child] = worker.children()
            os.kill(child, signal.SIGKILL)
            worker.wait_until_it_says("is under way since")
        assert starts() == {}
        the_lease_passes()
        send()
        wait_until(lambda: finished() == 1, "the next tick has run")

        [left] = Run.objects.exclude(error="")
        figure("child killed in mid-task, message redelivered at once, effects per campaign 1")
        assert worker.says("received") == 3
        assert "did not finish" in left.error
        assert each_started_once()
        assert broken_chains() == []

    @pytest.mark.fault(19)
    @pytest.mark.faults
    def test_a_task_whose_whole_worker_is_killed_takes_effect_once_when_its_message_comes_back(
        self, programs: Starter
    ) -> None:
        """In production it comes back after 300 s, by when the lease of the dead run is over."""
        soon = {"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
        brand = waiting_campaigns(2)
        doomed = programs.worker(broker_transport_options=soon)

        with a_task_in_mid_work(brand):
            doomed.kill_all()
        the_lease_passes()
        heir = programs.worker(broker_transport_options=soon)
        wait_until(lambda: finished() == 1, "the message has come back")

        assert heir.says("received") >= 1
        assert Run.objects.exclude(error="").count() == 1
        assert each_started_once()
        assert broken_chains() == []

    @pytest.mark.fault(20)
    @pytest.mark.faults
    def test_a_message_that_is_handed_out_again_while_its_task_runs_has_one_effect(
        self, programs: Starter, figure: Figure
    ) -> None:
        hasty = {"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
        brand = waiting_campaigns(2)
        worker = programs.worker(2, broker_transport_options=hasty)

        with a_task_in_mid_work(brand):
            worker.wait_until_it_says("is under way since")
        wait_until(lambda: finished() == 1, "the first has ended")

        executions = worker.says("received")
        figure(f"visibility timeout 1 s, executions {executions}, effects per campaign 1")
        assert executions > 1
        assert each_started_once()

    @pytest.mark.fault(22)
    @pytest.mark.faults
    def test_two_beats_and_senders_in_a_hurry_have_the_effects_of_one(self, programs: Starter, figure: Figure) -> None:
        brand = waiting_campaigns(20)
        beats = [programs.beat(1), programs.beat(1)]
        worker = programs.worker(3)

        def hurry() -> None:
            for _ in range(5):
                for name in ALL:
                    send(name)

        threads = [threading.Thread(target=hurry) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for kind in RunKind.values:
            wait_until(lambda kind=kind: finished(kind) >= 3, f"three runs of {kind}")  # type: ignore[misc]
        for beat in beats:
            beat.wait_until_it_says("Sending due task", 4)
        stop(worker.process, signal.SIGTERM, limit_s=30)

        skipped, runs = worker.says("is under way since"), Run.objects.count()
        figure(f"two beats and two senders, {runs} runs, {skipped} found one under way, effects 1 a campaign")
        assert not Run.objects.exclude(error="").exists()
        assert each_started_once()
        days = BudgetPeriod.objects.filter(scope_id=brand, kind=PeriodKind.DAY)
        assert len(set(days.values_list("starts_on", flat=True))) == days.count() > 1
        assert not days.filter(turned_at=None).exists()
        assert broken_chains() == wrong_totals() == []
