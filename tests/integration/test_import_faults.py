"""Imports that are killed, and imports in each other's way."""

import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection

from enforcement import books
from enforcement.importing import BATCH, import_spend
from spending.importing import ImportOptions
from spending.models import PeriodKind, Spend
from tests.factories import ACTOR, Story
from tests.integration.processes import PATIENCE_S, ROOT, environment

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.faults,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]

DAYS = 4 * BATCH


def write_report(path: Path, brand: str) -> None:
    """Four batches: one campaign, far back."""
    first = date(2024, 1, 1) - timedelta(days=DAYS // 4)
    with path.open("w") as file:
        file.write("Day,Brand,Campaign ID,Cost\n")
        for campaign in range(4):
            for number in range(DAYS // 4):
                file.write(f"{first + timedelta(days=number)},{brand},{campaign},1.00\n")


@pytest.mark.fault(53)
def test_an_import_killed_in_the_middle_and_sent_again_ends_as_if_sent_once(tmp_path: Path) -> None:
    story = Story(daily_budget=None, monthly_budget=None)
    for campaign in range(4):
        story.campaign(str(campaign), external_id=str(campaign))
    path = tmp_path / "report.csv"
    write_report(path, "Acme")

    command = [sys.executable, "manage.py", "import_spend", str(path)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not Spend.objects.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    taken = Spend.objects.count()
    drift = books.check(story.now).differences
    with path.open("rb") as stream:
        report = import_spend(stream, ImportOptions(), actor=ACTOR, now=story.now)

    assert process.returncode == -signal.SIGKILL
    assert 0 < taken < DAYS
    assert (taken % BATCH, drift) == (0, 0), "a batch goes in whole or not at all"
    assert (report.unchanged, report.accepted) == (taken, DAYS - taken)
    assert Spend.objects.count() == DAYS
    assert story.total(story.brand, PeriodKind.MONTH, "2023-12-01") == 4 * 31
    assert books.check(story.now).differences == 0
