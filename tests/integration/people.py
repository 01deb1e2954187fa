"""People of every role, and what belongs to a brand that is not theirs."""

from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import Group, User
from django.test import Client

from access import services as access
from access.models import ApiToken
from access.roles import Role
from access.tokens import issue
from brands.models import Brand
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import services
from spending.models import PeriodKind
from tests.factories import ACTOR, Story

SECRETS = ("Zebra", "Quagga", "Okapi", "77.31")
"""The other brand, its campaign, what is written of its spend, and how much that was."""


def person(role: Role | None, *brands: Brand, name: str = "", staff: bool = True) -> User:
    """Somebody in this role who works for these brands."""
    user = User.objects.create_user(name or (role or "nobody"), password="a-long-password", is_staff=staff)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    for brand in brands:
        access.join(user, brand.pk, ACTOR, datetime.fromisoformat("2026-05-05T10:00:00+00:00"))
    return user


def at_the_admin(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def token_for(user: User, now: datetime, scope: str = "manage", *brands: Brand, rate: int | None = None) -> str:
    return issued(user, now, scope, *brands, rate=rate)[1]


def issued(
    user: User, now: datetime, scope: str = "manage", *brands: Brand, rate: int | None = None
) -> tuple[ApiToken, str]:
    return issue(
        "Bidder", user, scope, brands, expires_at=None, requests_per_minute=rate, actor=ACTOR, now=now
    )  # fmt: skip


def life_of(story: Story, name: str, words: str, amount: str) -> Campaign:
    """A campaign of which every kind of record is there."""
    campaign = story.campaign(name, daily_budget="50")
    spend = story.spend(campaign, "60", description=words)
    services.amend_spend(spend.pk, {"amount": Decimal(amount)}, reason=words, actor=words, now=story.now)
    services.set_override(campaign.pk, [Hold.DAILY_BUDGET_EXCEEDED], reason=words, actor=words, now=story.now)
    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason=words, actor=words, now=story.now)
    services.pause(campaign.pk, reason=words, actor=words, now=story.now)
    return campaign
