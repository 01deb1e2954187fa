"""Identifiers: UUIDs whose order is the order of creation, so that indexes grow at their end."""

from datetime import datetime
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A new UUID version 7."""
    return uuid_utils.compat.uuid7()


def first_id_at(moment: datetime) -> UUID:
    """No id made at this moment or later is smaller, so `id__gte` finds what is new without reading what is old."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
