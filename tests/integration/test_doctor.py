"""`doctor`: each invariant broken once, seen, and repaired where that is safe."""

import io
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from brands.models import Brand
from budget_system import clock
from budget_system.sealed import seal
from campaigns.models import Campaign
from delivery.models import Endpoint
from enforcement import doctor, jobs, pacing, reservations
from enforcement.demo.login import PASSWORD, USERNAME
from enforcement.doctor import State
from enforcement.models import Run, RunKind
from pacing.models import PacedCampaign
from spending.models import BudgetPeriod, ImportState, Reservation, ReservationStatus, SpendImport
from tests.factories import ACTOR, Story

HERE = {"redis", "database", "settings", "ticks"}
"""What depends on where the tests run."""


@pytest.fixture
def story(db: None, monkeypatch: pytest.MonkeyPatch) -> Story:
    """A brand at the time that the command sees; the minute tick has just come."""
    told = Story()
    monkeypatch.setattr(clock, "now", lambda: told.now)
    told.spend(told.campaign("Sale"), "5")
    jobs.run(jobs.DAYPARTING, actor="worker", clock=clock.now)
    return told


def run(*arguments: str) -> str:
    out = io.StringIO()
    try:
        call_command("doctor", *arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        out.write(f"exit code {ended.code}")
    return out.getvalue()


def fixed() -> dict[str, str]:
    """What each check finds after the repairs."""
    said = run("--fix", "--json")
    return {one["check"]: one["state"] for one in json.loads(said.removesuffix("exit code 1"))}


def wrong() -> set[str]:
    """The checks that are not ok, without those that depend on where the tests run."""
    return {name for name in set(doctor.CHECKS) - HERE if finding(name).state is not State.OK}


def finding(name: str) -> doctor.Finding:
    return doctor.look(name, clock.now())


def test_a_well_system_is_ok_throughout_and_says_what_was_looked_at(story: Story) -> None:
    said = run()

    assert wrong() == set()
    assert all(f"  {name} " in said for name in doctor.CHECKS)
    assert "ok        books         5 totals, 1 campaigns" in said
    assert max(map(len, said.splitlines()[:-1])) <= 80


def test_a_wrong_total_is_found_and_made_again_from_the_ledger(story: Story) -> None:
    BudgetPeriod.objects.filter(kind="D", campaign=None).update(posted=Decimal(7))

    assert wrong() == {"books"}
    assert finding("books").problem == "1 totals are not the sum of the ledger"
    assert run().endswith("exit code 1")

    said = run("--fix")

    assert "1 totals are not the sum of the ledger" in said
    assert "repaired: 1 brands rebuilt. Looked again:\nok        books" in said
    assert wrong() == set()
    assert story.total(story.brand, "D", "2026-05-05") == 5  # type: ignore[arg-type]


def test_a_status_that_the_decision_does_not_explain_is_found(story: Story) -> None:
    Campaign.objects.update(status="PAUSED", holds="MANUAL", pause_reason="MANUAL", paused_at=story.now)

    assert finding("books").problem == "1 statuses are not what the decision says"
    run("--fix")
    assert wrong() == set()
    assert Campaign.objects.get().status == "ACTIVE"


def test_a_look_that_did_not_come_is_found_and_made_up_for(story: Story) -> None:
    Campaign.objects.update(next_check_at=story.now - timedelta(minutes=4))

    assert wrong() == {"due looks"}
    run("--fix")
    assert wrong() == set()


def test_a_day_that_was_not_recorded_is_found_and_recorded(story: Story) -> None:
    Brand.objects.update(day_turned_on=date(2026, 5, 3))

    assert wrong() == {"periods"}
    run("--fix")
    assert wrong() == set()
    assert Brand.objects.get().day_turned_on == date(2026, 5, 5)


def test_money_set_aside_for_too_long_is_found_and_given_back(story: Story) -> None:
    asked_at = story.now - timedelta(minutes=5)
    reservations.reserve(
        uuid4(), Campaign.objects.get().pk, Decimal(1), actor=ACTOR, now=asked_at, ttl=timedelta(minutes=2)
    )

    assert wrong() == {"reservations"}
    run("--fix")
    assert wrong() == set()
    assert Reservation.objects.get().status == ReservationStatus.EXPIRED


def test_a_campaign_that_disagrees_with_its_channels_is_found_and_follows_them_again(story: Story) -> None:
    campaign = Campaign.objects.get()
    pacing.set_channel_budget(campaign.pk, "search", {"daily_budget": "10"}, actor=ACTOR, now=story.now)
    assert wrong() == set()
    Campaign.objects.update(stopped_channels="search")

    assert finding("pacing").problem == "1 campaigns disagree with their channels: Sale"
    assert fixed()["pacing"] == "ok"
    assert Campaign.objects.get().stopped_channels == ""


def test_what_a_repair_does_not_mend_stays_failed(story: Story) -> None:
    Campaign.objects.update(paced=True)
    assert not PacedCampaign.objects.exists()

    assert run("--fix").endswith("exit code 1")
    assert "pacing" in wrong()


def test_rows_that_belong_to_nobody_are_found(story: Story) -> None:
    nobody = uuid4()
    BudgetPeriod.objects.create(scope_id=nobody, brand_id=nobody, kind="D", starts_on=date(2026, 5, 5))

    assert finding("orphans").problem == "1 totals of brands or campaigns that do not exist"
    assert finding("orphans").state is State.FAILED


def test_an_import_without_a_worker_is_found(story: Story) -> None:
    SpendImport.objects.create(
        file_name="may.csv", digest="0", size=1, state=ImportState.QUEUED, created_by=ACTOR,
        created_at=story.now - timedelta(minutes=20),
    )  # fmt: skip

    assert wrong() == {"imports"}
    assert finding("imports").problem == "1 wait without a worker: may.csv"


def test_a_time_zone_that_is_not_known_is_found(story: Story) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE brands_brand SET timezone = 'Nowhere/Land'")

    assert finding("time zones").problem.startswith("Not known here: Nowhere/Land.")
    assert {"time zones", "books"} <= wrong()


def test_a_missing_migration_is_all_that_is_looked_at(story: Story) -> None:
    recorder = MigrationRecorder(connection)
    app, name = sorted(one for one in recorder.applied_migrations() if one[0] == "spending")[-1]
    recorder.record_unapplied(app, name)

    said = run()

    assert f"1 not applied: {app} {name}" in said
    assert "→ manage.py migrate" in said
    assert "books" not in said
    assert said.endswith("exit code 1")


def test_what_the_database_refuses_is_a_failure_and_the_rest_is_looked_at(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("the disk is full")

    monkeypatch.setattr("enforcement.doctor.books.check", refuse)

    assert wrong() == {"books"}
    assert finding("books").problem == "the disk is full"


def test_silence_of_the_ticks_is_a_failure_and_in_a_demo_a_warning(story: Story, settings: Settings) -> None:
    story.clock("2026-05-05 12:10")

    assert finding("ticks").state is State.FAILED
    assert "last tick 600 s ago" in finding("ticks").looked_at
    settings.DEMO = True
    assert finding("ticks").state is State.WARNING


def test_a_run_with_an_error_is_a_warning(story: Story) -> None:
    Run.objects.create(
        kind=RunKind.BUDGETS, trigger="worker", started_at=story.now, finished_at=story.now, error="Brand 1: locked"
    )

    assert finding("runs").state is State.WARNING
    assert finding("runs").problem.endswith("Brand 1: locked")


def test_the_demos_password_is_a_failure_outside_demo_mode(story: Story, settings: Settings) -> None:
    User.objects.create_superuser(USERNAME, "", PASSWORD)

    assert finding("login").state is State.FAILED
    settings.DEMO = True
    assert finding("login").state is State.OK


def test_secrets_that_no_key_opens_any_more(story: Story, settings: Settings) -> None:
    first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [first]
    Endpoint.objects.create(
        brand=story.brand, name="Bidder", url="https://example.com/", secret=seal("whsec_x"), starts_at=story.now,
        created_at=story.now, updated_at=story.now,
    )  # fmt: skip
    assert finding("secrets").state is State.OK

    settings.ENCRYPTION_KEYS = [second]
    found = finding("secrets")
    settings.ENCRYPTION_KEYS = [second, first]

    assert found.state is State.FAILED
    assert "1 cannot be decrypted, of webhooks" in found.problem
    assert "make new secrets and enter credentials anew" in found.remedy
    assert finding("secrets").state is State.OK


@pytest.mark.parametrize(("name", "value"), [("DEBUG", True), ("ALLOWED_HOSTS", ["*"])])
def test_settings_that_open_the_system_are_failures(story: Story, settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)

    assert finding("settings").state is State.FAILED
    assert name in finding("settings").problem


@pytest.mark.parametrize(
    ("policy", "appends", "problems"),
    [("noeviction", "yes", 0), ("allkeys-lru", "yes", 1), ("noeviction", "no", 1), ("allkeys-lru", "no", 2)],
)
def test_a_broker_that_may_lose_tasks_is_a_warning(policy: str, appends: str, problems: int) -> None:
    class Client:
        def config_get(self, name: str) -> dict[str, str]:
            return {name: {"maxmemory-policy": policy, "appendonly": appends}[name]}

    found = doctor.of_policy(Client())

    assert len(found.problem.splitlines()) == problems
    assert found.state is (State.WARNING if problems else State.OK)
