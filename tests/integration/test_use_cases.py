"""What people can wish for, and what the system makes of it."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from brands.models import AuditEntry, Brand
from budget_system.errors import Conflict, NotFound, Refused
from campaigns.holds import Hold
from campaigns.models import Campaign, Override, StateChange
from enforcement import services
from enforcement.explain import explain
from scheduling.models import Schedule
from scheduling.services import compiled, rows_of
from spending.models import BudgetPeriod, ForcedReset, PeriodKind
from tests.factories import ACTOR, MON, Story, window

pytestmark = pytest.mark.django_db

DAILY = (Hold.DAILY_BUDGET_EXCEEDED,)


# --- Manual control


def test_a_pause_until_a_moment_ends_by_itself_and_not_before() -> None:
    story = Story()
    a = story.campaign()
    story.pause(a, until="2026-05-05 18:00")

    story.tick("2026-05-05 17:59:59")
    before = story.holds(a)
    story.tick("2026-05-05 18:00")

    assert before == (Hold.MANUAL,)
    assert story.runs(a)


def test_a_pause_that_would_end_in_the_past_is_refused() -> None:
    story = Story()
    a = story.campaign()

    with pytest.raises(Refused, match="past"):
        story.pause(a, until="2026-05-05 11:59")

    assert story.runs(a)


def test_activating_explains_what_still_holds() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "100")
    story.pause(a)

    left = story.activate(a)

    assert left == DAILY
    assert "Brand daily budget 100.00 EUR reached, 100.00 EUR spent at 12:00" in story.explain(a).sentences


def test_an_override_ends_when_its_extra_money_is_spent() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "105")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED, extra="20")

    story.spend(a, "19.99")
    before = story.runs(a)
    story.spend(a, "0.01")

    assert before
    assert story.holds(a) == DAILY


def test_clearing_an_override_puts_the_hold_back_and_keeps_the_override() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "105")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED)

    verdict = services.clear_override(a.pk, actor="someone", now=story.now)

    assert verdict.holds == DAILY
    kept = Override.objects.get()
    assert (kept.cleared_by, kept.reason) == ("someone", "The client agreed")


def test_a_new_override_takes_the_place_of_the_old_one() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "105")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED, extra="1")

    story.override(a, Hold.DAILY_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED, until="2026-05-20 12:00")

    assert Override.objects.filter(cleared_at=None).count() == 1
    assert Override.objects.count() == 2
    story.tick("2026-05-20 11:59")
    assert story.runs(a)


@pytest.mark.parametrize(
    ("lifts", "field"),
    [
        ([Hold.EMERGENCY_STOP], "lifts"),
        ([], "lifts"),
        ([Hold.MONTHLY_BUDGET_EXCEEDED], "ends_at"),
        ([Hold.LIFETIME_BUDGET_EXCEEDED, Hold.DAILY_BUDGET_EXCEEDED], "ends_at"),
    ],
)
def test_overrides_that_may_not_be_are_refused(lifts: list[Hold], field: str) -> None:
    story = Story()
    a = story.campaign()

    with pytest.raises(Refused) as refused:
        story.override(a, *lifts)

    assert refused.value.field == field


def test_an_emergency_stop_survives_overrides_resets_and_activation_until_it_is_cleared() -> None:
    story = Story()
    a = story.campaign()
    services.emergency_stop(a.pk, reason="Wrong landing page", actor=ACTOR, now=story.now)

    story.override(a, *[hold for hold in Hold if hold is not Hold.EMERGENCY_STOP], until="2026-05-09 12:00")
    story.activate(a)
    story.tick("2026-05-06 00:00")
    services.force_reset(story.brand.pk, list(PeriodKind)[:2], reason="Try", actor=ACTOR, now=story.now)
    held = story.holds(a)
    verdict = services.clear_stop(a.pk, actor=ACTOR, now=story.now)

    assert held == (Hold.EMERGENCY_STOP,)
    assert verdict.runs


def test_a_brands_emergency_stop_stops_all_its_campaigns_in_the_same_transaction() -> None:
    story, other = Story(), Story(name="Other")
    mine, theirs = story.campaigns("AB"), other.campaign()

    result = services.emergency_stop_brand(story.brand.pk, reason="Recall", actor=ACTOR, now=story.now)

    assert {change.campaign_id for change in result.flips} == {campaign.pk for campaign in mine}
    assert [story.holds(campaign) for campaign in mine] == [(Hold.EMERGENCY_STOP,)] * 2
    assert story.runs(theirs)
    services.clear_brand_stop(story.brand.pk, actor=ACTOR, now=story.now)
    assert all(story.runs(campaign) for campaign in mine)


def test_an_emergency_stop_needs_a_reason() -> None:
    story = Story()

    with pytest.raises(Refused, match="reason"):
        services.emergency_stop_brand(story.brand.pk, reason="", actor=ACTOR, now=story.now)


# --- Budgets and resets


def test_a_campaigns_own_budgets_lie_inside_the_brands() -> None:
    story = Story()
    a, b = story.campaign("A", daily_budget="30", lifetime_budget="50"), story.campaign("B")

    story.spend(a, "30")
    own_day = (story.holds(a), story.runs(b))
    story.tick("2026-05-06 00:00")
    story.spend(a, "20")

    assert own_day == (DAILY, True)
    assert story.holds(a) == (Hold.LIFETIME_BUDGET_EXCEEDED,)
    assert story.explain(a).summary == "Paused: lifetime budget used up. It will not run again without a person."


def test_a_forced_reset_forgives_what_was_spent_and_keeps_the_ledger() -> None:
    story = Story()
    a = story.campaign(daily_budget="100")
    story.spend(a, "100")

    resets, result = services.force_reset(
        story.brand.pk, [PeriodKind.DAY], reason="Client paid twice", actor=ACTOR, now=story.now
    )

    assert [reset.forgiven for reset in resets] == [100]
    assert result.verdicts[a.pk].runs
    period = BudgetPeriod.objects.get(scope_id=story.brand.pk, kind=PeriodKind.DAY)
    assert (period.posted, period.forgiven, period.used) == (100, 100, 0)
    assert ForcedReset.objects.get().reason == "Client paid twice"
    story.spend(a, "100", key="more")
    assert story.holds(a) == DAILY


def test_explain_says_what_a_forced_reset_no_longer_counts() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "100")
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="x", actor=ACTOR, now=story.now)
    story.spend(a, "100.001", key="more")

    assert story.explain(a).sentences == (
        "Brand daily budget 100.00 EUR reached, 100.001 EUR spent at 12:00",
        "100.00 EUR of the brand's day no longer count, by a forced reset",
    )


def test_a_correction_after_a_forced_reset_is_no_extra_budget() -> None:
    story = Story()
    a = story.campaign()
    spend = story.spend(a, "100")
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="x", actor=ACTOR, now=story.now)

    services.void_spend(spend.pk, reason="It never happened", actor=ACTOR, now=story.now)
    story.spend(a, "100", key="more")

    assert story.holds(a) == DAILY


def test_every_version_of_a_budget_is_kept_with_who_and_when_and_why() -> None:
    story = Story()

    services.change_brand(story.brand.pk, {"daily_budget": "150"}, actor="anna", now=story.now, reason="Black Friday")

    entry = AuditEntry.objects.filter(action="change brand").get()
    assert (entry.before, entry.after) == ({"daily_budget": "100.00"}, {"daily_budget": "150.00"})
    assert (entry.actor, entry.at, entry.reason) == ("anna", story.now, "Black Friday")


def test_a_change_that_changes_nothing_leaves_no_trace() -> None:
    story = Story()
    before = Brand.objects.get()

    story.change_brand(daily_budget="100.000", name=" Acme ")

    assert Brand.objects.get().version == before.version
    assert AuditEntry.objects.filter(action="change brand").count() == 0


def test_budget_rows_keep_the_budget_that_was_in_force_on_their_day() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "10")
    story.tick("2026-05-06 00:00")

    story.change_brand(daily_budget="70")
    story.spend(a, "10", "2026-05-06")

    days = BudgetPeriod.objects.filter(scope_id=story.brand.pk, kind=PeriodKind.DAY).order_by("starts_on")
    assert [(period.starts_on.day, period.budget) for period in days] == [(5, 100), (6, 70)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"daily_budget": "-1"}, "daily_budget"),
        ({"daily_budget": "NaN"}, "daily_budget"),
        ({"monthly_budget": "1e9"}, "monthly_budget"),
        ({"monthly_budget": "1" * 30}, "monthly_budget"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"currency": "XXQ"}, "currency"),
        ({"name": "\x00"}, "name"),
        ({"name": "   "}, "name"),
        ({"status": "ACTIVE"}, "status"),
        ({"day_turned_on": "2026-01-01"}, "day_turned_on"),
    ],
)
def test_bad_brand_inputs_are_refused_by_name_and_nothing_is_changed(changes: dict[str, object], field: str) -> None:
    story = Story()

    with pytest.raises(Refused) as refused:
        story.change_brand(**{"monthly_budget": "5", **changes})

    assert refused.value.field == field
    assert Brand.objects.get().monthly_budget == 2000


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "ACTIVE"}, "status"),
        ({"holds": ""}, "holds"),
        ({"start_date": "2026-05-10", "end_date": "2026-05-09"}, "end_date"),
        ({"end_date": "yesterday"}, "end_date"),
        ({"end_date": "9999-12-31"}, "end_date"),
        ({"lifetime_budget": "1_000"}, "lifetime_budget"),
        ({"platform": "MYSPACE"}, "platform"),
    ],
)
def test_bad_campaign_inputs_are_refused_by_name(changes: dict[str, object], field: str) -> None:
    story = Story()
    a = story.campaign()

    with pytest.raises(Refused) as refused:
        services.change_campaign(a.pk, changes, actor=ACTOR, now=story.now)

    assert refused.value.field == field


def test_a_platform_campaign_id_belongs_to_one_campaign_of_a_brand() -> None:
    story = Story()
    story.campaign("A", platform="GOOGLE", external_id="123")
    b = story.campaign("B", platform="META", external_id="123")

    with pytest.raises(Refused, match="“A” has the Google Ads id 123"):
        services.change_campaign(b.pk, {"platform": "GOOGLE"}, actor=ACTOR, now=story.now)


def test_the_currency_is_fixed_once_money_was_spent() -> None:
    story = Story()
    story.change_brand(currency="USD")
    story.spend(story.campaign(), "1")

    with pytest.raises(Refused, match="once there is spend"):
        story.change_brand(currency="EUR")


@pytest.mark.fault(57)
def test_a_stale_form_overwrites_nothing() -> None:
    story = Story()
    a = story.campaign()
    brand_version, campaign_version = Brand.objects.get().version, Campaign.objects.get().version
    story.change_brand(name="Acme 2")
    services.change_campaign(a.pk, {"name": "A 2"}, actor=ACTOR, now=story.now)

    with pytest.raises(Conflict):
        services.change_brand(story.brand.pk, {"name": "X"}, actor=ACTOR, now=story.now, expected_version=brand_version)
    with pytest.raises(Conflict):
        services.change_campaign(a.pk, {"name": "X"}, actor=ACTOR, now=story.now, expected_version=campaign_version)
    with pytest.raises(Conflict):
        services.replace_week(a.pk, [], actor=ACTOR, now=story.now, expected_version=campaign_version)

    assert (Brand.objects.get().name, Campaign.objects.get().name) == ("Acme 2", "A 2")


# --- Zones


@pytest.mark.fault(34)
def test_moving_a_brand_to_another_zone_moves_no_money() -> None:
    story = Story("2026-05-05 23:30")
    a = story.campaign()
    story.spend(a, "100")

    story.change_brand(timezone="Asia/Tokyo")
    in_tokyo_it_is_the_6th = story.runs(a)
    story.change_brand(timezone="America/New_York")
    in_new_york_it_is_the_5th = story.holds(a)

    assert in_tokyo_it_is_the_6th
    assert in_new_york_it_is_the_5th == DAILY
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-05") == 100


# --- Schedules and flights


def test_a_new_campaign_gets_seven_whole_days_ready_to_be_edited() -> None:
    story = Story()
    a = story.campaign()

    assert [str(schedule) for schedule in rows_of(a)][:2] == ["Monday all day", "Tuesday all day"]
    assert len(rows_of(a)) == 7
    assert story.runs(a)


def test_a_week_is_replaced_as_a_whole_or_not_at_all() -> None:
    story = Story()
    a = story.campaign(rows=[window(MON, "09:00", "17:00")])

    with pytest.raises(Refused, match="ends_next_day"):
        services.replace_week(
            a.pk, [window(MON, "08:00", "12:00"), window(MON, "22:00", "06:00")], actor=ACTOR, now=story.now
        )

    assert [str(schedule) for schedule in rows_of(a)] == ["Monday 09:00–17:00"]


def test_the_compiled_week_follows_every_change_of_the_rows() -> None:
    story = Story()
    a = story.campaign(rows=[window(MON, "09:00", "17:00")])
    added, _ = services.add_window(a.pk, window(1, "09:00", "17:00"), actor=ACTOR, now=story.now)
    services.change_window(added.pk, window(1, "10:00", "17:00", active=False), actor=ACTOR, now=story.now)

    assert Campaign.objects.get().week == compiled(rows_of(a)) == "32400-61200"
    services.remove_window(Schedule.objects.get(day_of_week=MON).pk, actor=ACTOR, now=story.now)
    assert story.holds(a) == (Hold.NO_SCHEDULE,)
    services.remove_window(added.pk, actor=ACTOR, now=story.now)
    assert story.runs(a)


def test_a_changed_flight_acts_at_once() -> None:
    story = Story()
    a = story.campaign()

    ended = services.change_campaign(a.pk, {"end_date": "2026-05-04"}, actor=ACTOR, now=story.now)
    later = services.change_campaign(
        a.pk, {"start_date": "2026-06-01", "end_date": "2026-06-30"}, actor=ACTOR, now=story.now
    )
    summary = story.explain(a).summary
    today = services.change_campaign(a.pk, {"start_date": None}, actor=ACTOR, now=story.now)

    assert (ended.holds, later.holds, today.holds) == ((Hold.ENDED,), (Hold.NOT_STARTED,), ())
    assert summary == (
        "Paused: flight not started. It will next run Mon 1 Jun 2026 00:00 Europe/Berlin, "
        "if spend stays under its budgets."
    )


# --- Archives


def test_an_archived_campaign_is_paused_keeps_its_money_and_comes_back_paused() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    story.spend(a, "60")

    services.archive_campaign(a.pk, actor=ACTOR, now=story.now)
    held = story.holds(a)
    story.spend(a, "40")
    stopped = story.holds(b)
    restored = services.restore_campaign(a.pk, actor=ACTOR, now=story.now)

    assert held == (Hold.MANUAL,)
    assert stopped == DAILY
    assert restored.holds == (Hold.MANUAL, Hold.DAILY_BUDGET_EXCEEDED)
    services.archive_campaign(a.pk, actor=ACTOR, now=story.now)
    with pytest.raises(Conflict, match="archived"):
        services.change_campaign(a.pk, {"name": "x"}, actor=ACTOR, now=story.now)


def test_a_brand_is_archived_and_restored_with_its_campaigns() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    services.archive_campaign(b.pk, actor=ACTOR, now=story.now - timedelta(hours=1))

    services.archive_brand(story.brand.pk, actor=ACTOR, now=story.now)
    archived = Campaign.objects.current().count()
    services.restore_brand(story.brand.pk, actor=ACTOR, now=story.now)

    assert archived == 0
    assert list(Campaign.objects.current()) == [a]
    assert story.holds(a) == (Hold.MANUAL,)
    with pytest.raises(NotFound):
        services.archive_brand(uuid4(), actor=ACTOR, now=story.now)


# --- Records and constraints


def test_every_change_of_holds_is_recorded_with_figures_cause_and_actor() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "100.50")

    change = StateChange.objects.get()

    assert (change.from_holds, change.to_holds, change.cause, change.actor) == ((), DAILY, "spend", ACTOR)
    assert change.figures[0]["budget"] == "100.00"
    assert change.figures[0]["used"] == "100.50"
    assert a.pk == change.campaign_id


@pytest.mark.parametrize(
    "outputs",
    [
        {"status": "PAUSED"},
        {"holds": (Hold.MANUAL,)},
        {"status": "PAUSED", "holds": (Hold.MANUAL,), "pause_reason": "MANUAL", "paused_at": None},
        {"status": "PAUSED", "holds": (Hold.MANUAL,), "pause_reason": "ENDED"},
        {"status": "ACTIVE", "holds": (Hold.MANUAL,), "pause_reason": "MANUAL"},
    ],
)
def test_the_database_refuses_outputs_that_disagree(outputs: dict[str, object]) -> None:
    story = Story()
    a = story.campaign()

    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.filter(pk=a.pk).update(**outputs)


def test_explain_answers_for_another_moment() -> None:
    story = Story()
    a = story.campaign(rows=[window(day, "09:00", "17:00") for day in range(5)])
    story.clock("2026-05-09 12:00")

    explanation = explain(a.pk, story.now)

    assert explanation.verdict.holds == (Hold.OUTSIDE_SCHEDULE,)
    assert explanation.summary.startswith("Paused: outside schedule. It will next run Mon 09:00 Europe/Berlin")
    assert explanation.campaign.created_at < explanation.at


def test_a_campaign_is_created_into_the_state_that_the_facts_call_for() -> None:
    story = Story()
    story.spend(story.campaign("A"), "100")

    late = story.campaign("B")
    paused = services.create_campaign(story.brand.pk, {"name": "C"}, actor=ACTOR, now=story.now, paused=True)

    assert story.holds(late) == DAILY
    assert story.holds(paused) == (Hold.MANUAL, Hold.DAILY_BUDGET_EXCEEDED)
    assert late.paused_at == story.now


def test_amounts_and_days_of_another_type_are_not_guessed() -> None:
    story = Story()
    spend = story.spend(story.campaign(), "1")

    with pytest.raises(Refused):
        services.amend_spend(spend.pk, {"amount": 1.5}, reason="x", actor=ACTOR, now=story.now)
    with pytest.raises(Refused):
        services.amend_spend(spend.pk, {"campaign": uuid4()}, reason="x", actor=ACTOR, now=story.now)
    services.amend_spend(
        spend.pk, {"amount": Decimal(2), "spend_date": date(2026, 5, 4)}, reason="x", actor=ACTOR, now=story.now
    )
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-04") == 2
