"""Many processes at the same brands at once, on a real PostgreSQL. Letters and numbers of faults as in the design."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from brands.models import Brand
from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement import services
from enforcement.models import Run
from spending.models import BudgetPeriod, PeriodKind, Spend
from tests.figures import Figure
from tests.integration.processes import (
    Crew,
    Step,
    broken_chains,
    deadlocks,
    everything_wrong,
    held_brand,
    seconds,
    wait_until,
    waiting_sessions,
    waits_for_a_lock,
    wrong_states,
    wrong_totals,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = "2026-03-10"
ANNA = "Anna"


def brand_with(campaigns: int, now: datetime = NOON, **inputs: object) -> tuple[UUID, list[UUID]]:
    """A brand and its campaigns, round the clock."""
    brand = services.create_brand({"name": "Acme", **inputs}, actor=ANNA, now=now)
    names = [f"Campaign {number}" for number in range(campaigns)]
    made = [services.create_campaign(brand.pk, {"name": name}, rows=[], actor=ANNA, now=now).pk for name in names]
    return brand.pk, made


def many_brands(count: int) -> list[UUID]:
    """One campaign of each of so many brands with a daily budget of 50."""
    return [brand_with(1, daily_budget="50")[1][0] for _ in range(count)]


def spends(campaigns: Sequence[UUID], amounts: Sequence[str], key: str = "") -> list[Step]:
    """One request an amount, over the campaigns in turn."""
    return [
        {
            "do": "spend",
            "rows": [[campaigns[number % len(campaigns)], amount, TODAY, f"{key}{number}" if key else None]],
            "now": NOON.isoformat(),
        }
        for number, amount in enumerate(amounts)
    ]


def sweeping(name: str, times: int, now: datetime = NOON, later_by_s: float = 0) -> list[Step]:
    step = {"do": "sweep", "name": name, "now": now.isoformat()}
    return [{"do": "repeat", "steps": [step], "times": times, "later_by_s": later_by_s}]


def using(name: str, target: UUID, *arguments: object, **named: object) -> Step:
    return {"do": "use", "name": name, "target": target, "now": NOON.isoformat(), "arguments": arguments, **named}


def outcomes(answers: Sequence[Any]) -> Counter[str]:
    """How often each outcome was the answer to a row."""
    return Counter(row[0] for answer in answers for result in answer["answers"] for row in result)


def lost_micros(total: Decimal) -> int:
    posted = sum(BudgetPeriod.objects.filter(kind=PeriodKind.LIFETIME).values_list("posted", flat=True), Decimal(0))
    return int((total - posted).scaleb(6))


def micro_amounts(count: int) -> list[str]:
    """Odd amounts down to the micro, so that a lost one shows."""
    return [f"{1 + number % 7}.{100_003 + number * 17:06d}" for number in range(count)]


class Watch:
    """Looks at what is committed while others work: spend at or over the budget, and yet a campaign runs."""

    SQL = """
        SELECT count(*), count(*) FILTER (WHERE p.used >= b.daily_budget),
            count(*) FILTER (WHERE p.used >= b.daily_budget AND c.status = 'ACTIVE'),
            count(*) FILTER (WHERE p.used < b.daily_budget AND c.status = 'PAUSED' AND c.manual_paused_at IS NULL)
        FROM brands_brand b JOIN campaigns_campaign c ON c.brand_id = b.id
        JOIN spending_budgetperiod p ON p.scope_id = b.id AND p.kind = 'D' AND p.starts_on = %s
    """

    def __init__(self) -> None:
        self.looks = self.over = self.wrongly_running = self.wrongly_stopped = 0

    def __call__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(self.SQL, [TODAY])
            _, over, running, stopped = cursor.fetchone() or (0, 0, 0, 0)
        self.looks += 1
        self.over += over > 0
        self.wrongly_running += running
        self.wrongly_stopped += stopped


# --- Spends ----------------------------------------------------------------------------------------------------------


@pytest.mark.fault(1)
@pytest.mark.parametrize(
    "each",
    [
        15,
        pytest.param(50, marks=pytest.mark.slow),
        pytest.param(200, marks=[pytest.mark.faults, pytest.mark.timeout(600)]),
    ],
)
def test_no_micro_is_lost_when_eight_processes_spend_on_one_brand(crew: Crew, each: int, figure: Figure) -> None:
    _, campaigns = brand_with(4, daily_budget="100")
    amounts = micro_amounts(each)
    watch = Watch()

    answers = crew.work(*([spends(campaigns, amounts)] * 8), meanwhile=watch)

    lost = lost_micros(8 * sum(map(Decimal, amounts), Decimal(0)))
    rate = 8 * each / seconds(answers)
    figure(f"one brand: {8 * each} spends, lost micros {lost}, {rate:.0f}/s, {watch.looks} looks")
    assert outcomes(answers) == {"recorded": 8 * each}
    assert lost == 0
    assert (watch.wrongly_running, watch.wrongly_stopped) == (0, 0)
    assert watch.over > 0
    assert everything_wrong(NOON) == []
    assert list(StateChange.objects.values_list("to_holds", flat=True)) == [(Hold.DAILY_BUDGET_EXCEEDED,)] * 4


@pytest.mark.fault(1)
@pytest.mark.parametrize(
    "each",
    [
        15,
        pytest.param(50, marks=pytest.mark.slow),
        pytest.param(200, marks=[pytest.mark.faults, pytest.mark.timeout(600)]),
    ],
)
def test_no_micro_is_lost_when_eight_processes_spend_over_a_hundred_brands(
    crew: Crew, each: int, figure: Figure
) -> None:
    campaigns = many_brands(100)
    amounts = micro_amounts(each)

    answers = crew.work(*(spends(campaigns[start * 12 :], amounts) for start in range(8)))

    lost = lost_micros(8 * sum(map(Decimal, amounts), Decimal(0)))
    figure(f"100 brands: {8 * each} spends, lost micros {lost}, {8 * each / seconds(answers):.0f}/s")
    assert outcomes(answers) == {"recorded": 8 * each}
    assert lost == 0
    assert everything_wrong(NOON) == []


@pytest.mark.fault(6)
@pytest.mark.parametrize("keys", [60, pytest.param(200, marks=[pytest.mark.faults, pytest.mark.timeout(600)])])
def test_the_same_keys_from_eight_processes_count_once_and_all_are_told_the_same(
    crew: Crew, keys: int, figure: Figure
) -> None:
    _, campaigns = brand_with(3)
    steps = spends(campaigns, micro_amounts(keys), key="invoice-")

    answers = crew.work(*([steps] * 8))

    told = [[result[0][1] for result in answer["answers"]] for answer in answers]
    counted = Spend.objects.count()
    figure(f"{8 * keys} requests with {keys} keys, counted {counted}, {8 * keys / seconds(answers):.0f}/s")
    assert counted == keys
    assert outcomes(answers) == {"recorded": keys, "replayed": 7 * keys}
    assert all(ids == told[0] for ids in told)
    assert len(set(told[0])) == keys
    assert everything_wrong(NOON) == []


@pytest.mark.fault(17)
def test_batches_over_the_same_brands_in_any_order_never_deadlock(crew: Crew, figure: Figure) -> None:
    campaigns = many_brands(24)
    before = deadlocks()
    batches = 12

    def job(worker: int) -> list[Step]:
        steps: list[Step] = []
        for number in range(batches):
            turn = (worker * 5 + number * 7) % 24
            order = campaigns[turn:] + campaigns[:turn]
            some = (order if (worker + number) % 2 else order[::-1])[:16]
            rows = [[campaign, "0.100001", TODAY, None] for campaign in some]
            steps.append({"do": "spend", "rows": rows, "now": NOON.isoformat()})
        return [*steps, {"do": "sql", "statement": "SELECT pg_stat_force_next_flush()"}]

    answers = crew.work(*map(job, range(6)), sweeping("enforce_all", 20), sweeping("enforce_due", 20))

    rows = 6 * batches * 16
    found = deadlocks() - before
    figure(f"{6 * batches} batches, {rows} rows, deadlocks {found}, {rows / seconds(answers):.0f} rows/s")
    assert found == 0
    assert Spend.objects.count() == rows
    assert lost_micros(rows * Decimal("0.100001")) == 0
    assert everything_wrong(NOON) == []


def test_the_spend_that_reaches_the_budget_stops_all_campaigns_of_the_brand_in_its_own_transaction(crew: Crew) -> None:
    _, campaigns = brand_with(5, daily_budget="100")
    [worker, *_] = crew.workers
    last = spends(campaigns[:1], ["0.000001"])
    assert worker.ask(*spends(campaigns, ["25", "25", "49.999999"]))[-1][0][0] == "recorded"
    assert set(Campaign.objects.values_list("status", flat=True)) == {"ACTIVE"}

    [[[outcome, spend_id]]] = worker.ask(*last)

    assert outcome == "recorded"
    assert set(Campaign.objects.values_list("status", "holds")) == {("PAUSED", (Hold.DAILY_BUDGET_EXCEEDED,))}
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM spending_spend WHERE id = %s", [spend_id])
        [by_the_spend] = cursor.fetchall()
        cursor.execute("SELECT DISTINCT xmin::text FROM campaigns_campaign")
        assert cursor.fetchall() == [by_the_spend]
        cursor.execute("SELECT count(*), count(DISTINCT xmin::text), min(xmin::text) FROM campaigns_statechange")
        assert cursor.fetchall() == [(5, 1, *by_the_spend)]


# --- Budgets and people beside spends --------------------------------------------------------------------------------


@pytest.mark.fault(4)
def test_spends_that_waited_while_the_budget_was_cut_find_the_new_budget(crew: Crew, figure: Figure) -> None:
    brand, campaigns = brand_with(4, daily_budget="1000")
    crew.workers[0].ask(*spends(campaigns, ["30"] * 3))
    jobs = [spends(campaigns[number % 4 :], ["1.000001"]) for number in range(6)]
    cut = [using("change_brand", brand, {"daily_budget": "92"})]
    watch = Watch()

    with held_brand(brand) as holder, ThreadPoolExecutor(1) as pool:
        # The cut stands in the middle of the queue: some spends pass before it and some after.
        working = pool.submit(crew.work, *jobs[:3], cut, *jobs[3:])
        wait_until(lambda: waiting_sessions() == 7, "all seven wait for the brand")
        assert Spend.objects.count() == 3
        holder.rollback()
        while not working.done():
            watch()
        answers = working.result()

    [period] = BudgetPeriod.objects.of_brands().filter(kind=PeriodKind.DAY)
    figure(f"{watch.looks} looks while 6 spends and a cut passed, stale running {watch.wrongly_running}")
    assert [answer["answers"] for answer in answers[3:4]] == [["done"]]
    assert (period.budget, period.used) == (92, Decimal("96.000006"))
    assert (watch.wrongly_running, watch.wrongly_stopped) == (0, 0)
    assert set(Campaign.objects.values_list("holds", flat=True)) == {(Hold.DAILY_BUDGET_EXCEEDED,)}
    assert StateChange.objects.count() == 4
    assert everything_wrong(NOON) == []


@pytest.mark.fault(5)
def test_budgets_raised_and_cut_while_others_spend_leave_no_moment_in_which_a_state_is_wrong(
    crew: Crew, figure: Figure
) -> None:
    brand, campaigns = brand_with(3, daily_budget="60")
    changes = [using("change_brand", brand, {"daily_budget": str(60 + step * 35 % 140)}) for step in range(30)]
    before = deadlocks()
    watch = Watch()

    answers = crew.work(*([spends(campaigns, ["1"] * 30)] * 5), changes, sweeping("enforce_all", 25), meanwhile=watch)

    figure(f"150 spends, 30 changes of the budget, {watch.looks} looks, {StateChange.objects.count()} changes")
    assert answers[5]["answers"] == ["done"] * 30
    assert (watch.wrongly_running, watch.wrongly_stopped) == (0, 0)
    assert watch.over > 0
    assert lost_micros(Decimal(150)) == 0
    assert deadlocks() == before
    assert everything_wrong(NOON) == []


def test_people_pause_activate_and_stop_while_spends_cross_the_budget(crew: Crew) -> None:
    brand, campaigns = brand_with(3, daily_budget="40")
    first, second, third = campaigns
    by_hand = [using("pause", first), using("activate", first)] * 15
    stops = [using("emergency_stop", second, reason="Wrong page"), using("clear_stop", second)] * 15
    overrides = [
        using("set_override", third, [Hold.DAILY_BUDGET_EXCEEDED], reason="A launch"), using("clear_override", third),
    ] * 15  # fmt: skip
    whole = [using("emergency_stop_brand", brand, reason="Bankrupt"), using("clear_brand_stop", brand)] * 10

    answers = crew.work(
        by_hand, stops, overrides, whole, spends(campaigns, ["1"] * 30), spends(campaigns, ["1"] * 30),
        sweeping("enforce_all", 15), sweeping("enforce_due", 15),
    )  # fmt: skip

    assert Counter(result for answer in answers[:4] for result in answer["answers"]) == {"done": 110}
    assert lost_micros(Decimal(60)) == 0
    assert everything_wrong(NOON) == []
    assert set(Campaign.objects.values_list("holds", flat=True)) == {(Hold.DAILY_BUDGET_EXCEEDED,)}
    assert not Campaign.objects.exclude(manual_paused_at=None, emergency_stopped_at=None).exists()
    by_machines = StateChange.objects.filter(cause__in=["sweep", "time passed", "spend"])
    for change in by_machines:
        people = {Hold.MANUAL, Hold.EMERGENCY_STOP}
        assert people & set(change.from_holds) == people & set(change.to_holds), change


@pytest.mark.fault(44)
def test_a_manual_pause_holds_against_everything_that_happens_around_it(crew: Crew) -> None:
    brand, campaigns = brand_with(3, daily_budget="1000")
    services.pause(campaigns[0], actor=ANNA, now=NOON)
    changes = [using("change_brand", brand, {"daily_budget": str(5 + step * 40 % 120)}) for step in range(20)]

    crew.work(
        changes, spends(campaigns, ["1"] * 30), spends(campaigns, ["1"] * 30), sweeping("turn_periods", 5),
        sweeping("enforce_all", 15), sweeping("enforce_due", 15),
    )  # fmt: skip

    assert all(Hold.MANUAL in change.to_holds for change in StateChange.objects.filter(campaign=campaigns[0]))
    assert everything_wrong(NOON) == []


# --- Sweeps and turns beside spends ----------------------------------------------------------------------------------


@pytest.mark.fault(27)
def test_spends_while_full_sweeps_ticks_and_turns_run_over_midnight(crew: Crew, figure: Figure) -> None:
    """Each process has its own idea of the moment, some before and some after midnight; one tick settles it."""
    eve = datetime(2026, 3, 31, 23, 59, 50, tzinfo=UTC)
    both = [brand_with(3, NOON, daily_budget="20", timezone=zone) for zone in ("UTC", "Europe/Berlin")]
    campaigns = [campaign for _, some in both for campaign in some]
    spending = [
        {
            "do": "repeat",
            "steps": [
                {"do": "spend", "rows": [[campaign, "0.7", "2026-03-31", None]], "now": eve.isoformat()}
                for campaign in campaigns
            ],
            "times": 12,
            "later_by_s": 2,
        }
    ]

    answers = crew.work(
        spending, spending, spending,
        sweeping("enforce_all", 15, eve, 1), sweeping("enforce_due", 20, eve, 1),
        sweeping("turn_periods", 15, eve, 1), sweeping("turn_periods", 15, eve, 1),
    )  # fmt: skip

    errors = [error for answer in answers[3:] for result in answer["answers"][0] for error in result["errors"]]
    later = eve + timedelta(minutes=1)
    worker = crew.workers[0]
    worker.ask(*sweeping("turn_periods", 1, later), *sweeping("enforce_due", 1, later))
    figure(f"{Spend.objects.count()} spends beside 65 sweeps and turns, {StateChange.objects.count()} changes")
    assert errors == []
    assert lost_micros(Decimal("0.7") * 3 * 12 * 6) == 0
    assert everything_wrong(later) == []
    turned = BudgetPeriod.objects.of_brands().filter(turned_at__gte=eve).values_list("scope_id", "kind", "starts_on")
    assert len(turned) == len(set(turned)) > 0
    for brand, _ in both:
        days = BudgetPeriod.objects.filter(scope_id=brand, kind=PeriodKind.DAY).exclude(turned_at=None)
        starts = sorted(days.values_list("starts_on", flat=True))
        assert starts[0].isoformat() == TODAY
        assert starts[-1].isoformat() == "2026-04-01"
        assert len(starts) == 23


@pytest.mark.fault(22)
def test_two_sweeps_at_once_record_each_change_once(crew: Crew, figure: Figure) -> None:
    brands = [brand_with(2, NOON, daily_budget="0") for _ in range(15)]
    Brand.objects.update(daily_budget=None)  # behind the system's back, so that the sweep has something to set right

    answers = crew.work(*([sweeping("enforce_all", 1)] * 4))

    changed = [answer["answers"][0][0]["changes"] for answer in answers]
    figure(f"4 sweeps at once changed {changed} of 30 campaigns")
    assert sum(changed) == 30
    assert StateChange.objects.filter(cause="sweep").count() == 30
    assert len(brands) * 2 == Campaign.objects.filter(status="ACTIVE").count()
    assert broken_chains() == wrong_states(NOON) == []


def test_of_two_runs_of_a_job_at_once_one_does_the_work(crew: Crew) -> None:
    brand, _ = brand_with(3, NOON, daily_budget="0")
    Brand.objects.update(daily_budget=None)
    first, second, *_ = crew.workers
    step = {"do": "job", "name": "BUDGETS", "now": NOON.isoformat()}

    with held_brand(brand) as holder:
        first.begin([step])
        wait_until(lambda: waits_for_a_lock(first.backend), "the first run waits for the brand")
        assert second.ask(step) == ["already_running"]
        holder.rollback()
        assert first.answer()["answers"] == ["done"]

    assert second.ask(step) == ["done"]
    assert Run.objects.exclude(finished_at=None).count() == 2
    assert StateChange.objects.filter(cause="sweep").count() == 3
    assert everything_wrong(NOON) == []


# --- Locks -----------------------------------------------------------------------------------------------------------


@pytest.mark.fault(16)
def test_a_spend_on_a_held_brand_is_told_busy_in_time_and_nothing_is_written(
    django_db_setup: None, figure: Figure
) -> None:
    brand, campaigns = brand_with(1, daily_budget="10")
    _, others = brand_with(1, daily_budget="10")
    with Crew(1, LOCK_TIMEOUT_MS="400") as impatient:
        [worker] = impatient.workers
        worker.ask({"do": "sql", "statement": "SELECT 1"})
        with held_brand(brand):
            [refused] = impatient.work(spends([campaigns[0], others[0]], ["10"]))
            [passed] = impatient.work(spends(others, ["10"]))
            [mixed] = impatient.work(
                [{"do": "spend", "rows": [[c, "1", TODAY, None] for c in campaigns + others], "now": NOON.isoformat()}]
            )
        after = worker.ask(*spends(campaigns, ["10"]))

    figure(f"lock_timeout 400 ms, told busy after {refused['seconds'] * 1000:.0f} ms")
    assert refused["answers"] == mixed["answers"] == [[["busy", None]]]
    assert 0.4 <= refused["seconds"] < 3
    assert outcomes([passed]) == {"recorded": 1}
    assert after[0][0][0] == "recorded"
    assert Spend.objects.count() == 2
    assert everything_wrong(NOON) == []


def test_a_sweep_passes_a_held_brand_by_and_says_so(crew: Crew) -> None:
    held, _ = brand_with(2, NOON, daily_budget="0")
    free, _ = brand_with(2, NOON, daily_budget="0")
    Brand.objects.update(daily_budget=None)
    with Crew(1, LOCK_TIMEOUT_MS="300") as impatient, held_brand(held):
        [[[done]]] = [answer["answers"] for answer in impatient.work(sweeping("enforce_all", 1))]
    [[again]] = crew.workers[0].ask(*sweeping("enforce_all", 1))

    assert done["changes"] == 2
    assert len(done["errors"]) == 1
    assert str(held) in done["errors"][0]
    assert set(StateChange.objects.filter(cause="sweep").values_list("brand_id", flat=True)) == {held, free}
    assert (again["changes"], again["errors"]) == (2, [])
    assert wrong_states(NOON) == []


@pytest.mark.fault(17)
def test_a_deadlock_with_somebody_who_locks_in_another_order_is_tried_again(crew: Crew) -> None:
    campaigns = many_brands(2)
    low, high = sorted(Brand.objects.values_list("pk", flat=True))
    worker = crew.workers[0]
    both = [[campaign, "1", TODAY, f"key {campaign}"] for campaign in campaigns]
    lock = "SELECT 1 FROM brands_brand WHERE id = %s FOR NO KEY UPDATE"
    before = deadlocks()

    with held_brand(high) as disorderly, disorderly.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        # The worker is to be the one whom the database turns down.
        cursor.execute("SET deadlock_timeout = '60s'")
        worker.begin([{"do": "spend", "rows": both, "now": NOON.isoformat()}])
        wait_until(lambda: waits_for_a_lock(worker.backend), "the spend has the first brand and waits for the second")
        crossing = pool.submit(cursor.execute, lock, [str(low)])
        crossing.result()
        disorderly.rollback()
        answers = worker.answer()["answers"]

    worker.ask({"do": "sql", "statement": "SELECT pg_stat_force_next_flush()"})
    assert deadlocks() - before == 1
    assert [outcome for outcome, _ in answers[0]] == ["recorded", "recorded"]
    assert Spend.objects.count() == 2
    assert everything_wrong(NOON) == []


def test_a_serialization_failure_is_tried_again(django_db_setup: None) -> None:
    brand, campaigns = brand_with(1, daily_budget="10")
    with Crew(1) as strict:
        [worker] = strict.workers
        worker.ask({"do": "sql", "statement": "SET default_transaction_isolation = 'repeatable read'"})
        with held_brand(brand) as other, other.cursor() as cursor:
            worker.begin(spends(campaigns, ["10"], key="k"))
            wait_until(lambda: waits_for_a_lock(worker.backend), "the spend waits for the brand")
            cursor.execute("UPDATE brands_brand SET daily_budget = 20000000 WHERE id = %s", [str(brand)])
            other.commit()
            [[[outcome, _]]] = worker.answer()["answers"]

    assert outcome == "recorded"
    assert Spend.objects.count() == 1
    assert wrong_totals() == []
    assert Campaign.objects.get().holds == ()
