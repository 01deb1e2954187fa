"""The command for each step of the loop, and where platforms are called."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from budget_system import clock
from budget_system.errors import Refused
from platforms import connections, services
from platforms.management.commands import platforms as command
from platforms.models import Act
from platforms.protocol import Status
from tests.factories import ACTOR
from tests.integration.test_platforms import Loop

pytestmark = pytest.mark.django_db


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(command, "connect", loop.platform.connect)
    monkeypatch.setattr(clock, "now", lambda: loop.story.now)
    return loop


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("platforms", *arguments, stdout=out)
    return out.getvalue()


def test_each_step_can_be_done_by_hand(loop: Loop) -> None:
    loop.campaign(1)
    loop.platform.spent("1", "2026-05-05", 100)

    assert told("look") == "Accounts read: 1. Failed: 0.\n"
    assert told("push") == "Sent: 0. Seen there: 0. Not seen yet: 0. Failed: 0.\n"
    assert told("pull", "--account", "123") == "Accounts read: 1. Imports of new figures: 1. Failed: 0.\n"
    assert told("push", "--dry-run").splitlines() == [
        "Google Ads Acme there (123): 1 would be paused", "Would be sent now: 1. Nothing was sent.",
    ]  # fmt: skip
    assert (loop.platform.asked, Act.objects.count()) == ([], 0)
    assert told("push").startswith("Sent: 1. Seen there: 1.")
    assert loop.platform.statuses == {"1": Status.PAUSED}
    assert "in step 1" in told("status")


def test_the_status_names_the_kill_switch_and_what_is_open(loop: Loop) -> None:
    [_a] = loop.settled(1)
    services.stop_all(reason="A wrong file", actor=ACTOR, now=loop.story.now)
    loop.platform.statuses["1"] = Status.PAUSED
    loop.look()
    loop.push()

    text = told("status")

    assert "The kill switch is on: A wrong file" in text
    assert "! “C1” is active here and paused at Google Ads. Somebody changed it there." in text


def test_an_account_that_is_not_there_is_said(loop: Loop) -> None:
    with pytest.raises(CommandError, match="There is no account 99"):
        told("look", "--account", "99")


@pytest.mark.parametrize(
    ("demo", "url", "says"),
    [
        (False, "http://127.0.0.1:9000", "for demo mode"),
        (True, "http://192.0.2.1:9000", "runs on this machine"),
        (True, "https://example.com", "runs on this machine"),
        (True, "", "Demo mode calls no ad platform"),
    ],
)
def test_a_simulator_is_called_in_demo_mode_and_on_this_machine_only(
    loop: Loop, settings: Any, demo: bool, url: str, says: str
) -> None:
    settings.DEMO, settings.PLATFORM_URLS = demo, {"GOOGLE": url}

    with pytest.raises(Refused, match=says):
        connections.connect(loop.account)
