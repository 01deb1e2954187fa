"""Tables on the page of an account."""

from django.db.models import Q

from budget_system.admin import show
from budget_system.admin.base import Panel, query_url
from campaigns.models import Campaign
from platforms.admin.words import LATEST, minute, next_words, ours, theirs
from platforms.models import Account, Pull, RemoteState
from platforms.queries import by_urgency
from platforms.steps import Step


def states_url(account: Account, **params: object) -> str:
    return query_url("platforms_remotestate", account__id__exact=account.pk, **params)


def pulls(account: Account) -> Panel:
    rows = [
        [
            minute(pull.at), show.days_text(pull.first_day, pull.last_day), show.right(pull.rows),
            show.link_to("What became of it", "spending_spendimport", pull.spend_import_id)
            if pull.spend_import_id else show.nothing(),
            pull.error or show.nothing(),
        ]
        for pull in Pull.objects.filter(account=account).order_by("-id")[:LATEST]
    ]  # fmt: skip
    empty = "No spend was read yet. Figures that are the same as last time are not listed."
    return Panel("Latest figures", show.cards(["read", "days", "rows", "import", "problem"], rows, empty))


def not_in_step(account: Account) -> Panel:
    found = by_urgency(
        RemoteState.objects.current().filter(account=account).exclude(step=Step.IN_STEP).exclude(step=Step.NOTHING)
    )
    rows = [
        [show.link_to(row.campaign, "platforms_remotestate", row.pk), ours(row), theirs(row), next_words(row)]
        for row in found.select_related("campaign__brand", "account")[:LATEST]
    ]
    table = show.cards(["campaign", "here", "there", "next"], rows, "All campaigns are there as they are here.")
    return Panel("Not in step", show.stacked(table, show.link(states_url(account), "All campaigns of this account")))


def not_found(account: Account) -> Panel:
    here = Campaign.objects.current().filter(brand=account.brand_id, platform=account.platform)
    lost = here.filter(Q(external_id="") | Q(remote_state=None) | Q(remote_state__actual="")).order_by("name", "pk")
    rows = [
        [
            show.link_to(campaign, "campaigns_campaign", campaign.pk),
            campaign.external_id or show.nothing("none"),
            "It has no platform campaign id." if not campaign.external_id else "No such campaign is in this account.",
        ]
        for campaign in lost[:LATEST]
    ]
    empty = "Every campaign of the brand on this platform was found there."
    return Panel("Campaigns that were not found there", show.cards(["campaign", "id", "why"], rows, empty))
