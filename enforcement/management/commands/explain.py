"""Say whether a campaign runs, why not, and when it will next run."""

import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from brands.queries import find_brand
from budget_system import clock
from budget_system.errors import Refused
from campaigns.queries import find_campaign
from campaigns.services import FIRST_DAY, LAST_DAY
from enforcement.explain import Explanation, explain
from enforcement.management.console import errors_as_exit_code


class Command(BaseCommand):
    help = "Say whether a campaign runs, why not with all figures, and when it will next run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="Its name, id or platform campaign id.")
        parser.add_argument("--brand", help="The brand, where several campaigns have the same name.")
        parser.add_argument(
            "--at",
            metavar="MOMENT",
            help="Another moment, such as 2026-03-01T14:00; the brand's time unless it has an offset.",
        )
        parser.add_argument("--json", action="store_true", help="For machines.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            brand = find_brand(options["brand"]) if options["brand"] else None
            campaign = find_campaign(options["campaign"], brand)
            now = clock.now()
            at = _moment(options["at"], campaign.brand.zone) if options["at"] else now
            explanation = explain(campaign.pk, at)
        if at < now:
            self.stderr.write(
                "This is what today's inputs and all that is known of that day would make of it. "
                "What happened then is in the campaign's state changes."
            )
        self.stdout.write(_json(explanation) if options["json"] else _text(explanation))


def _moment(text: str, zone: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"“{text}” is not a moment; write it like 2026-03-01T14:00.", field="at") from error
    if not FIRST_DAY < moment.date() < LAST_DAY:
        raise Refused(f"{text} is not between {FIRST_DAY} and {LAST_DAY}.", field="at")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _text(explanation: Explanation) -> str:
    campaign = explanation.campaign
    local = explanation.at.astimezone(campaign.brand.zone)
    lines = [f"{campaign.brand} / {campaign}, {local:%a %Y-%m-%d %H:%M} {campaign.brand.zone.key}", explanation.summary]
    return "\n".join([*lines, *(f"  - {sentence}" for sentence in explanation.sentences)])


def _json(explanation: Explanation) -> str:
    runs_next_at = explanation.runs_next_at
    return json.dumps(
        {
            "campaign": str(explanation.campaign.pk),
            "at": explanation.at.isoformat(),
            "status": "PAUSED" if explanation.verdict.holds else "ACTIVE",
            "holds": explanation.verdict.holds,
            "sentences": explanation.sentences,
            "runs_next_at": runs_next_at.isoformat() if runs_next_at else None,
            "summary": explanation.summary,
        },
        indent=2,
    )
