"""Keeps the parts of the running system alive, shows what they say, and ends them all when it is told to."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.logs import LogFiles
from tools.processes import ProcessGroup, UnableToStart
from tools.running import write_parts

# Waits before the first, second … restart of a part that keeps dying; the last one repeats.
BACKOFF_S: Final = (1, 2, 5, 10, 30)
STEADY_S: Final = 60  # after so long alive the count begins anew
KEPT_LINES: Final = 40


@dataclass(frozen=True)
class Part:
    """A program of the system. It is up when `is_up` says so or, without one, when it has said `ready_line`."""

    name: str
    command: Sequence[str]
    colour: int
    ready_line: str = ""
    is_up: Callable[[], bool] | None = None
    stop_limit_s: float = 12


class Console:
    """Writes whole lines, each with the name of the part that said it; in colour on a terminal.

    What parts say also goes into a file for each, and only there if the console is quiet.
    """

    def __init__(self, files: LogFiles, *, quiet: bool = False) -> None:
        self._files = files
        self._quiet = quiet
        self._lock = threading.Lock()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a part may say what the terminal has no characters for
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._held: list[str] | None = []
        self.closed = False

    def say(self, line: str) -> None:
        try:
            with self._lock:
                print(line, flush=True)
        except (BrokenPipeError, ValueError):
            self.closed = True  # nobody reads on: the supervisor takes it for a request to stop

    def keep(self, part: Part, line: str) -> None:
        """Write what a part says into its file."""
        self._files.write(part.name, line)

    def log(self, part: Part, line: str) -> None:
        """Show what a part says."""
        if self._quiet:
            return
        name = f"{part.name:<6} |"
        written = f"\033[{part.colour}m{name}\033[0m {line}" if self._coloured else f"{name} {line}"
        if self._held is None:
            self.say(written)
        else:
            self._held.append(written)

    def release(self) -> None:
        """Show what parts have said so far; until now it would have got between the lines that tell the progress."""
        held, self._held = self._held or [], None
        for line in held:
            self.say(line)


@dataclass
class Running:
    """A part's process at the moment."""

    part: Part
    process: subprocess.Popen[bytes]
    started_at: float
    restarts: int = 0
    restart_at: float | None = None
    is_up: bool = False
    said_up: bool = False
    said: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))


class Supervisor:
    """Starts parts, restarts those that die, stops all."""

    def __init__(self, group: ProcessGroup, console: Console, environment: Mapping[str, str]) -> None:
        self._group = group
        self._console = console
        self._environment = environment
        self._running: dict[str, Running] = {}
        self._stops_asked = 0

    @property
    def is_stopping(self) -> bool:
        return self._stops_asked > 0 or self._console.closed

    def stop_on_signals(self) -> None:
        """Ctrl-C, SIGTERM and a closed terminal ask for a stop; a second one for an immediate one."""

        def ask(*_: object) -> None:
            self._stops_asked += 1

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask)

    def start(self, part: Part, restarts: int = 0) -> None:
        """Start a part and return at once."""
        process = self._group.start(part.command, environment=self._environment, output=subprocess.PIPE)
        running = Running(part, process, time.monotonic(), restarts)
        self._running[part.name] = running
        write_parts({name: one.process.pid for name, one in self._running.items()})
        threading.Thread(target=self._read, args=(running,), daemon=True).start()

    def wait_until_up(self, part: Part, limit_s: float = 120) -> None:
        """Return when the part is up or a stop was asked for; raise UnableToStart when it died or took too long."""
        running = self._running[part.name]
        deadline = time.monotonic() + limit_s
        while not (self._is_up(running) or self.is_stopping):
            if (code := running.process.poll()) is not None:
                raise self._failure(running, f"{part.name} ended {_ending(code)} while starting")
            if time.monotonic() > deadline:
                raise self._failure(running, f"{part.name} was not up after {limit_s:.0f} s")
            time.sleep(0.05)

    def watch(self) -> None:
        """Show what the parts say and restart those that die, until a stop is asked for."""
        self._console.release()
        while not self.is_stopping:
            for running in list(self._running.values()):
                self._look_after(running)
            time.sleep(0.1)

    def stop(self, names: Sequence[str]) -> None:
        """Ask these parts to end, all at once; kill those that do not within their limits."""
        parts = [self._running[name] for name in names if name in self._running]
        asked_at = time.monotonic()
        for running in parts:
            if running.process.poll() is None:
                running.process.terminate()
        for running in parts:
            while running.process.poll() is None:
                waited_s = time.monotonic() - asked_at
                if self._stops_asked > 1 or waited_s > running.part.stop_limit_s:
                    self._console.say(f"{running.part.name} did not end within {waited_s:.0f} s and is killed.")
                    running.process.kill()
                    running.process.wait()
                time.sleep(0.02)

    def _look_after(self, running: Running) -> None:
        now, part = time.monotonic(), running.part
        if running.restart_at is not None:
            if now >= running.restart_at:
                self.start(part, running.restarts)
        elif (code := running.process.poll()) is not None:
            self._plan_restart(running, code, now)
        elif not running.said_up and self._is_up(running):
            running.said_up = True
            if running.restarts:
                self._console.say(f"{part.name} is up again.")

    def _plan_restart(self, running: Running, code: int, now: float) -> None:
        if not running.is_up:
            for line in running.said:
                self._console.log(running.part, line)
        if now - running.started_at > STEADY_S:
            running.restarts = 0
        wait_s = BACKOFF_S[min(running.restarts, len(BACKOFF_S) - 1)]
        running.restarts += 1
        running.restart_at = now + wait_s
        self._console.say(f"{running.part.name} ended {_ending(code)}; it is started again in {wait_s} s.")

    def _is_up(self, running: Running) -> bool:
        part = running.part
        if not running.is_up and part.is_up is not None:
            running.is_up = part.is_up()
        return running.is_up

    def _read(self, running: Running) -> None:
        """Pass on what the process says; what it says while it comes up is shown only if it fails to."""
        if (stream := running.process.stdout) is None:
            return
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                running.said.append(line)
                self._console.keep(running.part, line)
                if running.part.ready_line and running.part.ready_line in line:
                    running.is_up = True
                elif running.is_up:
                    self._console.log(running.part, line)

    def _failure(self, running: Running, what: str) -> UnableToStart:
        time.sleep(0.2)  # its last words may be on their way
        last = "\n".join(f"    {line}" for line in running.said if line) or "    (nothing)"
        return UnableToStart(f"{what}. It said:\n{last}")


def _ending(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
