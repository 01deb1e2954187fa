"""The whole system on this machine, in demo mode: python -m tools.run [--port 8000] [--host 127.0.0.1] [--detached]

Database, login, Valkey, worker, beat and web, under one supervisor. What is stored lies in .local and is kept.
`--detached` is `make up`'s: what parts say goes into their files only.
"""

import argparse
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tools import compose, valkey
from tools.bootstrap import LOCAL, ROOT, check_port, fail, step, take_run_lock
from tools.environment import for_demo
from tools.logs import LogFiles
from tools.processes import ProcessGroup, UnableToStart
from tools.running import Run
from tools.supervisor import Console, Part, Supervisor

ENDING_FIRST = ("web", "beat", "worker")


def parts(host: str, port: int) -> list[Part]:
    """What runs, in the order of starting."""
    socket_path = valkey.demo_socket()
    celery = [sys.executable, "-m", "celery", "-A", "budget_system"]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return [
        Part("valkey", valkey.command(socket_path, LOCAL / "valkey"), 90, is_up=lambda: valkey.answers(socket_path)),
        Part(
            "worker",
            [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO", "--without-gossip", "--without-mingle"],
            36,
            ready_line=" ready.",
            stop_limit_s=30,  # above CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT: a running task may end or go back
        ),
        Part(
            "beat",
            [*celery, "beat", "--loglevel", "INFO", "--pidfile", "", "--schedule", str(LOCAL / "beat-schedule")],
            35,
            ready_line="beat: Starting",
        ),
        Part(
            "web",
            [
                *(sys.executable, "-m", "gunicorn", "budget_system.wsgi:application", "--bind", address),
                *("--workers", "2", "--graceful-timeout", "8", "--no-control-socket"),
            ],
            32,
            is_up=lambda: _web_answers(host, port),
        ),
    ]


def _web_answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/admin/login/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def manage(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run manage.py quietly; end with what it said if it fails, a refusal of settings.py being one line."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        check=False,
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        last = done.stdout.rstrip().rsplit("\n", 1)[-1]
        refusal = "django.core.exceptions.ImproperlyConfigured: "
        raise UnableToStart(
            last.removeprefix(refusal) if last.startswith(refusal) else f"manage.py {arguments[0]}:\n{done.stdout}"
        )
    return done


def prepare(environment: Mapping[str, str]) -> None:
    """The database up to date, and somebody who may log in."""
    with step("Preparing the database"):
        manage(["migrate", "--no-input"], environment)
    with step("Preparing the login"):
        manage(["setup_demo", "--login-only"], environment)


def write_environment(variables: Mapping[str, str]) -> None:
    """Leave the settings where settings.py finds them, so that manage.py commands meet the demo that runs here."""
    lines = [f"{name}={value}" for name, value in variables.items()]
    (LOCAL / "demo.env").write_text("\n".join(lines) + "\n", encoding="utf-8")


def serve(supervisor: Supervisor, console: Console, all_parts: Sequence[Part], greeting: Callable[[], str]) -> None:
    """Start the parts, say where they are, and look after them until told to stop."""
    first, *others = all_parts
    try:
        with step("Starting valkey"):
            supervisor.start(first)
            supervisor.wait_until_up(first)
        with step("Starting worker, beat and web"):
            for part in others:
                supervisor.start(part)
            for part in others:
                supervisor.wait_until_up(part)
        if not supervisor.is_stopping:
            console.say(greeting())
        supervisor.watch()
    finally:
        stopping = time.monotonic()
        console.say("\nStopping ...")
        supervisor.stop(ENDING_FIRST)
        supervisor.stop([first.name])
        console.say(f"Stopped ({time.monotonic() - stopping:.1f} s).")


def greeting(run: Run, seconds: float) -> str:
    how_on = (
        "It runs in the background: make status, make logs; make down stops it."
        if run.detached
        else "Ctrl-C stops it; its data stays in .local. What its parts say follows.\n"
    )
    return (
        f"\nThe budget system runs, {seconds:.1f} s after its start.\n\n"
        f"    {run.url}/admin/       user: admin    password: admin123\n"
        f"    {run.url}/api/docs/    the API, to try\n\n{how_on}"
    )


def die_with_make() -> None:
    """Under make on Linux: stop when make is killed, for nobody could reach this process with Ctrl-C any more."""
    if sys.platform == "linux" and "MAKELEVEL" in os.environ:
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.run", description="Run everything in demo mode.")
    parser.add_argument("--port", default="8000")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--detached", action="store_true")
    options = parser.parse_args(argv)
    if compose.is_asked_for():
        return compose.run("up")
    started = time.monotonic()
    if not options.detached:
        die_with_make()
    LOCAL.mkdir(mode=0o700, exist_ok=True)
    lock = take_run_lock()
    port = check_port(options.host, options.port)
    url = f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{port}"
    run = Run(os.getpid(), url, detached=options.detached)
    run.write(lock)
    environment = {
        **os.environ,
        **for_demo(options.host),
        "PYTHONUNBUFFERED": "1",
        # A worker that is told to end gives back what it cannot finish, rather than waiting for it.
        "REMAP_SIGTERM": "SIGQUIT",
    }
    console = Console(LogFiles(), quiet=options.detached)
    write_environment(for_demo(options.host))
    try:
        prepare(environment)
        (LOCAL / "valkey").mkdir(exist_ok=True)
        valkey.make_socket_directory(valkey.demo_socket())
        with ProcessGroup(hold=[lock.fileno()]) as group:
            supervisor = Supervisor(group, console, environment)
            supervisor.stop_on_signals()

            def greet() -> str:
                replace(run, is_up=True).write(lock)
                return greeting(run, time.monotonic() - started)

            serve(supervisor, console, parts(options.host, port), greet)
    except UnableToStart as error:
        fail(str(error))
    except KeyboardInterrupt:
        return 130
    finally:
        valkey.remove_socket_directory(valkey.demo_socket())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
