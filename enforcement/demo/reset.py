"""Emptying the demo: everything but logins."""

from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection

from budget_system.errors import Refused


def check_resettable() -> None:
    """Refuse outside demo mode, and on PostgreSQL, where records are kept as they were written."""
    if not settings.DEMO:
        raise Refused("Only a demo can be emptied, and this is not demo mode. Nothing was changed.")
    if connection.vendor != "sqlite":
        raise Refused(
            "On PostgreSQL records are kept as they were written, so nothing there can be emptied. To begin anew, "
            "make a new database and point DATABASE_URL to it."
        )


def empty() -> int:
    """Delete the rows of all the project's own tables; how many tables that were."""
    check_resettable()
    own = [app for app in apps.get_app_configs() if Path(app.path).parent == Path(settings.BASE_DIR)]
    tables = [
        model._meta.db_table
        for app in own
        for model in app.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
    return len(tables)
