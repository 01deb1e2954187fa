"""Fit what the pacer has learned of each channel's hours afresh."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brands.queries import find_brand
from budget_pacer.history import HOURS_FOR_BASIC, HOURS_FOR_FULL
from budget_system import clock
from campaigns.queries import find_campaign
from enforcement import pace_jobs
from enforcement.management.console import actor, errors_as_exit_code, table
from pacing.channels import label
from pacing.models import FittedHistory
from pacing.queries import paced_of


class Command(BaseCommand):
    help = "Fit what the pacer has learned of the hours of each paced channel afresh, and say how much that is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "campaign", nargs="?", help="Its name, id or platform campaign id. Default: all paced ones."
        )
        parser.add_argument("--brand", help="Only this brand (its name or id).")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            brand = find_brand(options["brand"]) if options["brand"] else None
            named = find_campaign(options["campaign"], brand).pk if options["campaign"] else None
            ids = paced_of(brand) if named is None else [named]
            counts = pace_jobs.refit(actor=actor(), clock=clock.now, campaign_ids=ids)
        fitted = FittedHistory.objects.filter(campaign__in=ids).select_related("campaign")
        in_order = fitted.order_by("campaign__name", "campaign", "channel")
        rows = [
            (str(one.campaign), label(one.channel), f"{one.data_hours}", meaning(one.data_hours)) for one in in_order
        ]
        for line in table(("Campaign", "Channel", "Hours", "What that is enough for"), rows) if rows else ():
            self.stdout.write(line)
        self.stdout.write(f"INFO Fitted {counts['fitted']} channel(s), {counts['errors']} error(s).")
        if not rows:
            self.stdout.write("No channel with a budget was found. The command pace says how to begin.")
        if counts["errors"]:
            raise CommandError("Not all could be fitted. The list of runs in the admin says why.")


def meaning(hours: int) -> str:
    """What a plan can be made of with so many hours of data."""
    if hours < HOURS_FOR_BASIC:
        return f"even plans; predictions from {HOURS_FOR_BASIC} hours on"
    if hours < HOURS_FOR_FULL:
        return f"hours of the day; weekdays from {HOURS_FOR_FULL} on"
    return "hours of the week"
