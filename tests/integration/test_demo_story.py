"""`demo_story`: told again and again, in any zone's daytime, in 80 columns, in demo mode only."""

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from brands.models import Brand
from budget_system import clock
from campaigns.models import StateChange
from enforcement import books
from enforcement.demo import story as stories
from enforcement.demo.story import NAME, OPENS, PLACES
from spending.models import Reservation
from tests.factories import Story

pytestmark = pytest.mark.slow

NOW = datetime(2026, 5, 5, 10, tzinfo=UTC)


@pytest.fixture
def demo(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEMO = True
    monkeypatch.setattr(clock, "now", lambda: NOW)


def tell(*arguments: str) -> str:
    out = io.StringIO()
    call_command("demo_story", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_story_is_told_in_order_and_fits_80_columns(demo: None) -> None:
    said = tell()
    told = " ".join(said.split())

    assert max(len(line) for line in said.splitlines() if "http" not in line) <= 80
    for this, that in (
        ("0.00 EUR of 100.00 EUR today Search runs Social runs", "75.00 EUR of 100.00 EUR today Search runs"),
        ("75.00 EUR of 100.00 EUR", "101.40 EUR of 100.00 EUR today Search paused: daily budget used up"),
        ("Brand daily budget 100.00 EUR reached, 101.40 EUR spent at 12:00", "Search, 0.01: 0.01 EUR refused"),
        ("101.40 EUR of 150.00 EUR today Search runs", "the whole of Tuesday into its week"),
        ("150.40 EUR of 150.00 EUR today Search paused", "It is Wed 00:00 Europe/Berlin"),
        ("It is Wed 00:00 Europe/Berlin", "0.00 EUR of 150.00 EUR today Search runs"),
        ("That was a rehearsal", "http://127.0.0.1:8000/admin/brands/brand/"),
    ):
        assert told.index(this) < told.index(that)


def test_what_it_leaves_is_the_present_and_the_books_agree(demo: None) -> None:
    tell()

    brand = Brand.objects.get(name=NAME)
    assert not StateChange.objects.filter(at__gt=NOW).exists(), "the next day was undone"
    assert set(brand.campaigns.values_list("pause_reason", flat=True)) == {"DAILY_BUDGET_EXCEEDED"}
    assert Reservation.objects.get().expires_at > NOW
    assert books.check(NOW).differences == 0


def test_each_telling_archives_the_last_one_and_no_other(demo: None) -> None:
    mine = Story(name=NAME).brand
    tell()
    said = tell("--no-pause")

    assert "The 1 brand(s) of earlier tellings are archived." in said
    current = Brand.objects.current().filter(name=NAME)
    assert current.count() == 2
    assert mine in current


def test_at_any_hour_it_is_day_where_the_story_plays() -> None:
    for hour in range(24):
        now = NOW.replace(hour=hour)
        name, currency = stories.by_day(now)
        assert OPENS <= now.astimezone(ZoneInfo(name)).hour < 20, (hour, name)
        assert (name, currency) in PLACES


def test_it_is_for_demo_mode_only(demo: None, settings: Settings) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="The story is for demo mode"):
        tell()
    assert not Brand.objects.exists()


def test_a_story_broken_off_says_what_stays(demo: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)

    with pytest.raises(CommandError, match="Broken off"):
        tell("--pace", "1")


def test_a_pace_that_cannot_be_meant_is_refused(demo: None) -> None:
    with pytest.raises(CommandError, match="--pace is from 0 to 60"):
        tell("--pace", "-1")
