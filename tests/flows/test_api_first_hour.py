"""What a new user does first, with the documentation in hand: each step as the API's own pages tell it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User

from brands.models import AuditEntry
from campaigns.models import Campaign
from tests.integration.api_client import Api, person, token_for

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)


@pytest.fixture
def api() -> Any:
    with time_machine.travel(NOON, tick=True):
        yield Api(User.objects.create_superuser("anna"))


@pytest.fixture
def brand(api: Api) -> Any:
    return api.post("brands/", {"name": "Acme", "daily_budget": "100.00", "monthly_budget": "2000.00"})


@pytest.fixture
def campaign(api: Api, brand: Any) -> Any:
    return api.post("campaigns/", {"brand": brand["id"], "name": "Summer Sale", "status": "ACTIVE"})


def test_a_brand_shows_its_budgets_and_what_is_left_of_them(brand: Any) -> None:
    assert brand["daily_budget"] == "100.00"
    assert brand["monthly_budget"] == "2000.00"
    assert (brand["daily_spend"], brand["monthly_spend"], brand["remaining"]) == ("0.00", "0.00", "100.00")
    assert (brand["currency"], brand["timezone"]) == ("USD", "UTC")


def test_a_campaign_runs_until_its_brands_day_is_used_up_and_says_why(api: Api, campaign: Any) -> None:
    assert (campaign["status"], campaign["holds"], campaign["pause_reason"]) == ("ACTIVE", [], "")

    api.post("spends/", {"campaign": campaign["id"], "amount": "99.99"})
    assert api.get(f"campaigns/{campaign['id']}/")["status"] == "ACTIVE"
    api.post("spends/", {"campaign": campaign["id"], "amount": "0.01"})

    seen = api.get(f"campaigns/{campaign['id']}/")
    assert (seen["status"], seen["pause_reason"], seen["holds"]) == (
        "PAUSED", "DAILY_BUDGET_EXCEEDED", ["DAILY_BUDGET_EXCEEDED"],
    )  # fmt: skip
    assert (seen["daily_spend"], seen["remaining"]) == ("100.00", "0.00")
    assert seen["paused_at"].startswith("2026-05-05T12:00:")
    why = api.get(f"campaigns/{campaign['id']}/explain")
    assert why["runs_next_at"] == "2026-05-06T00:00:00Z"
    assert why["causes"][0]["budget"] == "100.00"
    assert "daily budget 100.00 USD reached, 100.00 USD spent" in why["sentences"][0]
    tomorrow = api.get(f"campaigns/{campaign['id']}/explain?at=2026-05-06T00:00:00Z")
    assert (tomorrow["status"], tomorrow["holds"]) == ("ACTIVE", [])


def test_back_dated_spend_counts_on_its_own_day(api: Api, campaign: Any) -> None:
    spend = api.post(
        "spends/",
        {
            "campaign": campaign["id"],
            "amount": "25.50",
            "spend_date": "2024-06-26",
            "spend_type": "DAILY",
            "description": "Facebook ad spend",
        },
    )

    assert (spend["amount"], spend["currency"], spend["spend_date"]) == ("25.50", "USD", "2024-06-26")
    seen = api.get(f"campaigns/{campaign['id']}/")
    assert (seen["daily_spend"], seen["monthly_spend"], seen["lifetime_spend"]) == ("0.00", "0.00", "25.50")


def test_a_spend_names_its_channel_or_is_the_campaigns_own(api: Api, campaign: Any) -> None:
    named = api.post("spends/", {"campaign": campaign["id"], "amount": "5", "channel": " Brand  search", "key": "k"})
    own = api.post("spends/", {"campaign": campaign["id"], "amount": "6"})
    again = api.post("spends/", {"campaign": campaign["id"], "amount": "5", "channel": "Brand search", "key": "k"}, 200)
    api.post("spends/", {"campaign": campaign["id"], "amount": "5", "channel": "video", "key": "k"}, 409)
    refused = api.post("spends/", {"campaign": campaign["id"], "amount": "5", "channel": "x" * 41}, 400)
    spends = [{"campaign": campaign["id"], "amount": "7", "channel": channel} for channel in ("video", "\u0000")]
    batch = api.post("spends/batch", {"spends": spends}, status=200)

    assert (named["channel"], own["channel"], again["id"]) == ("Brand search", "", named["id"])
    assert [error["field"] for error in refused["errors"]] == ["channel"]
    assert [(answer["outcome"], answer["field"]) for answer in batch["answers"]] == [
        ("recorded", ""),
        ("refused", "channel"),
    ]
    assert [spend["amount"] for spend in api.get("spends/?channel=video")["results"]] == ["7.00"]

    before = api.get(f"campaigns/{campaign['id']}/")
    moved = api.patch(f"spends/{named['id']}/", {"channel": "video", "reason": "Wrong one"})
    kept = api.put(f"spends/{named['id']}/", {"campaign": campaign["id"], "amount": "5"})

    assert (moved["channel"], moved["version"], kept["channel"], kept["version"]) == ("video", 2, "video", 2)
    assert api.get(f"campaigns/{campaign['id']}/")["daily_spend"] == before["daily_spend"] == "18.00"


def test_a_window_is_added_and_the_others_are_removed(api: Api, campaign: Any) -> None:
    window = {"day_of_week": 0, "start_time": "09:00:00", "end_time": "18:00:00", "is_active": True}
    rows = api.get(f"schedules/?campaign={campaign['id']}")
    assert rows["count"] == 7

    added = api.post("schedules/", {"campaign": campaign["id"], **window})
    for row in rows["results"]:
        api.delete(f"schedules/{row['id']}/")

    assert {name: added[name] for name in window} == window
    seen = api.get(f"campaigns/{campaign['id']}/")
    assert seen["holds"] == ["OUTSIDE_SCHEDULE"], "it is Tuesday"
    assert api.get(f"campaigns/{campaign['id']}/explain")["runs_next_at"] == "2026-05-11T09:00:00Z"


def test_a_whole_week_is_replaced_at_once(api: Api, campaign: Any) -> None:
    path = f"campaigns/{campaign['id']}/week"
    version = api.get(path)["version"]
    windows = [{"day_of_week": 4, "start_time": "22:00", "end_time": "06:00", "ends_next_day": True}]

    week = api.put(path, {"windows": windows, "version": version})
    api.put(path, {"windows": [], "version": version}, status=409)

    assert [row["start_time"] for row in week["windows"]] == ["22:00:00"]
    assert api.get(f"campaigns/{campaign['id']}/")["holds"] == ["OUTSIDE_SCHEDULE"]
    api.put(path, {"windows": []})
    assert api.get(f"campaigns/{campaign['id']}/")["holds"] == []


def test_pausing_and_activating_by_hand(api: Api, campaign: Any) -> None:
    path = f"campaigns/{campaign['id']}"

    paused = api.post(f"{path}/pause", {"until": "end_of_day", "reason": "The client asked"}, status=200)
    assert (paused["pause_reason"], paused["manual_pause_until"]) == ("MANUAL", "2026-05-06T00:00:00Z")
    assert paused["manual_pause_reason"] == "The client asked"
    assert api.post(f"{path}/activate", status=200)["status"] == "ACTIVE"
    assert api.patch(f"{path}/", {"status": "PAUSED"})["pause_reason"] == "MANUAL"
    assert api.patch(f"{path}/", {"status": "ACTIVE", "name": "Spring Sale"})["holds"] == []
    assert [entry["to_status"] for entry in api.get(f"{path}/history")["results"]][:2] == ["ACTIVE", "PAUSED"]


def test_a_status_that_it_has_already_is_no_wish(api: Api, campaign: Any) -> None:
    api.post("spends/", {"campaign": campaign["id"], "amount": "100"})
    path = f"campaigns/{campaign['id']}/"
    seen = api.get(path)

    same = api.put(path, {name: seen[name] for name in ("brand", "name", "status", "version", "daily_budget")})

    assert same["holds"] == ["DAILY_BUDGET_EXCEEDED"], "no pause by hand was added"


def test_activating_explains_what_still_holds_and_an_override_lifts_it(api: Api, campaign: Any) -> None:
    api.post("spends/", {"campaign": campaign["id"], "amount": "105"})
    path = f"campaigns/{campaign['id']}"

    assert api.post(f"{path}/activate", status=200)["holds"] == ["DAILY_BUDGET_EXCEEDED"]
    override = api.post(
        f"{path}/override", {"lifts": ["DAILY_BUDGET_EXCEEDED"], "reason": "The client agreed", "extra_budget": "20"}
    )

    assert (override["ends_at"], override["extra_budget"]) == ("2026-05-06T00:00:00Z", "20.00")
    assert api.get(f"{path}/")["status"] == "ACTIVE"
    assert api.expect(200, "delete", f"{path}/override")["holds"] == ["DAILY_BUDGET_EXCEEDED"]


def test_an_emergency_stop_stays_until_a_person_clears_it(api: Api, brand: Any, campaign: Any) -> None:
    path = f"campaigns/{campaign['id']}"

    api.post(f"{path}/emergency-stop", {}, status=400)
    assert api.post(f"{path}/emergency-stop", {"reason": "Wrong link"}, status=200)["holds"] == ["EMERGENCY_STOP"]
    api.post(f"{path}/override", {"lifts": ["EMERGENCY_STOP"], "reason": "x"}, status=400)
    assert api.post(f"{path}/clear-stop", status=200)["holds"] == []
    api.post(f"brands/{brand['id']}/emergency-stop", {"reason": "All wrong"}, status=200)
    assert api.get(f"{path}/")["holds"] == ["EMERGENCY_STOP"]
    api.post(f"brands/{brand['id']}/clear-stop", {}, status=200)
    assert api.get(f"{path}/")["holds"] == []


def test_a_raised_budget_lets_it_run_in_the_same_request(api: Api, brand: Any, campaign: Any) -> None:
    api.post("spends/", {"campaign": campaign["id"], "amount": "100"})

    changed = api.patch(f"brands/{brand['id']}/", {"daily_budget": "150.00", "reason": "A good week"})

    assert (changed["daily_budget"], changed["remaining"]) == ("150.00", "50.00")
    assert api.get(f"campaigns/{campaign['id']}/")["status"] == "ACTIVE"
    entry = AuditEntry.objects.filter(action="change brand").get()
    assert (entry.before, entry.after) == ({"daily_budget": "100.00"}, {"daily_budget": "150.00"})
    assert (entry.actor, entry.reason) == ("user: anna", "A good week")
    assert entry.origin.startswith("127.0.0.1, request ")


def test_a_brands_summary(api: Api, brand: Any, campaign: Any) -> None:
    api.post("spends/", {"campaign": campaign["id"], "amount": "25"})
    api.post("reservations/", {"id": str(uuid4()), "campaign": campaign["id"], "amount": "10"})

    summary = api.get(f"brands/{brand['id']}/summary")

    assert summary["day"] == {
        "starts_on": "2026-05-05", "budget": "100.00", "spent": "25.00", "reserved": "10.00", "forgiven": "0.00",
        "remaining": "65.00", "percent": 25,
    }  # fmt: skip
    assert summary["month"]["remaining"] == "1965.00"
    assert summary["campaigns"] == {"active": 1, "paused": 0}
    assert (summary["projection"], summary["projection_high"], summary["budget_used_up_on"]) == (None, None, None)


def test_spends_are_amended_voided_and_restored(api: Api, campaign: Any) -> None:
    spend = api.post("spends/", {"campaign": campaign["id"], "amount": "100", "key": "invoice 1"})
    path = f"spends/{spend['id']}/"

    assert api.patch(path, {"amount": "30", "reason": "Typing error"})["amount"] == "30.00"
    assert api.get(f"campaigns/{campaign['id']}/")["status"] == "ACTIVE"
    api.patch(path, {"amount": "31", "version": 1}, status=409)
    api.delete(path)
    api.get(path, status=404)
    assert api.get("spends/")["count"] == 0
    assert api.get("spends/?voided=true")["count"] == 1
    assert api.get(f"campaigns/{campaign['id']}/")["daily_spend"] == "0.00"
    assert api.post(f"{path}restore", status=200)["amount"] == "30.00"
    assert api.get(f"campaigns/{campaign['id']}/")["daily_spend"] == "30.00"


def test_a_deleted_brand_is_gone_and_can_be_brought_back(api: Api, brand: Any, campaign: Any) -> None:
    spend = api.post("spends/", {"campaign": campaign["id"], "amount": "25.50"})

    api.delete(f"brands/{brand['id']}/")

    for path in (f"brands/{brand['id']}/", f"campaigns/{campaign['id']}/"):
        api.get(path, status=404)
        api.patch(path, {"name": "x"}, status=404)
        api.delete(path, status=404)
    assert api.get("brands/")["count"] == api.get("campaigns/")["count"] == 0
    assert api.get("brands/?archived=true")["results"][0]["id"] == brand["id"]
    assert api.get(f"spends/{spend['id']}/")["amount"] == "25.50"
    assert api.post(f"brands/{brand['id']}/restore", status=200)["daily_spend"] == "25.50"
    assert api.get(f"campaigns/{campaign['id']}/")["holds"] == ["MANUAL"]


def test_lists_are_paged_filtered_searched_and_ordered(api: Api, brand: Any) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        api.post("campaigns/", {"brand": brand["id"], "name": name, "platform": "META"})
    other = api.post("brands/", {"name": "Other"})
    api.post("campaigns/", {"brand": other["id"], "name": "Delta", "status": "PAUSED"})

    page = api.get("campaigns/?page_size=2&ordering=-name")
    assert (page["count"], len(page["results"]), page["previous"]) == (4, 2, None)
    assert [row["name"] for row in page["results"]] == ["Gamma", "Delta"]
    assert [row["name"] for row in api.get(page["next"].partition("/api/")[2])["results"]] == ["Beta", "Alpha"]
    assert api.get(f"campaigns/?brand={other['id']}")["count"] == 1
    assert api.get("campaigns/?status=PAUSED")["results"][0]["pause_reason"] == "MANUAL"
    assert api.get("campaigns/?hold=MANUAL")["count"] == 1
    assert api.get("campaigns/?platform=META&search=bet")["count"] == 1


def test_a_batch_answers_every_spend(api: Api, campaign: Any) -> None:
    given = [
        {"campaign": campaign["id"], "amount": "10", "key": "a"},
        {"campaign": campaign["id"], "amount": "10", "key": "a"},
        {"campaign": campaign["id"], "amount": "11", "key": "a"},
        {"campaign": str(uuid4()), "amount": "10"},
        {"campaign": campaign["id"], "amount": "ten"},
        {"campaign": campaign["id"], "amount": "10", "colour": "red"},
        {"campaign": campaign["id"], "amount": "10", "spend_date": "2027-01-01"},
        {"campaign": campaign["id"], "amount": "10", "currency": "EUR"},
        "nothing",
    ]

    answer = api.post("spends/batch", {"spends": given}, status=200)

    assert (answer["recorded"], answer["replayed"], answer["refused"]) == (1, 1, 7)
    assert [one["index"] for one in answer["answers"]] == list(range(9))
    assert [one["field"] for one in answer["answers"]] == [
        "", "", "key", "campaign", "amount", "colour", "spend_date", "currency", "non_field_errors",
    ]  # fmt: skip
    assert api.get(f"campaigns/{campaign['id']}/")["daily_spend"] == "10.00"


def test_money_is_set_aside_settled_and_given_back(api: Api, campaign: Any) -> None:
    first, second = str(uuid4()), str(uuid4())
    body = {"id": first, "campaign": campaign["id"], "amount": "60", "channel": "Search", "ttl": 60}

    grant = api.post("reservations/", body)
    assert (grant["granted"], grant["code"], grant["remaining"]) == (True, "GRANTED", "40.00")
    assert grant["expires_at"].startswith("2026-05-05T12:01:")
    assert api.post("reservations/", body, status=200)["id"] == first
    refusal = api.post("reservations/", {**body, "id": second}, status=409)
    assert (refusal["granted"], refusal["code"], refusal["remaining"]) == (False, "DAILY_BUDGET_INSUFFICIENT", "40.00")
    advice = api.get(f"campaigns/{campaign['id']}/can-spend?amount=40")
    assert (advice["can_spend"], advice["advice_only"], advice["remaining"]) == (True, True, "0.00")

    settled = api.post(f"reservations/{first}/settle", {"amount": "55.25"}, status=200)
    assert (settled["status"], settled["settled_amount"]) == ("SETTLED", "55.25")
    assert api.get(f"spends/{settled['spend']}/")["source"] == "reservation"
    api.post(f"reservations/{first}/void", status=409)
    api.post("reservations/", {**body, "id": second, "amount": "44.75"})
    assert api.post(f"reservations/{second}/void", status=200)["status"] == "VOIDED"
    assert api.get(f"campaigns/{campaign['id']}/")["remaining"] == "44.75"
    assert api.get("reservations/?status=VOIDED")["count"] == 1


def test_a_machine_works_with_a_token(api: Api, campaign: Any) -> None:
    machine = Api(token=token_for(User.objects.get(username="anna"), "spend"))

    spend = machine.post("spends/", {"campaign": campaign["id"], "amount": "1"})

    assert spend["created_by"].startswith("token: A test (bs_")
    machine.post("brands/", {"name": "x"}, status=403)
    assert machine.get("me")["name"] == spend["created_by"]


def test_a_manager_sees_the_brand_that_they_have_made(api: Api) -> None:
    manager = Api(person("max", "manager"))

    brand = manager.post("brands/", {"name": "New client"})

    assert [row["id"] for row in manager.get("brands/")["results"]] == [brand["id"]]
    assert Api(person("mia", "manager")).get("brands/")["count"] == 0


def test_amounts_keep_the_decimals_of_their_currency_and_what_is_finer(api: Api) -> None:
    yen = api.post("brands/", {"name": "Tokyo", "currency": "JPY", "daily_budget": "1000"})
    campaign = api.post("campaigns/", {"brand": yen["id"], "name": "A"})

    assert yen["daily_budget"] == "1000"
    fine = api.expect(201, "post", "spends/", {"campaign": campaign["id"], "amount": "0.000001"})
    assert fine["amount"] == "0.000001"
    assert Campaign.objects.count() == 1
    assert Decimal(api.get(f"campaigns/{campaign['id']}/")["daily_spend"]) == Decimal("0.000001")


def test_a_window_is_changed_in_part_or_as_a_whole(api: Api, campaign: Any) -> None:
    row = api.get(f"schedules/?campaign={campaign['id']}")["results"][1]
    path = f"schedules/{row['id']}/"

    assert api.patch(path, {"start_time": "13:00"}) == {**row, "start_time": "13:00:00", "updated_at": ANY}
    assert api.get(f"campaigns/{campaign['id']}/")["holds"] == ["OUTSIDE_SCHEDULE"], "it is Tuesday, 12:00"
    assert api.patch(path, {"is_active": False})["is_active"] is False
    whole = {name: row[name] for name in ("campaign", "day_of_week", "end_time")}
    changed = api.put(path, {**whole, "start_time": "09:00"})

    assert (changed["start_time"], changed["end_time"]) == ("09:00:00", row["end_time"])
    assert changed["is_active"] is False, "what is left out stays as it is"
