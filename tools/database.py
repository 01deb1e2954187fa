"""The database by hand: python -m tools.database shell|reset|wait|backup|restore|fill

It is that of DATABASE_URL if this is set, else the compose stack's where that is meant, else the local stack's SQLite.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools import backups, compose, here, stack
from tools.ask import agree
from tools.bootstrap import LOCAL, ROOT, fail, step
from tools.inside import wait_for_db
from tools.postgres import client

SQLITE = LOCAL / "budget.sqlite3"
SQLITE_FILES = ("budget.sqlite3", "budget.sqlite3-wal", "budget.sqlite3-shm")
COMPOSE_DATABASE = "budget"


def url() -> str:
    """DATABASE_URL if it names a PostgreSQL; empty where the stack's own database is meant."""
    given = os.environ.get("DATABASE_URL", "")
    if given and not given.startswith(("postgres://", "postgresql://")):
        fail("DATABASE_URL must be postgres://user:password@host:5432/name here; leave it out for the stack's own.")
    return given


# --- A shell, a wait, a fresh start ----------------------------------------------------------------------------------


def shell() -> int:
    if url():
        psql = client("psql", url())
        return subprocess.run(psql.command, check=False, env=psql.environment).returncode
    if compose.is_chosen():
        terminal = [] if sys.stdin.isatty() else ["-T"]
        return compose.run("exec", *terminal, "db", "psql", "-U", backups.COMPOSE_OWNER, COMPOSE_DATABASE)
    if shutil.which("sqlite3") is None:
        fail("this needs SQLite's shell. On Debian or Ubuntu: apt install sqlite3. Without it: make shell")
    return here.run(["python", "manage.py", "dbshell"])


def wait() -> int:
    limit_s = os.environ.get("WAIT") or "60"
    if not url() and compose.is_chosen():
        return compose.run("exec", "-T", "web", "./entrypoint.sh", "python", "-m", "tools.inside.wait_for_db", limit_s)
    if not url():
        print("The local stack's database is SQLite: a file, which needs no waiting.")
        return 0
    with step("Waiting for the database"):
        problem = wait_for_db.wait(url(), float(limit_s))
    if problem:
        fail(f"the database does not answer: {problem}")
    return 0


def reset() -> int:
    """An empty database with the present tables, and the demo's login."""
    if url():
        fail("db-reset empties the stack's own database only. Leave DATABASE_URL out, or drop that one by hand.")
    if compose.is_chosen():
        agree("deletes all data of the compose stack", [f"the database {COMPOSE_DATABASE} of the service db"])
        with _compose_stopped():
            for statement in (
                f"DROP DATABASE IF EXISTS {COMPOSE_DATABASE} WITH (FORCE)",
                f"CREATE DATABASE {COMPOSE_DATABASE}",
            ):
                _must(backups.compose_sql(statement))
            # Where there is a role for the application, what it may do is a matter of the database that is gone.
            _must(compose.run("exec", "-T", "db", "sh", "-c", backups.GRANT_IN_COMPOSE))
            _must(compose.run("run", "--rm", "-T", "migrate"))
        return 0
    agree("deletes all data of the local stack", [f"{SQLITE.relative_to(ROOT)} ({_size()})"])
    with stack.stopped():
        _delete_sqlite()
        here.ensure_database(here.environment())
    return 0


def fill() -> int:
    """A fresh database with the sample data."""
    return reset() or here.run(["python", "manage.py", "setup_demo", "--yes"])


def _delete_sqlite() -> None:
    for name in SQLITE_FILES:
        stack.remove(LOCAL / name)


def _size() -> str:
    return stack.size(SQLITE) if SQLITE.exists() else "not there yet"


# --- Backup and restore ----------------------------------------------------------------------------------------------


def backup() -> int:
    """Write a backup and read it back; its place is the last thing said."""
    if url():
        path = backups.dump(url())
    elif compose.is_chosen():
        path = backups.compose_dump(COMPOSE_DATABASE)
    elif SQLITE.exists():
        path = backups.copy_sqlite(SQLITE)
    else:
        fail("there is no database yet, so nothing to back up. Make one: make up")
    print(f"{_shown(path)} ({stack.size(path)}). To go back to it: make restore FILE={_shown(path)}")
    return 0


def restore() -> int:
    """Put a backup in the place of the database, once it has been read and the books in it agree."""
    path = _file()
    if url():
        backups.check_dump(path)
        agree("replaces the data of", [f"the database of DATABASE_URL, by {path.name}; it is kept under another name"])
        print("What uses it must be stopped: a database that is in use cannot be renamed.")
        kept = backups.restore_dump(path, url(), _books_agree)
        former = f"The former data is kept in the database {kept}; drop it when you are content."
        print(f"Restored. {former if kept else 'There was no database of that name before.'}")
        return 0
    if compose.is_chosen():
        backups.check_dump(path)
        agree("replaces the data of", [f"the service db, by {path.name}; it is kept under another name"])
        with _compose_stopped():
            kept = backups.compose_restore(path, COMPOSE_DATABASE)
        print(f"Restored. The former data is kept in the database {kept} of the service db; drop it when content.")
        return 0
    backups.check_sqlite(path)
    agree("replaces the data of the local stack", [f"{SQLITE.relative_to(ROOT)} ({_size()}), by {path.name}"])
    new = LOCAL / "restored.sqlite3"
    try:
        backups.copy_sqlite(path, new)
        _books_agree(f"sqlite:///{new}")
        with stack.stopped():
            if SQLITE.exists():
                print(f"The former data is kept in {_shown(backups.copy_sqlite(SQLITE, label='before-restore'))}.")
            _delete_sqlite()
            new.replace(SQLITE)
    finally:
        stack.remove(new)
    print("Restored.")
    return 0


def _books_agree(database_url: str) -> None:
    """Bring a restored database up to date and prove its books; end if they do not agree."""
    with step("Migrating the restored data"):
        backups.manage(["migrate", "--no-input"], database_url)
    with step("Checking its books"):
        backups.manage(["check_ledger"], database_url)


def _file() -> Path:
    named = os.environ.get("FILE", "")
    if not named:
        newest = max(backups.FOLDER.glob("budget-*"), default=None, key=lambda path: path.stat().st_mtime)
        hint = f" The newest: make restore FILE={_shown(newest)}" if newest else " Make one first: make backup"
        fail(f"which backup? Name it with FILE=.{hint}")
    path = Path(named)
    if not path.is_file():
        fail(f"there is no file {named}.")
    return path.resolve()


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


@contextlib.contextmanager
def _compose_stopped() -> Iterator[None]:
    """The services that use the database are down in the block, and up again afterwards."""
    _must(compose.run("stop", *compose.USERS))
    try:
        yield
    finally:
        _must(compose.run("start", *compose.USERS))


def _must(code: int) -> None:
    if code:
        sys.exit(code)


if __name__ == "__main__":
    commands: dict[str, Callable[[], int]] = {
        "shell": shell, "reset": reset, "wait": wait, "backup": backup, "restore": restore, "fill": fill,
    }  # fmt: skip
    try:
        sys.exit(commands[sys.argv[1]]())
    except KeyboardInterrupt:
        sys.exit(130)
