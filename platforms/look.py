"""Read what campaigns show at their platforms, every few minutes, whether or not anything was sent."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from budget_system.db import use_case
from budget_system.errors import Refused
from campaigns.models import Campaign
from delivery.relay import Clock
from platforms import accounts, files
from platforms.connections import Connect
from platforms.models import Account, RemoteState
from platforms.protocol import Account as AccountThere
from platforms.protocol import AdPlatform, PlatformError, RemoteCampaign
from platforms.steps import Step

EVERY = timedelta(minutes=2)
CHECK_EVERY = timedelta(hours=12)
"""How often name, currency and zone are read again."""
RUN_S = 40.0
READERS = 8


class Seen(NamedTuple):
    """What an account showed."""

    campaigns: Sequence[RemoteCampaign] = ()
    there: AccountThere | None = None
    error: PlatformError | Refused | None = None


def run(
    *, clock: Clock, connect: Connect, account_id: UUID | None = None, seconds: float = RUN_S, now_due: bool = False
) -> dict[str, int]:
    """Look at the accounts that are due; with `now_due` at all that may be asked."""
    counts = {"looked": 0, "failed": 0}
    for account in _due(clock(), account_id, now_due, by_file=True):
        files.look(account.pk, clock())
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="platform-look")
    began: dict[Future[Seen], tuple[Account, datetime]] = {}
    fault: BaseException | None = None
    try:
        for account in _due(clock(), account_id, now_due):
            now = clock()
            try:
                platform = connect(account)
            except (Refused, PlatformError) as error:
                record(account, Seen(error=error), now, now)
                counts["failed"] += 1
            else:
                with_account = account.checked_at is None or now - account.checked_at >= CHECK_EVERY
                began[pool.submit(read, platform, with_account=with_account)] = account, now
        done, _ = wait(began, timeout=seconds)
        for future in done:
            fault = future.exception() or fault
            if future.exception() is None:
                record(began[future][0], future.result(), began[future][1], clock())
                counts["failed" if future.result().error else "looked"] += 1
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if fault is not None:
        raise fault
    return counts


def _due(now: datetime, account_id: UUID | None, now_due: bool, *, by_file: bool = False) -> list[Account]:
    """Those that are due, each taken by whoever is first."""
    may = Q(leave_until=None) | Q(leave_until__lte=now)
    found = Account.objects.filter(may, off_at=None, needs_person=False, by_file=by_file, brand__archived_at=None)
    due = Q() if now_due else Q(look_at=None) | Q(look_at__lte=now)
    if account_id is not None:
        found = found.filter(pk=account_id)
    found = found.filter(due).select_related("brand").order_by("look_at", "pk")
    return [
        account
        for account in found
        if Account.objects.filter(pk=account.pk, look_at=account.look_at).update(look_at=now + EVERY)
    ]


def read(platform: AdPlatform, *, with_account: bool) -> Seen:
    """Runs in a thread."""
    try:
        there = platform.account() if with_account else None
        return Seen(list(platform.campaigns()), there)
    except PlatformError as error:
        return Seen(error=error)


@use_case
def record(account: Account, seen: Seen, began: datetime, now: datetime) -> None:
    """Write what was seen. What was sent since the look began may have changed it, so that is left alone."""
    account = accounts.lock(account.pk)
    if seen.error is not None:
        accounts.failed(account, seen.error, now)
        return
    accounts.works(account, now, seen.there)
    there = {campaign.id: campaign for campaign in seen.campaigns}
    here = Campaign.objects.filter(brand=account.brand_id, platform=account.platform).exclude(external_id="")
    known = {campaign.external_id: campaign for campaign in here}
    account.looked_at = now
    account.unknown_campaigns = len(there.keys() - known.keys())
    account.save(update_fields=["looked_at", "unknown_campaigns"])
    rows = {row.campaign_id: row for row in RemoteState.objects.filter(campaign__in=[one.pk for one in known.values()])}
    for external_id, campaign in known.items():
        row = rows.get(campaign.pk)
        found = there.get(external_id)
        if row is None:
            if found is None or campaign.archived_at is not None:
                continue
            row = RemoteState(campaign=campaign, account=account, step=Step.NOTHING, step_since=now)
            row.step_for = campaign.pause_reason
        elif row.sent_at is not None and row.sent_at >= began:
            continue
        _show(row, account, found, now)


def _show(row: RemoteState, account: Account, found: RemoteCampaign | None, now: datetime) -> None:
    if found is None:
        if row.account_id != account.pk or not row.actual:
            return  # another account of the brand has it, or it is known to be gone
        row.actual, row.said = "", ""
    else:
        row.account = account
        row.actual, row.said, row.name_there = found.status, found.said[:100], found.name[:300]
    row.seen_at = now
    row.save()
