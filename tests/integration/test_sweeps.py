"""Sweeps and turns after outages, over odd midnights, beside rows that cannot be read, and as dry runs."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, models

from brands.models import AuditEntry, Brand
from budget_system.db import param
from campaigns.holds import Hold
from campaigns.models import Campaign, Override, StateChange
from enforcement import jobs, services
from enforcement.models import Run, RunKind
from enforcement.runs import LEASE, AlreadyRunning
from enforcement.sweeps import Sweep, enforce_all, enforce_due, turn_periods
from scheduling.services import ScheduleRow
from scheduling.windows import Window
from spending.models import BudgetPeriod, ForcedReset, PeriodKind, Spend, SpendRevision
from spending.services import Outcome, SpendRow
from tests.factories import FRI, MON, SAT, SUN, Story, window
from tests.figures import Figure

pytestmark = pytest.mark.django_db

ANNA = "Anna"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SWEEPS: dict[str, Callable[[datetime], Sweep]] = {
    "due": lambda now: enforce_due(now, actor="worker"),
    "all": lambda now: enforce_all(now, actor="worker"),
    "turns": lambda now: turn_periods(now, actor="worker"),
}
EVERY = pytest.mark.parametrize("run", SWEEPS.values(), ids=SWEEPS.keys())


def everything() -> list[list[dict[str, Any]]]:
    """Every row there is, but for the run log."""
    tables: list[type[models.Model]] = [
        Brand, Campaign, Override, StateChange, Spend, SpendRevision, BudgetPeriod, ForcedReset, AuditEntry,
    ]  # fmt: skip
    return [[dict(row) for row in table._default_manager.order_by("pk").values()] for table in tables]


def states() -> dict[str, tuple[Hold, ...]]:
    return dict(Campaign.objects.values_list("name", "holds"))


def turned(brand: UUID, kind: PeriodKind) -> list[date]:
    periods = BudgetPeriod.objects.filter(scope_id=brand, kind=kind).exclude(turned_at=None)
    return sorted(periods.values_list("starts_on", flat=True))


# --- Outages ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def before_the_outage() -> Story:
    """Thursday 30 April, ten to midnight in Berlin: each campaign waits for another thing that time will bring."""
    story = Story("2026-04-30 23:40")
    spender = story.campaign("spender")
    story.campaign("weekdays", rows=[window(day, "09:00", "17:00") for day in range(MON, SAT)])
    story.campaign("Sundays", rows=[window(SUN, "07:00", "09:00")])
    story.campaign("over midnight", rows=[window(SAT, "22:00", "08:00", next_day=True)])
    story.campaign("until April", end_date="2026-04-30")
    story.campaign("from 2 May", start_date="2026-05-02")
    for name, until in (("paused", None), ("paused until Saturday", story.now + timedelta(days=1, hours=20))):
        services.pause(story.campaign(name).pk, until=until, actor=ANNA, now=story.now)
    services.emergency_stop(story.campaign("stopped").pk, reason="Wrong page", actor=ANNA, now=story.now)
    lifted = story.campaign("lifted", rows=[window(FRI, "00:00", "00:00", active=False)])
    services.set_override(lifted.pk, [Hold.NO_SCHEDULE], reason="A launch", actor=ANNA, now=story.now)
    story.campaign("own month", monthly_budget="100")
    story.post(Campaign.objects.get(name="own month"), "60")
    story.clock("2026-04-30 23:50")
    story.post(spender, "40")
    assert states() == {
        "spender": (Hold.DAILY_BUDGET_EXCEEDED,),
        "weekdays": (Hold.DAILY_BUDGET_EXCEEDED, Hold.OUTSIDE_SCHEDULE),
        "Sundays": (Hold.DAILY_BUDGET_EXCEEDED, Hold.OUTSIDE_SCHEDULE),
        "over midnight": (Hold.DAILY_BUDGET_EXCEEDED, Hold.OUTSIDE_SCHEDULE),
        "until April": (Hold.DAILY_BUDGET_EXCEEDED,),
        "from 2 May": (Hold.NOT_STARTED, Hold.DAILY_BUDGET_EXCEEDED),
        "paused": (Hold.MANUAL, Hold.DAILY_BUDGET_EXCEEDED),
        "paused until Saturday": (Hold.MANUAL, Hold.DAILY_BUDGET_EXCEEDED),
        "stopped": (Hold.EMERGENCY_STOP, Hold.DAILY_BUDGET_EXCEEDED),
        "lifted": (Hold.DAILY_BUDGET_EXCEEDED,),
        "own month": (Hold.DAILY_BUDGET_EXCEEDED,),
    }
    return story


@pytest.mark.fault(28)
@EVERY
def test_after_three_days_without_workers_one_run_of_any_kind_sets_everything_right(
    before_the_outage: Story, run: Callable[[datetime], Sweep]
) -> None:
    """From 30 April 23:50 to Sunday, 3 May 08:00."""
    story = before_the_outage
    story.clock("2026-05-03 08:00")
    changes = StateChange.objects.count()

    sweep = run(story.now)

    assert sweep.errors == []
    assert states() == {
        "spender": (),
        "weekdays": (Hold.OUTSIDE_SCHEDULE,),
        "Sundays": (),
        "over midnight": (Hold.OUTSIDE_SCHEDULE,),
        "until April": (Hold.ENDED,),
        "from 2 May": (),
        "paused": (Hold.MANUAL,),
        "paused until Saturday": (),
        "stopped": (Hold.EMERGENCY_STOP,),
        "lifted": (Hold.NO_SCHEDULE,),
        "own month": (),
    }
    assert StateChange.objects.count() == changes + 11
    assert turned(story.brand.pk, PeriodKind.DAY) == [date(2026, 4, 30), *(date(2026, 5, day) for day in (1, 2, 3))]
    assert turned(story.brand.pk, PeriodKind.MONTH) == [date(2026, 4, 1), date(2026, 5, 1)]


@pytest.mark.fault(29)
@EVERY
@pytest.mark.parametrize("again", SWEEPS.values(), ids=SWEEPS.keys())
def test_a_second_run_of_any_kind_changes_nothing(
    before_the_outage: Story, run: Callable[[datetime], Sweep], again: Callable[[datetime], Sweep]
) -> None:
    story = before_the_outage
    story.clock("2026-05-03 08:00")
    run(story.now)
    before = everything()

    sweep = again(story.now)

    assert everything() == before
    assert sweep.evaluation.changes == []
    assert sweep.turns == []


@pytest.mark.fault(29)
@pytest.mark.slow
def test_a_daily_reset_that_never_runs_makes_no_difference_to_any_state() -> None:
    """Forty days of ticks at odd hours; in the second world the resets run as well, early, late and twice."""

    def forty_days(number: int, *, resets: bool) -> list[dict[str, tuple[Hold, ...]]]:
        story = Story("2026-03-01 00:00", name=f"Acme {number}", daily_budget="10", monthly_budget="120")
        story.campaign("always")
        story.campaign("weekdays", rows=[window(day, "09:00", "17:00") for day in range(MON, SAT)])
        seen = []
        for hour in range(0, 40 * 24, 11):
            story.now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour)
            if resets and hour % 3:
                turn_periods(story.now, actor="worker", brand_id=story.brand.pk)
                turn_periods(story.now, actor="worker", brand_id=story.brand.pk)
            enforce_due(story.now, actor="worker", brand_id=story.brand.pk)
            story.post(story.brand.campaigns.get(name="always"), "4")
            seen.append(dict(story.brand.campaigns.values_list("name", "holds")))
        return seen

    without = forty_days(1, resets=False)

    assert without == forty_days(2, resets=True)
    assert {hold for moment in without for hold in moment["always"]} == {
        Hold.DAILY_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED,
    }  # fmt: skip


# --- Odd midnights ---------------------------------------------------------------------------------------------------

# Of a year that is over: rules for the clocks to come still change.
ODD_MIDNIGHTS = [
    ("Europe/Berlin", "2025-03-30", 23), ("Europe/Berlin", "2025-10-26", 25),
    ("Africa/Cairo", "2025-04-25", 23), ("Africa/Cairo", "2025-10-30", 25),
    ("America/Havana", "2025-03-09", 23), ("America/Havana", "2025-11-02", 25),
    ("Atlantic/Azores", "2025-03-30", 23), ("Atlantic/Azores", "2025-10-26", 25),
    ("America/Santiago", "2025-09-07", 23), ("America/Santiago", "2025-04-05", 25),
    ("Australia/Lord_Howe", "2025-10-05", 23.5), ("Asia/Kathmandu", "2025-03-30", 24),
]  # fmt: skip


def first_minute_of(zone: ZoneInfo, day: date) -> datetime:
    """Found by looking at the clock there each minute."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(zone).date() < day:
        moment += timedelta(minutes=1)
    return moment


def used_up(zone: str, day: date) -> tuple[UUID, datetime]:
    """A brand that has used up its budget of `day`, and the first minute of that day."""
    start = first_minute_of(ZoneInfo(zone), day)
    brand = services.create_brand({"name": zone, "timezone": zone, "daily_budget": "100"}, actor=ANNA, now=start)
    campaign = services.create_campaign(brand.pk, {"name": "A"}, rows=[], actor=ANNA, now=start)
    row = SpendRow(campaign.pk, Decimal(100), day)
    [answer] = services.post_spend([row], source="api", actor=ANNA, now=start).answers
    assert (answer.outcome, states()) == (Outcome.RECORDED, {"A": (Hold.DAILY_BUDGET_EXCEEDED,)})
    return brand.pk, start


@pytest.mark.fault(30, 31)
@pytest.mark.parametrize(("zone", "text", "hours"), ODD_MIDNIGHTS)
def test_a_day_of_any_length_ends_in_its_own_minute_and_the_next_is_recorded_once(
    zone: str, text: str, hours: float
) -> None:
    """Days of 23, 23.5, 24 and 25 hours; midnight missing or double at one end. The tick runs each minute round it."""
    day = date.fromisoformat(text)
    brand, start = used_up(zone, day)
    end = start + timedelta(hours=hours)
    assert end == first_minute_of(ZoneInfo(zone), day + timedelta(days=1))

    for minute in range(-130, 75):
        enforce_due(end + timedelta(minutes=minute), actor="worker")

    started = StateChange.objects.filter(to_holds="").values_list("at", flat=True)
    assert list(started) == [end]
    assert StateChange.objects.count() == 2
    assert turned(brand, PeriodKind.DAY) == [day, day + timedelta(days=1)]


@pytest.mark.fault(27, 31)
@EVERY
@pytest.mark.parametrize(("zone", "text", "hours"), ODD_MIDNIGHTS)
def test_an_outage_over_such_a_midnight_is_made_good_by_one_run(
    zone: str, text: str, hours: float, run: Callable[[datetime], Sweep]
) -> None:
    day = date.fromisoformat(text)
    brand, start = used_up(zone, day)
    end = start + timedelta(hours=hours)

    run(end - timedelta(minutes=1))
    held = states()
    run(end + timedelta(minutes=59))
    after = everything()
    run(end + timedelta(minutes=59))

    assert held == {"A": (Hold.DAILY_BUDGET_EXCEEDED,)}
    assert states() == {"A": ()}
    assert turned(brand, PeriodKind.DAY) == [day, day + timedelta(days=1)]
    assert everything() == after


@pytest.mark.fault(35)
def test_a_sweep_with_an_older_moment_is_set_right_by_the_next_tick() -> None:
    """Two clocks differ, or a sweep waited for a lock over midnight: its look at yesterday does not last."""
    brand, start = used_up("Europe/Berlin", date(2025, 3, 30))
    midnight = start + timedelta(hours=23)
    enforce_due(midnight, actor="worker")
    services.change_brand(brand, {"monthly_budget": "500"}, actor=ANNA, now=midnight + timedelta(seconds=1))

    enforce_all(midnight - timedelta(seconds=2), actor="late worker")
    relapsed = states()
    enforce_due(midnight + timedelta(seconds=2), actor="worker")

    assert relapsed == {"A": (Hold.DAILY_BUDGET_EXCEEDED,)}
    assert states() == {"A": ()}
    assert turned(brand, PeriodKind.DAY) == [date(2025, 3, 30), date(2025, 3, 31)]


# --- Rows that cannot be read ----------------------------------------------------------------------------------------


def crowd(brands: int, campaigns: int) -> list[UUID]:
    """So many brands with so many campaigns each, all running, though a brand's budget of 0 calls for a pause."""
    made = Brand.objects.bulk_create(
        Brand(name=f"Brand {number}", daily_budget=0, created_at=NOON, updated_at=NOON) for number in range(brands)
    )
    rows = [
        Campaign(brand=brand, name=f"{number}", created_at=NOON, updated_at=NOON, next_check_at=NOON)
        for brand in made
        for number in range(campaigns)
    ]
    return [campaign.pk for campaign in Campaign.objects.bulk_create(rows)]


def spoil(table: str, assignment: str, row: UUID) -> None:
    """Behind the system's back: no interface writes such a thing."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {assignment} WHERE id = %s", [param(row)])


@pytest.mark.fault(46)
@pytest.mark.parametrize("job", [jobs.DAYPARTING, jobs.BUDGETS], ids=["due", "all"])
@pytest.mark.parametrize(
    "brands", [pytest.param(20, id="a schedule"), pytest.param(1000, id="a time zone", marks=pytest.mark.slow)]
)
def test_of_a_thousand_campaigns_one_that_cannot_be_read_fails_alone(
    job: jobs.Job, brands: int, figure: Figure
) -> None:
    bad = crowd(brands, 1000 // brands)[417]
    if brands == 20:
        spoil("campaigns_campaign", "week = 'garbage'", bad)
    else:
        spoil("brands_brand", "timezone = 'Mars/Olympus_Mons'", Campaign.objects.get(pk=bad).brand_id)

    sweep = jobs.run(job, actor="worker", clock=lambda: NOON)

    processed = StateChange.objects.count()
    figure(f"1 of 1,000 cannot be read, others processed {processed}")
    assert processed == 999
    assert len(sweep.errors) == 1
    assert str(bad) in sweep.errors[0]
    [log] = Run.objects.all()
    assert str(bad) in log.error
    assert log.counts == {"checked": 1000, "paused_daily": 999, "paused_monthly": 0, "paused_other": 0, "activated": 0,
                          "errors": 1}  # fmt: skip
    assert log.finished_at == NOON
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM campaigns_campaign WHERE next_check_at > %s", [NOON])
        assert cursor.fetchone() == (1000,)


UNREADABLE = {
    "week out of order": ("campaigns_campaign", "week = '7200-3600'"),
    "week too long": ("campaigns_campaign", "week = '0-604801'"),
    "empty time zone": ("brands_brand", "timezone = ''"),
    "a directory of time zones": ("brands_brand", "timezone = 'America'"),
    "a path for a time zone": ("brands_brand", "timezone = '../../etc/passwd'"),
    "unknown hold": (
        "campaigns_campaign",
        "holds = 'MANUAL,WEATHER', pause_reason = 'MANUAL', status = 'PAUSED', paused_at = created_at",
    ),
}


@EVERY
@pytest.mark.parametrize(("table", "assignment"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_row_that_cannot_be_read_is_parked_and_reported_and_the_others_go_on(
    run: Callable[[datetime], Sweep], table: str, assignment: str
) -> None:
    bad, *others = crowd(10, 1)
    spoil(table, assignment, bad if table.startswith("campaigns") else Campaign.objects.get(pk=bad).brand_id)
    tomorrow = NOON + timedelta(days=1)

    first = run(tomorrow)
    soon = enforce_due(tomorrow + timedelta(minutes=1), actor="worker")
    later = enforce_due(tomorrow + timedelta(minutes=6), actor="worker")

    assert set(StateChange.objects.values_list("campaign_id", flat=True)) == set(others)
    if run is not SWEEPS["turns"]:  # a turn cannot be told without a time zone; the tick reports it
        assert [str(bad) in error for error in first.errors] == [True]
        assert soon.checked == 0
    assert [str(bad) in error for error in later.errors] == [True]


def test_a_garbled_schedule_is_mended_by_writing_it_anew() -> None:
    story = Story("2026-05-05 12:00")
    campaign = story.campaign("A")
    spoil("campaigns_campaign", "week = 'garbage'", campaign.pk)

    verdict = services.replace_week(
        campaign.pk, [ScheduleRow(Window(MON, *(story.now.time(),) * 2, True))], actor=ANNA, now=story.now
    )

    assert verdict.holds == (Hold.OUTSIDE_SCHEDULE,)
    assert enforce_all(story.now, actor="worker").errors == []


def test_a_spend_of_a_brand_whose_zone_cannot_be_read_is_refused_alone() -> None:
    bad, good = crowd(2, 1)
    spoil("brands_brand", "timezone = 'Mars/Olympus_Mons'", Campaign.objects.get(pk=bad).brand_id)
    rows = [SpendRow(campaign, Decimal(1), NOON.date()) for campaign in (bad, good)]

    answers = services.post_spend(rows, source="api", actor=ANNA, now=NOON).answers

    assert [answer.outcome for answer in answers] == [Outcome.REFUSED, Outcome.RECORDED]


@pytest.mark.parametrize("whole_brand", [False, True], ids=["campaign", "brand"])
def test_an_emergency_stop_stops_a_campaign_whose_schedule_cannot_be_read(whole_brand: bool) -> None:
    [bad] = crowd(1, 1)
    spoil("campaigns_campaign", "week = 'garbage'", bad)

    if whole_brand:
        services.emergency_stop_brand(Brand.objects.get().pk, reason="Wrong page", actor=ANNA, now=NOON)
    else:
        services.emergency_stop(bad, reason="Wrong page", actor=ANNA, now=NOON)

    campaign = Campaign.objects.get()
    assert (campaign.status, campaign.pause_reason) == ("PAUSED", Hold.EMERGENCY_STOP)


# --- Dry runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["due", "all", "turns"])
def test_a_dry_run_changes_nothing_and_says_what_the_run_then_does(before_the_outage: Story, name: str) -> None:
    story = before_the_outage
    story.clock("2026-05-03 08:00")
    sweep = {"due": enforce_due, "all": enforce_all, "turns": turn_periods}[name]
    before = everything()

    dry = sweep(story.now, actor="dry run", dry_run=True)
    unchanged = everything()
    wet = sweep(story.now, actor="worker")

    assert unchanged == before
    assert sorted(dry.evaluation.changes) == sorted(wet.evaluation.changes) != []
    assert dry.checked == wet.checked
    if name == "turns":
        assert dry.turns == wet.turns != []


@pytest.mark.parametrize("job", [jobs.DAYPARTING, jobs.BUDGETS, jobs.DAILY_RESET, jobs.MONTHLY_RESET])
def test_a_look_is_not_logged(job: jobs.Job) -> None:
    crowd(2, 2)
    before = everything()

    sweep = jobs.look(job, clock=lambda: NOON + timedelta(days=40))

    assert len(sweep.evaluation.changes) == 4
    assert everything() == before
    assert not Run.objects.exists()


# --- The run log -----------------------------------------------------------------------------------------------------


def test_what_a_killed_worker_left_unfinished_is_closed_by_the_next_run_after_its_lease() -> None:
    crowd(1, 1)
    left = Run.objects.create(kind=RunKind.DAYPARTING, trigger="worker", started_at=NOON)

    with pytest.raises(AlreadyRunning):
        jobs.run(jobs.DAYPARTING, actor="worker", clock=lambda: NOON + LEASE)
    jobs.run(jobs.BUDGETS, actor="worker", clock=lambda: NOON)
    after = NOON + LEASE + timedelta(seconds=1)
    jobs.run(jobs.DAYPARTING, actor="worker", clock=lambda: after)

    left.refresh_from_db()
    assert left.finished_at == after
    assert "did not finish" in left.error
    assert list(Run.objects.filter(error="").values_list("kind", flat=True)) == [RunKind.DAYPARTING, RunKind.BUDGETS]


def test_a_run_that_fails_says_why_and_leaves_room_for_the_next() -> None:
    crowd(1, 1)

    def fail(now: datetime, **_: Any) -> Sweep:
        raise ArithmeticError("a fault of our own")

    broken = jobs.DAYPARTING._replace(sweep=fail)
    with pytest.raises(ArithmeticError):
        jobs.run(broken, actor="worker", clock=lambda: NOON)
    jobs.run(jobs.DAYPARTING, actor="worker", clock=lambda: NOON)

    errors = list(Run.objects.order_by("id").values_list("error", flat=True))
    assert errors == ["ArithmeticError: a fault of our own", ""]
    assert StateChange.objects.count() == 1
