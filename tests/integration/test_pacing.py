"""Pacing in the database: what comes in, what is allowed, breakers that hold campaigns, alerts, and money moved."""

import io
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from brands.models import AuditEntry
from budget_system.errors import Conflict, Refused
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import imports, pacing, reservations, services
from enforcement.decision import Code
from enforcement.explain import explain
from enforcement.sweeps import enforce_due
from pacing.desk import Desk, config_of
from pacing.models import (
    AlertKind,
    BreakerChange,
    BreakerState,
    ChannelBudget,
    HourTotal,
    PaceAlert,
    PacedCampaign,
    Reallocation,
    ReallocationState,
)
from spending.import_options import ImportOptions
from spending.models import PeriodKind, Spend
from spending.services import SpendRow
from tests.factories import ACTOR, Story, window

pytestmark = pytest.mark.django_db
EVEN = "even_distribution"
UNPROTECTED = {"frontload_protection_hours": 0, "max_hourly_spend_pct": "1", "velocity_factor": "1440"}


@pytest.fixture
def story() -> Story:
    return Story("2026-05-05 13:45", daily_budget="5000", monthly_budget="90000")


def paced(story: Story, channel: str = "google", budget: str = "1000", **inputs: Any) -> Campaign:
    campaign = story.campaign(**inputs)
    give(story, campaign, channel, budget)
    return Campaign.objects.get(pk=campaign.pk)


def give(story: Story, campaign: Campaign, channel: str, budget: str, **changes: Any) -> ChannelBudget:
    given = {"daily_budget": budget, "strategy": EVEN, "settings": UNPROTECTED, **changes}
    return pacing.set_channel_budget(campaign.pk, channel, given, actor=ACTOR, now=story.now)


def spend(story: Story, campaign: Campaign, amount: str, channel: str = "", **more: Any) -> Spend:
    day = more.pop("day", story.now.date())
    row = SpendRow(campaign.pk, Decimal(amount), day, channel=channel, **more)
    [posted] = services.post_spend([row], source="test", actor=ACTOR, now=story.now).answers
    assert posted.error is None, posted.error
    assert posted.spend_id is not None
    return Spend.objects.get(pk=posted.spend_id)


def check(story: Story) -> None:
    pacing.check_pace(story.brand.pk, actor=ACTOR, now=story.now)


def desk(story: Story, campaign: Campaign) -> Desk:
    return Desk([campaign.pk], story.now)


def spent_today(story: Story, campaign: Campaign, channel: str) -> Decimal:
    return desk(story, campaign).pacer.spent(str(campaign.pk), channel)


def standing(campaign: Campaign) -> list[str]:
    return [alert.kind for alert in PaceAlert.objects.filter(campaign=campaign, cleared_at=None)]


# --- The worked examples ---------------------------------------------------------------------------------------------


def test_example_18_a_quarter_of_the_open_time_has_passed_and_400_of_1000_are_spent(story: Story) -> None:
    campaign = paced(story, rows=[window(day, "11:00", "22:00") for day in range(7)])
    spend(story, campaign, "400")

    check(story)

    [alert] = PaceAlert.objects.all()
    assert (alert.kind, alert.severity, round(alert.pace, 6)) == (AlertKind.WARNING_OVERPACING, "warning", 1.6)
    assert "400.00 of 1,000.00" in alert.message
    assert alert.action


def test_example_20_reallocation_leaves_the_sum_of_the_channels_budgets_as_it_is(story: Story) -> None:
    campaign = paced(story, "search", "100")
    give(story, campaign, "display", "100")
    story.clock("2026-05-05 18:00")
    spend(story, campaign, "70", "search")
    spend(story, campaign, "5", "display")
    report(story, campaign, "search", revenue="700", clicks=100, conversions="70")
    report(story, campaign, "display", revenue="6", clicks=100, conversions="1")
    story.clock("2026-05-05 19:00")

    proposal = pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)

    assert proposal is not None
    assert proposal.moves[0]["from"] == "display"
    assert proposal.moves[0]["reason"]
    assert sum(map(Decimal, proposal.after.values())) == Decimal("200.00")
    assert Decimal(proposal.after["display"]) >= 5

    pacing.apply_reallocation(proposal.pk, actor=ACTOR, now=story.now)

    found = desk(story, campaign).pacer
    budgets = {name: found.budget(str(campaign.pk), name) for name in ("search", "display")}
    assert budgets == {name: Decimal(text) for name, text in proposal.after.items()}
    assert sum(budgets.values()) == Decimal("200.00")
    assert AuditEntry.objects.filter(action="move money between channels").count() == 1
    with pytest.raises(Conflict):
        pacing.apply_reallocation(proposal.pk, actor=ACTOR, now=story.now)
    story.clock("2026-05-06 09:00")
    assert desk(story, campaign).pacer.budget(str(campaign.pk), "search") == 100, "a new day starts from what was set"


def report(story: Story, campaign: Campaign, channel: str, **figures: object) -> None:
    pacing.report_performance(campaign.pk, channel, story.now, figures, actor=ACTOR, now=story.now)


# --- What comes in ---------------------------------------------------------------------------------------------------


def test_every_campaigns_spend_is_counted_by_the_hour_in_which_it_arrives(story: Story) -> None:
    campaign = story.campaign()
    spend(story, campaign, "10")
    story.clock("2026-05-05 14:10")
    spend(story, campaign, "4", "Search ")
    spend(story, campaign, "3", day=(story.now - timedelta(days=1)).date())
    spend(story, campaign, "900", spend_type="MONTHLY", description="fee")

    rows = HourTotal.objects.filter(campaign=campaign).order_by("starts_at")
    assert [(row.starts_at.astimezone(story.zone).hour, row.channel, row.spent) for row in rows] == [
        (13, "", Decimal(10)),
        (14, "search", Decimal(4)),
    ]
    assert not PacedCampaign.objects.exists(), "nobody asked to pace it"


def test_what_is_amended_voided_restored_or_imported_again_moves_the_pacer_too(story: Story) -> None:
    campaign = paced(story)
    first = spend(story, campaign, "100")
    spend(story, campaign, "50", key="day")
    assert spent_today(story, campaign, "google") == 150

    services.amend_spend(first.pk, {"amount": Decimal(70)}, reason="x", actor=ACTOR, now=story.now)
    assert spent_today(story, campaign, "google") == 120
    services.void_spend(first.pk, reason="x", actor=ACTOR, now=story.now)
    assert spent_today(story, campaign, "google") == 50
    services.restore_spend(first.pk, reason="x", actor=ACTOR, now=story.now)
    assert spent_today(story, campaign, "google") == 120
    row = SpendRow(campaign.pk, Decimal(65), story.now.date(), key="day")
    services.post_spend([row], source="test", actor=ACTOR, now=story.now, correct=True)

    assert spent_today(story, campaign, "google") == 135
    assert HourTotal.objects.get().spent == 135


def test_a_channel_that_gets_a_budget_during_the_day_has_spent_what_it_has_spent(story: Story) -> None:
    campaign = story.campaign()
    spend(story, campaign, "40", "search")
    spend(story, campaign, "9")

    give(story, campaign, "search", "100")
    assert spent_today(story, campaign, "search") == 49, "the only channel is the campaign's own"
    give(story, campaign, "display", "100")
    assert spent_today(story, campaign, "display") == 0


def test_midnight_in_the_brands_zone_begins_a_new_day_for_the_pacer(story: Story) -> None:
    campaign = paced(story)
    spend(story, campaign, "100")
    story.clock("2026-05-06 00:00")

    assert spent_today(story, campaign, "google") == 0
    spend(story, campaign, "7")
    assert spent_today(story, campaign, "google") == 7


def test_a_brand_that_moves_to_another_zone_takes_its_pacer_along(story: Story) -> None:
    campaign = paced(story)
    services.change_brand(story.brand.pk, {"timezone": "Pacific/Auckland"}, actor=ACTOR, now=story.now)

    state = desk(story, campaign).pacer.store.load(str(campaign.pk))

    assert state is not None
    assert state.zone == "Pacific/Auckland"


# --- What is allowed -------------------------------------------------------------------------------------------------


def test_50_and_150_of_1000_are_allowed_on_a_fresh_day_and_151_are_not(story: Story) -> None:
    campaign = paced(story)
    give(story, campaign, "google", "1000", settings={"frontload_protection_hours": 0})

    def can(amount: str) -> tuple[bool, str]:
        answer = reservations.can_spend(campaign.pk, Decimal(amount), story.now, channel="google")
        return answer.authorisation.granted, answer.text

    assert can("50")[0]
    assert can("150")[0]
    granted, text = can("151")
    assert not granted
    assert "hourly limit: 150.00 of 150.00 left" in text


def test_money_is_set_aside_within_the_channels_budget_and_given_back_once(story: Story) -> None:
    campaign = paced(story, budget="100")

    def reserve(amount: str, channel: str = "google") -> reservations.Answer:
        return reservations.reserve(uuid4(), campaign.pk, Decimal(amount), channel=channel, actor=ACTOR, now=story.now)

    first = reserve("60")
    assert first.reservation is not None
    refused = reserve("41")
    assert refused.authorisation.code == Code.PACING
    assert "daily budget: 40.00 of 100.00 left" in refused.text
    assert "video has no budget" in reserve("1", "video").text.lower()

    reservations.void(first.reservation.pk, actor=ACTOR, now=story.now)
    reservations.void(first.reservation.pk, actor=ACTOR, now=story.now)
    second = reserve("100")
    assert second.reservation is not None, second.text
    assert not reserve("0.01").authorisation.granted
    reservations.settle(second.reservation.pk, Decimal(80), actor=ACTOR, now=story.now)

    assert spent_today(story, campaign, "google") == 80
    third = reserve("20")
    assert third.reservation is not None, third.text
    reservations.expire_due(story.now + timedelta(days=1, hours=-2))
    assert Spend.objects.get().channel == "google"


def test_what_expires_is_free_again_for_the_channel(story: Story) -> None:
    campaign = paced(story, budget="100")
    reservations.reserve(uuid4(), campaign.pk, Decimal(100), channel="google", actor=ACTOR, now=story.now)
    story.now += timedelta(minutes=11)

    # No worker has been there: asking gives back what is over.
    answer = reservations.reserve(uuid4(), campaign.pk, Decimal(100), channel="google", actor=ACTOR, now=story.now)
    assert answer.authorisation.granted, answer.text


def test_the_same_reservation_asked_for_again_sets_nothing_more_aside(story: Story) -> None:
    campaign = paced(story, budget="100")
    an_id = uuid4()
    for _ in range(3):
        answer = reservations.reserve(an_id, campaign.pk, Decimal(60), channel="google", actor=ACTOR, now=story.now)
        assert answer.authorisation.granted

    assert desk(story, campaign).pacer.set_aside(str(campaign.pk), "google", Decimal(40))[0]


# --- Breakers and stops ----------------------------------------------------------------------------------------------


def test_a_breaker_that_opens_on_all_channels_holds_the_campaign_until_the_probe(story: Story) -> None:
    campaign = paced(story, budget="100")
    story.clock("2026-05-05 14:00")

    spend(story, campaign, "95")

    campaign.refresh_from_db()
    assert campaign.holds == (Hold.CIRCUIT_BREAKER,)
    assert campaign.breaker_until is not None
    assert campaign.breaker_until.astimezone(UTC) == story.now + timedelta(minutes=15)
    [change] = BreakerChange.objects.all()
    assert (change.from_state, change.to_state) == (BreakerState.CLOSED, BreakerState.OPEN)
    told = explain(campaign.pk, story.now)
    assert "95" in told.sentences[0]
    assert told.runs_next_at == campaign.breaker_until

    enforce_due(campaign.breaker_until, actor="worker")
    campaign.refresh_from_db()
    assert campaign.holds == ()


def test_a_breaker_of_one_channel_leaves_the_campaign_running(story: Story) -> None:
    campaign = paced(story, "search", "100")
    give(story, campaign, "display", "100")
    spend(story, campaign, "95", "search")

    campaign.refresh_from_db()
    assert campaign.holds == ()
    found = {budget.channel: budget.breaker for budget in ChannelBudget.objects.all()}
    assert found == {"search": BreakerState.OPEN, "display": BreakerState.CLOSED}
    answer = reservations.can_spend(campaign.pk, Decimal(1), story.now, channel="search")
    assert "circuit breaker open" in answer.text


def test_a_person_closes_a_breaker_and_the_campaign_runs_at_once(story: Story) -> None:
    campaign = paced(story, budget="100")
    spend(story, campaign, "95")
    budget = ChannelBudget.objects.get()

    pacing.close_breaker(budget.pk, reason="looked into it", actor=ACTOR, now=story.now)

    campaign.refresh_from_db()
    assert campaign.holds == ()
    assert ChannelBudget.objects.get().breaker == BreakerState.CLOSED
    assert AuditEntry.objects.get(action="close circuit breaker").reason == "looked into it"


def test_an_emergency_stop_of_a_channel_holds_the_campaign_until_it_is_cleared(story: Story) -> None:
    campaign = paced(story)
    budget = give(story, campaign, "search", "10")
    pacing.stop_channel(budget.pk, reason="wrong page", actor=ACTOR, now=story.now)

    campaign.refresh_from_db()
    assert campaign.holds == (Hold.EMERGENCY_STOP,)
    assert "search" in explain(campaign.pk, story.now).sentences[0]
    with pytest.raises(Conflict):
        pacing.remove_channel_budget(budget.pk, actor=ACTOR, now=story.now)

    give(story, campaign, "search", "20")
    check(story)
    campaign.refresh_from_db()
    assert campaign.holds == (Hold.EMERGENCY_STOP,), "a new budget clears no stop"
    pacing.clear_channel_stop(budget.pk, actor=ACTOR, now=story.now)
    campaign.refresh_from_db()
    assert campaign.holds == ()


# --- Alerts ----------------------------------------------------------------------------------------------------------


def test_an_alert_is_raised_once_and_again_only_after_it_has_cleared(story: Story) -> None:
    campaign = paced(story, rows=[window(day, "11:00", "22:00") for day in range(7)])
    first = spend(story, campaign, "400")
    for _ in range(3):
        check(story)
    assert standing(campaign) == [AlertKind.WARNING_OVERPACING]

    services.void_spend(first.pk, reason="x", actor=ACTOR, now=story.now)
    spend(story, campaign, "250")
    check(story)
    assert standing(campaign) == []
    spend(story, campaign, "150")
    check(story)

    assert standing(campaign) == [AlertKind.WARNING_OVERPACING]
    assert PaceAlert.objects.count() == 2


# --- Inputs ----------------------------------------------------------------------------------------------------------


def test_channel_budgets_lie_inside_the_campaigns(story: Story) -> None:
    campaign = paced(story, budget="60", daily_budget="100")

    with pytest.raises(Refused, match=r"add up to 101\.00 EUR, more than the campaign's 100\.00"):
        give(story, campaign, "search", "41")
    give(story, campaign, "search", "40")


@pytest.mark.parametrize(
    ("channel", "changes", "said"),
    [
        ("", {"daily_budget": "1"}, "needs a name"),
        ("a,b", {"daily_budget": "1"}, "no comma"),
        ("x", {}, "needs a daily budget"),
        ("x", {"daily_budget": "-1"}, "negative"),
        ("x", {"daily_budget": "1", "strategy": "magic"}, "not one of"),
        ("x", {"daily_budget": "1", "settings": {"speed": 3}}, "no setting speed"),
        ("x", {"daily_budget": "1", "settings": {"cooldown_s": "off"}}, "cooldown_s is None"),
        ("x", {"daily_budget": "1", "settings": {"max_hourly_spend_pct": "1.5"}}, "max_hourly_spend_pct is 1.5"),
        ("x", {"daily_budget": "1", "colour": "red"}, "no input called colour"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    story: Story, channel: str, changes: dict[str, object], said: str
) -> None:
    campaign = story.campaign()

    with pytest.raises(Refused, match=said):
        pacing.set_channel_budget(campaign.pk, channel, changes, actor=ACTOR, now=story.now)

    assert not ChannelBudget.objects.exists()


def test_taking_the_last_budget_away_ends_the_pacing(story: Story) -> None:
    campaign = paced(story, budget="100")
    spend(story, campaign, "95")
    pacing.remove_channel_budget(ChannelBudget.objects.get().pk, actor=ACTOR, now=story.now)

    campaign.refresh_from_db()
    assert (campaign.paced, campaign.holds) == (False, ())
    assert standing(campaign) == []
    assert spend(story, campaign, "5")


# --- Moving money ----------------------------------------------------------------------------------------------------


def test_a_proposal_lapses_with_its_day_and_can_be_rejected(story: Story) -> None:
    campaign = paced(story, "search", "100")
    with pytest.raises(Refused, match="at least two"):
        pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)
    give(story, campaign, "display", "100")
    story.clock("2026-05-05 18:00")
    spend(story, campaign, "70", "search")
    report(story, campaign, "search", revenue="700", clicks=100, conversions="70")
    report(story, campaign, "display", revenue="6", clicks=100, conversions="1")
    spend(story, campaign, "5", "display")
    story.clock("2026-05-05 19:00")
    proposal = pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)
    again = pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)
    assert proposal is not None
    assert again is not None
    assert Reallocation.objects.get(pk=proposal.pk).state == ReallocationState.LAPSED
    pacing.reject_reallocation(again.pk, actor=ACTOR, now=story.now, reason="not now")
    assert Reallocation.objects.get(pk=again.pk).decided_by == ACTOR

    last = pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)
    story.clock("2026-05-06 09:00")
    check(story)
    assert last is not None
    assert Reallocation.objects.get(pk=last.pk).state == ReallocationState.LAPSED


def test_an_automatic_campaign_moves_its_money_by_itself(story: Story) -> None:
    campaign = paced(story, "search", "100")
    give(story, campaign, "display", "100")
    pacing.change_pacing(campaign.pk, {"automatic": True}, actor=ACTOR, now=story.now)
    story.clock("2026-05-05 18:00")
    spend(story, campaign, "70", "search")
    report(story, campaign, "search", revenue="700", clicks=100, conversions="70")
    report(story, campaign, "display", revenue="6", clicks=100, conversions="1")
    spend(story, campaign, "5", "display")
    story.clock("2026-05-05 19:00")

    done = pacing.move_unused(campaign.pk, actor=ACTOR, now=story.now)

    assert done is not None
    assert done.state == ReallocationState.APPLIED
    assert pacing.move_unused(campaign.pk, actor=ACTOR, now=story.now) is None, "asking twice moves nothing more"


def test_a_changed_budget_starts_all_channels_from_what_they_were_given(story: Story) -> None:
    campaign = paced(story, "search", "100")
    give(story, campaign, "display", "100")
    story.clock("2026-05-05 18:00")
    spend(story, campaign, "70", "search")
    report(story, campaign, "search", revenue="700", clicks=100, conversions="70")
    report(story, campaign, "display", revenue="6", clicks=100, conversions="1")
    spend(story, campaign, "5", "display")
    story.clock("2026-05-05 19:00")
    proposal = pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)
    assert proposal is not None
    pacing.apply_reallocation(proposal.pk, actor=ACTOR, now=story.now)

    give(story, campaign, "display", "110")

    pacer = desk(story, campaign).pacer
    assert [pacer.budget(str(campaign.pk), name) for name in ("search", "display")] == [100, 110]


# --- Beginning afresh ------------------------------------------------------------------------------------------------


def test_a_forced_reset_of_the_day_begins_the_channels_day_afresh(story: Story) -> None:
    campaign = paced(story, budget="100")
    spend(story, campaign, "60")
    services.force_reset(story.brand.pk, [PeriodKind.MONTH], reason="x", actor=ACTOR, now=story.now)
    assert spent_today(story, campaign, "google") == 60

    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="x", actor=ACTOR, now=story.now)

    assert spent_today(story, campaign, "google") == 0
    assert HourTotal.objects.get().spent == 60, "what came in came in"


def test_a_breaker_that_may_probe_is_shown_as_probing_with_the_next_check(story: Story) -> None:
    campaign = paced(story, budget="100")
    tripped = desk(story, campaign)
    tripped.pacer.trip(str(campaign.pk), "google", "a price nobody pays")
    tripped.save()
    story.now += timedelta(minutes=16)

    check(story)

    assert ChannelBudget.objects.get().breaker == BreakerState.HALF_OPEN
    assert [change.to_state for change in BreakerChange.objects.order_by("pk")] == ["open", "half_open"]
    campaign.refresh_from_db()
    assert campaign.holds == ()


def test_an_undone_import_takes_its_figures_out_of_the_hours(story: Story) -> None:
    campaign = paced(story, budget="100")
    file = io.BytesIO(f"campaign,date,amount,clicks\n{campaign.name},{story.now.date()},10,7\n".encode())
    options = ImportOptions(brand_id=story.brand.pk)
    record = imports.start_import(file, "report.csv", options, actor=ACTOR, now=story.now)
    assert (HourTotal.objects.get().spent, HourTotal.objects.get().clicks) == (10, 7), record.report

    imports.undo_import(record.pk, reason="x", actor=ACTOR, now=story.now)

    assert (HourTotal.objects.get().spent, HourTotal.objects.get().clicks) == (0, 0)


def test_watching_prices_can_be_switched_off(story: Story) -> None:
    campaign = paced(story)
    give(story, campaign, "google", "1000", settings={"anomaly_z": "off"})

    assert config_of(ChannelBudget.objects.get().settings).anomaly_z is None


# --- What an opponent would try --------------------------------------------------------------------------------------


def test_a_channel_with_a_budget_of_0_may_spend_nothing(story: Story) -> None:
    campaign = paced(story, budget="0")

    answer = reservations.can_spend(campaign.pk, Decimal("0.01"), story.now, channel="google")

    assert answer.authorisation.code == Code.PACING
    assert "daily budget: 0.00 of 0.00 left" in answer.text
    check(story)


def test_money_set_aside_before_midnight_in_auckland_and_settled_after_counts_on_the_old_day() -> None:
    story = Story("2026-05-05 23:59:59", timezone="Pacific/Auckland", daily_budget="5000", monthly_budget="90000")
    campaign = paced(story, budget="100", name="Total Wine")
    made = reservations.reserve(uuid4(), campaign.pk, Decimal(40), channel="google", actor=ACTOR, now=story.now)
    assert made.reservation is not None, made.text
    story.clock("2026-05-06 00:00:01")

    for _ in range(2):
        reservations.settle(made.reservation.pk, Decimal(40), actor=ACTOR, now=story.now)

    assert spent_today(story, campaign, "google") == 0
    assert not HourTotal.objects.exists(), "it is of a day that was over when it was reported"


def test_a_state_that_was_changed_meanwhile_is_not_written_over(story: Story) -> None:
    campaign = paced(story, budget="100")
    first, second = desk(story, campaign), desk(story, campaign)
    key = str(campaign.pk)
    assert first.pacer.set_aside(key, "google", Decimal(40))[0]
    assert second.pacer.set_aside(key, "google", Decimal(70))[0]

    first.save()

    with pytest.raises(Conflict, match="changed meanwhile"):
        second.save()
    assert desk(story, campaign).pacer.can_spend(key, "google", Decimal(60)) == (True, "ok")


def test_a_reservation_asked_for_again_counts_once_for_its_channel(story: Story) -> None:
    campaign = paced(story, budget="100")
    one = uuid4()

    def reserve(reservation_id: UUID, amount: str) -> reservations.Answer:
        return reservations.reserve(
            reservation_id, campaign.pk, Decimal(amount), channel="google", actor=ACTOR, now=story.now
        )

    assert not reserve(one, "60").replayed
    assert reserve(one, "60").replayed, "the channel has no room for it twice"
    other = uuid4()
    assert reserve(other, "15").authorisation.granted
    assert reserve(other, "15").replayed, "and where it has, it is not counted again"
    assert reserve(uuid4(), "15").authorisation.granted
    assert reserve(one, "60").replayed
    assert not reserve(uuid4(), "11").authorisation.granted
    assert reserve(uuid4(), "10").authorisation.granted


@pytest.mark.parametrize("written", ["TİKTOK", "tıktok", "TIKTOK", " TikTok "])
def test_a_channel_is_known_however_a_turkish_spreadsheet_writes_it(story: Story, written: str) -> None:
    campaign = paced(story, "tiktok", name="Total Wine")
    give(story, campaign, "VİDEO", "500")

    spend(story, campaign, "40", written)

    assert spent_today(story, campaign, "tiktok") == 40
    assert spent_today(story, campaign, "video") == 0
