"""Nothing complains in the console: on every page that the admin links to, and on those that ask, confirm and tell."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from budget_system import clock
from campaigns.models import Campaign
from enforcement import services
from tests.browser.conftest import Visit
from tests.factories import ACTOR, Story

pytestmark = [pytest.mark.django_db(transaction=True)]

MOST = 200
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)\d+(?=/)")
NOT_OPENED = re.compile(r"/logout/|/export/|/rejected|/file/|[?&](columns|download|e|o|p)=|#")


@pytest.fixture
def story() -> Story:
    story = Story(at=f"{clock.now() - timedelta(days=2):%Y-%m-%d %H:%M}", timezone="UTC")
    first, second = story.campaigns(["Summer Sale", "Winter Sale"])
    story.spend(first, "60")
    story.now = clock.now()
    spend = story.spend(first, "100")
    services.amend_spend(spend.pk, {"description": "Late"}, reason="Late", actor=ACTOR, now=story.now)
    services.pause(second.pk, actor=ACTOR, now=story.now)
    story.override(first, *Campaign.objects.get(pk=first.pk).holds)
    return story


def kind_of(url: str) -> tuple[str, tuple[str, ...]]:
    """Pages of the same kind: other things, the same filters."""
    parts = urlsplit(url)
    return ID.sub("#", parts.path), tuple(sorted(one.split("=")[0] for one in parts.query.split("&") if one))


@pytest.mark.timeout(600)  # some dozens of pages, on a machine that may have other work
@pytest.mark.usefixtures("story")
def test_every_page_that_is_linked_to_opens_without_a_complaint(visit: Visit) -> None:
    visitor = visit(User.objects.create_superuser("anna"))
    todo = [f"{visitor.address}/admin/"]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    faults: dict[str, list[str]] = {}

    while todo and len(seen) < MOST:
        url = todo.pop(0)
        if kind_of(url) in seen:
            continue
        seen.add(kind_of(url))
        response = visitor.page.goto(url, wait_until="load")
        if response is None or response.status >= 400 or visitor.complaints:
            faults[url] = [f"status {response.status if response else None}", *visitor.complaints]
            visitor.complaints.clear()
        links: list[str] = visitor.page.eval_on_selector_all("a[href]", "links => links.map(one => one.href)")
        todo += [one for one in links if one.startswith(f"{visitor.address}/admin/") and not NOT_OPENED.search(one)]

    assert faults == {}
    assert len(seen) < MOST, "there are more kinds of pages than are walked"
    assert {"/admin/spending/spend/#/void/", "/admin/campaigns/campaign/#/override/"} <= {path for path, _ in seen}


def choose(page: Page, action: str) -> None:
    """Tick all rows of a list and send them to an action."""
    page.locator("thead input[type=checkbox], #action-toggle").first.check()
    page.locator("select[name=action]").select_option(action, force=True)
    page.locator("button[name=index], [type=submit][name=index]").first.click(force=True)
    page.wait_for_load_state()


@pytest.mark.usefixtures("story")
def test_an_act_on_several_asks_and_tells_without_a_complaint(visit: Visit) -> None:
    page = visit(User.objects.create_superuser("anna")).open("/admin/brands/brand/")

    choose(page, "stop_selected")
    page.get_by_label("Reason").fill("Wrong link")
    page.get_by_role("button", name="Stop all their campaigns now").click()
    page.wait_for_load_state()

    page.get_by_text("Emergency stop: 1 of 1 brand").wait_for()
    assert not Campaign.objects.filter(holds="").exists()


def test_a_question_is_asked_without_a_complaint(visit: Visit, story: Story) -> None:
    page = visit(User.objects.create_superuser("anna")).open(f"/admin/brands/brand/{story.brand.pk}/change/")

    page.get_by_label("Daily budget").fill("1000")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state()

    page.get_by_text("Nothing is saved yet: this is a large change.").wait_for()
    assert page.get_by_text("Please correct").count() == 0
