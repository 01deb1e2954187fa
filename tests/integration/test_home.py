"""The overview of the admin: what it tells, how much it asks for it, and who sees what."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from access.callers import Caller
from access.roles import Role
from brands.models import AuditEntry
from budget_system.admin.home import BRANDS_SHOWN
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import imports, pacing, runs, services
from enforcement.models import RunKind
from pacing.models import AlertKind, PaceAlert
from spending.import_options import ImportOptions
from tests.factories import ACTOR, TUE, Story, window
from tests.integration.admin_client import text_of
from tests.integration.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    cache.clear()


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    story = Story(at="2026-05-05 12:00")
    monkeypatch.setattr("budget_system.clock.now", lambda: story.now)
    return story


def look(user: Any, path: str = "/admin/today/", **headers: str) -> Any:
    client = Client()
    client.force_login(user)
    return client.get(path, headers=headers)


def test_it_names_the_client_that_is_in_trouble_and_why(story: Story) -> None:
    campaign = story.campaign("Summer Sale")
    story.spend(campaign, "103.50")

    page = look(person(Role.VIEWER, story.brand)).content.decode()

    assert "Acme: daily budget of 100.00 EUR used up, 3.50 EUR over it" in page
    assert "Summer Sale · Acme" in page
    assert "daily budget used up</a>" in page, "the reasons lead to the campaigns"
    assert "Brand&#x27;s daily budget used up (103 %)" in page
    assert page.index("Runs again") < page.index("Wed 00:00")
    assert "50 % of the day is over" in page


def test_what_needs_a_person_is_listed(story: Story) -> None:
    silent, stopped, unscheduled, lifted = story.campaigns(["Silent", "Stopped", "Unscheduled", "Lifted"])
    services.emergency_stop(stopped.pk, reason="Wrong link", actor=ACTOR, now=story.now)
    services.replace_week(unscheduled.pk, [], actor=ACTOR, now=story.now)
    story.override(lifted, Hold.DAILY_BUDGET_EXCEEDED)
    with runs.recorded(RunKind.BUDGETS, trigger="test", now=story.now, clock=lambda: story.now) as run:
        run.error = "Brand X: broken"

    page = look(person(Role.ADMINISTRATOR)).content.decode()

    assert "Stopped · Acme: emergency stop" in page
    assert "Acme: campaigns run, and no spend was reported yet" in page
    assert "Lifted · Acme: its override ends Wed 00:00 Europe/Berlin" in page
    assert "1 run failed in the last 24 hours" in page
    assert silent.name not in page


def test_each_need_says_what_to_do_and_leads_to_where_it_is_done(story: Story) -> None:
    over, calm, slow = story, Story(name="Calm"), Story(name="Slow", monthly_budget="3000")
    over.spend(over.campaign("A"), "70")
    calm.spend(calm.campaign("B"), "50")
    slow.spend(slow.campaign("C"), "5")
    services.emergency_stop(over.campaign("S").pk, reason="x", actor=ACTOR, now=story.now)
    services.replace_week(over.campaign("N", rows=[window(TUE, "11:00", "12:00", active=False)]).pk, [
        window(TUE, "11:00", "12:00", active=False)], actor=ACTOR, now=story.now)  # fmt: skip
    with runs.recorded(RunKind.BUDGETS, trigger="test", now=story.now, clock=lambda: story.now) as run:
        run.error = "Brand X: broken"
    admin = person(Role.ADMINISTRATOR)

    response = look(admin, "/admin/")
    page = text_of(response)

    assert "The worker does not look. No tick yet" in page
    assert "Acme: over pace: 1.4 times as fast as its day, 70.00 of 100.00 EUR" in page
    assert "See which campaign spends it; pause one, or raise the budget." in page
    assert "Slow: under pace, 0.1 times as fast as its day, 5.00 of 100.00 EUR" in page
    assert "Calm:" not in page
    assert page.index("The worker does not look") < page.index("over pace") < page.index("under pace")
    client = Client()
    client.force_login(admin)
    for need in response.context["home"].needs:
        assert need.step, need
        opened = client.get(need.url, follow=True)
        assert opened.status_code == 200
        assert "e=1" not in opened.request["QUERY_STRING"], need
    listed = [need.url for need in response.context["home"].needs if "?" in need.url]
    assert [client.get(url).context["cl"].result_count for url in listed] == [1]


def test_many_of_a_kind_are_one_line_that_leads_to_all_of_them(story: Story) -> None:
    for number in range(4):
        services.emergency_stop(story.campaign(f"S{number}").pk, reason="x", actor=ACTOR, now=story.now)
    admin = person(Role.ADMINISTRATOR)

    [need] = [one for one in look(admin, "/admin/").context["home"].needs if "emergency stop" in one.text]

    assert need.text == "4 campaigns: emergency stop"
    assert look(admin, need.url).context["cl"].result_count == 4


def test_an_alert_about_a_channels_pace_needs_a_person_until_one_has_seen_it(story: Story) -> None:
    campaign = story.campaign("Search")
    alert = PaceAlert.objects.create(
        campaign=campaign, channel="google", kind=AlertKind.CRITICAL_OVERPACING, severity="critical", message="x",
        action="Lower bids now.", pace=2.5, raised_at=story.now,
    )  # fmt: skip
    admin = person(Role.ADMINISTRATOR)

    [need] = [one for one in look(admin, "/admin/").context["home"].needs if "Google" in one.text]

    assert need.text == "Search · Acme: Google far ahead of plan"
    assert look(admin, need.url).status_code == 200
    pacing.see_alert(alert.pk, actor=ACTOR, now=story.now)
    pacing.see_alert(alert.pk, actor="user: late", now=story.now)
    [entry] = AuditEntry.objects.filter(action="see pace alert")
    assert (entry.actor, entry.after) == (ACTOR, {"channel": "Google", "alert": "x"})
    cache.clear()
    assert "far ahead" not in look(admin).content.decode()


def test_a_month_that_comes_to_little_is_a_note(story: Story) -> None:
    campaign = story.campaign("A")
    for day in range(1, 15):
        story.spend(campaign, "20", f"2026-04-{day + 10}")
    story.spend(campaign, "50")

    page = text_of(look(person(Role.VIEWER, story.brand)))

    assert re.search(
        r"Note Acme: at this rate the month comes to about [\d.,]+ EUR \(.* EUR\), of 2,000.00 EUR that may be", page
    )


def test_rejected_rows_are_told_to_who_imported_them_and_to_no_stranger(story: Story) -> None:
    story.campaign("A")
    manager = person(Role.MANAGER, story.brand)
    report = io.BytesIO(b"Day,Campaign,Cost\n2026-05-04,A,1\n2026-05-04,B,2\n")
    imports.start_import(
        report, "may.csv", ImportOptions(), actor=Caller(manager).name, now=story.now,
        clock=lambda: story.now, inline_bytes=10**6,
    )  # fmt: skip

    own = text_of(look(manager))
    cache.clear()
    stranger = text_of(look(person(Role.MANAGER, Story(name="Other").brand, name="eve")))

    assert "Import “may.csv”: 1 row rejected Download them, mend them, import that file." in own
    assert "may.csv" not in stranger


def test_among_many_brands_those_without_spend_are_found(story: Story) -> None:
    for number in range(BRANDS_SHOWN + 1):
        busy = Story(name=f"B{number:02}")
        busy.spend(busy.campaign("A"), "5")
    story.campaign("A")

    page = text_of(look(person(Role.ADMINISTRATOR)))

    assert "Acme: campaigns run, and no spend was reported" in page
    assert "B00: campaigns run, and no spend" not in page


def test_people_see_their_brands_only(story: Story) -> None:
    other = services.create_brand({"name": "Secret", "daily_budget": "1"}, actor=ACTOR, now=story.now)
    hidden = services.create_campaign(other.pk, {"name": "Hidden"}, actor=ACTOR, now=story.now)
    story.spend(story.campaign("Summer Sale"), "100")
    story.brand, own = other, story.brand
    story.spend(hidden, "5")

    page = look(person(Role.VIEWER, own)).content.decode()

    assert "Summer Sale" in page
    assert "Secret" not in page
    assert "Hidden" not in page
    forged = look(person(Role.VIEWER, own, name="vito"), f"/admin/?brand={other.pk}").content.decode()
    assert "Secret" not in forged


def test_it_says_when_nothing_looks_any_more(story: Story) -> None:
    user = person(Role.VIEWER, story.brand)
    assert "No tick yet" in look(user).content.decode()
    with runs.recorded(RunKind.DAYPARTING, trigger="test", now=story.now, clock=lambda: story.now):
        pass
    cache.clear()
    assert "At work" in look(user).content.decode()

    story.now += timedelta(minutes=10)
    cache.clear()

    assert "The last tick was 10 minutes ago" in look(user).content.decode()


def test_while_nothing_has_changed_it_answers_that_and_nothing_else(story: Story) -> None:
    user = person(Role.VIEWER, story.brand)
    campaign = story.campaign("Summer Sale")
    first = look(user)

    story.now += timedelta(seconds=20)
    cache.clear()
    same = look(user, **{"If-None-Match": first["ETag"]})
    story.spend(campaign, "100")
    cache.clear()
    changed = look(user, **{"If-None-Match": first["ETag"]})

    assert (same.status_code, same.content) == (304, b"")
    assert changed.status_code == 200


def test_it_asks_no_more_for_many_brands_than_for_one(story: Story) -> None:
    user = person(Role.ADMINISTRATOR)
    story.spend(story.campaign("A"), "100")
    look(user)
    counts = []
    for number in range(2):
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            look(user)
        counts.append(len(queries))
        for extra in range(40):
            other = services.create_brand(
                {"name": f"Brand {number} {extra}", "daily_budget": "10"}, actor=ACTOR, now=story.now
            )
            services.create_campaign(other.pk, {"name": "A"}, rows=[], actor=ACTOR, now=story.now)

    assert counts[1] <= counts[0] + 3, counts
    assert Campaign.objects.count() == 81


def test_the_charts_have_the_brands_days_and_hours(story: Story) -> None:
    story.spend(story.campaign("A"), "12.50")

    page = look(person(Role.VIEWER, story.brand), "/admin/").content.decode()

    assert "Acme: today, 2026-05-05" in page
    assert "Acme: May 2026 by day" in page
    assert "12.50 EUR" in page
    assert "Hour, Europe/Berlin" in page


def test_an_empty_system_says_what_to_do_first(story: Story) -> None:
    page = look(person(Role.MANAGER), "/admin/").content.decode()

    assert "There are no brands yet" in page
    assert "Nothing: no budget is used up" in page
