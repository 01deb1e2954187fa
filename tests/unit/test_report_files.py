"""Every kind of report file, with all its quirks: what is read from it, and what it says of itself."""

import gzip
import io
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from spending.reports.formats import Format, Report, UnreadableReport, detect, parse
from spending.reports.rows import Metrics, Reject, ReportRow

DATA = Path(__file__).parent.parent / "data"
PACIFIC = "(GMT-08:00) Pacific Time (US & Canada); Tijuana"

Row = tuple[int, str | None, str | None, str, str]


class Expected(NamedTuple):
    """What a file says: rows (line, id, name, day, cost), rejects and totals by line, and facts."""

    format: Format
    rows: list[Row]
    currency: str
    period: tuple[str, str]
    rejects: dict[int, str] = {}
    totals: dict[int, str] = {}
    checksum: bool | None = True
    time_zone: str | None = None
    incomplete: bool | None = None


GOOGLE_ENGLISH = Expected(
    Format.GOOGLE_ADS,
    [
        (4, "00123", "Spring Sale", "2026-09-01", "1020.50"),
        (5, "00123", "Spring Sale", "2026-09-02", "12.34"),
        (6, "456", "Total Wine", "2026-09-02", "0.00"),
        (7, "789", "Brand, EU", "2026-09-03", "7.16"),
    ],
    currency="USD",
    period=("2026-09-01", "2026-09-03"),
    rejects={8: "no cost reported"},
    totals={9: "Total: Account", 10: "Total: Search", 11: "Total: Display", 12: "Total: Campaigns"},
)


def api_dump(*lines: int) -> Expected:
    """The same three rows of the API, which start on these lines."""
    rows = [
        ("123", "Spring Sale", "2026-09-01", "1020.500001"),
        ("123", "Spring Sale", "2026-09-01", "0.499999"),
        ("456", "Total Wine", "2026-09-02", "0"),
    ]
    return Expected(
        Format.GOOGLE_ADS_API,
        [(line, *row) for line, row in zip(lines, rows, strict=True)],
        currency="EUR",
        period=("2026-09-01", "2026-09-02"),
        checksum=None,
        time_zone="Europe/Berlin",
    )


MICROSOFT_HOURS = Expected(
    Format.MICROSOFT_ADS,
    [
        (10, "380000001", "Spring Sale", "2020-03-15", "1.25"),
        (11, "380000001", "Spring Sale", "2020-03-15", "1.25"),
        (12, "380000001", "Spring Sale", "2020-03-16", "3.50"),
    ],
    currency="USD",
    period=("2020-02-01", "2020-02-07"),
    time_zone=PACIFIC,
    incomplete=False,
)

FILES = {
    "google_ads.csv": GOOGLE_ENGLISH,
    "google_ads_excel.csv": GOOGLE_ENGLISH,
    "google_ads_fr.csv": Expected(
        Format.GOOGLE_ADS,
        [
            (4, None, "Soldes d'été", "2026-09-01", "1020.50"),
            (5, None, "Soldes d'été", "2026-09-02", "12.34"),
        ],
        currency="EUR",
        period=("2026-09-01", "2026-09-03"),
        totals={6: "Total : compte", 7: "Total : campagnes"},
    ),
    "google_ads_de.csv": Expected(
        Format.GOOGLE_ADS,
        [
            (4, None, "Herbst", "2026-09-01", "1234.56"),
            (5, None, "Herbst", "2026-09-02", "0.44"),
        ],
        currency="EUR",
        period=("2026-09-01", "2026-09-03"),
        totals={6: "Gesamt: Konto"},
    ),
    "google_ads_api.csv": api_dump(2, 3, 4),
    "google_ads_api.jsonl": api_dump(1, 2, 3),
    "google_ads_api.json": api_dump(2, 25, 45),
    "google_ads_api_batches.json": api_dump(4, 27, 53),
    "meta_ads.csv": Expected(
        Format.META_ADS,
        [
            (2, "120330000000001", "Spring Sale", "2026-08-01", "12.34"),
            (3, "120330000000001", "Spring Sale", "2026-08-01", "7.66"),
            (4, "120330000000002", "Total Wine", "2026-08-02", "80"),
        ],
        currency="USD",
        period=("2026-08-01", "2026-08-31"),
        rejects={5: "no cost reported"},
        totals={6: "account total", 7: "account total", 8: "Total"},
    ),
    "meta_ads_fr.csv": Expected(
        Format.META_ADS,
        [
            (2, None, "Soldes", "2026-08-01", "1234.56"),
            (3, None, "Soldes", "2026-08-02", "0.44"),
        ],
        currency="USD",
        period=("2026-08-01", "2026-08-02"),
        totals={4: "account total"},
    ),
    "microsoft_ads.csv": Expected(
        Format.MICROSOFT_ADS,
        [
            (10, "380000001", "Spring Sale", "2020-02-01", "1020.50"),
            (11, "380000001", "Spring Sale", "2020-02-02", "2"),
            (12, "380000002", "Total Wine", "2020-02-02", "0.30"),
            (13, "380000003", "Microsoft, too", "2020-02-03", "0.07"),
        ],
        currency="USD",
        period=("2020-02-01", "2020-02-07"),
        time_zone=PACIFIC,
        incomplete=True,
    ),
    "microsoft_ads_hours_v1.csv": MICROSOFT_HOURS,
    "microsoft_ads_hours_v2.csv": MICROSOFT_HOURS,
    "microsoft_ads_budgets.csv": Expected(
        Format.MICROSOFT_ADS,
        [(10, "380000001", "Spring Sale", "2020-02-01", "12.50")],
        currency="USD",
        period=("2020-02-01", "2020-02-07"),
        time_zone=PACIFIC,
        incomplete=False,
    ),
    "tiktok_ads.csv": Expected(
        Format.TIKTOK_ADS,
        [
            (2, None, "Spring Sale", "2026-09-01", "10.50"),
            (3, None, "Spring Sale", "2026-09-01", "0.02"),
            (4, None, "Total Wine", "2026-09-02", "4.48"),
        ],
        currency="USD",
        period=("2026-09-01", "2026-09-02"),
        totals={5: "-", 6: "Total", 7: "Total of 3 results"},
    ),
    "plain.csv": Expected(
        Format.PLAIN,
        [
            (2, "00123", "Spring Sale", "2026-09-01", "12.50"),
            (3, "456", "Total Wine", "2026-09-02", "7.50"),
        ],
        currency="USD",
        period=("2026-09-01", "2026-09-02"),
        totals={4: "Total"},
    ),
}
REFUSED = {
    "google_ads_default_view.csv": (
        Format.GOOGLE_ADS,
        r"no column Day, so its figures are sums over “September 1, 2026 - September 3, 2026”: add the column Day",
    ),
    "google_ads_weeks.csv": (Format.GOOGLE_ADS, r"is by weeks over “All time”, not by day: add the column Day"),
    "meta_ads_ranges.csv": (
        Format.META_ADS,
        r"no column Day, so each row is a sum over its range of days \(“2026-08-01 - 2026-08-31”\): choose Breakdown",
    ),
}


def opened(name: str) -> io.BytesIO:
    return io.BytesIO((DATA / name).read_bytes())


def facts(report: Report) -> tuple[object, ...]:
    return (report.format, report.currency, report.first_day, report.last_day, report.time_zone, report.incomplete)


def as_expected(expected: Expected) -> tuple[object, ...]:
    first, last = map(date.fromisoformat, expected.period)
    return (expected.format, expected.currency, first, last, expected.time_zone, expected.incomplete)


def test_every_file_of_the_sample_data_is_expected_to_be_something() -> None:
    assert {path.name for path in DATA.iterdir() if path.is_file()} >= FILES.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_who_spent_what_when(name: str) -> None:
    expected = FILES[name]

    report = parse(opened(name))
    outcomes = list(report)

    rows = [outcome for outcome in outcomes if isinstance(outcome, ReportRow)]
    assert [(row.line, row.campaign_id, row.campaign_name, str(row.day), str(row.cost)) for row in rows] == (
        expected.rows
    )
    assert {row.currency for row in rows} == {expected.currency}
    assert {one.line: one.reason for one in outcomes if isinstance(one, Reject)} == expected.rejects
    assert {total.line: total.label for total in report.tally.totals} == expected.totals
    assert report.given == report.tally.lines == len(outcomes) + len(expected.totals)


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_it_is_about(name: str) -> None:
    report = parse(opened(name))
    list(report)

    assert facts(report) == as_expected(FILES[name])
    assert report.checksum_agrees is FILES[name].checksum


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_for_what_it_is(name: str) -> None:
    assert detect(opened(name)) == FILES[name].format


@pytest.mark.parametrize("name", FILES)
def test_a_file_named_for_what_it_is_reads_the_same(name: str) -> None:
    assert list(parse(opened(name), FILES[name].format)) == list(parse(opened(name)))


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_sums_over_many_days_is_refused_with_its_period_and_the_remedy(name: str) -> None:
    format, message = REFUSED[name]

    assert detect(opened(name)) == format
    with pytest.raises(UnreadableReport, match=message):
        parse(opened(name))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("pack", ["zip", "gzip"])
def test_a_packed_file_reads_like_the_file(name: str, pack: str) -> None:
    content = (DATA / name).read_bytes()
    packed = io.BytesIO(gzip.compress(content) if pack == "gzip" else b"")
    if pack == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("../../etc/report.csv", content)

    report = parse(packed)

    assert detect(packed) == FILES[name].format
    assert list(report) == list(report) == list(parse(io.BytesIO(content)))


METRICS = {
    "google_ads.csv": [
        Metrics(120_431, 2_001, Decimal("99.95"), Decimal("4500.00")),
        Metrics(1_000, 20, Decimal("1.00"), Decimal("0.00")),
        Metrics(0, 0, Decimal("0.00"), Decimal("0.00")),
        Metrics(90, 18, None, None),
    ],
    "google_ads_fr.csv": [Metrics(120_431, 2_001), Metrics(1_000, 20)],
    "google_ads_de.csv": [Metrics(120_431, 2_001), Metrics(100, 2)],
    "google_ads_api.jsonl": [
        Metrics(120_431, 2_001, Decimal("99.95"), Decimal("4500.5")),
        Metrics(7, 0, Decimal(0), Decimal(0)),
        Metrics(0, 0, Decimal(0), Decimal(0)),
    ],
    "meta_ads.csv": [Metrics(1_204, 33, Decimal(4)), Metrics(800, 20), Metrics(4_000)],
    "microsoft_ads.csv": [
        Metrics(120_431, 2_001, Decimal(12), Decimal("1300.00")),
        Metrics(9, 1, Decimal(0), Decimal("0.00")),
        Metrics(1_000, 2, Decimal(0), Decimal("0.00")),
        Metrics(1, 1, Decimal(0), Decimal("0.00")),
    ],
    "tiktok_ads.csv": [Metrics(1_500, 21), Metrics(None, 1), Metrics(640, 9)],
    "plain.csv": [Metrics(1_200), Metrics()],
    "microsoft_ads_budgets.csv": [None],
}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_come_along_where_the_file_has_them(name: str) -> None:
    assert [row.metrics for row in parse(opened(name)) if isinstance(row, ReportRow)] == METRICS[name]


def test_the_microsoft_preamble_is_kept() -> None:
    stated = parse(opened("microsoft_ads.csv")).facts

    assert stated.period_text == "2/1/2020, 2/7/2020"
    assert stated.complete_until == "2/9/2020 8:00:00 AM (GMT)"
    assert stated.rows == 4
