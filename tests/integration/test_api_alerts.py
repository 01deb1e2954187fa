"""Alerts and their rules through HTTP: what is listed and to whom, read, resolved, and told by which rule."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts import services
from alerts.kinds import SPECS, Kind
from alerts.models import Alert, AlertRule
from brands.models import AuditEntry
from budget_system import clock
from enforcement import alarms
from enforcement import services as enforcement
from enforcement.models import AlarmKind
from tests.factories import ACTOR, Story
from tests.integration.api_client import Api, person, token_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Story:
    settings.PUBLIC_URL = "https://budget.example.com"
    story = Story()
    monkeypatch.setattr(clock, "now", lambda: story.now)
    return story


@pytest.fixture
def api(story: Story) -> Api:
    return Api(person("otto", "operator", [story.brand]))


@pytest.fixture
def manager(story: Story) -> Api:
    return Api(person("mia", "manager", [story.brand]))


def look(story: Story) -> None:
    services.look(story.now)


def stop(story: Story, name: str = "Search") -> Any:
    campaign = story.campaign(name)
    enforcement.emergency_stop(campaign.pk, reason="Wrong page", actor=ACTOR, now=story.now)
    return campaign


def kinds(api: Api, query: str = "") -> list[str]:
    return [one["kind"] for one in api.get(f"alerts/?{query}")["results"]]


# --- Alerts -----------------------------------------------------------------------------------------------------------


def test_a_budget_that_is_used_up_is_listed_read_resolved_and_over(story: Story, api: Api) -> None:
    campaign = story.campaign("Search")
    api.post("spends/", {"campaign": str(campaign.pk), "amount": "103.50"})
    look(story)

    [alert] = api.get("alerts/?state=unread")["results"]
    path = f"alerts/{alert['id']}"
    read = api.post(f"{path}/read", status=200)
    again = api.post(f"{path}/read", status=200)
    unread = api.get("alerts/?state=unread")["count"]
    resolved = api.post(f"{path}/resolve/", status=200)
    story.change_brand(daily_budget="1000")
    story.now += timedelta(minutes=1)
    look(story)
    over = api.get(f"{path}/")

    assert (alert["kind"], alert["severity"], alert["brand"]) == ("BUDGET_PAUSE", "critical", str(story.brand.pk))
    assert alert["title"] == "Acme: daily budget used up, 1 campaign paused"
    assert {"name": "used", "figure": "103.50 EUR"} in alert["figures"]
    assert alert["what_to_do"] == "Raise the daily budget, or let the campaigns wait."
    assert alert["link"] == f"https://budget.example.com/admin/brands/brand/{story.brand.pk}/change/"
    assert (read["read_by"], again, unread) == ("user: otto", read, 0)
    assert (resolved["resolved_by"], resolved["ended_at"]) == ("user: otto", resolved["resolved_at"])
    assert (over["cleared_at"], over["ended_at"]) == ("2026-05-05T10:01:00Z", "2026-05-05T10:00:00Z")
    assert api.post(f"{path}/resolve", status=200) == over, "what is over stays as it is"
    actions = AuditEntry.objects.filter(object_id=alert["id"]).values_list("action", "actor")
    assert sorted(actions) == [("read alert", "user: otto"), ("resolve alert", "user: otto")]


def test_what_is_open_comes_first_and_of_that_the_gravest(story: Story, api: Api) -> None:
    campaign = stop(story)
    look(story)
    enforcement.clear_stop(campaign.pk, actor=ACTOR, now=story.now)
    story.spend(campaign, "60")
    look(story)
    stop(story, "Social")
    look(story)

    assert kinds(api) == ["EMERGENCY_STOP", "DAY_USED", "EMERGENCY_STOP"]
    assert kinds(api, "ordering=-severity,raised_at")[-1] == "DAY_USED"
    assert kinds(api, "state=open") == ["EMERGENCY_STOP", "DAY_USED"]
    assert kinds(api, "state=over") == ["EMERGENCY_STOP"]
    assert kinds(api, "severity=notice") == kinds(api, "kind=DAY_USED") == ["DAY_USED"]
    assert kinds(api, f"campaign={campaign.pk}&brand={story.brand.pk}") == ["EMERGENCY_STOP"]
    assert kinds(api, "search=Social") == ["EMERGENCY_STOP"]
    story.now += timedelta(days=2)
    assert kinds(api, "days=1") == []
    assert len(kinds(api, "days=3")) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["days=0", "days=367", "days=x", "severity=30", "state=gone", "kind=x", "standing=true", "ordering=title"]
)
def test_a_filter_that_there_is_not_is_refused(api: Api, query: str) -> None:
    assert api.get(f"alerts/?{query}", status=400)["errors"][0]["field"] == query.partition("=")[0]


def test_what_is_about_the_system_is_for_who_sees_all_brands(story: Story, api: Api) -> None:
    alarms.raise_alarm(AlarmKind.TICKS, "No heartbeat for 80 s.", story.now)
    look(story)
    alert = Alert.objects.get()
    boss = person("boss", "administrator")
    token = Api(token=token_for(boss, "manage", [story.brand]))

    [shown] = Api(boss).get("alerts/")["results"]

    assert (shown["brand"], shown["title"]) == (None, "Ticks have stopped")
    for caller in (api, token):
        assert caller.get("alerts/")["count"] == 0
        caller.get(f"alerts/{alert.pk}/", status=404)
        caller.post(f"alerts/{alert.pk}/resolve", status=404)
    assert Api(boss).post(f"alerts/{alert.pk}/resolve", status=200)["resolved_by"] == "user: boss"


def test_another_brands_alerts_are_not_there_and_viewers_only_look(story: Story) -> None:
    stop(story)
    look(story)
    alert = Alert.objects.get()
    stranger = Api(person("zoe", "operator", [Story(name="Zebra").brand]))
    viewer = Api(person("vera", "viewer", [story.brand]))

    assert stranger.get("alerts/")["count"] == 0
    for action in ("read", "resolve"):
        stranger.post(f"alerts/{alert.pk}/{action}", status=404)
        refused = viewer.post(f"alerts/{alert.pk}/{action}", status=403)
        assert "It needs the permission alerts.change_alert" in refused["detail"]
    assert viewer.get(f"alerts/{alert.pk}")["kind"] == "EMERGENCY_STOP"


def test_a_list_asks_as_much_of_the_database_for_many_alerts_as_for_one(story: Story, api: Api) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get("alerts/")
        return len(captured)

    stop(story)
    look(story)
    few = queries()
    for number in range(5):
        stop(story, f"{number}")
    look(story)

    assert api.get("alerts/")["count"] == 6
    assert queries() == few


# --- Rules ------------------------------------------------------------------------------------------------------------


def test_a_rule_is_made_changed_and_holds_from_the_next_look_on(story: Story, manager: Api) -> None:
    story.spend(story.campaign(), "60")
    said = {"brand": str(story.brand.pk), "kind": "DAY_USED", "limits": [95, 55], "severity": "critical"}

    rule = manager.post("alert-rules/", said)
    look(story)
    path = f"alert-rules/{rule['id']}/"
    changed = manager.patch(path, {"on": False, "severity": None, "version": 1})
    look(story)
    back = manager.put(path, {**said, "limits": [], "on": True, "version": 2})

    assert (rule["limits"], rule["limits_in_force"], rule["on"], rule["version"]) == ([55, 95], [55, 95], True, 1)
    assert rule["does"].startswith("Tells when a brand has used 55 or 95 per cent of its daily budget")
    assert Alert.objects.get().severity == 30
    assert (changed["does"], changed["severity"], changed["version"]) == ("Nobody is told of it.", None, 2)
    assert Alert.objects.get().cleared_at == story.now
    assert (back["limits"], back["limits_in_force"], back["version"]) == ([], [50, 80, 90, 100], 3)
    assert manager.get("alert-rules/?kind=DAY_USED&on=true")["results"] == [back]
    assert AuditEntry.objects.filter(action="change alert rule", actor="user: mia").count() == 2


def test_a_rule_that_was_changed_meanwhile_is_not_overwritten_and_none_is_made_twice(
    story: Story, manager: Api
) -> None:
    said = {"brand": str(story.brand.pk), "kind": "DAY_USED"}
    rule = manager.post("alert-rules/", said, idempotency_key="k")
    assert manager.post("alert-rules/", said, idempotency_key="k") == rule
    manager.patch(f"alert-rules/{rule['id']}/", {"limits": [60]})

    stale = manager.patch(f"alert-rules/{rule['id']}/", {"limits": [70], "version": 1}, status=409)
    twice = manager.post("alert-rules/", said, status=409)

    assert stale["code"] == twice["code"] == "conflict"
    assert twice["detail"] == "There is a rule for this already. Change that one."
    assert AlertRule.objects.get().limits == [60]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"limits": [0]}, "limits", "Write whole numbers from 1 to 500: per cent."),
        ({"limits": ["x"]}, "limits.0", "valid integer"),
        ({"kind": "BREAKER", "limits": [1]}, "limits", "This kind of alert has no limits"),
        ({"kind": "PAUSE_EXPECTED", "limits": [10, 20]}, "limits", "One number: minutes."),
        ({"kind": "WEATHER"}, "kind", "not a valid choice"),
        ({"severity": "grave"}, "severity", "not a valid choice"),
        ({"brand": None}, "brand", "Choose the brand. All of them are for who sees all brands."),
        ({"brand": "00000000-0000-4000-8000-000000000000"}, "brand", "There is no such brand."),
        ({"does": "x"}, "does", "This is an answer"),
        ({"reason": "x"}, "reason", "There is no such field."),
    ],
)  # fmt: skip
def test_what_a_rule_cannot_be_is_refused_at_its_field(
    story: Story, manager: Api, said: dict[str, Any], field: str, message: str
) -> None:
    [error] = manager.post("alert-rules/", {"brand": str(story.brand.pk), "kind": "DAY_USED", **said}, status=400)[
        "errors"
    ]

    assert error["field"] == field
    assert message in error["message"]
    assert not AlertRule.objects.exists()


def test_a_rule_stays_with_its_brand_and_kind(story: Story) -> None:
    root = Api(User.objects.create_superuser("root"))
    rule = root.post("alert-rules/", {"kind": "DAY_USED"})
    path = f"alert-rules/{rule['id']}/"

    assert rule["brand"] is None
    assert "brand" in root.patch(path, {"brand": str(story.brand.pk)}, status=400)
    assert "kind" in root.patch(path, {"kind": "MONTH_USED"}, status=400)
    assert root.patch(path, {"brand": None, "kind": "DAY_USED"}) == rule


def test_rules_are_seen_for_ones_own_brands_and_written_by_managers(story: Story, api: Api, manager: Api) -> None:
    services.add_rule(Story(name="Zebra").brand.pk, Kind.DAY_USED, {}, actor=ACTOR, now=story.now)
    for_all = services.add_rule(None, Kind.DAY_USED, {}, actor=ACTOR, now=story.now)
    own = services.add_rule(story.brand.pk, Kind.DAY_USED, {}, actor=ACTOR, now=story.now)

    assert [one["id"] for one in api.get("alert-rules/")["results"]] == [str(own.pk)]
    manager.patch(f"alert-rules/{for_all.pk}/", {"on": False}, status=404)
    assert "alerts.change_alertrule" in api.patch(f"alert-rules/{own.pk}/", {"on": False}, status=403)["detail"]
    assert "alerts.add_alertrule" in api.post("alert-rules/", {}, status=403)["detail"]
    everybodys = Api(person("boss", "administrator")).get("alert-rules/")["results"]
    assert [one["brand"] is None for one in everybodys] == [True, False, False], "those for all brands first"


def test_all_kinds_say_what_they_do(api: Api) -> None:
    told = {one["kind"]: one for one in api.get("alert-rules/kinds")}

    assert set(told) == set(SPECS)
    assert told["DAY_USED"]["limits"] == [50, 80, 90, 100]
    assert (told["DAY_USED"]["unit"], told["DAY_USED"]["several"], told["DAY_USED"]["severity"]) == (
        "per cent", True, "warning",
    )  # fmt: skip
    assert (told["BREAKER"]["limits"], told["BREAKER"]["unit"], told["BREAKER"]["most"]) == ([], "", None)
