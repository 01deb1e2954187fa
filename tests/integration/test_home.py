"""The overview of the admin: what it tells, how much it asks for it, and who sees what."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from access.roles import Role
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import runs, services
from enforcement.models import RunKind
from tests.factories import ACTOR, Story
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
    assert "1 daily budget used up" in page
    assert "Summer Sale · Acme" in page
    assert "50 % of the day is over" in page


def test_what_needs_a_person_is_listed(story: Story) -> None:
    silent, stopped, unscheduled, lifted = story.campaigns(["Silent", "Stopped", "Unscheduled", "Lifted"])
    services.emergency_stop(stopped.pk, reason="Wrong link", actor=ACTOR, now=story.now)
    services.replace_week(unscheduled.pk, [], actor=ACTOR, now=story.now)
    story.override(lifted, Hold.DAILY_BUDGET_EXCEEDED)
    with runs.recorded(RunKind.BUDGETS, trigger="test", now=story.now, clock=lambda: story.now) as run:
        run.error = "Brand X: broken"

    page = look(person(Role.ADMINISTRATOR)).content.decode()

    assert "1 campaign in emergency stop" in page
    assert "Acme: campaigns run, and no spend was reported yet" in page
    assert "Lifted · Acme: its override ends Wed 00:00 Europe/Berlin" in page
    assert "1 run failed in the last 24 hours" in page
    assert silent.name not in page


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

    assert counts[1] <= counts[0] + 2, counts
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
