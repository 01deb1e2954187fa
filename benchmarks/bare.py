"""The same work in bare SQL: what PostgreSQL itself could do at best, to compare with.

The rules of the decision are written a second time here, to be measured against and for nothing else: no part of the
system imports this.
"""

HELPERS = """
    CREATE FUNCTION bench_random(n bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
        'SELECT (hashint8extended(n, salt) & 1048575) / 1048576.0::float8';
    CREATE FUNCTION bench_random(id uuid, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
        'SELECT (uuid_hash_extended(id, salt) & 1048575) / 1048576.0::float8';
    -- As UUIDs of version 7: in the order in which they were made, and random at the end.
    CREATE FUNCTION bench_id(kind bigint, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
        $$SELECT ('019' || kind || lpad(to_hex(n), 8, '0') || '7000' || '8000' ||
            lpad(to_hex(hashint8extended(n, kind) & 281474976710655), 12, '0'))::uuid$$;
    CREATE TABLE bench_week (number int PRIMARY KEY, week text NOT NULL UNIQUE, ranges int4multirange, edges int[]);
    -- One in five without rows, one in five with seven whole days, one in a hundred with none active, else drawn up.
    CREATE FUNCTION bench_week_of(n bigint) RETURNS int LANGUAGE sql STABLE AS
        $$SELECT CASE WHEN r < 0.2 THEN 0 WHEN r < 0.4 THEN 1 WHEN r < 0.41 THEN 2
            ELSE 3 + (hashint8extended(n, 14) & 1048575)::int % ((SELECT count(*) FROM bench_week)::int - 3) END
          FROM (SELECT bench_random(n, 13) AS r) x$$;
"""

_CLOCK = """
    SELECT local::date AS today, date_trunc('month', local)::date AS month,
        (local::date + 1)::timestamp AT TIME ZONE zone AS midnight,
        (extract(isodow FROM local)::int - 1) * 86400 + extract(epoch FROM local::time)::int AS second
    FROM (SELECT %(now)s AT TIME ZONE zone AS local) l
"""

_OPENING = """
    SELECT ranges IS NULL OR ranges @> second AS open, isempty(ranges) AS never,
        %(now)s + (SELECT min(at) - second FROM unnest(edges) at WHERE at > second) * interval '1 second' AS changes_at
"""

_BRANDS = """
    SELECT b.id, b.timezone AS zone, today, month, midnight, second, b.daily_budget, bd.used AS day_used,
        b.emergency_stopped_at IS NOT NULL AS stopped,
        coalesce(coalesce(bd.used, 0) >= b.daily_budget, false) AS day_reached,
        coalesce(coalesce(bm.used, 0) >= b.monthly_budget, false) AS month_reached
    FROM {brands}
    LEFT JOIN spending_budgetperiod bd ON bd.scope_id = b.id AND bd.kind = 'D' AND bd.starts_on = clock.today
        AND bd.campaign_id IS NULL
    LEFT JOIN spending_budgetperiod bm ON bm.scope_id = b.id AND bm.kind = 'M' AND bm.starts_on = clock.month
        AND bm.campaign_id IS NULL
"""

_VERDICTS = """
    SELECT c.id, c.brand_id, c.holds AS was, c.next_check_at AS was_next, b.daily_budget, b.day_used,
        concat_ws(',',
            CASE WHEN b.stopped OR c.emergency_stopped_at IS NOT NULL THEN 'EMERGENCY_STOP' END,
            CASE WHEN c.manual_paused_at IS NOT NULL
                AND (c.manual_pause_until IS NULL OR %(now)s < c.manual_pause_until) THEN 'MANUAL' END,
            CASE WHEN b.today > c.end_date THEN 'ENDED' END,
            CASE WHEN b.today < c.start_date THEN 'NOT_STARTED' END,
            CASE WHEN coalesce(cl.used, 0) >= c.lifetime_budget THEN 'LIFETIME_BUDGET_EXCEEDED' END,
            CASE WHEN b.month_reached OR coalesce(cm.used, 0) >= c.monthly_budget THEN 'MONTHLY_BUDGET_EXCEEDED' END,
            CASE WHEN b.day_reached OR coalesce(cd.used, 0) >= c.daily_budget THEN 'DAILY_BUDGET_EXCEEDED' END,
            CASE WHEN opening.never THEN 'NO_SCHEDULE' WHEN NOT opening.open THEN 'OUTSIDE_SCHEDULE' END
        ) AS holds,
        LEAST(b.midnight, opening.changes_at,
            CASE WHEN c.manual_pause_until > %(now)s THEN c.manual_pause_until END) AS next
    FROM campaigns_campaign c JOIN brand b ON b.id = c.brand_id {opening}
    LEFT JOIN spending_budgetperiod cd ON c.daily_budget IS NOT NULL
        AND cd.scope_id = c.id AND cd.kind = 'D' AND cd.starts_on = b.today AND cd.campaign_id IS NOT NULL
    LEFT JOIN spending_budgetperiod cm ON c.monthly_budget IS NOT NULL
        AND cm.scope_id = c.id AND cm.kind = 'M' AND cm.starts_on = b.month AND cm.campaign_id IS NOT NULL
    LEFT JOIN spending_budgetperiod cl ON c.lifetime_budget IS NOT NULL
        AND cl.scope_id = c.id AND cl.kind = 'L' AND cl.starts_on = '1970-01-01'
    WHERE c.archived_at IS NULL
"""

_APPLY = """
    wrong AS MATERIALIZED (SELECT * FROM verdict WHERE holds <> was OR next <> was_next),
    changed AS (
        UPDATE campaigns_campaign c SET holds = v.holds, next_check_at = v.next,
            status = CASE v.holds WHEN '' THEN 'ACTIVE' ELSE 'PAUSED' END, pause_reason = split_part(v.holds, ',', 1),
            paused_at = CASE WHEN v.was = '' AND v.holds <> '' THEN %(now)s ELSE c.paused_at END,
            updated_at = CASE WHEN v.was <> v.holds THEN %(now)s ELSE c.updated_at END
        FROM wrong v WHERE c.id = v.id
        RETURNING v.*
    )
    INSERT INTO campaigns_statechange (id, campaign_id, brand_id, at, from_status, to_status, from_holds, to_holds,
        figures, cause, actor)
    SELECT gen_random_uuid(), id, brand_id, %(now)s, CASE was WHEN '' THEN 'ACTIVE' ELSE 'PAUSED' END,
        CASE holds WHEN '' THEN 'ACTIVE' ELSE 'PAUSED' END, was, holds,
        jsonb_build_array(jsonb_build_object('hold', holds, 'budget', daily_budget, 'used', day_used)),
        %(cause)s, %(actor)s
    FROM changed WHERE was <> holds
"""

# What an expert would set for such statements: sort in memory, and join big sets as written, by hashing.
_SETTINGS = """
    SET LOCAL work_mem = '64MB'; SET LOCAL join_collapse_limit = 1;
    SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off;
"""

# The clock is worked out a zone, the schedule a zone and week, the brand's budgets a brand: never a campaign.
SWEEP = f"""
    {_SETTINGS}
    WITH clock AS MATERIALIZED (
        SELECT zone, c.* FROM (SELECT DISTINCT timezone AS zone FROM brands_brand) z, LATERAL ({_CLOCK}) c
    ),
    opening AS MATERIALIZED (SELECT zone, week, o.* FROM clock, bench_week, LATERAL ({_OPENING}) o),
    brand AS MATERIALIZED ({_BRANDS.format(brands="brands_brand b JOIN clock ON clock.zone = b.timezone")}),
    verdict AS ({_VERDICTS.format(opening="JOIN opening ON opening.zone = b.zone AND opening.week = c.week")}),
    {_APPLY}
"""

# Few are due, so everything is worked out for each of them.
_DUE = "archived_at IS NULL AND next_check_at <= %(now)s"
_DUE_BRANDS = f"""
    (SELECT DISTINCT brand_id FROM campaigns_campaign WHERE {_DUE}) d JOIN brands_brand b ON b.id = d.brand_id
    CROSS JOIN LATERAL (SELECT b.timezone AS zone) z CROSS JOIN LATERAL ({_CLOCK}) clock
"""
_OPENING_OF_EACH = f"JOIN bench_week w ON w.week = c.week CROSS JOIN LATERAL ({_OPENING}) opening"
TICK = f"""
    WITH brand AS MATERIALIZED ({_BRANDS.format(brands=_DUE_BRANDS)}),
    verdict AS ({_VERDICTS.format(opening=_OPENING_OF_EACH)} AND c.{_DUE.replace("AND ", "AND c.")}),
    {_APPLY}
"""

SAVE = """
    CREATE TABLE bench_campaign AS SELECT id, status, holds, pause_reason, paused_at, next_check_at
        FROM campaigns_campaign;
    CREATE TABLE bench_period AS SELECT * FROM spending_budgetperiod;
"""

# The stored outputs of some campaigns, spread over all, become wrong: what ran is paused and what was paused runs.
SPOIL = """
    UPDATE campaigns_campaign c SET
        status = CASE c.holds WHEN '' THEN 'PAUSED' ELSE 'ACTIVE' END,
        holds = CASE c.holds WHEN '' THEN 'OUTSIDE_SCHEDULE' ELSE '' END,
        pause_reason = CASE c.holds WHEN '' THEN 'OUTSIDE_SCHEDULE' ELSE '' END,
        paused_at = %(now)s - interval '1 hour',
        next_check_at = CASE WHEN %(due)s THEN %(now)s - interval '1 second' ELSE next_check_at END
    WHERE id = ANY(%(ids)s::uuid[])
"""

POST = """
    WITH given(id, brand_id, campaign_id, amount, spend_date, spend_type, description, source, key, fingerprint,
        created_at, created_by, origin) AS (VALUES {values}),
    posted AS (
        INSERT INTO spending_spend (id, brand_id, campaign_id, amount, spend_date, spend_type, description, source, key,
            fingerprint, created_at, created_by, origin, version)
        SELECT given.*, 1 FROM given ON CONFLICT (brand_id, source, key) DO NOTHING
        RETURNING brand_id, campaign_id, amount, spend_date
    ), moved AS (
        SELECT p.scope_id, p.brand_id, p.campaign_id, p.kind, p.starts_on, sum(amount) AS amount
        FROM posted s, LATERAL (VALUES
            (s.campaign_id, s.brand_id, s.campaign_id, 'L', '1970-01-01'::date),
            (s.brand_id, s.brand_id, NULL, 'M', date_trunc('month', s.spend_date)::date),
            (s.campaign_id, s.brand_id, s.campaign_id, 'M', date_trunc('month', s.spend_date)::date),
            (s.brand_id, s.brand_id, NULL, 'D', s.spend_date),
            (s.campaign_id, s.brand_id, s.campaign_id, 'D', s.spend_date)
        ) p(scope_id, brand_id, campaign_id, kind, starts_on)
        GROUP BY 1, 2, 3, 4, 5
    )
    INSERT INTO spending_budgetperiod AS b
        (scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven)
    SELECT m.scope_id, m.brand_id, m.campaign_id, m.kind, m.starts_on,
        CASE m.kind WHEN 'D' THEN coalesce(c.daily_budget, o.daily_budget)
            WHEN 'M' THEN coalesce(c.monthly_budget, o.monthly_budget) ELSE c.lifetime_budget END, m.amount, 0, 0
    FROM moved m JOIN brands_brand o ON o.id = m.brand_id LEFT JOIN campaigns_campaign c ON c.id = m.campaign_id
    ORDER BY m.brand_id, m.kind, m.starts_on, m.scope_id
    ON CONFLICT (scope_id, kind, starts_on) DO UPDATE SET posted = b.posted + excluded.posted
"""

# Guarded by what is kept beside each total. In one order: the brand's day, its month, the campaign's own.
RESERVE = """
    WITH day AS (
        UPDATE spending_budgetperiod SET reserved = reserved + %(amount)s
        WHERE scope_id = %(brand)s::uuid AND kind = 'D' AND starts_on = %(day)s::date
            AND (budget IS NULL OR used + reserved + %(amount)s <= budget)
        RETURNING 1
    ), month AS (
        UPDATE spending_budgetperiod SET reserved = reserved + %(amount)s
        WHERE scope_id = %(brand)s::uuid AND kind = 'M' AND starts_on = %(month)s::date
            AND (budget IS NULL OR used + reserved + %(amount)s <= budget) AND (SELECT count(*) FROM day) = 1
        RETURNING 1
    ), own AS (
        UPDATE spending_budgetperiod SET reserved = reserved + %(amount)s
        WHERE scope_id = %(campaign)s::uuid AND (kind, starts_on) IN
                (('D', %(day)s::date), ('M', %(month)s::date), ('L', '1970-01-01'))
            AND (budget IS NULL OR used + reserved + %(amount)s <= budget) AND (SELECT count(*) FROM month) = 1
        RETURNING 1
    )
    INSERT INTO spending_reservation (id, brand_id, campaign_id, channel, amount, day, status, created_at, created_by,
        origin, expires_at)
    SELECT %(id)s, %(brand)s, %(campaign)s, '', %(amount)s, %(day)s, 'PENDING', %(now)s, 'benchmark', '',
        %(now)s + interval '10 minutes'
    WHERE (SELECT count(*) FROM own) = 3
"""

_RUNNING = """
    FROM campaigns_campaign c JOIN brands_brand b ON b.id = c.brand_id
    WHERE c.holds = '' AND c.next_check_at > %(now)s
"""
_DAY = "(%(now)s AT TIME ZONE b.timezone)::date"
RUNNING_SPREAD = f"""
    SELECT id::text, brand_id::text, day::text
    FROM (SELECT DISTINCT ON (b.id) c.id, c.brand_id, {_DAY} AS day {_RUNNING} ORDER BY b.id, c.id) one
    ORDER BY bench_random(id, 24) LIMIT %(wanted)s
"""
RUNNING_OF_ONE = f"""
    SELECT c.id::text, b.id::text, {_DAY}::text {_RUNNING} AND b.id = (
        SELECT b.id {_RUNNING} AND b.daily_budget IS NOT NULL AND b.monthly_budget IS NOT NULL
        GROUP BY b.id ORDER BY count(*) DESC, b.id LIMIT 1
    )
"""

# The periods of these campaigns that are missing.
OPEN_PERIODS = f"""
    INSERT INTO spending_budgetperiod (scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved,
        forgiven)
    SELECT c.id, c.brand_id, c.id, p.*, 0, 0, 0
    FROM campaigns_campaign c JOIN brands_brand b ON b.id = c.brand_id, LATERAL (VALUES
        ('D', {_DAY}, c.daily_budget), ('M', date_trunc('month', {_DAY})::date, c.monthly_budget),
        ('L', '1970-01-01'::date, c.lifetime_budget)
    ) p
    WHERE c.id = ANY(%(ids)s::uuid[]) ON CONFLICT DO NOTHING
"""

# No spend; totals and outputs as they were saved.
RESTORE = """
    SET LOCAL session_replication_role = replica;
    TRUNCATE spending_spend CASCADE;
    TRUNCATE campaigns_statechange;
    TRUNCATE spending_budgetperiod CASCADE;
    INSERT INTO spending_budgetperiod (id, scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved,
            forgiven, turned_at)
        SELECT id, scope_id, brand_id, campaign_id, kind, starts_on, budget, posted, reserved, forgiven, turned_at
        FROM bench_period;
    UPDATE campaigns_campaign c SET status = s.status, holds = s.holds, pause_reason = s.pause_reason,
            paused_at = s.paused_at, next_check_at = s.next_check_at
        FROM bench_campaign s WHERE s.id = c.id AND (s.holds, s.next_check_at) <> (c.holds, c.next_check_at);
"""
