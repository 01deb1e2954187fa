"""The platforms' own exports, through the one import: known by what is in them, and the same again changes nothing."""

from pathlib import Path

import pytest

from campaigns.models import Campaign
from enforcement.importing import import_spend
from spending.importing import ImportOptions, ImportReport, UnreadableFile
from spending.models import Spend
from tests.factories import ACTOR, Story

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[1] / "data"
PLATFORMS = {
    "google_ads.csv": "GOOGLE",
    "google_ads_de.csv": "GOOGLE",
    "google_ads_excel.csv": "GOOGLE",
    "google_ads_fr.csv": "GOOGLE",
    "google_ads_api.csv": "GOOGLE",
    "google_ads_api.json": "GOOGLE",
    "google_ads_api.jsonl": "GOOGLE",
    "meta_ads.csv": "META",
    "meta_ads_fr.csv": "META",
    "microsoft_ads.csv": "MICROSOFT",
    "microsoft_ads_hours_v1.csv": "MICROSOFT",
    "microsoft_ads_hours_v2.csv": "MICROSOFT",
    "tiktok_ads.csv": "TIKTOK",
}


def load(story: Story, name: str, **options: object) -> ImportReport:
    chosen = ImportOptions(brand_id=story.brand.pk, create_campaigns=True, **options)  # type: ignore[arg-type]
    with (DATA / name).open("rb") as stream:
        return import_spend(stream, chosen, actor=ACTOR, now=story.now)


def currency_of(name: str) -> str:
    """The currency that a test file is in, as the import tells it."""
    story = Story("2026-11-20 12:00")
    rejects = load(story, name).rejects
    return next((r.reason.split("is in ")[1][:3] for r in rejects if "is in " in r.reason), "EUR")


@pytest.mark.parametrize("name", PLATFORMS)
def test_an_export_is_known_by_what_is_in_it_and_the_same_again_changes_nothing(name: str) -> None:
    story = Story("2026-11-20 12:00", name="Client", currency=currency_of(name))

    first = load(story, name)
    spent = sum(spend.amount for spend in Spend.objects.filter(brand=story.brand))
    again = load(story, name)

    counted = first.accepted + first.unchanged + first.corrected + first.duplicate + first.rejected
    assert counted == first.rows > 0
    assert first.accepted > 0
    assert {campaign.platform for campaign in Campaign.objects.filter(brand=story.brand)} == {PLATFORMS[name]}
    assert (again.accepted, again.corrected, again.unchanged) == (0, 0, first.accepted)
    assert sum(spend.amount for spend in Spend.objects.filter(brand=story.brand)) == spent == sum(first.totals.values())


@pytest.mark.parametrize("name", ["google_ads_default_view.csv", "google_ads_weeks.csv", "meta_ads_ranges.csv"])
def test_an_export_without_days_is_refused_and_says_what_to_do(name: str) -> None:
    with pytest.raises(UnreadableFile, match=r"(?i)day"):
        load(Story("2026-11-20 12:00"), name)

    assert Spend.objects.count() == 0


def test_a_report_that_calls_itself_incomplete_says_so() -> None:
    story = Story("2026-11-20 12:00", currency=currency_of("microsoft_ads.csv"))

    assert load(story, "microsoft_ads.csv").incomplete


def test_sources_are_named_after_the_format_so_that_api_and_export_do_not_double() -> None:
    story = Story("2026-11-20 12:00", currency=currency_of("google_ads_api.csv"))
    load(story, "google_ads_api.csv")

    assert {spend.source for spend in Spend.objects.filter(brand=story.brand)} == {"import:google_ads_api"}
