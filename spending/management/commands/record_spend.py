"""Record one spend by hand."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brands.periods import local_date, month_start
from brands.queries import find_brand
from budget_system import clock, money
from budget_system.errors import Refused
from campaigns.models import Campaign
from campaigns.queries import find_campaign
from campaigns.services import clean_day
from enforcement.management.console import actor, errors_as_exit_code
from enforcement.services import post_spend
from spending.models import BudgetPeriod, PeriodKind, SpendType
from spending.services import Outcome, Source, SpendRow

_WORDS = {
    Outcome.RECORDED: "Recorded",
    Outcome.REPLAYED: "Recorded before under the same key, nothing was added:",
}


class Command(BaseCommand):
    help = "Record one spend, and stop the campaigns whose budget it uses up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="Its name, id or platform campaign id.")
        parser.add_argument("amount", help="Such as 12.50, in the brand's currency.")
        parser.add_argument("--brand", help="The brand, where several campaigns have the same name.")
        parser.add_argument("--date", help="The day it was spent on. Default: today in the brand's time zone.")
        parser.add_argument(
            "--type", type=str.upper, choices=SpendType.values, default=SpendType.DAILY, help="Default: DAILY."
        )
        parser.add_argument("--channel", default="", help="Where it was spent. Default: the campaign's own channel.")
        parser.add_argument("--description", default="", help="What it was for; an adjustment needs a reason.")
        parser.add_argument("--key", help="Makes sending it twice harmless: the same key counts once.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        with errors_as_exit_code():
            brand = find_brand(options["brand"]) if options["brand"] else None
            campaign = find_campaign(options["campaign"], brand)
            today = local_date(campaign.brand.zone, now)
            row = _row(campaign, options, today)
            result = post_spend([row], source=Source.COMMAND, actor=actor(), now=now)
        (answer,) = result.answers
        if answer.error is not None:
            raise CommandError(f"{answer.error.field}: {answer.error.message}")
        currency = campaign.brand.currency
        amount = f"{money.display_text(row.amount, currency)} {currency}"
        self.stdout.write(
            f"{_WORDS[answer.outcome]} {amount} of {row.spend_date} ({row.spend_type}) for "
            f"{campaign.brand} / {campaign}."
        )
        campaign.refresh_from_db()
        self.stdout.write(
            f"{campaign}: {campaign.status}" + "".join(f", {hold.label.lower()}" for hold in campaign.holds)
        )
        for line in _standing(campaign, today):
            self.stdout.write(line)


def _row(campaign: Campaign, options: dict[str, Any], today: date) -> SpendRow:
    try:
        amount = money.parse_amount(options["amount"])
    except money.InvalidAmount as error:
        raise Refused(f"amount: {error}", field="amount") from error
    try:
        day = today if options["date"] is None else clean_day(options["date"], "date")
    except Refused as error:
        raise Refused(f"date: {error.message}", field="date") from error
    if day is None:
        raise Refused("date: it is empty; leave --date out for today.", field="date")
    return SpendRow(
        campaign.pk, amount, day, options["type"], options["description"], options["key"], channel=options["channel"]
    )


def _standing(campaign: Campaign, today: date) -> list[str]:
    """The brand's present day and month against their budgets."""
    brand = campaign.brand
    lines = []
    for kind, starts_on, budget in (
        (PeriodKind.DAY, today, brand.daily_budget),
        (PeriodKind.MONTH, month_start(today), brand.monthly_budget),
    ):
        period = BudgetPeriod.objects.filter(scope_id=brand.pk, kind=kind, starts_on=starts_on).first()
        spent = period.posted if period else money.from_micros(0)
        words = f"{money.display_text(spent, brand.currency)}"
        if budget is None:
            words += f" {brand.currency} spent, no limit"
        else:
            words += f" of {money.display_text(budget, brand.currency)} {brand.currency} spent"
        if period and period.forgiven:
            words += f", {money.display_text(period.forgiven, brand.currency)} of it no longer counts (forced reset)"
        lines.append(f"{brand}, {kind.label.lower()} {starts_on}: {words}")
    return lines
