"""What people do all day, from the first click to the last, in a real browser: as manager, operator and viewer."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from access.roles import Role
from brands.models import Brand
from budget_system import clock
from campaigns.models import Campaign
from enforcement import services
from spending.models import Spend, SpendImport
from spending.services import SpendRow
from tests.browser.conftest import Visit
from tests.factories import ACTOR
from tests.integration.people import person

pytestmark = [pytest.mark.django_db(transaction=True)]


def brand_of(**inputs: object) -> Brand:
    return services.create_brand(
        {"name": "Acme", "currency": "EUR", "daily_budget": "100", **inputs}, actor=ACTOR, now=clock.now()
    )


def campaign_of(brand: Brand, name: str = "Summer Sale") -> Campaign:
    return services.create_campaign(brand.pk, {"name": name}, actor=ACTOR, now=clock.now())


def spend(campaign: Campaign, amount: str) -> None:
    row = SpendRow(campaign.pk, Decimal(amount), clock.now().date())
    services.post_spend([row], source="api", actor=ACTOR, now=clock.now())


def choose(page: Page, field: str, text: str) -> None:
    """Pick from an autocomplete as a person does: open, type, take the first."""
    page.locator(f"#id_{field} + .select2 .select2-selection").click()
    page.locator(".select2-search__field").fill(text)
    page.locator(".select2-results__option", has_text=text).first.click()


def test_a_manager_makes_a_brand_and_a_campaign(visit: Visit) -> None:
    visitor = visit(person(Role.MANAGER))
    page = visitor.open("/admin/")
    page.get_by_role("link", name="Add the first one").click()

    page.get_by_label("Name").fill("Acme")
    page.get_by_label("Daily budget").fill("100")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state()
    visitor.open("/admin/campaigns/campaign/add/")
    choose(page, "brand", "Acme")
    page.get_by_label("Name").fill("Summer Sale")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state()

    campaign = Campaign.objects.get(name="Summer Sale")
    assert campaign.brand.daily_budget == 100
    expect(page.get_by_text("Runs.", exact=False).first).to_be_visible()
    assert visitor.complaints == []


def test_a_pause_shows_on_the_overview_without_reloading(visit: Visit) -> None:
    brand = brand_of()
    campaign = campaign_of(brand)
    page = visit(person(Role.VIEWER, brand)).open("/admin/")
    expect(
        page.get_by_text("Nothing: no budget is used up").or_(page.get_by_text("no spend was reported"))
    ).to_be_visible()

    spend(campaign, "103.50")
    cache.clear()
    page.evaluate("htmx.trigger(document.body, 'look-again')")

    trouble = page.get_by_role("link", name="Acme: daily budget of 100.00 EUR used up, 3.50 EUR over it")
    expect(trouble).to_be_visible()
    expect(page.locator("#today-checked")).to_contain_text("Looked at")
    page.get_by_role("link", name="Summer Sale · Acme").first.click()
    expect(page.get_by_text("Paused: daily budget used up. It will next run")).to_be_visible()


def test_an_operator_stops_a_campaign_and_may_not_touch_its_budget(visit: Visit) -> None:
    brand = brand_of()
    campaign = campaign_of(brand)
    page = visit(person(Role.OPERATOR, brand)).open(f"/admin/campaigns/campaign/{campaign.pk}/change/")

    assert page.locator("#id_daily_budget").count() == 0
    page.get_by_role("link", name="Emergency stop").first.click()
    page.get_by_label("Reason").fill("Wrong link")
    page.get_by_role("button", name="stop", exact=False).first.click()
    page.wait_for_load_state()

    campaign.refresh_from_db()
    assert campaign.pause_reason == "EMERGENCY_STOP"
    expect(page.get_by_text("Wrong link").first).to_be_visible()
    assert page.get_by_role("link", name="Clear").count() == 0


def test_a_viewer_sees_why_and_can_change_nothing(visit: Visit) -> None:
    brand = brand_of()
    campaign = campaign_of(brand)
    spend(campaign, "100")
    page = visit(person(Role.VIEWER, brand)).open(f"/admin/campaigns/campaign/{campaign.pk}/change/")

    expect(page.get_by_text("Paused: daily budget used up").first).to_be_visible()
    assert page.get_by_role("button", name="Save").count() == 0
    assert page.get_by_role("link", name="Pause").count() == 0


def test_a_manager_lifts_a_hold(visit: Visit) -> None:
    brand = brand_of()
    campaign = campaign_of(brand)
    spend(campaign, "105")
    page = visit(person(Role.MANAGER, brand)).open(f"/admin/campaigns/campaign/{campaign.pk}/change/")

    page.get_by_role("link", name="Override…").first.click()
    page.get_by_label("Reason").fill("The client agreed")
    page.get_by_role("button", name="Let it run").click()
    page.wait_for_load_state()

    campaign.refresh_from_db()
    assert campaign.status == "ACTIVE"
    expect(page.get_by_text("Runs, by an override").first).to_be_visible()


def test_a_report_with_bad_rows_is_imported_and_undone(visit: Visit, tmp_path: Path) -> None:
    brand = brand_of(daily_budget="1000")
    campaign_of(brand)
    yesterday = (clock.now() - timedelta(days=1)).date()
    report = tmp_path / "report.csv"
    report.write_text(
        f"Day,Campaign,Cost,Currency\n{yesterday},Summer Sale,40.00,EUR\n{yesterday},Summer Sale,ten,USD\n"
        f"{yesterday - timedelta(days=1)},Summer Sale,12.50,EUR\n{yesterday - timedelta(days=2)},Summer Sale,x,EUR\n"
    )
    page = visit(person(Role.MANAGER, brand)).open("/admin/spending/spendimport/")

    page.get_by_role("link", name="Import").last.click()
    page.locator("input[type=file]").set_input_files(str(report))
    page.locator("form[enctype] button[type=submit]").last.click()
    page.wait_for_load_state()
    expect(page.get_by_text("rejected").first).to_be_visible()
    assert Spend.objects.count() == 0
    page.get_by_role("button", name="Import", exact=False).last.click()
    page.wait_for_load_state()

    record = SpendImport.objects.get(dry_run=False)
    assert (record.accepted, record.rejected) == (1, 3)
    page.get_by_role("link", name="Undo").first.click()
    page.get_by_label("Reason").fill("Wrong account")
    page.locator("form[method=post] button[type=submit]").last.click()
    page.wait_for_load_state()
    assert Spend.objects.filter(voided_at=None).count() == 0
    expect(page.get_by_text("Wrong account").first).to_be_visible()
