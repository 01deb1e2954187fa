"""The admin writes through use cases only: no form can write an output, lose a change, or break on what is typed."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from access.models import Membership
from alerts.models import Alert
from brands.models import AuditEntry, Brand
from budget_system.admin.base import RecordAdmin, RoomAdmin, UseCaseAdmin
from budget_system.errors import Busy
from campaigns.holds import Hold
from campaigns.models import Campaign, Override, StateChange
from delivery.models import Delivery
from enforcement import services
from enforcement.models import Run
from pacing.models import PaceAlert, PacedCampaign, Reallocation
from platforms.models import Outgoing, RemoteState
from scheduling.models import Schedule
from spending.models import BudgetPeriod, ForcedReset, PeriodKind, Spend, SpendRevision
from tests.factories import Story
from tests.integration.admin_client import ACTOR, Person, errors_of, filled, messages_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

NASTY_NAMES = [
    "<script>alert(1)</script>", "\u202eacme",
    "🏄‍♀️ surf 🏝", "a\x00b", "", "   ", "\u200b", "x" * 201, "{{ 7|add:7 }}", "'; DROP",
]  # fmt: skip
NASTY_AMOUNTS = [
    "NaN", "Infinity", "-Infinity", "1e400", "1e3", "１２", "١٢",
    "-1", "9" * 30, "0.0000001", "1_000", "0x10", "1,5", "\x00", "--1",
]  # fmt: skip


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def stored(model: Any, pk: object) -> dict[str, Any]:
    return dict(model.objects.filter(pk=pk).values().get())


# --- Outputs


@pytest.mark.need(5)
def test_a_post_that_adds_outputs_of_a_campaign_changes_none_of_them(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "100")
    before = stored(Campaign, a.pk)

    ann.sends(
        "campaigns_campaign_change", a.pk, name="Renamed", status="ACTIVE", holds="", pause_reason="", paused_at="",
        paused_at_0="2020-01-01", next_check_at="2030-01-01", next_check_at_0="2030-01-01", next_check_at_1="00:00",
        manual_paused_at="2020-01-01", manual_paused_by="x", week="", archived_at="2020-01-01", version="99",
        emergency_stopped_at="2020-01-01", emergency_stopped_by="x", brand="1", id="x", created_at="2020-01-01",
    )  # fmt: skip

    changed = {key for key, value in stored(Campaign, a.pk).items() if value != before[key]}
    assert changed <= {"name", "version", "updated_at"}
    assert stored(Campaign, a.pk)["name"] == "Renamed"
    assert stored(Campaign, a.pk)["version"] == before["version"] + 1


def test_a_post_that_adds_outputs_of_a_brand_changes_none_of_them(story: Story, ann: Person) -> None:
    before = stored(Brand, story.brand.pk)

    ann.sends(
        "brands_brand_change", story.brand.pk, name="Renamed", day_turned_on="2030-01-01", month_turned_on="2030-01-01",
        emergency_stopped_at="2020-01-01", emergency_stopped_at_0="2020-01-01", emergency_stopped_by="x",
        emergency_stop_reason="x", archived_at="2020-01-01", version="99", created_at="2020-01-01",
    )  # fmt: skip

    changed = {key for key, value in stored(Brand, story.brand.pk).items() if value != before[key]}
    assert changed <= {"name", "version", "updated_at"}
    assert stored(Brand, story.brand.pk)["name"] == "Renamed"


def test_a_post_that_adds_fields_of_the_ledger_to_a_spend_changes_none_of_them(story: Story, ann: Person) -> None:
    a, b = story.campaigns("AB")
    spend = story.spend(a, "40", key="k1")
    before = stored(Spend, spend.pk)

    ann.sends(
        "spending_spend_change", spend.pk, description="A word", reason="Told so", source="demo", key="other",
        fingerprint="x", campaign=str(b.pk), brand="x", voided_at="2020-01-01", created_by="x", version="99",
    )  # fmt: skip

    changed = {key for key, value in stored(Spend, spend.pk).items() if value != before[key]}
    assert changed == {"description", "version"}
    assert story.total(a, PeriodKind.DAY, "2026-05-05") == 40


def test_saving_a_page_as_it_is_shown_writes_nothing(story: Story, ann: Person) -> None:
    a = story.campaign(daily_budget="50")
    spend = story.spend(a, "40")
    versions = [stored(Brand, story.brand.pk), stored(Campaign, a.pk), stored(Spend, spend.pk)]
    audited = AuditEntry.objects.count()

    ann.sends("brands_brand_change", story.brand.pk)
    ann.sends("campaigns_campaign_change", a.pk)
    ann.sends("spending_spend_change", spend.pk)

    assert [stored(Brand, story.brand.pk), stored(Campaign, a.pk), stored(Spend, spend.pk)] == versions
    assert AuditEntry.objects.count() == audited


def test_only_the_changed_fields_are_written_down_with_who_did_it(story: Story, ann: Person) -> None:
    ann.sends("brands_brand_change", story.brand.pk, daily_budget="80.50")

    entry = AuditEntry.objects.get(action="change brand")
    assert entry.actor == ACTOR
    assert entry.before == {"daily_budget": "100.00"}
    assert entry.after == {"daily_budget": "80.50"}


def test_a_changed_budget_acts_in_the_same_request(story: Story, ann: Person) -> None:
    a = story.campaign()
    story.spend(a, "90")

    asked = ann.sends("brands_brand_change", story.brand.pk, daily_budget="80")
    lowered = ann.confirms("brands_brand_change", story.brand.pk, response=asked)
    held = story.holds(a)
    asked = ann.sends("brands_brand_change", story.brand.pk, daily_budget="")
    ann.confirms("brands_brand_change", story.brand.pk, response=asked)

    assert "1 stopped" in " ".join(messages_of(lowered))
    assert [hold.value for hold in held] == ["DAILY_BUDGET_EXCEEDED"]
    assert story.runs(a)
    story.brand.refresh_from_db()
    assert story.brand.daily_budget is None


CHANGED_ON_PAGES = {Alert, Delivery, Outgoing, PacedCampaign, PaceAlert, Reallocation, RemoteState}
"""No form of theirs is ever saved: what can be done to them has pages and actions of its own."""


def test_no_admin_of_ours_has_djangos_way_of_saving_or_deleting() -> None:
    ours = [model_admin for model_admin in admin.site._registry.values() if isinstance(model_admin, RoomAdmin)]

    assert len(ours) >= 15
    for model_admin in ours:
        assert not model_admin.list_editable
        assert isinstance(model_admin, UseCaseAdmin | RecordAdmin)
        if isinstance(model_admin, UseCaseAdmin) and model_admin.model not in CHANGED_ON_PAGES:
            assert type(model_admin).save_model is UseCaseAdmin.save_model
            assert type(model_admin).create is not UseCaseAdmin.create
            # A membership is removed and added instead.
            assert type(model_admin).change is not UseCaseAdmin.change or model_admin.model is Membership
        if model_admin.model in {Schedule, Membership}:
            assert type(model_admin).delete_model is not admin.ModelAdmin.delete_model


# --- Concurrent changes


def test_a_stale_brand_form_is_refused_and_shows_what_was_typed(story: Story, ann: Person) -> None:
    data = filled(ann.opens("brands_brand_change", story.brand.pk))
    story.change_brand(monthly_budget="3000")

    response = ann.sends_filled("brands_brand_change", (story.brand.pk,), data, {"daily_budget": "77"})

    [error] = errors_of(response)["__all__"]
    assert "changed by somebody else" in error
    assert "reload" in error
    assert 'value="77"' in response.content.decode()
    story.brand.refresh_from_db()
    assert (story.brand.daily_budget, story.brand.monthly_budget) == (100, 3000)


@pytest.mark.fault(57)
def test_a_stale_campaign_form_is_refused_with_its_schedule(story: Story, ann: Person) -> None:
    a = story.campaign()
    data = filled(ann.opens("campaigns_campaign_change", a.pk))
    services.replace_week(a.pk, [], actor="x", now=story.now)

    response = ann.sends_filled(
        "campaigns_campaign_change", (a.pk,), data, {"name": "B", "schedules-0-end_time": "12:00"}
    )

    assert "changed by somebody else" in errors_of(response)["__all__"][0]
    assert stored(Campaign, a.pk)["name"] == "A"
    assert Schedule.objects.count() == 0


@pytest.mark.fault(57)
def test_a_change_between_the_check_of_the_form_and_the_lock_is_not_lost(
    story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = services.change_brand

    def somebody_was_faster(*args: Any, **kwargs: Any) -> Any:
        real(story.brand.pk, {"name": "Faster"}, actor="x", now=story.now)
        return real(*args, **kwargs)

    monkeypatch.setattr(services, "change_brand", somebody_was_faster)
    response = ann.sends("brands_brand_change", story.brand.pk, name="Slower")

    assert "changed by somebody else" in errors_of(response)["__all__"][0]
    assert 'value="Slower"' in response.content.decode()
    assert stored(Brand, story.brand.pk)["name"] == "Faster"


@pytest.mark.parametrize("version", [None, "", "abc", "0", "9" * 40, "1.5", "-1"])
def test_a_form_without_a_sound_version_saves_nothing(story: Story, ann: Person, version: str | None) -> None:
    response = ann.sends("brands_brand_change", story.brand.pk, name="B", expected_version=version)

    assert errors_of(response)
    assert stored(Brand, story.brand.pk)["name"] == "Acme"


def test_a_stale_spend_form_and_a_stale_void_are_refused(story: Story, ann: Person) -> None:
    spend = story.spend(story.campaign(), "40")
    change = filled(ann.opens("spending_spend_change", spend.pk))
    void = filled(ann.opens("spending_spend_void", spend.pk))
    services.amend_spend(spend.pk, {"amount": Decimal(30)}, reason="x", actor="x", now=story.now)

    changed = ann.sends_filled("spending_spend_change", (spend.pk,), change, {"amount": "50", "reason": "y"})
    voided = ann.sends_filled("spending_spend_void", (spend.pk,), void, {"reason": "y"})

    assert "changed by somebody else" in errors_of(changed)["__all__"][0]
    assert "changed by somebody else" in errors_of(voided)["__all__"][0]
    spend.refresh_from_db()
    assert (spend.amount, spend.voided_at) == (30, None)


def test_a_stale_window_form_is_refused(story: Story, ann: Person) -> None:
    a = story.campaign()
    monday = Schedule.objects.get(campaign=a, day_of_week=0)
    tuesday = Schedule.objects.get(campaign=a, day_of_week=1)
    data = filled(ann.opens("scheduling_schedule_change", monday.pk))
    services.remove_window(tuesday.pk, actor="x", now=story.now)

    response = ann.sends_filled("scheduling_schedule_change", (monday.pk,), data, {"end_time": "12:00"})

    assert "changed by somebody else" in errors_of(response)["__all__"][0]


# --- What is typed


@pytest.mark.fault(55)
@pytest.mark.parametrize("name", NASTY_NAMES)
def test_any_name_is_stored_escaped_or_refused_on_its_field(story: Story, ann: Person, name: str) -> None:
    for page, args, more in (
        ("brands_brand_add", (), {}),
        ("brands_brand_change", (story.brand.pk,), {}),
        ("campaigns_campaign_add", (), {"brand": str(story.brand.pk)}),
    ):
        response = ann.sends(page, *args, name=name, **more)

        assert set(errors_of(response)) <= {"name"}
        assert "<script>alert(1)" not in response.content.decode()


@pytest.mark.parametrize("amount", NASTY_AMOUNTS)
def test_any_amount_is_refused_on_its_field(story: Story, ann: Person, amount: str) -> None:
    a = story.campaign()
    spend = story.spend(a, "10")

    brand = ann.sends("brands_brand_change", story.brand.pk, daily_budget=amount)
    campaign = ann.sends("campaigns_campaign_change", a.pk, lifetime_budget=amount)
    posted = ann.sends("spending_spend_add", campaign=str(a.pk), amount=amount, spend_date="2026-05-05")
    amended = ann.sends("spending_spend_change", spend.pk, amount=amount, reason="x")
    override = ann.sends("campaigns_campaign_override", a.pk, lifts=["MANUAL"], extra_budget=amount, reason="x")

    assert set(errors_of(brand)) == {"daily_budget"}
    assert set(errors_of(campaign)) == {"lifetime_budget"}
    assert set(errors_of(posted)) == {"amount"}
    assert set(errors_of(amended)) == {"amount"}
    assert set(errors_of(override)) == {"extra_budget"}
    assert Spend.objects.count() == 1


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2026-02-30", "2026-05-09", "x", "\x00", "１２"])
def test_any_date_of_a_spend_is_refused_on_its_field(story: Story, ann: Person, day: str) -> None:
    a = story.campaign()

    response = ann.sends("spending_spend_add", campaign=str(a.pk), amount="1", spend_date=day)

    assert set(errors_of(response)) == {"spend_date"}


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [("2026-05-10", "2026-05-09", "end_date"), ("9999-12-31", "", "start_date"), ("", "0001-01-01", "end_date")],
)
def test_an_impossible_flight_is_refused_on_its_field(
    story: Story, ann: Person, start: str, end: str, field: str
) -> None:
    a = story.campaign()

    changed = ann.sends("campaigns_campaign_change", a.pk, start_date=start, end_date=end)
    added = ann.sends("campaigns_campaign_add", brand=str(story.brand.pk), name="B", start_date=start, end_date=end)

    assert set(errors_of(changed)) == {field}
    assert set(errors_of(added)) == {field}


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59", "0001-01-01T00:00", "2026-03-29T02:30", "2026-05-05T11:59", "", "x", "\x00"]
)
def test_any_moment_of_a_pause_or_override_is_refused_on_its_field(story: Story, ann: Person, moment: str) -> None:
    a = story.campaign()

    paused = ann.sends("campaigns_campaign_pause", a.pk, until="moment", moment=moment)
    lifted = ann.sends("campaigns_campaign_override", a.pk, lifts=["MANUAL"], until="moment", moment=moment, reason="x")

    assert set(errors_of(paused)) & {"moment", "until"}
    assert set(errors_of(lifted)) & {"moment", "until"}
    assert story.runs(a)
    assert not Override.objects.exists()


def test_a_window_that_ends_before_it_starts_is_refused_in_the_words_of_the_schedule(story: Story, ann: Person) -> None:
    a = story.campaign()
    typed = {"start_time": "22:00", "end_time": "06:00"}

    page = ann.sends("campaigns_campaign_change", a.pk, **{f"schedules-0-{key}": value for key, value in typed.items()})
    added = ann.sends("scheduling_schedule_add", campaign=str(a.pk), day_of_week="4", **typed)

    [inline] = page.context["inline_admin_formsets"]
    assert "before it starts at 22:00" in inline.formset.forms[0].errors["end_time"][0]
    assert "ends_next_day" in errors_of(added)["end_time"][0]
    assert Schedule.objects.filter(campaign=a).count() == 7


def test_refusals_of_a_use_case_come_back_on_the_form_with_what_was_typed(story: Story, ann: Person) -> None:
    story.campaign("A", platform="GOOGLE", external_id="77")
    b = story.campaign("B")
    story.spend(b, "1")

    twin = ann.sends("campaigns_campaign_change", b.pk, platform="GOOGLE", external_id="77", name="Typed")
    currency = ann.sends("brands_brand_change", story.brand.pk, currency="USD")

    assert "has the Google Ads id 77 already" in errors_of(twin)["external_id"][0]
    assert 'value="Typed"' in twin.content.decode()
    assert "cannot change once there is spend" in errors_of(currency)["currency"][0]


# --- Spends


def test_a_form_sent_twice_is_recorded_once(story: Story, ann: Person) -> None:
    a = story.campaign()
    data = filled(ann.opens("spending_spend_add"))
    typed = {"campaign": str(a.pk), "amount": "12.30", "spend_date": "2026-05-05"}

    first = ann.sends_filled("spending_spend_add", (), data, dict(typed))
    second = ann.sends_filled("spending_spend_add", (), data, dict(typed))
    other = ann.sends_filled("spending_spend_add", (), data, {**typed, "amount": "99"})

    assert "Recorded for" in messages_of(first)[0]
    assert "counts once" in messages_of(second)[0]
    assert errors_of(other)["__all__"]
    spend = Spend.objects.get()
    assert (spend.amount, spend.source, spend.created_by) == (Decimal("12.30"), "admin", ACTOR)


def test_a_correction_needs_a_reason_and_keeps_the_former_value(story: Story, ann: Person) -> None:
    spend = story.spend(story.campaign(), "40")

    without = ann.sends("spending_spend_change", spend.pk, amount="30")
    ann.sends("spending_spend_change", spend.pk, amount="30", reason="Invoice")

    assert set(errors_of(without)) == {"reason"}
    revision = SpendRevision.objects.get()
    assert (revision.amount, revision.reason, revision.replaced_by) == (40, "Invoice", ACTOR)
    spend.refresh_from_db()
    assert spend.amount == 30


def test_a_void_needs_a_reason_and_closes_the_page(story: Story, ann: Person) -> None:
    spend = story.spend(story.campaign(), "40")

    without = ann.sends("spending_spend_void", spend.pk)
    ann.sends("spending_spend_void", spend.pk, reason="Twice")
    page = ann.opens("spending_spend_change", spend.pk)

    assert set(errors_of(without)) == {"reason"}
    spend.refresh_from_db()
    assert spend.voided_at == story.now
    assert 'name="amount"' not in page.content.decode()


# --- Deleting and permissions


@pytest.mark.parametrize(
    "model", [Brand, Campaign, Spend, Override, StateChange, AuditEntry, BudgetPeriod, ForcedReset, SpendRevision, Run]
)
def test_nothing_that_is_kept_can_be_deleted(story: Story, ann: Person, model: Any) -> None:
    a = story.campaign()
    spend = story.spend(a, "1")
    services.amend_spend(spend.pk, {"amount": Decimal(2)}, reason="x", actor="x", now=story.now)
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="x", actor="x", now=story.now)
    story.override(a, Hold.MANUAL)
    services.emergency_stop(a.pk, reason="x", actor="x", now=story.now)
    Run.objects.create(kind="enforce_budgets", trigger="x", started_at=story.now)
    thing = model.objects.first()
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    count = model.objects.count()

    url = reverse(f"admin:{name}_delete", args=[thing.pk])
    selected = {"action": "delete_selected", "_selected_action": [str(thing.pk)], "post": "yes"}

    assert ann.client.get(url).status_code == 403
    assert ann.client.post(url, {"post": "yes"}).status_code == 403
    ann.client.post(reverse(f"admin:{name}_changelist"), selected)
    assert model.objects.count() == count
    assert "Delete" not in ann.reads(f"{name}_change", thing.pk)


@pytest.mark.parametrize("model", [Override, StateChange, AuditEntry, BudgetPeriod, ForcedReset, SpendRevision, Run])
def test_records_cannot_be_added_or_changed(story: Story, ann: Person, model: Any) -> None:
    name = f"{model._meta.app_label}_{model._meta.model_name}"

    assert ann.client.get(reverse(f"admin:{name}_add")).status_code == 403
    assert ann.client.post(reverse(f"admin:{name}_add"), {}).status_code == 403


def person_with(*permissions: str) -> Client:
    user = User.objects.create_user("bob", password="a-long-password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["all_brands", *permissions]))
    client = Client()
    client.force_login(user)
    return client


ACTIONS = [
    ("brands_brand", name) for name in ("emergency_stop", "clear_stop", "forced_reset", "archive", "restore")
] + [
    ("campaigns_campaign", name)
    for name in (
        "pause", "activate", "override", "clear_override", "emergency_stop", "clear_stop", "archive", "restore",
    )
] + [("spending_spend", "void")]  # fmt: skip


def test_who_may_only_look_can_open_everything_and_change_nothing(story: Story, ann: Person) -> None:
    a = story.campaign(daily_budget="50")
    things = {"brands_brand": story.brand, "campaigns_campaign": a, "spending_spend": story.spend(a, "1")}
    bob = person_with("view_brand", "view_campaign", "view_spend", "view_schedule")

    for name, thing in things.items():
        page = bob.get(reverse(f"admin:{name}_change", args=[thing.pk]))
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()
        assert bob.post(reverse(f"admin:{name}_change", args=[thing.pk]), {"name": "x"}).status_code == 403
        assert bob.get(reverse(f"admin:{name}_add")).status_code == 403
    for name, action in ACTIONS:
        url = reverse(f"admin:{name}_{action}", args=[things[name].pk])
        assert bob.get(url).status_code == 403
        assert bob.post(url, {"reason": "x"}).status_code == 403
    chosen = {"action": "pause_selected", "_selected_action": str(a.pk), "until": "none"}
    bob.post(reverse("admin:campaigns_campaign_changelist"), chosen)
    assert story.runs(a)


def test_without_the_permission_of_schedules_a_campaign_is_changed_and_its_week_is_not(
    story: Story, ann: Person
) -> None:
    a = story.campaign()
    data = filled(ann.opens("campaigns_campaign_change", a.pk))
    bob = person_with("view_campaign", "change_campaign", "view_schedule")

    bob.post(
        reverse("admin:campaigns_campaign_change", args=[a.pk]),
        {**data, "name": "B", "schedules-0-end_time": "12:00"},
    )

    assert stored(Campaign, a.pk)["name"] == "B"
    assert set(Schedule.objects.values_list("end_time__hour", flat=True)) == {0}


def test_nobody_sees_anything_without_logging_in(story: Story) -> None:
    client = Client()
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        assert client.get(reverse(name)).status_code == 302
    for name, action in ACTIONS:
        assert client.post(reverse(f"admin:{name}_{action}", args=[story.brand.pk]), {}).status_code == 302


def test_actions_act_on_post_only_and_ask_for_a_token(story: Story, ann: Person) -> None:
    a = story.campaign()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="ann"))

    ann.opens("campaigns_campaign_pause", a.pk, until="none")
    refused = strict.post(reverse("admin:campaigns_campaign_pause", args=[a.pk]), {"until": "none"})

    assert refused.status_code == 403
    assert story.runs(a)


def test_an_archived_campaign_is_read_only_until_it_is_restored(story: Story, ann: Person) -> None:
    a = story.campaign()
    ann.sends("campaigns_campaign_archive", a.pk, reason="Over")

    page = ann.opens("campaigns_campaign_change", a.pk)
    pausing = ann.client.post(reverse("admin:campaigns_campaign_pause", args=[a.pk]), {"until": "none"}, follow=True)
    changing = ann.client.post(reverse("admin:campaigns_campaign_change", args=[a.pk]), {"name": "B"})
    ann.sends("campaigns_campaign_restore", a.pk)

    assert 'name="_save"' not in page.content.decode()
    assert "not possible" in messages_of(pausing)[0]
    assert changing.status_code == 403
    assert stored(Campaign, a.pk)["archived_at"] is None
    assert [hold.value for hold in story.holds(a)] == ["MANUAL"]


def test_a_busy_brand_is_said_so_on_the_form(story: Story, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*args: Any, **kwargs: Any) -> Any:
        raise Busy("Another change holds this brand. Nothing was changed; try again.")

    monkeypatch.setattr(services, "change_brand", busy)
    response = ann.sends("brands_brand_change", story.brand.pk, name="B")

    assert "try again" in errors_of(response)["__all__"][0]
