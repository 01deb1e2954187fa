"""The database stops, ends sessions, loses answers or takes no more writes, while clients post spends."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from tests.figures import Figure
from tools.system import UNANSWERED, System, wait_until


def a_campaign(whole: System, **budgets: str) -> str:
    brand = whole.make("brands/", name=f"Brand {uuid4()}", **budgets)
    return str(whole.make("campaigns/", brand=brand["id"], name="A")["id"])


def post(whole: System, campaign: str, key: str, told: dict[str, str]) -> int:
    """One spend, asked for once; what was acknowledged is noted."""
    body = {"campaign": campaign, "amount": "0.01", "key": key, "description": "x" * 400}
    answer = whole.call("POST", "spends/", body, key=f"{campaign} {key}")
    if answer.status == 201:
        told[key] = answer.body["id"]
    return answer.status


UNANSWERED_STATUS = 0


class Poster(threading.Thread):
    """Posts one spend after another, each until it is acknowledged; counts what it was told."""

    def __init__(self, whole: System, campaign: str, name: str) -> None:
        super().__init__(daemon=True)
        self.whole, self.campaign, self.prefix = whole, campaign, name
        self.acknowledged: dict[str, str] = {}
        self.longest_s = 0.0
        self.refused: list[int] = []
        self.ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            key = f"{self.prefix} {number}"
            started = time.monotonic()
            while True:
                try:
                    answer = self.whole.call("POST", "spends/", self.body(key), key=key)
                except UNANSWERED:
                    answer = None
                if answer is not None and answer.status in (200, 201):
                    break
                self.refused.append(answer.status if answer else UNANSWERED_STATUS)
                time.sleep(0.1)
            self.acknowledged[key] = answer.body["id"]
            self.longest_s = max(self.longest_s, time.monotonic() - started)
            number += 1

    def body(self, key: str) -> dict[str, str]:
        return {"campaign": self.campaign, "amount": "0.010001", "key": key}

    def stop(self) -> None:
        self.ended.set()
        self.join(120)
        assert not self.is_alive()


@contextmanager
def posting(whole: System, campaign: str, clients: int = 3) -> Iterator[list[Poster]]:
    posters = [Poster(whole, campaign, f"{campaign} {number}") for number in range(clients)]
    for poster in posters:
        poster.start()
    try:
        yield posters
    finally:
        for poster in posters:
            poster.stop()


def in_the_ledger(whole: System, campaign: str) -> dict[str, str]:
    rows = whole.sql("SELECT key, id::text FROM spending_spend WHERE campaign_id = %s AND voided_at IS NULL", campaign)
    assert len({key for key, _ in rows}) == len(rows)
    return dict(rows)


def difference(whole: System, campaign: str, told: dict[str, str]) -> str:
    """Spends that were acknowledged and are not there, and those that nobody was told of."""
    found = in_the_ledger(whole, campaign)
    lost = sum(found.get(key) != made for key, made in told.items())
    return f"lost {lost}, not told of {len(set(found) - set(told))}"


EQUAL = "lost 0, not told of 0"


def progress(posters: list[Poster], more: int = 3) -> None:
    """Each client has been told of so many more spends."""
    before = [len(poster.acknowledged) for poster in posters]
    wait_until(
        lambda: all(len(poster.acknowledged) >= n + more for poster, n in zip(posters, before, strict=True)),
        "clients are acknowledged again",
    )


@contextmanager
def small_disk(whole: System, megabytes: int) -> Iterator[Path]:
    """A file system of this size, in memory, that PostgreSQL may write to."""
    place = whole.directory / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    try:
        owner = (whole.directory / "pg" / "data").stat()
        inside = place / "space"
        inside.mkdir()
        os.chown(inside, owner.st_uid, owner.st_gid)
        yield inside
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.fault(12)
@pytest.mark.timeout(300)
def test_a_web_part_killed_again_and_again_loses_nothing_and_counts_nothing_twice(
    whole: System, figure: Figure
) -> None:
    campaign = a_campaign(whole)
    kills = 6
    with posting(whole, campaign) as posters:
        for number in range(kills):
            progress(posters, 1 + number % 3)
            whole.web.kill()
            whole.web.start()
        progress(posters, 1)

    told = {key: made for poster in posters for key, made in poster.acknowledged.items()}
    unanswered = sum(len(poster.refused) for poster in posters)
    found = difference(whole, campaign, told)
    figure(f"{kills} kills of all web processes, {len(told)} spends acknowledged, {unanswered} asked again, {found}")
    assert unanswered > 0
    assert found == EQUAL


@pytest.mark.fault(13)
@pytest.mark.timeout(300)
def test_what_was_acknowledged_survives_the_database(whole: System, figure: Figure) -> None:
    campaign = a_campaign(whole)
    crashes = 4
    longest = 0.0
    with posting(whole, campaign) as posters:
        for _ in range(crashes):
            progress(posters)
            whole.database.stop(signal.SIGQUIT)
            whole.database.start()
            started = time.monotonic()
            progress(posters, 1)
            longest = max(longest, time.monotonic() - started)

    told = {key: made for poster in posters for key, made in poster.acknowledged.items()}
    found = difference(whole, campaign, told)
    figure(
        f"{crashes} immediate stops, {len(told)} spends acknowledged, {found}; all clients served again at most "
        f"{longest:.1f} s after the database was up"
    )
    assert found == EQUAL
    assert {status for poster in posters for status in poster.refused} <= {UNANSWERED_STATUS, 503}


class Proxy:
    """Stands between the web part and the database, and can swallow the answer to a COMMIT and cut the connection."""

    def __init__(self, target: Path, directory: Path) -> None:
        self.target = str(target)
        self.cut_next = threading.Event()
        self.cuts = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(directory / ".s.PGSQL.5432"))
        self.listener.listen(20)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.target)
            doomed = False
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        doomed = b"COMMIT" in data and self.cut_next.is_set()
                        server.sendall(data)
                    elif doomed:  # the database has answered: it is committed, and nobody will be told
                        self.cut_next.clear()
                        self.cuts += 1
                        return
                    else:
                        client.sendall(data)


@pytest.mark.fault(14)
@pytest.mark.timeout(300)
def test_a_commit_whose_answer_is_lost_is_found_by_asking_again(whole: System, figure: Figure) -> None:
    between = whole.directory / "proxy"
    between.mkdir(exist_ok=True)
    proxy = Proxy(whole.directory / "pg" / ".s.PGSQL.5432", between)
    whole.web.stop()
    direct = whole.web.environment
    campaign = ""
    tries, doubled, lost = 12, 0, 0
    first: list[int] = []
    try:
        whole.web.environment = {**direct, "DATABASE_URL": f"postgres://budget@/budget?host={between}"}
        whole.web.start()
        campaign = a_campaign(whole)
        for number in range(tries):
            key = f"{campaign} {number}"
            body = {"campaign": campaign, "amount": "1.000001", "key": key}
            proxy.cut_next.set()
            first.append(whole.call("POST", "spends/", body, key=key).status)
            again = whole.insist("POST", "spends/", body, key=key, until=time.monotonic() + 30)
            [[count]] = whole.sql("SELECT count(*) FROM spending_spend WHERE key = %s", key)
            doubled += count > 1
            lost += count < 1
            assert again.status == 201
            assert again.replayed
    finally:
        proxy.listener.close()
        whole.web.stop()
        whole.web.environment = direct
        whole.web.start()

    figure(f"{proxy.cuts} answers to COMMIT swallowed, told {sorted(set(first))}, doubles {doubled}, losses {lost}")
    assert proxy.cuts == tries
    assert set(first) == {503}
    assert (doubled, lost) == (0, 0)


@pytest.mark.fault(15)
def test_sessions_that_are_ended_while_idle_cost_no_request(whole: System, figure: Figure) -> None:
    campaign = a_campaign(whole)
    statuses = []
    rounds = 8
    for number in range(rounds):
        for part in range(4):
            body = {"campaign": campaign, "amount": "1", "key": f"{campaign} {number} {part}"}
            statuses.append(whole.call("POST", "spends/", body, key=f"{campaign} {number} {part}").status)
        whole.end_sessions()

    failed = [status for status in statuses if status != 201]
    figure(f"{rounds} times all sessions ended, {len(statuses)} requests, answered other than 201: {len(failed)}")
    assert failed == []
    assert len(in_the_ledger(whole, campaign)) == len(statuses)


@pytest.mark.fault(16)
@pytest.mark.timeout(180)
def test_who_meets_a_stuck_transaction_is_told_so_in_time_and_the_database_ends_it(
    whole: System, figure: Figure
) -> None:
    stuck, free = a_campaign(whole), a_campaign(whole)
    limit_s = 10  # idle_in_transaction_session_timeout
    waits: list[float] = []

    def timed(campaign: str) -> tuple[int, float]:
        started = time.monotonic()
        answer = whole.call("POST", "spends/", {"campaign": campaign, "amount": "1"})
        return answer.status, time.monotonic() - started

    holder = psycopg2.connect(whole.database.url, options=f"-c idle_in_transaction_session_timeout={limit_s}s")
    with holder.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM brands_brand WHERE id = (SELECT brand_id FROM campaigns_campaign WHERE id = %s) FOR UPDATE",
            [stuck],
        )
    began = time.monotonic()
    others: list[float] = []
    while True:
        status, waited_s = timed(stuck)
        if status == 201:
            break
        assert status == 503
        waits.append(waited_s)
        status, waited_s = timed(free)
        assert status == 201
        others.append(waited_s)
        assert time.monotonic() - began < 60
    freed_s = time.monotonic() - began
    holder.close()

    figure(
        f"lock_timeout 2 s: {len(waits)} told 503 after at most {max(waits):.1f} s, other brands served in at most "
        f"{max(others):.1f} s; freed after {freed_s:.0f} s"
    )
    assert len(waits) >= 2
    assert max(waits) < 2 + 3
    assert freed_s < limit_s + 10


@pytest.mark.fault(18)
def test_a_database_that_takes_no_writes_is_said_so_and_nothing_is_half_done(whole: System, figure: Figure) -> None:
    campaign = a_campaign(whole)
    body = {"campaign": campaign, "amount": "1", "key": "first"}
    assert whole.call("POST", "spends/", body, key=f"{campaign} 1").status == 201

    whole.sql("UPDATE access_apitoken SET last_used_at = now() - interval '1 hour'")  # its use is to be noted again
    whole.sql_alone("ALTER DATABASE budget SET default_transaction_read_only = on")
    whole.end_sessions()
    try:
        tries = [whole.call("POST", "spends/", {**body, "key": "second"}, key=f"{campaign} 2") for _ in range(6)]
        reads = [whole.call("GET", f"campaigns/{campaign}").status for _ in range(3)]
        meanwhile = in_the_ledger(whole, campaign)
    finally:
        whole.sql_alone("ALTER DATABASE budget RESET default_transaction_read_only")
        whole.end_sessions()
    after = whole.insist("POST", "spends/", {**body, "key": "second"}, key=f"{campaign} 2", until=time.monotonic() + 30)

    told = sorted({one.status for one in tries})
    figure(f"read-only: {len(tries)} writes told {told}, reads {set(reads)}; afterwards recorded")
    assert {one.status for one in tries} == {503}
    assert set(reads) == {200}
    assert list(meanwhile) == ["first"]
    assert after.status == 201
    assert sorted(in_the_ledger(whole, campaign)) == ["first", "second"]


@pytest.mark.fault(18)
@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is made by root")
@pytest.mark.timeout(300)
def test_a_full_disk_loses_nothing_that_was_acknowledged(whole: System, figure: Figure) -> None:
    """The ledger's table lies on a file system of its own, which fills up."""
    with small_disk(whole, megabytes=16) as place:
        filler = place.parent / "filler"
        campaign = a_campaign(whole)
        whole.sql_alone(f"CREATE TABLESPACE small LOCATION '{place}'")
        whole.sql("ALTER TABLE spending_spend SET TABLESPACE small")
        try:
            told: dict[str, str] = {}
            assert post(whole, campaign, "before", told) == 201
            fill(filler)
            keys = [f"full {number}" for number in range(250)]
            statuses = [post(whole, campaign, key, told) for key in keys]
            reads = whole.call("GET", f"campaigns/{campaign}").status
            filler.unlink()
            again = [post(whole, campaign, key, told) for key in keys if key not in told]
        finally:
            filler.unlink(missing_ok=True)
            whole.sql("ALTER TABLE spending_spend SET TABLESPACE pg_default")
            whole.sql_alone("DROP TABLESPACE small")

    refused = [status for status in statuses if status != 201]
    found = difference(whole, campaign, told)
    figure(
        f"full disk: {len(refused)} of {len(statuses)} writes told {sorted(set(refused))}, reads {reads}; "
        f"{len(told)} acknowledged, {found}"
    )
    assert (set(refused), reads) == ({503}, 200)
    assert set(again) == {201}
    assert found == EQUAL


@pytest.mark.fault(58)
@pytest.mark.timeout(180)
def test_columns_come_and_go_while_spends_are_posted(whole: System, figure: Figure) -> None:
    """As a migration that only adds does, before the code that knows the column is there."""
    campaign = a_campaign(whole)
    tables = ("spending_spend", "spending_budgetperiod", "campaigns_campaign", "brands_brand")
    waited: list[float] = []
    with posting(whole, campaign) as posters:
        progress(posters, 1)
        for table in tables:
            for change in ("ADD COLUMN of_a_later_release integer", "DROP COLUMN of_a_later_release"):
                started = time.monotonic()
                whole.sql(f"SET lock_timeout = '2s'; ALTER TABLE {table} {change}")
                waited.append(time.monotonic() - started)
                progress(posters, 1)

    told = {key: made for poster in posters for key, made in poster.acknowledged.items()}
    failed = [status for poster in posters for status in poster.refused]
    found = difference(whole, campaign, told)
    figure(
        f"{len(waited)} changes of tables in at most {max(waited):.1f} s each beside {len(told)} spends; "
        f"failed requests {len(failed)}, {found}"
    )
    assert failed == []
    assert found == EQUAL
