"""Alerts in the admin: the bell, the list, reading and resolving, rules and receivers, by who may and for their own."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.roles import Role
from alerts import services
from alerts.models import Alert, AlertRule
from brands.models import AuditEntry
from delivery import relay, webhooks
from delivery import services as delivery
from delivery.models import Endpoint
from enforcement import services as enforcement
from tests.factories import ACTOR, Story
from tests.integration.admin_client import Person, errors_of, messages_of, text_of
from tests.integration.people import at_the_admin, person
from tests.integration.slack import SlackReceiver, slack_receiving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _demo(settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = True
    cache.clear()


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


@pytest.fixture
def workspace() -> Iterator[SlackReceiver]:
    with slack_receiving() as receiver:
        yield receiver


def an_alert(story: Story, name: str = "Search") -> Alert:
    campaign = story.campaign(name)
    enforcement.emergency_stop(campaign.pk, reason=f"{name} is wrong", actor=ACTOR, now=story.now)
    services.look(story.now)
    return Alert.objects.get(campaign=campaign)


def test_the_bell_counts_what_is_open_and_unread_on_every_page(story: Story, ann: Person) -> None:
    alert = an_alert(story)
    an_alert(story, "Social")

    before = ann.opens("brands_brand_changelist").content.decode()
    ann.sends("alerts_alert_read_it", alert.pk)
    after = ann.opens("brands_brand_changelist").content.decode()
    services.resolve(Alert.objects.values_list("pk", flat=True), actor=ACTOR, now=story.now)
    none = ann.opens("campaigns_campaign_changelist").content.decode()

    assert 'aria-label="2 unread alerts"' in before
    assert 'aria-label="1 unread alert"' in after
    assert 'aria-label="No unread alerts"' in none


def test_the_bell_takes_one_query(story: Story, ann: Person) -> None:
    an_alert(story)

    with CaptureQueriesContext(connection) as captured:
        ann.opens("brands_brand_changelist")

    assert sum("alerts_alert" in query["sql"] for query in captured) == 1


def test_the_list_shows_what_is_open_and_finds_the_rest(story: Story, ann: Person) -> None:
    alert = an_alert(story)
    an_alert(story, "Social")
    services.resolve([alert.pk], actor=ACTOR, now=story.now)

    shown = ann.reads("alerts_alert_changelist")
    over = ann.reads("alerts_alert_changelist", state="over")
    other_kind = ann.reads("alerts_alert_changelist", kind="DATA_STALE", state="all")
    critical = ann.reads("alerts_alert_changelist", severity="30", state="all")

    assert "Social · Acme: emergency stop" in shown
    assert "Search · Acme: emergency stop" not in shown
    assert "Search · Acme: emergency stop" in over
    assert "Resolved" in over
    assert "emergency stop" not in other_kind
    assert "Social · Acme" in critical


def test_an_alert_is_read_and_resolved_with_who_and_when_on_the_record(story: Story, ann: Person) -> None:
    alert = an_alert(story)
    page = ann.reads("alerts_alert_change", alert.pk)

    ann.sends("alerts_alert_read_it", alert.pk)
    ann.sends("alerts_alert_resolve_it", alert.pk)

    after = ann.reads("alerts_alert_change", alert.pk)
    for said in ("Search is wrong", "Clear it once the cause is gone.", "Since", "nobody has read it"):
        assert said in page
    assert "Tue 12:00 Europe/Berlin, by ann" in after
    assert "it is not raised again until it was gone once" in after
    entries = AuditEntry.objects.filter(object_id=alert.pk).order_by("id").values_list("action", "actor", "brand")
    assert list(entries) == [
        ("read alert", "user: ann", story.brand.pk), ("resolve alert", "user: ann", story.brand.pk),
    ]  # fmt: skip


def test_several_are_resolved_at_once(story: Story, ann: Person) -> None:
    ids = [str(an_alert(story, name).pk) for name in ("A", "B", "C")]

    response = ann.client.post(
        reverse("admin:alerts_alert_changelist"), {"action": "resolve_them", "_selected_action": ids}, follow=True
    )

    assert messages_of(response) == ["Resolved: 3."]
    assert not Alert.objects.open().exists()


@pytest.mark.need(2)
def test_another_brands_alerts_and_those_of_the_system_are_seen_nowhere(story: Story) -> None:
    theirs = Story(name="Zebra")
    alert = an_alert(theirs, "Quagga")
    Alert.objects.create(
        kind="RUNS_MISSED", key="x", severity=30, title="Ticks have stopped", text="Okapi", next_step="x", link="/",
        since=story.now, raised_at=story.now,
    )  # fmt: skip
    client = at_the_admin(person(Role.MANAGER, story.brand))

    pages = [
        client.get(reverse("admin:alerts_alert_changelist"), {"state": "all"}),
        client.get(reverse("admin:alerts_alert_change", args=[alert.pk]), follow=True),
        client.get(reverse("admin:alerts_alert_changelist"), {"brand__id__exact": str(theirs.brand.pk)}),
        client.get(reverse("admin:index")),
    ]
    for action in ("read_it", "resolve_it", "open_page"):
        pages.append(client.post(reverse(f"admin:alerts_alert_{action}", args=[alert.pk]), follow=True))

    for page in pages:
        text = text_of(page)
        assert not any(secret in text for secret in ("Zebra", "Quagga", "Okapi", "Ticks have stopped"))
        assert "unread alerts" not in page.content.decode().replace("No unread alerts", "")
    alert.refresh_from_db()
    assert (alert.read_at, alert.ended_at) == (None, None)


@pytest.mark.need(3)
@pytest.mark.parametrize("role", list(Role))
def test_viewers_see_alerts_and_operators_handle_them(role: Role, story: Story) -> None:
    alert = an_alert(story)
    client = at_the_admin(person(role, story.brand))

    sees = client.get(reverse("admin:alerts_alert_change", args=[alert.pk])).status_code
    resolves = client.post(reverse("admin:alerts_alert_resolve_it", args=[alert.pk]), {"_": "1"}).status_code
    rules = client.get(reverse("admin:alerts_alertrule_add")).status_code
    receivers = client.get(reverse("admin:delivery_receiver_changelist")).status_code

    manages = role in {Role.MANAGER, Role.ADMINISTRATOR}
    alert.refresh_from_db()
    assert sees == 200
    assert (resolves == 302) is (role is not Role.VIEWER) is (alert.resolved_at is not None)
    assert (rules, receivers) == ((200, 200) if manages else (403, 403))


# --- Rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_is_added_and_changed_and_says_in_words_what_it_does(story: Story, ann: Person) -> None:
    ann.sends("alerts_alertrule_add", kind="DAY_USED", brand=str(story.brand.pk), limits="70, 95", on="on")
    rule = AlertRule.objects.get()
    page = ann.reads("alerts_alertrule_change", rule.pk)
    wrong = ann.sends("alerts_alertrule_change", rule.pk, limits="seventy")
    ann.sends("alerts_alertrule_change", rule.pk, on=None)

    rule.refresh_from_db()
    assert (rule.limits, rule.on) == ([70, 95], False)
    assert "Tells when a brand has used 70 or 95 per cent of its daily budget" in page
    assert "within 60 minutes" in page, "what the others do is there to be read"
    assert "Write whole numbers from 1 to 500" in str(errors_of(wrong))
    assert [one.action for one in AuditEntry.objects.filter(object_id=rule.pk).order_by("id")] == [
        "add alert rule", "change alert rule",
    ]  # fmt: skip


def test_a_rule_for_all_brands_is_administrators_business(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    services.add_rule(None, "BREAKER", {"on": False}, actor=ACTOR, now=story.now)
    client = at_the_admin(person(Role.MANAGER, story.brand))

    added = client.post(reverse("admin:alerts_alertrule_add"), {"kind": "DAY_USED", "brand": "", "on": "on"})
    listed = client.get(reverse("admin:alerts_alertrule_changelist"))

    assert errors_of(added)["brand"]
    assert AlertRule.objects.count() == 1
    assert "Circuit breaker open: all" not in text_of(listed)


# --- Receivers -------------------------------------------------------------------------------------------------------


def test_an_e_mail_receiver_is_added_tested_and_changed(story: Story, ann: Person) -> None:
    ann.sends(
        "delivery_receiver_add", kind="EMAIL", brand=str(story.brand.pk), name="Buyers", address="ann@example.com",
        quiet_from="22:00", quiet_until="07:00", digest_hour="9",
    )  # fmt: skip
    receiver = Endpoint.objects.get()
    tested = ann.sends("delivery_receiver_send_test", receiver.pk)
    page = ann.reads("delivery_receiver_change", receiver.pk)
    ann.sends("delivery_receiver_change", receiver.pk, address="bob@example.com", minimum_severity="30")

    receiver.refresh_from_db()
    assert messages_of(tested)[0].startswith("It arrived: status 250")
    assert mail.outbox[0].to == ["ann@example.com"]
    assert "because" not in page.lower(), "what works has no reason"
    assert (receiver.url, receiver.minimum_severity, receiver.digest_hour) == ("bob@example.com", 30, 9)
    listed = ann.reads("delivery_receiver_changelist")
    assert "quiet 22:00 to 07:00" in listed
    assert "Buyers" not in ann.reads("delivery_endpoint_changelist"), "webhooks have a list of their own"


def test_a_slack_receiver_is_set_up_and_its_address_not_shown_again(
    story: Story, ann: Person, workspace: SlackReceiver
) -> None:
    address = f"{workspace.url}/services/T0/B0/verysecret"
    ann.sends("delivery_receiver_add", kind="SLACK", brand=str(story.brand.pk), name="#acme", address=address)
    receiver = Endpoint.objects.get()
    tested = ann.sends("delivery_receiver_send_test", receiver.pk)
    workspace.answer = (404, b"no_service")
    story.now += timedelta(seconds=30)
    failed = ann.sends("delivery_receiver_send_test", receiver.pk)
    ann.sends("delivery_receiver_change", receiver.pk, name="#acme-budgets")

    pages = [
        ann.opens("delivery_receiver_change", receiver.pk), ann.opens("delivery_receiver_changelist"),
        ann.opens("delivery_delivery_changelist"), ann.opens("brands_auditentry_changelist"),
    ]  # fmt: skip
    assert messages_of(tested)[0].startswith("It arrived: status 200")
    assert "It did not arrive: status 404" in messages_of(failed)[0]
    assert not any("verysecret" in page.content.decode() for page in pages)
    assert Endpoint.objects.get().name == "#acme-budgets"


def test_a_receiver_of_all_brands_is_administrators_business(story: Story, ann: Person) -> None:
    manager = at_the_admin(person(Role.MANAGER, story.brand))
    given = {"kind": "EMAIL", "brand": "", "name": "Everything", "address": "a@example.com", "minimum_severity": "20"}

    refused = manager.post(reverse("admin:delivery_receiver_add"), given)
    ann.sends("delivery_receiver_add", kind="EMAIL", brand="", name="Everything", address="a@example.com")
    receiver = Endpoint.objects.get()
    seen = manager.get(reverse("admin:delivery_receiver_changelist"))

    assert errors_of(refused)["brand"]
    assert receiver.brand is None
    assert "Everything" not in text_of(seen)
    assert "all brands" in ann.reads("delivery_receiver_changelist")


# --- The first page --------------------------------------------------------------------------------------------------


def test_the_first_page_names_a_webhook_that_was_given_up(story: Story, ann: Person) -> None:
    inputs = {"name": "Bidder", "url": "http://127.0.0.1:9/", "events": ["campaign.state_changed"]}
    endpoint, _ = delivery.add_endpoint(
        story.brand.pk, inputs, policy=webhooks.policy(), actor=ACTOR, now=story.now
    )  # fmt: skip
    relay._switch_off(endpoint, "It answered 410 Gone", story.now)
    theirs = at_the_admin(person(Role.MANAGER, Story(name="Zebra").brand))

    assert "Acme: “Bidder” (Webhook) was switched off: nothing arrived there" in ann.reads("index")
    assert "Bidder" not in text_of(theirs.get(reverse("admin:index")))
