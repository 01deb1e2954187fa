"""The record of what was done at ad platforms, through the API."""

from collections.abc import Mapping

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from budget_system.rest.fields import Moment, Strict
from budget_system.rest.filters import Filters
from budget_system.rest.views import Listed
from campaigns.models import Platform
from platforms.models import Act, ActKind


class ActSerializer(Strict):
    """What was sent to a platform about a campaign, answered, seen or decided. Written once."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    account = serializers.UUIDField(source="account_id", read_only=True)
    platform = serializers.CharField(source="account.platform", read_only=True)
    at = Moment(read_only=True)
    kind = serializers.ChoiceField(ActKind.choices, read_only=True)
    asked = serializers.CharField(read_only=True, help_text="ENABLED or PAUSED; empty where nothing was asked for.")
    shown = serializers.CharField(read_only=True, help_text="What the platform showed, where that is told.")
    pause_reason = serializers.CharField(
        source="reason", read_only=True, help_text="Our first hold at that moment; empty where nothing held it."
    )
    attempt = serializers.IntegerField(read_only=True)
    seconds = serializers.FloatField(
        read_only=True, allow_null=True, help_text="From our decision until it was seen there."
    )
    actor = serializers.CharField(read_only=True)
    note = serializers.CharField(read_only=True)


class ActFilters(Filters):
    brand = filters.UUIDFilter("campaign__brand_id")
    platform = filters.ChoiceFilter("account__platform", choices=Platform.choices)
    account = filters.UUIDFilter("account_id")
    campaign = filters.UUIDFilter("campaign_id")
    kind = filters.ChoiceFilter(choices=ActKind.choices)


@extend_schema_view(
    list=extend_schema(summary="List what was done at platforms", description="Kept for ever, the latest first."),
    retrieve=extend_schema(summary="Show an act at a platform"),
)
class ActViewSet(Listed):
    serializer_class = ActSerializer
    filterset_class = ActFilters
    search_fields = ("campaign__name",)
    ordering_fields = ("at",)
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {"list": "platforms.view_act", "retrieve": "platforms.view_act"}

    def things(self) -> QuerySet[Act]:
        return Act.objects.select_related("campaign", "account")
