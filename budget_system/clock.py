"""The only place that reads the clock. Everything below the interfaces takes `now` as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_followed: tuple[datetime, float] | None = None
_find_leader: Callable[[], None] | None = None


def now() -> datetime:
    """The present moment, in UTC: that of the clock which is followed, else of this machine's."""
    if _followed is None and _find_leader is not None:
        _find_leader()
    if _followed is None:
        return datetime.now(UTC)
    told, at = _followed
    return told + timedelta(seconds=time.monotonic() - at)


def follow(told: datetime) -> None:
    """Another clock, which several machines share, shows this at present. From now on this machine's own is not read
    any more, only how much time passes: where it is wrong, or is put right, no decision is."""
    global _followed  # noqa: PLW0603 - a process has one clock
    _followed = told, time.monotonic()


def follow_whom(find: Callable[[], None] | None) -> None:
    """`find` is called whenever the clock is read and none is followed yet; it calls `follow` if it can."""
    global _find_leader  # noqa: PLW0603 - a process has one clock
    _find_leader = find
