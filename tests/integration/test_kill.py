"""Processes that are killed in the midst of their work (kill -9), and what is left of it."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection

from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement import services
from spending.models import BudgetPeriod, PeriodKind, Spend
from tests.figures import Figure
from tests.integration.processes import (
    Crew,
    Step,
    Worker,
    everything_wrong,
    held,
    held_brand,
    is_gone,
    wait_until,
    waits_for_a_lock,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no lock to wait for in mid-transaction"),
]

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = "2026-03-10"
ANNA = "Anna"
PATIENT = {"LOCK_TIMEOUT_MS": "60000", "STATEMENT_TIMEOUT_MS": "60000"}

HELD_AT: dict[str, str] = {
    "the lock": "SELECT 1 FROM brands_brand WHERE id = %s FOR NO KEY UPDATE",
    "the totals": "SELECT 1 FROM spending_budgetperiod WHERE brand_id = %s FOR UPDATE",
    "the states": "SELECT 1 FROM campaigns_campaign WHERE brand_id = %s FOR NO KEY UPDATE",
    "the record": "SELECT 1 FROM brands_brand WHERE id <> %s; LOCK TABLE campaigns_statechange IN SHARE MODE",
}
"""What a spend passes in turn, and what makes it wait there: then all before it is written and nothing committed."""


def a_brand_nearly_spent() -> tuple[UUID, list[UUID]]:
    brand = services.create_brand({"name": "Acme", "daily_budget": "100"}, actor=ANNA, now=NOON)
    campaigns = [services.create_campaign(brand.pk, {"name": name}, rows=[], actor=ANNA, now=NOON).pk for name in "ABC"]
    return brand.pk, campaigns


def batch(campaigns: list[UUID], amount: str, key: str) -> Step:
    rows = [[campaign, amount, TODAY, f"{key} {number}"] for number, campaign in enumerate(campaigns)]
    return {"do": "spend", "rows": rows, "now": NOON.isoformat()}


def kill_while_it_waits(worker: Worker, step: Step, obstacle: AbstractContextManager[object]) -> None:
    with obstacle:
        worker.begin([step])
        wait_until(lambda: waits_for_a_lock(worker.backend), "it waits in mid-transaction")
        worker.kill()
    wait_until(lambda: is_gone(worker.backend), "the database has noticed")


@pytest.mark.fault(12)
@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=[pytest.mark.faults, pytest.mark.timeout(600)])])
def test_a_process_killed_in_mid_transaction_leaves_nothing_and_the_repetition_counts_once(
    rounds: int, figure: Figure
) -> None:
    """Each round kills it before the ledger, between ledger and totals, before the states, and before the record."""
    brand, campaigns = a_brand_nearly_spent()
    with Crew(4 * rounds, **PATIENT) as crew, Crew(1) as survivors:
        [survivor] = survivors.workers
        survivor.ask(batch(campaigns, "1", "before"))
        mismatches = kills = 0
        for worker in crew.workers:
            sql = list(HELD_AT.values())[kills % 4]
            crossing = batch(campaigns, "40", f"crossing {kills}")
            kill_while_it_waits(worker, crossing, held(sql, brand))
            kills += 1
            mismatches += Spend.objects.filter(voided_at=None).count() != 3
            mismatches += len(everything_wrong(NOON))
            answers = survivor.ask(crossing, crossing)
            assert [[outcome for outcome, _ in rows] for rows in answers] == [["recorded"] * 3, ["replayed"] * 3]
            assert set(Campaign.objects.values_list("holds", flat=True)) == {(Hold.DAILY_BUDGET_EXCEEDED,)}
            for spend in Spend.objects.filter(key__startswith="crossing", voided_at=None):
                services.void_spend(spend.pk, reason="The next round", actor=ANNA, now=NOON)

    figure(f"{kills} processes killed in mid-transaction, mismatches {mismatches}")
    assert mismatches == 0
    assert StateChange.objects.count() == 6 * kills
    assert everything_wrong(NOON) == []


def steps_of_an_import(campaigns: list[UUID], rows: int, size: int) -> list[Step]:
    """A report of so many rows, posted in batches as a command would, each row under its own key."""
    lines = [
        [campaigns[number % len(campaigns)], f"0.{number + 100_000:06d}", TODAY, f"row {number}"]
        for number in range(rows)
    ]
    return [
        {
            "do": "spend",
            "rows": lines[start : start + size],
            "now": NOON.isoformat(),
            "source": "report",
            "correct": True,
        }
        for start in range(0, rows, size)
    ]


@pytest.mark.fault(53)
def test_an_import_killed_at_any_point_and_sent_again_counts_as_once(figure: Figure) -> None:
    """Killed after so many rows are committed, wherever in its work it then is."""
    _, campaigns = a_brand_nearly_spent()
    steps = steps_of_an_import(campaigns, 600, 20)
    left: list[int] = []

    with Crew(3) as crew:
        *doomed, last = crew.workers
        for worker, rows in zip(doomed, (1, 310), strict=True):
            worker.begin(steps)
            wait_until_committed(rows)
            kill(worker)
            left.append(Spend.objects.count())
            assert everything_wrong(NOON) == []
        told = [outcome for answer in last.ask(*steps) for outcome, _ in answer]

    total = sum(Decimal(row[1]) for step in steps for row in step["rows"])
    [month] = BudgetPeriod.objects.of_brands().filter(kind=PeriodKind.MONTH, starts_on="2026-03-01")
    doubled = Spend.objects.count() - 600
    figure(f"killed with {left} of 600 rows committed, sent again, double rows {doubled}")
    assert doubled == 0
    assert all(0 < count < 600 and count % 20 == 0 for count in left)
    assert told == ["replayed"] * left[-1] + ["recorded"] * (600 - left[-1])
    assert month.posted == total
    assert everything_wrong(NOON) == []


def wait_until_committed(rows: int) -> None:
    wait_until(lambda: Spend.objects.count() >= rows, f"{rows} rows are committed")


def kill(worker: Worker) -> None:
    worker.kill()
    wait_until(lambda: is_gone(worker.backend), "the database has noticed")


@pytest.mark.fault(15)
def test_a_session_that_the_database_ends_has_done_nothing_and_the_next_request_succeeds() -> None:
    brand, campaigns = a_brand_nearly_spent()
    step = batch(campaigns, "40", "k")

    with Crew(2) as crew:
        worker, other = crew.workers
        with held_brand(brand):
            worker.begin([step])
            wait_until(lambda: waits_for_a_lock(worker.backend), "the spend waits for the brand")
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [worker.backend])
            with pytest.raises(AssertionError, match="OperationalError"):
                worker.answer()
        nothing = Spend.objects.count()
        again = worker.ask(step)
        replayed = other.ask(step)

    assert nothing == 0
    assert [outcome for outcome, _ in again[0]] == ["recorded"] * 3
    assert [outcome for outcome, _ in replayed[0]] == ["replayed"] * 3
    assert everything_wrong(NOON) == []
