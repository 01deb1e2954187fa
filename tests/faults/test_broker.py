"""The broker is emptied, killed and taken away; a backlog waits; messages end their workers."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Self
from uuid import uuid4

import pytest
from celery import Celery

from budget_system import clock
from tests.figures import Figure
from tools.processes import UnableToStart
from tools.system import Program, System, wait_until

TICK = "tasks.budget_tasks.enforce_dayparting_task"
EXPIRE = "tasks.budget_tasks.expire_reservations_task"
HEALTH = "tasks.budget_tasks.health_check_task"


class Kept:
    """A worker that is started again when it ends, as `make run` and a container's restart policy do.

    It may end when the broker goes: kombu acknowledges what it has taken on a connection that is closed already.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.restarts = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def __enter__(self) -> Self:
        self.program.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.program.kill()

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            if not self.program.runs:
                self.restarts += 1
                with suppress(UnableToStart):
                    self.program.start()


@pytest.fixture
def worker(whole: System) -> Iterator[Kept]:
    with Kept(whole.worker(f"worker-{uuid4().hex[:6]}")) as kept:
        yield kept


@pytest.fixture
def beat(whole: System) -> Iterator[Program]:
    beat = whole.beat(f"beat-{uuid4().hex[:6]}")
    beat.start()
    yield beat
    beat.kill()


def sender(whole: System) -> Celery:
    return Celery(broker=whole.environment["REDIS_URL"])


def a_campaign(whole: System, **budgets: str) -> str:
    brand = whole.make("brands/", name=f"Brand {uuid4()}", **budgets)
    return str(whole.make("campaigns/", brand=brand["id"], name="A")["id"])


def reserve(whole: System, campaign: str, amount: str, ttl: int = 2) -> int:
    made = str(uuid4())
    return whole.call("POST", "reservations/", {"id": made, "campaign": campaign, "amount": amount, "ttl": ttl}).status


def pending(whole: System, campaign: str) -> int:
    [[count]] = whole.sql(
        "SELECT count(*) FROM spending_reservation WHERE status = 'PENDING' AND campaign_id = %s", campaign
    )
    return int(count)


def ticks(whole: System) -> int:
    [[count]] = whole.sql(
        "SELECT count(*) FROM enforcement_run WHERE kind = 'enforce_dayparting' AND finished_at IS NOT NULL"
    )
    return int(count)


def runs_a_tick(whole: System, broker: Celery, limit_s: float = 60) -> float:
    """Send ticks until one has run; how many seconds that took."""
    before = ticks(whole)
    started = time.monotonic()
    while ticks(whole) == before:
        assert time.monotonic() - started < limit_s, "no worker has run a tick"
        broker.send_task(TICK, expires=5)
        time.sleep(0.5)
    return time.monotonic() - started


@pytest.mark.fault(23)
@pytest.mark.timeout(300)
def test_an_emptied_or_killed_broker_overspends_nothing_and_ticks_go_on(
    whole: System, worker: Kept, beat: Program, figure: Figure
) -> None:
    campaign = a_campaign(whole, daily_budget="10")
    waits, granted = [], 0
    for act in ("flush", "kill", "flush"):
        statuses = [reserve(whole, campaign, "1") for _ in range(8)]
        if act == "flush":
            whole.broker.flush()
        else:
            whole.broker.kill()
            whole.broker.start()
        statuses += [reserve(whole, campaign, "1") for _ in range(8)]
        granted += statuses.count(201)
        assert set(statuses) <= {201, 409}
        [[beyond]] = whole.sql(
            "SELECT count(*) FROM spending_budgetperiod WHERE kind = 'D' AND used + reserved > budget"
        )
        assert beyond == 0
        waits.append(wait_until(lambda: pending(whole, campaign) == 0, "a worker lets them expire"))

    figure(
        f"emptied twice, killed once: {granted} grants, beyond the budget 0; reservations of 2 s were let expire by a "
        f"worker at most {max(waits):.0f} s later"
    )
    assert granted >= 30


@pytest.mark.fault(24)
@pytest.mark.timeout(300)
def test_without_a_broker_money_is_still_given_and_recorded_and_ticks_resume(
    whole: System, worker: Kept, figure: Figure
) -> None:
    campaign = a_campaign(whole)
    runs_a_tick(whole, sender(whole))
    whole.broker.stop()
    statuses, slowest = [], 0.0
    for number in range(20):
        started = time.monotonic()
        statuses.append(reserve(whole, campaign, "1", ttl=600))
        spend = {"campaign": campaign, "amount": "1", "key": f"{campaign} {number}"}
        statuses.append(whole.call("POST", "spends/", spend).status)
        slowest = max(slowest, time.monotonic() - started)
    whole.broker.start()
    resumed_s = runs_a_tick(whole, sender(whole))

    served = statuses.count(201)
    figure(
        f"broker away: {served} of {len(statuses)} requests served ({100 * served / len(statuses):.0f} %), two of them "
        f"in at most {slowest:.1f} s; a tick ran {resumed_s:.1f} s after it was back"
    )
    assert served == len(statuses)


@pytest.mark.fault(25)
@pytest.mark.timeout(420)
def test_a_worker_whose_broker_starts_anew_goes_on_with_its_work(whole: System, worker: Kept, figure: Figure) -> None:
    waits = []
    for number in range(10):
        whole.broker.kill() if number % 2 else whole.broker.stop()
        whole.broker.start()
        waits.append(runs_a_tick(whole, sender(whole)))

    figure(
        f"{len(waits)} restarts of the broker, each time at work again, after at most {max(waits):.1f} s; the worker "
        f"had ended, and was started again, {worker.restarts} times"
    )


@pytest.mark.fault(26)
@pytest.mark.timeout(180)
def test_after_an_hour_without_workers_old_ticks_are_dropped_and_one_does_the_work(
    whole: System, figure: Figure
) -> None:
    """What a beat sends in an hour waits in the queue; all of it but the last minute's is over."""
    broker = sender(whole)
    whole.broker.flush()
    now = clock.now()
    sent = 0
    for minute in range(60, 0, -1):
        over = now - timedelta(minutes=minute) + timedelta(seconds=55)
        for _ in range(6):
            broker.send_task(EXPIRE, expires=over)
        broker.send_task(TICK, expires=over)
        sent += 7
    broker.send_task(TICK, expires=55)
    before = ticks(whole)
    worker = whole.worker("worker-late")
    started = time.monotonic()
    worker.start()
    try:
        caught_up = wait_until(lambda: ticks(whole) > before, "a tick has run")
        broker.send_task(HEALTH, task_id="the last")
        wait_until(lambda: f"{HEALTH}[the last] received" in worker.said(), "the queue is empty")
        time.sleep(1)
    finally:
        worker.kill()

    ran = ticks(whole) - before
    figure(
        f"{sent} ticks of an hour were over, {ran} ran; caught up {time.monotonic() - started:.0f} s after the start"
    )
    assert ran == 1
    assert caught_up < 60


@pytest.mark.fault(21)
@pytest.mark.timeout(180)
def test_a_message_that_ends_every_worker_is_parked_and_others_flow(whole: System, figure: Figure) -> None:
    broker = sender(whole)
    poisoned = whole.program(
        "worker-poisoned", "tests.faults.poisoned", "worker", "--concurrency", "2", "--loglevel", "INFO",
        "--without-gossip", "--without-mingle", up=lambda program: " ready." in program.said(), POISON=HEALTH,
        LOG_LEVEL="INFO",
    )  # fmt: skip
    poisoned.start()
    try:
        broker.send_task(HEALTH, task_id="poison")
        wait_until(lambda: poisoned.said().count(f"{HEALTH}[poison] received") >= 4, "it has had its chances")
        waits = [runs_a_tick(whole, broker) for _ in range(3)]
        time.sleep(5)
        taken = poisoned.said().count(f"{HEALTH}[poison] received")
    finally:
        poisoned.kill()

    figure(f"begun {taken} times and then dropped; other ticks ran within {max(waits):.1f} s")
    assert taken == 4
