"""What stands behind make's targets, without starting anything."""

import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery.schedules import crontab

from tools import ask, backups, bootstrap, compose, env_files, logs, running, stack
from tools.inside import healthcheck, tasks, wait_for_db
from tools.supervisor import Console, Part

ROOT = Path(__file__).resolve().parents[2]

# --- make help -------------------------------------------------------------------------------------------------------


def test_help_names_each_target_in_one_line_that_fits_a_terminal() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    rules = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    shown = re.findall(r"^  ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert sorted(shown) == sorted(set(rules) - {"demo-data"})
    assert max(map(len, done.stdout.splitlines())) <= 80


# --- Asking before something is destroyed ----------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["", "n\n", "yes please\n"])
def test_anything_but_yes_means_no(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.delenv("FORCE", raising=False)

    with pytest.raises(SystemExit, match="1"):
        ask.agree("deletes", ["all"])


def test_without_a_terminal_only_force_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    monkeypatch.delenv("FORCE", raising=False)
    with pytest.raises(SystemExit):
        ask.agree("deletes", ["the database (3 MB)"])
    said = capsys.readouterr()
    assert "This deletes:\n  - the database (3 MB)\n" in said.out
    assert "FORCE=1" in said.err

    monkeypatch.setenv("FORCE", "1")
    ask.agree("deletes", ["the database (3 MB)"])


# --- What runs -------------------------------------------------------------------------------------------------------


def test_what_a_lock_file_says_counts_only_while_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RUN_LOCK", tmp_path / "run.lock")
    monkeypatch.setattr(bootstrap, "RUN_LOCK", tmp_path / "run.lock")
    assert running.current() is None

    run = running.Run(os.getpid(), "http://127.0.0.1:8000", detached=True)
    with bootstrap.take_run_lock() as lock:
        run.write(lock)
        assert running.current() == run
        assert running.is_locked()
    assert running.current() is None


def test_health_shows_each_check_in_a_line() -> None:
    body = {"status": "degraded", "checks": {"database": {"status": "healthy", "vendor": "sqlite"}}}

    assert list(stack.described(503, json.dumps(body))) == ["degraded", "  database      healthy    vendor sqlite"]
    assert list(stack.described(404, "<p>")) == ["HTTP 404: <p>"]


@pytest.mark.parametrize(
    ("wrong", "starting", "verdict"),
    [
        ({"services": {"status": "degraded", "broker": "healthy", "last_tick": None}}, True, stack.STARTING),
        ({"services": {"status": "degraded", "broker": "healthy", "last_tick": None}}, False, "degraded"),
        ({"services": {"status": "degraded", "broker": "unreachable"}}, True, "degraded"),
        ({"books": {"status": "degraded", "differences": 2}}, True, "degraded"),
    ],
)
def test_before_the_first_tick_it_is_starting_unless_something_else_is_wrong(
    wrong: dict[str, object], starting: bool, verdict: str
) -> None:
    checks = {"services": {"status": "healthy", "broker": "healthy"}, **wrong}

    said = list(stack.described(503, json.dumps({"status": "degraded", "checks": checks}), starting=starting))

    assert said[0] == verdict
    assert not any("None" in line for line in said)
    assert len(stack.STARTING) <= 80


def test_top_shows_children_below_their_part() -> None:
    processes = [(7, 1, "1.0", "20000", "02:00"), (9, 7, "3.5", "110000", "01:59"), (8, 1, "9.0", "9", "1")]

    lines = stack.table({"web": 7}, processes).splitlines()[1:]

    assert lines == [
        "web                7     1.0     20 MB         02:00",
        "  of web           9     3.5    110 MB         01:59",
    ]


# --- Logs ------------------------------------------------------------------------------------------------------------


def test_a_line_goes_into_its_parts_file_with_its_moment(tmp_path: Path) -> None:
    with closing(logs.LogFiles(tmp_path)) as files:
        Console(files, quiet=True).keep(Part("web", [], 32), "GET / “ü” %s")

    written = (tmp_path / "web.log").read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ GET / “ü” %s\n", written)


def test_a_tail_follows_a_file_that_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("one\ntwo\nthr")
    with closing(logs.Tail(path)) as tail:
        assert tail.last(1) == ["two"]

        with path.open("a") as file:
            file.write("ee\n")
        assert list(tail.new()) == ["three"]
        path.rename(tmp_path / "web.log.1")
        path.write_text("four\n")
        assert [line for _ in range(2) for line in tail.new()] == ["four"]


# --- Compose ---------------------------------------------------------------------------------------------------------


def test_a_command_in_a_container_gets_its_secrets() -> None:
    command = compose.command_in("web", ["python", "manage.py", "migrate"])

    assert command == ["exec", "-T", "web", "./entrypoint.sh", "python", "manage.py", "migrate"]


def test_asking_for_docker_where_there_is_none_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER", "1")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit, match="1"):
        compose.is_asked_for()
    assert "DOCKER=1 needs Docker, and there is no `docker` here" in capsys.readouterr().err


def test_secrets_are_made_up_once_and_agree_with_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert env_files.write_production(folder)
    texts = {path.name: path.read_text().strip() for path in folder.iterdir()}

    assert folder.stat().st_mode & 0o077 == 0
    assert texts["redis_url"].split(":")[2].split("@")[0] == texts["redis_conf"].split()[1]
    assert len(texts["secret_key"]) >= 50
    assert not env_files.write_production(folder)
    assert {name for name, text in texts.items() if not text} == set(env_files.OPTIONAL)
    (folder / "email_url").unlink()
    assert env_files.write_production(folder)
    assert {path.name: path.read_text().strip() for path in folder.iterdir()} == texts
    assert env_files.write_env(tmp_path / ".env")
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert not env_files.write_env(tmp_path / ".env")


# --- Backups of SQLite -----------------------------------------------------------------------------------------------


def database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE django_migrations (id); CREATE TABLE spending_spend (id);"
            "INSERT INTO spending_spend VALUES (1), (2)"
        )
        connection.commit()
    return path


def test_a_backup_has_what_is_committed_and_is_its_owners(tmp_path: Path) -> None:
    source = database(tmp_path / "budget.sqlite3")
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO spending_spend VALUES (3)")
        copy = backups.copy_sqlite(source, tmp_path / "copy.sqlite3")

    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM spending_spend").fetchone() == (2,)
    assert copy.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.part"))


def test_what_is_no_backup_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = database(tmp_path / "whole.sqlite3")
    with closing(sqlite3.connect(whole)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("CREATE INDEX one ON spending_spend (id)")
    backups.check_sqlite(whole)
    damaged, text, other = (tmp_path / name for name in ("damaged.sqlite3", "text.sqlite3", "other.sqlite3"))
    content = bytearray(whole.read_bytes())
    content[-4096:] = bytes(4096)
    damaged.write_bytes(content)
    text.write_text("not a database, and long enough to be looked at as one" * 20)
    sqlite3.connect(other).close()

    for path, words in ((damaged, "damaged"), (text, "no SQLite database"), (other, "none of this system")):
        with pytest.raises(SystemExit):
            backups.check_sqlite(path)
        assert words in capsys.readouterr().err


# --- Inside the image ------------------------------------------------------------------------------------------------


def test_a_beat_is_well_while_it_writes_its_schedule(tmp_path: Path) -> None:
    schedule = tmp_path / "beat-schedule"
    assert healthcheck.beat(schedule) == 1

    written = tmp_path / "beat-schedule.db"
    written.touch()
    assert healthcheck.beat(schedule) == 0
    long_ago = time.time() - healthcheck.OLDEST_S - 1
    os.utime(written, (long_ago, long_ago))
    assert healthcheck.beat(schedule) == 1


def test_waiting_ends_at_once_where_waiting_does_not_help() -> None:
    assert wait_for_db.wait("sqlite:////tmp/x", 0) is None
    started = time.monotonic()
    assert "invalid" in str(wait_for_db.wait("postgres://u@127.0.0.1:port/db", 60))
    assert time.monotonic() - started < 5


def test_waiting_ends_with_the_last_refusal() -> None:
    assert "refused" in str(wait_for_db.wait("postgres://u@127.0.0.1:1/db", 0))


def test_the_schedule_shows_what_comes_next_first() -> None:
    now = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
    entries: dict[str, dict[str, Any]] = {
        "later": {"schedule": crontab(minute=0, hour=0, nowfun=lambda: now)},
        "soon": {"schedule": crontab(minute=45, nowfun=lambda: now)},
        "often": {"schedule": 10.0},
    }

    assert tasks.schedule_lines(entries.items(), now)[1:] == [
        "often                   every 10 s",
        "soon                    Sat 2026-11-21 18:45 UTC",
        "later                   Sun 2026-11-22 00:00 UTC",
    ]
