"""What a person does with the buttons of the admin, and what the admin answers."""

import pytest
from django.urls import reverse

from brands.models import AuditEntry
from campaigns.holds import Hold
from campaigns.models import Campaign, Override
from enforcement import services
from scheduling.models import Schedule
from spending.models import ForcedReset, PeriodKind
from tests.factories import ACTOR as TESTER
from tests.factories import Story
from tests.integration.admin_client import ACTOR, Person, errors_of, filled, messages_of, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


# --- Adding


def test_a_new_brand_has_the_budgets_that_were_typed_and_no_limit_where_nothing_was(ann: Person) -> None:
    response = ann.sends(
        "brands_brand_add", name="  Ünïcode   Ltd ", timezone="Asia/Tokyo", currency="JPY", daily_budget="0",
        monthly_budget="",
    )  # fmt: skip

    page = text_of(response)
    assert "The brand “Ünïcode Ltd” is there" in page
    assert "0 of 0 JPY · nothing may be spent" in page
    assert "0 JPY · no limit" in page


def test_a_daily_budget_above_the_monthly_one_is_saved_with_a_warning(story: Story, ann: Person) -> None:
    asked = ann.sends("brands_brand_change", story.brand.pk, daily_budget="3000")
    response = ann.confirms("brands_brand_change", story.brand.pk, response=asked)

    assert "higher than the monthly budget 2,000.00 EUR" in messages_of(response)[-1]
    story.brand.refresh_from_db()
    assert story.brand.daily_budget == 3000


def test_a_new_campaign_gets_seven_whole_days_and_opens(story: Story, ann: Person) -> None:
    response = ann.sends("campaigns_campaign_add", brand=str(story.brand.pk), name="Fresh", daily_budget="25")

    campaign = Campaign.objects.get(name="Fresh")
    assert response.redirect_chain[-1][0] == reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert Schedule.objects.filter(campaign=campaign).count() == 7
    assert story.runs(campaign)


def test_a_campaign_can_be_created_paused(story: Story, ann: Person) -> None:
    ann.sends("campaigns_campaign_add", brand=str(story.brand.pk), name="Waits", paused="on")

    assert story.holds(Campaign.objects.get(name="Waits")) == (Hold.MANUAL,)


# --- Pausing and activating


def test_a_pause_until_the_end_of_the_brands_day_ends_at_its_midnight(story: Story, ann: Person) -> None:
    a = story.campaign()

    ann.sends("campaigns_campaign_pause", a.pk, until="day", reason="Stock is low")
    held = story.holds(a)
    story.tick("2026-05-06 00:00")

    assert held == (Hold.MANUAL,)
    assert story.runs(a)
    entry = AuditEntry.objects.get(action="pause")
    assert (entry.actor, entry.reason) == (ACTOR, "Stock is low")


def test_a_moment_is_read_by_the_brands_clock(story: Story, ann: Person) -> None:
    a = story.campaign()

    ann.sends("campaigns_campaign_pause", a.pk, until="moment", moment="2026-05-05T18:00")

    a.refresh_from_db()
    assert a.manual_pause_until is not None
    assert a.manual_pause_until.isoformat() == "2026-05-05T16:00:00+00:00"


def test_a_pause_without_an_end_lasts(story: Story, ann: Person) -> None:
    a = story.campaign()
    ann.sends("campaigns_campaign_pause", a.pk)

    story.tick("2026-06-01 00:00")

    assert story.holds(a) == (Hold.MANUAL,)


def test_activating_tells_what_still_holds_and_offers_an_override(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")
    story.pause(a)

    response = ann.sends("campaigns_campaign_activate", a.pk)

    assert "“A · Acme” stays paused: Daily budget used up." in text_of(response)
    assert reverse("admin:campaigns_campaign_override", args=[a.pk]) in response.content.decode()
    assert story.holds(a) == (Hold.DAILY_BUDGET_EXCEEDED,)


def test_activating_what_nothing_else_holds_lets_it_run(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.pause(a)

    response = ann.sends("campaigns_campaign_activate", a.pk)

    assert messages_of(response) == ["“A · Acme” runs."]
    assert story.runs(a)


def test_what_runs_cannot_be_activated_and_what_is_stopped_cannot_be_overridden(story: Story, ann: Person) -> None:
    runs, stopped = story.campaign("Runs"), story.campaign("Stopped")
    services.emergency_stop(stopped.pk, reason="x", actor="user: bob", now=story.now)

    for name, campaign in (("activate", runs), ("activate", stopped), ("override", stopped)):
        response = ann.client.get(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk]), follow=True)
        assert "is not possible" in messages_of(response)[0]


def test_a_page_that_acts_says_whose_campaign_it_is(story: Story, ann: Person) -> None:
    page = ann.reads("campaigns_campaign_emergency_stop", story.campaign("Search").pk)

    assert "Emergency stop Search · Acme (Other)" in page


# --- Overrides


def test_an_override_is_proposed_for_the_standing_holds_and_ends_with_the_day(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "105")

    page = ann.opens("campaigns_campaign_override", a.pk)
    response = ann.sends("campaigns_campaign_override", a.pk, extra_budget="20", reason="The client agreed")

    assert filled(page)["lifts"] == ["DAILY_BUDGET_EXCEEDED"]
    assert "Lifted until Wed 00:00 Europe/Berlin: Daily budget used up. It runs." in text_of(response)
    override = Override.objects.get()
    assert (override.extra_budget, override.created_by) == (20, ACTOR)
    assert story.runs(a)
    assert "In force, ends in 12 hours" in ann.reads("campaigns_override_changelist")


def test_lifting_a_monthly_budget_asks_for_an_end(story: Story, ann: Person) -> None:
    a = story.campaign(monthly_budget="50")
    story.spend(a, "60")

    without = ann.sends("campaigns_campaign_override", a.pk, reason="x")
    ann.sends("campaigns_campaign_override", a.pk, until="month", reason="x")

    assert errors_of(without) == {"until": ["To lift a monthly or lifetime budget, say until when."]}
    assert story.runs(a)


def test_an_override_needs_holds_and_a_reason_and_never_lifts_an_emergency_stop(story: Story, ann: Person) -> None:
    a = story.campaign()

    nothing = ann.sends("campaigns_campaign_override", a.pk, lifts=None)
    stop = ann.sends("campaigns_campaign_override", a.pk, lifts=["EMERGENCY_STOP"], reason="x")

    assert set(errors_of(nothing)) == {"lifts", "reason"}
    assert set(errors_of(stop)) == {"lifts"}
    assert not Override.objects.exists()


def test_a_cleared_override_is_kept(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "105")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED)

    ann.sends("campaigns_campaign_clear_override", a.pk)

    assert story.holds(a) == (Hold.DAILY_BUDGET_EXCEEDED,)
    assert Override.objects.get().cleared_by == ACTOR


# --- Emergency stops


def test_an_emergency_stop_of_a_campaign_needs_a_reason_and_a_person_to_end_it(story: Story, ann: Person) -> None:
    a = story.campaign()

    without = ann.sends("campaigns_campaign_emergency_stop", a.pk)
    ann.sends("campaigns_campaign_emergency_stop", a.pk, reason="Wrong landing page")
    stopped = story.holds(a)
    ann.sends("campaigns_campaign_clear_stop", a.pk)

    assert set(errors_of(without)) == {"reason"}
    assert stopped == (Hold.EMERGENCY_STOP,)
    assert story.runs(a)


def test_an_emergency_stop_of_a_brand_stops_all_and_shows_it(story: Story, ann: Person) -> None:
    a, b = story.campaigns("AB")

    response = ann.sends("brands_brand_emergency_stop", story.brand.pk, reason="Fraud")

    assert "2 stopped" in messages_of(response)[0]
    assert story.holds(a) == story.holds(b) == (Hold.EMERGENCY_STOP,)
    assert "Emergency stop" in ann.reads("brands_brand_changelist")
    ann.sends("brands_brand_clear_stop", story.brand.pk)
    assert story.runs(a)


# --- Forced resets


def test_a_forced_reset_asks_for_a_reason_and_a_confirmation(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")

    without = ann.sends("brands_brand_forced_reset", story.brand.pk)
    response = ann.sends("brands_brand_forced_reset", story.brand.pk, kinds="DM", reason="Free day", confirm="on")

    assert set(errors_of(without)) == {"reason", "confirm"}
    assert "day 2026-05-05: 100.00 EUR; month 2026-05-01: 100.00 EUR" in messages_of(response)[0]
    assert "1 started" in messages_of(response)[0]
    assert {reset.kind for reset in ForcedReset.objects.all()} == {PeriodKind.DAY, PeriodKind.MONTH}
    assert story.runs(a)


# --- Archives


def test_an_archived_brand_leaves_the_lists_with_its_campaigns_and_comes_back(story: Story, ann: Person) -> None:
    story.campaign("Gone")
    ann.sends("brands_brand_archive", story.brand.pk)
    brands, campaigns = ann.reads("brands_brand_changelist"), ann.reads("campaigns_campaign_changelist")
    archived = ann.reads("brands_brand_changelist", archived="yes")

    ann.sends("brands_brand_restore", story.brand.pk)

    assert "Acme" not in brands
    assert "Gone" not in campaigns
    assert "Acme" in archived
    assert "Gone" in ann.reads("campaigns_campaign_changelist")


# --- Schedules


def test_the_week_on_the_campaigns_page_is_saved_at_once_and_acts_at_once(story: Story, ann: Person) -> None:
    a = story.campaign()
    version = Campaign.objects.get(pk=a.pk).version

    changes: dict[str, object] = {f"schedules-{day}-end_time": "11:00" for day in range(7)}
    response = ann.sends("campaigns_campaign_change", a.pk, **changes)

    assert story.holds(a) == (Hold.OUTSIDE_SCHEDULE,)
    assert Campaign.objects.get(pk=a.pk).version == version + 1
    assert AuditEntry.objects.filter(action="change schedule").count() == 1
    assert "It is paused: Outside schedule." in " ".join(messages_of(response))


def test_inputs_and_week_can_change_together(story: Story, ann: Person) -> None:
    a = story.campaign()

    response = ann.sends("campaigns_campaign_change", a.pk, **{"name": " A ", "schedules-1-end_time": "11:00"})
    ann.sends("campaigns_campaign_change", a.pk, **{"name": "B", "schedules-1-end_time": "10:00"})

    assert not errors_of(response)
    assert Campaign.objects.get(pk=a.pk).name == "B"
    assert Schedule.objects.get(day_of_week=1).end_time.hour == 10


def test_rows_of_the_week_are_added_and_removed(story: Story, ann: Person) -> None:
    a = story.campaign()
    added = {
        "schedules-TOTAL_FORMS": "8", "schedules-7-campaign": str(a.pk), "schedules-7-day_of_week": "4",
        "schedules-7-start_time": "22:00", "schedules-7-end_time": "06:00", "schedules-7-ends_next_day": "on",
        "schedules-7-is_active": "on", "schedules-0-DELETE": "on",
    }  # fmt: skip

    response = ann.sends("campaigns_campaign_change", a.pk, **added)

    assert not errors_of(response)
    rows = [str(row) for row in Schedule.objects.filter(campaign=a).order_by("day_of_week", "start_time")]
    assert "Friday 22:00–06:00 next day" in rows
    assert len(rows) == 7
    assert not any(row.startswith("Monday") for row in rows)


def test_inputs_and_week_are_saved_together_or_not_at_all(
    story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = story.campaign()
    real = services.change_campaign

    def somebody_was_faster(*args: object, **kwargs: object) -> object:
        real(a.pk, {"daily_budget": "9"}, actor=TESTER, now=story.now)
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(services, "change_campaign", somebody_was_faster)
    response = ann.sends("campaigns_campaign_change", a.pk, **{"name": "B", "schedules-1-end_time": "11:00"})

    assert "changed by somebody else" in errors_of(response)["__all__"][0]
    a.refresh_from_db()
    assert (a.name, str(a.daily_budget)) == ("A", "9.000000")
    assert a.schedules.filter(end_time="11:00").count() == 0


def test_windows_are_added_changed_and_removed_one_by_one(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[])
    typed = {"campaign": str(a.pk), "day_of_week": "1", "start_time": "09:00", "end_time": "11:00"}

    added = ann.sends("scheduling_schedule_add", **typed)
    window = Schedule.objects.get()
    outside = story.holds(a)
    changed = ann.sends("scheduling_schedule_change", window.pk, end_time="13:00")
    inside = story.holds(a)
    url = reverse("admin:scheduling_schedule_delete", args=[window.pk])
    removed = ann.client.post(url, {"post": "yes"}, follow=True)

    assert "Tuesday 09:00–11:00 was added to “A”. It is paused: Outside schedule." in messages_of(added)[0]
    assert outside == (Hold.OUTSIDE_SCHEDULE,)
    assert "is now Tuesday 09:00–13:00. The campaign runs." in messages_of(changed)[0]
    assert inside == ()
    assert "was removed from “A”" in messages_of(removed)[0]
    assert not Schedule.objects.exists()
    assert AuditEntry.objects.filter(action="change schedule", actor=ACTOR).count() == 3
