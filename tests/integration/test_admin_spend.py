"""Recording, amending and voiding a spend: by the brand's day, in its money, and in words that say what comes of it."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from enforcement import services
from spending.models import Spend
from spending.services import SpendRow
from tests.factories import ACTOR, Story
from tests.integration.admin_client import Person, errors_of, messages_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sydney() -> Story:
    """Where it is the 22nd already while it is the 21st in UTC."""
    return Story("2026-11-22 00:30", timezone="Australia/Sydney", currency="AUD", daily_budget="100")


@pytest.fixture
def ann(sydney: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(sydney, monkeypatch)


def test_an_empty_date_is_the_brands_own_today_and_the_message_says_which_that_is(sydney: Story, ann: Person) -> None:
    a = sydney.campaign()
    page = ann.reads("spending_spend_add")

    told = messages_of(ann.sends("spending_spend_add", campaign=str(a.pk), amount="10", spend_date=""))[0]
    late = messages_of(ann.sends("spending_spend_add", campaign=str(a.pk), amount="11", spend_date="2026-11-21"))[0]

    assert "Empty: today by the brand's clock" in page
    assert 'name="spend_date" value=' not in page
    assert Spend.objects.get(amount=10).spend_date == date(2026, 11, 22)
    assert "It counts today, Sun 22 Nov 2026 in Australia/Sydney." in told
    assert "It counts on Sat 21 Nov 2026, which is not today there" in late


def test_the_page_names_the_currency_and_the_day_once_the_campaign_is_known(sydney: Story, ann: Person) -> None:
    a = sydney.campaign()
    search = {"app_label": "spending", "model_name": "spend", "field_name": "campaign", "term": "A"}

    unknown = ann.reads("spending_spend_add")
    known = ann.reads("spending_spend_add", campaign=str(a.pk))
    nobodys = ann.reads("spending_spend_add", campaign="x")
    chosen = ann.client.get(reverse("admin:autocomplete"), search).json()["results"][0]

    assert "In the brand's currency" in unknown
    assert "In the brand's currency" in nobodys
    assert "In AUD." in known
    assert "today by the brand's clock, Sun 22 Nov 2026 in Australia/Sydney" in known
    assert (chosen["currency"], chosen["today"]) == ("AUD", "Sun 22 Nov 2026 in Australia/Sydney")
    assert "Record a spend" in unknown


@pytest.mark.parametrize(
    ("currency", "amount", "words"),
    [
        ("AUD", "480.555", "480.555 is finer than AUD is: write it with at most 2 decimals"),
        ("JPY", "10.5", "10.5 is finer than JPY is: write it with no decimals"),
        ("AUD", "480.550", ""),
        ("KWD", "1.005", ""),
    ],
)
def test_an_amount_finer_than_its_currency_is_refused_where_a_person_types_it(
    monkeypatch: pytest.MonkeyPatch, currency: str, amount: str, words: str
) -> None:
    story = Story(currency=currency)
    ann, a = Person(story, monkeypatch), story.campaign()

    answer = ann.sends("spending_spend_add", campaign=str(a.pk), amount=amount)

    assert words in "".join(errors_of(answer).get("amount", [""]))
    assert Spend.objects.count() == (not words)


def test_what_a_platform_reported_in_fractions_of_a_cent_stays_and_can_be_amended_otherwise(
    sydney: Story, ann: Person
) -> None:
    row = SpendRow(sydney.campaign().pk, Decimal("0.123456"), date(2026, 11, 22))
    services.post_spend([row], source="api", actor=ACTOR, now=sydney.now)
    spend = Spend.objects.get()

    ann.sends("spending_spend_change", spend.pk, description="Said twice", reason="A note")
    finer = ann.sends("spending_spend_change", spend.pk, amount="0.1234", reason="Invoice")

    spend.refresh_from_db()
    assert (spend.amount, spend.description) == (Decimal("0.123456"), "Said twice")
    assert "finer than AUD" in errors_of(finer)["amount"][0]


def test_a_negative_amount_is_refused_in_the_words_of_the_page(sydney: Story, ann: Person) -> None:
    answer = ann.sends("spending_spend_add", campaign=str(sydney.campaign().pk), amount="-5")

    [error] = errors_of(answer)["amount"]
    assert "choose the type Adjustment" in error
    assert "ADJUSTMENT" not in error


def test_voiding_says_whose_spend_it_is_and_which_campaigns_would_start(sydney: Story, ann: Person) -> None:
    a = sydney.campaign("Retargeting")
    sydney.campaign("Search")
    spend, little = sydney.spend(a, "100"), sydney.spend(a, "1")

    asked = ann.reads("spending_spend_void", spend.pk)
    of_little = ann.reads("spending_spend_void", little.pk)

    assert "100.00 AUD on Sun 22 Nov 2026, recorded for “Retargeting” of Acme" in asked
    assert "2 campaigns would start again: “Retargeting”, “Search”." in asked
    assert "No campaign would start or stop" in of_little
    assert Spend.objects.filter(voided_at=None).count() == 2
    assert not sydney.runs(a)


def test_a_spends_page_says_how_to_amend_it_and_afterwards_what_was_done(sydney: Story, ann: Person) -> None:
    spend = sydney.spend(sydney.campaign(), "40")
    before = ann.reads("spending_spend_change", spend.pk)

    ann.sends("spending_spend_change", spend.pk, amount="30", reason="Invoice")
    ann.sends("spending_spend_void", spend.pk, reason="Twice")
    page, listed = ann.reads("spending_spend_change", spend.pk), ann.reads("spending_spendrevision_changelist")

    assert "void it instead" in before
    assert "Reason for amending" in before
    assert "Amended Sun 22 Nov 2026 00:30 Australia/Sydney by ann Invoice" in page
    assert "Voided Sun 22 Nov 2026 00:30 Australia/Sydney by ann Twice" in page
    assert "Acme 30.00 AUD" in listed
    assert "Voided ann Twice" in listed
    assert "Amended, and voided since ann Invoice" in listed


def test_periods_are_listed_by_the_day_on_which_they_begin(sydney: Story, ann: Person) -> None:
    a = sydney.campaign()
    for day in ("2026-11-22", "2026-11-19", "2026-11-21"):
        sydney.spend(a, "1", day)

    listed = text_of(ann.opens("spending_budgetperiod_changelist", kind="D", scope="campaigns"))

    order = [listed.index(f"Day {told}") for told in ("Sun 22 Nov 2026", "Sat 21 Nov 2026", "Thu 19 Nov 2026")]
    assert order == sorted(order)
