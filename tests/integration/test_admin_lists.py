"""Lists: sorted by what is used, filtered by the brand's own day, in words, with columns for the screen at hand, and
with as many queries for thirty rows as for one."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.models import TokenScope
from access.roles import Role
from access.tokens import issue
from budget_system import clock
from budget_system.admin import lists
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import reservations, services
from enforcement.models import Run, RunKind
from spending.models import DayMetrics, PeriodKind, Reservation, SpendImport
from tests.factories import ACTOR, MON, TUE, Story, window
from tests.integration.admin_client import Person, messages_of, text_of
from tests.integration.people import at_the_admin, person

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CAMPAIGNS = "campaigns_campaign_changelist"
MODELS = list(admin.site._registry)
NAMES = [f"{model._meta.app_label}_{model._meta.model_name}" for model in MODELS]
UUID = re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b")


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def names(ann: Person, **query: str) -> list[str]:
    """The campaigns of a list, in its order."""
    page = ann.opens(CAMPAIGNS, **query)
    return [campaign.name for campaign in page.context["cl"].result_list]


def column(ann: Person, list_name: str, name: str) -> str:
    """The number of a column, for sorting by it, most first."""
    shown: Any = ann.opens(list_name).context["cl"].list_display
    return f"-{list(shown).index(name)}"


# --- Sorting


def test_campaigns_are_sorted_by_what_is_used_of_today_by_their_brands_own_day(story: Story, ann: Person) -> None:
    far = Story(name="Far", timezone="Pacific/Kiritimati", daily_budget="", monthly_budget="")
    far.now = story.now
    for of, name, budget, spent in (
        (story, "half", "10", "5"), (story, "little", "100", "1"), (far, "most", "10", "9"), (story, "free", "", "30"),
        (far, "nothing", "10", ""),
    ):  # fmt: skip
        campaign = of.campaign(name, daily_budget=budget)
        if spent:
            of.spend(campaign, spent)
    by = column(ann, CAMPAIGNS, "today")

    most_first, least_first = names(ann, o=by), names(ann, o=by.removeprefix("-"))

    assert most_first == ["most", "half", "little", "nothing", "free"]
    assert least_first == ["nothing", "little", "half", "most", "free"]


def test_a_budget_of_nothing_is_used_up_and_sorted_first(story: Story, ann: Person) -> None:
    story.campaign("zero", monthly_budget="0")
    story.spend(story.campaign("full", monthly_budget="10"), "10")

    assert names(ann, o=column(ann, CAMPAIGNS, "month")) == ["zero", "full"]
    assert names(ann, today="over") == []


def test_brands_are_sorted_by_what_is_used_of_the_month(story: Story, ann: Person) -> None:
    story.spend(story.campaign(), "50")
    rich = Story(name="Rich", monthly_budget="10")
    rich.spend(rich.campaign(), "9")
    by = column(ann, "brands_brand_changelist", "month")

    found = ann.opens("brands_brand_changelist", o=by).context["cl"].result_list

    assert [brand.name for brand in found] == ["Rich", "Acme"]


# --- Filters


def test_over_pace_is_well_ahead_of_the_open_hours_that_have_passed(story: Story, ann: Person) -> None:
    """It is Tuesday noon: of 11:00 to 22:00 a tenth has passed, of a whole day half."""
    hours = [window(TUE, "11:00", "22:00"), window(MON, "11:00", "22:00")]
    fast = story.campaign("fast", rows=hours, daily_budget="10")
    steady = story.campaign("steady", daily_budget="10")
    story.spend(fast, "4")
    story.spend(steady, "4")
    story.spend(story.campaign("little", daily_budget="10", rows=hours), "0.9")
    story.spend(story.campaign("free", rows=hours), "40")

    page = ann.reads(CAMPAIGNS, today="pace")

    assert names(ann, today="pace") == ["fast"]
    assert "Over pace: 4.4 times as fast as its day" in page
    assert [brand.name for brand in ann.opens("brands_brand_changelist", today="pace").context["cl"].result_list] == []


def test_a_brand_is_over_pace_by_the_hours_in_which_any_of_its_campaigns_is_open(story: Story, ann: Person) -> None:
    late = Story(name="Late", daily_budget="100")
    late.spend(late.campaign(rows=[window(TUE, "11:00", "22:00")]), "40")
    story.spend(story.campaign(), "40")

    found = ann.opens("brands_brand_changelist", today="pace").context["cl"].result_list

    assert [brand.name for brand in found] == ["Late"]


def test_a_brand_that_is_over_pace_says_so_in_its_row(story: Story, ann: Person) -> None:
    """It is noon: of 11:00 to 22:00 a tenth has passed, and of a whole day half, whatever else is open beside it."""
    hours = [window(TUE, "11:00", "22:00")]
    for name, weeks, spent in (
        ("Late", [hours], "40"), ("Mixed", [hours, None], "55"), ("Steady", [None], "50"), ("Fast", [None], "70"),
        ("Two", [hours, [window(TUE, "22:00", "23:00")]], "20"), ("Little", [hours], "9"),
    ):  # fmt: skip
        of = Story(name=name)
        campaigns = [of.campaign(str(number), rows=rows) for number, rows in enumerate(weeks)]
        of.spend(campaigns[0], spent)

    listed = text_of(ann.opens("brands_brand_changelist", today="pace"))
    found = ann.opens("brands_brand_changelist", today="pace").context["cl"].result_list

    assert [brand.name for brand in found] == ["Fast", "Late", "Two"]
    assert "Over pace: 1.4 times as fast as its day" in listed
    assert "Over pace: 4.4 times as fast as its day" in listed
    assert ann.reads("brands_brand_changelist").count("Over pace: ") == 3


def test_nearly_used_up_is_from_eighty_per_cent(story: Story, ann: Person) -> None:
    for name, spent in (("a", "7.99"), ("b", "8"), ("c", "9.99"), ("d", "10")):
        story.spend(story.campaign(name, daily_budget="10"), spent)

    assert names(ann, today="nearly") == ["b", "c"]
    assert names(ann, today="over") == ["d"]


def test_a_flight_is_seen_by_the_brands_calendar(story: Story, ann: Person) -> None:
    """12:00 in Berlin on 5 May is 00:00 on 6 May in Kiritimati."""
    far = Story(name="Far", timezone="Pacific/Kiritimati")
    far.now = story.now
    for of in (story, far):
        of.campaign(f"ends {of.brand}", end_date="2026-05-05")
        of.campaign(f"begins {of.brand}", start_date="2026-05-06")
    story.campaign("soon", end_date="2026-05-11")
    story.campaign("later", end_date="2026-05-12")
    story.campaign("free")

    assert names(ann, flight="after") == ["ends Far"]
    assert names(ann, flight="before") == ["begins Acme"]
    assert names(ann, flight="soon") == ["ends Acme", "soon"]
    assert names(ann, flight="none") == ["free"]
    assert names(ann, flight="in") == ["begins Far", "ends Acme", "later", "soon"]


def test_the_reason_filter_finds_every_hold_of_a_campaign(story: Story, ann: Person) -> None:
    a = story.campaign("A")
    story.pause(a)
    services.emergency_stop(a.pk, reason="x", actor=ACTOR, now=story.now)

    assert names(ann, reason="MANUAL") == ["A"]
    assert names(ann, reason="EMERGENCY_STOP") == ["A"]
    assert names(ann, reason="ENDED") == []


def test_brands_are_found_by_how_they_stand(story: Story, ann: Person) -> None:
    story.pause(story.campaign())
    Story(name="Empty")
    stopped = Story(name="Stopped")
    services.emergency_stop_brand(stopped.brand.pk, reason="x", actor=ACTOR, now=story.now)
    runs = Story(name="Runs")
    runs.campaign()

    def found(state: str) -> list[str]:
        return [brand.name for brand in ann.opens("brands_brand_changelist", state=state).context["cl"].result_list]

    assert found("stopped") == ["Stopped"]
    assert found("paused") == ["Acme"]
    assert found("running") == ["Runs"]
    assert found("idle") == ["Acme", "Empty", "Stopped"]


# --- Columns and counting


def test_the_columns_that_a_browser_chose_are_kept(story: Story, ann: Person) -> None:
    story.campaign()
    url = reverse(f"admin:{CAMPAIGNS}")

    by_screen = ann.client.get(url).content.decode()
    chosen = ann.client.get(f"{url}?q=a&columns=few")
    few = ann.client.get(url).content.decode()
    ann.client.get(f"{url}?columns=all")
    every = ann.client.get(url).content.decode()
    ann.client.get(f"{url}?columns=<script>")

    hidden = "#result_list .field-platform"
    assert re.search(rf"@media \(max-width: 1023px\) {{\s*{hidden}", by_screen)
    assert (chosen.status_code, chosen["Location"]) == (302, f"{url}?q=a")
    assert hidden in few
    assert "@media (max-width: 1023px) { #result" not in few
    assert hidden not in every
    assert ann.client.get(url).content.decode().count("<script>alert") == 0


def test_columns_that_are_hidden_exist(ann: Person) -> None:
    for model_admin in admin.site._registry.values():
        essentials = set(getattr(model_admin, "essentials", ())) - {"action_checkbox"}
        assert essentials <= set(model_admin.list_display), model_admin


def test_counting_ends_where_nobody_turns_pages(story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_COUNTED", 3)
    story.campaigns("ABC")
    exact = ann.reads(CAMPAIGNS)
    story.campaign("D")

    assert "3 campaigns" in exact
    assert "more than" not in exact
    assert "more than 3 campaigns: search or filter to see the rest" in ann.reads(CAMPAIGNS)


# --- Reservations


def reserve(story: Story, campaign: Campaign, amount: str = "5", channel: str = "Search") -> Reservation:
    answer = reservations.reserve(
        uuid4(), campaign.pk, Decimal(amount), channel=channel, ttl=timedelta(minutes=10), actor="token: Bidder",
        now=story.now,
    )  # fmt: skip
    assert answer.reservation is not None
    return Reservation.objects.get(pk=answer.reservation.pk)


def test_a_reservation_tells_what_became_of_it(story: Story, ann: Person) -> None:
    a = story.campaign()
    pending, settled, voided = reserve(story, a), reserve(story, a, "6"), reserve(story, a, "7", "")
    reservations.settle(settled.pk, Decimal("5.5"), actor=ACTOR, now=story.now)
    reservations.void(voided.pk, actor=ACTOR, now=story.now)
    settled.refresh_from_db()

    listed = ann.reads("spending_reservation_changelist")
    spend = ann.reads("spending_spend_change", settled.spend_id)

    assert "5.00 EUR Set aside in 10 minutes nothing yet: it counts as set aside" in listed
    assert "6.00 EUR Spent – 5.50 EUR spent" in listed
    assert "none named 7.00 EUR Given back – given back" in listed
    assert "Settled reservation" in spend
    assert "made by the system" in spend
    link = reverse("admin:spending_reservation_change", args=[settled.pk])
    assert link in ann.opens("spending_spend_change", settled.spend_id).content.decode()
    assert "Give back" in ann.reads("spending_reservation_change", pending.pk)
    assert "Give back" not in ann.reads("spending_reservation_change", settled.pk)


def test_money_that_is_set_aside_is_given_back_by_who_may(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: story.now)
    one = reserve(story, story.campaign())
    url = reverse("admin:spending_reservation_void", args=[one.pk])

    refused = at_the_admin(person(Role.VIEWER, story.brand)).post(url)
    done = at_the_admin(person(Role.OPERATOR, story.brand)).post(url, follow=True)

    one.refresh_from_db()
    assert refused.status_code == 403
    assert one.status == "VOIDED"
    assert messages_of(done) == ["Given back: 5.00 EUR for A. It is no longer set aside."]


# --- Every page


def grow(story: Story, count: int) -> None:
    """So many of everything that a list shows, each with its relatives."""
    for number in range(count):
        other = Story(name=f"Brand {number} of {count}")
        campaign = other.campaign("C", daily_budget="50", rows=[window(day, "00:00", "00:00") for day in range(7)])
        spend = other.spend(campaign, "20", description="Late fee")
        services.amend_spend(spend.pk, {"amount": Decimal(21)}, reason="x", actor=ACTOR, now=story.now)
        reservations.settle(reserve(other, campaign).pk, Decimal(4), actor=ACTOR, now=story.now)
        services.force_reset(other.brand.pk, [PeriodKind.DAY], reason="x", actor=ACTOR, now=story.now)
        other.pause(campaign)
        other.override(campaign, Hold.MANUAL, extra="5")
        Run.objects.create(kind=RunKind.BUDGETS, trigger="x", started_at=story.now, finished_at=story.now)
        record = SpendImport.objects.create(
            file_name="report.csv", digest="0" * 64, size=1, state="DONE", created_at=story.now, created_by=ACTOR,
            source="import:google_ads", format="google_ads", rows=0,
        )  # fmt: skip
        record.brands.add(other.brand)
        DayMetrics.objects.create(
            campaign=campaign, day=story.now.date(), source="x", clicks=3, spend_import=record, updated_at=story.now
        )
        user = person(Role.VIEWER, other.brand, name=f"person {number} of {count}")
        issue(
            f"Token {number}", user, TokenScope.READ, [other.brand], expires_at=None, requests_per_minute=None,
            actor=ACTOR, now=story.now,
        )  # fmt: skip


@pytest.mark.slow
def test_every_list_asks_as_often_for_thirty_rows_as_for_one_and_shows_no_id(story: Story, ann: Person) -> None:
    grow(story, 1)
    for name in NAMES:
        ann.opens(f"{name}_changelist")  # content types and the like are remembered from here on
    few = {name: queries(lambda name=name: ann.opens(f"{name}_changelist")) for name in NAMES}  # type: ignore[misc]

    grow(story, 29)
    many = {name: queries(lambda name=name: ann.opens(f"{name}_changelist")) for name in NAMES}  # type: ignore[misc]

    assert many == few
    assert max(many.values()) <= MOST_QUERIES
    for name in NAMES:
        assert UUID.search(text_of(ann.opens(f"{name}_changelist"))) is None, name


MOST_QUERIES = 12


def queries(ask: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)


@pytest.mark.slow
def test_no_page_shows_an_id_and_no_link_of_it_is_dead(story: Story, ann: Person) -> None:
    grow(story, 1)
    seen: set[str] = set()
    for name, model in zip(NAMES, MODELS, strict=True):
        for thing in model._default_manager.all()[:2]:
            page = ann.opens(f"{name}_change", thing.pk)
            assert UUID.search(text_of(page)) is None, (name, UUID.search(text_of(page)))
            seen |= set(re.findall(r'href="(/admin/[^"#]+)"', page.content.decode()))
        seen |= set(re.findall(r'href="(/admin/[^"#]+)"', ann.opens(f"{name}_changelist").content.decode()))
    dead = {url: ann.client.get(url.replace("&amp;", "&"), follow=True).status_code for url in sorted(seen)}

    assert len(seen) > 60
    assert {url: status for url, status in dead.items() if status != 200} == {}
