"""What the serializers and filters of pacing share."""

from collections.abc import Mapping
from typing import Any

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from budget_system.rest.filters import Filters
from pacing.channels import label, normal


def currency_of(thing: Any) -> str:
    return str(thing.campaign.brand.currency)


class Channel(serializers.CharField):
    """The label of the channel beside its key."""

    def __init__(self, **kwargs: Any) -> None:
        told = {"source": "channel", "read_only": True, "help_text": "The channel's name for people."}
        super().__init__(**{**told, **kwargs})

    def to_representation(self, value: str) -> str:
        return label(value)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "number"}], "nullable": True},
        "example": {"max_hourly_spend_pct": "0.2", "cooldown_s": 600},
    }
)
class SettingsField(serializers.Field[Any, Any, Any, Any]):
    """Settings by name; the domain checks them."""

    default_error_messages = {"invalid": 'Write settings by name, such as {{"max_hourly_spend_pct": "0.2"}}.'}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            self.fail("invalid")
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        return value


class OfCampaigns(Filters):
    """Filters of what belongs to a campaign's channel."""

    brand = filters.UUIDFilter("campaign__brand_id")
    campaign = filters.UUIDFilter("campaign_id")
    channel = filters.CharFilter(method="of_channel")

    def of_channel(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(channel=normal(value))


def since(field: str, word: str) -> filters.BooleanFilter:
    return filters.BooleanFilter(
        field, lookup_expr="isnull", exclude=True, help_text=f"true: only {word}; false: only others."
    )
