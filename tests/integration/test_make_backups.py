"""Backup and restore of a PostgreSQL by its URL, with PostgreSQL's own programs."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tools import backups, postgres
from tools.bootstrap import ROOT

pytestmark = [
    pytest.mark.xdist_group("backups"),  # one role is the whole server's
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not os.environ["DATABASE_URL"].startswith("postgres"),
        reason="needs PostgreSQL: python -m tools.servers -- pytest",
    ),
]
NAME = f"budget_for_backups_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture
def role(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Makes the application's role, as production does, with its rights on a database."""
    (tmp_path / "password").write_text("only-for-this-test")

    def make(url: str) -> None:
        psql = postgres.client("psql", url)
        programs = f"{Path(psql.command[0]).parent}:{os.defpath}"
        variables = {"POSTGRES_USER": postgres.USER, "POSTGRES_DB": NAME, "PATH": programs}
        variables["APP_PASSWORD_FILE"] = str(tmp_path / "password")
        subprocess.run([ROOT / "docker" / "app-role.sh"], check=True, env={**psql.environment, **variables})

    yield make
    postgres.execute(postgres.with_database(os.environ["DATABASE_URL"], "postgres"), "DROP ROLE IF EXISTS budget_app")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A database with all tables; it and what restores leave are dropped."""
    monkeypatch.setattr(backups, "FOLDER", tmp_path / "backups")
    server = postgres.with_database(os.environ["DATABASE_URL"], "postgres")
    postgres.execute(server, f'CREATE DATABASE "{NAME}"')
    try:
        one = postgres.with_database(os.environ["DATABASE_URL"], NAME)
        backups.manage(["migrate", "--no-input"], one)
        yield one
    finally:
        for name in names(server):
            if name.startswith(NAME):
                postgres.execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def names(server: str) -> list[str]:
    with closing(psycopg2.connect(server)) as session, session.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database ORDER BY datname")
        return [name for (name,) in cursor]


def logins(url: str) -> int:
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM auth_group")
        return int((cursor.fetchone() or (0,))[0])


def add(url: str, name: str) -> None:
    postgres.execute(url, f"INSERT INTO auth_group (name) VALUES ('{name}')")


def test_a_restore_goes_back_and_keeps_what_was_there(url: str) -> None:
    before = logins(url)
    path = backups.dump(url)
    assert path.stat().st_mode & 0o077 == 0
    add(url, "after")

    kept = backups.restore_dump(path, url, lambda new: backups.manage(["check_ledger"], new))

    assert logins(url) == before
    assert kept is not None
    assert logins(postgres.with_database(url, kept)) == before + 1


def test_a_dump_of_production_goes_to_a_server_with_neither_its_role_nor_its_database(
    role: Callable[[str], None], url: str
) -> None:
    server = postgres.with_database(url, "postgres")
    role(url)
    add(url, "before")
    before = logins(url)
    path = backups.dump(url)
    postgres.execute(server, f'DROP DATABASE "{NAME}"')
    postgres.execute(server, "DROP ROLE budget_app")

    kept = backups.restore_dump(path, url, lambda new: backups.manage(["check_ledger"], new))

    assert kept is None
    assert logins(url) == before
    assert [name for name in names(server) if name.startswith(NAME)] == [NAME]


def test_the_role_of_web_and_worker_has_its_rights_on_what_is_restored(role: Callable[[str], None], url: str) -> None:
    path = backups.dump(url)  # of a stack without that role
    role(url)

    backups.restore_dump(path, url, lambda _: None)

    postgres.execute(url, "CREATE TABLE made_later (id int)")
    for table in ("spending_spend", "made_later"):
        rights = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
        assert [right for right in rights if may(url, table, right)] == ["SELECT", "INSERT", "UPDATE", "DELETE"]


def may(url: str, table: str, right: str) -> bool:
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('budget_app', %s, %s)", [table, right])
        return bool((cursor.fetchone() or (False,))[0])


def test_if_the_restored_data_is_wrong_nothing_changes(url: str) -> None:
    path = backups.dump(url)
    add(url, "after")
    before = logins(url)

    def refuse(_: str) -> None:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        backups.restore_dump(path, url, refuse)

    assert logins(url) == before
    assert [name for name in names(url) if name.startswith(NAME)] == [NAME]


def test_a_database_in_use_is_left_alone(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = backups.dump(url)

    with closing(psycopg2.connect(url)), pytest.raises(SystemExit):
        backups.restore_dump(path, url, lambda _: None)

    assert "still in use, so nothing was changed" in capsys.readouterr().err
    assert [name for name in names(url) if name.startswith(NAME)] == [NAME]


def test_what_is_no_dump_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.dump").write_text("no dump")

    with pytest.raises(SystemExit):
        backups.check_dump(tmp_path / "one.dump")
    assert "no dump that pg_restore can read" in capsys.readouterr().err
