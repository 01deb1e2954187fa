"""Start, stop and look at the system: python -m tools.stack up|down|restart|destroy|status|health|restart-part|top

The local stack is that of tools/run.py; with DOCKER=1, or when only that runs, it is the compose stack.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tools import compose, running
from tools.ask import agree
from tools.bootstrap import LOCAL, ROOT, check_port, fail, step
from tools.logs import SUPERVISOR

UP_LIMIT_S = 300
FIRST_TICK_S = 90
"""Ticks come on the minute; on a busy machine the first takes some seconds more."""
TICKED = {"services", "campaigns", "reservations"}
"""The checks of health that the first tick sets right."""
STARTING = "starting: the first tick comes within a minute of the start; ask again then"
NOTHING_RUNS = "Nothing runs here. Start it: make up"
PARTS = {"restart-web": ("web",), "restart-celery": ("worker", "beat")}
DATA = ("budget.sqlite3*", "valkey", "beat-schedule*", "logs", "demo.env")


# --- Up and down -----------------------------------------------------------------------------------------------------


def up(port: str, host: str) -> int:
    """Start the system without a terminal and wait until it is ready. One that runs already is left as it is."""
    if compose.is_asked_for():
        return compose.run("up", "--detach", "--wait")
    if (run := running.current()) is not None:
        print(f"It runs already at {run.url} (process {run.pid}). To start it anew: make restart", flush=True)
        return _wait_until_ready()
    check_port(host, port)
    SUPERVISOR.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tools.run", "--port", port, "--host", host, "--detached"]
    with SUPERVISOR.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        with SUPERVISOR.open(encoding="utf-8", errors="replace") as said:
            return _wait_until_ready(process, said)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        print("\nStopped.")
        return 130


def _wait_until_ready(process: subprocess.Popen[bytes] | None = None, said: IO[str] | None = None) -> int:
    """Wait until the parts are up and the web answers that it is ready; show what the supervisor says meanwhile."""
    deadline = time.monotonic() + UP_LIMIT_S
    while time.monotonic() < deadline:
        run = running.current()
        ended = process.poll() if process else None if run else 1
        if said:
            sys.stdout.write(said.read())
            sys.stdout.flush()
        if ended is not None:
            return ended or 1
        if run and run.is_up and ask(run.url, "/healthz/ready")[0] == 200:
            return 0
        time.sleep(0.5)
    sys.stderr.write(f"error: it was not ready after {UP_LIMIT_S} s. See what its parts say: make logs\n")
    return 1


def down() -> int:
    """Stop what runs here, in whatever terminal it was started."""
    if compose.is_chosen():
        return compose.run("down")
    run = running.current()
    if run is None and not running.is_locked():
        print("Nothing runs here.")
        return 0
    with step("Stopping" if run else "Waiting for what is left"):
        gone = running.end(run) if run else running.wait_until_over(30)
    if not gone:
        who = f"process {run.pid}" if run else "a process of a killed run"
        fail(f"{who} has not ended. What it says is in {SUPERVISOR.relative_to(ROOT)}; kill -9 ends it, and its parts.")
    return 0


def restart(port: str, host: str) -> int:
    if compose.is_chosen():
        return compose.run("restart")
    run = running.current()
    if run is None:
        return up(port, host)
    with stopped():
        pass
    return 0


@contextlib.contextmanager
def stopped() -> Iterator[None]:
    """The local stack is down in the block, and up again afterwards (in the background) if it was before."""
    run = running.current()
    if running.is_locked():
        down()
    try:
        yield
    finally:
        if run is not None:
            address = urlsplit(run.url)
            if up(str(address.port), str(address.hostname)) != 0:
                raise SystemExit(1)


def destroy() -> int:
    """Stop it and delete what it has stored. Backups stay."""
    if compose.is_chosen():
        agree("stops the compose stack and deletes its volumes", ["the database", "the queue", "the beat's schedule"])
        return compose.run("down", "--volumes", "--remove-orphans")
    found = [path for pattern in DATA for path in sorted(LOCAL.glob(pattern))]
    if not found and not running.is_locked():
        print("There is nothing to destroy.")
        return 0
    agree("stops the system and deletes", [f"{path.relative_to(ROOT)} ({size(path)})" for path in found])
    down()
    for path in found:
        remove(path)
    print("Deleted. Backups, if there are any, are still in backups/.")
    return 0


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size(*paths: Path) -> str:
    """The size of files, or of all in folders, for people."""
    files = [one for path in paths for one in (path, *path.rglob("*")) if one.is_file()]
    total = float(sum(one.stat().st_size for one in files))
    for unit in ("B", "kB", "MB"):
        if total < 1000:
            return f"{total:.0f} {unit}"
        total /= 1000
    return f"{total:.1f} GB"


# --- Looking ---------------------------------------------------------------------------------------------------------


def status() -> int:
    if compose.is_chosen():
        return compose.run("ps", "--all")
    run = running.current()
    if run is None:
        print("A killed run is ending." if running.is_locked() else NOTHING_RUNS)
        return 1
    where = "in the background" if run.detached else "in a terminal"
    print(f"{run.url}/admin/   process {run.pid}, {where}{'' if run.is_up else ', still starting'}\n")
    print(f"{'part':<8}{'process':>8}  {'state':<10}")
    parts = running.parts()
    for name, pid in parts.items():
        print(f"{name:<8}{pid:>8}  {'up' if running.is_alive(pid) else 'down: it is started again in a moment'}")
    database = LOCAL / "budget.sqlite3"
    if database.exists():
        print(f"\ndatabase {database.relative_to(ROOT)}, {size(database)}")
    return 0 if run.is_up and all(map(running.is_alive, parts.values())) else 1


def health() -> int:
    """What /healthz/deep answers, a line for each check; exit code 1 unless all is well."""
    if compose.is_chosen():
        return compose.run(*compose.command_in("web", ["python", "-m", "tools.inside.healthcheck", "deep"]))
    run = running.current()
    if run is None:
        fail(NOTHING_RUNS)
    code, body = ask(run.url, "/healthz/deep")
    if code is None:
        fail(f"{run.url} does not answer. make status shows which part is down, make logs what it says.")
    for line in described(code, body, starting=not run.is_up or running.up_for_s() < FIRST_TICK_S):
        print(line)
    return 0 if code == 200 else 1


def described(code: int, body: str, *, starting: bool = False) -> Iterator[str]:
    """An answer of /healthz in lines: the verdict, then each check with what it says.

    `starting`: what is only due to the first tick, which is still to come, is no trouble yet.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        yield f"HTTP {code}: {body[:200]}"
        return
    checks = {
        name: check if isinstance(check, dict) else {"status": check}
        for name, check in answer.get("checks", {}).items()
    }
    wrong = {name for name, facts in checks.items() if facts.get("status") != "healthy"}
    broker = checks.get("services", {}).get("broker")
    waits = starting and wrong and wrong <= TICKED and broker == "healthy"
    yield STARTING if waits else f"{answer.get('status', f'HTTP {code}')}"
    for name, facts in checks.items():
        rest = ", ".join(
            f"{key} {'none yet' if value is None else value}" for key, value in facts.items() if key != "status"
        )
        line = f"  {name:<14}{facts.get('status', '')!s:<11}{rest}".rstrip()
        yield from textwrap.wrap(line, 80, subsequent_indent=" " * 27)


def ask(url: str, path: str) -> tuple[int | None, str]:
    """GET; the status and the body, or None where nobody answers."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=15)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None, ""
    finally:
        connection.close()


def restart_part(target: str) -> int:
    """Have the supervisor start the web, or worker and beat, anew: what is under way is finished or given back."""
    names = PARTS[target]
    if compose.is_chosen():
        services = {"web": "web", "worker": "celery_worker", "beat": "celery_beat"}
        return compose.run("restart", *(services[name] for name in names))
    before = running.parts()
    if not before:
        fail(NOTHING_RUNS)
    with step(f"Restarting {' and '.join(names)}"):
        for name in names:
            with contextlib.suppress(ProcessLookupError):
                os.kill(before[name], signal.SIGTERM)
        deadline = time.monotonic() + 60
        while not all(_is_another(running.parts().get(name), before[name]) for name in names):
            if time.monotonic() > deadline:
                fail("it did not come back within 60 s. See what it says: make logs")
            time.sleep(0.2)
    return _wait_until_ready()


def _is_another(pid: int | None, before: int) -> bool:
    return pid is not None and pid != before and running.is_alive(pid)


def top() -> int:
    """Processor and memory of each process; anew every two seconds on a terminal, once in a pipe."""
    if compose.is_chosen():
        return compose.run("top")
    if not running.parts():
        fail(NOTHING_RUNS)
    if shutil.which("ps") is None:
        fail("this needs the program `ps`. On Debian or Ubuntu: apt install procps")
    live = sys.stdout.isatty()
    while (parts := running.parts()) and (text := table(parts, _processes())):
        print(f"\033[H\033[J{text}\n\nCtrl-C ends this." if live else text, flush=True)
        if not live:
            return 0
        time.sleep(2)
    return 0


def _processes() -> list[tuple[int, int, str, str, str]]:
    """All processes of this machine: id, parent, processor in per cent, kB of memory, time since its start."""
    shown = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pcpu=,rss=,etime="], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split() for line in shown.splitlines()]
    return [(int(row[0]), int(row[1]), row[2], row[3], row[4]) for row in rows if len(row) == 5]


def table(parts: dict[str, int], processes: Sequence[tuple[int, int, str, str, str]]) -> str:
    """Each part and its children, as text."""
    names = {pid: name for name, pid in parts.items()}
    for pid, parent, *_ in sorted(processes):
        if pid not in names and parent in names:
            names[pid] = f"  of {names[parent].strip().removeprefix('of ')}"
    by_id = {process[0]: process for process in processes}
    lines = [f"{'part':<12}{'process':>8}{'cpu %':>8}{'memory':>10}{'running':>14}"]
    for part in parts.values():
        family = [part, *(pid for pid, parent, *_ in sorted(processes) if parent == part)]
        for pid in family:
            if pid in by_id:
                _, _, cpu, memory, since = by_id[pid]
                lines.append(f"{names[pid]:<12}{pid:>8}{cpu:>8}{int(memory) / 1000:>7.0f} MB{since:>14}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    what, *rest = arguments
    if what in PARTS:
        return restart_part(what)
    simple: dict[str, Callable[[], int]] = {
        "down": down, "destroy": destroy, "status": status, "health": health, "top": top,
    }  # fmt: skip
    if what in simple:
        return simple[what]()
    port, host = rest
    return {"up": up, "restart": restart}[what](port, host)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0 if sys.argv[1] == "top" else 130)  # nothing else ends `top`
