"""Accounts at ad platforms through the API."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from drf_spectacular.utils import inline_serializer as inline
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.rest.fields import Id, Moment, NeededReasonSerializer, Strict, text, version
from budget_system.rest.filters import Filters
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import Changeable
from campaigns.models import Platform
from platforms import services
from platforms.adapters import KINDS
from platforms.api.modes import MODES
from platforms.models import Account, AccountQuerySet, AccountState
from platforms.queries import standings

_KEYS = "; ".join(
    f"{kind.code}: {', '.join(field.name + ('' if field.required else ' (may be left out)') for field in kind.fields)}"
    for kind in KINDS.values()
)


class AccountSerializer(Strict):
    """A brand's account at an ad platform, and how it goes. Its credentials go in and never come out."""

    id = serializers.UUIDField(read_only=True)
    brand = Id(source="brand_id")
    platform = serializers.ChoiceField([(code, Platform(code).label) for code in KINDS])
    account_id = text(help_text="As the platform shows it.")
    credentials = serializers.DictField(
        child=text(max_length=4_000),
        required=False,
        write_only=True,
        help_text=f"By name. {_KEYS}. In a change: those that are left out, or empty, stay.",
    )
    by_file = serializers.BooleanField(
        required=False,
        help_text=f"There is no access to its interface: changes go there in files, without credentials "
        f"({', '.join(services.BY_FILE)}).",
    )
    name = serializers.CharField(read_only=True, help_text="As the platform tells it; empty until it was asked.")
    currency = serializers.CharField(read_only=True, help_text="Spend in another one than the brand's is rejected.")
    timezone = serializers.CharField(source="time_zone", read_only=True, help_text="Its days are those of this zone.")
    mode = serializers.ChoiceField(MODES, source="standing.mode", read_only=True, help_text="Its brand's.")
    steps = serializers.DictField(
        child=serializers.IntegerField(), source="standing.steps", read_only=True, help_text="Campaigns by `step`."
    )
    at_risk = serializers.IntegerField(
        source="standing.at_risk", read_only=True, help_text="Campaigns that run there and must not."
    )
    unknown_campaigns = serializers.IntegerField(read_only=True, help_text="Campaigns there that have no id here.")
    error = serializers.CharField(read_only=True, help_text="What the platform said, or why it was not asked.")
    failing_since = Moment(read_only=True, allow_null=True)
    needs_person = serializers.BooleanField(
        read_only=True, help_text="Nothing is asked there until its access is entered anew or checked."
    )
    tried_again_at = Moment(source="leave_until", read_only=True, allow_null=True)
    spend_error = serializers.CharField(source="pull_error", read_only=True)
    spend_failing_since = Moment(source="pull_failing_since", read_only=True, allow_null=True)
    checked_at = Moment(read_only=True, allow_null=True)
    campaigns_read_at = Moment(source="looked_at", read_only=True, allow_null=True)
    spend_read_at = Moment(source="pulled_at", read_only=True, allow_null=True)
    off_at = Moment(read_only=True, allow_null=True, help_text="Since when it is switched off.")
    off_reason = serializers.CharField(read_only=True)
    version = version()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)


class AccountFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    platform = filters.ChoiceFilter(choices=Platform.choices)
    account_id = filters.CharFilter()
    by_file = filters.BooleanFilter()
    needs_person = filters.BooleanFilter()
    state = filters.ChoiceFilter(
        choices=AccountState.choices,
        method="in_state",
        help_text="fails: it, or its spend, cannot be read; needs_person: nor is it asked again by itself.",
    )
    off = filters.BooleanFilter("off_at", lookup_expr="isnull", exclude=True, help_text="true: those switched off.")

    def in_state(self, queryset: AccountQuerySet, name: str, value: str) -> AccountQuerySet:
        return queryset.in_state(value)


CHECKED = inline(
    "CheckedAccount",
    {
        "name": serializers.CharField(),
        "currency": serializers.CharField(),
        "timezone": serializers.CharField(help_text="Empty where the platform's own name of it is not known here."),
    },
)


@extend_schema_view(
    list=extend_schema(summary="List platform accounts"),
    retrieve=extend_schema(summary="Show a platform account"),
    create=extend_schema(
        summary="Connect a platform account",
        description="Nothing is sent to it: its brand observes until somebody chooses another mode. Ask with `check` "
        "whether the credentials work; its campaigns are read within a minute.",
    ),
    update=extend_schema(
        summary="Change a platform account",
        description="Its id, or its credentials. It is tried again at once.",
    ),
    partial_update=extend_schema(summary="Change some of a platform account"),
)
class AccountViewSet(Changeable):
    serializer_class = AccountSerializer
    filterset_class = AccountFilters
    search_fields = ("name", "account_id", "brand__name")
    ordering_fields = ("platform", "account_id", "created_at", "updated_at")
    needs: Mapping[str, str] = {
        "list": "platforms.view_account",
        "retrieve": "platforms.view_account",
        "create": "platforms.add_account",
        "update": "platforms.change_account",
        "partial_update": "platforms.change_account",
        "check": "platforms.change_account",
        "switch_off": "platforms.change_account",
        "switch_on": "platforms.change_account",
    }

    def things(self) -> QuerySet[Account]:
        return Account.objects.all()

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        found = standings(things)
        for account in things:
            account.standing = found[account.pk]

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.new_values(AccountSerializer)
        self.check_brand(values["brand_id"])
        made = services.add_account(
            values["brand_id"],
            values["platform"],
            values["account_id"],
            values.get("credentials", {}),
            by_file=values.get("by_file", False),
            actor=self.caller.name,
            now=clock.now(),
        )
        return self.show(made, status.HTTP_201_CREATED)

    def change(self, thing: Account, values: dict[str, Any], now: datetime) -> None:
        for name, fixed in (("brand_id", thing.brand_id), ("platform", thing.platform), ("by_file", thing.by_file)):
            if values.get(name, fixed) != fixed:
                stays = ["This stays as it is. Switch the account off and connect another one."]
                raise ValidationError({name.removesuffix("_id"): stays})
        services.change_account(
            thing.pk,
            new_id=values.get("account_id"),
            credentials=values.get("credentials"),
            actor=self.caller.name,
            now=now,
            expected_version=self.expected_version,
        )

    @extend_schema(
        summary="Ask the platform, now, whether the credentials work",
        description="Name, currency and time zone as it tells them. 422 with what it said if it does not let us in; "
        "409 if it is switched off, or its changes go in files. Nothing is changed there.",
        request=None,
        responses=CHECKED,
    )
    @action(detail=True, methods=["post"])
    def check(self, request: Request, id: str) -> Response:
        there = services.check(self.get_object().pk, actor=self.caller.name, now=clock.now())
        return Response({"name": there.name, "currency": there.currency, "timezone": there.time_zone})

    @extend_schema(
        summary="Switch the account off",
        description="Nothing is read there and nothing sent until it is switched on again.",
        request=NeededReasonSerializer,
    )
    @action(detail=True, methods=["post"], url_path="switch-off")
    def switch_off(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        account = self.get_object()
        services.switch_account_off(account.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(account)

    @extend_schema(summary="Switch the account on", description="It is read within a minute.", request=None)
    @action(detail=True, methods=["post"], url_path="switch-on")
    def switch_on(self, request: Request, id: str) -> Response:
        account = self.get_object()
        services.switch_account_on(account.pk, actor=self.caller.name, now=clock.now())
        return self.show(account)
