"""Who gets into the API, and what they may do and see there."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, path
from pytest_django.fixtures import Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from access import tokens
from access.authentication import DemoAuthentication, SessionAuthentication, TokenAuthentication
from access.callers import caller_of
from access.models import ApiToken
from access.permissions import LOGGED_IN, Anybody, MayDo, needed_for
from access.roles import ROLES, Role
from access.throttling import CallerThrottle
from brands.models import AuditEntry, Brand
from budget_system import clock
from budget_system.errors import NotFound, Refused
from tests.factories import ACTOR, Story
from tests.integration.people import issued, person, token_for

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

WAYS_IN = [TokenAuthentication, SessionAuthentication]


class Brands(APIView):
    """What is tested here is what stands before a view, so this one is as plain as can be."""

    authentication_classes: Any = WAYS_IN
    permission_classes = [MayDo]
    throttle_classes = [CallerThrottle]
    needs = {"GET": "brands.view_brand", "POST": "brands.add_brand"}

    def get(self, request: Request) -> Response:
        names = caller_of(request).only_theirs(Brand.objects.order_by("name"), "pk").values_list("name", flat=True)
        return Response({"caller": caller_of(request).name, "brands": list(names)})

    def post(self, request: Request) -> Response:
        return Response({"caller": caller_of(request).name}, status=201)

    def delete(self, request: Request) -> Response:
        raise AssertionError("it declares nothing for DELETE, so nobody gets here")


class Demo(Brands):
    authentication_classes: Any = [*WAYS_IN, DemoAuthentication]


urlpatterns = [path("brands/", Brands.as_view()), path("demo/", Demo.as_view())]


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    story = Story()
    monkeypatch.setattr(clock, "now", lambda: story.now)
    return story


def bearer(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


# --- Tokens


def test_a_token_acts_for_its_person_and_says_so(story: Story) -> None:
    token, text = issued(person(Role.MANAGER, story.brand, name="mia"), story.now)

    answer = bearer(text).get("/brands/")

    assert answer.status_code == 200
    assert answer.json() == {"caller": f"token: Bidder ({token.prefix}…) for mia", "brands": ["Acme"]}


@pytest.mark.need(6)
def test_a_token_is_as_long_as_promised_and_only_its_digest_is_kept(story: Story) -> None:
    token, text = issued(person(Role.MANAGER), story.now)

    bearer(text).get("/brands/")

    assert tokens.TOKEN.fullmatch(text)
    assert (len(text), text[:11]) == (55, token.prefix)
    dump = dump_of_the_database()
    assert token.prefix in dump
    assert token.digest in dump
    assert text not in dump
    assert text[12:] not in dump


def dump_of_the_database() -> str:
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += [str(row) for row in cursor.fetchall()]
    return "\n".join(rows)


@pytest.mark.need(6)
def test_a_revoked_token_is_refused_at_once_and_kept(story: Story) -> None:
    token, text = issued(person(Role.MANAGER), story.now)
    client = bearer(text)
    before = client.get("/brands/").status_code

    tokens.revoke(token.pk, actor="user: ann", now=story.now)
    after = client.get("/brands/")
    tokens.revoke(token.pk, actor="user: bob", now=story.now)

    assert (before, after.status_code) == (200, 401)
    assert after["WWW-Authenticate"].startswith("Bearer")
    token.refresh_from_db()
    assert token.revoked_by == "user: ann"
    assert AuditEntry.objects.filter(action="revoke token", brand=None).count() == 1


def test_a_token_ends_at_its_moment(story: Story) -> None:
    user = person(Role.MANAGER)
    _, text = tokens.issue(
        "Short", user, "read", [], expires_at=story.now + timedelta(hours=1), requests_per_minute=None, actor=ACTOR,
        now=story.now,
    )  # fmt: skip
    client = bearer(text)

    story.clock("2026-05-05 12:59:59")
    before = client.get("/brands/").status_code
    story.clock("2026-05-05 13:00")
    at = client.get("/brands/").status_code

    assert (before, at) == (200, 401)


def test_a_token_of_a_person_whose_login_is_off_is_refused(story: Story) -> None:
    user = person(Role.MANAGER)
    text = token_for(user, story.now)

    User.objects.filter(pk=user.pk).update(is_active=False)

    assert bearer(text).get("/brands/").status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer ", "Bearer x", "Bearer bs_aaaaaaaa_" + "A" * 43, "Token {text}", "Basic YTpi", "{text}",
        "Bearer {text} {text}", "Bearer {text}A", "Bearer {wrong}", "Bearer ÿ\x00", "Bearer " + "A" * 5000,
    ],
)  # fmt: skip
def test_any_other_header_is_refused_even_beside_a_session(story: Story, header: str) -> None:
    user = person(Role.MANAGER)
    text = token_for(user, story.now)
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    client = APIClient()
    client.force_login(user)

    answer = client.get("/brands/", HTTP_AUTHORIZATION=header.format(text=text, wrong=wrong))

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_last_use_is_written_once_a_minute(story: Story) -> None:
    token, text = issued(person(Role.MANAGER), story.now)
    client = bearer(text)
    client.get("/brands/")

    with CaptureQueriesContext(connection) as within:
        client.get("/brands/")
    story.clock("2026-05-05 12:01")
    with CaptureQueriesContext(connection) as later:
        client.get("/brands/")

    assert [query["sql"] for query in within if query["sql"].startswith("UPDATE")] == []
    assert len([query["sql"] for query in later if query["sql"].startswith("UPDATE")]) == 1
    token.refresh_from_db()
    assert token.last_used_at == story.now


# --- Scope and brands


def test_a_token_may_do_what_both_its_scope_and_its_person_may(story: Story) -> None:
    manager, viewer = person(Role.MANAGER), person(Role.VIEWER)
    statuses = {
        (name, scope): bearer(token_for(user, story.now, scope)).post("/brands/").status_code
        for name, user in (("manager", manager), ("viewer", viewer))
        for scope in ("read", "spend", "operate", "manage")
    }

    assert statuses == {
        ("manager", "read"): 403, ("manager", "spend"): 403, ("manager", "operate"): 403, ("manager", "manage"): 201,
        ("viewer", "read"): 403, ("viewer", "spend"): 403, ("viewer", "operate"): 403, ("viewer", "manage"): 403,
    }  # fmt: skip


def test_a_token_sees_the_brands_that_both_it_and_its_person_have(story: Story) -> None:
    other, third = Story(name="Other").brand, Story(name="Third").brand
    mia = person(Role.MANAGER, story.brand, other, name="mia")
    ann = person(Role.ADMINISTRATOR, name="ann")

    def seen(user: User, *brands: Brand) -> list[str]:
        answer: list[str] = bearer(token_for(user, story.now, "read", *brands)).get("/brands/").json()["brands"]
        return answer

    assert seen(mia) == ["Acme", "Other"]
    assert seen(mia, other) == ["Other"]
    assert seen(ann) == ["Acme", "Other", "Third"]
    assert seen(ann, third) == ["Third"]
    text = token_for(mia, story.now, "read", other)
    mia.memberships.filter(brand=other).delete()
    assert bearer(text).get("/brands/").json()["brands"] == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"scope": "everything"}, "scope"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"days": -1}, "expires_at"),
        ({"brand": True}, "brands"),
        ({"off": True}, "user"),
    ],
)
def test_a_token_that_would_be_of_no_use_is_not_issued(story: Story, wrong: dict[str, Any], field: str) -> None:
    user = person(Role.MANAGER)
    user.is_active = not wrong.get("off", False)
    days = wrong.get("days")

    with pytest.raises(Refused) as refused:
        tokens.issue(
            wrong.get("name", "Bidder"), user, wrong.get("scope", "read"), [story.brand] if "brand" in wrong else [],
            expires_at=None if days is None else story.now + timedelta(days=days),
            requests_per_minute=wrong.get("requests_per_minute"), actor=ACTOR, now=story.now,
        )  # fmt: skip

    assert refused.value.field == field
    assert not ApiToken.objects.exists()


def test_every_step_in_the_life_of_a_token_is_written_down(story: Story) -> None:
    token, _ = issued(person(Role.MANAGER, story.brand), story.now, "spend", story.brand, rate=60)
    tokens.rename(token.pk, "Other name", actor=ACTOR, now=story.now)
    tokens.rename(token.pk, "Other name", actor=ACTOR, now=story.now)
    tokens.revoke(token.pk, actor=ACTOR, now=story.now)

    entries = AuditEntry.objects.filter(object_id=token.pk).order_by("pk")
    assert [entry.action for entry in entries] == ["issue token", "rename token", "revoke token"]
    assert entries[0].after == {
        "acts for": "manager", "scope": "spend", "brands": ["Acme"], "expires": None, "requests per minute": 60,
    }  # fmt: skip
    with pytest.raises(NotFound):
        tokens.revoke(story.brand.pk, actor=ACTOR, now=story.now)


# --- Closed by default


def test_what_a_view_does_not_declare_nobody_may_do(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    boss = User.objects.create_superuser("boss", "", "a-long-password")
    client = APIClient()
    client.force_login(boss)

    answer = client.delete("/brands/")

    assert answer.status_code == 403
    assert "declares nothing in `needs`" in caplog.text
    assert client.put("/brands/").status_code == 405
    assert client.options("/brands/").status_code == 200


def test_a_person_without_a_role_may_do_nothing(story: Story) -> None:
    client = APIClient()
    client.force_login(person(None, story.brand))

    assert client.get("/brands/").status_code == 403
    assert client.options("/brands/").status_code == 403


def test_nobody_gets_401_and_is_told_how_to_come_in(story: Story) -> None:
    for method in ("get", "post", "delete", "options"):
        answer = getattr(APIClient(), method)("/brands/")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")


# --- Sessions


@pytest.mark.need(16)
def test_a_session_needs_the_csrf_token_to_change_anything(story: Story) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(person(Role.MANAGER, story.brand, name="mia"))
    client.cookies["csrftoken"] = "a" * 32

    read = client.get("/brands/")
    without = client.post("/brands/")
    with_token = client.post("/brands/", HTTP_X_CSRFTOKEN="a" * 32)
    other_site = client.post("/brands/", HTTP_X_CSRFTOKEN="a" * 32, HTTP_ORIGIN="http://evil.example")

    assert read.json() == {"caller": "user: mia", "brands": ["Acme"]}
    assert (without.status_code, with_token.status_code, other_site.status_code) == (403, 201, 403)


@pytest.mark.need(16)
def test_a_token_needs_no_csrf_token_and_ignores_the_session(story: Story) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(person(Role.VIEWER, name="vic"))
    text = token_for(person(Role.MANAGER, name="mia"), story.now)

    answer = client.post("/brands/", HTTP_AUTHORIZATION=f"Bearer {text}")

    assert answer.status_code == 201
    assert answer.json()["caller"].endswith("for mia")


@pytest.mark.need(16)
def test_logging_out_ends_the_session_in_the_api_too(story: Story) -> None:
    client = APIClient()
    client.force_login(person(Role.MANAGER))
    before = client.get("/brands/").status_code

    Client.logout(client)

    assert (before, client.get("/brands/").status_code) == (200, 401)


# --- Demo mode


@pytest.fixture
def demo(settings: Settings, story: Story) -> APIClient:
    settings.DEMO = True
    User.objects.create_superuser("admin", "", "admin123")
    return APIClient()


def test_in_demo_mode_who_says_nothing_is_anonymous_and_may(demo: APIClient) -> None:
    answer = demo.post("/demo/")

    assert answer.status_code == 201
    assert answer.json() == {"caller": "demo: anonymous"}


@pytest.mark.parametrize(
    "sent",
    [
        {"REMOTE_ADDR": "192.0.2.7"}, {"REMOTE_ADDR": ""}, {"REMOTE_ADDR": "unix:"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, {"HTTP_FORWARDED": "for=192.0.2.7"},
        {"HTTP_ORIGIN": "https://evil.example"}, {"HTTP_ORIGIN": "null"}, {"HTTP_ORIGIN": "http://testserver:8001"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"}, {"HTTP_SEC_FETCH_SITE": "same-site"},
        {"HTTP_AUTHORIZATION": "Bearer x"}, {"HTTP_AUTHORIZATION": ""},
    ],
)  # fmt: skip
def test_demo_mode_lets_nobody_in_from_elsewhere_or_from_another_site(demo: APIClient, sent: dict[str, Any]) -> None:
    assert demo.post("/demo/", **sent).status_code == 401


@pytest.mark.parametrize(
    "sent",
    [
        {"REMOTE_ADDR": "::1"}, {"REMOTE_ADDR": "127.8.9.1"}, {"HTTP_SEC_FETCH_SITE": "none"},
        {"HTTP_ORIGIN": "http://testserver", "HTTP_SEC_FETCH_SITE": "same-origin"},
    ],
)  # fmt: skip
def test_demo_mode_lets_in_who_is_here(demo: APIClient, sent: dict[str, Any]) -> None:
    assert demo.post("/demo/", **sent).status_code == 201


def test_who_logs_in_to_the_demo_is_themselves(demo: APIClient, story: Story) -> None:
    demo.force_login(person(Role.VIEWER, story.brand, name="vic"))

    assert demo.get("/demo/").json()["caller"] == "user: vic"
    assert demo.post("/demo/").status_code == 403


def test_outside_demo_mode_the_demos_way_in_is_shut(demo: APIClient, settings: Settings) -> None:
    settings.DEMO = False

    assert demo.get("/demo/").status_code == 401


# --- The whole of the API


@pytest.mark.need(1)
@pytest.mark.urls("budget_system.urls")
def test_every_view_of_the_api_declares_what_it_needs(story: Story) -> None:
    boss = person(Role.ADMINISTRATOR)
    public, checked = set(), 0

    for view_class, actions, route in api_views(get_resolver().url_patterns):
        view = view_class(**getattr(view_class, "initkwargs", {}))
        if Anybody in view.permission_classes:
            public.add(route)
            continue
        assert MayDo in view.permission_classes, route
        for method in ("get", "post", "put", "patch", "delete"):
            offered = method in actions if actions is not None else hasattr(view, method)
            if not offered:
                continue
            if actions is not None:
                view.action_map = actions
            needed = needed_for(view, method)
            assert needed is not None, (route, method)
            assert needed == LOGGED_IN or boss.has_perm(needed), (route, method, needed)
            checked += 1

    assert all("schema" in route or "docs" in route or "redoc" in route for route in public), public


def api_views(patterns: Any, prefix: str = "") -> Any:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_views(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            view_class = getattr(pattern.callback, "cls", None)
            if view_class is not None and issubclass(view_class, APIView):
                yield view_class, getattr(pattern.callback, "actions", None), route


# --- Roles


def test_the_four_groups_hold_what_their_roles_say(story: Story) -> None:
    for role in Role:
        user = person(role, name=role)
        assert user.get_all_permissions() == ROLES[role]
    assert Group.objects.count() == 4
