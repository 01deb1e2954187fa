"""Migration operations that make PostgreSQL refuse to change or delete what is written once and kept for ever.

SQLite (demo and laptop) has no such guard. A purge of a test brand may set `budget_system.purge` to `on` for its own
transaction; nothing in the system does so in the course of its work.
"""

from collections.abc import Callable

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_to_change_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('budget_system.purge', true) = 'on' THEN RETURN COALESCE(NEW, OLD); END IF;
    RAISE EXCEPTION '% rows are kept as they were written', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""


def _on_postgres(*statements: str) -> Callable[[Apps, BaseDatabaseSchemaEditor], None]:
    def run(_: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql":
            for statement in statements:
                editor.execute(statement, params=None)

    return run


def keep_records(table: str, events: str = "UPDATE OR DELETE") -> migrations.RunPython:
    """Refuse these events on the table's rows."""
    trigger = f"{table}_is_kept"
    return migrations.RunPython(
        _on_postgres(
            FUNCTION,
            f"CREATE TRIGGER {trigger} BEFORE {events} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_to_change_records()",
        ),
        _on_postgres(f"DROP TRIGGER {trigger} ON {table}"),
    )


def leave_room(table: str, fillfactor: int) -> migrations.RunPython:
    """Leave room in each page, so that updated rows stay where their index entries point."""
    return migrations.RunPython(
        _on_postgres(f"ALTER TABLE {table} SET (fillfactor = {fillfactor})"),
        _on_postgres(f"ALTER TABLE {table} RESET (fillfactor)"),
    )
