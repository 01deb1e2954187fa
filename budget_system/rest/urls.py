"""The API's paths. A slash at the end may be there or not."""

from collections.abc import Sequence
from typing import Any

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import DefaultRouter

from alerts.api import AlertRuleViewSet
from alerts.api import AlertViewSet as StandingAlertViewSet
from brands.api import BrandViewSet
from budget_system.rest.views import Me, NoSuchPath, Root
from campaigns.api import CampaignViewSet
from delivery.api import DeliveryViewSet, ReceiverViewSet, WebhookViewSet
from pacing.api import (
    AlertViewSet,
    BreakerChangeViewSet,
    ChannelBudgetViewSet,
    PacedCampaignViewSet,
    ReallocationViewSet,
)
from platforms.api import AccountViewSet, ActViewSet, ModeViewSet, OutgoingViewSet, StateViewSet
from scheduling.api import ScheduleViewSet
from spending.api import ReservationViewSet, SpendViewSet
from spending.import_api import ImportViewSet


class Router(DefaultRouter):
    include_format_suffixes = False
    APIRootView = Root

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trailing_slash = "/?"


router = Router()
router.register("brands", BrandViewSet, "brand")
router.register("campaigns", CampaignViewSet, "campaign")
router.register("spends", SpendViewSet, "spend")
router.register("schedules", ScheduleViewSet, "schedule")
router.register("reservations", ReservationViewSet, "reservation")
router.register("imports", ImportViewSet, "import")
router.register("pacing/channel-budgets", ChannelBudgetViewSet, "channel-budget")
router.register("pacing/campaigns", PacedCampaignViewSet, "paced-campaign")
router.register("pacing/reallocations", ReallocationViewSet, "reallocation")
router.register("pacing/alerts", AlertViewSet, "pace-alert")
router.register("pacing/breaker-changes", BreakerChangeViewSet, "breaker-change")
router.register("platforms/accounts", AccountViewSet, "platform-account")
router.register("platforms/modes", ModeViewSet, "platform-mode")
router.register("platforms/campaigns", StateViewSet, "platform-campaign")
router.register("platforms/acts", ActViewSet, "platform-act")
router.register("platforms", OutgoingViewSet, "platform")
router.register("alerts", StandingAlertViewSet, "alert")
router.register("alert-rules", AlertRuleViewSet, "alert-rule")
router.register("webhooks", WebhookViewSet, "webhook")
router.register("receivers", ReceiverViewSet, "receiver")
router.register("deliveries", DeliveryViewSet, "delivery")

urlpatterns: Sequence[Any] = [
    re_path("^me/?$", Me.as_view(), name="api-me"),
    re_path("^schema/?$", SpectacularAPIView.as_view(), name="api-schema"),
    re_path(
        "^docs/?$", SpectacularSwaggerSplitView.as_view(url_name="api-schema", metadata_class=None), name="api-docs"
    ),
    path("", include(router.urls)),
    re_path(r"^[\s\S]*$", NoSuchPath.as_view(), name="api-nowhere"),
]
