"""Pacing through the API: budgets of channels, plan and pace, stops and breakers, moved money, performance."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_view
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
    Id,
    Moment,
    NeededReasonSerializer,
    ReasonSerializer,
    Strict,
    reason_of_change,
    text,
    version,
)
from budget_system.rest.filters import Filters
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import Changeable, Listed, Resource
from campaigns.api import ASKED, HOLDS, AdviceSerializer, advice
from campaigns.models import Campaign, CampaignStatus
from campaigns.services import lock_brand_of
from enforcement import pacing, services
from pacing.channels import label, normal
from pacing.models import (
    AlertKind,
    BreakerChange,
    BreakerState,
    ChannelBudget,
    HourTotal,
    PaceAlert,
    PacedCampaign,
    Reallocation,
    ReallocationState,
    Strategy,
)
from pacing.queries import (
    CampaignPace,
    ChannelNow,
    ChannelPace,
    ChannelPlan,
    Pace,
    PlannedHour,
    channels_now,
    paces,
    plans,
    settings_in_force,
)
from pacing.services import FIGURES

MOST_COUNTED = 2**53 - 1
SEVERITIES = [("critical", "Critical"), ("warning", "Warning")]


def _currency(thing: Any) -> str:
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


def _since(field: str, word: str) -> filters.BooleanFilter:
    return filters.BooleanFilter(
        field, lookup_expr="isnull", exclude=True, help_text=f"true: only {word}; false: only others."
    )


# --- Budgets of channels ---------------------------------------------------------------------------------------------


class ChannelBudgetSerializer(Strict):
    """What a channel of a campaign may spend a day, inside the campaign's own budget, and how it is paced."""

    id = serializers.UUIDField(read_only=True)
    campaign = Id(source="campaign_id")
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    channel = text(help_text="Such as search. Upper and lower case are the same.")
    label = Channel()  # type: ignore[assignment] # a field; REST framework takes it away
    daily_budget = Amount(_currency, help_text="Inside the campaign's. 0: nothing may be spent.")
    strategy = serializers.ChoiceField(Strategy.choices, required=False)
    settings = SettingsField(
        required=False,
        help_text="What differs from the campaign's settings. Names that are left out stay; null takes one back.",
    )
    currency = serializers.CharField(source="campaign.brand.currency", read_only=True)
    budget_today = Amount(_currency, source="today.budget", read_only=True, help_text="After money was moved today.")
    spent_today = Amount(_currency, source="today.spent", read_only=True)
    held_today = Amount(_currency, source="today.held", read_only=True, help_text="Set aside and not spent yet.")
    remaining_today = Amount(_currency, source="today.left", read_only=True)
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
    stopped = _since("stopped_at", "those stopped in an emergency")
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


# --- Campaigns -------------------------------------------------------------------------------------------------------

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


class AlertSerializer(Strict):
    """Something about a channel's pace that a person should know."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    channel = serializers.CharField(read_only=True)
    label = Channel()  # type: ignore[assignment] # a field; REST framework takes it away
    kind = serializers.ChoiceField(AlertKind.choices, read_only=True)
    severity = serializers.ChoiceField(SEVERITIES, read_only=True)
    message = serializers.CharField(read_only=True)
    action = serializers.CharField(read_only=True, help_text="What to do.")
    pace = serializers.SerializerMethodField(help_text="Spent over planned. null: nothing was planned yet.")
    standing = serializers.SerializerMethodField(help_text="Whether what it is about goes on.")
    raised_at = Moment(read_only=True)
    cleared_at = Moment(read_only=True, allow_null=True)
    seen_at = Moment(read_only=True, allow_null=True)
    seen_by = serializers.CharField(read_only=True)

    def get_pace(self, alert: PaceAlert) -> float | None:
        return alert.pace if isfinite(alert.pace) else None

    def get_standing(self, alert: PaceAlert) -> bool:
        return alert.cleared_at is None


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


class ReallocationSerializer(Strict):
    """Money of one day to be moved between the channels of a campaign, or that was moved. The sum stays the same."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    currency = serializers.CharField(source="campaign.brand.currency", read_only=True)
    day = serializers.DateField(read_only=True, help_text="The brand's local day.")
    state = serializers.ChoiceField(ReallocationState.choices, read_only=True)
    moves = serializers.SerializerMethodField()
    channels = serializers.SerializerMethodField(
        help_text="The budgets of the day; before and after have the same sum."
    )
    notes = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="Why other money stays where it is."
    )
    proposed_at = Moment(read_only=True)
    proposed_by = serializers.CharField(read_only=True)
    decided_at = Moment(read_only=True, allow_null=True)
    decided_by = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)

    @extend_schema_field(
        inline(
            "MoveOfMoney",
            {
                "from_channel": serializers.CharField(),
                "from_label": serializers.CharField(),
                "to_channel": serializers.CharField(),
                "to_label": serializers.CharField(),
                "amount": serializers.CharField(),
                "reason": serializers.CharField(),
            },
            many=True,
        )
    )
    def get_moves(self, one: Reallocation) -> list[dict[str, str]]:
        return [
            {
                "from_channel": move["from"],
                "from_label": label(move["from"]),
                "to_channel": move["to"],
                "to_label": label(move["to"]),
                "amount": move["amount"],
                "reason": move["reason"],
            }
            for move in one.moves
        ]

    @extend_schema_field(
        inline(
            "BudgetMoved",
            {
                "channel": serializers.CharField(),
                "label": serializers.CharField(),
                "before": serializers.CharField(),
                "after": serializers.CharField(),
            },
            many=True,
        )
    )
    def get_channels(self, one: Reallocation) -> list[dict[str, str]]:
        return [
            {"channel": name, "label": label(name), "before": before, "after": one.after[name]}
            for name, before in sorted(one.before.items())
        ]


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


# --- Moved money, alerts, and what breakers did ----------------------------------------------------------------------


class ReallocationFilters(Filters):
    brand = filters.UUIDFilter("campaign__brand_id")
    campaign = filters.UUIDFilter("campaign_id")
    state = filters.ChoiceFilter(choices=ReallocationState.choices)
    day = filters.DateFilter()


@extend_schema_view(
    list=extend_schema(summary="List proposals to move money, and what was moved"),
    retrieve=extend_schema(summary="Show a proposal to move money"),
)
class ReallocationViewSet(Listed):
    serializer_class = ReallocationSerializer
    filterset_class = ReallocationFilters
    ordering_fields = ("day", "proposed_at", "decided_at")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "campaigns.view_campaign",
        "retrieve": "campaigns.view_campaign",
        "apply": "brands.change_budget",
        "reject": "brands.change_budget",
    }

    def things(self) -> QuerySet[Reallocation]:
        return Reallocation.objects.filter(campaign__archived_at=None).select_related("campaign__brand")

    @extend_schema(
        summary="Move the money as proposed",
        description="For today: tomorrow begins with the budgets as they were set. 409 if the day, a budget or what is "
        "spent no longer allows it.",
        request=ReasonSerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def apply(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        proposal = self.get_object()
        pacing.apply_reallocation(proposal.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(proposal)

    @extend_schema(summary="Leave the money where it is", request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    @answered_once
    def reject(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        proposal = self.get_object()
        pacing.reject_reallocation(proposal.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(proposal)


class AlertFilters(OfCampaigns):
    standing = filters.BooleanFilter(
        "cleared_at", lookup_expr="isnull", help_text="true: only those that go on; false: only those that are over."
    )
    seen = _since("seen_at", "those that somebody has seen")
    severity = filters.ChoiceFilter(choices=SEVERITIES)
    kind = filters.ChoiceFilter(choices=AlertKind.choices)


@extend_schema_view(
    list=extend_schema(summary="List alerts about the pace"), retrieve=extend_schema(summary="Show an alert")
)
class AlertViewSet(Listed):
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    ordering_fields = ("raised_at", "cleared_at", "severity")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "campaigns.view_campaign",
        "retrieve": "campaigns.view_campaign",
        "seen": "campaigns.pause_campaign",
    }

    def things(self) -> QuerySet[PaceAlert]:
        return PaceAlert.objects.filter(campaign__archived_at=None).select_related("campaign")

    @extend_schema(
        summary="Say that you have seen it", description="It stands until what it is about is over.", request=None
    )
    @action(detail=True, methods=["post"])
    def seen(self, request: Request, id: str) -> Response:
        alert = self.get_object()
        pacing.see_alert(alert.pk, actor=self.caller.name, now=clock.now())
        return self.show(alert)


class BreakerChangeSerializer(Strict):
    """A circuit breaker that opened, let a probe through or closed."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    channel = serializers.CharField(read_only=True)
    label = Channel()  # type: ignore[assignment] # a field; REST framework takes it away
    at = Moment(read_only=True)
    from_state = serializers.ChoiceField(BreakerState.choices, read_only=True)
    to_state = serializers.ChoiceField(BreakerState.choices, read_only=True)
    reason = serializers.CharField(read_only=True)
    actor = serializers.CharField(read_only=True)


class BreakerChangeFilters(OfCampaigns):
    to_state = filters.ChoiceFilter(choices=BreakerState.choices)


@extend_schema_view(
    list=extend_schema(summary="List what circuit breakers did"),
    retrieve=extend_schema(summary="Show a change of a circuit breaker"),
)
class BreakerChangeViewSet(Listed):
    serializer_class = BreakerChangeSerializer
    filterset_class = BreakerChangeFilters
    ordering_fields = ("at",)
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {"list": "campaigns.view_campaign", "retrieve": "campaigns.view_campaign"}

    def things(self) -> QuerySet[BreakerChange]:
        return BreakerChange.objects.filter(campaign__archived_at=None).select_related("campaign")
