"""What nobody would notice by themselves: no beat, drift in the books; and a message that is code."""

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from kombu import Connection, Exchange, Producer

from tests.faults.test_broker import TICK
from tests.figures import Figure
from tools.system import Program, System, wait_until


@pytest.fixture
def worker(whole: System) -> Iterator[Program]:
    worker = whole.worker(f"worker-{uuid4().hex[:6]}")
    worker.start()
    yield worker
    worker.kill()


def standing(whole: System, kind: str) -> int:
    [[count]] = whole.sql("SELECT count(*) FROM enforcement_alarm WHERE kind = %s AND cleared_at IS NULL", kind)
    return int(count)


def call_task(whole: System, name: str) -> None:
    whole.python("-m", "celery", "-A", "budget_system", "call", name)


@pytest.mark.fault(22)
@pytest.mark.timeout(400)
def test_without_a_beat_budgets_still_hold_and_an_alarm_is_raised(
    whole: System, worker: Program, figure: Figure
) -> None:
    beats = [whole.beat("beat-a"), whole.beat("beat-b")]
    for beat in beats:
        beat.start()
    try:
        wait_until(
            lambda: whole.sql("SELECT 1 FROM enforcement_heartbeat WHERE at > now() - interval '20 s'"), "it beats"
        )
        wait_until(lambda: not standing(whole, "ticks_stopped"), "no alarm stands")
    finally:
        for beat in beats:
            beat.kill()
    brand = whole.make("brands/", name=f"Brand {uuid4()}", daily_budget="3")
    campaign = whole.make("campaigns/", brand=brand["id"], name="A")["id"]
    asked = [
        whole.call(
            "POST", "reservations/", {"id": str(uuid4()), "campaign": campaign, "amount": "1", "ttl": 600}
        ).status
        for _ in range(5)
    ]
    seconds = wait_until(lambda: standing(whole, "ticks_stopped"), "an alarm is raised", 200)

    figure(f"both beats killed: {asked.count(201)} of 5 grants of a budget of 3, alarm after {seconds:.0f} s")
    assert asked == [201, 201, 201, 409, 409]
    assert seconds < 120


@pytest.mark.fault(59)
@pytest.mark.timeout(300)
def test_drift_is_found_by_the_hourly_check_and_made_good(whole: System, worker: Program, figure: Figure) -> None:
    brands = [whole.make("brands/", name=f"Brand {uuid4()}")["id"] for _ in range(3)]
    for brand in brands:
        campaign = whole.make("campaigns/", brand=brand, name="A")["id"]
        whole.make("spends/", campaign=campaign, amount="5")
    task = "tasks.watch_tasks.check_books_task"
    call_task(whole, task)
    wait_until(lambda: f"{task}[" in worker.said() and "succeeded" in worker.said(), "the check has run")
    false = standing(whole, "books_differ")

    whole.sql("UPDATE spending_budgetperiod SET posted = posted + 1 WHERE scope_id = %s", brands[0])
    started = time.monotonic()
    call_task(whole, task)
    wait_until(lambda: standing(whole, "books_differ"), "an alarm is raised")
    seconds = time.monotonic() - started
    told = whole.manage("check_ledger", fail=False)
    repaired = whole.manage("check_ledger", "--rebuild")
    call_task(whole, task)
    wait_until(lambda: not standing(whole, "books_differ"), "the alarm is over")

    figure(
        f"a micro planted in one of 3 brands: alarm {seconds:.0f} s after the check was asked for, false alarms {false}"
    )
    assert false == 0
    assert told.returncode == 1
    assert "differences': 0" in repaired.stdout


@pytest.mark.need(26)
@pytest.mark.timeout(180)
def test_a_message_that_is_code_is_refused(whole: System, worker: Program, figure: Figure) -> None:
    trap = whole.directory / "trap"
    evil = _Evil(trap)
    name = "tasks.budget_tasks.health_check_task"
    with Connection(whole.environment["REDIS_URL"]) as broker:
        producer = Producer(broker.channel(), exchange=Exchange("celery", type="direct"), routing_key="celery")
        for content_type in ("application/x-python-serialize", "application/x-yaml"):
            producer.publish(
                pickle.dumps(((evil,), {}, {})), content_type=content_type, content_encoding="binary",
                headers={"task": name, "id": f"evil-{content_type}"},
            )  # fmt: skip
    call_task(whole, TICK)
    wait_until(lambda: "succeeded" in worker.said(), "the worker has passed them by")

    refused = sum(f"untrusted content of type {kind}" in worker.said() for kind in ("pickle", "yaml"))
    figure(f"2 messages in pickle and YAML, refused {refused}, carried out {int(trap.exists())}; the worker went on")
    assert not trap.exists()
    assert refused == 2
    assert worker.runs


class _Evil:
    """Whoever unpickles it makes the file."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trap,))
