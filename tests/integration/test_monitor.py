"""`monitor_system`: a page on a terminal, blocks of plain lines in a pipe, from a bounded number of queries."""

import io
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from budget_system import clock
from enforcement import jobs
from enforcement.management.commands import monitor_system
from enforcement.management.screen import lines_of
from enforcement.monitor import part, view
from tests.factories import SAT, Story, window

pytestmark = pytest.mark.slow


@pytest.fixture
def story(db: None, monkeypatch: pytest.MonkeyPatch) -> Story:
    told = Story()
    monkeypatch.setattr(clock, "now", lambda: told.now)
    return told


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("monitor_system", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_a_block_shows_brands_campaigns_ticks_queue_and_health(story: Story) -> None:
    story.spend(story.campaign("Sale"), "100")
    story.campaign("Weekend", rows=[window(SAT, "09:00", "10:00")])
    other = Story(name="A brand with a name that is much too long for any table", timezone="Asia/Tokyo", currency="JPY")
    other.spend(other.campaign("Sale"), "30", "2026-05-05")
    jobs.run(jobs.DAYPARTING, actor="worker", clock=lambda: story.now)
    story.clock("2026-05-05 12:01")

    lines = run("--once").splitlines()
    text = "\n".join(lines)

    assert max(map(len, lines)) <= 80
    assert all(char.isprintable() for line in lines for char in line)
    assert lines[0].startswith("Budget system, Tue 2026-05-05 10:01:00 UTC: ")
    [acme] = [line for line in lines if line.startswith("Acme")]
    assert acme.split() == [
        "Acme",
        "Tue",
        "12:01",
        "█████",
        "100",
        "%",
        "100.00",
        "/",
        "100.00",
        "EUR",
        "5",
        "%",
        "0/2",
    ]
    assert text.index("Acme") < text.index("A brand with"), "the one that has used most comes first"
    assert "Tue 19:01" in text
    assert "Campaigns  1 run, 2 paused: 2 daily budget used up" in text
    assert "Last runs  dayparting enforcement 60 s ago, budget enforcement never" in text
    assert "Queue      " in text


def test_an_empty_system_says_how_to_begin(db: None) -> None:
    assert "There is no brand yet" in run("--once")


def test_as_many_queries_for_many_brands_as_for_few(story: Story) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            seen = view(story.now, 3)
        assert len(seen.brands) == 3
        return len(captured)

    for number in range(3):
        Story(name=f"Brand {number}").campaign()
    few = queries()
    for number in range(20):
        Story(name=f"More {number}").campaign()

    assert queries() == few
    assert view(story.now, 3).of_brands == 24
    assert "The 3 of 24 brands" in "\n".join(str(line) for line in lines_of(monitor_system.page(view(story.now, 3))))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_ctrl_c_leaves_it_as_it_was(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    out = Terminal()

    call_command("monitor_system", stdout=out)

    said = out.getvalue()
    assert "Acme" in said
    assert said.index("\x1b[?1049h") < said.index("Acme") < said.index("\x1b[?1049l"), "a screen of its own, left again"


def test_in_a_pipe_a_block_comes_each_interval(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", wait)

    said = run("--interval", "7")

    assert said.count("Budget system, ") == 2
    assert waits == [7, 7]
    assert "\x1b" not in said


def test_a_database_that_does_not_answer_is_a_line_and_not_the_end(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("enforcement.management.commands.monitor_system.view", refuse)
    monkeypatch.setattr("enforcement.management.commands.monitor_system.connection.close", lambda: None)

    assert "the database does not answer: connection refused" in run("--once")


def test_an_interval_that_cannot_be_meant_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="--interval is from 1 to 3,600 seconds"):
        run("--interval", "0")


def test_all_of_a_budget_of_0_is_used() -> None:
    assert part(Decimal(0), Decimal(0)) == 100
    assert part(Decimal(30), Decimal(120)) == 25
    assert part(Decimal(30), None) is None
