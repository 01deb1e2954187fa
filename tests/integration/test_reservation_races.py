"""Many processes at the same money at once, on a real PostgreSQL. Numbers of faults as in the design."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from campaigns.models import Campaign, StateChange
from enforcement import books, reservations
from spending.models import BudgetPeriod, PeriodKind, Reservation, Spend
from tests.figures import Figure
from tests.integration.processes import (
    PATIENT,
    Crew,
    Step,
    Worker,
    deadlocks,
    held,
    held_brand,
    is_gone,
    seconds,
    wait_until,
    waiting_sessions,
    waits_for_a_lock,
    wrong_states,
    wrong_totals,
)
from tests.integration.test_races import NOON, brand_with, using

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]

ANNA = "Anna"
LONG = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture
def judge(transactional_db: None) -> Iterator[Callable[[], tuple[int, int]]]:
    """Looks at each grant within its own transaction, by the budgets that are in force: how many, and micros beyond."""
    with connection.cursor() as cursor:
        cursor.execute(JUDGE)
    try:
        yield _judged
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "DROP TRIGGER judge ON spending_budgetperiod; DROP FUNCTION judge_grants(); DROP TABLE judged_grants"
            )


JUDGE = """
    CREATE TABLE judged_grants (beyond bigint NOT NULL);
    CREATE FUNCTION judge_grants() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE budget bigint;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF NEW.reserved <= OLD.reserved THEN RETURN NULL; END IF;
        ELSIF NEW.reserved = 0 THEN RETURN NULL;
        END IF;
        IF NEW.campaign_id IS NULL THEN
            SELECT CASE NEW.kind WHEN 'D' THEN daily_budget ELSE monthly_budget END INTO budget
            FROM brands_brand WHERE id = NEW.brand_id;
        ELSE
            SELECT CASE NEW.kind WHEN 'D' THEN daily_budget WHEN 'M' THEN monthly_budget ELSE lifetime_budget END
            INTO budget FROM campaigns_campaign WHERE id = NEW.campaign_id;
        END IF;
        INSERT INTO judged_grants
            VALUES (GREATEST(NEW.posted - NEW.forgiven + NEW.reserved - COALESCE(budget, 9e18::bigint), 0));
        RETURN NULL;
    END $$;
    CREATE TRIGGER judge AFTER INSERT OR UPDATE ON spending_budgetperiod
        FOR EACH ROW EXECUTE FUNCTION judge_grants();
"""


def _judged() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) / 5, COALESCE(sum(beyond), 0)::bigint FROM judged_grants")
        grants, beyond = cursor.fetchone() or (0, 0)
    return grants, beyond


def asking(campaigns: Sequence[UUID], times: int, amount: str = "1", now: datetime = NOON, **more: Any) -> list[Step]:
    """One request a time, for the campaigns in turn."""
    return [
        {"do": "reserve", "campaign": campaigns[n % len(campaigns)], "amount": amount, "now": now.isoformat(), **more}
        for n in range(times)
    ]


def resolving(name: str, ids: Sequence[UUID], now: datetime = NOON, amount: str = "1") -> list[Step]:
    return [{"do": "resolve", "name": name, "id": one, "amount": amount, "now": now.isoformat()} for one in ids]


def expiring(now: datetime, times: int = 1) -> list[Step]:
    return [{"do": "expire", "now": now.isoformat()}] * times


def codes(answers: Sequence[Any]) -> Counter[str]:
    return Counter(told[0] for answer in answers for told in answer["answers"])


def reserve_here(campaign: UUID, amount: str = "1", now: datetime = NOON, minutes: int = 10) -> UUID:
    ttl = timedelta(minutes=minutes)
    answer = reservations.reserve(uuid4(), campaign, Decimal(amount), ttl=ttl, actor=ANNA, now=now)
    assert answer.reservation is not None
    return answer.reservation.pk


def everything_wrong(now: datetime) -> list[str]:
    found = books.check(now)
    return [*wrong_totals(), *map(str, [*found.totals, *found.reserved, *found.budgets]), *wrong_states(now)]


def set_aside() -> set[Decimal]:
    return set(BudgetPeriod.objects.values_list("reserved", flat=True))


# --- Never above a budget --------------------------------------------------------------------------------------------


@pytest.mark.fault(2)
@pytest.mark.parametrize(("cap", "each"), [(60, 20), pytest.param(1_000, 400, marks=LONG)])
def test_of_many_who_ask_at_once_exactly_as_many_are_granted_as_fit(
    crew: Crew, judge: Callable[[], tuple[int, int]], cap: int, each: int, figure: Figure
) -> None:
    _, campaigns = brand_with(4, daily_budget=str(cap), monthly_budget="100000")

    answers = crew.work(*([asking(campaigns, each)] * 8))

    told = codes(answers)
    grants, beyond = judge()
    rate = 8 * each / seconds(answers)
    figure(f"{8 * each} tries, {told['GRANTED']} approvals of {cap}, {beyond} micros beyond, {rate:.0f}/s")
    assert told == {"GRANTED": cap, "DAILY_BUDGET_INSUFFICIENT": 8 * each - cap}
    assert (grants, beyond) == (cap, 0)
    assert set(Campaign.objects.values_list("status", flat=True)) == {"ACTIVE"}
    assert StateChange.objects.count() == 0
    assert everything_wrong(NOON) == []


@pytest.mark.fault(3)
def test_on_the_first_moment_of_a_day_exactly_as_many_are_granted_as_fit(
    crew: Crew, judge: Callable[[], tuple[int, int]], figure: Figure
) -> None:
    brand, campaigns = brand_with(4, daily_budget="30", timezone="Europe/Berlin")
    midnight = datetime(2026, 3, 10, 23, tzinfo=UTC)
    assert not BudgetPeriod.objects.filter(starts_on="2026-03-11").exists()

    answers = crew.work(*([asking(campaigns, 8, now=midnight)] * 8))

    told = codes(answers)
    figure(f"no row for the day, {told['GRANTED']} approvals of 30")
    assert told == {"GRANTED": 30, "DAILY_BUDGET_INSUFFICIENT": 34}
    assert judge() == (30, 0)
    [day] = BudgetPeriod.objects.filter(scope_id=brand, starts_on="2026-03-11", kind=PeriodKind.DAY)
    assert (day.reserved, day.turned_at) == (30, midnight)
    assert everything_wrong(midnight) == []


@pytest.mark.fault(4)
def test_those_who_waited_while_the_budget_was_cut_find_the_new_budget(
    crew: Crew, judge: Callable[[], tuple[int, int]], figure: Figure
) -> None:
    brand, campaigns = brand_with(3, daily_budget="100")
    jobs = [asking(campaigns[n % 3 :], 1, "20") for n in range(7)]
    jobs[3] = [using("change_brand", brand, {"daily_budget": "70"})]

    with held_brand(brand) as holder:
        for number, job in enumerate(jobs):  # one after the other, so that they stand in this order
            crew.workers[number].begin(job)
            wait_until(lambda count=number + 1: waiting_sessions() == count, "one more waits for the brand")  # type: ignore[misc]
        holder.rollback()
        answers = [crew.workers[number].answer()["answers"][0] for number in range(7)]

    told = [answer if isinstance(answer, str) else answer[0] for answer in answers]
    stale = told[4:].count("GRANTED")
    figure(f"{told[:3].count('GRANTED')} approvals before the cut, {stale} stale ones after it")
    assert told == ["GRANTED"] * 3 + ["done"] + ["DAILY_BUDGET_INSUFFICIENT"] * 3
    assert [answer[1] for answer in answers[4:]] == [10_000_000] * 3
    assert judge() == (3, 0)
    assert everything_wrong(NOON) == []


@pytest.mark.parametrize(
    ("count", "times"),
    [(1, 25), pytest.param(1, 250, marks=LONG), pytest.param(100, 250, marks=LONG)],
    ids=["one hot brand, short", "one hot brand", "a hundred brands"],
)
def test_whatever_eight_processes_do_with_money_no_grant_is_beyond_a_budget_and_the_books_agree(
    crew: Crew, judge: Callable[[], tuple[int, int]], count: int, times: int
) -> None:
    made = [brand_with(3 if count == 1 else 1, daily_budget="80", monthly_budget="5000") for _ in range(count)]
    brands, campaigns = [brand for brand, _ in made], [campaign for _, some in made for campaign in some]
    step = {"do": "money", "times": times, "campaigns": campaigns, "brands": brands, "now": NOON.isoformat()}
    before = deadlocks()

    answers = crew.work(*([{**step, "seed": seed}] for seed in range(8)))

    told: Counter[str] = sum((Counter(answer["answers"][0]) for answer in answers), Counter())
    grants, beyond = judge()
    later = NOON + timedelta(hours=2)
    wrong = everything_wrong(later)
    print(f"{count} brand(s), 8 × {times}: {grants} grants, {beyond} micros beyond, {len(wrong)} wrong; {dict(told)}")
    assert beyond == 0
    assert grants == told["GRANTED"] == Reservation.objects.count() > 0
    assert told["settle SETTLED"] + told["recorded"] == Spend.objects.count()
    assert {code for code in told if "_" in code} <= {"DAILY_BUDGET_INSUFFICIENT", "DAILY_BUDGET_EXCEEDED"}
    assert told["busy"] == told["settle busy"] == 0
    assert deadlocks() == before
    assert wrong == []


# --- Once ------------------------------------------------------------------------------------------------------------


@pytest.mark.fault(8)
def test_the_same_id_from_eight_processes_is_granted_once_and_all_are_told_the_same(crew: Crew, figure: Figure) -> None:
    _, campaigns = brand_with(1, daily_budget="20")
    ids = [uuid4() for _ in range(20)]
    steps = [step for one in ids for step in asking(campaigns, 1, id=one)]

    answers = crew.work(*([steps] * 8))

    told = [[(code, made) for code, _, _, made in answer["answers"]] for answer in answers]
    replays = sum(replayed for answer in answers for _, _, replayed, _ in answer["answers"])
    figure(f"160 requests with 20 ids, {160 - replays} grants, {replays} replays")
    assert told == [[("GRANTED", str(one)) for one in ids]] * 8
    assert replays == 140
    assert Reservation.objects.count() == 20
    assert everything_wrong(NOON) == []


@pytest.mark.fault(9)
@pytest.mark.parametrize("number", [30, pytest.param(300, marks=LONG)])
def test_settled_given_back_or_expired_each_reservation_is_released_once(
    crew: Crew, number: int, figure: Figure
) -> None:
    _, campaigns = brand_with(3)
    ids = [reserve_here(campaigns[n % 3], minutes=60 if n % 3 else 10) for n in range(number)]
    due = NOON + timedelta(minutes=10)

    answers = crew.work(
        resolving("settle", ids[::-1], due), resolving("settle", ids[1::2], due), resolving("settle", ids[::-3], due),
        resolving("void", ids, due), resolving("void", ids[::2], due), resolving("void", ids[::-1], due),
        expiring(due, 5), expiring(due - timedelta(seconds=1), 5),
    )  # fmt: skip

    settled = sum(told == "SETTLED" for answer in answers[:3] for told in answer["answers"])
    statuses = Counter(Reservation.objects.values_list("status", flat=True))
    doubles = settled - statuses["SETTLED"]
    figure(f"{number} reservations, became {dict(statuses)}, double resolutions {doubles}")
    assert doubles == 0
    assert Spend.objects.count() == statuses["SETTLED"] > 0
    assert statuses["VOIDED"] > 0
    assert statuses["PENDING"] == 0
    assert sum(answers[7]["answers"]) == 0
    assert set_aside() == {Decimal(0)}
    assert everything_wrong(due) == []


@pytest.mark.fault(22)
def test_eight_workers_at_once_let_each_reservation_expire_once(crew: Crew, figure: Figure) -> None:
    made = [brand_with(1)[1][0] for _ in range(10)]
    for campaign in made * 5:
        reserve_here(campaign)
    due = NOON + timedelta(minutes=10)

    answers = crew.work(*([expiring(due)] * 8))

    expired = [answer["answers"][0] for answer in answers]
    figure(f"8 workers let {expired} of 50 expire")
    assert sum(expired) == 50
    assert set_aside() == {Decimal(0)}
    assert everything_wrong(due) == []


@pytest.mark.fault(10)
def test_settling_after_expiry_is_recorded_and_releases_nothing_of_others(crew: Crew, figure: Figure) -> None:
    _, campaigns = brand_with(2, daily_budget="100")
    late = [reserve_here(campaigns[0]) for _ in range(40)]
    due = NOON + timedelta(minutes=10)
    reservations.expire_due(due)
    kept = [reserve_here(campaigns[1], now=due) for _ in range(60)]

    answers = crew.work(*(resolving("settle", late[n::4] + late[n::4], due, "1.5") for n in range(4)))

    told = Counter(one for answer in answers for one in answer["answers"])
    recorded = Spend.objects.count()
    figure(f"40 settled after expiry, dropped {40 - recorded}, overshoot counted")
    assert told == {"SETTLED": 40, "replayed": 40}
    assert recorded == 40
    assert Reservation.objects.filter(pk__in=kept, status="PENDING").count() == 60
    [day] = BudgetPeriod.objects.of_brands().filter(kind=PeriodKind.DAY)
    assert (day.posted, day.reserved) == (60, 60)
    assert everything_wrong(due) == []


# --- Killed ----------------------------------------------------------------------------------------------------------


@pytest.mark.fault(11)
def test_what_a_killed_client_had_set_aside_comes_back_after_its_time_and_one_run(
    django_db_setup: None, figure: Figure
) -> None:
    _, campaigns = brand_with(1, daily_budget="10")
    client = Worker(**PATIENT)
    [[code, *_]] = client.ask(*asking(campaigns, 1, "10", ttl_s=60))
    client.kill()

    before = reservations.expire_due(NOON + timedelta(seconds=59))
    refused = reservations.can_spend(campaigns[0], Decimal(1), NOON + timedelta(seconds=59))
    expired = reservations.expire_due(NOON + timedelta(seconds=60 + 10))

    figure("set aside for 60 s by a client that died; back with the first run after it, at most 10 s later")
    assert (code, before, expired) == ("GRANTED", 0, 1)
    assert not refused.authorisation.granted
    assert reserve_here(campaigns[0], "10", NOON + timedelta(seconds=70))
    assert everything_wrong(NOON) == []


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    "do", ["reserve", "settle", pytest.param("void", marks=LONG), pytest.param("expire", marks=LONG)]
)
def test_killed_in_mid_transaction_nothing_is_half_done_and_the_same_again_does_it(crew: Crew, do: str) -> None:
    brand, campaigns = brand_with(1, daily_budget="100")
    one, wanted = reserve_here(campaigns[0], "10"), uuid4()
    due = NOON + timedelta(minutes=10)
    step = {
        "reserve": asking(campaigns, 1, "10", id=wanted), "settle": resolving("settle", [one], amount="10"),
        "void": resolving("void", [one]), "expire": expiring(due),
    }[do]  # fmt: skip
    before = list(BudgetPeriod.objects.order_by("pk").values()), list(Reservation.objects.values())

    client = Worker(**PATIENT)
    assert client.backend
    with held("SELECT 1 FROM spending_budgetperiod WHERE brand_id = %s FOR UPDATE", brand):
        client.begin(step)
        wait_until(lambda: waits_for_a_lock(client.backend), "it waits in mid-transaction")
        client.kill()
    wait_until(lambda: is_gone(client.backend), "its session is gone")

    assert (list(BudgetPeriod.objects.order_by("pk").values()), list(Reservation.objects.values())) == before
    assert Spend.objects.count() == 0
    [told] = crew.workers[0].ask(*step)
    expected = {"reserve": "GRANTED", "settle": "SETTLED", "void": "VOIDED", "expire": 1}
    assert (told[0] if do == "reserve" else told) == expected[do]
    assert everything_wrong(NOON) == []


@pytest.mark.fault(14)
def test_a_client_that_does_not_know_whether_it_was_granted_asks_again(crew: Crew) -> None:
    """The answer was lost, not the money: the same id is answered with what was granted."""
    _, campaigns = brand_with(1, daily_budget="10")
    step = asking(campaigns, 1, "10", id=uuid4())
    crew.workers[0].ask(*step)

    [[code, remaining, replayed, _]] = crew.workers[1].ask(*step)

    assert (code, remaining, replayed) == ("GRANTED", 0, True)
    assert everything_wrong(NOON) == []
