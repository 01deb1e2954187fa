"""All faults at once, for minutes: python -m tools.soak [--minutes 10] [--seed N]

Clients post spends, set money aside, import reports and change budgets through the API, as clients should: with keys,
asking again until they are answered. Meanwhile parts of the system are killed, stopped, emptied and given wrong clocks,
in an order that the seed decides. At the end all that was acknowledged must be there once, nothing twice, and the books
must be equal. The exit code is 1 where something is not as it should be.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random, SystemRandom
from typing import Any
from uuid import UUID

import psycopg2

from tools import servers, system
from tools.processes import UnableToStart
from tools.system import UNANSWERED, Program, System, wait_until

CLIENTS = 4
PATIENCE_S = 45
"""How long a client asks before it turns to something else; what is open then is asked again at the end."""
SKEWS_S = (-86_400, -90, 90, 86_400)
TTL_S = 8
IMPORT_ROWS = 4_000
LARGE = 320
"""Characters of a note beside each row, so that a file of so many rows is one for a worker."""


# --- What clients do -------------------------------------------------------------------------------------------------


@dataclass
class Spend:
    """One spend that a client wants recorded. `id` is what the system called it; None: it has not said so.

    `given_up`: the client asks once, and goes away whatever it hears.
    """

    campaign: str
    amount: Decimal
    key: str
    id: str | None = None
    given_up: bool = False


@dataclass
class Grant:
    """Money that was asked for. `settled`: the system said that so much of it was recorded as spent."""

    id: str
    amount: Decimal
    granted: bool | None = None
    settling: Decimal | None = None
    settled: bool = False
    voided: bool = False


@dataclass
class Report:
    """A file about a campaign that nothing else speaks of."""

    name: str
    content: bytes
    rows: int
    total: Decimal
    tries: int = 0


@dataclass
class World:
    """The brands and what was wanted of them."""

    budgeted: dict[str, Any] = field(default_factory=dict)
    campaigns: dict[str, list[str]] = field(default_factory=dict)
    spends: list[Spend] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)


def build(whole: System) -> World:
    """Three brands: one whose budget is crossed again and again, one whose money is only given after asking, one that
    is reported on."""
    world = World()
    for name, budget in (("Crossed", "40"), ("Asked", "60"), ("Reported", None)):
        brand = whole.make("brands/", name=name, daily_budget=budget)
        world.budgeted[name] = brand["id"]
        made = [whole.make("campaigns/", brand=brand["id"], name=f"{name} {letter}") for letter in "ABC"]
        world.campaigns[name] = [one["id"] for one in made]
    return world


class Client(threading.Thread):
    """Does things at random until it is told to stop; remembers what it was told of each."""

    def __init__(self, whole: System, world: World, number: int, seed: int, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self.whole, self.world, self.number, self.ended = whole, world, number, ended
        self.dice = Random(seed * 100 + number)  # noqa: S311 - nothing secret
        self.made = 0

    def run(self) -> None:
        while not self.ended.is_set():
            act = self.dice.choices([self.spend, self.ask, self.wish, self.report], [50, 40, 6, 1])[0]
            try:
                act()
            except TimeoutError:
                self.world.told["left open"] += 1
            except Exception as error:  # noqa: BLE001 - the run fails with it at the end
                self.world.troubles.append(f"A client got what it should not get: {error!r}")

    def key(self) -> str:
        self.made += 1
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    def amount(self) -> Decimal:
        return Decimal(self.dice.randint(1, 1_999_999)) / 1_000_000

    def until(self) -> float:
        return time.monotonic() + PATIENCE_S

    def spend(self) -> None:
        name = self.dice.choice(["Crossed", "Crossed", "Reported"])
        one = Spend(self.dice.choice(self.world.campaigns[name]), self.amount(), self.key())
        self.world.spends.append(one)
        if self.dice.random() < 0.05:
            one.given_up = True
            with contextlib.suppress(*UNANSWERED):
                note(one, self.whole.call("POST", "spends/", body_of(one), timeout=5))
            return
        send(self.whole, one, self.until())
        self.world.told["spends"] += 1

    def ask(self) -> None:
        one = Grant(self.key(), self.amount())
        self.world.grants.append(one)
        body = {"id": one.id, "campaign": self.dice.choice(self.world.campaigns["Asked"]), "amount": str(one.amount),
                "ttl": TTL_S}  # fmt: skip
        answer = self.whole.insist("POST", "reservations/", body, key=f"ask {one.id}", until=self.until())
        one.granted = answer.status == 201
        self.world.told["granted" if one.granted else f"refused: {answer.body.get('code')}"] += 1
        if not one.granted:
            return
        what = self.dice.random()
        if what < 0.6:
            one.settling = max(
                Decimal("0.000001"), (one.amount * self.dice.randint(1, 10) / 10).quantize(Decimal("0.000001"))
            )
            settle(self.whole, one, self.until())
            self.world.told["settled"] += 1
        elif what < 0.8:
            one.voided = self.whole.insist(
                "POST", f"reservations/{one.id}/void", {}, key=f"void {one.id}", until=self.until()
            ).status == 200  # fmt: skip

    def wish(self) -> None:
        """What people do: other budgets, pauses by hand. The budget of “Asked” only ever rises."""
        brand, key = self.world.budgeted, self.key()
        what = self.dice.choice(["raise", "change", "change", "pause", "activate"])
        if what == "raise":
            budget = whole_number(self.whole.insist("GET", f"brands/{brand['Asked']}", key="", until=self.until()).body)
            path, body = f"brands/{brand['Asked']}", {"daily_budget": str(budget + 20)}
            self.whole.insist("PATCH", path, body, key=key, until=self.until())
        elif what == "change":
            body = {"daily_budget": str(self.dice.choice([10, 40, 200, 2_000]))}
            self.whole.insist("PATCH", f"brands/{brand['Crossed']}", body, key=key, until=self.until())
        else:
            path = f"campaigns/{self.dice.choice(self.world.campaigns['Crossed'])}/{what}"
            self.whole.insist("POST", path, {}, key=key, until=self.until())
        self.world.told["wishes"] += 1

    def report(self) -> None:
        one = report_of(self.number, self.made, large=self.dice.random() < 0.3)
        self.made += 1
        self.world.reports.append(one)
        hand_in(self.whole, one, f"{one.name} 0", self.until())
        self.world.told["reports"] += 1


def whole_number(brand: Any) -> int:
    return int(Decimal(brand["daily_budget"]))


def body_of(one: Spend) -> dict[str, str]:
    return {"campaign": one.campaign, "amount": str(one.amount), "key": one.key}


def note(one: Spend, answer: system.Answer) -> None:
    """The system has acknowledged it, if it has."""
    if answer.status in (200, 201):
        one.id = answer.body["id"]


def send(whole: System, one: Spend, until: float) -> None:
    answer = whole.insist("POST", "spends/", body_of(one), key=f"spend {one.key}", until=until)
    if answer.status not in (200, 201):
        raise AssertionError(f"A spend was refused: {answer}")
    note(one, answer)


def settle(whole: System, one: Grant, until: float) -> None:
    answer = whole.insist(
        "POST", f"reservations/{one.id}/settle", {"amount": str(one.settling)}, key=f"settle {one.id}", until=until
    )
    if answer.status not in (200, 201):
        raise AssertionError(f"{one} could not be settled: {answer}")
    one.settled = True


def report_of(client: int, number: int, *, large: bool) -> Report:
    """A report about a campaign of its own, a row a day."""
    name = f"Report {client} {number}"
    note = "x" * (LARGE if large else 1)
    costs = [Decimal(1 + (row * 7 + number) % 900) / 100 for row in range(IMPORT_ROWS if large else 60)]
    days = (date(2000, 1, 1) + timedelta(days=row) for row in range(len(costs)))
    lines = [f"{day},Reported,{name},{cost},{note}" for day, cost in zip(days, costs, strict=True)]
    content = "\n".join(["Day,Brand,Campaign,Cost,Note", *lines]).encode()
    return Report(name, content, len(costs), sum(costs, Decimal(0)))


def hand_in(whole: System, one: Report, key: str, until: float) -> str:
    """Send the file; the id of its import."""
    edge = "a-line-that-no-file-has"
    parts = (
        ('name="create_campaigns"', b"true"),
        ('name="file"; filename="report.csv"', one.content),
    )
    raw = b"".join(
        f"--{edge}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    answer = whole.insist(
        "POST", "imports/", key=key, until=until, raw=raw + f"--{edge}--\r\n".encode(),
        content_type=f"multipart/form-data; boundary={edge}", timeout=60,
    )  # fmt: skip
    if answer.status not in (200, 201, 202):
        raise AssertionError(f"A report was refused: {answer}")
    return str(answer.body["id"])


# --- What happens to the system --------------------------------------------------------------------------------------


class Nemesis:
    """Breaks a part at random, mends it after a while, and says so."""

    def __init__(self, whole: System, dice: Random, say: Callable[[str], None]) -> None:
        self.whole, self.dice, self.say = whole, dice, say
        self.workers = [whole.worker("worker-1"), whole.worker("worker-2")]
        self.beats = [whole.beat("beat-1"), whole.beat("beat-2")]
        self.done: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.acts: list[Callable[[], str]] = [
            self.kill_web, self.kill_web_child, self.kill_worker, self.kill_worker_child, self.kill_beat,
            self.crash_database, self.restart_database, self.end_sessions, self.hold_a_brand, self.flush_broker,
            self.kill_broker, self.take_broker_away, self.hang_worker, self.wrong_clock,
        ]  # fmt: skip
        self.left: list[Callable[[], str]] = []

    def start(self) -> None:
        for part in self.parts():
            part.start()

    def parts(self) -> list[Program]:
        return [self.whole.web, *self.workers, *self.beats]

    def strike(self) -> None:
        """The next act: all of them in turn, in an order that is new each time."""
        if not self.left:
            self.left = self.dice.sample(self.acts, len(self.acts))
        act = self.left.pop()
        name = act.__name__.replace("_", " ")
        self.say(f"{name}: {act()}")
        self.done[name] += 1

    def some_seconds(self, least: float = 0.5, most: float = 5) -> float:
        wait_s = round(self.dice.uniform(least, most), 1)
        time.sleep(wait_s)
        return wait_s

    def look_after(self) -> None:
        """Start what has ended by itself, as a supervisor does."""
        for part in self.parts():
            if not part.runs:
                self.say(f"{part.name} had ended by itself and is started again")
                self.ended[part.name] += 1
                part.start()

    def _kill(self, part: Program) -> str:
        killed = len(part.pids())
        part.kill()
        away_s = self.some_seconds()
        part.start()
        return f"{part.name}, {killed} processes with kill -9, started again after {away_s} s"

    def _kill_child(self, part: Program) -> str:
        children = part.pids()[1:]
        if not children:
            return f"{part.name} had no child"
        child = self.dice.choice(children)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return f"one of {len(children)} children of {part.name} with kill -9"

    def kill_web(self) -> str:
        return self._kill(self.whole.web)

    def kill_web_child(self) -> str:
        return self._kill_child(self.whole.web)

    def kill_worker(self) -> str:
        return self._kill(self.dice.choice(self.workers))

    def kill_worker_child(self) -> str:
        return self._kill_child(self.dice.choice(self.workers))

    def kill_beat(self) -> str:
        return self._kill(self.dice.choice(self.beats))

    def crash_database(self) -> str:
        self.whole.database.stop(signal.SIGQUIT)
        away_s = self.some_seconds()
        self.whole.database.start()
        return f"immediate stop, started again after {away_s} s"

    def restart_database(self) -> str:
        self.whole.database.stop(signal.SIGINT)
        self.whole.database.start()
        return "fast stop and start"

    def end_sessions(self) -> str:
        return f"{self.whole.end_sessions()} sessions of the database ended"

    def hold_a_brand(self) -> str:
        with contextlib.closing(psycopg2.connect(self.whole.database.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT name FROM brands_brand ORDER BY random() LIMIT 1 FOR UPDATE")
            [name] = cursor.fetchone() or ("none",)
            return f"a session locked “{name}” for {self.some_seconds()} s"

    def flush_broker(self) -> str:
        self.whole.broker.flush()
        return "FLUSHALL"

    def kill_broker(self) -> str:
        self.whole.broker.kill()
        self.whole.broker.start()
        return "kill -9, started again at once"

    def take_broker_away(self) -> str:
        self.whole.broker.stop()
        away_s = self.some_seconds(5, 15)
        self.whole.broker.start()
        return f"away for {away_s} s"

    def hang_worker(self) -> str:
        worker = self.dice.choice(self.workers)
        pids = worker.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        hung_s = self.some_seconds(3, 10)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return f"{worker.name} stood still for {hung_s} s"

    def wrong_clock(self) -> str:
        part, skew_s = self.dice.choice(self.parts()), self.dice.choice(SKEWS_S)
        part.kill()
        part.start(skew_s)
        wrong_s = self.some_seconds(8, 15)
        part.kill()
        part.start()
        return f"{part.name} ran with a clock {skew_s:+} s wrong for {wrong_s} s"


class Watch(threading.Thread):
    """Looks from outside, all the time: is more granted than the budget? How long does the web part not answer?"""

    def __init__(self, whole: System, world: World, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self.whole, self.world, self.ended = whole, world, ended
        self.looks = self.beyond = self.asked = self.answered = 0

    def run(self) -> None:
        while not self.ended.wait(0.5):
            with contextlib.suppress(psycopg2.Error):
                [[beyond]] = self.whole.sql(
                    "SELECT count(*) FROM spending_budgetperiod"
                    " WHERE scope_id = %s AND kind = 'D' AND used + reserved > budget",
                    self.world.budgeted["Asked"],
                )
                self.looks += 1
                self.beyond += beyond
            self.asked += 1
            with contextlib.suppress(*UNANSWERED):
                self.answered += (
                    self.whole.call("GET", f"brands/{self.world.budgeted['Asked']}", timeout=2).status == 200
                )


# --- What must be true in the end ------------------------------------------------------------------------------------


def finish(whole: System, world: World) -> None:
    """Ask again for everything whose answer is open, but not for what its client has given up."""
    until = time.monotonic() + 300
    for spend in world.spends:
        if spend.id is None and not spend.given_up:
            send(whole, spend, until)
    for grant in world.grants:
        if grant.settling is not None and not grant.settled:
            settle(whole, grant, until)
    for report in world.reports:
        for number in range(5):
            made = hand_in(whole, report, f"{report.name} {number}", until)
            wait_until(lambda made=made: import_of(whole, made)["state"] in ("DONE", "FAILED"), "an import ends", 400)  # type: ignore[misc]
            report.tries = number + 1
            if import_of(whole, made)["state"] == "DONE":
                break


def import_of(whole: System, made: str) -> Any:
    return whole.insist("GET", f"imports/{made}", key="", until=time.monotonic() + 60).body


def judge(whole: System, world: World) -> list[tuple[str, int, int]]:
    """What was looked at, how many of them, and how many are not as they should be (0)."""
    rows = whole.sql(
        "SELECT key, amount, id::text, campaign_id::text, source FROM spending_spend WHERE voided_at IS NULL"
    )
    api = Counter(key for key, _, _, _, source in rows if source == "api" and key)
    by_key = {key: (amount, made) for key, amount, made, _, source in rows if source == "api" and key}
    acknowledged = [spend for spend in world.spends if spend.id]
    unknown = [spend for spend in world.spends if not spend.id]
    lost = sum(by_key.get(one.key) != (micros(one.amount), one.id) for one in acknowledged)
    doubled = sum(count > 1 for count in api.values()) + len(set(api) - {one.key for one in world.spends})
    settled = dict(whole.sql(
        "SELECT r.id::text, s.amount FROM spending_reservation r JOIN spending_spend s ON s.id = r.spend_id"
        " WHERE s.voided_at IS NULL"
    ))  # fmt: skip
    wanted = {one.id: micros(one.settling) for one in world.grants if one.settled and one.settling}
    imported = {
        name: (count, int(amount))
        for name, count, amount in whole.sql(
            "SELECT c.name, count(*), sum(s.amount) FROM spending_spend s"
            " JOIN campaigns_campaign c ON c.id = s.campaign_id"
            " WHERE c.name LIKE 'Report %%' AND s.voided_at IS NULL GROUP BY c.name",
        )
    }
    wrong_reports = sum(imported.get(one.name) != (one.rows, micros(one.total)) for one in world.reports)
    others = len(rows) - len(by_key) - len(settled) - sum(count for count, _ in imported.values())
    proof = whole.proof()
    for line in [*proof["what"], *proof["errors"]]:
        world.troubles.append(line)
    return [
        ("spends acknowledged; lost or other than told", len(acknowledged), lost),
        ("spends given up unanswered; counted more than once", len(unknown), doubled),
        (
            "settlements acknowledged; lost or other than told",
            len(wanted),
            sum(settled.get(k) != v for k, v in wanted.items()),
        ),
        (
            "settlements in the ledger; nobody asked for",
            len(settled),
            len(set(settled) - {o.id for o in world.grants if o.settling}),
        ),
        ("reports sent until done; other than their rows", len(world.reports), wrong_reports),
        ("spends in the ledger; of unknown origin", len(rows), others),
        ("periods of the books; differences", proof["periods"], proof["differences"]),
        ("campaigns; a full evaluation would change", proof["campaigns"], proof["changes"]),
        ("reservations; left over", len(world.grants), proof["pending"]),
    ]


def micros(amount: Decimal) -> int:
    return int(amount * 1_000_000)


# --- The run ---------------------------------------------------------------------------------------------------------


def soak(whole: System, minutes: float, seed: int) -> int:
    """Run, print a line for each thing that was broken and the figures at the end; the exit code."""
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", flush=True)

    whole.let_in()
    nemesis = Nemesis(whole, Random(seed), say)  # noqa: S311 - nothing secret
    nemesis.start()
    world = build(whole)
    say(f"The system runs: web, {len(nemesis.workers)} workers, {len(nemesis.beats)} beats. Seed {seed}.")
    ended = threading.Event()
    watch = Watch(whole, world, ended)
    clients = [Client(whole, world, number, seed, ended) for number in range(CLIENTS)]
    until = time.monotonic() + minutes * 60
    for thread in [*clients, watch]:
        thread.start()
    try:
        while time.monotonic() < until:
            nemesis.some_seconds(3, 9)
            nemesis.look_after()
            nemesis.strike()
    finally:
        ended.set()
    for thread in [*clients, watch]:
        thread.join(2 * PATIENCE_S + 60)
    say("Nothing is broken any more; what is open is asked again.")
    nemesis.look_after()
    finish(whole, world)
    wait_until(lambda: whole.proof()["pending"] == 0, "what was set aside expires", 120)
    wait_until(lambda: whole.proof()["changes"] == 0, "the minute tick has run", 120)
    figures = judge(whole, world)
    return report_on(world, nemesis, watch, figures, seed)


def report_on(world: World, nemesis: Nemesis, watch: Watch, figures: list[tuple[str, int, int]], seed: int) -> int:
    """Print the figures; 1 where one of them is not 0."""
    figures = [*figures, ("looks at what is granted; beyond the budget", watch.looks, watch.beyond)]
    print(
        f"\n{sum(nemesis.done.values())} faults: "
        + ", ".join(f"{name} {n}" for name, n in sorted(nemesis.done.items()))
    )
    print("clients: " + ", ".join(f"{name} {n}" for name, n in sorted(world.told.items())))
    print(f"ended by themselves: {sum(nemesis.ended.values())}")
    print(f"reads from outside: {watch.asked}, answered within 2 s: {watch.answered}\n")
    for what, number, wrong in figures:
        print(f"{what:<56}{number:>8}{wrong:>8}")
    for trouble in world.troubles[:20]:
        print(trouble)
    failed = bool(world.troubles) or any(wrong for _, _, wrong in figures)
    print(f"\n{'NOT as it should be' if failed else 'All is as it should be'}. Seed {seed}.", flush=True)
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="of the order of things; otherwise a new one")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else SystemRandom().randrange(1_000_000)
    servers.end_on_sigterm()
    try:
        with system.temporary(LOG_LEVEL="WARNING") as whole:
            return soak(whole, options.minutes, seed)
    except UnableToStart as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
