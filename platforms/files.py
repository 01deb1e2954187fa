"""Accounts without access to their platform's interface: changes go there in a file that a person uploads.

What a campaign shows there is not seen, so it is taken to be as here when its account is added; after that a file is
acknowledged by who has uploaded it, or by the next report: a campaign with spend on a day after the file runs, one
without any stands still.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from brands.periods import local_date
from brands.services import audit
from budget_system.db import use_case
from budget_system.errors import Conflict
from budget_system.text import day_text
from campaigns.models import Campaign, Platform
from platforms import accounts
from platforms.models import Account, ActKind, RemoteState
from platforms.protocol import Status
from platforms.pull import SOURCES
from platforms.push import write_act
from platforms.steps import Step, wanted
from spending.models import BudgetPeriod, ImportState, PeriodKind, SpendImport


class Change(NamedTuple):
    """A line of the file."""

    external_id: str
    name: str
    status: Status


def lines(platform: str, changes: Sequence[Change]) -> list[list[str]]:
    """The file's lines, the header first, as the platform's own tool takes them (docs/platforms.md)."""
    match platform:
        case Platform.GOOGLE:
            said = {Status.PAUSED: "Paused", Status.ENABLED: "Enabled"}
            return [["Campaign", "Campaign status"], *([one.name, said[one.status]] for one in changes)]
        case Platform.MICROSOFT:
            said = {Status.PAUSED: "Paused", Status.ENABLED: "Active"}
            head = [["Type", "Status", "Id", "Campaign", "Name"], ["Format Version", "", "", "", "6.0"]]
            return [*head, *(["Campaign", said[one.status], one.external_id, one.name, ""] for one in changes)]
        case _:
            said = {Status.PAUSED: "PAUSED", Status.ENABLED: "ACTIVE"}
            head = [["Campaign ID", "Campaign Name", "Campaign Status"]]
            return [*head, *([one.external_id, one.name, said[one.status]] for one in changes)]


def waiting(account: Account) -> list[RemoteState]:
    """What the next file holds."""
    found = RemoteState.objects.filter(account=account, step=Step.SEND).select_related("campaign__brand", "account")
    return list(found.order_by("campaign__name", "pk"))


@use_case
def hand_out(account_id: UUID, *, actor: str, now: datetime) -> list[list[str]]:
    """The file of what is wanted now. It is on record that it was handed out, and to whom."""
    account = accounts.lock(account_id)
    rows = waiting(account)
    if not rows:
        raise Conflict("Nothing is to be changed there: no file was made.")
    changes = []
    for row in rows:
        row.attempts += 1
        row.sent_at = now
        row.first_sent_at = row.first_sent_at or now
        row.error = ""
        row.save(update_fields=["attempts", "sent_at", "first_sent_at", "error"])
        status = wanted(row.campaign.pause_reason)
        write_act(
            row, ActKind.SENT, now, asked=status, attempt=row.attempts, actor=actor, note="In a file.", account=account
        )
        changes.append(Change(row.campaign.external_id, row.name_there or row.campaign.name, status))
    after = {"campaigns": len(changes)}
    audit(account, "download changes for platform", brand_id=account.brand_id, actor=actor, now=now, after=after)
    return lines(account.platform, changes)


@use_case
def acknowledge(account_id: UUID, *, actor: str, now: datetime) -> int:
    """Somebody has uploaded what was handed out. Gives how many campaigns it concerns."""
    account = accounts.lock(account_id)
    rows = [row for row in waiting(account) if row.attempts]
    for row in rows:
        _shows(row, wanted(row.campaign.pause_reason), "uploaded", now)
    after = {"campaigns": len(rows)}
    audit(account, "upload changes to platform", brand_id=account.brand_id, actor=actor, now=now, after=after)
    return len(rows)


def _shows(row: RemoteState, status: Status, said: str, now: datetime) -> None:
    row.actual, row.said, row.seen_at = status, said, now
    row.save(update_fields=["actual", "said", "seen_at"])


@use_case
def look(account_id: UUID, now: datetime) -> None:
    """Take up campaigns that are new, and see what the latest report says of the others."""
    account = accounts.lock(account_id)
    here = Campaign.objects.current().filter(brand=account.brand_id, platform=account.platform, remote_state=None)
    for campaign in here.exclude(external_id=""):
        RemoteState.objects.create(
            campaign=campaign, account=account, step=Step.NOTHING, step_since=now, step_for=campaign.pause_reason,
            actual=wanted(campaign.pause_reason), said="taken to be as here", seen_at=now,
        )  # fmt: skip
    reports = SpendImport.objects.filter(
        brands=account.brand_id, state=ImportState.DONE, dry_run=False, last_day__isnull=False,
        source=f"import:{SOURCES[account.platform]}",
    ).order_by("-created_at")  # fmt: skip
    report = reports.first()
    if report is not None:
        for row in RemoteState.objects.filter(account=account).select_related("campaign"):
            _judge(row, account, report, now)
    Account.objects.filter(pk=account.pk).update(looked_at=now)


def _judge(row: RemoteState, account: Account, report: SpendImport, now: datetime) -> None:
    """What the report says of a campaign, if it was made after the last we know and reaches further."""
    known_at = max(filter(None, (row.sent_at, row.seen_at)), default=None)
    if known_at is None or report.last_day is None or report.created_at <= known_at:
        return
    first = local_date(account.brand.zone, known_at) + timedelta(days=1)  # the day itself may have spend from before
    if report.last_day < first:
        return
    days = BudgetPeriod.objects.filter(
        scope_id=row.campaign_id, kind=PeriodKind.DAY, starts_on__range=(first, report.last_day), posted__gt=0
    )
    said = f"by the report to {day_text(report.last_day)}"
    if days.exists():
        _shows(row, Status.ENABLED, said, now)
    elif row.attempts and wanted(row.campaign.pause_reason) is Status.PAUSED:
        _shows(row, Status.PAUSED, said, now)
