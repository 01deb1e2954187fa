"""What happened to a brand lately: what people did, and which campaigns stopped or started by it, in one list."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from django.db.models import F
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.callers import Caller
from brands.models import AuditEntry, Brand
from budget_system.admin import show
from budget_system.admin.campaign_page import who
from campaigns.models import CampaignStatus, StateChange
from enforcement.explain import local_text

SHOWN = 12
READ = 200
NAMED = 3


class Event(NamedTuple):
    """One line of the timeline. Its id sorts it among those of the same moment."""

    at: datetime
    id: UUID
    what: SafeString
    why: object
    who: str


def timeline_of(brand: Brand, caller: Caller, now: datetime) -> SafeString:
    """The latest events, the newest first, each with a link to its record; only of kinds that the caller may see."""
    events: list[Event] = []
    if caller.may("brands.view_auditentry"):
        entries = AuditEntry.objects.filter(brand=brand).order_by("-id")[:SHOWN]
        events += [_of_entry(entry, brand) for entry in entries]
    if caller.may("campaigns.view_statechange"):
        changes = StateChange.objects.filter(brand=brand).exclude(from_status=F("to_status"))
        events += _of_changes(list(changes.select_related("campaign").order_by("-id")[:READ]))
    latest = sorted(events, key=lambda event: (event.at, event.id), reverse=True)[:SHOWN]
    table = show.cards(
        ["When", "What", "Why", "Who"],
        [(_when(brand, event.at, now), event.what, event.why, event.who) for event in latest],
        "Nothing has happened yet.",
    )
    links = [
        show.link(f"{reverse(f'admin:{name}_changelist')}?brand__id__exact={brand.pk}", title)
        for name, title in (
            ("brands_auditentry", "All that people did"),
            ("campaigns_statechange", "All stops and starts"),
        )
        if caller.may(_VIEW[name])
    ]
    return format_html(
        '{}<p class="flex flex-wrap gap-4 mt-3"><span>Times are in {}.</span>{}</p>',
        table,
        brand.zone.key,
        show.lines(links),
    )


_VIEW = {"brands_auditentry": "brands.view_auditentry", "campaigns_statechange": "campaigns.view_statechange"}


def _when(brand: Brand, at: datetime, now: datetime) -> SafeString:
    """In the brand's zone, which is named once below."""
    text = local_text(brand.zone, at, now).removesuffix(f" {brand.zone.key}")
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def _of_entry(entry: AuditEntry, brand: Brand) -> Event:
    """“Change brand Acme”, and below it what changed."""
    url = reverse("admin:brands_auditentry_change", args=[entry.pk])
    thing = "" if entry.object_id == brand.pk else f" “{entry.object_label}”"
    head = show.link(url, f"{entry.action.capitalize()}{thing}")
    # What a new thing began with is a long list, and on its page.
    made = entry.action.startswith("create ")
    what = (
        head
        if made
        else format_html("{}{}", head, show.small(show.change_lines(entry.before, entry.after, brand.zone)))
    )
    return Event(entry.at, entry.pk, what, entry.reason or show.nothing(), who(entry.actor))


def _of_changes(changes: Sequence[StateChange]) -> Iterator[Event]:
    """What stopped or started together, for the same reason, is one event."""
    ordered = sorted(changes, key=_together, reverse=True)
    for _, group in groupby(ordered, key=_together):
        some = sorted(group, key=lambda change: change.campaign.name)
        first = some[0]
        started = first.to_status == CampaignStatus.ACTIVE
        badge = show.badge("Started" if started else "Paused", show.GOOD if started else show.WARN)
        why = "nothing holds it any more" if started else show.hold_words(first.to_holds)
        yield Event(
            first.at, first.pk, format_html("{} {}", badge, _names(some)), why, f"{first.cause}, {who(first.actor)}"
        )


def _together(change: StateChange) -> tuple[datetime, str, str, str, str]:
    return change.at, change.to_status, ",".join(change.to_holds), change.cause, change.actor


def _names(changes: Sequence[StateChange]) -> SafeString:
    links = [
        show.link(reverse("admin:campaigns_campaign_change", args=[change.campaign_id]), change.campaign.name)
        for change in changes[:NAMED]
    ]
    shown = links[0]
    for link in links[1:]:
        shown = format_html("{}, {}", shown, link)
    more = len(changes) - NAMED
    return format_html("{} and {} more", shown, more) if more > 0 else shown
