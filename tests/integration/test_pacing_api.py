"""Pacing through HTTP: budgets of channels, plan and pace, refusals, breakers, moved money, performance."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brands.models import AuditEntry
from enforcement import pace_jobs
from pacing.models import HourTotal, PaceAlert, Reallocation
from spending.models import BudgetPeriod
from tests.integration.api_client import Api, person, token_for

pytestmark = pytest.mark.django_db

AFTERNOON = datetime(2026, 5, 5, 18, 30, tzinfo=UTC)
FREE = {"frontload_protection_hours": 0, "max_hourly_spend_pct": "1", "velocity_factor": "1440"}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(AFTERNOON, tick=False) as travel:
        yield travel


@pytest.fixture
def api(clock: time_machine.Traveller) -> Api:
    return Api(User.objects.create_superuser("anna"))


@pytest.fixture
def campaign(api: Api) -> str:
    brand = api.post("brands/", {"name": "Acme", "daily_budget": "5000", "currency": "EUR"})["id"]
    return str(api.post("campaigns/", {"brand": brand, "name": "Sale", "daily_budget": "1500"})["id"])


def give(api: Api, campaign: str, channel: str = "search", budget: str = "100", **more: Any) -> Any:
    body = {"strategy": "even_distribution", "settings": FREE, **more}
    return api.post(
        "pacing/channel-budgets/", {"campaign": campaign, "channel": channel, "daily_budget": budget, **body}
    )


def spend(api: Api, campaign: str, amount: str, channel: str = "search") -> Any:
    return api.post("spends/", {"campaign": campaign, "amount": amount, "channel": channel})


def check(at: datetime = AFTERNOON) -> None:
    pace_jobs.check_pace(actor="a test", clock=lambda: at)


# --- Budgets of channels ---------------------------------------------------------------------------------------------


def test_a_channels_budget_is_made_changed_and_taken_away(api: Api, campaign: str) -> None:
    made = give(api, campaign, "Search ", "100")
    assert (made["channel"], made["label"], made["daily_budget"], made["version"]) == ("search", "Search", "100.00", 1)
    assert (made["budget_today"], made["spent_today"], made["remaining_today"]) == ("100.00", "0.00", "100.00")
    assert (made["breaker"], made["breaker_probes_at"], made["stopped_at"]) == ("closed", None, None)
    path = f"pacing/channel-budgets/{made['id']}/"

    api.post("pacing/channel-budgets/", {"campaign": campaign, "channel": "SEARCH", "daily_budget": "1"}, status=409)
    changed = api.patch(path, {"daily_budget": "120", "version": 1, "reason": "More demand"})
    assert (changed["daily_budget"], changed["budget_today"], changed["version"]) == ("120.00", "120.00", 2)
    assert api.patch(path, {"daily_budget": "1", "version": 1}, status=409)["code"] == "conflict"
    assert AuditEntry.objects.get(action="change channel budget").reason == "More demand"
    [listed] = api.get(f"pacing/channel-budgets/?campaign={campaign}&channel=SEARCH&stopped=false")["results"]
    assert listed == api.get(path)

    api.delete(path)
    assert api.get(path, status=404)["code"] == "not_found"
    assert api.get(f"pacing/campaigns/{campaign}/pace")["paced"] is False


def test_settings_that_are_not_named_stay_and_null_takes_one_back(api: Api, campaign: str) -> None:
    path = f"pacing/channel-budgets/{give(api, campaign, settings={'cooldown_s': '600', 'probe_pct': 0.05})['id']}/"

    assert api.get(path)["settings"] == {"cooldown_s": 600, "probe_pct": "0.05"}
    assert api.patch(path, {"settings": {"probe_pct": None}})["settings"] == {"cooldown_s": 600}

    of_campaign = f"pacing/campaigns/{campaign}/settings"
    api.patch(of_campaign, {"settings": {"pace_warning_threshold": "1.2"}, "automatic": True, "reason": "Careful"})
    told = api.patch(of_campaign, {"settings": {"cooldown_s": 60}})
    assert told["settings"] == {"pace_warning_threshold": "1.2", "cooldown_s": 60}
    assert told["automatic"] is True
    assert told["in_force"]["pace_warning_threshold"] == "1.2"
    assert told["in_force"]["max_hourly_spend_pct"] == "0.15"
    assert told == api.get(of_campaign)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"channel": "", "daily_budget": "1"}, "channel", "needs a name"),
        ({"channel": "a,b", "daily_budget": "1"}, "channel", "no comma"),
        ({"channel": "x" * 41, "daily_budget": "1"}, "channel", "at most 40"),
        ({"channel": "x", "daily_budget": "ten"}, "daily_budget", "not an amount"),
        ({"channel": "x", "daily_budget": "-1"}, "daily_budget", "negative"),
        ({"channel": "x", "daily_budget": "1500.01"}, "daily_budget", "more than the campaign's"),
        ({"channel": "x", "daily_budget": "1", "strategy": "magic"}, "strategy", "not a valid choice"),
        ({"channel": "x", "daily_budget": "1", "settings": []}, "settings", "by name"),
        ({"channel": "x", "daily_budget": "1", "settings": {"speed": 1}}, "settings", "no setting speed"),
        ({"channel": "x", "daily_budget": "1", "settings": {"cooldown_s": "soon"}}, "settings", "use a number"),
        ({"channel": "x", "daily_budget": "1", "settings": {"cooldown_s": "1e999999999"}}, "settings", "cooldown_s"),
        ({"channel": "x", "daily_budget": "1", "settings": {"cooldown_s": True}}, "settings", "cooldown_s"),
        ({"channel": "x", "daily_budget": "1", "settings": {"probe_pct": "NaN"}}, "settings", "finite"),
        ({"channel": "x", "daily_budget": "1", "breaker": "open"}, "breaker", "leave it out"),
        ({"channel": "x", "daily_budget": "1", "version": 1}, "version", "belongs to a change"),
    ],
)
def test_what_cannot_be_meant_is_400_and_names_its_field(
    api: Api, campaign: str, body: dict[str, Any], field: str, said: str
) -> None:
    problem = api.post("pacing/channel-budgets/", {"campaign": campaign, **body}, status=400)

    assert said in problem[field][0]


def test_so_many_long_names_that_the_campaign_could_not_say_which_are_stopped_are_refused(
    api: Api, campaign: str
) -> None:
    for number in range(9):
        give(api, campaign, f"{number}{'x' * 39}", "1")

    problem = api.post(
        "pacing/channel-budgets/", {"campaign": campaign, "channel": "y" * 40, "daily_budget": "1"}, status=400
    )

    assert "10 channels are too long together" in problem["channel"][0]


# --- A day -----------------------------------------------------------------------------------------------------------


def test_a_day_from_the_first_budget_to_a_breaker_that_a_person_closes(api: Api, campaign: str) -> None:
    budget = give(api, campaign, budget="1000")["id"]
    plan = api.get(f"pacing/campaigns/{campaign}/plan")
    [channel] = plan["channels"]
    assert [hour["hour"] for hour in channel["hours"]] == list(range(24))
    assert sum(Decimal(hour["planned"]) for hour in channel["hours"]) == 1000
    assert all(hour["reason"] for hour in channel["hours"])

    assert api.get(f"pacing/campaigns/{campaign}/can-spend?amount=50&channel=search")["can_spend"] is True
    spend(api, campaign, "860")
    check()
    pace = api.get(f"pacing/campaigns/{campaign}/pace")
    [told] = pace["channels"]
    assert (told["spent"], told["planned"], told["pace"], told["projected"]) == ("860.00", "770.83", 1.1157, "1115.67")
    assert pace["in_all"] == {name: told[name] for name in pace["in_all"]}
    assert told["alerts"] == []

    refused = api.get(f"pacing/campaigns/{campaign}/can-spend?amount=141&channel=search")
    assert (refused["can_spend"], refused["code"], refused["channel"]) == (False, "PACING", "search")
    assert "daily budget: 140.00 of 1,000.00 left, 141.00 asked for" in refused["text"]
    same = api.get(f"campaigns/{campaign}/can-spend?amount=141&channel=search")
    assert {**same, "channel": "search", "label": "Search"} == refused
    problem = api.post(
        "reservations/", {"id": str(uuid4()), "campaign": campaign, "amount": "141", "channel": "search"}, status=409
    )
    assert (problem["granted"], problem["code"]) == (False, "PACING")
    assert problem["detail"] == refused["text"]
    nowhere = {"id": str(uuid4()), "campaign": campaign, "amount": "1", "channel": "video"}
    assert "Video has no budget in this campaign" in api.post("reservations/", nowhere, status=409)["detail"]

    spend(api, campaign, "100")
    shown = api.get(f"pacing/channel-budgets/{budget}/")
    assert (shown["breaker"], shown["breaker_probes_at"]) == ("open", "2026-05-05T18:45:00Z")
    assert "ahead of plan" in shown["breaker_reason"]
    held = api.get(f"campaigns/{campaign}/")
    assert (held["status"], held["holds"]) == ("PAUSED", ["CIRCUIT_BREAKER"])
    [change] = api.get(f"pacing/breaker-changes/?campaign={campaign}&to_state=open")["results"]
    assert (change["from_state"], change["to_state"], change["label"]) == ("closed", "open", "Search")
    alerts = api.get(f"pacing/alerts/?campaign={campaign}&standing=true&severity=critical")["results"]
    assert {alert["kind"] for alert in alerts} == {"circuit_breaker_open"}
    seen = api.post(f"pacing/alerts/{alerts[0]['id']}/seen", status=200)
    assert (seen["seen_by"], seen["standing"]) == ("user: anna", True)
    assert api.get("pacing/alerts/?seen=false&standing=true")["count"] == 0

    api.post(f"pacing/channel-budgets/{budget}/close-breaker", {"reason": ""}, status=400)
    closed = api.post(f"pacing/channel-budgets/{budget}/close-breaker", {"reason": "Known sale"}, status=200)
    assert closed["breaker"] == "closed"
    assert api.get(f"campaigns/{campaign}/")["status"] == "ACTIVE"
    assert api.get(f"pacing/alerts/?campaign={campaign}&standing=true")["count"] == 0


def test_an_open_breaker_probes_when_its_time_is_over_and_lists_find_it_as_shown(
    api: Api, campaign: str, clock: time_machine.Traveller
) -> None:
    give(api, campaign)
    spend(api, campaign, "95")
    assert api.get("pacing/channel-budgets/?breaker=open")["count"] == 1

    clock.move_to(datetime(2026, 5, 5, 18, 46, tzinfo=UTC))

    assert api.get("pacing/channel-budgets/?breaker=open")["count"] == 0
    [shown] = api.get("pacing/channel-budgets/?breaker=half_open")["results"]
    assert (shown["breaker"], shown["breaker_probes_at"]) == ("half_open", None)


def test_stops_hold_the_campaign_until_they_are_cleared(api: Api, campaign: str) -> None:
    budget = f"pacing/channel-budgets/{give(api, campaign)['id']}"
    stopped = api.post(f"{budget}/emergency-stop", {"reason": "Wrong page"}, status=200)
    assert (stopped["stop_reason"], stopped["stopped_by"]) == ("Wrong page", "user: anna")
    assert api.get("pacing/channel-budgets/?stopped=true")["count"] == 1
    assert api.get(f"campaigns/{campaign}/")["holds"] == ["EMERGENCY_STOP"]
    assert api.delete(f"{budget}/", status=409)["code"] == "conflict"
    assert api.post(f"{budget}/clear-stop", {}, status=200)["stopped_at"] is None
    assert api.get(f"campaigns/{campaign}/")["holds"] == []

    told = api.post(f"pacing/campaigns/{campaign}/emergency-stop", {"reason": "All of it"}, status=200)
    assert (told["status"], told["holds"]) == ("PAUSED", ["EMERGENCY_STOP"])
    one_truth = api.get(f"campaigns/{campaign}/")
    assert one_truth["emergency_stop_reason"] == told["emergency_stop_reason"] == "All of it"
    refused = api.get(f"pacing/campaigns/{campaign}/can-spend?amount=1&channel=search")
    assert refused["code"] == "EMERGENCY_STOP"
    api.post(f"campaigns/{campaign}/clear-stop", {}, status=200)
    assert api.get(f"campaigns/{campaign}/")["status"] == "ACTIVE"


def test_spend_before_anything_was_planned_has_no_ratio_and_is_still_json(
    api: Api, campaign: str, clock: time_machine.Traveller
) -> None:
    window = {"day_of_week": 1, "start_time": "20:00:00", "end_time": "22:00:00"}
    api.put(f"campaigns/{campaign}/week", {"windows": [window]})
    give(api, campaign)
    spend(api, campaign, "50")
    check()

    [told] = api.get(f"pacing/campaigns/{campaign}/pace")["channels"]

    assert (told["planned"], told["pace"], told["projected"]) == ("0.00", None, None)
    assert {alert["pace"] for alert in told["alerts"]} == {None}
    assert api.get("pacing/alerts/")["results"][0]["pace"] is None


def test_on_a_new_day_that_nobody_has_looked_at_yet_budgets_are_as_they_were_set(
    api: Api, campaign: str, clock: time_machine.Traveller
) -> None:
    budget = give(api, campaign)["id"]
    spend(api, campaign, "60")
    clock.move_to(datetime(2026, 5, 6, 0, 1, tzinfo=UTC))

    shown = api.get(f"pacing/channel-budgets/{budget}/")

    assert (shown["budget_today"], shown["spent_today"]) == ("100.00", "0.00")
    assert api.get(f"pacing/campaigns/{campaign}/pace")["in_all"]["spent"] == "0.00"


# --- Moved money -----------------------------------------------------------------------------------------------------


def uneven(api: Api, campaign: str, clock: time_machine.Traveller) -> None:
    """Search has returned ten times what it cost, display little; an hour later."""
    for channel, amount, revenue in (("search", "70", "700"), ("display", "5", "6")):
        give(api, campaign, channel)
        spend(api, campaign, amount, channel)
        told = {"channel": channel, "hour": "2026-05-05T18:30:00Z", "clicks": 100, "revenue": revenue}
        api.put(f"pacing/campaigns/{campaign}/performance", told)
    clock.move_to(AFTERNOON + timedelta(hours=1))


def test_a_proposal_moves_nothing_before_it_is_applied_and_then_the_sum_is_the_same(
    api: Api, campaign: str, clock: time_machine.Traveller
) -> None:
    uneven(api, campaign, clock)
    path = f"pacing/campaigns/{campaign}/reallocation"
    proposal = api.post(path, idempotency_key="once")
    assert api.post(path, idempotency_key="once")["id"] == proposal["id"]
    assert [move["from_label"] for move in proposal["moves"]] == ["Display"]
    assert proposal["moves"][0]["reason"]
    sums = {when: sum(Decimal(one[when]) for one in proposal["channels"]) for when in ("before", "after")}
    assert sums == {"before": 200, "after": 200}
    today = {one["channel"]: one["budget_today"] for one in api.get("pacing/channel-budgets/")["results"]}
    assert today == {"search": "100.00", "display": "100.00"}

    applied = api.post(f"pacing/reallocations/{proposal['id']}/apply", {"reason": "Agreed"}, status=200)

    assert (applied["state"], applied["decided_by"], applied["reason"]) == ("APPLIED", "user: anna", "Agreed")
    today = {one["channel"]: one["budget_today"] for one in api.get("pacing/channel-budgets/")["results"]}
    assert today == {one["channel"]: one["after"] for one in proposal["channels"]}
    assert today["search"] != "100.00"
    assert sum(map(Decimal, today.values())) == 200
    assert api.post(f"pacing/reallocations/{proposal['id']}/apply", {}, status=409)["code"] == "conflict"
    assert api.get("pacing/reallocations/?state=APPLIED")["count"] == 1


def test_a_rejected_proposal_leaves_the_money_and_is_on_record(
    api: Api, campaign: str, clock: time_machine.Traveller
) -> None:
    uneven(api, campaign, clock)
    proposal = api.post(f"pacing/campaigns/{campaign}/reallocation")

    rejected = api.post(f"pacing/reallocations/{proposal['id']}/reject", {"reason": "Not now"}, status=200)

    assert rejected["state"] == "REJECTED"
    assert AuditEntry.objects.get(action="reject moving money").reason == "Not now"
    assert {one["budget_today"] for one in api.get("pacing/channel-budgets/")["results"]} == {"100.00"}


def test_where_there_is_nothing_to_move_it_says_so(api: Api, campaign: str) -> None:
    give(api, campaign)
    problem = api.post(f"pacing/campaigns/{campaign}/reallocation", status=422)
    assert "at least two" in problem["detail"]
    give(api, campaign, "display")

    assert "nothing to move" in api.post(f"pacing/campaigns/{campaign}/reallocation", status=200)["detail"]


# --- Performance -----------------------------------------------------------------------------------------------------


def test_an_hours_performance_sent_twice_counts_once_and_corrections_are_on_record(api: Api, campaign: str) -> None:
    give(api, campaign)
    path = f"pacing/campaigns/{campaign}/performance"
    told = {"channel": "Search", "hour": "2026-05-05T17:10:00Z", "clicks": 40, "conversions": "2.5", "revenue": "80"}

    first = api.put(path, told)
    assert api.put(path, told) == first

    assert (first["hour"], first["day"], first["label"]) == ("2026-05-05T17:00:00Z", "2026-05-05", "Search")
    assert (first["clicks"], first["conversions"], first["revenue"]) == (40, "2.5", "80.00")
    assert HourTotal.objects.get().clicks == 40
    assert not AuditEntry.objects.filter(action__startswith="correct performance").exists()
    corrected = api.put(path, {"channel": "search", "hour": told["hour"], "clicks": 35})
    assert (corrected["clicks"], corrected["revenue"]) == (35, "80.00")
    entry = AuditEntry.objects.get(action="correct performance of Search")
    assert (entry.before["clicks"], entry.after["clicks"]) == ("40", "35")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"hour": "2026-05-05T17:00:00Z"}, "non_field_errors"),
        ({"clicks": 1}, "hour"),
        ({"hour": "2026-05-05T17:00:00", "clicks": 1}, "hour"),
        ({"hour": "2026-05-05T19:00:00Z", "clicks": 1}, "hour"),
        ({"hour": "2025-05-05T17:00:00Z", "clicks": 1}, "hour"),
        ({"hour": "0001-01-01T00:00:00Z", "clicks": 1}, "hour"),
        ({"hour": "9999-12-31T23:59:59Z", "clicks": 1}, "hour"),
        ({"hour": "2026-05-05T17:00:00Z", "clicks": -1}, "clicks"),
        ({"hour": "2026-05-05T17:00:00Z", "revenue": "-1"}, "revenue"),
        ({"hour": "2026-05-05T17:00:00Z", "clicks": 1, "channel": "a,b"}, "channel"),
        ({"hour": "2026-05-05T17:00:00Z", "spent": "1"}, "spent"),
    ],
)
def test_performance_that_cannot_be_meant_is_refused(api: Api, campaign: str, body: dict[str, Any], field: str) -> None:
    problem = api.put(f"pacing/campaigns/{campaign}/performance", body, status=400)

    assert field in problem
    assert not HourTotal.objects.exists()


@pytest.mark.parametrize(
    "query", ["", "amount=x", "amount=0", "amount=1&channel=" + "x" * 41, "amount=1&chanel=search"]
)
def test_a_question_that_cannot_be_meant_is_refused(api: Api, campaign: str, query: str) -> None:
    give(api, campaign)
    for path in ("pacing/campaigns", "campaigns"):
        assert api.get(f"{path}/{campaign}/can-spend?{query}", status=400)["code"] == "invalid"


# --- Who -------------------------------------------------------------------------------------------------------------


def test_each_role_and_scope_may_what_it_is_for_and_anothers_things_are_not_there(api: Api, campaign: str) -> None:
    from brands.models import Brand

    ours = [Brand.objects.get(name="Acme")]
    budget = give(api, campaign)["id"]
    manager = person("mia", "manager", ours)
    callers = {name: Api(person(name, name, ours)) for name in ("viewer", "operator")}
    callers |= {"manager": Api(manager), "spend token": Api(token=token_for(manager, "spend"))}
    stranger = Api(person("zoe", "manager"))
    requests: dict[str, tuple[str, str, Any, set[str]]] = {
        "see": ("get", f"pacing/campaigns/{campaign}/plan", None, set(callers)),
        "report": (
            "put", f"pacing/campaigns/{campaign}/performance", {"hour": AFTERNOON.isoformat(), "clicks": 1},
            {"operator", "manager", "spend token"},
        ),
        "stop": ("post", f"pacing/channel-budgets/{budget}/emergency-stop", {"reason": "x"}, {"operator", "manager"}),
        "clear": ("post", f"pacing/channel-budgets/{budget}/clear-stop", {}, {"manager"}),
        "budget": ("patch", f"pacing/channel-budgets/{budget}/", {"daily_budget": "7"}, {"manager"}),
        "settings": ("patch", f"pacing/campaigns/{campaign}/settings", {"automatic": True}, {"manager"}),
    }  # fmt: skip
    for name, (method, path, body, allowed) in requests.items():
        for caller, client in callers.items():
            assert (name, caller, client.call(method, path, body).status_code) == (
                name, caller, 200 if caller in allowed else 403,
            )  # fmt: skip
        assert (name, stranger.call(method, path, body).status_code) == (name, 404)
    assert stranger.get("pacing/channel-budgets/")["count"] == 0
    new = {"campaign": campaign, "channel": "video", "daily_budget": "1"}
    assert "no such campaign" in stranger.post("pacing/channel-budgets/", new, status=400)["campaign"][0]


def test_what_belongs_to_an_archived_campaign_is_out_of_sight(api: Api, campaign: str) -> None:
    budget = give(api, campaign)["id"]
    spend(api, campaign, "95")
    api.delete(f"campaigns/{campaign}/")

    assert api.get(f"pacing/channel-budgets/{budget}/", status=404)
    assert api.get(f"pacing/campaigns/{campaign}/pace", status=404)
    for kind in ("channel-budgets", "alerts", "breaker-changes"):
        assert api.get(f"pacing/{kind}/")["count"] == 0


# --- As many queries for many as for one -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["channel-budgets", "alerts", "breaker-changes", "reallocations"])
def test_a_long_list_takes_as_many_queries_as_a_short_one(api: Api, campaign: str, kind: str) -> None:
    def another() -> None:
        owner = api.get(f"campaigns/{campaign}/")["brand"]
        made = str(api.post("campaigns/", {"brand": owner, "name": "Another"})["id"])
        give(api, made)
        give(api, made, "display")
        spend(api, made, "95")
        Reallocation.objects.create(
            campaign_id=made, day=AFTERNOON.date(), moves=[], before={}, after={}, proposed_at=AFTERNOON,
            proposed_by="a test",
        )  # fmt: skip

    def queries() -> tuple[int, int]:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            count = api.get(f"pacing/{kind}/?page_size=500")["count"]
        return len(seen), count

    another()
    queries()
    few, before = queries()
    for _ in range(4):
        another()
    many, after = queries()

    assert 0 < before < after
    assert many == few


def test_what_the_pacer_refuses_sets_nothing_aside(api: Api, campaign: str) -> None:
    give(api, campaign)
    for amount, status in (("60", 201), ("41", 409), ("40", 201), ("0.01", 409)):
        body = {"id": str(uuid4()), "campaign": campaign, "amount": amount, "channel": "search"}
        api.post("reservations/", body, status=status)

    assert max(BudgetPeriod.objects.values_list("reserved", flat=True)) == 100
    assert api.get("pacing/channel-budgets/")["results"][0]["held_today"] == "100.00"
    assert not PaceAlert.objects.filter(kind="emergency_stop_required").exists()
