"""Run every check there is, or the tests that a label names, and end with a table.

    python -m tools.test [--fast] [--only STEP[,STEP]] [LABEL ...]

A label is a path, a pytest node id (tests/unit/test_money.py::test_sum) or a word that names contain; with an option
among them all go to pytest as they are. With a label only pytest runs, on both databases. `--fast` is pytest on SQLite,
up to the first failure.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools import environment, servers
from tools.bootstrap import ROOT
from tools.processes import UnableToStart

BIN = Path(sys.executable).parent
ON_SQLITE = ("tests/unit/test_decision.py", "tests/flows", "tests/integration/test_posting.py")
"""The decision, and the ways of money; `make test-slow` runs the rest of what touches a database."""
ALL_ON_SQLITE = "all on SQLite"
"""The step for what else touches a database. It is named to be run: `make test-slow` does."""
ON_POSTGRES_ONLY = (
    "test_admin_*", "test_api_*", "test_*_page*", "test_access_*", "test_home*", "test_budget_guard*",
    "test_prospects*", "test_pacing_a*", "test_import_platforms*",
)  # fmt: skip
"""Pages and answers: they come to the databases through what the other tests run on both."""
IN_PARALLEL = ("-n", "2", "--dist", "loadgroup")
"""Two tests at a time; those that start processes of their own are one group, one after another."""
NO_TESTS = 5  # pytest's exit code


@dataclass(frozen=True)
class Step:
    """One check: a name for the table, what it runs, and whether it reads code only (and so can run beside others)."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    reads_code_only: bool = False
    may_be_empty: bool = False


@dataclass(frozen=True)
class Result:
    step: Step
    code: int
    seconds: float
    output: str = ""

    @property
    def word(self) -> str:
        if self.code == NO_TESTS and self.step.may_be_empty:
            return "none"
        return "ok" if self.code == 0 else "FAILED"


def code_steps() -> list[Step]:
    """What can be said of the code without running it."""
    commands = {
        "ruff check": [str(BIN / "ruff"), "check", "."],
        "ruff format": [str(BIN / "ruff"), "format", "--check", "."],
        "mypy": [str(BIN / "mypy"), "--strict", "."],
        "lint-imports": [str(BIN / "lint-imports"), "--no-cache"],
    }
    return [Step(name, command, reads_code_only=True) for name, command in commands.items()]


def django_steps(postgres_url: str) -> list[Step]:
    """What Django can say of itself: migrations that are missing, settings that production should not have."""
    manage = [sys.executable, "manage.py"]
    return [
        Step("migrations", [*manage, "makemigrations", "--check", "--dry-run"]),
        Step(
            "deploy check",
            [*manage, "check", "--deploy", "--fail-level", "WARNING"],
            environment.for_deploy_check(postgres_url),
        ),
    ]


def pytest_steps(sqlite_url: str, labels: Sequence[str]) -> list[Step]:
    """The suite on PostgreSQL, and its core (ON_SQLITE) once more on SQLite, which the demo runs on; without the long
    runs. With labels both run what these name."""
    chosen = selection(labels)
    on_sqlite = chosen or ON_SQLITE
    parallel = () if chosen else IN_PARALLEL
    pytest = [sys.executable, "-m", "pytest"]
    return [
        Step(
            "pytest on PostgreSQL",
            [*pytest, *parallel, "-m", "not faults and not slow and not browser", *chosen],
            may_be_empty=bool(labels),
        ),
        Step(
            "pytest on SQLite",
            [*pytest, *parallel, "-m", "not postgres and not faults and not slow and not browser", *on_sqlite],
            {"DATABASE_URL": sqlite_url},
            may_be_empty=True,
        ),
    ]


def _all_on_sqlite(usual: Step) -> Step:
    pages = [f"--ignore-glob=*/{name}" for name in ON_POSTGRES_ONLY]
    quick = [argument for argument in usual.command if argument not in ON_SQLITE]
    return Step(ALL_ON_SQLITE, [*quick, "tests/flows", "tests/integration", *pages], usual.environment)


def selection(labels: Sequence[str]) -> list[str]:
    """pytest's arguments: paths as they are, words as one -k expression; with an option among them all as they are."""
    if any(label.startswith("-") for label in labels):
        return list(labels)
    paths = [label for label in labels if "/" in label or (ROOT / label).exists()]
    words = [label for label in labels if label not in paths]
    return [*paths, *(["-k", " or ".join(words)] if words else [])]


def run_all(steps: Sequence[Step], urls: Mapping[str, str]) -> list[Result]:
    """Run what reads code in the background, and the rest in turn before the reader's eyes."""
    common = {**os.environ, **environment.for_tests(), **urls}
    with _in_background([step for step in steps if step.reads_code_only], common) as in_background:
        shown = [_run_shown(step, common) for step in steps if not step.reads_code_only]
    results = {result.step.name: result for result in [*in_background, *shown]}
    return [results[step.name] for step in steps]


def _run_shown(step: Step, common: Mapping[str, str]) -> Result:
    print(heading(step), flush=True)
    started = time.monotonic()
    code = servers.run(step.command, {**common, **step.environment})
    return Result(step, code, time.monotonic() - started)


@contextlib.contextmanager
def _in_background(steps: Sequence[Step], common: Mapping[str, str]) -> Iterator[list[Result]]:
    """Run steps in turn beside the body; the list is full when the context is left."""
    results: list[Result] = []
    running: list[subprocess.Popen[str]] = []
    stopped = threading.Event()

    def run() -> None:
        for step in steps:
            if stopped.is_set():
                return
            started = time.monotonic()
            process = subprocess.Popen(
                step.command,
                cwd=ROOT,
                env={**common, **step.environment},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            running[:] = [process]
            output, _ = process.communicate()
            results.append(Result(step, process.returncode, time.monotonic() - started, output))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    except BaseException:
        stopped.set()
        for process in running:
            process.terminate()
        raise
    finally:
        thread.join()


def heading(step: Step) -> str:
    return f"\n--- {step.name} ".ljust(100, "-")


def report(results: Sequence[Result], seconds: float) -> int:
    """Print what failed in the background and the table; the exit code."""
    for result in results:
        if result.code and result.output:
            print(heading(result.step))
            print(result.output.rstrip())
    failed = [result for result in results if result.word == "FAILED"]
    ran = [result for result in results if result.word == "ok"]
    print(f"\n{'step':<24}{'result':<8}{'seconds':>8}")
    for result in results:
        print(f"{result.step.name:<24}{result.word:<8}{result.seconds:>8.1f}")
    if not ran and not failed:
        print("\nNo test has that label.")
        return NO_TESTS
    verdict = f"{len(failed)} of {len(results)} failed" if failed else "all is well"
    print(f"{verdict:<32}{seconds:>8.1f}", flush=True)
    return 1 if failed else 0


def choose(arguments: argparse.Namespace, labels: Sequence[str], postgres_url: str, sqlite_url: str) -> list[Step]:
    """The steps that the command line asks for."""
    tests = pytest_steps(sqlite_url, labels)
    if arguments.fast:
        everything = [] if labels else ["tests"]
        return [Step(tests[1].name, [*tests[1].command, *everything, "--exitfirst"], tests[1].environment)]
    every = tests if labels else [*code_steps(), *django_steps(postgres_url), *tests]
    if not arguments.only:
        return every
    names = arguments.only.split(",")
    every = [*every, _all_on_sqlite(tests[1])]
    unknown = set(names) - {step.name for step in every}
    if unknown:
        sys.exit(f"error: no such step: {', '.join(sorted(unknown))}. There are: {', '.join(s.name for s in every)}.")
    return [step for step in every if step.name in names]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.test", description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="pytest on SQLite only, up to the first failure")
    parser.add_argument(
        "--only", default="", metavar="STEP[,STEP]", help="these steps only, by their names in the table"
    )
    arguments, labels = parser.parse_known_args(argv)
    sqlite_url = environment.sqlite_url(ROOT / ".local" / "tests.sqlite3")
    started = time.monotonic()
    servers.end_on_sigterm()
    try:
        steps = choose(arguments, labels, "postgres:///unused", sqlite_url)
        if all(step.reads_code_only or "on SQLite" in step.name for step in steps):
            results = run_all(steps, {})
        else:
            with servers.temporary_servers() as urls:
                results = run_all(choose(arguments, labels, urls["DATABASE_URL"], sqlite_url), urls)
    except UnableToStart as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return report(results, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
