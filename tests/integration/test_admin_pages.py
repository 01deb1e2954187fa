"""Every page of the admin opens, tells, escapes what it is given, and asks as often for 50 rows as for 5."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import services
from enforcement.models import Run, RunKind
from spending.models import PeriodKind
from tests.factories import ACTOR, MON, Story, window
from tests.integration.admin_client import Person, text_of

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
MODELS = list(admin.site._registry)
NAMES = [f"{model._meta.app_label}_{model._meta.model_name}" for model in MODELS]
ADDABLE = [
    "auth_user", "auth_group", "brands_brand", "campaigns_campaign", "scheduling_schedule", "spending_spend",
    "access_apitoken", "access_membership",
]  # fmt: skip


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def full_life(story: Story, name: str = "A", why: str = "Because") -> Campaign:
    """A campaign of which every kind of record is there."""
    campaign = story.campaign(name, daily_budget="50")
    spend = story.spend(campaign, "60", description=why)
    services.amend_spend(spend.pk, {"amount": Decimal(70)}, reason=why, actor=why, now=story.now)
    services.void_spend(story.spend(campaign, "1").pk, reason=why, actor=why, now=story.now)
    services.set_override(campaign.pk, [Hold.DAILY_BUDGET_EXCEEDED], reason=why, actor=why, now=story.now)
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason=why, actor=why, now=story.now)
    services.pause(campaign.pk, reason=why, actor=why, now=story.now)
    services.emergency_stop(campaign.pk, reason=why, actor=why, now=story.now)
    Run.objects.create(
        kind=RunKind.BUDGETS, trigger=why, started_at=story.now, finished_at=story.now, error=why, counts={"looked": 3}
    )
    return campaign


# --- Opening


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_empty_list_opens_and_tells_the_next_step(
    name: str, monkeypatch: pytest.MonkeyPatch, story: Story, ann: Person
) -> None:
    page = ann.reads(f"{name}_changelist", q="nothing has this name")

    if name not in {"auth_user", "auth_group"}:
        model_admin: Any = admin.site._registry[MODELS[NAMES.index(name)]]
        assert "Nothing matches" in page or not model_admin.search_fields
        assert model_admin.empty_text != "Nothing here yet."


@pytest.mark.parametrize("name", ["campaigns_campaign", "spending_spend", "enforcement_run", "campaigns_override"])
def test_a_list_without_rows_says_what_to_do_next(name: str, story: Story, ann: Person) -> None:
    page = ann.reads(f"{name}_changelist")

    model_admin: Any = admin.site._registry[MODELS[NAMES.index(name)]]
    assert "yet" in page
    assert model_admin.empty_text in page


@pytest.mark.parametrize("name", NAMES)
def test_lists_and_pages_open_with_data(name: str, story: Story, ann: Person) -> None:
    full_life(story)
    model = MODELS[NAMES.index(name)]

    ann.opens(f"{name}_changelist")
    for thing in model._default_manager.all()[:5]:
        ann.opens(f"{name}_change", thing.pk)


@pytest.mark.parametrize("name", ADDABLE)
def test_add_pages_open(name: str, story: Story, ann: Person) -> None:
    ann.opens(f"{name}_add")


def test_the_pages_of_actions_open_when_they_are_offered(story: Story, ann: Person) -> None:
    a = full_life(story)
    spend = story.spend(a, "3")

    for action in ("pause", "clear_override", "clear_stop", "archive"):
        ann.opens(f"campaigns_campaign_{action}", a.pk)
    paused = story.campaign("Paused")
    story.pause(paused)
    for action in ("activate", "override"):
        ann.opens(f"campaigns_campaign_{action}", paused.pk)
    for action in ("emergency_stop", "forced_reset", "archive"):
        ann.opens(f"brands_brand_{action}", story.brand.pk)
    ann.opens("spending_spend_void", spend.pk)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pk", ["x", "00000000-0000-0000-0000-000000000000", "9" * 30, "a_00b", "%3Cscript%3E"])
def test_a_page_of_nothing_leads_back(name: str, pk: str, story: Story, ann: Person) -> None:
    response = ann.client.get(reverse(f"admin:{name}_change", args=[pk]), follow=True)

    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()


FILTERS = [
    "brands_brand?today=over", "brands_brand?archived=all&zone=Europe/Berlin&currency=EUR", "brands_brand?zone=x",
    "campaigns_campaign?flight=before", "campaigns_campaign?flight=in", "campaigns_campaign?flight=after",
    "campaigns_campaign?flight=none&archived=yes", "campaigns_campaign?reason=MANUAL&status__exact=PAUSED",
    "campaigns_campaign?platform__exact=GOOGLE", "campaigns_campaign?brand__id__exact=not-an-id",
    "campaigns_campaign?reason=%00", "campaigns_campaign?name__contains=%00", "campaigns_campaign?q=%00",
    "campaigns_campaign?p=999", "campaigns_campaign?p=x&o=1.2.99.x", "campaigns_campaign?brand__secret=1",
    "campaigns_override?state=open", "campaigns_override?state=over", "campaigns_statechange?to=ACTIVE&cause=sweep",
    "campaigns_statechange?at_from=2026-05-05&at_to=9999-12-31", "campaigns_statechange?at_from=x&at_to=0001-01-01",
    "spending_spend?spend_date_from=2026-05-01&spend_date_to=2026-05-31&voided=no", "spending_spend?voided=yes",
    "spending_spend?spend_date_from=x", "spending_spend?q=acme", "spending_spend?q=%E2%80%AE%F0%9F%8F%84",
    "spending_budgetperiod?scope=brands&kind=D", "spending_budgetperiod?scope=campaigns&q=acme",
    "spending_spendrevision?q=a&spend_type__exact=DAILY", "spending_forcedreset?kind=M&q=acme",
    "scheduling_schedule?day_of_week__exact=1&is_active__exact=1&q=a", "enforcement_run?kind__exact=daily_reset",
    "brands_auditentry?type=campaign&action=pause&q=bob", "brands_auditentry?object_id=x",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("url", FILTERS)
def test_filters_and_searches_of_every_kind_answer(url: str, story: Story, ann: Person) -> None:
    full_life(story)
    name, query = url.split("?")

    response = ann.client.get(f"{reverse(f'admin:{name}_changelist')}?{query}", follow=True)

    assert response.status_code == 200


def test_filters_find_what_they_promise(story: Story, ann: Person) -> None:
    story.spend(story.campaign("A"), "100")
    story.campaign("B", start_date="2026-06-01")
    rich = Story(name="Rich", timezone="Pacific/Kiritimati", daily_budget="")
    rich.spend(rich.campaign("C"), "500")

    over = ann.reads("brands_brand_changelist", today="over")
    before = ann.reads("campaigns_campaign_changelist", flight="before")
    by_reason = ann.reads("campaigns_campaign_changelist", reason="DAILY_BUDGET_EXCEEDED")
    by_name = ann.reads("spending_spend_changelist", q="rich")

    assert "100.00 of 100.00 EUR · 100 % · used up" in over
    assert "500.00" not in over
    assert "B" in before
    assert "1 campaign " in before
    assert "2 campaigns " in by_reason  # B has not begun, and today's budget is used up
    assert "500.00 EUR" in by_name
    assert "100.00 EUR" not in by_name


# --- Words and figures


@pytest.mark.parametrize(
    ("spent", "budget", "text", "colour"),
    [
        ("79.99", "100", "79.99 of 100.00 EUR · 79 %", "bg-green-500"),
        ("82.40", "100", "82.40 of 100.00 EUR · 82 %", "bg-orange-500"),
        ("99.99", "100", "99.99 of 100.00 EUR · 99 %", "bg-orange-500"),
        ("100", "100", "100.00 of 100.00 EUR · 100 % · used up", "bg-red-600"),
        ("250", "100", "250.00 of 100.00 EUR · 250 % · used up", "bg-red-600"),
        ("1234.5", "", "1,234.50 EUR · no limit", ""),
        ("5", "0", "5.00 of 0.00 EUR · nothing may be spent", "bg-red-600"),
    ],
)
def test_the_use_of_a_budget_is_shown_in_words_and_colour(
    monkeypatch: pytest.MonkeyPatch, spent: str, budget: str, text: str, colour: str
) -> None:
    story = Story(daily_budget=budget, monthly_budget="")
    ann = Person(story, monkeypatch)
    story.spend(story.campaign(), spent)

    page = ann.opens("brands_brand_changelist")

    assert text in text_of(page)
    assert colour in page.content.decode()


def test_currencies_without_decimals_are_written_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(currency="JPY", timezone="Asia/Tokyo", daily_budget="5000")
    ann = Person(story, monkeypatch)
    story.spend(story.campaign(), "4999")

    assert "4,999 of 5,000 JPY · 99 %" in ann.reads("brands_brand_changelist")


def test_a_forced_reset_is_shown_beside_the_figure_it_changed(story: Story, ann: Person) -> None:
    story.spend(story.campaign(), "60")
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="x", actor=ACTOR, now=story.now)

    page = ann.reads("brands_brand_changelist")

    assert "0.00 of 100.00 EUR · 0 % (+ 60.00 not counted)" in page


def test_a_campaigns_page_explains_its_state_and_keeps_a_timeline(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")])
    story.spend(a, "100")

    page = ann.reads("campaigns_campaign_change", a.pk)

    assert "Brand daily budget 100.00 EUR reached, 100.00 EUR spent at 12:00" in page
    assert "It will next run Mon 11 May 2026 09:00 Europe/Berlin" in page or "It will next run Mon 09:00" in page
    assert "Tue 5 May 2026 12:00 Europe/Berlin" in page
    assert "Daily budget used up, Outside schedule" in page


def test_a_brands_page_keeps_the_history_of_its_budgets(story: Story, ann: Person) -> None:
    story.change_brand(daily_budget="150")

    page = ann.reads("brands_brand_change", story.brand.pk)

    assert "daily budget: 100.00 → 150.00" in page
    assert ACTOR in page


def test_labels_are_words_and_not_ids(story: Story, ann: Person) -> None:
    a = full_life(story)

    for name in NAMES:
        page = ann.reads(f"{name}_changelist")
        assert str(a.pk) not in page
        assert str(story.brand.pk) not in page


def test_a_campaign_is_chosen_by_its_name_and_brand(story: Story, ann: Person) -> None:
    a = story.campaign("Search")
    other = Story(name="Other").campaign("Search")
    services.archive_campaign(other.pk, actor=ACTOR, now=story.now)

    asked = {"app_label": "spending", "model_name": "spend", "field_name": "campaign", "term": "sear"}
    found = ann.client.get(reverse("admin:autocomplete"), asked).json()["results"]
    typed = ann.sends("spending_spend_add", campaign=str(a.pk), amount="x")

    assert sorted(choice["text"] for choice in found) == ["Search · Acme", "Search · Other (archived)"]
    assert "Search · Acme" in text_of(typed)


def test_who_logs_in_arrives_at_the_overview(story: Story, ann: Person) -> None:
    ann.client.logout()

    login = {"username": "ann", "password": "a-long-password"}
    response = ann.client.post(reverse("admin:login"), login, follow=True)

    assert response.redirect_chain[-1][0] == reverse("admin:index")


# --- Escaping


@pytest.mark.need(20)
@pytest.mark.slow
def test_names_with_markup_are_escaped_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(name=SCRIPT)
    ann = Person(story, monkeypatch)
    a = full_life(story, SCRIPT, SCRIPT)
    services.emergency_stop_brand(story.brand.pk, reason=SCRIPT, actor=SCRIPT, now=story.now)
    pages = [reverse("admin:index")]
    for name, model in zip(NAMES, MODELS, strict=True):
        pages.append(reverse(f"admin:{name}_changelist"))
        pages += [reverse(f"admin:{name}_change", args=[thing.pk]) for thing in model._default_manager.all()[:20]]
    for action in ("pause", "activate", "override", "clear_override", "clear_stop", "archive"):
        pages.append(reverse(f"admin:campaigns_campaign_{action}", args=[a.pk]))
    for action in ("clear_stop", "forced_reset", "archive"):
        pages.append(reverse(f"admin:brands_brand_{action}", args=[story.brand.pk]))

    for url in pages:
        body = ann.client.get(url).content.decode()
        assert "<script>alert(1)" not in body, url


@pytest.mark.need(20)
def test_messages_with_markup_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(name=SCRIPT)
    ann = Person(story, monkeypatch)
    a = story.campaign(SCRIPT)
    story.spend(a, "100")

    bulk = ann.client.post(
        reverse("admin:campaigns_campaign_changelist"),
        {"action": "activate_selected", "_selected_action": str(a.pk)},
        follow=True,
    )

    responses = [
        bulk,
        ann.sends("campaigns_campaign_change", a.pk, name=SCRIPT + "2"),
        ann.sends("campaigns_campaign_activate", a.pk),
        ann.sends("campaigns_campaign_pause", a.pk, until="none", reason=SCRIPT),
        ann.sends("brands_brand_change", story.brand.pk, daily_budget="7"),
        ann.sends("brands_brand_emergency_stop", story.brand.pk, reason=SCRIPT),
        ann.client.post(bulk.request["PATH_INFO"], {"reason": ""}, follow=True),
    ]

    for response in responses:
        body = response.content.decode()
        assert "&lt;script&gt;alert(1)" in body
        assert "<script>alert(1)" not in body
