"""So many requests a minute, counted exactly; without Redis less exactly, and at no cost; and so many logins."""

import logging
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path, reverse
from rest_framework.test import APIClient

from access import limiter as limiting
from access.limiter import Limiter, redis_storage
from access.login import TRIES_PER_MINUTE
from access.roles import Role
from budget_system import clock
from budget_system.ids import new_id
from tests.factories import Story
from tests.integration.admin_client import text_of
from tests.integration.people import at_the_admin, person, token_for
from tests.integration.test_access_api import Brands

NOON = datetime(2026, 5, 5, 12, 0, 40, tzinfo=UTC)
urlpatterns = [path("brands/", Brands.as_view())]

ASK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from access.limiter import Limiter
url, key, moment = sys.argv[1:]
limiter, now = Limiter(url), datetime.fromisoformat(moment)
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
with ThreadPoolExecutor(10) as pool:
    counts = list(pool.map(lambda _: limiter.hit(key, 10, now), range(10)))
print(sum(count.admitted for count in counts), sorted(count.used for count in counts))
"""


@pytest.mark.slow
@pytest.mark.need(10)
@pytest.mark.postgres
def test_fifty_calls_at_once_from_five_processes_on_a_limit_of_ten_let_exactly_ten_through() -> None:
    # With PostgreSQL comes a real Valkey.
    command = [sys.executable, "-c", ASK, settings.CELERY_BROKER_URL, f"test:{new_id()}", NOON.isoformat()]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(5)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    admitted, numbers = [], []
    for process in processes:
        out, _ = process.communicate(timeout=30)
        first, _, rest = out.strip().partition(" ")
        admitted.append(int(first))
        numbers += [int(number) for number in rest.strip("[]").split(",")]

    assert sum(admitted) == 10
    assert sorted(numbers) == list(range(1, 51))


def test_the_next_minute_begins_anew_and_others_have_their_own_count() -> None:
    limiter = Limiter("memory://")

    first = [limiter.hit("a", 2, NOON).admitted for _ in range(3)]
    other = limiter.hit("b", 2, NOON).admitted
    last = limiter.hit("a", 2, NOON)
    next_minute = limiter.hit("a", 2, NOON + timedelta(seconds=20))

    assert first == [True, True, False]
    assert other
    assert (last.remaining, last.window_ends_in_s) == (0, 20)
    assert (next_minute.admitted, next_minute.remaining, next_minute.window_ends_in_s) == (True, 1, 60)


@pytest.mark.parametrize(
    ("url", "kwargs"),
    [
        ("redis://:secret@redis.example.com:6390/3", {"host": "redis.example.com", "port": 6390, "db": 3}),
        ("redis+socket:///run/valkey.sock", {"path": "/run/valkey.sock", "db": 0}),
        ("redis+socket:///run/valkey.sock?virtual_host=2", {"path": "/run/valkey.sock", "db": 2}),
        ("rediss://redis.example.com:6379/0", {"host": "redis.example.com", "db": 0}),
    ],
)
def test_the_brokers_url_leads_to_the_same_server(url: str, kwargs: dict[str, object]) -> None:
    storage = redis_storage(url)

    assert storage is not None
    used = storage.storage.connection_pool.connection_kwargs
    assert {key: used.get(key) for key in kwargs} == kwargs
    assert (used["socket_timeout"], used["socket_connect_timeout"]) == (0.2, 0.2)


@pytest.mark.fault(24)
def test_without_redis_requests_are_counted_here_and_that_is_said_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = Limiter(f"redis+socket://{tmp_path}/nobody.sock")

    with caplog.at_level(logging.WARNING, "access.limiter"):
        admitted = [limiter.hit("a", 10, NOON).admitted for _ in range(12)]
        limiter.hit("a", 10, NOON + timedelta(seconds=30))
        said = len(caplog.records)
        limiter.hit("a", 10, NOON + timedelta(seconds=61))

    assert admitted == [True] * 10 + [False] * 2
    assert (said, len(caplog.records)) == (1, 2)


def test_a_silent_redis_costs_one_request_in_a_while_and_not_each_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "silent.sock"))
        server.listen()
        limiter = Limiter(f"redis+socket://{tmp_path}/silent.sock")

        started = time.monotonic()
        limiter.hit("a", 10, NOON)
        first = time.monotonic() - started
        for _ in range(100):
            limiter.hit("a", 1000, NOON + timedelta(seconds=4))
        rest = time.monotonic() - started - first

    assert first < 1
    assert rest < first


@pytest.mark.postgres
def test_when_redis_is_back_it_counts_again(tmp_path: Path) -> None:
    limiter, key = Limiter(f"redis+socket://{tmp_path}/nobody.sock"), f"test:{new_id()}"
    limiter.hit(key, 10, NOON)
    limiter._redis = redis_storage(settings.CELERY_BROKER_URL)

    meanwhile = limiter.hit(key, 10, NOON + timedelta(seconds=2))
    later = limiter.hit(key, 10, NOON + limiting.BACK_OFF)

    assert (meanwhile.used, later.used) == (2, 1)


# --- The API


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_a_token_has_its_own_rate_and_is_told_when_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story("2026-05-05 12:00:40")
    monkeypatch.setattr(clock, "now", lambda: story.now)
    mia = person(Role.VIEWER, story.brand)
    slow, fast = APIClient(), APIClient()
    slow.credentials(HTTP_AUTHORIZATION=f"Bearer {token_for(mia, story.now, 'read', rate=3)}")
    fast.credentials(HTTP_AUTHORIZATION=f"Bearer {token_for(mia, story.now, 'read')}")

    answers = [slow.get("/brands/") for _ in range(4)]
    other = fast.get("/brands/")
    story.clock("2026-05-05 12:01")
    again = slow.get("/brands/")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3]["Retry-After"] == "20"
    assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer["X-RateLimit-Limit"] for answer in answers} == {"3"}
    assert answers[0]["X-RateLimit-Reset"] == "20"
    assert other.status_code == 200
    assert other["X-RateLimit-Limit"] == str(settings.REQUESTS_PER_MINUTE)
    assert again.status_code == 200


# --- Logging in


def tries(client: Client, name: str, password: str, address: str) -> int:
    data = {"username": name, "password": password}
    return client.post(reverse("admin:login"), data, REMOTE_ADDR=address).status_code


@pytest.mark.need(10)
@pytest.mark.django_db
def test_five_wrong_passwords_make_the_name_wait_at_that_address_and_nowhere_else() -> None:
    user = User.objects.create_superuser("ann", "", "a-long-password")
    User.objects.create_superuser("bob", "", "a-long-password")
    client = Client()

    wrong = [tries(client, "ann", "guess", "192.0.2.1") for _ in range(5)]
    refused = client.post(
        reverse("admin:login"), {"username": "ann", "password": "a-long-password"}, REMOTE_ADDR="192.0.2.1"
    )
    words = text_of(refused)

    assert wrong == [200, 200, 200, 200, 429]
    assert refused.status_code == 429
    assert "5 wrong passwords for “ann” from your address" in words
    assert "Try again in 15 minutes" in words
    assert 890 <= int(refused["Retry-After"]) <= 900
    assert tries(Client(), "ann", "a-long-password", "192.0.2.2") == 302
    assert tries(Client(), "bob", "a-long-password", "192.0.2.1") == 302
    user.refresh_from_db()
    assert user.last_login is not None


@pytest.mark.django_db
def test_trying_during_the_wait_does_not_make_it_longer() -> None:
    User.objects.create_superuser("ann", "", "a-long-password")
    for _ in range(7):
        tries(Client(), "ann", "guess", "192.0.2.3")
    AccessAttempt.objects.update(attempt_time=clock.now() - timedelta(minutes=14, seconds=30))

    still = tries(Client(), "ann", "a-long-password", "192.0.2.3")
    AccessAttempt.objects.update(attempt_time=clock.now() - timedelta(minutes=15, seconds=1))

    assert still == 429
    assert tries(Client(), "ann", "a-long-password", "192.0.2.3") == 302


@pytest.mark.django_db
def test_an_administrator_ends_the_wait() -> None:
    User.objects.create_superuser("ann", "", "a-long-password")
    for _ in range(5):
        tries(Client(), "ann", "guess", "192.0.2.4")
    administrator = at_the_admin(person(Role.ADMINISTRATOR))
    url = reverse("admin:access_failedlogin_changelist")
    row = AccessAttempt.objects.get()

    listed = text_of(administrator.get(url, {"state": "waits"}))
    chosen = {"action": "let_try_again", "_selected_action": [str(row.pk)]}
    answer = text_of(administrator.post(url, chosen, follow=True))

    assert "192.0.2.4" in listed
    assert "Waits, ends in" in listed
    assert "May try again: “ann” from 192.0.2.4" in answer
    assert tries(Client(), "ann", "a-long-password", "192.0.2.4") == 302


@pytest.mark.need(10)
@pytest.mark.django_db
def test_an_address_tries_so_often_a_minute_whatever_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = Limiter("memory://")
    monkeypatch.setattr("access.login.limiter", lambda: limiter)
    monkeypatch.setattr("access.login.clock.now", lambda: NOON)
    statuses = [tries(Client(), f"name{number}", "guess", "192.0.2.5") for number in range(TRIES_PER_MINUTE)]

    refused = Client().post(reverse("admin:login"), {"username": "x", "password": "y"}, REMOTE_ADDR="192.0.2.5")

    assert set(statuses) == {200}
    assert refused.status_code == 429
    assert refused["Retry-After"] == "20"
    assert "More than 30 tries to log in came from your address" in text_of(refused)
    assert "Try again in 20 seconds" in text_of(refused)
    assert tries(Client(), "x", "y", "192.0.2.6") == 200
    assert Client().get(reverse("admin:login"), REMOTE_ADDR="192.0.2.5").status_code == 200


@pytest.mark.django_db
def test_passwords_are_not_kept_with_failed_logins() -> None:
    tries(Client(), "ann", "my-real-password-typed-wrong", "192.0.2.7")

    assert "my-real-password-typed-wrong" not in str(list(AccessAttempt.objects.values_list()))
