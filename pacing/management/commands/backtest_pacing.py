"""Hold the plans that each strategy would have made against the traffic of past days."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from textwrap import wrap
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brands.periods import local_date
from brands.queries import find_brand
from budget_pacer import PacingStrategy
from budget_system import clock
from campaigns.models import Campaign
from campaigns.queries import find_campaign
from enforcement.management.console import errors_as_exit_code, table
from pacing.backtest import MEASURES, Sample, Score, samples, scores, without_data
from pacing.queries import recorded_channels

HEADINGS = ("Strategy", "KS mean", "KS p95", "MAD", "Value", "Days with value")
WIDTH = 80
CAUTION = (
    "KS and MAD: largest and mean gap between the cumulative shares of plan and traffic; smaller is closer. Value: "
    "what money laid out so returned over what even returned, by the returns of each hour of that day; it takes for "
    "granted that an hour returns the same for more money. Days on which the money ran out say little about traffic: "
    "what could not be bought is not on record. Opening hours are those of now, and figures those known now, also "
    "where they were corrected since."
)


class Command(BaseCommand):
    help = (
        "For past days lay the plan of each strategy with what was known before the day, and compare it with the "
        "traffic that came: clicks, else impressions, else spend by the hour. Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", nargs="?", help="Its name, id or platform campaign id.")
        parser.add_argument(
            "--brand", help="All campaigns of this brand (its name or id), or the brand of the campaign."
        )
        parser.add_argument("--all", action="store_true", help="All campaigns.")
        parser.add_argument("--days", type=int, default=28, help="How many past days. Default: 28.")
        parser.add_argument("--json", action="store_true", help="For machines.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["all"]) == bool(options["campaign"] or options["brand"]):
            raise CommandError("Name a campaign, or a brand with --brand, or all with --all.")
        if not 1 <= options["days"] <= 366:
            raise CommandError("Test 1 to 366 days.")
        with errors_as_exit_code():
            campaigns = _chosen(options)
        now = clock.now()
        found = {campaign: backtest(campaign, options["days"], now) for campaign in campaigns}
        tested = {campaign: some for campaign, some in found.items() if any(some.values())}
        if options["json"]:
            self.stdout.write(json.dumps(_json(tested), indent=2))
        else:
            for line in _text(tested, options["days"]):
                self.stdout.write(line)


Found = dict[str, list[Sample]]
"""The samples of a campaign by channel."""


def backtest(campaign: Campaign, days: int, now: datetime) -> Found:
    """The samples of each channel of the campaign that has a record."""
    today = local_date(campaign.brand.zone, now)
    return {
        one.channel: list(samples(one.rows, campaign.brand.zone, one.week, today, days, one.most))
        for one in recorded_channels(campaign, days, now)
    }


def _chosen(options: dict[str, Any]) -> Sequence[Campaign]:
    brand = find_brand(options["brand"]) if options["brand"] else None
    if options["campaign"]:
        return [find_campaign(options["campaign"], brand)]
    everyone = Campaign.objects.current().select_related("brand").order_by("brand__name", "name", "pk")
    return list(everyone if brand is None else everyone.filter(brand=brand))


def _pooled(found: dict[Campaign, Found]) -> list[Sample]:
    return [sample for some in found.values() for of_channel in some.values() for sample in of_channel]


def _text(found: dict[Campaign, Found], days: int) -> Iterator[str]:
    pooled = _pooled(found)
    if not pooled:
        yield from wrap(
            f"No full day of the last {days} has traffic in enough hours to test on. Hours are recorded when spend is "
            "posted on its own day, or reported with PUT /api/pacing/campaigns/<id>/performance.",
            WIDTH,
        )
        return
    yield from table(HEADINGS, [_row(score) for score in scores(pooled)])
    yield from wrap(_used(found, pooled), WIDTH)
    yield ""
    yield from wrap(CAUTION, WIDTH)


def _row(score: Score) -> tuple[str, ...]:
    value = "-" if score.value is None else f"{score.value:.3f}"
    gaps = (f"{score.ks_mean:.3f}", f"{score.ks_p95:.3f}", f"{score.mad_mean:.3f}")
    return score.strategy.value, *gaps, value, str(score.value_days)


def _used(found: dict[Campaign, Found], pooled: Sequence[Sample]) -> str:
    channels = sum(bool(of_channel) for some in found.values() for of_channel in some.values())
    by = Counter(sample.measure for sample in pooled if sample.strategy is PacingStrategy.EVEN_DISTRIBUTION)
    told = ", ".join(f"{by[name]} by {name}" for name in MEASURES if by[name])
    blind = without_data(pooled)
    unknowing = f" On {blind} of them too little was known before, so that all plans were even." if blind else ""
    counts = f"{len(found)} campaign(s), {channels} channel(s), {sum(by.values())} day(s) of channels used"
    return f"{counts} ({told}).{unknowing}"


def _json(found: dict[Campaign, Found]) -> dict[str, Any]:
    pooled = _pooled(found)
    return {
        "strategies": [_score_json(score) for score in scores(pooled)],
        "days": len(pooled) // len(PacingStrategy),
        "days_without_data_before": without_data(pooled),
        "campaigns": [
            {
                "campaign": str(campaign.pk),
                "name": str(campaign),
                "channel": channel,
                "days": len(of_channel) // len(PacingStrategy),
                "strategies": [_score_json(score) for score in scores(of_channel)],
            }
            for campaign, some in found.items()
            for channel, of_channel in some.items()
        ],
        "caution": CAUTION,
    }


def _score_json(score: Score) -> dict[str, Any]:
    return {
        "strategy": score.strategy,
        "ks_mean": round(score.ks_mean, 6),
        "ks_p95": round(score.ks_p95, 6),
        "mad_mean": round(score.mad_mean, 6),
        "value": None if score.value is None else round(score.value, 6),
        "value_days": score.value_days,
    }
