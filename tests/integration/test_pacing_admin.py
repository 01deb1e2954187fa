"""Pacing in the admin: who sees and does what, what the pages say, what the forms refuse."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.roles import Role
from brands.models import AuditEntry
from budget_pacer import InvalidConfiguration, PacerConfig
from budget_system.admin.pacing_settings import THRESHOLDS, ThresholdField, in_force
from campaigns.models import Campaign
from enforcement import pacing
from pacing.models import (
    AlertKind,
    BreakerState,
    ChannelBudget,
    PaceAlert,
    PacedCampaign,
    Reallocation,
    ReallocationState,
)
from tests.factories import ACTOR, Story, window
from tests.integration.admin_client import Person, errors_of, messages_of, text_of
from tests.integration.people import at_the_admin, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PAGE = "pacing_pacedcampaign_change"
LISTS = ("pacing_pacedcampaign", "pacing_channelbudget", "pacing_pacealert", "pacing_reallocation")


@pytest.fixture
def story() -> Story:
    return Story(at="2026-05-05 13:45", daily_budget="", monthly_budget="30000")


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def give(story: Story, campaign: Campaign, channel: str = "search", budget: str = "1000", **more: Any) -> ChannelBudget:
    changes = {"daily_budget": budget, **more}
    return pacing.set_channel_budget(campaign.pk, channel, changes, actor=ACTOR, now=story.now)


def with_proposal(story: Story) -> tuple[Campaign, Reallocation]:
    campaign = story.campaign("Spring")
    give(story, campaign, "search", "100")
    give(story, campaign, "display", "100")
    story.clock("2026-05-05 18:00")
    for channel, amount, revenue in (("search", "70", "700"), ("display", "5", "6")):
        story.spend(campaign, amount, channel=channel)
        figures = {"clicks": 100, "conversions": "1", "revenue": revenue}
        pacing.report_performance(campaign.pk, channel, story.now, figures, actor=ACTOR, now=story.now)
    story.clock("2026-05-05 19:00")
    proposal = pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)
    assert proposal is not None
    return campaign, proposal


# --- Becoming paced --------------------------------------------------------------------------------------------------


def test_a_campaign_becomes_paced_by_a_channel_budget(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring", daily_budget="900")

    assert "A campaign is paced once one of its channels" in ann.reads("pacing_pacedcampaign_changelist")
    form = {"campaign": campaign.pk, "channel": "search", "daily_budget": "500", "strategy": "even_distribution"}
    page = ann.sends("pacing_channelbudget_add", **form)

    assert page.redirect_chain[-1][0].startswith(reverse(f"admin:{PAGE}", args=[campaign.pk]))
    assert "Search, Spring · Acme has a daily budget now" in messages_of(page)[0]
    assert "Even: the same for every open minute" in text_of(page)
    assert ChannelBudget.objects.get().daily_budget == 500
    twice = ann.sends("pacing_channelbudget_add", **form)
    assert "has a budget in this campaign already" in str(errors_of(twice))
    too_much = ann.sends("pacing_channelbudget_add", **{**form, "channel": "display"})
    assert "more than the campaign's 900.00" in errors_of(too_much)["daily_budget"][0]


def test_a_channel_may_have_a_name_of_its_own(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring")
    form = {"campaign": campaign.pk, "channel": "other", "daily_budget": "5", "strategy": "adaptive_hybrid"}

    assert "needs a name" in str(errors_of(ann.sends("pacing_channelbudget_add", **form))["other_channel"])
    ann.sends("pacing_channelbudget_add", **form, other_channel=" Audio  Ads ")

    assert ChannelBudget.objects.get().channel == "audio ads"


def test_a_campaigns_page_leads_to_its_pacing(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring")
    assert "Pace by channel…" in ann.reads("campaigns_campaign_change", campaign.pk)
    page = ann.opens("pacing_channelbudget_add", campaign=str(campaign.pk))
    assert page.context["adminform"].form["campaign"].value() == str(campaign.pk)
    begun = ann.client.get(reverse("admin:campaigns_campaign_pace", args=[campaign.pk]))
    assert begun["Location"] == f"{reverse('admin:pacing_channelbudget_add')}?campaign={campaign.pk}"
    give(story, campaign)

    assert "Pacing by channel" in ann.reads("campaigns_campaign_change", campaign.pk)
    led = ann.client.get(reverse("admin:campaigns_campaign_pacing", args=[campaign.pk]))
    assert led["Location"] == reverse(f"admin:{PAGE}", args=[campaign.pk])


# --- The page --------------------------------------------------------------------------------------------------------


def test_the_page_says_whether_it_is_on_plan_and_why_each_hour_gets_so_much(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring", rows=[window(day, "11:00", "22:00") for day in range(7)])
    give(story, campaign, strategy="even_distribution")
    story.spend(campaign, "400")
    pacing.check_pace(story.brand.pk, actor="worker", now=story.now)

    page = ann.reads(PAGE, campaign.pk)

    assert "60 % ahead of plan" in page
    assert "Search : 60 % ahead of plan, 400.00 of 250.00 EUR planned by now." in page
    assert "At this pace all of today's 1,000.00 EUR is used up early." in page
    assert "What to do: " in page
    assert "Hour Planned Spent Set aside At most Why" in page
    assert "03:00 0.00 EUR 0.00 EUR 0.00 EUR closed Closed" in page
    assert "Bids × 0.62, take 62 % of the opportunities Pace 1.60: ahead of plan" in page
    assert "Spring · Acme" in page
    listed = ann.reads("pacing_pacedcampaign_changelist", pace="ahead")
    assert "400.00 of 250.00 EUR planned by now" in listed
    assert "No paced campaigns match" in ann.reads("pacing_pacedcampaign_changelist", pace="behind")


def test_on_plan_and_too_early_are_said_too(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring")
    give(story, campaign, strategy="even_distribution")
    story.clock("2026-05-06 00:10")
    assert "too early to say" in ann.reads(PAGE, campaign.pk)
    story.clock("2026-05-06 12:00")
    story.spend(campaign, "510")

    assert "on plan" in ann.reads(PAGE, campaign.pk)


def test_an_open_breaker_says_why_until_when_and_how_far_its_probe_is(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring")
    budget = give(story, campaign)
    story.spend(campaign, "950")

    page = ann.reads(PAGE, campaign.pk)
    assert "Opened today 13:45" in page or "Opened Tue 13:45" in page
    assert "then a small probe is let through" in page
    assert "Spring" in ann.reads("pacing_channelbudget_changelist")
    story.now += timedelta(minutes=16)
    page = ann.reads(PAGE, campaign.pk)
    assert "0.00 of 20.00 EUR used. 3 clean transactions still needed" in page
    nothing_said = ann.sends("pacing_channelbudget_close_breaker", budget.pk)
    assert "reason" in errors_of(nothing_said)

    done = ann.sends("pacing_channelbudget_close_breaker", budget.pk, reason="A fat finger")

    assert "is closed; it may spend again" in messages_of(done)[0]
    assert ChannelBudget.objects.get().breaker == BreakerState.CLOSED
    assert "No channel budgets match" in ann.reads("pacing_channelbudget_changelist", state="open")


def test_the_month_is_told_for_the_campaign_and_its_brand(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring", monthly_budget="900")
    give(story, campaign, budget="100")
    for back in range(1, 29):
        story.spend(campaign, "40", f"{story.now.date() - timedelta(days=back)}")

    page = ann.reads(PAGE, campaign.pk)

    assert "The month of Spring" in page
    assert "900.00 EUR at most: the budget is used up on Sat 23 May without the budget 1,240 EUR" in page
    assert "Today's share of what is left" in page
    assert "for 27 open days with today" in page


# --- Changing --------------------------------------------------------------------------------------------------------


def test_thresholds_are_typed_as_people_think_and_only_what_differs_is_kept(story: Story, ann: Person) -> None:
    budget = give(story, story.campaign("Spring"))
    page = "pacing_channelbudget_change"
    assert 'placeholder="15 %"' in ann.opens(page, budget.pk).content.decode()

    ann.sends(
        page, budget.pk, max_hourly_spend_pct="20 %", pace_warning_threshold="1.5", cooldown_s="30",
        daily_budget="800", reason="A calm client",
    )  # fmt: skip

    budget.refresh_from_db()
    assert budget.settings == {"max_hourly_spend_pct": "0.2", "cooldown_s": 1800}
    assert budget.daily_budget == 800
    assert AuditEntry.objects.filter(action="change channel budget").get().reason == "A calm client"
    assert "Most in one hour: 20 % instead of 15 %" in ann.reads(PAGE, budget.campaign_id)
    ann.sends(page, budget.pk, max_hourly_spend_pct="")
    budget.refresh_from_db()
    assert budget.settings == {"cooldown_s": 1800}


def test_what_has_a_value_by_itself_can_be_switched_off_and_on_again(story: Story, ann: Person) -> None:
    budget = give(story, story.campaign("Spring"))
    page = "pacing_channelbudget_change"

    ann.sends("pacing_pacedcampaign_all_thresholds", budget.campaign_id, target_roas="3")
    ann.sends(page, budget.pk, anomaly_z="Off", target_roas="off", min_conversion_rate="off")

    budget.refresh_from_db()
    assert budget.settings == {"anomaly_z": "off", "target_roas": "off"}, "a rate that is off anyway is not kept"
    shown = ann.opens(page, budget.pk).content.decode()
    assert re.search(r'name="anomaly_z"[^>]*value="off"|value="off"[^>]*name="anomaly_z"', shown)
    assert "“off” switches it off" in shown
    assert "Unusual price: off instead of 3 ×" in ann.reads(PAGE, budget.campaign_id)
    entry = AuditEntry.objects.filter(action="change channel budget").latest("id")
    told = ann.reads("brands_auditentry_change", entry.pk)
    assert "settings: as usual → Least ROAS off; Unusual price off" in told
    ann.sends(page, budget.pk, anomaly_z="", target_roas="")
    budget.refresh_from_db()
    assert budget.settings == {}


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("cooldown_s", "off", "“off” is not a number"),
        ("max_hourly_spend_pct", "150", "more than 0 % and at most 100 %"),
        ("pace_warning_threshold", "fast", "“fast” is not a number"),
        ("clean_to_close", "1.5", "whole number"),
        ("pace_critical_threshold", "1.2", "“Critical when ahead” (1.2) is below “Warn when ahead” (1.5)"),
        ("daily_budget", "-1", "negative"),
        ("daily_budget", "1e3", "is not an amount"),
    ],
)
def test_wrong_values_are_refused_beside_the_field(
    story: Story, ann: Person, field: str, typed: str, said: str
) -> None:
    budget = give(story, story.campaign("Spring"))

    page = ann.sends("pacing_channelbudget_change", budget.pk, **{field: typed})

    assert said in str(errors_of(page)[field])
    budget.refresh_from_db()
    assert (budget.settings, budget.daily_budget) == ({}, 1000)


def test_somebody_elses_change_is_not_overwritten(story: Story, ann: Person) -> None:
    budget = give(story, story.campaign("Spring"))
    page = ann.opens("pacing_channelbudget_change", budget.pk)
    give(story, budget.campaign, budget="700")

    sent = {"daily_budget": "800", "strategy": "adaptive_hybrid", "expected_version": budget.version}
    again = ann.sends_filled("pacing_channelbudget_change", (budget.pk,), sent, {})

    assert page.status_code == 200
    assert "changed" in str(errors_of(again))
    budget.refresh_from_db()
    assert budget.daily_budget == 700


def test_thresholds_of_all_channels_hold_for_each_that_has_none_of_its_own(story: Story, ann: Person) -> None:
    budget = give(story, story.campaign("Spring"))

    ann.sends("pacing_pacedcampaign_all_thresholds", budget.campaign_id, pace_warning_threshold="1.3")

    assert PacedCampaign.objects.get().settings == {"pace_warning_threshold": "1.3"}
    page = ann.opens("pacing_channelbudget_change", budget.pk).content.decode()
    assert 'placeholder="1.3 ×"' in page
    wrong = ann.sends("pacing_pacedcampaign_all_thresholds", budget.campaign_id, probe_pct="0")
    assert "more than 0 %" in str(errors_of(wrong)["probe_pct"])


def test_bounds_of_the_form_are_those_of_the_pacer() -> None:
    defaults = in_force()
    for name, one in THRESHOLDS.items():
        field = ThresholdField(one, defaults[name])
        most = field.clean(one.most)
        others = {"pace_critical_threshold": 100} if name == "pace_warning_threshold" else {}
        PacerConfig(**{**others, name: most})
        with pytest.raises(InvalidConfiguration):
            PacerConfig(**{**others, name: most + 1})


def test_a_channel_is_stopped_cleared_and_taken_away(story: Story, ann: Person) -> None:
    budget = give(story, story.campaign("Spring"))
    ann.sends("pacing_channelbudget_stop", budget.pk, reason="Wrong page")
    page = ann.reads(PAGE, budget.campaign_id)
    assert "Stopped in an emergency since" in page
    assert "ann: Wrong page" in page
    assert "is not possible" in messages_of(ann.client.post(_url("remove", budget), follow=True))[0]

    ann.sends("pacing_channelbudget_clear_stop", budget.pk)
    gone = ann.sends("pacing_channelbudget_remove", budget.pk)

    assert not ChannelBudget.objects.exists()
    assert gone.redirect_chain[-1][0] == reverse("admin:campaigns_campaign_change", args=[budget.campaign_id])


def _url(action: str, budget: ChannelBudget) -> str:
    return reverse(f"admin:pacing_channelbudget_{action}", args=[budget.pk])


# --- Moving money ----------------------------------------------------------------------------------------------------


def test_a_proposal_is_shown_with_its_reasons_and_approved(story: Story, ann: Person) -> None:
    campaign, proposal = with_proposal(story)
    page = ann.reads(PAGE, campaign.pk)
    assert "A proposal waits for a decision" in page
    assert proposal.moves[0]["reason"] in page

    done = ann.sends("pacing_pacedcampaign_approve", campaign.pk)

    assert "The money is moved, for today" in messages_of(done)[0]
    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by) == (ReallocationState.APPLIED, "user: ann")
    assert "Money moved: applied" in text_of(done)
    listed = ann.reads("pacing_reallocation_changelist")
    assert f"{Decimal(proposal.moves[0]['amount'])} EUR from Display to Search" in listed


def test_what_is_decided_about_is_what_was_seen(story: Story, ann: Person) -> None:
    campaign, seen = with_proposal(story)
    page = ann.opens("pacing_pacedcampaign_approve", campaign.pk)
    pacing.propose_reallocation(campaign.pk, actor=ACTOR, now=story.now)

    sent = {"proposal": str(seen.pk), "reason": ""}
    refused = ann.sends_filled("pacing_pacedcampaign_approve", (campaign.pk,), sent, {})

    assert page.status_code == 200
    assert "decided already: lapsed" in str(errors_of(refused))
    assert Reallocation.objects.filter(state=ReallocationState.PROPOSED).count() == 1


def test_a_proposal_is_asked_for_and_rejected_and_money_may_move_by_itself(story: Story, ann: Person) -> None:
    campaign, _ = with_proposal(story)
    ann.sends("pacing_pacedcampaign_reject", campaign.pk, reason="Not today")
    assert "No proposal waits" in ann.reads(PAGE, campaign.pk)

    ann.sends("pacing_pacedcampaign_propose", campaign.pk)
    ann.sends("pacing_pacedcampaign_moves_by_itself", campaign.pk)

    assert Reallocation.objects.filter(state=ReallocationState.PROPOSED).count() == 1
    assert PacedCampaign.objects.get().automatic
    assert "Money moves by itself" in ann.reads(PAGE, campaign.pk)


# --- Alerts ----------------------------------------------------------------------------------------------------------


def alert_of(story: Story, campaign: Campaign, **more: Any) -> PaceAlert:
    values = {
        "channel": "search", "kind": AlertKind.UNDER_PACING, "severity": "warning", "message": "little", "pace": 0.3,
        "action": "look at bids", "raised_at": story.now, **more,
    }  # fmt: skip
    return PaceAlert.objects.create(campaign=campaign, **values)


def test_alerts_that_stand_come_first_and_are_marked_as_seen_together(story: Story, ann: Person) -> None:
    campaign = story.campaign("Spring")
    give(story, campaign)
    over = alert_of(story, campaign, cleared_at=story.now, message="was little")
    alert_of(story, campaign)
    alert_of(story, campaign, kind=AlertKind.CRITICAL_OVERPACING, severity="critical", message="much")

    page = ann.reads("pacing_pacealert_changelist")
    assert page.index("much") < page.index("Search: behind plan little") < page.index("was little")
    assert "Nothing: it is over" in page
    ids = [str(pk) for pk in PaceAlert.objects.filter(cleared_at=None).values_list("pk", flat=True)]
    url = reverse("admin:pacing_pacealert_changelist")
    done = ann.client.post(url, {"action": "mark_as_seen", "_selected_action": ids}, follow=True)

    assert "2 alerts marked as seen" in messages_of(done)[0]
    assert set(PaceAlert.objects.filter(pk__in=ids).values_list("seen_by", flat=True)) == {"user: ann"}
    ann.sends("pacing_pacealert_see", over.pk)
    assert "No pace alerts match" in ann.reads("pacing_pacealert_changelist", state="unseen")


# --- Who ------------------------------------------------------------------------------------------------------------


def test_a_viewer_sees_an_operator_stops_a_manager_changes(story: Story, ann: Person) -> None:
    campaign, _ = with_proposal(story)
    budget = ChannelBudget.objects.get(channel="search")
    alert = alert_of(story, campaign)
    may: dict[Role, set[str]] = {
        Role.VIEWER: set(),
        Role.OPERATOR: {"channelbudget_stop", "pacealert_see"},
        Role.MANAGER: {
            "channelbudget_stop", "pacealert_see", "pacedcampaign_approve", "pacedcampaign_propose",
            "pacedcampaign_all_thresholds", "pacedcampaign_moves_by_itself", "channelbudget_remove",
        },
    }  # fmt: skip
    for role, allowed in may.items():
        client = at_the_admin(person(role, story.brand))
        for name in LISTS:
            assert client.get(reverse(f"admin:{name}_changelist"), {"state": "all"}).status_code == 200
        page = client.get(reverse(f"admin:{PAGE}", args=[campaign.pk])).content.decode()
        assert ("Emergency stop of this channel" in page) == ("channelbudget_stop" in allowed)
        assert ("Approve…" in page) == ("pacedcampaign_approve" in allowed)
        assert ("Change budget, strategy" in page) == (role is Role.MANAGER)
        targets = {"channelbudget": budget.pk, "pacedcampaign": campaign.pk, "pacealert": alert.pk}
        for action in sorted(may[Role.MANAGER]):
            url = reverse(f"admin:pacing_{action}", args=[targets[action.split("_")[0]]])
            assert client.get(url).status_code == (200 if action in allowed else 403), (role, action)
            if action not in allowed:
                assert client.post(url, {"reason": "x"}).status_code == 403
        change = client.get(reverse("admin:pacing_channelbudget_change", args=[budget.pk]))
        assert change.status_code == 200
        assert ("max_hourly_spend_pct" in change.content.decode()) == (role is Role.MANAGER)
        added = client.get(reverse("admin:pacing_channelbudget_add"))
        assert added.status_code == (200 if role is Role.MANAGER else 403)
    proposal = Reallocation.objects.get()
    assert proposal.state == ReallocationState.PROPOSED


def test_other_brands_are_out_of_sight(story: Story, ann: Person) -> None:
    mine = Story(at="2026-05-05 13:45", name="Mine")
    own = mine.campaign("Own")
    give(mine, own)
    campaign, proposal = with_proposal(story)
    alert = alert_of(story, campaign, message="theirs")
    budget = ChannelBudget.objects.filter(campaign=campaign).first()
    assert budget is not None
    client = at_the_admin(person(Role.MANAGER, mine.brand))

    for name in LISTS:
        page = client.get(reverse(f"admin:{name}_changelist"), {"state": "all"})
        assert "Acme" not in page.content.decode()
    for name, pk in (("pacedcampaign", campaign.pk), ("channelbudget", budget.pk), ("pacealert", alert.pk),
                     ("reallocation", proposal.pk)):  # fmt: skip
        page = client.get(reverse(f"admin:pacing_{name}_change", args=[pk]), follow=True)
        assert page.redirect_chain, name
        assert "Acme" not in page.content.decode()
    for url in (
        reverse("admin:pacing_pacedcampaign_approve", args=[campaign.pk]), _url("stop", budget), _url("remove", budget),
        reverse("admin:pacing_pacealert_see", args=[alert.pk]),
    ):  # fmt: skip
        client.post(url, {"reason": "x", "proposal": str(proposal.pk)})
    add = {"campaign": campaign.pk, "channel": "video", "daily_budget": "1", "strategy": "even_distribution"}
    assert "valid choice" in text_of(client.post(reverse("admin:pacing_channelbudget_add"), add))
    url = reverse("admin:pacing_pacealert_changelist")
    client.post(url, {"action": "mark_as_seen", "_selected_action": [str(alert.pk)]}, follow=True)

    proposal.refresh_from_db()
    alert.refresh_from_db()
    budget.refresh_from_db()
    assert (proposal.state, alert.seen_at, budget.stopped_at) == (ReallocationState.PROPOSED, None, None)
    assert ChannelBudget.objects.filter(campaign=campaign).count() == 2


def test_who_sees_no_campaigns_sees_no_pacing(story: Story) -> None:
    client = at_the_admin(person(None, story.brand))

    for name in LISTS:
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403
    assert "Paced campaigns" not in client.get(reverse("admin:index")).content.decode()


# --- How much is asked -----------------------------------------------------------------------------------------------


def test_lists_ask_as_much_for_many_as_for_one(story: Story, ann: Person) -> None:
    def queries(name: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            ann.opens(f"{name}_changelist", state="all") if name != LISTS[0] else ann.opens(f"{name}_changelist")
        return len(found)

    def more(number: int) -> None:
        campaign = story.campaign(f"C{number}")
        give(story, campaign, "search", "100")
        give(story, campaign, "display", "100")
        story.spend(campaign, "30", channel="search")
        alert_of(story, campaign)
        Reallocation.objects.create(
            campaign=campaign, day=story.now.date(), moves=[], before={}, after={}, proposed_at=story.now,
            proposed_by=ACTOR,
        )  # fmt: skip

    more(0)
    client: Client = ann.client
    client.get(reverse("admin:index"))
    before = {name: queries(name) for name in LISTS}
    for number in range(1, 5):
        more(number)

    assert {name: queries(name) for name in LISTS} == before
