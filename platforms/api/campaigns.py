"""Campaigns at their platforms through the API: what they show there, what is next, and what a person decides."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import django_filters as filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from drf_spectacular.utils import inline_serializer as inline
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.errors import Conflict
from budget_system.rest.fields import Id, Moment, NeededReasonSerializer, Strict
from budget_system.rest.filters import Filters
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import NO_CAMPAIGN, Listed
from campaigns.api import HOLDS
from campaigns.models import CampaignStatus, Platform
from platforms import services
from platforms.api.acts import ActSerializer
from platforms.drift import at_risk_now
from platforms.models import STEP_LABELS, WHY_LABELS, Act, RemoteState
from platforms.protocol import Status
from platforms.queries import by_urgency
from platforms.steps import Step, at_risk, wanted

MOST_AT_ONCE = 1_000
LATEST = 20
STEPS = [(step.value, label) for step, label in STEP_LABELS.items()]
WHYS = [(why.value, label or "Nobody has to approve") for why, label in WHY_LABELS.items()]
STATUSES = [(one.value, one.value) for one in Status]
NOT_WAITING = "It does not wait for approval any more. Nothing was sent."


class StateSerializer(Strict):
    """What a campaign shows at its platform, what we want there, and what is next. `id` is the campaign's."""

    id = serializers.UUIDField(source="campaign_id", read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    name = serializers.CharField(source="campaign.name", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    account = serializers.UUIDField(source="account_id", read_only=True)
    platform = serializers.CharField(source="account.platform", read_only=True)
    external_id = serializers.CharField(source="campaign.external_id", read_only=True)
    status_here = serializers.ChoiceField(CampaignStatus.choices, source="campaign.status", read_only=True)
    pause_reason = serializers.ChoiceField(
        [("", "Nothing holds it"), *HOLDS], source="campaign.pause_reason", read_only=True
    )
    status_there = serializers.ChoiceField(
        STATUSES, source="actual_status", read_only=True, allow_null=True, help_text="null: it was not found there."
    )
    said_there = serializers.CharField(source="said", read_only=True, help_text="The status in the platform's word.")
    name_there = serializers.CharField(read_only=True)
    seen_at = Moment(read_only=True, allow_null=True)
    wanted = serializers.SerializerMethodField(help_text="What it is to show there.")
    step = serializers.ChoiceField(STEPS, read_only=True, help_text="What is next.")
    why = serializers.ChoiceField(WHYS, read_only=True, help_text="Why it waits for a person.")
    step_since = Moment(read_only=True)
    drift = serializers.SerializerMethodField(help_text="Somebody switched it there. It is never undone by itself.")
    at_risk = serializers.SerializerMethodField(help_text="It runs there and must not.")
    attempts = serializers.IntegerField(read_only=True, help_text="For the present wish.")
    sent_at = Moment(read_only=True, allow_null=True)
    sent_again_at = Moment(source="next_at", read_only=True, allow_null=True)
    error = serializers.CharField(read_only=True, help_text="What the platform said to the last attempt.")

    @extend_schema_field(serializers.ChoiceField(STATUSES))
    def get_wanted(self, row: RemoteState) -> str:
        return wanted(row.campaign.pause_reason).value

    def get_drift(self, row: RemoteState) -> bool:
        return row.step == Step.DRIFT

    def get_at_risk(self, row: RemoteState) -> bool:
        return at_risk(row.campaign.pause_reason, row.actual_status)


class OneStateSerializer(StateSerializer):
    """The same, with what was done there lately."""

    acts = ActSerializer(many=True, read_only=True, help_text="The latest; all are in `platforms/acts/`.")


class ChosenSerializer(Strict):
    """Campaigns, by their ids."""

    campaigns = serializers.ListField(child=Id(), min_length=1, max_length=MOST_AT_ONCE)


APPROVED = inline(
    "ApprovedChanges",
    {
        "approved": serializers.ListField(child=serializers.UUIDField()),
        "refused": inline(
            "RefusedApproval", {"campaign": serializers.UUIDField(), "detail": serializers.CharField()}, many=True
        ),
    },
)


class StateFilters(Filters):
    brand = filters.UUIDFilter("campaign__brand_id")
    platform = filters.ChoiceFilter("account__platform", choices=Platform.choices)
    account = filters.UUIDFilter("account_id")
    step = filters.ChoiceFilter(choices=STEPS)
    status_there = filters.ChoiceFilter("actual", choices=STATUSES)
    drift = filters.BooleanFilter(method="of_drift", help_text="true: only those that somebody switched there.")
    waiting = filters.BooleanFilter(method="of_waiting", help_text="true: only those that wait for a person.")
    at_risk = filters.BooleanFilter(method="of_risk", help_text="true: only those that run there and must not.")

    def of_drift(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _only(queryset, Q(step=Step.DRIFT), value)

    def of_waiting(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _only(queryset, Q(step=Step.WAITING), value)

    def of_risk(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _only(queryset, at_risk_now(), value)


def _only(queryset: QuerySet[Any], those: Q, value: bool) -> QuerySet[Any]:
    return queryset.filter(those if value else ~those)


@extend_schema_view(
    list=extend_schema(
        summary="List campaigns at their platforms",
        description="Money at risk first, then what waits for a person, then what does not arrive.",
    ),
    retrieve=extend_schema(
        summary="Show a campaign at its platform", responses=OneStateSerializer, description="By the campaign's id."
    ),
)
class StateViewSet(Listed):
    filterset_class = StateFilters
    search_fields = ("campaign__name", "campaign__external_id", "campaign__brand__name")
    ordering_fields = ("step", "step_since", "seen_at")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "platforms.view_remotestate",
        "retrieve": "platforms.view_remotestate",
        "approve": "platforms.change_remotestate",
        "leave": "platforms.change_remotestate",
        "put_back": "platforms.change_remotestate",
        "take_over": "platforms.change_remotestate",
        "approve_several": "platforms.change_remotestate",
    }

    def get_serializer_class(self) -> type[Strict]:
        return StateSerializer if self.action == "list" else OneStateSerializer

    def things(self) -> QuerySet[RemoteState]:
        return by_urgency(RemoteState.objects.current().select_related("campaign", "account"))

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        if self.action == "list":
            return
        for row in things:
            latest = Act.objects.filter(campaign=row.campaign_id).select_related("campaign", "account")
            row.acts = latest.order_by("-id")[:LATEST]

    @extend_schema(
        summary="Approve the change",
        description="It is sent within seconds, and read back there. 409 if it does not wait any more.",
        request=None,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def approve(self, request: Request, id: str) -> Response:
        row = self.get_object()
        if not services.approve([row.pk], actor=self.caller.name, now=clock.now()):
            raise Conflict(NOT_WAITING)
        return self.show(row)

    @extend_schema(
        summary="Leave it there as it is",
        description="Nothing is sent, and it is not asked about again until something else is wanted. 409 if it does "
        "not wait any more.",
        request=NeededReasonSerializer,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def leave(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        row = self.get_object()
        if not services.leave([row.pk], reason=reason, actor=self.caller.name, now=clock.now()):
            raise Conflict(NOT_WAITING)
        return self.show(row)

    @extend_schema(
        summary="Put ours back",
        description="What somebody switched there is switched back, within seconds. 409 if it is not drift (any more), "
        "or if the brand's mode is OBSERVE.",
        request=NeededReasonSerializer,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"], url_path="put-back")
    @answered_once
    def put_back(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        row = self.get_object()
        services.put_back(row.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(row)

    @extend_schema(
        summary="Take over theirs",
        description="A pause there becomes a pause by hand here, and a start there ends one. Nothing is sent. 409 if "
        "it is not drift (any more), or if something else holds it here.",
        request=NeededReasonSerializer,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"], url_path="take-over")
    @answered_once
    def take_over(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        row = self.get_object()
        services.take_over(row.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(row)

    @extend_schema(
        operation_id="platforms_campaigns_approve_several",
        summary=f"Approve up to {MOST_AT_ONCE:,} changes",
        description="In one transaction; each that does not wait (any more) is listed with the reason.",
        request=ChosenSerializer,
        responses=APPROVED,
    )
    @action(detail=False, methods=["post"], url_path="approve", filter_backends=[])
    @answered_once
    def approve_several(self, request: Request) -> Response:
        chosen = list(dict.fromkeys(self.values(ChosenSerializer)["campaigns"]))
        seen = set(self.get_queryset().filter(pk__in=chosen).values_list("pk", flat=True))
        approved = set(services.approve(seen, actor=self.caller.name, now=clock.now()))
        refused = [
            {"campaign": one, "detail": NOT_WAITING if one in seen else str(NO_CAMPAIGN)}
            for one in chosen
            if one not in approved
        ]
        return Response({"approved": [one for one in chosen if one in approved], "refused": refused})
