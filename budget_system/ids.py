"""Identifiers: UUIDs whose order is the order of creation, so that indexes grow at their end."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A new UUID version 7."""
    return uuid_utils.compat.uuid7()
