"""Run a command where the system runs: on the local stack's database, or in a container of the compose stack.

    python -m tools.here [--local] -- python -m tools.inside.tasks run dayparting

`--local` refuses DOCKER=1. Without a command only the local stack's database is made.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tools import compose, running
from tools.bootstrap import LOCAL, ROOT, VENV, fail
from tools.environment import for_demo
from tools.processes import UnableToStart
from tools.run import prepare

NEEDS_RUN = "this asks the worker, and nothing runs here. Start it: make up"


def environment() -> dict[str, str]:
    """The demo's, with .venv's programs first on the PATH."""
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, **for_demo("127.0.0.1"), "PATH": path}


def ensure_database(variables: Mapping[str, str]) -> None:
    """Make the local stack's database and login if nobody has done so yet."""
    LOCAL.mkdir(mode=0o700, exist_ok=True)
    if not (LOCAL / "budget.sqlite3").exists():
        try:
            prepare(variables)
        except UnableToStart as error:
            fail(str(error))


def run(command: Sequence[str], *, service: str = "web", needs_run: bool = False) -> int:
    """Run it in the foreground, with the terminal; its exit code."""
    if compose.is_chosen():
        return compose.run(*compose.command_in(service, command))
    if needs_run and running.current() is None:
        fail(NEEDS_RUN)
    variables = environment()
    ensure_database(variables)
    return _run(command, variables)


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    program, *arguments = command
    try:
        return subprocess.run(
            [sys.executable if program == "python" else program, *arguments], check=False, cwd=ROOT, env=variables
        ).returncode
    except KeyboardInterrupt:
        return 130


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.here")
    parser.add_argument("--local", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if options.local and compose.is_named():
        fail("this writes into the checkout, which no container has. Leave DOCKER=1 out.")
    if command and not options.local:
        return run(command)
    variables = environment()
    ensure_database(variables)
    if command:
        return _run(command, variables)
    print("All is installed. Start it: make run, or in the background: make up")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
