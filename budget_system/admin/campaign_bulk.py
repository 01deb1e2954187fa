"""What a person can do to several campaigns at once, from the list."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from budget_system.admin import show
from budget_system.admin.bulk import ALREADY, DONE, HELD, Act, BulkAdmin, Outcome, begin
from budget_system.admin.campaign_actions import BulkPauseForm, CampaignActions
from budget_system.admin.forms import OptionalReasonForm, ReasonForm
from campaigns.holds import Hold, Verdict
from campaigns.models import Campaign
from enforcement import services
from enforcement.explain import local_text


def _pause(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    until, since = form.ends_at(campaign.brand.zone, now), campaign.manual_paused_at
    paused = since is not None and Hold.MANUAL in campaign.holds
    if since is not None and paused and campaign.manual_pause_until == until:
        return Outcome(ALREADY, f"paused by hand since {local_text(campaign.brand.zone, since, now)}")
    services.pause(campaign.pk, until=until, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(DONE, "it was paused by hand before; its end was changed" if paused else "")


def _activate(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    ran = not campaign.holds and campaign.manual_paused_at is None
    verdict = services.activate(campaign.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(ALREADY, "it runs") if ran and verdict.runs else _after(verdict)


def _stop(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    if campaign.emergency_stopped_at is not None:
        since = local_text(campaign.brand.zone, campaign.emergency_stopped_at, now)
        return Outcome(ALREADY, f"stopped since {since} by {campaign.emergency_stopped_by}")
    services.emergency_stop(campaign.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(DONE)


def _clear_stop(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    if campaign.emergency_stopped_at is None:
        stopped = campaign.brand.emergency_stopped_at is not None
        return Outcome(ALREADY, f"no stop of its own{'; its brand is stopped' if stopped else ''}")
    verdict = services.clear_stop(campaign.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return _after(verdict)


def _after(verdict: Verdict) -> Outcome:
    return Outcome(DONE, "it runs") if verdict.runs else Outcome(HELD, f"by: {show.hold_words(verdict.holds)}")


class CampaignBulk(BulkAdmin, CampaignActions):
    """The acts of the list."""

    actions = ("pause_selected", "activate_selected", "stop_selected", "clear_stop_selected")
    acts = {
        "pause": Act(
            "Pause", "Pause them", "campaigns.pause_campaign", BulkPauseForm, _pause,
            "No reset, raise or schedule ends a pause by hand. Days and months end by each brand's own clock.",
        ),
        "activate": Act(
            "Activate", "Activate them", "campaigns.pause_campaign", OptionalReasonForm, _activate,
            "This ends pauses by hand. What else holds a campaign stays, and is told.",
        ),
        "stop": Act(
            "Emergency stop", "Stop them now", "brands.emergency_stop", ReasonForm, _stop,
            "They stop now. No override, reset or schedule lifts it; it stays until a person clears it.", danger=True,
        ),
        "clear_stop": Act(
            "Clear emergency stop", "Clear it", "brands.clear_emergency_stop", OptionalReasonForm, _clear_stop,
            "Campaigns run again where nothing else holds them.",
        ),
    }  # fmt: skip

    @admin.action(description="Pause…", permissions=["pause"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> HttpResponse | None:
        return begin(self, request, queryset.filter(archived_at=None), "pause")

    @admin.action(description="Activate…", permissions=["pause"])
    def activate_selected(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> HttpResponse | None:
        return begin(self, request, queryset.filter(archived_at=None), "activate")

    @admin.action(description="Emergency stop…", permissions=["stop"])
    def stop_selected(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> HttpResponse | None:
        return begin(self, request, queryset, "stop")

    @admin.action(description="Clear emergency stop…", permissions=["clear"])
    def clear_stop_selected(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> HttpResponse | None:
        return begin(self, request, queryset, "clear_stop")
