"""The whole system in a directory of its own, to be broken: each part can be killed, stopped and started again.

Web, workers and beats run as in production, on a PostgreSQL and a Valkey that nobody else uses, on unix sockets only.
"""

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2

from tools import postgres, valkey
from tools.bootstrap import ROOT
from tools.environment import for_tests
from tools.processes import Account, ProcessGroup, UnableToStart, short_temporary_directory, stop

UNANSWERED = (OSError, http.client.HTTPException)
"""What a call raises when nobody answers: whether it was carried out is not known then."""
PATIENCE_S = 120


@dataclass
class Program:
    """A part of the system and its process at the moment; `up` says whether it is at work."""

    name: str
    command: Sequence[str]
    group: ProcessGroup
    environment: Mapping[str, str]
    log: Path
    up: Callable[["Program"], bool] = lambda program: program.runs
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _seen: int = field(default=0, init=False)

    def start(self, skew_s: float = 0) -> None:
        """Start it and wait until it is up. `skew_s`: by how much its clock is wrong."""
        wrong = [sys.executable, "-m", "tools.skewed", str(skew_s), *self.command[2:]] if skew_s else self.command
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = self.group.start(wrong, environment=self.environment, output=output)
        deadline = time.monotonic() + PATIENCE_S
        while self.runs and not self.up(self) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not self.runs or time.monotonic() > deadline:
            raise UnableToStart(f"{self.name} did not start:\n{self.said()[-4000:]}")

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        """What its present process has said."""
        return self.log.read_bytes()[self._seen :].decode(errors="replace") if self.log.exists() else ""

    def pids(self) -> list[int]:
        """Its process and all that this has started."""
        if self.process is None or not self.runs:
            return []
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        family = [self.process.pid]
        for line in sorted(listed.splitlines(), key=lambda line: int(line.split()[0])):
            pid, parent = map(int, line.split())
            if parent in family:
                family.append(pid)
        return family

    def kill(self) -> None:
        """kill -9 of its process and all that this has started, as when a machine goes."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self, limit_s: float = 15) -> None:
        """Ask it to end; kill all of it when that takes too long."""
        if self.process is not None and self.runs:
            family = self.pids()
            if not stop(self.process, signal.SIGTERM, limit_s):
                for pid in family[1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


class Database:
    """A PostgreSQL of its own, which can be stopped in any way and started again."""

    def __init__(self, group: ProcessGroup, directory: Path, servers: contextlib.ExitStack) -> None:
        self._group = group
        self._directory = directory
        self._data = directory / "data"
        self._again: subprocess.Popen[bytes] | None = None
        self.url = servers.enter_context(postgres.temporary(group, directory))
        servers.callback(self.stop)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """SIGINT, “fast”, does not wait for its clients to leave; SIGQUIT, “immediate”, is a crash."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ChildProcessError):
            process = int((self._data / "postmaster.pid").read_text().split()[0])
            os.kill(process, number)
            if self._again is not None:
                self._again.wait()
            else:
                os.waitpid(process, 0)

    def start(self) -> None:
        """Start it as it was started before, and wait until it takes connections."""
        command = shlex.split((self._data / "postmaster.opts").read_text())
        owner = self._data.stat()
        account = Account(owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None
        with (self._directory / "postgres.log").open("ab") as log:
            environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
            self._again = self._group.start(
                command, environment=environment, output=log, directory=self._directory, account=account
            )
        wait_until(self.answers, "PostgreSQL is up")

    def answers(self) -> bool:
        try:
            psycopg2.connect(self.url).close()
        except psycopg2.OperationalError:
            return False
        return True


class Broker(Program):
    """The Valkey."""

    def flush(self) -> None:
        """Forget everything: queued messages, bindings, counts."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.log.parent / "valkey.sock"))
            client.sendall(b"FLUSHALL\r\n")
            if not client.recv(16).startswith(b"+OK"):
                raise UnableToStart("the broker did not take FLUSHALL")


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    replayed: bool = False


class System:
    """All parts, none of them started but the database (migrated) and the broker."""

    def __init__(
        self, group: ProcessGroup, directory: Path, servers: contextlib.ExitStack, more: Mapping[str, str]
    ) -> None:
        self.directory = directory
        self._group = group
        (directory / "pg").mkdir()
        self.database = Database(group, directory / "pg", servers)
        self.environment = {
            **os.environ,
            **for_tests(),
            "DATABASE_URL": self.database.url,
            "REDIS_URL": valkey.url(directory / "valkey.sock"),
            "REQUESTS_PER_MINUTE": "1000000",
            "REMAP_SIGTERM": "SIGQUIT",
            "PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics"),
            "PYTHONUNBUFFERED": "1",
            "LOG_LEVEL": "INFO",
            **more,
        }
        broker = directory / "valkey.sock"
        self._programs: list[Program] = []
        self.broker = Broker(
            "broker", valkey.command(broker, directory), group, self.environment, directory / "valkey.log",
            lambda _: valkey.answers(broker),
        )  # fmt: skip
        self.socket = directory / "web.sock"
        self.web = self.program(
            "web", "gunicorn", "budget_system.wsgi:application", "--bind", f"unix:{self.socket}", "--workers", "2",
            "--graceful-timeout", "8", "--no-control-socket", up=lambda _: self.answers(),
        )  # fmt: skip
        self.token = ""
        self.broker.start()
        self.manage("migrate", "--no-input")

    def program(self, name: str, *command: str, up: Callable[[Program], bool], **more: str) -> Program:
        """A Python program of the system; started with a wrong clock if asked for."""
        python = [sys.executable, "-m", *command]
        made = Program(name, python, self._group, {**self.environment, **more}, self.directory / f"{name}.log", up)
        self._programs.append(made)
        return made

    def worker(self, name: str = "worker", concurrency: int = 2, **more: str) -> Program:
        return self.celery(name, " ready.", "worker", "--concurrency", str(concurrency), "--without-gossip",
                           "--without-mingle", **more)  # fmt: skip

    def beat(self, name: str = "beat", **more: str) -> Program:
        schedule = self.directory / f"{name}-schedule"
        return self.celery(name, "beat: Starting", "beat", "--pidfile", "", "--schedule", str(schedule), **more)

    def celery(self, name: str, ready: str, kind: str, *arguments: str, **more: str) -> Program:
        return self.program(
            name, "celery", "-A", "budget_system", kind, "--loglevel", "INFO", *arguments,
            up=lambda program: ready in program.said(), **{"LOG_LEVEL": "INFO", **more},
        )  # fmt: skip

    def manage(self, *arguments: str, fail: bool = True) -> subprocess.CompletedProcess[str]:
        return self.python("manage.py", *arguments, fail=fail)

    def python(self, *arguments: str, fail: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, text=True, capture_output=True, check=False
        )
        if fail and done.returncode:
            raise UnableToStart(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def proof(self) -> dict[str, Any]:
        """What tools.proof says of the books and the states."""
        said: dict[str, Any] = json.loads(self.python("-m", "tools.proof").stdout)
        return said

    def sql(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        """Ask the database directly, beside the system."""
        with (
            contextlib.closing(psycopg2.connect(self.database.url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, params)
            return list(cursor.fetchall()) if cursor.description else []

    def sql_alone(self, statement: str) -> None:
        """A statement that must not be part of a transaction; also while the database takes no writes of others."""
        options = "-c default_transaction_read_only=off"
        with contextlib.closing(psycopg2.connect(self.database.url, options=options)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def end_sessions(self) -> int:
        """End all sessions of the database but our own; how many there were."""
        return len(
            self.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    def end(self) -> None:
        """Kill all of its programs."""
        for program in (*self._programs, self.broker):
            program.kill()

    # --- As a client

    def let_in(self) -> None:
        """Make a person who may do everything, and a token of theirs."""
        self.environment["DJANGO_SUPERUSER_PASSWORD"] = uuid4().hex
        self.manage("createsuperuser", "--no-input", "--username", "tester", "--email", "tester@example.com")
        self.token = self.manage("create_token", "faults", "--user", "tester", "--scope", "manage").stdout.strip()

    def call(
        self, method: str, path: str, body: object = None, *, key: str = "", timeout: float = 15, raw: bytes = b"",
        content_type: str = "application/json",
    ) -> Answer:  # fmt: skip
        """Ask the web part. Raises one of UNANSWERED when no whole answer comes."""
        connection = _Connection(self.socket, timeout)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        if key:
            headers["Idempotency-Key"] = key
        try:
            connection.request(method, f"/api/{path}", raw or (json.dumps(body) if body is not None else None), headers)
            response = connection.getresponse()
            text = response.read()
            replayed = response.headers.get("Idempotent-Replayed") == "true"
            return Answer(response.status, json.loads(text) if text else None, replayed)
        except ValueError as error:
            raise http.client.HTTPException(f"no JSON: {error}") from error
        finally:
            connection.close()

    def make(self, path: str, **body: object) -> Any:
        """Create something that must be created; its body."""
        answer = self.call("POST", path, body)
        if answer.status != 201:
            raise AssertionError(f"{path} {body}: {answer}")
        return answer.body

    def insist(self, method: str, path: str, body: object = None, *, key: str, until: float, **more: Any) -> Answer:
        """Ask again with the same key until there is a definite answer or `until` (time.monotonic()) has passed."""
        while True:
            with contextlib.suppress(*UNANSWERED):
                answer = self.call(method, path, body, key=key, **more)
                in_flight = answer.status == 409 and answer.body.get("code") == "request_in_flight"
                if answer.status < 500 and not in_flight:
                    return answer
            if time.monotonic() > until:
                raise TimeoutError(f"{method} {path} with the key {key} was not answered in time")
            time.sleep(0.2)

    def answers(self) -> bool:
        """Whether the web part answers at all."""
        with contextlib.suppress(*UNANSWERED):
            return self.call("GET", "me", timeout=20).status < 500
        return False


@contextlib.contextmanager
def temporary(**more: str) -> Iterator[System]:
    """A system in a new directory, which is gone afterwards with all of its processes."""
    directory = short_temporary_directory("budget-faults-")
    directory.chmod(0o711)  # PostgreSQL may run as somebody else, and has a directory below
    try:
        with ProcessGroup(remove=[directory]) as group, contextlib.ExitStack() as servers:
            whole = System(group, directory, servers, more)
            servers.callback(whole.end)
            yield whole
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def wait_until(condition: Callable[[], object], what: str, limit_s: float = PATIENCE_S) -> float:
    """Look again and again; how many seconds it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > limit_s:
            raise AssertionError(f"Not within {limit_s:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - started
