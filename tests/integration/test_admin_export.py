"""A list is taken out as it is filtered: words and numbers, nothing that a spreadsheet would run, and on the record."""

import csv
import io
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from openpyxl import load_workbook

from access.roles import Role
from brands.models import AuditEntry
from budget_system import clock
from budget_system.admin import export
from budget_system.admin.export_columns import COLUMNS
from budget_system.admin.export_files import safe_text
from campaigns.models import Campaign
from spending.models import Spend
from tests.factories import Story
from tests.integration.admin_client import ACTOR, Person, text_of
from tests.integration.people import at_the_admin, life_of, person

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
MODELS = {f"{model._meta.app_label}_{model._meta.model_name}": model for model in COLUMNS}
NAMES = list(MODELS)


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def all_columns(name: str) -> list[str]:
    return [column.code for column in COLUMNS[MODELS[name]]]


def exported(client: Any, name: str, query: str = "", form: str = "csv", columns: list[str] | None = None) -> Any:
    """The answer to an export with these columns, or with all of them."""
    data = {"form": form, "columns": columns or all_columns(name)}
    return client.post(f"{reverse(f'admin:{name}_export')}{query}", data)


def table_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200, response.status_code
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_spends_are_taken_out_with_numbers_their_currency_and_both_clocks(story: Story, ann: Person) -> None:
    a = story.campaign("Sommer, “groß”")
    story.spend(a, "12.5", description="Late\nfee")
    story.spend(a, "-2.25", spend_type="ADJUSTMENT", description="-1+1|cmd")

    rows = table_of(exported(ann.client, "spending_spend", "?o=1"))

    assert [row["amount"] for row in rows] == ["-2.25", "12.50"]
    assert {row["currency"] for row in rows} == {"EUR"}
    assert {row["campaign"] for row in rows} == {"Sommer, “groß”"}
    assert rows[0]["description"] == "'-1+1|cmd"
    assert rows[1]["recorded (brand's time)"] == "2026-05-05 12:00:00"
    assert rows[1]["recorded (UTC)"] == "2026-05-05 10:00:00"
    assert rows[1]["time zone"] == "Europe/Berlin"


@pytest.mark.need(19)
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "  =HYPERLINK(1)", '=cmd|"/C calc"!A0'])
def test_what_looks_like_a_formula_is_text(text: str) -> None:
    assert safe_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Summer", "1-1", "a=b", "", " x", "'quoted"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text


def test_a_workbook_has_numbers_days_and_no_formula(story: Story, ann: Person) -> None:
    story.spend(story.campaign('=HYPERLINK("http://x")'), "1234.56")
    story.spend(story.campaign("B"), "-3", spend_type="ADJUSTMENT", description="Refund")

    response = exported(ann.client, "spending_spend", "?o=1", form="xlsx")
    sheet = load_workbook(io.BytesIO(b"".join(response.streaming_content))).active

    assert sheet is not None
    header, *rows = sheet.iter_rows()
    named = [dict(zip([cell.value for cell in header], row, strict=True)) for row in rows]
    assert sorted((row["amount"].value, row["amount"].data_type) for row in named) == [(-3, "n"), (1234.56, "n")]
    assert {row["campaign"].value for row in named} == {'\'=HYPERLINK("http://x")', "B"}
    assert all(cell.data_type != "f" for row in rows for cell in row)
    assert {row["date"].value for row in named} == {datetime(2026, 5, 5)}  # noqa: DTZ001 - workbooks know no zones
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref is not None


def test_only_what_the_filters_show_is_taken_out_and_only_the_ticked_columns(story: Story, ann: Person) -> None:
    story.campaign("A")
    story.pause(story.campaign("B"))

    rows = table_of(exported(ann.client, "campaigns_campaign", "?reason=MANUAL", columns=["campaign", "paused-since"]))

    assert rows == [
        {
            "campaign": "B",
            "paused since (brand's time)": "2026-05-05 12:00:00",
            "paused since (UTC)": "2026-05-05 10:00:00",
        }
    ]


def test_figures_of_campaigns_are_those_of_the_list(story: Story, ann: Person) -> None:
    a = story.campaign("A", daily_budget="50")
    story.spend(a, "20")

    [row] = table_of(exported(ann.client, "campaigns_campaign"))
    [brand] = table_of(exported(ann.client, "brands_brand"))

    assert (row["daily budget"], row["spent today"], row["% used today"]) == ("50.00", "20.00", "40")
    assert (brand["daily budget"], brand["spent today"], brand["% used today"]) == ("100.00", "20.00", "20")
    assert brand["campaigns running"] == "1"


def test_an_export_is_on_the_record(story: Story, ann: Person) -> None:
    story.pause(story.campaign("A"))

    table_of(exported(ann.client, "campaigns_campaign", f"?brand__id__exact={story.brand.pk}&status__exact=PAUSED&q=a"))

    entry = AuditEntry.objects.get(action="export")
    assert (entry.actor, entry.object_label) == (ACTOR, "of campaigns as CSV")
    assert entry.after["rows"] == 1
    assert entry.after["filters"] == ["brand: Acme", "status: Paused or stopped", "search: a"]
    assert "spent today" in entry.after["columns"]
    assert "rows: 1" in ann.reads("brands_auditentry_changelist", action="export")


@pytest.mark.parametrize("name", NAMES)
def test_every_list_that_can_be_exported_offers_it_and_gives_every_column(name: str, story: Story, ann: Person) -> None:
    life_of(story, "Search", "Because", "70")

    listed = ann.opens(f"{name}_changelist").content.decode()
    asked = ann.reads(f"{name}_export")
    answer = exported(ann.client, name)

    assert (reverse(f"admin:{name}_export") in listed) is MODELS[name]._default_manager.exists()
    assert "as the list is filtered" in asked
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert len(next(csv.reader(io.StringIO(text)))) == len(set(next(csv.reader(io.StringIO(text)))))


def test_people_tokens_and_logins_are_not_exported(story: Story, ann: Person) -> None:
    names = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}

    for name in names - set(NAMES):
        assert "/export/" not in ann.opens(f"{name}_changelist").content.decode()


def test_too_many_rows_for_a_workbook_are_said_before_and_refused(
    story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(export.MOST_ROWS, "xlsx", 1)
    story.campaigns("AB")

    answer = exported(ann.client, "campaigns_campaign", form="xlsx")

    assert "That is more than 1 rows. Choose CSV, or filter the list further." in text_of(answer)
    assert "up to 20,000 rows" in text_of(answer)
    assert not AuditEntry.objects.filter(action="export").exists()


def test_an_export_without_columns_or_with_unknown_ones_is_refused(ann: Person) -> None:
    url = reverse("admin:campaigns_campaign_export")

    assert "Tick at least one column" in text_of(ann.client.post(url, {"form": "csv"}))
    assert "Select a valid choice" in text_of(ann.client.post(url, {"form": "csv", "columns": "brand__secret"}))
    assert ann.client.get(f"{url}?brand__secret=1").status_code == 302


def test_nobody_takes_out_what_they_do_not_see(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: story.now)
    life_of(story, "Search", "Because", "70")
    theirs = Story(name="Zebra", timezone="Asia/Tokyo")
    life_of(theirs, "Quagga", "Okapi", "77.31")
    viewer = at_the_admin(person(Role.VIEWER, story.brand))

    for name in NAMES:
        answer = exported(viewer, name)
        text = b"".join(answer.streaming_content).decode()
        assert not [word for word in ("Zebra", "Quagga", "Okapi", "77.31") if word in text], name


def test_a_long_export_holds_few_rows_at_once(story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "AT_ONCE", 3)
    a = story.campaign()
    for number in range(8):
        story.spend(a, str(number + 1))

    rows = table_of(exported(ann.client, "spending_spend"))

    assert sorted(Decimal(row["amount"]) for row in rows) == list(range(1, 9))
    assert Spend.objects.count() == 8
    assert Campaign.objects.count() == 1
