"""What a month comes to, in words: for lists, the overview, and the pages of brands and campaigns."""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from budget_pacer.month import MonthPlan, Outlook
from budget_system import money
from budget_system.admin import show
from pacing.months import Month

UNKNOWN = "not known yet"
NEEDS_A_WEEK = "Spend of at least seven days before today must be known."


def about(value: Decimal, currency: str) -> str:
    """An expected amount: whole units from a hundred on, never more decimals than the currency has."""
    decimals = 0 if abs(value) >= 100 else money.decimals(currency)
    rounded = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return f"{rounded:,} {currency}"


def range_text(low: Decimal, high: Decimal, currency: str) -> str:
    """“17,000 to 19,400 EUR”."""
    return f"{about(low, currency).rsplit(' ', 1)[0]} to {about(high, currency)}"


def on_day(day: date, today: date) -> str:
    """“today”, “tomorrow”, “Tue 24 Nov”."""
    return {0: "today", 1: "tomorrow"}.get((day - today).days, f"on {day:%a %-d %b}")


def main_text(outlook: Outlook, currency: str) -> str:
    """The one figure: what will really come of the month."""
    expected = outlook.comes_to.expected
    if outlook.is_stopped:
        return show.amount(expected, currency)
    return f"about {about(expected, currency)}"


def detail_texts(outlook: Outlook, currency: str, today: date) -> list[str]:
    """Why that figure: the range, or the budget that stops it and when, and what would come without it."""
    free = outlook.unlimited
    if outlook.budget is None or not outlook.is_stopped:
        share = ""
        if outlook.budget:
            share = f", {money.percent_used(outlook.comes_to.expected, outlook.budget)} % of the budget"
        return [f"{range_text(free.low, free.high, currency)}{share}"]
    without = f"without the budget {about(free.expected, currency)}"
    if outlook.so_far >= outlook.budget:
        return ["the budget is used up", without]
    return [f"at most: the budget is used up {on_day(outlook.used_up_on or today, today)}", without]


def cell(outlook: Outlook | None, currency: str, today: date) -> SafeString:
    """One cell of a list: the figure, and below it why."""
    if outlook is None:
        return format_html('<span title="{}">{}</span>', NEEDS_A_WEEK, show.nothing(UNKNOWN))
    details = format_html_join("", "{}", ((show.small(text),) for text in detail_texts(outlook, currency, today)))
    return format_html("{}{}", main_text(outlook, currency), details)


def sentence(outlook: Outlook, currency: str, today: date) -> str:
    """“the month's budget of 21,700.00 EUR is used up on Tue 24 Nov; without it the month would come to 31,970 EUR”."""
    budget, free = outlook.budget, outlook.unlimited
    if budget is None or not outlook.is_stopped:
        bounds = range_text(free.low, free.high, currency)
        return f"the month comes to about {about(free.expected, currency)} ({bounds})"
    when = "used up" if outlook.so_far >= budget else f"used up {on_day(outlook.used_up_on or today, today)}"
    without = f"without it the month would come to {about(free.expected, currency)}"
    return f"the month's budget of {show.amount(budget, currency)} is {when}; {without}"


# --- The plan of a month ---------------------------------------------------------------------------------------------


def panel(month: Month, currency: str) -> SafeString:
    """The month's budget over the days that are left: today's share, the pace, and what it comes to."""
    bar = show.use_bar(month.spent, month.budget, currency)
    pairs: list[tuple[str, object]] = [("Spent this month", bar)]
    pairs.append(("Comes to", cell(month.outlook, currency, month.today)))
    pairs += plan_facts(month, currency)
    note = (
        f"{month.today:%B}: what is left is laid over the open days left, more on weekdays that brought more in the "
        "last four weeks. How far off plan is still fine tightens from 25 % on the first day to 2 % on the last. "
        "The range holds the month's end in four of five cases."
    )
    return format_html(
        '{}<p class="mt-4 text-base-500 text-sm dark:text-base-400">{}</p>',
        show.facts(pairs),
        note if month.plan is not None else "Give it a monthly budget to see what today may have of it.",
    )


def plan_facts(month: Month, currency: str) -> list[tuple[str, object]]:
    """Today's share and the pace, for lists of figures; none without a budget for the month."""
    if month.plan is None:
        return []
    return [
        ("Today's share of what is left", todays_share(month.plan, month.spent_today, currency)),
        ("Pace of the month", pace_cell(month.plan)),
    ]


def todays_share(plan: MonthPlan, spent_today: Decimal, currency: str) -> SafeString:
    """What today may have of what is left of the month."""
    days = f"{plan.open_days_left} open day{'' if plan.open_days_left == 1 else 's'}"
    return format_html(
        "{}{}{}",
        show.amount(plan.today, currency),
        show.small(f"{show.amount(plan.left, currency)} were left this morning, for {days} with today"),
        show.small(
            f"{show.amount(spent_today, currency)} of it are spent. {plan.reason[:1].upper()}{plan.reason[1:]}."
        ),
    )


def pace_cell(plan: MonthPlan) -> SafeString:
    """How the days before today stand to the month's plan."""
    off = round((plan.pace - 1) * 100)
    words = "on plan" if not off else f"{abs(off)} % {'ahead of' if off > 0 else 'behind'} plan"
    tolerance = f"up to {plan.tolerance * 100:.0f} % is fine at this time of the month"
    return format_html("{}{}", show.badge(words, show.WARN if plan.off_pace else show.GOOD), show.small(tolerance))
