"""What the parts of the local stack have said, in .local/logs: python -m tools.logs [web worker beat valkey]

On a terminal new lines follow until Ctrl-C; in a pipe only if FOLLOW=1. TAIL says how many old ones come first (50).
"""

import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tools import compose, running
from tools.bootstrap import LOCAL, fail

FOLDER = LOCAL / "logs"
NAMES = ("web", "worker", "beat", "valkey")
SUPERVISOR = FOLDER / "run.log"
LARGEST = 5_000_000
KEPT = 2
SERVICES = {"web": "web", "worker": "celery_worker", "beat": "celery_beat", "valkey": "redis", "db": "db"}
"""The compose service behind each name."""


class LogFiles:
    """A file a part, each line with its moment in UTC; the file starts anew at 5 MB, and the last two are kept."""

    def __init__(self, folder: Path = FOLDER) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        formatter = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        self._handlers: dict[str, logging.Handler] = {}
        for name in NAMES:
            handler = logging.handlers.RotatingFileHandler(
                folder / f"{name}.log", maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8", errors="replace"
            )
            handler.setFormatter(formatter)
            self._handlers[name] = handler

    def write(self, name: str, line: str) -> None:
        self._handlers[name].handle(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        for handler in self._handlers.values():
            handler.close()


class Tail:
    """The end of a file that grows, and may be moved away and begun anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._rest = ""

    def last(self, count: int) -> list[str]:
        """The last lines so far; `new` goes on from there."""
        if not self._open() or self._file is None:
            return []
        *lines, self._rest = self._file.read().split("\n")
        return lines[-count:] if count else []

    def new(self) -> Iterator[str]:
        """The whole lines that came since."""
        if self._file is None:
            self._open()
        if self._file is None:
            return
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        yield from lines
        if self._was_moved():
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = self.path.open(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return False
        return True

    def _was_moved(self) -> bool:
        try:
            return self._file is not None and not os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return True


def show(names: Sequence[str], *, lines: int, follow: bool) -> None:
    """Print the files' last lines in the order of their moments, then what comes."""
    tails = {name: Tail(FOLDER / f"{name}.log") for name in names}
    old = [(line, name) for name, tail in tails.items() for line in tail.last(lines)]
    for line, name in sorted(old, key=lambda one: one[0][:20])[-lines:] if lines else []:
        print(written(name, line, several=len(names) > 1))
    sys.stdout.flush()
    while follow:
        for name, tail in tails.items():
            for line in tail.new():
                print(written(name, line, several=len(names) > 1), flush=True)
        if running.current() is None:
            sys.stderr.write("(Nothing runs any more.)\n")
            return
        time.sleep(0.3)


def written(name: str, line: str, *, several: bool) -> str:
    return f"{name:<6} | {line}" if several else line


def main(arguments: list[str]) -> int:
    names = arguments or [*NAMES]
    text = os.environ.get("TAIL") or "50"
    if not text.isdigit():
        fail(f"TAIL must be a number of lines, not '{text}'.")
    lines = int(text)
    follow = os.environ.get("FOLLOW", "1" if sys.stdout.isatty() else "0") == "1"
    if compose.is_chosen():
        services = [SERVICES[name] for name in arguments]
        return compose.run("logs", "--tail", str(lines), *(["--follow"] if follow else []), *services)
    if "db" in names:
        fail(
            "the local stack's database is SQLite, which has no server and so no log. "
            "Its errors stand in the log of what met them: make logs-web, make logs-worker"
        )
    if not any((FOLDER / f"{name}.log").exists() for name in names):
        fail("there are no logs yet: nothing has run here. Start it: make up")
    show(names, lines=lines, follow=follow and running.current() is not None)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # nothing else ends it
        sys.exit(0)
    except BrokenPipeError:  # what reads it, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
