"""Ad platforms through the API: accounts, modes, what campaigns show there, what was done, and the kill switch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import django_filters as filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from drf_spectacular.utils import inline_serializer as inline
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.errors import Conflict
from budget_system.rest.fields import Id, Moment, NeededReasonSerializer, ReasonSerializer, Strict, text, version
from budget_system.rest.filters import Filters
from budget_system.rest.idempotency import answered_once
from budget_system.rest.views import NO_CAMPAIGN, Changeable, Listed, Resource
from campaigns.api import HOLDS
from campaigns.models import CampaignStatus, Platform
from platforms import services
from platforms.adapters import KINDS
from platforms.drift import at_risk_now
from platforms.models import STEP_LABELS, WHY_LABELS, Account, Act, ActKind, Outgoing, RemoteState, Steering
from platforms.protocol import Status
from platforms.queries import by_urgency, standings
from platforms.steps import Mode, Step, at_risk, wanted

MOST_AT_ONCE = 1_000
LATEST = 20
STEPS = [(step.value, label) for step, label in STEP_LABELS.items()]
WHYS = [(why.value, label or "Nobody has to approve") for why, label in WHY_LABELS.items()]
STATUSES = [(one.value, one.value) for one in Status]
MODES = [(mode.value, mode.value) for mode in Mode]
_KEYS = "; ".join(
    f"{kind.code}: {', '.join(field.name + ('' if field.required else ' (may be left out)') for field in kind.fields)}"
    for kind in KINDS.values()
)


# --- Accounts --------------------------------------------------------------------------------------------------------


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
    failing = filters.BooleanFilter(method="of_failing", help_text="true: those that, or whose spend, cannot be read.")
    off = filters.BooleanFilter("off_at", lookup_expr="isnull", exclude=True, help_text="true: those switched off.")

    def of_failing(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        fails = Q(failing_since__isnull=False) | Q(pull_failing_since__isnull=False)
        return queryset.filter(fails if value else ~fails)


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
        return Account.objects.select_related("brand")

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        found = standings(things)
        for account in things:
            account.standing = found[account.pk]

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.new_values(AccountSerializer)
        if not self.caller.sees(values["brand_id"]):
            raise ValidationError({"brand": ["There is no such brand."]}, code="not_found")
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
        description="Name, currency and time zone as it tells them. 422 with what it said if it does not let us in. "
        "Nothing is changed there.",
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


# --- Modes -----------------------------------------------------------------------------------------------------------


class ModeSerializer(Strict):
    """How far this system may go on its own at a brand's platforms. `id` is the brand's."""

    id = serializers.UUIDField(source="brand_id", read_only=True)
    brand = serializers.UUIDField(source="brand_id", read_only=True)
    mode = serializers.ChoiceField(
        MODES,
        help_text="OBSERVE: what would be sent is written down. SUGGEST: each change waits for a person. ENFORCE: "
        "changes are sent.",
    )
    most_campaigns = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=1_000_000,
        help_text="More changes than this in a quarter of an hour wait for a person.",
    )
    most_share = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=100,
        help_text="Changes of campaigns that spent more than this share (%) of the last seven days wait for a person.",
    )
    budgets_count = serializers.BooleanField(
        required=False, help_text="What spend and the clock decide counts against these limits too."
    )
    version = version()
    updated_at = Moment(read_only=True)


class ModeFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    mode = filters.ChoiceFilter(choices=MODES)


@extend_schema_view(
    list=extend_schema(summary="List modes", description="A brand has one from its first platform account on."),
    retrieve=extend_schema(summary="Show a brand's mode"),
    update=extend_schema(summary="Change a brand's mode", description="Fields that are left out stay as they are."),
    partial_update=extend_schema(summary="Change some of a brand's mode"),
)
class ModeViewSet(Changeable):
    serializer_class = ModeSerializer
    filterset_class = ModeFilters
    search_fields = ("brand__name",)
    ordering_fields = ("mode", "updated_at")
    needs: Mapping[str, str] = {
        "list": "platforms.view_steering",
        "retrieve": "platforms.view_steering",
        "update": "platforms.change_steering",
        "partial_update": "platforms.change_steering",
    }

    def things(self) -> QuerySet[Steering]:
        return Steering.objects.all()

    def change(self, thing: Steering, values: dict[str, Any], now: datetime) -> None:
        services.change_steering(
            thing.brand_id, values, actor=self.caller.name, now=now, expected_version=self.expected_version
        )


# --- What was done ---------------------------------------------------------------------------------------------------


class ActSerializer(Strict):
    """What was sent to a platform about a campaign, answered, seen or decided. Written once."""

    id = serializers.UUIDField(read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    account = serializers.UUIDField(source="account_id", read_only=True)
    platform = serializers.CharField(source="account.platform", read_only=True)
    at = Moment(read_only=True)
    kind = serializers.ChoiceField(ActKind.choices, read_only=True)
    asked = serializers.CharField(read_only=True, help_text="ENABLED or PAUSED; empty where nothing was asked for.")
    shown = serializers.CharField(read_only=True, help_text="What the platform showed, where that is told.")
    pause_reason = serializers.CharField(
        source="reason", read_only=True, help_text="Our first hold at that moment; empty where nothing held it."
    )
    attempt = serializers.IntegerField(read_only=True)
    seconds = serializers.FloatField(
        read_only=True, allow_null=True, help_text="From our decision until it was seen there."
    )
    actor = serializers.CharField(read_only=True)
    note = serializers.CharField(read_only=True)


class ActFilters(Filters):
    brand = filters.UUIDFilter("campaign__brand_id")
    platform = filters.ChoiceFilter("account__platform", choices=Platform.choices)
    account = filters.UUIDFilter("account_id")
    campaign = filters.UUIDFilter("campaign_id")
    kind = filters.ChoiceFilter(choices=ActKind.choices)


@extend_schema_view(
    list=extend_schema(summary="List what was done at platforms", description="Kept for ever, the latest first."),
    retrieve=extend_schema(summary="Show an act at a platform"),
)
class ActViewSet(Listed):
    serializer_class = ActSerializer
    filterset_class = ActFilters
    search_fields = ("campaign__name",)
    ordering_fields = ("at",)
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {"list": "platforms.view_act", "retrieve": "platforms.view_act"}

    def things(self) -> QuerySet[Act]:
        return Act.objects.select_related("campaign", "account")


# --- Campaigns at the platforms --------------------------------------------------------------------------------------


class StateSerializer(Strict):
    """What a campaign shows at its platform, what we want there, and what is next. `id` is the campaign's."""

    id = serializers.UUIDField(source="campaign_id", read_only=True)
    campaign = serializers.UUIDField(source="campaign_id", read_only=True)
    name = serializers.CharField(source="campaign.name", read_only=True)
    brand = serializers.UUIDField(source="campaign.brand_id", read_only=True)
    account = serializers.UUIDField(source="account_id", read_only=True)
    platform = serializers.CharField(source="account.platform", read_only=True)
    external_id = serializers.CharField(source="campaign.external_id", read_only=True)
    status_here = serializers.ChoiceField(CampaignStatus.choices, source="campaign.status", read_only=True)
    pause_reason = serializers.ChoiceField(
        [("", "Nothing holds it"), *HOLDS], source="campaign.pause_reason", read_only=True
    )
    status_there = serializers.ChoiceField(
        STATUSES, source="actual_status", read_only=True, allow_null=True, help_text="null: it was not found there."
    )
    said_there = serializers.CharField(source="said", read_only=True, help_text="The status in the platform's word.")
    name_there = serializers.CharField(read_only=True)
    seen_at = Moment(read_only=True, allow_null=True)
    wanted = serializers.SerializerMethodField(help_text="What it is to show there.")
    step = serializers.ChoiceField(STEPS, read_only=True, help_text="What is next.")
    why = serializers.ChoiceField(WHYS, read_only=True, help_text="Why it waits for a person.")
    step_since = Moment(read_only=True)
    drift = serializers.SerializerMethodField(help_text="Somebody switched it there. It is never undone by itself.")
    at_risk = serializers.SerializerMethodField(help_text="It runs there and must not.")
    attempts = serializers.IntegerField(read_only=True, help_text="For the present wish.")
    sent_at = Moment(read_only=True, allow_null=True)
    sent_again_at = Moment(source="next_at", read_only=True, allow_null=True)
    error = serializers.CharField(read_only=True, help_text="What the platform said to the last attempt.")

    @extend_schema_field(serializers.ChoiceField(STATUSES))
    def get_wanted(self, row: RemoteState) -> str:
        return wanted(row.campaign.pause_reason).value

    def get_drift(self, row: RemoteState) -> bool:
        return row.step == Step.DRIFT

    def get_at_risk(self, row: RemoteState) -> bool:
        return at_risk(row.campaign.pause_reason, row.actual_status)


class OneStateSerializer(StateSerializer):
    """The same, with what was done there lately."""

    acts = ActSerializer(many=True, read_only=True, help_text="The latest; all are in `platforms/acts/`.")


class ChosenSerializer(Strict):
    """Campaigns, by their ids."""

    campaigns = serializers.ListField(child=Id(), min_length=1, max_length=MOST_AT_ONCE)


APPROVED = inline(
    "ApprovedChanges",
    {
        "approved": serializers.ListField(child=serializers.UUIDField()),
        "refused": inline(
            "RefusedApproval", {"campaign": serializers.UUIDField(), "detail": serializers.CharField()}, many=True
        ),
    },
)
NOT_WAITING = "It does not wait for approval any more. Nothing was sent."


class StateFilters(Filters):
    brand = filters.UUIDFilter("campaign__brand_id")
    platform = filters.ChoiceFilter("account__platform", choices=Platform.choices)
    account = filters.UUIDFilter("account_id")
    step = filters.ChoiceFilter(choices=STEPS)
    status_there = filters.ChoiceFilter("actual", choices=STATUSES)
    drift = filters.BooleanFilter(method="of_drift", help_text="true: only those that somebody switched there.")
    waiting = filters.BooleanFilter(method="of_waiting", help_text="true: only those that wait for a person.")
    at_risk = filters.BooleanFilter(method="of_risk", help_text="true: only those that run there and must not.")

    def of_drift(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _only(queryset, Q(step=Step.DRIFT), value)

    def of_waiting(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _only(queryset, Q(step=Step.WAITING), value)

    def of_risk(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return _only(queryset, at_risk_now(), value)


def _only(queryset: QuerySet[Any], those: Q, value: bool) -> QuerySet[Any]:
    return queryset.filter(those if value else ~those)


@extend_schema_view(
    list=extend_schema(
        summary="List campaigns at their platforms",
        description="Money at risk first, then what waits for a person, then what does not arrive.",
    ),
    retrieve=extend_schema(
        summary="Show a campaign at its platform", responses=OneStateSerializer, description="By the campaign's id."
    ),
)
class StateViewSet(Listed):
    filterset_class = StateFilters
    search_fields = ("campaign__name", "campaign__external_id", "campaign__brand__name")
    ordering_fields = ("step", "step_since", "seen_at")
    brand_path = "campaign__brand"
    needs: Mapping[str, str] = {
        "list": "platforms.view_remotestate",
        "retrieve": "platforms.view_remotestate",
        "approve": "platforms.change_remotestate",
        "leave": "platforms.change_remotestate",
        "put_back": "platforms.change_remotestate",
        "take_over": "platforms.change_remotestate",
        "approve_several": "platforms.change_remotestate",
    }

    def get_serializer_class(self) -> type[Strict]:
        return StateSerializer if self.action == "list" else OneStateSerializer

    def things(self) -> QuerySet[RemoteState]:
        here = RemoteState.objects.filter(campaign__archived_at=None)
        return by_urgency(here.select_related("campaign", "account"))

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        if self.action == "list":
            return
        for row in things:
            latest = Act.objects.filter(campaign=row.campaign_id).select_related("campaign", "account")
            row.acts = latest.order_by("-id")[:LATEST]

    @extend_schema(
        summary="Approve the change",
        description="It is sent within seconds, and read back there. 409 if it does not wait any more.",
        request=None,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def approve(self, request: Request, id: str) -> Response:
        row = self.get_object()
        if not services.approve([row.pk], actor=self.caller.name, now=clock.now()):
            raise Conflict(NOT_WAITING)
        return self.show(row)

    @extend_schema(
        summary="Leave it there as it is",
        description="Nothing is sent, and it is not asked about again until something else is wanted. 409 if it does "
        "not wait any more.",
        request=NeededReasonSerializer,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def leave(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        row = self.get_object()
        if not services.leave([row.pk], reason=reason, actor=self.caller.name, now=clock.now()):
            raise Conflict(NOT_WAITING)
        return self.show(row)

    @extend_schema(
        summary="Put ours back",
        description="What somebody switched there is switched back, within seconds. 409 if it is not drift (any more), "
        "or if the brand's mode is OBSERVE.",
        request=NeededReasonSerializer,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"], url_path="put-back")
    @answered_once
    def put_back(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        row = self.get_object()
        services.put_back(row.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(row)

    @extend_schema(
        summary="Take over theirs",
        description="A pause there becomes a pause by hand here, and a start there ends one. Nothing is sent. 409 if "
        "it is not drift (any more), or if something else holds it here.",
        request=NeededReasonSerializer,
        responses=OneStateSerializer,
    )
    @action(detail=True, methods=["post"], url_path="take-over")
    @answered_once
    def take_over(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        row = self.get_object()
        services.take_over(row.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(row)

    @extend_schema(
        operation_id="platforms_campaigns_approve_several",
        summary=f"Approve up to {MOST_AT_ONCE:,} changes",
        description="In one transaction; each that does not wait (any more) is listed with the reason.",
        request=ChosenSerializer,
        responses=APPROVED,
    )
    @action(detail=False, methods=["post"], url_path="approve", filter_backends=[])
    @answered_once
    def approve_several(self, request: Request) -> Response:
        chosen = list(dict.fromkeys(self.values(ChosenSerializer)["campaigns"]))
        seen = set(self.get_queryset().filter(pk__in=chosen).values_list("pk", flat=True))
        approved = set(services.approve(seen, actor=self.caller.name, now=clock.now()))
        refused = [
            {"campaign": one, "detail": NOT_WAITING if one in seen else str(NO_CAMPAIGN)}
            for one in chosen
            if one not in approved
        ]
        return Response({"approved": [one for one in chosen if one in approved], "refused": refused})


# --- The kill switch -------------------------------------------------------------------------------------------------


class OutgoingSerializer(Strict):
    """The kill switch: while it is on, no change leaves to any platform, for any brand. Reading goes on."""

    stopped = serializers.SerializerMethodField()
    stopped_at = Moment(read_only=True, allow_null=True)
    stopped_by = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)
    held = serializers.IntegerField(read_only=True, help_text="Campaigns that you see whose change it holds.")

    def get_stopped(self, switch: Outgoing) -> bool:
        return switch.stopped_at is not None


class OutgoingViewSet(Resource):
    serializer_class = OutgoingSerializer
    pagination_class = None
    filter_backends = ()
    needs: Mapping[str, str] = {
        "outgoing": "platforms.view_outgoing",
        "stop": "platforms.stop_outgoing",
        "resume": "platforms.resume_outgoing",
    }

    def things(self) -> QuerySet[Outgoing]:
        return Outgoing.objects.all()

    def _answer(self) -> Response:
        switch = services.outgoing()
        held = self.caller.only_theirs(RemoteState.objects.filter(step=Step.STOPPED), "campaign__brand")
        switch.held = held.count()  # type: ignore[attr-defined] # as `dress` does for things that have figures
        return Response(self.get_serializer(switch).data)

    @extend_schema(summary="Show the kill switch")
    @action(detail=False)
    def outgoing(self, request: Request) -> Response:
        self.allow_parameters()
        return self._answer()

    @extend_schema(
        summary="Stop all changes to all platforms",
        description="From this moment nothing leaves, for any brand, until somebody lets it.",
        request=NeededReasonSerializer,
    )
    @action(detail=False, methods=["post"], url_path="outgoing/stop")
    def stop(self, request: Request) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        services.stop_all(reason=reason, actor=self.caller.name, now=clock.now())
        return self._answer()

    @extend_schema(
        summary="Let changes leave again",
        description="What is wanted now is sent within seconds; what was wanted meanwhile and is not any more is not.",
        request=ReasonSerializer,
    )
    @action(detail=False, methods=["post"], url_path="outgoing/resume")
    def resume(self, request: Request) -> Response:
        reason = self.values(ReasonSerializer)["reason"]
        services.go_on(reason=reason, actor=self.caller.name, now=clock.now())
        return self._answer()
