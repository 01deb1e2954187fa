"""Metrics: who may read them, whether they say what the database says, and whether several processes count as one."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from alerts import services as alerts
from alerts.models import Alert
from brands.models import Brand
from budget_system import clock
from budget_system.metrics import business, exposition
from campaigns.models import Campaign, StateChange
from delivery.models import Delivery, DeliveryState, Endpoint
from delivery.payload import EventType
from delivery.severity import Severity
from enforcement import alarms, reservations, services
from enforcement.models import AlarmKind, Heartbeat, Run, RunKind, TaskTotal
from platforms.models import Account, Act, ActKind, RemoteState
from platforms.services import stop_all
from platforms.steps import Step
from spending.models import ImportState, SpendImport
from tasks.watch_tasks import check_books_task, heartbeat_task
from tests.factories import ACTOR, Story
from tests.integration.web import serving

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
TOKEN = "for-the-tests-of-metrics-only"
Labels = Mapping[str, str]


@pytest.fixture(autouse=True)
def asked_for_the_first_time(settings: Any) -> Iterator[None]:
    """At noon: a day that ends between a spend and the question is another test's business."""
    settings.METRICS_TOKEN = ""
    cache.clear()
    with time_machine.travel(NOON, tick=True):
        yield
    cache.clear()


class Figures:
    """What an exposition says."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.names = {family.name for family in families}
        self._samples = [sample for family in families for sample in family.samples]

    def all(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The values by their other labels, in the order of these labels' names."""
        return {
            tuple(value for key, value in sorted(sample.labels.items()) if key not in labels): sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        }

    def one(self, name: str, **labels: str) -> float:
        [value] = self.all(name, **labels).values()
        return value


def figures() -> Figures:
    return Figures(exposition(clock.now()).decode())


def story(name: str = "Acme", **brand: Any) -> Story:
    """A brand whose present is now: days in ids and in `at` agree as they do in production."""
    made = Story(name=name, timezone="UTC", **brand)
    made.now = clock.now()
    return made


class TestWhoMayRead:
    def test_this_machine_reads_them_where_there_is_no_token(self) -> None:
        answer = Client().get("/metrics")

        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=")
        assert answer["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        "request_",
        [
            {"REMOTE_ADDR": "203.0.113.9"},
            {"REMOTE_ADDR": "10.0.0.7"},
            {"REMOTE_ADDR": ""},
            {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
            {"HTTP_FORWARDED": "for=127.0.0.1"},
            {"HTTP_X_REAL_IP": "127.0.0.1"},
            {"REMOTE_ADDR": "203.0.113.9", "HTTP_AUTHORIZATION": "Bearer "},
        ],
    )
    def test_without_a_token_nobody_else_does(self, request_: dict[str, str]) -> None:
        answer = Client().get("/metrics", **request_)  # type: ignore[arg-type]

        assert answer.status_code == 403
        assert b"METRICS_TOKEN" in answer.content

    def test_with_a_token_whoever_brings_it(self, settings: Any) -> None:
        settings.METRICS_TOKEN = TOKEN

        right = Client().get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}", REMOTE_ADDR="203.0.113.9")
        wrong = [
            Client().get("/metrics", HTTP_AUTHORIZATION=text).status_code
            for text in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ümlaut")
        ]

        assert right.status_code == 200
        assert wrong == [403] * 6
        assert Client().get("/metrics").status_code == 403


class TestMoney:
    def test_spend_use_and_overshoot_are_those_of_the_periods(self) -> None:
        acme, bravo = story("Acme", daily_budget="100"), story("Bravo", currency="USD", daily_budget=None)
        acme.spend(acme.campaign(), "130.25")
        bravo.spend(bravo.campaign(), "7.5")

        found = figures()

        assert found.all("budget_spend_amount", period="day") == {("EUR",): 130.25, ("USD",): 7.5}
        assert found.all("budget_overshoot_amount", period="day") == {("EUR",): 30.25, ("USD",): 0}
        assert found.all("budget_brands_over", period="day") == {("EUR",): 1, ("USD",): 0}
        assert found.one("budget_brand_spend_amount", brand="Acme", period="day") == 130.25
        assert found.one("budget_brand_used_ratio", brand="Acme", period="day") == pytest.approx(1.3025)
        assert found.one("budget_brand_used_ratio", brand="Acme", period="month") == pytest.approx(130.25 / 2000)
        assert found.all("budget_brand_used_ratio", brand="Bravo", period="day") == {}

    def test_brands_have_series_up_to_a_number_and_totals_have_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(business, "BRANDS", 2)
        for name, amount in {"A": "10", "B": "90", "C": "50"}.items():
            one = story(name)
            one.spend(one.campaign(), amount)

        found = figures()

        shown = {brand for brand, *_ in found.all("budget_brand_spend_amount", period="day", currency="EUR")}
        assert shown == {"B", "C"}
        assert found.one("budget_spend_amount", period="day") == 150
        assert (found.one("budget_brands"), found.one("budget_brands_shown")) == (3, 2)

    def test_a_name_cannot_break_the_format(self) -> None:
        story('Quote " \\ and }')

        assert {brand for brand, *_ in figures().all("budget_brand_spend_amount", period="day", currency="EUR")} == {
            'Quote " \\ and }'
        }

    def test_reservations(self) -> None:
        acme = story()
        campaign = acme.campaign()
        for _ in range(2):
            reservations.reserve(
                uuid4(), campaign.pk, Decimal(10), channel="", ttl=timedelta(seconds=1), actor=ACTOR, now=acme.now
            )

        found = Figures(exposition(acme.now + timedelta(seconds=91)).decode())

        assert found.one("budget_reservations_pending") == 2
        assert found.one("budget_reserved_amount", period="day") == 20
        assert found.one("budget_reservation_overdue_seconds") == pytest.approx(90)

    def test_how_long_ago_each_source_brought_spend(self) -> None:
        acme = story()
        acme.spend(acme.campaign(), "5")
        SpendImport.objects.create(
            file_name="may.csv", digest="", size=1, source="google_ads", state=ImportState.DONE, created_by="Anna",
            created_at=acme.now, finished_at=acme.now - timedelta(hours=30),
        )  # fmt: skip

        ages = Figures(exposition(acme.now + timedelta(minutes=2)).decode()).all("budget_report_age_seconds")

        assert ages == {("api",): pytest.approx(120, abs=1), ("google_ads",): pytest.approx(30 * 3600 + 120)}


class TestCampaigns:
    def test_by_state_and_reason_and_what_became_of_them_today(self) -> None:
        acme = story(daily_budget="100")
        one, two = acme.campaign("One"), acme.campaign("Two")
        services.pause(two.pk, actor=ACTOR, now=acme.now)
        acme.spend(one, "100")
        services.change_brand(acme.brand.pk, {"daily_budget": "200"}, actor=ACTOR, now=acme.now)
        acme.spend(one, "100")

        found = figures()

        by_reason = {(c.status, c.pause_reason) for c in Campaign.objects.all()}
        assert found.all("budget_campaigns") == {(reason, status): 1 for status, reason in by_reason}
        changes = found.all("budget_state_changes_total")
        assert changes == {("paused", "MANUAL"): 1, ("paused", "DAILY_BUDGET_EXCEEDED"): 2, ("reactivated", ""): 1}
        moved = [c for c in StateChange.objects.all() if c.from_status != c.to_status]
        assert sum(changes.values()) == len(moved) == 4

    def test_what_happened_yesterday_is_not_counted_again(self) -> None:
        acme = story()
        services.pause(acme.campaign().pk, actor=ACTOR, now=acme.now)

        tomorrow = Figures(exposition(acme.now + timedelta(days=1)).decode())

        assert tomorrow.all("budget_state_changes_total") == {}


class TestMachine:
    def test_heartbeat_runs_tasks_and_alarms(self) -> None:
        heartbeat_task()
        Heartbeat.objects.update(at=clock.now() - timedelta(seconds=30))
        check_books_task()
        began = clock.now() - timedelta(seconds=50)
        Run.objects.create(
            kind=RunKind.DAYPARTING, trigger="worker", started_at=began, finished_at=began + timedelta(seconds=2),
            counts={"checked": 7}, error="Something",
        )  # fmt: skip
        for seconds in (0.5, 0.25):
            TaskTotal.count("a.task", failed=seconds < 0.5, seconds=seconds)
        alarms.raise_alarm(AlarmKind.TICKS, "Silence.", clock.now())

        found = figures()

        assert found.one("budget_heartbeat_age_seconds") == pytest.approx(30, abs=2)
        assert found.one("budget_run_age_seconds", kind="enforce_dayparting") == pytest.approx(50, abs=2)
        assert found.one("budget_run_duration_seconds", kind="enforce_dayparting") == pytest.approx(2)
        assert found.one("budget_run_failed", kind="enforce_dayparting") == 1
        assert found.one("budget_run_decisions", kind="enforce_dayparting") == 7
        assert found.one("budget_books_differences") == 0
        assert found.one("budget_task_runs_total", task="a.task") == 2
        assert found.one("budget_task_failures_total", task="a.task") == 1
        assert found.one("budget_task_seconds_total", task="a.task") == 0.75
        assert found.all("budget_alarm") == {("ticks_stopped",): 1, ("books_differ",): 0}
        assert found.one("budget_metrics_failed_groups") == 0

    def test_imports(self) -> None:
        now = clock.now()
        for state, rows in (("DONE", 3), ("UNDONE", 2), ("FAILED", 0), ("QUEUED", 0)):
            SpendImport.objects.create(
                file_name="a.csv", digest="", size=1, state=state, rows=rows, accepted=rows, created_at=now,
                created_by="Anna",
            )  # fmt: skip

        found = Figures(exposition(now + timedelta(seconds=1)).decode())

        assert found.all("budget_imports_total") == {("done",): 2, ("undone",): 1, ("failed",): 1}
        assert found.one("budget_import_rows_total", result="accepted") == 5
        assert (found.one("budget_imports_waiting"), found.one("budget_imports_stuck")) == (1, 0)

    def test_where_the_database_does_not_answer_the_rest_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise DatabaseError("gone")

        monkeypatch.setattr(connection, "cursor", refuse)

        found = figures()

        assert found.one("budget_metrics_failed_groups") >= 10
        assert found.all("budget_broker_up")
        assert "budget_http_requests" in found.names

    def test_questions_do_not_grow_with_brands_and_campaigns(self, django_assert_max_num_queries: Any) -> None:
        def ask() -> int:
            with django_assert_max_num_queries(60) as asked:
                figures()
            return len(asked)

        one = story("One")
        one.campaign()
        few = ask()
        for number in range(5):
            more = story(f"More {number}")
            more.spend(more.campaign(), "5")

        assert ask() == few


class TestOutward:
    def test_alerts_by_severity_and_when_they_were_looked_for(self) -> None:
        acme = story(daily_budget="100")
        acme.spend(acme.campaign(), "100")
        alerts.look(acme.now)

        found = Figures(exposition(acme.now + timedelta(seconds=40)).decode())

        opened = Counter(Severity(alert.severity).name.lower() for alert in Alert.objects.open())
        assert opened.total() > 0
        assert found.all("budget_alerts_open") == {(one.name.lower(),): opened[one.name.lower()] for one in Severity}
        assert found.one("budget_alert_look_age_seconds") == pytest.approx(40)

    def test_messages_that_wait_are_parked_or_overdue(self) -> None:
        acme = story()
        works = self.endpoint(acme, "Works")
        held_back = self.endpoint(acme, "Held back", failures=3, leave_until=acme.now + timedelta(hours=1))
        off = self.endpoint(acme, "Off", off_at=acme.now, off_reason="Gone")
        for endpoint in (works, held_back, off):
            for seconds, state in (
                (90, DeliveryState.PENDING),
                (-90, DeliveryState.PENDING),
                (0, DeliveryState.PARKED),
            ):
                Delivery.objects.create(
                    endpoint=endpoint, type=EventType.PING, source_id=uuid4(), order_key=uuid4(), happened_at=acme.now,
                    body="{}", state=state, created_at=acme.now,
                    next_at=acme.now - timedelta(seconds=seconds) if state == DeliveryState.PENDING else None,
                )  # fmt: skip

        found = Figures(exposition(acme.now).decode())

        assert found.all("budget_messages_waiting") == {("WEBHOOK",): 4}
        assert found.all("budget_messages_parked") == {("WEBHOOK",): 2}
        assert found.all("budget_message_overdue_seconds") == {("WEBHOOK",): pytest.approx(90)}
        assert found.all("budget_endpoints") == {
            ("WEBHOOK", "works"): 1, ("WEBHOOK", "fails"): 1, ("WEBHOOK", "off"): 1,
        }  # fmt: skip

    def test_a_message_that_waits_for_an_earlier_one_is_not_overdue(self) -> None:
        acme = story()
        endpoint, order_key = self.endpoint(acme, "Fails", failures=1), uuid4()
        for due_for in (-600, 900):
            Delivery.objects.create(
                endpoint=endpoint, type=EventType.PING, source_id=uuid4(), order_key=order_key, happened_at=acme.now,
                body="{}", created_at=acme.now, next_at=acme.now - timedelta(seconds=due_for),
            )  # fmt: skip

        assert Figures(exposition(acme.now).decode()).all("budget_message_overdue_seconds") == {}
        found = Figures(exposition(acme.now + timedelta(seconds=700)).decode())
        assert found.all("budget_message_overdue_seconds") == {("WEBHOOK",): pytest.approx(100)}

    def endpoint(self, acme: Story, name: str, **more: Any) -> Endpoint:
        return Endpoint.objects.create(
            brand=acme.brand, name=name, url="https://example.com/", secret="sealed", starts_at=acme.now,
            created_at=acme.now, updated_at=acme.now, **more,
        )  # fmt: skip

    def test_what_runs_at_a_platform_though_it_is_stopped_here_and_how_long_pauses_take(self) -> None:
        acme = story(daily_budget="100")
        account = Account.objects.create(
            brand=acme.brand, platform="GOOGLE", account_id="1", credentials="sealed", created_at=acme.now,
            updated_at=acme.now, looked_at=acme.now - timedelta(minutes=1), pulled_at=acme.now - timedelta(minutes=5),
        )  # fmt: skip
        Account.objects.create(
            brand=acme.brand, platform="META", account_id="2", credentials="sealed", created_at=acme.now,
            updated_at=acme.now, needs_person=True,
        )  # fmt: skip
        costs, fine = acme.campaign("Costs"), acme.campaign("Fine")
        for campaign, actual, step in ((costs, "ENABLED", Step.SEND), (fine, "PAUSED", Step.IN_STEP)):
            RemoteState.objects.create(
                campaign=campaign, account=account, actual=actual, step=step.value, step_since=acme.now
            )
        for seconds in (2.0, 4.0):
            Act.objects.create(
                campaign=fine, account=account, at=acme.now, kind=ActKind.CONFIRMED, asked="PAUSED", seconds=seconds,
                actor="worker",
            )  # fmt: skip
        acme.spend(costs, "100")
        stop_all(reason="Trying it.", actor=ACTOR, now=acme.now)

        found = Figures(exposition(acme.now).decode())

        assert found.all("budget_platform_at_risk") == {("GOOGLE",): 1}
        assert found.all("budget_platform_campaigns") == {("GOOGLE", "send"): 1, ("GOOGLE", "in_step"): 1}
        assert found.all("budget_platform_accounts") == {("GOOGLE", "works"): 1, ("META", "needs_person"): 1}
        assert found.all("budget_platform_look_age_seconds") == {("GOOGLE",): pytest.approx(60)}
        assert found.all("budget_platform_spend_age_seconds") == {("GOOGLE",): pytest.approx(300)}
        assert found.one("budget_platform_pauses_total") == 2
        assert found.one("budget_platform_pause_seconds_total") == 6
        assert found.one("budget_platform_pause_longest_seconds") == 4
        assert found.one("budget_outgoing_stopped") == 1

    def test_accounts_of_archived_brands_and_those_that_wait_for_a_person_are_not_called_unread(self) -> None:
        acme, gone = story(), story("Gone")
        long_ago = acme.now - timedelta(days=9)
        for platform, brand, more in (
            ("GOOGLE", gone.brand, {}),
            ("META", gone.brand, {"needs_person": True, "failing_since": long_ago}),
            ("TIKTOK", acme.brand, {"needs_person": True, "failing_since": long_ago}),
            ("MICROSOFT", acme.brand, {"pull_failing_since": long_ago}),
        ):
            Account.objects.create(
                brand=brand, platform=platform, account_id="1", credentials="sealed", created_at=long_ago,
                updated_at=long_ago, looked_at=long_ago, pulled_at=long_ago, **more,
            )  # fmt: skip
        Brand.objects.filter(pk=gone.brand.pk).update(archived_at=acme.now)

        found = Figures(exposition(acme.now).decode())

        assert found.all("budget_platform_accounts") == {("TIKTOK", "needs_person"): 1, ("MICROSOFT", "fails"): 1}
        for name in ("budget_platform_look_age_seconds", "budget_platform_spend_age_seconds"):
            assert set(found.all(name)) == {("MICROSOFT",)}


class TestTraffic:
    def test_requests_are_counted_by_view_method_and_status(self) -> None:
        labels = {"view": "probes:live", "method": "GET", "status": "200"}
        before = figures().all("budget_http_requests_total", **labels).get((), 0)

        for _ in range(3):
            Client().get("/healthz/live")
        Client().post("/healthz/live")
        Client().get("/admin/no-such-page/", follow=False)

        found = figures()
        assert found.one("budget_http_requests_total", **labels) == before + 3
        assert found.one("budget_http_requests_total", **{**labels, "method": "POST", "status": "405"}) >= 1
        assert found.one("budget_http_request_duration_seconds_count", view="probes:live") >= before + 4

    def test_a_method_or_a_path_that_somebody_makes_up_is_no_new_series(self) -> None:
        before = len(figures().all("budget_http_requests_total"))

        for number in range(20):
            Client().generic(f"MADE{number}", f"/made-up-{number}")

        assert len(figures().all("budget_http_requests_total")) <= before + 1

    @pytest.mark.slow
    @pytest.mark.postgres
    @pytest.mark.django_db(transaction=True)
    def test_two_processes_count_as_one_and_what_a_dead_one_counted_stays(self, tmp_path: Path) -> None:
        kept = tmp_path / "metrics"
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        with serving(tmp_path, 2, METRICS_TOKEN=TOKEN, PROMETHEUS_MULTIPROC_DIR=str(kept)) as web:

            def counted() -> float:
                status, text = web.get("/metrics", **bearer)
                assert status == 200, text
                return Figures(text).one("budget_http_requests_total", view="probes:live", status="200")

            before = counted()
            web.get_often("/healthz/live", 200)
            after = [counted() for _ in range(6)]
            workers = sorted(int(path.stem.split("_")[1]) for path in kept.glob("counter_*.db"))
            os.kill(workers[0], signal.SIGKILL)
            web.get_often("/healthz/live", 100)
            at_last = counted()
            refused = web.get("/metrics")[0]

        assert len(workers) == 2
        assert after == [before + 200] * 6
        assert at_last == before + 300
        assert refused == 403
        lines = [json.loads(line) for line in web.log.read_text().splitlines()]
        assert {"gunicorn.error", "budget_system.traffic"} <= {line["logger"] for line in lines}
        assert TOKEN not in web.log.read_text()
