"""What was spent when, as the charts show it."""

from datetime import date
from decimal import Decimal

import pytest

from spending.history import by_day, by_hour, days
from tests.factories import Story

pytestmark = pytest.mark.django_db(transaction=True)


def test_days_are_those_of_the_ledger() -> None:
    story = Story(at="2026-05-05 12:00")
    first, second = story.campaigns(["A", "B"])
    story.spend(first, "10", "2026-05-04")
    story.spend(first, "2.50")
    story.spend(second, "1")

    found = by_day([story.brand.pk, first.pk], date(2026, 5, 4), date(2026, 5, 5))

    assert found[first.pk] == {date(2026, 5, 4): Decimal(10), date(2026, 5, 5): Decimal("2.5")}
    assert found[story.brand.pk][date(2026, 5, 5)] == Decimal("3.5")
    assert len(days(date(2026, 2, 27), date(2026, 3, 1))) == 3


def test_hours_are_the_brands_and_late_spend_counts_in_the_last_one() -> None:
    story = Story(at="2026-05-05 00:10")
    campaign = story.campaign("A")
    story.spend(campaign, "1")
    story.clock("2026-05-05 13:45")
    story.spend(campaign, "2")
    story.spend(campaign, "9", spend_type="MONTHLY")
    story.clock("2026-05-06 09:00")
    story.spend(campaign, "4", "2026-05-05")

    found = by_hour(campaign, date(2026, 5, 5))

    assert {f"{hour.astimezone(story.zone):%d %H:%M}": amount for hour, amount in found.items()} == {
        "05 00:00": Decimal(1), "05 13:00": Decimal(2), "05 23:00": Decimal(4),
    }  # fmt: skip
    assert by_hour(story.brand, date(2026, 5, 5)) == found


def test_both_hours_of_a_repeated_hour_are_shown() -> None:
    story = Story(at="2026-10-25 02:30")
    campaign = story.campaign("A")
    story.spend(campaign, "1")
    story.clock("2026-10-25 02:30", fold=1)
    story.spend(campaign, "2")

    found = by_hour(campaign, date(2026, 10, 25))
    assert [(f"{hour.astimezone(story.zone):%H:%M %Z}", amount) for hour, amount in found.items()] == [
        ("02:00 CEST", Decimal(1)), ("02:00 CET", Decimal(2)),
    ]  # fmt: skip
