"""Quiet hours and the hour of the digest, by the wall clock of the receiver's brand."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from delivery.models import Endpoint


def zone_of(endpoint: Endpoint) -> ZoneInfo:
    """Receivers of all brands live in UTC."""
    return endpoint.brand.zone if endpoint.brand is not None else ZoneInfo("UTC")


def is_quiet(quiet_from: time | None, quiet_until: time | None, zone: ZoneInfo, now: datetime) -> bool:
    """Whether the wall clock is in [from, until), which may run over midnight.

    It is the clock on the wall that is asked: in a night in which an hour comes twice quiet hours are an hour longer.
    """
    if quiet_from is None or quiet_until is None:
        return False
    wall = now.astimezone(zone).time()
    if quiet_from < quiet_until:
        return quiet_from <= wall < quiet_until
    return wall >= quiet_from or wall < quiet_until
