"""Counting requests: so many a minute for each key, exactly, however many processes ask at once.

One atomic increment in Redis a request. A window is a minute of the clock, so the end of one and the beginning of the
next may together let twice as many through; that is all right, for this guards capacity. Money is guarded by the
database. Without Redis each process counts for itself: more get through, and nobody is shut out.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings
from limits.storage import MemoryStorage, RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

WINDOW_S = 60
TIMEOUT_S = 0.2
"""How long Redis may take. It answers in well under a millisecond, or something is wrong with it."""
BACK_OFF = timedelta(seconds=5)
"""How long Redis is left alone after a failure, so that an outage costs one request in a while, not each one."""
SAY_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Count:
    """What became of one request."""

    limit: int
    used: int
    window_ends_in_s: int

    @property
    def admitted(self) -> bool:
        return self.used <= self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


class Limiter:
    """Counts in Redis, or while it cannot be reached in this process."""

    def __init__(self, url: str) -> None:
        self._redis = redis_storage(url)
        self._memory = MemoryStorage()
        self._left_alone_until: datetime | None = None
        self._said_at: datetime | None = None

    def hit(self, key: str, limit: int, now: datetime) -> Count:
        """Count one request of `key`; whether it is within `limit` a minute."""
        second = int(now.timestamp())
        window_key = f"{key}:{second // WINDOW_S}"
        return Count(limit, self._increment(window_key, now), WINDOW_S - second % WINDOW_S)

    def _increment(self, key: str, now: datetime) -> int:
        if self._redis is not None and (self._left_alone_until is None or now >= self._left_alone_until):
            try:
                used = self._redis.incr(key, 2 * WINDOW_S)
            except redis.RedisError as error:
                self._left_alone_until = now + BACK_OFF
                self._say(error, now)
            else:
                self._left_alone_until = None
                return used
        return self._memory.incr(key, 2 * WINDOW_S)

    def _say(self, error: Exception, now: datetime) -> None:
        if self._said_at is None or now - self._said_at >= SAY_EVERY:
            self._said_at = now
            log.warning("Requests are counted in each process alone, as Redis cannot be reached: %s", error)


def redis_storage(url: str) -> RedisStorage | None:
    """The server of this broker URL; None for one that keeps its messages in the process."""
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return None
    if parts.scheme == "redis+socket":  # as Celery writes it: the database is virtual_host
        database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
        url = f"redis+unix://{parts.netloc}{parts.path}?db={database}"
    return RedisStorage(
        url,
        key_prefix="requests",
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        # A connection that a restart of Redis has cut is made anew at once; a server that is silent is not asked twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),  # type: ignore[arg-type] # options are typed as text and numbers
    )


@cache
def limiter() -> Limiter:
    """This process's limiter."""
    return Limiter(settings.CELERY_BROKER_URL)
