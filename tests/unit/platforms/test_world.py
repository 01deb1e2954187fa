"""The world that the simulators tell of: it must be right, or the tests against it show nothing."""

from datetime import UTC, date, datetime, timedelta

import pytest

from platforms.protocol import Status
from tests.simulators.__main__ import demo
from tests.simulators.world import MORNING, World

MONDAY = date(2026, 5, 4)


@pytest.fixture
def world() -> World:
    world = World()
    world.add_account("META", "1")
    world.add_campaign("1", "7", per_hour=6_000_000)
    return world


def test_a_campaign_spends_only_while_it_is_on(world: World) -> None:
    world.advance(timedelta(minutes=90))
    world.ask("7", Status.PAUSED)
    world.advance(timedelta(hours=5))
    world.ask("7", Status.ENABLED)
    world.advance(timedelta(minutes=30))

    assert world.total("7", MONDAY) == 12_000_000


def test_money_falls_into_the_hours_of_the_account(world: World) -> None:
    world.advance(timedelta(hours=15))  # 08:00 to 23:00 in UTC is 10:00 to 01:00 in Berlin

    rows = world.rows("1", MONDAY, MONDAY + timedelta(days=1), by_hour=True)

    assert [(row.day.day, row.hour) for row in rows] == [(4, hour) for hour in range(10, 24)] + [(5, 0)]
    assert {row.micros for row in rows} == {6_000_000}


def test_nothing_is_lost_where_the_clock_is_changed() -> None:
    world = World(datetime(2026, 10, 24, 21, 0, tzinfo=UTC))
    world.add_account("META", "1")
    world.add_campaign("1", "7", per_hour=1_000_000)

    world.advance(timedelta(hours=27))  # until the end of a day of 25 hours

    assert world.total("7", date(2026, 10, 25)) == 25_000_000


def test_what_is_late_is_told_later_and_was_spent_before(world: World) -> None:
    world.delay = timedelta(hours=3)
    world.advance(timedelta(hours=2))

    assert world.rows("1", MONDAY, MONDAY, by_hour=False) == []
    assert world.total("7", MONDAY) == 12_000_000
    world.ask("7", Status.PAUSED)
    world.advance(timedelta(hours=3))
    assert [row.micros for row in world.rows("1", MONDAY, MONDAY, by_hour=False)] == [12_000_000]


def test_a_change_may_take_time_to_be_seen_and_none_to_act(world: World) -> None:
    world.faults.stale_for = timedelta(hours=1)
    world.ask("7", Status.PAUSED)
    campaign = world.campaigns["7"]

    assert (world.told(campaign), campaign.status) == (Status.ENABLED, Status.PAUSED)
    world.advance(timedelta(hours=1))
    assert world.told(campaign) is Status.PAUSED
    assert world.total("7", MONDAY) == 0


def test_the_demo_has_an_account_on_every_platform() -> None:
    world = demo(MORNING)

    world.advance(timedelta(hours=1))

    assert {account.platform for account in world.accounts.values()} == {"GOOGLE", "META", "TIKTOK", "MICROSOFT"}
    assert all(world.rows(id, MONDAY, MONDAY, by_hour=False) for id in world.accounts)
