"""`record_spend` and `import_spend` on the command line: what they say, and how they end."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from budget_system import clock
from spending.models import PeriodKind, Spend
from tests.factories import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    """A brand at the time that the commands see."""
    told = Story(monthly_budget=None)
    monkeypatch.setattr(clock, "now", lambda: told.now)
    return told


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_a_spend_is_recorded_on_the_brands_own_day(story: Story) -> None:
    a = story.campaign("A")
    story.clock("2026-05-06 00:30")  # still 5 May in UTC

    said = run("record_spend", "A", "12.50")

    assert said.splitlines() == [
        "Recorded 12.50 EUR of 2026-05-06 (DAILY) for Acme / A.",
        "A: ACTIVE",
        "Acme, day 2026-05-06: 12.50 of 100.00 EUR spent",
        "Acme, month 2026-05-01: 12.50 EUR spent, no limit",
    ]
    assert Spend.objects.get().source == "command"
    assert story.total(a, PeriodKind.DAY, "2026-05-06") == 12.5


def test_a_spend_that_uses_up_the_budget_says_so(story: Story) -> None:
    story.campaign("A")

    said = run("record_spend", "A", "100")

    assert "A: PAUSED, daily budget used up" in said


def test_the_same_key_is_recorded_once(story: Story) -> None:
    story.campaign("A")
    run("record_spend", "A", "10", "--key", "k")

    said = run("record_spend", "A", "10", "--key", "k")

    assert said.startswith("Recorded before under the same key, nothing was added: 10.00 EUR")
    assert Spend.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["A", "ten"], "amount: “ten” is not an amount"),
        (["A", "0"], "amount: The amount must be more than 0"),
        (["A", "1", "--date", "5 May"], "date: “5 May” is not a date"),
        (["A", "1", "--date", "2027-01-01"], "spend_date: 2027-01-01 is in the future"),
        (["A", "-1", "--type", "adjustment"], "description: A reason for the adjustment is needed"),
        (["B", "1"], "There is no campaign with the id or name “B”"),
        (["A", "1", "--brand", "Bravo"], "There is no brand with the id or name “Bravo”"),
    ],
)
def test_a_refusal_names_the_field(story: Story, arguments: list[str], message: str) -> None:
    story.campaign("A")
    options = arguments[2:]

    with pytest.raises(CommandError, match=message.replace("(", r"\(")):
        run("record_spend", *options, "--", *arguments[:2])

    assert not Spend.objects.exists()


def test_an_import_prints_a_table_and_a_closing_line(story: Story, tmp_path: Path) -> None:
    story.campaign("A", external_id="11")
    path = tmp_path / "report.csv"
    path.write_text("Day,Campaign ID,Cost\n2026-05-05,11,100\n2026-05-04,12,1\n2026-05-05,11,100\n")

    said = run("import_spend", str(path), "--brand", "Acme")

    assert "accepted   1" in said
    assert "2026-05-05 to 2026-05-05: 100.00 EUR" in said
    assert "Line 4: left out, the same as line 2" in said
    assert "Line 3: rejected, “Acme” has no campaign with the id “12”" in said
    assert said.endswith(
        "INFO Import completed: {'rows': 3, 'accepted': 1, 'unchanged': 0, 'corrected': 0, 'duplicate': 1, "
        "'rejected': 1, 'paused': 1, 'activated': 0}\n"
    )


def test_rejected_rows_fail_the_command_only_when_strict(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("Day,Campaign ID,Cost\n2026-05-04,12,1\n")
    rejects = tmp_path / "rejects.csv"

    run("import_spend", str(path), "--brand", "Acme", "--rejects", str(rejects))
    with pytest.raises(SystemExit) as exit_code:
        run("import_spend", str(path), "--brand", "Acme", "--strict")

    assert exit_code.value.code == 1
    header, row = rejects.read_text(encoding="utf-8-sig").splitlines()
    assert header == "line,reason,Day,Campaign ID,Cost"
    assert row.startswith('2,"“Acme” has no campaign')
    assert row.endswith(",2026-05-04,12,1")


def test_standard_input_is_read(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.campaign("A", external_id="11")
    stdin = SimpleNamespace(buffer=io.BytesIO(b"Day,Campaign ID,Cost\n2026-05-05,11,3\n"))
    monkeypatch.setattr("sys.stdin", stdin)

    said = run("import_spend", "-", "--brand", "Acme", "--dry-run")

    assert "INFO Dry run: Import completed: {'rows': 1, 'accepted': 1" in said
    assert not Spend.objects.exists()


def test_a_file_that_is_not_there_fails_the_command(story: Story) -> None:
    with pytest.raises(CommandError, match=r"missing\.csv cannot be read: No such file"):
        run("import_spend", "missing.csv")


def test_a_file_that_can_be_read_in_two_ways_fails_the_command(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("Day,Campaign ID,Cost\n03/04/2026,12,1\n")

    with pytest.raises(CommandError, match="--day-format dmy"):
        run("import_spend", str(path), "--brand", "Acme")
