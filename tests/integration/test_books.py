"""The books agree, and what was made to disagree is found, shown and made again."""

import io
from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budget_system import clock
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import books, reservations, services
from enforcement.books import Books
from spending.models import BudgetPeriod, PeriodKind, Spend
from tests.factories import ACTOR, MON, Story, window

pytestmark = pytest.mark.django_db


def sql(statement: str, *params: int) -> None:
    """What no use case would do."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        assert cursor.rowcount > 0


def checked(story: Story) -> Books:
    return books.check(story.now)


def repaired(story: Story) -> Books:
    books.rebuild(checked(story), actor=ACTOR, now=story.now)
    return checked(story)


def full_story() -> tuple[Story, Campaign]:
    """Every way in which money moves."""
    story = Story()
    a, b = story.campaigns(["A", "B"])
    story.spend(a, "30")
    story.spend(b, "12.345678", "2026-04-30")
    story.spend(b, "500", spend_type="MONTHLY")
    story.spend(a, "-5", spend_type="ADJUSTMENT", description="Invalid clicks")
    services.void_spend(story.spend(a, "7").pk, reason="Slip", actor=ACTOR, now=story.now)
    spend = story.spend(b, "9", "2026-05-04")
    services.amend_spend(spend.pk, {"amount": Decimal(8)}, reason="Restated", actor=ACTOR, now=story.now)
    return story, a


def test_nothing_differs_after_every_way_in_which_money_moves() -> None:
    story, _ = full_story()

    found = checked(story)

    assert found.counts() == {"periods": BudgetPeriod.objects.count(), "differences": 0}


def test_a_total_that_drifted_is_found_and_made_again() -> None:
    story, _ = full_story()
    sql("UPDATE spending_budgetperiod SET posted = posted + 10000 WHERE campaign_id IS NULL AND kind = 'M'")

    found = checked(story)

    may = next(one for one in found.totals if one.key.starts_on == date(2026, 5, 1))
    assert (may.kept, may.ledger) == (533_010_000, 533_000_000)
    assert repaired(story).differences == 0
    assert story.total(story.brand, PeriodKind.MONTH, "2026-05-01") == 533


def test_a_day_of_the_ledger_without_its_row_is_drift_too() -> None:
    story, a = full_story()
    sql("DELETE FROM spending_budgetperiod WHERE kind = 'D' AND campaign_id IS NOT NULL")

    found = checked(story)

    assert {(one.kept, one.ledger) for one in found.totals} == {
        (None, 25_000_000),
        (None, 12_345_678),
        (None, 8_000_000),
    }
    assert repaired(story).differences == 0
    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 25


def test_a_row_that_no_spend_accounts_for_must_be_zero() -> None:
    story = Story()
    a = story.campaign("A")
    spend = story.spend(a, "40")
    services.void_spend(spend.pk, reason="Slip", actor=ACTOR, now=story.now)
    assert checked(story).differences == 0, "a row of 0 is no drift"
    sql("UPDATE spending_budgetperiod SET posted = 3 WHERE kind = 'L'")

    found = checked(story)

    assert [(one.kept, one.ledger) for one in found.totals] == [(3, 0)]
    assert repaired(story).differences == 0


@pytest.mark.fault(59)
def test_a_spend_slipped_past_the_totals_stops_the_brand_once_rebuilt() -> None:
    story = Story()
    a = story.campaign("A")
    story.spend(a, "40")
    sql("UPDATE spending_spend SET amount = 100000000")

    assert len(checked(story).totals) == 5
    assert story.runs(a)
    assert repaired(story).differences == 0
    assert story.holds(a) == (Hold.DAILY_BUDGET_EXCEEDED,)


def test_what_is_reserved_forgiven_and_turned_stays() -> None:
    story = Story()
    a = story.campaign("A")
    story.spend(a, "40")
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="Agreed", actor=ACTOR, now=story.now)
    reservations.reserve(uuid4(), a.pk, Decimal(7), actor=ACTOR, now=story.now)
    sql("UPDATE spending_budgetperiod SET posted = posted + 1 WHERE kind = 'D'")
    before = BudgetPeriod.objects.of_brands().get(kind="D")

    assert repaired(story).differences == 0

    after = BudgetPeriod.objects.of_brands().get(kind="D")
    assert (after.posted, after.forgiven, after.reserved) == (40, 40, 7)
    assert after.turned_at == before.turned_at is not None


def test_what_is_set_aside_is_compared_with_the_reservations_both_ways_and_made_again() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    for campaign, amount in ((a, 7), (a, 5), (b, 3)):
        reservations.reserve(uuid4(), campaign.pk, Decimal(amount), actor=ACTOR, now=story.now)
    sql("UPDATE spending_budgetperiod SET reserved = reserved + 1 WHERE kind = 'D' AND campaign_id IS NULL")
    sql("UPDATE spending_reservation SET status = 'VOIDED', resolved_at = created_at WHERE amount = 3000000")
    sql("DELETE FROM spending_budgetperiod WHERE kind = 'M'")

    found = checked(story).reserved

    kept = {(one.key.scope_id, one.key.kind): (one.kept, one.pending) for one in found}
    assert kept == {
        (story.brand.pk, "D"): (15_000_001, 12_000_000),
        (story.brand.pk, "M"): (None, 12_000_000),
        (a.pk, "M"): (None, 12_000_000),
        (b.pk, "D"): (3_000_000, 0),
        (b.pk, "L"): (3_000_000, 0),
    }
    assert repaired(story).differences == 0
    assert set(BudgetPeriod.objects.of_brands().values_list("reserved", flat=True)) == {Decimal(12)}


def test_never_more_is_forgiven_than_was_spent() -> None:
    story = Story()
    a = story.campaign("A")
    story.spend(a, "40")
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="Agreed", actor=ACTOR, now=story.now)
    sql("UPDATE spending_spend SET amount = 30000000")

    repaired(story)

    assert BudgetPeriod.objects.of_brands().get(kind="D").forgiven == 30


def test_a_budget_that_is_not_the_one_in_force_is_found_and_made_again() -> None:
    story = Story(at="2026-04-30 12:00")
    a = story.campaign("A", lifetime_budget="900")
    story.spend(a, "40")
    story.tick("2026-05-05 12:00")
    story.spend(a, "40")
    sql("UPDATE spending_budgetperiod SET budget = 5 WHERE kind <> 'M' OR campaign_id IS NULL")
    sql("UPDATE spending_budgetperiod SET budget = NULL WHERE kind = 'M' AND starts_on = '2026-05-01'")

    found = checked(story)

    assert [(one.key.kind, one.kept, one.in_force) for one in found.budgets if one.key.scope_id == story.brand.pk] == [
        ("D", 5, 100_000_000),
        ("M", None, 2_000_000_000),
    ], "former periods keep the budget they had"
    assert {one.key.kind for one in found.budgets if one.key.scope_id == a.pk} == {"D", "L"}
    assert repaired(story).differences == 0
    assert BudgetPeriod.objects.of_brands().get(kind="D", starts_on="2026-04-30").budget == Decimal("0.000005")


def test_a_compiled_week_that_is_not_its_rows_is_found_and_made_again() -> None:
    story = Story()
    a = story.campaign("A", rows=[window(MON, "09:00", "12:00"), window(MON, "13:00", "14:00", active=False)])
    story.campaign("B", rows=[])
    sql("UPDATE campaigns_campaign SET week = '0-604800' WHERE name = 'A'")

    (week,) = checked(story).weeks

    assert (week.campaign_id, week.kept, week.rows) == (a.pk, "0-604800", "32400-43200")
    assert repaired(story).differences == 0


def test_holds_that_are_not_the_decision_are_found_and_made_again() -> None:
    story = Story()
    a = story.campaign("A")
    story.spend(a, "100")
    sql(
        "UPDATE campaigns_campaign SET status = 'ACTIVE', holds = '', pause_reason = '', paused_at = NULL"
        " WHERE name = 'A'"
    )

    (one,) = checked(story).holds

    assert (one.campaign_id, one.kept, one.decided) == (a.pk, (), (Hold.DAILY_BUDGET_EXCEEDED,))
    assert repaired(story).differences == 0
    assert not story.runs(a)


def test_what_waits_for_the_next_tick_is_no_difference() -> None:
    story = Story()
    a = story.campaign("A")
    story.spend(a, "100")
    story.clock("2026-05-06 00:00")

    assert checked(story).differences == 0
    assert not story.runs(a), "the check changes nothing"


def test_a_rebuild_of_one_brand_leaves_the_others_alone() -> None:
    story, other = Story(), Story(name="Bravo")
    story.spend(story.campaign("A"), "1")
    other.spend(other.campaign("A"), "1")
    sql("UPDATE spending_budgetperiod SET posted = 2")

    found = books.check(story.now, brand_id=story.brand.pk)
    books.rebuild(found, actor=ACTOR, now=story.now)

    assert books.check(story.now, brand_id=story.brand.pk).differences == 0
    assert checked(story).brand_ids() == {other.brand.pk}


def test_the_command_shows_what_differs_and_repairs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    story.spend(story.campaign("A"), "10")
    monkeypatch.setattr(clock, "now", lambda: story.now)
    sql("UPDATE spending_budgetperiod SET posted = 12500000 WHERE kind = 'D' AND campaign_id IS NOT NULL")
    shown, mended = io.StringIO(), io.StringIO()

    with pytest.raises(SystemExit) as exit_code:
        call_command("check_ledger", stdout=shown)
    call_command("check_ledger", rebuild=True, stdout=mended)

    assert exit_code.value.code == 1
    assert "total  Acme / A  day 2026-05-05  12.50 EUR  10.00 EUR" in shown.getvalue()
    assert shown.getvalue().endswith("INFO Ledger check completed: {'periods': 5, 'differences': 1}\n")
    assert mended.getvalue().endswith("INFO Ledger check completed: {'periods': 5, 'differences': 0}\n")


@pytest.mark.slow
@pytest.mark.fault(59)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spends=st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from(["DAILY", "MONTHLY"]), st.integers(1, 10**9)), max_size=8
    ),
    drift=st.lists(st.integers(-(10**6), 10**6), min_size=40, max_size=40),
)
def test_whatever_the_drift_a_rebuild_makes_the_sums_of_the_ledger(
    spends: list[tuple[int, str, int]], drift: list[int]
) -> None:
    story = Story(at="2026-06-15 12:00", name=f"Brand {Spend.objects.count()}")
    a = story.campaign("A")
    for day, kind, micros in spends:
        story.spend(a, str(Decimal(micros).scaleb(-6)), f"2026-05-{day:02}", spend_type=kind)
    for period, by in zip(BudgetPeriod.objects.filter(brand=story.brand), drift, strict=False):
        sql("UPDATE spending_budgetperiod SET posted = posted + %s WHERE id = %s", by, period.pk)

    found = books.check(story.now, brand_id=story.brand.pk)
    books.rebuild(found, actor=ACTOR, now=story.now)

    assert books.check(story.now, brand_id=story.brand.pk).differences == 0
    expected = sum((Decimal(micros).scaleb(-6) for _, _, micros in spends), Decimal(0))
    assert story.total(story.brand, PeriodKind.MONTH, "2026-05-01") == expected
