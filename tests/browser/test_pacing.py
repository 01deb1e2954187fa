"""A manager at a paced campaign: looks at its day, changes a threshold, closes a breaker, approves a proposal."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from access.roles import Role
from budget_system import clock
from campaigns.models import Campaign
from enforcement import pacing, services
from pacing.models import BreakerState, ChannelBudget, Reallocation, ReallocationState
from spending.services import SpendRow
from tests.browser.conftest import DESK, PHONE, Visit
from tests.factories import ACTOR
from tests.integration.people import person

pytestmark = [pytest.mark.django_db(transaction=True)]

NOW = datetime(2026, 5, 5, 19, 0, tzinfo=UTC)


def spend(campaign: Campaign, channel: str, amount: str, now: datetime) -> None:
    row = SpendRow(campaign.pk, Decimal(amount), now.date(), channel=channel)
    services.post_spend([row], source="api", actor=ACTOR, now=now)


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """Search returns much and has no money left to grow, display little and has."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    morning, before = NOW.replace(hour=9), NOW.replace(hour=18)
    brand = services.create_brand({"name": "Acme", "currency": "EUR"}, actor=ACTOR, now=morning)
    made = services.create_campaign(brand.pk, {"name": "Spring"}, actor=ACTOR, now=morning)
    for channel, amount, revenue in (("search", "70", "700"), ("display", "5", "6")):
        pacing.set_channel_budget(made.pk, channel, {"daily_budget": "100"}, actor=ACTOR, now=morning)
        spend(made, channel, amount, before)
        figures = {"clicks": 100, "conversions": "1", "revenue": revenue}
        pacing.report_performance(made.pk, channel, before, figures, actor=ACTOR, now=before)
    assert pacing.propose_reallocation(made.pk, actor=ACTOR, now=NOW) is not None
    return made


def faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in {"serious", "critical"}
    ]


def test_a_manager_works_on_a_paced_campaign(campaign: Campaign, visit: Visit) -> None:
    visitor = visit(person(Role.MANAGER, campaign.brand))
    page = visitor.open("/admin/pacing/pacedcampaign/")
    page.get_by_role("link", name="Spring", exact=True).click()
    expect(page.locator("canvas.chart").first).to_be_visible()
    expect(page.get_by_text("A proposal waits for a decision")).to_be_visible()

    page.get_by_role("link", name="Approve…").first.click()
    page.get_by_role("button", name="Move the money").click()
    expect(page.get_by_text("The money is moved, for today.")).to_be_visible()
    assert Reallocation.objects.get().state == ReallocationState.APPLIED

    page.get_by_role("link", name="Change budget, strategy, thresholds…").first.click()
    page.get_by_label("Most in one hour").fill("30")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Most in one hour: 30 % instead of 15 %")).to_be_visible()
    assert ChannelBudget.objects.get(channel="display").settings == {"max_hourly_spend_pct": "0.3"}
    assert visitor.complaints == []


def test_a_manager_closes_a_breaker(campaign: Campaign, visit: Visit) -> None:
    for amount in ("30", "30", "30"):
        spend(campaign, "search", amount, NOW)
    assert ChannelBudget.objects.get(channel="search").breaker == BreakerState.OPEN
    visitor = visit(person(Role.MANAGER, campaign.brand))
    page = visitor.open("/admin/pacing/channelbudget/")
    page.get_by_role("link", name="Search", exact=True).click()

    page.get_by_role("link", name="Close the breaker…").click()
    page.get_by_label("Reason").fill("The client agreed")
    page.get_by_role("button", name="Close it").click()

    expect(page.get_by_text(re.compile("is closed; it may spend again"))).to_be_visible()
    assert ChannelBudget.objects.get(channel="search").breaker == BreakerState.CLOSED
    assert visitor.complaints == []


@pytest.mark.parametrize("name", ["pacedcampaign", "pacealert", "channelbudget", "reallocation", "page", "channel"])
def test_a_page_fits_loads_only_from_here_and_has_no_serious_fault(name: str, campaign: Campaign, visit: Visit) -> None:
    manager = person(Role.MANAGER, campaign.brand)
    paths = {
        "page": f"/admin/pacing/pacedcampaign/{campaign.pk}/change/",
        "channel": f"/admin/pacing/channelbudget/{ChannelBudget.objects.get(channel='search').pk}/change/",
    }
    for size, scheme in ((DESK, "light"), (PHONE, "dark")):
        visitor = visit(manager, size=size, scheme=scheme)
        page = visitor.open(paths.get(name, f"/admin/pacing/{name}/?state=all"))
        page.wait_for_load_state("networkidle")
        assert visitor.overflow() <= 0, f"{name} is wider than {size['width']} px"
        assert visitor.elsewhere == []
        assert visitor.complaints == []
        assert faults(page) == []
