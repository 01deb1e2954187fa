"""Relays that are killed (kill -9) in the midst of sending: nothing is lost, and what comes twice has the same id."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from textwrap import dedent
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from budget_system import clock
from campaigns.models import StateChange
from delivery import services
from delivery.addresses import Policy
from delivery.models import Delivery, DeliveryState, Relay
from delivery.payload import CHOSEN
from delivery.secrets import new_secret
from enforcement import services as use_cases
from tests.factories import ACTOR
from tests.figures import Figure
from tests.integration.processes import PATIENCE_S, ROOT, environment, wait_until
from tests.integration.receiver import Got, Receiver, Reply, receiving

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


class Killer:
    """Kills the relay when so many messages have come: the last one came, and its answer never gets there."""

    def __init__(self, relays: subprocess.Popen[str]) -> None:
        self.relays = relays
        self.lock = threading.Lock()
        self.known = threading.Event()
        self.left = 0
        self.pid = 0
        self.kills = 0

    def answer(self, got: Got) -> Reply:
        assert self.known.wait(PATIENCE_S)
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os.kill(self.pid, signal.SIGKILL)
                self.kills += 1
        return Reply()

    def run_relay(self, after: int) -> None:
        assert self.relays.stdin is not None
        assert self.relays.stdout is not None
        self.known.clear()
        self.left = after
        print("another", file=self.relays.stdin, flush=True)
        self.pid = int(self.relays.stdout.readline())
        self.known.set()
        assert self.relays.stdout.readline() == "ended\n"


@pytest.fixture
def killer() -> Iterator[Killer]:
    relays = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.relays"], cwd=ROOT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(DEMO="1", DJANGO_SETTINGS_MODULE="budget_system.settings"),
    )  # fmt: skip
    with relays:
        yield Killer(relays)
        relays.kill()


def change_all(campaigns: list[UUID], *, pause: bool) -> None:
    now = clock.now()
    for campaign in campaigns:
        if pause:
            use_cases.pause(campaign, reason="A test", actor=ACTOR, now=now)
        else:
            use_cases.activate(campaign, actor=ACTOR, now=now)


def time_passes() -> None:
    """The office and the leases of who was killed are over."""
    Relay.objects.update(holder=None, held_until=None)
    Delivery.objects.filter(state=DeliveryState.PENDING).update(next_at=clock.now())


@pytest.mark.fault(50)
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.faults)])
def test_a_relay_killed_after_it_has_sent_loses_nothing(rounds: int, killer: Killer, figure: Figure) -> None:
    chance = random.Random(50)
    now = clock.now()
    brand = use_cases.create_brand({"name": "Acme"}, actor=ACTOR, now=now)
    campaigns = [
        use_cases.create_campaign(brand.pk, {"name": name}, rows=[], actor=ACTOR, now=now).pk for name in "ABC"
    ]
    with receiving() as receiver:
        receiver.answer = killer.answer
        services.add_endpoint(
            brand.pk, {"name": "Bidder", "url": receiver.url, "events": list(CHOSEN)},
            policy=Policy(frozenset(), loopback=True), actor=ACTOR, now=now,
        )  # fmt: skip
        pause = True
        while killer.kills < rounds:
            change_all(campaigns, pause=pause)
            pause = not pause
            killer.run_relay(after=chance.randint(1, 9))  # three are under way at a time, the others follow
            time_passes()
        while Delivery.objects.filter(state=DeliveryState.PENDING).exists():
            killer.run_relay(after=10**6)
            time_passes()

    wanted = {row.pk.hex for row in StateChange.objects.all()}
    came = Counter(one.rsplit("_", 1)[1] for one in receiver.ids)
    twice = sum(count > 1 for count in came.values())
    figure(
        f"{killer.kills} relays killed after sending, {len(wanted)} events: lost {len(wanted - set(came))}, came more "
        f"than once {twice}, out of order {out_of_order(receiver)}"
    )
    assert killer.kills == rounds
    assert set(came) == wanted
    assert twice >= rounds // 3, "the kills did not hit different messages"
    assert out_of_order(receiver) == 0


def out_of_order(receiver: Receiver) -> int:
    """Messages that came for the first time after a later one of their campaign."""
    seen: set[str] = set()
    last: dict[str, str] = {}
    wrong = 0
    for got in receiver.got:
        number, campaign = got.id.rsplit("_", 1)[1], got.data["campaign"]["id"]
        if number not in seen:
            wrong += number < last.get(campaign, "")
            last[campaign] = max(number, last.get(campaign, ""))
        seen.add(number)
    return wrong


# --- The receiver's side ---------------------------------------------------------------------------------------------


@pytest.mark.fault(49)
def test_the_receiver_of_the_documents_counts_once_and_refuses_what_is_not_ours(tmp_path: Path, figure: Figure) -> None:
    text = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    program = tmp_path / "receiver.py"
    program.write_text(dedent(text.split("```python\n")[1].split("```")[0]), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret, now = new_secret(), clock.now()
    running = subprocess.Popen(
        [sys.executable, str(program), secret, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        wait_until(lambda: listens(port), "the receiver listens")
        first, second = (signed(secret, number, now) for number in (1, 2))
        statuses = [
            sent(port, *first), sent(port, *second), sent(port, *first), sent(port, *second),
            sent(port, first[0].replace(b"1", b"3"), first[1]),
            sent(port, *signed(secret, 4, now - timedelta(minutes=6))),
            sent(port, *signed(new_secret(), 5, now)),
        ]  # fmt: skip
    finally:
        running.terminate()
    lines = running.communicate()[0].splitlines()

    taken = statuses.count(204) - 4
    figure(f"2 messages, each sent twice: counted {len(lines)}; changed, old and foreign ones taken {taken}")
    assert statuses == [204] * 4 + [400] * 3
    assert lines == ["webhook.ping {'number': 1}", "webhook.ping {'number': 2}"]


def signed(secret: str, number: int, at: datetime) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"id": f"message_{number}", "type": "webhook.ping", "data": {"number": number}})
    headers = {"webhook-id": f"message_{number}", "webhook-timestamp": str(int(at.timestamp()))}
    return body.encode(), {**headers, "webhook-signature": Webhook(secret).sign(f"message_{number}", at, body)}


def sent(port: int, body: bytes, headers: dict[str, str]) -> int:
    client = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        client.request("POST", "/", body=body, headers=headers)
        return client.getresponse().status
    finally:
        client.close()


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
