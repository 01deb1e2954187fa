"""The charts of a brand, and what its day and month will come to: on the overview and on its own page."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.utils.safestring import SafeString

from brands.models import Brand
from brands.periods import day_starts_at, local_date, month_start, next_midnight, next_month_start
from budget_system import money
from budget_system.admin import charts
from pacing.months import Month, month_of
from spending.figures import Spent
from spending.history import budgets_by_day, by_hour, days


class Ahead(NamedTuple):
    """What the present day and month will come to, of what counts; None while too little is known."""

    by_day: Mapping[date, Decimal]
    day: Decimal | None
    month: Month


def outlook(brand: Brand, uses: Spent, now: datetime) -> tuple[Ahead, Mapping[date, Decimal]]:
    """The projection, and what was spent on each of the days that it rests on and of this month."""
    month = month_of(brand, uses, now)
    if month.outlook is None:
        return Ahead({}, None, month), month.past
    expected = month.outlook.by_day
    return Ahead(expected, uses.day.used + expected[month.today] - month.spent_today, month), month.past


def rounded(value: Decimal, currency: str) -> Decimal:
    """A projection is no exact figure: it is shown with the currency's decimals and no more."""
    return value.quantize(Decimal(1).scaleb(-money.decimals(currency)))


def day_chart(brand: Brand, now: datetime) -> SafeString:
    """Today's spend, added up by the hours in which it arrived, against an even spread of the daily budget."""
    today = local_date(brand.zone, now)
    begins, ends = day_starts_at(brand.zone, today), next_midnight(brand.zone, now)
    arrived = by_hour(brand, today)
    hours = [begins + timedelta(hours=number) for number in range(int((ends - begins) / timedelta(hours=1)))]
    total = Decimal(0)
    so_far: list[Decimal | None] = []
    for hour in hours:
        total += sum((amount for at, amount in arrived.items() if hour <= at < hour + timedelta(hours=1)), Decimal(0))
        so_far.append(total if hour <= now else None)
    series = [charts.Series("Spent so far", so_far)]
    if brand.daily_budget is not None:
        step = brand.daily_budget / len(hours)
        even = [rounded(step * number, brand.currency) for number in range(1, len(hours) + 1)]
        series.append(charts.Series("Even plan", even, "dashed", charts.FAINT))
        series.append(charts.Series("Daily budget", [brand.daily_budget] * len(hours), "line", charts.RED))
    return charts.money_chart(
        f"{brand}: today, {today}", [f"{hour.astimezone(brand.zone):%H}" for hour in hours], series,
        currency=brand.currency, x_title=f"Hour, {brand.zone.key}",
        note="By the hour in which spend arrived here; platforms report late.",
    )  # fmt: skip


def month_chart(brand: Brand, ahead: Ahead, past: Mapping[date, Decimal], now: datetime) -> SafeString:
    """Each day's spend against the budget of that day, and what today and the days that are left will come to."""
    today = local_date(brand.zone, now)
    all_days = days(month_start(today), next_month_start(today) - timedelta(days=1))
    series = [charts.Series("Spent", [past.get(day, Decimal(0)) if day <= today else None for day in all_days])]
    budgets = budgets_by_day(brand, all_days[0], all_days[-1], today)
    if any(budget is not None for budget in budgets):
        series.append(charts.Series("Daily budget", budgets, "line", charts.RED))
    if ahead.by_day:
        expected = [
            rounded(ahead.by_day[day], brand.currency) if day in ahead.by_day else None for day in all_days
        ]  # fmt: skip
        series.append(charts.Series("Projected", expected, "dashed", charts.ORANGE))
    return charts.money_chart(
        f"{brand}: {today:%B %Y} by day", [str(day.day) for day in all_days], series, currency=brand.currency,
        x_title=f"Day of {today:%B}",
    )  # fmt: skip
