"""The API does what its schema promises, whatever it is sent: schemathesis over every operation.

The schema's promise of any other problem (`default`) is left out here, or no answer could break a promise.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from pytest_django import Settings
from schemathesis.specs.openapi.checks import negative_data_rejection

from access.callers import SCOPES
from access.models import TokenScope
from access.roles import ROLES, Role
from alerts import services as alerts
from budget_system import clock
from campaigns.models import Campaign
from enforcement import reservations, services
from pacing.models import Reallocation
from platforms import connections
from platforms.models import Act, ActKind, RemoteState
from platforms.steps import Step
from scheduling.models import Schedule
from spending.models import Spend
from tests.factories import ACTOR, Story
from tests.integration.api_client import Api, token_for
from tests.integration.fake_platform import FakePlatform

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PROMISED: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method.upper()} {path}")
    for path, operations in PROMISED["paths"].items()
    for method, operation in operations.items()
]
each_operation = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)


# --- What the schema itself must have


def test_the_schema_is_valid_and_nothing_in_it_is_guessed() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


@each_operation
def test_every_operation_says_what_it_does_and_who_may_and_what_may_go_wrong(
    path: str, method: str, operation: Any
) -> None:
    assert operation["operationId"]
    assert operation["summary"].strip(), "a summary in words"
    assert operation["security"] == [{"token": []}, {"session": []}]
    problems = {"401", "403", "429", "default"} | ({"404"} if "{" in path else set())
    if method != "get":
        problems |= {"400", "409", "413", "415", "422"}
    for status in problems:
        content = operation["responses"][status]["content"]
        assert set(content) == {"application/problem+json"}, status
    assert any(status.startswith("2") for status in operation["responses"])


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for operations in PROMISED["paths"].values() for operation in operations.values()]
    assert len(set(ids)) == len(ids)


# --- What schemathesis finds

CHECKS = {
    # A body that fits its schema may be refused for what it means (a brand that there is not, an unknown time zone).
    "positive_data_acceptance": {"enabled": False},
    # These two follow links between operations, which single calls, each undone, do not make.
    "use_after_free": {"enabled": False},
    "ensure_resource_availability": {"enabled": False},
    # Needs a second identity; test_api_access.py does this for every operation and with known owners.
    "object_level_authorization": {"enabled": False},
    "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 406, 409, 413, 415, 422]},
}


def _strict_schema() -> dict[str, Any]:
    schema = copy.deepcopy(PROMISED)
    for operations in schema["paths"].values():
        for operation in operations.values():
            del operation["responses"]["default"]
    return schema


def _loaded(*, every_case: bool) -> Any:
    config = schemathesis.Config.from_dict(
        {
            "checks": CHECKS,
            "phases": {
                "coverage": {"enabled": every_case},
                "examples": {"enabled": False},
                "stateful": {"enabled": False},
            },
            "generation": {"database": "none"},
        }
    )
    loaded = schemathesis.openapi.from_dict(_strict_schema(), config=config)
    loaded.app = get_wsgi_application()
    loaded.hook(map_path_parameters)
    loaded.hook(map_query)
    loaded.hook(map_body)
    return loaded


REAL: dict[str, list[str]] = {}
"""Ids that there are, by the name of the thing. A generated id becomes one of them, or stays what it is."""


def _real(kind: str, value: Any) -> Any:
    number = None
    with suppress(ValueError):
        if isinstance(value, str):
            number = int(value) if value.isascii() and value.isdigit() else UUID(value).int
    ids = REAL.get(kind, [])
    if number is None or not ids or number % 8 == 0:
        return value
    return ids[number // 8 % len(ids)]


def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    kind = context.operation.path.removeprefix("/api/").split("/{id}")[0].removeprefix("pacing/")
    kind = kind.removeprefix("platforms/")
    return {name: _real(kind, value) for name, value in path_parameters.items()} if path_parameters else path_parameters


def map_query(context: schemathesis.HookContext, query: Any) -> Any:
    return _with_real_ids(query)


def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    return _with_real_ids(body)


def _with_real_ids(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            name: _real(f"{name}s", value) if name in {"brand", "campaign", "endpoint"} else _with_real_ids(value)
            for name, value in data.items()
        }
    return [_with_real_ids(item) for item in data] if isinstance(data, list) else data


@pytest.fixture
def token(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The token of somebody who may everything, and a world with some of each thing in it."""
    settings.REQUESTS_PER_MINUTE = 10**9
    settings.WEBHOOK_LOOPBACK = True
    monkeypatch.setitem(SCOPES, TokenScope.MANAGE, ROLES[Role.ADMINISTRATOR])  # or restoring would be refused
    monkeypatch.setattr(connections, "connect_with", lambda *_: FakePlatform())  # what `check` asks
    at = f"{clock.now():%Y-%m-%d %H:%M}"
    story = Story(at, timezone="UTC")
    first, second = story.campaign("A"), story.campaign("B")
    story.spend(first, "10")
    story.spend(second, "0.000001")
    held = [
        reservations.reserve(uuid4(), first.pk, Decimal(5), actor=ACTOR, now=story.now).reservation for _ in range(2)
    ]
    gone = Story(at, name="Gone", timezone="UTC")
    gone.campaign("C")
    services.archive_brand(gone.brand.pk, actor=ACTOR, now=story.now)
    voided = story.spend(first, "1")
    services.void_spend(voided.pk, reason="A test", actor=ACTOR, now=story.now)
    root = User.objects.create_superuser("anna")
    report = SimpleUploadedFile("report.csv", b"Day,Campaign,Cost\n2026-05-04,A,1.00\n2026-05-04,Unknown,1.00\n")
    upload = {"file": report, "brand": str(story.brand.pk)}
    imported = Api(root).client.post("/api/imports/", upload, format="multipart").json()
    REAL.update(
        brands=[str(story.brand.pk), str(gone.brand.pk)],
        campaigns=[str(first.pk), str(second.pk)],
        spends=[str(spend.pk) for spend in Spend.objects.all()],
        schedules=[str(pk) for pk in Schedule.objects.filter(campaign=first).values_list("pk", flat=True)],
        imports=[imported["id"]],
        reservations=[str(reservation.pk) for reservation in held if reservation],
        **_paced(Api(root), str(second.pk)),
        **_at_platforms(Api(root), first),
    )
    REAL.update(_told(Api(root), first))
    # As in Django's own test client: a request's end would close the connection that the test's transaction is in.
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield token_for(root)
    for signal in signals:
        signal.connect(close_old_connections)
    REAL.clear()


def _paced(api: Api, campaign: str) -> dict[str, list[str]]:
    """Two channels, one of which has spent beyond its budget: its breaker is open and an alert stands."""
    found = {}
    for channel in ("search", "display"):
        body = {"campaign": campaign, "channel": channel, "daily_budget": "2"}
        found[channel] = str(api.post("pacing/channel-budgets/", body)["id"])
    api.post("spends/", {"campaign": campaign, "channel": "search", "amount": "5"})
    before = {"display": "2.00", "search": "2.00"}
    proposal = Reallocation.objects.create(
        campaign_id=campaign, day=clock.now().date(), moves=[], before=before, after=before, proposed_at=clock.now(),
        proposed_by=ACTOR,
    )  # fmt: skip
    return {
        "channel-budgets": list(found.values()),
        "reallocations": [str(proposal.pk)],
        "alerts": [api.get("pacing/alerts/")["results"][0]["id"]],
        "breaker-changes": [api.get("pacing/breaker-changes/")["results"][0]["id"]],
    }


def _at_platforms(api: Api, campaign: Campaign) -> dict[str, list[str]]:
    """An account, and a campaign that was switched there."""
    body = {"brand": str(campaign.brand_id), "platform": "META", "account_id": "1"}
    account = api.post("platforms/accounts/", {**body, "credentials": {"access_token": "secret"}})["id"]
    row = RemoteState.objects.create(
        campaign=campaign, account_id=account, actual="PAUSED", agreed="", step=Step.DRIFT, step_since=clock.now()
    )
    act = Act.objects.create(
        campaign=campaign, account_id=account, at=clock.now(), kind=ActKind.DRIFT, actor=ACTOR, shown=row.actual
    )
    return {"accounts": [account], "modes": [str(campaign.brand_id)], "acts": [str(act.pk)]}


def _told(api: Api, campaign: Campaign) -> dict[str, list[str]]:
    """An alert and a rule; a webhook and a receiver, each with a message."""
    alerts.look(clock.now())
    brand = str(campaign.brand_id)
    webhook = {"brand": brand, "name": "A", "url": "http://127.0.0.1:9/", "events": ["import.finished"]}
    receiver = {"brand": brand, "name": "A", "kind": "EMAIL", "address": "ann@example.com"}
    rule = api.post("alert-rules/", {"brand": brand, "kind": "DAY_USED"})["id"]
    found = [api.post("webhooks/", webhook)["id"], api.post("receivers/", receiver)["id"]]
    messages = [api.post(f"{path}/test", status=200) for path in (f"webhooks/{found[0]}", f"receivers/{found[1]}")]
    return {
        "alerts": [api.get(f"{path}?brand={brand}")["results"][0]["id"] for path in ("alerts/", "pacing/alerts/")],
        "alert-rules": [rule],
        "webhooks": found[:1],
        "receivers": found[1:],
        "deliveries": [str(message["id"]) for message in messages],
        "endpoints": found,
    }


def _undone(call: Callable[[], Any]) -> None:
    """What one case has changed is not there for the next one."""
    block: Any = transaction.atomic()
    block._from_testcase = True  # use cases ask for a transaction of their own, as in any other test
    with block:
        try:
            call()
        finally:
            transaction.set_rollback(True)


def _settings(examples: int, *, always_the_same: bool) -> settings:
    return settings(
        max_examples=examples,
        derandomize=always_the_same,
        print_blob=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def _is_blank(value: object) -> bool:
    """Whether a parameter is written as `name=`: an empty text or object, or a list that ends in one, which counts."""
    return value in ("", {}) or (isinstance(value, list) and (not value or value[-1] == ""))


def _keeps_promises(case: Any, token: str) -> None:
    left_out = []
    by_itself = case.operation.path == "/api/spends/batch/"  # answers 200 and says of each spend what is wrong with it
    # An empty parameter or field of a form is one that was not filled in, as browsers send it.
    blank = case.operation.path == "/api/imports/" or any(map(_is_blank, (case.query or {}).values()))
    if by_itself or blank:
        left_out.append(negative_data_rejection)
    headers = {"Authorization": f"Bearer {token}"}
    _undone(lambda: case.call_and_validate(headers=headers, excluded_checks=left_out))


quick, thorough = _loaded(every_case=False), _loaded(every_case=True)


@pytest.mark.skipif(connection.vendor == "postgresql", reason="the long run below is for PostgreSQL")
@quick.parametrize()  # type: ignore[untyped-decorator]
@_settings(3, always_the_same=True)
def test_a_few_cases_of_every_operation_keep_its_promises(case: Any, token: str) -> None:
    _keeps_promises(case, token)


@pytest.mark.need(23)
@pytest.mark.faults
@pytest.mark.timeout(600)
@thorough.parametrize()  # type: ignore[untyped-decorator]
@_settings(50, always_the_same=False)
def test_every_operation_keeps_its_promises(case: Any, token: str) -> None:
    _keeps_promises(case, token)
