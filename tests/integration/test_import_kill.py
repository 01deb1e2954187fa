"""An import whose worker is killed, and which another goes on with."""

import io
import signal
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection

from budget_system import clock
from enforcement import books
from enforcement.imports import run_import, run_undo, start_import, undo_import
from spending import import_records
from spending.import_options import ImportOptions
from spending.models import ImportState, PeriodKind, Spend, SpendImport
from tests.factories import ACTOR, Story
from tests.integration.processes import ROOT, environment, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.faults,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]

RUN = "import sys; from uuid import UUID; from budget_system import clock; from enforcement.imports import run_import;"
DAYS = 5_000
BAD = 50


def report_of(campaigns: int) -> bytes:
    """Four batches: a campaign each, far back. One line in a hundred cannot be read."""
    first = date(2026, 5, 1) - timedelta(days=DAYS)
    lines = ["Day,Brand,Campaign ID,Cost,Clicks"]
    for campaign in range(campaigns):
        for number in range(DAYS):
            cost = "x" if number % (DAYS // BAD) == 7 else "1.00"
            lines.append(f"{first + timedelta(days=number)},Acme,{campaign},{cost},1")
    return "\n".join(lines).encode()


@pytest.fixture
def waiting() -> SpendImport:
    """An import of four batches that waits for its worker."""
    story = Story(daily_budget=None, monthly_budget=None)
    for campaign in range(4):
        story.campaign(str(campaign), external_id=str(campaign))
    return start_import(
        io.BytesIO(report_of(4)), "report.csv", ImportOptions(), actor=ACTOR, now=clock.now(), inline_bytes=0
    )


def worker(record: SpendImport) -> Any:
    code = f"import django; django.setup(); {RUN} run_import(UUID(sys.argv[1]), clock=clock.now)"
    command = [sys.executable, "-c", code, str(record.pk)]
    return subprocess.Popen(command, cwd=ROOT, env=environment(DJANGO_SETTINGS_MODULE="budget_system.settings"))


@pytest.mark.fault(53)
def test_a_killed_import_is_gone_on_with_and_accounts_for_every_row(waiting: SpendImport) -> None:
    with worker(waiting) as process:
        wait_until(Spend.objects.exists, "the first batch")
        process.send_signal(signal.SIGKILL)
    taken = Spend.objects.count()
    now = clock.now()
    too_soon = import_records.due(now)
    later = now + 2 * import_records.LEASE
    due = import_records.due(later)

    record = run_import(waiting.pk, clock=lambda: later)

    rows, rejected = 4 * DAYS, 4 * BAD
    assert process.returncode == -signal.SIGKILL
    assert 0 < taken < rows - rejected
    assert (too_soon, due) == ([], [waiting.pk])
    assert record.state == ImportState.DONE, record.error
    assert (record.rows, record.accepted, record.rejected) == (rows, rows - rejected, rejected)
    assert (record.unchanged, record.corrected, record.duplicate) == (0, 0, 0)
    assert len(record.rejects.splitlines()) == rejected + 1
    assert Spend.objects.count() == rows - rejected
    assert books.check(later).differences == 0
    undone = undo_import(waiting.pk, reason="Test", actor=ACTOR, now=later)
    assert undone.report["undo"]["voided"] == rows - rejected
    assert books.check(later).differences == 0


@pytest.mark.fault(53)
def test_a_killed_undo_is_gone_on_with(waiting: SpendImport) -> None:
    run_import(waiting.pk, clock=clock.now)
    command = [sys.executable, "manage.py", "undo_import", str(waiting.pk), "--reason", "Wrong", "--yes"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL) as process:
        wait_until(Spend.objects.exclude(voided_at=None).exists, "the first batch")
        process.send_signal(signal.SIGKILL)
    left = Spend.objects.filter(voided_at=None).count()
    drift = books.check(clock.now()).differences

    later = clock.now() + 2 * import_records.LEASE
    due = import_records.undos_due(later)
    record = run_undo(waiting.pk, clock=lambda: later)

    assert due == [waiting.pk]
    assert process.returncode == -signal.SIGKILL
    assert (left > 0, drift) == (True, 0)
    assert record.state == ImportState.UNDONE
    assert record.report["undo"]["voided"] == 4 * (DAYS - BAD)
    assert Spend.objects.filter(voided_at=None).count() == 0
    brand = Spend.objects.all()[0].brand
    assert not brand.periods.exclude(posted=0).filter(kind=PeriodKind.MONTH).exists()
    assert books.check(clock.now()).differences == 0
