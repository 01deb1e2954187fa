"""manage.py itself: on a database that no command can work on, and when it is interrupted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bootstrap import ROOT
from tools.environment import for_demo

pytestmark = pytest.mark.slow


def manage(database: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **for_demo("127.0.0.1"), "DATABASE_URL": database, **variables}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=False, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("command", [("simulate_time", "--hour", "3"), ("simulate_spend",), ("enforce_budgets",)])
def test_a_database_without_migrations_is_named_in_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = manage(f"sqlite:///{tmp_path}/empty.sqlite3", *command)

    assert done.returncode == 1
    assert done.stderr == "CommandError: Migrations are not applied: run manage.py migrate.\n"


def test_a_database_that_does_not_answer_is_named_in_one_line(tmp_path: Path) -> None:
    done = manage(f"sqlite:///{tmp_path}/no/such/folder/budget.sqlite3", "check_ledger")

    assert done.returncode == 1
    [*_, last] = done.stderr.splitlines()
    assert last.startswith("CommandError: The database does not answer. unable to open database file")
    assert "Traceback" not in done.stderr


def test_a_setting_that_will_not_do_is_named_in_one_line(tmp_path: Path) -> None:
    done = manage(f"sqlite:///{tmp_path}/empty.sqlite3", "check", DEMO="0", SECRET_KEY="short")

    assert done.returncode == 1
    assert done.stderr == "CommandError: SECRET_KEY must be a secret of at least 50 characters.\n"


def test_ctrl_c_ends_with_its_exit_code_and_no_traceback(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/empty.sqlite3"

    done = manage(database, "shell", "--no-imports", "--command", "raise KeyboardInterrupt")

    assert (done.returncode, done.stderr) == (130, "")
