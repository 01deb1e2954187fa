"""The ledger's hot SQL: spends in, totals up, money set aside and given back. Set-based, the same on PostgreSQL and
SQLite but for one statement that SQLite takes in two.

The brands concerned are locked by the caller, so nobody else writes these rows meanwhile. Totals move in the same
transaction as the ledger, by what was really inserted. Amounts are integer micros here.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper

from brands.periods import month_start
from budget_system import money
from budget_system.db import chunks, fetch, is_postgres, param, read_date, read_uuid, rows_sql, values_sql
from budget_system.errors import Refused
from spending.models import PeriodKind, SpendType

LIFETIME_STARTS_ON = date(1970, 1, 1)


class Entry(NamedTuple):
    """A spend to insert. The order of the fields is the order of the columns."""

    id: UUID
    brand_id: UUID
    campaign_id: UUID
    amount: int
    spend_date: date
    spend_type: str
    channel: str
    description: str
    source: str
    key: str | None
    fingerprint: str
    created_at: datetime
    created_by: str
    origin: str
    spend_import_id: UUID | None


class PeriodKey(NamedTuple):
    """A budget period. Sorted, it gives the one order in which period rows are written."""

    brand_id: UUID
    kind: str
    starts_on: date
    scope_id: UUID


class PeriodAfter(NamedTuple):
    """A period after its total moved by `delta`."""

    key: PeriodKey
    delta: int
    budget: int | None
    used: int
    forgiven: int


_TYPES = (
    "uuid", "uuid", "uuid", "bigint", "date", "text", "text", "text", "text", "text", "text", "timestamptz", "text",
    "text", "uuid",
)  # fmt: skip
"""The types of an Entry's columns."""


def insert(entries: Sequence[Entry]) -> list[bool]:
    """Insert spends; one whose (brand, source, key) exists already is left out. Says for each if it was inserted."""
    inserted: list[bool] = []
    columns = ", ".join(Entry._fields)
    with connection.cursor() as cursor:
        for some in chunks(entries, 10_000 if is_postgres() else 500):
            rows, params = rows_sql(_TYPES, some)
            sql = (
                f"INSERT INTO spending_spend ({columns}, version) SELECT v.*, 1 FROM ({rows}) AS v"  # noqa: S608
                " WHERE true ON CONFLICT (brand_id, source, key) DO NOTHING"
            )
            cursor.execute(sql, params)
            if cursor.rowcount in (0, len(some)):
                inserted += [bool(cursor.rowcount)] * len(some)
            else:
                there = _ids_there([entry.id for entry in some])
                inserted += [entry.id in there for entry in some]
    return inserted


def _ids_there(ids: Sequence[UUID]) -> set[UUID]:
    marks = ",".join(["%s"] * len(ids))
    with connection.cursor() as cursor:
        rows = fetch(cursor, f"SELECT id FROM spending_spend WHERE id IN ({marks})", list(map(param, ids)))  # noqa: S608
    return {read_uuid(row[0]) for row in rows}


class Moved(NamedTuple):
    """What a spend moves totals by when it begins (plus) or ceases (minus) to count; `amount` is in micros."""

    brand_id: UUID
    campaign_id: UUID
    amount: int
    spend_date: date
    spend_type: str
    channel: str


Move = tuple[PeriodKey, int]
"""A period and how much its total moves by."""


def add_up(moved: Iterable[Moved]) -> list[Move]:
    """How much each period's total moves by these, whatever their channel; each period once.

    A spend counts in its day (not if monthly) and its month, of its campaign and its brand, and in the campaign's
    lifetime.
    """
    campaigns: dict[UUID, tuple[UUID, dict[tuple[date, str], int]]] = {}
    for brand_id, campaign_id, amount, spend_date, spend_type, _ in moved:
        found = campaigns.get(campaign_id)
        days = found[1] if found else campaigns.setdefault(campaign_id, (brand_id, {}))[1]
        day = (spend_date, spend_type)
        days[day] = days.get(day, 0) + amount
    moves: list[Move] = []
    brands: dict[UUID, dict[tuple[str, date], int]] = {}
    for campaign_id, (brand_id, days) in campaigns.items():
        own: dict[tuple[str, date], int] = {}
        for (spend_date, spend_type), amount in days.items():
            if spend_type != SpendType.MONTHLY:
                own[_DAY, spend_date] = own.get((_DAY, spend_date), 0) + amount
            month = month_start(spend_date)
            own[_MONTH, month] = own.get((_MONTH, month), 0) + amount
        totals = brands.setdefault(brand_id, {})
        for period, amount in own.items():
            moves.append((PeriodKey(brand_id, *period, campaign_id), amount))
            totals[period] = totals.get(period, 0) + amount
        lifetime = PeriodKey(brand_id, _LIFETIME, LIFETIME_STARTS_ON, campaign_id)
        moves.append((lifetime, sum(days.values())))
    for brand_id, totals in brands.items():
        moves += [(PeriodKey(brand_id, *period, brand_id), amount) for period, amount in totals.items()]
    return moves


_DAY, _MONTH, _LIFETIME = PeriodKind.DAY.value, PeriodKind.MONTH.value, PeriodKind.LIFETIME.value
_KEY_COLUMNS = "brand_id, kind, starts_on, scope_id"
_KEY_TYPES = ("uuid", "text", "date", "uuid", "bigint")


def move_totals(moves: Sequence[Move]) -> list[PeriodAfter]:
    """Add to each period's total, making the rows that are missing with the budget in force.

    Gives the periods of brands that have a budget, as they stand after it. What a forced reset forgave never exceeds
    what is posted: a later correction must not become extra budget.
    """
    if any(abs(amount) > money.MAX_TOTAL_MICROS for _, amount in moves):
        raise Refused("The total would be larger than can be kept.", field="amount")
    size = 20_000 if is_postgres() else 500
    if len(moves) > size:  # else the statement itself writes in this order
        moves = sorted(moves, key=lambda move: (move[0][0].int, move[0][1], move[0][2], move[0][3].int))
    deltas = {key: amount for key, amount in moves if key.scope_id == key.brand_id}
    after: list[PeriodAfter] = []
    with connection.cursor() as cursor:
        for some in chunks(moves, size):
            try:
                rows = _move(cursor, some)
            except IntegrityError as error:
                if "budget_period_posted_in_range" not in str(error):
                    raise
                raise Refused("The total would be larger than can be kept.", field="amount") from error
            for brand_id, kind, starts_on, scope_id, budget, used, forgiven in rows:
                if budget is None or scope_id != brand_id:
                    continue
                key = PeriodKey(
                    read_uuid(brand_id), kind, read_date(starts_on) or LIFETIME_STARTS_ON, read_uuid(scope_id)
                )
                after.append(PeriodAfter(key, deltas[key], budget, used, forgiven))
    return after


def _move(cursor: CursorWrapper, moves: Sequence[Move]) -> list[tuple[Any, ...]]:
    rows, params = rows_sql(_KEY_TYPES, [(*key, amount) for key, amount in moves])
    given = f"v({_KEY_COLUMNS}, amount) AS ({rows})"
    returned = f"{_KEY_COLUMNS}, budget, used, forgiven"
    insert_sql = f"{_add('v.amount, 0')} RETURNING {returned}"
    if is_postgres():  # most rows are of campaigns: they need not travel
        return fetch(
            cursor,
            f"WITH {given}, moved AS ({insert_sql})"  # noqa: S608 - only placeholders
            f" SELECT {returned} FROM moved WHERE scope_id = brand_id AND budget IS NOT NULL",
            params,
        )
    return fetch(cursor, f"WITH {given} {insert_sql}", params)


def _add(amounts: str) -> str:
    """The statement that adds the periods of `v` to those kept; `amounts` are posted and reserved."""
    least, greatest = ("LEAST", "GREATEST") if is_postgres() else ("MIN", "MAX")
    return f"""
        INSERT INTO spending_budgetperiod AS p
            (scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven)
        {_rows(amounts)} ORDER BY v.brand_id, v.kind, v.starts_on, v.scope_id
        ON CONFLICT (scope_id, kind, starts_on) DO UPDATE SET
            posted = p.posted + excluded.posted, reserved = p.reserved + excluded.reserved,
            forgiven = {least}(p.forgiven, {greatest}(p.posted + excluded.posted, 0))
    """


def _rows(amounts: str) -> str:
    """The periods of `v` as rows to insert.

    The budget is read here, in a statement that begins after the brand was locked: what was read before may be old.
    It is looked up by key: joined, it makes the planner read all campaigns for a batch of some hundred.
    """
    return f"""
    SELECT v.scope_id, v.brand_id, NULLIF(v.scope_id, v.brand_id), v.kind, v.starts_on,
        CASE WHEN v.scope_id = v.brand_id THEN (
            SELECT CASE v.kind WHEN 'D' THEN b.daily_budget ELSE b.monthly_budget END
            FROM brands_brand b WHERE b.id = v.brand_id
        ) ELSE (
            SELECT CASE v.kind WHEN 'D' THEN c.daily_budget WHEN 'M' THEN c.monthly_budget ELSE c.lifetime_budget END
            FROM campaigns_campaign c WHERE c.id = v.scope_id
        ) END, {amounts}, 0
    FROM v
"""  # noqa: S608 - no input


def open_periods(keys: Iterable[PeriodKey], now: datetime) -> None:
    """Record that these periods of brands have begun. One that is recorded already stays as it is."""
    rows = sorted(keys)
    with connection.cursor() as cursor:
        for some in chunks(rows, 5_000 if is_postgres() else 500):
            values, params = values_sql(some)
            cursor.execute(
                f"""
                WITH v({_KEY_COLUMNS}) AS (VALUES {values}),
                     n(scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven)
                         AS ({_rows("0, 0")})
                INSERT INTO spending_budgetperiod AS p
                    (scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven, turned_at)
                SELECT n.*, %s FROM n WHERE true ORDER BY n.brand_id, n.kind, n.starts_on
                ON CONFLICT (scope_id, kind, starts_on)
                    DO UPDATE SET turned_at = COALESCE(p.turned_at, excluded.turned_at)
                """,  # noqa: S608 - only placeholders
                [*params, param(now)],
            )


# --- Money set aside -------------------------------------------------------------------------------------------------


class Reserve(NamedTuple):
    """Money to set aside. The order of the fields is the order of the columns."""

    id: UUID
    brand_id: UUID
    campaign_id: UUID
    channel: str
    amount: int
    day: date
    created_at: datetime
    created_by: str
    origin: str
    expires_at: datetime


def reserve(entry: Reserve, period_ids: Sequence[int] = ()) -> bool:
    """Set this money aside in the periods of its day, if its id is not known yet. Says if it was.

    `period_ids` are the rows of these periods, where the caller has just read them under the lock. What is reserved
    moves by what was really inserted; rows that are missing are made, as with spends.
    """
    with connection.cursor() as cursor:
        moved = _reserve_at_once(cursor, entry, period_ids) if is_postgres() else _reserve_in_two(cursor, entry)
    if max(moved, default=0) > money.MAX_TOTAL_MICROS:
        raise Refused("The total set aside would be larger than can be kept.", field="amount")
    return bool(moved)


PERIODS = 5


def periods_of(brand_id: UUID, campaign_id: UUID, day: date) -> list[PeriodKey]:
    """The five periods in which money set aside on this day counts, in the order in which they are written."""
    month = month_start(day)
    return [
        PeriodKey(brand_id, kind, starts_on, scope_id)
        for kind, starts_on, scope_id in (
            (_DAY, day, brand_id), (_DAY, day, campaign_id), (_LIFETIME, LIFETIME_STARTS_ON, campaign_id),
            (_MONTH, month, brand_id), (_MONTH, month, campaign_id),
        )
    ]  # fmt: skip


_RESERVE = (
    f"INSERT INTO spending_reservation ({', '.join(Reserve._fields)}, status)"  # noqa: S608 - only placeholders
    f" VALUES ({','.join(['%s'] * len(Reserve._fields))}, 'PENDING') ON CONFLICT (id) DO NOTHING"
)


def _reserve_at_once(cursor: CursorWrapper, entry: Reserve, period_ids: Sequence[int]) -> list[int]:
    """What is set aside then, period by period; nothing for an id that is known."""
    if len(period_ids) == PERIODS:  # several times as cheap as looking them up again and asking if they exist
        sql = f"""
            WITH r AS ({_RESERVE} RETURNING amount)
            UPDATE spending_budgetperiod p SET reserved = p.reserved + r.amount FROM r WHERE p.id = ANY(%s)
            RETURNING p.reserved
        """  # noqa: S608 - only placeholders
        return [row[0] for row in fetch(cursor, sql, [*entry, list(period_ids)])]
    keys = periods_of(entry.brand_id, entry.campaign_id, entry.day)
    values, params = values_sql([key[1:] for key in keys])
    sql = f"""
        WITH r AS ({_RESERVE} RETURNING brand_id, amount), k(kind, starts_on, scope_id) AS (VALUES {values}),
            v({_KEY_COLUMNS}, amount) AS (SELECT r.brand_id, k.kind, k.starts_on, k.scope_id, r.amount FROM r, k)
        {_add("0, v.amount")} RETURNING reserved
    """  # noqa: S608 - only placeholders
    return [row[0] for row in fetch(cursor, sql, [*entry, *params])]


def _reserve_in_two(cursor: CursorWrapper, entry: Reserve) -> list[int]:
    cursor.execute(_RESERVE, list(map(param, entry)))
    if not cursor.rowcount:
        return []
    rows, params = values_sql(
        [(*key, entry.amount) for key in periods_of(entry.brand_id, entry.campaign_id, entry.day)]
    )
    sql = f"WITH v({_KEY_COLUMNS}, amount) AS (VALUES {rows}) {_add('0, v.amount')} RETURNING reserved"
    return [row[0] for row in fetch(cursor, sql, params)]


class UnableToRelease(Exception):
    """Periods are missing in which money is set aside: `check_ledger --rebuild` makes them again."""


def release(reserved: Iterable[tuple[UUID, UUID, int, date]]) -> None:
    """Take these (brand, campaign, micros, day) out of what is reserved, once: when their reservations are resolved.

    No upsert: the row it would insert has a negative amount, which the table refuses before it looks for a conflict.
    """
    sums: dict[PeriodKey, int] = {}
    for brand_id, campaign_id, amount, day in reserved:
        for key in periods_of(brand_id, campaign_id, day):
            sums[key] = sums.get(key, 0) + amount
    with connection.cursor() as cursor:
        for some in chunks(list(sums.items()), 5_000 if is_postgres() else 500):
            rows, params = rows_sql(_KEY_TYPES, [(*key, amount) for key, amount in some])
            sql = f"""
                WITH v({_KEY_COLUMNS}, amount) AS ({rows})
                UPDATE spending_budgetperiod AS p SET reserved = p.reserved - v.amount FROM v
                WHERE p.scope_id = v.scope_id AND p.kind = v.kind AND p.starts_on = v.starts_on RETURNING 1
            """  # noqa: S608 - only placeholders
            if (found := len(fetch(cursor, sql, params))) != len(some):
                raise UnableToRelease(f"{found} of {len(some)} periods were found; check_ledger --rebuild mends them")
