"""System checks: what would go wrong later is said at start."""

import sqlite3
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

OLDEST_SQLITE = (3, 35, 0)


@register(Tags.database)
def sqlite_is_new_enough(**_: Any) -> list[CheckMessage]:
    """The ledger's SQL needs RETURNING and UPDATE … FROM."""
    if not _on_sqlite() or sqlite3.sqlite_version_info >= OLDEST_SQLITE:
        return []
    wanted = ".".join(map(str, OLDEST_SQLITE))
    message = f"SQLite {sqlite3.sqlite_version} is too old: {wanted} is needed."
    return [Error(message, hint="Use a newer Python, or PostgreSQL through DATABASE_URL.", id="budget_system.E001")]


@register(Tags.database, deploy=True)
def production_is_not_on_sqlite(**_: Any) -> list[CheckMessage]:
    """SQLite has one writer at a time and no guard against changed records: fine for a laptop."""
    if not _on_sqlite() or settings.DEMO:
        return []
    hint = "Set DATABASE_URL to a PostgreSQL database."
    return [
        Warning("The database is SQLite, which is meant for trying the system.", hint=hint, id="budget_system.W001")
    ]


def _on_sqlite() -> bool:
    return bool(settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"))
