"""The import page: a report is checked, its unknown campaigns are told, it is confirmed, and undone again."""

from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from access.roles import Role
from brands.models import AuditEntry
from budget_system import clock
from campaigns.models import Campaign
from enforcement import importing, imports
from spending import import_records
from spending.import_forms import in_page_words
from spending.models import ImportFile, ImportState, Spend, SpendImport
from spending.taking_back import take_back
from tasks.import_tasks import pick_up_imports_task, run_import_task, undo_import_task
from tests.factories import Story
from tests.integration.admin_client import text_of
from tests.integration.people import at_the_admin, person

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

REPORT = b"""Day,Campaign ID,Campaign,Cost,Currency
2026-05-04,11,Search,40.00,EUR
2026-05-05,11,Search,60.00,EUR
2026-05-05,77,Autumn Sale,45.00,EUR
2026-05-04,77,Autumn Sale,5.00,EUR
2026-05-03,11,Search,ten,EUR
31 June,11,Search,1,EUR
"""


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    told = Story()
    told.campaign("Search", external_id="11")
    told.campaign("Herbst")
    monkeypatch.setattr(clock, "now", lambda: told.now)
    return told


@pytest.fixture
def mia(story: Story) -> Client:
    """A manager."""
    return at_the_admin(person(Role.MANAGER, story.brand, name="mia"))


@pytest.fixture
def otto(story: Story) -> Client:
    """An operator."""
    return at_the_admin(person(Role.OPERATOR, story.brand, name="otto"))


def url(page: str, *args: object) -> str:
    return reverse(f"admin:spending_spendimport_{page}", args=args)


def send(client: Client, content: bytes, name: str = "may.csv", **said: object) -> Any:
    file = BytesIO(content)
    file.name = name
    return client.post(url("add"), {"file": file, **said}, follow=True)


def sent(client: Client, content: bytes = REPORT, **said: Any) -> SpendImport:
    """The dry run that comes of a file which must be taken."""
    answer = send(client, content, **said)
    assert answer.redirect_chain, text_of(answer)
    return SpendImport.objects.latest("pk")


def goes_on(client: Client, page: str, record: SpendImport, **said: object) -> tuple[SpendImport, str]:
    """The record that comes of the next step, and what is said then."""
    answer = client.post(url(page, record.pk), said, follow=True)
    assert answer.redirect_chain, text_of(answer)
    return SpendImport.objects.latest("pk"), text_of(answer)


# --- The journey -----------------------------------------------------------------------------------------------------


def test_without_scripts_unknown_campaigns_are_chosen_from_plain_lists(story: Story, mia: Client) -> None:
    send(mia, REPORT)
    record = SpendImport.objects.get()
    herbst = Campaign.objects.get(name="Herbst")
    address = f"{url('map', record.pk)}?plain=1"

    review = mia.get(url("change", record.pk)).content.decode()
    plain = mia.get(address)
    mia.post(address, {"do_0": "", "campaign_0": str(herbst.pk), "brand_0": ""})

    assert "<noscript>" in review
    assert f'href="{address}"' in review
    assert f'<option value="{herbst.pk}">' in plain.content.decode().replace(" >", ">")
    assert "autocomplete" not in plain.content.decode().partition('name="campaign_0"')[2][:300]
    assert SpendImport.objects.get(follows=record).accepted == 4


def test_a_manager_checks_a_report_says_what_is_unknown_confirms_and_undoes_it(story: Story, mia: Client) -> None:
    herbst = Campaign.objects.get(name="Herbst")

    checked = text_of(send(mia, REPORT))
    first = SpendImport.objects.get()
    assert (first.dry_run, first.accepted, first.rejected, Spend.objects.count()) == (True, 2, 4, 0)
    for words in (
        "Checked only: nothing was changed", "Plain table", "Mon 4 May 2026 to Tue 5 May 2026", "100.00 EUR",
        "Autumn Sale", "Platform id 77", "2 rows: 50.00 EUR", "ten", "31 June", "Import 2 rows",
    ):  # fmt: skip
        assert words in checked

    second, checked = goes_on(mia, "map", first, do_0="campaign", campaign_0=str(herbst.pk))
    assert (second.dry_run, second.accepted, second.rejected, second.follows) == (True, 4, 2, first)
    assert "Campaigns that would be stopped or started" in checked
    assert "Daily budget" in checked
    assert (Spend.objects.count(), Campaign.objects.get(pk=herbst.pk).external_id) == (0, "")

    made, said = goes_on(mia, "confirm", second)
    assert (made.dry_run, made.state, made.accepted, made.follows) == (False, ImportState.DONE, 4, second)
    assert "4 of 6 rows" in said
    assert Campaign.objects.get(pk=herbst.pk).external_id == "77"
    entry = AuditEntry.objects.get(action="change campaign")
    assert (entry.actor, entry.after) == ("user: mia", {"external_id": "77"})
    assert sum(Spend.objects.values_list("amount", flat=True)) == Decimal(150)
    assert not ImportFile.objects.exists()

    answer = mia.post(url("undo", made.pk), {"reason": "Wrong month"}, follow=True)
    assert "4 spends voided" in text_of(answer)
    assert not Spend.objects.filter(voided_at=None).exists()


def test_the_next_file_finds_what_was_remembered_and_corrects_it(story: Story, mia: Client) -> None:
    herbst = Campaign.objects.get(name="Herbst")
    first, _ = goes_on(mia, "map", sent(mia), do_0="campaign", campaign_0=str(herbst.pk))
    goes_on(mia, "confirm", first)

    again = sent(mia, REPORT.replace(b"45.00", b"46.00"))

    assert (again.accepted, again.unchanged, again.corrected) == (0, 3, 1)
    assert "imported before" not in text_of(mia.get(url("change", again.pk)))
    same = sent(mia)
    assert "imported before, by mia on" in text_of(mia.get(url("change", same.pk)))


def test_an_operator_maps_without_changing_campaigns_and_cannot_create_or_undo(story: Story, otto: Client) -> None:
    herbst = Campaign.objects.get(name="Herbst")
    first = sent(otto)

    refused = otto.post(url("map", first.pk), {"do_0": "create", "brand_0": str(story.brand.pk)})
    second, _ = goes_on(otto, "map", first, do_0="campaign", campaign_0=str(herbst.pk))
    made, _ = goes_on(otto, "confirm", second)

    assert "Create it" not in text_of(otto.get(url("map", first.pk)))
    assert "not one of the available choices" in text_of(refused)
    assert (made.accepted, Campaign.objects.get(pk=herbst.pk).external_id) == (4, "")
    assert otto.post(url("undo", made.pk), {"reason": "x"}).status_code == 403
    assert "create_campaigns" not in otto.get(url("add")).content.decode()
    assert sent(otto, create_campaigns="on").report["created_campaigns"] == []


def test_a_campaign_is_created_where_it_was_said_and_left_out_where_that_was_said(story: Story, mia: Client) -> None:
    other = Story(name="Bravo", daily_budget=None)
    at_both = at_the_admin(person(Role.MANAGER, story.brand, other.brand, name="both"))
    content = REPORT + b"2026-05-04,88,Old,7.00,EUR\n"

    first = sent(at_both, content)
    asked = [one["external_id"] for one in first.report["unknown"]]
    second, shown = goes_on(at_both, "map", first, do_0="create", brand_0=str(other.brand.pk), do_1="leave")
    made, _ = goes_on(at_both, "confirm", second)

    assert asked == ["77", "88"]
    assert "Would be created Autumn Sale" in shown
    assert (made.accepted, made.rejected) == (4, 3)
    created = Campaign.objects.get(external_id="77")
    assert (created.brand, created.name) == (other.brand, "Autumn Sale")
    assert "left out, as was chosen" in str(made.report["rejects"])


def test_a_confirmation_sent_twice_is_one_import(story: Story, mia: Client) -> None:
    record = sent(mia)

    first, _ = goes_on(mia, "confirm", record)
    second, _ = goes_on(mia, "confirm", record)
    late, _ = goes_on(mia, "map", record, do_0="leave")

    assert first == second == late
    assert SpendImport.objects.filter(dry_run=False).count() == 1
    assert Spend.objects.count() == 2
    assert "It was confirmed" in text_of(mia.get(url("change", record.pk)))


def test_a_dry_run_that_was_checked_again_is_not_confirmed(story: Story, mia: Client) -> None:
    record = sent(mia)
    again, _ = goes_on(mia, "again", record, even_if_typed="on")

    latest, said = goes_on(mia, "confirm", record)

    assert latest == again
    assert "checked again with other settings" in said
    assert not Spend.objects.exists()


# --- Files that are not as they should be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"%PDF-1.7 report", "this is a PDF"),
        (b"PK\x05\x06" + b"\x00" * 18, "empty zip"),
        (b"\xd0\xcf\x11\xe0" + b"\x00" * 600, "Excel workbook"),
        (b"Week,Campaign,Cost\n2026-W18,Search,5\n", "day"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(story: Story, mia: Client, content: bytes, words: str) -> None:
    shown = text_of(send(mia, content))

    assert words in shown
    assert "Send another file" in shown or "send it again" in shown
    assert SpendImport.objects.get().state == ImportState.FAILED
    assert mia.post(url("confirm", SpendImport.objects.get().pk), follow=True).status_code == 200
    assert not Spend.objects.exists()


def test_a_file_that_can_be_read_in_two_ways_is_kept_and_read_as_was_said(story: Story, mia: Client) -> None:
    shown = text_of(send(mia, b"Day,Campaign ID,Cost\n03/05/2026,11,5\n04/05/2026,11,6\n"))
    record = SpendImport.objects.get()
    assert "say “Order of day and month” dmy" in shown
    assert "--day-format" not in shown

    again, shown = goes_on(mia, "again", record, day_format="dmy")

    assert (again.state, again.accepted) == (ImportState.DONE, 2)
    assert "Sun 3 May 2026 to Mon 4 May 2026" in shown


def test_a_file_that_is_too_large_no_file_and_nonsense_are_said_on_the_form(
    story: Story, mia: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MAX_BYTES", 100)

    assert "Split it" in text_of(send(mia, REPORT))
    assert "Choose a file" in text_of(mia.post(url("add"), {}))
    assert "not an ISO 4217 currency code" in text_of(send(mia, b"x", currency="EU"))
    assert not SpendImport.objects.exists()


def test_messages_name_the_settings_of_the_page() -> None:
    told = in_page_words("there is no brand “X”: create it, import with --create-brands, or say with --brand whose")

    assert told == "there is no brand “X”: create it, or say with “Brand of all rows” whose"


# --- Whose is it? ----------------------------------------------------------------------------------------------------


def test_nothing_of_another_agency_is_shown_touched_or_chosen(story: Story, mia: Client, otto: Client) -> None:
    other = Story(name="Zebra")
    theirs = other.campaign("Quagga", external_id="77")
    record = sent(mia)
    choices = mia.get(
        "/admin/autocomplete/",
        {"app_label": "spending", "model_name": "spend", "field_name": "campaign", "term": ""},
    ).json()["results"]

    forged = text_of(mia.post(url("map", record.pk), {"do_0": "campaign", "campaign_0": str(theirs.pk)}))
    into = text_of(mia.post(url("map", record.pk), {"do_0": "create", "brand_0": str(other.brand.pk)}))
    as_brand = text_of(send(mia, REPORT, brand=str(other.brand.pk)))

    assert [one["external_id"] for one in record.report["unknown"]] == ["77"]
    assert {one["text"] for one in choices} == {"Search · Acme", "Herbst · Acme"}
    for shown in (forged, into, text_of(mia.get(url("change", record.pk)))):
        assert "Quagga" not in shown
        assert "Zebra" not in shown
    assert "not yours to see" in forged
    assert "not yours to see" in into
    assert "Select a valid choice" in as_brand
    assert SpendImport.objects.get() == record
    assert otto.post(url("confirm", record.pk)).status_code == 403
    assert otto.get(url("map", record.pk)).status_code == 403
    stranger = at_the_admin(person(Role.MANAGER, other.brand, name="zoe"))
    for page in ("confirm", "map", "again"):
        assert stranger.post(url(page, record.pk)).status_code == 403
    assert stranger.get(url("progress", record.pk)).status_code == 403
    assert not Spend.objects.exists()


def test_who_lost_a_brand_or_a_right_since_does_not_confirm_for_it(story: Story, mia: Client) -> None:
    record, _ = goes_on(mia, "map", sent(mia), do_0="create", brand_0=str(story.brand.pk))
    story.brand.memberships.all().delete()

    refused = mia.post(url("confirm", record.pk))

    assert refused.status_code == 403
    assert not Spend.objects.exists()


def test_a_viewer_imports_nothing(story: Story) -> None:
    vera = at_the_admin(person(Role.VIEWER, story.brand, name="vera"))

    assert vera.get(url("add")).status_code == 403
    assert send(vera, REPORT).status_code == 403
    assert "Add import" not in text_of(vera.get(url("changelist")))


# --- Workers ---------------------------------------------------------------------------------------------------------


def test_a_large_file_is_checked_and_imported_by_a_worker(
    story: Story, mia: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "INLINE_BYTES", 9)
    asked: list[str] = []
    monkeypatch.setattr(run_import_task, "apply_async", lambda args, **_: asked.append(args[0]))

    waiting = text_of(send(mia, REPORT))
    record = SpendImport.objects.get()
    looked = mia.get(url("progress", record.pk))
    same = mia.get(url("progress", record.pk), headers={"If-None-Match": looked["ETag"]})
    run_import_task(asked.pop())
    ended = mia.get(url("progress", record.pk))
    made, shown = goes_on(mia, "confirm", record)
    run_import_task(asked.pop())

    assert "It waits for a worker" in waiting
    assert "The worker does not seem to run" in text_of(looked), "no tick was ever seen"
    assert (looked.status_code, same.status_code, ended["HX-Refresh"]) == (200, 304, "true")
    assert (made.state, "It waits for a worker" in shown) == (ImportState.QUEUED, True)
    assert SpendImport.objects.get(pk=made.pk).accepted == 2
    assert "Import 2 rows" in text_of(mia.get(url("change", record.pk))) or SpendImport.objects.filter(follows=record)


def test_with_the_broker_away_an_undo_waits_and_says_so_and_is_done_later(
    story: Story, mia: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = goes_on(mia, "confirm", sent(mia))
    monkeypatch.setattr(imports, "UNDONE_AT_ONCE", 1)

    with mock.patch.object(undo_import_task, "apply_async", side_effect=OperationalError("no broker")):
        said = text_of(mia.post(url("undo", made.pk), {"reason": "Wrong"}, follow=True))
        again = text_of(mia.post(url("undo", made.pk), {"reason": "Wrong"}, follow=True))
    assert "is being undone by a worker" in said
    assert "It waits to be undone" in said
    assert "Nothing is lost" in said
    assert "not possible" in again
    with mock.patch.object(undo_import_task, "apply_async", side_effect=lambda args, **_: undo_import_task(*args)):
        pick_up_imports_task()

    made.refresh_from_db()
    assert (made.state, made.undo_reason, made.report["undo"]["voided"]) == (ImportState.UNDONE, "Wrong", 2)
    assert "by mia: Wrong" in text_of(mia.get(url("change", made.pk)))


def test_an_undo_that_breaks_down_goes_on_where_it_was_and_is_given_up_in_the_end(
    story: Story, mia: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = goes_on(mia, "confirm", sent(mia))
    monkeypatch.setattr(imports, "UNDONE_AT_ONCE", 1)
    imports.begin_undo(made.pk, reason="Wrong", actor="a boss", now=story.now)
    whole = take_back
    calls: list[object] = []

    def break_down(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 1:
            raise ConnectionError("the line is dead")
        return whole(*arguments, **named)

    monkeypatch.setattr(imports, "take_back", break_down)
    for _ in range(import_records.MAX_ATTEMPTS):
        with pytest.raises(ConnectionError):
            imports.run_undo(made.pk, clock=lambda: story.now)
    half = imports.run_undo(made.pk, clock=lambda: story.now)

    assert (half.state, Spend.objects.filter(voided_at=None).count()) == (ImportState.DONE, 1)
    assert "given up after 5 attempts: ConnectionError: the line is dead" in half.error
    monkeypatch.setattr(imports, "take_back", whole)
    done = imports.undo_import(made.pk, reason="Wrong", actor="a boss", now=story.now)
    assert (done.state, done.report["undo"]["voided"], done.error) == (ImportState.UNDONE, 2, "")


def test_files_of_dry_runs_are_kept_for_a_week(story: Story, mia: Client) -> None:
    record = sent(mia)
    import_records.tidy(story.now + timedelta(days=6))
    kept = ImportFile.objects.exists()
    import_records.tidy(story.now + timedelta(days=8))

    shown = text_of(mia.get(url("change", record.pk)))
    _, said = goes_on(mia, "confirm", record)

    assert (kept, ImportFile.objects.exists()) == (True, False)
    assert "The file is not kept any more" in shown
    assert "send the file again" in said
    assert not Spend.objects.exists()


# --- What a dry run says ---------------------------------------------------------------------------------------------


def test_a_dry_run_shows_each_campaigns_day_before_and_after_and_who_would_stop(story: Story, mia: Client) -> None:
    search = Campaign.objects.get(name="Search")
    goes_on(mia, "confirm", sent(mia))
    story.spend(search, "-7", "2026-05-04", spend_type="ADJUSTMENT", description="Agreed")

    changed = REPORT.replace(b"05-05,11,Search,60.00", b"05-05,11,Search,99.00").replace(b"40.00", b"35.00")
    page = text_of(mia.get(url("change", sent(mia, changed).pk)))

    assert "What would change in the books, by campaign and day" in page
    assert "Search · Acme Mon 4 May 2026 33.00 EUR 28.00 EUR -5.00 EUR" in page
    assert "Search · Acme Tue 5 May 2026 60.00 EUR 99.00 EUR +39.00 EUR" in page
    assert "None." in page
    assert sum(Spend.objects.values_list("amount", flat=True)) == Decimal(93)

    stops = text_of(mia.get(url("change", sent(mia, changed.replace(b"99.00", b"100.00")).pk)))
    assert "Stops" in stops


def test_a_day_in_several_spends_and_one_of_a_campaign_to_be_created_are_told_as_wholes(
    story: Story, mia: Client
) -> None:
    content = (
        b"Day,Campaign ID,Campaign,Cost,Channel\n2026-05-04,11,Search,1.50,search\n2026-05-04,11,Search,2.00,video\n"
        b"2026-05-04,99,New,3.00,\n"
    )

    record = sent(mia, content, brand=str(story.brand.pk), create_campaigns="on", column_channel="Channel")

    told = {(one["name"], one["day"]): (one["before"], one["after"]) for one in record.report["money"]}
    assert told == {("Search", "2026-05-04"): ("0.00", "3.50"), ("New", "2026-05-04"): ("0.00", "3.00")}
    assert record.report["money_more"] == 0
    assert "New · Acme" in text_of(mia.get(url("change", record.pk)))


def test_no_more_days_are_listed_than_a_page_holds_and_the_others_are_counted(
    story: Story, mia: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "SHOWN", 2)
    lines = [f"2026-04-{day:02},11,Search,1.00,EUR" for day in range(1, 6)]

    record = sent(mia, "\n".join(["Day,Campaign ID,Campaign,Cost,Currency", *lines]).encode())

    assert (len(record.report["money"]), record.report["money_more"]) == (2, 3)
    assert "by campaign and day: 2 of 5" in text_of(mia.get(url("change", record.pk)))


def test_money_that_would_count_twice_is_told_beside_the_button(story: Story, mia: Client) -> None:
    story.spend(Campaign.objects.get(name="Search"), "40", "2026-05-04")

    left_out = text_of(mia.get(url("change", sent(mia).pk)))
    taken = sent(mia, even_if_typed="on")
    page = text_of(mia.get(url("change", taken.pk)))

    assert "would count twice" not in left_out
    assert "40.00 EUR of this would count twice if it is the same money" in page.partition("Import it")[2]
    made, _ = goes_on(mia, "confirm", taken)
    assert "would count twice" not in text_of(mia.get(url("change", made.pk)))


def test_when_nothing_can_be_imported_it_says_what_became_of_every_row(story: Story, mia: Client) -> None:
    story.spend(Campaign.objects.get(name="Search"), "40", "2026-05-04")
    content = b"Day,Campaign ID,Campaign,Cost,Currency\n2026-05-04,11,Search,40.00,EUR\n"

    page = text_of(mia.get(url("change", sent(mia, content).pk)))

    assert "There is nothing to import: 1 row left out. Left out are days that have spend from elsewhere." in page
    assert "no row can be taken" not in page


def test_campaigns_of_the_same_name_are_told_apart_where_the_page_asks(story: Story, mia: Client) -> None:
    for _ in range(2):
        story.campaign("Short videos")
    content = b"Day,Campaign,Cost,Currency\n2026-05-04,Short videos,4.00,EUR\n2026-05-04,Short vidoes,4.00,EUR\n"

    record = sent(mia, content)
    page = text_of(mia.get(url("change", record.pk)))
    settings = mia.get(url("again", record.pk)).content.decode()

    assert "2 campaigns have the name “Short videos”: choose one of them, or say" in page
    assert "no campaign here has" not in page
    assert "no brand has" not in page
    assert "<details open>" in settings


def test_all_that_is_wrong_with_a_row_is_told_at_once(story: Story, mia: Client) -> None:
    content = b"Day,Campaign ID,Campaign,Cost,Currency\n2026-05-04,11,Search,4,EUR\n31 June,11,Search,ten,EUR\n"

    [reject] = sent(mia, content).report["rejects"]

    assert "Day:" in reject["reason"]
    assert "Cost:" in reject["reason"]


def test_the_list_tells_dry_runs_from_imports_and_the_page_what_was_said(story: Story, mia: Client) -> None:
    story.spend(Campaign.objects.get(name="Search"), "40", "2026-05-04")
    record = sent(mia, brand=str(story.brand.pk))
    made, _ = goes_on(mia, "confirm", record)

    dry = text_of(mia.get(url("changelist"), {"dry_run": "1"}))
    real = text_of(mia.get(url("changelist"), {"dry_run": "0"}))
    page = text_of(mia.get(url("change", record.pk)))
    mia.post(url("undo", made.pk), {"reason": "Wrong month"})
    undone = text_of(mia.get(url("change", made.pk)))

    assert "mia Dry run Mon" in dry or "mia Dry run Tue" in dry
    assert "mia Done" in real
    assert "1 left out" in dry
    assert "duplicate" not in dry
    assert "Brand of all rows: Acme" in page
    assert "SHA-256" in page.partition("For support")[2]
    assert "Total of the rows that counted until it was undone" in undone
    assert "import that file" not in undone
