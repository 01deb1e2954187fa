"""`simulate_time`: what would run at another moment, by the decision itself."""

import io
import json
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from budget_system import clock
from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement.other_time import LocalTime
from tests.factories import MON, SAT, TUE, Story, window

pytestmark = pytest.mark.slow

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def story(db: None, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Tuesday 5 May 2026, 12:00 in Berlin."""
    told = Story()
    monkeypatch.setattr(clock, "now", lambda: told.now)
    return told


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("simulate_time", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def told(*arguments: str) -> dict[str, dict[str, Any]]:
    """By name of the campaign."""
    return {one["campaign_name"]: one for one in json.loads(run(*arguments, "--json"))}


@pytest.mark.parametrize(
    ("wanted", "zone", "now", "expected"),
    [
        (LocalTime(time(14)), BERLIN, "2026-05-05T12:00+02:00", "2026-05-05T14:00+02:00"),
        (LocalTime(time(12)), BERLIN, "2026-05-05T12:00+02:00", "2026-05-05T12:00+02:00"),
        (LocalTime(time(9)), BERLIN, "2026-05-05T12:00+02:00", "2026-05-06T09:00+02:00"),
        (LocalTime(time(9), MON), BERLIN, "2026-05-05T12:00+02:00", "2026-05-11T09:00+02:00"),
        (LocalTime(time(9), TUE), BERLIN, "2026-05-05T12:00+02:00", "2026-05-12T09:00+02:00"),
        (LocalTime(None, SAT), BERLIN, "2026-05-05T12:34:56.7+02:00", "2026-05-09T12:34:56+02:00"),
        (LocalTime(time(8), None, date(2026, 5, 1)), BERLIN, "2026-05-05T12:00+02:00", "2026-05-01T08:00+02:00"),
        (LocalTime(time(9)), ZoneInfo("Asia/Tokyo"), "2026-05-05T12:00+02:00", "2026-05-06T09:00+09:00"),
        # 02:30 does not exist on the day the clocks go forward, and comes twice on the day they go back.
        (LocalTime(time(2, 30)), BERLIN, "2026-03-28T12:00+01:00", "2026-03-29T03:30+02:00"),
        (LocalTime(time(2, 30)), BERLIN, "2026-10-24T12:00+02:00", "2026-10-25T02:30+02:00"),
    ],
)
def test_a_local_time_is_the_next_one_in_its_zone(wanted: LocalTime, zone: ZoneInfo, now: str, expected: str) -> None:
    found = wanted.in_zone(zone, datetime.fromisoformat(now))

    assert found.tzinfo is UTC
    assert found == datetime.fromisoformat(expected)


def test_the_same_day_keeps_its_spend_and_another_day_begins_at_0(story: Story) -> None:
    campaign = story.campaign("Sale")
    story.spend(campaign, "100")

    today, tomorrow = told("--hour", "15")["Sale"], told("--hour", "9")["Sale"]

    assert (today["runs"], today["holds"], today["change"]) == (False, ["DAILY_BUDGET_EXCEEDED"], None)
    assert "100.00 EUR reached, 100.00 EUR spent" in today["sentences"][0]
    assert (tomorrow["runs"], tomorrow["change"]) == (True, "starts")
    assert tomorrow["local_time"] == "2026-05-06T09:00:00+02:00"
    assert story.holds(campaign) == (Hold.DAILY_BUDGET_EXCEEDED,), "nothing was changed"


def test_another_month_begins_at_0_and_what_is_known_of_a_day_that_is_over_counts(story: Story) -> None:
    campaign = story.campaign("Sale")
    story.spend(campaign, "2000", "2026-05-04")

    assert told("--date", "2026-05-04", "--hour", "15")["Sale"]["holds"] == [
        "MONTHLY_BUDGET_EXCEEDED",
        "DAILY_BUDGET_EXCEEDED",
    ]
    assert told("--hour", "9")["Sale"]["holds"] == ["MONTHLY_BUDGET_EXCEEDED"]
    assert told("--date", "2026-06-01")["Sale"]["runs"] is True
    assert told("--date", "2026-05-03")["Sale"]["holds"] == ["MONTHLY_BUDGET_EXCEEDED"]


def test_each_brand_has_its_own_clock_and_an_instant_is_the_same_for_all(story: Story) -> None:
    story.campaign("Berlin", rows=[window(TUE, "14:00", "15:00")])
    other = Story(name="Other", timezone="America/New_York")
    other.campaign("New York", rows=[window(TUE, "14:00", "15:00")])

    local = told("--hour", "14", "--day", "Tuesday")
    instant = told("--at", "2026-05-05T14:30+02:00")

    assert {name: one["runs"] for name, one in local.items()} == {"Berlin": True, "New York": True}
    assert {name: one["runs"] for name, one in instant.items()} == {"Berlin": True, "New York": False}
    assert list(told("--hour", "14", "--brand", "Other")) == ["New York"]


def test_the_table_fits_80_columns_and_names_what_changes(story: Story) -> None:
    story.campaign(
        "A campaign with a name that is much too long for any table, and more", rows=[window(SAT, "09:00", "10:00")]
    )
    story.campaign("Always")

    lines = run("--hour", "9:30", "--day", "sat").splitlines()

    assert lines[0] == "Acme, Sat 2026-05-09 09:30 Europe/Berlin"
    assert max(map(len, lines[:-1])) <= 80
    assert "starts" in " ".join(lines)
    assert lines[-1].endswith("{'campaigns': 2, 'run': 2, 'paused': 0, 'start': 1, 'stop': 0, 'undecidable': 0}")


def test_a_campaign_that_cannot_be_decided_is_named_and_the_others_go_on(story: Story) -> None:
    story.campaign("Good")
    bad = story.campaign("Bad")
    Campaign.objects.filter(pk=bad.pk).update(week="no week")

    found = told("--hour", "15")

    assert found["Good"]["runs"] is True
    assert found["Bad"]["runs"] is None
    assert found["Bad"]["sentences"]


def test_apply_is_refused_outside_demo_mode(story: Story) -> None:
    with pytest.raises(CommandError, match="--apply is for demo mode"):
        run("--hour", "9", "--apply")


@pytest.mark.django_db(transaction=True)
def test_apply_stores_the_states_until_the_next_look(
    settings: Settings, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEMO = True
    story = Story()
    monkeypatch.setattr(clock, "now", lambda: story.now)
    campaign = story.campaign("Sale", rows=[window(SAT, "09:00", "10:00")])

    run("--hour", "9", "--day", "sat", "--apply")

    assert story.runs(campaign)
    last = StateChange.objects.latest("pk")
    assert (last.cause, last.at, last.to_status) == ("simulated time", story.now, "ACTIVE")
    story.tick("2026-05-05 12:05")
    assert story.holds(campaign) == (Hold.OUTSIDE_SCHEDULE,)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Say which moment"),
        (["--hour", "25"], "is not a time of day"),
        (["--hour", "noon"], "is not a time of day"),
        (["--date", "tomorrow"], "is not a date"),
        (["--day", "mo"], "is not a weekday"),
        (["--day", "someday"], "is not a weekday"),
        (["--day", "sat", "--date", "2026-05-09"], "not both"),
        (["--at", "2026-05-09T12:00Z", "--hour", "9"], "not both"),
        (["--at", "2026-05-09T12:00"], "names no zone"),
        (["--at", "soon"], "is not a moment"),
        (["--hour", "9", "--brand", "Nobody"], "There is no brand"),
    ],
)
def test_what_cannot_be_meant_is_one_line(story: Story, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        run(*arguments)
    assert "\n" not in str(refused.value)
