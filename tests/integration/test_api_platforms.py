"""Ad platforms through the API, against simulators: connected, checked, enforced, approved, taken over; and secrets."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.models import IdempotentAnswer
from access.roles import Role
from budget_system import clock
from platforms import look, pull, push
from platforms.adapters import http, oauth
from platforms.connections import connect, credentials_of
from platforms.models import Account, Act, ActKind, RemoteState
from platforms.protocol import Status
from platforms.steps import Step
from tests.factories import Story
from tests.integration.api_client import Api, person
from tests.simulators import ALL, Server, World

pytestmark = pytest.mark.django_db
ID = "1112223334"


class Desk:
    """A manager with nothing but the API, an account with two campaigns at a simulated platform, and the workers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
        self.story = Story()
        monkeypatch.setattr(clock, "now", lambda: self.story.now)
        self.world = server.world
        self.world.clock = self.story.now
        self.keys = self.world.add_account("GOOGLE", ID, name="Acme there").keys()
        self.api = Api(person("mia", Role.MANAGER, [self.story.brand]))
        self.campaigns = []
        for id in ("101", "102"):
            self.world.add_campaign(ID, id)
            body = {"brand": str(self.story.brand.pk), "name": f"C{id}", "platform": "GOOGLE", "external_id": id}
            self.campaigns.append(str(self.api.post("campaigns/", {**body, "daily_budget": "50"})["id"]))

    def connects(self, **more: Any) -> dict[str, Any]:
        body = {"brand": str(self.story.brand.pk), "platform": "GOOGLE", "account_id": ID, "credentials": self.keys}
        made: dict[str, Any] = self.api.post("platforms/accounts/", {**body, **more})
        return made

    def enforces(self) -> str:
        """The account's id, once its campaigns are seen and the brand enforces."""
        account = str(self.connects()["id"])
        self.works()
        brand = self.story.brand.pk
        self.api.patch(f"platforms/modes/{brand}/", {"mode": "ENFORCE", "most_share": 100, "version": 1})
        return account

    def works(self) -> None:
        """What the workers do within a quarter of an hour."""
        self.story.now += timedelta(minutes=15)
        self.world.advance(timedelta(minutes=15))
        for read in (look, pull):
            read.run(clock=clock.now, connect=connect, now_due=True)
        push.run(clock=clock.now, connect=connect, read_back_s=(0.0, 0.0))

    def at(self, number: int = 0) -> dict[str, Any]:
        shown: dict[str, Any] = self.api.get(f"platforms/campaigns/{self.campaigns[number]}/")
        return shown

    def decides(self, what: str, status: int = 200, number: int = 0, **body: Any) -> dict[str, Any]:
        path = f"platforms/campaigns/{self.campaigns[number]}/{what}"
        answer: dict[str, Any] = self.api.post(path, body or None, status)
        return answer

    def there(self, id: str = "101") -> Status:
        return self.world.campaigns[id].status

    def spends(self, micros: int) -> None:
        self.world.spend("101", self.story.now.date(), 12, micros)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Desk]:
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.0)
    oauth.forget_all()
    settings.DEMO = True
    with Server(World(), *ALL) as server:
        settings.PLATFORM_URLS = {"GOOGLE": server.base_url}
        yield Desk(monkeypatch, server)
    oauth.forget_all()


# --- From nothing to a campaign that is paused there


def test_connected_checked_enforced_and_paused_there_by_its_spend(desk: Desk) -> None:
    made = desk.connects()
    checked = desk.api.post(f"platforms/accounts/{made['id']}/check", status=200)
    desk.works()
    observed = desk.api.get("platforms/campaigns/")
    mode = desk.api.patch(f"platforms/modes/{desk.story.brand.pk}/", {"mode": "ENFORCE", "most_share": 100})

    desk.spends(55_000_000)
    desk.works()

    assert (made["name"], made["mode"], made["at_risk"], made["version"]) == ("", "OBSERVE", 0, 1)
    assert checked == {"name": "Acme there", "currency": "EUR", "timezone": "Europe/Berlin"}
    assert [row["step"] for row in observed["results"]] == ["IN_STEP", "IN_STEP"]
    assert (mode["mode"], mode["version"]) == ("ENFORCE", 2)
    assert (desk.there("101"), desk.there("102")) == (Status.PAUSED, Status.ENABLED)
    shown = desk.at()
    assert (shown["step"], shown["status_here"], shown["status_there"]) == ("IN_STEP", "PAUSED", "PAUSED")
    assert (shown["pause_reason"], shown["at_risk"], shown["drift"]) == ("DAILY_BUDGET_EXCEEDED", False, False)
    assert [act["kind"] for act in shown["acts"]] == ["CONFIRMED", "SENT"]
    acts = desk.api.get(f"platforms/acts/?campaign={desk.campaigns[0]}&kind=CONFIRMED")["results"]
    assert (acts[0]["shown"], acts[0]["pause_reason"], acts[0]["actor"]) == (
        "PAUSED", "DAILY_BUDGET_EXCEEDED", "worker",
    )  # fmt: skip
    account = desk.api.get(f"platforms/accounts/{made['id']}/")
    assert (account["name"], account["steps"], account["mode"]) == ("Acme there", {"IN_STEP": 2}, "ENFORCE")


@pytest.mark.slow
def test_what_waits_is_approved_or_left_and_a_second_word_comes_too_late(desk: Desk) -> None:
    desk.connects()
    desk.works()
    desk.api.patch(f"platforms/modes/{desk.story.brand.pk}/", {"mode": "SUGGEST"})
    for campaign in desk.campaigns:
        desk.api.post(f"campaigns/{campaign}/pause", {"reason": "A try"}, 200)
    desk.works()
    waiting = desk.api.get("platforms/campaigns/?waiting=true")

    desk.decides("approve")
    left = desk.decides("leave", number=1, reason="Not this one")
    desk.works()

    assert waiting["count"] == 2
    assert {row["why"] for row in waiting["results"]} == {"MODE"}
    assert (left["acts"][0]["kind"], left["acts"][0]["note"]) == ("LEFT", "Not this one")
    assert (desk.there("101"), desk.there("102")) == (Status.PAUSED, Status.ENABLED)
    assert (desk.at(0)["step"], desk.at(1)["step"]) == ("IN_STEP", "LEFT")
    late = desk.decides("approve", 409)
    assert (late["code"], late["detail"]) == ("conflict", "It does not wait for approval any more. Nothing was sent.")


@pytest.mark.slow
def test_many_are_approved_at_once_and_each_that_is_not_says_why(desk: Desk) -> None:
    desk.connects()
    desk.works()
    desk.api.patch(f"platforms/modes/{desk.story.brand.pk}/", {"mode": "SUGGEST"})
    desk.api.post(f"campaigns/{desk.campaigns[0]}/pause", {"reason": "A try"}, 200)
    desk.works()
    unknown, theirs = str(uuid4()), Story(name="Zebra").campaign("Z", platform="GOOGLE", external_id="9")
    account = Account.objects.get()  # whose it is plays no part here
    RemoteState.objects.create(campaign=theirs, account=account, step=Step.WAITING, step_since=desk.story.now)
    body = {"campaigns": [*desk.campaigns, unknown, str(theirs.pk)]}

    answer = desk.api.post("platforms/campaigns/approve", body, 200, idempotency_key="k")
    again = desk.api.post("platforms/campaigns/approve/", {"campaigns": body["campaigns"]}, 422, idempotency_key="k")
    same = desk.api.post("platforms/campaigns/approve", body, 200, idempotency_key="k")

    assert answer["approved"] == [desk.campaigns[0]]
    assert {one["campaign"]: one["detail"] for one in answer["refused"]} == {
        desk.campaigns[1]: "It does not wait for approval any more. Nothing was sent.",
        unknown: "There is no such campaign.",
        str(theirs.pk): "There is no such campaign.",
    }
    assert (same, again["code"]) == (answer, "idempotency_key_reused")
    assert Act.objects.filter(kind=ActKind.APPROVED).count() == 1


# --- What somebody switches there


def _drifts(desk: Desk) -> None:
    desk.enforces()
    desk.world.ask("101", Status.PAUSED)
    desk.works()


def test_what_was_switched_there_is_put_back(desk: Desk) -> None:
    _drifts(desk)
    found = desk.api.get("platforms/campaigns/?drift=true")["results"]

    desk.decides("put-back", reason="It must run")
    desk.works()

    assert [(row["id"], row["step"], row["drift"]) for row in found] == [(desk.campaigns[0], "DRIFT", True)]
    assert (desk.there(), desk.at()["step"]) == (Status.ENABLED, "IN_STEP")
    assert desk.decides("put-back", 409, reason="Again")["code"] == "conflict"


def test_what_was_switched_there_is_taken_over(desk: Desk) -> None:
    _drifts(desk)

    taken = desk.decides("take-over", reason="The client asked")
    desk.works()

    assert (taken["status_here"], taken["pause_reason"]) == ("PAUSED", "MANUAL")
    assert (desk.there(), desk.at()["step"], desk.at()["drift"]) == (Status.PAUSED, "IN_STEP", False)
    assert desk.api.get("platforms/campaigns/?drift=true")["count"] == 0


@pytest.mark.slow
def test_in_observe_mode_nothing_is_put_back(desk: Desk) -> None:
    _drifts(desk)
    desk.api.patch(f"platforms/modes/{desk.story.brand.pk}/", {"mode": "OBSERVE"})

    refused = desk.decides("put-back", 409, reason="It must run")

    assert "The brand's mode is observe" in refused["detail"]
    assert desk.decides("put-back", 400)["errors"][0]["field"] == "reason"


# --- The kill switch


def test_while_the_kill_switch_is_on_nothing_leaves_and_then_what_is_wanted_does(desk: Desk) -> None:
    desk.enforces()

    stopped = desk.api.post("platforms/outgoing/stop", {"reason": "A wrong file"}, 200)
    desk.spends(55_000_000)
    desk.works()
    held = desk.api.get("platforms/outgoing/")
    during = (desk.there(), desk.at()["step"], desk.at()["at_risk"])
    resumed = desk.api.post("platforms/outgoing/resume/", None, 200)
    desk.works()

    assert (stopped["stopped"], stopped["stopped_by"], stopped["reason"]) == (True, "user: mia", "A wrong file")
    assert (held["held"], during) == (1, (Status.ENABLED, "STOPPED", True))
    assert (resumed["stopped"], resumed["stopped_at"], resumed["reason"]) == (False, None, "")
    assert (desk.there(), desk.at()["step"]) == (Status.PAUSED, "IN_STEP")


def test_an_operator_stops_and_only_a_manager_lets_go(desk: Desk) -> None:
    operator = Api(person("olga", Role.OPERATOR, [desk.story.brand]))

    assert operator.post("platforms/outgoing/stop", {"reason": 7}, 400)["reason"] == ["Not a valid string."]
    operator.post("platforms/outgoing/stop", {"reason": "A fire"}, 200)

    assert operator.post("platforms/outgoing/resume", None, 403)["code"] == "permission_denied"
    assert desk.api.post("platforms/outgoing/resume", None, 200)["stopped"] is False


# --- Accounts


@pytest.mark.slow
def test_an_account_that_is_refused_says_so_and_works_with_other_credentials(desk: Desk) -> None:
    account = desk.connects(credentials={**desk.keys, "refresh_token": "secret-wrong"})["id"]

    refused = desk.api.post(f"platforms/accounts/{account}/check", None, 422)
    shown = desk.api.get(f"platforms/accounts/{account}/")
    desk.api.patch(f"platforms/accounts/{account}/", {"credentials": {"refresh_token": desk.keys["refresh_token"]}})
    desk.api.post(f"platforms/accounts/{account}/check", None, 200)

    assert (refused["code"], shown["error"]) == ("refused", refused["detail"])
    assert (shown["needs_person"], bool(shown["failing_since"])) == (True, True)
    assert credentials_of(Account.objects.get())["client_secret"] == desk.keys["client_secret"]
    assert desk.api.get("platforms/accounts/?needs_person=true")["count"] == 0


@pytest.mark.slow
def test_switched_off_it_is_not_asked_and_switched_on_it_is(desk: Desk) -> None:
    account = desk.enforces()

    off = desk.api.post(f"platforms/accounts/{account}/switch-off", {"reason": "The contract ends"}, 200)
    refused = desk.api.post(f"platforms/accounts/{account}/check", None, 409)
    desk.spends(55_000_000)
    desk.works()
    during = desk.there()
    desk.api.post(f"platforms/accounts/{account}/switch-on", None, 200)
    desk.works()

    assert (off["off_reason"], bool(off["off_at"])) == ("The contract ends", True)
    assert refused["detail"] == "It is switched off: nothing is asked there. Switch it on first."
    assert (during, desk.there()) == (Status.ENABLED, Status.PAUSED)


@pytest.mark.slow
def test_what_an_account_needs_is_said_by_name(desk: Desk) -> None:
    def says(status: int = 400, **more: Any) -> tuple[str, str]:
        body = {"brand": str(desk.story.brand.pk), "platform": "GOOGLE", "account_id": "1", "credentials": desk.keys}
        answer = desk.api.post("platforms/accounts/", {**body, **more}, status)
        return answer["errors"][0]["field"], answer["detail"].split(": ", 1)[1]

    assert says(credentials={"client_id": "c"}) == (
        "credentials",
        "This is missing: OAuth client secret, Refresh token.",
    )
    assert says(credentials={**desk.keys, "password": "secret-x"})[1].startswith("Not known here: password. There are:")
    assert says(credentials="secret-x")[0] == "credentials"
    assert says(account_id=" ") == ("account_id", "Write the account's id as the platform shows it.")
    assert says(platform="OTHER")[0] == "platform"
    assert says(by_file=True)[1].startswith("Not known here: client_id,")
    assert says(platform="TIKTOK", by_file=True, credentials={})[0] == "by_file"
    assert says(brand=str(uuid4())) == ("brand", "There is no such brand.")
    desk.connects()
    other = desk.connects(account_id="99")["id"]
    body = {"brand": str(desk.story.brand.pk), "platform": "GOOGLE", "account_id": ID, "credentials": desk.keys}
    for taken in (
        desk.api.post("platforms/accounts/", body, 409),
        desk.api.patch(f"platforms/accounts/{other}/", {"account_id": ID}, 409),
    ):
        assert (taken["code"], taken["detail"]) == ("conflict", "This brand has this account already.")


def test_an_account_in_files_has_no_credentials_and_nothing_to_check(desk: Desk) -> None:
    made = desk.connects(by_file=True, credentials={})

    refused = desk.api.post(f"platforms/accounts/{made['id']}/check", None, 409)

    assert (made["by_file"], credentials_of(Account.objects.get())) == (True, {})
    assert refused["detail"] == "Its changes go in files: there is nothing to be asked."


def test_an_account_stays_with_its_brand_and_platform(desk: Desk) -> None:
    made = desk.connects()
    path, other = f"platforms/accounts/{made['id']}/", Story(name="Zebra").brand.pk

    for change in ({"brand": str(other)}, {"platform": "META"}, {"by_file": True}):
        assert next(iter(change)) in desk.api.patch(path, change, 400)


@pytest.mark.parametrize("path", ["platforms/accounts/{account}/", "platforms/modes/{brand}/"])
def test_of_two_people_who_save_the_second_is_told_in_words(desk: Desk, path: str) -> None:
    path = path.format(account=desk.connects()["id"], brand=desk.story.brand.pk)
    change = {"account_id": "55"} if "accounts" in path else {"mode": "ENFORCE"}
    seen = desk.api.get(path)["version"]

    first = desk.api.patch(path, {**change, "version": seen})
    second = desk.api.patch(path, {**change, "version": seen}, 409)

    assert first["version"] == seen + 1
    assert "was changed by somebody else while you were editing. Nothing was saved" in second["detail"]


def test_connecting_twice_with_one_key_connects_once(desk: Desk) -> None:
    body = {"brand": str(desk.story.brand.pk), "platform": "GOOGLE", "account_id": ID, "credentials": desk.keys}

    first = desk.api.post("platforms/accounts/", body, 201, idempotency_key="k")
    second = desk.api.post("platforms/accounts/", body, 201, idempotency_key="k")

    assert first == second
    assert Account.objects.count() == 1


# --- Secrets, and others' things


def _kept_in_clear(secrets: set[str]) -> list[str]:
    """Tables, and their columns, in which one of these is readable."""
    found = []
    for model in apps.get_models():
        for row in model._default_manager.values():
            found += [f"{model._meta.db_table}.{name}" for name, value in row.items() if _holds(value, secrets)]
    return found


def _holds(value: object, secrets: set[str]) -> bool:
    text = bytes(value).decode(errors="replace") if isinstance(value, bytes | memoryview) else str(value)
    return any(secret in text for secret in secrets)


def test_credentials_are_in_no_answer_no_log_and_nowhere_in_clear(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {text for text in desk.keys.values() if text.startswith("secret-")} | {"secret-typo"}
    wrong = {**desk.keys, "refresh_token": "secret-typo"}
    body = {"brand": str(desk.story.brand.pk), "platform": "GOOGLE", "account_id": ID, "credentials": wrong}
    answers = []

    def calls(method: str, path: str, sent: Any = None, **headers: str) -> Any:
        answers.append(desk.api.call(method, path, sent, **headers))
        return answers[-1].json()

    account = calls("post", "platforms/accounts/", body, idempotency_key="k")["id"]
    path = f"platforms/accounts/{account}/"
    calls("post", "platforms/accounts/", body, idempotency_key="k")
    calls("post", "platforms/accounts/", {**body, "credentials": {"secret": "secret-typo"}})
    calls("post", "platforms/accounts/", {**body, "credentials": "secret-typo"})
    calls("post", f"{path}check")
    calls("patch", path, {"credentials": desk.keys, "version": 1})
    calls("patch", path, {"credentials": desk.keys, "version": 1})
    calls("post", f"{path}check")
    desk.works()
    for read in (path, "platforms/accounts/", "platforms/campaigns/", "platforms/acts/"):
        calls("get", read)
    calls("options", path)

    assert [answer.status_code for answer in answers] == [
        201,
        201,
        400,
        400,
        422,
        200,
        409,
        200,
        200,
        200,
        200,
        200,
        200,
    ]
    assert not [answer for answer in answers if _holds(answer.content, secrets)]
    assert not _holds(caplog.text, secrets)
    assert IdempotentAnswer.objects.exists()
    assert _kept_in_clear(secrets) == []
    assert _kept_in_clear({"Acme there"}) != [], "the search finds what there is"
    assert credentials_of(Account.objects.get())["refresh_token"] == desk.keys["refresh_token"]


@pytest.mark.slow
def test_another_agencys_accounts_modes_and_campaigns_are_not_there(desk: Desk) -> None:
    account = desk.enforces()
    zebra = Story(name="Zebra")
    stranger = Api(person("zoe", Role.MANAGER, [zebra.brand]))

    for path in ("accounts", "modes", "campaigns", "acts"):
        assert stranger.get(f"platforms/{path}/")["count"] == 0
    for path in (f"accounts/{account}", f"modes/{desk.story.brand.pk}", f"campaigns/{desk.campaigns[0]}"):
        stranger.get(f"platforms/{path}/", 404)
    stranger.post(f"platforms/accounts/{account}/check", None, 404)
    stranger.post(f"platforms/campaigns/{desk.campaigns[0]}/approve", None, 404)


@pytest.mark.slow
def test_lists_are_found_by_what_they_show(desk: Desk) -> None:
    account = desk.enforces()
    desk.api.post("platforms/outgoing/stop", {"reason": "A try"}, 200)
    desk.spends(55_000_000)
    desk.works()

    def found(query: str, path: str = "campaigns") -> int:
        return int(desk.api.get(f"platforms/{path}/?{query}")["count"])

    brand = desk.story.brand.pk
    for query in (f"brand={brand}", "platform=GOOGLE", f"account={account}", "waiting=false", "drift=false"):
        assert (query, found(query)) == (query, 2)
    for query in ("step=STOPPED", "at_risk=true", "at_risk=false", "status_there=ENABLED&search=C101"):
        assert (query, found(query)) == (query, 1)
    for query in ("platform=META", f"account={uuid4()}", "step=DRIFT", "waiting=true"):
        assert (query, found(query)) == (query, 0)
    for query, count in (
        ("platform=GOOGLE", 1), ("state=fails", 0), ("state=works", 1), ("off=true", 0), ("off=false", 1),
    ):  # fmt: skip
        assert (query, found(query, "accounts")) == (query, count)
    assert [row["name"] for row in desk.api.get("platforms/campaigns/")["results"]] == ["C101", "C102"], "at risk first"
    desk.api.get("platforms/campaigns/?nonsense=1", 400)
    desk.api.get("platforms/outgoing/?nonsense=1", 400)


@pytest.mark.slow
def test_a_page_of_many_costs_as_many_queries_as_one_of_few(desk: Desk) -> None:
    desk.enforces()

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            desk.api.get(path)
        return len(asked)

    desk.spends(55_000_000)
    desk.works()
    before = [queries(f"platforms/{name}/") for name in ("accounts", "campaigns", "acts")]
    for number in range(5):
        desk.connects(account_id=f"9{number}")
        desk.world.add_campaign(ID, f"20{number}")
        desk.story.campaign(f"More {number}", platform="GOOGLE", external_id=f"20{number}")
    desk.works()
    desk.api.post(f"brands/{desk.story.brand.pk}/emergency-stop", {"reason": "A try"}, 200)
    desk.works()

    assert desk.api.get("platforms/acts/")["count"] > 5
    assert [queries(f"platforms/{name}/") for name in ("accounts", "campaigns", "acts")] == before
