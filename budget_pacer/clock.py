"""The one place of this package in which the real clock is read; everything else is given a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment as an aware datetime, in any time zone."""


def system_clock() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)
