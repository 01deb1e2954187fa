"""The stack of docker-compose.yml, when it is the one meant: DOCKER=1, or it runs and the local one does not.

COMPOSE_FILE chooses the files, as Docker has it; DOCKER=0 leaves the stack alone.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tools import running
from tools.bootstrap import ROOT, fail

COMPOSE = ("docker", "compose")
YES = ("1", "on", "yes", "true")
USERS = ("web", "celery_worker", "celery_beat")
"""The services that use the database."""


def is_asked_for() -> bool:
    """Whether DOCKER=1 says so; ends with what is missing if it says so and cannot be."""
    if is_named():
        _check()
    return is_named()


def is_named() -> bool:
    """Whether DOCKER=1 is there, and nothing else."""
    return os.environ.get("DOCKER", "").lower() in YES


@functools.cache
def is_chosen() -> bool:
    """Whether a command is meant for the compose stack."""
    if os.environ.get("DOCKER"):
        return is_asked_for()
    if running.current() is not None or shutil.which("docker") is None:
        return False
    try:
        found = subprocess.run(
            [*COMPOSE, "ps", "--services", "--status", "running"],
            check=False, cwd=ROOT, capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    if found.returncode != 0 or not found.stdout.strip():
        return False
    sys.stderr.write("(The compose stack runs, so this is for it; DOCKER=0 for the local one.)\n")
    return True


def run(*arguments: str) -> int:
    """Run docker compose in the foreground; its exit code."""
    try:
        return subprocess.run([*COMPOSE, *arguments], check=False, cwd=ROOT).returncode
    except KeyboardInterrupt:
        return 130


def command_in(service: str, command: Sequence[str], variables: Mapping[str, str] | None = None) -> list[str]:
    """The arguments that run a command in a service's container, with its secrets and, if there is one, a terminal."""
    terminal = [] if sys.stdin.isatty() and sys.stdout.isatty() else ["-T"]
    names = [part for name, value in (variables or {}).items() for part in ("-e", f"{name}={value}")]
    return ["exec", *terminal, *names, service, "./entrypoint.sh", *command]


def manage(arguments: Sequence[str]) -> int:
    return run(*command_in("web", ["python", "manage.py", *arguments]))


def _check() -> None:
    if shutil.which("docker") is None:
        fail("DOCKER=1 needs Docker, and there is no `docker` here. Install it, or leave DOCKER=1 out.")
    for arguments, lacks in (
        (["docker", "compose", "version"], "Docker's compose plugin is missing: docs.docker.com/compose/install"),
        (["docker", "info"], "Docker does not answer: is it started, and may you use it?"),
    ):
        try:
            done = subprocess.run(arguments, check=False, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            fail(lacks)
        if done.returncode != 0:
            fail(lacks)
