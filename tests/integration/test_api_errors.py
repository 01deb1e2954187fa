"""What the API says to input that nobody meant: a problem with a code and a number, never a stack, never a guess."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, ProgrammingError, connection
from django.test import Client
from pytest_django import Settings

from brands.models import Brand
from enforcement import services
from spending.models import Reservation, Spend
from tests.integration.api_client import token_for

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PROBLEM = "application/problem+json"
MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


class Caller:
    """Sends bytes as they are, and checks that every error is a problem."""

    def __init__(self, token: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.token = token

    def __call__(self, method: str, path: str, body: Any = b"", kind: str = "application/json", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"HTTP_AUTHORIZATION": f"Bearer {self.token}", **headers}
        response = self.client.generic(method, f"/api/{path}", data, content_type=kind, **headers)  # type: ignore[arg-type]
        if response.status_code >= 400:
            self.check(response)
        return response

    @staticmethod
    def check(response: Any) -> None:
        assert response["Content-Type"] == PROBLEM, response.content[:300]
        problem = json.loads(response.content)
        assert problem.keys() >= MEMBERS
        assert problem["status"] == response.status_code
        assert problem["request_id"] == response["X-Request-Id"]
        assert problem["detail"]
        assert problem["code"]
        assert "Traceback" not in response.content.decode()

    def problem(self, status: int, *request: Any, **headers: str) -> Any:
        response = self(*request, **headers)
        assert response.status_code == status, response.content[:500]
        return response.json()


class Things:
    """A brand and its campaign, with their ids."""

    def __init__(self, send: Caller) -> None:
        self.brand = send("POST", "brands/", {"name": "Acme"}).json()["id"]
        self.campaign = send("POST", "campaigns/", {"brand": self.brand, "name": "A"}).json()["id"]

    def spend(self, amount_json: str) -> bytes:
        return f'{{"campaign": "{self.campaign}", "amount": {amount_json}}}'.encode()


@pytest.fixture
def send(settings: Settings) -> Caller:
    settings.REQUESTS_PER_MINUTE = 10**9
    return Caller(token_for(User.objects.create_superuser("anna")))


@pytest.fixture
def things(send: Caller) -> Things:
    return Things(send)


# --- One shape for all


def test_every_kind_of_refusal_is_a_problem(send: Caller, things: Things, settings: Settings) -> None:
    spend = {"campaign": things.campaign, "amount": "1", "key": "a"}
    reservation = {"id": str(uuid4()), "campaign": things.campaign, "amount": "1"}
    send("POST", "spends/", spend)
    send("POST", "reservations/", reservation)
    send("POST", "brands/", {"name": "B"}, HTTP_IDEMPOTENCY_KEY="k")

    def status(*request: Any, **headers: str) -> int:
        code: int = send(*request, **headers).status_code
        return code

    assert status("POST", "brands/", {}) == 400
    assert status("GET", "me", HTTP_AUTHORIZATION="Bearer bs_x") == 401
    assert status("GET", "brands/?archived=true") == 403, "no token may"
    assert status("GET", f"brands/{uuid4()}/") == 404
    assert status("DELETE", "brands/") == 405
    assert status("GET", "brands/", HTTP_ACCEPT="application/xml") == 406
    assert status("POST", "spends/", {**spend, "amount": "2"}) == 409
    assert status("POST", "reservations/", {**reservation, "amount": "2"}) == 409
    assert status("POST", "brands/", b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)) == 413
    assert status("POST", "brands/", b"<a/>", "text/xml") == 415
    assert status("POST", "brands/", {"name": "C"}, HTTP_IDEMPOTENCY_KEY="k") == 422
    settings.REQUESTS_PER_MINUTE = 1
    refused = [send("GET", "me") for _ in range(2)][-1]
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60


def test_a_refused_token_is_told_how_to_come_in(send: Caller) -> None:
    response = send("GET", "me", HTTP_AUTHORIZATION="")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_wrong_fields_are_told_as_a_list_and_under_their_own_names(send: Caller, things: Things) -> None:
    problem = send.problem(400, "POST", "spends/", {"campaign": "x", "amount": "ten", "colour": "red"})

    assert {(error["field"], error["code"]) for error in problem["errors"]} == {
        ("campaign", "invalid"), ("amount", "invalid_amount"), ("colour", "unknown_field"),
    }  # fmt: skip
    assert problem["campaign"] == ["Must be a valid UUID."]
    assert problem["colour"] == ["There is no such field."]
    assert "(and 2 more)" in problem["detail"]
    windows = [{"day_of_week": 0, "start_time": "09:00", "end_time": "18:00"}, {"day_of_week": 9}]
    nested = send.problem(400, "PUT", f"campaigns/{things.campaign}/week", {"windows": windows})
    assert {error["field"] for error in nested["errors"]} >= {"windows.1.day_of_week", "windows.1.end_time"}


@pytest.mark.need(22)
def test_an_unexpected_error_is_500_with_a_number_and_changes_nothing(send: Caller, things: Things) -> None:
    with mock.patch.object(services, "change_brand", side_effect=RuntimeError("secret words")):
        response = send("PATCH", f"brands/{things.brand}/", {"name": "Other"})

    assert response.status_code == 500
    assert "secret" not in response.content.decode()
    assert response.json()["code"] == "server_error"
    assert Brand.objects.get().name == "Acme"


@pytest.mark.fault(18)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "error",
    [OperationalError("could not connect to server"), DatabaseError("server closed the connection unexpectedly")],
    ids=["no connection", "broken off"],
)
def test_a_database_that_does_not_answer_is_503(send: Caller, method: str, error: DatabaseError) -> None:
    response = _while_every_statement_fails(send, method, error)

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response["Retry-After"] == "1"


def test_a_statement_that_is_wrong_is_our_fault(send: Caller) -> None:
    assert _while_every_statement_fails(send, "GET", ProgrammingError("no results to fetch")).status_code == 500


def _while_every_statement_fails(send: Caller, method: str, error: DatabaseError) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    with connection.execute_wrapper(fail):
        return send(method, "brands/", {"name": "X"} if method == "POST" else b"")


# --- Nothing is taken that was not asked for


def _writes(things: Things) -> Iterator[tuple[str, str, dict[str, Any]]]:
    window = {"day_of_week": 0, "start_time": "09:00", "end_time": "18:00"}
    yield "POST", "brands/", {"name": "New"}
    yield "PATCH", f"brands/{things.brand}/", {}
    yield "POST", "campaigns/", {"brand": things.brand, "name": "New"}
    yield "PATCH", f"campaigns/{things.campaign}/", {}
    yield "POST", "spends/", {"campaign": things.campaign, "amount": "1"}
    yield "POST", "schedules/", {"campaign": things.campaign, **window}
    yield "POST", "reservations/", {"id": str(uuid4()), "campaign": things.campaign, "amount": "1"}
    for verb in ("pause", "activate", "emergency-stop", "clear-stop", "override"):
        yield "POST", f"campaigns/{things.campaign}/{verb}", {"reason": "A test"}


TAKEN = {
    "name", "timezone", "currency", "daily_budget", "monthly_budget", "lifetime_budget", "platform", "external_id",
    "start_date", "end_date", "status", "brand", "campaign", "amount", "spend_date", "spend_type", "description", "key",
    "day_of_week", "start_time", "end_time", "ends_next_day", "is_active", "id", "channel", "ttl", "reason", "version",
    "until", "lifts", "ends_at", "extra_budget",
}  # fmt: skip
"""All that any door of these takes. Each takes some; of the rest of any model's fields none takes any."""


@pytest.mark.need(5)
def test_no_field_of_any_model_can_be_set_unless_it_is_an_input(send: Caller, things: Things) -> None:
    names = {
        name
        for config in ("brands", "access", "campaigns", "scheduling", "spending", "enforcement", "auth")
        for model in apps.get_app_config(config).get_models()
        for field in model._meta.get_fields()
        for name in (field.name, getattr(field, "attname", field.name))
    }
    forbidden = sorted(names - TAKEN)
    assert len(forbidden) > 100

    accepted = []
    for method, path, body in _writes(things):
        response = send(method, path, {**body, **dict.fromkeys(forbidden, "1")})
        assert response.status_code == 400
        accepted += [(path, name) for name in forbidden if name not in response.json()]
    for method, path, body in _writes(things):
        response = send(method, path, {**body, **{name: {"not": "a value"} for name in TAKEN - body.keys()}})
        assert response.status_code == 400

    # Names that a problem uses itself are only in its list of errors.
    assert {name for _, name in accepted} <= {"code", "errors", "type", "title", "detail"}
    assert (Brand.objects.count(), Spend.objects.count(), Reservation.objects.count()) == (1, 0, 0)


# --- Amounts

WRONG_AMOUNTS = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "true", "false", "null", "[]", "{}", "[1]", '""', '" "', '"NaN"',
    '"nan"', '"Infinity"', '"1e400"', '"1e2"', "1e20", '"1_000"', '"1,000"', '"1,5"', '"１２"', '"١٢"', '"²"', '"0x10"',
    '"1.0000001"', "0.0000001", "1" + "0" * 30, '"1' + "0" * 30 + '"', "9223372036854.775808", '"9223372036854775807"',
    "9" * 5000, '"--1"', '"+-1"', '"1."', '".5"', '"1 0"', '"1\\u0000"', '"\\u00001"', '"\\ud800"',
    '"1\\u200b"', '"$1"',
    '"1 USD"', "0", '"0"', '"0.00"', "-0.0", "-1", '"-1"', '"' + "1" * 100_000 + '"', "1.5e-7",
]  # fmt: skip
RIGHT_AMOUNTS = {
    '"25.50"': "25.50", "25.1": "25.1", "25": "25", '"0.000001"': "0.000001", "0.1": "0.1", '"+1"': "1", '" 1 "': "1",
    "123456789.123456": "123456789.123456", '"999999999999.999999"': "999999999999.999999", "1e2": None, "1E+2": None,
    "100.10": "100.1",
}  # fmt: skip


@pytest.mark.fault(41)
@pytest.mark.parametrize("text", WRONG_AMOUNTS, ids=lambda text: text[:24].encode("unicode_escape").decode())
def test_what_is_no_amount_is_refused_and_nothing_is_recorded(send: Caller, things: Things, text: str) -> None:
    for path in ("spends/", "reservations/"):
        extra = f', "id": "{uuid4()}"' if path == "reservations/" else ""
        body = things.spend(text).removesuffix(b"}") + extra.encode() + b"}"
        assert send("POST", path, body).status_code == 400
    batch = send("POST", "spends/batch", b'{"spends": [' + things.spend(text) + b"]}")
    assert batch.status_code == 400 or batch.json()["refused"] == 1
    if text != "null" and text not in {"0", '"0"', '"0.00"', "-0.0"}:
        assert send("PATCH", f"brands/{things.brand}/", f'{{"daily_budget": {text}}}'.encode()).status_code == 400

    assert (Spend.objects.count(), Reservation.objects.count()) == (0, 0)
    assert Brand.objects.get().daily_budget is None


@pytest.mark.parametrize(("text", "amount"), RIGHT_AMOUNTS.items())
def test_an_amount_is_kept_to_the_last_digit(send: Caller, things: Things, text: str, amount: str | None) -> None:
    response = send("POST", "spends/", things.spend(text))

    if amount is None:  # a number is read as it is written, and amounts are not written with an exponent
        assert response.status_code == 400
    else:
        assert response.status_code == 201
        assert Spend.objects.get().amount == Decimal(amount)
        assert Decimal(response.json()["amount"]) == Decimal(amount)
        assert isinstance(response.json()["amount"], str)


# --- Bodies


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"1", 400),
        (b"{", 400),
        (b'{"name": "A"} x', 400),
        (b"\x00", 400),
        (b"\xff\xfe", 400),
        (b"\xef\xbb\xbf{}", 400),
        ('{"name": "A"}'.encode("utf-16"), 400),
        (b'{"name": "\xff"}', 400),
        (b'{"name": "a\x00b"}', 400),
        (b'{"name": "a\\u0000b"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"\\udfff": 1, "name": "A"}', 400),
        (b'{"name": "\\ud83d\\ude00"}', 201),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"name": "A", "version": ' + b"9" * 5_000 + b"}", 400),
        (b'{"name": "A", "name": "B"}', 201),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_body_that_is_no_json_object_is_refused(send: Caller, body: bytes, status: int) -> None:
    assert send("POST", "brands/", body).status_code == status


@pytest.mark.fault(56)
@pytest.mark.need(11)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("headers", [{}, {"HTTP_IDEMPOTENCY_KEY": "a"}])
def test_a_huge_body_is_not_read(send: Caller, settings: Settings, kind: str, headers: dict[str, str]) -> None:
    body = b'{"name": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'

    assert send("POST", "brands/", body, kind, **headers).status_code == 413
    assert not Brand.objects.exists()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("APPLICATION/JSON", 201),
        ("application/x-www-form-urlencoded", 201),
        ("text/plain", 415),
        ("", 415),
        ("multipart/form-data", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        ("application/vnd.api+json", 415),
        ("nonsense", 415),
    ],
)
def test_json_is_taken_as_json_and_as_what_curl_calls_it(send: Caller, kind: str, status: int) -> None:
    assert send("POST", "brands/", {"name": "A"}, kind).status_code == status
    assert send("POST", "brands/", b"name=A&x=%00", kind).status_code in {400, 415}


def test_a_form_is_told_how_to_send_json(send: Caller) -> None:
    problem = send.problem(415, "POST", "brands/", b"name=A", "application/x-www-form-urlencoded")

    assert "Content-Type: application/json" in problem["detail"]


# --- Parameters


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("brands/?page=0", 404),
        ("brands/?page=-1", 404),
        ("brands/?page=x", 404),
        ("brands/?page=2", 404),
        ("brands/?page=" + "9" * 400, 404),
        ("brands/?page_size=0", 400),
        ("brands/?page_size=-5", 400),
        ("brands/?page_size=x", 400),
        ("brands/?page_size=１", 400),
        ("brands/?page_size=" + "9" * 5_000, 200),
        ("brands/?ordering=nothing", 400),
        ("brands/?ordering=-", 400),
        ("brands/?ordering=name,,name", 400),
        ("brands/?ordering=memberships__user__password", 400),
        ("brands/?ordering=-name,created_at", 200),
        ("brands/?nothing=1", 400),
        ("brands/?timezone=Nowhere", 400),
        ("brands/?timezone=UTC", 200),
        ("brands/?archived=perhaps", 400),
        ("brands/?search=%00", 400),
        ("brands/?search=%FF", 200),
        ("brands/?search=" + "x" * 4_000, 200),
        ("brands/?search=" + "x+" * 2_000, 400),
        ("brands/?name=" + "%F0%9F%98%80", 200),
        ("campaigns/?brand=x", 400),
        ("campaigns/?status=RUNNING", 400),
        ("campaigns/?hold=NOTHING", 400),
        ("campaigns/?external_id=%00", 400),
        ("spends/?date_from=2026-02-30", 400),
        ("spends/?date_to=99999-01-01", 400),
        ("spends/?spend_date=yesterday", 400),
        ("schedules/?day_of_week=7", 400),
        ("schedules/?is_active=2", 400),
        ("schedules/?search=x", 400),
        ("reservations/?day=x", 400),
        ("campaigns/{campaign}/explain?at=2026-05-05T12:00:00", 400),
        ("campaigns/{campaign}/explain?at=9999-12-31T23:59:59Z", 400),
        ("campaigns/{campaign}/explain?at=0001-01-01T00:00:00Z", 400),
        ("campaigns/{campaign}/explain?at=x", 400),
        ("campaigns/{campaign}/can-spend", 400),
        ("campaigns/{campaign}/can-spend?amount=1e3", 400),
        ("campaigns/{campaign}/can-spend?amount=NaN", 400),
        ("campaigns/{campaign}/history?page=7", 404),
    ],
    ids=lambda value: str(value)[:60],
)
def test_parameters_that_mean_nothing_are_refused(send: Caller, things: Things, path: str, status: int) -> None:
    assert send("GET", path.format(campaign=things.campaign)).status_code == status


@pytest.mark.parametrize(("method", "verb"), [("PATCH", ""), ("POST", "pause"), ("POST", "activate")])
def test_a_reason_longer_than_a_record_takes_is_refused(send: Caller, things: Things, method: str, verb: str) -> None:
    path = f"campaigns/{things.campaign}/{verb}"

    [error] = send.problem(400, method, path, {"reason": "x" * 1_001})["errors"]

    assert (error["field"], error["code"]) == ("reason", "max_length")
    assert send(method, path, {"reason": "x" * 1_000}).status_code == 200


def test_a_write_has_no_parameters(send: Caller, things: Things) -> None:
    spend = {"campaign": things.campaign, "amount": "1"}

    assert send("POST", "spends/?dry_run=true", spend).status_code == 400
    assert send("PATCH", f"brands/{things.brand}/?archived=true", {"name": "B"}).status_code == 400
    assert send("DELETE", f"brands/{things.brand}/?force=1").status_code == 400
    assert send("POST", f"campaigns/{things.campaign}/pause?until=end_of_day").status_code == 400
    assert not Spend.objects.exists()


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 10**30, -(10**30), 10**400])
def test_huge_numbers_are_refused_or_conflict(send: Caller, things: Things, number: int) -> None:
    window = {"campaign": things.campaign, "day_of_week": number, "start_time": "09:00", "end_time": "18:00"}
    reservation = {"id": str(uuid4()), "campaign": things.campaign, "amount": "1"}

    assert send("PATCH", f"brands/{things.brand}/", {"version": number}).status_code in {400, 409}
    assert send("POST", "schedules/", window).status_code == (201 if number == 0 else 400)
    assert send("POST", "reservations/", {**reservation, "ttl": number}).status_code == 400
    assert send("POST", "reservations/", {**reservation, "id": number}).status_code == 400
    assert send("POST", "spends/", {"campaign": number, "amount": "1"}).status_code == 400


@pytest.mark.parametrize(
    "time", ["09:00Z", "09:00:00+05:00", "24:00", "25:00", "9 am", "", 9, True, None, "09:00:00.5"]
)
def test_times_of_day_are_local_and_exact_to_the_second(send: Caller, things: Things, time: Any) -> None:
    window = {"campaign": things.campaign, "day_of_week": 0, "start_time": time, "end_time": "18:00"}

    assert send("POST", "schedules/", window).status_code == 400


# --- Names

NAMES = {
    "مرحبا": "مرحبا",
    "\u202eevil": None,
    "a\u200bb": "a\u200bb",
    "\u200b": "",
    "Cafe\u0301": "Café",
    "Ångström \U0001f600": "Ångström \U0001f600",
    "日本語の名前": "日本語の名前",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "  a \u00a0 b  ": "a b",
    "x" * 201: "",
    "": "",
    "\x07bell": "",
    "a\nb": "a b",
}  # fmt: skip


@pytest.mark.fault(55)
@pytest.mark.parametrize(("name", "kept"), NAMES.items(), ids=lambda text: ascii(text)[:20])
def test_names_of_all_scripts_are_kept_in_one_form(send: Caller, name: str, kept: str | None) -> None:
    response = send("POST", "brands/", {"name": name})

    if kept == "":
        assert response.status_code == 400
        return
    assert response.status_code == 201
    shown = response.json()["name"]
    assert shown == (name if kept is None else kept)
    assert send("GET", f"brands/?search={shown.split()[0]}").json()["count"] == 1
    page = send.client.get(
        f"/api/brands/{response.json()['id']}/", HTTP_AUTHORIZATION=f"Bearer {send.token}", HTTP_ACCEPT="text/html"
    )
    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()


# --- Ways of asking


@pytest.mark.parametrize("path", ["", "me", "brands", "docs", "schema"])
def test_the_slash_at_the_end_may_be_there_or_not(send: Caller, path: str) -> None:
    assert send("GET", path).status_code == send("GET", f"{path}/" if path else "").status_code == 200


def test_a_write_works_without_the_slash(send: Caller) -> None:
    brand = send("POST", "brands", {"name": "A"}).json()

    assert send("PATCH", f"brands/{brand['id']}", {"name": "B"}).status_code == 200
    assert send("DELETE", f"brands/{brand['id']}").status_code == 204


@pytest.mark.parametrize("path", ["", "me/", "brands/", "campaigns/{campaign}/", "campaigns/{campaign}/explain/"])
def test_head_is_get_without_a_body_and_options_tells_what_there_is(send: Caller, things: Things, path: str) -> None:
    path = path.format(campaign=things.campaign)
    head, options = send("HEAD", path), send("OPTIONS", path)

    assert (head.status_code, head.content) == (200, b"")
    assert options.status_code == 200
    assert "GET" in options["Allow"]


@pytest.mark.parametrize("path", ["nowhere", "brands//", "brands/x/", "me%0A", "a%0Ab", "brands/%00", "docs/x", "../x"])
def test_paths_that_there_are_not_are_problems_too(send: Caller, path: str) -> None:
    assert send("GET", path).status_code == 404
    assert send("POST", path, {}).status_code == 404


def test_the_documentation_refuses_what_it_cannot_do(send: Caller) -> None:
    for path in ("docs/", "schema/"):
        for method in ("OPTIONS", "POST", "DELETE"):
            response = send.client.generic(method, f"/api/{path}")
            assert response.status_code in {200, 405}


def test_an_error_in_a_browser_is_a_page(send: Caller) -> None:
    response = send.client.get("/api/nowhere", HTTP_ACCEPT="text/html", HTTP_AUTHORIZATION=f"Bearer {send.token}")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
    assert "There is no such path" in response.content.decode()
