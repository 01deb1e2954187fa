"""Tokens, members, users and roles in the admin, and tokens from the command line."""

import re
from io import StringIO

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from access.models import ApiToken, Membership
from access.roles import Role
from access.tokens import TOKEN, digest, find
from brands.models import AuditEntry
from budget_system import clock
from tests.factories import Story
from tests.integration.admin_client import Person, errors_of, messages_of, text_of
from tests.integration.people import at_the_admin, issued, person
from tests.integration.test_access_api import dump_of_the_database

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def shown_token(content: str) -> str:
    found = re.search(r'value="(bs_[^"]+)"', content)
    assert found is not None
    return found.group(1)


# --- Tokens


def test_a_token_is_shown_once_when_it_is_made_and_never_again(story: Story, ann: Person) -> None:
    mia = person(Role.MANAGER, story.brand, name="mia")

    response = ann.sends(
        "access_apitoken_add", name="Bidder", user=str(mia.pk), scope="spend", brands=[str(story.brand.pk)], lasts="30",
        requests_per_minute="600",
    )  # fmt: skip

    text = shown_token(response.content.decode())
    token = ApiToken.objects.get()
    assert TOKEN.fullmatch(text)
    assert find(text, story.now) == token
    assert "no-store" in response["Cache-Control"]
    assert (token.user, token.scope, token.requests_per_minute, token.created_by) == (mia, "spend", 600, "user: ann")
    assert token.expires_at is not None
    assert (token.expires_at - story.now).days == 30
    assert [brand.name for brand in token.brands.all()] == ["Acme"]
    assert text not in dump_of_the_database()
    for page, args in (("access_apitoken_changelist", ()), ("access_apitoken_change", (token.pk,))):
        content = ann.opens(page, *args).content.decode()
        assert text not in content
        assert token.prefix in content
        assert digest(text) not in content


def test_of_a_token_only_the_name_changes(story: Story, ann: Person) -> None:
    token, _ = issued(person(Role.MANAGER, story.brand), story.now, "read")
    before = ApiToken.objects.values().get()

    response = ann.sends(
        "access_apitoken_change", token.pk, name="Reports", scope="manage", user="1", requests_per_minute="9",
        expires_at="2030-01-01", lasts="", revoked_at="", digest="x", prefix="x", brands=[str(story.brand.pk)],
    )  # fmt: skip

    assert "It is called “Reports” now." in messages_of(response)
    assert ApiToken.objects.values().get() == {**before, "name": "Reports"}
    assert not token.brands.exists()


def test_a_revoked_token_is_refused_at_once_and_stays_to_be_read(story: Story, ann: Person) -> None:
    token, text = issued(person(Role.MANAGER, story.brand), story.now)

    asked = ann.reads("access_apitoken_revoke", token.pk)
    response = ann.sends("access_apitoken_revoke", token.pk)
    page = ann.opens("access_apitoken_change", token.pk)

    assert "That cannot be undone" in asked
    assert "“Bidder” is revoked" in text_of(response)
    assert find(text, story.now) is None
    assert 'name="_save"' not in page.content.decode()
    assert "Revoked" in ann.reads("access_apitoken_changelist", state="revoked")
    assert "Bidder" not in ann.reads("access_apitoken_changelist", state="usable")


def test_the_list_of_tokens_says_in_words_what_they_may(story: Story, ann: Person) -> None:
    mia = person(Role.MANAGER, story.brand, name="mia")
    issued(mia, story.now, "read", story.brand)
    issued(mia, story.now, "operate")

    page = ann.reads("access_apitoken_changelist")

    assert "mia Read Acme never when revoked Usable" in page
    assert "mia Operate all of the person's never when revoked Usable" in page


def test_who_may_do_little_issues_tokens_for_themselves_only(story: Story, ann: Person) -> None:
    person(Role.ADMINISTRATOR, name="boss")
    lea = person(Role.VIEWER, story.brand, name="lea")
    lea.user_permissions.set(Permission.objects.filter(codename__in=["view_apitoken", "add_apitoken"]))
    theirs, _ = issued(User.objects.get(username="boss"), story.now)
    client = at_the_admin(lea)
    data = {"name": "Mine", "scope": "manage", "lasts": "30", "requests_per_minute": ""}

    for_boss = client.post(
        reverse("admin:access_apitoken_add"), {**data, "user": str(User.objects.get(username="boss").pk)}
    )
    for_lea = client.post(reverse("admin:access_apitoken_add"), {**data, "user": str(lea.pk)})

    assert set(errors_of(for_boss)) == {"user"}
    assert find(shown_token(for_lea.content.decode()), story.now) is not None
    assert theirs.prefix not in client.get(reverse("admin:access_apitoken_changelist")).content.decode()
    assert client.get(reverse("admin:access_apitoken_change", args=[theirs.pk])).status_code == 302


# --- Members


def test_a_member_is_added_and_removed_and_both_are_written_down(story: Story, ann: Person) -> None:
    mia = person(Role.VIEWER, name="mia")

    ann.sends("access_membership_add", user=str(mia.pk), brand=str(story.brand.pk))
    twice = ann.sends("access_membership_add", user=str(mia.pk), brand=str(story.brand.pk))
    membership = Membership.objects.get()
    listed = ann.reads("access_membership_changelist", q="acme")
    ann.client.post(reverse("admin:access_membership_delete", args=[membership.pk]), {"post": "yes"})

    assert "mia works for “Acme” already." in errors_of(twice)["brand"]
    assert "mia Acme Tue 5 May 2026 10:00 UTC ann" in listed
    assert not Membership.objects.exists()
    entries = AuditEntry.objects.filter(brand=story.brand, action__in=["join brand", "leave brand"]).order_by("pk")
    assert [(entry.action, entry.actor, entry.object_label) for entry in entries] == [
        ("join brand", "user: ann", "mia works for Acme"),
        ("leave brand", "user: ann", "mia works for Acme"),
    ]


def test_the_page_of_a_user_shows_the_role_and_edits_the_brands(story: Story, ann: Person) -> None:
    other = Story(name="Other").brand
    mia = person(Role.MANAGER, story.brand, name="mia")
    membership = mia.memberships.get()

    page = ann.opens("auth_user_change", mia.pk)
    ann.sends(
        "auth_user_change", mia.pk, **{
            "memberships-TOTAL_FORMS": "2", "memberships-0-DELETE": "on", "memberships-0-id": str(membership.pk),
            "memberships-0-user": str(mia.pk), "memberships-1-brand": str(other.pk), "memberships-1-user": str(mia.pk),
            "groups": [str(Group.objects.get(name="manager").pk)], "last_login_0": None, "last_login_1": None,
        },
    )  # fmt: skip
    listed = ann.reads("auth_user_changelist")

    assert "Acme" in text_of(page)
    assert [member.brand.name for member in mia.memberships.all()] == ["Other"]
    assert sorted(
        AuditEntry.objects.filter(action__endswith=" brand", actor="user: ann").values_list("action", flat=True)
    ) == ["join brand", "leave brand"]
    assert "Manager Other" in listed
    assert "Superuser all brands" in listed


# --- Users and roles


def test_an_administrator_cannot_take_over_or_make_a_superuser(story: Story, ann: Person) -> None:
    boss = User.objects.get(username="ann")
    lea, mia = person(Role.ADMINISTRATOR, name="lea"), person(Role.VIEWER, name="mia")
    above = Group.objects.create(name="above")
    above.permissions.set(Permission.objects.filter(codename="delete_user"))
    strong = person(None, name="strong")
    strong.groups.add(above)
    client = at_the_admin(lea)

    for user in (boss, strong):
        assert client.post(reverse("admin:auth_user_change", args=[user.pk]), {"username": "x"}).status_code == 403
        assert client.get(reverse("admin:auth_user_password_change", args=[user.pk])).status_code == 403
    sent = {
        "username": "mia", "is_active": "on", "is_staff": "on", "is_superuser": "on", "groups": [str(above.pk)],
        "user_permissions": [str(Permission.objects.get(codename="delete_user").pk)], "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }  # fmt: skip
    refused = client.post(reverse("admin:auth_user_change", args=[mia.pk]), sent)
    sent["groups"] = [str(Group.objects.get(name="manager").pk)]
    client.post(reverse("admin:auth_user_change", args=[mia.pk]), sent)

    mia.refresh_from_db()
    assert set(errors_of(refused)) == {"groups"}
    assert not mia.is_superuser
    assert not mia.user_permissions.exists()
    assert [group.name for group in mia.groups.all()] == ["manager"]
    assert client.get(reverse("admin:auth_user_password_change", args=[mia.pk])).status_code == 200


def test_logins_are_switched_off_and_not_deleted_and_roles_stay_as_they_are(story: Story, ann: Person) -> None:
    mia = person(Role.VIEWER)
    role, own = Group.objects.get(name="viewer"), Group.objects.create(name="own")

    assert ann.client.post(reverse("admin:auth_user_delete", args=[mia.pk]), {"post": "yes"}).status_code == 403
    assert ann.client.post(reverse("admin:auth_group_change", args=[role.pk]), {"name": "x"}).status_code == 403
    assert ann.client.post(reverse("admin:auth_group_delete", args=[role.pk]), {"post": "yes"}).status_code == 403
    assert ann.client.get(reverse("admin:auth_group_change", args=[own.pk])).status_code == 200
    lea = at_the_admin(person(Role.ADMINISTRATOR, name="lea"))
    assert lea.post(reverse("admin:auth_group_change", args=[own.pk]), {"name": "x"}).status_code == 403


def test_who_logs_in_is_listed(story: Story, ann: Person) -> None:
    User.objects.create_superuser("bob", "", "a-long-password")
    Client().post(reverse("admin:login"), {"username": "bob", "password": "a-long-password"}, REMOTE_ADDR="192.0.2.9")

    page = ann.reads("access_login_changelist", q="192.0.2.9")

    assert "bob 192.0.2.9" in page


# --- The command line


def test_a_token_from_the_command_line_works_and_is_all_that_goes_to_standard_output(story: Story) -> None:
    person(Role.MANAGER, story.brand, name="mia")
    out, err = StringIO(), StringIO()

    call_command(
        "create_token", "Nightly", "--user", "mia", "--scope", "read", "--brand", "Acme", "--expires", "90",
        stdout=out, stderr=err,
    )  # fmt: skip

    text = out.getvalue().strip()
    token = find(text, clock.now())
    assert token is not None
    assert (token.name, token.scope, [brand.name for brand in token.brands.all()]) == ("Nightly", "read", ["Acme"])
    assert "“Nightly” acts for mia, scope read, until" in err.getvalue()
    assert text not in err.getvalue()
    assert AuditEntry.objects.get(action="issue token").actor.startswith("command line: ")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "nobody"], "There is no user “nobody”."),
        (["--user", "mia", "--brand", "None"], "There is no brand"),
        (["--user", "mia", "--brand", "Other"], "mia does not work for “Other”"),
        (["--user", "mia", "--expires", "-1"], "from 1 to 3650 days"),
        (["--user", "mia", "--expires", "99999999"], "from 1 to 3650 days"),
        (["--user", "mia", "--requests-per-minute", "0"], "at least one request"),
    ],
)
def test_what_cannot_be_issued_is_said_in_words(story: Story, arguments: list[str], message: str) -> None:
    Story(name="Other")
    person(Role.MANAGER, story.brand, name="mia")

    with pytest.raises(CommandError, match=message):
        call_command("create_token", "Nightly", *arguments, stdout=StringIO(), stderr=StringIO())

    assert not ApiToken.objects.exists()
