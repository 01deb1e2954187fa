"""Pacing in the admin, page by page."""

from pacing.admin.alerts import PaceAlertAdmin
from pacing.admin.campaigns import PacedCampaignAdmin
from pacing.admin.channels import ChannelBudgetAdmin
from pacing.admin.reallocations import ReallocationAdmin

__all__ = ["ChannelBudgetAdmin", "PaceAlertAdmin", "PacedCampaignAdmin", "ReallocationAdmin"]
