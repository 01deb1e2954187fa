"""Brands through the API."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

import django_filters as filters
from django.db.models import Count, Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from access.services import join_if_needed
from brands.models import Brand
from brands.periods import local_date, month_start
from budget_system import clock, money
from budget_system.db import joined, use_case
from budget_system.rest.fields import (
    Amount,
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
from campaigns.models import Campaign, CampaignStatus
from enforcement import services
from spending.figures import Use, spent
from spending.history import by_day
from spending.projection import WEEKS, month_outlook

BUDGETS = {"daily_budget", "monthly_budget"}


def own_currency(brand: Any) -> str:
    return str(brand.currency)


class BrandSerializer(Strict):
    """A client of the agency. Its budgets cover all its campaigns together."""

    id = serializers.UUIDField(read_only=True)
    name = text()
    timezone = text(required=False, help_text="IANA name, such as Europe/Berlin; days and months begin there. UTC.")
    currency = text(required=False, help_text="ISO 4217 code. USD.")
    daily_budget = Amount(own_currency, required=False, allow_null=True, help_text="null: no limit. 0: spend nothing.")
    monthly_budget = Amount(own_currency, required=False, allow_null=True, help_text="null: no limit.")
    daily_spend = Amount(own_currency, source="spent.day.used", read_only=True)
    monthly_spend = Amount(own_currency, source="spent.month.used", read_only=True)
    remaining = Amount(
        own_currency,
        read_only=True,
        allow_null=True,
        help_text="What may still be authorised before one of its budgets is reached. null: no limit.",
    )
    emergency_stopped_at = Moment(read_only=True, allow_null=True)
    emergency_stop_reason = serializers.CharField(read_only=True)
    emergency_stopped_by = serializers.CharField(read_only=True)
    archived_at = Moment(read_only=True, allow_null=True)
    version = version()
    reason = reason_of_change()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)


class PeriodSerializer(Strict):
    """A budget period: what counts against the budget, and what is left."""

    starts_on = serializers.DateField()
    budget = serializers.CharField(allow_null=True, help_text="null: no limit.")
    spent = serializers.CharField(help_text="What counts against the budget.")
    reserved = serializers.CharField(help_text="Set aside and not settled yet.")
    forgiven = serializers.CharField(help_text="What a forced reset no longer counts.")
    remaining = serializers.CharField(allow_null=True)
    percent = serializers.IntegerField(allow_null=True, help_text="Of the budget that is spent, rounded down.")


SUMMARY = inline_serializer(
    "BrandSummary",
    {
        "brand": serializers.UUIDField(),
        "name": serializers.CharField(),
        "currency": serializers.CharField(),
        "timezone": serializers.CharField(),
        "at": serializers.DateTimeField(),
        "day": PeriodSerializer(),
        "month": PeriodSerializer(),
        "projection": serializers.CharField(
            allow_null=True,
            help_text="What the month will come to if it goes on like the last weeks; its budget stops what would go "
            "beyond it. null: too little is known.",
        ),
        "projection_low": serializers.CharField(allow_null=True, help_text="In four of five months it is not less."),
        "projection_high": serializers.CharField(allow_null=True, help_text="In four of five months it is not more."),
        "projection_without_budget": serializers.CharField(
            allow_null=True, help_text="What it would come to if the month's budget stopped nothing."
        ),
        "budget_used_up_on": serializers.DateField(
            allow_null=True, help_text="The day on which the month's budget is expected to be reached; null: it is not."
        ),
        "campaigns": inline_serializer(
            "CampaignCounts", {"active": serializers.IntegerField(), "paused": serializers.IntegerField()}
        ),
    },
)


class BrandFilters(Filters):
    name = filters.CharFilter()
    currency = filters.CharFilter()
    timezone = filters.CharFilter(method="in_zone", help_text="IANA name, such as Europe/Berlin.")
    emergency_stopped = filters.BooleanFilter("emergency_stopped_at", lookup_expr="isnull", exclude=True)
    archived = of_what_is_gone("archived")

    def in_zone(self, queryset: QuerySet[Brand], name: str, value: str) -> QuerySet[Brand]:
        if value not in available_timezones():
            raise ValidationError({name: [f"There is no time zone “{value}”."]})
        return queryset.filter(timezone=value)


@extend_schema_view(
    list=extend_schema(summary="List brands"),
    retrieve=extend_schema(summary="Show a brand"),
    create=extend_schema(summary="Create a brand"),
    update=extend_schema(summary="Change a brand", description=LEFT_OUT),
    partial_update=extend_schema(summary="Change some of a brand"),
    destroy=extend_schema(
        summary="Archive a brand",
        description="Its campaigns are paused, and it is out of sight. An administrator can restore it.",
    ),
)
class BrandViewSet(Changeable):
    serializer_class = BrandSerializer
    filterset_class = BrandFilters
    search_fields = ("name",)
    ordering_fields = ("name", "daily_budget", "monthly_budget", "created_at", "updated_at")
    brand_path = "pk"
    gone = "archived_at"
    gone_parameter = "archived"
    needs: Mapping[str, str] = {
        "list": "brands.view_brand",
        "retrieve": "brands.view_brand",
        "create": "brands.add_brand",
        "update": "brands.change_brand",
        "partial_update": "brands.change_brand",
        "destroy": "brands.delete_brand",
        "summary": "brands.view_brand",
        "emergency_stop": "brands.emergency_stop",
        "clear_stop": "brands.clear_emergency_stop",
        "restore": "access.restore",
    }

    def things(self) -> QuerySet[Brand]:
        return Brand.objects.all()

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        figures = spent(things, now)
        for brand in things:
            brand.spent = figures[brand.pk]
            left = (brand.spent.day.left_of(brand.daily_budget), brand.spent.month.left_of(brand.monthly_budget))
            brand.remaining = min((amount for amount in left if amount is not None), default=None)

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.new_values(BrandSerializer)
        if BUDGETS & {name for name, value in values.items() if value is not None}:
            self.require("brands.change_budget", "set budgets")
        brand = _create(self.caller, values, clock.now())
        return self.show(brand, status.HTTP_201_CREATED)

    def change(self, thing: Brand, values: dict[str, Any], now: datetime) -> None:
        if any(name in BUDGETS and getattr(thing, name) != value for name, value in values.items()):
            self.require("brands.change_budget", "change budgets")
        services.change_brand(
            thing.pk,
            values,
            actor=self.caller.name,
            now=now,
            reason=self.reason,
            expected_version=self.expected_version,
        )

    def destroy(self, request: Request, id: str) -> Response:
        services.archive_brand(self.get_object().pk, actor=self.caller.name, now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(summary="Spent, reserved and remaining of today and this month", responses=SUMMARY)
    @action(detail=True)
    def summary(self, request: Request, id: str) -> Response:
        self.allow_parameters()
        brand, now = self.get_object(), clock.now()
        self.dress([brand], now)
        today = local_date(brand.zone, now)
        counts = Campaign.objects.current().filter(brand=brand)
        return Response(
            {
                "brand": str(brand.pk),
                "name": brand.name,
                "currency": brand.currency,
                "timezone": str(brand.timezone),
                "at": now,
                "day": _period(brand, brand.spent.day, brand.daily_budget, today),
                "month": _period(brand, brand.spent.month, brand.monthly_budget, month_start(today)),
                **_projection(brand, today),
                "campaigns": counts.aggregate(
                    active=Count("pk", filter=Q(status=CampaignStatus.ACTIVE)),
                    paused=Count("pk", filter=Q(status=CampaignStatus.PAUSED)),
                ),
            }
        )

    @extend_schema(summary="Stop every campaign of the brand, now", request=NeededReasonSerializer)
    @action(detail=True, methods=["post"], url_path="emergency-stop")
    def emergency_stop(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        brand = self.get_object()
        services.emergency_stop_brand(brand.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(brand)

    @extend_schema(summary="End the brand's emergency stop", request=ReasonSerializer)
    @action(detail=True, methods=["post"], url_path="clear-stop")
    def clear_stop(self, request: Request, id: str) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        brand = self.get_object()
        services.clear_brand_stop(brand.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(brand)

    @extend_schema(
        summary="Bring an archived brand back",
        description="With the campaigns archived with it, which stay paused until a person activates them.",
        request=None,
    )
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: str) -> Response:
        brand = self.get_object()
        services.restore_brand(brand.pk, actor=self.caller.name, now=clock.now())
        return self.show(brand)


@use_case
def _create(caller: Any, values: dict[str, Any], now: datetime) -> Brand:
    """A brand, and its maker's membership: otherwise they would not see what they made."""
    with joined():
        brand = services.create_brand(values, actor=caller.name, now=now)
        join_if_needed(caller.user, brand.pk, caller.name, now)
    return brand


def _projection(brand: Any, today: date) -> dict[str, Any]:
    known = by_day([brand.pk], today - timedelta(days=7 * WEEKS), today)[brand.pk]
    outlook = month_outlook(
        known, brand.spent.month.used, today, budget=brand.monthly_budget, decimals=money.decimals(brand.currency)
    )
    if outlook is None:
        names = ("projection", "projection_low", "projection_high", "projection_without_budget", "budget_used_up_on")
        return dict.fromkeys(names)
    amounts = {
        "projection": outlook.comes_to.expected,
        "projection_low": outlook.comes_to.low,
        "projection_high": outlook.comes_to.high,
        "projection_without_budget": outlook.unlimited.expected,
    }
    shown = {name: money.exact_text(amount, brand.currency) for name, amount in amounts.items()}
    return {**shown, "budget_used_up_on": outlook.used_up_on}


def _period(brand: Brand, use: Use, budget: Any, starts_on: Any) -> dict[str, Any]:
    def shown(amount: Any) -> str | None:
        return None if amount is None else money.exact_text(amount, brand.currency)

    return {
        "starts_on": starts_on,
        "budget": shown(budget),
        "spent": shown(use.used),
        "reserved": shown(use.reserved),
        "forgiven": shown(use.forgiven),
        "remaining": shown(use.left_of(budget)),
        "percent": money.percent_used(use.used, budget) if budget else None,
    }
