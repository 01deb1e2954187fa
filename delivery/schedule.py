"""What follows from an answer: when to try again, to park the message, or to switch its endpoint off. No effects."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long after each failed attempt the next one comes: the schedule of Standard Webhooks. The first comes at once."""
ATTEMPTS = len(WAITS) + 1
MOST_ASKED = timedelta(hours=24)
"""The longest Retry-After that is heeded."""
BREAKER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 60, 300, 900))
"""How long an endpoint that failed is left alone, by how often it has failed in a row. Then one message tries it."""
OUTAGE = 3
"""Failures in a row after which an endpoint is taken to be down. Fewer may be the fault of one message."""
GIVE_UP = timedelta(days=5)
"""An endpoint at which nothing has arrived for so long is switched off."""

GONE = 410
ASKING_FOR_TIME = {429, 503}


class Answer(NamedTuple):
    """What came of a call: a status, or why there was none."""

    status: int | None
    error: str = ""
    retry_after: str = ""
    text: str = ""
    seconds: float = 0.0
    refused: bool = False
    """The message itself was refused: sending it again would come to the same."""

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Next(NamedTuple):
    """What to do after an attempt that failed: `try_at` None parks the message."""

    try_at: datetime | None
    leave_until: datetime
    """Until then the endpoint is left alone."""
    switch_off: str = ""
    """Why, if it is to be."""


def after_failure(
    answer: Answer, *, attempts: int, failures: int, failing_since: datetime | None, now: datetime
) -> Next:
    """`attempts` of this message and `failures` in a row of its endpoint, this one included."""
    if answer.status == GONE:
        return Next(None, now, "It answered 410 Gone: nobody listens there any more.")
    asked = retry_after(answer.retry_after, now) if answer.status in ASKING_FOR_TIME else None
    leave_until = now + BREAKER[min(failures, len(BREAKER)) - 1]
    try_at = None if attempts >= ATTEMPTS or answer.refused else now + WAITS[attempts - 1]
    if asked is not None:
        leave_until = max(leave_until, now + asked)
        try_at = try_at and max(try_at, now + asked)
    why = ""
    if failing_since is not None and now - failing_since >= GIVE_UP:
        why = f"Nothing has arrived there for {GIVE_UP.days} days. Last: {told(answer)}"
    return Next(try_at, leave_until, why)


def retry_after(text: str, now: datetime) -> timedelta | None:
    """Seconds or a date, as HTTP has it; None for what is neither, or past."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text[:9]), 10**8))
    else:
        try:
            wait = parsedate_to_datetime(text) - now
        except (TypeError, ValueError):
            return None
    return min(wait, MOST_ASKED) if wait > timedelta(0) else None


def told(answer: Answer) -> str:
    return f"status {answer.status}" if answer.status is not None else answer.error
