"""Budgets of channels through the API, and what happens to a channel."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.db import joined, use_case
from budget_system.rest.fields import (
    Amount,
    Id,
    Moment,
    NeededReasonSerializer,
    ReasonSerializer,
    Strict,
    reason_of_change,
    text,
    version,
)
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import Changeable
from campaigns.services import lock_brand_of
from enforcement import pacing
from pacing.api.fields import Channel, OfCampaigns, SettingsField, currency_of, since
from pacing.channels import normal
from pacing.models import (
    BreakerState,
    ChannelBudget,
    Strategy,
)
from pacing.queries import (
    ChannelNow,
    channels_now,
)


class ChannelBudgetSerializer(Strict):
    """What a channel of a campaign may spend a day, inside the campaign's own budget, and how it is paced."""

    id = serializers.UUIDField(read_only=True)
    campaign = Id(source="campaign_id")
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    channel = text(help_text="Such as search. Upper and lower case are the same.")
    label = Channel()  # type: ignore[assignment] # a field; REST framework takes it away
    daily_budget = Amount(currency_of, help_text="Inside the campaign's. 0: nothing may be spent.")
    strategy = serializers.ChoiceField(Strategy.choices, required=False)
    settings = SettingsField(
        required=False,
        help_text="What differs from the campaign's settings. Names that are left out stay; null takes one back.",
    )
    currency = serializers.CharField(source="campaign.brand.currency", read_only=True)
    budget_today = Amount(currency_of, source="today.budget", read_only=True, help_text="After money was moved today.")
    spent_today = Amount(currency_of, source="today.spent", read_only=True)
    held_today = Amount(currency_of, source="today.held", read_only=True, help_text="Set aside and not spent yet.")
    remaining_today = Amount(currency_of, source="today.left", read_only=True)
    breaker = serializers.ChoiceField(BreakerState.choices, source="today.breaker.state", read_only=True)
    breaker_reason = serializers.CharField(source="today.breaker.reason", read_only=True)
    breaker_probes_at = Moment(
        source="today.breaker.probes_at",
        read_only=True,
        allow_null=True,
        help_text="When an open breaker lets a probe through.",
    )
    stopped_at = Moment(read_only=True, allow_null=True, help_text="Since when it is stopped in an emergency.")
    stop_reason = serializers.CharField(read_only=True)
    stopped_by = serializers.CharField(read_only=True)
    version = version()
    reason = reason_of_change()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)


class ChannelBudgetFilters(OfCampaigns):
    breaker = filters.ChoiceFilter(choices=BreakerState.choices, method="of_breaker")
    stopped = since("stopped_at", "those stopped in an emergency")
    strategy = filters.ChoiceFilter(choices=Strategy.choices)

    def of_breaker(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """An open breaker whose time is over probes, also before anybody has looked."""
        probes = Q(breaker=BreakerState.OPEN, breaker_until__lte=clock.now())
        if value == BreakerState.HALF_OPEN:
            return queryset.filter(probes | Q(breaker=value))
        return queryset.filter(breaker=value).exclude(probes)


@extend_schema_view(
    list=extend_schema(summary="List budgets of channels"),
    retrieve=extend_schema(summary="Show the budget of a channel"),
    create=extend_schema(
        summary="Give a channel of a campaign a daily budget",
        description="From its first one on the campaign is paced. Today's plan and limits hold at once, and what the "
        "channel has spent today counts.",
    ),
    update=extend_schema(summary="Change the budget of a channel", description="Today's limits follow at once."),
    partial_update=extend_schema(summary="Change some of the budget of a channel"),
    destroy=extend_schema(
        summary="Take the budget of a channel away",
        description="What it spent stays in the ledger. A campaign without any is paced no longer.",
    ),
)
class ChannelBudgetViewSet(Changeable):
    serializer_class = ChannelBudgetSerializer
    filterset_class = ChannelBudgetFilters
    search_fields = ("channel", "campaign__name")
    ordering_fields = ("channel", "daily_budget", "created_at", "updated_at")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "campaigns.view_campaign",
        "retrieve": "campaigns.view_campaign",
        "create": "brands.change_budget",
        "update": "brands.change_budget",
        "partial_update": "brands.change_budget",
        "destroy": "brands.change_budget",
        "emergency_stop": "brands.emergency_stop",
        "clear_stop": "brands.clear_emergency_stop",
        "close_breaker": "brands.clear_emergency_stop",
    }

    def things(self) -> QuerySet[ChannelBudget]:
        return ChannelBudget.objects.filter(campaign__archived_at=None).select_related("campaign__brand")

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        found: Mapping[UUID, ChannelNow] = channels_now(things, now)
        for budget in things:
            budget.today = found[budget.pk]

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.new_values(ChannelBudgetSerializer)
        campaign_id = self.campaign(values.pop("campaign_id")).id
        channel = values.pop("channel")
        made = pacing.set_channel_budget(
            campaign_id, channel, values, actor=self.caller.name, now=clock.now(), new=True
        )
        return self.show(made, status.HTTP_201_CREATED)

    def change(self, thing: ChannelBudget, values: dict[str, Any], now: datetime) -> None:
        if values.pop("campaign_id", thing.campaign_id) != thing.campaign_id:
            raise ValidationError({"campaign": ["A channel's budget stays with its campaign."]})
        if normal(values.pop("channel", thing.channel)) != thing.channel:
            raise ValidationError({"channel": ["A budget stays with its channel. Give the other one its own."]})
        _change_channel(
            thing,
            values,
            actor=self.caller.name,
            now=now,
            reason=self.reason,
            expected_version=self.expected_version,
        )

    def destroy(self, request: Request, id: str) -> Response:
        pacing.remove_channel_budget(self.get_object().pk, actor=self.caller.name, now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Stop the channel, now, until a person clears it",
        description="The campaign is held by it, because platforms stop campaigns and not channels.",
        request=NeededReasonSerializer,
    )
    @action(detail=True, methods=["post"], url_path="emergency-stop")
    def emergency_stop(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        budget = self.get_object()
        pacing.stop_channel(budget.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(budget)

    @extend_schema(summary="End the channel's emergency stop", request=ReasonSerializer)
    @action(detail=True, methods=["post"], url_path="clear-stop")
    def clear_stop(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        budget = self.get_object()
        pacing.clear_channel_stop(budget.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(budget)

    @extend_schema(
        summary="Close the channel's circuit breaker",
        description="After a look at what opened it: the channel may spend again at once.",
        request=NeededReasonSerializer,
    )
    @action(detail=True, methods=["post"], url_path="close-breaker")
    def close_breaker(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        budget = self.get_object()
        pacing.close_breaker(budget.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(budget)


@use_case
def _change_channel(thing: ChannelBudget, values: dict[str, Any], **more: Any) -> None:
    """Settings that are not named stay as they are; they are read under the lock, so that none is lost."""
    with joined():
        if "settings" in values:
            lock_brand_of(thing.campaign_id)
            stored = ChannelBudget.objects.filter(pk=thing.pk).values_list("settings", flat=True).first()
            values = {**values, "settings": {**(stored or {}), **values["settings"]}}
        pacing.set_channel_budget(thing.campaign_id, thing.channel, values, new=False, **more)
