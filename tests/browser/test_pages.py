"""Every main page in a real browser: on a desk and on a phone, in the light and in the dark."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User

from budget_system import clock
from campaigns.models import Campaign
from enforcement import reservations, services
from tests.browser.conftest import DESK, PHONE, Visit
from tests.factories import ACTOR, Story

pytestmark = [pytest.mark.django_db(transaction=True)]

PAGES = {
    "overview": "/admin/",
    "brands": "/admin/brands/brand/",
    "brand": "/admin/brands/brand/{brand}/change/",
    "campaigns": "/admin/campaigns/campaign/",
    "campaign": "/admin/campaigns/campaign/{campaign}/change/",
    "spends": "/admin/spending/spend/",
    "audit": "/admin/brands/auditentry/",
    "state changes": "/admin/campaigns/statechange/",
    "documentation": "/api/docs/",
    "browsable": "/api/brands/",
}


@pytest.fixture
def story() -> Story:
    """A brand over its day, with spend of three weeks, one campaign stopped and one that runs elsewhere."""
    story = Story(at=f"{clock.now() - timedelta(days=21):%Y-%m-%d %H:%M}", timezone="UTC")
    first, second = story.campaigns(["Summer Sale", "Winter Sale"])
    for _ in range(21):
        story.now += timedelta(days=1)
        story.spend(first, "60")
        story.spend(second, "20.50")
    story.now = clock.now()
    story.spend(first, "90")
    services.emergency_stop(second.pk, reason="Wrong link", actor=ACTOR, now=story.now)
    other = services.create_brand({"name": "Quiet", "daily_budget": "50"}, actor=ACTOR, now=story.now)
    calm = services.create_campaign(other.pk, {"name": "Calm"}, actor=ACTOR, now=story.now)
    reservations.reserve(uuid4(), calm.pk, story.brand.daily_budget / 10, actor=ACTOR, now=story.now)
    return story


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_loads_only_from_here_and_has_no_serious_fault(name: str, story: Story, visit: Visit) -> None:
    user = User.objects.create_superuser("anna")
    campaign = Campaign.objects.get(name="Summer Sale")
    path = PAGES[name].format(brand=story.brand.pk, campaign=campaign.pk)

    for size, scheme in ((DESK, "light"), (PHONE, "dark")):
        visitor = visit(user, size=size, scheme=scheme)
        page = visitor.open(path)
        page.wait_for_load_state("networkidle")
        assert visitor.overflow() <= 0, f"{name} is wider than {size['width']} px"
        assert visitor.elsewhere == []
        assert visitor.complaints == []
        if name not in {"documentation", "browsable"}:  # those pages are their libraries' own
            assert _faults(page) == []


def _faults(page: Any) -> list[str]:
    """What axe finds serious or critical, with the first element it concerns."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
