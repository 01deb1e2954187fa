"""The month of a brand or a campaign: its plan for the days left, and what it comes to. One truth for all pages.

Gathers; what follows is worked out in `budget_pacer.month`.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from brands.models import Brand
from brands.periods import local_date, month_start
from budget_pacer.month import WEEKS, MonthFacts, MonthPlan, Outlook, plan_month, weekday_weights
from budget_system import money
from campaigns.models import Campaign
from scheduling.windows import week_from_text
from spending.figures import Spent
from spending.history import by_day, days
from spending.projection import last_day_of, month_outlook

_DAY_S = 86_400


class Month(NamedTuple):
    """A brand's or campaign's month as it stands."""

    today: date
    last_day: date
    budget: Decimal | None
    spent: Decimal
    """What counts against its budget so far."""
    spent_today: Decimal
    outlook: Outlook | None
    """None while less than a week of spend is known."""
    plan: MonthPlan | None
    """None without a budget for the month."""
    past: Mapping[date, Decimal]
    """What was spent by day, of this month and of the four weeks before today."""


def months_of(things: Iterable[Brand | Campaign], uses: Mapping[UUID, Spent], now: datetime) -> dict[UUID, Month]:
    """The months of these, by their brands' calendars; campaigns with their brand fetched. Two queries for all."""
    some = list(things)
    today = {thing.pk: local_date(_brand(thing).zone, now) for thing in some}
    if not some:
        return {}
    first = min(min(month_start(day), day - timedelta(days=7 * WEEKS)) for day in today.values())
    past = by_day(list(today), first, max(today.values()))
    closed = _closed_days(some, today)
    return {
        thing.pk: _month(thing, uses[thing.pk], past[thing.pk], today[thing.pk], closed[thing.pk]) for thing in some
    }


def month_of(thing: Brand | Campaign, uses: Spent, now: datetime) -> Month:
    """The month of one of them."""
    return months_of([thing], {thing.pk: uses}, now)[thing.pk]


def _month(
    thing: Brand | Campaign, uses: Spent, past: Mapping[date, Decimal], today: date, closed: Collection[date]
) -> Month:
    decimals, spent_today = money.decimals(_brand(thing).currency), past.get(today, Decimal(0))
    budget, so_far = thing.monthly_budget, uses.month.used
    plan = None
    if budget is not None:
        facts = MonthFacts(
            budget=budget, spent=so_far - spent_today, today=today, first_day=month_start(today),
            last_day=last_day_of(today), closed=closed, weekday_weights=weekday_weights(past, today),
        )  # fmt: skip
        plan = plan_month(facts, cent=Decimal(1).scaleb(-decimals))
    outlook = month_outlook(past, so_far, today, budget=budget, decimals=decimals)
    return Month(today, last_day_of(today), budget, so_far, spent_today, outlook, plan, past)


def _brand(thing: Brand | Campaign) -> Brand:
    return thing if isinstance(thing, Brand) else thing.brand


# --- On which days it can be spent -----------------------------------------------------------------------------------


class _Opening(NamedTuple):
    """The weekdays on which a campaign is open at some time, and its flight."""

    weekdays: frozenset[int]
    start: date | None
    end: date | None

    def covers(self, day: date) -> bool:
        begun = self.start is None or self.start <= day
        return begun and (self.end is None or day <= self.end) and day.weekday() in self.weekdays


def _closed_days(things: Iterable[Brand | Campaign], today: Mapping[UUID, date]) -> dict[UUID, list[date]]:
    """The days of the month on which none of its campaigns may run by schedule and flight; days of the past on which
    all were closed count too. A brand without campaigns is open."""
    some = list(things)
    openings: dict[UUID, set[_Opening]] = {thing.pk: set() for thing in some}
    for thing in some:
        if isinstance(thing, Campaign):
            openings[thing.pk].add(_Opening(_weekdays(thing.week), thing.start_date, thing.end_date))
    brands = [thing.pk for thing in some if isinstance(thing, Brand)]
    if brands:
        rows = Campaign.objects.current().filter(brand__in=brands).order_by()
        for brand_id, week, start, end in rows.values_list("brand_id", "week", "start_date", "end_date").distinct():
            openings[brand_id].add(_Opening(_weekdays(week), start, end))
    return {
        thing.pk: [
            day
            for day in days(month_start(today[thing.pk]), last_day_of(today[thing.pk]))
            if openings[thing.pk] and not any(opening.covers(day) for opening in openings[thing.pk])
        ]
        for thing in some
    }


def _weekdays(text: str) -> frozenset[int]:
    week = week_from_text(text)
    if week is None:
        return frozenset(range(7))
    return frozenset(day for start, end in week for day in range(start // _DAY_S, (end - 1) // _DAY_S + 1))
