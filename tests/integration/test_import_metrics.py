"""Impressions, clicks, conversions and revenue are kept by campaign, day and source; what is not reported is not 0."""

import io
import random
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands.models import Brand
from enforcement import importing
from enforcement.imports import start_import
from spending import metrics
from spending.import_options import ImportOptions
from spending.metrics import MetricsMoved
from spending.models import DayMetrics, ImportState, SpendImport
from spending.reports.rows import Metrics
from tests.factories import ACTOR, Story

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[1] / "data"
HEADER = "Day,Campaign ID,Device,Cost,Impressions,Clicks,Conversions,Conversion value"


def load(story: Story, *lines: str, header: str = HEADER, **options: Any) -> SpendImport:
    stream = io.BytesIO("\n".join([header, *lines]).encode())
    chosen = ImportOptions(brand_id=story.brand.pk, **options)
    record = start_import(stream, "may.csv", chosen, actor=ACTOR, now=story.now)
    assert record.state == ImportState.DONE, record.error
    return record


def kept() -> list[tuple[object, ...]]:
    fields = ("campaign__external_id", "day", "impressions", "clicks", "conversions", "revenue")
    return [
        (campaign, f"{day:%m-%d}", *figures)
        for campaign, day, *figures in DayMetrics.objects.order_by("campaign__external_id", "day").values_list(*fields)
    ]


def test_the_lines_of_a_day_are_added_up_and_not_reported_is_not_zero() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    record = load(
        story,
        "2026-05-04,11,Mobile,1,100,7,0.5,10.25",
        "2026-05-04,11,Desktop,2,50,,1.25,",
        "2026-05-04,11,Desktop,2,50,,1.25,",
        "2026-05-05,11,Mobile,1,0, --,,",
        "2026-05-03,11,Mobile,1,,,,",
    )

    assert record.report["metrics"] == 2
    assert kept() == [
        ("11", "05-04", 150, 7, Decimal("1.75"), Decimal("10.25")),
        ("11", "05-05", 0, None, None, None),
    ]
    assert set(DayMetrics.objects.values_list("source", "spend_import")) == {("import:csv", record.pk)}


def test_the_same_day_again_corrects_and_a_report_without_the_column_takes_nothing_away() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    first = load(story, "2026-05-04,11,,1,100,7,,", "2026-05-05,11,,1,5,5,,")
    second = load(story, "2026-05-04,11,,1,120,7,,", "2026-05-05,11,,1,5,5,,")
    load(story, "2026-05-04,11,2", header="Day,Campaign ID,Cost")

    assert kept() == [("11", "05-04", 120, 7, None, None), ("11", "05-05", 5, 5, None, None)]
    assert second.unchanged == 2
    holders = dict(DayMetrics.objects.values_list("day", "spend_import"))
    assert holders == {date(2026, 5, 4): second.pk, date(2026, 5, 5): first.pk}


def test_two_sources_are_kept_apart() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-04,11,,1,100,,,", source="one")
    load(story, "2026-05-04,11,,1,90,,,", source="two", even_if_typed=True)

    assert sorted(DayMetrics.objects.values_list("source", "impressions")) == [("import:one", 100), ("import:two", 90)]


def test_a_day_in_several_spends_has_one_row_of_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    story.campaign("A", external_id="11")
    monkeypatch.setattr(importing, "BATCH", 1)

    load(
        story,
        "2026-05-04,11,DAILY,,10,100",
        "2026-05-04,11,ADJUSTMENT,Invalid clicks,-1,11",
        "2026-05-04,11,MONTHLY,Fee,5,",
        "2026-05-04,11,YEARLY,,5,1000",
        header="Day,Campaign ID,Spend type,Description,Cost,Impressions",
    )

    assert kept() == [("11", "05-04", 111, None, None, None)]


def test_what_is_rejected_or_left_out_has_no_metrics() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    story.post(a, "5", "2026-05-03")

    load(
        story,
        "2026-05-03,11,,5,100,,,",
        "2026-05-04,11,Mobile,1,100,,,",
        "2026-05-04,11,Desktop,x,100,,,",
        "2026-05-31,11,,1,100,,,",
    )

    assert kept() == []


def test_a_figure_too_large_to_be_kept_is_none_and_costs_no_row() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    record = load(story, f"2026-05-04,11,,1,{'9' * 15},{'9' * 40},1,{'9' * 20}")

    assert record.accepted == 1
    assert kept() == [("11", "05-04", int("9" * 15), None, Decimal(1), None)]


FILES: dict[str, list[tuple[object, ...]]] = {
    "google_ads.csv": [
        ("00123", "09-01", 120_431, 2_001, Decimal("99.95"), Decimal(4500)),
        ("00123", "09-02", 1_000, 20, Decimal(1), Decimal(0)),
        ("456", "09-02", 0, 0, Decimal(0), Decimal(0)),
        ("789", "09-03", 90, 18, None, None),
    ],
    "google_ads_fr.csv": [("", "09-01", 120_431, 2_001, None, None), ("", "09-02", 1_000, 20, None, None)],
    "google_ads_de.csv": [("", "09-01", 120_431, 2_001, None, None), ("", "09-02", 100, 2, None, None)],
    "google_ads_api.csv": [
        ("123", "09-01", 120_438, 2_001, Decimal("99.95"), Decimal("4500.5")),
        ("456", "09-02", 0, 0, Decimal(0), Decimal(0)),
    ],
    "google_ads_api.json": [
        ("123", "09-01", 120_438, 2_001, Decimal("99.95"), Decimal("4500.5")),
        ("456", "09-02", 0, 0, Decimal(0), Decimal(0)),
    ],
    "meta_ads.csv": [
        ("120330000000001", "08-01", 2_004, 53, Decimal(4), None),
        ("120330000000002", "08-02", 4_000, None, None, None),
    ],
    "meta_ads_fr.csv": [("", "08-01", 12_000, None, None, None), ("", "08-02", 10, None, None, None)],
    "microsoft_ads.csv": [
        ("380000001", "02-01", 120_431, 2_001, Decimal(12), Decimal(1300)),
        ("380000001", "02-02", 9, 1, Decimal(0), Decimal(0)),
        ("380000002", "02-02", 1_000, 2, Decimal(0), Decimal(0)),
        ("380000003", "02-03", 1, 1, Decimal(0), Decimal(0)),
    ],
    "microsoft_ads_budgets.csv": [],
    "tiktok_ads.csv": [("", "09-01", 1_500, 22, None, None), ("", "09-02", 640, 9, None, None)],
    "plain.csv": [("00123", "09-01", 1_200, None, None, None)],
}


@pytest.mark.parametrize("name", FILES)
def test_each_platforms_file_brings_its_metrics(name: str) -> None:
    currency = "EUR" if name.startswith(("google_ads_de", "google_ads_fr", "google_ads_api")) else "USD"
    story = Story(at="2026-10-01 12:00", currency=currency, daily_budget=None, monthly_budget=None)
    options = ImportOptions(brand_id=story.brand.pk, create_campaigns=True)

    with (DATA / name).open("rb") as stream:
        record = start_import(stream, name, options, actor=ACTOR, now=story.now)

    assert record.state == ImportState.DONE, record.error
    assert kept() == FILES[name]


days = st.sampled_from(["2026-05-03", "2026-05-04", "2026-05-05"])
figures = st.lists(st.tuples(days, st.none() | st.integers(0, 99), st.none() | st.integers(0, 99)), max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=figures, choose=st.randoms(use_true_random=False))
def test_lines_in_any_order_come_to_the_same_metrics_and_so_does_the_file_again(
    rows: list[tuple[str, int | None, int | None]], choose: random.Random
) -> None:
    story = Story(name=f"Brand {Brand.objects.count()}")
    story.campaign("A", external_id="11")
    lines = [
        f"{day},11,{number},1,{'' if shown is None else shown},{'' if clicks is None else clicks},,"
        for number, (day, shown, clicks) in enumerate(rows)
    ]
    expected: dict[str, list[int | None]] = {}
    for day, *told in rows:
        sums = expected.setdefault(day, [None, None])
        for at, figure in enumerate(told):
            sums[at] = figure if sums[at] is None else sums[at] if figure is None else (sums[at] or 0) + figure
    for _ in range(2):
        choose.shuffle(lines)
        load(story, *lines)

        own = DayMetrics.objects.filter(campaign__brand=story.brand)
        assert {str(one.day): [one.impressions, one.clicks] for one in own} == {
            day: sums for day, sums in expected.items() if sums != [None, None]
        }


# --- What moved ------------------------------------------------------------------------------------------------------

TODAY = date(2026, 5, 5)


def test_what_moved_on_a_watched_day_is_the_difference_to_what_the_source_said_before() -> None:
    story = Story()
    a, b = story.campaigns(["A", "B"])
    watched = {(a.pk, TODAY), (b.pk, TODAY)}

    def said(source: str = "import:csv", **told: Any) -> list[MetricsMoved]:
        figures = {(a.pk, TODAY): Metrics(**told), (a.pk, date(2026, 5, 4)): Metrics(impressions=9)}
        return metrics.keep(figures, source, story.now, watched=watched)

    first = said(impressions=100, clicks=0, conversions=Decimal("1.5"), revenue=Decimal("20.25"))
    again = said(impressions=100, clicks=0, conversions=Decimal("1.5"), revenue=Decimal("20.25"))
    newer = said(impressions=90, clicks=3, revenue=Decimal(20))
    other = said("import:other", impressions=7)

    assert first == [MetricsMoved(a.pk, TODAY, 100, 0, 1_500_000, 20_250_000)]
    assert again == []
    assert newer == [MetricsMoved(a.pk, TODAY, -10, 3, 0, -250_000)]
    assert other == [MetricsMoved(a.pk, TODAY, 7, 0, 0, 0)]


def test_where_no_day_is_watched_nothing_more_is_asked(django_assert_num_queries: Any) -> None:
    story = Story()
    figures = {(story.campaign().pk, TODAY): Metrics(impressions=1)}

    with django_assert_num_queries(1):
        assert metrics.keep(figures, "import:csv", story.now) == []
    with django_assert_num_queries(1):
        assert metrics.keep(figures, "import:csv", story.now, watched={(uuid4(), TODAY)}) == []


def test_an_import_watches_today_by_the_clock_of_each_brand(monkeypatch: pytest.MonkeyPatch) -> None:
    berlin = Story("2026-05-05 23:30")
    tokyo = Story(name="Far", timezone="Asia/Tokyo")
    berlin.campaign("A", external_id="11")
    tokyo.campaign("B", external_id="22")
    keep, moved = metrics.keep, []

    def listening(*args: Any, **more: Any) -> list[MetricsMoved]:
        moved.extend(keep(*args, **more))
        return []

    monkeypatch.setattr(metrics, "keep", listening)
    lines = [f"2026-05-{day:02},{campaign},,1,{day},,," for campaign in ("11", "22") for day in (4, 5, 6)]
    stream = io.BytesIO("\n".join([HEADER, *lines]).encode())
    start_import(stream, "may.csv", ImportOptions(), actor=ACTOR, now=berlin.now)

    assert sorted((one.day.day, one.impressions) for one in moved) == [(5, 5), (6, 6)]
    assert DayMetrics.objects.count() == 6
