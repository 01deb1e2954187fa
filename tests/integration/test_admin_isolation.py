"""Nobody sees, finds, chooses or changes in the admin what belongs to brands that they do not work for."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import ForeignKey, ManyToManyField, Model
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from access.models import Membership
from access.roles import Role
from brands.models import AuditEntry, Brand
from budget_system import clock
from budget_system.admin.base import RoomAdmin
from campaigns.models import Campaign, Override, StateChange
from enforcement import services
from scheduling.models import Schedule
from spending.models import BudgetPeriod, ForcedReset, Reservation, Spend, SpendRevision
from tests.factories import ACTOR, Story
from tests.integration.admin_client import text_of
from tests.integration.people import SECRETS, at_the_admin, life_of, person

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# What a viewer sees and does, a manager does too: on SQLite the manager speaks for all three.
MEMBERS = [
    pytest.param(Role.VIEWER, marks=pytest.mark.postgres),
    pytest.param(Role.OPERATOR, marks=pytest.mark.postgres),
    Role.MANAGER,
]
OF_A_BRAND: dict[type[Model], str] = {
    Brand: "pk", Campaign: "brand", Override: "campaign__brand", StateChange: "brand", AuditEntry: "brand",
    Schedule: "campaign__brand", Spend: "brand", SpendRevision: "spend__brand", BudgetPeriod: "brand",
    ForcedReset: "brand", Membership: "brand", Reservation: "brand",
}  # fmt: skip
POSTED = {
    "reason": "x", "name": "x", "confirm": "on", "kinds": "D", "until": "none", "lifts": ["MANUAL"], "post": "yes",
    "expected_version": "1", "amount": "1", "spend_date": "2026-05-05", "spend_type": "DAILY", "client_key": "x",
    "timezone": "UTC", "currency": "EUR", "daily_budget": "1", "day_of_week": "1", "start_time": "01:00",
    "end_time": "02:00", "platform": "OTHER",
}  # fmt: skip


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Story:
    story = Story()
    monkeypatch.setattr(clock, "now", lambda: story.now)
    life_of(story, "Search", "Because", "70")
    return story


@pytest.fixture
def theirs(ours: Story) -> Story:
    story = Story(name="Zebra", timezone="Asia/Tokyo", currency="EUR")
    life_of(story, "Quagga", "Okapi", "77.31")
    return story


def urls(patterns: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every named page of the admin, and its route."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from urls(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name, prefix + str(pattern.pattern)


URLS = sorted(set(urls(admin.site.get_urls())))
OF_OBJECTS = [name for name, route in URLS if "object_id" in route]
LISTS = [name for name, _ in URLS if name.endswith("_changelist")]


def model_of(name: str) -> type[Model] | None:
    found = [
        model for model in admin.site._registry if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_")
    ]
    return max(found, key=lambda model: len(model._meta.model_name or ""), default=None)


def rows_of(brand: Brand) -> dict[str, Any]:
    """All that is stored of a brand."""
    return {
        model.__name__: sorted(map(str, model._default_manager.filter(**{path: brand.pk}).values_list()))
        for model, path in OF_A_BRAND.items()
    }


def asked_of(name: str, brand: Brand) -> list[dict[str, str]]:
    """Searches and filters that ask this list for what is the brand's."""
    model = model_of(name)
    assert model is not None
    model_admin: Any = admin.site._registry[model]
    filters = {f"{item[0]}__id__exact": str(brand.pk) for item in model_admin.list_filter if isinstance(item, tuple)}
    by_brand = [{key: value} for key, value in filters.items() if "brand" in key]
    return [*by_brand, *([{"q": "Quagga"}] if model_admin.search_fields else [])]


def leaks(response: Any) -> list[str]:
    content = response.content.decode()
    return [word for word in SECRETS if word in content]


@pytest.fixture(params=MEMBERS)
def member(request: pytest.FixtureRequest, ours: Story, theirs: Story) -> Client:
    return at_the_admin(person(request.param, ours.brand))


def test_every_admin_says_who_sees_what_it_shows() -> None:
    ours = [model_admin for model_admin in admin.site._registry.values() if isinstance(model_admin, RoomAdmin)]

    assert len(ours) >= 15
    for model_admin in ours:
        assert hasattr(model_admin, "brand_path"), model_admin
    assert set(OF_A_BRAND) <= set(admin.site._registry)


@pytest.mark.need(2)
def test_no_list_search_filter_or_choice_tells_of_another_brand(member: Client, ours: Story, theirs: Story) -> None:
    opened = 0

    for name in LISTS:
        for query in ({}, *asked_of(name, theirs.brand)):
            response = member.get(reverse(f"admin:{name}"), query, follow=True)
            opened += response.status_code == 200
            shown = [word for word in leaks(response) if word not in query.values()]
            assert not shown, (name, query, shown)
    for name, route in URLS:
        if "object_id" not in route and name.endswith("_add"):
            assert not leaks(member.get(reverse(f"admin:{name}"))), name
    assert opened > 25
    assert "Search" in text_of(member.get(reverse("admin:campaigns_campaign_changelist")))


@pytest.mark.need(2)
def test_no_page_or_action_opens_for_what_belongs_to_another_brand(member: Client, ours: Story, theirs: Story) -> None:
    before = rows_of(theirs.brand)
    sent = 0

    for name in OF_OBJECTS:
        model = model_of(name)
        if model not in OF_A_BRAND:
            continue
        thing = model._default_manager.filter(**{OF_A_BRAND[model]: theirs.brand.pk}).first()
        if thing is None:
            continue
        url = reverse(f"admin:{name}", args=[thing.pk])
        for response in (member.get(url), member.post(url, POSTED)):
            assert response.status_code in {302, 403}, (name, response.status_code)
            assert not leaks(response), name
            sent += 1
    # What the redirects had to say is said on the next page.
    page = member.get(reverse("admin:index"))
    assert "it is not yours to see" in text_of(page)
    assert not leaks(page)

    assert sent > 80
    assert rows_of(theirs.brand) == before


@pytest.mark.need(2)
def test_no_form_takes_a_thing_of_another_brand(member: Client, ours: Story, theirs: Story) -> None:
    before = rows_of(theirs.brand)
    campaign = Campaign.objects.get(name="Quagga")
    schedule = Schedule.objects.filter(campaign=campaign).first()
    assert schedule is not None

    for name in [name for name, _ in URLS if name.endswith("_add")]:
        data = {**POSTED, "brand": str(theirs.brand.pk), "campaign": str(campaign.pk), "user": "1"}
        response = member.post(reverse(f"admin:{name}"), data)
        assert response.status_code in {200, 302, 403}, name
        # A brand of that name may be added, of course; nothing of theirs may be named.
        assert not leaks(response), name
    for action in ("pause_selected", "activate_selected", "stop_selected", "clear_stop_selected"):
        chosen = {**POSTED, "action": action, "_selected_action": [str(campaign.pk)]}
        asked = member.post(reverse("admin:campaigns_campaign_changelist"), chosen, follow=True)
        assert not leaks(asked)
        assert "bulk" not in asked.request["PATH_INFO"]
    own = Campaign.objects.get(name="Search")
    week = {
        "name": "x", "expected_version": str(own.version), "brand": str(theirs.brand.pk), "schedules-TOTAL_FORMS": "1",
        "schedules-INITIAL_FORMS": "1", "schedules-0-id": str(schedule.pk), "schedules-0-campaign": str(campaign.pk),
        "schedules-0-DELETE": "on",
    }  # fmt: skip
    member.post(reverse("admin:campaigns_campaign_change", args=[own.pk]), week)

    assert rows_of(theirs.brand) == before
    assert Campaign.objects.filter(brand=theirs.brand).count() == 1


def test_no_choice_offers_a_thing_of_another_brand(member: Client, ours: Story, theirs: Story) -> None:
    asked = 0
    for model in admin.site._registry:
        for field in model._meta.get_fields(include_hidden=True):
            if isinstance(field, ForeignKey | ManyToManyField) or field.auto_created:
                query = {
                    "app_label": model._meta.app_label, "model_name": str(model._meta.model_name),
                    "field_name": field.name, "term": "",
                }  # fmt: skip
                response = member.get(reverse("admin:autocomplete"), query)
                assert response.status_code in {200, 403, 404}
                assert not leaks(response), query
                asked += response.status_code == 200

    found = member.get(
        reverse("admin:autocomplete"), {"app_label": "spending", "model_name": "spend", "field_name": "campaign"}
    ).json()["results"]
    assert asked > 5
    assert [choice["text"] for choice in found] == ["Search · Acme"]


def test_filters_offer_only_what_their_own_brands_have(member: Client, ours: Story, theirs: Story) -> None:
    Story(name="Third", currency="JPY", timezone="Pacific/Kiritimati")

    page = text_of(member.get(reverse("admin:brands_brand_changelist")))

    assert "Europe/Berlin" in page
    assert "JPY" not in page
    assert "Kiritimati" not in page


# --- What each role may do to their own


ALL = {
    "brands_brand_emergency_stop", "brands_brand_clear_stop", "brands_brand_forced_reset", "brands_brand_archive",
    "brands_brand_restore", "campaigns_campaign_pause", "campaigns_campaign_activate", "campaigns_campaign_override",
    "campaigns_campaign_clear_override", "campaigns_campaign_emergency_stop", "campaigns_campaign_clear_stop",
    "campaigns_campaign_archive", "campaigns_campaign_restore", "spending_spend_void",
    "scheduling_schedule_delete",
}  # fmt: skip
MAY = {
    Role.VIEWER: set(),
    Role.OPERATOR: {
        "brands_brand_emergency_stop", "campaigns_campaign_pause", "campaigns_campaign_activate",
        "campaigns_campaign_emergency_stop", "scheduling_schedule_delete",
    },
    Role.MANAGER: ALL - {"brands_brand_restore", "campaigns_campaign_restore"},
    Role.ADMINISTRATOR: ALL,
}  # fmt: skip
MAY_ADD = {
    Role.VIEWER: set(),
    Role.OPERATOR: {"spending_spend_add", "scheduling_schedule_add"},
    Role.MANAGER: {
        "spending_spend_add", "scheduling_schedule_add", "brands_brand_add", "campaigns_campaign_add",
        "pacing_channelbudget_add", "delivery_endpoint_add", "delivery_receiver_add", "alerts_alertrule_add",
        "platforms_account_add",
    },
    Role.ADMINISTRATOR: {
        "spending_spend_add", "scheduling_schedule_add", "brands_brand_add", "campaigns_campaign_add",
        "access_apitoken_add", "access_membership_add", "auth_user_add", "pacing_channelbudget_add",
        "delivery_endpoint_add", "delivery_receiver_add", "alerts_alertrule_add",
        "platforms_account_add",
    },
}  # fmt: skip


@pytest.mark.need(3)
@pytest.mark.parametrize("role", list(Role))
def test_each_role_does_what_it_may_and_nothing_else(role: Role, ours: Story) -> None:
    client = at_the_admin(person(role, ours.brand))
    things = {
        "brands_brand": ours.brand, "campaigns_campaign": Campaign.objects.get(), "spending_spend": Spend.objects.get(),
        "scheduling_schedule": Schedule.objects.first(),
    }  # fmt: skip

    may = set()
    for name in ALL:
        thing = things["_".join(name.split("_")[:2])]
        assert thing is not None
        get = client.get(reverse(f"admin:{name}", args=[thing.pk])).status_code
        if get == 403:
            assert client.post(reverse(f"admin:{name}", args=[thing.pk]), POSTED).status_code == 403
        else:
            may.add(name)
    may_add = {
        name for name, _ in URLS if name.endswith("_add") and client.get(reverse(f"admin:{name}")).status_code == 200
    }

    assert may == MAY[role]
    assert may_add - {"spending_spendimport_add"} == MAY_ADD[role]


@pytest.mark.parametrize("role", list(Role))
def test_buttons_are_shown_to_who_may_press_them(role: Role, ours: Story) -> None:
    campaign = Campaign.objects.get()

    page = at_the_admin(person(role, ours.brand)).get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))

    content = page.content.decode()
    for name in ("pause", "activate", "override", "emergency_stop", "archive"):
        url = reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])
        assert (f'href="{url}"' in content) == (f"campaigns_campaign_{name}" in MAY[role]), name


def test_budgets_are_changed_by_who_may_change_budgets_only(ours: Story) -> None:
    campaign = Campaign.objects.get()
    user = person(Role.MANAGER, ours.brand)
    user.groups.clear()
    user.user_permissions.set(permissions("view_brand", "change_brand", "view_campaign", "change_campaign"))
    client = at_the_admin(user)
    typed = {"name": "Renamed", "daily_budget": "999999", "monthly_budget": "", "lifetime_budget": "5"}

    brand_page = client.get(reverse("admin:brands_brand_change", args=[ours.brand.pk]))
    for name, thing in (("brands_brand", ours.brand), ("campaigns_campaign", campaign)):
        thing.refresh_from_db()
        data = {
            **typed, "expected_version": str(thing.version), "timezone": "Europe/Berlin", "currency": "EUR",
            "platform": "OTHER", "schedules-TOTAL_FORMS": "0", "schedules-INITIAL_FORMS": "0",
        }  # fmt: skip
        client.post(reverse(f"admin:{name}_change", args=[thing.pk]), data)
        thing.refresh_from_db()

    assert 'name="daily_budget"' not in brand_page.content.decode()
    assert "100.00 EUR" in text_of(brand_page)
    assert (ours.brand.name, ours.brand.daily_budget, ours.brand.monthly_budget) == ("Renamed", 100, 2000)
    assert (campaign.name, campaign.daily_budget, campaign.lifetime_budget) == ("Renamed", 50, None)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_budgets_that_cannot_be_changed_are_shown_in_words(role: Role, ours: Story) -> None:
    client = at_the_admin(person(role, ours.brand))
    campaign = Campaign.objects.get()

    brand_page = text_of(client.get(reverse("admin:brands_brand_change", args=[ours.brand.pk])))
    campaign_page = text_of(client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])))

    assert "Daily budget 100.00 EUR" in brand_page
    assert "Daily budget 50.00 EUR" in campaign_page
    assert "Lifetime budget no limit" in campaign_page


def permissions(*codenames: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=codenames)


def test_an_operator_edits_the_week_on_the_campaigns_page_and_nothing_else_there(ours: Story) -> None:
    campaign = Campaign.objects.get()
    client = at_the_admin(person(Role.OPERATOR, ours.brand))
    url = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    row = Schedule.objects.filter(campaign=campaign, day_of_week=0).get()
    data = {
        "name": "Renamed", "daily_budget": "9", "expected_version": str(campaign.version),
        "schedules-TOTAL_FORMS": "1", "schedules-INITIAL_FORMS": "1", "schedules-0-id": str(row.pk),
        "schedules-0-campaign": str(campaign.pk), "schedules-0-day_of_week": "0", "schedules-0-start_time": "09:00",
        "schedules-0-end_time": "17:00", "schedules-0-is_active": "on",
    }  # fmt: skip

    page = client.get(url)
    client.post(url, data)

    campaign.refresh_from_db()
    assert 'name="name"' not in page.content.decode()
    assert (campaign.name, campaign.daily_budget) == ("Search", 50)
    assert [f"{row.start_time:%H:%M}" for row in Schedule.objects.filter(campaign=campaign)] == ["09:00"]


# --- Archived things


def test_what_is_archived_is_seen_by_who_may_restore_it(ours: Story) -> None:
    campaign = Campaign.objects.get()
    services.archive_campaign(campaign.pk, actor=ACTOR, now=ours.now)
    manager = at_the_admin(person(Role.MANAGER, ours.brand))
    administrator = at_the_admin(person(Role.ADMINISTRATOR))
    listed, page = reverse("admin:campaigns_campaign_changelist"), "campaigns_campaign_change"

    for_manager = manager.get(listed, {"archived": "all"}, follow=True)
    for_administrator = administrator.get(listed, {"archived": "all"})
    manager.post(reverse("admin:campaigns_campaign_restore", args=[campaign.pk]), {})
    campaign.refresh_from_db()

    assert campaign.archived_at is not None
    assert reverse(f"admin:{page}", args=[campaign.pk]) not in for_manager.content.decode()
    assert "Archived only" not in text_of(for_manager)
    assert manager.get(reverse(f"admin:{page}", args=[campaign.pk])).status_code == 302
    assert reverse(f"admin:{page}", args=[campaign.pk]) in for_administrator.content.decode()
    assert administrator.get(reverse(f"admin:{page}", args=[campaign.pk])).status_code == 200


# --- Coming and going


def test_who_creates_a_brand_works_for_it(ours: Story) -> None:
    manager = person(Role.MANAGER, name="mia")
    client = at_the_admin(manager)
    data = {"name": "Fresh", "timezone": "UTC", "currency": "USD", "daily_budget": "", "monthly_budget": ""}

    client.post(reverse("admin:brands_brand_add"), data)

    brand = Brand.objects.get(name="Fresh")
    assert Membership.objects.get(brand=brand).user == manager
    assert AuditEntry.objects.get(action="join brand", brand=brand).actor == "user: mia"
    assert "Fresh" in text_of(client.get(reverse("admin:brands_brand_changelist")))


def test_a_brand_and_its_first_member_are_there_together_or_not_at_all(
    ours: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("brands.admin.join_if_needed", fails)
    client = at_the_admin(person(Role.MANAGER))
    data = {"name": "Fresh", "timezone": "UTC", "currency": "USD", "daily_budget": "", "monthly_budget": ""}

    with pytest.raises(RuntimeError):
        client.post(reverse("admin:brands_brand_add"), data)

    assert not Brand.objects.filter(name="Fresh").exists()


def test_an_administrator_sees_all_brands_without_being_a_member(ours: Story, theirs: Story) -> None:
    client = at_the_admin(person(Role.ADMINISTRATOR))
    client.post(reverse("admin:brands_brand_add"), {"name": "Fresh", "timezone": "UTC", "currency": "USD"})

    page = text_of(client.get(reverse("admin:brands_brand_changelist")))

    assert "Acme" in page
    assert "Zebra" in page
    assert not Membership.objects.exists()


def test_who_leaves_a_brand_sees_it_no_more_at_once(ours: Story) -> None:
    user = person(Role.VIEWER, ours.brand)
    client = at_the_admin(user)
    before = client.get(reverse("admin:brands_brand_change", args=[ours.brand.pk])).status_code

    Membership.objects.all().delete()

    assert before == 200
    assert client.get(reverse("admin:brands_brand_change", args=[ours.brand.pk])).status_code == 302


def test_who_is_not_staff_does_not_enter_the_admin(ours: Story) -> None:
    user: User = person(Role.MANAGER, ours.brand, staff=False)

    response = at_the_admin(user).get(reverse("admin:brands_brand_changelist"))

    assert response.status_code == 302
    assert "login" in response.headers["Location"]


def test_a_run_shows_its_error_to_who_sees_all_brands(ours: Story) -> None:
    from enforcement.models import Run

    now: datetime = ours.now
    run = Run.objects.create(kind="enforce_budgets", trigger="x", started_at=now, finished_at=now, error="Zebra broke")
    url = reverse("admin:enforcement_run_change", args=[run.pk])

    assert "Zebra" not in text_of(at_the_admin(person(Role.MANAGER, ours.brand)).get(url))
    assert "Zebra" in text_of(at_the_admin(person(Role.ADMINISTRATOR)).get(url))
