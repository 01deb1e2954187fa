"""Alerts for people: each kind is raised once while it stands, is over when it is, and belongs to its brand."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from alerts import services, telling
from alerts.finders import EVERYTHING, Found
from alerts.findings import Finding, World, read_world
from alerts.kinds import SPECS, Kind, Severity
from alerts.models import Alert, AlertQuerySet, AlertRule, Look
from brands.models import AuditEntry
from brands.services import audit
from budget_system import clock
from budget_system.errors import Conflict, Refused
from budget_system.sealed import seal
from campaigns.holds import Hold
from campaigns.models import Campaign
from delivery import receivers, relay
from delivery import services as delivery
from delivery.addresses import Policy
from delivery.models import Delivery, Endpoint
from delivery.payload import EventType
from enforcement import alarms, pacing
from enforcement import services as enforcement
from enforcement.models import Alarm, AlarmKind, Run, RunKind
from pacing.models import BreakerState, ChannelBudget, PaceAlert
from platforms.models import Account, RemoteState
from platforms.steps import Step
from spending.models import ImportState, SpendImport
from tasks.alert_tasks import alert_task
from tests.factories import ACTOR, MON, TUE, Story, window
from tests.integration.processes import wait_until, waiting_sessions

pytestmark = pytest.mark.django_db
HERE = Policy(frozenset({443}), loopback=True)


@pytest.fixture
def story() -> Story:
    return Story()


def look(story: Story) -> dict[str, int]:
    return services.look(story.now)


def of(kind: Kind) -> AlertQuerySet:
    return Alert.objects.filter(kind=kind)


def only(kind: Kind) -> Alert:
    return of(kind).get()


def later(story: Story, **wait: float) -> None:
    story.now += timedelta(**wait)


def off(kind: Kind, story: Story) -> None:
    services.add_rule(None, kind, {"on": False}, actor=ACTOR, now=story.now)


# --- Budgets ---------------------------------------------------------------------------------------------------------


def test_each_threshold_of_a_day_is_told_once_and_the_next_one_takes_its_place(story: Story) -> None:
    campaign = story.campaign()
    seen = []

    for amount in ("49", "1", "10", "20", "10"):  # 49, 50, 60, 80, 90 %
        story.spend(campaign, amount)
        look(story)
        look(story)
        seen.append([(one.level, Severity(one.severity).name) for one in of(Kind.DAY_USED).open()])

    assert seen == [[], [(50, "NOTICE")], [(50, "NOTICE")], [(80, "WARNING")], [(90, "WARNING")]]
    assert of(Kind.DAY_USED).count() == 3
    assert not Alert.objects.exclude(ending="").exists()


def test_a_threshold_that_was_told_is_not_told_again_when_figures_fall_and_rise(story: Story) -> None:
    campaign = story.campaign()
    spend = story.spend(campaign, "85")
    look(story)

    enforcement.amend_spend(spend.pk, {"amount": Decimal(60)}, reason="x", actor=ACTOR, now=story.now)
    look(story)
    enforcement.amend_spend(spend.pk, {"amount": Decimal(85)}, reason="x", actor=ACTOR, now=story.now)
    look(story)

    assert [one.level for one in of(Kind.DAY_USED)] == [80]
    assert not of(Kind.DAY_USED).open().exists()


def test_a_new_day_ends_the_alert_of_the_last_one_silently_and_begins_anew(story: Story) -> None:
    campaign = story.campaign()
    story.spend(campaign, "85")
    look(story)
    story.tick("2026-05-06 00:01")

    look(story)
    ended = only(Kind.DAY_USED)
    story.spend(campaign, "80")
    look(story)

    assert (ended.cleared_at, ended.ending) == (story.now, "")
    assert [one.level for one in of(Kind.DAY_USED).open()] == [80]
    assert of(Kind.DAY_USED).count() == 2


def test_the_month_has_thresholds_of_its_own(story: Story) -> None:
    campaign = story.campaign()
    story.spend(campaign, "1600", "2026-05-04")

    look(story)

    assert only(Kind.MONTH_USED).title == "Acme: 80 % of the monthly budget is used"
    assert ["threshold", "80 %"] in only(Kind.MONTH_USED).figures


def test_a_budget_of_nothing_is_told_as_a_pause_and_never_as_a_share() -> None:
    story = Story(daily_budget="0")
    campaign = story.campaign("Total Wine")
    look(story)
    story.spend(campaign, "5")
    later(story, minutes=1)

    assert look(story) is not None
    look(story)

    assert [one.kind for one in Alert.objects.open()] == [Kind.BUDGET_PAUSE]
    assert "Total Wine" in only(Kind.BUDGET_PAUSE).text


def test_midnight_in_auckland_ends_a_day_on_the_night_the_clocks_change() -> None:
    story = Story(at="2026-04-04 23:59", timezone="Pacific/Auckland")  # the next day has 25 hours
    story.spend(story.campaign(), "100")
    look(story)
    story.tick("2026-04-05 00:00")

    look(story)

    assert only(Kind.BUDGET_PAUSE).cleared_at == story.now
    assert not Alert.objects.open().exists()


def test_a_used_up_budget_is_told_as_a_pause_with_figures_and_its_end_as_the_resume(story: Story) -> None:
    a, _other = story.campaigns(["Search", "Social"])
    story.spend(a, "103.50")

    look(story)
    paused = only(Kind.BUDGET_PAUSE)
    story.tick("2026-05-06 00:01")
    look(story)
    over = only(Kind.BUDGET_PAUSE)

    assert paused.title == "Acme: daily budget used up, 2 campaigns paused"
    assert "103.50 EUR of 100.00 EUR are used (103 %)" in paused.text
    assert "Search, Social" in paused.text
    assert "Wed 00:00 Europe/Berlin" in paused.text
    assert paused.severity == Severity.CRITICAL
    assert not of(Kind.DAY_USED).filter(level=100).exists(), "one message about one event"
    assert over.ending == "Now 2 campaigns of the brand run."


def test_a_resume_says_so_if_something_else_holds_the_campaign(story: Story) -> None:
    a = story.campaign("Search", rows=[window(TUE, "09:00", "18:00")], daily_budget="10")
    story.spend(a, "10")
    look(story)
    paused = only(Kind.BUDGET_PAUSE)

    story.tick("2026-05-06 00:01")
    look(story)

    assert paused.title == "Search · Acme: its daily budget is used up, it is paused"
    assert paused.campaign_id == a.pk
    assert only(Kind.BUDGET_PAUSE).ending == "What holds it now: outside schedule."


def test_an_override_is_no_free_budget(story: Story) -> None:
    a = story.campaign()
    story.spend(a, "100")
    look(story)
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED)

    look(story)

    assert only(Kind.BUDGET_PAUSE).ending == "Now 1 campaign of the brand runs."
    assert only(Kind.DAY_USED).title == "Acme: 100 % of the daily budget is used"


def test_a_budget_that_gives_way_to_another_is_no_resume(story: Story) -> None:
    a = story.campaign()
    story.spend(a, "1950", "2026-05-04")
    story.spend(a, "100")
    look(story)  # the month is used up too, and named first

    first = [one.title for one in of(Kind.BUDGET_PAUSE).open()]
    story.change_brand(monthly_budget="5000")
    look(story)

    assert first == ["Acme: monthly budget used up, 1 campaign paused"]
    assert [one.title for one in of(Kind.BUDGET_PAUSE).open()] == ["Acme: daily budget used up, 1 campaign paused"]
    assert of(Kind.BUDGET_PAUSE).exclude(ended_at=None).get().ending == ""


def test_a_pause_is_announced_at_the_rate_of_today(story: Story) -> None:
    story.clock("2026-05-05 12:00")
    campaign = story.campaign()
    story.spend(campaign, "90")  # 7.50 an hour since midnight: 10 more take 80 minutes
    look(story)
    early = of(Kind.PAUSE_EXPECTED).count()

    later(story, minutes=30)  # 7.20 an hour: 83 minutes
    story.spend(campaign, "4")  # 94 in 12.5 hours: 6 more take 48 minutes
    look(story)

    assert early == 0
    alert = only(Kind.PAUSE_EXPECTED)
    assert alert.title == "Acme: the daily budget will be used up in about 48 min"
    assert "Tue 13:17 Europe/Berlin" in alert.text or "Tue 13:18 Europe/Berlin" in alert.text


def test_a_pause_of_a_campaign_by_its_own_budget_is_announced_within_its_open_hours(story: Story) -> None:
    a = story.campaign("Search", rows=[window(TUE, "10:00", "14:00")], daily_budget="10")
    story.campaign("Around the clock", daily_budget="10")
    story.tick("2026-05-05 12:00")
    story.spend(a, "8")  # in two open hours: 2 more take 30 minutes
    look(story)

    alert = only(Kind.PAUSE_EXPECTED)
    assert alert.title == "Search · Acme: the daily budget will be used up in about 30 min"
    assert alert.campaign_id == a.pk


def test_a_brand_over_its_pace_is_told_of_once_a_day(story: Story) -> None:
    campaign = story.campaign()
    story.clock("2026-05-05 06:00")
    story.spend(campaign, "50")
    look(story)
    later(story, hours=5)
    look(story)  # 50 % at 11:00 is on pace
    story.spend(campaign, "15")
    look(story)  # 65 % at 11:00 is over it again

    alert = only(Kind.OVER_PACING)
    assert "2.0 times as fast as its day" in alert.title
    assert alert.cleared_at is not None


def test_a_brand_under_its_pace_is_told_of(story: Story) -> None:
    campaign = story.campaign()
    story.clock("2026-05-05 18:00")
    story.spend(campaign, "10")

    look(story)

    assert only(Kind.UNDER_PACING).severity == Severity.NOTICE


# --- Campaigns and pacing --------------------------------------------------------------------------------------------


def test_an_emergency_stop_of_brand_campaign_and_channel_is_told_with_its_reason(story: Story) -> None:
    a, b = story.campaigns(["Search", "Social"])
    budget = pacing.set_channel_budget(b.pk, "search", {"daily_budget": Decimal(5)}, actor=ACTOR, now=story.now)
    enforcement.emergency_stop(a.pk, reason="Wrong landing page", actor=ACTOR, now=story.now)
    pacing.stop_channel(budget.pk, reason="Fraud", actor=ACTOR, now=story.now)
    enforcement.emergency_stop_brand(story.brand.pk, reason="Client called", actor=ACTOR, now=story.now)

    look(story)
    titles = set(of(Kind.EMERGENCY_STOP).open().values_list("title", flat=True))
    enforcement.clear_brand_stop(story.brand.pk, actor=ACTOR, now=story.now)
    look(story)

    assert titles == {
        "Acme: emergency stop", "Search · Acme: emergency stop", "Social · Acme, Search: emergency stop",
    }  # fmt: skip
    assert of(Kind.EMERGENCY_STOP).open().count() == 2
    assert of(Kind.EMERGENCY_STOP).exclude(ended_at=None).get().ending == "It is over."


def test_an_open_breaker_and_the_pacers_alerts_are_told_until_they_are_over(story: Story) -> None:
    campaign = story.campaign()
    pacing.set_channel_budget(campaign.pk, "search", {"daily_budget": Decimal(5)}, actor=ACTOR, now=story.now)
    ChannelBudget.objects.update(
        breaker=BreakerState.OPEN, breaker_reason="CPA 3 times the target", breaker_until=story.now
    )
    rows = [
        PaceAlert.objects.create(
            campaign=campaign, channel="search", kind=kind, severity=severity, message=f"About {kind}", action="Look",
            pace=1.7, raised_at=story.now,
        )
        for kind, severity in (
            ("critical_overpacing", "critical"), ("under_pacing", "warning"), ("performance_degradation", "warning"),
        )
    ]  # fmt: skip
    look(story)
    told = {(one.kind, one.severity) for one in Alert.objects.open()}
    ChannelBudget.objects.update(breaker=BreakerState.CLOSED, breaker_until=None)
    PaceAlert.objects.filter(pk=rows[0].pk).update(cleared_at=story.now)

    look(story)

    assert told >= {
        (Kind.BREAKER, Severity.CRITICAL), (Kind.OVER_PACING, Severity.CRITICAL), (Kind.UNDER_PACING, Severity.NOTICE),
        (Kind.PERFORMANCE, Severity.WARNING),
    }  # fmt: skip
    assert only(Kind.BREAKER).ending == "It is over."
    assert set(Alert.objects.open().values_list("kind", flat=True)) >= {Kind.UNDER_PACING, Kind.PERFORMANCE}
    assert not of(Kind.OVER_PACING).open().exists()


def test_a_campaign_paused_by_hand_is_told_of_after_a_day_while_its_brand_has_budget(story: Story) -> None:
    campaign, with_end = story.campaigns(["Search", "Social"])
    story.pause(campaign)
    story.pause(with_end, until="2026-06-01 00:00")
    look(story)
    early = of(Kind.PAUSED_WITH_BUDGET).count()

    story.tick("2026-05-06 12:01")
    look(story)
    alert = only(Kind.PAUSED_WITH_BUDGET)
    story.activate(campaign)
    look(story)

    assert early == 0
    assert alert.title == "Search · Acme: paused though budget is left"
    assert "A test" in alert.text
    assert "100.00 EUR of its brand's daily budget" in alert.text
    assert not of(Kind.PAUSED_WITH_BUDGET).open().exists()


def test_a_campaign_that_has_not_run_for_a_week_is_told_of(story: Story) -> None:
    story.campaign("Search", rows=[window(MON, "09:00", "09:30")])
    story.campaign("Ended", end_date="2026-05-05")
    story.tick("2026-05-11 10:00")
    look(story)
    early = of(Kind.NEVER_RAN).count()
    Campaign.objects.filter(name="Search").update(paused_at=story.now - timedelta(days=8))

    look(story)

    assert early == 0
    assert only(Kind.NEVER_RAN).title == "Search · Acme: has not run for 8 days"
    assert "outside schedule" in only(Kind.NEVER_RAN).text


def test_an_override_is_told_of_two_hours_before_it_ends(story: Story) -> None:
    campaign = story.campaign()
    story.spend(campaign, "100")
    story.override(campaign, Hold.DAILY_BUDGET_EXCEEDED, until="2026-05-05 20:00")
    look(story)
    early = of(Kind.OVERRIDE_ENDS).count()
    story.clock("2026-05-05 18:30")
    look(story)
    standing = of(Kind.OVERRIDE_ENDS).open().count()
    story.tick("2026-05-05 20:01")
    look(story)

    assert (early, standing) == (0, 1)
    assert "its override ends Tue 20:00 Europe/Berlin" in only(Kind.OVERRIDE_ENDS).title
    assert only(Kind.OVERRIDE_ENDS).cleared_at == story.now


# --- Platforms -------------------------------------------------------------------------------------------------------


def test_a_platform_that_differs_and_an_account_that_fails_are_told_until_they_do_not(story: Story) -> None:
    campaign = story.campaign("Search")
    account = Account.objects.create(
        brand=story.brand, platform="GOOGLE", account_id="123", credentials=seal("{}"), needs_person=True,
        failing_since=story.now, error="The refresh token was revoked.", failures=3, created_at=story.now,
        updated_at=story.now,
    )  # fmt: skip
    RemoteState.objects.create(
        campaign=campaign, account=account, actual="PAUSED", step=Step.DRIFT, step_since=story.now
    )  # fmt: skip
    look(story)
    Account.objects.update(error="It was revoked again.")
    look(story)
    told = {one.campaign_id: one for one in of(Kind.PLATFORM_DRIFT)}
    RemoteState.objects.update(step=Step.NOTHING)
    Account.objects.update(needs_person=False, failing_since=None)
    look(story)

    assert set(told) == {None, campaign.pk}
    assert "Somebody changed it there." in told[campaign.pk].text
    assert "It was revoked again." in told[None].text
    assert {one.ending for one in of(Kind.PLATFORM_DRIFT)} == {"It is over."}


# --- What comes in, and the system -----------------------------------------------------------------------------------


def test_campaigns_that_run_without_spend_are_told_of_until_some_comes(story: Story) -> None:
    campaign = story.campaign()
    story.spend(campaign, "10")
    story.tick("2026-05-06 23:00")
    look(story)
    early = of(Kind.DATA_STALE).count()

    story.tick("2026-05-07 00:01")
    look(story)
    alert = only(Kind.DATA_STALE)
    story.spend(campaign, "10")
    look(story)

    assert early == 0
    assert alert.title == "Acme: campaigns run, and no spend was reported after Tue 5 May 2026"
    assert only(Kind.DATA_STALE).ending == "It is over."


def an_import(story: Story, *brands: Any, **more: Any) -> SpendImport:
    values: dict[str, Any] = {
        "file_name": "may.csv", "digest": "x", "size": 1, "state": ImportState.DONE, "created_at": story.now,
        "created_by": ACTOR, "finished_at": story.now, "rows": 5, "accepted": 3, "rejected": 2, **more,
    }  # fmt: skip
    record = SpendImport.objects.create(**values)
    record.brands.set(brands)
    return record


def test_rejects_of_an_import_are_told_until_a_better_one_comes(story: Story) -> None:
    an_import(story, story.brand)
    look(story)
    alert = only(Kind.IMPORT_REJECTS)
    later(story, minutes=5)
    an_import(story, story.brand, accepted=5, rejected=0)
    look(story)

    assert alert.title == "Acme: import “may.csv”: 2 rows left out"
    assert alert.brand_id == story.brand.pk
    assert only(Kind.IMPORT_REJECTS).cleared_at == story.now


def test_an_import_of_several_brands_is_administrators_business(story: Story) -> None:
    an_import(story, story.brand, Story(name="Zebra").brand, state=ImportState.FAILED, error="No header", rejected=0)

    look(story)

    assert only(Kind.IMPORT_REJECTS).brand is None
    assert "could not be read" in only(Kind.IMPORT_REJECTS).title


def test_a_webhook_that_was_given_up_is_told_of_until_it_is_switched_on(story: Story) -> None:
    inputs = {"name": "Bidder", "url": "http://127.0.0.1:9/", "events": [EventType.STATE_CHANGED]}
    kept, _ = delivery.add_endpoint(story.brand.pk, inputs, policy=HERE, actor=ACTOR, now=story.now)
    by_hand, _ = delivery.add_endpoint(story.brand.pk, inputs, policy=HERE, actor=ACTOR, now=story.now)
    relay._switch_off(kept, "Nothing has arrived there for 5 days.", story.now)
    delivery.switch_off(by_hand.pk, reason="Not needed", actor=ACTOR, now=story.now)

    look(story)
    alert = only(Kind.WEBHOOK_OFF)
    delivery.switch_on(kept.pk, catch_up=False, actor=ACTOR, now=story.now)
    look(story)

    assert "Nothing has arrived there for 5 days." in alert.text
    assert Endpoint.objects.filter(gave_up=True).count() == 0
    assert only(Kind.WEBHOOK_OFF).ending == "It is over."


def test_missed_and_failed_runs_are_told_even_if_ticks_came_back_before_anybody_looked(story: Story) -> None:
    alarms.raise_alarm(AlarmKind.TICKS, "No heartbeat for 80 s.", story.now)
    alarms.clear(AlarmKind.TICKS, story.now + timedelta(minutes=2))
    Run.objects.create(
        kind=RunKind.BUDGETS, trigger="beat", started_at=story.now, finished_at=story.now, error="Brand 1: locked"
    )
    later(story, minutes=3)

    look(story)
    titles = set(of(Kind.RUNS_MISSED).values_list("title", flat=True))
    later(story, minutes=10)
    Run.objects.create(kind=RunKind.BUDGETS, trigger="beat", started_at=story.now, finished_at=story.now)
    look(story)

    assert titles == {"Ticks have stopped", "Budget enforcement: the last run failed"}
    assert not of(Kind.RUNS_MISSED).open().exists()
    assert all(one.brand_id is None for one in of(Kind.RUNS_MISSED))
    assert Alarm.objects.count() == 1


# --- Once ------------------------------------------------------------------------------------------------------------


def everything(story: Story) -> None:
    story.spend(story.campaign(), "100")
    an_import(story, story.brand)
    enforcement.emergency_stop_brand(story.brand.pk, reason="x", actor=ACTOR, now=story.now)


def test_looking_again_changes_nothing(story: Story) -> None:
    everything(story)
    first = look(story)
    before = list(Alert.objects.values())

    assert look(story) == {"raised": 0, "cleared": 0, "refreshed": 0}
    assert list(Alert.objects.values()) == before
    assert first["raised"] == len(before) >= 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_four_that_look_at_once_raise_each_issue_once(story: Story) -> None:
    everything(story)

    def one(_: int) -> dict[str, int]:
        try:
            return services.look(story.now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(one, range(4)))

    keys = list(Alert.objects.values_list("key", flat=True))
    assert len(keys) == len(set(keys)) >= 2
    assert sum(count.get("raised", 0) for count in counts) == len(keys)


def test_an_older_view_does_not_undo_a_newer_one(story: Story) -> None:
    look(story)
    number = Look.objects.get().number
    old = read_world(story.now)
    everything(story)
    look(story)

    late = services._sync(Found({}), number, old)

    assert late == {"skipped": 1}
    assert Alert.objects.open().count() >= 2


def test_what_a_person_has_resolved_is_not_raised_again_until_it_was_gone(story: Story) -> None:
    campaign = story.campaign()
    enforcement.emergency_stop(campaign.pk, reason="x", actor=ACTOR, now=story.now)
    look(story)
    alert = only(Kind.EMERGENCY_STOP)

    services.resolve([alert.pk], actor=ACTOR, now=story.now)
    look(story)
    resolved = of(Kind.EMERGENCY_STOP).count()
    enforcement.clear_stop(campaign.pk, actor=ACTOR, now=story.now)
    look(story)
    enforcement.emergency_stop(campaign.pk, reason="y", actor=ACTOR, now=story.now)
    look(story)

    alert.refresh_from_db()
    assert resolved == 1
    assert (alert.resolved_by, alert.read_by, alert.ending) == (ACTOR, ACTOR, "")
    assert of(Kind.EMERGENCY_STOP).count() == 2
    assert AuditEntry.objects.filter(action="resolve alert", object_id=alert.pk, brand=story.brand).count() == 1


def test_reading_is_recorded_once_and_leaves_it_open(story: Story) -> None:
    story.spend(story.campaign(), "60")
    look(story)
    alert = Alert.objects.get()

    assert services.mark_read([alert.pk], actor=ACTOR, now=story.now) == 1
    assert services.mark_read([alert.pk], actor="another", now=story.now) == 0

    alert.refresh_from_db()
    assert (alert.read_by, alert.ended_at) == (ACTOR, None)
    assert AuditEntry.objects.filter(action="read alert").count() == 1


def test_a_look_takes_as_many_queries_for_many_campaigns_as_for_one(story: Story) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            look(story)
        return len(captured)

    story.spend(story.campaign("0", daily_budget="10"), "10")
    look(story)
    few = queries()
    for number in range(1, 9):
        other = Story(name=f"B{number}")
        other.spend(other.campaign("x", daily_budget="10"), "10")
        other.spend(other.campaign("y", daily_budget="10"), "9")
    look(story)

    assert queries() <= few + 1


def test_a_brand_that_cannot_be_read_keeps_no_other_from_its_alerts(story: Story) -> None:
    other = Story(name="Zebra")
    for one in (story, other):
        one.spend(one.campaign(), "100")
        one.pause(one.campaign("Waits"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE brands_brand SET timezone = 'Nowhere/Land' WHERE name = 'Zebra'")
    later(story, hours=30)

    look(story)

    assert set(Alert.objects.values_list("brand", flat=True)) == {story.brand.pk}
    assert len(Alert.objects.all()) >= 1


def test_alerts_of_a_year_ago_are_tidied_away_and_standing_ones_are_not(story: Story) -> None:
    story.spend(story.campaign(), "60")
    look(story)
    off(Kind.DAY_USED, story)
    enforcement.emergency_stop_brand(story.brand.pk, reason="x", actor=ACTOR, now=story.now)
    look(story)
    later(story, days=366)

    assert services.tidy(story.now) == 1
    assert {one.kind for one in Alert.objects.all()} == {Kind.EMERGENCY_STOP}


# --- A finder that fails ---------------------------------------------------------------------------------------------


def break_down(monkeypatch: pytest.MonkeyPatch, kind: Kind, after: int = 0) -> None:
    """Whatever finds this kind raises, after so many findings."""

    def broken(find: Callable[[World], Iterator[Finding]]) -> Callable[[World], Iterator[Finding]]:
        def raises(world: World) -> Iterator[Finding]:
            for number, one in enumerate(find(world)):
                if number == after:
                    raise RuntimeError("a platform's row of 1799")
                yield one
            raise RuntimeError("a platform's row of 1799")

        return raises

    finders = [one._replace(find=broken(one.find)) if kind in one.kinds else one for one in EVERYTHING]
    monkeypatch.setattr(services, "EVERYTHING", finders)


def test_each_kind_has_a_finder_and_each_finder_finds_its_own_kinds_only(story: Story) -> None:
    everything(story)
    story.spend(story.campaign("Own", daily_budget="10"), "10")
    world = read_world(story.now)

    found = {one.name: {finding.kind for finding in one.find(world)} for one in EVERYTHING}

    assert {kind for one in EVERYTHING for kind in one.kinds} == set(Kind)
    assert len({one.name for one in EVERYTHING}) == len(EVERYTHING)
    assert [one.name for one in EVERYTHING if not found[one.name] <= one.kinds] == []
    assert sum(map(bool, found.values())) >= 3


def test_a_finder_that_fails_keeps_no_other_from_being_told_and_ends_nothing(
    story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = {"name": "Boss", "address": "ann@example.com", "minimum_severity": 30}
    receivers.add_receiver(None, "EMAIL", inputs, policy=HERE, actor=ACTOR, now=story.now)
    story.spend(story.campaign(), "100")
    look(story)
    story.change_brand(daily_budget="1000")
    enforcement.emergency_stop_brand(story.brand.pk, reason="x", actor=ACTOR, now=story.now)
    break_down(monkeypatch, Kind.BUDGET_PAUSE)

    first, second = look(story), look(story)
    telling.tell_all(story.now)

    assert (first["failed"], second) == (1, {"raised": 0, "cleared": 0, "refreshed": 0, "failed": 1})
    assert of(Kind.EMERGENCY_STOP).open().count() == 1
    assert of(Kind.BUDGET_PAUSE).open().count() == 1, "nobody knows whether it is over"
    told = only(Kind.RUNS_MISSED)
    assert told.title == "Alerts about what is used of budgets are not found at present"
    assert "RuntimeError: a platform's row of 1799" in told.text
    assert (told.brand, told.severity) == (None, Severity.CRITICAL)
    body = Delivery.objects.get().body
    assert "emergency stop" in body
    assert told.title in body
    assert "Alerts about what is used of budgets could not be looked for" in caplog.text
    assert "Traceback" in caplog.text


def test_what_a_finder_found_before_it_failed_is_told_and_all_is_over_when_it_works_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("A", "B"):
        enforcement.emergency_stop(story.campaign(name).pk, reason="x", actor=ACTOR, now=story.now)
    with monkeypatch.context() as broken:
        break_down(broken, Kind.EMERGENCY_STOP, after=1)
        look(story)
    half = [one.title for one in of(Kind.EMERGENCY_STOP).open()]

    assert "failed" not in look(story)

    assert half == ["A · Acme: emergency stop"]
    assert of(Kind.EMERGENCY_STOP).open().count() == 2
    assert only(Kind.RUNS_MISSED).cleared_at == story.now
    assert only(Kind.RUNS_MISSED).ending == "It is over."


def test_where_nothing_can_be_read_administrators_are_told_nothing_ends_and_the_task_fails(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"name": "Boss", "address": "ann@example.com", "minimum_severity": 30}
    receivers.add_receiver(None, "EMAIL", inputs, policy=HERE, actor=ACTOR, now=story.now)
    monkeypatch.setattr(clock, "now", lambda: story.now)
    enforcement.emergency_stop_brand(story.brand.pk, reason="x", actor=ACTOR, now=story.now)
    look(story)
    enforcement.clear_brand_stop(story.brand.pk, actor=ACTOR, now=story.now)
    looked_at = story.now
    later(story, minutes=1)

    with monkeypatch.context() as broken:
        broken.setattr(services, "read_world", broken_read)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="a week of eight days"):
                alert_task()

    told = only(Kind.RUNS_MISSED)
    assert (told.title, told.brand, told.severity) == ("No alerts are found at present", None, Severity.CRITICAL)
    assert "RuntimeError: a week of eight days" in told.text
    assert of(Kind.EMERGENCY_STOP).open().count() == 1, "nobody knows whether it is over"
    assert told.title in Delivery.objects.get().body
    assert Look.objects.get().at == looked_at, "its age goes on"
    look(story)
    assert only(Kind.RUNS_MISSED).cleared_at == only(Kind.EMERGENCY_STOP).cleared_at == story.now


def broken_read(_: datetime) -> World:
    raise RuntimeError("a week of eight days")


def test_nobody_is_told_of_a_finder_that_fails_where_a_rule_says_so(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(Kind.RUNS_MISSED, story)
    break_down(monkeypatch, Kind.NEVER_RAN)

    assert look(story)["failed"] == 1
    monkeypatch.setattr(services, "read_world", broken_read)
    with pytest.raises(RuntimeError):
        look(story)
    assert not Alert.objects.exists()


# --- A person during a look ------------------------------------------------------------------------------------------


def meanwhile(do: Callable[[], Any]) -> Any:
    """In another session."""

    def work() -> Any:
        try:
            return do()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(work)
    finally:
        pool.shutdown(wait=False)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("goes_on", [True, False])
def test_what_a_person_resolves_between_reading_and_writing_stays_resolved(
    story: Story, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    story.spend(story.campaign(), "100")
    look(story)
    alert = only(Kind.BUDGET_PAUSE)
    at = story.now
    later(story, minutes=1)
    story.spend(story.campaign("B"), "1") if goes_on else story.change_brand(daily_budget="1000")
    read = services._not_told_before

    def read_and_resolve(new: Any) -> Any:
        assert meanwhile(lambda: services.resolve([alert.pk], actor="Ann", now=at)).result(10) == 1
        return read(new)

    monkeypatch.setattr(services, "_not_told_before", read_and_resolve)
    look(story)
    monkeypatch.undo()
    look(story)

    alert.refresh_from_db()
    assert (alert.resolved_at, alert.ended_at, alert.resolved_by, alert.ending) == (at, at, "Ann", "")
    assert alert.cleared_at == (None if goes_on else story.now)
    assert of(Kind.BUDGET_PAUSE).count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_look_waits_for_a_person_who_is_resolving_what_it_ends(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.spend(story.campaign(), "100")
    look(story)
    alert = only(Kind.BUDGET_PAUSE)
    story.change_brand(daily_budget="1000")
    holds = Event()

    def audit_slowly(*args: Any, **more: Any) -> None:
        holds.set()
        wait_until(lambda: waiting_sessions() == 1, "the look waits for the alert")
        audit(*args, **more)

    monkeypatch.setattr(services, "audit", audit_slowly)
    person = meanwhile(lambda: services.resolve([alert.pk], actor="Ann", now=story.now))
    assert holds.wait(10)
    counts = look(story)

    alert.refresh_from_db()
    assert (person.result(10), counts["cleared"]) == (1, 1)
    assert (alert.resolved_by, alert.cleared_at, alert.ending) == ("Ann", story.now, "")
    assert of(Kind.BUDGET_PAUSE).count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_person_who_resolves_what_a_look_is_ending_comes_too_late_without_an_error(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.spend(story.campaign(), "100")
    look(story)
    alert = only(Kind.BUDGET_PAUSE)
    story.change_brand(daily_budget="1000")
    refresh, persons = services._refresh, []

    def refresh_slowly(*args: Any) -> int:
        persons.append(meanwhile(lambda: services.resolve([alert.pk], actor="Ann", now=story.now)))
        wait_until(lambda: waiting_sessions() == 1, "the person waits for the look")
        return refresh(*args)

    monkeypatch.setattr(services, "_refresh", refresh_slowly)
    look(story)

    alert.refresh_from_db()
    assert persons[0].result(10) == 0
    assert (alert.resolved_at, alert.cleared_at) == (None, story.now)
    assert alert.ending == "Now 1 campaign of the brand runs."
    assert not AuditEntry.objects.filter(action="resolve alert").exists()


# --- Rules -----------------------------------------------------------------------------------------------------------


def test_a_brands_rule_goes_before_that_of_all_brands(story: Story) -> None:
    other = Story(name="Zebra")
    for one in (story, other):
        one.spend(one.campaign(), "75")
    services.add_rule(None, Kind.DAY_USED, {"limits": "70"}, actor=ACTOR, now=story.now)
    services.add_rule(
        story.brand.pk, Kind.DAY_USED, {"limits": "60, 75", "severity": 30}, actor=ACTOR, now=story.now
    )  # fmt: skip

    look(story)

    levels = {one.brand_id: (one.level, one.severity) for one in of(Kind.DAY_USED)}
    assert levels == {story.brand.pk: (75, Severity.CRITICAL), other.brand.pk: (70, Severity.NOTICE)}


def test_a_kind_that_is_switched_off_is_not_raised_and_what_stands_is_over(story: Story) -> None:
    story.spend(story.campaign(), "75")
    look(story)

    off(Kind.DAY_USED, story)
    look(story)

    assert not of(Kind.DAY_USED).open().exists()


@pytest.mark.parametrize(
    ("kind", "limits"),
    [(Kind.DAY_USED, "0"), (Kind.DAY_USED, "x"), (Kind.PAUSE_EXPECTED, "10, 20"), (Kind.BREAKER, "5"),
     (Kind.DATA_STALE, "-1"), (Kind.DAY_USED, "1 2 3 4 5 6 7 8 9"), (Kind.DAY_USED, "５０")],
)  # fmt: skip
def test_limits_that_mean_nothing_are_refused(story: Story, kind: Kind, limits: str) -> None:
    with pytest.raises(Refused) as refused:
        services.add_rule(None, kind, {"limits": limits}, actor=ACTOR, now=story.now)

    assert refused.value.field == "limits"
    assert not AlertRule.objects.exists()


def test_a_second_rule_for_the_same_is_refused_and_a_stale_change_too(story: Story) -> None:
    rule = services.add_rule(None, Kind.DAY_USED, {}, actor=ACTOR, now=story.now)
    services.change_rule(rule.pk, {"limits": "90"}, actor=ACTOR, now=story.now, expected_version=1)

    with pytest.raises(Conflict):
        services.add_rule(None, Kind.DAY_USED, {}, actor=ACTOR, now=story.now)
    with pytest.raises(Conflict):
        services.change_rule(rule.pk, {"on": False}, actor=ACTOR, now=story.now, expected_version=1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("for_all", [True, False])
def test_of_several_people_who_add_a_rule_for_the_same_one_does_and_the_others_are_told(
    story: Story, for_all: bool
) -> None:
    barrier = Barrier(4)

    def add() -> str:
        barrier.wait()
        try:
            services.add_rule(None if for_all else story.brand.pk, Kind.DAY_USED, {}, actor=ACTOR, now=story.now)
        except Conflict as error:
            return error.message
        return ""

    told = sorted(one.result(10) for one in [meanwhile(add) for _ in range(4)])

    assert told == ["", *["There is a rule for this already. Change that one."] * 3]
    assert AuditEntry.objects.filter(action="add alert rule").count() == AlertRule.objects.count() == 1


def test_every_kind_says_what_it_does() -> None:
    says: Callable[[Kind], str] = lambda kind: SPECS[kind].does  # noqa: E731

    assert set(SPECS) == set(Kind)
    assert all(says(kind).startswith("Tells ") and says(kind).endswith(".") for kind in Kind)
    assert all(("{}" in says(kind)) == (SPECS[kind].limits is not None) for kind in Kind)
