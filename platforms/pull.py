"""Read spend from platforms and hand it to the import service, as a report that it knows: one way in for all spend.

Today and yesterday are read as often as the platform's quota lets us; the days that it may still restate once a day,
when the account's day has turned. Figures that are the same as last time make no import.
"""

import csv
import hashlib
import io
import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from brands import services as brands
from brands.periods import local_date
from budget_system import money
from budget_system.db import use_case
from budget_system.errors import Refused
from budget_system.text import day_text
from campaigns.models import Platform
from delivery.relay import Clock
from enforcement import imports
from platforms import accounts
from platforms.connections import Connect, kind_of
from platforms.models import Account, Pull
from platforms.protocol import AdPlatform, PlatformError, RemoteSpend, Throttled, Unauthorised
from spending.import_options import ImportOptions
from spending.models import ImportState
from spending.reports.shapes import Format

logger = logging.getLogger(__name__)

ACTOR = "worker"
LEASE = timedelta(minutes=3)
RUN_S = 40.0
READERS = 8
AGAIN = timedelta(minutes=2)
"""When a reading that failed is tried again."""
_ERROR = ("pull_error", "pull_failing_since")
LATELY = 1
"""How many days before today are read each time: a day ends, and is still counted for some hours."""
HEADER = (
    "Day", "Campaign ID", "Campaign", "Cost", "Currency", "Impressions", "Clicks", "Conversions", "Conversion value",
)  # fmt: skip
SOURCES = {
    Platform.GOOGLE.value: Format.GOOGLE_ADS.value,
    Platform.META.value: Format.META_ADS.value,
    Platform.MICROSOFT.value: Format.MICROSOFT_ADS.value,
    Platform.TIKTOK.value: Format.TIKTOK_ADS.value,
}
"""The source of a platform's own report files: what a file has said of a day is corrected by what its API says."""


class Days(NamedTuple):
    """Both included, by the account's calendar."""

    first: date
    last: date
    restated: bool
    """Days past are read again."""


class Read(NamedTuple):
    spend: Sequence[RemoteSpend] = ()
    error: PlatformError | Refused | None = None


def run(
    *, clock: Clock, connect: Connect, account_id: UUID | None = None, seconds: float = RUN_S, now_due: bool = False
) -> dict[str, int]:
    """Read the spend of the accounts that are due, and import what is new; with `now_due` of all that may be asked."""
    counts = {"read": 0, "imported": 0, "failed": 0}
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="platform-pull")
    under_way: dict[Future[Read], tuple[Account, Days]] = {}
    fault: BaseException | None = None
    try:
        for account in _due(clock(), account_id, now_due):
            days = days_of(account, clock())
            try:
                platform = connect(account)
            except (Refused, PlatformError) as error:
                _failed(account, error, clock())
                counts["failed"] += 1
            else:
                under_way[pool.submit(read, platform, days)] = account, days
        done, _ = wait(under_way, timeout=seconds)
        for future in done:
            account, days = under_way[future]
            fault = future.exception() or fault
            if future.exception() is not None:
                continue
            answer = future.result()
            if answer.error is not None:
                _failed(account, answer.error, clock())
                counts["failed"] += 1
                continue
            counts["read"] += 1
            counts["imported"] += take_in(account, days, answer.spend, clock)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if fault is not None:
        raise fault
    return counts


def _due(now: datetime, account_id: UUID | None, now_due: bool) -> list[Account]:
    """Those that are due, each taken by whoever is first."""
    free = Q(pulling_until=None) | Q(pulling_until__lte=now)
    may = Q(leave_until=None) | Q(leave_until__lte=now)
    due = Q() if now_due else Q(pull_at=None) | Q(pull_at__lte=now)
    # Until the first look nobody knows by which calendar its days are.
    found = Account.objects.filter(
        free, may, due, off_at=None, needs_person=False, checked_at__isnull=False, by_file=False
    )
    found = found.filter(brand__archived_at=None)
    if account_id is not None:
        found = found.filter(pk=account_id)
    return [
        account
        for account in found.select_related("brand").order_by("pull_at", "pk")
        if Account.objects.filter(free, pk=account.pk).update(pulling_until=now + LEASE)
    ]


def zone_of(account: Account) -> ZoneInfo:
    """The zone of the account's days; the brand's where the platform's is not known here."""
    if account.time_zone in brands.zone_names():
        return brands.zone(account.time_zone)
    return account.brand.zone


def days_of(account: Account, now: datetime) -> Days:
    today = local_date(zone_of(account), now)
    if account.restated_on is None or account.restated_on < today:
        return Days(today - timedelta(days=kind_of(account.platform).lookback_days), today, restated=True)
    return Days(today - timedelta(days=LATELY), today, restated=False)


def read(platform: AdPlatform, days: Days) -> Read:
    """Runs in a thread."""
    try:
        return Read(list(platform.spend(days.first, days.last)))
    except PlatformError as error:
        return Read(error=error)


# --- Taking in -------------------------------------------------------------------------------------------------------


def take_in(account: Account, days: Days, spend: Sequence[RemoteSpend], clock: Clock) -> int:
    """Import it, unless it is what was read last time. Gives how many imports that were."""
    content = report(spend)
    digest = hashlib.sha256(content).hexdigest()
    key = "restated" if days.restated else "lately"
    said = f"{days.first}..{days.last}:{digest}"
    if account.digests.get(key) == said or not spend:
        _read(account, days, key, said, clock())
        return 0
    span = day_text(days.last) if days.first == days.last else f"{day_text(days.first)} to {day_text(days.last)}"
    file_name = f"{account.get_platform_display()} API, account {account.account_id}, {span}"
    options = ImportOptions(
        format=Format.PLAIN, source=SOURCES.get(account.platform, ""), brand_id=account.brand_id,
        platform=account.platform,
    )  # fmt: skip
    pull = Pull(account=account, at=clock(), first_day=days.first, last_day=days.last, rows=len(spend))
    try:
        record = imports.start_import(
            io.BytesIO(content), file_name, options, actor=ACTOR, now=clock(), clock=clock,
            inline_bytes=imports.MAX_BYTES,
        )  # fmt: skip
    except Refused as error:
        pull.error = error.message
    else:
        pull.spend_import = record
        pull.error = record.error if record.state == ImportState.FAILED else ""
    pull.save(force_insert=True)
    # What could not be imported is tried again next time.
    _read(account, days, key, "" if pull.error else said, clock())
    return 1


def report(spend: Sequence[RemoteSpend]) -> bytes:
    """A plain CSV, in an order of its own so that the same figures are the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in sorted(spend, key=lambda row: (row.day, row.campaign_id, row.hour or 0)):
        writer.writerow(
            [
                row.day.isoformat(), row.campaign_id, row.campaign_name, money.exact_text(
                    money.from_micros(row.micros), row.currency
                ), row.currency, row.impressions, row.clicks, _optional(row.conversions), _optional(row.revenue),
            ]
        )  # fmt: skip
    return text.getvalue().encode()


def _optional(value: object) -> str:
    return "" if value is None else str(value)


@use_case
def _read(account: Account, days: Days, key: str, said: str, now: datetime) -> None:
    account = accounts.lock(account.pk)
    accounts.works(account, now)
    account.pulled_at, account.pulling_until = now, None
    account.pull_error, account.pull_failing_since = "", None
    account.pull_at = now + timedelta(seconds=kind_of(account.platform).least_pause_s)
    account.digests = {**account.digests, key: said}
    if days.restated:
        account.restated_on = days.last
    account.save(update_fields=["pulled_at", "pulling_until", "pull_at", "digests", "restated_on", *_ERROR])


@use_case
def _failed(account: Account, error: PlatformError | Refused, now: datetime) -> None:
    account = accounts.lock(account.pk)
    if isinstance(error, Throttled | Unauthorised | Refused):
        accounts.failed(account, error, now)
    # Otherwise it is the report that fails. What must be paused there is sent all the same.
    account.pulling_until, account.pull_at = None, max(account.leave_until or now, now + AGAIN)
    account.pull_error, account.pull_failing_since = error.message[:1_000], account.pull_failing_since or now
    account.save(update_fields=["pulling_until", "pull_at", *_ERROR])
