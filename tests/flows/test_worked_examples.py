"""The worked examples of docs/semantics.md, in its order. Brand zone Europe/Berlin, daily 100, monthly 2,000.

Examples 18 (pace) and 20 (reallocation) come with those features; example 3 with real processes is in
tests/integration/test_reservation_races.py.
"""

from decimal import Decimal
from uuid import uuid4

import pytest

from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import reservations, services
from enforcement.decision import Code
from spending.models import BudgetPeriod, PeriodKind
from tests.factories import ACTOR, FRI, MON, SAT, Story, window

pytestmark = pytest.mark.django_db

DAILY = (Hold.DAILY_BUDGET_EXCEEDED,)
MONTHLY = (Hold.MONTHLY_BUDGET_EXCEEDED,)


def test_1_all_campaigns_of_a_brand_stop_when_they_reach_its_budget_together() -> None:
    story = Story()
    a, b, c = story.campaigns("ABC")
    story.spend(a, "40")
    story.spend(b, "40")

    story.spend(c, "19.99")
    at_99_99 = [story.runs(campaign) for campaign in (a, b, c)]
    story.spend(c, "0.01")

    assert at_99_99 == [True, True, True]
    assert [story.holds(campaign) for campaign in (a, b, c)] == [DAILY, DAILY, DAILY]


def ask(story: Story, campaign: Campaign, amount: str) -> reservations.Answer:
    return reservations.reserve(uuid4(), campaign.pk, Decimal(amount), actor=ACTOR, now=story.now)


def test_2_an_amount_may_land_exactly_on_the_budget_and_not_beyond() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    story.spend(a, "99.99")

    beyond = ask(story, b, "0.02")
    exactly = ask(story, b, "0.01")

    assert (beyond.authorisation.granted, beyond.authorisation.code) == (False, Code.DAILY_BUDGET_INSUFFICIENT)
    assert beyond.authorisation.remaining == 10_000
    assert "0.01 EUR remain of the brand's daily budget of 100.00 EUR" in beyond.text
    assert (exactly.authorisation.granted, exactly.authorisation.remaining) == (True, 0)
    assert [story.runs(a), story.runs(b)] == [True, True]


def test_3_of_two_callers_who_ask_for_the_last_10_one_is_granted() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    story.spend(a, "90")

    first, second = ask(story, a, "10"), ask(story, b, "10")

    assert [first.authorisation.granted, second.authorisation.granted] == [True, False]
    assert second.authorisation.remaining == 0
    assert second.reservation is None
    assert story.runs(b), "money that is set aside pauses nobody"


def test_4_midnight_starts_a_campaign_whose_window_is_open() -> None:
    story = Story("2026-05-20 12:00")
    always = story.campaign("Always")
    by_day = story.campaign("By day", rows=[window(day, "09:00", "18:00") for day in range(7)])
    story.spend(always, "1400", "2026-05-10")
    story.spend(always, "100")

    story.tick("2026-05-20 23:59")
    before = (story.holds(always), story.holds(by_day))
    story.tick("2026-05-21 00:00")

    assert before == (DAILY, (Hold.DAILY_BUDGET_EXCEEDED, Hold.OUTSIDE_SCHEDULE))
    assert story.runs(always)
    assert story.holds(by_day) == (Hold.OUTSIDE_SCHEDULE,)


def test_5_a_month_used_up_is_shown_first_and_midnight_does_not_start_the_campaign() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "100")
    story.spend(a, "1900", "2026-05-02")

    both = story.holds(a)
    story.tick("2026-05-06 00:00")

    assert both == MONTHLY + DAILY
    assert story.holds(a) == MONTHLY
    story.tick("2026-06-01 00:00")
    assert story.runs(a)


def test_6_a_manual_pause_survives_the_daily_hold_and_three_resets() -> None:
    story = Story()
    a = story.campaign()
    story.pause(a)
    story.spend(a, "100")

    for day in ("06", "07", "08"):
        story.clock(f"2026-05-{day} 00:00")
        story.turn()
    held = story.holds(a)
    left = story.activate(a)

    assert held == (Hold.MANUAL,)
    assert left == ()
    assert story.runs(a)


def test_7_a_raised_budget_starts_and_a_lowered_one_stops_in_the_same_transaction() -> None:
    story = Story("2026-05-05 14:00")
    a = story.campaign()
    story.spend(a, "100")

    raised = story.change_brand(daily_budget="150")
    runs_after_raise = story.runs(a)
    lowered = story.change_brand(daily_budget="80")

    assert raised.verdicts[a.pk].runs
    assert runs_after_raise
    assert lowered.verdicts[a.pk].holds == DAILY
    assert story.holds(a) == DAILY


def test_8_an_override_runs_until_local_midnight_and_the_monthly_budget_still_holds() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    story.spend(a, "105")

    story.override(a, Hold.DAILY_BUDGET_EXCEEDED)
    with_override = (story.runs(a), story.holds(b))
    story.spend(a, "1895", "2026-05-03")
    month_used_up = story.holds(a)
    story.change_brand(monthly_budget="9000")
    story.tick("2026-05-05 23:59")
    still_running = story.runs(a)
    story.tick("2026-05-06 00:00")
    story.spend(a, "100")

    assert with_override == (True, DAILY)
    assert month_used_up == MONTHLY
    assert still_running
    assert story.holds(a) == DAILY


@pytest.mark.fault(39)
def test_9_an_adjustment_or_an_amended_spend_starts_the_campaign_at_once() -> None:
    story = Story()
    a = story.campaign()
    forty = story.spend(a, "40")
    story.spend(a, "60")

    story.spend(a, "-0.01", spend_type="ADJUSTMENT", description="Invalid clicks")
    after_adjustment = story.runs(a)
    story.spend(a, "0.01")
    stopped_again = story.holds(a)
    services.amend_spend(forty.pk, {"amount": Decimal(30)}, reason="Restated", actor=ACTOR, now=story.now)

    assert after_adjustment
    assert stopped_again == DAILY
    assert story.runs(a)


@pytest.mark.fault(37)
def test_10_late_spend_changes_its_own_day_and_month_only() -> None:
    story = Story("2026-05-02 10:00")
    a = story.campaign()
    story.spend(a, "10")

    story.spend(a, "50", "2026-04-30")

    assert story.total(story.brand, PeriodKind.DAY, "2026-04-30") == 50
    assert story.total(story.brand, PeriodKind.MONTH, "2026-04-01") == 50
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-02") == 10
    assert story.total(story.brand, PeriodKind.MONTH, "2026-05-01") == 10


def test_10_another_days_budget_never_holds_today() -> None:
    story = Story("2026-05-02 10:00")
    a = story.campaign()

    story.spend(a, "500", "2026-05-01")

    assert story.runs(a)


def test_11_a_window_over_midnight_belongs_to_the_day_it_starts_on() -> None:
    story = Story("2026-05-08 21:59:59")
    a = story.campaign(rows=[window(FRI, "22:00", "06:00", next_day=True)])

    before = story.holds(a)
    states = {}
    for moment in ("2026-05-08 22:00", "2026-05-09 05:59:59", "2026-05-09 06:00:00", "2026-05-10 02:00"):
        story.tick(moment)
        states[moment] = story.runs(a)

    assert before == (Hold.OUTSIDE_SCHEDULE,)
    assert states == {
        "2026-05-08 22:00": True,
        "2026-05-09 05:59:59": True,
        "2026-05-09 06:00:00": False,
        "2026-05-10 02:00": False,
    }


def test_12_a_window_in_the_skipped_hour_never_opens() -> None:
    story = Story("2026-03-29 00:00")
    a = story.campaign(rows=[window(6, "02:00", "03:00")])

    seen = []
    for moment in ("01:59:59", "03:00", "03:30", "04:00"):
        story.tick(f"2026-03-29 {moment}")
        seen.append(story.runs(a))

    assert seen == [False, False, False, False]


def test_12_a_window_in_the_repeated_hour_is_open_for_two_real_hours() -> None:
    story = Story("2026-10-25 01:59")
    a = story.campaign(rows=[window(6, "02:00", "03:00")])

    story.tick("2026-10-25 02:00", fold=0)
    opened = story.now
    first_hour = story.runs(a)
    story.tick("2026-10-25 02:59", fold=1)
    second_hour = story.runs(a)
    story.tick("2026-10-25 03:00")

    assert (first_hour, second_hour, story.runs(a)) == (True, True, False)
    assert (story.now.timestamp() - opened.timestamp()) == 2 * 3600
    assert [status for _, status in story.history(a)] == ["PAUSED", "ACTIVE", "PAUSED"]


def test_13_overlapping_windows_give_one_start_and_one_stop() -> None:
    story = Story("2026-05-04 08:00")
    a = story.campaign(rows=[window(MON, "09:00", "12:00"), window(MON, "11:00", "15:00")])

    for hour in range(8, 24):
        story.tick(f"2026-05-04 {hour:02}:00")

    assert story.history(a)[1:] == [("2026-05-04 09:00", "ACTIVE"), ("2026-05-04 15:00", "PAUSED")]


def test_14_only_inactive_rows_are_a_configuration_warning_and_no_rows_are_around_the_clock() -> None:
    story = Story()
    a = story.campaign(
        rows=[*(window(day, "00:00", "00:00") for day in range(5)), window(SAT, "00:00", "00:00", active=False)]
    )
    week = list(a.schedules.order_by("day_of_week"))

    for schedule in week[:5]:
        services.remove_window(schedule.pk, actor=ACTOR, now=story.now)
    one_inactive = story.holds(a)
    services.remove_window(week[5].pk, actor=ACTOR, now=story.now)

    assert one_inactive == (Hold.NO_SCHEDULE,)
    assert story.runs(a)


@pytest.mark.fault(28)
def test_15_after_three_days_down_one_run_sets_everything_right_and_a_second_changes_nothing() -> None:
    story = Story("2026-04-30 23:50")
    a = story.campaign()
    by_day = story.campaign("By day", rows=[window(day, "07:00", "09:00") for day in range(7)])
    story.spend(a, "100")

    story.clock("2026-05-03 08:00")
    story.turn()
    turned = BudgetPeriod.objects.of_brands().filter(starts_on__gte="2026-05-01").exclude(turned_at=None)
    recorded = sorted((period.kind, str(period.starts_on)) for period in turned)
    states = (story.runs(a), story.runs(by_day))
    second = story.turn()
    sweep = story.sweep()

    assert recorded == [("D", "2026-05-01"), ("D", "2026-05-02"), ("D", "2026-05-03"), ("M", "2026-05-01")]
    assert states == (True, True)
    assert second.turns == []
    assert sweep.evaluation.changes == []
    assert turned.count() == 4


def test_16_an_empty_budget_is_no_limit_and_0_stops_at_once() -> None:
    story = Story(daily_budget=None, monthly_budget=None)
    a = story.campaign()
    story.spend(a, "1000000")

    without_limit = story.runs(a)
    story.change_brand(daily_budget="0")
    story.clock("2026-05-06 00:00")
    story.sweep()

    assert without_limit
    assert story.holds(a) == DAILY
    assert story.explain(a).runs_next_at is None


def test_17_spend_in_another_currency_is_refused_and_totals_stay() -> None:
    story = Story()
    a = story.campaign()

    error = story.refused(a, "5", currency="USD")

    assert error.field == "currency"
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-05") == 0


def test_19_a_flight_runs_through_its_last_day() -> None:
    story = Story("2026-05-31 12:00")
    a = story.campaign(end_date="2026-05-31")

    story.tick("2026-05-31 23:59")
    last_minute = story.runs(a)
    story.tick("2026-06-01 00:00")

    assert last_minute
    assert story.holds(a) == (Hold.ENDED,)
