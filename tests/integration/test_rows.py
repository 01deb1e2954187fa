"""Rows read by a statement of our own are what the ORM would have read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from budget_system.db import fetch
from budget_system.rows import Columns
from pacing.models import BreakerState, ChannelBudget
from tests.factories import Story

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 9, 30, 0, 123, tzinfo=UTC)

READ = ("id", "campaign", "daily_budget", "settings", "breaker", "breaker_until", "stopped_at")


def test_every_kind_of_column_comes_as_the_model_has_it() -> None:
    campaign = Story().campaign()
    written = ChannelBudget.objects.create(
        campaign=campaign, channel="search", daily_budget=Decimal("12.34"), settings={"a": [1, None]},
        breaker=BreakerState.OPEN, breaker_until=NOW + timedelta(minutes=15), created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    columns = Columns(ChannelBudget, *READ)
    with connection.cursor() as cursor:
        [row] = fetch(cursor, f"SELECT {columns.sql('b')} FROM pacing_channelbudget b")
    read = columns.read(row)
    assert len(columns) == len(READ)
    for name in READ:
        assert getattr(read, name) == getattr(written, name)
        assert type(getattr(read, name)) is type(getattr(ChannelBudget.objects.get(), name))
    assert read.get_deferred_fields() == {field.attname for field in ChannelBudget._meta.concrete_fields} - {
        "campaign_id" if name == "campaign" else name for name in READ
    }
    assert read.channel == "search"  # loaded when asked for
