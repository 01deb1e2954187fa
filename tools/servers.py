"""Run a command with a fresh PostgreSQL and a fresh Valkey, which are gone afterwards.

    python -m tools.servers -- pytest tests/flows --pdb

DATABASE_URL and REDIS_URL point at the two; the rest of the environment is that of the tests.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import NoReturn

from tools import postgres, valkey
from tools.bootstrap import ROOT
from tools.environment import for_tests
from tools.processes import ProcessGroup, UnableToStart, short_temporary_directory


@contextlib.contextmanager
def temporary_servers() -> Iterator[dict[str, str]]:
    """Both servers; yields the two URLs as environment variables."""
    directories = [short_temporary_directory("budget-pg-"), short_temporary_directory("budget-valkey-")]
    try:
        with (
            ProcessGroup(remove=directories) as group,
            postgres.temporary(group, directories[0]) as database_url,
            valkey.temporary(group, directories[1]) as redis_url,
        ):
            yield {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    finally:
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run in the foreground, with the terminal; Ctrl-C reaches the command itself, which is given time to end."""
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PATH": path, **environment})
    try:
        return process.wait()
    except BaseException:
        if not isinstance(sys.exception(), KeyboardInterrupt):
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        raise


def end_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, so that servers stop and directories go."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def main(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        sys.stderr.write("usage: python -m tools.servers -- COMMAND [ARGUMENT ...]\n")
        return 2
    end_on_sigterm()
    try:
        with temporary_servers() as urls:
            return run(command, {**for_tests(), **urls})
    except UnableToStart as error:
        sys.stderr.write(f"error: {error}\n")
    except FileNotFoundError as error:
        sys.stderr.write(f"error: there is no command “{error.filename}”.\n")
    except KeyboardInterrupt:
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
