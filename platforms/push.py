"""Bring platforms to what we want: only the latest wish of each campaign is sent, and seen there before it counts.

A run plans (one transaction an account: compare, decide by `steps.next_step`, claim what is to be sent), calls outside
of any transaction, in threads that know no database, and writes the results in a third step. Whoever is killed in
between leaves a lease that ends, and a row that is sent again: asking for what is there already is accepted.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, F, Q, QuerySet

from budget_system.db import use_case
from budget_system.errors import Busy, Refused
from campaigns.models import CampaignStatus
from delivery.relay import Clock
from platforms import accounts, limits
from platforms.connections import Connect
from platforms.models import Account, Act, ActKind, Outgoing, RemoteState, Steering
from platforms.protocol import AdPlatform, Outcome, PlatformError, RemoteCampaign, Status
from platforms.steps import Facts, Mode, Next, Step, Why, at_risk, next_step, wanted

logger = logging.getLogger(__name__)

ACTOR = "worker"
CALLS = 16
"""Accounts that are called at a time."""
BATCH = 100
"""Campaigns of one call. Between two of them the kill switch is looked at again."""
LEASE = timedelta(seconds=90)
"""How long an account, and what is claimed of it, stays with the run that claimed it."""
RUN = timedelta(seconds=20)
"""When a run begins no more calls."""
GRACE = timedelta(seconds=20)
"""How long it then waits for calls under way. What comes later is not heard; the lease ends, and it is sent again."""
PLAN_EVERY = timedelta(seconds=1)
GLANCE_S = 0.5
READ_BACK_S = (0.0, 1.0, 2.0, 4.0)
"""The pauses before each look whether a change has arrived: platforms are consistent in the end only."""
BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 30, 60, 120, 300))
"""How long after each attempt that was not seen the next one comes."""
REFUSED_AGAIN = timedelta(hours=1)
"""After this a change that the platform refused is tried again, should nobody have seen to it."""


class Batch(NamedTuple):
    """What is claimed of an account, to be sent in one call."""

    account: Account
    asked: Mapping[str, Status]
    """By the platform's id of each campaign."""
    at: datetime


class Answer(NamedTuple):
    """What came of a call: an error of all of it, or an outcome each, and what was seen afterwards."""

    error: PlatformError | Refused | None = None
    outcomes: Sequence[Outcome] = ()
    seen: Mapping[str, RemoteCampaign] = {}


def run(
    *, clock: Clock, connect: Connect, length: timedelta = RUN, read_back_s: Sequence[float] = READ_BACK_S,
    account_id: UUID | None = None,
) -> dict[str, int]:  # fmt: skip
    """Plan and send until nothing is due, or the time is over."""
    counts: Counter[str] = Counter()
    began = plan_at = clock()
    busy: dict[Future[Answer], Batch] = {}
    fault: BaseException | None = None
    pool = ThreadPoolExecutor(CALLS, thread_name_prefix="platform")
    try:
        while True:
            now = clock()
            if plan_at <= now < began + length:
                plan_at = now + PLAN_EVERY
                for due in _with_something_to_do(account_id):
                    if len(busy) >= CALLS:
                        break  # what is claimed leaves at once: a claim that waits would not hear of the kill switch
                    batch = _planned(due, clock())
                    if batch is not None:
                        counts["sent"] += len(batch.asked)
                        _begin(batch, pool, connect, read_back_s, busy, clock)
            if not busy:
                break
            if now >= began + length + GRACE:
                counts["not_heard"] += sum(len(batch.asked) for batch in busy.values())
                break
            done, _ = wait(busy, timeout=GLANCE_S, return_when=FIRST_COMPLETED)
            for future in done:
                fault = future.exception() or fault
                counts.update(settle(busy.pop(future), _answer(future), clock()))
                plan_at = now  # the account is free for the next ones
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if fault is not None:
        raise fault
    return dict(counts)


def _planned(account_id: UUID, now: datetime) -> Batch | None:
    """None too where somebody else holds the account at this moment: the next second finds it again."""
    try:
        return plan(account_id, now)
    except Busy:
        return None


def _begin(
    batch: Batch,
    pool: ThreadPoolExecutor,
    connect: Connect,
    read_back_s: Sequence[float],
    busy: dict[Future[Answer], Batch],
    clock: Clock,
) -> None:
    try:
        platform = connect(batch.account)
    except (Refused, PlatformError) as error:
        settle(batch, Answer(error), clock())
    else:
        busy[pool.submit(send, platform, batch.asked, read_back_s)] = batch


def _answer(future: Future[Answer]) -> Answer:
    """A fault of our own counts as an answer that did not come, so that it does not loop; `run` raises it."""
    error = future.exception()
    if error is None:
        return future.result()
    return Answer(_OwnFault(f"A fault of this system: {type(error).__name__}"))


class _OwnFault(PlatformError):
    passing = True


def send(platform: AdPlatform, asked: Mapping[str, Status], read_back_s: Sequence[float]) -> Answer:
    """Ask, then look until all that was accepted is seen, or the pauses are over. Runs in a thread."""
    try:
        outcomes = platform.set_status(asked)
    except PlatformError as error:
        return Answer(error)
    seen: dict[str, RemoteCampaign] = {}
    missing = {outcome.campaign_id for outcome in outcomes if outcome.accepted} & set(asked)
    for pause in read_back_s:
        if not missing:
            break
        time.sleep(pause)
        try:
            seen |= {campaign.id: campaign for campaign in platform.campaigns(missing)}
        except PlatformError:
            break  # it was accepted; whether it arrived is looked at again
        missing = {one for one in missing if one not in seen or seen[one].status != asked[one]}
    return Answer(None, outcomes, seen)


# --- Planning --------------------------------------------------------------------------------------------------------


def _unsettled() -> QuerySet[RemoteState]:
    """Rows of which something is to be written or done: all but those in step, and those that nothing is done about."""
    runs = Q(campaign__status=CampaignStatus.ACTIVE)
    agree = (runs & Q(actual=Status.ENABLED)) | (~runs & Q(actual=Status.PAUSED))
    quiet = Q(step=Step.IN_STEP, agreed=F("campaign__pause_reason"), campaign__archived_at=None) & agree
    over = Q(step=Step.NOTHING) & (Q(actual__in=["", Status.ENDED]) | Q(campaign__archived_at__isnull=False))
    return RemoteState.objects.exclude(quiet).exclude(over)


def _with_something_to_do(account_id: UUID | None) -> list[UUID]:
    rows = _unsettled() if account_id is None else _unsettled().filter(account=account_id)
    return sorted(set(rows.order_by().values_list("account_id", flat=True)))


@use_case
def plan(account_id: UUID, now: datetime) -> Batch | None:
    """Write the next step of each campaign of the account, and claim what is to be sent now, if it is free."""
    account = accounts.lock(account_id)
    rows = list(
        _unsettled()
        .filter(Q(claimed_until=None) | Q(claimed_until__lte=now), account=account)
        .select_related("campaign")
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    )
    steering = Steering.objects.filter(brand=account.brand_id).first() or Steering(brand_id=account.brand_id)
    stopped = _stop().exists()
    before = {row.pk: _written(row) for row in rows}
    for row in rows:
        _new_wish(row)
    nexts = {row.pk: next_step(facts_of(row, account, steering, stopped=stopped)) for row in rows}
    in_files = account.by_file  # a person carries them
    fresh = [row for row in rows if nexts[row.pk].step is Step.SEND and not (in_files or row.attempts or row.approved)]
    counting = limits.counting(fresh, steering, now)
    if limits.is_too_much(counting, steering, now):
        for row in counting:
            row.limited = True
            nexts[row.pk] = next_step(facts_of(row, account, steering, stopped=stopped))
    for row in rows:
        _write_step(row, nexts[row.pk], account, now)
        if _written(row) != before[row.pk]:
            row.save()
    to_send = [row for row in rows if nexts[row.pk].step is Step.SEND and not in_files]
    to_send = [row for row in to_send if row.next_at is None or row.next_at <= now]
    return _claim(account, to_send, {row.pk for row in counting}, now)


def facts_of(row: RemoteState, account: Account, steering: Steering, *, stopped: bool) -> Facts:
    return Facts(
        reason=row.campaign.pause_reason,
        actual=row.actual_status,
        agreed=row.agreed,
        # Who uploads a file has seen what is in it.
        mode=Mode.ENFORCE if account.by_file else Mode(steering.mode),
        archived=row.campaign.archived_at is not None,
        ours=row.ours or account.by_file,
        approved=Status(row.approved) if row.approved else None,
        left=row.left,
        limited=row.limited,
        stopped=stopped,
        usable=account.usable,
    )


def _stop() -> QuerySet[Outgoing]:
    return Outgoing.objects.filter(stopped_at__isnull=False)


def _new_wish(row: RemoteState) -> None:
    """What was approved, refused or tried was about an earlier wish, if the wish is another one now."""
    reason = row.campaign.pause_reason
    if row.step_for == reason:
        return
    if wanted(row.step_for) != wanted(reason):
        row.approved, row.limited, row.left = "", False, None
        row.attempts, row.first_sent_at, row.next_at, row.error = 0, None, None, ""
    elif row.left is not None:
        row.left = None


_ON_RECORD = {
    Step.OBSERVED: ActKind.OBSERVED,
    Step.WAITING: ActKind.ASKED,
    Step.DRIFT: ActKind.DRIFT,
    Step.STOPPED: ActKind.STOPPED,
}


def _write_step(row: RemoteState, following: Next, account: Account, now: datetime) -> None:
    reason = row.campaign.pause_reason
    if following.step is Step.IN_STEP:
        _arrived(row, account, now)
    moved = (row.step, row.why) != (following.step, following.why)
    if moved and following.step in _ON_RECORD:
        write_act(row, _ON_RECORD[following.step], now, asked=following.ask or "", account=account)
    if moved:
        row.step, row.why, row.step_since = following.step, following.why, now
    row.step_for = reason


def _written(row: RemoteState) -> tuple[object, ...]:
    return tuple(getattr(row, field.attname) for field in row._meta.concrete_fields)


def _arrived(row: RemoteState, account: Account, now: datetime) -> None:
    """Both agree. What was sent for it has arrived, and is remembered as ours."""
    status = wanted(row.campaign.pause_reason)
    if row.attempts and row.first_sent_at is not None:
        seconds = max(0.0, (now - _decided_at(row)).total_seconds())
        write_act(
            row, ActKind.CONFIRMED, now, asked=status, seconds=round(seconds, 3), attempt=row.attempts, account=account
        )
        row.ours = status is Status.PAUSED
    elif status is Status.ENABLED:
        row.ours = False
    row.agreed = row.campaign.pause_reason
    row.approved, row.left, row.limited = "", None, False
    row.attempts, row.first_sent_at, row.next_at, row.error = 0, None, None, ""


def _decided_at(row: RemoteState) -> datetime:
    """When we came to want what was sent: for a pause the moment it was decided, else when it was found to be sent."""
    paused_at = row.campaign.paused_at
    if row.campaign.pause_reason and row.agreed == "" and paused_at is not None:
        return paused_at
    return row.step_since


def write_act(
    row: RemoteState,
    kind: ActKind,
    now: datetime,
    *,
    account: Account,
    asked: str = "",
    seconds: float | None = None,
    attempt: int = 0,
    counts: bool = False,
    actor: str = ACTOR,
    note: str = "",
) -> None:
    Act.objects.create(
        campaign=row.campaign, account=account, at=now, kind=kind, asked=asked, shown=row.actual,
        reason=row.campaign.pause_reason, attempt=attempt, counts=counts, seconds=seconds, actor=actor,
        note=note[:1_000],
    )  # fmt: skip


def _claim(account: Account, rows: Sequence[RemoteState], counting: set[UUID], now: datetime) -> Batch | None:
    """The first so many, unless the account is busy or to be left alone. The kill switch is asked in the very statement
    that claims."""
    waits = any(until is not None and until > now for until in (account.busy_until, account.leave_until))
    rows = sorted(rows, key=_urgency)[:BATCH]
    if waits or not rows:
        return None
    free = RemoteState.objects.filter(~Exists(_stop()), pk__in=[row.pk for row in rows])
    if not free.update(claimed_until=now + LEASE, sent_at=now, attempts=F("attempts") + 1):
        return None
    Account.objects.filter(pk=account.pk).update(busy_until=now + LEASE)
    for row in rows:
        row.attempts += 1
        if row.first_sent_at is None:
            RemoteState.objects.filter(pk=row.pk).update(first_sent_at=now)
        asked = wanted(row.campaign.pause_reason)
        by = _approver(row) if row.approved else ACTOR
        write_act(
            row, ActKind.SENT, now, asked=asked, attempt=row.attempts, actor=by, account=account,
            counts=row.pk in counting,
        )  # fmt: skip
    return Batch(account, {row.campaign.external_id: wanted(row.campaign.pause_reason) for row in rows}, now)


def _urgency(row: RemoteState) -> tuple[bool, bool, int]:
    """What costs money comes first, then other pauses, then starts; what failed often after what did not."""
    reason = row.campaign.pause_reason
    return (not at_risk(reason, row.actual_status), wanted(reason) is Status.ENABLED, row.attempts)


def _approver(row: RemoteState) -> str:
    approvals = Act.objects.filter(campaign=row.campaign_id, kind=ActKind.APPROVED).order_by("-id")
    return approvals.values_list("actor", flat=True).first() or ACTOR


# --- Results ---------------------------------------------------------------------------------------------------------


@use_case
def settle(batch: Batch, answer: Answer, now: datetime) -> dict[str, int]:
    """Write what came of a call. Rows that another run has claimed since stay that one's."""
    account = accounts.lock(batch.account.pk)
    if account.busy_until == batch.at + LEASE:
        account.busy_until = None
        account.save(update_fields=["busy_until"])
    if answer.error is None:
        accounts.works(account, now)
    else:
        accounts.failed(account, answer.error, now)
    mine = RemoteState.objects.filter(account=account, campaign__external_id__in=batch.asked, sent_at=batch.at)
    rows = mine.select_related("campaign").select_for_update(of=("self",), no_key=True).order_by("pk")
    outcomes = {outcome.campaign_id: outcome for outcome in answer.outcomes}
    counts: Counter[str] = Counter()
    for row in rows:
        key = row.campaign.external_id
        row.claimed_until = None
        counts[_settle_one(row, account, batch.asked[key], answer, outcomes.get(key), now)] += 1
        row.save()
    return dict(counts)


def _settle_one(
    row: RemoteState, account: Account, asked: Status, answer: Answer, outcome: Outcome | None, now: datetime
) -> str:
    if answer.error is not None:
        row.error = answer.error.message[:1_000]
        row.next_at = max(account.leave_until or now, now + _back_off(row.attempts))
        write_act(row, ActKind.REFUSED, now, asked=asked, attempt=row.attempts, note=row.error, account=account)
        return "failed"
    if outcome is None or not outcome.accepted:
        row.error = outcome.error[:1_000] if outcome is not None else "The platform said nothing about it."
        passing = outcome is None or outcome.passing
        row.next_at = now + (_back_off(row.attempts) if passing else REFUSED_AGAIN)
        write_act(row, ActKind.REFUSED, now, asked=asked, attempt=row.attempts, note=row.error, account=account)
        return "failed" if passing else "refused"
    seen = answer.seen.get(row.campaign.external_id)
    if seen is not None:
        row.actual, row.said, row.seen_at = seen.status, seen.said[:100], now
        row.name_there = seen.name[:300]
    if seen is None or seen.status != asked:
        shown = f"still shows {seen.said}" if seen is not None else "does not show it yet"
        row.error = f"The platform said yes and {shown}."
        row.next_at = now + _back_off(row.attempts)
        write_act(row, ActKind.NOT_SEEN, now, asked=asked, attempt=row.attempts, note=row.error, account=account)
        return "not_seen"
    row.error = ""
    if wanted(row.campaign.pause_reason) is asked:
        _arrived(row, account, now)
        row.step, row.why, row.step_since = Step.IN_STEP, Why.NONE, now
        row.step_for = row.campaign.pause_reason
    else:
        # It has arrived, and we want something else by now: both agreed for a moment on what was sent.
        row.ours = asked is Status.PAUSED
        row.agreed = row.step_for
        row.attempts, row.first_sent_at, row.next_at = 0, None, None
    return "confirmed"


def _back_off(attempts: int) -> timedelta:
    return BACK_OFF[min(max(attempts, 1), len(BACK_OFF)) - 1]
