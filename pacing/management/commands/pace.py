"""Show how spend stands to plan."""

import json
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from brands.queries import find_brand
from budget_system import clock, money
from campaigns.models import Campaign
from campaigns.queries import find_campaign
from enforcement import pace_jobs
from enforcement.management.console import actor, errors_as_exit_code, table
from pacing.models import PaceAlert
from pacing.queries import CampaignPace, ChannelPace, ChannelPlan, Pace, paced_of, paces, plans

HEADINGS = ("Campaign", "Channel", "Spent", "Planned", "Pace", "Breaker", "Alerts")
HOURS = ("Hour", "Planned", "Spent", "Held", "Cap", "Note")
WIDTH = 80
BEGIN = (
    "No campaign is paced. Give a channel of one a daily budget to begin: in the admin on\n"
    "the campaign's page, or POST /api/pacing/channel-budgets/ with campaign, channel and\n"
    "daily_budget."
)


class Command(BaseCommand):
    help = "Show how the spend of paced campaigns stands to plan, channel by channel; of one campaign also its hours."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "campaign", nargs="?", help="Its name, id or platform campaign id. Default: all paced ones."
        )
        parser.add_argument("--brand", help="Only this brand (its name or id).")
        parser.add_argument("--check", action="store_true", help="Look first: lay plans, raise and clear alerts.")
        parser.add_argument("--hours", action="store_true", help="The plan by hour of all campaigns shown.")
        parser.add_argument("--json", action="store_true", help="For machines.")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = False
        with errors_as_exit_code():
            brand = find_brand(options["brand"]) if options["brand"] else None
            campaign = find_campaign(options["campaign"], brand) if options["campaign"] else None
            if options["check"]:
                failed = self._check(campaign.brand_id if campaign else brand.pk if brand else None)
            now = clock.now()
            found = paces([campaign.pk] if campaign else paced_of(brand), now)
            by_hour = {
                one.campaign.pk: plans(one.campaign.pk, now)
                for one in found
                if options["hours"] or campaign is not None
            }
        if options["json"]:
            self.stdout.write(json.dumps([_json(one, by_hour.get(one.campaign.pk, [])) for one in found], indent=2))
        else:
            for line in _text(found, by_hour, campaign):
                self.stdout.write(line)
        if failed:
            sys.exit(1)

    def _check(self, brand_id: UUID | None) -> bool:
        counts = pace_jobs.check_pace(actor=actor(), clock=clock.now, brand_id=brand_id)
        self.stderr.write(f"INFO Checked {counts['checked']} campaign(s), {counts['errors']} error(s).")
        return counts["errors"] > 0


def _text(
    found: Sequence[CampaignPace], by_hour: dict[UUID, list[ChannelPlan]], campaign: Campaign | None
) -> Iterator[str]:
    if not found:
        yield f"“{campaign}” is not paced.\n{BEGIN.partition('. ')[2]}" if campaign is not None else BEGIN
        return
    yield from table(HEADINGS, _fit([row for one in found for row in _rows(one)]))
    for one in found:
        yield from _alerts(one)
        for plan in by_hour.get(one.campaign.pk, []):
            yield from _hours(plan, one.campaign)


def _rows(one: CampaignPace) -> Iterator[list[str]]:
    currency = one.campaign.brand.currency
    for channel in one.channels:
        yield [
            str(one.campaign), channel.label, *_money(channel.pace, currency), _ratio(channel.pace),
            _breaker(channel), _briefly(channel.alerts),
        ]  # fmt: skip
    if len(one.channels) > 1:
        yield [str(one.campaign), "all", *_money(one.pace, currency), _ratio(one.pace), "", ""]


def _money(pace: Pace, currency: str) -> tuple[str, str]:
    return money.display_text(pace.spent, currency), money.display_text(pace.planned, currency)


def _ratio(pace: Pace) -> str:
    return "unplanned" if pace.ratio is None else f"{pace.ratio:.2f}"


def _breaker(channel: ChannelPace) -> str:
    return "stopped" if channel.budget.stopped_at else channel.breaker.state.label.lower()


def _briefly(alerts: Sequence[PaceAlert]) -> str:
    counts = [(sum(alert.severity == kind for alert in alerts), kind) for kind in ("critical", "warning")]
    return ", ".join(f"{count} {kind}" for count, kind in counts if count) or "-"


def _fit(rows: list[list[str]]) -> list[list[str]]:
    """Shorten names of campaigns, then of channels, until a line fits; figures are never cut."""
    for column, least in ((0, 8), (1, 7)):
        widths = [max(len(row[i]) for row in (list(HEADINGS), *rows)) for i in range(len(HEADINGS))]
        too_much = sum(widths) + 2 * (len(widths) - 1) - WIDTH
        if too_much > 0:
            most = max(widths[column] - too_much, least)
            for row in rows:
                row[column] = row[column] if len(row[column]) <= most else f"{row[column][: most - 1]}…"
    return rows


def _alerts(one: CampaignPace) -> Iterator[str]:
    for alert in one.alerts:
        seen = " (seen)" if alert.seen_at else ""
        yield f"{alert.severity.upper()} {one.campaign}, {alert.channel}: {alert.get_kind_display()}{seen}"
        yield f"  {alert.message}"
        yield f"  {alert.action}"


def _hours(plan: ChannelPlan, campaign: Campaign) -> Iterator[str]:
    currency = campaign.brand.currency
    base = min((hour.reason for hour in plan.hours if hour.cap), key=len, default="")
    yield ""
    yield f"{campaign}, {plan.label}: {money.display_text(plan.today, currency)} {currency} today"
    yield from wrap(f"Plan: {base or 'closed all day'}", WIDTH)
    rows = []
    for hour in plan.hours:
        amounts = (money.display_text(amount, currency) for amount in (hour.planned, hour.spent, hour.held, hour.cap))
        rows.append((f"{hour.hour:02}", *amounts, hour.reason.removeprefix(base).removeprefix("; ")))
    yield from table(HOURS, rows)


def _json(one: CampaignPace, by_hour: Sequence[ChannelPlan]) -> dict[str, Any]:
    currency = one.campaign.brand.currency
    hours = {plan.channel: plan for plan in by_hour}
    return {
        "campaign": str(one.campaign.pk),
        "name": str(one.campaign),
        "brand": str(one.campaign.brand),
        "currency": currency,
        **_pace_json(one.pace, currency),
        "channels": [
            {
                "channel": channel.channel,
                "label": channel.label,
                **_pace_json(channel.pace, currency),
                "breaker": channel.breaker.state,
                "breaker_reason": channel.breaker.reason,
                "stopped": channel.budget.stopped_at is not None,
                "alerts": [
                    {"kind": alert.kind, "severity": alert.severity, "message": alert.message, "action": alert.action}
                    for alert in channel.alerts
                ],
                **({"hours": _hours_json(hours[channel.channel], currency)} if channel.channel in hours else {}),
            }
            for channel in one.channels
        ],
    }


def _pace_json(pace: Pace, currency: str) -> dict[str, Any]:
    amounts = {name: getattr(pace, name) for name in ("budget", "spent", "held", "planned", "projected")}
    shown = {name: None if x is None else money.exact_text(x, currency) for name, x in amounts.items()}
    return {**shown, "pace": pace.ratio}


def _hours_json(plan: ChannelPlan, currency: str) -> list[dict[str, Any]]:
    return [
        {
            "hour": hour.hour,
            **{name: money.exact_text(getattr(hour, name), currency) for name in ("planned", "spent", "held", "cap")},
            "protected": hour.protected,
            "confidence": hour.confidence,
            "reason": hour.reason,
        }
        for hour in plan.hours
    ]
