"""Idempotency-Key: what is sent twice happens once, whoever dies or hurries in between. Faults 7 and 8."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from access.models import IdempotentAnswer
from brands.models import AuditEntry, Brand
from budget_system.rest.urls import router
from campaigns.models import Override
from spending.models import Reservation, Spend
from tests.integration.api_client import Api, person, token_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("anna")


@pytest.fixture
def api(root: User) -> Api:
    return Api(root)


@pytest.fixture
def campaign(api: Api) -> str:
    brand = api.post("brands/", {"name": "Acme", "daily_budget": "100"})
    return str(api.post("campaigns/", {"brand": brand["id"], "name": "A"})["id"])


def once(api: Api, path: str, body: Any, key: str = "k") -> tuple[int, str, str]:
    """Status, whether it is a replay, and the body as it came."""
    response = api.call("post", path, body, idempotency_key=key)
    return response.status_code, response.get("Idempotent-Replayed", ""), response.content.decode()


def test_every_post_that_makes_something_or_moves_money_takes_a_key() -> None:
    views: dict[str, Any] = {prefix: view for prefix, view, _ in router.registry}
    takes = {
        f"{prefix} {action}"
        for prefix, view in views.items()
        for action in view.needs
        if getattr(getattr(view, action, None), "takes_idempotency_key", False)
    }
    makes = {f"{prefix} create" for prefix, view in views.items() if "create" in view.needs}

    assert takes == makes | {
        "spends batch", "spends restore", "reservations settle", "reservations void", "campaigns override",
        "pacing/campaigns reallocation", "pacing/reallocations apply", "pacing/reallocations reject",
        "platforms/campaigns approve", "platforms/campaigns approve_several", "platforms/campaigns leave",
        "platforms/campaigns put_back", "platforms/campaigns take_over", "webhooks new_secret", "webhooks test",
        "webhooks resend_parked", "receivers test", "receivers resend_parked", "deliveries resend",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("brands/", {"name": "New"}, Brand),
        ("spends/", {"campaign": "", "amount": "25.50"}, Spend),
        ("spends/batch", {"spends": [{"campaign": "", "amount": "1"}, {"campaign": "", "amount": "x"}]}, Spend),
        ("reservations/", {"id": str(uuid4()), "campaign": "", "amount": "10"}, Reservation),
        ("campaigns/{campaign}/override", {"lifts": ["MANUAL"], "reason": "A test"}, Override),
    ],
)
def test_the_same_request_again_gets_the_first_answer(
    api: Api, campaign: str, path: str, body: Any, model: Any
) -> None:
    path = path.format(campaign=campaign)
    body = json.loads(json.dumps(body).replace('"campaign": ""', f'"campaign": "{campaign}"'))
    before = model.objects.count()

    first, second = once(api, path, body), once(api, path, body)

    assert (first[0], first[2]) == (second[0], second[2])
    assert (first[1], second[1]) == ("false", "true")
    assert first[0] < 300
    assert model.objects.count() == before + 1


def test_a_replay_shows_what_was_answered_and_not_what_is_now(api: Api, campaign: str) -> None:
    first = once(api, "brands/", {"name": "New"})
    api.patch(f"brands/{json.loads(first[2])['id']}/", {"name": "Other"})

    assert once(api, "brands/", {"name": "New"}) == (201, "true", first[2])


@pytest.mark.fault(7)
def test_another_body_or_path_under_the_same_key_is_refused(api: Api, campaign: str) -> None:
    spend = {"campaign": campaign, "amount": "1"}
    once(api, "spends/", spend)

    for path, body in (
        ("spends/", {**spend, "amount": "2"}),
        ("spends/", {"amount": "1", "campaign": campaign}),  # other bytes: nobody guesses what was meant
        ("spends", spend),
        ("brands/", {"name": "New"}),
    ):
        status, _, text = once(api, path, body)
        assert (status, json.loads(text)["code"]) == (422, "idempotency_key_reused")
    assert Spend.objects.count() == 1


def test_another_caller_with_the_same_key_is_another_caller(api: Api, root: User, campaign: str) -> None:
    brands = [Brand.objects.get()]
    callers = [api, Api(token=token_for(root)), Api(token=token_for(root)), Api(person("max", "manager", brands))]

    answers = [once(caller, "spends/", {"campaign": campaign, "amount": "1"}) for caller in callers]

    assert [answer[:2] for answer in answers] == [(201, "false")] * 4
    assert Spend.objects.count() == 4


def test_a_refused_input_is_not_kept_and_may_be_mended(api: Api, campaign: str) -> None:
    for wrong in ({"campaign": campaign, "amount": "x"}, {"campaign": str(uuid4()), "amount": "1"}):
        assert once(api, "spends/", wrong)[0] == 400
    assert once(Api(person("vera", "viewer")), "spends/", {})[0] == 403

    assert not IdempotentAnswer.objects.exists()
    assert once(api, "spends/", {"campaign": campaign, "amount": "1"})[0] == 201


def test_a_refused_reservation_is_an_answer_and_kept(api: Api, campaign: str) -> None:
    body = {"id": str(uuid4()), "campaign": campaign, "amount": "101"}
    first = once(api, "reservations/", body)
    api.patch(f"brands/{Brand.objects.get().pk}/", {"daily_budget": "1000"})

    assert first[:2] == (409, "false")
    assert json.loads(first[2])["granted"] is False
    assert once(api, "reservations/", body) == (409, "true", first[2])
    assert once(api, "reservations/", body, key="another")[0] == 201, "a new key asks anew"
    response = api.call("post", "reservations/", body, idempotency_key="k")
    assert response["Content-Type"] == "application/problem+json", "also the second time"


@pytest.mark.parametrize("key", ["", " " * 201, "x" * 201, "a\tb", "a\x00b", "a\x85b"])
def test_a_key_nobody_can_print_is_refused(api: Api, key: str) -> None:
    assert once(api, "brands/", {"name": "New"}, key)[0] == 400
    assert not Brand.objects.exists()


@pytest.mark.fault(12)
@pytest.mark.parametrize("where", ["before the answer is kept", "after the answer is kept"])
def test_a_crash_in_between_leaves_neither_the_effect_nor_the_answer(api: Api, campaign: str, where: str) -> None:
    api.client.raise_request_exception = False
    real = IdempotentAnswer.objects.create

    def crash(**values: Any) -> None:
        if where.startswith("after"):
            real(**values)
        raise RuntimeError("the power is gone")

    entries = AuditEntry.objects.count()
    with mock.patch.object(IdempotentAnswer.objects, "create", crash):
        assert once(api, "spends/", {"campaign": campaign, "amount": "100"})[0] == 500

    assert (Spend.objects.count(), IdempotentAnswer.objects.count(), AuditEntry.objects.count()) == (0, 0, entries)
    assert api.get(f"campaigns/{campaign}/")["daily_spend"] == "0.00"
    assert api.get(f"campaigns/{campaign}/")["status"] == "ACTIVE"
    assert once(api, "spends/", {"campaign": campaign, "amount": "100"})[:2] == (201, "false")
    assert api.get(f"campaigns/{campaign}/")["status"] == "PAUSED"


@pytest.mark.fault(8)
@pytest.mark.postgres
@pytest.mark.parametrize("round_", range(3))
def test_eight_at_once_with_one_key_have_one_effect(root: User, campaign: str, round_: int) -> None:
    token, together = token_for(root), Barrier(8)

    def post() -> tuple[int, str, str]:
        client, body = Client(raise_request_exception=False), {"campaign": campaign, "amount": "10"}
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
        answer = client.post("/api/spends/", body, content_type="application/json", headers=headers)
        return answer.status_code, answer.get("Idempotent-Replayed", ""), answer.content.decode()

    def at_once(_: int) -> tuple[int, str, str]:
        together.wait()
        try:
            return post()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(at_once, range(8)))

    outcomes = Counter((status, replayed) for status, replayed, _ in answers)
    assert outcomes[201, "false"] == 1
    assert outcomes.keys() <= {(201, "false"), (201, "true"), (409, "")}, answers
    assert all(json.loads(text)["code"] == "request_in_flight" for status, _, text in answers if status == 409)
    [shown] = {text for status, _, text in answers if status == 201}
    assert Spend.objects.count() == 1
    assert post() == (201, "true", shown)
