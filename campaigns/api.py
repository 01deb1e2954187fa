"""Campaigns through the API: what they are, whether they run and why, and what people want of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from brands.periods import next_midnight, next_month
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
from budget_system.rest.filters import Filters, of_what_is_gone
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import LEFT_OUT, Changeable
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus, Override, Platform, StateChange
from enforcement import reservations, services
from enforcement.evaluation import figures_of
from enforcement.explain import explain
from scheduling.api import WindowSerializer, rows_of
from scheduling.services import rows_of as stored_rows
from spending.figures import left_text, spent

BUDGETS = {"daily_budget", "monthly_budget", "lifetime_budget"}
HOLDS = [(hold.value, hold.label) for hold in Hold]


class CampaignSerializer(Strict):
    """Something a platform runs for a brand. It runs if, and only if, `holds` is empty."""

    id = serializers.UUIDField(read_only=True)
    brand = Id(source="brand_id")
    name = text()
    platform = serializers.ChoiceField(Platform.choices, required=False)
    external_id = text(required=False, help_text="The campaign's id on its platform.")
    daily_budget = Amount(required=False, allow_null=True, help_text="Inside the brand's. null: no limit of its own.")
    monthly_budget = Amount(required=False, allow_null=True, help_text="Inside the brand's. null: no limit of its own.")
    lifetime_budget = Amount(required=False, allow_null=True, help_text="For the campaign as a whole. null: no limit.")
    start_date = serializers.DateField(required=False, allow_null=True, help_text="First day of the flight.")
    end_date = serializers.DateField(required=False, allow_null=True, help_text="Last day of the flight.")
    status = serializers.ChoiceField(
        CampaignStatus.choices,
        required=False,
        help_text=(
            "Whether it runs. Handed in, it is a wish: PAUSED pauses by hand, ACTIVE ends a pause by hand; the answer "
            "tells what came of it. The status that it has already changes nothing."
        ),
    )
    pause_reason = serializers.CharField(read_only=True, help_text="The first of the holds; empty while it runs.")
    holds = serializers.ListField(
        child=serializers.ChoiceField(HOLDS), read_only=True, help_text="All the reasons why it may not run."
    )
    currency = serializers.CharField(source="brand.currency", read_only=True)
    daily_spend = Amount(source="spent.day.used", read_only=True)
    monthly_spend = Amount(source="spent.month.used", read_only=True)
    lifetime_spend = Amount(source="spent.lifetime.used", read_only=True)
    remaining = Amount(
        read_only=True,
        allow_null=True,
        help_text="What may still be authorised before a budget of its own or its brand's is reached. null: no limit.",
    )
    next_check_at = Moment(read_only=True, help_text="The next moment at which time alone may change its state.")
    paused_at = Moment(read_only=True, allow_null=True, help_text="When it last went from ACTIVE to PAUSED.")
    manual_paused_at = Moment(read_only=True, allow_null=True)
    manual_pause_until = Moment(read_only=True, allow_null=True)
    manual_pause_reason = serializers.CharField(read_only=True)
    manual_paused_by = serializers.CharField(read_only=True)
    emergency_stopped_at = Moment(read_only=True, allow_null=True)
    emergency_stop_reason = serializers.CharField(read_only=True)
    emergency_stopped_by = serializers.CharField(read_only=True)
    archived_at = Moment(read_only=True, allow_null=True)
    version = version()
    reason = reason_of_change()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)


class PauseSerializer(ReasonSerializer):
    """Until when and why. Without an end it stays paused until a person activates it."""

    until = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="A moment with its zone, or end_of_day or end_of_month, which are the brand's.",
    )


class OverrideSerializer(Strict):
    """Let it run in spite of some holds, until a moment, for at most so much more money."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    lifts = serializers.ListField(
        child=serializers.ChoiceField(HOLDS), min_length=1, help_text="The holds it lifts; never EMERGENCY_STOP."
    )
    starts_at = Moment(read_only=True)
    ends_at = Moment(
        required=False,
        allow_null=True,
        help_text="By default the end of the brand's day. A monthly or lifetime budget needs an explicit end.",
    )
    extra_budget = Amount(
        lambda override: str(override.campaign.brand.currency),
        required=False,
        allow_null=True,
        help_text="How much more may be spent. null: no limit.",
    )
    reason = text()
    created_by = serializers.CharField(read_only=True)
    cleared_at = Moment(read_only=True, allow_null=True)


class FigureSerializer(Strict):
    """What one hold rests on."""

    hold = serializers.ChoiceField(HOLDS)
    scope = serializers.ChoiceField(["brand", "campaign"])
    budget = serializers.CharField(allow_null=True)
    used = serializers.CharField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True, help_text="When it may end by itself.")
    lifted = serializers.BooleanField(help_text="By an override.")


class ExplanationSerializer(Strict):
    """May it run at this moment, why not, and when will it run again."""

    campaign = serializers.UUIDField()
    at = serializers.DateTimeField()
    status = serializers.ChoiceField(CampaignStatus.choices)
    pause_reason = serializers.CharField()
    holds = serializers.ListField(child=serializers.ChoiceField(HOLDS))
    causes = FigureSerializer(many=True)
    summary = serializers.CharField(help_text="In one sentence.")
    sentences = serializers.ListField(child=serializers.CharField(), help_text="Each hold with its figures.")
    runs_next_at = serializers.DateTimeField(
        allow_null=True, help_text="If nothing else changes. null: not without a person."
    )
    next_check_at = serializers.DateTimeField()


class StateChangeSerializer(Strict):
    """One change of the holds of a campaign."""

    id = serializers.UUIDField()
    at = Moment()
    from_status = serializers.ChoiceField(CampaignStatus.choices)
    to_status = serializers.ChoiceField(CampaignStatus.choices)
    from_holds = serializers.ListField(child=serializers.ChoiceField(HOLDS))
    to_holds = serializers.ListField(child=serializers.ChoiceField(HOLDS))
    figures = FigureSerializer(many=True, help_text="What each hold rested on when it was decided.")
    cause = serializers.CharField(help_text="What made the system look.")
    actor = serializers.CharField()


class WeekSerializer(Strict):
    """A whole week's windows. None at all: around the clock."""

    windows = WindowSerializer(many=True)
    version = version()


class AdviceSerializer(Strict):
    """Whether this amount could be spent now. Advice only: what counts is a reservation."""

    campaign = serializers.UUIDField()
    amount = serializers.CharField()
    can_spend = serializers.BooleanField()
    code = serializers.CharField()
    text = serializers.CharField()
    remaining = serializers.CharField(allow_null=True, help_text="null: no limit.")
    currency = serializers.CharField()
    advice_only = serializers.BooleanField(help_text="Always true: another caller may be faster. Reserve to be sure.")


ASKED = [
    OpenApiParameter("amount", OpenApiTypes.STR, required=True, description="Such as 25.00."),
    OpenApiParameter("channel", OpenApiTypes.STR, description="Where it would be spent, such as search."),
]


class CampaignFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    name = filters.CharFilter()
    status = filters.ChoiceFilter(choices=CampaignStatus.choices)
    pause_reason = filters.ChoiceFilter(choices=HOLDS, help_text="The first of its holds.")
    hold = filters.ChoiceFilter("holds", choices=HOLDS, lookup_expr="contains", help_text="Any of its holds.")
    platform = filters.ChoiceFilter(choices=Platform.choices)
    external_id = filters.CharFilter()
    archived = of_what_is_gone("archived")


@extend_schema_view(
    list=extend_schema(summary="List campaigns"),
    retrieve=extend_schema(summary="Show a campaign"),
    create=extend_schema(
        summary="Create a campaign", description="It gets seven whole-day windows, ready to be edited."
    ),
    update=extend_schema(summary="Change a campaign", description=LEFT_OUT),
    partial_update=extend_schema(summary="Change some of a campaign"),
    destroy=extend_schema(
        summary="Archive a campaign",
        description="It is paused and out of sight. Late spend still counts, and an administrator can restore it.",
    ),
)
class CampaignViewSet(Changeable):
    serializer_class = CampaignSerializer
    filterset_class = CampaignFilters
    search_fields = ("name", "external_id", "brand__name")
    ordering_fields = ("name", "status", "daily_budget", "paused_at", "next_check_at", "created_at", "updated_at")
    gone = "archived_at"
    gone_parameter = "archived"
    needs: Mapping[str, str] = {
        "list": "campaigns.view_campaign",
        "retrieve": "campaigns.view_campaign",
        "create": "campaigns.add_campaign",
        "update": "campaigns.change_campaign",
        "partial_update": "campaigns.change_campaign",
        "destroy": "campaigns.delete_campaign",
        "pause": "campaigns.pause_campaign",
        "activate": "campaigns.pause_campaign",
        "override": "campaigns.override_campaign",
        "clear_override": "campaigns.override_campaign",
        "emergency_stop": "brands.emergency_stop",
        "clear_stop": "brands.clear_emergency_stop",
        "restore": "access.restore",
        "explain": "campaigns.view_campaign",
        "history": "campaigns.view_statechange",
        "week": "scheduling.view_schedule",
        "replace_week": "scheduling.change_schedule",
        "can_spend": "campaigns.view_campaign",
    }

    def things(self) -> QuerySet[Campaign]:
        return Campaign.objects.select_related("brand")

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        figures = spent([*things, *{campaign.brand for campaign in things}], now)
        for campaign in things:
            campaign.spent = own = figures[campaign.pk]
            brand = figures[campaign.brand_id]
            left = (
                own.day.left_of(campaign.daily_budget),
                own.month.left_of(campaign.monthly_budget),
                own.lifetime.left_of(campaign.lifetime_budget),
                brand.day.left_of(campaign.brand.daily_budget),
                brand.month.left_of(campaign.brand.monthly_budget),
            )
            campaign.remaining = min((amount for amount in left if amount is not None), default=None)

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.new_values(CampaignSerializer)
        brand_id = values.pop("brand_id")
        self.check_brand(brand_id)
        if BUDGETS & {name for name, value in values.items() if value is not None}:
            self.require("brands.change_budget", "set budgets")
        paused = values.pop("status", CampaignStatus.ACTIVE) == CampaignStatus.PAUSED
        campaign = services.create_campaign(brand_id, values, paused=paused, actor=self.caller.name, now=clock.now())
        return self.show(campaign, status.HTTP_201_CREATED)

    def change(self, thing: Campaign, values: dict[str, Any], now: datetime) -> None:
        if values.pop("brand_id", thing.brand_id) != thing.brand_id:
            raise ValidationError({"brand": ["A campaign stays with its brand."]})
        if any(name in BUDGETS and getattr(thing, name) != value for name, value in values.items()):
            self.require("brands.change_budget", "change budgets")
        wish = values.pop("status", thing.status)
        if wish != thing.status:
            self.require("campaigns.pause_campaign", "pause and activate campaigns")
        _change(
            thing.pk,
            values,
            None if wish == thing.status else wish,
            actor=self.caller.name,
            now=now,
            reason=self.reason,
            expected_version=self.expected_version,
        )

    def destroy(self, request: Request, id: str) -> Response:
        services.archive_campaign(self.get_object().pk, actor=self.caller.name, now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    # --- What people want

    @extend_schema(summary="Pause by hand", request=PauseSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, id: str) -> Response:
        values, now = self.values(PauseSerializer), clock.now()
        campaign = self.get_object()
        until = _moment(values.get("until"), campaign, now)
        services.pause(campaign.pk, until=until, reason=values["reason"], actor=self.caller.name, now=now)
        return self.show(campaign)

    @extend_schema(
        summary="End the pause by hand",
        description="If other holds remain, the answer is PAUSED and lists them. An override lifts them.",
        request=ReasonSerializer,
    )
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        campaign = self.get_object()
        services.activate(campaign.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(campaign)

    @extend_schema(
        summary="Let it run in spite of holds", request=OverrideSerializer, responses={201: OverrideSerializer}
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def override(self, request: Request, id: str) -> Response:
        values = self.values(OverrideSerializer)
        override, _verdict = services.set_override(
            self.get_object().pk,
            [Hold(code) for code in values.pop("lifts")],
            actor=self.caller.name,
            now=clock.now(),
            **values,
        )
        shown = Override.objects.select_related("campaign__brand").get(pk=override.pk)
        return Response(OverrideSerializer(shown).data, status=status.HTTP_201_CREATED)

    @extend_schema(summary="End the override", request=None, responses={200: CampaignSerializer})
    @override.mapping.delete
    def clear_override(self, request: Request, id: str) -> Response:
        campaign = self.get_object()
        services.clear_override(campaign.pk, actor=self.caller.name, now=clock.now())
        return self.show(campaign)

    @extend_schema(summary="Stop it, now, until a person clears it", request=NeededReasonSerializer)
    @action(detail=True, methods=["post"], url_path="emergency-stop")
    def emergency_stop(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        campaign = self.get_object()
        services.emergency_stop(campaign.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(campaign)

    @extend_schema(summary="End its own emergency stop", request=ReasonSerializer)
    @action(detail=True, methods=["post"], url_path="clear-stop")
    def clear_stop(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        campaign = self.get_object()
        services.clear_stop(campaign.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(campaign)

    @extend_schema(summary="Bring an archived campaign back, paused", request=None)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: str) -> Response:
        campaign = self.get_object()
        services.restore_campaign(campaign.pk, actor=self.caller.name, now=clock.now())
        return self.show(campaign)

    # --- Why, and since when

    @extend_schema(
        summary="Whether it may run, why not, and when it will",
        parameters=[
            OpenApiParameter(
                "at", OpenApiTypes.DATETIME, description="Another moment, judged by what is known now. Default: now."
            )
        ],
        responses=ExplanationSerializer,
    )
    @action(detail=True)
    def explain(self, request: Request, id: str) -> Response:
        self.allow_parameters("at")
        campaign, at = self.get_object(), clock.now()
        if (text_at := request.query_params.get("at")) is not None:
            at = _parsed(text_at, "at")
            if not 2000 <= at.year <= 2100:
                raise ValidationError({"at": ["Name a moment between 2000 and 2100."]})
        found = explain(campaign.pk, at)
        reason = found.verdict.pause_reason
        return Response(
            {
                "campaign": str(campaign.pk),
                "at": at,
                "status": CampaignStatus.PAUSED if found.verdict.holds else CampaignStatus.ACTIVE,
                "pause_reason": reason.value if reason else "",
                "holds": found.verdict.holds,
                "causes": [_in_utc(figure) for figure in figures_of(found.causes, campaign.brand.currency)],
                "summary": found.summary,
                "sentences": found.sentences,
                "runs_next_at": found.runs_next_at,
                "next_check_at": found.verdict.next_check_at,
            }
        )

    @extend_schema(summary="Every change of its holds, the latest first", responses=StateChangeSerializer(many=True))
    @action(detail=True, filter_backends=[], pagination_class=Changeable.pagination_class)
    def history(self, request: Request, id: str) -> Response:
        self.allow_parameters("page", "page_size")
        page = self.paginate_queryset(StateChange.objects.filter(campaign=self.get_object()))
        return self.get_paginated_response(StateChangeSerializer(page, many=True).data)

    # --- When

    @extend_schema(summary="Its week of windows", responses=WeekSerializer)
    @action(detail=True)
    def week(self, request: Request, id: str) -> Response:
        self.allow_parameters()
        return _week(self.get_object())

    @extend_schema(summary="Replace its whole week of windows", request=WeekSerializer, responses=WeekSerializer)
    @week.mapping.put
    def replace_week(self, request: Request, id: str) -> Response:
        values = self.values(WeekSerializer)
        campaign = self.get_object()
        services.replace_week(
            campaign.pk,
            [rows_of(window) for window in values["windows"]],
            actor=self.caller.name,
            now=clock.now(),
            expected_version=values.get("version"),
        )
        return _week(self.get_object())

    # --- May this be spent?

    @extend_schema(
        summary="Could this be spent now? Advice only",
        description="It sets nothing aside, so another caller may be faster. The answer that counts is a reservation.",
        parameters=ASKED,
        responses=AdviceSerializer,
    )
    @action(detail=True, url_path="can-spend")
    def can_spend(self, request: Request, id: str) -> Response:
        self.allow_parameters("amount", "channel")
        return Response(advice(self.get_object(), request.query_params, clock.now()))


def advice(campaign: Campaign, asked: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Whether the amount asked for could be spent now, on the channel if one is named."""
    try:
        amount = money.parse_amount(asked.get("amount", ""))
    except money.InvalidAmount as error:
        raise ValidationError({"amount": [str(error)]}, code="invalid_amount") from error
    answer = reservations.can_spend(campaign.pk, amount, now, channel=asked.get("channel", ""))
    return {
        "campaign": str(campaign.pk),
        "amount": money.exact_text(amount, campaign.brand.currency),
        "can_spend": answer.authorisation.granted,
        "code": answer.authorisation.code,
        "text": answer.text,
        "remaining": left_text(answer.authorisation.remaining, answer.currency),
        "currency": campaign.brand.currency,
        "advice_only": True,
    }


@use_case
def _change(
    campaign_id: UUID,
    values: Mapping[str, Any],
    wish: str | None,
    *,
    actor: str,
    now: datetime,
    reason: str,
    **more: Any,
) -> None:
    """Change inputs and, if the status handed in is another one, pause or activate, all or nothing."""
    with joined():
        if values or wish is None:
            services.change_campaign(campaign_id, values, actor=actor, now=now, reason=reason, **more)
        if wish == CampaignStatus.PAUSED:
            services.pause(campaign_id, actor=actor, now=now, reason=reason)
        elif wish == CampaignStatus.ACTIVE:
            services.activate(campaign_id, actor=actor, now=now, reason=reason)


def _in_utc(figure: dict[str, object]) -> dict[str, object]:
    """Moments as the other answers write them."""
    until = figure["until"]
    return {**figure, "until": until.replace("+00:00", "Z") if isinstance(until, str) else None}


def _week(campaign: Campaign) -> Response:
    windows = WindowSerializer(stored_rows(campaign), many=True).data
    return Response({"windows": windows, "version": campaign.version})


def _moment(value: str | None, campaign: Campaign, now: datetime) -> datetime | None:
    match value:
        case None | "":
            return None
        case "end_of_day":
            return next_midnight(campaign.brand.zone, now)
        case "end_of_month":
            return next_month(campaign.brand.zone, now)
        case _:
            return _parsed(value, "until")


def _parsed(value: str, field: str) -> datetime:
    try:
        moment: datetime = Moment().run_validation(value)
    except ValidationError as error:
        raise ValidationError({field: error.detail}) from error
    return moment
