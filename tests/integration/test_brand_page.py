"""A brand's page: its money, campaigns, charts, former budgets, members and timeline; and what can be done there."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.models import Membership
from access.roles import Role
from access.services import join
from brands.models import AuditEntry, Brand
from budget_system import clock
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import services
from spending.models import ForcedReset, PeriodKind
from spending.services import SpendRow
from tests.factories import ACTOR as TESTER
from tests.factories import MON, Story, window
from tests.integration.admin_client import ACTOR, Person, errors_of, messages_of, refusal_of, text_of
from tests.integration.people import at_the_admin, person

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PAGE = "brands_brand_change"


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def names_in_order(page: str, *names: str) -> bool:
    places = [page.index(f" {name} ") for name in names]
    return places == sorted(places)


def at(client: Client, name: str, *args: object) -> str:
    return text_of(client.get(reverse(f"admin:{name}", args=args), follow=True))


# --- Money


def test_the_day_and_the_month_show_what_is_spent_set_aside_left_and_projected(story: Story, ann: Person) -> None:
    a = story.campaign()
    for day in range(20, 31):
        story.spend(a, "70", f"2026-04-{day}")
    story.spend(a, "30")

    page = ann.reads(PAGE, story.brand.pk)

    assert "30.00 of 100.00 EUR · 30 %" in page
    assert "Remains 70.00 EUR" in page
    assert "Projected by midnight" in page
    assert "Projected by 31 May" in page
    assert "like the same weekdays of the last four weeks" in page


def test_a_month_that_will_be_too_much_says_by_how_much(story: Story, ann: Person) -> None:
    a = story.campaign()
    for day in range(1, 31):
        story.spend(a, "70", f"2026-04-{day:02}")
    story.clock("2026-05-01 00:30")

    page = ann.reads(PAGE, story.brand.pk)

    assert "2,000.00 EUR at most: the budget is used up on Fri 29 May without the budget 2,170 EUR" in page
    assert "70.00 EUR 70 % of the budget" in page


def test_no_limit_and_an_unknown_projection_are_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(daily_budget="", monthly_budget="0")
    ann = Person(story, monkeypatch)

    page = ann.reads(PAGE, story.brand.pk)

    assert "0.00 EUR · no limit" in page
    assert "Remains no limit" in page
    assert "nothing may be spent" in page
    assert "Nothing is projected yet" in page


def test_a_forced_reset_is_told_beside_the_figures_with_who_and_why(story: Story, ann: Person) -> None:
    story.spend(story.campaign(), "60")
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="Free day", actor="user: bob", now=story.now)

    page = ann.reads(PAGE, story.brand.pk)

    assert "0.00 of 100.00 EUR · 0 % (+ 60.00 not counted)" in page
    assert "60.00 EUR of today no longer count since Tue 12:00 Europe/Berlin, by bob: Free day" in page


def test_a_projection_has_the_decimals_of_the_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(currency="JPY", daily_budget="", monthly_budget="")
    ann = Person(story, monkeypatch)
    a = story.campaign()
    for number, day in enumerate(range(8, 31)):
        story.spend(a, str(1000 + number % 7 % 3), f"2026-04-{day:02}")
    story.clock("2026-05-06 09:00")

    page = ann.reads(PAGE, story.brand.pk)

    projected = page.split("Projected by 31 May about ")[1].split(" JPY")[0]
    assert projected.replace(",", "").isdecimal()


def test_the_charts_have_the_budget_of_each_day_and_the_days_to_come(story: Story, ann: Person) -> None:
    a = story.campaign()
    for day in range(20, 31):
        story.spend(a, "70", f"2026-04-{day}")
    story.tick("2026-05-06 10:00")
    story.change_brand(daily_budget="80")
    story.spend(a, "30")

    page = ann.reads(PAGE, story.brand.pk)

    assert "Day of May Spent Daily budget Projected" in page
    assert "5 0.00 EUR 100.00 EUR –" in page
    assert "6 30.00 EUR 80.00 EUR 70.00 EUR" in page
    assert "7 – 80.00 EUR 70.00 EUR" in page
    assert "Spent so far Even plan Daily budget" in page


# --- Campaigns


def test_campaigns_that_need_a_look_come_first(story: Story, ann: Person) -> None:
    story.change_brand(daily_budget="1000")
    quiet, busy, near = story.campaign("Quiet"), story.campaign("Busy"), story.campaign("Near", daily_budget="10")
    spent, waits = (
        story.campaign("Spent", daily_budget="5"),
        story.campaign("Waits", rows=[window(MON, "09:00", "10:00")]),
    )
    by_hand = story.campaign("Byhand")
    story.pause(by_hand)
    for campaign, amount in ((quiet, "1"), (busy, "80"), (near, "9"), (spent, "10")):
        story.spend(campaign, amount)

    page = ann.reads(PAGE, story.brand.pk)
    table = page[page.index("Share of the day") :]

    assert names_in_order(table, "Spent", "Near", "Busy", "Quiet", "Byhand", "Waits")
    assert "3 running 1 paused by hand 1 daily budget used up 1 outside schedule" in page
    assert "Paused Campaign's daily budget used up (200 %) Wed 00:00 Europe/Berlin" in table.replace("&#x27;", "'")
    assert "80.00 EUR 80 %" in table
    assert waits.name in table


def test_many_campaigns_come_in_pages(story: Story, ann: Person) -> None:
    for number in range(17):
        story.campaign(f"C{number:02}")

    first = ann.reads(PAGE, story.brand.pk)
    second = ann.reads(PAGE, story.brand.pk, campaigns="2")

    assert "1–15 of 17 Those after As a list" in first
    assert "16–17 of 17 Those before As a list" in second
    assert "C16" in second
    for odd in ("0", "-1", "99", "x", "9" * 30, "²"):
        ann.opens(PAGE, story.brand.pk, campaigns=odd)


def test_a_brand_without_campaigns_says_what_comes_next(story: Story, ann: Person) -> None:
    page = ann.opens(PAGE, story.brand.pk)

    assert "No campaign spends this brand's budget yet. Add the first one" in text_of(page)
    assert reverse("admin:campaigns_campaign_add") in page.content.decode()


@pytest.mark.slow
def test_the_page_asks_as_often_with_two_hundred_campaigns_as_with_one(story: Story, ann: Person) -> None:
    def grow(count: int) -> None:
        campaigns = [story.campaign(f"C{count}-{number}", daily_budget="9") for number in range(count)]
        rows = [
            SpendRow(campaign.pk, Decimal(number % 12 + 1), story.now.date())
            for number, campaign in enumerate(campaigns)
        ]
        services.post_spend(rows, source="api", actor=TESTER, now=story.now)
        user = User.objects.create_user(f"worker{count}")
        join(user, story.brand.pk, TESTER, story.now)

    grow(1)
    ann.opens(PAGE, story.brand.pk)
    with CaptureQueriesContext(connection) as few:
        ann.opens(PAGE, story.brand.pk)
    grow(199)
    with CaptureQueriesContext(connection) as many:
        page = ann.reads(PAGE, story.brand.pk)

    assert "of 200" in page
    assert len(many) == len(few), [query["sql"][:150] for query in many.captured_queries]
    assert len(many) <= 26


# --- History of the budgets


def test_every_version_of_a_budget_is_told_with_from_until_who_and_why(story: Story, ann: Person) -> None:
    story.clock("2026-05-06 09:30")
    services.change_brand(story.brand.pk, {"daily_budget": "150"}, reason="A launch", actor="user: bob", now=story.now)
    story.clock("2026-05-07 10:00")
    story.change_brand(timezone="Asia/Tokyo", monthly_budget="")

    page = ann.reads(PAGE, story.brand.pk)
    table = page[page.index("History of the budgets") :]

    assert "Daily budget 150.00 EUR 2026-05-06 16:30 In force bob A launch" in table
    assert "Daily budget 100.00 EUR 2026-05-05 19:00 2026-05-06 16:30 a tester –" in table
    assert "Monthly budget no limit 2026-05-07 17:00 In force" in table
    assert "Monthly budget 2,000.00 EUR 2026-05-05 19:00 2026-05-07 17:00" in table
    assert "Time zone Asia/Tokyo 2026-05-07 17:00 In force" in table
    assert "Times are in Asia/Tokyo." in table


def test_a_campaigns_own_budgets_have_their_history_on_its_page(story: Story, ann: Person) -> None:
    a = story.campaign(daily_budget="50")
    story.clock("2026-05-06 09:30")
    services.change_campaign(a.pk, {"daily_budget": None, "lifetime_budget": "900"}, actor=TESTER, now=story.now)

    page = ann.reads("campaigns_campaign_change", a.pk)
    table = page[page.index("History of the budgets") :]

    assert "Daily budget 50.00 EUR 2026-05-05 12:00 2026-05-06 09:30" in table
    assert "Daily budget no limit 2026-05-06 09:30 In force" in table
    assert "Lifetime budget 900.00 EUR 2026-05-06 09:30 In force" in table


def test_from_where_a_budget_was_changed_is_told(story: Story, ann: Person) -> None:
    ann.sends(PAGE, story.brand.pk, daily_budget="120")

    entry = AuditEntry.objects.get(action="change brand")
    page = ann.reads(PAGE, story.brand.pk)

    assert entry.origin
    assert f"ann {entry.origin}" in page


# --- Members


def test_members_are_shown_added_and_removed_with_an_audit_entry(story: Story, ann: Person) -> None:
    bob = person(Role.OPERATOR, name="bob")

    added = ann.sends("brands_brand_add_member", story.brand.pk, person=str(bob.pk))
    page = ann.reads(PAGE, story.brand.pk)
    membership = Membership.objects.get(user=bob)
    removed = ann.sends("brands_brand_remove_member", story.brand.pk, member=str(membership.pk))

    assert messages_of(added) == ["bob works for “Acme” now."]
    assert "bob Operator 2026-05-05 12:00 ann Remove…" in page
    assert messages_of(removed) == ["bob works for “Acme” no more."]
    assert not Membership.objects.exists()
    assert [entry.action for entry in AuditEntry.objects.filter(object_type="membership").order_by("id")] == [
        "join brand",
        "leave brand",
    ]


def test_only_members_of_this_brand_can_be_removed_here(story: Story, ann: Person) -> None:
    other = Story(name="Other")
    bob = person(Role.OPERATOR, story.brand, other.brand, name="bob")
    elsewhere = Membership.objects.get(user=bob, brand=other.brand)

    response = ann.sends("brands_brand_remove_member", story.brand.pk, member=str(elsewhere.pk))

    assert set(errors_of(response)) == {"member"}
    assert Membership.objects.filter(pk=elsewhere.pk).exists()


# --- Who may do what


def test_each_role_sees_and_does_on_the_page_only_what_it_may(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: story.now)
    story.campaign()
    viewer, operator = person(Role.VIEWER, story.brand), person(Role.OPERATOR, story.brand)
    manager, admin = person(Role.MANAGER, story.brand), person(Role.ADMINISTRATOR)
    managers = (manager, admin)
    actions = {
        "change_budget": managers, "emergency_stop": (operator, *managers), "forced_reset": managers,
        "archive": managers, "add_member": (admin,), "remove_member": (admin,),
    }  # fmt: skip

    for user in (viewer, operator, manager, admin):
        client = at_the_admin(user)
        page = client.get(reverse(f"admin:{PAGE}", args=[story.brand.pk])).content.decode()
        assert ("Administrators see all brands anyway" in page) is (user in managers)
        assert ("They add and remove members." in page) is (user == manager)
        for action, allowed in actions.items():
            url = reverse(f"admin:brands_brand_{action}", args=[story.brand.pk])
            expected = 200 if user in allowed else 403
            assert (f'{url}"' in page or f"{url}?" in page) is (user in allowed), (user, action)
            assert client.get(url).status_code == expected, (user, action)
            if user not in allowed:
                assert client.post(url, {"reason": "x"}).status_code == 403, (user, action)


def test_who_may_change_a_brand_but_not_its_budgets_cannot(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: story.now)
    manager = person(Role.MANAGER, story.brand)
    manager.groups.get().permissions.remove(
        *manager.groups.get().permissions.filter(codename="change_budget", content_type__app_label="brands")
    )
    client = at_the_admin(manager)
    url = reverse("admin:brands_brand_change_budget", args=[story.brand.pk])
    form = reverse(f"admin:{PAGE}", args=[story.brand.pk])

    asked = client.post(url, {"daily_budget": "120", "monthly_budget": "", "reason": "x", "expected_version": "1"})
    version = Brand.objects.get(pk=story.brand.pk).version
    client.post(
        form,
        {
            "name": "New name", "timezone": "Europe/Berlin", "currency": "EUR", "daily_budget": "120",
            "monthly_budget": "1", "expected_version": str(version),
        },
    )  # fmt: skip

    assert asked.status_code == 403
    brand = Brand.objects.get(pk=story.brand.pk)
    assert (brand.name, brand.daily_budget, brand.monthly_budget) == ("New name", 100, 2000)


def test_who_does_not_work_for_a_brand_finds_none_of_it(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: story.now)
    stranger = at_the_admin(person(Role.MANAGER, Story(name="Other").brand))

    for name in (PAGE, "brands_brand_change_budget", "brands_brand_forced_reset", "brands_brand_emergency_stop"):
        assert "Acme" not in at(stranger, name, story.brand.pk)


# --- Actions


def test_a_small_change_of_the_budget_is_made_at_once_with_its_reason(story: Story, ann: Person) -> None:
    response = ann.sends("brands_brand_change_budget", story.brand.pk, daily_budget="110", reason="Agreed by phone")

    assert "“Acme” was changed." in messages_of(response)[0]
    entry = AuditEntry.objects.get(action="change brand")
    assert (entry.actor, entry.reason, entry.after) == (ACTOR, "Agreed by phone", {"daily_budget": "110.00"})


def test_a_large_change_of_the_budget_shows_what_then_happens(story: Story, ann: Person) -> None:
    a, b = story.campaigns("AB")
    story.spend(a, "40")

    page = "brands_brand_change_budget"
    asked = ann.sends(page, story.brand.pk, daily_budget="40", monthly_budget="", reason="Save money")
    unsaved = Brand.objects.get(pk=story.brand.pk).daily_budget, story.runs(a)
    saved = ann.confirms(page, story.brand.pk, response=asked)

    shown = text_of(asked)
    assert "Daily budget 100.00 EUR → 40.00 EUR (less than half)" in shown
    assert "Monthly budget 2,000.00 EUR → no limit (no limit any more)" in shown
    assert "2 campaigns would pause: A – daily budget used up; would run again Wed 00:00 Europe/Berlin B –" in shown
    assert "Yes, change it" in shown
    assert 'type="checkbox"' not in asked.content.decode()
    assert "This month 40.00 EUR · no limit" in shown
    assert "Why" not in [field.label for field in getattr(refusal_of(asked), "form", [])]
    assert unsaved == (100, True)
    assert "Campaigns: 2 stopped." in messages_of(saved)[0]
    assert story.holds(a) == story.holds(b) == (Hold.DAILY_BUDGET_EXCEEDED,)
    assert AuditEntry.objects.get(action="change brand").reason == "Save money"


def test_the_budget_page_refuses_what_is_no_amount_no_change_or_an_old_version(story: Story, ann: Person) -> None:
    page = "brands_brand_change_budget"
    wrong = ann.sends(page, story.brand.pk, daily_budget="1e3", reason="x")
    negative = ann.sends(page, story.brand.pk, daily_budget="-5", reason="x")
    same = ann.sends(page, story.brand.pk, reason="x")
    no_reason = ann.sends(page, story.brand.pk, daily_budget="110")
    old = ann.sends(page, story.brand.pk, daily_budget="110", reason="x", expected_version="0")

    assert "not an amount" in str(errors_of(wrong)["daily_budget"])
    assert "cannot be negative" in str(errors_of(negative)["daily_budget"])
    assert "These are the budgets that it has" in str(errors_of(same))
    assert set(errors_of(no_reason)) == {"reason"}
    assert "changed by somebody else" in str(errors_of(old))
    assert Brand.objects.get(pk=story.brand.pk).daily_budget == 100


def test_stops_say_how_many_campaigns_they_stop_and_start(story: Story, ann: Person) -> None:
    a, b, c = story.campaigns("ABC")
    story.pause(c)

    before = ann.reads("brands_brand_emergency_stop", story.brand.pk)
    stopped = ann.sends("brands_brand_emergency_stop", story.brand.pk, reason="Fraud")
    clearing = ann.reads("brands_brand_clear_stop", story.brand.pk)
    still = story.holds(a)
    cleared = ann.sends("brands_brand_clear_stop", story.brand.pk)

    assert "stop at once: 2 of 3" in before
    assert "2 stopped" in messages_of(stopped)[0]
    assert "2 campaigns would start: A B" in clearing
    assert still == (Hold.EMERGENCY_STOP,), "looking changes nothing"
    assert "2 started" in messages_of(cleared)[0]
    assert story.runs(a)
    assert story.runs(b)


def test_a_forced_reset_says_what_each_choice_would_start(story: Story, ann: Person) -> None:
    a = story.campaign("A")
    story.change_brand(monthly_budget="90")
    story.spend(a, "100")

    page = ann.reads("brands_brand_forced_reset", story.brand.pk)
    sent = ann.sends("brands_brand_forced_reset", story.brand.pk, kinds="DM", reason="x", confirm="on")

    assert "Today afresh No campaign would pause or start: 0 of 1 run." in page
    assert "Both afresh 1 campaign would start: A" in page
    assert "1 started" in messages_of(sent)[0]
    assert ForcedReset.objects.count() == 2


def test_archiving_and_restoring_say_what_comes_of_it(story: Story, ann: Person) -> None:
    story.campaigns("AB")

    archive = ann.reads("brands_brand_archive", story.brand.pk)
    ann.sends("brands_brand_archive", story.brand.pk)
    restore = ann.reads("brands_brand_restore", story.brand.pk)
    ann.sends("brands_brand_restore", story.brand.pk)

    assert "leave the lists with the brand: 2, of which 2 run now" in archive
    assert "come back with the brand: 2, all paused by hand" in restore
    assert {campaign.holds for campaign in Campaign.objects.all()} == {(Hold.MANUAL,)}


# --- Timeline


def test_the_timeline_tells_together_what_happened_together(story: Story, ann: Person) -> None:
    a, *_ = story.campaigns("ABCDE")
    story.clock("2026-05-05 14:00")
    story.spend(a, "100")
    story.clock("2026-05-05 15:00")
    story.change_brand(daily_budget="200")

    page = ann.reads(PAGE, story.brand.pk)
    timeline = page[page.index("Timeline") :]

    assert "Tue 15:00 Started A , B , C and 2 more nothing holds it any more budget changed, a tester" in timeline
    assert "Change brand daily budget: 100.00 → 200.00" in timeline
    assert "Tue 14:00 Paused A , B , C and 2 more Daily budget used up spend, a tester" in timeline
    assert "Create campaign “A”" in timeline
