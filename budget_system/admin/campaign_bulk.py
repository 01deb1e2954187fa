"""What a person can do to several campaigns at once, from the list."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.utils import from_current_timezone
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from brands.periods import next_midnight, next_month
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.bulk import ALREADY, DONE, HELD, Act, BulkAdmin, Outcome, begin
from budget_system.admin.campaign_actions import BulkPauseForm, CampaignActions
from budget_system.admin.forms import MOMENT, LocalMomentField, OptionalReasonForm, ReasonForm
from budget_system.errors import Refused
from campaigns.holds import Hold, Verdict, in_order
from campaigns.models import Campaign, CampaignStatus
from enforcement import services
from enforcement.decision import Facts, decide, runs_next
from enforcement.explain import local_text
from enforcement.snapshots import Undecidable, gather, of_campaigns
from enforcement.what_if import activated, paused


class WallClockField(LocalMomentField):
    """A moment by a clock that is not named: whose it is, is known for each thing. Without a time zone."""

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(UTC):
            moment = super().to_python(value)
        return None if moment is None else moment.replace(tzinfo=None)


class PauseSeveralForm(BulkPauseForm):
    moment = WallClockField(required=False, help_text="By the clock of each campaign's brand.")  # type: ignore[assignment]
    field_order = ["until", "moment", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        until: Any = self.fields["until"]
        until.choices = [*until.choices, (MOMENT, "Until the moment below")]

    def ends_at(self, zone: ZoneInfo, now: datetime) -> datetime | None:
        if self.cleaned_data["until"] != MOMENT:
            return super().ends_at(zone, now)
        try:
            with timezone.override(zone):
                return from_current_timezone(self.cleaned_data["moment"]).astimezone(UTC)
        except ValidationError as error:  # the clocks skip it, or it comes twice
            raise Refused(" ".join(error.messages)) from error


# --- What is done ----------------------------------------------------------------------------------------------------


def _pause(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    zone, since = campaign.brand.zone, campaign.manual_paused_at
    until = form.ends_at(zone, now)
    end = "until a person changes it" if until is None else f"until {local_text(zone, until, now)}"
    was_paused = since is not None and Hold.MANUAL in campaign.holds
    if since is not None and was_paused and campaign.manual_pause_until == until:
        return Outcome(ALREADY, f"paused by hand since {local_text(zone, since, now)}, {end}")
    verdict = services.pause(campaign.pk, until=until, reason=form.cleaned_data["reason"], actor=actor, now=now)
    others = [hold for hold in verdict.holds if hold is not Hold.MANUAL]
    told = [
        f"paused {end}",
        "it was paused by hand before; its end was changed" if was_paused else "",
        f"also held by: {show.hold_words(others)}" if others else "",
    ]
    return Outcome(DONE, "; ".join(filter(None, told)))


def _activate(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    ran = not campaign.holds and campaign.manual_paused_at is None
    verdict = services.activate(campaign.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(ALREADY, "it runs") if ran and verdict.runs else _after(verdict)


def _stop(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    if campaign.emergency_stopped_at is not None:
        since = local_text(campaign.brand.zone, campaign.emergency_stopped_at, now)
        return Outcome(ALREADY, f"stopped since {since} by {campaign.emergency_stopped_by}")
    services.emergency_stop(campaign.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(DONE, "stopped until a person clears it")


def _clear_stop(campaign: Campaign, form: Any, actor: str, now: datetime) -> Outcome:
    if campaign.emergency_stopped_at is None:
        stopped = campaign.brand.emergency_stopped_at is not None
        return Outcome(ALREADY, f"no stop of its own{'; its brand is stopped' if stopped else ''}")
    verdict = services.clear_stop(campaign.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return _after(verdict)


def _after(verdict: Verdict) -> Outcome:
    return Outcome(DONE, "it runs") if verdict.runs else Outcome(HELD, f"by: {show.hold_words(verdict.holds)}")


# --- What would come of it -------------------------------------------------------------------------------------------


def _would_pause(campaign_ids: Sequence[UUID]) -> Iterable[object]:
    now = clock.now()
    yield _running(campaign_ids, "paused")
    by_hand = Campaign.objects.filter(pk__in=campaign_ids).exclude(manual_paused_at=None).count()
    if by_hand:
        yield f"Paused by hand already: {by_hand:,}. The end that you choose takes the place of theirs."
    yield "Until a person changes it: none runs again by itself."
    known = _facts(campaign_ids, now)
    ends: list[tuple[str, Callable[[ZoneInfo, datetime], datetime]]] = [("day", next_midnight), ("month", next_month)]
    for word, end in ends:
        again = sum(runs_next(paused(facts, end(facts.zone, now)), now) is not None for facts in known)
        rest = len(known) - again
        held = f"; not without a person, for other reasons: {rest:,}" if rest else ""
        yield f"Until the end of the {word}: {again:,} of {len(known):,} run again by themselves later{held}."


def _would_activate(campaign_ids: Sequence[UUID]) -> Iterable[object]:
    now = clock.now()
    verdicts = [decide(activated(facts), now) for facts in _facts(campaign_ids, now)]
    held = in_order({hold for verdict in verdicts for hold in verdict.holds})
    others = f" What holds the others: {show.hold_words(held)}." if held else ""
    yield f"Run afterwards: {sum(verdict.runs for verdict in verdicts):,} of {len(verdicts):,}.{others}"


def _would_stop(campaign_ids: Sequence[UUID]) -> Iterable[object]:
    yield _running(campaign_ids, "stopped")


def _running(campaign_ids: Sequence[UUID], what: str) -> str:
    running = Campaign.objects.filter(pk__in=campaign_ids, status=CampaignStatus.ACTIVE).count()
    return f"Running now, and {what} at once: {running:,} of {len(campaign_ids):,}."


def _facts(campaign_ids: Sequence[UUID], now: datetime) -> list[Facts]:
    """The facts of those that can be decided, in one query."""
    of = Campaign.objects.filter(pk__in=campaign_ids).values_list("brand_id", "brand__timezone")
    brands, zones = {brand for brand, _ in of}, {str(zone) for _, zone in of}
    snapshots = gather(of_campaigns(list(campaign_ids), brands), zones, now, archived=True)
    return [snapshot.facts for snapshot in snapshots if not isinstance(snapshot, Undecidable)]


class CampaignBulk(BulkAdmin, CampaignActions):
    """The acts of the list."""

    actions = ("pause_selected", "activate_selected", "stop_selected", "clear_stop_selected")
    acts = {
        "pause": Act(
            "Pause", "Pause them", "campaigns.pause_campaign", PauseSeveralForm, _pause,
            "No reset, raise or schedule ends a pause by hand. Days and months end by each brand's own clock.",
            foretells=_would_pause,
        ),
        "activate": Act(
            "Activate", "Activate them", "campaigns.pause_campaign", OptionalReasonForm, _activate,
            "This ends pauses by hand. What else holds a campaign stays, and is told.", foretells=_would_activate,
        ),
        "stop": Act(
            "Emergency stop", "Stop them now", "brands.emergency_stop", ReasonForm, _stop,
            "They stop now. No override, reset or schedule lifts it; it stays until a person clears it.", danger=True,
            foretells=_would_stop,
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
