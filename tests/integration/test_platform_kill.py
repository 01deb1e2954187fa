"""A worker that is killed (kill -9) while it reads spend: nothing counts twice, and the next reading completes it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from budget_system import clock
from enforcement import books
from enforcement.imports import run_import
from platforms import look, pull, services
from platforms.connections import connect
from platforms.models import Account, Pull
from spending import import_records
from spending.models import ImportState, PeriodKind, Spend, SpendImport
from tests.factories import ACTOR, Story
from tests.figures import Figure
from tests.integration.processes import ROOT, environment, held_brand, wait_until, waiting_sessions
from tests.simulators import ALL, Server, World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]
ID = "2112223334"
CAMPAIGNS = ("201", "202", "203")
DAYS = 20


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    settings.DEMO = True
    with Server(World(clock.now()), *ALL) as server:
        settings.PLATFORM_URLS = {"META": server.base_url}
        yield server


@pytest.fixture
def account(server: Server) -> Account:
    """Looked at, with spend of some weeks there that nobody has read yet."""
    story = Story(daily_budget=None, monthly_budget=None)
    story.now = clock.now()
    there = server.world.add_account("META", ID)
    made = services.add_account(story.brand.pk, "META", ID, there.keys(), actor=ACTOR, now=story.now)
    for id in CAMPAIGNS:
        server.world.add_campaign(ID, id)
        story.campaign(id, platform="META", external_id=id)
        for ago in range(2, 2 + DAYS):
            server.world.spend(id, story.now.date() - timedelta(days=ago), 12, 1_500_000)
    look.run(clock=clock.now, connect=connect, now_due=True)
    return made


def killed_in_mid_pull(server: Server, account: Account, where: str) -> None:
    command = [sys.executable, "manage.py", "platforms", "pull", "--account", ID]
    env = environment(DEMO="1", PLATFORM_URLS=f"META={server.base_url}", LOCK_TIMEOUT_MS="60000")
    with ExitStack() as stack:
        if where == "while it books":
            stack.enter_context(held_brand(account.brand_id))
        else:
            server.world.faults.slow_s = 3.0
        process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL))
        if where == "while it books":
            wait_until(waiting_sessions, "the import to come to the brand's lock")
        else:
            wait_until(Account.objects.exclude(pulling_until=None).exists, "the account to be taken")
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.world.faults.slow_s = 0.0
    assert process.returncode == -signal.SIGKILL


@pytest.mark.fault(53)
@pytest.mark.parametrize("where", ["while it reads", "while it books"])
def test_a_reading_that_is_killed_is_completed_by_the_next_one(
    server: Server, account: Account, where: str, figure: Figure
) -> None:
    killed_in_mid_pull(server, account, where)
    after_the_kill = (Spend.objects.count(), Pull.objects.count(), SpendImport.objects.count())
    too_soon = pull.run(clock=clock.now, connect=connect, now_due=True)
    later = clock.now() + pull.LEASE + 2 * import_records.LEASE

    completed = pull.run(clock=lambda: later, connect=connect, now_due=True)
    for forgotten in import_records.due(later):
        run_import(forgotten, clock=lambda: later)
    again = pull.run(clock=lambda: later, connect=connect, now_due=True)

    assert after_the_kill == ((0, 0, 0) if where == "while it reads" else (0, 0, 1))
    assert too_soon == {"read": 0, "imported": 0, "failed": 0}, "its lease is not over"
    assert completed == {"read": 1, "imported": 1, "failed": 0}
    assert again["failed"] == 0
    assert Pull.objects.get(rows=DAYS * len(CAMPAIGNS)).error == ""
    assert Spend.objects.count() == DAYS * len(CAMPAIGNS)
    assert sum(spend.amount for spend in Spend.objects.all()) == Decimal("1.5") * DAYS * len(CAMPAIGNS)
    days = account.brand.periods.filter(kind=PeriodKind.DAY, scope_id=account.brand_id)
    assert sum(day.posted for day in days) == Decimal("1.5") * DAYS * len(CAMPAIGNS)
    assert {record.state for record in SpendImport.objects.all()} == {ImportState.DONE}
    assert books.check(later).differences == 0
    figure(f"killed {where}: {Spend.objects.count()} days of spend, each once, books agree")
