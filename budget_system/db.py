"""What raw SQL needs to be the same statement on PostgreSQL and on SQLite, and transactions of use cases."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper

from budget_system import clock
from budget_system.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")

DEADLOCK_OR_SERIALIZATION = {"40P01", "40001"}
LOCK_NOT_AVAILABLE = "55P03"
ATTEMPTS = 3

_joining: ContextVar[bool] = ContextVar("joining", default=False)


def follow_its_clock(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """PostgreSQL's clock is that of all machines that work on it. A connection lives for a minute (CONN_MAX_AGE), so a
    clock that was wrong is right again a minute later."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            [told] = cursor.fetchone()
        clock.follow(told)


def _find_its_clock() -> None:
    """Connect, as a process may read the clock before anything else. Its own counts until the database answers."""
    if is_postgres():
        with suppress(DatabaseError):
            connection.ensure_connection()


connection_created.connect(follow_its_clock)
clock.follow_whom(_find_its_clock)


def use_case(function: Callable[P, T]) -> Callable[P, T]:
    """Run `function` in one transaction of its own; try again when the database asks for it.

    A deadlock or serialization failure has changed nothing, so the same call is made again, up to three times. Waiting
    too long for a lock becomes `Busy`.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        joining = _joining.get()
        attempts = 1 if joining else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                with transaction.atomic(durable=not joining):
                    return function(*args, **kwargs)
            except OperationalError as error:
                code = getattr(error.__cause__, "pgcode", None)
                if code == LOCK_NOT_AVAILABLE or "database is locked" in str(error):
                    raise Busy("Another change holds this brand. Nothing was changed; try again.") from error
                if code not in DEADLOCK_OR_SERIALIZATION or attempt == attempts:
                    raise
        raise AssertionError("unreachable")

    return run


@contextmanager
def joined() -> Iterator[None]:
    """Use cases called inside are part of the transaction around them, which must be one of a use case's own.

    Trying again is the affair of the use case around.
    """
    token = _joining.set(True)
    try:
        yield
    finally:
        _joining.reset(token)


@contextmanager
def rehearsal() -> Iterator[None]:
    """A dry run: use cases called inside do their work for real, in one transaction that is undone at the end.

    What it shows is therefore what would happen, in every detail. Keep it short: their locks are held until the end.
    """
    with transaction.atomic(durable=True), joined():
        try:
            yield
        finally:
            transaction.set_rollback(True)


@functools.cache
def is_postgres() -> bool:
    """Whether this process works on PostgreSQL; it never changes."""
    return connection.vendor == "postgresql"


def param(value: Any) -> Any:
    """A value as the database driver takes it. SQLite stores UUIDs as 32 hex digits and moments as text."""
    if is_postgres():
        return value
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


def read_uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def read_moment(value: datetime | str | None) -> datetime | None:
    """A moment from a raw query: SQLite gives it without a zone, as text or not, and means UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def read_date(value: date | str | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def values_sql(rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """`(%s,%s),(%s,%s)` and its parameters, for a VALUES list."""
    row_sql = "(" + ",".join(["%s"] * len(rows[0])) + ")"
    if is_postgres():
        return ",".join([row_sql] * len(rows)), [value for row in rows for value in row]
    return ",".join([row_sql] * len(rows)), [param(value) for row in rows for value in row]


def rows_sql(types: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """A SELECT of these rows and its parameters. `types` are the columns' types on PostgreSQL.

    On PostgreSQL each column goes as one array, which client and server handle several times faster than VALUES; a
    column that has one value throughout goes once.
    """
    if not is_postgres():
        values_text, params = values_sql(rows)
        return f"VALUES {values_text}", params
    shown, arrays, names, constants, params = [], [], [], [], []
    for number, (kind, values) in enumerate(zip(types, zip(*rows, strict=True), strict=True)):
        if number and values.count(values[0]) == len(values):
            shown.append(f"%s::{kind}")
            constants.append(values[0])
        else:
            shown.append(f"u.c{number}")
            names.append(f"c{number}")
            arrays.append(f"%s::{kind}[]")
            write = _ARRAY_ITEM[kind]
            params.append("{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}")
    sql = f"SELECT {','.join(shown)} FROM unnest({','.join(arrays)}) AS u({','.join(names)})"  # noqa: S608 - no input
    return sql, constants + params


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_ARRAY_ITEM: dict[str, Callable[[Any], str]] = {
    "uuid": lambda value: f"{value.int:032x}",
    "bigint": str,
    "date": date.isoformat,
    "timestamptz": datetime.isoformat,
    "text": _quoted,
}
"""How a value is written in an array."""


def chunks(rows: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def fetch(cursor: CursorWrapper, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    cursor.execute(sql, params)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
