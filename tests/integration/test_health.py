"""Health: what the probes answer while everything is at work, and with each thing that may be wrong."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from budget_system import clock, health
from budget_system.celery import app
from campaigns.models import Campaign
from enforcement import book_jobs, books
from enforcement.models import Alarm, AlarmKind, Heartbeat, Run, RunKind
from spending.models import BudgetPeriod, ImportState, SpendImport
from tasks.budget_tasks import health_check_task
from tasks.watch_tasks import check_books_task, heartbeat_task
from tests.factories import Story

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def asked_for_the_first_time() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def ran(kind: RunKind, before: timedelta = timedelta(0), **more: Any) -> None:
    moment = clock.now() - before
    Run.objects.create(kind=kind, trigger="worker", started_at=moment, finished_at=moment, **more)


def all_at_work() -> None:
    heartbeat_task()
    for kind in (RunKind.DAYPARTING, RunKind.PACE):
        ran(kind)
    check_books_task()


def deep() -> tuple[int, dict[str, Any]]:
    cache.clear()
    answer = Client().get("/healthz/deep")
    return answer.status_code, answer.json()


def wrong(body: dict[str, Any]) -> set[str]:
    return {name for name, part in body["checks"].items() if part["status"] != "healthy"}


def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DatabaseError('connection to server at "10.0.0.5" failed: password of "budget" is wrong')

    monkeypatch.setattr(connection, "cursor", refuse)


class TestLive:
    def test_it_answers_without_the_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        no_database(monkeypatch)

        answer = Client().get("/healthz/live")

        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


class TestReady:
    def test_a_database_that_can_be_written_to_and_is_migrated(self) -> None:
        answer = Client().get("/healthz/ready")

        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": []})
        assert Heartbeat.objects.filter(name=Heartbeat.WEB).count() == 1

    def test_a_migration_that_is_not_applied(self) -> None:
        _, name = next(pair for pair in health.migrations() if pair[0] == "enforcement")
        MigrationRecorder(connection).record_unapplied("enforcement", name)

        answer = Client().get("/healthz/ready")

        assert (answer.status_code, answer.json()["reasons"]) == (503, [health.NOT_MIGRATED])

    def test_no_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        no_database(monkeypatch)

        answer = Client().get("/healthz/ready")

        assert (answer.status_code, answer.json()["reasons"]) == (503, [health.NO_DATABASE])
        assert b"10.0.0.5" not in answer.content

    @pytest.mark.fault(18)
    def test_a_database_that_can_only_be_read(self) -> None:
        on, off = ("SET TRANSACTION READ ONLY", None) if connection.vendor == "postgresql" else (
            "PRAGMA query_only = on", "PRAGMA query_only = off",
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(on)
        try:
            answer = Client().get("/healthz/ready")
        finally:
            if off:
                with connection.cursor() as cursor:
                    cursor.execute(off)

        assert (answer.status_code, answer.json()["reasons"]) == (503, [health.READ_ONLY])

    def test_asking_often_writes_once(self, django_assert_num_queries: Any) -> None:
        Client().get("/healthz/ready")

        with django_assert_num_queries(0):
            answers = [Client().get("/healthz/ready").status_code for _ in range(20)]

        assert answers == [200] * 20


class TestDeep:
    def test_green_while_everything_is_at_work(self) -> None:
        all_at_work()

        status, body = deep()

        assert wrong(body) == set()
        assert (status, body["status"]) == (200, "healthy")
        assert body["checks"]["services"]["heartbeat_age_s"] == 0
        assert body["checks"]["books"]["differences"] == 0

    @pytest.mark.parametrize(
        ("kind", "before", "part"),
        [
            (RunKind.DAYPARTING, timedelta(minutes=4), "services"),
            (RunKind.PACE, timedelta(minutes=16), "pacing"),
            (RunKind.BOOKS, timedelta(hours=3), "books"),
        ],
    )
    def test_red_when_a_run_does_not_come(self, kind: RunKind, before: timedelta, part: str) -> None:
        all_at_work()
        Run.objects.filter(kind=kind).update(started_at=clock.now() - before)

        status, body = deep()

        assert (status, body["status"], wrong(body)) == (503, "degraded", {part})

    @pytest.mark.fault(22, 25)
    def test_red_when_the_heart_has_stopped(self) -> None:
        all_at_work()
        Heartbeat.objects.update(at=clock.now() - health.SILENT - timedelta(seconds=2))

        status, body = deep()

        assert (status, wrong(body)) == (503, {"services"})

    @pytest.mark.fault(24)
    def test_red_when_the_broker_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        all_at_work()
        monkeypatch.setattr(app.conf, "broker_read_url", "redis://127.0.0.1:1/0")

        status, body = deep()

        assert (status, wrong(body), body["checks"]["services"]["broker"]) == (503, {"services"}, "unreachable")

    @pytest.mark.fault(59)
    def test_red_when_the_books_differ_and_green_when_they_agree_again(self) -> None:
        all_at_work()
        story = Story()
        story.spend(story.campaign(), "5")
        Campaign.objects.update(next_check_at=clock.now() + timedelta(hours=1))
        BudgetPeriod.objects.filter(scope_id=story.brand.pk, kind="D").update(posted=0)

        found = check_books_task()
        status, body = deep()
        raised = Alarm.objects.get(kind=AlarmKind.BOOKS)
        BudgetPeriod.objects.filter(scope_id=story.brand.pk, kind="D").update(posted=5)
        again = check_books_task()

        assert found["differences"] == 1
        assert (status, wrong(body), body["checks"]["books"]["differences"]) == (503, {"books"}, 1)
        assert "check_ledger" in raised.message
        assert again["differences"] == 0
        assert deep()[0] == 200
        assert Alarm.objects.exclude(cleared_at=None).get() == raised

    def test_red_when_an_import_has_no_worker(self) -> None:
        all_at_work()
        record = SpendImport.objects.create(
            file_name="may.csv", digest="", size=1, created_at=clock.now() - timedelta(minutes=11), created_by="Anna"
        )

        status, body = deep()
        SpendImport.objects.filter(pk=record.pk).update(state=ImportState.FAILED)
        _, after = deep()

        assert (status, wrong(body), body["checks"]["imports"]["stuck"]) == (503, {"imports"}, 1)
        assert after["checks"]["imports"] == {"status": "healthy", "stuck": 0, "failed_last_day": 1}

    def test_no_database_is_said_without_what_the_driver_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        all_at_work()
        no_database(monkeypatch)

        status, body = deep()

        assert (status, body["status"]) == (503, "unhealthy")
        assert "10.0.0.5" not in json.dumps(body)


class TestWhoMayAsk:
    @pytest.mark.parametrize("path", ["/healthz/live", "/healthz/ready", "/healthz/deep"])
    def test_load_balancers_ask_by_address_in_plain_http_and_without_a_name(self, path: str, settings: Any) -> None:
        settings.SECURE_SSL_REDIRECT = True
        all_at_work()

        answer = Client().get(path, HTTP_HOST="10.1.2.3:8000", REMOTE_ADDR="203.0.113.9")

        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Request-Id"]
        assert Client().get(f"{path}/").status_code == 200
        assert Client().post(path).status_code == 405

    def test_nothing_of_clients_is_told(self) -> None:
        all_at_work()
        story = Story(name="Verysecret Ltd")
        story.spend(story.campaign("Hushhush"), "12.34")

        said = "".join(Client().get(f"/healthz/{name}").content.decode() for name in ("live", "ready", "deep"))

        assert not [word for word in ("Verysecret", "Hushhush", "12.34", "active", "paused") if word in said]
        assert health_check_task()["checks"]["campaigns"]["active"] == 1

    def test_other_paths_still_ask_for_a_host(self) -> None:
        assert Client().get("/healthz/other", HTTP_HOST="10.1.2.3").status_code == 400


class TestBooks:
    def test_what_one_look_finds_and_the_next_does_not_is_no_difference(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As when a spend is posted between the questions that a look consists of."""
        story = Story()
        story.spend(story.campaign(), "5")
        period = BudgetPeriod.objects.filter(scope_id=story.brand.pk, kind="D")
        period.update(posted=0)
        look = books.check

        def look_and_heal(now: datetime, **options: Any) -> Any:
            found = look(now, **options)
            period.update(posted=5)
            return found

        monkeypatch.setattr(books, "check", look_and_heal)

        counts = book_jobs.check_books(actor="a test", clock=lambda: story.now)

        assert counts["differences"] == 0
        assert not Alarm.objects.exists()

    def test_a_check_that_finds_another_under_way_leaves_it_alone(self) -> None:
        Run.objects.create(kind=RunKind.BOOKS, trigger="worker", started_at=clock.now())

        assert check_books_task() == {"skipped": 1}
