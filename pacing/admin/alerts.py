"""Alerts of pace in the admin."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from budget_system import clock
from budget_system.admin import pacing_page, show
from budget_system.admin.base import Panel, actor_of, note, noted
from budget_system.admin.campaign_page import who
from budget_system.admin.filters import DaysFilter, FixedFilter, Lookups
from budget_system.admin.pages import ActionsAdmin, ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, DropdownFilter
from enforcement import pacing
from enforcement.explain import local_text
from pacing.admin.base import PacedForm, PacingAdmin
from pacing.channels import label
from pacing.models import (
    AlertKind,
    PaceAlert,
)

SEE = "campaigns.pause_campaign"


class StandingFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("standing", "Standing"), ("unseen", "Standing, seen by nobody"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PaceAlert]) -> QuerySet[PaceAlert]:
        match self.value():
            case "standing":
                return queryset.filter(cleared_at=None)
            case "unseen":
                return queryset.filter(cleared_at=None, seen_at=None)
            case "over":
                return queryset.exclude(cleared_at=None)
            case _:
                return queryset


class KindFilter(FixedFilter):
    title = "about"
    parameter_name = "about"
    field = "kind"
    values = [(kind.value, str(kind.label)) for kind in AlertKind]


class SeverityFilter(FixedFilter):
    title = "severity"
    parameter_name = "severity"
    field = "severity"
    values = [("critical", "Critical"), ("warning", "Warning")]


@admin.register(PaceAlert)
class PaceAlertAdmin(PacingAdmin, ActionsAdmin):
    form = PacedForm
    list_display = ("severity_now", "what", "campaign_name", "brand_name", "since", "to_do", "seen")
    list_display_links = ("what",)
    list_select_related = ("campaign__brand",)
    list_filter = (
        ("campaign__brand", AutocompleteSelectFilter), StandingFilter, SeverityFilter, KindFilter,
        ("raised_at", DaysFilter),
    )  # fmt: skip
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, platform campaign id, or brand"
    campaign_path = "campaign"
    brand_path = "campaign__brand"
    ordering = (F("cleared_at").desc(nulls_first=True), "severity", "-raised_at", "-pk")
    sortable_by = ()
    essentials = ("action_checkbox", "severity_now", "what", "campaign_name", "brand_name", "to_do")
    list_fullwidth = True
    actions = ("mark_as_seen",)
    actions_detail = ("see",)
    empty_text = "No channel has been off its plan. Pace is checked every five minutes once a campaign is paced."
    fieldsets = (
        (
            "Alert",
            {"fields": ("severity_now", "about", "channel_name", "campaign_name", "brand_name", "told", "to_do")},
        ),
        ("Record", {"fields": ("pace_then", "since", "over", "seen")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PaceAlert]:
        return super().get_queryset(request).select_related("campaign__brand")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_seen_permission(self, request: HttpRequest) -> bool:
        """Asked by the action of the list, as its `permissions` say."""
        return request.user.has_perm(SEE)

    def dress(self, rows: list[PaceAlert], now: datetime) -> None:
        for row in rows:
            note(row, now, "now")

    def panels_above(self, obj: PaceAlert, now: datetime) -> Sequence[Panel]:
        self.dress([obj], now)
        return ()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            context["title"] = "Alert"
            context["subtitle"] = show.campaign_label(kwargs["obj"].campaign)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="severity")
    def severity_now(self, alert: PaceAlert) -> SafeString:
        return pacing_page.severity_badge(alert)

    @admin.display(description="what")
    def what(self, alert: PaceAlert) -> SafeString:
        return show.stacked(f"{label(alert.channel)}: {alert.get_kind_display().lower()}", show.small(_message(alert)))

    @admin.display(description="message")
    def told(self, alert: PaceAlert) -> str:
        return _message(alert)

    @admin.display(description="about")
    def about(self, alert: PaceAlert) -> str:
        return str(alert.get_kind_display())

    @admin.display(description="channel")
    def channel_name(self, alert: PaceAlert) -> str:
        return label(alert.channel)

    @admin.display(description="since")
    def since(self, alert: PaceAlert) -> object:
        now = noted(alert, "now")
        began = local_text(alert.campaign.brand.zone, alert.raised_at, now)
        if alert.cleared_at is None:
            return began
        ended = local_text(alert.campaign.brand.zone, alert.cleared_at, now)
        return show.stacked(began, show.small(f"until {ended}"))

    @admin.display(description="over since")
    def over(self, alert: PaceAlert) -> str:
        if alert.cleared_at is None:
            return "It stands until what it is about is over"
        return local_text(alert.campaign.brand.zone, alert.cleared_at, noted(alert, "now"))

    @admin.display(description="what to do")
    def to_do(self, alert: PaceAlert) -> str:
        return alert.action if alert.cleared_at is None else "Nothing: it is over"

    @admin.display(description="pace when it was raised")
    def pace_then(self, alert: PaceAlert) -> str:
        return f"{alert.pace:.2f} of what was planned so far"

    @admin.display(description="seen by")
    def seen(self, alert: PaceAlert) -> object:
        if alert.seen_at is None:
            return show.nothing("nobody yet")
        at = local_text(alert.campaign.brand.zone, alert.seen_at, noted(alert, "now"))
        return show.stacked(who(alert.seen_by), show.small(at))

    @admin.action(description="Mark as seen", permissions=["seen"])
    def mark_as_seen(self, request: HttpRequest, alerts: QuerySet[PaceAlert]) -> None:
        now, actor = clock.now(), actor_of(request)
        unseen = list(alerts.filter(seen_at=None).order_by().values_list("pk", flat=True))
        for alert_id in unseen:
            pacing.see_alert(alert_id, actor=actor, now=now)
        count = f"{len(unseen)} alert{'' if len(unseen) == 1 else 's'}"
        self.say(request, f"{count} marked as seen. An alert stands until what it is about is over.")

    def offered(self, obj: PaceAlert) -> Iterable[str]:
        return () if obj.seen_at is not None else ("see",)

    @object_action("Mark as seen", path="see", needs=SEE, icon="visibility")
    def see(self, request: HttpRequest, obj: PaceAlert) -> HttpResponse:
        def run(_: Any) -> None:
            pacing.see_alert(obj.pk, actor=actor_of(request), now=clock.now())
            self.say(request, "Marked as seen. It stands until what it is about is over.")

        return ask(
            self, request, obj, title="Mark as seen", button="I have seen it", form_class=forms.Form, run=run,
            intro=[
                show.campaign_label(obj.campaign), f"{label(obj.channel)}: {_message(obj)}", obj.action,
            ],
        )  # fmt: skip


def _message(alert: PaceAlert) -> str:
    return pacing_page.message_text(alert, alert.campaign.brand.currency)
