"""What would run at another moment, and why."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, time
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from brands.models import Brand
from brands.queries import find_brand
from budget_system import clock
from budget_system.errors import Refused
from campaigns.services import clean_day
from enforcement.management.console import actor, errors_as_exit_code
from enforcement.management.screen import grid, lines_of, paragraphs, width_of
from enforcement.other_time import WEEKDAYS, LocalTime, Would, apply_as_of, moment, would_run

HEADINGS = ("Campaign", "Then", "Now", "Change", "Why not")
ASSUMED = (
    "Assumed: nothing more is spent until then. What counts on another day, or in another month, is what is known of "
    "it now: nothing, if it is still to come. Pauses, overrides, flights and breakers are as they stand."
)
APPLIED = (
    "These states are stored now, for looking at. They last until the system looks again: within five minutes where "
    "worker and beat run, or at once with manage.py enforce_budgets."
)


class Command(BaseCommand):
    help = (
        "Show which campaigns would run at another moment, and why not, by the decision itself. A time without a zone "
        "is each brand's own, the next one from now. Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hour", metavar="H", help="The time of day, such as 14 or 14:30. Default: as it is now.")
        parser.add_argument("--day", metavar="mon..sun", help="The weekday, the next one from now.")
        parser.add_argument("--date", metavar="YYYY-MM-DD", help="The day. One that is over may be asked for too.")
        parser.add_argument(
            "--at", metavar="MOMENT", help="The same instant for all brands, such as 2026-12-24T18:00+01:00."
        )
        parser.add_argument("--brand", help="Only this brand (its name or id).")
        parser.add_argument("--apply", action="store_true", help="Store the states for looking at. Demo mode only.")
        parser.add_argument("--json", action="store_true", help="For machines.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        with errors_as_exit_code():
            if options["apply"] and not settings.DEMO:
                raise Refused(
                    "--apply is for demo mode: here it would start and stop real campaigns at the wrong time. Leave it "
                    "out to see what would be."
                )
            brands = [find_brand(options["brand"])] if options["brand"] else list(Brand.objects.current())
            wanted = _wanted(options)
            found = list(would_run(brands, wanted, now))
            if options["apply"]:
                for brand in brands:
                    apply_as_of(brand.pk, moment(wanted, brand.zone, now), actor=actor(), now=clock.now())
        if options["json"]:
            self.stdout.write(json.dumps([_json(one) for one in found], indent=2))
        else:
            self._show(found, applied=options["apply"])

    def _show(self, found: list[Would], *, applied: bool) -> None:
        width = width_of(self.stdout)
        for brand, some in groupby(found, key=lambda one: one.campaign.brand):
            its = list(some)
            at = next((one.then.at for one in its if one.then), None)
            when = f", {at.astimezone(brand.zone):%a %Y-%m-%d %H:%M} {brand.zone.key}" if at else ""
            self.stdout.write(f"{brand}{when}")
            for line in lines_of(grid(HEADINGS, map(_row, its)), width):
                self.stdout.write(line)
            self.stdout.write("")
        for line in paragraphs(APPLIED if applied else ASSUMED):
            self.stdout.write(line)
        self.stdout.write(f"INFO Simulated: {_counts(found)}")


def _wanted(options: dict[str, Any]) -> LocalTime | datetime:
    given = [name for name in ("hour", "day", "date") if options[name] is not None]
    if options["at"] is not None:
        if given:
            raise CommandError("Say --at, or --hour with --day or --date: not both.")
        return _instant(options["at"])
    if not given:
        raise CommandError("Say which moment: --hour 14, --day sat, --date 2026-12-24 or --at 2026-12-24T18:00+01:00.")
    if options["day"] and options["date"]:
        raise CommandError("Say --day or --date, not both.")
    day = clean_day(options["date"], "date")
    return LocalTime(_clock(options["hour"]), _weekday(options["day"]), day)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"“{text}” is not a moment; write it like 2026-12-24T18:00+01:00.") from error
    if at.tzinfo is None:
        raise CommandError(
            f"“{text}” names no zone. Add one, such as {text}Z, or say --date and --hour for each brand's own time."
        )
    return at


def _clock(text: str | None) -> time | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,2})(?::(\d{2}))?", text)
    try:
        return time(int(found[1]), int(found[2] or 0)) if found else time(24)
    except ValueError as error:
        raise CommandError(f"“{text}” is not a time of day; write it like 14 or 14:30, from 0 to 23:59.") from error


def _weekday(text: str | None) -> int | None:
    """Named by its first three letters or more."""
    if not text:
        return None
    found = [number for number, name in enumerate(WEEKDAYS) if len(text) >= 3 and name.startswith(text.lower())]
    if not found:
        raise CommandError(f"“{text}” is not a weekday; write it like mon or monday.")
    return found[0]


def _row(one: Would) -> Iterator[str]:
    yield str(one.campaign)
    yield "?" if one.then is None else _state(runs=one.then.verdict.runs)
    yield _state(runs=not one.before)
    yield "starts" if one.starts else "stops" if one.stops else "-"
    yield one.problem if one.then is None else "\n".join(one.then.sentences)


def _state(*, runs: bool) -> str:
    return "runs" if runs else "paused"


def _counts(found: list[Would]) -> dict[str, int]:
    run = sum(one.then is not None and one.then.verdict.runs for one in found)
    unknown = sum(one.then is None for one in found)
    return {
        "campaigns": len(found),
        "run": run,
        "paused": len(found) - run - unknown,
        "start": sum(one.starts for one in found),
        "stop": sum(one.stops for one in found),
        "undecidable": unknown,
    }


def _json(one: Would) -> dict[str, Any]:
    then, brand = one.then, one.campaign.brand
    return {
        "brand": str(brand.pk),
        "brand_name": brand.name,
        "campaign": str(one.campaign.pk),
        "campaign_name": one.campaign.name,
        "at": then.at.isoformat() if then else None,
        "local_time": then.at.astimezone(brand.zone).isoformat() if then else None,
        "runs": then.verdict.runs if then else None,
        "holds": then.verdict.holds if then else None,
        "sentences": then.sentences if then else [one.problem],
        "runs_next_at": then.runs_next_at.isoformat() if then and then.runs_next_at else None,
        "holds_now": one.before,
        "change": "starts" if one.starts else "stops" if one.stops else None,
    }
