"""Starting processes that never outlive the program which started them."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tools.bootstrap import ROOT

GRACE_S = 3.0


@dataclass(frozen=True)
class Account:
    """Another user to run as, with that user's group and no other."""

    user: int
    group: int


class UnableToStart(Exception):
    """A server did not come up; the message says which one and what it said last."""


class ProcessGroup:
    """Processes that end with this one. On leaving the context whatever is left of them is killed."""

    def __init__(self, *, remove: Sequence[Path] = (), hold: Sequence[int] = ()) -> None:
        """`remove`: directories that go if this program is killed. `hold`: descriptors kept open until all are gone."""
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ROOT / "tools" / "guard.py"), str(GRACE_S), *map(str, remove)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            pass_fds=hold,
        )

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        output: int | IO[bytes] | None = None,
        directory: Path = ROOT,
        account: Account | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process in the group, its output and errors going to one place."""
        return subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=self._guard.pid,
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Kill what is left: the guard, and workers whose master did not wait for them."""
        os.killpg(self._guard.pid, signal.SIGKILL)
        self._guard.communicate()


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM, limit_s: float = 10) -> bool:
    """Ask a process to end and wait for it; kill it when it takes too long. Whether it ended by itself."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def short_temporary_directory(prefix: str) -> Path:
    """A new private directory with a short path: that of a unix socket in it must stay below 104 characters."""
    base = Path("/tmp")  # noqa: S108  mkdtemp makes a name of its own there, readable by its owner only
    return Path(tempfile.mkdtemp(prefix=prefix, dir=base if os.access(base, os.W_OK) else None))
