"""Words and names of the admin: one name for each thing, days and people as they are spoken of, ways back."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from access.roles import Role, make_groups
from budget_system.admin import show
from budget_system.admin.navigation import sidebar
from campaigns.models import StateChange
from tests.factories import MON, Story, window
from tests.integration.admin_client import Person, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


# --- Names


def test_each_list_is_called_the_same_in_the_menu_the_title_and_the_way_there(story: Story, ann: Person) -> None:
    items = [item for group in sidebar(None) for item in group["items"]]  # type: ignore[arg-type] # needs none
    lists = {str(item["link"]): item["title"] for item in items if item["link"] != reverse("admin:index")}

    for address, name in lists.items():
        if address.startswith("/admin/pacing/"):
            continue  # some of them are views of one list
        page = ann.client.get(address).content.decode()
        title = unescape(page.partition("<title>")[2].partition("</title>")[0])
        # The header comes after the menu, and names the list once more.
        way = re.findall(rf'<a href="{address}" class="align-middle[^"]*">\s*([^<]*?)\s*</a>', page)

        assert title.split("|")[0].strip() == name, address
        assert way in ([name], []), address


def test_the_way_to_a_page_names_neither_rooms_nor_groups(story: Story, ann: Person) -> None:
    page = ann.reads("campaigns_campaign_change", story.campaign("Search").pk)
    make_groups()
    role = ann.reads("auth_group_change", Group.objects.get(name=Role.VIEWER).pk)

    assert "Campaigns chevron_right Campaigns" not in page
    assert "Authentication and Authorization" not in role
    assert "Roles chevron_right" in role


def test_an_unknown_address_in_the_admin_leads_back(story: Story, ann: Person) -> None:
    response = ann.client.get("/admin/budgets/x<b>/")
    stranger = type(ann.client)().get("/admin/budgets/")

    assert response.status_code == 404
    assert "There is no such page" in text_of(response)
    assert f'href="{reverse("admin:index")}"' in response.content.decode()
    assert "x<b>" not in response.content.decode()
    assert (stranger.status_code, ann.client.get("/admin/spending/spend").status_code) == (302, 301)


# --- People


def test_roles_tell_by_area_what_they_allow(story: Story, ann: Person) -> None:
    make_groups()
    operator = Group.objects.get(name=Role.OPERATOR)
    ann.client.force_login(_administrator())

    page = ann.reads("auth_group_change", operator.pk)

    assert "Schedules see, add, change, remove" in page
    assert "Corrections see" in page


def _administrator() -> User:
    user = User.objects.create_user("ada", is_staff=True)
    user.groups.add(Group.objects.get(name=Role.ADMINISTRATOR))
    return user


def test_a_persons_page_does_not_speak_of_hashes(story: Story, ann: Person) -> None:
    page = ann.reads("auth_user_change", User.objects.get(username="ann").pk)

    assert "A password is set." in page
    assert "pbkdf2" not in page
    assert "algorithm" not in page


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("user: ann", "ann"),
        ("command line: root", "root, on the command line"),
        ("token: CRM (bk_12…) for ann", "token CRM (bk_12…) for ann"),
        ("worker", "the system"),
        ("bob", "bob"),
    ],
)
def test_people_are_named_as_they_are_spoken_of(actor: str, words: str) -> None:
    assert show.who(actor) == words


# --- Days and hours


def test_the_record_writes_days_hours_and_moments_in_words() -> None:
    lines = show.change_texts(
        {"windows": ["Monday 00:00–00:00"], "end date": "2026-05-05"},
        {"windows": ["Monday 09:00–00:00", "Friday 22:00–06:00 next day"], "at": "2026-11-21T14:32:31+00:00"},
    )

    assert lines == [
        "windows: − Monday all day, + Monday 09:00–24:00, + Friday 22:00–06:00 next day",
        "end date: Tue 5 May 2026 → none",
        "at: Sat 21 Nov 2026 14:32 UTC",
    ]


def test_schedules_write_whole_days_and_midnight_in_words(story: Story, ann: Person) -> None:
    story.campaign(rows=[window(MON, "00:00", "00:00"), window(MON + 1, "22:00", "23:59")])

    listed = ann.reads("scheduling_schedule_changelist")

    assert "Monday all day" in listed
    assert "Tuesday 22:00–24:00" in listed


def test_a_change_of_reasons_is_told_from_a_stop(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")
    story.pause(a)

    listed = ann.reads("campaigns_statechange_changelist")
    change = StateChange.objects.filter(from_status="PAUSED", to_status="PAUSED").get()
    page = ann.reads("campaigns_statechange_change", change.pk)

    assert "Active → Paused" in listed
    assert "Still Paused reason changed from “Daily budget used up”" in listed
    assert "Paused → Paused" not in listed
    assert "A, Tue 5 May 2026 12:00 Europe/Berlin: still paused" in page
