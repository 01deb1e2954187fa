"""What an opponent would try at the API: midnight far away, a budget of 0, odd names, another country's spreadsheet."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User

from tests.integration.api_client import Api

pytestmark = pytest.mark.django_db(transaction=True)

LAST_SECOND = datetime(2026, 5, 5, 11, 59, 59, tzinfo=UTC)
"""In Auckland it is 23:59:59."""


@pytest.fixture
def api() -> Iterator[Api]:
    with time_machine.travel(LAST_SECOND, tick=False):
        yield Api(User.objects.create_superuser("anna"))


def campaign_of(api: Api, name: str = "Harbour", **brand: Any) -> Any:
    made = api.post("brands/", {"name": "Kea", "timezone": "Pacific/Auckland", "currency": "NZD", **brand})
    return api.post("campaigns/", {"brand": made["id"], "name": name})


def ask(api: Api, campaign: Any, amount: str, status: int = 201) -> Any:
    return api.post("reservations/", {"id": str(uuid4()), "campaign": campaign["id"], "amount": amount}, status=status)


def send(api: Api, content: str, **said: Any) -> Any:
    file = BytesIO(content.encode())
    file.name = "report.csv"
    response = api.client.post("/api/imports/", {"file": file, **said}, format="multipart")
    assert response.status_code == 201, response.content[:1000]
    return response.json()


def test_what_was_set_aside_before_midnight_in_auckland_counts_on_that_day_when_it_is_settled_after(api: Api) -> None:
    campaign = campaign_of(api, daily_budget="100")
    grant = ask(api, campaign, "100")
    assert grant["day"] == "2026-05-05"
    assert ask(api, campaign, "0.01", status=409)["remaining"] == "0.00"

    with time_machine.travel(datetime(2026, 5, 5, 12, tzinfo=UTC), tick=False):
        assert ask(api, campaign, "100")["day"] == "2026-05-06"
        settled = api.post(f"reservations/{grant['id']}/settle", {"amount": "90"}, status=200)
        assert api.get(f"spends/{settled['spend']}/")["spend_date"] == "2026-05-05"
        today = api.get(f"brands/{campaign['brand']}/summary")["day"]

    assert (today["starts_on"], today["spent"], today["reserved"]) == ("2026-05-06", "0.00", "100.00")


def test_a_budget_of_0_grants_nothing_and_says_so(api: Api) -> None:
    campaign = campaign_of(api, daily_budget="0")

    refused = ask(api, campaign, "0.000001", status=409)

    assert (refused["granted"], refused["code"], refused["remaining"]) == (False, "DAILY_BUDGET_EXCEEDED", "0.00")


def test_a_campaign_may_be_named_total_wine(api: Api) -> None:
    campaign = campaign_of(api, "Total Wine", currency="USD")
    report = "Day,Campaign,Cost\n2026-05-04,Total Wine,10.50\nTotal,,10.50\n"

    imported = send(api, report, brand=campaign["brand"])

    assert (imported["rows"], imported["accepted"], imported["totals_agree"]) == (1, 1, True)
    assert api.get(f"campaigns/{campaign['id']}/")["lifetime_spend"] == "10.50"


def test_a_turkish_spreadsheet_is_read_or_refused_in_words_and_never_misread(api: Api) -> None:
    campaign = campaign_of(api, "İndirim Kampanyası", timezone="Europe/Istanbul", currency="TRY")
    rows = "04.05.2026;İndirim Kampanyası;1.234,56\n25.04.2026;İndirim Kampanyası;2,50\n"

    foreign = send(api, f"Gün;Kampanya;Maliyet\n{rows}", brand=campaign["brand"])
    named = send(api, f"Day;Campaign;Cost\n{rows}", brand=campaign["brand"])

    assert foreign["state"] == "FAILED"
    assert "column" in foreign["error"].lower()
    assert (named["accepted"], named["totals"]) == (2, {"TRY": "1237.06"})


def test_the_same_settlement_sent_again_after_midnight_is_the_same_spend(api: Api) -> None:
    campaign = campaign_of(api)
    grant = ask(api, campaign, "10")
    path = f"reservations/{grant['id']}/settle"

    first = api.post(path, {"amount": "12.34"}, status=200)
    with time_machine.travel(datetime(2026, 5, 5, 12, 0, 5, tzinfo=UTC), tick=False):
        again = api.post(path, {"amount": "12.34"}, status=200)
        api.post(path, {"amount": "12.35"}, status=409)

    assert again["spend"] == first["spend"]
    assert api.get("spends/")["count"] == 1
