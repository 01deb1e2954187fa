"""The odd cases of each platform: what is a total, what is a day, what is refused and with which advice."""

import io
from decimal import Decimal

import pytest

from spending.reports.columns import Named
from spending.reports.formats import Format, Options, Report, UnreadableReport, detect, parse
from spending.reports.periods import Period, is_period, read_period
from spending.reports.rows import Reject, ReportRow

API = '{"campaign.id": "1", "segments.date": "2026-09-01", "metrics.cost_micros": "5000000"}\n'
MICROSOFT = '"Report Name: x"\n"Report Time: 2/1/2020, 2/7/2020"\n{stated}\n\nTimePeriod,CampaignName,Spend\n{rows}'


def report(content: str, options: Options | None = None) -> Report:
    return parse(io.BytesIO(content.encode()), options=options)


def rows(content: str, options: Options | None = None) -> list[tuple[str | None, str, str]]:
    return [
        (one.campaign_name, str(one.day), str(one.cost))
        for one in report(content, options)
        if isinstance(one, ReportRow)
    ]


def totals(content: str) -> list[str]:
    read = report(content)
    list(read)
    return [total.label for total in read.tally.totals]


def refused(content: str) -> str:
    with pytest.raises(UnreadableReport) as caught:
        report(content)
    return str(caught.value)


# --- Totals and campaigns whose names look like them -----------------------------------------------------------------

GOOGLE = "Campaign report\nAll time\nDay,Campaign,Currency code,Cost\n"
META = "Day,Campaign name,Ad set name,Amount spent (EUR)\n"
TIKTOK = "By Day,Campaign name,Ad group name,Cost\n"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (GOOGLE, "2026-09-01,Total Wine,USD,1.50\n"),
        (GOOGLE, "2026-09-01,Total: Wine,USD,1.50\n"),
        (GOOGLE, "2026-09-01,Total,USD,1.50\n"),
        (META, "2026-09-01,Total Wine,,1.50\n"),
        (META, "2026-09-01,Total,Wide,1.50\n"),
        (TIKTOK, "2026-09-01,Total Wine,Wide,1.50\n"),
        (TIKTOK.replace("Ad group name,", ""), "2026-09-01,Total Wine,1.50\n"),
        (TIKTOK.replace("Ad group name", "Campaign ID"), "2026-09-01,Total,77,1.50\n"),
    ],
)
def test_a_campaign_may_be_named_like_a_total(header: str, row: str) -> None:
    assert [cost for _, _, cost in rows(header + row)] == ["1.50"]


@pytest.mark.parametrize(
    ("header", "row", "label"),
    [
        (GOOGLE, "Total: Account,--,USD,1.50\n", "Total: Account"),
        (GOOGLE, " --,Total : compte,USD,1.50\n", "Total : compte"),
        (GOOGLE, "Gesamt: Konto, --,USD,1.50\n", "Gesamt: Konto"),
        (META, "2026-09-01,,,1.50\n", "account total"),
        (META, ",,,1.50\n", "account total"),
        (META, "2026-09-01,Total,,1.50\n", "Total"),
        (TIKTOK, "2026-09-01,-,-,1.50\n", "-"),
        (TIKTOK, "-,Total of 7 results,-,1.50\n", "Total of 7 results"),
        (TIKTOK, "2026-09-01,Total of 7 results,-,1.50\n", "Total of 7 results"),
    ],
)
def test_a_total_is_no_spend_but_a_checksum(header: str, row: str, label: str) -> None:
    assert rows(header + row) == []
    assert totals(header + row) == [label]


def test_a_row_of_an_ad_set_without_its_campaign_is_no_total() -> None:
    (reject,) = report(META + "2026-09-01,,Wide,1.50\n")

    assert isinstance(reject, Reject)
    assert reject.reason == "no campaign given"


def test_totals_of_days_together_are_a_checksum_and_a_difference_is_told() -> None:
    header = "Day,Campaign name,Amount spent (EUR)\n"
    spent = "2026-09-01,A,1.50\n2026-09-02,A,2.00\n"
    agreeing, differing = (
        report(header + spent + "2026-09-01,,1.50\n2026-09-02,,2.00\n"),
        report(header + spent + ",,3.52\n"),
    )

    list(agreeing), list(differing)

    assert agreeing.checksum_agrees is True
    assert differing.checksum_agrees is False
    assert differing.tally.totals_off_by == Decimal("0.02")


# --- Google Ads ------------------------------------------------------------------------------------------------------


def test_days_and_decimals_of_a_french_report_are_french() -> None:
    header = "Rapport\nToute la période\nJour;Campagne;Code de la devise;Coût\n"

    assert rows(header + "03/04/2026;A;EUR;12,34\n") == [("A", "2026-04-03", "12.34")]


def test_days_of_an_english_report_that_can_be_read_in_two_ways_are_refused() -> None:
    assert "--day-format" in refused(GOOGLE + "03/04/2026,A,USD,1.00\n")


def test_a_report_without_costs_says_which_column_to_add() -> None:
    content = "X\nAll time\nDay,Campaign,Currency code,Impr.\n2026-09-01,A,USD,1\n"

    assert "no column Cost: add it (Modify columns)" in refused(content)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("September 1, 2026 - September 3, 2026", "2026-09-01", "2026-09-03"),
        ("Sep 1, 2026 – Sep 3, 2026", "2026-09-01", "2026-09-03"),
        ("1 septembre 2026 - 3 septembre 2026", "2026-09-01", "2026-09-03"),
        ("1er août 2026 - 3 août 2026", "2026-08-01", "2026-08-03"),
        ("1. März 2026–3. März 2026", "2026-03-01", "2026-03-03"),
        ("01.09.2026 - 03.09.2026", "2026-09-01", "2026-09-03"),
        ("2026-09-01 - 2026-09-03", "2026-09-01", "2026-09-03"),
        ("September 1, 2026", "2026-09-01", "2026-09-01"),
    ],
)
def test_a_period_is_read_in_the_languages_of_reports(text: str, first: str, last: str) -> None:
    period = read_period(text)

    assert isinstance(period, Period)
    assert (str(period.first), str(period.last)) == (first, last)


@pytest.mark.parametrize("text", ["Campaign report", "Spring - Summer", "September 31, 2026", "1 - 2", "-" * 5_000])
def test_what_is_no_period_is_none(text: str) -> None:
    assert not is_period(text)


def test_a_period_that_can_be_read_in_two_ways_is_kept_as_text() -> None:
    assert is_period("01/09/2026 - 03/09/2026")
    assert read_period("01/09/2026 - 03/09/2026") is None


# --- Google Ads API --------------------------------------------------------------------------------------------------


def test_a_micro_is_not_lost() -> None:
    content = "campaign.id,segments.date,metrics.cost_micros\n1,2026-09-01,9007199254740993\n"

    assert rows(content)[0][2] == "9007199254.740993"


@pytest.mark.parametrize("cost", ["1.5", "1e6", "abc", "1,000", "9" * 30])
def test_a_cost_that_is_not_in_whole_micros_is_rejected(cost: str) -> None:
    (reject,) = report(f'campaign.id,segments.date,metrics.cost_micros\n1,2026-09-01,"{cost}"\n')

    assert isinstance(reject, Reject)
    assert reject.reason.startswith("metrics.cost_micros: ")


def test_a_broken_object_costs_only_itself_and_is_shown() -> None:
    first, broken, last = report(API + '{"campaign.id": oops}\n' + API)

    assert isinstance(first, ReportRow)
    assert broken == Reject(2, "this object is not written as JSON wants it", ['{"campaign.id": oops}'])
    assert isinstance(last, ReportRow)
    assert last.line == 3


@pytest.mark.parametrize("content", [f"[{API}", f'[{API}, {{"campaign.id"', API + '{"campaign.id": "1', f"[{API},"])
def test_json_that_is_cut_off_is_refused(content: str) -> None:
    assert "the file is cut off" in refused(content)


def test_endless_broken_objects_are_refused() -> None:
    assert "are broken" in refused(API + "{oops}\n" * 1_001)


def test_json_of_something_else_says_what_is_missing() -> None:
    assert "no metrics.cost_micros: add it to what the query selects" in refused('{"date": "2026-09-01", "cost": 1}')
    with pytest.raises(UnreadableReport, match="this is JSON"):
        parse(io.BytesIO(API.encode()), Format.META_ADS)


@pytest.mark.parametrize("content", ["[]", "{}", "[{}]\n"])
def test_json_without_rows_is_refused(content: str) -> None:
    assert "has no rows" in refused(content)


# --- Microsoft Advertising -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["@", "©", "", "Â©", "@ "])
def test_the_footer_is_no_row(sign: str) -> None:
    read = report(
        MICROSOFT.format(stated='"Rows: 1"', rows=f'2/1/2020,A,1\n\n"{sign}2020 Microsoft Corporation. All"\n')
    )

    assert len(list(read)) == 1
    assert read.given == 1
    assert read.checksum_agrees is True


def test_fewer_rows_than_stated_are_noticed() -> None:
    read = report(MICROSOFT.format(stated='"Rows: 5"', rows="2/1/2020,A,1\n"))
    list(read)

    assert read.checksum_agrees is False


@pytest.mark.parametrize("aggregation", ["Weekly", "Monthly", "Summary", "HourOfDay"])
def test_a_report_that_is_not_by_day_is_refused(aggregation: str) -> None:
    message = refused(MICROSOFT.format(stated=f'"Report Aggregation: {aggregation}"', rows="2/1/2020,A,1\n"))

    assert f"is aggregated “{aggregation}” over “2/1/2020, 2/7/2020”, not by day" in message


def test_a_report_without_timeperiod_says_so() -> None:
    content = MICROSOFT.format(stated='"Rows: 5"', rows="").replace("TimePeriod,", "AccountName,")

    assert "no column TimePeriod, so its figures are sums over “2/1/2020, 2/7/2020”" in refused(content)


@pytest.mark.parametrize("hour", ["24", "-1", "x", "", "7|8"])
def test_an_hour_that_does_not_exist_is_rejected(hour: str) -> None:
    (reject,) = report(MICROSOFT.format(stated="", rows=f"2020-02-01|{hour},A,1\n"), Options(delimiter=","))

    assert isinstance(reject, Reject)
    assert reject.reason.startswith("TimePeriod: ")


def test_a_rejected_hour_says_whose_day_lacks_it() -> None:
    read = report(MICROSOFT.format(stated="", rows="2020-02-01|7,A,oops\n2020-02-01|8,A,1.50\n"))
    reject, _ = read

    assert isinstance(reject, Reject)
    place = read.place(reject)
    assert place is not None
    assert (place.campaign_name, str(place.day)) == ("A", "2020-02-01")


def test_whose_day_a_line_without_a_day_or_a_campaign_was_nobody_knows() -> None:
    read = report("date,campaign,cost\n,A,1\n2026-09-01,,1\n2026-09-01,A\n")

    assert [read.place(one) for one in read if isinstance(one, Reject)] == [None, None, None]


# --- Rejects sent again, options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "row", "format"),
    [
        ("Day,Campaign,Currency code,Cost", "2026-09-01,A,USD,3.00", Format.GOOGLE_ADS),
        ("TimePeriod,CampaignName,CurrencyCode,Spend", "2026-09-01|7,A,USD,3.00", Format.MICROSOFT_ADS),
        ("Day,Campaign name,Amount spent (USD)", "2026-09-01,A,3.00", Format.META_ADS),
        ("By Day,Campaign name,Cost", "2026-09-01,A,3.00", Format.TIKTOK_ADS),
        ("campaign.name,segments.date,metrics.cost_micros", "A,2026-09-01,3000000", Format.GOOGLE_ADS_API),
    ],
)
def test_rejects_mended_and_sent_again_are_of_the_same_format(header: str, row: str, format: Format) -> None:
    content = f"line,reason,{header}\n7,no reason,{row}\n"

    read = report(content)

    assert (read.format, read.of_rejects) == (format, True)
    assert [(name, day, Decimal(cost)) for name, day, cost in rows(content)] == [("A", "2026-09-01", Decimal(3))]


def test_a_column_named_by_hand_wins() -> None:
    content = META.replace("Amount", "Billed,Amount") + "2026-09-01,A,Wide,7,1.50\n"

    assert rows(content, Options(columns=Named(cost="Billed"))) == [("A", "2026-09-01", "7")]


def test_a_masked_or_unclear_metric_never_costs_the_row() -> None:
    content = "date,campaign,cost,impressions,clicks,conversions\n2026-09-01,A,1.50,<5,many,--\n"
    (row,) = report(content)

    assert isinstance(row, ReportRow)
    assert row.metrics == (None, None, None, None)


def test_conversions_with_many_decimals_are_rounded_to_six() -> None:
    (row,) = report(API.replace('"5000000"', '"5000000", "metrics.conversions": 0.33333333333'))

    assert isinstance(row, ReportRow)
    assert row.metrics is not None
    assert row.metrics.conversions == Decimal("0.333333")


def test_detection_leaves_the_file_open() -> None:
    stream = io.BytesIO(API.encode())

    assert detect(stream) == detect(stream) == Format.GOOGLE_ADS_API
    assert not stream.closed
