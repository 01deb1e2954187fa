"""Pacing through the API, by resource."""

from pacing.api.campaigns import PacedCampaignViewSet
from pacing.api.channels import ChannelBudgetViewSet
from pacing.api.records import AlertViewSet, BreakerChangeViewSet, ReallocationViewSet

__all__ = [
    "AlertViewSet",
    "BreakerChangeViewSet",
    "ChannelBudgetViewSet",
    "PacedCampaignViewSet",
    "ReallocationViewSet",
]
