"""The relay: takes up what happened, and sends it. At least once, in order per campaign and endpoint.

A message is claimed (one more attempt, and a time after which another relay may take it) in a transaction of its own,
sent outside of any, and its result is written in a third. Calls run in threads that know no database; this loop alone
reads and writes. One relay is at work at a time; two would do no harm but more at once.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q

from brands.services import audit
from budget_system.db import use_case
from budget_system.errors import Refused
from budget_system.ids import new_id
from delivery import schedule
from delivery.intake import begin_to_look, take_up
from delivery.models import Attempt, Delivery, DeliveryState, Endpoint, Relay, noun
from delivery.outlets import Outgoing, outgoing
from delivery.schedule import Answer
from delivery.transport import DEADLINE_S

logger = logging.getLogger(__name__)

CALLS = 64
"""Calls under way at a time."""
CALLS_OF_ONE = 4
"""Of these, at most so many of one endpoint; one if it failed last time. So sixteen receivers must become slow in the
same moment to hold up another, and for one deadline at most."""
LEASE = timedelta(seconds=4 * DEADLINE_S)
"""How long a claimed message stays with its relay. A call ends long before."""
OFFICE = timedelta(seconds=20)
"""How long a relay that says nothing is taken to be at work."""
RUN = timedelta(seconds=20)
"""When a run begins no more calls. Calls under way are waited for, which keeps it below the limit of a task."""
LOOK_EVERY = timedelta(seconds=1)
GLANCE_S = 0.5
ACTOR = "worker"

Send = Callable[[Outgoing], Answer]
Clock = Callable[[], datetime]


class AlreadyAtWork(Exception):
    """Another relay holds the office."""


def run(*, clock: Clock, send: Send, length: timedelta = RUN) -> dict[str, int]:
    """Take up and send until nothing is due, or the time is over. Raises AlreadyAtWork."""
    me = new_id()
    _take_office(me, clock())
    counts: Counter[str] = Counter()
    ends_at = look_at = clock()
    ends_at += length
    busy: dict[Future[Answer], Delivery] = {}
    try:
        with ThreadPoolExecutor(CALLS, thread_name_prefix="webhook") as pool:
            while True:
                now = clock()
                if now < ends_at and _renew_office(me, now):
                    if now >= look_at:
                        counts["taken_up"] += take_up(now)
                        look_at = now + LOOK_EVERY
                    for delivery in _claim_due(busy.values(), now):
                        _begin(delivery, now, pool, send, busy, counts)
                if not busy:
                    break
                done, _ = wait(busy, timeout=GLANCE_S, return_when=FIRST_COMPLETED)
                for future in done:
                    counts[_finish(busy.pop(future), future, clock())] += 1
    finally:
        Relay.objects.filter(holder=me).update(holder=None, held_until=None)
    return dict(counts)


def _begin(
    delivery: Delivery,
    now: datetime,
    pool: ThreadPoolExecutor,
    send: Send,
    busy: dict[Future[Answer], Delivery],
    counts: Counter[str],
) -> None:
    try:
        call = outgoing(delivery, now)
    except Refused as error:
        counts[_settle(delivery, Answer(None, error.message), now)] += 1
    else:
        busy[pool.submit(send, call)] = delivery


def _finish(delivery: Delivery, future: Future[Answer], now: datetime) -> str:
    """What the call came to. A fault of our own is written as a failed attempt, so that it does not come for ever, and
    raised, so that it is seen."""
    error = future.exception()
    if error is None:
        return _settle(delivery, future.result(), now)
    _settle(delivery, Answer(None, f"A fault of this system: {type(error).__name__}"), now)
    raise error


# --- The office ------------------------------------------------------------------------------------------------------


def _take_office(me: UUID, now: datetime) -> None:
    begin_to_look(now)
    free = Q(held_until=None) | Q(held_until__lte=now)
    if not Relay.objects.filter(free, pk=1).update(holder=me, held_until=now + OFFICE):
        raise AlreadyAtWork("Another relay is at work.")


def _renew_office(me: UUID, now: datetime) -> bool:
    return bool(Relay.objects.filter(pk=1, holder=me).update(held_until=now + OFFICE))


# --- Claiming --------------------------------------------------------------------------------------------------------


def _claim_due(busy: Iterable[Delivery], now: datetime) -> list[Delivery]:
    """Messages that are due and first of their campaign, claimed; of each endpoint as many as it may have at once."""
    under_way = Counter(delivery.endpoint_id for delivery in busy)
    waiting = Delivery.objects.filter(endpoint=OuterRef("pk"), state=DeliveryState.PENDING)
    something_to_do = Exists(waiting.filter(next_at__lte=now)) | (Q(failures__gte=schedule.OUTAGE) & Exists(waiting))
    endpoints = Endpoint.objects.filter(Q(leave_until=None) | Q(leave_until__lte=now), off_at=None)
    claimed: list[Delivery] = []
    for endpoint in endpoints.filter(something_to_do).order_by("last_sent_at", "pk"):
        most = 1 if endpoint.failures else CALLS_OF_ONE
        free = min(most - under_way[endpoint.pk], CALLS - under_way.total() - len(claimed))
        if free > 0:
            claimed += _claim(endpoint, free, now)
    return claimed


def _claim(endpoint: Endpoint, most: int, now: datetime) -> list[Delivery]:
    """Those that were tried least come first, so that one that fails again and again holds up no other campaign."""
    first = Delivery.objects.filter(endpoint=endpoint).first_of_their_order()
    due = first.filter(next_at__lte=now).order_by("attempts", "id")[:most]
    claimed = [delivery for delivery in due if _make_mine(delivery, endpoint, 1, now)]
    if not claimed and endpoint.failures >= schedule.OUTAGE:
        # It is down, and nothing is due for hours: the oldest one sees whether it is back, outside of its schedule.
        probes = first.filter(next_at__gt=now + LEASE).order_by("id")[:1]
        claimed = [delivery for delivery in probes if _make_mine(delivery, endpoint, 0, now)]
    return claimed


def _make_mine(delivery: Delivery, endpoint: Endpoint, attempts: int, now: datetime) -> bool:
    """Whether no other relay was faster. `next_at` keeps what it was here, for a probe that fails."""
    as_read = Delivery.objects.filter(
        pk=delivery.pk, state=DeliveryState.PENDING, attempts=delivery.attempts, next_at=delivery.next_at
    )
    if not as_read.update(attempts=F("attempts") + attempts, next_at=now + LEASE):
        return False
    delivery.attempts += attempts
    delivery.endpoint = endpoint
    return True


def send_now(delivery_id: int, *, clock: Clock, send: Send) -> Answer:
    """Send this one message, which is claimed already: a person waits for the answer."""
    delivery = Delivery.objects.select_related("endpoint").get(pk=delivery_id)
    now = clock()
    try:
        answer = send(outgoing(delivery, now))
    except Refused as error:
        answer = Answer(None, error.message)
    _settle(delivery, answer, clock())
    return answer


# --- Results ---------------------------------------------------------------------------------------------------------


@use_case
def _settle(delivery: Delivery, answer: Answer, now: datetime) -> str:
    """Write what came of an attempt. Gives what it is to be counted as.

    Should another relay have taken the message over meanwhile, it stays that one's; the attempt is kept all the same.
    """
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=delivery.endpoint_id)
    Attempt.objects.create(
        delivery_id=delivery.pk, number=delivery.attempts, at=now, seconds=answer.seconds, status=answer.status,
        error=answer.error, answer=answer.text,
    )  # fmt: skip
    mine = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.PENDING, attempts=delivery.attempts)
    if answer.arrived:
        # It has arrived, whoever sent it.
        Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.PENDING).update(
            state=DeliveryState.SENT, sent_at=now, next_at=None
        )
        _works_again(endpoint, now)
        return "sent"
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    then = schedule.after_failure(
        answer, attempts=delivery.attempts, failures=endpoint.failures, failing_since=endpoint.failing_since, now=now
    )
    endpoint.leave_until = then.leave_until
    endpoint.save(update_fields=["failures", "failing_since", "leave_until"])
    try_at = then.try_at
    if try_at is not None and delivery.next_at is not None:
        try_at = delivery.next_at if delivery.next_at > now else try_at  # a probe changes no schedule
    if try_at is None:
        mine.update(state=DeliveryState.PARKED, next_at=None)
        logger.warning("Parked: %s for “%s” (%s)", delivery.message_id, endpoint.name, schedule.told(answer))
    else:
        mine.update(next_at=try_at)
    if then.switch_off and endpoint.off_at is None:
        _switch_off(endpoint, then.switch_off, now)
    return "parked" if try_at is None else "failed"


def _works_again(endpoint: Endpoint, now: datetime) -> None:
    """After an outage, what waits for a later attempt is due at once."""
    if endpoint.failures >= schedule.OUTAGE:
        waiting = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING, next_at__gt=now + LEASE)
        waiting.update(next_at=now)
    endpoint.failures, endpoint.failing_since, endpoint.leave_until = 0, None, None
    endpoint.last_sent_at = now
    endpoint.save(update_fields=["failures", "failing_since", "leave_until", "last_sent_at"])


def _switch_off(endpoint: Endpoint, why: str, now: datetime) -> None:
    endpoint.off_at, endpoint.off_reason, endpoint.gave_up = now, why, True
    endpoint.version += 1
    endpoint.updated_at = now
    endpoint.save(update_fields=["off_at", "off_reason", "gave_up", "version", "updated_at"])
    audit(endpoint, f"switch off {noun(endpoint)}", brand_id=endpoint.brand_id, actor=ACTOR, now=now, reason=why)
    logger.error("%s “%s” is switched off. %s", endpoint.get_kind_display(), endpoint.name, why)
