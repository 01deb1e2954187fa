"""Undoing an import: the books are as they were before it, whatever order imports are undone in."""

import io
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands.models import AuditEntry, Brand
from budget_system import clock
from budget_system.errors import Conflict, Refused
from campaigns.models import Campaign
from enforcement import books, imports, services
from enforcement.imports import start_import, undo_import
from spending.import_options import ImportOptions
from spending.models import BudgetPeriod, DayMetrics, ImportState, PeriodKind, Spend, SpendImport, SpendRevision
from spending.taking_back import take_back
from tests.factories import ACTOR, Story

pytestmark = pytest.mark.django_db

HEADER = "Day,Campaign ID,Campaign,Cost,Clicks"


def load(story: Story, *lines: str, header: str = HEADER, **options: Any) -> SpendImport:
    options.setdefault("brand_id", story.brand.pk)
    dry_run = options.pop("dry_run", False)
    stream = io.BytesIO("\n".join([header, *lines]).encode())
    return start_import(stream, "may.csv", ImportOptions(**options), actor=ACTOR, now=story.now, dry_run=dry_run)


def undo(story: Story, record: SpendImport) -> dict[str, Any]:
    undone = undo_import(record.pk, reason="Wrong account", actor="a boss", now=story.now)
    assert undone.state == ImportState.UNDONE
    counts: dict[str, Any] = undone.report["undo"]
    return counts


def totals(brand: Brand) -> list[tuple[object, ...]]:
    """Every total of the brand, by what it is of."""
    periods = BudgetPeriod.objects.filter(brand=brand).exclude(posted=0)
    return sorted(periods.values_list("kind", "starts_on", "campaign__external_id", "posted"), key=str)


def month(story: Story) -> Decimal:
    return story.total(story.brand, PeriodKind.MONTH, "2026-05-01")


def test_what_it_recorded_is_voided_and_campaigns_start_again() -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    record = load(story, "2026-05-04,11,A,40,7", "2026-05-05,11,A,100,9")
    paused = Campaign.objects.get(pk=a.pk).status

    counts = undo(story, record)

    assert (paused, Campaign.objects.get(pk=a.pk).status) == ("PAUSED", "ACTIVE")
    assert (counts["voided"], counts["restored"], counts["metrics_removed"]) == (2, 0, 2)
    assert month(story) == 0
    assert (Spend.objects.filter(voided_at=None).count(), DayMetrics.objects.count()) == (0, 0)
    assert set(SpendRevision.objects.values_list("reason", "replaced_by")) == {("Wrong account", "a boss")}
    undone = SpendImport.objects.get()
    assert (undone.undone_at, undone.undone_by, undone.undo_reason) == (story.now, "a boss", "Wrong account")
    entry = AuditEntry.objects.get(action="undo import")
    assert (entry.brand_id, entry.after, entry.reason) == (
        story.brand.pk, {"spends voided": 2, "spends set back": 0}, "Wrong account"
    )  # fmt: skip
    assert books.check(story.now).differences == 0


def test_what_it_corrected_is_what_it_was_before_with_the_import_it_was_from() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    first = load(story, "2026-05-04,11,A,40,", "2026-05-05,11,A,10,")
    second = load(story, "2026-05-04,11,A,41,", "2026-05-05,11,A,10,", "2026-05-03,11,A,5,")

    counts = undo(story, second)

    assert (counts["voided"], counts["restored"]) == (1, 1)
    assert month(story) == 50
    assert set(Spend.objects.filter(voided_at=None).values_list("amount", "spend_import")) == {
        (Decimal(40), first.pk), (Decimal(10), first.pk)
    }  # fmt: skip


def test_what_a_person_or_a_later_import_changed_since_stays_and_is_counted() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    record = load(story, "2026-05-03,11,A,1,", "2026-05-04,11,A,2,", "2026-05-05,11,A,4,", "2026-05-02,11,A,8,")
    amended, voided = Spend.objects.filter(spend_date__in=["2026-05-03", "2026-05-04"]).order_by("spend_date")
    services.amend_spend(amended.pk, {"amount": Decimal(16)}, reason="Invoice", actor=ACTOR, now=story.now)
    services.void_spend(voided.pk, reason="Not ours", actor=ACTOR, now=story.now)
    later = load(story, "2026-05-05,11,A,32,", "2026-05-02,11,A,8,")

    counts = undo(story, record)

    assert (counts["voided"], counts["left_changed_by_hand"], counts["left_changed_by_import"]) == (1, 2, 1)
    assert [one["id"] for one in counts["reported_too"]] == [str(later.pk)]
    assert month(story) == 16 + 32
    assert undo(story, later)["voided"] == 1
    assert month(story) == 16


def test_a_value_of_an_import_that_was_undone_does_not_come_back() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    records = [load(story, f"2026-05-05,11,A,{cost},") for cost in (10, 20, 30)]

    after = []
    for number in (1, 2, 0):
        undo(story, records[number])
        after.append(month(story))

    assert after == [30, 10, 0]


def test_a_hand_made_value_under_the_imports_comes_back() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    load(story, "2026-05-05,11,A,10,")
    services.amend_spend(Spend.objects.get().pk, {"amount": Decimal(12)}, reason="Invoice", actor=ACTOR, now=story.now)
    second = load(story, "2026-05-05,11,A,20,")

    counts = undo(story, second)

    assert (counts["restored"], counts["left_changed_by_hand"]) == (1, 0)
    assert (month(story), Spend.objects.get().spend_import_id) == (Decimal(12), None)


def test_after_an_undo_the_same_file_is_recorded_again_but_not_what_a_person_voided() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    lines = ["2026-05-04,11,A,40,", "2026-05-05,11,A,10,"]
    record = load(story, *lines)
    by_hand = Spend.objects.get(spend_date="2026-05-05")
    services.void_spend(by_hand.pk, reason="Not ours", actor=ACTOR, now=story.now)
    undo(story, record)

    again = load(story, *lines)
    once_more = load(story, *lines)

    assert (again.accepted, again.rejected, again.report["seen_before"]) == (1, 1, [])
    assert "voided by hand since" in again.report["rejects"][0]["reason"]
    assert (once_more.unchanged, once_more.rejected) == (1, 1)
    assert month(story) == 40
    brought_back = Spend.objects.get(spend_date="2026-05-04")
    assert (brought_back.voided_at, brought_back.version, brought_back.spend_import_id) == (None, 3, again.pk)
    assert list(brought_back.revisions.order_by("version").values_list("reason", flat=True)) == [
        "Wrong account", "Imported again."
    ]  # fmt: skip
    undo(story, again)
    assert month(story) == 0


def test_brands_and_campaigns_that_it_created_stay() -> None:
    story = Story()
    record = load(story, "2026-05-05,11,New,10,", create_campaigns=True)

    undo(story, record)

    assert Campaign.objects.filter(name="New").exists()
    assert month(story) == 0


def test_what_cannot_be_undone_is_refused() -> None:
    story = Story()
    story.campaign("A", external_id="11")
    dry = load(story, "2026-05-05,11,A,10,", dry_run=True)
    record = load(story, "2026-05-05,11,A,10,")

    with pytest.raises(Conflict, match="dry run"):
        undo_import(dry.pk, reason="Oops", actor=ACTOR, now=story.now)
    with pytest.raises(Refused, match="reason is needed"):
        undo_import(record.pk, reason=" ", actor=ACTOR, now=story.now)
    undo(story, record)
    with pytest.raises(Conflict, match=r"was undone already .*, by a boss"):
        undo_import(record.pk, reason="Oops", actor=ACTOR, now=story.now)

    assert SpendRevision.objects.count() == 1


def test_an_undo_goes_by_batches_and_one_that_was_interrupted_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "UNDONE_AT_ONCE", 2)
    monkeypatch.setattr(imports, "_KEYS_AT_ONCE", 3)
    story = Story()
    story.campaign("A", external_id="11")
    record = load(story, *(f"2026-04-{day:02},11,A,1," for day in range(1, 8)))
    whole = take_back
    calls: list[object] = []

    def break_down(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise ConnectionError
        return whole(*arguments, **named)

    monkeypatch.setattr(imports, "take_back", break_down)
    with pytest.raises(ConnectionError):
        undo(story, record)
    left = Spend.objects.filter(voided_at=None).count()
    counts = undo(story, record)

    assert left == 3
    assert (counts["voided"], len(calls)) == (7, 5)
    entry = AuditEntry.objects.get(action="undo import")
    assert entry.after == {"spends voided": 7, "spends set back": 0}
    assert totals(story.brand) == []


# --- Properties ------------------------------------------------------------------------------------------------------

days = st.integers(0, 9).map(lambda number: str(date(2026, 4, 27) + timedelta(days=number)))
files = st.dictionaries(st.tuples(days, st.sampled_from(["11", "12"])), st.integers(0, 5000), max_size=8)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(imported=st.lists(files, min_size=1, max_size=4), choose=st.randoms(use_true_random=False))
def test_imports_undone_in_any_order_leave_the_books_as_they_were_before(
    imported: list[dict[tuple[str, str], int]], choose: Any
) -> None:
    story = Story(name=f"Brand {Brand.objects.count()}", daily_budget=None)
    for external_id in ("11", "12"):
        campaign = story.campaign(external_id, external_id=external_id)
        story.post(campaign, "3.50", "2026-05-01")
    stood = [totals(story.brand)]
    records = []
    for file in imported:
        records.append(
            load(story, *(f"{day},{campaign},,{cost}," for (day, campaign), cost in file.items()), even_if_typed=True)
        )
        stood.append(totals(story.brand))
    backwards = choose.random() < 0.5
    order = list(reversed(range(len(records))))
    if not backwards:
        choose.shuffle(order)

    for number in order:
        undo(story, records[number])
        if backwards:
            assert totals(story.brand) == stood[number]

    assert totals(story.brand) == stood[0]
    assert books.check(story.now, brand_id=story.brand.pk).differences == 0


# --- The command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        out = io.StringIO()
        call_command(*arguments, stdout=out, stderr=out)
        return out.getvalue()

    return call


def test_the_command_asks_and_then_says_what_it_did(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    story = Story()
    story.campaign("A", external_id="11")
    monkeypatch.setattr(clock, "now", lambda: story.now)
    path = tmp_path / "report.csv"
    path.write_text("Day,Campaign ID,Campaign,Cost\n2026-05-05,11,A,10\n2026-05-04,12,New,3\n")

    said = run("import_spend", str(path), "--brand", "Acme", "--create-campaigns")
    again = run("import_spend", str(path), "--brand", "Acme")
    first = SpendImport.objects.order_by("pk")[0]
    with pytest.raises(CommandError, match=r"2 rows of Acme\? Nothing was changed"):
        run("undo_import", str(first.pk), "--reason", "Wrong account")
    undone = run("undo_import", str(first.pk), "--reason", "Wrong account", "--yes")

    assert f"To take all of it back: undo_import {first.pk} --reason" in said
    assert "This very file was imported before, on 2026-05-05 at 10:00 UTC by command line" in again
    assert "reported the same figures" in undone
    assert "The brands and campaigns that the import created stay." in undone
    assert undone.endswith("INFO Undo completed: {'voided': 2, 'restored': 0, 'metrics_removed': 0}\n")
    assert month(story) == 0
    with pytest.raises(CommandError, match="undone already"):
        run("undo_import", str(first.pk), "--reason", "Again", "--yes")


def test_a_brand_that_is_not_known_is_created_only_when_asked_for(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    story = Story()
    monkeypatch.setattr(clock, "now", lambda: story.now)
    path = tmp_path / "report.csv"
    path.write_text("Day,Campaign ID,Campaign,Cost\n2026-05-05,11,A,10\n")

    with pytest.raises(CommandError, match="no brand with the id or name “Bravo”"):
        run("import_spend", str(path), "--brand", "Bravo", "--create-campaigns")
    with pytest.raises(CommandError, match="no brand with the id or name"):
        run("import_spend", str(path), "--brand", "01a1fdd0-6635-7572-bedc-b332650de7e9", "--create-brands")
    with pytest.raises(CommandError, match="“Mars/Olympus” is not a time zone"):
        run("import_spend", str(path), "--brand", "Bravo", "--create-brands", "--timezone", "Mars/Olympus")
    said = run("import_spend", str(path), "--brand", "Bravo", "--create-brands", "--create-campaigns")

    assert "Created 1 brand: Bravo" in said
    assert Spend.objects.get().brand.name == "Bravo"
