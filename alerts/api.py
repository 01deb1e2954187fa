"""Alerts through the API: what people should know, read and resolved; and the rules that say of what they are told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import django_filters as filters
from django.conf import settings
from django.db.models import F, QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import services
from alerts.kinds import SPECS, Kind
from alerts.models import KINDS, Alert, AlertQuerySet, AlertRule, AlertState
from alerts.rules import in_force, in_words
from budget_system import clock
from budget_system.rest.fields import Id, Moment, Strict, version
from budget_system.rest.filters import Filters, OfTheLastDays
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import LEFT_OUT, Changeable, Listed
from delivery.api import SEVERITY_NAMES, SeverityName
from delivery.severity import Severity


class AlertFigureSerializer(Strict):
    """A figure of an alert, as its text names it."""

    name = serializers.CharField()
    figure = serializers.CharField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        name, figure = instance
        return {"name": name, "figure": figure}


class StandingAlertSerializer(Strict):
    """Something that a person should know of: raised once while it stands, and again only after it was gone."""

    id = serializers.UUIDField()
    brand = serializers.UUIDField(
        source="brand_id", allow_null=True, help_text="null: about the system or several brands; for who sees all."
    )
    campaign = serializers.UUIDField(source="campaign_id", allow_null=True)
    kind = serializers.ChoiceField(KINDS)
    severity = SeverityName()
    title = serializers.CharField()
    text = serializers.CharField()
    figures = AlertFigureSerializer(many=True)
    what_to_do = serializers.CharField(source="next_step")
    link = serializers.SerializerMethodField(help_text="The page of the admin on which to do it.")
    since = Moment(help_text="When what it is about began.")
    raised_at = Moment()
    read_at = Moment(allow_null=True)
    read_by = serializers.CharField()
    resolved_at = Moment(allow_null=True, help_text="A person has dealt with it.")
    resolved_by = serializers.CharField()
    cleared_at = Moment(allow_null=True, help_text="What it is about is over.")
    ended_at = Moment(allow_null=True, help_text="Whichever of the two came first. null: it is open.")
    ending = serializers.CharField(help_text="What is told of its end. Empty: it ends silently.")

    def get_link(self, alert: Alert) -> str:
        return f"{settings.PUBLIC_URL}{alert.link}"


class AlertFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    campaign = filters.UUIDFilter("campaign_id")
    kind = filters.ChoiceFilter(choices=KINDS)
    severity = filters.ChoiceFilter(choices=SEVERITY_NAMES, method="of_severity")
    state = filters.ChoiceFilter(
        choices=AlertState.choices,
        method="in_state",
        help_text="open: it stands and nobody has resolved it; unread: nor read it; over: all others.",
    )
    days = OfTheLastDays("raised_at", help_text="Those raised in the last so many times 24 hours.")

    def of_severity(self, queryset: AlertQuerySet, name: str, value: str) -> AlertQuerySet:
        return queryset.filter(severity=Severity.of(value).value)

    def in_state(self, queryset: AlertQuerySet, name: str, value: str) -> AlertQuerySet:
        return queryset.in_state(value)


@extend_schema_view(
    list=extend_schema(
        summary="List alerts",
        description=(
            "What people are told of, in the admin, by e-mail, in Slack and by webhooks: budgets, stops, breakers, "
            "imports, platforms, receivers, the system. What is open comes first, and of that the gravest. The pacer's "
            "own alerts, which say more of a channel's pace, are at `/api/pacing/alerts/`; here they are one kind "
            "among others."
        ),
    ),
    retrieve=extend_schema(summary="Show an alert"),
)
class AlertViewSet(Listed):
    serializer_class = StandingAlertSerializer
    filterset_class = AlertFilters
    search_fields = ("title",)
    ordering_fields = ("raised_at", "since", "ended_at", "severity")
    needs: Mapping[str, str] = {
        "list": "alerts.view_alert",
        "retrieve": "alerts.view_alert",
        "read": "alerts.change_alert",
        "resolve": "alerts.change_alert",
    }

    def things(self) -> QuerySet[Alert]:
        return Alert.objects.order_by(F("ended_at").desc(nulls_first=True), "-severity", "-raised_at", "-pk")

    @extend_schema(
        summary="Say that you have read it",
        description="Everybody sees that you have; it stays open. One that somebody has read stays as it is.",
        request=None,
    )
    @action(detail=True, methods=["post"])
    def read(self, request: Request, id: str) -> Response:
        alert = self.get_object()
        services.mark_read([alert.pk], actor=self.caller.name, now=clock.now())
        return self.show(alert)

    @extend_schema(
        summary="Say that you have dealt with it",
        description="Nothing more is told of it. Should it still stand, it is not raised again until it was gone once. "
        "One that is over stays as it is.",
        request=None,
    )
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, id: str) -> Response:
        alert = self.get_object()
        services.resolve([alert.pk], actor=self.caller.name, now=clock.now())
        return self.show(alert)


# --- Rules -----------------------------------------------------------------------------------------------------------


class AlertRuleSerializer(Strict):
    """What differs from the defaults for a kind of alert: for one brand, or for all that have no rule of their own."""

    id = serializers.UUIDField(read_only=True)
    brand = Id(
        source="brand_id",
        required=False,
        allow_null=True,
        help_text="null: every brand without a rule of its own, for who sees all brands.",
    )
    kind = serializers.ChoiceField(KINDS)
    on = serializers.BooleanField(required=False, help_text="false: nobody is told of it.")
    limits = serializers.ListField(
        child=serializers.IntegerField(),
        required=False,
        help_text="Whole numbers; what they count is in `kinds`. None: those of the system.",
    )
    severity = SeverityName(required=False, allow_null=True, help_text="null: that of the system.")
    limits_in_force = serializers.SerializerMethodField()
    does = serializers.SerializerMethodField(help_text="What it does, in words.")
    version = version()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    def get_limits_in_force(self, rule: AlertRule) -> list[int]:
        return list(in_force(Kind(rule.kind), rule).limits)

    def get_does(self, rule: AlertRule) -> str:
        return in_words(Kind(rule.kind), rule)


class AlertKindSerializer(Strict):
    """A kind of alert, and what its rule does where nobody has changed it."""

    kind = serializers.ChoiceField(KINDS)
    label = serializers.CharField()  # type: ignore[assignment] # a field; REST framework takes it away
    does = serializers.CharField()
    severity = SeverityName()
    limits = serializers.ListField(child=serializers.IntegerField())
    unit = serializers.CharField(help_text="What the limits count. Empty: it has none.")
    least = serializers.IntegerField(allow_null=True)
    most = serializers.IntegerField(allow_null=True)
    several = serializers.BooleanField(help_text="Whether there may be more than one.")


class AlertRuleFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    kind = filters.ChoiceFilter(choices=KINDS)
    on = filters.BooleanFilter()


@extend_schema_view(
    list=extend_schema(
        summary="List rules of alerts",
        description="Those for all brands first. A kind without a rule does what `kinds` says.",
    ),
    retrieve=extend_schema(summary="Show a rule"),
    create=extend_schema(
        summary="Add a rule",
        description="One for each kind and brand; 409 if there is one. It holds from the next look on, within half a "
        "minute.",
        examples=[
            OpenApiExample(
                "Told at 70 and 95 per cent of the day",
                value={"brand": "0193b9c4-7a10-7c3e-8f00-2f6f0c1f9a11", "kind": "DAY_USED", "limits": [70, 95]},
                request_only=True,
            )
        ],
    ),
    update=extend_schema(summary="Change a rule", description=LEFT_OUT),
    partial_update=extend_schema(summary="Change some of a rule"),
)
class AlertRuleViewSet(Changeable):
    serializer_class = AlertRuleSerializer
    filterset_class = AlertRuleFilters
    ordering_fields = ("kind", "created_at", "updated_at")
    needs: Mapping[str, str] = {
        "list": "alerts.view_alertrule",
        "retrieve": "alerts.view_alertrule",
        "create": "alerts.add_alertrule",
        "update": "alerts.change_alertrule",
        "partial_update": "alerts.change_alertrule",
        "kinds": "alerts.view_alertrule",
    }

    def things(self) -> QuerySet[AlertRule]:
        return AlertRule.objects.order_by(F("brand__name").asc(nulls_first=True), "kind", "pk")

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.new_values(AlertRuleSerializer)
        brand_id, kind = values.pop("brand_id", None), values.pop("kind")
        self.check_brand(brand_id)
        rule = services.add_rule(brand_id, kind, values, actor=self.caller.name, now=clock.now())
        return self.show(rule, status.HTTP_201_CREATED)

    def change(self, thing: AlertRule, values: dict[str, Any], now: datetime) -> None:
        if values.pop("brand_id", thing.brand_id) != thing.brand_id:
            raise ValidationError({"brand": ["A rule stays with its brand. Add another one there."]})
        if values.pop("kind", thing.kind) != thing.kind:
            raise ValidationError({"kind": ["A rule stays with its kind. Add another one for that."]})
        services.change_rule(thing.pk, values, actor=self.caller.name, now=now, expected_version=self.expected_version)

    @extend_schema(
        summary="What there are alerts about, and what their rules do unless they are changed",
        responses=AlertKindSerializer(many=True),
    )
    @action(detail=False, pagination_class=None, filter_backends=[])
    def kinds(self, request: Request) -> Response:
        self.allow_parameters()
        return Response(AlertKindSerializer([_told(kind) for kind in Kind], many=True).data)


def _told(kind: Kind) -> dict[str, Any]:
    spec = SPECS[kind]
    limits = spec.limits
    return {
        "kind": kind,
        "label": spec.label,
        "does": in_words(kind, None),
        "severity": spec.severity,
        "limits": list(in_force(kind, None).limits),
        "unit": limits.unit if limits else "",
        "least": limits.least if limits else None,
        "most": limits.most if limits else None,
        "several": limits.many if limits else False,
    }
