"""Asking and reserving on a paced campaign: how long a single one takes, with few past spends and with very many.

One client, one request after another, in turn for a campaign that has hardly spent and for one with a long past, so
that whatever else the machine does falls on both alike. Beside each request the database is asked one trivial question:
what that takes is the machine's, not the system's.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from math import ceil
from uuid import UUID, uuid4

from django.db import connection

from benchmarks.data import NOW
from benchmarks.databases import Database, Databases
from benchmarks.sizes import Sizes
from benchmarks.timing import Result
from enforcement import pacing, services
from enforcement.reservations import Answer, can_spend, reserve

AMOUNT = Decimal("0.01")
CHANNELS = ("search", "display", "video")
WARM = 20
FEW = 1_000
FREE = {"frontload_protection_hours": 0, "max_hourly_spend_pct": "1", "velocity_factor": "1440"}

Ask = Callable[[UUID], Answer]


def pacing_store(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """On a database of its own, because it makes campaigns."""
    database = databases.use(sizes.small // 10)
    few, many = _campaign(1), _campaign(2)
    _spend_in_the_past(database, few, FEW)
    _spend_in_the_past(database, many, sizes.spends)
    database.vacuum("spending_spend", "pacing_hourtotal")
    asks: dict[str, Ask] = {
        "can_spend": lambda campaign: can_spend(campaign, AMOUNT, NOW, channel="search"),
        "reserve": lambda campaign: reserve(
            uuid4(), campaign, AMOUNT, channel="search", actor="benchmark", now=NOW
        ),
    }  # fmt: skip
    for name, ask in asks.items():
        of_few, of_many, trivial = _in_turn(ask, few, many, sizes.reserved // 2)
        told = f"{name} on a paced campaign, {sizes.spends:,} past spends"
        p99 = _at(of_many, 0.99) * 1000
        yield Result("9", f"{told}: p99", _shown(of_many), f"{_shown(trivial)} for SELECT 1", p99, 10, 5, unit="ms")
        ratio = statistics.median(of_many) / statistics.median(of_few)
        yield Result("9", f"{told}, against {FEW:,}", _shown(of_many), _shown(of_few), ratio, 1.1, 1.05)


def _campaign(number: int) -> UUID:
    brand = services.create_brand({"name": f"Paced {number}"}, actor="benchmark", now=NOW)
    campaign = services.create_campaign(brand.pk, {"name": f"Paced {number}"}, rows=[], actor="benchmark", now=NOW)
    for channel in CHANNELS:
        given = {"daily_budget": "1000000", "settings": FREE}
        pacing.set_channel_budget(campaign.pk, channel, given, actor="benchmark", now=NOW)
    return UUID(str(campaign.pk))


def _spend_in_the_past(database: Database, campaign: UUID, spends: int) -> None:
    """So many spends of the days before, and thirteen weeks of hours."""
    with database.bare, database.bare.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_SPENDS, {"spends": spends, "campaign": str(campaign), "now": NOW})
        cursor.execute(_HOURS, {"campaign": str(campaign), "now": NOW, "channels": list(CHANNELS)})


def _in_turn(ask: Ask, few: UUID, many: UUID, times: int) -> tuple[list[float], list[float], list[float]]:
    taken: tuple[list[float], list[float], list[float]] = ([], [], [])
    for number in range(times + WARM):
        gc.collect(0)
        for campaign, kept in zip((few, many), taken[:2], strict=True):
            started = time.perf_counter()
            answer = ask(campaign)
            seconds = time.perf_counter() - started
            if not answer.authorisation.granted:
                raise AssertionError(answer.text)
            if number >= WARM:
                kept.append(seconds)
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if number >= WARM:
            taken[2].append(time.perf_counter() - started)
    return taken


def _at(seconds: list[float], share: float) -> float:
    return sorted(seconds)[ceil(share * len(seconds)) - 1]


def _shown(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms (p99 {_at(seconds, 0.99) * 1000:.1f})"


_SPENDS = """
    INSERT INTO spending_spend (id, brand_id, campaign_id, amount, spend_date, spend_type, description, source, key,
        fingerprint, version, created_at, created_by, origin)
    SELECT gen_random_uuid(), c.brand_id, c.id, 1000000, (%(now)s - (1 + n %% 365) * interval '1 day')::date, 'DAILY',
        '', 'api', NULL, md5(n::text), 1, %(now)s, 'benchmark', ''
    FROM generate_series(1, %(spends)s) n JOIN campaigns_campaign c ON c.id = %(campaign)s
"""

_HOURS = """
    INSERT INTO pacing_hourtotal
        (campaign_id, channel, starts_at, day, spent, impressions, clicks, conversions, revenue)
    SELECT %(campaign)s, channel, at, at::date, 1000000, 900, 30, 1000000, 5000000
    FROM unnest(%(channels)s::text[]) channel,
        generate_series(date_trunc('hour', %(now)s) - interval '91 days', %(now)s - interval '1 day', '1 hour') at
"""
