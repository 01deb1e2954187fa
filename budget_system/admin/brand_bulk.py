"""What a person can do to several brands at once, from the list: stop them, and clear the stops."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from brands.models import Brand
from budget_system.admin import show
from budget_system.admin.brand_actions import BrandActions
from budget_system.admin.bulk import ALREADY, DONE, HELD, Act, BulkAdmin, Outcome, begin
from budget_system.admin.forms import OptionalReasonForm, ReasonForm
from campaigns.holds import Hold, in_order
from campaigns.models import Campaign, CampaignStatus
from enforcement import services
from enforcement.evaluation import Evaluation
from enforcement.explain import local_text


def _stop(brand: Brand, form: Any, actor: str, now: datetime) -> Outcome:
    if brand.emergency_stopped_at is not None:
        since = local_text(brand.zone, brand.emergency_stopped_at, now)
        return Outcome(ALREADY, f"stopped since {since} by {brand.emergency_stopped_by}")
    evaluation = services.emergency_stop_brand(brand.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    return Outcome(DONE, f"{_count(_stopped(evaluation))} stopped")


def _clear_stop(brand: Brand, form: Any, actor: str, now: datetime) -> Outcome:
    if brand.emergency_stopped_at is None:
        own = Campaign.objects.current().filter(brand=brand).exclude(emergency_stopped_at=None).count()
        stops = f"; {_count(own)} with a stop of {'its' if own == 1 else 'their'} own" if own else ""
        return Outcome(ALREADY, f"no stop of its own{stops}")
    evaluation = services.clear_brand_stop(brand.pk, reason=form.cleaned_data["reason"], actor=actor, now=now)
    started = len(evaluation.flips) - _stopped(evaluation)
    held = list(Campaign.objects.current().filter(brand=brand, status=CampaignStatus.PAUSED).values_list("holds"))
    if not held:
        return Outcome(DONE, f"{_count(started)} started")
    by = in_order({hold for (holds,) in held for hold in holds})
    words = f"{_count(started)} started, {len(held):,} still held by: {show.hold_words(by)}"
    return Outcome(DONE if started else HELD, words)


def _stopped(evaluation: Evaluation) -> int:
    return sum(1 for change in evaluation.flips if change.verdict.holds)


def _count(number: int) -> str:
    return f"{number:,} campaign{'' if number == 1 else 's'}"


def _would_stop(brand_ids: Sequence[UUID]) -> Iterable[object]:
    """Counted, and not rehearsed: this page must open at once, whoever holds a brand's lock."""
    counts = (
        Campaign.objects.current()
        .filter(brand__in=brand_ids)
        .aggregate(run=Count("pk", filter=Q(status=CampaignStatus.ACTIVE)), of=Count("pk"))
    )
    yield f"Campaigns that run now and stop at once: {counts['run']:,} of {counts['of']:,}."


def _would_clear(brand_ids: Sequence[UUID]) -> Iterable[object]:
    waiting = Campaign.objects.current().filter(brand__in=brand_ids).exclude(brand__emergency_stopped_at=None)
    by_nothing_else = waiting.filter(holds=(Hold.EMERGENCY_STOP,), emergency_stopped_at=None).count()
    yield (
        f"Campaigns that nothing but the stop of their brand holds, as of their last check, and that start: "
        f"{by_nothing_else:,} of {waiting.count():,}."
    )


class BrandBulk(BulkAdmin, BrandActions):
    """The acts of the list."""

    actions = ("stop_selected", "clear_stop_selected")
    acts = {
        "stop": Act(
            "Emergency stop", "Stop all their campaigns now", "brands.emergency_stop", ReasonForm, _stop,
            "All campaigns of these brands stop now. No override, reset or schedule lifts it; it stays until a person "
            "clears it.", danger=True, foretells=_would_stop,
        ),
        "clear_stop": Act(
            "Clear emergency stop", "Clear it", "brands.clear_emergency_stop", OptionalReasonForm, _clear_stop,
            "Campaigns run again where nothing else holds them. A campaign's own emergency stop stays.",
            foretells=_would_clear,
        ),
    }  # fmt: skip

    @admin.action(description="Emergency stop…", permissions=["stop"])
    def stop_selected(self, request: HttpRequest, queryset: QuerySet[Brand]) -> HttpResponse | None:
        return begin(self, request, queryset.filter(archived_at=None), "stop")

    @admin.action(description="Clear emergency stop…", permissions=["clear"])
    def clear_stop_selected(self, request: HttpRequest, queryset: QuerySet[Brand]) -> HttpResponse | None:
        return begin(self, request, queryset.filter(archived_at=None), "clear_stop")
