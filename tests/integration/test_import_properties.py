"""Imports of any files in any order end in the same totals, and a large file is accounted for line by line."""

import io
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands.models import Brand
from campaigns.models import Campaign
from enforcement import books
from enforcement.importing import import_spend
from spending.importing import ImportOptions, ImportReport
from spending.models import BudgetPeriod, PeriodKind, Spend
from tests.factories import ACTOR, Story

pytestmark = pytest.mark.django_db

HEADER = "Day,Brand,Campaign ID,Device,Cost"
CAMPAIGNS = ("11", "12", "13")
DEVICES = ("Mobile", "Desktop")


def load(story: Story, lines: list[str], dry_run: bool = False) -> ImportReport:
    stream = io.BytesIO("\n".join([HEADER, *lines]).encode())
    report = import_spend(stream, ImportOptions(), actor=ACTOR, now=story.now, dry_run=dry_run)
    outcomes = report.accepted + report.unchanged + report.corrected + report.duplicate + report.rejected
    assert outcomes == report.rows == len(lines)
    return report


def totals(brand: Brand) -> list[tuple[object, ...]]:
    """Every total of the brand, by what it is of."""
    periods = BudgetPeriod.objects.filter(brand=brand).exclude(posted=0)
    return sorted(periods.values_list("kind", "starts_on", "campaign__external_id", "posted"), key=str)


def brand_with_campaigns(name: str) -> Story:
    story = Story(name=name, daily_budget=None)
    for external_id in CAMPAIGNS:
        story.campaign(external_id, external_id=external_id)
    return story


days = st.dates(date(2026, 4, 28), date(2026, 5, 5)).map(str)
spends = st.dictionaries(st.tuples(days, st.sampled_from(CAMPAIGNS)), st.lists(st.integers(0, 10**6), max_size=2))


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spends=spends, seed=st.randoms(use_true_random=False), parts=st.integers(1, 4))
def test_files_in_any_order_cut_anywhere_between_days_end_in_the_same_totals(
    spends: dict[tuple[str, str], list[int]], seed: random.Random, parts: int
) -> None:
    once, often = (brand_with_campaigns(f"{word} {Brand.objects.count()}") for word in ("Once", "Often"))

    def lines(story: Story, some: list[tuple[str, str]]) -> list[str]:
        return [
            f"{day},{story.brand},{campaign},{device},{Decimal(cents).scaleb(-2)}"
            for day, campaign in some
            for device, cents in zip(DEVICES, spends[day, campaign], strict=False)
        ]

    load(once, lines(once, list(spends)))
    for _ in range(parts):  # overlapping files, their lines shuffled, some of them twice
        some = [key for key in spends if seed.random() < 0.5]
        repeated = lines(often, some)
        repeated += [line for line in repeated if seed.random() < 0.3]
        seed.shuffle(repeated)
        load(often, repeated)
    last = lines(often, list(spends))
    seed.shuffle(last)
    load(often, last)

    assert totals(often.brand) == totals(once.brand)
    assert books.check(often.now, brand_id=often.brand.pk).differences == 0


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=spends, after=spends)
def test_a_dry_run_counts_what_the_import_then_counts(
    before: dict[tuple[str, str], list[int]], after: dict[tuple[str, str], list[int]]
) -> None:
    story = brand_with_campaigns(f"Rehearsed {Brand.objects.count()}")

    def lines(some: dict[tuple[str, str], list[int]]) -> list[str]:
        return [
            f"{day},{story.brand},{campaign},{device},{Decimal(cents).scaleb(-2)}"
            for (day, campaign), amounts in some.items()
            for device, cents in zip(DEVICES, amounts, strict=False)
        ]

    load(story, lines(before))
    stood = totals(story.brand)
    rehearsed = load(story, lines(after), dry_run=True)
    left = totals(story.brand)
    real = load(story, lines(after))

    assert left == stood
    assert rehearsed.counts() == real.counts()


@pytest.mark.slow
def test_a_hundred_thousand_rows_of_which_one_in_a_hundred_is_bad() -> None:
    """Ten thousand on SQLite, which is for a laptop."""
    story = Story(name="Brand 0", daily_budget=None)
    rows = 100_000 if connection.vendor == "postgresql" else 10_000
    many_campaigns(story, 200)
    first = date(2026, 5, 5) - timedelta(days=rows // 200 - 1)
    lines, expected, bad = [], Decimal(0), 0
    for number in range(rows):
        day, campaign = first + timedelta(days=number // 200), number % 200
        cost: object = Decimal(number % 977).scaleb(-2)
        if number % 100 == 50:
            bad += 1
            cost = ("x", "-1", "", "1,2,3")[bad % 4]
        else:
            expected += Decimal(number % 977).scaleb(-2)
        lines.append(f"{day},Brand {campaign // 10},{1000 + campaign},,{cost}")

    report = load(story, lines)
    again = load(story, lines)

    assert report.counts() == {
        "rows": rows, "accepted": rows - bad, "unchanged": 0, "corrected": 0, "duplicate": 0, "rejected": bad,
        "paused": 0, "activated": 0,
    }  # fmt: skip
    assert (again.unchanged, again.rejected) == (rows - bad, bad)
    assert all(reject.reason and lines[reject.line - 2] == ",".join(reject.raw) for reject in report.rejects)
    assert report.totals == {"EUR": expected}
    assert Spend.objects.count() == rows - bad
    lifetimes = BudgetPeriod.objects.filter(kind=PeriodKind.LIFETIME)
    assert sum(lifetimes.values_list("posted", flat=True)) == expected
    assert books.check(story.now).differences == 0


def many_campaigns(story: Story, count: int) -> None:
    """Campaigns of ten a brand, in one go."""
    brands = [story.brand]
    for number in range(1, count // 10):
        now = story.now
        brands.append(Brand(name=f"Brand {number}", currency="EUR", created_at=now, updated_at=now))
    Brand.objects.bulk_create(brands[1:])
    Campaign.objects.bulk_create(
        [
            Campaign(
                brand=brands[number // 10], name=f"C {number}", external_id=str(1000 + number),
                created_at=story.now, updated_at=story.now, next_check_at=story.now,
            )
            for number in range(count)
        ]
    )  # fmt: skip
