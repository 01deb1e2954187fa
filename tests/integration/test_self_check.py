"""`test_budget_system`: checks on the database in use, which keep nothing and notice what is wrong."""

import io
import signal
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from brands.models import AuditEntry, Brand
from campaigns.models import StateChange
from enforcement import decision
from spending.models import BudgetPeriod, Spend
from tests.factories import Story
from tests.integration.processes import ROOT, environment

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def run(test: str = "full") -> str:
    out = io.StringIO()
    try:
        call_command("test_budget_system", "--test", test, stdout=out, stderr=out)
    except SystemExit as ended:
        out.write(f"exit code {ended.code}")
    return out.getvalue()


def counts() -> list[int]:
    return [model.objects.count() for model in (Brand, Spend, BudgetPeriod, StateChange, AuditEntry)]


@pytest.mark.django_db(transaction=True)
def test_all_checks_pass_and_nothing_is_kept() -> None:
    story = Story()
    story.spend(story.campaign(), "5")
    before = counts()

    said = run()

    assert "✗" not in said
    assert "INFO Self-check completed: {'passed': 38, 'failed': 0}" in said
    assert max(map(len, said.splitlines())) <= 80
    assert counts() == before


@pytest.mark.parametrize(("name", "steps"), [("setup", 6), ("spend", 12), ("dayparting", 12), ("reset", 11)])
def test_one_part_can_be_run_by_itself(name: str, steps: int) -> None:
    assert f"{{'passed': {steps}, 'failed': 0}}" in run(name)


def test_a_rule_that_is_broken_is_noticed_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "reached", lambda limit, used: used > limit)

    said = run("spend")

    assert "✗ 100.00 of 100.00 spent: both are paused\n      runs; 100.00 EUR" in said
    assert said.endswith("exit code 1")
    assert counts() == [0] * 5


def test_a_check_that_breaks_off_says_why_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **more: object) -> None:
        raise OperationalError("the disk is full")

    monkeypatch.setattr("enforcement.self_check.services.void_spend", broken)

    said = run()

    assert "✗ The check broke off\n      the disk is full" in said
    assert "✓ Midnight: it runs, and the day begins at 0" in said
    assert said.endswith("exit code 1")
    assert counts() == [0] * 5


def test_an_interruption_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("enforcement.self_check.services.void_spend", interrupted)

    with pytest.raises(CommandError, match=r"Interrupted\. Nothing was kept"):
        run("spend")
    assert counts() == [0] * 5


KILLED = """
import os, signal, django
django.setup()
from django.core.management import call_command
from enforcement import self_check
self_check.services.void_spend = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
call_command("test_budget_system", test="spend")
"""


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_check_that_is_killed_half_way_keeps_nothing() -> None:
    variables = environment(DJANGO_SETTINGS_MODULE="budget_system.settings")

    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, env=variables, check=False, capture_output=True)

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert counts() == [0] * 5
