"""`simulate_spend`: made-up amounts, posted for real."""

import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from budget_system import clock
from budget_system.errors import Busy
from campaigns.models import Campaign
from enforcement.services import SpendResult, post_spend
from enforcement.simulation import Bounds, day_size, draw_amount, draw_campaign
from spending.models import PeriodKind, Spend
from spending.services import SpendRow
from tests.factories import Story, window

pytestmark = pytest.mark.slow

COMMAND = "enforcement.management.commands.simulate_spend"


@pytest.fixture
def story(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Story:
    settings.DEMO = True
    told = Story()
    monkeypatch.setattr(clock, "now", lambda: told.now)
    return told


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("simulate_spend", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def spends(story: Story) -> list[Decimal]:
    return list(Spend.objects.filter(brand=story.brand, source="simulation").values_list("amount", flat=True))


def test_spend_is_posted_until_nothing_runs_and_each_pause_is_named(story: Story) -> None:
    story.campaigns(["Search", "Social"])

    said = run("--seed", "1", "--count", "500", "--min", "1", "--max", "20")

    assert sum(spends(story)) == story.total(story.brand, PeriodKind.DAY, "2026-05-05") >= 100
    assert sum(spends(story)) < 120
    assert "12:00:00 Acme: paused, the brand's daily budget used up (" in said
    assert "of 100.00 EUR): Search, Social" in said
    assert "No campaign runs any more" in said
    assert f"{{'posted': {len(spends(story))}, 'refused': 0, 'paused': 2, 'activated': 0}}" in said


def test_only_campaigns_that_run_get_spend_unless_one_is_named(story: Story) -> None:
    closed = story.campaign("Closed", rows=[window(5, "09:00", "10:00")])
    story.campaign("Open")

    run("--amount", "1", "--count", "10")
    assert not Spend.objects.filter(campaign=closed).exists()

    run("--amount", "1", "--count", "3", "--campaign", "Closed")
    assert Spend.objects.filter(campaign=closed).count() == 3


def test_the_same_seed_gives_the_same_amounts_under_other_keys(story: Story) -> None:
    Story(name="Other").campaign("Other")
    story.campaign("Sale")

    run("--seed", "7", "--count", "20", "--brand", "Acme")
    run("--seed", "7", "--count", "20", "--brand", "Other")

    assert len(spends(story)) == 20
    assert sorted(spends(story)) == sorted(Spend.objects.exclude(brand=story.brand).values_list("amount", flat=True))
    assert Spend.objects.values("key").distinct().count() == 40


def test_an_interruption_ends_with_the_summary(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.campaign("Sale")
    posted: list[object] = []

    def interrupted(rows: Sequence[SpendRow], **more: Any) -> SpendResult:
        if len(posted) == 3:
            raise KeyboardInterrupt
        posted.append(rows)
        return post_spend(rows, **more)

    monkeypatch.setattr(f"{COMMAND}.post_spend", interrupted)

    said = run("--amount", "1", "--count", "10")

    assert "Interrupted; what was posted stays." in said
    assert "{'posted': 3," in said


def test_what_is_refused_is_counted_and_the_first_reason_is_told(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.campaign("Sale")
    monkeypatch.setattr(f"{COMMAND}.local_date", lambda *_: date(2026, 6, 1))

    with pytest.raises(CommandError, match="2 refused, the first: 2026-06-01 is in the future"):
        run("--amount", "1", "--count", "2")


def test_a_brand_that_another_change_holds_is_counted_and_the_rest_goes_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.campaign("Sale")
    asked: list[object] = []

    def busy_at_first(rows: Sequence[SpendRow], **more: Any) -> SpendResult:
        asked.append(rows)
        if len(asked) == 1:
            raise Busy("Another change holds this brand.")
        return post_spend(rows, **more)

    monkeypatch.setattr(f"{COMMAND}.post_spend", busy_at_first)

    with pytest.raises(CommandError, match="1 refused, the first: Another change holds this brand"):
        run("--amount", "1", "--count", "3")
    assert len(spends(story)) == 2


def test_outside_demo_mode_a_brand_must_be_named_and_confirmed(story: Story, settings: Settings) -> None:
    settings.DEMO = False
    story.campaign("Sale")

    for arguments in ([], ["--brand", "Acme"], ["--yes"]):
        with pytest.raises(CommandError, match="This is not demo mode"):
            run(*arguments, "--count", "1")
    assert not spends(story)
    run("--brand", "Acme", "--yes", "--count", "2")
    assert len(spends(story)) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--count", "0"], "--count is more than 0"),
        (["--rate", "5000"], "--rate is more than 0 and at most 1,000"),
        (["--amount", "1", "--min", "1"], "not both"),
        (["--min", "1"], "--min and --max together"),
        (["--min", "5", "--max", "1"], "--min 5 is more than --max 1"),
        (["--amount", "-1"], "is not more than 0"),
        (["--amount", "1,5"], "is not an amount"),
        (["--campaign", "Nothing"], "There is no campaign"),
    ],
)
def test_what_cannot_be_meant_is_refused(story: Story, arguments: list[str], said: str) -> None:
    story.campaign("Sale")
    with pytest.raises(CommandError, match=said):
        run(*arguments)


def test_where_nothing_runs_it_says_so(story: Story) -> None:
    campaign = story.campaign("Sale")
    story.pause(campaign)
    assert Campaign.objects.count() == 1

    with pytest.raises(CommandError, match="No campaign runs there"):
        run("--count", "1")


# --- The dice, pure --------------------------------------------------------------------------------------------------


@given(st.integers(), st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from([0, 2, 3]))
def test_an_amount_is_within_its_bounds_and_whole_in_its_currency(seed: int, low: int, more: int, places: int) -> None:
    bounds = Bounds(Decimal(low), Decimal(low + more))

    amount = draw_amount(Random(seed), bounds, places)

    assert bounds.least <= amount <= bounds.most
    assert amount == round(amount, places)


def test_amounts_are_log_normal_and_larger_campaigns_get_more() -> None:
    dice = Random(1)
    amounts = sorted(draw_amount(dice, Bounds(Decimal(1), Decimal(10_000)), 2) for _ in range(2_000))
    below = sum(amount < 100 for amount in amounts) / len(amounts)
    small, large = UUID(int=1), UUID(int=2)
    drawn = [draw_campaign(dice, {small: Decimal(10), large: Decimal(90)}) for _ in range(2_000)]

    assert 0.46 < below < 0.54, "half of them lie below the geometric mean"
    assert 0.87 < drawn.count(large) / len(drawn) < 0.93


def test_a_campaigns_day_is_its_own_budget_or_its_share() -> None:
    own, day, month = Decimal(40), Decimal(100), Decimal(3_000)
    assert day_size(own, day, month, 4) == 40
    assert day_size(None, day, month, 4) == 25
    assert day_size(None, None, month, 4) == 25
    assert day_size(None, None, None, 4) == 200
