"""What all pages of pacing share."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from budget_system.admin import show
from budget_system.admin.base import RecordAdmin
from budget_system.admin.forms import UseCaseForm

VIEW = "campaigns.view_campaign"


class PacingAdmin(RecordAdmin[Any]):
    """Who sees campaigns sees how they are paced."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    @admin.display(description="campaign", ordering="campaign__name")
    def campaign_name(self, one: Any) -> SafeString:
        return show.link_to(one.campaign, "pacing_pacedcampaign", one.campaign_id)

    @admin.display(description="brand", ordering="campaign__brand__name")
    def brand_name(self, one: Any) -> SafeString:
        return show.link_to(one.campaign.brand, "brands_brand", one.campaign.brand_id)

    def say(self, request: HttpRequest, message: str, level: int = messages.SUCCESS) -> None:
        self.message_user(request, message, level)


class PacedForm(UseCaseForm):
    """Nothing is written here: each change has a page of its own."""

    has_version = False


def campaigns_page(campaign_id: object) -> str:
    return reverse("admin:pacing_pacedcampaign_change", args=[campaign_id])
