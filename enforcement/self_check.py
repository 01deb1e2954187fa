"""An operator's self-check: the use cases themselves, on a throw-away brand of the database that is in use.

Each check is one rehearsal: a transaction that is undone at its end. Records are kept as they were written, and on
PostgreSQL the database itself refuses to delete them, so nothing is cleaned up: nothing is ever committed. That holds
when a check fails, is interrupted or is killed too. No worker, page or report sees the brand, and only its own rows are
locked; on SQLite, which has one writer at a time, others wait for the second that a check takes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import DatabaseError

from brands.models import Brand
from brands.periods import day_starts_at, local_date, month_start, next_midnight, next_month
from budget_system import money
from budget_system.db import rehearsal
from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement import books, reservations, services
from enforcement.sweeps import enforce_due, turn_periods
from scheduling.services import ScheduleRow
from scheduling.windows import Window
from spending.models import BudgetPeriod, PeriodKind
from spending.services import Outcome, SpendRow

ACTOR = "self-check"
SOURCE = "self-check"
NAME = "Self-check"
ZONE = ZoneInfo("Europe/Berlin")
DAILY, MONTHLY = Decimal("100.00"), Decimal("250.00")
DAY_HOLD, MONTH_HOLD = Hold.DAILY_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED
RUNS: tuple[Hold, ...] = ()


class Step(NamedTuple):
    """One thing that was looked at: what should be, whether it is, and the figures."""

    good: bool
    text: str
    found: str = ""


@dataclass
class _Trial:
    """The throw-away brand, its campaigns and the moment that is simulated."""

    now: datetime

    def __post_init__(self) -> None:
        inputs = {
            "name": f"{NAME} {uuid4().hex[:8]}", "timezone": ZONE.key, "currency": "EUR", "daily_budget": DAILY,
            "monthly_budget": MONTHLY,
        }  # fmt: skip
        self.brand = services.create_brand(inputs, actor=ACTOR, now=self.now)

    @property
    def today(self) -> date:
        return local_date(ZONE, self.now)

    def campaign(self, name: str, rows: Sequence[ScheduleRow] | None = None) -> Campaign:
        return services.create_campaign(self.brand.pk, {"name": name}, actor=ACTOR, now=self.now, rows=rows)

    def post(self, campaign: Campaign, amount: str, key: str | None = None, days_ago: int = 0) -> Outcome:
        day = self.today - timedelta(days=days_ago)
        row = SpendRow(campaign.pk, Decimal(amount), day, key=key)
        [answer] = services.post_spend([row], source=SOURCE, actor=ACTOR, now=self.now).answers
        if answer.error is not None:
            raise answer.error
        return answer.outcome

    def tick(self, at: datetime) -> None:
        """It is this moment now, and the minute tick runs."""
        self.now = at
        enforce_due(at, actor=ACTOR, brand_id=self.brand.pk)

    def used(self, kind: PeriodKind = PeriodKind.DAY) -> Decimal:
        starts_on = self.today if kind is PeriodKind.DAY else month_start(self.today)
        period = BudgetPeriod.objects.filter(scope_id=self.brand.pk, kind=kind, starts_on=starts_on).first()
        return period.used if period else Decimal(0)

    def set_budgets(self, **budgets: str) -> None:
        services.change_brand(self.brand.pk, budgets, actor=ACTOR, now=self.now)

    def holds(self, *campaigns: Campaign) -> list[tuple[Hold, ...]]:
        stored = Campaign.objects.in_bulk([one.pk for one in campaigns])
        return [stored[one.pk].holds for one in campaigns]

    def expect(self, text: str, holds: tuple[Hold, ...], *campaigns: Campaign) -> Step:
        """Whether all these campaigns have exactly these holds, with what the day has used."""
        found = self.holds(*campaigns)
        shown = " and ".join(sorted({_words(one) for one in found}))
        used = f"{_money(self.used())} of the day, {_money(self.used(PeriodKind.MONTH))} of the month"
        return Step(all(one == holds for one in found), text, f"{shown}; {used} used")

    def books_agree(self) -> Step:
        found = books.check(self.now, brand_id=self.brand.pk)
        counts = f"{found.periods} totals compared, {found.differences} differences"
        return Step(found.differences == 0 and found.periods > 0, "Totals, ledger, weeks and holds agree", counts)


def _words(holds: tuple[Hold, ...]) -> str:
    return ", ".join(hold.label.lower() for hold in holds) or "runs"


def _money(amount: Decimal) -> str:
    return f"{money.display_text(amount, 'EUR')} EUR"


# --- The checks ------------------------------------------------------------------------------------------------------


def _setup(now: datetime) -> Iterator[Step]:
    trial = _Trial(now)
    some = [trial.campaign(name) for name in ("Search", "Social", "Video")]
    kept = Brand.objects.get(pk=trial.brand.pk)
    agree = (kept.daily_budget, kept.monthly_budget, kept.zone) == (DAILY, MONTHLY, ZONE)
    budgets = f"{_money(kept.daily_budget or Decimal(0))} a day, {_money(kept.monthly_budget or Decimal(0))} a month"
    yield Step(agree, "A brand is stored as it was given", f"{budgets}, {kept.zone.key}")
    yield trial.expect("Three campaigns run at once", RUNS, *some)
    kinds = sorted(BudgetPeriod.objects.of_brands().filter(brand=kept).values_list("kind", flat=True))
    yield Step(kinds == ["D", "M"], "Its present day and month are open", f"periods of kind {', '.join(kinds)}")
    number = some[0].schedules.count()
    yield Step(number == 7, "A campaign has a week to be edited", f"{number} windows")
    yield trial.books_agree()


def _spend(now: datetime) -> Iterator[Step]:
    trial = _Trial(_noon(trial_day=local_date(ZONE, now)))
    search, social = trial.campaign("Search"), trial.campaign("Social")
    trial.post(search, "60")
    trial.post(social, "39.99", key="once")
    yield trial.expect("99.99 of 100.00 spent: both run", RUNS, search, social)
    outcome = trial.post(social, "39.99", key="once")
    text = "The same spend sent again counts once"
    yield Step(outcome is Outcome.REPLAYED and trial.used() == Decimal("99.99"), text, f"{_money(trial.used())} used")
    yield from _asks(trial, search)
    trial.post(search, "0.01")
    yield trial.expect("100.00 of 100.00 spent: both are paused", (DAY_HOLD,), search, social)
    recorded = StateChange.objects.filter(brand=trial.brand, to_status="PAUSED").count()
    yield Step(recorded == 2, "Each pause is on record", f"{recorded} state changes")
    trial.set_budgets(daily_budget="150")
    yield trial.expect("The daily budget raised to 150.00: both run at once", RUNS, search, social)
    trial.set_budgets(daily_budget="80")
    yield trial.expect("Lowered to 80.00: both are paused at once", (DAY_HOLD,), search, social)
    spend = search.spends.order_by("-amount")[0]
    services.void_spend(spend.pk, reason="Self-check", actor=ACTOR, now=trial.now)
    yield trial.expect("A spend of 60.00 voided: both run at once", RUNS, search, social)
    before = trial.used()
    trial.post(search, "70", days_ago=1)
    text = "Yesterday's spend does not count today"
    yield Step(trial.used() == before, text, f"{_money(trial.used())} used today")
    trial.set_budgets(daily_budget="1000", monthly_budget="40")
    yield trial.expect("The monthly budget cut to what is spent: both are paused", (MONTH_HOLD,), search, social)
    yield trial.books_agree()


def _asks(trial: _Trial, campaign: Campaign) -> Iterator[Step]:
    """0.01 is left of 100.00."""
    answers = [
        reservations.reserve(uuid4(), campaign.pk, Decimal(amount), actor=ACTOR, now=trial.now)
        for amount in ("0.02", "0.01", "0.01")
    ]
    granted = [answer.authorisation.granted for answer in answers]
    given = ", ".join("granted" if one else "refused" for one in granted)
    text = "With 0.01 left, 0.02 is refused, 0.01 is granted, and granted once"
    yield Step(granted == [False, True, False], text, given)
    if (reservation := answers[1].reservation) is not None:
        reservations.void(reservation.pk, actor=ACTOR, now=trial.now)


def _dayparting(now: datetime) -> Iterator[Step]:
    day = local_date(ZONE, now) + timedelta(days=1)

    def at(hour: int, minute: int = 0, days: int = 0) -> datetime:
        return datetime.combine(day + timedelta(days=days), time(hour, minute), ZONE).astimezone(UTC)

    trial = _Trial(at(8))
    weekday = day.weekday()
    office = trial.campaign("Office hours", [ScheduleRow(Window(weekday, time(9), time(17), False))])
    night = trial.campaign("Night", [ScheduleRow(Window(weekday, time(22), time(6), True))])
    never = trial.campaign("Off", [ScheduleRow(Window(weekday, time(9), time(17), False), False)])
    always = trial.campaign("Always", [])
    outside = (Hold.OUTSIDE_SCHEDULE,)
    yield trial.expect("At 08:00 the window 09:00–17:00 is closed", outside, office)
    yield trial.expect("No window at all: it runs around the clock", RUNS, always)
    yield trial.expect("Windows, but none active: it is held", (Hold.NO_SCHEDULE,), never)
    for moment, open_, closed in (
        (at(8, 59), (), (office, night)),
        (at(9), (office,), (night,)),
        (at(16, 59), (office,), (night,)),
        (at(17), (), (office, night)),
        (at(22), (night,), (office,)),
        (at(5, 59, days=1), (night,), (office,)),
        (at(6, days=1), (), (office, night)),
    ):
        trial.tick(moment)
        local = f"{moment.astimezone(ZONE):%a %H:%M}"
        good = all(one == RUNS for one in trial.holds(*open_)) and all(one == outside for one in trial.holds(*closed))
        names = [f"{one} {_words(held)}" for one, held in zip((office, night), trial.holds(office, night), strict=True)]
        yield Step(good, f"{local}: {' and '.join(map(str, open_)) or 'none'} open", ", ".join(names))
    yield trial.books_agree()


def _reset(now: datetime) -> Iterator[Step]:
    """From the last day but one of a month over its end, by simulated time."""
    first = local_date(ZONE, next_month(ZONE, now))
    trial = _Trial(_noon(first - timedelta(days=2)))
    search, by_hand = trial.campaign("Search"), trial.campaign("Paused by hand")
    services.pause(by_hand.pk, reason="Self-check", actor=ACTOR, now=trial.now)
    trial.post(search, "100")
    yield trial.expect("The day's budget is used up: paused", (DAY_HOLD,), search)
    midnight = next_midnight(ZONE, trial.now)
    trial.tick(midnight - timedelta(seconds=1))
    yield trial.expect("A second before midnight: still paused", (DAY_HOLD,), search)
    trial.tick(midnight)
    yield trial.expect("Midnight: it runs, and the day begins at 0", RUNS, search)
    yield Step(trial.used() == 0, "Nothing had to be reset", f"{_money(trial.used())} of the new day")
    yield trial.expect("What a person paused stays paused", (Hold.MANUAL,), by_hand)
    again = turn_periods(trial.now, actor=ACTOR, brand_id=trial.brand.pk)
    yield Step(not again.turns, "A second run has nothing to do", f"{len(again.turns)} turns recorded")
    trial.set_budgets(daily_budget="1000")
    trial.post(search, "150")
    yield trial.expect("The month's budget is used up: paused", (MONTH_HOLD,), search)
    trial.tick(day_starts_at(ZONE, first))
    yield trial.expect(f"{first:%-d %B}, 00:00: it runs, and the month begins at 0", RUNS, search)
    resumed = StateChange.objects.filter(campaign=search, to_status="ACTIVE", from_status="PAUSED").count()
    yield Step(resumed == 2, "Each restart is on record", f"{resumed} state changes")
    yield trial.books_agree()


def _noon(trial_day: date) -> datetime:
    return datetime.combine(trial_day, time(12), ZONE).astimezone(UTC)


CHECKS: dict[str, tuple[str, Callable[[datetime], Iterator[Step]]]] = {
    "setup": ("A brand and its campaigns", _setup),
    "spend": ("Spend against budgets", _spend),
    "dayparting": ("Dayparting", _dayparting),
    "reset": ("The day and the month turn", _reset),
}


def run(name: str, now: datetime) -> list[Step]:
    """The steps of one check. Everything is undone at its end, however it ends.

    They are given when all is over: whoever shows them slowly would hold the transaction open.
    """
    steps: list[Step] = []
    try:
        with rehearsal():
            for step in CHECKS[name][1](now):
                steps.append(step)
    except (Refused, DatabaseError) as error:
        steps.append(Step(False, "The check broke off", str(error).strip()))
    return steps


def left_behind() -> Step:
    """Whether the database has anything of a check: it must not."""
    try:
        number = Brand.objects.filter(name__startswith=f"{NAME} ", audit_entries__actor=ACTOR).distinct().count()
    except DatabaseError as error:
        return Step(False, "Whether anything is left cannot be seen", str(error).strip())
    return Step(number == 0, "Nothing of the checks is left", f"{number} brands of theirs in the database")
