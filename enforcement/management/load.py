"""Clients that load the API over HTTP, each with a connection of its own, and what they were answered.

Bounded, and for this machine's own loopback address only: it is no tool to press other people's servers with.
"""

import ipaddress
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http.client import HTTPConnection, HTTPException
from random import Random
from threading import Event, Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from budget_system.errors import Refused

MOST_CLIENTS, LONGEST_S, FASTEST = 32, 300, 2_000
TIMEOUT_S = 30
MIX = {"spend": 50, "reserve": 25, "read": 25}
"""How often each is drawn, in per cent. What is reserved is settled or given back at once."""
SETTLED = 0.7
CENT = Decimal("0.01")
TOO_MANY, REFUSED = 429, 409


class Server(NamedTuple):
    host: str
    port: int
    token: str


@dataclass
class Tally:
    """What clients were answered: times in seconds by kind of request, errors by kind, and the money of it.

    `unsure` is money of requests without an answer: the server may or may not have recorded it.
    """

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    throttled: int = 0
    acknowledged: Decimal = Decimal(0)
    unsure: Decimal = Decimal(0)
    settled: list[UUID] = field(default_factory=list)
    """The reservations that were, or may have been, settled."""

    def include(self, other: "Tally") -> None:
        for kind, times in other.times.items():
            self.times[kind] += times
        self.errors += other.errors
        self.refused += other.refused
        self.throttled += other.throttled
        self.acknowledged += other.acknowledged
        self.unsure += other.unsure
        self.settled += other.settled


def server_of(url: str, token: str) -> Server:
    """Where the URL points. Raises Refused for anything but http on this machine's loopback address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback or parts.scheme != "http":
        raise Refused(f"{url} is not on this machine. Load goes to http://127.0.0.1:PORT, localhost or [::1] only.")
    return Server(host, port, token)


def ask(server: Server, link: HTTPConnection, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """One request: its status and its JSON. Raises OSError or HTTPException where no answer comes."""
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    link.request(method, f"/api/{path}", None if body is None else json.dumps(body), headers)
    answer = link.getresponse()
    text = answer.read()
    try:
        return answer.status, json.loads(text) if text else None
    except ValueError:
        return answer.status, None


def connect(server: Server) -> HTTPConnection:
    return HTTPConnection(server.host, server.port, timeout=TIMEOUT_S)


class _Client(Thread):
    """One client. It asks until `end`, and counts for itself."""

    def __init__(
        self, server: Server, campaigns: Sequence[UUID], run_id: str, number: int, end: Event, pause_s: float
    ) -> None:
        super().__init__(daemon=True)
        self.server, self.campaigns, self.key = server, campaigns, f"{run_id} {number}"
        self.end, self.pause_s = end, pause_s
        self.dice = Random(f"{run_id} {number}")  # noqa: S311 - made-up amounts, no secret
        self.tally = Tally()
        self.link = connect(server)

    def run(self) -> None:
        doings: dict[str, Callable[[], None]] = {"spend": self._spend, "reserve": self._reserve, "read": self._read}
        begin = time.monotonic()
        count = 0
        while not self.end.is_set():
            if self.pause_s and self.end.wait(max(0.0, begin + count * self.pause_s - time.monotonic())):
                break
            count += 1
            [kind] = self.dice.choices(list(MIX), weights=list(MIX.values()))
            doings[kind]()
        self.link.close()

    def _spend(self) -> None:
        amount = self._amount()
        body = {"campaign": self._campaign(), "amount": str(amount), "key": f"{self.key} {uuid4().hex[:8]}"}
        self._money(self._ask("spend", "POST", "spends/", body), amount)

    def _reserve(self) -> None:
        reservation, amount = uuid4(), self._amount()
        body = {"id": str(reservation), "campaign": self._campaign(), "amount": str(amount), "ttl": 60}
        if self._ask("reserve", "POST", "reservations/", body) != 201:
            return
        if self.dice.random() < SETTLED:
            self.tally.settled.append(reservation)
            spent = min(self._amount(), amount)
            status = self._ask("settle", "POST", f"reservations/{reservation}/settle/", {"amount": str(spent)})
            self._money(status, spent)
        else:
            self._ask("void", "POST", f"reservations/{reservation}/void/")

    def _read(self) -> None:
        what = self.dice.choice(["", "explain/", "can-spend/?amount=1"])
        self._ask("read", "GET", f"campaigns/{self._campaign()}/{what}")

    def _money(self, status: int | None, amount: Decimal) -> None:
        if status in (200, 201):
            self.tally.acknowledged += amount
        elif status is None or status >= 500:
            self.tally.unsure += amount

    def _ask(self, kind: str, method: str, path: str, body: object = None) -> int | None:
        """The status; None without an answer."""
        began = time.perf_counter()
        try:
            status, _ = ask(self.server, self.link, method, path, body)
        except (OSError, HTTPException) as error:
            self.tally.errors[f"no answer ({type(error).__name__})"] += 1
            self.link.close()
            self.end.wait(0.2)  # a server that is down is not asked ten thousand times
            return None
        self.tally.times[kind].append(time.perf_counter() - began)
        if status == TOO_MANY:
            self.tally.throttled += 1
        elif status == REFUSED:
            self.tally.refused += 1
        elif status >= 400:
            self.tally.errors[f"{kind}: HTTP {status}"] += 1
        return status

    def _campaign(self) -> str:
        return str(self.dice.choice(self.campaigns))

    def _amount(self) -> Decimal:
        return self.dice.randint(1, 500) * CENT


def press(
    server: Server, campaigns: Sequence[UUID], run_id: str, *, clients: int, duration_s: float, rate: float | None
) -> tuple[Tally, float]:
    """Load the server; what was answered, and how many seconds it took. Ctrl-C ends it early."""
    end = Event()
    pause_s = clients / rate if rate else 0.0
    some = [_Client(server, campaigns, run_id, number, end, pause_s) for number in range(clients)]
    began = time.monotonic()
    for one in some:
        one.start()
    try:
        time.sleep(duration_s)
    except KeyboardInterrupt:
        pass
    finally:
        end.set()
        for one in some:
            one.join(TIMEOUT_S + 5)
    took = time.monotonic() - began
    whole = Tally()
    for one in some:
        whole.include(one.tally)
    return whole, took


def percentile(times: Sequence[float], share: float) -> float:
    """The time within which this share of the requests was answered (nearest rank); 0 of none."""
    ordered = sorted(times)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
