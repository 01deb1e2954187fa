"""The data that is measured on: made by SQL, the same in every run.

Ten campaigns a brand, in 24 time zones; a brand's campaigns lie in two places of the table, as of two waves of work.
Nine brands in ten have a daily budget, four in five a monthly one; one campaign in five has budgets of its own; six in
ten have opening hours, some over midnight; some are paused by hand or outside their flight.
"""

import contextlib
from datetime import UTC, datetime, time

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from benchmarks import bare
from scheduling.windows import ALWAYS, NEVER, Week, Window, compile_week, week_to_text

NOW = datetime(2026, 3, 17, 14, 20, 30, tzinfo=UTC)
"""The moment of every run: a Tuesday on which no clock changes."""

CAMPAIGNS_A_BRAND = 10
WAVE = 5
ZONES = (
    "UTC", "Europe/London", "Europe/Berlin", "Europe/Paris", "Europe/Madrid", "Europe/Athens", "Europe/Istanbul",
    "Africa/Johannesburg", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Bangkok",
    "Asia/Singapore", "Asia/Tokyo", "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland", "America/Sao_Paulo",
    "America/St_Johns", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
)  # fmt: skip

BRAND_TABLES = ("brands_brand",)
TABLES = ("brands_brand", "campaigns_campaign", "spending_budgetperiod", "spending_spend", "campaigns_statechange")


def weeks() -> list[Week | None]:
    """The schedules in use: around the clock in both ways of saying it, none active, and 180 drawn-up weeks."""
    drawn = [_office_hours(start, end, days) for start in range(6, 12) for end in range(15, 21) for days in (5, 6, 7)]
    drawn += [_nights(start, end) for start in range(18, 24) for end in range(3, 9)]
    drawn += [_split(start, noon) for start in range(6, 12) for noon in range(12, 18)]
    return [None, ALWAYS, NEVER, *sorted(set(drawn))]


def _office_hours(start: int, end: int, days: int) -> Week:
    return compile_week(Window(day, time(start), time(end)) for day in range(days))


def _nights(start: int, end: int) -> Week:
    return compile_week(Window(day, time(start), time(end), ends_next_day=True) for day in range(2, 7))


def _split(start: int, noon: int) -> Week:
    parts = ((time(start), time(noon)), (time(noon + 1), time(noon + 5)))
    return compile_week(Window(day, *part) for day in range(5) for part in parts)


def load(connection: Connection, campaigns: int) -> None:
    """Fill a freshly migrated database, and let bare SQL set every campaign's outputs right."""
    brands = max(campaigns // CAMPAIGNS_A_BRAND, 1)
    with connection, connection.cursor() as cursor:
        for table in TABLES:
            # Its work would fall into one run or another by chance; each run is given a vacuumed table instead.
            cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        cursor.execute(bare.HELPERS)
        _load_weeks(cursor, weeks())
        # What is made here refers to what is made here: no need to look up each reference.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        cursor.execute(_BRANDS, {"brands": brands, "zones": list(ZONES), "now": NOW})
        cursor.execute(_CAMPAIGNS, {"campaigns": campaigns, "wave": WAVE, "brands": brands, "now": NOW})
        cursor.execute(_BRAND_PERIODS, {"now": NOW})
        cursor.execute(_CAMPAIGN_PERIODS, {"now": NOW})
    vacuum(connection)
    with connection, connection.cursor() as cursor:
        cursor.execute(bare.SWEEP, {"now": NOW, "cause": "made", "actor": "benchmark"})
    with connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE campaigns_statechange")
        cursor.execute(bare.SAVE)
    vacuum(connection)


def load_spends(connection: Connection, spends: int, campaigns: int) -> None:
    """A ledger for lists to read: so many spends of the last days, spread over the campaigns. Totals stay as they are,
    so it is for reading only."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_SPENDS, {"spends": spends, "campaigns": campaigns, "now": NOW})
    vacuum(connection, "spending_spend")


def _load_weeks(cursor: Cursor, chosen: list[Week | None]) -> None:
    rows = [
        (number, week_to_text(week), _ranges(week), None if week is None else [edge for part in week for edge in part])
        for number, week in enumerate(chosen)
    ]
    execute_values(cursor, "INSERT INTO bench_week (number, week, ranges, edges) VALUES %s", rows)


def _ranges(week: Week | None) -> str | None:
    return None if week is None else "{" + ",".join(f"[{start},{end})" for start, end in week) + "}"


def vacuum(connection: Connection, *tables: str) -> None:
    """Clear away dead rows of these tables, or of all, and count anew."""
    connection.autocommit = True
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(f"VACUUM ANALYZE {', '.join(tables)}")
    connection.autocommit = False


_BRANDS = """
    INSERT INTO brands_brand (id, name, timezone, currency, daily_budget, monthly_budget, emergency_stopped_at,
        emergency_stop_reason, emergency_stopped_by, day_turned_on, month_turned_on, version, created_at, updated_at)
    SELECT bench_id(1, n), 'Brand ' || n, zone, 'USD',
        CASE WHEN bench_random(n, 1) < 0.9 THEN 500000000 END, CASE WHEN bench_random(n, 2) < 0.8 THEN 9000000000 END,
        CASE WHEN bench_random(n, 3) < 0.002 THEN %(now)s END, '',
        CASE WHEN bench_random(n, 3) < 0.002 THEN 'benchmark' ELSE '' END,
        (%(now)s AT TIME ZONE zone)::date, date_trunc('month', %(now)s AT TIME ZONE zone)::date, 1, %(now)s, %(now)s
    FROM generate_series(1, %(brands)s) n, LATERAL (SELECT (%(zones)s::text[])[1 + n %% 24] AS zone) z
"""

_CAMPAIGNS = """
    INSERT INTO campaigns_campaign (id, brand_id, name, platform, external_id, daily_budget, monthly_budget,
        lifetime_budget, start_date, end_date, manual_paused_at, manual_pause_until, manual_pause_reason,
        manual_paused_by, week, status, holds, pause_reason, paused_at, next_check_at, version, created_at, updated_at,
        emergency_stop_reason, emergency_stopped_by)
    SELECT bench_id(2, n), bench_id(1, 1 + ((n - 1) / %(wave)s) %% %(brands)s), 'Campaign ' || n, 'GOOGLE', 'g-' || n,
        CASE WHEN own < 0.2 THEN 80000000 END, CASE WHEN own < 0.1 THEN 1500000000 END,
        CASE WHEN own > 0.95 THEN 5000000000 END,
        CASE WHEN flight < 0.2 THEN (%(now)s - interval '40 days' + 42 * flight * 5 * interval '1 day')::date END,
        CASE WHEN flight < 0.2 THEN (%(now)s - interval '2 days' + 60 * flight * 5 * interval '1 day')::date END,
        CASE WHEN manual < 0.02 THEN %(now)s - interval '1 day' END,
        CASE WHEN manual < 0.005 THEN %(now)s + interval '1 day' END, '',
        CASE WHEN manual < 0.02 THEN 'benchmark' ELSE '' END,
        w.week, 'ACTIVE', '', '', NULL, %(now)s - interval '1 day', 1, %(now)s, %(now)s, '', ''
    FROM generate_series(1, %(campaigns)s) n
        CROSS JOIN LATERAL (
            SELECT bench_random(n, 4) AS own, bench_random(n, 5) AS flight, bench_random(n, 6) AS manual
        ) r
        JOIN bench_week w ON w.number = bench_week_of(n)
"""

_BRAND_PERIODS = """
    INSERT INTO spending_budgetperiod (scope_id, brand_id, kind, starts_on, budget, posted, reserved, forgiven)
    SELECT b.id, b.id, 'D', (%(now)s AT TIME ZONE b.timezone)::date, b.daily_budget,
        (bench_random(b.id, 7) * 550000000)::bigint, 0, 0
    FROM brands_brand b
    UNION ALL
    SELECT b.id, b.id, 'M', date_trunc('month', %(now)s AT TIME ZONE b.timezone)::date, b.monthly_budget,
        (bench_random(b.id, 8) * 9500000000)::bigint, 0, 0
    FROM brands_brand b
"""

_CAMPAIGN_PERIODS = """
    INSERT INTO spending_budgetperiod (scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved,
        forgiven)
    SELECT c.id, c.brand_id, c.id, p.*, 0, 0
    FROM campaigns_campaign c JOIN brands_brand b ON b.id = c.brand_id, LATERAL (VALUES
        ('D', (%(now)s AT TIME ZONE b.timezone)::date, c.daily_budget, (bench_random(c.id, 9) * 88000000)::bigint),
        ('M', date_trunc('month', %(now)s AT TIME ZONE b.timezone)::date, c.monthly_budget,
            (bench_random(c.id, 10) * 1600000000)::bigint),
        ('L', '1970-01-01'::date, c.lifetime_budget, (bench_random(c.id, 11) * 5200000000)::bigint)
    ) p
    WHERE c.daily_budget IS NOT NULL OR c.lifetime_budget IS NOT NULL OR bench_random(c.id, 12) < 0.2
"""

_SPENDS = """
    INSERT INTO spending_spend (id, brand_id, campaign_id, amount, spend_date, spend_type, description, source, key,
        fingerprint, version, created_at, created_by, origin)
    SELECT bench_id(3, n), c.brand_id, c.id, 1000000 + (bench_random(n, 15) * 9000000)::bigint,
        (%(now)s - ((%(spends)s - n) / %(campaigns)s) * interval '1 day')::date, 'DAILY', '', 'import:google_ads',
        'k-' || n, md5(n::text), 1, %(now)s, 'benchmark', ''
    FROM generate_series(1, %(spends)s) n
        JOIN campaigns_campaign c ON c.id = bench_id(2, 1 + (n::bigint * 7919) %% %(campaigns)s)
"""
