"""An import is a record: which file, who, when, what became of each line. It can wait for a worker, and be resumed."""

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

import pytest

from brands.models import Brand
from budget_system import clock, origin
from budget_system.celery import app
from budget_system.db import rehearsal
from budget_system.errors import Conflict, NotFound, Refused
from campaigns.models import Campaign
from enforcement import importing, imports, services
from enforcement.imports import run_import, start_import, undo_import
from spending import import_records
from spending.import_options import ImportOptions
from spending.importing import Intake
from spending.models import ImportFile, ImportState, PeriodKind, Spend, SpendImport, SpendRevision
from spending.reports import plain_csv
from spending.reports.columns import Named
from spending.reports.shapes import Format
from tasks.import_tasks import pick_up_imports_task
from tests.factories import ACTOR, Story

pytestmark = pytest.mark.django_db

HEADER = "Day,Campaign ID,Campaign,Cost"


def content(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines]).encode()


def load(story: Story, *lines: str, header: str = HEADER, **more: Any) -> SpendImport:
    """Import these lines at once; every row is accounted for."""
    given = {name: more.pop(name) for name in ("dry_run", "inline_bytes", "allowed") if name in more}
    more.setdefault("brand_id", story.brand.pk)
    stream = io.BytesIO(content(*lines, header=header))
    record = start_import(stream, "may.csv", ImportOptions(**more), actor=ACTOR, now=story.now, **given)
    if record.state == ImportState.DONE:
        accounted = record.accepted + record.unchanged + record.corrected + record.duplicate + record.rejected
        assert accounted == record.rows
    return record


def outcome(record: SpendImport) -> dict[str, int]:
    names = ("rows", "accepted", "unchanged", "corrected", "duplicate", "rejected")
    return {name: getattr(record, name) for name in names if getattr(record, name)}


def ticking(story: Story, step: timedelta = timedelta(seconds=1)) -> Callable[[], datetime]:
    """A clock that goes on with every look."""

    def now() -> datetime:
        story.now += step
        return story.now

    return now


# --- What is kept ----------------------------------------------------------------------------------------------------


def test_the_record_says_which_file_who_when_and_what_came_of_it() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    lines = [
        "2026-05-04,11,A,40.10",
        "2026-05-05,11,A,60",
        "2026-05-05,12,B,1",
        "2026-05-04,11,A,40.10",
        "Total,,,101.10",
    ]

    with origin.coming_from("192.0.2.1, request 7"):
        record = load(story, *lines)

    assert record.state == ImportState.DONE
    assert (record.file_name, record.digest) == ("may.csv", hashlib.sha256(content(*lines)).hexdigest())
    assert (record.created_by, record.origin, record.created_at) == (ACTOR, "192.0.2.1, request 7", story.now)
    assert outcome(record) == {"rows": 4, "accepted": 2, "duplicate": 1, "rejected": 1}
    assert (record.first_day, record.last_day) == (date(2026, 5, 4), date(2026, 5, 5))
    assert (record.format, record.source, record.done, record.total) == ("plain_csv", "import:csv", 2, 2)
    assert list(record.brands.all()) == [story.brand]
    report = record.report
    assert report["totals"] == {"EUR": "100.10"}
    assert (report["total_lines"], report["totals_agree"], report["incomplete"]) == (1, False, False)
    assert report["rejects"][0]["line"] == 4
    assert report["rejects"][0]["row"] == ["2026-05-05", "12", "B", "1"]
    assert report["duplicates"] == [{"line": 5, "reason": "the same as line 2"}]
    assert record.rejects.splitlines()[0] == "line,reason," + HEADER
    assert record.rejects.splitlines()[1].endswith(",2026-05-05,12,B,1")
    assert not ImportFile.objects.exists()
    assert set(Spend.objects.values_list("spend_import", flat=True)) == {record.pk}
    assert Spend.objects.values_list("origin", flat=True)[0] == f"import {record.pk}, 192.0.2.1, request 7"


def test_campaigns_that_stop_are_in_the_report() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")

    record = load(story, "2026-05-05,11,A,100")

    assert record.report["paused"] == 1
    assert record.report["changes"] == [
        {"campaign": str(a.pk), "brand": str(story.brand.pk), "from": [], "to": ["DAILY_BUDGET_EXCEEDED"]}
    ]


def test_options_are_kept_and_read_again() -> None:
    reading = plain_csv.Options(columns=Named(cost="Spend", key=""), day_format="dmy", delimiter=";")
    options = ImportOptions(
        reading=reading, format=Format.META_ADS, source="meta-eu", brand_id=UUID(int=1), currency="EUR",
        brand_ids=frozenset([UUID(int=1), UUID(int=2)]), create_campaigns=True, even_if_typed=True,
    )  # fmt: skip

    assert ImportOptions.from_json(options.as_json()) == options
    assert ImportOptions().as_json() == {}
    assert ImportOptions.from_json({}) == ImportOptions()


def test_the_same_file_again_is_allowed_and_said() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-05,11,A,20", dry_run=True)
    first = load(story, "2026-05-05,11,A,20")

    again = load(story, "2026-05-05,11,A,20")

    assert first.report["seen_before"] == []
    assert again.report["seen_before"] == [{"id": str(first.pk), "at": "2026-05-05T10:00:00+00:00", "by": ACTOR}]
    assert outcome(again) == {"rows": 1, "unchanged": 1}
    assert SpendRevision.objects.count() == 0


def test_a_corrected_spend_carries_the_new_import_and_its_former_value_the_old_one() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    first = load(story, "2026-05-05,11,A,20")

    second = load(story, "2026-05-05,11,A,30")

    assert Spend.objects.get().spend_import_id == second.pk
    assert SpendRevision.objects.get().spend_import_id == first.pk


def test_what_a_person_changes_has_no_import_any_more() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    first = load(story, "2026-05-04,11,A,20", "2026-05-05,11,A,30")
    amended, voided = Spend.objects.order_by("spend_date")

    services.amend_spend(amended.pk, {"amount": Decimal(21)}, reason="Invoice", actor=ACTOR, now=story.now)
    services.void_spend(voided.pk, reason="Not ours", actor=ACTOR, now=story.now)

    assert set(Spend.objects.values_list("spend_import", flat=True)) == {None}
    assert set(SpendRevision.objects.values_list("spend_import", flat=True)) == {first.pk}


def test_a_dry_run_is_a_record_that_changed_nothing_else() -> None:
    story = Story()

    record = load(
        story, "2026-05-05,Bravo,11,A,100", header="Day,Client,Campaign ID,Campaign,Cost", dry_run=True, brand_id=None,
        create_brands=True, create_campaigns=True,
    )  # fmt: skip

    assert (record.state, record.dry_run) == (ImportState.DONE, True)
    assert outcome(record) == {"rows": 1, "accepted": 1}
    assert record.report["created_brands"] == ["Bravo"]
    assert list(record.brands.all()) == []
    assert (Spend.objects.count(), Campaign.objects.count(), Brand.objects.count()) == (0, 0, 1)


def test_a_large_dry_run_holds_a_brand_by_batches_and_says_what_the_import_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "BATCH", 3)
    story = Story()
    story.campaign("A", external_id="11")
    story.campaign("B", external_id="12", lifetime_budget="8")
    rehearsals = mock.Mock(side_effect=rehearsal)
    monkeypatch.setattr(importing, "rehearsal", rehearsals)
    lines = [f"2026-03-{day:02},{campaign},X,1" for day in range(1, 11) for campaign in (11, 12)]
    lines += ["2026-05-05,11,A,100", "2026-05-04,11,A,5", "2026-04-30,13,New,2", "2026-05-03,11,A,x"]

    dry = load(story, *lines, dry_run=True, create_campaigns=True)
    real = load(story, *lines, create_campaigns=True)

    assert rehearsals.call_count == 4 + 1
    assert (outcome(dry), dry.report["totals"]) == (outcome(real), real.report["totals"])
    came_to = [sorted(sorted(one["to"]) for one in record.report["changes"]) for record in (dry, real)]
    daily, lifetime = "DAILY_BUDGET_EXCEEDED", "LIFETIME_BUDGET_EXCEEDED"
    assert came_to == [[[daily], [daily], [daily, lifetime]]] * 2
    assert (dry.report["paused"], dry.accepted) == (real.report["paused"], 23)


def test_a_file_that_cannot_be_read_is_a_failed_import() -> None:
    story = Story()

    record = load(story, "03/04/2026,11,A,1")

    assert record.state == ImportState.FAILED
    assert "can be read in two ways" in record.error
    assert not ImportFile.objects.exists()


def test_what_makes_no_sense_is_refused_before_anything_is_kept() -> None:
    story = Story()

    with pytest.raises(Refused, match="not a time zone"):
        load(story, "2026-05-05,11,A,1", timezone="Mars/Olympus")
    with pytest.raises(NotFound, match="There is no such brand"):
        load(story, "2026-05-05,11,A,1", brand_id=UUID(int=7))

    assert not SpendImport.objects.exists()


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_BYTES", 2**20)

    with pytest.raises(Refused, match="larger than 1 MB"):
        start_import(io.BytesIO(b"x" * (2**20 + 1)), "x", ImportOptions(), actor=ACTOR, now=Story().now)

    assert not SpendImport.objects.exists()


@pytest.mark.need(11)
def test_a_packed_file_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spending.reports.archives.MAX_UNPACKED_BYTES", 2**20)
    bomb = gzip.compress(b"Day,Campaign ID,Cost\n" + b"2026-05-05,11,1\n" * 2**17)

    record = start_import(io.BytesIO(bomb), "x.gz", ImportOptions(), actor=ACTOR, now=Story().now)

    assert record.state == ImportState.FAILED
    assert "larger than 1 MB unpacked" in record.error


@pytest.mark.need(27)
def test_a_file_name_is_kept_without_folders_and_what_cannot_be_shown() -> None:
    story = Story()

    for given, kept in (
        ("C:\\me\\may.csv", "may.csv"),
        ("../../etc/\x00pass\u202ewd", "passwd"),
        ("", "a file without a name"),
    ):
        record = start_import(io.BytesIO(content()), given, ImportOptions(), actor=ACTOR, now=story.now)
        assert record.file_name == kept


def test_too_many_rejects_are_cut_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    monkeypatch.setattr(imports, "MAX_REJECTS_CHARS", 400)

    record = load(story, *(f"2026-05-05,{number},X,1" for number in range(10)))

    assert record.rejected == 10
    written = len(record.rejects.splitlines()) - 1
    assert 0 < written < 10
    assert record.report["rejects_left_out"] == 10 - written


@pytest.mark.fault(54)
def test_nul_in_a_file_does_not_keep_it_out_of_the_records() -> None:
    story = Story()

    record = load(story, "2026-05-05,1\x001,A,1", *(["2026-05-05,12,A,1"] * 9))

    assert (record.state, record.error) == (ImportState.DONE, "")
    assert record.report["rejects"][0]["row"][1] == "1�1"


# --- Only brands that the caller sees ---------------------------------------------------------------------------------


def test_brands_that_the_caller_does_not_see_are_as_if_they_did_not_exist() -> None:
    story, hidden = Story(), Story(name="Hidden")
    story.campaign("A", external_id="11")
    hidden.campaign("H", external_id="99")
    header = "Day,Client,Campaign ID,Cost"
    lines = ["2026-05-05,Acme,11,1", "2026-05-05,Hidden,99,1", "2026-05-05,Nowhere,99,1"]

    record = load(
        story, *lines, header=header, brand_id=None, allowed=lambda brand_id: brand_id == story.brand.pk
    )  # fmt: skip
    by_id = load(story, "2026-05-05,99,H,1", "2026-05-05,98,H,1", brand_id=None, brand_ids=frozenset([story.brand.pk]))

    reasons = [one["reason"] for one in record.report["rejects"]]
    assert outcome(record) == {"rows": 3, "accepted": 1, "rejected": 2}
    assert reasons[0].replace("Hidden", "X") == reasons[1].replace("Nowhere", "X")
    assert list(record.brands.all()) == [story.brand]
    assert by_id.rejected == 2
    known, unknown = (one["reason"] for one in by_id.report["rejects"])
    assert known.replace("99", "98") == unknown
    with pytest.raises(NotFound, match="There is no such brand"):
        load(story, "2026-05-05,99,H,1", brand_id=hidden.brand.pk, brand_ids=frozenset([story.brand.pk]))


def test_that_somebody_else_imported_the_file_is_told_only_to_those_who_see_the_brand() -> None:
    story, hidden = Story(), Story(name="Hidden")
    hidden.campaign("H", external_id="99")
    load(story, "2026-05-05,99,H,1", brand_id=hidden.brand.pk)

    record = load(story, "2026-05-05,99,H,1", brand_id=None, brand_ids=frozenset([story.brand.pk]))

    assert record.report["seen_before"] == []


def test_a_brand_named_for_all_rows_may_be_created() -> None:
    story = Story()
    options: dict[str, Any] = {"brand_id": None, "brand_name": "Bravo", "create_campaigns": True}

    with pytest.raises(Refused, match="no brand with the name “Bravo”"):
        run_refused(load(story, "2026-05-05,11,A,5", **options))
    made = load(story, "2026-05-05,11,A,5", **options, create_brands=True)
    again = load(story, "2026-05-05,11,A,5", **options)

    assert (made.accepted, made.report["created_brands"]) == (1, ["Bravo"])
    assert again.unchanged == 1
    assert [brand.name for brand in made.brands.all()] == ["Bravo"]


def run_refused(record: SpendImport) -> None:
    assert record.state == ImportState.FAILED
    raise Refused(record.error)


# --- Waiting, going on ------------------------------------------------------------------------------------------------


def test_a_large_file_waits_for_a_worker_which_needs_nothing_but_its_id() -> None:
    story = Story()
    story.campaign("A", external_id="11")

    waiting = load(story, "2026-05-05,11,A,20", inline_bytes=10)
    due = [import_records.due(story.now), import_records.due(story.now + import_records.GRACE)]
    record = run_import(waiting.pk, clock=ticking(story))

    assert waiting.state == ImportState.QUEUED
    assert due == [[], [waiting.pk]]
    assert (record.state, record.accepted) == (ImportState.DONE, 1)
    assert import_records.due(story.now + timedelta(days=1)) == []
    assert not ImportFile.objects.exists()


@pytest.fixture
def at_once() -> Iterator[None]:
    """A message is carried out where it is sent."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.mark.usefixtures("at_once")
def test_the_minutes_task_hands_out_what_waits_and_what_lost_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    story.campaign("A", external_id="11")
    monkeypatch.setattr(clock, "now", lambda: story.now)
    waiting = load(story, "2026-05-05,11,A,20", inline_bytes=1)
    lost = load(story, "2026-05-04,11,A,20", inline_bytes=1)
    imports._claim(lost.pk, story.now)
    story.now += import_records.GRACE

    first = pick_up_imports_task()
    story.now += 2 * import_records.LEASE
    second = pick_up_imports_task()
    third = pick_up_imports_task()

    assert [first, second, third] == [{"handed_out": 1}, {"handed_out": 1}, {"handed_out": 0}]
    for record in (waiting, lost):
        record.refresh_from_db()
        assert (record.state, record.accepted) == (ImportState.DONE, 1)


def test_running_it_a_second_time_changes_nothing() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    record = load(story, "2026-05-05,11,A,20")

    again = run_import(record.pk, clock=ticking(story))

    assert (again.state, again.accepted, again.finished_at) == (ImportState.DONE, 1, record.finished_at)


class Died(Exception):
    """Stands for a worker that ends in the middle."""


def test_a_worker_that_dies_is_followed_by_one_that_counts_as_if_there_had_been_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story(daily_budget="25")
    story.campaign("A", external_id="11")
    load(story, "2026-05-01,11,A,1", "2026-05-02,11,A,2")
    undo_import(load(story, "2026-05-03,11,A,3").pk, reason="Test", actor=ACTOR, now=story.now)
    monkeypatch.setattr(importing, "BATCH", 4)
    lines = [f"2026-05-0{day},11,A,{cost}" for day, cost in zip(range(1, 7), (1, 20, 3, 4, 30, 6), strict=True)]
    lines += ["2026-05-05,12,New,1", "2026-05-04,nowhere", "2026-05-04,12,New,2", "2026-05-04,12,New,2"]
    waiting = load(story, *lines, inline_bytes=1, create_campaigns=True)

    def die(done: int, total: int) -> None:
        raise Died

    with pytest.raises(Died):
        run_import(waiting.pk, clock=ticking(story), progress=die)
    left = SpendImport.objects.get(pk=waiting.pk)
    record = run_import(waiting.pk, clock=ticking(story))

    assert (left.state, left.error) == (ImportState.RUNNING, "Died: ")
    assert left.report["attempts"] == 1
    assert record.state == ImportState.DONE
    assert outcome(record) == {
        "rows": 10, "accepted": 6, "unchanged": 1, "corrected": 1, "duplicate": 1, "rejected": 1
    }  # fmt: skip
    assert record.report["created_campaigns"] == ["New"]
    assert record.report["paused"] == 2
    assert story.total(story.brand, PeriodKind.MONTH, "2026-05-01") == 1 + 20 + 3 + 4 + 30 + 6 + 1 + 2


def test_a_brand_that_the_import_created_is_seen_by_the_worker_that_goes_on_with_it() -> None:
    story = Story()
    waiting = load(
        story, "2026-05-05,Bravo,11,A,1", header="Day,Client,Campaign ID,Campaign,Cost", inline_bytes=1, brand_id=None,
        brand_ids=frozenset([story.brand.pk]), create_brands=True, create_campaigns=True,
    )  # fmt: skip

    def die(done: int, total: int) -> None:
        raise Died

    with pytest.raises(Died):
        run_import(waiting.pk, clock=ticking(story), progress=die)
    record = run_import(waiting.pk, clock=ticking(story))

    assert (record.accepted, record.report["created_brands"]) == (1, ["Bravo"])
    assert Brand.objects.filter(name="Bravo").count() == 1


def test_while_a_worker_shows_signs_of_life_no_other_takes_over() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    waiting = load(story, "2026-05-05,11,A,20", inline_bytes=1)
    seen: list[object] = []

    def look(done: int, total: int) -> None:
        record = SpendImport.objects.get(pk=waiting.pk)
        seen.append(record.state)
        with pytest.raises(imports.AlreadyRunning):
            run_import(waiting.pk, clock=lambda: story.now)
        seen.append(import_records.due(story.now))
        seen.append(import_records.due(story.now + 2 * import_records.LEASE))
        with pytest.raises(Conflict, match="still being imported"):
            undo_import(waiting.pk, reason="Too soon", actor=ACTOR, now=story.now)

    record = run_import(waiting.pk, clock=ticking(story), progress=look)

    assert seen == [ImportState.RUNNING, [], [waiting.pk]]
    assert record.state == ImportState.DONE


def test_progress_is_written_at_most_once_a_second(django_assert_num_queries: Any) -> None:
    story = Story()
    waiting = load(story, "2026-05-05,11,A,20", inline_bytes=1)
    record, _ = imports._claim(waiting.pk, story.now)
    underway = import_records.Underway(record, lambda: story.now)

    with django_assert_num_queries(0):
        underway.progress(1, 10)
    story.now += timedelta(seconds=1)
    underway.progress(5, 10)
    with django_assert_num_queries(0):
        underway.progress(6, 10)

    record.refresh_from_db()
    assert (record.done, record.total) == (5, 10)


@pytest.mark.fault(21)
def test_an_import_that_ends_every_worker_is_given_up() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    waiting = load(story, "2026-05-05,11,A,20", inline_bytes=1)

    def die(done: int, total: int) -> None:
        raise Died("out of luck")

    for _ in range(import_records.MAX_ATTEMPTS):
        with pytest.raises(Died):
            run_import(waiting.pk, clock=ticking(story), progress=die)
    record = run_import(waiting.pk, clock=ticking(story), progress=die)
    undone = undo_import(waiting.pk, reason="Broken", actor=ACTOR, now=story.now)

    assert record.state == ImportState.FAILED
    assert record.error.startswith("Given up after 5 attempts: Died: out of luck")
    assert (undone.state, undone.report["undo"]["voided"]) == (ImportState.UNDONE, 1)


def test_a_worker_that_hung_writes_nothing_once_another_has_ended_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    story.campaign("A", external_id="11")
    waiting = load(story, "2026-05-05,11,A,20", inline_bytes=1)
    others: list[SpendImport] = []
    brands = Intake.brands

    def take_over(intake: Intake) -> Any:
        """While the first worker hangs here, another takes over, and a person undoes it all."""
        if not others:
            story.now += 2 * import_records.LEASE
            others.append(waiting)
            others[0] = run_import(waiting.pk, clock=lambda: story.now)
            undo_import(waiting.pk, reason="Wrong file", actor=ACTOR, now=story.now)
        return brands(intake)

    monkeypatch.setattr(Intake, "brands", take_over)
    record = run_import(waiting.pk, clock=lambda: story.now)

    assert (others[0].state, others[0].accepted) == (ImportState.DONE, 1)
    assert record.state == ImportState.UNDONE
    assert story.total(story.brand, PeriodKind.MONTH, "2026-05-01") == 0


def test_old_files_and_rejects_of_dry_runs_are_dropped_and_records_stay() -> None:
    story = Story()
    dry = load(story, "2026-05-05,11,A,20", dry_run=True)
    real = load(story, "2026-05-05,11,A,20")
    waiting = load(story, "2026-05-05,11,A,20", inline_bytes=1)

    import_records.tidy(story.now + timedelta(days=6))
    kept = [bool(SpendImport.objects.get(pk=one.pk).rejects) for one in (dry, real)]
    import_records.tidy(story.now + timedelta(days=8))

    assert kept == [True, True]
    assert [bool(SpendImport.objects.get(pk=one.pk).rejects) for one in (dry, real)] == [False, True]
    waiting.refresh_from_db()
    assert waiting.state == ImportState.FAILED
    assert "Send the file again" in waiting.error
    assert not ImportFile.objects.exists()


# --- Dated totals ----------------------------------------------------------------------------------------------------


def test_a_dated_total_that_equals_the_rest_is_no_campaign() -> None:
    story = Story()
    lines = ["2026-05-04,A,10", "2026-05-04,B,5", "2026-05-04,Total,15", "2026-05-05,A,7", "2026-05-05,Total,7"]

    record = load(story, *lines, "2026-05-05,Grand total,22", header="Day,Campaign,Cost", create_campaigns=True)

    assert outcome(record) == {"rows": 3, "accepted": 3}
    assert record.report["created_campaigns"] == ["A", "B"]
    assert (record.report["total_lines"], record.report["totals_agree"]) == (3, True)
    assert story.total(story.brand, PeriodKind.MONTH, "2026-05-01") == 22


def test_a_campaign_may_be_named_total() -> None:
    story = Story()
    story.campaign("Total")
    lines = ["2026-05-04,A,10", "2026-05-04,Total,10", "2026-05-04,Total Wine,20"]

    existing = load(story, *lines, header="Day,Campaign,Cost", create_campaigns=True)
    other = Story(name="Other")
    unequal = load(
        other, "2026-05-04,A,10", "2026-05-04,Total,11", header="Day,Campaign,Cost", create_campaigns=True
    )  # fmt: skip

    assert outcome(existing) == {"rows": 3, "accepted": 3}
    assert outcome(unequal) == {"rows": 2, "accepted": 2}
    assert unequal.report["created_campaigns"] == ["A", "Total"]
