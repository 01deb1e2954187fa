"""Post made-up spend through the real door, and say what it comes to."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from brands.models import Brand
from brands.periods import local_date
from brands.queries import find_brand
from budget_system import clock, money
from budget_system.errors import Busy, Refused
from campaigns.models import Campaign
from campaigns.queries import find_campaign
from campaigns.services import Change
from enforcement.management.console import actor, errors_as_exit_code
from enforcement.management.screen import grid, lines_of, width_of
from enforcement.services import SpendResult, post_spend
from enforcement.simulation import Bounds, day_size, draw_amount, draw_campaign, usual_bounds
from spending.figures import spent
from spending.services import Outcome, Source, SpendRow

MOST, LONGEST_S, FASTEST = 100_000, 3_600, 1_000
USUAL_COUNT = 100
EVERY_S = 2.0
"""How often progress is told where nothing else is."""
NAMED = 4


class Command(BaseCommand):
    help = (
        "Post made-up spend of realistic sizes to campaigns that run, as a platform would, and name each pause. "
        "It is real spend in the ledger, of the source “simulation”."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--brand", help="Only this brand (its name or id).")
        parser.add_argument("--campaign", help="Only this campaign, whether it runs or not (name or id).")
        parser.add_argument("--amount", help="Each spend is this much. Default: log-normal between --min and --max.")
        parser.add_argument("--min", help="The least amount. Default: 0.1 %% of the campaign's day.")
        parser.add_argument("--max", help="The largest amount. Default: 3 %% of the campaign's day.")
        parser.add_argument("--count", type=int, help=f"How many spends. Default: {USUAL_COUNT}, or until --duration.")
        parser.add_argument("--rate", type=float, metavar="N", help="At most so many a second.")
        parser.add_argument("--duration", type=float, metavar="S", help="End after so many seconds.")
        parser.add_argument("--seed", type=int, help="The same seed gives the same amounts and campaigns.")
        parser.add_argument("--yes", action="store_true", help="Outside demo mode: yes, into a real ledger.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            _check(options)
            target = _target(options)
            run = _Run(target, options, self.stdout.write)
            try:
                run.go(options)
            except KeyboardInterrupt:
                self.stdout.write("Interrupted; what was posted stays.")
            for line in run.summary(width_of(self.stdout)):
                self.stdout.write(line)
        if run.refusal:
            raise CommandError(f"{run.counts['refused']} refused, the first: {run.refusal}")


def _check(options: dict[str, Any]) -> None:
    if not settings.DEMO and not (options["brand"] and options["yes"]):
        raise Refused(
            "This is not demo mode: made-up spend would count against real budgets and pause real campaigns. If that "
            "is meant, name the brand with --brand and say --yes."
        )
    for name, most in (("count", MOST), ("duration", LONGEST_S), ("rate", FASTEST)):
        if options[name] is not None and not 0 < options[name] <= most:
            raise CommandError(f"--{name} is more than 0 and at most {most:,}.")
    if options["amount"] and (options["min"] or options["max"]):
        raise CommandError("Say --amount, or --min and --max: not both.")
    if bool(options["min"]) != bool(options["max"]):
        raise CommandError("Say --min and --max together.")


def _amount(text: str) -> Decimal:
    try:
        amount = money.parse_amount(text)
    except money.InvalidAmount as error:
        raise Refused(str(error)) from error
    if amount <= 0:
        raise Refused(f"“{text}” is not more than 0.")
    return amount


@dataclass
class _Target:
    """The campaigns that may get spend, and how large each is: what it may spend in a day."""

    brands: dict[UUID, Brand]
    campaigns: dict[UUID, Campaign]
    sizes: dict[UUID, Decimal]
    running: set[UUID]


def _target(options: dict[str, Any]) -> _Target:
    brand = find_brand(options["brand"]) if options["brand"] else None
    one = find_campaign(options["campaign"], brand) if options["campaign"] else None
    if one is not None and one.archived_at is not None:
        raise Refused(f"“{one}” is archived. Restore it, or choose another one.")
    everyone = Campaign.objects.current().select_related("brand")
    of_brand = one.brand_id if one else brand.pk if brand else None
    campaigns = {found.pk: found for found in (everyone.filter(brand=of_brand) if of_brand else everyone)}
    counts = Counter(found.brand_id for found in campaigns.values())
    sizes = {
        pk: day_size(
            found.daily_budget, found.brand.daily_budget, found.brand.monthly_budget, counts[found.brand_id]
        )
        for pk, found in campaigns.items()
    }  # fmt: skip
    running = {one.pk} if one else {pk for pk, found in campaigns.items() if not found.holds}
    if not running:
        raise Refused(
            "No campaign runs there. --campaign posts to one that is paused; manage.py setup_demo makes some that run."
        )
    return _Target({found.brand_id: found.brand for found in campaigns.values()}, campaigns, sizes, running)


@dataclass
class _Run:
    """One run: what it draws, what it has posted, and what came of it."""

    target: _Target
    options: dict[str, Any]
    say: Callable[[str], object]
    id: str = field(default_factory=lambda: uuid4().hex[:12])
    posted: dict[UUID, list[Decimal]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    refusal: str = ""

    def __post_init__(self) -> None:
        self.dice = Random(self.options["seed"])  # noqa: S311 - made-up amounts, no secret
        self.only_one = self.options["campaign"] is not None
        fixed = self.options["amount"]
        low, high = (fixed, fixed) if fixed else (self.options["min"], self.options["max"])
        self.bounds = Bounds(_amount(low), _amount(high)) if low else None
        if self.bounds and self.bounds.least > self.bounds.most:
            raise Refused(f"--min {low} is more than --max {high}.")

    def go(self, options: dict[str, Any]) -> None:
        count = options["count"] or (MOST if options["duration"] else USUAL_COUNT)
        began = told = time.monotonic()
        for number in range(1, count + 1):
            if options["rate"]:
                time.sleep(max(0.0, began + (number - 1) / options["rate"] - time.monotonic()))
            if options["duration"] and time.monotonic() - began >= options["duration"]:
                return
            if not self.target.running:
                self.say("No campaign runs any more: nothing is left to spend on.")
                return
            self._post(number)
            if time.monotonic() - told >= EVERY_S:
                told = time.monotonic()
                self.say(f"  {self.counts['posted']:,} posted")

    def _post(self, number: int) -> None:
        target, now = self.target, clock.now()
        campaign_id = self._draw()
        campaign = target.campaigns[campaign_id]
        brand = target.brands[campaign.brand_id]
        decimals = money.decimals(brand.currency)
        if self.bounds and self.bounds.least == self.bounds.most:
            amount = self.bounds.least
        else:
            amount = draw_amount(self.dice, self.bounds or usual_bounds(target.sizes[campaign_id]), decimals)
        row = SpendRow(
            campaign_id, amount, local_date(brand.zone, now), description="Simulated",
            key=f"simulation {self.id} {number}",
        )  # fmt: skip
        try:
            result = post_spend([row], source=Source.SIMULATION, actor=actor(), now=now)
        except Busy as error:
            self._refused(error.message)
        else:
            self._take(result, brand, campaign_id, amount, now)

    def _draw(self) -> UUID:
        """A brand first, by how many of its campaigns run: amounts in different currencies do not compare."""
        running = sorted(self.target.running)
        if self.only_one:
            return running[0]
        brand_id = self.target.campaigns[self.dice.choice(running)].brand_id
        its = [one for one in running if self.target.campaigns[one].brand_id == brand_id]
        return draw_campaign(self.dice, {one: self.target.sizes[one] for one in its})

    def _take(self, result: SpendResult, brand: Brand, campaign_id: UUID, amount: Decimal, now: datetime) -> None:
        [answer] = result.answers
        if answer.outcome is Outcome.RECORDED:
            self.counts["posted"] += 1
            self.posted[brand.pk].append(amount)
        else:
            self._refused(answer.error.message if answer.error else answer.outcome)
        if not self.only_one:
            runs = {one for one, verdict in result.evaluation.verdicts.items() if verdict.runs}
            seen = set(result.evaluation.verdicts) | {campaign_id}
            self.target.running = (self.target.running - seen) | (runs & set(self.target.campaigns))
        for line in self._flips(result.evaluation.flips, brand):
            self.say(f"{now.astimezone(brand.zone):%H:%M:%S} {brand}: {line}")

    def _refused(self, why: str) -> None:
        self.counts["refused"] += 1
        self.refusal = self.refusal or why

    def _flips(self, flips: list[Change], brand: Brand) -> Iterator[str]:
        """Those that were stopped by the same holds in one line."""
        by_figures: dict[str, list[str]] = defaultdict(list)
        for change in flips:
            self.counts["activated" if change.verdict.runs else "paused"] += 1
            campaign = self.target.campaigns.get(change.campaign_id)
            words = _words(change, brand.currency)
            by_figures[words].append(str(campaign) if campaign else str(change.campaign_id))
        for words, names in by_figures.items():
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield f"{words}: {', '.join(sorted(names)[:NAMED])}{more}"

    def summary(self, width: int) -> Iterator[str]:
        if self.posted:
            brands = [self.target.brands[one] for one in self.posted]
            uses = spent(brands, clock.now())
            rows = []
            for brand in sorted(brands, key=lambda brand: brand.name):
                its = self.posted[brand.pk]
                total = f"{money.display_text(sum(its, Decimal(0)), brand.currency)} {brand.currency}"
                use, budget = uses[brand.pk].day.used, brand.daily_budget
                share = f"{money.percent_used(use, budget)} %" if budget else "no limit"
                rows.append((brand.name, f"{len(its):,}", total, share))
            yield ""
            yield from lines_of(grid(("Brand", "Spends", "Sum", "Of today's budget"), rows, right=(1, 2, 3)), width)
            yield f"They are real spend, keys “simulation {self.id} …”: void them in the admin to take them back."
        names = ("posted", "refused", "paused", "activated")
        counts = {name: self.counts[name] for name in names}
        yield f"INFO Simulation completed: {counts}"


def _words(change: Change, currency: str) -> str:
    """“paused, daily budget used up (100.40 of 100.00 EUR)”"""
    if change.verdict.runs:
        return "started"
    reason = change.verdict.holds[0]
    text = f"paused, {reason.label.lower()}"
    with suppress(StopIteration):
        figures = next(one for one in change.figures if one["hold"] == reason.value)
        if figures["budget"] is not None:
            whose = "the brand's" if figures["scope"] == "brand" else "its own"
            text = f"paused, {whose} {reason.label.lower()} ({figures['used']} of {figures['budget']} {currency})"
    return text
