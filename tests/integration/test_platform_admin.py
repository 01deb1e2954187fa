"""Ad platforms in the admin: an account set up, a mode chosen, changes approved, the kill switch thrown."""

from typing import Any

import pytest
from django.urls import reverse

from access.roles import Role
from brands.models import AuditEntry
from campaigns.holds import Hold
from platforms import connections
from platforms.models import Account, Outgoing, RemoteState, Steering
from platforms.protocol import Status, Unauthorised
from platforms.steps import Mode, Step
from tests.factories import Story
from tests.integration.admin_client import Person, errors_of, messages_of, text_of
from tests.integration.people import at_the_admin, person
from tests.integration.test_platforms import Loop

pytestmark = pytest.mark.django_db
TYPED = {"account_id": "123", "key_client_id": "c", "key_client_secret": "secret-1", "key_refresh_token": "secret-2"}


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop(Mode.SUGGEST)
    _speaks_to(loop, monkeypatch)
    return loop


def _speaks_to(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect_with(*_: Any) -> Any:
        return loop.platform

    monkeypatch.setattr(connections, "connect_with", connect_with)


@pytest.fixture
def ann(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(loop.story, monkeypatch)


def add(ann: Person, loop: Loop, **more: Any) -> Any:
    url = reverse("admin:platforms_account_add") + "?platform=GOOGLE"
    return ann.client.post(url, {"brand": str(loop.story.brand.pk), **TYPED, **more}, follow=True)


def test_an_account_is_added_and_checked_at_once_and_its_secrets_are_not_shown(loop: Loop, ann: Person) -> None:
    Account.objects.all().delete()
    choice = ann.opens("platforms_account_add")
    page = ann.client.get(reverse("admin:platforms_account_add") + "?platform=GOOGLE")

    added = add(ann, loop)

    assert "?platform=GOOGLE" in choice.content.decode()
    assert "ten digits as 123-456-7890" in text_of(page)
    assert messages_of(added)[0].startswith("Connected: Acme there, EUR, Europe/Berlin.")
    assert "secret-" not in added.content.decode()
    assert "secret-" not in str(list(AuditEntry.objects.values())) + str(list(Account.objects.values()))
    assert connections.credentials_of(Account.objects.get())["refresh_token"] == "secret-2"


def test_an_account_that_is_refused_says_why_and_waits_for_a_person(loop: Loop, ann: Person) -> None:
    Account.objects.all().delete()
    loop.platform.error = Unauthorised("The refresh token has ended.")

    added = add(ann, loop)

    assert "The platform did not let us in: The refresh token has ended." in messages_of(added)[0]
    assert "Needs you" in text_of(added)

    loop.platform.error = None
    again = ann.sends("platforms_account_change", Account.objects.get().pk, key_refresh_token="secret-3")

    assert "Connected: Acme there" in messages_of(again)[0]
    kept = connections.credentials_of(Account.objects.get())
    assert (kept["refresh_token"], kept["client_secret"]) == ("secret-3", "secret-1")


def test_without_access_changes_go_in_a_file_and_are_acknowledged(loop: Loop, ann: Person) -> None:
    Account.objects.all().delete()
    a = loop.campaign(1)
    url = reverse("admin:platforms_account_add") + "?platform=GOOGLE&by=file"
    added = ann.client.post(url, {"brand": str(loop.story.brand.pk), "account_id": "123"}, follow=True)
    account = Account.objects.get()
    loop.push()
    loop.story.pause(a)
    loop.push()

    page = ann.client.get(reverse("admin:platforms_account_download_changes", args=[account.pk]))
    file = ann.client.post(reverse("admin:platforms_account_download_changes", args=[account.pk]))
    waits = loop.step(a)
    ann.sends("platforms_account_uploaded", account.pk)
    loop.push()

    assert "taken to be there as they are here" in messages_of(added)[0]
    assert "C1 · Acme" in text_of(page)
    assert file.content.decode("utf-8-sig").splitlines() == ["Campaign,Campaign status", "C1,Paused"]
    assert waits == Step.SEND
    assert loop.step(a) == Step.IN_STEP
    assert loop.platform.calls == 0


def test_what_is_missing_is_said_on_its_field(loop: Loop, ann: Person) -> None:
    response = add(ann, loop, key_refresh_token="", account_id="99")

    assert "key_refresh_token" in errors_of(response)


def test_a_mode_is_chosen(loop: Loop, ann: Person) -> None:
    response = ann.sends("platforms_steering_change", loop.story.brand.pk, mode="ENFORCE", most_campaigns="5")

    steering = Steering.objects.get()
    assert (steering.mode, steering.most_campaigns) == ("ENFORCE", 5)
    assert "changes are sent by themselves" in messages_of(response)[0]
    assert AuditEntry.objects.order_by("-id")[0].action == "change mode"


def test_what_waits_is_approved_after_a_preview(loop: Loop, ann: Person) -> None:
    [a, b] = loop.settled(1, 2)
    loop.story.spend(a, "100")
    loop.push()
    listed = text_of(ann.opens("platforms_remotestate_changelist"))
    overview = text_of(ann.opens("index"))
    states = [str(a.pk), str(b.pk)]

    preview = ann.client.post(
        reverse("admin:platforms_remotestate_changelist"),
        {"action": "approve_several", "_selected_action": states}, follow=True,
    )  # fmt: skip
    done = ann.client.post(preview.request["PATH_INFO"], {}, follow=True)
    loop.push()

    assert "Spends what must not be spent" in listed
    assert "2 campaigns of those stopped here may still spend at their platform" in overview
    assert "becomes, as here" in text_of(preview)
    assert text_of(done).count("is paused there within seconds") == 2
    assert set(loop.platform.statuses.values()) == {Status.PAUSED}


def test_a_drift_is_taken_over_from_its_page(loop: Loop, ann: Person) -> None:
    [a] = loop.settled(1)
    loop.platform.statuses["1"] = Status.PAUSED
    loop.look()
    loop.push()

    response = ann.sends("platforms_remotestate_take_over", a.pk, reason="The client asked")
    loop.push()

    assert "It is paused by hand here too." in messages_of(response)[0]
    assert loop.story.holds(a) == (Hold.MANUAL,)
    assert RemoteState.objects.get().step == Step.IN_STEP
    assert "At Google Ads it is paused: in step" in text_of(ann.opens("campaigns_campaign_change", a.pk))


def test_the_kill_switch_is_on_every_page_while_it_is_on(loop: Loop, ann: Person) -> None:
    before = text_of(ann.opens("brands_brand_changelist"))
    ann.opens("platforms_outgoing_changelist")
    switch = Outgoing.objects.get()

    ann.sends("platforms_outgoing_stop", switch.pk, reason="A wrong file was imported")
    during = text_of(ann.opens("brands_brand_changelist"))
    ann.sends("platforms_outgoing_resume", switch.pk)
    after = text_of(ann.opens("brands_brand_changelist"))

    line = "The kill switch is on: no change leaves to any ad platform. A wrong file was imported"
    assert [line in text for text in (before, during, after)] == [False, True, False]


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, set()),
        (Role.OPERATOR, {"remotestate_approve_one", "outgoing_stop"}),
        (Role.MANAGER, {"remotestate_approve_one", "outgoing_stop", "account_check_connection", "account_switch_off"}),
    ],
)
def test_who_may_do_what(loop: Loop, role: Role, may: set[str]) -> None:
    [a] = loop.settled(1)
    loop.story.spend(a, "100")
    loop.push()
    client = at_the_admin(person(role, loop.story.brand))
    things = {"remotestate": a.pk, "outgoing": Outgoing.objects.create().pk, "account": loop.account.pk}
    names = ("remotestate_approve_one", "outgoing_stop", "account_check_connection", "account_switch_off")

    allowed = {
        name
        for name in names
        if client.get(reverse(f"admin:platforms_{name}", args=[things[name.split("_")[0]]])).status_code == 200
    }

    assert allowed == may
    page = client.get(reverse("admin:platforms_account_change", args=[loop.account.pk]))
    assert ("key_refresh_token" in page.content.decode()) == (role is Role.MANAGER)


def test_another_brands_accounts_are_not_there(loop: Loop) -> None:
    other = Story(name="Zebra")
    client = at_the_admin(person(Role.MANAGER, other.brand))
    [a] = loop.settled(1)

    for name, pk in (("account", loop.account.pk), ("remotestate", a.pk), ("steering", loop.story.brand.pk)):
        listed = client.get(reverse(f"admin:platforms_{name}_changelist"))
        page = client.get(reverse(f"admin:platforms_{name}_change", args=[pk]))
        assert listed.status_code == 200
        assert "Acme" not in text_of(listed)
        assert page.status_code == 302
