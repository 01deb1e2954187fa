"""Moved money, alerts of pace, and what breakers did, through the API."""

from collections.abc import Mapping
from math import isfinite

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from drf_spectacular.utils import inline_serializer as inline
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.rest.fields import (
    Moment,
    ReasonSerializer,
    Strict,
)
from budget_system.rest.filters import Filters
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import Listed
from enforcement import pacing
from pacing.api.fields import Channel, OfCampaigns, since
from pacing.channels import label
from pacing.models import (
    AlertKind,
    BreakerChange,
    BreakerState,
    PaceAlert,
    Reallocation,
    ReallocationState,
)

SEVERITIES = [("critical", "Critical"), ("warning", "Warning")]


class AlertSerializer(Strict):
    """Something about a channel's pace that a person should know."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    channel = serializers.CharField(read_only=True)
    label = Channel()  # type: ignore[assignment] # a field; REST framework takes it away
    kind = serializers.ChoiceField(AlertKind.choices, read_only=True)
    severity = serializers.ChoiceField(SEVERITIES, read_only=True)
    message = serializers.CharField(read_only=True)
    action = serializers.CharField(read_only=True, help_text="What to do.")
    pace = serializers.SerializerMethodField(help_text="Spent over planned. null: nothing was planned yet.")
    standing = serializers.SerializerMethodField(help_text="Whether what it is about goes on.")
    raised_at = Moment(read_only=True)
    cleared_at = Moment(read_only=True, allow_null=True)
    seen_at = Moment(read_only=True, allow_null=True)
    seen_by = serializers.CharField(read_only=True)

    def get_pace(self, alert: PaceAlert) -> float | None:
        return alert.pace if isfinite(alert.pace) else None

    def get_standing(self, alert: PaceAlert) -> bool:
        return alert.cleared_at is None


class ReallocationSerializer(Strict):
    """Money of one day to be moved between the channels of a campaign, or that was moved. The sum stays the same."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    currency = serializers.CharField(source="campaign.brand.currency", read_only=True)
    day = serializers.DateField(read_only=True, help_text="The brand's local day.")
    state = serializers.ChoiceField(ReallocationState.choices, read_only=True)
    moves = serializers.SerializerMethodField()
    channels = serializers.SerializerMethodField(
        help_text="The budgets of the day; before and after have the same sum."
    )
    notes = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="Why other money stays where it is."
    )
    proposed_at = Moment(read_only=True)
    proposed_by = serializers.CharField(read_only=True)
    decided_at = Moment(read_only=True, allow_null=True)
    decided_by = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)

    @extend_schema_field(
        inline(
            "MoveOfMoney",
            {
                "from_channel": serializers.CharField(),
                "from_label": serializers.CharField(),
                "to_channel": serializers.CharField(),
                "to_label": serializers.CharField(),
                "amount": serializers.CharField(),
                "reason": serializers.CharField(),
            },
            many=True,
        )
    )
    def get_moves(self, one: Reallocation) -> list[dict[str, str]]:
        return [
            {
                "from_channel": move["from"],
                "from_label": label(move["from"]),
                "to_channel": move["to"],
                "to_label": label(move["to"]),
                "amount": move["amount"],
                "reason": move["reason"],
            }
            for move in one.moves
        ]

    @extend_schema_field(
        inline(
            "BudgetMoved",
            {
                "channel": serializers.CharField(),
                "label": serializers.CharField(),
                "before": serializers.CharField(),
                "after": serializers.CharField(),
            },
            many=True,
        )
    )
    def get_channels(self, one: Reallocation) -> list[dict[str, str]]:
        return [
            {"channel": name, "label": label(name), "before": before, "after": one.after[name]}
            for name, before in sorted(one.before.items())
        ]


class ReallocationFilters(Filters):
    brand = filters.UUIDFilter("campaign__brand_id")
    campaign = filters.UUIDFilter("campaign_id")
    state = filters.ChoiceFilter(choices=ReallocationState.choices)
    day = filters.DateFilter()


@extend_schema_view(
    list=extend_schema(summary="List proposals to move money, and what was moved"),
    retrieve=extend_schema(summary="Show a proposal to move money"),
)
class ReallocationViewSet(Listed):
    serializer_class = ReallocationSerializer
    filterset_class = ReallocationFilters
    ordering_fields = ("day", "proposed_at", "decided_at")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "campaigns.view_campaign",
        "retrieve": "campaigns.view_campaign",
        "apply": "brands.change_budget",
        "reject": "brands.change_budget",
    }

    def things(self) -> QuerySet[Reallocation]:
        return Reallocation.objects.filter(campaign__archived_at=None).select_related("campaign__brand")

    @extend_schema(
        summary="Move the money as proposed",
        description="For today: tomorrow begins with the budgets as they were set. 409 if the day, a budget or what is "
        "spent no longer allows it.",
        request=ReasonSerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def apply(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        proposal = self.get_object()
        pacing.apply_reallocation(proposal.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(proposal)

    @extend_schema(summary="Leave the money where it is", request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    @answered_once
    def reject(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        proposal = self.get_object()
        pacing.reject_reallocation(proposal.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(proposal)


class AlertFilters(OfCampaigns):
    standing = filters.BooleanFilter(
        "cleared_at", lookup_expr="isnull", help_text="true: only those that go on; false: only those that are over."
    )
    seen = since("seen_at", "those that somebody has seen")
    severity = filters.ChoiceFilter(choices=SEVERITIES)
    kind = filters.ChoiceFilter(choices=AlertKind.choices)


@extend_schema_view(
    list=extend_schema(summary="List alerts about the pace"), retrieve=extend_schema(summary="Show an alert")
)
class AlertViewSet(Listed):
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    ordering_fields = ("raised_at", "cleared_at", "severity")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "campaigns.view_campaign",
        "retrieve": "campaigns.view_campaign",
        "seen": "campaigns.pause_campaign",
    }

    def things(self) -> QuerySet[PaceAlert]:
        return PaceAlert.objects.filter(campaign__archived_at=None).select_related("campaign")

    @extend_schema(
        summary="Say that you have seen it", description="It stands until what it is about is over.", request=None
    )
    @action(detail=True, methods=["post"])
    def seen(self, request: Request, id: str) -> Response:
        alert = self.get_object()
        pacing.see_alert(alert.pk, actor=self.caller.name, now=clock.now())
        return self.show(alert)


class BreakerChangeSerializer(Strict):
    """A circuit breaker that opened, let a probe through or closed."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    channel = serializers.CharField(read_only=True)
    label = Channel()  # type: ignore[assignment] # a field; REST framework takes it away
    at = Moment(read_only=True)
    from_state = serializers.ChoiceField(BreakerState.choices, read_only=True)
    to_state = serializers.ChoiceField(BreakerState.choices, read_only=True)
    reason = serializers.CharField(read_only=True)
    actor = serializers.CharField(read_only=True)


class BreakerChangeFilters(OfCampaigns):
    to_state = filters.ChoiceFilter(choices=BreakerState.choices)


@extend_schema_view(
    list=extend_schema(summary="List what circuit breakers did"),
    retrieve=extend_schema(summary="Show a change of a circuit breaker"),
)
class BreakerChangeViewSet(Listed):
    serializer_class = BreakerChangeSerializer
    filterset_class = BreakerChangeFilters
    ordering_fields = ("at",)
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {"list": "campaigns.view_campaign", "retrieve": "campaigns.view_campaign"}

    def things(self) -> QuerySet[BreakerChange]:
        return BreakerChange.objects.filter(campaign__archived_at=None).select_related("campaign")
