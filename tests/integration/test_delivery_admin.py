"""Webhooks in the admin: set up, tried, read, switched off and on, and sent again, by who may."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from standardwebhooks import Webhook

from access.roles import Role
from brands.models import AuditEntry
from delivery import outlets, relay, services, webhooks
from delivery.models import Delivery, DeliveryState, Endpoint
from tests.factories import ACTOR, Story
from tests.integration.admin_client import Person, errors_of, messages_of, text_of
from tests.integration.people import at_the_admin, person
from tests.integration.receiver import Receiver, Reply, receiving

pytestmark = pytest.mark.django_db
STATE_CHANGES = ["campaign.state_changed"]


@pytest.fixture(autouse=True)
def _demo(settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = True


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def add(ann: Person, url: str, **more: Any) -> Any:
    typed = {"brand": str(ann.story.brand.pk), "name": "Bidder", "url": url, "events": STATE_CHANGES, **more}
    return ann.sends("delivery_endpoint_add", **typed)


def deliver(story: Story) -> dict[str, int]:
    return relay.run(clock=lambda: story.now, send=outlets.send)


def test_a_webhook_is_added_its_secret_shown_once_and_a_test_arrives(
    story: Story, ann: Person, receiver: Receiver
) -> None:
    shown = add(ann, receiver.url)
    [secret] = set(re.findall(r"whsec_[A-Za-z0-9+/=]+", shown.content.decode()))
    endpoint = Endpoint.objects.get()

    tested = ann.sends("delivery_endpoint_send_test", endpoint.pk)

    [got] = receiver.got
    assert "no-store" in shown["Cache-Control"]
    assert secret not in tested.content.decode()
    assert messages_of(tested)[0].startswith("It arrived: status 204 after 0.")
    assert got.type == "webhook.ping"
    # Its clock is the story's, so the library would call it old: only the signature is compared.
    assert got.headers["webhook-signature"] == Webhook(secret).sign(got.id, story.now, got.body)
    assert [entry.action for entry in AuditEntry.objects.order_by("id")][-2:] == ["add webhook", "test webhook"]


def test_a_test_that_does_not_arrive_says_what_was_answered(story: Story, ann: Person, receiver: Receiver) -> None:
    add(ann, receiver.url)
    receiver.answer = lambda got: Reply(404)

    tested = ann.sends("delivery_endpoint_send_test", Endpoint.objects.get().pk)

    assert "It did not arrive: status 404" in messages_of(tested)[0]
    assert "Nothing arrives since" in text_of(tested)


@pytest.mark.need(13)
@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "ftp://x/", "https://127.1/"])
def test_an_address_inside_is_refused_on_its_field(ann: Person, url: str, settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = False

    response = add(ann, url)

    assert list(errors_of(response)) == ["url"]
    assert not Endpoint.objects.exists()


def test_inputs_are_changed_and_a_stale_page_is_refused(ann: Person, receiver: Receiver) -> None:
    add(ann, receiver.url)
    endpoint = Endpoint.objects.get()

    ann.sends("delivery_endpoint_change", endpoint.pk, name="Dashboard", events=["import.finished"])
    stale = ann.sends("delivery_endpoint_change", endpoint.pk, name="Third", expected_version="1")

    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.events) == ("Dashboard", ["import.finished"])
    assert "changed by somebody else" in str(errors_of(stale))


def test_a_new_secret_is_shown_once_and_both_sign(story: Story, ann: Person, receiver: Receiver) -> None:
    old = re.findall(r"whsec_[A-Za-z0-9+/=]+", add(ann, receiver.url).content.decode())[0]
    endpoint = Endpoint.objects.get()

    new = re.findall(r"whsec_[A-Za-z0-9+/=]+", ann.sends("delivery_endpoint_new_secret", endpoint.pk).content.decode())[
        0
    ]
    ann.sends("delivery_endpoint_send_test", endpoint.pk)

    [got] = receiver.got
    assert old != new
    assert got.headers["webhook-signature"].split() == [
        Webhook(one).sign(got.id, story.now, got.body) for one in (new, old)
    ]
    assert "Two sign until" in ann.reads("delivery_endpoint_change", endpoint.pk)


def test_off_and_on_again_with_what_happened_meanwhile(story: Story, ann: Person, receiver: Receiver) -> None:
    campaign = story.campaign()
    add(ann, receiver.url)
    endpoint = Endpoint.objects.get()
    off = ann.sends("delivery_endpoint_switch_off", endpoint.pk, reason="We rebuild it")
    story.pause(campaign)
    deliver(story)
    assert receiver.got == []
    assert "We rebuild it" in text_of(off)

    on = ann.sends("delivery_endpoint_switch_on", endpoint.pk)
    deliver(story)

    assert "messages of what happened meanwhile: 1" in messages_of(on)[0]
    assert len(receiver.got) == 1


def test_a_parked_message_shows_its_attempts_and_body_and_is_sent_again(
    story: Story, ann: Person, receiver: Receiver
) -> None:
    campaign = story.campaign("<script>alert(1)</script>")
    add(ann, receiver.url)
    receiver.answer = lambda got: Reply(500, body=b"<b>no</b>")
    story.pause(campaign)
    deliver(story)
    Delivery.objects.update(state=DeliveryState.PARKED, next_at=None)
    message = Delivery.objects.get()
    page = ann.opens("delivery_delivery_change", message.pk)

    ann.sends("delivery_delivery_resend", message.pk)

    assert "<script>alert" not in page.content.decode()
    assert "<b>no</b>" not in page.content.decode()
    assert "status 500" in text_of(page)
    message.refresh_from_db()
    assert (message.state, message.attempts) == (DeliveryState.PENDING, 0)
    assert AuditEntry.objects.get(action="send again").actor == "user: ann"


def test_several_are_sent_again_by_the_lists_action(story: Story, ann: Person, receiver: Receiver) -> None:
    a, b = story.campaigns("AB")
    add(ann, receiver.url)
    story.pause(a)
    story.pause(b)
    deliver(story)
    chosen = [str(pk) for pk in Delivery.objects.values_list("pk", flat=True)]

    response = ann.client.post(
        reverse("admin:delivery_delivery_changelist"), {"action": "send_again", "_selected_action": chosen}, follow=True
    )
    deliver(story)

    assert messages_of(response) == ["Sent again within seconds: 2. What waits anyway is not counted."]
    assert len(receiver.got) == 4
    assert len(set(receiver.ids)) == 2


def test_lists_say_what_works_and_what_waits(story: Story, ann: Person, receiver: Receiver) -> None:
    campaign = story.campaign()
    add(ann, receiver.url)
    receiver.answer = lambda got: Reply(500)
    story.pause(campaign)
    deliver(story)

    webhooks_list = ann.reads("delivery_endpoint_changelist", state="fails")
    messages = ann.reads("delivery_delivery_changelist", state="PENDING")

    assert "Fails" in webhooks_list
    assert "1 wait" in webhooks_list
    assert "1 of 10" in messages
    assert "Bidder" not in ann.reads("delivery_endpoint_changelist", state="off")


@pytest.mark.need(3)
@pytest.mark.parametrize("role", list(Role))
def test_webhooks_are_managers_business(role: Role, story: Story, receiver: Receiver) -> None:
    inputs = {"name": "Bidder", "url": receiver.url, "events": STATE_CHANGES}
    endpoint, _ = services.add_endpoint(story.brand.pk, inputs, policy=webhooks.policy(), actor=ACTOR, now=story.now)
    client = at_the_admin(person(role, story.brand))
    pages = [reverse(f"admin:delivery_{name}_changelist") for name in ("endpoint", "delivery")]
    pages.append(reverse("admin:delivery_endpoint_change", args=[endpoint.pk]))
    pages.append(reverse("admin:delivery_endpoint_switch_off", args=[endpoint.pk]))

    seen = {client.get(page).status_code for page in pages}

    assert seen == ({200} if role in {Role.MANAGER, Role.ADMINISTRATOR} else {403})


@pytest.mark.need(2)
def test_another_brands_webhooks_are_not_there(story: Story, receiver: Receiver) -> None:
    theirs = Story(name="Zebra")
    inputs = {"name": "Okapi", "url": receiver.url, "events": STATE_CHANGES}
    endpoint, _ = services.add_endpoint(theirs.brand.pk, inputs, policy=webhooks.policy(), actor=ACTOR, now=story.now)
    message = services.ping(endpoint.pk, actor=ACTOR, now=story.now)
    client = at_the_admin(person(Role.MANAGER, story.brand))

    for name in ("endpoint", "delivery"):
        assert "Okapi" not in client.get(reverse(f"admin:delivery_{name}_changelist")).content.decode()
    for page in ("change", "send_test", "new_secret", "switch_off"):
        url = reverse(f"admin:delivery_endpoint_{page}", args=[endpoint.pk])
        assert {client.get(url).status_code, client.post(url, {"reason": "x"}).status_code} == {302}
    assert client.post(reverse("admin:delivery_delivery_resend", args=[message.pk])).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.off_at, endpoint.version, receiver.got) == (None, 1, [])
