"""Posting, amending and voiding spend: each once, nothing lost, bad input refused by name."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest

from brands.models import AuditEntry
from budget_system.errors import Conflict, NotFound, Refused
from campaigns.holds import Hold
from enforcement import services
from spending.models import PeriodKind, Spend, SpendRevision
from spending.services import Outcome, SpendRow
from tests.factories import ACTOR, Story

pytestmark = pytest.mark.django_db

TODAY = date(2026, 5, 5)


def test_the_same_key_with_the_same_content_is_answered_with_the_first_result() -> None:
    story = Story()
    a = story.campaign()

    first = story.post(a, "10", key="order-1")
    again = story.post(a, "10.00", key="order-1")

    assert (first.outcome, again.outcome) == (Outcome.RECORDED, Outcome.REPLAYED)
    assert first.spend_id == again.spend_id
    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 10


@pytest.mark.fault(7)
def test_the_same_key_with_other_content_is_refused_even_after_an_amendment() -> None:
    story = Story()
    a = story.campaign()
    spend = story.spend(a, "10", key="order-1")
    services.amend_spend(spend.pk, {"amount": Decimal(12)}, reason="Restated", actor=ACTOR, now=story.now)

    replay = story.post(a, "10", key="order-1")
    other = story.refused(a, "12", key="order-1")

    assert replay.outcome is Outcome.REPLAYED
    assert isinstance(other, Conflict)
    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 12


def test_a_key_twice_in_one_batch_counts_once() -> None:
    story = Story()
    a = story.campaign()
    rows = [SpendRow(a.pk, Decimal(amount), TODAY, key="k") for amount in ("5", "5", "6")]

    result = services.post_spend(rows, source="api", actor=ACTOR, now=story.now)

    assert [answer.outcome for answer in result.answers] == [Outcome.RECORDED, Outcome.REPLAYED, Outcome.REFUSED]
    assert result.answers[0].spend_id == result.answers[1].spend_id
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-05") == 5


def test_keys_of_different_sources_and_brands_do_not_meet() -> None:
    story, other = Story(), Story(name="Other")
    a, b = story.campaign(), other.campaign()

    story.spend(a, "5", key="k")
    other.spend(b, "5", key="k")
    by_admin = services.post_spend(
        [SpendRow(a.pk, Decimal(5), TODAY, key="k")], source="admin", actor=ACTOR, now=story.now
    )

    assert by_admin.answers[0].outcome is Outcome.RECORDED
    assert Spend.objects.count() == 3


def test_a_bad_row_keeps_no_good_row_out_and_every_row_is_answered() -> None:
    story = Story()
    a = story.campaign()
    rows = [
        SpendRow(a.pk, Decimal(1), TODAY),
        SpendRow(uuid4(), Decimal(1), TODAY),
        SpendRow(a.pk, Decimal("NaN"), TODAY),
        SpendRow(a.pk, Decimal(-1), TODAY),
        SpendRow(a.pk, Decimal(0), TODAY),
        SpendRow(a.pk, Decimal("0.0000001"), TODAY),
        SpendRow(a.pk, Decimal("1e30"), TODAY),
        SpendRow(a.pk, Decimal(1), date(2026, 5, 7)),
        SpendRow(a.pk, Decimal(1), date(1999, 12, 31)),
        SpendRow(a.pk, Decimal(1), TODAY, spend_type="WEEKLY"),
        SpendRow(a.pk, Decimal(-1), TODAY, spend_type="ADJUSTMENT"),
        SpendRow(a.pk, Decimal(1), TODAY, description="a\x00b"),
        SpendRow(a.pk, Decimal(1), TODAY, key=""),
        SpendRow(a.pk, Decimal(1), TODAY, key="k" * 201),
        SpendRow(a.pk, Decimal(2), TODAY),
    ]

    answers = services.post_spend(rows, source="api", actor=ACTOR, now=story.now).answers

    fields = [answer.error.field if answer.error else None for answer in answers]
    assert fields == [
        None, "campaign", "amount", "amount", "amount", "amount", "amount", "spend_date", "spend_date", "spend_type",
        "description", "description", "key", "key", None,
    ]  # fmt: skip
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-05") == 3


def test_monthly_spend_counts_in_its_month_only() -> None:
    story = Story()
    a = story.campaign(daily_budget="50", monthly_budget="500")

    story.spend(a, "450", spend_type="MONTHLY", description="Flat fee")

    assert story.runs(a)
    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 0
    assert story.total(a, PeriodKind.MONTH, "2026-05-01") == 450


def test_an_amended_spend_moves_between_days_and_keeps_its_former_values() -> None:
    story = Story()
    a = story.campaign()
    spend = story.spend(a, "30")

    for changes in ({"spend_date": date(2026, 4, 30)}, {"amount": Decimal(20), "spend_type": "MONTHLY"}):
        services.amend_spend(spend.pk, changes, reason="Invoice", actor=ACTOR, now=story.now)

    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 0
    assert story.total(a, PeriodKind.DAY, "2026-04-30") == 0
    assert story.total(a, PeriodKind.MONTH, "2026-04-01") == 20
    kept = [(r.version, r.amount, r.spend_date, r.replaced_by) for r in SpendRevision.objects.order_by("version")]
    assert kept == [(1, 30, date(2026, 5, 5), ACTOR), (2, 30, date(2026, 4, 30), ACTOR)]


def test_a_voided_spend_no_longer_counts_and_cannot_be_amended() -> None:
    story = Story()
    a = story.campaign()
    spend = story.spend(a, "100")

    voided = services.void_spend(spend.pk, reason="Typed twice", actor=ACTOR, now=story.now)
    services.void_spend(spend.pk, reason="Again", actor=ACTOR, now=story.now)

    assert voided.verdict is not None
    assert voided.verdict.runs
    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 0
    assert SpendRevision.objects.count() == 1
    with pytest.raises(Conflict, match="voided"):
        services.amend_spend(spend.pk, {"amount": Decimal(1)}, reason="x", actor=ACTOR, now=story.now)


def test_voiding_is_audited_once_whether_or_not_there_is_a_budget() -> None:
    for limit in ("1000", None):
        story = Story(daily_budget=limit, monthly_budget=limit)
        spend = story.spend(story.campaign(), "10")

        for _ in range(2):
            services.void_spend(spend.pk, reason="Typed twice", actor=ACTOR, now=story.now)

        entry = AuditEntry.objects.get(object_id=spend.pk)
        assert (entry.action, entry.before, entry.after) == ("void spend", {"amount": "10.00"}, {"amount": None})


def test_a_change_of_spend_needs_a_reason_and_the_version_that_was_read() -> None:
    story = Story()
    spend = story.spend(story.campaign(), "10")
    services.amend_spend(spend.pk, {"amount": Decimal(11)}, reason="Restated", actor=ACTOR, now=story.now)

    with pytest.raises(Refused, match="reason"):
        services.amend_spend(spend.pk, {"amount": Decimal(12)}, reason=" ", actor=ACTOR, now=story.now)
    with pytest.raises(Conflict, match="changed by somebody else"):
        services.void_spend(spend.pk, reason="x", actor=ACTOR, now=story.now, expected_version=1)
    with pytest.raises(NotFound):
        services.void_spend(uuid4(), reason="x", actor=ACTOR, now=story.now)


def test_an_import_corrects_its_own_rows_and_leaves_what_a_person_voided() -> None:
    story = Story()
    a = story.campaign()

    def report(amount: str) -> Outcome:
        row = SpendRow(a.pk, Decimal(amount), TODAY, key="1|2026-05-05")
        result = services.post_spend([row], source="import:csv", actor=ACTOR, now=story.now, correct=True)
        return result.answers[0].outcome

    outcomes = [report("100"), report("100"), report("90"), report("0")]
    spend = Spend.objects.get()
    services.void_spend(spend.pk, reason="Test account", actor=ACTOR, now=story.now)

    assert outcomes == [Outcome.RECORDED, Outcome.REPLAYED, Outcome.CORRECTED, Outcome.CORRECTED]
    assert story.runs(a)
    assert report("70") is Outcome.REFUSED
    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 0


@pytest.mark.fault(43)
def test_a_total_too_large_to_keep_is_refused_before_it_wraps() -> None:
    story = Story(daily_budget=None, monthly_budget=None)
    a = story.campaign()
    for key in range(4):
        story.spend(a, "1000000000000", key=str(key))

    with pytest.raises(Refused, match="larger than can be kept"):
        story.post(a, "1000000000000", key="5")

    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 4_000_000_000_000


def test_spend_for_tomorrow_is_taken_and_holds_tomorrow() -> None:
    story = Story("2026-05-05 23:00")
    a = story.campaign()

    story.spend(a, "100", "2026-05-06")
    today = story.runs(a)
    story.tick("2026-05-06 00:00")

    assert today
    assert story.holds(a) == (Hold.DAILY_BUDGET_EXCEEDED,)
