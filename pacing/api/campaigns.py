"""Paced campaigns through the API: plan and pace, stops, settings, proposals, performance."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from drf_spectacular.utils import inline_serializer as inline
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock, money
from budget_system.db import joined, use_case
from budget_system.rest.fields import (
    Amount,
    Moment,
    NeededReasonSerializer,
    Strict,
    reason_of_change,
    text,
)
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import Resource
from campaigns.api import ASKED, HOLDS, AdviceSerializer, advice
from campaigns.models import Campaign, CampaignStatus
from campaigns.services import lock_brand_of
from enforcement import pacing, services
from pacing.api.fields import SettingsField
from pacing.api.records import AlertSerializer, ReallocationSerializer
from pacing.channels import label, normal
from pacing.models import (
    BreakerState,
    HourTotal,
    PacedCampaign,
    Strategy,
)
from pacing.queries import (
    CampaignPace,
    ChannelPace,
    ChannelPlan,
    Pace,
    PlannedHour,
    paces,
    plans,
    settings_in_force,
)
from pacing.services import FIGURES

MOST_COUNTED = 2**53 - 1

PACE: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "budget": serializers.CharField(help_text="Of today, after money was moved."),
    "spent": serializers.CharField(),
    "held": serializers.CharField(help_text="Set aside and not spent yet."),
    "planned": serializers.CharField(help_text="What should have been spent by now."),
    "pace": serializers.FloatField(
        allow_null=True, help_text="Spent over planned: 1.0 is on plan. null: spent, and nothing planned yet."
    ),
    "projected": serializers.CharField(
        allow_null=True,
        help_text="What the day comes to if the pace stays as it is; limits may end it before. null: too early to say.",
    ),
}
HOUR = inline(
    "PlannedHour",
    {
        "hour": serializers.IntegerField(help_text="0 to 23, on the brand's clock."),
        "planned": serializers.CharField(help_text="The hours add up to the budget exactly."),
        "spent": serializers.CharField(),
        "held": serializers.CharField(),
        "cap": serializers.CharField(help_text="The most that may be spent and held in the hour."),
        "protected": serializers.BooleanField(help_text="Whether front-load protection lowers the cap."),
        "multiplier": serializers.FloatField(help_text="Return for money over the average hour's."),
        "predicted_conversion_rate": serializers.FloatField(help_text="Conversions per click."),
        "predicted_cost_per_click": serializers.CharField(),
        "confidence": serializers.FloatField(help_text="0 (no data of this hour) to 1."),
        "reason": serializers.CharField(help_text="Why the hour gets this much."),
    },
    many=True,
)
PLAN = inline(
    "PacingPlan",
    {
        "campaign": serializers.UUIDField(),
        "at": serializers.DateTimeField(),
        "currency": serializers.CharField(),
        "timezone": serializers.CharField(),
        "channels": inline(
            "PlannedChannel",
            {
                "channel": serializers.CharField(),
                "label": serializers.CharField(),
                "strategy": serializers.ChoiceField(Strategy.choices),
                "budget": serializers.CharField(help_text="Of today, after money was moved."),
                "data_hours": serializers.IntegerField(
                    help_text="From how many hours it has learned: below 24 the plan is even, from 168 on weekdays are "
                    "told apart."
                ),
                "hours": HOUR,
            },
            many=True,
        ),
    },
)


CAMPAIGN_PACE = inline(
    "CampaignPace",
    {
        "campaign": serializers.UUIDField(),
        "at": serializers.DateTimeField(),
        "currency": serializers.CharField(),
        "paced": serializers.BooleanField(help_text="Whether any channel has a budget."),
        "in_all": inline("PaceInAll", PACE, allow_null=True),
        "channels": inline(
            "ChannelPace",
            {
                "channel": serializers.CharField(),
                "label": serializers.CharField(),
                **PACE,
                "breaker": serializers.ChoiceField(BreakerState.choices),
                "breaker_reason": serializers.CharField(),
                "breaker_probes_at": serializers.DateTimeField(allow_null=True),
                "stopped": serializers.BooleanField(),
                "alerts": AlertSerializer(many=True, help_text="Those that stand."),
            },
            many=True,
        ),
    },
)


class ChannelAdviceSerializer(AdviceSerializer):
    """Whether this amount could be spent now on this channel. Advice only: what counts is a reservation."""

    channel = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment] # a field; REST framework takes it away


class PacingSettingsSerializer(Strict):
    """What holds for all channels of a campaign, where a channel has no setting of its own."""

    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    settings = SettingsField(
        required=False,
        help_text="What differs from the defaults. Names that are left out stay; null takes one back to its default.",
    )
    automatic = serializers.BooleanField(
        required=False, help_text="Unused money is moved between channels every hour, without asking."
    )
    in_force = serializers.SerializerMethodField(help_text="All settings, the defaults with these in their place.")
    checked_at = Moment(read_only=True, allow_null=True, help_text="When its pace was last looked at.")
    reason = reason_of_change()

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_in_force(self, paced: PacedCampaign) -> dict[str, str | int | None]:
        return settings_in_force(paced.settings)


class PerformanceSerializer(Strict):
    """What an hour of a channel has brought. Figures that are left out stay as they were reported."""

    channel = text(required=False, help_text="Empty: the campaign's own.")
    hour = Moment(help_text="Any moment of the hour, which is one of the brand's clock.")
    impressions = serializers.IntegerField(required=False, min_value=0, max_value=MOST_COUNTED)
    clicks = serializers.IntegerField(required=False, min_value=0, max_value=MOST_COUNTED)
    conversions = Amount(required=False, help_text="May have decimals.")
    revenue = Amount(required=False)


HOUR_TOTAL = inline(
    "HourOfChannel",
    {
        "campaign": serializers.UUIDField(),
        "channel": serializers.CharField(),
        "label": serializers.CharField(),
        "hour": serializers.DateTimeField(help_text="When it began."),
        "day": serializers.DateField(help_text="The brand's local day."),
        "spent": serializers.CharField(help_text="What arrived as spend in this hour."),
        "impressions": serializers.IntegerField(),
        "clicks": serializers.IntegerField(),
        "conversions": serializers.CharField(),
        "revenue": serializers.CharField(),
    },
)
STOPPED = inline(
    "StoppedCampaign",
    {
        "campaign": serializers.UUIDField(),
        "status": serializers.ChoiceField(CampaignStatus.choices),
        "holds": serializers.ListField(child=serializers.ChoiceField(HOLDS)),
        "emergency_stopped_at": serializers.DateTimeField(allow_null=True),
        "emergency_stop_reason": serializers.CharField(),
        "emergency_stopped_by": serializers.CharField(),
    },
)
NOTHING = inline("NothingToMove", {"detail": serializers.CharField()})


class PacedCampaignViewSet(Resource):
    """A campaign, as the pacer sees it."""

    serializer_class = PacingSettingsSerializer
    filter_backends = ()
    needs: Mapping[str, str] = {
        "plan": "campaigns.view_campaign",
        "pace": "campaigns.view_campaign",
        "can_spend": "campaigns.view_campaign",
        "show_settings": "campaigns.view_campaign",
        "change_settings": "brands.change_budget",
        "performance": "spending.add_spend",
        "reallocation": "brands.change_budget",
        "emergency_stop": "brands.emergency_stop",
    }

    def things(self) -> QuerySet[Campaign]:
        return Campaign.objects.current().select_related("brand")

    @extend_schema(
        summary="Today's plan by hour, channel by channel",
        description="24 entries each, beside what was spent. An hour that comes twice today counts both times.",
        responses=PLAN,
    )
    @action(detail=True)
    def plan(self, request: Request, id: str) -> Response:
        self.allow_parameters()
        campaign, now = self.get_object(), clock.now()
        brand = campaign.brand
        channels = [_plan(plan, brand.currency) for plan in plans(campaign.pk, now)]
        told = {"campaign": campaign.pk, "at": now, "currency": brand.currency, "timezone": str(brand.timezone)}
        return Response({**told, "channels": channels})

    @extend_schema(
        summary="How spend stands to plan, by channel and in all",
        description="With the alerts that stand and what the day comes to if it goes on so.",
        responses=CAMPAIGN_PACE,
    )
    @action(detail=True)
    def pace(self, request: Request, id: str) -> Response:
        self.allow_parameters()
        campaign, now = self.get_object(), clock.now()
        return Response(_campaign_pace(campaign, next(iter(paces([campaign.pk], now)), None), now))

    @extend_schema(
        summary="Could this be spent now on this channel? Advice only",
        description="The campaign's holds and budgets, then the channel's limits. It sets nothing aside: the answer "
        "that counts is a reservation.",
        parameters=ASKED,
        responses=ChannelAdviceSerializer,
    )
    @action(detail=True, url_path="can-spend")
    def can_spend(self, request: Request, id: str) -> Response:
        self.allow_parameters("amount", "channel")
        found = advice(self.get_object(), request.query_params, clock.now())
        channel = normal(request.query_params.get("channel", ""))
        return Response({**found, "channel": channel, "label": label(channel)})

    @extend_schema(summary="The settings of its pacing", responses=PacingSettingsSerializer)
    @action(detail=True, url_path="settings")
    def show_settings(self, request: Request, id: str) -> Response:
        self.allow_parameters()
        return self._settings(self.get_object().pk)

    @extend_schema(
        summary="Change the settings of its pacing",
        description="Today's limits of all its channels follow at once.",
        request=PacingSettingsSerializer,
        responses=PacingSettingsSerializer,
    )
    @show_settings.mapping.patch
    def change_settings(self, request: Request, id: str) -> Response:
        values = self.values(PacingSettingsSerializer, partial=True)
        campaign = self.get_object()
        reason = values.pop("reason", "")
        _change_settings(campaign.pk, values, actor=self.caller.name, now=clock.now(), reason=reason)
        return self._settings(campaign.pk)

    def _settings(self, campaign_id: UUID) -> Response:
        found = PacedCampaign.objects.filter(pk=campaign_id).first() or PacedCampaign(campaign_id=campaign_id)
        return Response(PacingSettingsSerializer(found).data)

    @extend_schema(
        summary="Say what an hour of a channel has brought",
        description="Impressions, clicks, conversions and revenue beside what was spent. The pacer learns from them "
        "and watches its thresholds. Sent again it changes nothing; other figures replace those reported before.",
        request=PerformanceSerializer,
        responses=HOUR_TOTAL,
    )
    @action(detail=True, methods=["put"])
    def performance(self, request: Request, id: str) -> Response:
        values = self.values(PerformanceSerializer)
        figures = {name: values[name] for name in FIGURES if name in values}
        if not figures:
            raise ValidationError({"non_field_errors": [f"Report at least one of {', '.join(FIGURES)}."]})
        campaign = self.get_object()
        row = pacing.report_performance(
            campaign.pk, values.get("channel", ""), values["hour"], figures, actor=self.caller.name, now=clock.now()
        )
        return Response(_hour(row, campaign.brand.currency))

    @extend_schema(
        summary="Propose to move unused money between its channels",
        description="It takes the place of an earlier proposal. Nothing moves before a person applies it.",
        request=None,
        responses={
            201: ReallocationSerializer,
            200: OpenApiResponse(NOTHING, description="There is nothing to move now."),
        },
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def reallocation(self, request: Request, id: str) -> Response:
        campaign = self.get_object()
        made = pacing.propose_reallocation(campaign.pk, actor=self.caller.name, now=clock.now())
        if made is None:
            return Response({"detail": "There is nothing to move now: the money is where it should be."})
        made.campaign = campaign
        return Response(ReallocationSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Stop the campaign, now, until a person clears it",
        description="The same as POST /api/campaigns/{id}/emergency-stop; clear-stop there ends it.",
        request=NeededReasonSerializer,
        responses=STOPPED,
    )
    @action(detail=True, methods=["post"], url_path="emergency-stop")
    def emergency_stop(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        found = self.get_object()
        services.emergency_stop(found.pk, reason=reason, actor=self.caller.name, now=clock.now())
        campaign = self.things().get(pk=found.pk)
        return Response(
            {
                "campaign": campaign.pk,
                "status": campaign.status,
                "holds": campaign.holds,
                "emergency_stopped_at": campaign.emergency_stopped_at,
                "emergency_stop_reason": campaign.emergency_stop_reason,
                "emergency_stopped_by": campaign.emergency_stopped_by,
            }
        )


@use_case
def _change_settings(campaign_id: UUID, values: dict[str, Any], **more: Any) -> None:
    """Settings that are not named stay as they are; they are read under the lock, so that none is lost."""
    with joined():
        if "settings" in values:
            lock_brand_of(campaign_id)
            stored = PacedCampaign.objects.filter(pk=campaign_id).values_list("settings", flat=True).first()
            values = {**values, "settings": {**(stored or {}), **values["settings"]}}
        pacing.change_pacing(campaign_id, values, **more)


def _plan(plan: ChannelPlan, currency: str) -> dict[str, Any]:
    return {
        "channel": plan.channel,
        "label": plan.label,
        "strategy": plan.budget.strategy,
        "budget": money.exact_text(plan.today, currency),
        "data_hours": plan.data_hours,
        "hours": [_planned(hour, currency) for hour in plan.hours],
    }


def _planned(hour: PlannedHour, currency: str) -> dict[str, Any]:
    return {
        "hour": hour.hour,
        "planned": money.exact_text(hour.planned, currency),
        "spent": money.exact_text(hour.spent, currency),
        "held": money.exact_text(hour.held, currency),
        "cap": money.exact_text(hour.cap, currency),
        "protected": hour.protected,
        "multiplier": hour.multiplier,
        "predicted_conversion_rate": hour.conversion_rate,
        "predicted_cost_per_click": money.exact_text(hour.cost_per_click, currency),
        "confidence": hour.confidence,
        "reason": hour.reason,
    }


def _campaign_pace(campaign: Campaign, found: CampaignPace | None, now: datetime) -> dict[str, Any]:
    currency = campaign.brand.currency
    return {
        "campaign": campaign.pk,
        "at": now,
        "currency": currency,
        "paced": found is not None,
        "in_all": None if found is None else _pace(found.pace, currency),
        "channels": [] if found is None else [_channel_pace(one, campaign) for one in found.channels],
    }


def _channel_pace(one: ChannelPace, campaign: Campaign) -> dict[str, Any]:
    for alert in one.alerts:
        alert.campaign = campaign
    return {
        "channel": one.channel,
        "label": one.label,
        **_pace(one.pace, campaign.brand.currency),
        "breaker": one.breaker.state,
        "breaker_reason": one.breaker.reason,
        "breaker_probes_at": one.breaker.probes_at,
        "stopped": one.budget.stopped_at is not None,
        "alerts": AlertSerializer(one.alerts, many=True).data,
    }


def _pace(pace: Pace, currency: str) -> dict[str, Any]:
    return {
        "budget": money.exact_text(pace.budget, currency),
        "spent": money.exact_text(pace.spent, currency),
        "held": money.exact_text(pace.held, currency),
        "planned": money.exact_text(pace.planned, currency),
        "pace": pace.ratio,
        "projected": None if pace.projected is None else money.exact_text(pace.projected, currency),
    }


def _hour(row: HourTotal, currency: str) -> dict[str, Any]:
    return {
        "campaign": row.campaign_id,
        "channel": row.channel,
        "label": label(row.channel),
        "hour": row.starts_at,
        "day": row.day,
        "spent": money.exact_text(row.spent, currency),
        "impressions": row.impressions,
        "clicks": row.clicks,
        "conversions": f"{row.conversions.normalize():f}",
        "revenue": money.exact_text(row.revenue, currency),
    }
