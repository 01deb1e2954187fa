"""What tests of faults and of security have shown, by number: at the end of a run, and in the documents.

A test is marked with the faults it shows, `@pytest.mark.fault(12)`, or the needs, `@pytest.mark.need(6)`, and may tell
what it measured: `figure("200 kills, mismatches 0")`. A pytest plug-in; every run adds to .local/figures.json, and
`python -m tests.figures` writes what is there into docs/reliability.md and docs/security.md.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from budget_system import clock
from tests.faults.catalogue import FAULTS, NEEDS, NOT_HERE

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".local" / "figures.json"
PAGES = {"fault": (ROOT / "docs" / "reliability.md", FAULTS), "need": (ROOT / "docs" / "security.md", NEEDS)}
_marked: dict[str, dict[str, Any]] = {}
"""The tests that were found, without results."""
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"
Figure = Callable[[str], None]


# --- The plug-in -----------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fault(number, ...): shows that a fault of tests/faults/catalogue.py is survived"
    )
    config.addinivalue_line("markers", "need(number, ...): shows that a need of security is met")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name, (_, titles) in PAGES.items():
            numbers = _numbers(item, name)
            if numbers:
                assert set(numbers) <= set(titles), f"{item.nodeid}: there is no {name} {numbers}"
                item.user_properties.append((name, numbers))
                _marked.setdefault(_test(item.nodeid), _nothing())[name] = numbers


def _test(nodeid: str) -> str:
    """A test without its parameters."""
    return nodeid.split("[")[0].split("@")[0]


def _nothing() -> dict[str, Any]:
    return {"fault": [], "need": [], "figures": [], "cases": 0, "failed": 0, "seconds": 0.0, "on": ""}


def _numbers(item: pytest.Item, name: str) -> list[int]:
    return sorted({number for mark in item.iter_markers(name) for number in mark.args})


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Tell what was measured; it is shown beside the numbers that the test is marked with."""

    def tell(text: str) -> None:
        request.node.user_properties.append(("figure", text))

    return tell


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what this run has shown, and keep it."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call" and any(name in PAGES for name, _ in report.user_properties)
    ]
    shown = _by_test(reports)
    _keep(shown)
    for name, (_, titles) in PAGES.items():
        lines = [line for number, title in titles.items() for line in _lines(shown, name, number, title)]
        if lines:
            terminalreporter.section(f"{name}s")
            for line in lines:
                terminalreporter.write_line(line)


def _by_test(reports: list[Any]) -> dict[str, dict[str, Any]]:
    """By the test's id without its parameters: numbers, figures, how many cases ran and failed, when."""
    today = clock.now().astimezone(UTC).date().isoformat()
    tests: dict[str, dict[str, Any]] = {}
    for report in reports:
        told = tests.setdefault(_test(report.nodeid), {**_nothing(), "figures": [], "on": today})
        told["cases"] += 1
        told["failed"] += report.outcome == "failed"
        told["seconds"] = round(told["seconds"] + report.duration, 1)
        for name, value in report.user_properties:
            if name == "figure":
                told["figures"].append(value)
            elif name in PAGES:
                told[name] = value
    return tests


def _lines(tests: dict[str, dict[str, Any]], name: str, number: int, title: str) -> Iterator[str]:
    for test, told in tests.items():
        if number in told[name]:
            yield f"{number:>3}  {title} → {_figures(told)}  ({test.split('::')[-1]})"


def _figures(told: dict[str, Any]) -> str:
    if not told["cases"]:
        return "not measured here"
    cases = f"{told['cases']} case{'s' * (told['cases'] != 1)}, failures {told['failed']}"
    return "; ".join(told["figures"]) if told["figures"] and not told["failed"] else cases


def _keep(tests: dict[str, dict[str, Any]]) -> None:
    if not _marked and not tests:
        return
    KEPT.parent.mkdir(exist_ok=True)
    before = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    KEPT.write_text(json.dumps({**_marked, **before, **tests}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


# --- The documents ---------------------------------------------------------------------------------------------------


def table(tests: dict[str, dict[str, Any]], name: str) -> str:
    """The Markdown table of all numbers: title, what was done (the tests' names, which are sentences), figure."""
    _, titles = PAGES[name]
    rows = ["| # | " + name + " | what was shown | figure |", "|---|---|---|---|"]
    for number, title in titles.items():
        shown = [(test, told) for test, told in sorted(tests.items()) if number in told[name]]
        if not shown:
            why = NOT_HERE[name].get(number)
            rows.append(f"| {number} | {title} | {'does not apply: ' + why if why else 'NOT SHOWN'} | |")
        for row, (test, told) in enumerate(shown):
            path, sentence = test.split("::")[0], test.split("::")[-1].removeprefix("test_").replace("_", " ")
            link = f"[{sentence}](../{path})"
            figures = _figures(told).replace("|", "/")
            rows.append(f"| {number if not row else ''} | {title if not row else ''} | {link} | {figures} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write the tables; 1 where a number is neither shown nor said not to apply, or a test failed."""
    tests = json.loads(KEPT.read_text(encoding="utf-8"))
    gone = [test for test in tests if not _is_there(test)]
    for test in gone:
        del tests[test]
    wrong = [test for test, told in tests.items() if told["failed"]]
    for name, (page, _) in PAGES.items():
        text = page.read_text(encoding="utf-8")
        written = table(tests, name)
        days = sorted({told["on"] for told in tests.values() if told[name] and told["on"]})
        dated = f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))}.\n\n" if days else ""
        pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
        page.write_text(pattern.sub(lambda _: BEGIN + dated + written + END, text), encoding="utf-8")  # noqa: B023 - called at once
        wrong += [line for line in written.splitlines() if "NOT SHOWN" in line]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def _is_there(test: str) -> bool:
    path = ROOT / test.split("::")[0]
    return path.exists() and f"def {test.split('::')[-1]}(" in path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
