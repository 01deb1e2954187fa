"""One act on several campaigns: asked once, done row by row, with an honest answer for each."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest
from django.urls import reverse

from access.roles import Role
from brands.models import AuditEntry, Brand
from budget_system import clock
from budget_system.admin import bulk
from budget_system.errors import Conflict
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import services
from tests.factories import ACTOR as TESTER
from tests.factories import Story
from tests.integration.admin_client import ACTOR, Person, messages_of, text_of
from tests.integration.people import at_the_admin, person

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LIST = "admin:campaigns_campaign_changelist"
BRANDS = "admin:brands_brand_changelist"


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def select(client: Any, action: str, things: Sequence[Campaign | Brand]) -> Any:
    chosen = {"action": action, "_selected_action": [str(thing.pk) for thing in things], "index": "0"}
    page = BRANDS if isinstance(things[0], Brand) else LIST
    return client.post(f"{reverse(page)}?q=", chosen, follow=True)


def act(ann: Person, action: str, things: Sequence[Campaign | Brand], **said: str) -> Any:
    """Select, answer what is asked, and come to the page that tells."""
    asked = select(ann.client, action, things)
    assert asked.status_code == 200
    return ann.client.post(asked.request["PATH_INFO"], said, follow=True)


def test_activating_several_says_of_each_what_still_holds_it(story: Story, ann: Person) -> None:
    a, b, c, d = story.campaigns(["Alpha", "Beta", "Gamma", "Delta"])
    for campaign in (a, b, c):
        story.pause(campaign)
    services.emergency_stop(b.pk, reason="x", actor=TESTER, now=story.now)

    page = text_of(act(ann, "activate_selected", [a, b, c, d]))

    assert "Activate: 4 of 4 campaigns" in page
    assert "Alpha Acme done it runs" in page
    assert "Beta Acme still held by: Emergency stop" in page
    assert "Delta Acme already so it runs" in page
    assert story.runs(a)
    assert story.holds(b) == (Hold.EMERGENCY_STOP,)


def test_pausing_and_stopping_several_changes_only_those_chosen(story: Story, ann: Person) -> None:
    a, b, c = story.campaigns("ABC")

    act(ann, "pause_selected", [a, b], until="none", reason="x")
    act(ann, "stop_selected", [b], reason="Fraud")
    again = text_of(act(ann, "pause_selected", [a, b], until="none"))

    assert "A Acme already so paused by hand since Tue 12:00 Europe/Berlin" in again
    assert story.holds(a) == (Hold.MANUAL,)
    assert story.holds(b) == (Hold.EMERGENCY_STOP, Hold.MANUAL)
    assert story.runs(c)
    assert AuditEntry.objects.filter(action="pause").count() == 2
    assert AuditEntry.objects.get(action="emergency stop").reason == "Fraud"


def test_a_pause_of_several_says_before_what_would_come_of_it_and_after_until_when_each_is_held(
    story: Story, ann: Person
) -> None:
    a, b = story.campaign("A"), story.campaign("B", daily_budget="10", lifetime_budget="20")
    tokyo = Story(name="Far", timezone="Asia/Tokyo").campaign("C")
    story.spend(b, "20")

    asked = text_of(select(ann.client, "pause_selected", [a, b, tokyo]))
    page = text_of(act(ann, "pause_selected", [a, b, tokyo], until="moment", moment="2026-05-07T08:30"))

    assert "Running now, and paused at once: 2 of 3." in asked
    assert "Until the end of the day: 2 of 3 run again by themselves later; not without a person, for other" in asked
    assert "A Acme done paused until Thu 08:30 Europe/Berlin" in page
    assert "C Far done paused until Thu 08:30 Asia/Tokyo" in page
    assert "B Acme done paused until Thu 08:30 Europe/Berlin; also held by: Lifetime budget used up" in page


def test_a_moment_that_a_brands_clock_skips_or_that_is_past_is_refused_for_that_brand(
    story: Story, ann: Person
) -> None:
    a = story.campaign("A")
    story.clock("2026-03-01 12:00")

    skipped = text_of(act(ann, "pause_selected", [a], until="moment", moment="2026-03-29T02:30"))
    past = text_of(act(ann, "pause_selected", [a], until="moment", moment="2026-02-01T12:00"))
    none = text_of(act(ann, "pause_selected", [a], until="moment", moment=""))

    assert "A Acme refused" in skipped
    assert "A Acme refused" in past
    assert "Say which moment, or choose another end." in none
    assert story.runs(a)


def test_an_activation_of_several_says_before_how_many_would_run(story: Story, ann: Person) -> None:
    a, b = story.campaigns("AB")
    story.pause(a)
    story.pause(b)
    services.emergency_stop(b.pk, reason="x", actor=TESTER, now=story.now)

    asked = text_of(select(ann.client, "activate_selected", [a, b]))

    assert "Run afterwards: 1 of 2. What holds the others: Emergency stop." in asked


def test_clearing_stops_tells_who_runs_and_whose_brand_is_stopped(story: Story, ann: Person) -> None:
    a, b = story.campaigns("AB")
    services.emergency_stop(a.pk, reason="x", actor=TESTER, now=story.now)
    stopped = Story(name="Stopped")
    c = stopped.campaign("C")
    services.emergency_stop_brand(stopped.brand.pk, reason="x", actor=TESTER, now=story.now)

    page = text_of(act(ann, "clear_stop_selected", [a, b, c]))

    assert "A Acme done it runs" in page
    assert "B Acme already so no stop of its own" in page
    assert "C Stopped already so no stop of its own; its brand is stopped" in page


def test_an_emergency_stop_without_a_reason_is_asked_again(story: Story, ann: Person) -> None:
    a = story.campaign()

    page = act(ann, "stop_selected", [a], reason="")

    assert "This field is required" in text_of(page)
    assert story.runs(a)


def test_one_refused_campaign_does_not_keep_the_others_back(
    story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = story.campaigns("AB")
    real = services.pause

    def refuse_the_first(campaign_id: object, **kwargs: object) -> object:
        if campaign_id == a.pk:
            raise Conflict("Somebody else was faster.")
        return real(campaign_id, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(services, "pause", refuse_the_first)
    page = text_of(act(ann, "pause_selected", [a, b], until="none"))

    assert "A Acme refused Somebody else was faster." in page
    assert "B Acme done" in page


def test_what_takes_long_is_done_in_steps_and_shows_how_far_it_is(
    story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaigns = [story.campaign(f"C{number:02}") for number in range(25)]
    monkeypatch.setattr(bulk, "STEP_S", 0.0)

    under_way = act(ann, "pause_selected", campaigns, until="none")
    done = ann.client.post(under_way.request["PATH_INFO"], follow=True)
    done = ann.client.post(done.request["PATH_INFO"], follow=True)

    assert "Pause: 10 of 25 campaigns" in text_of(under_way)
    assert "budget/bulk.js" in under_way.content.decode()
    assert "Pause: 25 of 25 campaigns" in text_of(done)
    assert not Campaign.objects.filter(holds="").exists()


def test_a_result_says_as_of_when_it_is_and_in_words_when_it_is_kept_no_more(story: Story, ann: Person) -> None:
    a = story.campaign()
    told = act(ann, "pause_selected", [a], until="none")
    story.activate(a)

    again = text_of(ann.client.get(told.request["PATH_INFO"]))
    for _ in range(bulk.KEPT):
        act(ann, "pause_selected", [a], until="none")
    gone = ann.client.get(told.request["PATH_INFO"])

    assert "Done as of Tue 5 May 2026 10:00:00 UTC." in again
    assert "A Acme done" in again
    assert gone.status_code == 404
    assert "What became of that selection is no longer kept here" in text_of(gone)
    assert f"{reverse('admin:brands_auditentry_changelist')}?q=" in gone.content.decode()


def test_what_became_of_them_can_be_downloaded(story: Story, ann: Person) -> None:
    a = story.campaign("=A")

    told = act(ann, "pause_selected", [a], until="none")
    file: Any = ann.client.get(f"{told.request['PATH_INFO']}?download=csv")

    rows = list(csv.reader(io.StringIO(b"".join(file.streaming_content).decode("utf-8-sig"))))
    assert rows == [
        ["name", "brand", "what became of it", "why"],
        ["'=A", "Acme", "done", "paused until a person changes it"],
    ]


def test_too_many_at_once_are_refused_as_a_whole(story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LIMIT", 1)
    a, b = story.campaigns("AB")

    response = select(ann.client, "pause_selected", [a, b])

    assert "More than 1 are selected" in messages_of(response)[0]
    assert "Up to 1,000 at once" in text_of(response)
    assert story.runs(a)


def test_all_rows_of_a_filtered_list_can_be_selected(story: Story, ann: Person) -> None:
    for number in range(60):
        story.campaign(f"C{number}")
    url = f"{reverse(LIST)}?q=C1"
    first = Campaign.objects.get(name="C1")

    asked = ann.client.post(
        url,
        {"action": "pause_selected", "_selected_action": [str(first.pk)], "select_across": "1", "index": "0"},
        follow=True,
    )
    told = ann.client.post(asked.request["PATH_INFO"], {"until": "none"}, follow=True)

    assert "Pause: 11 of 11 campaigns" in text_of(told)
    assert url.partition("?")[2] in told.content.decode()


def test_who_may_not_act_is_refused_even_with_the_address(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: story.now)
    a = story.campaign()
    operator = person(Role.OPERATOR, story.brand)
    client = at_the_admin(operator)

    asked = select(client, "pause_selected", [a])
    operator.groups.clear()
    refused = client.post(asked.request["PATH_INFO"], {"until": "none"})
    elsewhere = at_the_admin(person(Role.MANAGER, story.brand)).get(asked.request["PATH_INFO"])

    assert refused.status_code == 403
    assert elsewhere.status_code == 404
    assert "What became of that selection is no longer kept here" in text_of(elsewhere)
    assert story.runs(a)
    assert ACTOR not in {entry.actor for entry in AuditEntry.objects.all()}


# --- Brands


def test_several_brands_are_stopped_with_one_reason_and_each_says_what_stopped(story: Story, ann: Person) -> None:
    story.pause(story.campaigns("AB")[0])
    other = Story(name="Other")
    other.campaign("C")
    stopped = Story(name="Stopped")
    services.emergency_stop_brand(stopped.brand.pk, reason="x", actor=TESTER, now=story.now)
    brands = [story.brand, other.brand, stopped.brand]

    asked = text_of(select(ann.client, "stop_selected", brands))
    unsaid = act(ann, "stop_selected", brands, reason="")
    page = text_of(act(ann, "stop_selected", brands, reason="Fraud"))

    assert "Campaigns that run now and stop at once: 2 of 3." in asked
    assert "For 3 brands: Acme Other Stopped" in asked
    assert "This field is required" in text_of(unsaid)
    assert "Emergency stop: 3 of 3 brands" in page
    assert "Acme done 1 campaign stopped" in page
    assert f"Stopped already so stopped since Tue 12:00 Europe/Berlin by {TESTER}" in page
    assert not Campaign.objects.filter(holds="").exists()
    assert list(AuditEntry.objects.filter(reason="Fraud").values_list("action", flat=True)) == ["emergency stop"] * 2


def test_clearing_the_stops_of_brands_says_what_started_and_what_is_still_held(story: Story, ann: Person) -> None:
    a, b = story.campaigns("AB")
    story.pause(b)
    other = Story(name="Other")
    c = other.campaign("C")
    services.emergency_stop(c.pk, reason="x", actor=TESTER, now=story.now)
    calm = Story(name="Calm")
    for one in (story, other):
        services.emergency_stop_brand(one.brand.pk, reason="x", actor=TESTER, now=story.now)
    brands = [story.brand, other.brand, calm.brand]

    asked = text_of(select(ann.client, "clear_stop_selected", brands))
    page = text_of(act(ann, "clear_stop_selected", brands, reason="Over"))

    assert "and that start: 1 of 3." in asked
    assert "Acme done 1 campaign started, 1 still held by: Paused by hand" in page
    assert "Other still held 0 campaigns started, 1 still held by: Emergency stop" in page
    assert "Calm already so no stop of its own" in page
    assert story.runs(a)
    assert other.holds(c) == (Hold.EMERGENCY_STOP,)


def test_who_may_stop_brands_may_not_clear_the_stops(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: story.now)
    client = at_the_admin(person(Role.OPERATOR, story.brand))
    elsewhere = Story(name="Elsewhere")

    page = text_of(client.get(reverse(BRANDS)))
    theirs = select(client, "stop_selected", [story.brand, elsewhere.brand])

    assert "Emergency stop…" in page
    assert "Clear emergency stop…" not in page
    assert "For 1 brand: Acme" in text_of(theirs)
