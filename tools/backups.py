"""Backups of SQLite files and PostgreSQL databases: written, read back, and restored beside what they replace."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import parse_dsn

from tools import compose
from tools.bootstrap import ROOT, fail, step
from tools.environment import for_demo
from tools.postgres import Client, client, execute, newest, with_database

FOLDER = ROOT / "backups"
COMPOSE_OWNER = "budget"
"""The role in the compose stack to which the tables belong."""
APP_ROLE = "budget_app"
"""The role of web, worker and beat, where it is another one (docker/app-role.sh)."""
COMPOSE_APP_ROLE = "/docker-entrypoint-initdb.d/app-role.sh"
GRANT_IN_COMPOSE = f"test ! -e {COMPOSE_APP_ROLE} || {COMPOSE_APP_ROLE}"
"""What gives that role its rights on the database POSTGRES_DB, in the container of the database."""


def place(suffix: str, label: str = "budget") -> Path:
    """A name for a new backup, with the moment in UTC; only its owner may read it."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    return FOLDER / f"{label}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{suffix}"


# --- SQLite ----------------------------------------------------------------------------------------------------------


def copy_sqlite(source: Path, target: Path | None = None, *, label: str = "budget") -> Path:
    """Copy a database, in use or not, as of one moment, and check the copy page by page."""
    target = target or place(".sqlite3", label)
    new = target.with_name(target.name + ".part")
    with step(f"Copying {source.name}"):
        try:
            new.touch(mode=0o600)
            with closing(_open(source)) as old, closing(sqlite3.connect(new)) as copy:
                old.backup(copy, pages=5000)
                copy.execute("PRAGMA journal_mode=DELETE")
            check_sqlite(new)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
    return target


def check_sqlite(path: Path) -> None:
    """End unless the file is a whole database of this system."""
    try:
        with closing(_open(path)) as database:
            said = [row[0] for row in database.execute("PRAGMA integrity_check")]
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        fail(f"{path.name} is no SQLite database that can be read: {error}.")
    if said != ["ok"]:
        fail(f"{path.name} is damaged: {said[0]}")
    if not {"django_migrations", "spending_spend"} <= tables:
        fail(f"{path.name} is a SQLite database, but none of this system.")


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)


# --- PostgreSQL, reached by its URL ----------------------------------------------------------------------------------


def dump(url: str) -> Path:
    """Dump the database as of one moment, in PostgreSQL's custom format, and read the dump's contents back."""
    path = place(".dump")
    new = path.with_name(path.name + ".part")
    try:
        with step("Dumping the database"), _private(new) as file:
            _write(client("pg_dump", url), ["--format", "custom"], file.fileno())
        check_dump(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path


def check_dump(path: Path) -> None:
    """End unless the file is a dump of this system that can be read."""
    listed = subprocess.run([newest("pg_restore"), "--list", str(path)], check=False, capture_output=True, text=True)
    if listed.returncode != 0:
        fail(f"{path.name} is no dump that pg_restore can read: {listed.stderr.strip()}")
    if "TABLE DATA public spending_spend " not in listed.stdout:
        fail(f"{path.name} is a PostgreSQL dump, but none of this system.")


def restore_dump(path: Path, url: str, prove: Callable[[str], None]) -> str | None:
    """Load a dump into a new database, prove it, and let it take the name of the old one, whose new name is returned.

    Until the two are renamed nothing has changed; they are, in one transaction. On a server without a database of that
    name there is none to keep.
    """
    name, stamp = _name(url), time.strftime("%Y%m%d%H%M%S", time.gmtime())
    new, former = f"{name}_restored_{stamp}", f"{name}_before_{stamp}"
    beside = with_database(url, "postgres")
    replaces = _is_there(beside, "SELECT FROM pg_database WHERE datname = %s", name)
    execute(beside, f'CREATE DATABASE "{new}"')
    try:
        with step("Loading the dump"):
            _write(client("pg_restore", with_database(url, new)), [*RESTORE, "--dbname", new, str(path)])
        if _is_there(beside, "SELECT FROM pg_roles WHERE rolname = %s", APP_ROLE):
            _grant(with_database(url, new))
        prove(with_database(url, new))
        swap = f'ALTER DATABASE "{name}" RENAME TO "{former}"; ' if replaces else ""
        swap += f'ALTER DATABASE "{new}" RENAME TO "{name}"'
        try:
            execute(beside, swap, together=True)
        except errors.ObjectInUse as error:
            fail(f"it is still in use, so nothing was changed: {str(error).strip().splitlines()[-1]}")
    except BaseException:
        execute(beside, f'DROP DATABASE IF EXISTS "{new}"')
        raise
    return former if replaces else None


RESTORE = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
"""Roles are a matter of the server, and another one has others: rights are given anew."""


def _is_there(url: str, query: str, name: str) -> bool:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query, [name])
        return cursor.fetchone() is not None


def _grant(url: str) -> None:
    """Give the application's role its rights on the database, as docker/app-role.sh says. Its password stays."""
    psql = client("psql", url)
    with closing(psycopg2.connect(url)) as connection:
        owner = connection.info.user
    roles = {"POSTGRES_USER": owner, "POSTGRES_DB": _name(url), "APP_PASSWORD_FILE": ""}
    programs = f"{Path(psql.command[0]).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    script = str(ROOT / "docker" / "app-role.sh")
    _write(Client((script,), {**psql.environment, **roles, "PATH": programs}), [])


def _name(url: str) -> str:
    return str(parse_dsn(url)["dbname"])


def _write(program: Client, arguments: Sequence[str], output: int | None = None) -> None:
    done = subprocess.run(
        [*program.command, *arguments], check=False, env=program.environment, stdout=output, stderr=subprocess.PIPE
    )
    if done.returncode != 0:
        fail(f"{Path(program.command[0]).name} failed: {done.stderr.decode(errors='replace').strip()}")


def _private(path: Path) -> IO[bytes]:
    """A new file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def manage(arguments: Sequence[str], database_url: str) -> None:
    """Run manage.py on that database; end with what it said if it fails."""
    variables = {**os.environ, **for_demo("127.0.0.1"), "DATABASE_URL": database_url, "STATEMENT_TIMEOUT_MS": "0"}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        check=False, cwd=ROOT, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode != 0:
        fail(f"nothing was changed, for with the restored data manage.py {arguments[0]} says:\n{done.stdout}")


# --- PostgreSQL of the compose stack: its own programs, in its container ---------------------------------------------


def compose_sql(statement: str) -> int:
    return compose.run(
        *(
            "exec",
            "-T",
            "db",
            "psql",
            "-U",
            COMPOSE_OWNER,
            "-d",
            "postgres",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
        )
    )


def compose_dump(name: str) -> Path:
    path = place(".dump")
    new = path.with_name(path.name + ".part")
    command = [*compose.COMPOSE, "exec", "-T", "db", "pg_dump", "-U", COMPOSE_OWNER, "--format", "custom", name]
    try:
        with step("Dumping the database"), _private(new) as file:
            _write(Client(tuple(command), dict(os.environ)), [], file.fileno())
        check_dump(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path


def compose_restore(path: Path, name: str) -> str:
    """As restore_dump does it, in the containers; the services that use the database must be stopped."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    new, former = f"{name}_restored_{stamp}", f"{name}_before_{stamp}"
    _compose_must(compose_sql(f'CREATE DATABASE "{new}"'))
    try:
        with step("Loading the dump"), path.open("rb") as file:
            done = subprocess.run(
                [*compose.COMPOSE, "exec", "-T", "db", "pg_restore", "-U", COMPOSE_OWNER, *RESTORE, "--dbname", new],
                check=False, cwd=ROOT, stdin=file,
            )  # fmt: skip
        _compose_must(done.returncode)
        grant = ("exec", "-T", "-e", f"POSTGRES_DB={new}", "db", "sh", "-c", GRANT_IN_COMPOSE)
        _compose_must(compose.run(*grant))
        variable = f"DATABASE_URL=postgres://{COMPOSE_OWNER}@db:5432/{new}"
        for command in (["migrate", "--no-input"], ["check_ledger"]):
            service = ("run", "--rm", "-T", "--no-deps", "-e", variable, "migrate")
            _compose_must(compose.run(*service, "python", "manage.py", *command))
        rename = (
            f'BEGIN; ALTER DATABASE "{name}" RENAME TO "{former}"; ALTER DATABASE "{new}" RENAME TO "{name}"; COMMIT'
        )
        _compose_must(compose_sql(rename))
    except BaseException:
        compose_sql(f'DROP DATABASE IF EXISTS "{new}"')
        raise
    return former


def _compose_must(code: int) -> None:
    if code:
        fail("the restored data was not taken; the former is as it was. What failed stands above.")
