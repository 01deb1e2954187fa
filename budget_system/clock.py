"""The only place that reads the clock. Everything below the interfaces takes `now` as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)
