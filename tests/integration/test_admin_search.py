"""A search combines what people remember: a word of the campaign, a word of the brand, the platform's id."""

import pytest
from django.urls import reverse

from budget_system.admin import search
from spending.models import Spend
from tests.factories import Story
from tests.integration.admin_client import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(monkeypatch: pytest.MonkeyPatch) -> Person:
    hoshimizu, saltmarrow = Story(name="Hoshimizu Audio"), Story(name="Saltmarrow")
    for story in (hoshimizu, saltmarrow):
        trade = story.campaign("Trade customers", external_id=f"77-{story.brand.name[0]}")
        story.spend(trade, "10" if story is hoshimizu else "20")
        story.campaign("Retargeting")
    return Person(hoshimizu, monkeypatch)


@pytest.mark.parametrize("few", [True, False])
def test_words_of_the_campaign_and_of_its_brand_are_combined(
    ann: Person, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MATCHED_BRANDS", 1_000 if few else 0)

    campaigns = ann.reads("campaigns_campaign_changelist", q="retargeting hoshimizu")
    by_id = ann.reads("campaigns_campaign_changelist", q=" 77-S saltmarrow ")
    neither = ann.reads("campaigns_campaign_changelist", q="77-S hoshimizu")
    spends = ann.reads("spending_spend_changelist", q="Trade customers Saltmarrow")

    assert "1 campaign " in campaigns
    assert "1 campaign " in by_id
    assert "Nothing matches" in neither
    assert "20.00 EUR" in spends
    assert "10.00 EUR" not in spends


def test_a_campaign_is_chosen_by_what_the_choices_print(ann: Person) -> None:
    query = {"app_label": "spending", "model_name": "spend", "field_name": "campaign", "term": "Trade Hoshimizu"}

    found = ann.client.get(reverse("admin:autocomplete"), query).json()["results"]

    assert [one["text"] for one in found] == ["Trade customers · Hoshimizu Audio"]
    assert Spend.objects.filter(campaign=found[0]["id"]).count() == 1
