"""With DOCKER=1 each target calls docker compose as it should: a stand-in for `docker` writes down the calls."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import backups

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
Target = Callable[..., tuple[subprocess.CompletedProcess[str], list[str]]]


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Run one of make's modules; what it did, and the calls of docker compose."""
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    program.chmod(0o755)

    def run(*arguments: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        done = subprocess.run(
            [sys.executable, "-m", *arguments], check=False, cwd=ROOT, capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": f"{tmp_path}:{os.defpath}", "DOCKER": "1", **variables},
        )  # fmt: skip
        calls = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
        return done, [call for call in calls if call not in ("compose version", "info")]

    return run


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["tools.run"], "compose up"),
        (["tools.stack", "up", "8000", "127.0.0.1"], "compose up --detach --wait"),
        (["tools.stack", "down"], "compose down"),
        (["tools.stack", "restart", "8000", "127.0.0.1"], "compose restart"),
        (["tools.stack", "restart-celery"], "compose restart celery_worker celery_beat"),
        (["tools.stack", "status"], "compose ps --all"),
        (
            ["tools.stack", "health"],
            "compose exec -T web ./entrypoint.sh python -m tools.inside.healthcheck deep",
        ),
        (["tools.manage", "migrate"], "compose exec -T web ./entrypoint.sh python manage.py migrate"),
        (["tools.logs", "worker"], "compose logs --tail 50 celery_worker"),
        (["tools.logs"], "compose logs --tail 50"),
        (["tools.database", "shell"], "compose exec -T db psql -U budget budget"),
        (["tools.workers", "flower"], "compose --profile flower up flower"),
    ],
)
def test_a_target_is_one_call_of_compose(target: Target, arguments: list[str], call: str) -> None:
    done, calls = target(*arguments)

    assert done.returncode == 0, done.stderr
    assert calls == [call]


def test_destroying_the_stack_asks_first(target: Target) -> None:
    refused, calls = target("tools.stack", "destroy")
    assert (refused.returncode, calls) == (1, [])
    assert "deletes its volumes" in refused.stdout

    _, calls = target("tools.stack", "destroy", FORCE="1")
    assert calls == ["compose down --volumes --remove-orphans"]


def test_an_empty_database_is_made_while_nothing_uses_it(target: Target) -> None:
    done, calls = target("tools.database", "reset", FORCE="1")

    assert done.returncode == 0, done.stderr
    assert [call.split()[1] for call in calls] == ["stop", "exec", "exec", "exec", "run", "start"]
    assert calls[0] == "compose stop web celery_worker celery_beat"
    assert calls[4] == "compose run --rm -T migrate"


def test_a_restored_database_gets_its_rights_before_it_is_migrated_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    (tmp_path / "one.dump").touch()

    kept = backups.compose_restore(tmp_path / "one.dump", "budget")

    _, load, grant, migrate, check, rename = (tmp_path / "calls").read_text().splitlines()
    new = load.split("--dbname ")[1]
    assert "--no-owner --no-privileges --exit-on-error" in load
    assert grant == f"compose exec -T -e POSTGRES_DB={new} db sh -c {backups.GRANT_IN_COMPOSE}"
    assert migrate.endswith("python manage.py migrate --no-input")
    assert check.endswith("python manage.py check_ledger")
    assert f'RENAME TO "{kept}"' in rename
    assert f'"{new}" RENAME TO "budget"' in rename


def test_writing_migrations_is_refused_in_a_container(target: Target) -> None:
    done, calls = target("tools.here", "--local", "--", "python", "manage.py", "makemigrations")

    assert (done.returncode, calls) == (1, [])
    assert done.stderr.startswith("error: this writes into the checkout, which no container has.")
