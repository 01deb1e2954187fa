"""A large change of a budget is shown before it is made, and does then exactly what was shown."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from django.db import connection

from brands.models import AuditEntry
from campaigns.models import Campaign, StateChange
from enforcement import services
from enforcement.preview import is_large
from tests.factories import ACTOR as TESTER
from tests.factories import Story
from tests.integration.admin_client import Person, errors_of, filled, messages_of, refusal_of, text_of
from tests.integration.processes import held_brand

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PAGE = "brands_brand_change"


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def daily(story: Story) -> Decimal | None:
    story.brand.refresh_from_db()
    return story.brand.daily_budget  # type: ignore[no-any-return]


def states(campaigns: Iterable[Campaign]) -> list[str]:
    ids = [campaign.pk for campaign in campaigns]
    return list(Campaign.objects.filter(pk__in=ids).order_by("name").values_list("status", flat=True))


@pytest.mark.parametrize(
    ("before", "after", "large"),
    [
        ("100", "200", False), ("100", "200.01", True), ("100", "50", False), ("100", "49.99", True),
        ("100", None, True), (None, "100", True), ("100", "0", True), ("0", "5", True), ("0", "0", False),
        (None, None, False), ("100", "100.00", False), ("0.000001", "0.000003", True),
    ],
)  # fmt: skip
def test_more_than_double_less_than_half_no_limit_and_nothing_are_large(
    before: str | None, after: str | None, large: bool
) -> None:
    assert is_large(before and Decimal(before), after and Decimal(after)) is large  # type: ignore[arg-type]


def test_a_small_change_is_saved_at_once(story: Story, ann: Person) -> None:
    story.spend(story.campaign(), "60")

    response = ann.sends(PAGE, story.brand.pk, daily_budget="120")

    assert refusal_of(response) is None
    assert "was changed" in messages_of(response)[0]
    assert daily(story) == 120


@pytest.mark.need(28)
def test_a_large_change_is_not_saved_until_it_is_confirmed_with_a_reason(story: Story, ann: Person) -> None:
    story.campaign()

    asked = ann.sends(PAGE, story.brand.pk, daily_budget="1000")
    unsaved = daily(story)
    unticked = ann.confirms(PAGE, story.brand.pk, response=asked, change_confirmed=None)
    no_reason = ann.confirms(PAGE, story.brand.pk, response=asked, change_reason=" ")
    still = daily(story)
    saved = ann.confirms(PAGE, story.brand.pk, response=asked, change_reason="A big launch")

    assert "100.00 EUR → 1,000.00 EUR (more than double)" in text_of(asked)
    assert text_of(asked).count("Nothing is saved yet: this is a large change.") == 1
    assert errors_of(asked) == {}
    assert "Please correct" not in text_of(asked)
    assert unsaved == still == 100
    assert "It is saved once you say yes here." in text_of(unticked)
    assert "This field is required." in text_of(no_reason)
    assert "was changed" in messages_of(saved)[0]
    assert daily(story) == 1000
    assert AuditEntry.objects.get(action="change brand").reason == "A big launch"


@pytest.mark.need(28)
def test_a_change_that_pauses_is_shown_and_then_does_exactly_that(story: Story, ann: Person) -> None:
    a, b, c = story.campaign("A"), story.campaign("B", daily_budget="10"), story.campaign("C")
    story.spend(a, "50")
    story.spend(b, "10")
    story.pause(c)

    asked = ann.sends(PAGE, story.brand.pk, daily_budget="60")
    refusal = refusal_of(asked)
    before = states([a, b, c]), StateChange.objects.count()
    saved = ann.confirms(PAGE, story.brand.pk, response=asked)

    page = text_of(asked)
    assert refusal is not None
    assert "1 campaign would pause: A – daily budget used up" in page
    assert "60.00 of 60.00 EUR · 100 % · used up; 0.00 EUR remain" in page
    assert before == (["ACTIVE", "PAUSED", "PAUSED"], before[1])
    assert states([a, b, c]) == ["PAUSED", "PAUSED", "PAUSED"]
    assert "Campaigns: 1 stopped." in messages_of(saved)[0]


def test_a_raise_says_what_would_start(story: Story, ann: Person) -> None:
    campaigns = story.campaigns("ABC")
    story.spend(campaigns[0], "100")

    asked = ann.sends(PAGE, story.brand.pk, daily_budget="150")
    saved = ann.confirms(PAGE, story.brand.pk, response=asked)

    assert "3 campaigns would start: A B C" in text_of(asked)
    assert "50.00 EUR remain" in text_of(asked)
    assert "Campaigns: 3 started." in messages_of(saved)[0]
    assert states(campaigns) == ["ACTIVE"] * 3


def test_other_values_than_those_shown_are_shown_again(story: Story, ann: Person) -> None:
    asked = ann.sends(PAGE, story.brand.pk, daily_budget="1000")

    again = ann.confirms(PAGE, story.brand.pk, response=asked, daily_budget="10000")

    assert daily(story) == 100
    assert "what was shown" in text_of(again)
    assert "100.00 EUR → 10,000.00 EUR" in text_of(again)
    ann.confirms(PAGE, story.brand.pk, response=again)
    assert daily(story) == 10000


def test_when_meanwhile_other_campaigns_would_pause_it_is_shown_again(story: Story, ann: Person) -> None:
    a = story.campaign("A")
    asked = ann.sends(PAGE, story.brand.pk, daily_budget="40")
    assert "No campaign would pause or start: 1 of 1 run." in text_of(asked)
    story.spend(a, "45")

    again = ann.confirms(PAGE, story.brand.pk, response=asked)

    assert "1 campaign would pause: A" in text_of(again)
    assert daily(story) == 100
    assert story.runs(a)


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(story: Story, ann: Person) -> None:
    asked = ann.sends(PAGE, story.brand.pk, daily_budget="1000")
    story.change_brand(monthly_budget="3000")

    response = ann.confirms(PAGE, story.brand.pk, response=asked)

    assert "was changed by somebody else" in str(errors_of(response))
    assert daily(story) == 100


def test_changes_of_other_inputs_are_not_asked_about(story: Story, ann: Person) -> None:
    story.spend(story.campaign(), "100")

    response = ann.sends(PAGE, story.brand.pk, name="Other", timezone="Asia/Tokyo")

    assert refusal_of(response) is None
    assert "was changed" in messages_of(response)[0]


def test_another_time_zone_is_asked_about_when_campaigns_would_start_by_it(story: Story, ann: Person) -> None:
    """It is noon in Berlin on 5 May, and the 6th begins in Kiritimati."""
    a, b = story.campaigns("AB")
    story.spend(a, "100")

    asked = ann.sends(PAGE, story.brand.pk, timezone="Pacific/Kiritimati", name="Islands")
    story.brand.refresh_from_db()
    unsaved = str(story.brand.timezone), states([a, b])
    saved = ann.confirms(PAGE, story.brand.pk, response=asked, change_reason="They moved")

    page = text_of(asked)
    assert "campaigns would pause or start by this change" in page
    assert "Time zone Europe/Berlin → Pacific/Kiritimati" in page
    assert "2 campaigns would start: A B" in page
    assert unsaved == ("Europe/Berlin", ["PAUSED", "PAUSED"])
    assert "Campaigns: 2 started." in messages_of(saved)[0]
    assert states([a, b]) == ["ACTIVE", "ACTIVE"]
    assert AuditEntry.objects.get(action="change brand").reason == "They moved"


def test_a_campaigns_page_asks_and_does_not_speak_of_errors(story: Story, ann: Person) -> None:
    a = story.campaign(daily_budget="50")

    asked = ann.sends("campaigns_campaign_change", a.pk, daily_budget="500")

    page = text_of(asked)
    assert page.count("Nothing is saved yet: this is a large change.") == 1
    assert "Please correct" not in page
    assert "errornote" not in asked.content.decode()


def test_a_campaigns_budget_is_guarded_together_with_its_flight(story: Story, ann: Person) -> None:
    a = story.campaign(daily_budget="50")
    story.spend(a, "30")

    asked = ann.sends("campaigns_campaign_change", a.pk, daily_budget="30", lifetime_budget="40", name="A2")
    unsaved = Campaign.objects.get(pk=a.pk)
    runs = story.runs(a)
    saved = ann.confirms("campaigns_campaign_change", a.pk, response=asked)

    page = text_of(asked)
    assert "1 campaign would pause: A2 – daily budget used up" in page
    assert "Lifetime budget no limit → 40.00 EUR (there was no limit)" in page
    assert "In all 30.00 of 40.00 EUR · 75 %; 10.00 EUR remain" in page
    assert (unsaved.name, unsaved.daily_budget, runs) == ("A", 50, True)
    assert "It is paused: Daily budget used up." in messages_of(saved)[0]
    assert AuditEntry.objects.get(action="change campaign").reason == "The client agreed"


def test_a_service_and_so_the_api_is_not_asked(story: Story) -> None:
    services.change_brand(story.brand.pk, {"daily_budget": "100000"}, actor=TESTER, now=story.now)

    assert daily(story) == 100000


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_brand_that_another_change_holds_is_told_and_nothing_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story()
    ann = Person(story, monkeypatch)
    page = ann.opens("brands_brand_change_budget", story.brand.pk)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 200")

    with held_brand(story.brand.pk):
        sent = {**filled(page), "daily_budget": "1000", "reason": "x"}
        refused = ann.sends_filled("brands_brand_change_budget", (story.brand.pk,), sent, {})
        reset = ann.reads("brands_brand_forced_reset", story.brand.pk)
        stop = ann.reads("brands_brand_emergency_stop", story.brand.pk)
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")

    assert "Another change holds this brand. Nothing was changed; try again." in str(errors_of(refused))
    assert "cannot be said at this moment: Another change holds this brand." in reset
    assert "Campaigns that run now and stop at once: 0 of 0" in stop
    assert daily(story) == 100
