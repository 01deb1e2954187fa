"""From what happened to whom it is told: taken up, signed, sent in order, tried again, parked, and sent again."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from standardwebhooks import Webhook, WebhookVerificationError

from alerts import services as alerts
from alerts.models import Alert
from brands.models import AuditEntry
from budget_system import clock
from budget_system.errors import Conflict, Refused
from budget_system.sealed import renew_all, seal, unreadable, unseal
from campaigns.models import Campaign, StateChange
from delivery import intake, outlets, relay, secrets, services
from delivery.addresses import Policy
from delivery.models import Attempt, Delivery, DeliveryState, Endpoint, Relay
from delivery.outlets import Outgoing
from delivery.payload import CHOSEN, EventType
from delivery.schedule import ATTEMPTS, BREAKER, GIVE_UP, OUTAGE, WAITS, Answer
from pacing.models import BreakerChange, PaceAlert
from spending.models import ImportState, SpendImport
from tests.factories import ACTOR, Story
from tests.figures import Figure
from tests.integration.receiver import Got, Receiver, Reply, receiving

pytestmark = pytest.mark.django_db

HERE = Policy(frozenset({443}), loopback=True)
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "webhooks-v1.json"


@pytest.fixture(autouse=True)
def _demo(settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = True


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def endpoint_at(story: Story, url: str, name: str = "Bidder", events: Any = CHOSEN) -> tuple[Endpoint, str]:
    inputs = {"name": name, "url": url, "events": list(events)}
    return services.add_endpoint(story.brand.pk, inputs, policy=HERE, actor=ACTOR, now=story.now)


def deliver(story: Story) -> dict[str, int]:
    return relay.run(clock=lambda: story.now, send=outlets.send)


def later(story: Story, wait: timedelta) -> None:
    story.now += wait


def state_of(delivery: Delivery) -> tuple[str, int]:
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts


# --- What is told ----------------------------------------------------------------------------------------------------


def test_a_state_change_is_told_within_one_run_and_only_once(story: Story, receiver: Receiver) -> None:
    campaign = story.campaign("Search")
    endpoint_at(story, receiver.url)
    story.spend(campaign, "100")

    first, second = deliver(story), deliver(story)

    [got] = receiver.got
    change = StateChange.objects.get()
    assert (first["taken_up"], first["sent"], second) == (1, 1, {"taken_up": 0})
    assert got.id == f"campaign_state_changed_{change.pk.hex}"
    assert json.loads(got.body) | {"data": None} == {
        "id": got.id, "type": "campaign.state_changed", "version": 1, "timestamp": "2026-05-05T10:00:00Z", "data": None,
    }  # fmt: skip
    assert got.data["campaign"]["name"] == "Search"
    assert got.data["to"] == {"status": "PAUSED", "holds": ["DAILY_BUDGET_EXCEEDED"]}
    assert got.data["figures"][0]["budget"] == "100.00"
    assert ACTOR not in got.body
    assert Delivery.objects.get().state == DeliveryState.SENT
    assert Attempt.objects.get().status == 204


def everything(story: Story) -> None:
    """One of each kind of record that is told of."""
    campaign = story.campaign("Search", external_id="7")
    story.spend(campaign, "100")
    alert = PaceAlert.objects.create(
        campaign=campaign, channel="search", kind="under_pacing", severity="warning", message="Behind", action="Look",
        pace=0.5, raised_at=story.now,
    )  # fmt: skip
    PaceAlert.objects.filter(pk=alert.pk).update(cleared_at=story.now)
    BreakerChange.objects.create(
        campaign=campaign, channel="search", at=story.now, from_state="closed", to_state="open", reason="CPA",
        actor=ACTOR,
    )  # fmt: skip
    record = an_import(story)
    record.brands.set([story.brand])
    alerts.look(story.now)
    alerts.resolve(Alert.objects.values_list("pk", flat=True), actor=ACTOR, now=story.now)


def an_import(story: Story) -> SpendImport:
    return SpendImport.objects.create(
        file_name="may.csv", digest="x", size=1, state=ImportState.UNDONE, created_at=story.now, created_by=ACTOR,
        finished_at=story.now, undone_at=story.now, rows=2, accepted=1, rejected=1, first_day="2026-05-01",
        last_day="2026-05-02",
    )  # fmt: skip


def test_each_kind_of_event_is_told_as_the_schema_says(story: Story, receiver: Receiver) -> None:
    endpoint, _ = endpoint_at(story, receiver.url)
    everything(story)
    deliver(story)
    ping = services.ping(endpoint.pk, actor=ACTOR, now=story.now)

    answer = relay.send_now(ping.pk, clock=lambda: story.now, send=outlets.send)

    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert answer.arrived
    assert {got.type for got in receiver.got} == {kind.value for kind in (*CHOSEN, EventType.PING)}
    for got in receiver.got:
        validator.validate(json.loads(got.body))
    broken = next(json.loads(got.body) for got in receiver.got if got.type == EventType.STATE_CHANGED)
    del broken["data"]["campaign"]
    assert not validator.is_valid(broken)


def test_an_import_of_several_brands_is_told_to_none_of_them(story: Story, receiver: Receiver) -> None:
    endpoint_at(story, receiver.url)
    an_import(story).brands.set([story.brand, Story(name="Zebra").brand])

    deliver(story)

    assert receiver.got == []


def test_an_endpoint_is_told_what_it_chose_of_its_own_brand_from_its_beginning_on(
    story: Story, receiver: Receiver
) -> None:
    campaign = story.campaign()
    story.pause(campaign)
    later(story, timedelta(seconds=1))
    endpoint_at(story, receiver.url, "all")
    endpoint_at(story, receiver.url + "?imports", "imports", [EventType.IMPORT_FINISHED])
    other = Story(name="Other")
    other.pause(other.campaign())

    deliver(story)
    assert receiver.got == []
    story.activate(campaign)
    deliver(story)

    assert [got.data["to"]["status"] for got in receiver.got] == ["ACTIVE"]


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.fault(50)
def test_what_is_committed_late_is_told_all_the_same(story: Story, receiver: Receiver, figure: Figure) -> None:
    """Two interleaved transactions: the one whose record is older commits after the relay has seen the newer one."""
    endpoint_at(story, receiver.url)
    early, late = story.campaign("early"), story.campaign("late")
    story.clock("2026-05-05 12:00")
    now = clock.now()
    Endpoint.objects.update(starts_at=now - timedelta(hours=2))
    Relay.objects.update(looked_until=now)
    other = connections.create_connection("default")
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")  # its transaction has begun; its record is made now
            old = a_change(early, now)
            later_ids = a_change(late, now)
            late_row = StateChange(**later_ids)
            late_row.save(force_insert=True)
            assert intake.take_up(now) == 1
            # Long after: the look back alone would not reach so far.
            for minutes in range(1, 60):
                intake.take_up(now + timedelta(minutes=minutes))
            assert Relay.objects.get().looked_until < now + timedelta(minutes=1)  # type: ignore[operator]
            fields = StateChange._meta.concrete_fields
            row = StateChange(**old)
            names = ",".join(f'"{field.column}"' for field in fields)
            values = [field.get_db_prep_save(getattr(row, field.attname), other) for field in fields]
            cursor.execute(
                f"INSERT INTO campaigns_statechange ({names}) VALUES ({','.join(['%s'] * len(values))})", values
            )
        other.commit()
    finally:
        other.close()

    assert intake.take_up(now + timedelta(hours=1)) == 1
    assert intake.take_up(now + timedelta(hours=1)) == 0
    assert Delivery.objects.count() == 2
    figure(f"two records, one committed an hour after its id was made: lost {2 - Delivery.objects.count()}")


def a_change(campaign: Campaign, at: datetime) -> dict[str, Any]:
    from budget_system.ids import new_id

    return {
        "id": new_id(), "campaign_id": campaign.pk, "brand_id": campaign.brand_id, "at": at, "from_status": "ACTIVE",
        "to_status": "PAUSED", "from_holds": (), "to_holds": campaign.holds, "figures": [], "cause": "a test",
        "actor": ACTOR,
    }  # fmt: skip


def test_after_an_outage_everything_is_taken_up_in_bounded_steps(
    story: Story, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "AT_ONCE", 3)
    campaign = story.campaign()
    endpoint_at(story, receiver.url)
    for _ in range(4):
        later(story, timedelta(hours=6))
        story.pause(campaign)
        story.activate(campaign)

    taken = [intake.take_up(story.now) for _ in range(4)]
    deliver(story)

    assert taken == [3, 3, 2, 0]
    assert [got.data["to"]["status"] for got in receiver.got] == ["PAUSED", "ACTIVE"] * 4


# --- Signatures (security 12) and the receiver's side (fault 49) ----------------------------------------------------


@pytest.mark.need(12)
def test_the_official_library_verifies_what_came_and_nothing_else(story: Story, receiver: Receiver) -> None:
    story.now = clock.now()
    campaign = story.campaign()
    _, secret = endpoint_at(story, receiver.url)
    story.pause(campaign)
    deliver(story)
    [got] = receiver.got

    assert Webhook(secret).verify(got.body, got.headers)["type"] == "campaign.state_changed"
    for body, headers in (
        (got.body.replace("PAUSED", "PAUSEd"), got.headers),
        (got.body, {**got.headers, "webhook-id": got.id + "x"}),
        (got.body, {**got.headers, "webhook-timestamp": str(int(got.headers["webhook-timestamp"]) + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets.new_secret()).verify(got.body, got.headers)


@pytest.mark.need(12)
def test_two_secrets_sign_for_a_day_when_one_replaces_the_other(story: Story, receiver: Receiver) -> None:
    story.now = clock.now()
    campaign = story.campaign()
    endpoint, old = endpoint_at(story, receiver.url)
    _, new = services.new_endpoint_secret(endpoint.pk, at_once=False, actor=ACTOR, now=story.now)
    story.pause(campaign)
    deliver(story)
    later(story, services.OVERLAP)
    endpoint.refresh_from_db()

    [got] = receiver.got
    assert Webhook(old).verify(got.body, got.headers)
    assert Webhook(new).verify(got.body, got.headers)
    assert len(endpoint.secrets_at(story.now)) == 1
    assert len(endpoint.secrets_at(story.now - timedelta(seconds=1))) == 2


@pytest.mark.need(12)
def test_a_secret_is_nowhere_in_the_database_and_follows_the_newest_key(
    story: Story, receiver: Receiver, settings: Any
) -> None:
    endpoint, secret = endpoint_at(story, receiver.url)
    rows = [str(row) for model in (Endpoint, AuditEntry, Delivery) for row in model._default_manager.values_list()]
    assert not [row for row in rows if secret in row or secret.removeprefix("whsec_") in row]

    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    call_command("renew_encryption")
    settings.SECRET_KEY = "another" * 10
    endpoint.refresh_from_db()

    assert unseal(endpoint.secret) == secret
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(Refused, match="ENCRYPTION_KEYS"):
        unseal(endpoint.secret)


def test_a_secret_that_cannot_be_read_is_a_failed_attempt_that_says_so(
    story: Story, receiver: Receiver, settings: Any
) -> None:
    campaign = story.campaign()
    endpoint_at(story, receiver.url)
    story.pause(campaign)
    settings.SECRET_KEY = "another" * 10

    assert deliver(story)["failed"] == 1

    assert "enter the secret anew" in Attempt.objects.get().error
    assert receiver.got == []


@pytest.mark.need(12)
def test_a_secret_that_no_key_opens_is_replaced_at_once(story: Story, receiver: Receiver, settings: Any) -> None:
    story.now = clock.now()
    campaign = story.campaign()
    endpoint, _ = endpoint_at(story, receiver.url)
    settings.SECRET_KEY = "another" * 10

    changed, new = services.new_endpoint_secret(endpoint.pk, at_once=False, actor=ACTOR, now=story.now)
    story.pause(campaign)
    deliver(story)

    [got] = receiver.got
    assert Webhook(new).verify(got.body, got.headers)
    assert (changed.former_secret, changed.former_until) == ("", None)
    assert unreadable() == {}
    assert renew_all()["webhooks"] == 1


def test_a_former_secret_is_forgotten_when_it_signs_no_more(story: Story, settings: Any) -> None:
    """So that one whose key is gone keeps nobody from changing keys."""
    endpoint, _ = endpoint_at(story, "http://127.0.0.1:9/")
    services.new_endpoint_secret(endpoint.pk, at_once=False, actor=ACTOR, now=story.now)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    Endpoint.objects.update(secret=seal("whsec_x"))
    settings.SECRET_KEY = "another" * 10

    assert services.forget_former_secrets(story.now + services.OVERLAP - timedelta(seconds=1)) == 0
    assert unreadable() == {"webhooks": 1}
    assert services.forget_former_secrets(story.now + services.OVERLAP) == 1
    assert unreadable() == {}
    assert renew_all()["webhooks"] == 1


# --- Failing receivers (fault 48) ------------------------------------------------------------------------------------


@pytest.mark.fault(48)
@pytest.mark.slow
def test_a_receiver_that_is_down_for_a_day_gets_everything_in_order(
    story: Story, receiver: Receiver, figure: Figure
) -> None:
    a, b = story.campaigns("AB")
    endpoint_at(story, receiver.url)
    receiver.answer = lambda got: Reply(500)
    for hour in range(24):
        story.pause(a) if hour % 2 == 0 else story.activate(a)
        if hour == 20:
            story.pause(b)
        for _ in range(6):
            deliver(story)
            later(story, timedelta(minutes=10))
    calls = len(receiver.got)
    receiver.got.clear()
    receiver.answer = lambda got: Reply()
    ticks = 0
    while Delivery.objects.filter(state=DeliveryState.PENDING).exists():
        later(story, timedelta(minutes=1))
        deliver(story)
        ticks += 1
        assert ticks < 24 * 60

    wanted = [row.pk.hex for row in StateChange.objects.order_by("id")]
    of_a = [got.data["to"]["status"] for got in receiver.got if got.data["campaign"]["id"] == str(a.pk)]
    out_of_order = sum(one == other for one, other in pairwise(of_a))
    figure(
        f"down for a day: {len(wanted)} events, delivered {len(set(receiver.ids))}, out of order {out_of_order}, "
        f"{calls} calls meanwhile, all there {ticks} min after its return"
    )
    assert sorted(one.rsplit("_", 1)[1] for one in receiver.ids) == sorted(wanted)
    assert of_a == ["PAUSED", "ACTIVE"] * 12
    assert calls < 24 * 6
    assert ticks <= 15


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_sending_again_what_is_parked_holds_up_no_relay(story: Story) -> None:
    endpoint, _ = endpoint_at(story, "http://127.0.0.1:9/")
    story.pause(story.campaign())
    intake.take_up(story.now)
    Delivery.objects.update(state=DeliveryState.PARKED, next_at=None)

    def again() -> tuple[int, int]:
        try:
            return services.resend_parked(endpoint.pk, actor=ACTOR, now=story.now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        services.lock(endpoint.pk)  # as the relay does, which writes what came of an attempt
        assert pool.submit(again).result(10) == (1, 0)


@pytest.mark.fault(48)
@pytest.mark.slow
def test_what_fails_ten_times_is_parked_and_a_person_sends_it_again(
    story: Story, receiver: Receiver, figure: Figure
) -> None:
    campaign = story.campaign()
    endpoint_at(story, receiver.url)
    receiver.answer = lambda got: Reply(500, body=b"broken")
    story.pause(campaign)
    deliver(story)
    for attempts, wait in enumerate(WAITS, 1):
        Endpoint.objects.update(failures=1, leave_until=None)  # as if others arrive: no probes here
        later(story, wait - timedelta(seconds=1))
        assert "failed" not in deliver(story)
        later(story, timedelta(seconds=1))
        deliver(story)
        assert Attempt.objects.count() == attempts + 1
    delivery = Delivery.objects.get()
    assert state_of(delivery) == (DeliveryState.PARKED, ATTEMPTS)
    assert [attempt.answer for attempt in Attempt.objects.all()] == ["broken"] * ATTEMPTS

    receiver.answer = lambda got: Reply()
    later(story, BREAKER[-1])
    assert services.resend([delivery.pk], actor=ACTOR, now=story.now) == 1
    deliver(story)

    assert state_of(delivery) == (DeliveryState.SENT, 1)
    assert len(set(receiver.ids)) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert AuditEntry.objects.get(action="send again").after == {"message": delivery.message_id}
    figure(f"{ATTEMPTS} attempts, then parked; sent again by a person: same id, same bytes")


@pytest.mark.fault(48)
@pytest.mark.slow
def test_while_a_receiver_is_down_one_message_sees_every_quarter_of_an_hour_whether_it_is_back(
    story: Story, receiver: Receiver
) -> None:
    campaign = story.campaign()
    endpoint_at(story, receiver.url)
    receiver.answer = lambda got: Reply(500)
    story.pause(campaign)
    tried: list[datetime] = []
    for _ in range(100):
        before = len(receiver.got)
        deliver(story)
        tried += [story.now] * (len(receiver.got) - before)
        later(story, timedelta(minutes=1))
    delivery = Delivery.objects.get()
    gaps = [after - before for before, after in zip(tried[OUTAGE:], tried[OUTAGE + 1 :], strict=False)]

    assert delivery.attempts == 4  # at once, after 5 s, 5 min, 30 min; the rest were probes
    assert max(gaps) <= BREAKER[-1]
    assert min(gaps[2:]) >= timedelta(minutes=10)

    receiver.answer = lambda got: Reply()
    later(story, BREAKER[-1])
    assert deliver(story)["sent"] == 1


@pytest.mark.fault(48)
def test_gone_switches_off_and_switching_on_tells_what_was_missed_if_asked(story: Story, receiver: Receiver) -> None:
    campaign = story.campaign()
    endpoint, _ = endpoint_at(story, receiver.url)
    receiver.answer = lambda got: Reply(410)
    story.pause(campaign)
    deliver(story)
    later(story, timedelta(hours=1))
    story.activate(campaign)
    later(story, timedelta(hours=1))
    deliver(story)
    endpoint.refresh_from_db()
    assert "410" in endpoint.off_reason
    assert AuditEntry.objects.get(action="switch off webhook").actor == "worker"
    assert len(receiver.got) == 1
    with pytest.raises(Refused, match="switched off"):
        services.resend([Delivery.objects.get().pk], actor=ACTOR, now=story.now)

    receiver.answer = lambda got: Reply()
    _, made = services.switch_on(endpoint.pk, catch_up=True, actor=ACTOR, now=story.now)
    deliver(story)

    assert made == 1
    assert [got.data["to"]["status"] for got in receiver.got] == ["PAUSED", "ACTIVE"]


def test_switching_on_without_catching_up_begins_now(story: Story, receiver: Receiver) -> None:
    campaign = story.campaign()
    endpoint, _ = endpoint_at(story, receiver.url)
    services.switch_off(endpoint.pk, reason="A rebuild", actor=ACTOR, now=story.now)
    later(story, timedelta(minutes=1))
    story.pause(campaign)
    deliver(story)
    later(story, timedelta(minutes=1))

    _, made = services.switch_on(endpoint.pk, catch_up=False, actor=ACTOR, now=story.now)
    deliver(story)

    assert (made, receiver.got) == (0, [])


@pytest.mark.fault(48)
def test_five_days_without_an_arrival_switch_off_and_say_so(
    story: Story, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = story.campaign()
    endpoint, _ = endpoint_at(story, receiver.url)
    receiver.answer = lambda got: Reply(500)
    story.pause(campaign)
    deliver(story)
    later(story, GIVE_UP)
    deliver(story)
    endpoint.refresh_from_db()

    assert endpoint.off_reason == "Nothing has arrived there for 5 days. Last: status 500"
    assert "is switched off" in caplog.text


@pytest.mark.fault(48)
def test_retry_after_holds_back_all_messages_of_the_endpoint(story: Story, receiver: Receiver) -> None:
    a, b = story.campaigns("AB")
    endpoint_at(story, receiver.url)
    receiver.answer = lambda got: Reply(429, {"Retry-After": "900"})
    story.pause(a)
    deliver(story)
    receiver.answer = lambda got: Reply()
    story.pause(b)
    later(story, timedelta(seconds=899))
    deliver(story)
    assert len(receiver.got) == 1
    later(story, timedelta(seconds=1))

    deliver(story)

    assert [got.data["campaign"]["name"] for got in receiver.got] == ["A", "B", "A"]  # who was tried least comes first


@pytest.mark.fault(48)
def test_a_later_message_of_a_campaign_waits_and_other_campaigns_do_not(story: Story, receiver: Receiver) -> None:
    a, b = story.campaigns("AB")
    endpoint_at(story, receiver.url)
    receiver.answer = lambda got: Reply(400 if got.data["campaign"]["name"] == "A" else 204)
    story.pause(a)
    deliver(story)
    later(story, timedelta(seconds=5))
    story.activate(a)
    story.pause(b)
    receiver.got.clear()
    deliver(story)
    later(story, timedelta(seconds=5))
    deliver(story)

    told = [(got.data["campaign"]["name"], got.data["to"]["status"]) for got in receiver.got]
    assert ("A", "ACTIVE") not in told
    assert ("B", "PAUSED") in told


@pytest.mark.fault(48)
@pytest.mark.slow
def test_a_slow_receiver_delays_nobody_else(story: Story, receiver: Receiver, figure: Figure) -> None:
    """Twenty receivers answer nothing until the quick one has heard of each of its campaigns."""
    quick = Story(name="Quick")
    quick.now = story.now
    campaigns = quick.campaigns(str(number) for number in range(20))
    endpoint_at(quick, receiver.url)
    heard = threading.Event()
    waited: list[bool] = []

    def quick_answer(got: Got) -> Reply:
        if len(receiver.got) == 20:
            heard.set()
        return Reply()

    def slow_answer(got: Got) -> Reply:
        waited.append(heard.wait(9))
        return Reply()

    receiver.answer = quick_answer
    with receiving() as slow:
        slow.answer = slow_answer
        slow_campaigns = story.campaigns("AB")
        for number in range(20):
            endpoint_at(story, f"{slow.url}?{number}", f"slow {number}")
        for campaign in slow_campaigns:
            story.pause(campaign)
        for campaign in campaigns:
            quick.pause(campaign)
        began = time.monotonic()
        deliver(story)

    delay = max(got.at for got in receiver.got) - began
    figure(f"20 receivers that do not answer, 40 calls: the quick one had its 20 messages after {delay:.2f} s")
    assert len(slow.got) == 40
    assert waited == [True] * 40


# --- Two relays, and relays that end (fault 50; test_delivery_kill.py kills processes) ------------------------------


def test_a_second_relay_leaves_the_first_alone_and_follows_one_that_fell_silent(
    story: Story, receiver: Receiver
) -> None:
    endpoint_at(story, receiver.url)
    relay._take_office(story.brand.pk, story.now)

    with pytest.raises(relay.AlreadyAtWork):
        deliver(story)
    later(story, relay.OFFICE)

    assert deliver(story) == {"taken_up": 0}


def test_of_two_relays_that_read_the_same_message_one_claims_it(story: Story, receiver: Receiver) -> None:
    campaign = story.campaign()
    endpoint, _ = endpoint_at(story, receiver.url)
    story.pause(campaign)
    intake.take_up(story.now)
    ours, theirs = (Delivery.objects.get() for _ in range(2))

    assert relay._make_mine(ours, endpoint, 1, story.now)
    assert not relay._make_mine(theirs, endpoint, 1, story.now)

    assert state_of(ours) == (DeliveryState.PENDING, 1)


@pytest.mark.fault(50)
def test_what_was_sent_and_not_written_is_sent_again_under_the_same_id(story: Story, receiver: Receiver) -> None:
    campaign = story.campaign()
    endpoint_at(story, receiver.url)
    story.pause(campaign)
    story.activate(campaign)

    class Killed(BaseException):
        pass

    def killed(*args: Any) -> str:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "_settle", killed)
        with pytest.raises(Killed):
            deliver(story)
    deliver(story)
    assert len(receiver.got) == 1  # its lease is not over, and the later one waits
    later(story, relay.LEASE)
    deliver(story)

    assert [got.data["to"]["status"] for got in receiver.got] == ["PAUSED", "PAUSED", "ACTIVE"]
    assert len(set(receiver.ids)) == 2


def test_a_fault_of_our_own_is_an_attempt_that_failed_and_is_raised(story: Story, receiver: Receiver) -> None:
    campaign = story.campaign()
    endpoint_at(story, receiver.url)
    story.pause(campaign)

    def broken(call: Outgoing) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        relay.run(clock=lambda: story.now, send=broken)

    assert Attempt.objects.get().error == "A fault of this system: ZeroDivisionError"
    assert Delivery.objects.get().next_at == story.now + WAITS[0]


def test_no_call_is_made_in_a_transaction(story: Story, receiver: Receiver) -> None:
    campaign = story.campaign()
    endpoint_at(story, receiver.url)
    story.pause(campaign)
    depth = len(connection.savepoint_ids)
    seen: list[int] = []

    def look(call: Outgoing) -> Answer:
        seen.append(len(connection.savepoint_ids))
        return Answer(204)

    with pytest.MonkeyPatch.context() as patch:
        # In this thread, where the connection is, so that what is open is seen.
        patch.setattr(relay, "ThreadPoolExecutor", InThisThread)
        relay.run(clock=lambda: story.now, send=look)

    assert seen == [depth]


class InThisThread:
    def __init__(self, *args: object, **named: object) -> None: ...

    def __enter__(self) -> "InThisThread":
        return self

    def __exit__(self, *args: object) -> None: ...

    def submit(self, send: Any, call: Outgoing) -> Any:
        from concurrent.futures import Future

        future: Future[Answer] = Future()
        future.set_result(send(call))
        return future


# --- Endpoints -------------------------------------------------------------------------------------------------------


@pytest.mark.need(13)
@pytest.mark.parametrize("url", ["http://example.com/", "https://127.0.0.1/", "https://localhost:8443/"])
def test_an_address_that_would_never_be_called_is_refused_at_once(story: Story, url: str) -> None:
    inputs = {"name": "x", "url": url, "events": ["campaign.state_changed"]}

    with pytest.raises(Refused) as refused:
        services.add_endpoint(story.brand.pk, inputs, policy=Policy(frozenset({443, 8443})), actor=ACTOR, now=story.now)

    assert refused.value.field == "url"
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    ("events", "why"), [([], "at least one"), (["x"], "no event called"), (["webhook.ping"], "no event")]
)
def test_events_are_chosen_from_those_there_are(story: Story, receiver: Receiver, events: list[str], why: str) -> None:
    with pytest.raises(Refused, match=why):
        endpoint_at(story, receiver.url, events=events)


def test_a_change_says_before_and_after_and_a_stale_one_is_refused(story: Story, receiver: Receiver) -> None:
    endpoint, _ = endpoint_at(story, receiver.url)

    services.change_endpoint(
        endpoint.pk, {"name": "Other"}, policy=HERE, actor=ACTOR, now=story.now, expected_version=1
    )

    entry = AuditEntry.objects.get(action="change webhook")
    assert (entry.before, entry.after) == ({"name": "Bidder"}, {"name": "Other"})
    with pytest.raises(Conflict):
        services.change_endpoint(
            endpoint.pk, {"name": "Third"}, policy=HERE, actor=ACTOR, now=story.now, expected_version=1
        )


def test_messages_are_kept_for_thirty_days(story: Story, receiver: Receiver) -> None:
    a, b = story.campaigns("AB")
    endpoint_at(story, receiver.url)
    story.pause(a)
    deliver(story)
    receiver.answer = lambda got: Reply(500)
    story.pause(b)
    deliver(story)

    assert intake.tidy(story.now + intake.KEPT) == 0
    assert intake.tidy(story.now + intake.KEPT + timedelta(seconds=1)) == 1
    assert Delivery.objects.get().state == DeliveryState.PENDING
    assert Attempt.objects.count() == 1


def test_production_calls_public_addresses_on_two_ports_only() -> None:
    assert settings.WEBHOOK_PORTS == [443, 8443]
