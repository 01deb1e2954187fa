"""A campaign's page: its state at a glance, its week, what happened, and what would be."""

import re
from typing import Any

import pytest
from django.urls import reverse

from access.roles import Role
from brands.models import AuditEntry
from campaigns.holds import Hold
from campaigns.models import Campaign, Override, StateChange
from enforcement import services
from scheduling.models import Schedule
from scheduling.services import describe, rows_of
from tests.factories import ACTOR as TESTER
from tests.factories import FRI, MON, SAT, TUE, Story, window
from tests.integration.admin_client import ACTOR, Person, errors_of, filled, messages_of, text_of
from tests.integration.people import at_the_admin, person

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PAGE = "campaigns_campaign_change"


@pytest.fixture
def story() -> Story:
    return Story()  # Tuesday, 5 May 2026, 12:00 in Berlin


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


# --- State


def test_the_page_says_since_when_it_is_paused_what_holds_it_until_when_and_when_it_runs(
    story: Story, ann: Person
) -> None:
    a = story.campaign(daily_budget="40")
    story.spend(a, "40")
    story.clock("2026-05-05 15:12")

    page = ann.reads(PAGE, a.pk)

    assert "Paused: daily budget used up. It will next run Wed 00:00 Europe/Berlin" in page
    assert "Since Tue 12:00 Europe/Berlin, for 3 hours." in page
    assert "Campaign daily budget 40.00 EUR reached, 40.00 EUR spent at 15:12" in page
    assert "until Wed 00:00 Europe/Berlin" in page
    assert "40.00 of 40.00 EUR · 100 % · used up" in page
    assert "40.00 of 100.00 EUR · 40 %" in page  # the brand's


def test_what_is_written_down_is_told_apart_from_what_is_true_by_now(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(TUE, "11:00", "13:00")])
    story.clock("2026-05-05 13:00")  # no tick has come yet

    page = ann.reads(PAGE, a.pk)

    assert "Paused: outside schedule." in page
    assert "Written down at the last check: nothing holds it." in page


def test_an_override_counts_down_and_shows_its_money(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED, extra="20")
    story.spend(a, "5")
    story.clock("2026-05-05 20:48")

    page = ann.reads(PAGE, a.pk)

    assert "It ends in 3 h 12 min , at Wed 00:00 Europe/Berlin" in page
    assert "5.00 of 20.00 EUR · 25 %" in page
    assert "Daily budget used up – lifted by the override" in page
    assert "The client agreed" in page


# --- The week


def rows_in_words(campaign: Campaign) -> list[str]:
    return describe(rows_of(campaign))


def test_a_saved_week_is_what_the_rows_say_to_the_second_and_inactive_ones_stay(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(FRI, "22:00", "06:00", next_day=True), window(SAT, "09:00", "10:00", active=False)])

    response = ann.sends(PAGE, a.pk, **{"schedules-0-end_time": "05:59:30"})

    assert not errors_of(response)
    assert rows_in_words(a) == ["Friday 22:00–05:59:30 next day", "Saturday 09:00–10:00 (inactive)"]
    entry = AuditEntry.objects.get(action="change schedule")
    assert entry.after["windows"][0] == "Friday 22:00–05:59:30 next day"


def test_the_same_rows_in_another_order_are_no_change(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00"), window(TUE, "09:00", "12:00")])
    version = Campaign.objects.get(pk=a.pk).version

    response = ann.sends(PAGE, a.pk, **{"schedules-0-day_of_week": "1", "schedules-1-day_of_week": "0"})

    assert messages_of(response) == ["Nothing was changed in “A”."]
    assert Campaign.objects.get(pk=a.pk).version == version


def test_rows_are_added_without_scripts_in_the_two_that_are_blank(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")])
    typed: dict[str, object] = {
        "schedules-1-day_of_week": "1", "schedules-1-start_time": "13:00", "schedules-1-end_time": "14:00",
        "schedules-1-is_active": "on", "schedules-2-day_of_week": "",
    }  # fmt: skip

    response = ann.sends(PAGE, a.pk, **typed)

    assert not errors_of(response)
    assert rows_in_words(a) == ["Monday 09:00–12:00", "Tuesday 13:00–14:00"]


def test_after_a_conflict_what_was_painted_is_there_and_can_be_saved(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")])
    data = filled(ann.opens(PAGE, a.pk))
    services.replace_week(a.pk, [window(TUE, "11:00", "13:00")], actor="user: bob", now=story.now)
    services.change_campaign(a.pk, {"daily_budget": "9"}, actor="user: bob", now=story.now)

    refused = ann.sends_filled(PAGE, (a.pk,), data, {"schedules-0-end_time": "17:00"})
    page = text_of(refused)
    kept = rows_in_words(a)
    ann.sends_filled(PAGE, (a.pk,), filled(refused), {})

    told = errors_of(refused)["__all__"][0]
    assert "changed by somebody else while you were editing (change campaign, by bob)" in told
    assert "They changed daily budget from nothing to “9.00”, the week." in told
    assert "Stored is: Tuesday 11:00–13:00." in page
    assert kept == ["Tuesday 11:00–13:00"]
    assert rows_in_words(a) == ["Monday 09:00–17:00"]
    assert Campaign.objects.get(pk=a.pk).daily_budget == 9


def test_after_a_conflict_only_what_this_person_changed_is_written(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")], name="A", daily_budget="5", external_id="g-1")
    data = filled(ann.opens(PAGE, a.pk))
    services.replace_week(a.pk, [window(TUE, "11:00", "13:00")], actor="user: bob", now=story.now)
    theirs = {"name": "Theirs", "daily_budget": "9", "start_date": "2026-05-01", "external_id": ""}
    services.change_campaign(a.pk, theirs, actor="user: bob", now=story.now)

    refused = ann.sends_filled(PAGE, (a.pk,), data, {"name": "Mine", "end_date": "2026-06-30"})
    between = Campaign.objects.get(pk=a.pk)
    saved = ann.sends_filled(PAGE, (a.pk,), filled(refused), {})

    told = errors_of(refused)["__all__"][0]
    assert "name from “A” to “Theirs”" in told
    assert "external id from “g-1” to nothing" in told.replace("platform campaign id", "external id")
    assert "You both changed the name: saving puts yours in its place." in told
    assert (between.name, between.end_date) == ("Theirs", None)
    after = Campaign.objects.get(pk=a.pk)
    assert "was changed" in messages_of(saved)[0]
    assert (after.name, after.daily_budget, after.external_id) == ("Mine", 9, "")
    assert (str(after.start_date), str(after.end_date)) == ("2026-05-01", "2026-06-30")
    assert rows_in_words(a) == ["Tuesday 11:00–13:00"]
    last = AuditEntry.objects.filter(actor=ACTOR).get()
    assert set(last.after) == {"name", "end_date"}


def test_a_page_that_does_not_say_what_it_showed_writes_what_it_has(story: Story, ann: Person) -> None:
    a = story.campaign(daily_budget="5")
    data = filled(ann.opens(PAGE, a.pk))
    services.change_campaign(a.pk, {"daily_budget": "9"}, actor="user: bob", now=story.now)

    refused = ann.sends_filled(PAGE, (a.pk,), data, {"seen": "{", "name": "B"})
    ann.sends_filled(PAGE, (a.pk,), filled(refused), {})

    assert "Save again to put yours in the place of theirs" in errors_of(refused)["__all__"][0]
    assert Campaign.objects.get(pk=a.pk).daily_budget == 5


def test_a_conflict_under_the_lock_can_be_saved_again_too(
    story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")])
    real = services.replace_week

    def somebody_was_faster(*args: Any, **kwargs: Any) -> Any:
        real(a.pk, [], actor="user: bob", now=story.now)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(services, "replace_week", somebody_was_faster)
        refused = ann.sends(PAGE, a.pk, **{"schedules-0-end_time": "17:00"})
    between = rows_in_words(a)
    ann.sends_filled(PAGE, (a.pk,), filled(refused), {})

    assert "changed by somebody else" in errors_of(refused)["__all__"][0]
    assert between == []
    assert rows_in_words(a) == ["Monday 09:00–17:00"]


def test_a_viewer_sees_the_week_and_cannot_send_another(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(FRI, "22:00", "06:00", next_day=True)])
    client = at_the_admin(person(Role.VIEWER, story.brand))
    url = reverse(f"admin:{PAGE}", args=[a.pk])

    page = client.get(url)
    sent = client.post(url, {"schedules-TOTAL_FORMS": "0", "schedules-INITIAL_FORMS": "0", "expected_version": "1"})

    assert "Friday 22:00–06:00 next day" in text_of(page)
    assert "data-editable" not in page.content.decode()
    assert sent.status_code == 403
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize(
    ("at", "text", "stretch"),
    [
        ("2026-03-20 12:00", "On Sun 29 Mar 2026 the clocks go forward from 02:00 to 03:00: 02:00–03:00 does not", 2),
        ("2026-10-20 12:00", "On Sun 25 Oct 2026 the clocks go back from 03:00 to 02:00: 02:00–03:00 comes twice", 2),
    ],
)
def test_the_next_change_of_the_clocks_is_told_when_it_is_near(
    at: str, text: str, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(at)
    ann, a = Person(story, monkeypatch), story.campaign()

    response = ann.opens(PAGE, a.pk)
    change = response.context["week"]["change"]

    assert text in text_of(response)
    assert (change["start"], change["end"]) == ((6 * 24 + 2) * 3600, (6 * 24 + 3) * 3600)
    story.clock("2026-06-20 12:00")
    assert "the clocks go" not in ann.reads(PAGE, a.pk)


# --- What happened


def test_the_timeline_tells_starts_from_stops_with_figures_and_goes_back_in_pages(story: Story, ann: Person) -> None:
    a = story.campaign()
    for _ in range(8):
        services.pause(a.pk, actor="user: bob", now=story.now)
        services.activate(a.pk, actor="user: bob", now=story.now)
    story.spend(a, "100")

    newest = ann.opens(PAGE, a.pk)
    link = f"{reverse(f'admin:{PAGE}', args=[a.pk])}?older="
    older_than = newest.content.decode().split(link)[1].split("#")[0]
    older = ann.reads(PAGE, a.pk, older=older_than)

    page = text_of(newest)
    assert "Stopped : Daily budget used up Daily budget used up (brand): 100.00 of 100.00 EUR" in page
    assert f"Spend was recorded · {TESTER}" in page
    assert "Paused by hand · bob" in page
    assert page.count("Started :") + page.count("Stopped :") == 12
    assert older.count("Started :") + older.count("Stopped :") == StateChange.objects.count() - 12
    assert "Newest changes" in older
    assert "Older changes" not in older
    assert "Stopped :" in ann.reads(PAGE, a.pk, older="not an id")


def test_a_campaign_without_a_past_says_so(story: Story, ann: Person) -> None:
    assert "No change of state yet" in ann.reads(PAGE, story.campaign().pk)


def test_charts_have_the_days_and_hours_with_spend_and_the_campaigns_own_budget(story: Story, ann: Person) -> None:
    a = story.campaign(daily_budget="80")
    story.spend(a, "12.50")
    story.spend(a, "7", "2026-05-01")

    page = ann.reads(PAGE, a.pk)

    assert "12:00 12.50 EUR 12.50 EUR 80.00 EUR" in page
    assert "13:00 – – 80.00 EUR" in page
    assert "1 May 7.00 EUR" in page


# --- Activating, pausing, overriding


def test_activating_what_something_else_holds_opens_exactly_the_override(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")])
    story.spend(a, "100")
    story.pause(a)

    asked = ann.reads("campaigns_campaign_activate", a.pk)
    response = ann.sends("campaigns_campaign_activate", a.pk)

    assert "It would stay paused: Daily budget used up, Outside schedule." in asked
    assert response.redirect_chain[-1][0] == reverse("admin:campaigns_campaign_override", args=[a.pk])
    assert filled(response)["lifts"] == ["DAILY_BUDGET_EXCEEDED", "OUTSIDE_SCHEDULE"]
    assert not Override.objects.exists()


def test_who_may_not_override_is_not_sent_there(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")
    client = at_the_admin(person(Role.OPERATOR, story.brand))

    response = client.post(reverse("admin:campaigns_campaign_activate", args=[a.pk]), {"reason": ""}, follow=True)

    assert response.redirect_chain[-1][0] == reverse(f"admin:{PAGE}", args=[a.pk])
    assert "ask a manager" in messages_of(response)[0]


def test_an_emergency_stop_is_not_answered_with_an_override(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.pause(a)
    services.emergency_stop(a.pk, reason="x", actor=TESTER, now=story.now)

    response = ann.sends("campaigns_campaign_activate", a.pk)

    assert response.redirect_chain[-1][0] == reverse(f"admin:{PAGE}", args=[a.pk])
    assert "Clear the emergency stop first." in messages_of(response)[0]


def test_a_pause_says_before_what_would_come_of_it(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(day, "09:00", "17:00") for day in range(5)])

    page = ann.reads("campaigns_campaign_pause", a.pk)
    seen = ann.sends("campaigns_campaign_pause", a.pk, until="moment", moment="2026-05-08T18:00", _foresee="")
    past = ann.sends("campaigns_campaign_pause", a.pk, until="moment", moment="2026-05-04T18:00", _foresee="")

    assert "Until a person changes it: it does not run again without a person." in page
    assert "Until the end of the day, Wed 00:00 Europe/Berlin: it would next run Wed 09:00 Europe/Berlin" in page
    assert "Paused until Fri 18:00 Europe/Berlin: it would next run Mon 09:00 Europe/Berlin" in text_of(seen) or (
        "it would next run Mon 11 May 2026 09:00 Europe/Berlin" in text_of(seen)
    )
    assert "in the past" in errors_of(past)["moment"][0]
    assert story.runs(a)
    assert not AuditEntry.objects.filter(action="pause").exists()


def test_an_override_says_before_what_would_come_of_it(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")

    page = ann.reads("campaigns_campaign_override", a.pk)
    seen = ann.sends(
        "campaigns_campaign_override", a.pk, until="moment", moment="2026-05-05T18:00", extra_budget="5", reason="x",
        _foresee="",
    )  # fmt: skip

    assert (
        "Until the end of the day: it would run at once, in spite of: daily budget used up, until Wed 00:00 "
        "Europe/Berlin; after that it runs on without it, if nothing else changes." in page
    )
    assert (
        "until Tue 18:00 Europe/Berlin or 5.00 EUR more are spent; after that it is held again: Daily budget"
        in text_of(seen)
    )
    assert not Override.objects.exists()
    assert story.holds(a) == (Hold.DAILY_BUDGET_EXCEEDED,)


# --- What if


def asked(ann: Person, campaign: Campaign, **otherwise: str) -> str:
    data = filled(ann.opens("campaigns_campaign_what_if", campaign.pk))
    sent = {key: str(value) for key, value in data.items()} | {f"if-{key}": value for key, value in otherwise.items()}
    return ann.reads("campaigns_campaign_what_if", campaign.pk, **sent)


def test_another_budget_of_the_brand_or_the_campaign_is_asked_about_and_nothing_is_written(
    story: Story, ann: Person
) -> None:
    a = story.campaign()
    story.spend(a, "100")
    entries = AuditEntry.objects.count()

    raised = asked(ann, a, brand_daily="150")
    own = asked(ann, a, brand_daily="", daily="90")

    assert "Daily budget of the brand: 150.00 EUR instead of 100.00 EUR" in raised
    assert "It would run. No longer: Daily budget used up" in raised
    assert "What if: Runs" in raised
    assert "Now: Paused" in raised
    assert "Campaign daily budget 90.00 EUR reached, 100.00 EUR spent" in own
    assert "That would change nothing in what holds it." in own
    assert AuditEntry.objects.count() == entries
    story.brand.refresh_from_db()
    assert story.brand.daily_budget == 100


def test_another_moment_and_other_spend_are_asked_about(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")])

    monday = asked(ann, a, moment="2026-05-11T10:00")
    spent = asked(ann, a, moment="2026-05-11T10:00", more="100")

    assert "Mon 11 May 2026 10:00 Europe/Berlin Runs." in monday
    assert "100.00 EUR more spent" in spent
    assert "Brand daily budget 100.00 EUR reached, 100.00 EUR spent at 10:00, until" in spent


def test_a_painted_week_is_asked_about(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "12:00")])

    painted = asked(ann, a, week="painted", painted="32400-64800,118800-151200")
    always = asked(ann, a, week="always")

    assert "Week: Mon–Tue 09:00–18:00; Wed–Sun closed" in painted
    assert "It would run. No longer: Outside schedule" in painted
    assert "Week: around the clock" in always
    assert "What if: Runs" in always


@pytest.mark.parametrize(
    "wrong",
    [{"brand_daily": "-1"}, {"daily": "x"}, {"moment": "1999-01-01T00:00"}, {"week": "painted", "painted": "5-4"},
     {"painted": "0-604801"}, {"more": "1e3"}, {"week": "never"}],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_and_not_answered(wrong: dict[str, str], story: Story, ann: Person) -> None:
    response = ann.opens(
        "campaigns_campaign_what_if", story.campaign().pk, **{f"if-{key}": value for key, value in wrong.items()}
    )

    assert response.context["form"].errors
    assert "What if:" not in text_of(response)


def test_a_viewer_may_ask_and_a_stranger_finds_nothing(story: Story, ann: Person) -> None:
    a = story.campaign()
    url = reverse("admin:campaigns_campaign_what_if", args=[a.pk])

    mine = at_the_admin(person(Role.VIEWER, story.brand)).get(url, {"if-more": "1"})
    other = at_the_admin(person(Role.MANAGER, name="stranger")).get(url, {"if-more": "1"}, follow=True)

    assert "What if: Runs" in text_of(mine)
    assert "not yours to see" in messages_of(other)[0]
    assert "A · Acme" not in text_of(other)


def test_the_page_asks_the_database_as_often_whatever_has_happened(
    story: Story, ann: Person, django_assert_max_num_queries: Any
) -> None:
    a = story.campaign()
    ann.opens(PAGE, a.pk)
    for _ in range(10):
        story.spend(a, "1")
        services.pause(a.pk, actor=TESTER, now=story.now)
        services.activate(a.pk, actor=TESTER, now=story.now)

    with django_assert_max_num_queries(40):
        ann.opens(PAGE, a.pk)


# --- A week that is painted and not saved yet


@pytest.mark.parametrize(
    ("painted", "now", "told"),
    [
        ("", "12:00", "would go on running."),
        ("118800-147600", "12:00", "would go on running."),  # Tuesday 09:00–17:00
        ("118800-147600", "20:00", "would pause now (outside schedule) and run again Tue 12 May 2026 09:00"),
        ("-", "12:00", "would pause now (no active schedule) and not run again without a person."),
    ],
)
def test_what_would_come_of_a_painted_week_is_the_decisions_own_answer(
    story: Story, ann: Person, painted: str, now: str, told: str
) -> None:
    a = story.campaign()
    story.clock(f"2026-05-05 {now}")

    answer = ann.opens("campaigns_campaign_what_if", a.pk, **{"saved-as": painted}).json()

    assert told in answer["text"]
    assert answer["pauses"] is ("pause now" in told)
    assert story.runs(a)


def test_a_painted_week_may_start_a_campaign_or_leave_it_paused(story: Story, ann: Person) -> None:
    a = story.campaign(rows=[window(MON, "09:00", "17:00")])
    b = story.campaign("B")
    story.pause(b)

    started = ann.opens("campaigns_campaign_what_if", a.pk, **{"saved-as": ""}).json()
    paused = ann.opens("campaigns_campaign_what_if", b.pk, **{"saved-as": "0-604800"}).json()

    assert started == {"text": "Saved like this, the campaign would run at once.", "pauses": False}
    assert "stay paused (paused by hand) and not run again without a person" in paused["text"]


def test_a_painted_week_that_cannot_be_read_is_no_fault(story: Story, ann: Person) -> None:
    url = reverse("admin:campaigns_campaign_what_if", args=[story.campaign().pk])

    assert ann.client.get(url, {"saved-as": "9-x"}).status_code == 400


# --- Overrides have pages of their own


def test_an_override_in_force_is_cleared_from_its_page_and_from_the_list(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED)
    override = Override.objects.get()
    url = reverse("admin:campaigns_campaign_clear_override", args=[a.pk])

    page = ann.opens("campaigns_override_change", override.pk).content.decode()
    listed = ann.opens("campaigns_override_changelist").content.decode()
    services.clear_override(a.pk, actor=TESTER, now=story.now)
    over = ann.opens("campaigns_override_change", override.pk).content.decode()

    assert url in page
    assert reverse("admin:campaigns_campaign_change", args=[a.pk]) in page
    assert url in listed
    assert url not in over


def test_who_may_not_override_is_not_offered_to_clear_one(story: Story) -> None:
    a = story.campaign()
    story.spend(a, "100")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED)
    override = Override.objects.get()
    client = at_the_admin(person(Role.OPERATOR, story.brand))

    for name, args in (("campaigns_override_change", [override.pk]), ("campaigns_override_changelist", [])):
        page = client.get(reverse(f"admin:{name}", args=args))

        assert page.status_code == 200
        assert "Clear override" not in page.content.decode()


def test_a_list_sorted_by_shares_says_so_and_the_first_click_puts_most_first(story: Story, ann: Person) -> None:
    a, b = (story.campaign(name, daily_budget="10") for name in "AB")
    story.spend(a, "1")
    story.spend(b, "9")

    page = ann.opens("campaigns_campaign_changelist").content.decode()
    first_click = re.search(r'href="\?(o=[^"]*)">Spent today<span[^>]*>by % of the budget', page)
    assert first_click is not None
    sorted_page = ann.opens("campaigns_campaign_changelist", o=first_click[1].removeprefix("o="))

    assert first_click[1].startswith("o=-")
    assert [campaign.name for campaign in sorted_page.context["cl"].result_list] == ["B", "A"]
    assert "Spent today: Sorted, highest" in sorted_page.content.decode()


def test_the_filter_of_statuses_has_the_words_of_the_badges(story: Story, ann: Person) -> None:
    _, b, c = story.campaigns("ABC")
    story.pause(b)
    services.emergency_stop(c.pk, reason="x", actor=TESTER, now=story.now)

    def listed(status: str) -> list[str]:
        page = ann.opens("campaigns_campaign_changelist", status__exact=status)
        return [campaign.name for campaign in page.context["cl"].result_list]

    assert listed("ACTIVE") == ["A"]
    assert listed("PAUSED") == ["B", "C"]
    assert listed("STOPPED") == ["C"]
