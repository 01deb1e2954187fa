"""What runs in this checkout: `make run` or `make up`, and the processes of its parts."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO

from tools.bootstrap import LOCAL, RUN_LOCK

PARTS = LOCAL / "parts.json"


@dataclass(frozen=True)
class Run:
    """A run: its supervisor, the address, whether all parts are up, and whether it has no terminal."""

    pid: int
    url: str
    is_up: bool = False
    detached: bool = False

    def write(self, lock: IO[str]) -> None:
        """Leave it in the lock that the run holds, for those who ask."""
        lock.seek(0)
        lock.truncate()
        json.dump(asdict(self), lock)
        lock.flush()


def is_locked() -> bool:
    """Whether a run, or what is left of a killed one, holds the lock."""
    try:
        with RUN_LOCK.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def current() -> Run | None:
    """The run that is alive. What a file says of a run that is over does not count."""
    if not is_locked():
        return None
    try:
        run = Run(**json.loads(RUN_LOCK.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return None
    return run if is_alive(run.pid) else None


def up_for_s() -> float:
    """For how long the present run is as it is: since its parts are up, once they are."""
    return time.time() - RUN_LOCK.stat().st_mtime


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def end(run: Run, limit_s: float = 60) -> bool:
    """Ask a run to end and wait until all its processes are gone; whether they are."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(run.pid, signal.SIGTERM)
    return wait_until_over(limit_s)


def wait_until_over(limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while is_locked():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def write_parts(pids: Mapping[str, int]) -> None:
    """Leave the parts' processes where other commands find them."""
    new = PARTS.with_suffix(".new")
    new.write_text(json.dumps(pids), encoding="utf-8")
    new.replace(PARTS)


def parts() -> dict[str, int]:
    """The process of each part of the current run, by its name; empty if nothing runs."""
    if current() is None:
        return {}
    try:
        return dict(json.loads(PARTS.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
