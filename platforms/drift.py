"""What somebody should be told about platforms: campaigns that are not as they should be, and accounts that fail."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from campaigns.holds import Hold
from platforms.models import STATUS_LABELS, Account, RemoteState
from platforms.steps import OF_MONEY, Step, at_risk, wanted

ATTEMPTS = 3
"""After so many attempts that were not seen there, somebody is told."""
PATIENCE = timedelta(minutes=5)
"""So is it when a change has not arrived for so long, whatever the reason."""


class OpenDrift(NamedTuple):
    """Something that does not mend itself, or not soon. `campaign_id` is None where it is an account."""

    brand_id: UUID
    campaign_id: UUID | None
    since: datetime
    text: str
    next_step: str


def unmended(now: datetime) -> QuerySet[RemoteState]:
    """Campaigns that somebody changed at their platform, and those of which our change does not arrive."""
    late = Q(attempts__gte=ATTEMPTS) | Q(step_since__lte=now - PATIENCE)
    open_ones = Q(step=Step.DRIFT) | (Q(step=Step.SEND) & late) | (Q(step__in=HELD) & at_risk_now())
    return RemoteState.objects.current().filter(open_ones)


HELD = (Step.WAITING, Step.LEFT, Step.STOPPED, Step.BROKEN)


def at_risk_now() -> Q:
    """Campaigns that run there although a budget, a breaker or a person has stopped them here."""
    return Q(actual="ENABLED", campaign__pause_reason__in=list(OF_MONEY))


def open_drifts(now: datetime) -> list[OpenDrift]:
    """Those that are open at this moment, money at risk first, then the oldest."""
    found = [
        (not at_risk(row.campaign.pause_reason, row.actual_status), _drift(row))
        for row in unmended(now).select_related("campaign", "account")
    ]
    return [drift for _, drift in sorted(found, key=lambda pair: (pair[0], pair[1].since, str(pair[1].campaign_id)))]


def broken_accounts(now: datetime) -> list[OpenDrift]:
    """Accounts at which nothing is asked before a person acts, and those that have not answered for a while."""
    late = now - PATIENCE
    failing = Q(needs_person=True) | Q(failing_since__lte=late) | Q(pull_failing_since__lte=late)
    accounts = Account.objects.filter(failing, off_at=None).order_by("failing_since", "pull_failing_since", "pk")
    return [_broken(account, now) for account in accounts]


def _broken(account: Account, now: datetime) -> OpenDrift:
    if account.failing_since is None:
        text = f"{account} does not work as it should. Its spend cannot be read: {account.pull_error}"
    else:
        text = f"{account} does not work: {account.error}"
    step = "It is tried again by itself. If it lasts, look at the platform's own status page."
    if account.needs_person:
        step = "Open the account and enter its credentials anew, or see to what it says there."
    return OpenDrift(account.brand_id, None, account.failing_since or account.pull_failing_since or now, text, step)


def _drift(row: RemoteState) -> OpenDrift:
    reason = row.campaign.pause_reason
    ours = f"paused here ({Hold(reason).label.lower()})" if reason else "active here"
    theirs = STATUS_LABELS[row.actual_status].lower()
    platform = row.account.get_platform_display()
    text = f"“{row.campaign}” is {ours} and {theirs} at {platform}."
    return OpenDrift(row.campaign.brand_id, row.campaign_id, row.step_since, f"{text} {_why(row)}", _advice(row))


def _why(row: RemoteState) -> str:
    match Step(row.step):
        case Step.DRIFT:
            return "Somebody changed it there."
        case Step.SEND if row.account.by_file:
            return "The change goes there in a file, and it is not known that somebody has uploaded it."
        case Step.SEND:
            return f"Sent {row.attempts} times. {row.error}".strip()
        case Step.STOPPED:
            return "The kill switch is on."
        case Step.BROKEN:
            return "Its account does not work or is switched off."
        case Step.LEFT:
            return "A person has left it so."
        case _:
            return "The change waits for approval."


def _advice(row: RemoteState) -> str:
    match Step(row.step):
        case Step.DRIFT:
            there = "paused" if wanted(row.campaign.pause_reason) == "ENABLED" else "running"
            return f"Open it under Campaigns at the platforms: leave it {there} here too, or put ours back."
        case Step.SEND if row.account.by_file:
            return "Download the changes on the account's page, upload them there, and say so."
        case Step.SEND:
            return "It is sent again by itself; if it does not help, change it at the platform by hand."
        case Step.STOPPED:
            return "Switch the kill switch off, or change it at the platform by hand."
        case Step.BROKEN:
            return "See to the account, or change it at the platform by hand."
        case _:
            return "Approve it under Campaigns at the platforms, or change it at the platform by hand."
