"""Clocks that are wrong: those of machines, and the one that the tests themselves run on."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine

from budget_system import clock
from tests.faults.test_broker import EXPIRE, TICK, sender
from tests.figures import Figure
from tools.environment import sqlite_url
from tools.system import System, wait_until

ROOT = Path(__file__).resolve().parents[2]
SKEWS_S = ((-90, 86_400), (86_400, -90))
"""By how much the clocks of web and worker are wrong."""


def posted_today(whole: System, campaign: str) -> list[tuple[object, ...]]:
    """Today as the database has it, and the days that spends of this campaign were booked on."""
    return whole.sql(
        "SELECT DISTINCT spend_date, (now() AT TIME ZONE 'UTC')::date FROM spending_spend WHERE campaign_id = %s",
        campaign,
    )


@pytest.mark.fault(35)
@pytest.mark.timeout(600)
def test_web_and_worker_with_wrong_clocks_decide_by_that_of_the_database(whole: System, figure: Figure) -> None:
    brand = whole.make("brands/", name=f"Brand {uuid4()}", timezone="UTC")
    campaign = str(whole.make("campaigns/", brand=brand["id"], name="A")["id"])
    worker, broker = whole.worker("worker-wrong", concurrency=1), sender(whole)
    wrong: list[str] = []
    try:
        for web_s, worker_s in SKEWS_S:
            whole.web.kill()
            whole.web.start(web_s)
            worker.start(worker_s)
            made = str(uuid4())
            whole.make("reservations/", id=made, campaign=campaign, amount="1", ttl=600)
            whole.make("spends/", campaign=campaign, amount="1")
            [[off_s, ttl_s]] = whole.sql(
                "SELECT abs(extract(epoch FROM now() - created_at))::int,"
                " extract(epoch FROM expires_at - created_at)::int FROM spending_reservation WHERE id = %s",
                made,
            )
            if off_s > 20 or ttl_s != 600:
                wrong.append(f"web {web_s:+} s: reserved {off_s} s from now, for {ttl_s} s")
            # The worker lets expire what is due: nothing is.
            broker.send_task(EXPIRE)
            broker.send_task(TICK)  # its end is in the log, and it comes second
            wait_until(lambda: TICK in worker.said() and "succeeded" in worker.said(), "the worker has run both")
            [[expired]] = whole.sql(
                "SELECT count(*) FROM spending_reservation WHERE campaign_id = %s AND status <> 'PENDING'", campaign
            )
            if expired:
                wrong.append(f"worker {worker_s:+} s: {expired} reservations expired")
            worker.kill()
    finally:
        worker.kill()
        whole.web.kill()
        whole.web.start()
    wrong += [f"booked on {day}, today is {today}" for day, today in posted_today(whole, campaign) if day != today]

    skews = ", then ".join(f"{web_s:+} and {worker_s:+} s" for web_s, worker_s in SKEWS_S)
    figure(f"clocks of web and worker wrong by {skews}: wrong decisions {len(wrong)}")
    assert wrong == []


@pytest.mark.fault(35)
def test_a_clock_that_jumps_is_not_read_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    told = datetime(2026, 3, 10, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "_followed", None)
    clock.follow(told)

    with time_machine.travel(told + timedelta(days=400)):
        jumped = clock.now()

    assert timedelta(0) <= jumped - told < timedelta(minutes=1)


CLOCKS = (
    "2026-12-31T23:59:30+00:00",
    "2028-02-29T12:00:00+00:00",
    "2026-03-29T00:59:45+00:00",
    "2026-10-25T00:59:45+00:00",
    "2026-01-31T22:59:50+00:00",
    "2026-05-10T23:59:55+00:00",
)
"""New Year's Eve; a leap day; the clocks of Europe go forward, and back; a month ends in Berlin; midnight in UTC."""
SUITE = ("tests/flows", "tests/integration/test_posting.py", "tests/integration/test_reservations.py")


@pytest.mark.fault(60)
@pytest.mark.timeout(900)
def test_the_suite_is_green_on_other_days(figure: Figure, tmp_path: Path) -> None:
    failed: dict[str, str] = {}
    passed = 0
    for number, moment in enumerate(CLOCKS):
        environment = {**os.environ, "SUITE_CLOCK": moment, "DATABASE_URL": sqlite_url(tmp_path / f"{number}.sqlite3")}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", *SUITE],
            cwd=ROOT, env={**environment, "REDIS_URL": "memory://"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        last = done.stdout.strip().rsplit("\n", 1)[-1]
        if done.returncode:
            failed[moment] = done.stdout[-3000:]
        else:
            passed += int(last.split(" passed")[0].split()[-1])

    figure(f"{len(CLOCKS)} clocks, {passed} tests passed, clocks with failures {len(failed)}")
    assert failed == {}
