"""Webhooks, receivers and their messages through HTTP: set up, told, looked at, sent again; and what is never shown."""

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from standardwebhooks import Webhook, WebhookVerificationError

from access.models import IdempotentAnswer, Membership
from alerts import services as alerts
from alerts import telling
from brands.models import AuditEntry
from budget_system import clock
from budget_system.sealed import unseal
from delivery import addresses, intake, outlets, relay, services
from delivery.models import Delivery, DeliveryState, Endpoint
from delivery.schedule import ATTEMPTS
from tests.factories import ACTOR, Story
from tests.integration.api_client import Api, person, token_for
from tests.integration.receiver import Receiver, Reply, receiving
from tests.integration.slack import SlackReceiver, slack_receiving

pytestmark = pytest.mark.django_db
STATE_CHANGES = ["campaign.state_changed"]
TOO_LONG = ", ".join(f"{number:060}@example.com" for number in range(15))
SLACK_PATH = "/services/T0AAAAAAA/B0BBBBBBB/s3cretpathofslack"


@pytest.fixture(autouse=True)
def _demo(settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = True


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    story = Story()
    story.now = clock.now()  # signatures are good for five minutes
    monkeypatch.setattr(clock, "now", lambda: story.now)
    return story


@pytest.fixture
def api(story: Story) -> Api:
    return Api(person("mia", "manager", [story.brand]))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def workspace() -> Iterator[SlackReceiver]:
    with slack_receiving() as receiver:
        yield receiver


def body(story: Story, url: str, **more: Any) -> dict[str, Any]:
    return {"brand": str(story.brand.pk), "name": "Bidder", "url": url, "events": STATE_CHANGES, **more}


def add(api: Api, story: Story, url: str, **more: Any) -> Any:
    return api.post("webhooks/", body(story, url, **more))


def deliver(story: Story) -> dict[str, int]:
    return relay.run(clock=lambda: story.now, send=outlets.send)


def park(story: Story, campaign: Any, times: int) -> None:
    """As many messages as changes, all of them parked."""
    for number in range(times):
        story.activate(campaign) if number % 2 else story.pause(campaign)
    intake.take_up(story.now)
    Delivery.objects.update(state=DeliveryState.PARKED, attempts=ATTEMPTS, next_at=None)


# --- From the first webhook to a message that is sent again -----------------------------------------------------------


def test_a_budget_that_is_crossed_is_told_shown_in_the_log_and_sent_again(
    story: Story, api: Api, receiver: Receiver
) -> None:
    campaign = story.campaign("Search")
    webhook = add(api, story, receiver.url)
    api.post("spends/", {"campaign": str(campaign.pk), "amount": "100.00"})

    deliver(story)

    [got] = receiver.got
    assert Webhook(webhook["secret"]).verify(got.body, got.headers)["type"] == "campaign.state_changed"
    query = f"endpoint={webhook['id']}&state=SENT&type=campaign.state_changed&brand={story.brand.pk}&days=1"
    [listed] = api.get(f"deliveries/?{query}")["results"]
    assert (listed["message"], listed["endpoint_name"], listed["attempts"]) == (got.id, "Bidder", 1)
    assert "body" not in listed
    shown = api.get(f"deliveries/{listed['id']}")
    assert shown["body"] == got.body
    assert [(one["number"], one["status"], one["error"]) for one in shown["log"]] == [(1, 204, "")]
    again = api.post(f"deliveries/{listed['id']}/resend", status=200)
    assert (again["state"], again["attempts"]) == ("PENDING", 0)
    deliver(story)
    assert (receiver.ids, receiver.got[1].body) == ([got.id] * 2, got.body)
    assert [one["status"] for one in api.get(f"deliveries/{listed['id']}/")["log"]] == [204, 204]
    assert AuditEntry.objects.get(action="send again").actor == "user: mia"
    after = api.get(f"webhooks/{webhook['id']}/")
    assert (after["state"], after["waiting"], after["parked"]) == ("works", 0, 0)
    assert after["last_sent_at"] is not None


def test_a_test_message_says_what_was_answered_and_is_sent_once_under_a_key(
    story: Story, api: Api, receiver: Receiver
) -> None:
    webhook = add(api, story, receiver.url)
    path = f"webhooks/{webhook['id']}/test"

    first = api.post(path, status=200, idempotency_key="once")
    second = api.call("post", path, idempotency_key="once")

    assert (first["type"], first["state"], first["log"][0]["status"]) == ("webhook.ping", "SENT", 204)
    assert (second["Idempotent-Replayed"], second.json()) == ("true", first)
    assert len(receiver.got) == 1
    receiver.answer = lambda got: Reply(500, body=b"not now")
    failed = api.post(path, status=200)
    assert (failed["state"], failed["log"][0]["status"], failed["log"][0]["answer"]) == ("PENDING", 500, "not now")
    assert failed["next_at"] is not None
    shown = api.get(f"webhooks/{webhook['id']}/")
    assert (shown["state"], shown["failures"], shown["waiting"]) == ("fails", 1, 1)


def test_a_kept_answer_of_a_test_is_not_for_who_sees_the_webhook_no_more(story: Story, api: Api) -> None:
    path = f"webhooks/{add(api, story, 'http://127.0.0.1:9/')['id']}/test"
    api.post(path, status=200, idempotency_key="once")
    Membership.objects.all().delete()

    api.post(path, status=404, idempotency_key="once")


def test_all_that_is_parked_is_sent_again_some_at_a_time(
    story: Story, api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_AGAIN", 2)
    campaign = story.campaign()
    webhook = add(api, story, receiver.url)
    park(story, campaign, 3)
    assert api.get(f"webhooks/{webhook['id']}/")["parked"] == 3

    path = f"webhooks/{webhook['id']}/resend-parked"
    answers = [api.post(path, status=200) for _ in range(3)]
    replayed = [api.post(path, status=200, idempotency_key="k") for _ in range(2)]
    deliver(story)

    assert answers == [{"sent_again": 2, "left": 1}, {"sent_again": 1, "left": 0}, {"sent_again": 0, "left": 0}]
    assert replayed == [{"sent_again": 0, "left": 0}] * 2
    assert [got.data["to"]["status"] for got in receiver.got] == ["PAUSED", "ACTIVE", "PAUSED"]
    assert AuditEntry.objects.filter(action="send again").count() == 3


def test_nothing_is_sent_while_it_is_off_and_what_happened_meanwhile_can_be_told(
    story: Story, api: Api, receiver: Receiver
) -> None:
    campaign = story.campaign()
    webhook = add(api, story, receiver.url)
    path = f"webhooks/{webhook['id']}"
    api.post(f"{path}/switch-off", status=400)
    off = api.post(f"{path}/switch-off", {"reason": "It moves"}, status=200)
    story.now += timedelta(seconds=1)
    story.pause(campaign)
    refused = api.post(f"{path}/test", status=422)
    again = api.post(f"{path}/resend-parked", status=422)
    deliver(story)

    assert (off["state"], off["off_reason"], off["gave_up"]) == ("off", "It moves", False)
    for answer in (refused, again):
        assert answer["detail"] == "“Bidder” is switched off. Switch it on first; nothing was sent."
    assert receiver.got == []
    assert api.get("webhooks/?state=off")["count"] == 1
    on = api.post(f"{path}/switch-on", status=200)
    assert (on["state"], on["waiting"]) == ("works", 1)
    deliver(story)
    assert [got.data["to"]["status"] for got in receiver.got] == ["PAUSED"]


def test_switched_on_without_catching_up_it_is_told_of_nothing_that_is_over(story: Story, api: Api) -> None:
    campaign = story.campaign()
    path = f"webhooks/{add(api, story, 'http://127.0.0.1:9/')['id']}"
    api.post(f"{path}/switch-off", {"reason": "x"}, status=200)
    story.pause(campaign)

    on = api.post(f"{path}/switch-on", {"catch_up": False}, status=200)

    assert (on["state"], on["waiting"]) == ("works", 0)


def test_a_message_for_what_is_off_is_not_sent_again_and_it_is_said_what_to_do(story: Story, api: Api) -> None:
    campaign = story.campaign()
    webhook = add(api, story, "http://127.0.0.1:9/")
    park(story, campaign, 1)
    api.post(f"webhooks/{webhook['id']}/switch-off", {"reason": "x"}, status=200)

    for path in (f"deliveries/{Delivery.objects.get().pk}/resend", f"webhooks/{webhook['id']}/resend-parked"):
        assert "is switched off. Switch it on first" in api.post(path, status=422)["detail"]
    assert Delivery.objects.get().state == DeliveryState.PARKED


# --- Secrets ----------------------------------------------------------------------------------------------------------


def texts_in_the_database() -> str:
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        found = []
        for table in tables:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found += [str(row) for row in cursor.fetchall()]
    return "\n".join(found)


@pytest.mark.need(12)
def test_a_secret_is_shown_once_and_nowhere_else_also_under_a_key(story: Story, api: Api) -> None:
    made = api.call("post", "webhooks/", body(story, "http://127.0.0.1:9/"), idempotency_key="make")
    replay = api.call("post", "webhooks/", body(story, "http://127.0.0.1:9/"), idempotency_key="make")
    path = f"webhooks/{made.json()['id']}"
    new = api.call("post", f"{path}/new-secret", {}, idempotency_key="new")
    renewed = api.call("post", f"{path}/new-secret", {}, idempotency_key="new")

    first, second = made.json()["secret"], new.json()["secret"]
    assert (made.status_code, replay.status_code) == (201, 201)
    assert replay.json() == {**made.json(), "secret": None}
    assert renewed.json() == {**new.json(), "secret": None}
    assert replay["Idempotent-Replayed"] == renewed["Idempotent-Replayed"] == "true"
    assert first.startswith("whsec_")
    assert first != second
    assert unseal(Endpoint.objects.get().secret) == second
    assert IdempotentAnswer.objects.count() == 2
    kept = texts_in_the_database()
    assert path.removeprefix("webhooks/").replace("-", "") in kept.replace("-", ""), "it looks where it should"
    for secret in (first, second):
        assert secret.removeprefix("whsec_") not in kept
    for response in (made, new):
        assert response["Cache-Control"] == "no-store"
    for shown in (api.get(f"{path}/"), api.get("webhooks/")["results"][0], api.patch(f"{path}/", {"name": "B"})):
        assert "secret" not in shown


@pytest.mark.need(12)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_new_secret_signs_beside_the_former_one_unless_that_ends_at_once(
    story: Story, api: Api, receiver: Receiver, at_once: bool
) -> None:
    made = add(api, story, receiver.url)
    new = api.post(f"webhooks/{made['id']}/new-secret", {"at_once": at_once}, status=200)

    api.post(f"webhooks/{made['id']}/test", status=200)

    [got] = receiver.got
    assert Webhook(new["secret"]).verify(got.body, got.headers)
    assert (new["former_secret_until"] is None) is at_once
    if at_once:
        with pytest.raises(WebhookVerificationError):
            Webhook(made["secret"]).verify(got.body, got.headers)
    else:
        assert Webhook(made["secret"]).verify(got.body, got.headers)


# --- Changes and what is refused --------------------------------------------------------------------------------------


def test_what_was_changed_by_somebody_else_meanwhile_is_not_overwritten(story: Story, api: Api) -> None:
    webhook = add(api, story, "http://127.0.0.1:9/")
    path = f"webhooks/{webhook['id']}/"

    changed = api.patch(path, {"name": "Pacer", "events": ["import.undone", "alert.raised"], "version": 1})
    stale = api.patch(path, {"name": "Other", "version": 1}, status=409)
    put = api.put(path, body(story, "http://127.0.0.1:8/", version=2))

    assert (changed["name"], changed["version"], changed["events"]) == ("Pacer", 2, ["import.undone", "alert.raised"])
    assert stale["code"] == "conflict"
    assert (put["name"], put["url"], put["version"]) == ("Bidder", "http://127.0.0.1:8/", 3)
    assert AuditEntry.objects.filter(action="change webhook").count() == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"url": "https://10.0.0.7/hook"}, "url", "leads to 10.0.0.7, which is not a public address"),
        ({"url": "https://[fd00::1]/hook"}, "url", "is not a public address"),
        ({"url": "https://169.254.169.254/latest"}, "url", "is not a public address"),
        ({"url": "http://example.com/hook"}, "url", "is not a public address"),
        ({"url": "ftp://example.com/"}, "url", "The address must begin with https://."),
        ({"url": "https://ann@example.com/"}, "url", "Leave user and password out"),
        ({"url": "https://nowhere.example/"}, "url", "cannot be resolved"),
        ({"events": ["campaign.moved"]}, "events.0", "There is no event “campaign.moved”; there are campaign.state_ch"),
        ({"events": []}, "events", "Choose at least one event."),
        ({"name": " "}, "name", ""),
        ({"brand": "00000000-0000-4000-8000-000000000000"}, "brand", "There is no such brand."),
        ({"secret": "whsec_x"}, "secret", "There is no such field."),
        ({"state": "off"}, "state", "This is an answer, not an input"),
        ({"version": 1}, "version", "This belongs to a change"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(
    story: Story, api: Api, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], field: str, message: str
) -> None:
    names = {"example.com": ["93.184.215.14"]}

    def resolve(host: str, port: int) -> list[str]:
        if host.endswith(".example"):
            raise OSError("unknown")
        return names.get(host, [host])

    monkeypatch.setattr("delivery.api.looked_up", lambda url, policy: addresses.looked_up(url, policy, resolve))
    for key in ({}, {"idempotency_key": "k"}):
        refused = api.post("webhooks/", {**body(story, "https://example.com/hook"), **said}, status=400, **key)

        [error] = refused["errors"]
        assert error["field"] == field
        assert message in error["message"]
    assert not Endpoint.objects.exists()


def test_outside_of_demo_mode_this_machine_is_not_called(story: Story, api: Api, settings: Any) -> None:
    webhook = add(api, story, "http://127.0.0.1:9/")
    settings.WEBHOOK_LOOPBACK = False

    made = api.post("webhooks/", body(story, "https://127.0.0.1/"), status=400)
    changed = api.patch(f"webhooks/{webhook['id']}/", {"url": "https://127.0.0.1/"}, status=400)
    tested = api.post(f"webhooks/{webhook['id']}/test", status=200)

    assert made["errors"][0]["field"] == changed["errors"][0]["field"] == "url"
    assert "is not a public address" in made["detail"]
    assert (tested["state"], tested["log"][0]["status"]) == ("PENDING", None)
    assert "The address must begin with https://." in tested["log"][0]["error"]


def test_a_webhook_stays_with_its_brand(story: Story) -> None:
    other = Story(name="Other")
    api = Api(User.objects.create_superuser("root"))
    webhook = add(api, story, "http://127.0.0.1:9/")

    refused = api.patch(f"webhooks/{webhook['id']}/", {"brand": str(other.brand.pk)}, status=400)

    assert refused["brand"] == ["A webhook stays with its brand. Add another one there."]


@pytest.mark.parametrize("kind", ["webhooks/", "receivers/"])
def test_names_are_asked_for_once_and_before_there_is_a_transaction(
    story: Story, api: Api, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    real, before, depths = socket.getaddrinfo, len(connection.savepoint_ids), []

    def asked(host: Any, *args: Any, **more: Any) -> Any:
        if host == "127.0.0.2":
            depths.append(len(connection.savepoint_ids))
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    said = body(story, "http://127.0.0.2:9/")
    if kind == "receivers/":
        said = {"brand": said["brand"], "kind": "SLACK", "name": "#acme", "address": said["url"]}
    made = [api.post(kind, said, idempotency_key="k") for _ in range(2)]

    assert made[0]["id"] == made[1]["id"]
    assert depths == [before, before]


# --- Receivers --------------------------------------------------------------------------------------------------------


def test_a_receiver_by_mail_is_told_of_an_alert_and_its_message_is_in_the_log(story: Story, api: Api) -> None:
    made = api.post(
        "receivers/",
        {"brand": str(story.brand.pk), "kind": "EMAIL", "name": "Buyers", "address": "ann@example.com; bob@example.com",
         "minimum_severity": "critical", "quiet_from": "22:00", "quiet_until": "07:00", "digest_hour": 8},
    )  # fmt: skip
    # At noon of the brand's clock, in no quiet hour and after the digest's.
    story.now = story.now.astimezone(story.zone).replace(hour=12, minute=0) + timedelta(days=1)
    Endpoint.objects.update(digest_on=story.now.date())
    story.spend(story.campaign(), "100")
    alerts.look(story.now)
    telling.tell_all(story.now)
    deliver(story)

    assert (made["address"], made["minimum_severity"]) == ("ann@example.com, bob@example.com", "critical")
    assert (made["quiet_from"], made["digest_hour"], made["quiet_for_critical"]) == ("22:00:00", 8, False)
    assert [message.to for message in mail.outbox] == [["ann@example.com", "bob@example.com"]]
    [listed] = api.get(f"deliveries/?endpoint={made['id']}&kind=EMAIL&type=people.message")["results"]
    assert listed["state"] == "SENT"
    assert "daily budget used up" in json.loads(api.get(f"deliveries/{listed['id']}")["body"])["subject"]


def test_the_address_of_a_slack_channel_is_shown_nowhere(story: Story, api: Api, workspace: SlackReceiver) -> None:
    said = {"brand": str(story.brand.pk), "kind": "SLACK", "name": "#acme", "address": f"{workspace.url}{SLACK_PATH}"}
    made = api.post("receivers/", said, idempotency_key="k")
    path = f"receivers/{made['id']}"

    tested = api.post(f"{path}/test", status=200)
    same = api.patch(f"{path}/", {"address": made["address"], "name": "#acme-budgets"})
    moved = api.patch(f"{path}/", {"address": f"{workspace.url}/services/other", "version": 2})
    stale = api.patch(f"{path}/", {"name": "x", "version": 1}, status=409)

    assert made["address"] == f"{workspace.url}/…"
    assert (tested["state"], [one[0] for one in workspace.got]) == ("SENT", [SLACK_PATH])
    assert (same["name"], same["version"], moved["version"], stale["code"]) == ("#acme-budgets", 2, 3, "conflict")
    assert unseal(Endpoint.objects.get().secret) == f"{workspace.url}/services/other"
    assert "s3cretpathofslack" not in texts_in_the_database()
    assert "s3cretpathofslack" not in json.dumps([made, tested, same, api.get("deliveries/")])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"kind": "WEBHOOK"}, "kind", "not a valid choice"),
        ({"address": "ann"}, "address", "“ann” is not an e-mail address."),
        ({"address": ""}, "address", "This is needed."),
        ({"address": TOO_LONG}, "address", "Together the addresses are longer than 1,000 characters; a mailing list"),
        ({"kind": "SLACK", "address": "https://10.0.0.7/x"}, "address", "is not a public address"),
        ({"quiet_from": "22:00"}, "quiet_until", "Quiet hours need a beginning and an end"),
        ({"quiet_from": "22:00+01:00"}, "quiet_from", "without a zone"),
        ({"digest_hour": 24}, "digest_hour", "less than or equal to 23"),
        ({"minimum_severity": "grave"}, "minimum_severity", "not a valid choice"),
        ({"minimum_severity": 30}, "minimum_severity", "not a valid choice"),
        ({"brand": None}, "brand", "Choose the brand. All of them are for who sees all brands."),
        ({"brand": "00000000-0000-4000-8000-000000000000"}, "brand", "There is no such brand."),
    ],
)  # fmt: skip
def test_what_a_receiver_cannot_be_is_refused_at_its_field(
    story: Story, api: Api, said: dict[str, Any], field: str, message: str
) -> None:
    good = {"brand": str(story.brand.pk), "kind": "EMAIL", "name": "Buyers", "address": "ann@example.com"}

    [error] = api.post("receivers/", {**good, **said}, status=400)["errors"]

    assert error["field"] == field
    assert message in error["message"]
    assert not Endpoint.objects.exists()


def test_a_receiver_of_all_brands_is_for_who_sees_all_brands(story: Story, api: Api) -> None:
    boss = Api(person("boss", "administrator"))
    made = boss.post("receivers/", {"kind": "EMAIL", "name": "Boss", "address": "boss@example.com"})

    assert made["brand"] is None
    assert boss.get("receivers/")["count"] == 1
    assert api.get("receivers/")["count"] == 0
    for path in (f"receivers/{made['id']}/", f"webhooks/{made['id']}/"):
        api.get(path, status=404)
    token = Api(token=token_for(User.objects.get(username="boss"), "manage", [story.brand]))
    token.get(f"receivers/{made['id']}/", status=404)
    token.post("receivers/", {"kind": "EMAIL", "name": "x", "address": "x@example.com"}, status=400)


# --- Whose it is, and how much it asks of the database ----------------------------------------------------------------


def test_nobody_sees_or_touches_what_belongs_to_another_brand(story: Story, api: Api) -> None:
    theirs = Story(name="Zebra")
    inputs = {"name": "Zebra's", "url": "http://127.0.0.1:9/", "events": STATE_CHANGES}
    endpoint, _ = services.add_endpoint(
        theirs.brand.pk, inputs, policy=addresses.Policy(frozenset(), loopback=True), actor=ACTOR, now=story.now
    )
    message = services.ping(endpoint.pk, actor=ACTOR, now=story.now)

    for path in (
        "webhooks/",
        "deliveries/",
        f"deliveries/?endpoint={endpoint.pk}",
        f"webhooks/?brand={theirs.brand.pk}",
    ):
        assert api.get(path)["count"] == 0
    api.get(f"webhooks/{endpoint.pk}/", status=404)
    api.get(f"deliveries/{message.pk}/", status=404)
    for path in (
        f"webhooks/{endpoint.pk}/test", f"webhooks/{endpoint.pk}/new-secret", f"webhooks/{endpoint.pk}/switch-on",
        f"webhooks/{endpoint.pk}/resend-parked", f"deliveries/{message.pk}/resend", f"receivers/{endpoint.pk}/test",
    ):  # fmt: skip
        api.post(path, {}, status=404)
    api.post("webhooks/", body(theirs, "http://127.0.0.1:9/"), status=400)
    assert Delivery.objects.count() == 1


def test_who_may_only_operate_sees_no_webhooks_and_a_token_that_reads_neither(story: Story) -> None:
    oscar = Api(person("oscar", "operator", [story.brand]))
    reading = Api(token=token_for(person("mia", "manager", [story.brand]), "read"))

    for caller in (oscar, reading):
        for path in ("webhooks/", "receivers/", "deliveries/"):
            assert "It needs the permission delivery.view_" in caller.get(path, status=403)["detail"]


def test_lists_ask_as_much_of_the_database_for_many_as_for_one(story: Story, api: Api) -> None:
    campaign = story.campaign()

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get(path)
        return len(captured)

    add(api, story, "http://127.0.0.1:9/")
    park(story, campaign, 1)
    paths = ("webhooks/", "deliveries/")
    few = [queries(path) for path in paths]
    for number in range(4):
        add(api, story, "http://127.0.0.1:9/", name=f"{number}")
    park(story, campaign, 4)

    assert api.get("webhooks/")["count"] == 5
    assert api.get("deliveries/")["count"] > 10
    assert [queries(path) for path in paths] == few


def test_an_unknown_message_is_not_found_and_days_are_whole_numbers(api: Api) -> None:
    assert api.get("deliveries/999999999999999999/", status=404)["code"] == "not_found"
    api.get(f"deliveries/{uuid4()}/", status=404)
    for days in ("0", "367", "1.5", "many"):
        assert api.get(f"deliveries/?days={days}", status=400)["errors"][0]["field"] == "days"
