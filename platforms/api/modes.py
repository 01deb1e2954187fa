"""Modes through the API: how far this system may go at a brand's platforms on its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from budget_system.rest.fields import Moment, Strict, version
from budget_system.rest.filters import Filters
from budget_system.rest.views import LEFT_OUT, Changeable
from platforms import services
from platforms.models import MOST_CAMPAIGNS, MOST_SHARE, Steering
from platforms.steps import Mode

MODES = [(mode.value, mode.value) for mode in Mode]


class ModeSerializer(Strict):
    """How far this system may go on its own at a brand's platforms. `id` is the brand's."""

    id = serializers.UUIDField(source="brand_id", read_only=True)
    brand = serializers.UUIDField(source="brand_id", read_only=True)
    mode = serializers.ChoiceField(
        MODES,
        help_text="OBSERVE: what would be sent is written down. SUGGEST: each change waits for a person. ENFORCE: "
        "changes are sent.",
    )
    most_campaigns = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_CAMPAIGNS,
        help_text="More changes than this in a quarter of an hour wait for a person.",
    )
    most_share = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_SHARE,
        help_text="Changes of campaigns that spent more than this share (%) of the last seven days wait for a person.",
    )
    budgets_count = serializers.BooleanField(
        required=False, help_text="What spend and the clock decide counts against these limits too."
    )
    version = version()
    updated_at = Moment(read_only=True)


class ModeFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    mode = filters.ChoiceFilter(choices=MODES)


@extend_schema_view(
    list=extend_schema(summary="List modes", description="A brand has one from its first platform account on."),
    retrieve=extend_schema(summary="Show a brand's mode"),
    update=extend_schema(summary="Change a brand's mode", description=LEFT_OUT),
    partial_update=extend_schema(summary="Change some of a brand's mode"),
)
class ModeViewSet(Changeable):
    serializer_class = ModeSerializer
    filterset_class = ModeFilters
    search_fields = ("brand__name",)
    ordering_fields = ("mode", "updated_at")
    needs: Mapping[str, str] = {
        "list": "platforms.view_steering",
        "retrieve": "platforms.view_steering",
        "update": "platforms.change_steering",
        "partial_update": "platforms.change_steering",
    }

    def things(self) -> QuerySet[Steering]:
        return Steering.objects.all()

    def change(self, thing: Steering, values: dict[str, Any], now: datetime) -> None:
        services.change_steering(
            thing.brand_id, values, actor=self.caller.name, now=now, expected_version=self.expected_version
        )
