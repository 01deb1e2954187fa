"""make's targets on a local stack of its own, in a copy of the code: what people meet when they use them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.compose_files import ROOT, copy_context
from tools.processes import short_temporary_directory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Checkout:
    """A copy of the code with data of its own; `DOCKER=0`, for a machine may have a compose stack."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port: int = one.getsockname()[1]

    def run(self, module: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        plain = {
            name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "FORCE"}
        }
        return subprocess.run(
            [sys.executable, "-m", module, *arguments], check=False, cwd=self.home, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env={**plain, "DOCKER": "0", **variables}, timeout=300,
        )  # fmt: skip

    def stack(self, what: str, **variables: str) -> subprocess.CompletedProcess[str]:
        where = [str(self.port), "127.0.0.1"] if what in {"up", "restart"} else []
        return self.run("tools.stack", what, *where, **variables)

    def parts(self) -> dict[str, int]:
        return dict(json.loads((self.home / ".local" / "parts.json").read_text()))

    def supervisor(self) -> int:
        return int(json.loads((self.home / ".local" / "run.lock").read_text())["pid"])


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    home = short_temporary_directory("budget-make-")
    copy_context(home)
    shutil.copytree(ROOT / "tools", home / "tools", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (home / ".local").mkdir(mode=0o700)
    one = Checkout(home)
    try:
        yield one
    finally:
        one.stack("down")
        shutil.rmtree(home, ignore_errors=True)


def test_where_nothing_runs_each_target_says_so(checkout: Checkout) -> None:
    assert checkout.stack("down").stdout == "Nothing runs here.\n"
    assert checkout.stack("status").stdout == "Nothing runs here. Start it: make up\n"
    for target in ("health", "top", "restart-web"):
        done = checkout.stack(target)
        assert (done.returncode, done.stderr) == (1, "error: Nothing runs here. Start it: make up\n")
    assert "nothing has run here" in checkout.run("tools.logs").stderr
    assert "SQLite, which has no server" in checkout.run("tools.logs", "db").stderr
    assert "nothing runs here" in checkout.run("tools.workers", "inspect").stderr


def test_a_port_that_is_taken_is_named_with_one_that_is_free(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", checkout.port)):
        done = checkout.stack("up")

    assert done.returncode == 1
    assert f"port {checkout.port} on 127.0.0.1 is taken by another program. Try: make run PORT=" in done.stderr


def test_up_returns_when_ready_and_a_second_one_changes_nothing(checkout: Checkout) -> None:
    first = checkout.stack("up")
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"http://127.0.0.1:{checkout.port}/admin/" in first.stdout
    parts = checkout.parts()

    again = checkout.stack("up")

    assert again.returncode == 0
    assert f"It runs already at http://127.0.0.1:{checkout.port}" in again.stdout
    assert checkout.parts() == parts
    status = checkout.stack("status")
    assert status.returncode == 0
    assert all(f"{name:<8}{pid:>8}  up" in status.stdout for name, pid in parts.items())


def test_a_restarted_part_is_another_process_and_the_others_are_the_same(checkout: Checkout) -> None:
    before = checkout.parts()

    assert checkout.stack("restart-web").returncode == 0

    after = checkout.parts()
    assert [name for name in after if after[name] != before[name]] == ["web"]


def test_a_task_by_hand_is_done_by_the_worker(checkout: Checkout) -> None:
    done = checkout.run("tools.here", "--", "python", "-m", "tools.inside.tasks", "run", "daily-reset")

    assert done.returncode == 0, done.stderr
    assert "Sent tasks.budget_tasks.daily_reset_task to a worker" in done.stdout
    assert "Daily reset by worker" in done.stdout


def test_going_back_to_a_backup_undoes_what_came_after_and_starts_again(checkout: Checkout) -> None:
    def groups(code: str) -> str:
        done = checkout.run(
            "tools.manage", "shell", "-v", "0", "-c", f"from django.contrib.auth.models import Group; {code}"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    made = checkout.run("tools.database", "backup")
    assert made.returncode == 0, made.stderr
    backup = made.stdout.split("FILE=")[-1].strip()
    groups("Group.objects.create(name='After')")
    refused = checkout.run("tools.database", "restore", FILE=backup)
    assert refused.returncode == 1
    assert "add FORCE=1" in refused.stderr
    assert groups("print(Group.objects.filter(name='After').count())") == "1"

    done = checkout.run("tools.database", "restore", FILE=backup, FORCE="1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert groups("print(Group.objects.filter(name='After').count())") == "0"
    assert checkout.stack("status").returncode == 0
    assert list((checkout.home / "backups").glob("before-restore-*.sqlite3"))


def test_what_a_killed_run_leaves_is_cleared_up(checkout: Checkout) -> None:
    os.kill(checkout.supervisor(), signal.SIGKILL)

    assert checkout.stack("down").returncode == 0

    assert checkout.stack("status").stdout == "Nothing runs here. Start it: make up\n"


def test_destroy_names_what_it_deletes_and_leaves_backups(checkout: Checkout) -> None:
    refused = checkout.stack("destroy")
    assert refused.returncode == 1
    assert "  - .local/budget.sqlite3 (" in refused.stdout
    assert (checkout.home / ".local" / "budget.sqlite3").exists()

    assert checkout.stack("destroy", FORCE="1").returncode == 0

    assert not (checkout.home / ".local" / "budget.sqlite3").exists()
    assert list((checkout.home / "backups").glob("*.sqlite3"))
    assert checkout.stack("destroy").stdout == "There is nothing to destroy.\n"
