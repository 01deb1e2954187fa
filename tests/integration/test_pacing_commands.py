"""`pace`, `refit_pacing` and `backtest_pacing` on the command line, and that a backtest knows only what was known."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from budget_pacer import PacingStrategy
from budget_system import clock
from campaigns.models import Campaign
from enforcement import pacing
from pacing.backtest import Sample, samples, scores, without_data
from pacing.models import HourTotal, PaceAlert
from tests.factories import ACTOR, Story

TODAY = date(2026, 5, 5)
FREE = {"frontload_protection_hours": 0, "max_hourly_spend_pct": "1", "velocity_factor": "1440"}


@pytest.fixture
def story(db: None, monkeypatch: pytest.MonkeyPatch) -> Story:
    """A brand at the time that the commands see."""
    told = Story("2026-05-05 13:30", daily_budget="5000", monthly_budget=None, timezone="UTC")
    monkeypatch.setattr(clock, "now", lambda: told.now)
    return told


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def paced(story: Story, name: str = "Sale", *channels: str) -> Campaign:
    campaign = story.campaign(name)
    for channel in channels or ("search",):
        given = {"daily_budget": "240", "strategy": "even_distribution", "settings": FREE}
        pacing.set_channel_budget(campaign.pk, channel, given, actor=ACTOR, now=story.now)
    return campaign


# --- pace ------------------------------------------------------------------------------------------------------------


def test_where_nothing_is_paced_it_says_how_to_begin(story: Story) -> None:
    story.campaign("Sale")

    assert "No campaign is paced" in run("pace")
    said = run("pace", "Sale")
    assert "“Sale” is not paced" in said
    assert "/api/pacing/channel-budgets/" in said


def test_a_table_of_all_paced_campaigns_fits_80_columns(story: Story) -> None:
    sale = paced(story, "A campaign with a name that is much too long for any table, and more", "search", "display")
    story.spend(sale, "150", channel="search")
    story.spend(paced(story, "Other"), "220")

    lines = run("pace", "--check").splitlines()

    assert lines[0] == "INFO Checked 2 campaign(s), 0 error(s)."
    assert lines[1].split() == ["Campaign", "Channel", "Spent", "Planned", "Pace", "Breaker", "Alerts"]
    assert max(len(line) for line in lines[1:7]) <= 80
    assert lines[3 + 1].split()[-6:] == ["Search", "150.00", "135.00", "1.11", "closed", "-"]
    assert lines[5].split()[-4:] == ["all", "150.00", "270.00", "0.56"]
    assert any(line.startswith("Other") and "open" in line and "critical" in line for line in lines)
    assert any(line.startswith("CRITICAL Other, search:") for line in lines)


def test_without_a_check_nothing_is_written(story: Story) -> None:
    story.spend(paced(story), "205")
    before = PaceAlert.objects.count()
    assert run("pace")
    assert PaceAlert.objects.count() == before
    run("pace", "--check")
    assert PaceAlert.objects.count() == before + 1


def test_one_campaign_shows_its_hours_and_json_has_them_too(story: Story) -> None:
    story.spend(paced(story), "25")

    said = run("pace", "Sale").splitlines()
    [row] = [line for line in said if line.startswith("13 ")]
    assert row.split() == ["13", "10.00", "25.00", "0.00", "240.00"]
    assert max(map(len, said)) <= 80

    [told] = json.loads(run("pace", "Sale", "--json"))
    [channel] = told["channels"]
    assert (channel["spent"], channel["planned"], len(channel["hours"])) == ("25.00", "135.00", 24)
    assert channel["pace"] == told["pace"] == round(25 / 135, 4)
    [brief] = json.loads(run("pace", "--brand", "Acme", "--json"))
    assert "hours" not in brief["channels"][0]
    assert "hours" in json.loads(run("pace", "--hours", "--json"))[0]["channels"][0]


@pytest.mark.parametrize("arguments", [["pace", "Nothing"], ["pace", "--brand", "Nobody"], ["refit_pacing", "Nothing"]])
def test_an_unknown_name_is_one_line_and_an_exit_code(story: Story, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="There is no"):
        run(*arguments)


# --- refit_pacing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "said"), [(5, "even plans"), (30, "hours of the day"), (200, "hours of the week")])
def test_a_refit_says_what_the_data_is_enough_for(story: Story, hours: int, said: str) -> None:
    campaign = paced(story)
    HourTotal.objects.bulk_create(
        HourTotal(campaign=campaign, channel="search", starts_at=at, day=at.date(), spent=Decimal(1), clicks=3)
        for at in (datetime(2026, 5, 5, 12, tzinfo=UTC) - timedelta(hours=back) for back in range(hours))
    )

    lines = run("refit_pacing", "Sale").splitlines()

    assert lines[2].split()[:3] == ["Sale", "Search", str(hours)]
    assert said in lines[2]
    assert lines[-1] == "INFO Fitted 1 channel(s), 0 error(s)."
    assert "Search" not in run("refit_pacing", "--brand", Story(name="Other").brand.name)


# --- The backtest, pure ----------------------------------------------------------------------------------------------


def hours(clicks_of: Callable[[date, int], int], days: int, **more: Callable[[int], int]) -> list[HourTotal]:
    """So many days up to yesterday with these clicks by hour, each for 1."""
    made = []
    for back in range(days, 0, -1):
        on = TODAY - timedelta(days=back)
        for hour in range(24):
            clicks = clicks_of(on, hour)
            revenue = Decimal(more["revenue"](hour) * clicks) if more else Decimal(0)
            made.append(
                HourTotal(
                    starts_at=datetime(on.year, on.month, on.day, hour, tzinfo=UTC), day=on, clicks=clicks,
                    spent=Decimal(clicks), conversions=Decimal(clicks) / 10 if more else Decimal(0), revenue=revenue,
                )
            )  # fmt: skip
    return made


def backtest(rows: list[HourTotal], days: int = 28, today: date = TODAY) -> list[Sample]:
    return list(samples(rows, ZoneInfo("UTC"), None, today, days, Decimal("0.15")))


def by_strategy(found: list[Sample]) -> dict[PacingStrategy, Any]:
    return {score.strategy: score for score in scores(found)}


def test_a_day_that_follows_its_usual_shape_is_met_by_the_plans_that_know_it(story: Story) -> None:
    def evenings(_: date, hour: int) -> int:
        return 100 if hour >= 12 else 20

    found = by_strategy(backtest(hours(evenings, 30), days=7))

    even = found[PacingStrategy.EVEN_DISTRIBUTION]
    # At noon half of an even plan has passed, and 240 of 1,440 clicks.
    assert even.ks_mean == pytest.approx(0.5 - 240 / 1440)
    assert even.ks_p95 == pytest.approx(even.ks_mean)
    assert found[PacingStrategy.HISTORICAL_PATTERN].ks_mean < 0.02
    assert found[PacingStrategy.HISTORICAL_PATTERN].mad_mean < 0.01
    assert found[PacingStrategy.PERFORMANCE_WEIGHTED].ks_mean == pytest.approx(even.ks_mean, abs=0.02)
    assert even.value is None
    assert even.value_days == 0


def test_value_is_what_the_hours_returned_over_even(story: Story) -> None:
    rows = hours(lambda _, __: 50, 30, revenue=lambda hour: 3 if hour >= 12 else 1)

    found = by_strategy(backtest(rows, days=7))

    assert found[PacingStrategy.EVEN_DISTRIBUTION].value == pytest.approx(1.0)
    # Laid out by 3 to 1: (0.75 × 3 + 0.25 × 1) / 2, less what shrinking takes.
    assert 1.2 < found[PacingStrategy.PERFORMANCE_WEIGHTED].value <= 1.25
    assert found[PacingStrategy.HISTORICAL_PATTERN].value == pytest.approx(1.0, abs=0.001)


@pytest.mark.slow
def test_what_came_later_changes_no_earlier_result() -> None:
    dice = Random(7)
    rows = hours(lambda _, __: dice.randint(1, 90), 40, revenue=lambda _: dice.randint(0, 4))
    split = TODAY - timedelta(days=10)
    other = [row for row in rows if row.day < split]
    other += hours(lambda on, hour: 500 if hour == on.day % 24 else 1, 10, revenue=lambda _: 9)

    def before(found: list[Sample]) -> list[Sample]:
        return [sample for sample in found if sample.day < split]

    assert len(before(backtest(rows, 30))) == 20 * len(PacingStrategy)
    assert before(backtest(rows, 30)) == before(backtest(other, 30))
    assert backtest(rows, 30) != backtest(other, 30)
    assert before(backtest([row for row in rows if row.day < split], 30)) == before(backtest(rows, 30))


def test_days_that_say_nothing_are_left_out() -> None:
    rows = hours(lambda on, hour: 10 if on.day % 2 or hour < 5 else 0, 20)

    days = {sample.day for sample in backtest(rows)}

    assert days == {TODAY - timedelta(days=back) for back in range(1, 20) if (TODAY - timedelta(days=back)).day % 2}
    first = min(row.day for row in rows)
    assert first not in days, "recording may have begun in the middle of it"
    assert without_data(backtest(hours(lambda _, __: 10, 2))) == 0
    assert without_data(backtest([row for row in hours(lambda _, __: 10, 2) if row.starts_at.hour > 8])) == 1


def test_impressions_stand_in_for_clicks_and_spend_for_both() -> None:
    rows = hours(lambda _, __: 10, 5)
    assert {sample.measure for sample in backtest(rows)} == {"clicks"}
    for row in rows:
        row.impressions, row.clicks = 900, 0
    assert {sample.measure for sample in backtest(rows)} == {"impressions"}
    for row in rows:
        row.impressions = 0
    assert {sample.measure for sample in backtest(rows)} == {"spent"}


# --- backtest_pacing -------------------------------------------------------------------------------------------------


def test_a_backtest_shows_each_strategy_the_days_used_and_a_caution(story: Story) -> None:
    campaign = paced(story)
    rows = hours(lambda _, hour: 100 if hour >= 12 else 20, 21)
    for row in rows:
        row.campaign, row.channel = campaign, "search"
    HourTotal.objects.bulk_create(rows)
    before = list(HourTotal.objects.values())

    lines = run("backtest_pacing", "Sale", "--days", "14").splitlines()

    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[2:7]] == [strategy.value for strategy in PacingStrategy]
    text = " ".join(lines)
    assert "1 campaign(s), 1 channel(s), 14 day(s) of channels used (14 by clicks)." in text
    assert "Days on which the money ran out say little about traffic" in text
    told = json.loads(run("backtest_pacing", "--all", "--json"))
    assert told["days"] == 20
    assert {one["strategy"]: one["ks_mean"] for one in told["strategies"]}["even_distribution"] == 0.333333
    assert told["campaigns"][0]["channel"] == "search"
    assert list(HourTotal.objects.values()) == before


def test_a_campaign_without_budgets_can_be_tested_before_it_is_paced(story: Story) -> None:
    campaign = story.campaign("Sale")
    rows = hours(lambda _, __: 10, 5)
    for row in rows:
        row.campaign = campaign
    HourTotal.objects.bulk_create(rows)

    assert json.loads(run("backtest_pacing", "Sale", "--json"))["days"] == 4


def test_a_backtest_without_data_says_where_data_comes_from(story: Story) -> None:
    story.campaign("Sale")

    assert "recorded when spend is posted on its own day" in run("backtest_pacing", "--brand", "Acme")


@pytest.mark.parametrize("arguments", [[], ["Sale", "--all"], ["Sale", "--days", "0"]])
def test_what_cannot_be_meant_is_refused(story: Story, arguments: list[str]) -> None:
    story.campaign("Sale")
    with pytest.raises(CommandError):
        run("backtest_pacing", *arguments)
