"""What lists say of a paused campaign: whose budget it is, and when it runs again."""

import pytest

from campaigns.holds import Hold
from enforcement.explain import explain, prospects, short
from tests.factories import MON, Story, window
from tests.integration.admin_client import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def test_a_line_says_what_the_campaigns_own_page_says(story: Story) -> None:
    story.change_brand(daily_budget="10")
    spender, waits = story.campaign("Spender"), story.campaign("Waits", rows=[window(MON, "09:00", "10:00")])
    by_hand, lifted = story.campaign("By hand"), story.campaign("Lifted")
    story.pause(by_hand)
    story.spend(spender, "12")
    story.override(lifted, Hold.DAILY_BUDGET_EXCEEDED)
    rows = [spender, waits, by_hand, lifted]
    for campaign in rows:
        campaign.refresh_from_db()

    found = prospects(rows, story.now)

    for campaign in rows:
        assert found[campaign.pk].runs_next_at == explain(campaign.pk, story.now).runs_next_at
    assert [short(cause) for cause in found[spender.pk].standing] == ["Brand's daily budget used up (120 %)"]
    assert [cause.hold for cause in found[waits.pk].standing] == [Hold.DAILY_BUDGET_EXCEEDED, Hold.OUTSIDE_SCHEDULE]
    assert found[by_hand.pk].runs_next_at is None
    assert found[lifted.pk].standing == ()
    assert found[lifted.pk].lifted_until is not None


def test_the_list_of_campaigns_says_when_each_runs_again_and_what_runs_by_an_override(
    story: Story, ann: Person
) -> None:
    story.change_brand(daily_budget="10")
    spender, by_hand, lifted = story.campaigns(["Spender", "By hand", "Lifted"])
    story.pause(by_hand)
    story.spend(spender, "12")
    story.override(lifted, Hold.DAILY_BUDGET_EXCEEDED)

    page = ann.reads("campaigns_campaign_changelist").replace("&#x27;", "'")

    assert "Brand's daily budget used up (120 %)" in page
    assert "Wed 00:00" in page
    assert "not without a person" in page
    assert "By an override until Wed 00:00 Europe/Berlin, in spite of:" in page
