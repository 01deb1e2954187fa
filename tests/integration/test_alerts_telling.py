"""People are told: once, the gravest first, not in quiet hours, once a day in a digest; by e-mail and in Slack."""

import json
import smtplib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections

from alerts import services as alerts
from alerts import telling
from alerts.models import Alert, Told
from brands.models import AuditEntry
from budget_system.errors import Refused
from budget_system.sealed import unseal
from delivery import outlets, receivers, relay
from delivery import services as delivery
from delivery.addresses import Policy
from delivery.messages import Message, Part, as_html, as_text, message_body, one_line, slack
from delivery.models import Attempt, Delivery, DeliveryState, Endpoint
from delivery.quiet import is_quiet
from delivery.severity import Severity
from enforcement import services as enforcement
from tests.factories import ACTOR, Story
from tests.integration.slack import SlackReceiver, slack_receiving

pytestmark = pytest.mark.django_db
HERE = Policy(frozenset({443}), loopback=True)
PATH = "/services/T0AAAAAAA/B0BBBBBBB/s3cretpathofslack"


@pytest.fixture(autouse=True)
def _demo(settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = True
    settings.PUBLIC_URL = "https://budget.example.com"


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def workspace() -> Iterator[SlackReceiver]:
    with slack_receiving() as receiver:
        yield receiver


def by_mail(story: Story, brand: Any = "its", **more: Any) -> Endpoint:
    inputs = {"name": "Media buyers", "address": "ann@example.com, bob@example.com", **more}
    brand_id = story.brand.pk if brand == "its" else brand
    return receivers.add_receiver(brand_id, "EMAIL", inputs, policy=HERE, actor=ACTOR, now=story.now)


def in_slack(story: Story, workspace: SlackReceiver, **more: Any) -> Endpoint:
    inputs = {"name": "#acme", "address": f"{workspace.url}{PATH}", **more}
    return receivers.add_receiver(story.brand.pk, "SLACK", inputs, policy=HERE, actor=ACTOR, now=story.now)


def minute(story: Story) -> dict[str, int]:
    """What the worker does each minute."""
    counts = {**alerts.look(story.now), **telling.tell_all(story.now)}
    return {**counts, **relay.run(clock=lambda: story.now, send=outlets.send)}


def stop(story: Story, name: str = "Search", reason: str = "Wrong page") -> Any:
    campaign = story.campaign(name)
    enforcement.emergency_stop(campaign.pk, reason=reason, actor=ACTOR, now=story.now)
    return campaign


# --- Told once -------------------------------------------------------------------------------------------------------


def test_an_alert_is_mailed_once_with_text_html_figures_and_a_link_and_its_end_too(story: Story) -> None:
    by_mail(story)
    a = story.campaign("Search <b>")
    story.spend(a, "103.50")

    minute(story)
    minute(story)
    [first] = mail.outbox
    assert isinstance(first, EmailMultiAlternatives)
    [html] = [str(part[0]) for part in first.alternatives]
    story.tick("2026-05-06 00:01")
    minute(story)

    alert = Alert.objects.get(kind="BUDGET_PAUSE")
    assert first.subject == "[Budget system] Acme: daily budget used up, 1 campaign paused"
    assert first.to == ["ann@example.com", "bob@example.com"]
    for said in ("CRITICAL", "103.50 EUR of 100.00 EUR", "Since Tue 12:00", "What to do: Raise the daily budget"):
        assert said in first.body
    assert f"https://budget.example.com/admin/alerts/alert/{alert.pk}/change/" in first.body
    assert "Search &lt;b&gt;" in html
    assert "<b>" not in html.replace("<body", "")
    assert [one.subject for one in mail.outbox[1:]] == [
        "[Budget system] Over: Acme: daily budget used up, 1 campaign paused"
    ]
    assert "Now 1 campaign of the brand runs." in mail.outbox[1].body
    assert Told.objects.count() == 2


def test_slack_gets_text_and_blocks_and_what_it_would_read_is_escaped(story: Story, workspace: SlackReceiver) -> None:
    in_slack(story, workspace)
    stop(story, "<!channel> & Co")

    minute(story)

    [(path, body, content_type)] = workspace.got
    said = json.dumps(body)
    assert path == PATH
    assert content_type.startswith("application/json")
    assert body["text"] == "&lt;!channel&gt; &amp; Co · Acme: emergency stop"
    assert all(block["type"] in {"section", "context"} for block in body["blocks"])
    assert all(len(block["text"]["text"]) <= 3000 for block in body["blocks"] if block["type"] == "section")
    assert "<!channel>" not in said
    assert "|Open the page>" in said
    assert Delivery.objects.get().state == DeliveryState.SENT


def test_several_at_once_are_one_message_the_gravest_first(story: Story) -> None:
    by_mail(story, minimum_severity=Severity.NOTICE)
    story.spend(story.campaign("A"), "60")
    for number in range(30):
        stop(story, f"C{number}")

    minute(story)

    [one] = mail.outbox
    assert one.subject.startswith("[Budget system] Alerts: 31 new. ")
    assert "And 11 more" in one.body
    assert one.body.startswith("CRITICAL")
    assert Told.objects.count() == 31


def test_what_is_less_grave_than_asked_for_is_not_told(story: Story) -> None:
    by_mail(story, minimum_severity=Severity.CRITICAL)
    story.spend(story.campaign(), "85")

    minute(story)

    assert Alert.objects.open().exists()
    assert mail.outbox == []


def test_what_was_raised_before_the_receiver_was_there_or_resolved_by_a_person_is_not_told(story: Story) -> None:
    campaign = stop(story)
    alerts.look(story.now)
    story.now += timedelta(minutes=1)
    by_mail(story)
    stop(story, "Social")
    alerts.look(story.now)
    alerts.resolve(
        Alert.objects.filter(title__startswith="Social").values_list("pk", flat=True), actor=ACTOR, now=story.now
    )

    minute(story)
    enforcement.clear_stop(campaign.pk, actor=ACTOR, now=story.now)
    minute(story)

    assert mail.outbox == []


def test_another_brands_alerts_are_told_to_its_own_receivers_and_to_those_of_all_brands(story: Story) -> None:
    other = Story(name="Zebra")
    by_mail(story, name="Acme's", address="acme@example.com")
    by_mail(story, None, name="Everything", address="ops@example.com")
    stop(other, "Quagga")

    minute(story)

    assert [one.to for one in mail.outbox] == [["ops@example.com"]]
    assert "Quagga" in mail.outbox[0].body


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_and_a_restart_tell_once_and_send_one_digest_a_day(story: Story) -> None:
    endpoint = by_mail(story, digest_hour=13)
    stop(story)
    alerts.look(story.now)
    story.now += timedelta(hours=1)

    def tell(_: int) -> None:
        try:
            telling.tell_all(story.now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(8)))

    assert sorted(Delivery.objects.filter(endpoint=endpoint).values_list("type", flat=True)) == [
        "people.digest", "people.message",
    ]  # fmt: skip


# --- Quiet hours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wall", "quiet"),
    [("21:59", False), ("22:00", True), ("23:59", True), ("00:00", True), ("06:59", True), ("07:00", False)],
)
def test_quiet_hours_run_over_midnight(wall: str, quiet: bool) -> None:
    zone = ZoneInfo("Europe/Berlin")
    now = datetime.fromisoformat(f"2026-05-05 {wall}").replace(tzinfo=zone)

    assert is_quiet(time(22), time(7), zone, now) is quiet
    assert is_quiet(time(7), time(22), zone, now) is not quiet
    assert is_quiet(None, None, zone, now) is False


@pytest.mark.parametrize(("day", "minutes"), [("2026-03-29", 60), ("2026-10-25", 180), ("2026-05-05", 120)])
def test_quiet_hours_follow_the_clock_on_the_wall_when_clocks_change(day: str, minutes: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    midnight = datetime.fromisoformat(f"{day} 00:00").replace(tzinfo=zone).astimezone(ZoneInfo("UTC"))

    quiet = sum(is_quiet(time(1), time(3), zone, midnight + timedelta(minutes=one)) for one in range(6 * 60))

    assert quiet == minutes


def test_in_quiet_hours_only_what_is_critical_comes_through_and_what_stands_is_told_afterwards(story: Story) -> None:
    story.clock("2026-05-05 22:30")
    by_mail(story, quiet_from="22:00", quiet_until="07:00")
    other = story.campaign("Over by then")
    story.spend(story.campaign("A"), "85")
    stopped = stop(story, "Critical")
    minute(story)
    at_night = [one.subject for one in mail.outbox]
    rejected(story)
    enforcement.clear_stop(stopped.pk, actor=ACTOR, now=story.now)
    minute(story)
    story.clock("2026-05-06 06:59")
    minute(story)
    before = len(mail.outbox)
    story.clock("2026-05-06 07:00")
    minute(story)

    morning = mail.outbox[before:]
    assert at_night == ["[Budget system] Critical · Acme: emergency stop"]
    assert before == 2, "its end came through as well"
    assert [one.subject for one in morning] == ["[Budget system] Acme: import “may.csv”: 2 rows left out"]
    assert "85 %" not in morning[0].body, "yesterday's budget is over"
    assert other.name not in morning[0].body


def rejected(story: Story) -> None:
    from tests.integration.test_alerts import an_import

    an_import(story, story.brand)


def test_critical_ones_wait_too_where_a_receiver_says_so(story: Story) -> None:
    story.clock("2026-05-05 23:00")
    by_mail(story, quiet_from="22:00", quiet_until="07:00", quiet_for_critical=True)
    stop(story)
    minute(story)
    at_night = len(mail.outbox)
    story.clock("2026-05-06 07:00")

    minute(story)

    assert at_night == 0
    assert [one.subject for one in mail.outbox] == ["[Budget system] Search · Acme: emergency stop"]


# --- The digest ------------------------------------------------------------------------------------------------------


def test_the_digest_comes_once_a_local_day_however_late_and_says_what_is_open(story: Story) -> None:
    story.clock("2026-05-05 12:00")
    by_mail(story, digest_hour=9, minimum_severity=Severity.CRITICAL)
    stop(story)
    minute(story)
    same_day = [one.subject for one in mail.outbox]
    story.clock("2026-05-06 08:59")
    minute(story)
    early = len(mail.outbox)
    story.clock("2026-05-06 17:00")  # all workers were down at nine
    minute(story)
    minute(story)

    assert same_day == ["[Budget system] Search · Acme: emergency stop"], "its hour was past when it was set"
    assert early == 1
    [digest] = mail.outbox[1:]
    assert digest.subject == "[Budget system] Acme, Wed 6 May: 1 open"
    assert "Search · Acme: emergency stop" in digest.body


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_digest_at_two_comes_once_where_that_hour_is_missing_or_comes_twice(story: Story, day: str) -> None:
    at = datetime.fromisoformat(f"{day} 00:00").replace(tzinfo=story.zone).astimezone(ZoneInfo("UTC"))
    story.now = at - timedelta(hours=1)
    endpoint = by_mail(story, digest_hour=2)
    Endpoint.objects.update(digest_on=at.astimezone(story.zone).date() - timedelta(days=1))

    made = [telling.tell_digest(endpoint.pk, at + timedelta(minutes=20 * step)) for step in range(30)]

    assert sum(made) == 1


def test_a_digest_with_nothing_open_says_so(story: Story) -> None:
    endpoint = by_mail(story, digest_hour=13)
    story.now += timedelta(hours=1)

    minute(story)

    assert "Nothing is open." in mail.outbox[0].body
    assert telling.tell_digest(endpoint.pk, story.now) == 0


# --- Sending ---------------------------------------------------------------------------------------------------------


def test_a_test_send_says_what_was_answered_for_each_kind(story: Story, workspace: SlackReceiver) -> None:
    for endpoint in (by_mail(story), in_slack(story, workspace)):
        ping = delivery.ping(endpoint.pk, actor=ACTOR, now=story.now)
        answer = relay.send_now(ping.pk, clock=lambda: story.now, send=outlets.send)
        assert answer.arrived

    assert mail.outbox[0].subject == "[Budget system] Test: Media buyers"
    assert workspace.got[0][1]["text"] == "Test: #acme"
    assert AuditEntry.objects.filter(action="test receiver").count() == 2


@pytest.mark.parametrize(
    ("status", "body", "state", "says"),
    [
        (200, b"ok", "SENT", ""),
        (200, b"<html>Log in</html>", "PENDING", "not “ok”"),
        (400, b"invalid_blocks", "PARKED", ""),
        (403, b"action_prohibited", "PENDING", ""),
        (500, b"", "PENDING", ""),
        (410, b"channel_is_archived", "PARKED", ""),
    ],
)
def test_what_slack_answers_decides_whether_it_is_tried_again(
    story: Story, workspace: SlackReceiver, status: int, body: bytes, state: str, says: str
) -> None:
    endpoint = in_slack(story, workspace)
    workspace.answer = (status, body)
    stop(story)

    minute(story)

    endpoint.refresh_from_db()
    assert Delivery.objects.get().state == state
    assert says in Attempt.objects.get().error
    assert endpoint.gave_up is (status == 410)


def test_a_slack_address_is_nowhere_to_be_read(
    story: Story, workspace: SlackReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = in_slack(story, workspace)
    receivers.change_receiver(
        endpoint.pk, {"address": f"{workspace.url}{PATH}2"}, policy=HERE, actor=ACTOR, now=story.now
    )  # fmt: skip
    workspace.answer = (404, f"Cannot POST {PATH}2".encode())
    stop(story)
    minute(story)

    endpoint.refresh_from_db()
    rows = [
        *Endpoint.objects.values(),
        *Delivery.objects.values(),
        *Attempt.objects.values(),
        *AuditEntry.objects.values(),
    ]
    kept = json.dumps(rows, default=str) + caplog.text
    assert workspace.got[0][0] == f"{PATH}2"
    assert unseal(endpoint.secret) == f"{workspace.url}{PATH}2"
    assert "s3cretpathofslack" not in kept
    assert "B0BBBBBBB" not in kept
    assert Attempt.objects.get().answer == "Cannot POST …"


class Refusing(EmailBackend):
    error: Exception = smtplib.SMTPServerDisconnected("away")

    def send_messages(self, messages: Any) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (smtplib.SMTPServerDisconnected("away"), "PENDING"),
        (ConnectionRefusedError("refused"), "PENDING"),
        (smtplib.SMTPRecipientsRefused({"ann@example.com": (550, b"no such user")}), "PARKED"),
        (smtplib.SMTPRecipientsRefused({"ann@example.com": (451, b"later")}), "PENDING"),
        (smtplib.SMTPDataError(554, b"spam"), "PARKED"),
        (smtplib.SMTPAuthenticationError(535, b"who"), "PENDING"),
    ],
)
def test_a_mail_that_is_not_taken_is_tried_again_unless_it_never_will_be(
    story: Story, settings: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str
) -> None:
    settings.EMAIL_BACKEND = "tests.integration.test_alerts_telling.Refusing"
    monkeypatch.setattr(Refusing, "error", error)
    by_mail(story)
    stop(story)

    minute(story)

    assert Delivery.objects.get().state == state
    assert Attempt.objects.get().error


def test_a_name_cannot_begin_another_header() -> None:
    told = Message("Acme\r\nBcc: evil@example.com\x00", [Part("A\r\nB", ["x"], "https://x/?a=1&b=<")])
    body = json.loads(message_body("EMAIL", told))

    sent = outlets.send(outlets.Mail(("ann@example.com",), body["subject"], body["text"], body["html"], "x_1"))

    assert sent.arrived
    assert body["subject"] == "Acme Bcc: evil@example.com"
    assert mail.outbox[0].message()["Bcc"] is None
    assert mail.outbox[0].message()["Message-ID"] == "<x_1@localhost>"
    assert one_line("x" * 500).endswith("…")
    assert "<" not in as_html(told).partition("?a=1")[2].partition('"')[0]
    assert "A\r\nB" in as_text(told)


def test_a_long_message_fits_what_slack_takes() -> None:
    told = slack(Message("x", [Part("h" * 4000, ["l" * 4000], "https://budget.example.com/") for _ in range(80)]))

    blocks: Any = told["blocks"]
    assert len(blocks) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks)
    assert blocks[1]["text"]["text"].endswith("<https://budget.example.com/|Open the page>")


# --- Receivers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "inputs", "field"),
    [
        ("EMAIL", {"address": "ann@"}, "address"),
        ("EMAIL", {"address": "ann@example.com\r\nBcc: x@example.com"}, "address"),
        ("EMAIL", {"address": ", ".join(f"a{n}@example.com" for n in range(21))}, "address"),
        ("SLACK", {"address": "http://10.0.0.1/x"}, "address"),
        ("SLACK", {"address": "https://" + "user:pw@example.com/x"}, "address"),
        ("WEBHOOK", {"address": "https://example.com/"}, "kind"),
        ("EMAIL", {"quiet_from": "22:00"}, "quiet_until"),
        ("EMAIL", {"quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until"),
        ("EMAIL", {"digest_hour": "24"}, "digest_hour"),
        ("EMAIL", {"minimum_severity": "5"}, "minimum_severity"),
        ("EMAIL", {"name": ""}, "name"),
    ],
)
def test_what_cannot_be_meant_is_refused_on_its_field(story: Story, kind: str, inputs: Any, field: str) -> None:
    given = {"name": "x", "address": "ann@example.com", **inputs}

    with pytest.raises(Refused) as refused:
        receivers.add_receiver(story.brand.pk, kind, given, policy=HERE, actor=ACTOR, now=story.now)

    assert refused.value.field == field
    assert not Endpoint.objects.exists()


def test_a_receiver_that_was_off_is_told_what_stands_if_asked(story: Story) -> None:
    endpoint = by_mail(story)
    delivery.switch_off(endpoint.pk, reason="holiday", actor=ACTOR, now=story.now)
    stop(story)
    minute(story)
    meanwhile = len(mail.outbox)

    delivery.switch_on(endpoint.pk, catch_up=True, actor=ACTOR, now=story.now + timedelta(minutes=1))
    story.now += timedelta(minutes=2)
    minute(story)

    assert meanwhile == 0
    assert [one.subject for one in mail.outbox] == ["[Budget system] Search · Acme: emergency stop"]
