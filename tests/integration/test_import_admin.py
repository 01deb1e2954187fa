"""Imports in the admin: what a person reads of one, what they download, and how they undo it."""

import io

import pytest
from django.urls import reverse

from access.roles import Role
from budget_system import clock
from enforcement.imports import start_import
from spending.import_options import ImportOptions
from spending.models import ImportState, Spend, SpendImport
from tests.factories import ACTOR, Story
from tests.integration.admin_client import Person, text_of
from tests.integration.people import at_the_admin, person

pytestmark = pytest.mark.django_db

CONTENT = b"Day,Client,Campaign ID,Cost,Clicks\n2026-05-05,Acme,11,100,7\n2026-05-05,Zebra,=99,1,\n"


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    told = Story()
    told.campaign("Search", external_id="11")
    monkeypatch.setattr(clock, "now", lambda: told.now)
    return told


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def load(story: Story, content: bytes = CONTENT, actor: str = ACTOR) -> SpendImport:
    return start_import(io.BytesIO(content), "may.csv", ImportOptions(), actor=actor, now=story.now)


def test_the_list_and_the_page_say_who_sent_what_and_what_became_of_it(story: Story, ann: Person) -> None:
    record = load(story)

    listed = ann.reads("spending_spendimport_changelist")
    shown = ann.reads("spending_spendimport_change", record.pk)
    metrics = ann.reads("spending_daymetrics_changelist")

    for said in ("may.csv", "a tester", "Done", "2 rows", "100.00 EUR", "Acme"):
        assert said in listed
        assert said in shown
    assert "1 new 1 rejected" in listed
    assert "1 New Recorded by this import" in shown
    for said in (record.digest, "there is no brand “Zebra”", "Daily budget", "Tue 5 May 2026 10:00:00 UTC"):
        assert said.lower() in shown.lower()
    assert "Search" in metrics


def test_the_rejected_rows_are_downloaded_and_the_spends_are_a_click_away(story: Story, ann: Person) -> None:
    record = load(story)
    page = ann.opens("spending_spendimport_change", record.pk)

    rejects = ann.client.get(reverse("admin:spending_spendimport_rejects", args=[record.pk]))
    [link] = [part.split('"')[0] for part in page.content.decode().split('href="') if "spend_import__exact" in part]
    spends = text_of(ann.client.get(link.replace("&amp;", "&")))

    assert rejects["Content-Disposition"] == f'attachment; filename="rejects-{record.pk}.csv"'
    assert b",'=99,1," in rejects.content
    assert "100.00 EUR" in spends


def test_an_import_is_undone_with_a_reason_and_only_once(story: Story, ann: Person) -> None:
    record = load(story)

    done = ann.sends("spending_spendimport_undo", record.pk, reason="Wrong account")
    again = ann.client.get(reverse("admin:spending_spendimport_undo", args=[record.pk]), follow=True)

    record.refresh_from_db()
    assert "1 spends voided" in text_of(done)
    assert "Wrong account" in ann.reads("spending_spendimport_change", record.pk)
    assert (record.state, record.undone_by) == (ImportState.UNDONE, "user: ann")
    assert Spend.objects.get().voided_at is not None
    assert "is not possible" in text_of(again)


def test_imports_of_other_brands_and_lines_of_others_are_not_shown(story: Story, ann: Person) -> None:
    other = Story(name="Hidden")
    other.campaign("H", external_id="99")
    theirs = load(story, CONTENT)
    both = load(story, b"Day,Client,Campaign ID,Cost\n2026-05-04,Acme,11,1\n2026-05-04,Hidden,99,1\n")
    member = person(Role.MANAGER, story.brand)
    client = at_the_admin(member)

    listed = text_of(client.get(reverse("admin:spending_spendimport_changelist")))
    page = text_of(client.get(reverse("admin:spending_spendimport_change", args=[theirs.pk])))
    hidden = client.get(reverse("admin:spending_spendimport_change", args=[both.pk]))

    assert listed.count("may.csv") == 1
    assert "1 Rejected" in page
    assert "Zebra" not in page
    assert hidden.status_code == 302


def test_a_viewer_cannot_undo(story: Story) -> None:
    record = load(story)
    client = at_the_admin(person(Role.VIEWER, story.brand))

    response = client.post(reverse("admin:spending_spendimport_undo", args=[record.pk]), {"reason": "x"})

    record.refresh_from_db()
    assert response.status_code == 403
    assert record.state == ImportState.DONE
