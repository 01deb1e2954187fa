"""Importing a report: every line is accounted for, the same again changes nothing, and a newer one corrects."""

import io
import zipfile
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import importing, services
from enforcement.importing import import_spend
from spending.importing import ImportOptions, ImportReport, UnreadableFile
from spending.models import PeriodKind, Spend, SpendRevision
from spending.reports import plain_csv
from spending.reports.columns import Named
from tests.factories import ACTOR, Story

pytestmark = pytest.mark.django_db

HEADER = "Day,Campaign ID,Campaign,Cost"
TODAY = date(2026, 5, 5)


def load(story: Story, *lines: str, header: str = HEADER, dry_run: bool = False, **options: Any) -> ImportReport:
    """Import these lines for the story's brand, unless told otherwise; every line must be accounted for."""
    options.setdefault("brand_id", story.brand.pk)
    stream = io.BytesIO("\n".join([header, *lines]).encode())
    report = import_spend(stream, ImportOptions(**options), actor=ACTOR, now=story.now, dry_run=dry_run)
    outcomes = report.accepted + report.unchanged + report.corrected + report.duplicate + report.rejected
    assert outcomes == report.rows
    return report


def outcome(report: ImportReport) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: count for name, count in report.counts().items() if count}


def reasons(report: ImportReport) -> dict[int, str]:
    return {reject.line: reject.reason for reject in report.rejects}


def month(story: Story) -> Decimal:
    return story.total(story.brand, PeriodKind.MONTH, "2026-05-01")


def day(story: Story, starts_on: str = "2026-05-05") -> Decimal:
    return story.total(story.brand, PeriodKind.DAY, starts_on)


# --- Again and again -------------------------------------------------------------------------------------------------


def test_rows_are_counted_on_their_day_and_in_their_month() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    report = load(story, "2026-05-04,11,A,40.10", "2026-05-05,11,A,20", "2026-04-30,11,A,7")

    assert outcome(report) == {"rows": 3, "accepted": 3}
    assert [day(story, "2026-05-04"), day(story), month(story)] == [Decimal("40.10"), 20, Decimal("60.10")]
    assert story.total(story.brand, PeriodKind.MONTH, "2026-04-01") == 7
    assert (report.first_day, report.last_day) == (date(2026, 4, 30), TODAY)
    assert report.totals == {"EUR": Decimal("67.10")}


def test_the_same_file_again_changes_nothing() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    lines = ["2026-05-04,11,A,40.10", "2026-05-05,11,A,20"]
    load(story, *lines)

    again = load(story, *lines)

    assert outcome(again) == {"rows": 2, "unchanged": 2}
    assert (month(story), Spend.objects.count(), SpendRevision.objects.count()) == (Decimal("60.10"), 2, 0)


@pytest.mark.fault(38)
def test_a_newer_file_corrects_and_keeps_the_former_value() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-04,11,A,40", "2026-05-05,11,A,20")

    report = load(story, "2026-05-04,11,A,40", "2026-05-05,11,A,19.50")

    assert outcome(report) == {"rows": 2, "unchanged": 1, "corrected": 1}
    assert day(story) == Decimal("19.50")
    assert SpendRevision.objects.get().amount == 20


def test_a_renamed_campaign_is_the_same_campaign() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-05,11,A,20")

    report = load(story, "2026-05-05,11,A (new name),20")

    assert outcome(report) == {"rows": 1, "unchanged": 1}


def test_a_row_matched_by_name_and_later_by_id_is_counted_once() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-05,A,20", header="Day,Campaign,Cost")

    report = load(story, "2026-05-05,11,A,20")

    assert outcome(report) == {"rows": 1, "unchanged": 1}


def test_rows_of_one_campaign_and_day_are_added_up() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    lines = ["2026-05-05,11,A,Mobile,10", "2026-05-05,11,A,Desktop,10", "2026-05-05,11,A,Tablet,0"]

    report = load(story, *lines, header="Day,Campaign ID,Campaign,Device,Cost")

    assert outcome(report) == {"rows": 3, "accepted": 3}
    assert Spend.objects.get().amount == 20


def test_a_line_that_is_there_twice_counts_once() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    report = load(story, "2026-05-05,11,A,10", "2026-05-05,11,A,10", "2026-05-05,11,A,5")

    assert outcome(report) == {"rows": 3, "accepted": 2, "duplicate": 1}
    assert report.duplicates == [(3, "the same as line 2")]
    assert day(story) == 15


def test_a_day_without_cost_is_accepted_and_can_be_corrected_to_none() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-04,11,A,0.00", "2026-05-05,11,A,20")

    report = load(story, "2026-05-04,11,A,0", "2026-05-05,11,A,0")

    assert outcome(report) == {"rows": 2, "unchanged": 1, "corrected": 1}
    assert day(story) == 0


def test_total_lines_are_a_checksum_and_no_spend() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    report = load(story, "2026-05-05,11,A,10", "Total,,,10")

    assert outcome(report) == {"rows": 1, "accepted": 1}
    assert (report.total_lines, report.totals_agree) == (1, True)


def test_a_spend_voided_by_hand_stays_voided() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-05,11,A,20")
    services.void_spend(Spend.objects.get().pk, reason="Billed twice", actor=ACTOR, now=story.now)

    report = load(story, "2026-05-05,11,A,21")

    assert "voided by hand" in reasons(report)[2]
    assert day(story) == 0


# --- What is refused -------------------------------------------------------------------------------------------------


def test_every_rejected_line_has_its_number_its_reason_and_its_cells() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    report = load(
        story,
        "2026-05-05,11,A,ten",
        "2026-05-31,11,A,1",
        "2026-05-04,12,B,1",
        "yesterday,11,A,1",
        "2026-05-03,11,A,1,9",
    )

    assert outcome(report) == {"rows": 5, "rejected": 5}
    assert [reject.line for reject in report.rejects] == [2, 3, 4, 5, 6]
    said = reasons(report)
    assert "not an amount" in said[2]
    assert "in the future" in said[3]
    assert said[4] == (
        "“Acme” has no campaign with the id “12” or the name “B”: create it, or import with --create-campaigns"
    )
    assert "not a day" in said[5]
    assert "5 cells" in said[6]
    assert list(report.rejects[1].raw) == ["2026-05-31", "11", "A", "1"]
    assert month(story) == 0


def test_another_currency_than_the_brands_is_refused_and_totals_stay() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    header = HEADER + ",Currency"

    report = load(story, "2026-05-05,11,A,10,USD", "2026-05-04,11,A,10,EUR", header=header)

    assert outcome(report) == {"rows": 2, "accepted": 1, "rejected": 1}
    assert "The amount is in USD, the brand's currency is EUR" in reasons(report)[2]
    assert month(story) == 10


def test_a_currency_said_by_hand_is_that_of_rows_without_one() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    report = load(story, "2026-05-05,11,A,10", currency="USD")

    assert "The amount is in USD" in reasons(report)[2]


def test_a_negative_cost_is_an_adjustment_or_refused() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    header = "Day,Campaign ID,Spend type,Description,Cost"

    report = load(
        story,
        "2026-05-05,11,DAILY,,30",
        "2026-05-05,11,Adjustment,Invalid clicks,-10",
        "2026-05-04,11,ADJUSTMENT,,-1",
        "2026-05-03,11,,,-1",
        "2026-05-02,11,YEARLY,,1",
        header=header,
    )

    assert outcome(report) == {"rows": 5, "accepted": 2, "rejected": 3}
    assert "reason for the adjustment is needed" in reasons(report)[4]
    assert "ADJUSTMENT" in reasons(report)[5]
    assert "“YEARLY” is not one of" in reasons(report)[6]
    assert day(story) == 20


def test_a_monthly_fee_counts_in_its_month_only() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    load(story, "2026-05-05,11,Monthly,500", header="Day,Campaign ID,Spend type,Cost")

    assert [day(story), month(story)] == [0, 500]


def test_a_day_of_which_one_line_is_refused_is_not_taken_in_part() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    header = "Day,Campaign ID,Device,Cost"

    report = load(story, "2026-05-05,11,Mobile,10", "2026-05-05,11,Desktop,?", "2026-05-04,11,Mobile,3", header=header)

    assert outcome(report) == {"rows": 3, "accepted": 1, "rejected": 2}
    assert "line 3 is of the same campaign and day" in reasons(report)[2]


def test_a_file_of_rejects_is_mended_and_sent_again() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    rejects = io.StringIO()
    bad = "\n".join([HEADER, "2026-05-05,11,=A,10x", "2026-05-04,11,A,3"])
    import_spend(
        io.BytesIO(bad.encode()), ImportOptions(brand_id=story.brand.pk), actor=ACTOR, now=story.now, rejects=rejects
    )

    mended = io.BytesIO(rejects.getvalue().replace("10x", "10").encode())
    report = import_spend(mended, ImportOptions(brand_id=story.brand.pk), actor=ACTOR, now=story.now)

    assert outcome(report) == {"rows": 1, "accepted": 1}
    assert month(story) == 13


def test_a_file_of_rejects_never_replaces_a_day_by_a_part_of_it() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-05,11,A,10")

    report = load(story, '3,"has 5 cells",2026-05-05,11,A,4', header="line,reason," + HEADER)

    assert outcome(report) == {"rows": 1, "rejected": 1}
    assert "send the whole report" in reasons(report)[2]
    assert day(story) == 10


def test_a_file_that_is_none_is_refused_as_a_whole() -> None:
    story = Story()

    with pytest.raises(UnreadableFile, match="the file is empty"):
        import_spend(io.BytesIO(b""), ImportOptions(), actor=ACTOR, now=story.now)
    workbook = io.BytesIO()
    with zipfile.ZipFile(workbook, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(UnreadableFile, match="Excel workbook"):
        import_spend(workbook, ImportOptions(), actor=ACTOR, now=story.now)


def test_options_that_make_no_sense_are_refused() -> None:
    story = Story()

    for field, options in (
        ("source", ImportOptions(source="My Source!")),
        ("platform", ImportOptions(platform="MYSPACE")),
        ("currency", ImportOptions(currency="XXZ")),
        ("timezone", ImportOptions(timezone="Mars/Olympus")),
    ):
        with pytest.raises(Refused) as refused:
            import_spend(io.BytesIO(HEADER.encode()), options, actor=ACTOR, now=story.now)
        assert refused.value.field == field


def test_a_row_that_spoils_its_batch_is_found_and_the_others_go_in() -> None:
    story = Story(daily_budget=None, monthly_budget=None)
    story.campaign("A", external_id="11")
    largest = "999999999999"
    lines = [f"2026-05-0{number},11,A,{largest}" for number in range(1, 6)]

    report = load(story, *lines, "2026-04-30,11,A,1")

    assert outcome(report) == {"rows": 6, "accepted": 5, "rejected": 1}
    (reason,) = reasons(report).values()
    assert "larger than can be kept" in reason


# --- Whose row it is -------------------------------------------------------------------------------------------------


def test_a_campaign_is_found_by_its_id_before_its_name() -> None:
    story = Story()
    story.campaign("B", external_id="11")
    story.campaign("A", external_id="22")
    nameless = story.campaign("C")

    report = load(story, "2026-05-05,11,A,10", "2026-05-05,33,A,1", "2026-05-05,44,C,5")

    assert outcome(report) == {"rows": 3, "accepted": 2, "rejected": 1}
    assert 3 in reasons(report), "33 is another campaign than 22, whatever its name"
    assert story.total(nameless, PeriodKind.DAY, "2026-05-05") == 5
    assert day(story) == 15


def test_a_name_that_two_campaigns_have_is_refused() -> None:
    story = Story()
    story.campaigns(["A", "A"])

    report = load(story, "2026-05-05,A,10", header="Day,Campaign,Cost")

    assert reasons(report)[2] == "2 campaigns have the name “A”: say which with --brand or --platform"


def test_the_platform_tells_campaigns_with_one_id_apart() -> None:
    story = Story()
    google = story.campaign("A", external_id="11", platform="GOOGLE")
    story.campaign("A", external_id="11", platform="META")

    ambiguous = load(story, "2026-05-05,11,A,10")
    told = load(story, "2026-05-05,11,A,10", platform="GOOGLE")

    assert (ambiguous.rejected, told.accepted) == (1, 1)
    assert story.total(google, PeriodKind.DAY, "2026-05-05") == 10


def test_the_account_column_names_the_brand() -> None:
    story, other = Story(), Story(name="Bravo")
    story.campaign("A", external_id="11")
    other.campaign("A", external_id="11")
    header = "Day,Client,Campaign ID,Cost"
    lines = ["2026-05-05,Acme,11,1", "2026-05-05,Bravo,11,2", "2026-05-05,Charlie,11,4", "2026-05-05,,11,8"]

    report = load(story, *lines, header=header, brand_id=None)

    assert outcome(report) == {"rows": 4, "accepted": 2, "rejected": 2}
    assert [day(story), day(other)] == [1, 2]
    assert "there is no brand “Charlie”" in reasons(report)[4]
    assert reasons(report)[5] == "no brand given"


def test_without_a_brand_a_campaign_id_must_be_unique() -> None:
    story, other = Story(), Story(name="Bravo")
    story.campaign("A", external_id="11")
    story.campaign("B", external_id="12")
    other.campaign("A", external_id="11")

    report = load(story, "2026-05-05,11,A,1", "2026-05-05,12,B,2", "2026-05-05,13,X,4", brand_id=None)

    assert outcome(report) == {"rows": 3, "accepted": 1, "rejected": 2}
    assert "2 campaigns have the id “11”" in reasons(report)[2]
    assert day(story) == 2


def test_late_spend_of_an_archived_campaign_still_counts() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    services.archive_campaign(a.pk, actor=ACTOR, now=story.now)

    report = load(story, "2026-05-04,11,A,10")

    assert outcome(report) == {"rows": 1, "accepted": 1}


def test_unknown_campaigns_are_created_when_asked_for() -> None:
    story = Story()

    report = load(
        story, "2026-05-05,11,A,10", "2026-05-04,11,A,10", "2026-05-05,12,B,1", create_campaigns=True, platform="META"
    )

    assert outcome(report) == {"rows": 3, "accepted": 3}
    assert report.created_campaigns == ["A", "B"]
    made = Campaign.objects.get(external_id="11")
    assert (made.name, made.platform, made.schedules.count()) == ("A", "META", 7)
    assert outcome(load(story, "2026-05-05,11,A,10", create_campaigns=True)) == {"rows": 1, "unchanged": 1}


def test_unknown_brands_are_created_when_asked_for() -> None:
    story = Story()

    report = load(
        story, "2026-05-05,Bravo,11,1000",
        header="Day,Client,Campaign ID,Cost", brand_id=None, create_brands=True, create_campaigns=True,
        currency="JPY", timezone="Asia/Tokyo",
    )  # fmt: skip

    assert outcome(report) == {"rows": 1, "accepted": 1}
    brand = Campaign.objects.get(external_id="11").brand
    assert (brand.name, brand.currency, str(brand.timezone)) == ("Bravo", "JPY", "Asia/Tokyo")


def test_a_brand_that_cannot_be_created_refuses_its_rows() -> None:
    story = Story()

    report = load(
        story, f"2026-05-05,{'B' * 201},11,1000", header="Day,Client,Campaign ID,Cost", brand_id=None,
        create_brands=True, create_campaigns=True,
    )  # fmt: skip

    assert f"the brand “{'B' * 201}” cannot be created" in reasons(report)[2]


# --- What was typed by hand ------------------------------------------------------------------------------------------


def test_a_day_typed_by_hand_is_left_alone_and_shown() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    story.spend(a, "25", "2026-05-05")

    report = load(story, "2026-05-05,11,A,20", "2026-05-04,11,A,1")

    assert outcome(report) == {"rows": 2, "accepted": 1, "duplicate": 1}
    assert "recorded already (by api)" in report.duplicates[0].reason
    assert [noted.line for noted in report.flagged] == [2]
    assert day(story) == 25


def test_a_day_typed_by_hand_is_added_to_when_asked_for() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    story.spend(a, "25", "2026-05-05")

    report = load(story, "2026-05-05,11,A,20", even_if_typed=True)

    assert outcome(report) == {"rows": 1, "accepted": 1}
    assert len(report.flagged) == 1
    assert day(story) == 45


def test_what_was_typed_and_voided_is_no_reason_to_wait() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    services.void_spend(story.spend(a, "25", "2026-05-05").pk, reason="Slip", actor=ACTOR, now=story.now)

    report = load(story, "2026-05-05,11,A,20")

    assert outcome(report) == {"rows": 1, "accepted": 1}


def test_the_same_day_from_another_source_is_left_alone_and_shown() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-05,11,A,20")

    report = load(story, "2026-05-05,11,A,20", source="google")

    assert outcome(report) == {"rows": 1, "duplicate": 1}
    assert "imported from “csv”" in report.duplicates[0].reason


def test_rows_with_keys_of_their_own_are_each_a_spend() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    header = "Day,Campaign ID,Key,Cost"
    lines = ["2026-05-05,11,k1,1", "2026-05-05,11,k2,2", "2026-05-04,11,k1,4"]

    first = load(story, *lines, header=header)
    again = load(story, *lines, header=header)

    assert outcome(first) == {"rows": 3, "accepted": 2, "rejected": 1}
    assert "the key “k1” is used on line 2" in reasons(first)[4]
    assert outcome(again) == {"rows": 3, "unchanged": 2, "rejected": 1}
    assert day(story) == 3


# --- What follows ----------------------------------------------------------------------------------------------------


def test_an_import_stops_what_has_reached_its_budget_and_a_correction_starts_it() -> None:
    story = Story()
    a, b = story.campaigns(["A", "B"])

    stopped = load(story, "2026-05-05,A,60", "2026-05-05,B,40", header="Day,Campaign,Cost")
    holds = (story.holds(a), story.holds(b))
    started = load(story, "2026-05-05,A,59.99", header="Day,Campaign,Cost")

    assert outcome(stopped) == {"rows": 2, "accepted": 2, "paused": 2}
    assert holds == ((Hold.DAILY_BUDGET_EXCEEDED,), (Hold.DAILY_BUDGET_EXCEEDED,))
    assert outcome(started) == {"rows": 1, "corrected": 1, "activated": 2}
    assert story.runs(a)


def test_yesterdays_spend_does_not_stop_today() -> None:
    story = Story()
    a = story.campaign("A")

    report = load(story, "2026-05-04,A,500", header="Day,Campaign,Cost")

    assert outcome(report) == {"rows": 1, "accepted": 1}
    assert story.runs(a)


def test_a_dry_run_says_exactly_what_would_come_and_changes_nothing() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    load(story, "2026-05-03,11,A,1", "2026-05-04,11,A,2")
    lines = [
        "2026-05-03,11,A,1",
        "2026-05-04,11,A,3",
        "2026-05-05,11,A,100",
        "2026-05-05,11,A,100",
        "2026-05-05,12,B,x",
    ]
    lines.append("2026-05-02,13,C,7")
    before = (month(story), Spend.objects.count(), Campaign.objects.count())

    rehearsed = load(story, *lines, dry_run=True, create_campaigns=True)
    after = (month(story), Spend.objects.count(), Campaign.objects.count())
    real = load(story, *lines, create_campaigns=True)

    assert before == after
    expected = {"rows": 6, "accepted": 2, "unchanged": 1, "corrected": 1, "duplicate": 1, "rejected": 1, "paused": 2}
    assert outcome(rehearsed) == outcome(real) == expected
    assert replace(rehearsed, dry_run=False, changes=[], money=[]) == replace(real, changes=[])
    moved = {(one.campaign, one.day.day): (int(one.before), int(one.after)) for one in rehearsed.money}
    assert moved == {("A", 4): (2, 3), ("A", 5): (0, 100), ("C", 2): (0, 7)}
    assert story.holds(a) == (Hold.DAILY_BUDGET_EXCEEDED,)


def test_an_import_cut_short_and_sent_again_ends_as_if_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    story.campaign("A", external_id="11")
    monkeypatch.setattr(importing, "BATCH", 3)
    lines = [f"2026-04-{number:02},11,A,{number}" for number in range(1, 11)]

    def die(done: int, total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    stream = io.BytesIO("\n".join([HEADER, *lines]).encode())
    with pytest.raises(KeyboardInterrupt):
        import_spend(stream, ImportOptions(brand_id=story.brand.pk), actor=ACTOR, now=story.now, progress=die)
    report = load(story, *lines)

    assert outcome(report) == {"rows": 10, "accepted": 4, "unchanged": 6}
    assert story.total(story.brand, PeriodKind.MONTH, "2026-04-01") == 55


def test_columns_can_be_named_by_hand() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    named = Named(day="When", campaign_id="Which", cost="4")
    reading = plain_csv.Options(columns=named, day_format="mdy", amount_format="comma")

    report = load(story, "05/04/2026;11;x;1,50", header="When;Which;Other;How much", reading=reading)

    assert outcome(report) == {"rows": 1, "accepted": 1}
    assert day(story, "2026-05-04") == Decimal("1.50")
