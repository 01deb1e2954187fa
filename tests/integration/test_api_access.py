"""Who may do what through the API, what it leaves in the records, and that nobody finds another agency's things.

A right is changed in two places on purpose: where it is granted (`needs` of a view, access/roles.py), and in the table
below, which is written by hand. A new path fails here until it has its line.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple
from unittest import mock
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import override_settings
from django.urls import URLPattern, URLResolver

from access import tokens
from access.callers import SCOPES
from access.models import ApiToken
from access.permissions import LOGGED_IN, Anybody
from access.roles import ROLES
from alerts import services as alerts
from alerts.models import Alert
from brands.models import AuditEntry, Brand
from budget_system import clock
from budget_system.rest.urls import urlpatterns
from delivery import services as delivery
from delivery.models import Delivery, DeliveryState
from pacing.models import Reallocation
from platforms import connections
from platforms.models import Act, ActKind, Outgoing, RemoteState
from platforms.steps import Step, Why
from spending.models import Reservation, Spend, SpendImport
from tests.integration.api_client import BEGINNING, Api, person, token_for
from tests.integration.fake_platform import FakePlatform

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

TABLE = """
method  path                                   status  from the role   from the scope  leaves
GET     /api/                                  200     known           known           -
GET     /api/me/                               200     known           known           -

GET     /api/brands/                           200     viewer          read            -
POST    /api/brands/                           201     manager         manage          AuditEntry
GET     /api/brands/{id}/                      200     viewer          read            -
PUT     /api/brands/{id}/                      200     manager         manage          AuditEntry
PATCH   /api/brands/{id}/                      200     manager         manage          AuditEntry
DELETE  /api/brands/{id}/                      204     manager         manage          AuditEntry
GET     /api/brands/{id}/summary/              200     viewer          read            -
POST    /api/brands/{id}/emergency-stop/       200     operator        operate         AuditEntry
POST    /api/brands/{id}/clear-stop/           200     manager         manage          AuditEntry
POST    /api/brands/{id}/restore/              200     administrator   -               AuditEntry

GET     /api/campaigns/                        200     viewer          read            -
POST    /api/campaigns/                        201     manager         manage          AuditEntry
GET     /api/campaigns/{id}/                   200     viewer          read            -
PUT     /api/campaigns/{id}/                   200     manager         manage          AuditEntry
PATCH   /api/campaigns/{id}/                   200     manager         manage          AuditEntry
DELETE  /api/campaigns/{id}/                   204     manager         manage          AuditEntry
POST    /api/campaigns/{id}/pause/             200     operator        operate         AuditEntry
POST    /api/campaigns/{id}/activate/          200     operator        operate         AuditEntry
POST    /api/campaigns/{id}/override/          201     manager         manage          AuditEntry
DELETE  /api/campaigns/{id}/override/          200     manager         manage          AuditEntry
POST    /api/campaigns/{id}/emergency-stop/    200     operator        operate         AuditEntry
POST    /api/campaigns/{id}/clear-stop/        200     manager         manage          AuditEntry
POST    /api/campaigns/{id}/restore/           200     administrator   -               AuditEntry
GET     /api/campaigns/{id}/explain/           200     viewer          read            -
GET     /api/campaigns/{id}/history/           200     viewer          read            -
GET     /api/campaigns/{id}/week/              200     viewer          read            -
PUT     /api/campaigns/{id}/week/              200     operator        operate         AuditEntry
GET     /api/campaigns/{id}/can-spend/         200     viewer          read            -

GET     /api/schedules/                        200     viewer          read            -
POST    /api/schedules/                        201     operator        operate         AuditEntry
GET     /api/schedules/{id}/                   200     viewer          read            -
PUT     /api/schedules/{id}/                   200     operator        operate         AuditEntry
PATCH   /api/schedules/{id}/                   200     operator        operate         AuditEntry
DELETE  /api/schedules/{id}/                   204     operator        operate         AuditEntry

GET     /api/spends/                           200     viewer          read            -
POST    /api/spends/                           201     operator        spend           Spend
POST    /api/spends/batch/                     200     operator        spend           Spend
GET     /api/spends/{id}/                      200     viewer          read            -
PUT     /api/spends/{id}/                      200     manager         manage          AuditEntry
PATCH   /api/spends/{id}/                      200     manager         manage          AuditEntry
DELETE  /api/spends/{id}/                      204     manager         manage          AuditEntry
POST    /api/spends/{id}/restore/              200     administrator   -               AuditEntry

GET     /api/reservations/                     200     viewer          read            -
POST    /api/reservations/                     201     operator        spend           Reservation
GET     /api/reservations/{id}/                200     viewer          read            -
POST    /api/reservations/{id}/settle/         200     operator        spend           Spend
POST    /api/reservations/{id}/void/           200     operator        spend           AuditEntry

GET     /api/imports/                          200     viewer          read            -
POST    /api/imports/                          201     operator        operate         SpendImport
GET     /api/imports/{id}/                     200     viewer          read            -
GET     /api/imports/{id}/rejects/             200     viewer          read            -
POST    /api/imports/{id}/undo/                200     manager         manage          AuditEntry

GET     /api/pacing/channel-budgets/                      200  viewer    read     -
POST    /api/pacing/channel-budgets/                      201  manager   manage   AuditEntry
GET     /api/pacing/channel-budgets/{id}/                 200  viewer    read     -
PUT     /api/pacing/channel-budgets/{id}/                 200  manager   manage   AuditEntry
PATCH   /api/pacing/channel-budgets/{id}/                 200  manager   manage   AuditEntry
DELETE  /api/pacing/channel-budgets/{id}/                 204  manager   manage   AuditEntry
POST    /api/pacing/channel-budgets/{id}/emergency-stop/  200  operator  operate  AuditEntry
POST    /api/pacing/channel-budgets/{id}/clear-stop/      200  manager   manage   AuditEntry
POST    /api/pacing/channel-budgets/{id}/close-breaker/   200  manager   manage   AuditEntry
GET     /api/pacing/campaigns/{id}/plan/                  200  viewer    read     -
GET     /api/pacing/campaigns/{id}/pace/                  200  viewer    read     -
GET     /api/pacing/campaigns/{id}/can-spend/             200  viewer    read     -
GET     /api/pacing/campaigns/{id}/settings/              200  viewer    read     -
PATCH   /api/pacing/campaigns/{id}/settings/              200  manager   manage   AuditEntry
PUT     /api/pacing/campaigns/{id}/performance/           200  operator  spend    AuditEntry
POST    /api/pacing/campaigns/{id}/reallocation/          200  manager   manage   -
POST    /api/pacing/campaigns/{id}/emergency-stop/        200  operator  operate  AuditEntry
GET     /api/pacing/reallocations/                        200  viewer    read     -
GET     /api/pacing/reallocations/{id}/                   200  viewer    read     -
POST    /api/pacing/reallocations/{id}/apply/             200  manager   manage   AuditEntry
POST    /api/pacing/reallocations/{id}/reject/            200  manager   manage   AuditEntry
GET     /api/pacing/alerts/                               200  viewer    read     -
GET     /api/pacing/alerts/{id}/                          200  viewer    read     -
POST    /api/pacing/alerts/{id}/seen/                     200  operator  operate  -
GET     /api/pacing/breaker-changes/                      200  viewer    read     -
GET     /api/pacing/breaker-changes/{id}/                 200  viewer    read     -

GET     /api/platforms/accounts/                  200  viewer    read     -
POST    /api/platforms/accounts/                  201  manager   manage   AuditEntry
GET     /api/platforms/accounts/{id}/             200  viewer    read     -
PUT     /api/platforms/accounts/{id}/             200  manager   manage   AuditEntry
PATCH   /api/platforms/accounts/{id}/             200  manager   manage   AuditEntry
POST    /api/platforms/accounts/{id}/check/       200  manager   manage   AuditEntry
POST    /api/platforms/accounts/{id}/switch-off/  200  manager   manage   AuditEntry
POST    /api/platforms/accounts/{id}/switch-on/   200  manager   manage   AuditEntry
GET     /api/platforms/modes/                     200  viewer    read     -
GET     /api/platforms/modes/{id}/                200  viewer    read     -
PUT     /api/platforms/modes/{id}/                200  manager   manage   AuditEntry
PATCH   /api/platforms/modes/{id}/                200  manager   manage   AuditEntry
GET     /api/platforms/campaigns/                 200  viewer    read     -
GET     /api/platforms/campaigns/{id}/            200  viewer    read     -
POST    /api/platforms/campaigns/{id}/approve/    200  operator  operate  AuditEntry
POST    /api/platforms/campaigns/{id}/leave/      200  operator  operate  AuditEntry
POST    /api/platforms/campaigns/{id}/put-back/   200  operator  operate  AuditEntry
POST    /api/platforms/campaigns/{id}/take-over/  200  operator  operate  AuditEntry
POST    /api/platforms/campaigns/approve/         200  operator  operate  AuditEntry
GET     /api/platforms/acts/                      200  viewer    read     -
GET     /api/platforms/acts/{id}/                 200  viewer    read     -
GET     /api/platforms/outgoing/                  200  viewer    read     -
POST    /api/platforms/outgoing/stop/             200  operator  operate  AuditEntry
POST    /api/platforms/outgoing/resume/           200  manager   manage   AuditEntry

GET     /api/alerts/                        200  viewer    read     -
GET     /api/alerts/{id}/                   200  viewer    read     -
POST    /api/alerts/{id}/read/              200  operator  operate  AuditEntry
POST    /api/alerts/{id}/resolve/           200  operator  operate  AuditEntry
GET     /api/alert-rules/                   200  viewer    read     -
POST    /api/alert-rules/                   201  manager   manage   AuditEntry
GET     /api/alert-rules/{id}/              200  viewer    read     -
PUT     /api/alert-rules/{id}/              200  manager   manage   AuditEntry
PATCH   /api/alert-rules/{id}/              200  manager   manage   AuditEntry
GET     /api/alert-rules/kinds/             200  viewer    read     -

GET     /api/webhooks/                      200  manager   manage   -
POST    /api/webhooks/                      201  manager   manage   AuditEntry
GET     /api/webhooks/{id}/                 200  manager   manage   -
PUT     /api/webhooks/{id}/                 200  manager   manage   AuditEntry
PATCH   /api/webhooks/{id}/                 200  manager   manage   AuditEntry
POST    /api/webhooks/{id}/new-secret/      200  manager   manage   AuditEntry
POST    /api/webhooks/{id}/switch-off/      200  manager   manage   AuditEntry
POST    /api/webhooks/{id}/switch-on/       200  manager   manage   AuditEntry
POST    /api/webhooks/{id}/test/            200  manager   manage   AuditEntry
POST    /api/webhooks/{id}/resend-parked/   200  manager   manage   AuditEntry
GET     /api/receivers/                     200  manager   manage   -
POST    /api/receivers/                     201  manager   manage   AuditEntry
GET     /api/receivers/{id}/                200  manager   manage   -
PUT     /api/receivers/{id}/                200  manager   manage   AuditEntry
PATCH   /api/receivers/{id}/                200  manager   manage   AuditEntry
POST    /api/receivers/{id}/switch-off/     200  manager   manage   AuditEntry
POST    /api/receivers/{id}/switch-on/      200  manager   manage   AuditEntry
POST    /api/receivers/{id}/test/           200  manager   manage   AuditEntry
POST    /api/receivers/{id}/resend-parked/  200  manager   manage   AuditEntry
GET     /api/deliveries/                    200  manager   manage   -
GET     /api/deliveries/{id}/               200  manager   manage   -
POST    /api/deliveries/{id}/resend/        200  manager   manage   AuditEntry
"""
PROBLEM = "application/problem+json"
PUBLIC = {"/api/schema/", "/api/docs/"}

ORDER_OF_ROLES = ["viewer", "operator", "manager", "administrator"]
ORDER_OF_SCOPES = ["read", "spend", "operate", "manage"]


class Line(NamedTuple):
    method: str
    path: str
    status: int
    role: str
    scope: str
    leaves: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def _lines() -> list[Line]:
    found = []
    for row in TABLE.strip().splitlines()[1:]:
        if row:
            method, path, status, role, scope, leaves = row.split()
            found.append(Line(method, path, int(status), role, scope, leaves))
    return found


LINES = _lines()
WRITES = [line for line in LINES if line.leaves != "-"]
OF_ONE = [line for line in LINES if "{id}" in line.path]


# --- The table and the code


class Route(NamedTuple):
    methods: dict[str, str]
    """Method and action, or method and method where there are no actions."""
    view: Any


def _routes(patterns: Any, prefix: str = "/api/") -> Iterator[tuple[str, Route]]:
    for pattern in patterns:
        text = prefix + re.sub(r"\(\?P<id>[^)]*\)", "{id}", str(pattern.pattern).lstrip("^").removesuffix("$"))
        text = text.replace("^", "").removesuffix("/?").replace("//", "/")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, text)
            continue
        assert isinstance(pattern, URLPattern)
        if pattern.name == "api-nowhere":
            continue
        view: Any = pattern.callback
        actions = getattr(view, "actions", None)
        if actions is None:
            methods = {
                name.upper(): name.upper()
                for name in ("get", "post", "put", "patch", "delete")
                if hasattr(view.cls, name)
            }
        else:
            methods = {method.upper(): action for method, action in actions.items() if method != "head"}
        yield text.rstrip("/") + "/", Route(methods, view)


def routes() -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for path, route in _routes(urlpatterns):
        found.setdefault(path, []).append(route)
    return found


@pytest.mark.need(3)
def test_every_path_and_method_has_its_line() -> None:
    there = {f"{method} {path}" for path, some in routes().items() for route in some for method in route.methods}
    public = {name for name in there if name.split()[1] in PUBLIC}

    assert there - public == {line.name for line in LINES}
    for path in PUBLIC:
        [route] = routes()[path]
        assert route.view.cls.permission_classes == [Anybody]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_the_table_says_what_roles_scopes_and_views_say(line: Line) -> None:
    [(route, action)] = [
        (route, route.methods[line.method]) for route in routes()[line.path] if line.method in route.methods
    ]
    needed = route.view.cls.needs[action]

    if needed == LOGGED_IN:
        assert (line.role, line.scope) == ("known", "known")
    else:
        assert [role for role in ORDER_OF_ROLES if needed in ROLES[role]] == _from(ORDER_OF_ROLES, line.role)  # type: ignore[index]
        assert [scope for scope in ORDER_OF_SCOPES if needed in SCOPES[scope]] == _from(ORDER_OF_SCOPES, line.scope)


def _from(order: list[str], first: str) -> list[str]:
    return order[order.index(first) :] if first in order else []


# --- A world of two agencies


@dataclass
class Agency:
    """What one of the two has: an id for every kind of path, and for those that need a thing in another state."""

    brand: str
    ids: dict[str, str] = field(default_factory=dict)

    def of(self, path: str) -> str:
        return self.ids.get(path) or self.ids[path.removeprefix("/api/").split("/{id}")[0]]


@dataclass
class World:
    mine: Agency
    theirs: Agency
    callers: dict[str, Api]


REPORT = b"Day,Campaign,Cost,Currency\n2026-05-04,%s,40.00,USD\n2026-05-05,Nothing known,1.00,USD\n"


def _file(campaign: str) -> BytesIO:
    file = BytesIO(REPORT % campaign.encode())
    file.name = "report.csv"
    return file


def _send(api: Api, campaign: str, **said: Any) -> Any:
    return api.client.post("/api/imports/", {"file": _file(campaign), **said}, format="multipart")


def _agency(api: Api, name: str) -> Agency:
    def made(path: str, **body: Any) -> str:
        return str(api.post(path, body)["id"])

    brand = made("brands/", name=name, daily_budget="1000.00")
    agency = Agency(brand)
    campaign = made("campaigns/", brand=brand, name=f"Sale of {name}")
    paused, stopped, overridden, gone = (
        made("campaigns/", brand=brand, name=f"{word} of {name}")
        for word in ("Paused", "Stopped", "Overridden", "Gone")
    )
    api.post(f"campaigns/{paused}/pause", {"reason": "A test"}, status=200)
    api.post(f"campaigns/{stopped}/emergency-stop", {"reason": "A test"}, status=200)
    api.post(f"campaigns/{overridden}/override", {"lifts": ["MANUAL"], "reason": "A test"})
    api.delete(f"campaigns/{gone}/")
    spend, voided = (made("spends/", campaign=campaign, amount="10", description=f"For {name}") for _ in range(2))
    api.delete(f"spends/{voided}/")
    stopped_brand, gone_brand = (made("brands/", name=f"{word} of {name}") for word in ("Stopped", "Gone"))
    api.post(f"brands/{stopped_brand}/emergency-stop", {"reason": "A test"}, status=200)
    api.delete(f"brands/{gone_brand}/")
    imported = _send(api, f"Sale of {name}", brand=brand).json()
    assert imported["accepted"] == imported["rejected"] == 1, imported
    agency.ids = {
        "brands": brand,
        "/api/brands/{id}/clear-stop/": stopped_brand,
        "/api/brands/{id}/restore/": gone_brand,
        "campaigns": campaign,
        "/api/campaigns/{id}/activate/": paused,
        "/api/campaigns/{id}/clear-stop/": stopped,
        "/api/campaigns/{id}/restore/": gone,
        "DELETE /api/campaigns/{id}/override/": overridden,
        "schedules": api.get(f"schedules/?campaign={campaign}")["results"][0]["id"],
        "spends": spend,
        "/api/spends/{id}/restore/": voided,
        "reservations": made("reservations/", id=str(uuid4()), campaign=campaign, amount="5", channel=f"Of {name}"),
        "imports": imported["id"],
        **_paced(api, brand, name),
        **_at_platforms(api, brand, name),
        **_told(api, brand, name),
    }
    return agency


def _told(api: Api, brand: str, name: str) -> dict[str, str]:
    """An alert and a rule; webhooks and receivers: of each one at work with a parked message, and one that is off."""
    alerts.look(clock.now())
    said = {"brand": brand, "url": "http://127.0.0.1:9/", "events": ["campaign.state_changed"]}
    mail = {"brand": brand, "kind": "EMAIL", "address": "ann@example.com"}
    ids = {}
    for word in ("Works", "Off"):
        ids[word] = str(api.post("webhooks/", {**said, "name": f"{word} of {name}"})["id"])
        ids[f"{word} mail"] = str(api.post("receivers/", {**mail, "name": f"{word} mail of {name}"})["id"])
    for path in (f"webhooks/{ids['Off']}", f"receivers/{ids['Off mail']}"):
        api.post(f"{path}/switch-off", {"reason": "A test"}, status=200)
    numbers = [number + 700_000_000_000 * (1 + Delivery.objects.count()) for number in (1, 2)]
    for number, endpoint in zip(numbers, (ids["Works"], ids["Works mail"]), strict=True):
        message = delivery.ping(UUID(endpoint), actor="a test", now=clock.now())
        Delivery.objects.filter(pk=message.pk).update(id=number, state=DeliveryState.PARKED, next_at=None)
    return {
        "alerts": str(Alert.objects.filter(brand=UUID(brand)).latest("id").pk),
        "alert-rules": str(api.post("alert-rules/", {"brand": brand, "kind": "DAY_USED"})["id"]),
        "webhooks": ids["Works"],
        "/api/webhooks/{id}/switch-on/": ids["Off"],
        "receivers": ids["Works mail"],
        "/api/receivers/{id}/switch-on/": ids["Off mail"],
        "deliveries": str(numbers[0]),
    }


def _at_platforms(api: Api, brand: str, name: str) -> dict[str, str]:
    """An account that works and one that is off; campaigns there, one of which waits and one of which was switched."""
    body = {"brand": brand, "platform": "META", "credentials": {"access_token": "secret"}}
    works, off = (
        str(api.post("platforms/accounts/", {**body, "account_id": f"{word} of {name}"})["id"])
        for word in ("One", "Other")
    )
    api.post(f"platforms/accounts/{off}/switch-off", {"reason": "A test"}, status=200)
    api.patch(f"platforms/modes/{brand}/", {"mode": "SUGGEST"})
    waits, drifts = (
        api.post("campaigns/", {"brand": brand, "name": f"{word} of {name}", "platform": "META"})["id"]
        for word in ("Waits", "Drifts")
    )
    since = {"account_id": works, "step_since": BEGINNING}
    RemoteState.objects.create(campaign_id=waits, actual="PAUSED", step=Step.WAITING, why=Why.MODE, **since)
    RemoteState.objects.create(campaign_id=drifts, actual="PAUSED", agreed="", step=Step.DRIFT, **since)
    act = Act.objects.create(
        campaign_id=waits, account_id=works, at=BEGINNING, kind=ActKind.ASKED, actor="worker", note=f"Of {name}"
    )
    return {
        "platforms/accounts": works,
        "/api/platforms/accounts/{id}/switch-on/": off,
        "platforms/modes": brand,
        "platforms/campaigns": waits,
        "/api/platforms/campaigns/{id}/put-back/": drifts,
        "/api/platforms/campaigns/{id}/take-over/": drifts,
        "platforms/acts": str(act.pk),
    }


def _paced(api: Api, brand: str, name: str) -> dict[str, str]:
    """A campaign with something of all that pacing has, at any time of the day; and one with nothing to move."""
    campaign = api.post("campaigns/", {"brand": brand, "name": f"Paced of {name}"})["id"]
    limits = {"frontload_protection_hours": 0, "max_hourly_spend_pct": "1", "velocity_factor": "1440"}
    ids = {}
    for channel, spent, revenue in (("search", "70", "700"), ("display", "150", "0"), (f"of {name}", "0", "0")):
        budget = {"campaign": campaign, "channel": channel, "daily_budget": "100", "settings": limits}
        ids[channel] = api.post("pacing/channel-budgets/", {**budget, "strategy": "even_distribution"})["id"]
        if spent != "0":
            api.post("spends/", {"campaign": campaign, "amount": spent, "channel": channel})
            told = {"channel": channel, "hour": clock.now().isoformat(), "clicks": 100, "revenue": revenue}
            api.put(f"pacing/campaigns/{campaign}/performance", told)
    stopped = ids["display"]
    api.post(f"pacing/channel-budgets/{stopped}/emergency-stop", {"reason": f"By {name}"}, status=200)
    still = api.post("campaigns/", {"brand": brand, "name": f"Still of {name}"})["id"]
    for channel in ("search", "display"):
        api.post("pacing/channel-budgets/", {"campaign": still, "channel": channel, "daily_budget": "1"})
    proposal = Reallocation.objects.create(
        campaign_id=still, day=clock.now().date(), moves=[], notes=[f"Of {name}"], proposed_at=clock.now(),
        proposed_by=name, before={"display": "1.00", "search": "1.00"}, after={"display": "0.50", "search": "1.50"},
    )  # fmt: skip
    return {
        "pacing/channel-budgets": ids[f"of {name}"],
        "/api/pacing/channel-budgets/{id}/clear-stop/": stopped,
        "/api/pacing/channel-budgets/{id}/close-breaker/": stopped,
        "pacing/campaigns": campaign,
        "/api/pacing/campaigns/{id}/reallocation/": still,
        "pacing/reallocations": str(proposal.pk),
        "pacing/alerts": api.get(f"pacing/alerts/?campaign={campaign}")["results"][0]["id"],
        "pacing/breaker-changes": api.get(f"pacing/breaker-changes/?campaign={campaign}")["results"][0]["id"],
    }


def _world() -> World:
    root = User.objects.create_superuser("root")
    api = Api(root)
    mine, theirs = _agency(api, "Ours"), _agency(api, "Theirs")
    brands = list(Brand.objects.filter(name__contains="Ours"))
    callers = {"anonymous": Api(), "superuser": api}
    for role in ORDER_OF_ROLES:
        callers[role] = Api(person(role, role, brands))
    callers["nobody"] = Api(person("nobody", None, brands))
    boss = User.objects.get(username="administrator")
    for scope in ORDER_OF_SCOPES:
        callers[f"token: {scope}"] = Api(token=token_for(boss, scope))
    callers["token: for our brands"] = Api(token=token_for(boss, "manage", brands))
    callers["token: of a viewer"] = Api(token=token_for(User.objects.get(username="viewer"), "manage"))
    callers["token: unknown"] = Api(token="bs_" + "x" * 8 + "_" + "x" * 43)
    callers["token: over"] = Api(token=token_for(boss, "manage", expires_at=BEGINNING + timedelta(days=1)))
    callers["token: revoked"] = Api(token=token_for(boss, "manage"))
    revoked = ApiToken.objects.latest("id")
    tokens.revoke(revoked.pk, actor="a test", now=datetime(2020, 2, 1, tzinfo=UTC))
    left = person("left", "administrator", brands)
    callers["inactive"], callers["token: of an inactive person"] = Api(left), Api(token=token_for(left))
    User.objects.filter(pk=left.pk).update(is_active=False)
    return World(mine, theirs, callers)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Made once, for each call is undone."""
    with (
        django_db_blocker.unblock(), override_settings(REQUESTS_PER_MINUTE=10**9, WEBHOOK_LOOPBACK=True),
        _as_in_a_test(),
        mock.patch.object(connections, "connect_with", return_value=FakePlatform()),
    ):  # fmt: skip
        yield _world()
        transaction.set_rollback(True)


def _as_in_a_test() -> Any:
    block: Any = transaction.atomic()
    block._from_testcase = True  # use cases ask for a transaction of their own, as in any other test
    return block


def undone(call: Callable[[], Any]) -> Any:
    with _as_in_a_test():
        try:
            return call()
        finally:
            transaction.set_rollback(True)


NOBODY_KNOWN = [
    "anonymous",
    "inactive",
    "token: unknown",
    "token: over",
    "token: revoked",
    "token: of an inactive person",
]
KNOWN = {
    # Caller: role and scope that decide; None: that does not limit.
    "nobody": ("", None),
    "viewer": ("viewer", None),
    "operator": ("operator", None),
    "manager": ("manager", None),
    "administrator": ("administrator", None),
    "superuser": (None, None),
    "token: read": ("administrator", "read"),
    "token: spend": ("administrator", "spend"),
    "token: operate": ("administrator", "operate"),
    "token: manage": ("administrator", "manage"),
    "token: for our brands": ("administrator", "manage"),
    "token: of a viewer": ("viewer", "manage"),
}
SEES_OURS_ONLY = ["nobody", "viewer", "operator", "manager", "token: for our brands", "token: of a viewer"]
WEBHOOK: dict[str, Any] = {"name": "New", "url": "http://127.0.0.1:9/", "events": ["import.finished"]}
RECEIVER: dict[str, Any] = {"name": "New", "kind": "EMAIL", "address": "bob@example.com"}
WINDOW: dict[str, Any] = {"day_of_week": 0, "start_time": "09:00:00", "end_time": "18:00:00"}
BODIES: dict[str, Callable[[Agency], Any]] = {
    "POST /api/brands/": lambda _: {"name": "New"},
    "PUT /api/brands/{id}/": lambda _: {"name": "Other"},
    "PATCH /api/brands/{id}/": lambda _: {"name": "Other"},
    "POST /api/brands/{id}/emergency-stop/": lambda _: {"reason": "A test"},
    "POST /api/campaigns/": lambda agency: {"brand": agency.brand, "name": "New"},
    "PUT /api/campaigns/{id}/": lambda agency: {"brand": agency.brand, "name": "Other"},
    "PATCH /api/campaigns/{id}/": lambda _: {"name": "Other"},
    "POST /api/campaigns/{id}/override/": lambda _: {"lifts": ["MANUAL"], "reason": "A test"},
    "POST /api/campaigns/{id}/emergency-stop/": lambda _: {"reason": "A test"},
    "PUT /api/campaigns/{id}/week/": lambda _: {"windows": []},
    "POST /api/schedules/": lambda agency: {"campaign": agency.ids["campaigns"], **WINDOW},
    "PUT /api/schedules/{id}/": lambda agency: {"campaign": agency.ids["campaigns"], **WINDOW},
    "PATCH /api/schedules/{id}/": lambda _: {"is_active": False},
    "POST /api/spends/": lambda agency: {"campaign": agency.ids["campaigns"], "amount": "1"},
    "POST /api/spends/batch/": lambda agency: {"spends": [{"campaign": agency.ids["campaigns"], "amount": "1"}]},
    "PUT /api/spends/{id}/": lambda agency: {"campaign": agency.ids["campaigns"], "amount": "2"},
    "PATCH /api/spends/{id}/": lambda _: {"amount": "2"},
    "POST /api/reservations/": lambda agency: {
        "id": str(uuid4()), "campaign": agency.ids["campaigns"], "amount": "1",
    },
    "POST /api/reservations/{id}/settle/": lambda _: {"amount": "5"},
    "POST /api/imports/{id}/undo/": lambda _: {"reason": "A test"},
    "POST /api/pacing/channel-budgets/": lambda agency: {
        "campaign": agency.ids["pacing/campaigns"], "channel": "video", "daily_budget": "1",
    },
    "PUT /api/pacing/channel-budgets/{id}/": lambda agency: {
        "campaign": agency.ids["pacing/campaigns"], "channel": "of ours", "daily_budget": "2",
    },
    "PATCH /api/pacing/channel-budgets/{id}/": lambda _: {"daily_budget": "2"},
    "POST /api/pacing/channel-budgets/{id}/emergency-stop/": lambda _: {"reason": "A test"},
    "POST /api/pacing/channel-budgets/{id}/close-breaker/": lambda _: {"reason": "A test"},
    "PATCH /api/pacing/campaigns/{id}/settings/": lambda _: {"automatic": True},
    "PUT /api/pacing/campaigns/{id}/performance/": lambda _: {
        "channel": "search", "hour": clock.now().isoformat(), "clicks": 7,
    },
    "POST /api/pacing/campaigns/{id}/emergency-stop/": lambda _: {"reason": "A test"},
    "POST /api/platforms/accounts/": lambda agency: {
        "brand": agency.brand, "platform": "TIKTOK", "account_id": "1", "credentials": {"access_token": "secret"},
    },
    "PUT /api/platforms/accounts/{id}/": lambda agency: {
        "brand": agency.brand, "platform": "META", "account_id": "Another",
    },
    "PATCH /api/platforms/accounts/{id}/": lambda _: {"credentials": {"access_token": "another"}},
    "POST /api/platforms/accounts/{id}/switch-off/": lambda _: {"reason": "A test"},
    "PUT /api/platforms/modes/{id}/": lambda _: {"mode": "ENFORCE"},
    "PATCH /api/platforms/modes/{id}/": lambda _: {"most_campaigns": 5},
    "POST /api/platforms/campaigns/{id}/leave/": lambda _: {"reason": "A test"},
    "POST /api/platforms/campaigns/{id}/put-back/": lambda _: {"reason": "A test"},
    "POST /api/platforms/campaigns/{id}/take-over/": lambda _: {"reason": "A test"},
    "POST /api/platforms/campaigns/approve/": lambda agency: {"campaigns": [agency.ids["platforms/campaigns"]]},
    "POST /api/platforms/outgoing/stop/": lambda _: {"reason": "A test"},
    "POST /api/alert-rules/": lambda agency: {"brand": agency.brand, "kind": "MONTH_USED"},
    "PUT /api/alert-rules/{id}/": lambda agency: {"brand": agency.brand, "kind": "DAY_USED", "limits": [60]},
    "PATCH /api/alert-rules/{id}/": lambda _: {"limits": [60]},
    "POST /api/webhooks/": lambda agency: {"brand": agency.brand, **WEBHOOK},
    "PUT /api/webhooks/{id}/": lambda agency: {"brand": agency.brand, **WEBHOOK},
    "PATCH /api/webhooks/{id}/": lambda _: {"name": "Other"},
    "POST /api/webhooks/{id}/new-secret/": lambda _: {},
    "POST /api/webhooks/{id}/switch-off/": lambda _: {"reason": "A test"},
    "POST /api/receivers/": lambda agency: {"brand": agency.brand, **RECEIVER},
    "PUT /api/receivers/{id}/": lambda agency: {"brand": agency.brand, **RECEIVER},
    "PATCH /api/receivers/{id}/": lambda _: {"name": "Other"},
    "POST /api/receivers/{id}/switch-off/": lambda _: {"reason": "A test"},
}  # fmt: skip


def send(api: Api, line: Line, agency: Agency, *, id: str | None = None) -> Any:
    """The line's request about a thing of this agency, or about another id."""
    if line.name == "POST /api/imports/":
        return _send(api, "Sale of Ours", brand=agency.brand)
    if line.name == "POST /api/platforms/outgoing/resume/":
        Outgoing.objects.create(stopped_at=BEGINNING, stopped_by="somebody", reason="A test")
    body = BODIES[line.name](agency) if line.name in BODIES else None
    return api.call(line.method.lower(), _url(line, agency, id).removeprefix("/api/"), body)


def _url(line: Line, agency: Agency, id: str | None = None) -> str:
    path = line.path
    if "{id}" in path:
        path = path.replace("{id}", id or agency.ids.get(line.name) or agency.of(path))
    return path + ("?amount=1" if path.endswith("/can-spend/") else "")


# --- The matrix


@pytest.mark.need(3)
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_each_caller_may_what_the_table_says(world: World, line: Line) -> None:
    for caller in NOBODY_KNOWN:
        response = undone(partial(send, world.callers[caller], line, world.mine))
        assert (caller, response.status_code) == (caller, 401)
        assert response["WWW-Authenticate"].startswith("Bearer")
    for caller, (role, scope) in KNOWN.items():
        by_role = role is None or line.role == "known" or role in _from(ORDER_OF_ROLES, line.role)
        by_scope = scope is None or line.scope == "known" or scope in _from(ORDER_OF_SCOPES, line.scope)
        # Lines that were left out of a file are for who sent it, and for who sees all brands.
        expected = 404 if line.path.endswith("/rejects/") and caller in SEES_OURS_ONLY else line.status

        response = undone(partial(send, world.callers[caller], line, world.mine))

        assert (caller, response.status_code) == (caller, expected if by_role and by_scope else 403), response.content


@pytest.mark.parametrize("path", sorted({line.path for line in LINES}))
def test_other_methods_are_405_and_options_and_head_need_what_reading_needs(world: World, path: str) -> None:
    lines = {line.method: line for line in LINES if line.path == path}
    some = next(iter(lines.values()))
    allowed = {*lines, "OPTIONS"} | ({"HEAD"} if "GET" in lines else set())

    def status(caller: str, method: str) -> tuple[int, str]:
        url = _url(some, world.mine)
        response = undone(partial(world.callers[caller].client.generic, method, url, "{}", "application/json"))
        assert set(response.get("Allow", "").split(", ")) == allowed or response.status_code in {401, 403, 404}
        return response.status_code, str(response.get("Content-Type"))

    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - lines.keys():
        assert (method, *status("viewer", method)) == (method, 405, PROBLEM)
    assert status("anonymous", "FOO") == (401, PROBLEM)
    reading = lines.get("GET", some)
    for method in ("OPTIONS", "HEAD") if "GET" in lines else ("OPTIONS",):
        assert status("anonymous", method)[0] == 401
        assert status("superuser", method)[0] == 200
        assert status("nobody", method)[0] == (200 if reading.role == "known" else 403)


def test_a_path_that_there_is_not_tells_nothing_to_who_is_not_known(world: World) -> None:
    for path in ("nowhere", "brands/x/", "brands/nowhere/pause/", "me/x", "a\nb"):
        assert world.callers["anonymous"].call("get", path).status_code == 401
        assert world.callers["viewer"].call("get", path).status_code == 404


# --- What one writes is on record, with who and from where

RECORDS = {model.__name__: model for model in (AuditEntry, Spend, Reservation, SpendImport)}


@pytest.mark.need(17)
@pytest.mark.parametrize("line", WRITES, ids=lambda line: line.name)
@pytest.mark.parametrize("caller", ["superuser", "token: for our brands"])
def test_every_write_leaves_one_record_of_who_and_from_where(world: World, line: Line, caller: str) -> None:
    if caller != "superuser" and line.scope == "-":
        return  # no token may do this
    before = {name: set(model.objects.values_list("pk", flat=True)) for name, model in RECORDS.items()}

    def write() -> tuple[Any, list[Any]]:
        response = send(world.callers[caller], line, world.mine)
        return response, [
            thing for name, model in RECORDS.items() for thing in model.objects.exclude(pk__in=before[name])
        ]

    response, left = undone(write)

    assert response.status_code == line.status
    names = [type(thing).__name__ for thing in left]
    if line.leaves == "SpendImport":
        names = [name for name in names if name == "SpendImport"]  # and the spends of the file, which name the import
    assert names == [line.leaves]
    actor = "user: root" if caller == "superuser" else "token: A test (bs_"
    for thing in left:
        assert (thing.actor if isinstance(thing, AuditEntry) else thing.created_by).startswith(actor)
        assert thing.origin == f"127.0.0.1, request {response['X-Request-Id']}"


# --- Another agency's things


def _answer(response: Any, *ids: str) -> tuple[int, str, str]:
    """Status, kind and text of an answer, without what is the request's own: its number and the id it names."""
    text = re.sub(r'"request_id":"[^"]*"', "", response.content.decode())
    for id in ids:
        text = text.replace(id, "ID")
    return response.status_code, str(response.get("Content-Type")), text


@pytest.mark.need(2)
@pytest.mark.parametrize("line", OF_ONE, ids=lambda line: line.name)
def test_anothers_thing_is_answered_as_one_that_there_is_not(world: World, line: Line) -> None:
    unknown = "123456789012" if line.path.startswith("/api/deliveries/") else str(uuid4())
    known = world.theirs.ids.get(line.name) or world.theirs.of(line.path)
    for caller in ("viewer", "manager", "token: for our brands"):
        api = world.callers[caller]

        theirs = undone(partial(send, api, line, world.theirs, id=known))
        nothing = undone(partial(send, api, line, world.theirs, id=unknown))

        assert _answer(theirs, known) == _answer(nothing, unknown)
        assert theirs.status_code in {403, 404}
    for method in ("options", "head"):
        theirs, nothing = (api.call(method, _url(line, world.theirs, id)[5:]) for id in (known, unknown))
        assert _answer(theirs, known) == _answer(nothing, unknown)


RESERVATION = str(uuid4())
IN_BODIES: dict[str, Callable[[World, str], Any]] = {
    "POST campaigns/ brand": lambda world, id: {"brand": id, "name": "New"},
    "POST platforms/accounts/ brand": lambda world, id: {
        "brand": id,
        "platform": "TIKTOK",
        "account_id": "1",
        "credentials": {"access_token": "secret"},
    },
    "POST schedules/ campaign": lambda world, id: {"campaign": id, **WINDOW},
    "POST spends/ campaign": lambda world, id: {"campaign": id, "amount": "1"},
    "POST spends/batch campaign": lambda world, id: {"spends": [{"campaign": id, "amount": "1"}]},
    "POST pacing/channel-budgets/ campaign": lambda world, id: {
        "campaign": id,
        "channel": "video",
        "daily_budget": "1",
    },
    "POST reservations/ campaign": lambda world, id: {"id": RESERVATION, "campaign": id, "amount": "1"},
    "POST alert-rules/ brand": lambda world, id: {"brand": id, "kind": "MONTH_USED"},
    "POST webhooks/ brand": lambda world, id: {"brand": id, **WEBHOOK},
    "POST receivers/ brand": lambda world, id: {"brand": id, **RECEIVER},
    "PATCH webhooks/{webhooks}/ brand": lambda world, id: {"brand": id},
    "PATCH receivers/{receivers}/ brand": lambda world, id: {"brand": id},
    "PATCH campaigns/{campaigns}/ brand": lambda world, id: {"brand": id},
    "PUT campaigns/{campaigns}/ brand": lambda world, id: {"brand": id, "name": "Other"},
    "PATCH schedules/{schedules}/ campaign": lambda world, id: {"campaign": id},
    "PATCH spends/{spends}/ campaign": lambda world, id: {"campaign": id},
    "PUT spends/{spends}/ campaign": lambda world, id: {"campaign": id, "amount": "10"},
}


@pytest.mark.need(2)
@pytest.mark.parametrize("case", IN_BODIES)
def test_anothers_id_in_a_body_is_answered_as_one_that_there_is_not(world: World, case: str) -> None:
    method, path, kind = case.split()
    unknown, known = str(uuid4()), world.theirs.ids[f"{kind}s"]
    path = path.format(**{name: id for name, id in world.mine.ids.items() if name.isalpha()})

    for caller in SEES_OURS_ONLY:
        api = world.callers[caller]

        theirs = undone(partial(api.call, method.lower(), path, IN_BODIES[case](world, known)))
        nothing = undone(partial(api.call, method.lower(), path, IN_BODIES[case](world, unknown)))

        assert _answer(theirs, known) == _answer(nothing, unknown)
        assert theirs.status_code in {400, 403} or '"recorded":0' in theirs.content.decode()


@pytest.mark.need(2)
@pytest.mark.parametrize("caller", SEES_OURS_ONLY)
def test_a_file_for_anothers_brand_is_answered_as_for_one_that_there_is_not(world: World, caller: str) -> None:
    api, unknown, known = world.callers[caller], str(uuid4()), world.theirs.brand

    theirs = undone(partial(_send, api, "Sale of Theirs", brand=known))
    nothing = undone(partial(_send, api, "Sale of Theirs", brand=unknown))

    if theirs.status_code == 403:
        assert nothing.status_code == 403
    else:
        differs = {"id", "created_at", "started_at", "finished_at", "request_id"}
        left, right = ({k: v for k, v in one.json().items() if k not in differs} for one in (theirs, nothing))
        assert str(left).replace(known, "ID") == str(right).replace(unknown, "ID")


FOR_MANAGERS = ("webhooks", "receivers", "deliveries")


@pytest.mark.need(2)
@pytest.mark.parametrize("caller", ["viewer", "manager", "token: for our brands"])
def test_lists_show_search_count_and_order_only_ones_own(world: World, caller: str) -> None:
    api, secrets = world.callers[caller], {*world.theirs.ids.values(), "Theirs"}
    pacing = ("pacing/channel-budgets", "pacing/reallocations", "pacing/alerts", "pacing/breaker-changes")
    platforms = ("platforms/accounts", "platforms/modes", "platforms/campaigns", "platforms/acts")
    told = ("alerts", "alert-rules", *FOR_MANAGERS)
    for kind in ("brands", "campaigns", "schedules", "spends", "reservations", "imports", *pacing, *platforms, *told):
        everything = api.call("get", f"{kind}/?page_size=500")
        if caller == "viewer" and kind in FOR_MANAGERS:
            assert everything.status_code == 403
            continue
        assert everything.json()["count"] == len(everything.json()["results"]) > 0
        assert not [secret for secret in secrets if secret in everything.content.decode()]
        filters = [("brand", world.theirs.brand), ("campaign", world.theirs.ids["campaigns"])]
        filters += [("search", "Theirs"), ("name", "Sale of Theirs"), ("channel", "Of Theirs")]
        for name, value in filters:
            found = api.call("get", f"{kind}/?{name}={value}")
            if found.status_code == 200:
                assert (kind, name, found.json()["count"]) == (kind, name, 0)
            else:
                assert f"{name}: There is no such parameter" in found.json()["detail"]
            if name in {"brand", "campaign"}:
                nothing = str(uuid4())
                same = api.call("get", f"{kind}/?{name}={nothing}")
                assert _answer(found, value) == _answer(same, nothing)
        for page in (2, 3):
            assert api.call("get", f"{kind}/?page_size={everything.json()['count']}&page={page}").status_code == 404


def test_who_sees_all_brands_sees_both(world: World) -> None:
    for caller in ("administrator", "superuser", "token: read"):
        shown = world.callers[caller].call("get", "campaigns/?page_size=500").content.decode()
        assert world.theirs.ids["campaigns"] in shown
        assert world.mine.ids["campaigns"] in shown


def test_the_same_file_as_anothers_does_not_tell_of_theirs(world: World) -> None:
    def same_file() -> Any:
        _send(world.callers["superuser"], "Everybody's", brand=world.theirs.brand)
        return _send(world.callers["operator"], "Everybody's", brand=world.mine.brand)

    assert undone(same_file).json()["seen_before"] == []
