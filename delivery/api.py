"""Webhooks and receivers through the API: who is told what, the log of what was sent, and sending it again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import django_filters as filters
from django.db.models import F, QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.rest.fields import Id, LocalTime, Moment, NeededReasonSerializer, Strict, text, version
from budget_system.rest.filters import Filters, OfTheLastDays
from budget_system.rest.idempotency import answered_once, shown_once
from budget_system.rest.views import LEFT_OUT, Changeable, Listed
from delivery import outlets, receivers, relay, services, webhooks
from delivery.addresses import Resolve, looked_up
from delivery.models import (
    LABELS,
    PEOPLE,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointKind,
    EndpointQuerySet,
    EndpointState,
)
from delivery.payload import CHOSEN, EventType
from delivery.queries import MOST_ATTEMPTS, latest_attempts, open_counts
from delivery.schedule import ATTEMPTS
from delivery.severity import Severity

INPUTS = ("id", "brand", "kind", *services.INPUTS, *receivers.INPUTS)
SEVERITY_NAMES = [(severity.code, severity.label) for severity in Severity]


class SeverityName(serializers.ChoiceField):
    """`notice`, `warning` or `critical`, as messages of webhooks say it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(SEVERITY_NAMES, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return Severity.of(super().to_internal_value(data)).value

    def to_representation(self, value: Any) -> str:
        return Severity(value).code


# --- What webhooks and receivers have in common ----------------------------------------------------------------------


class EndpointSerializer(Strict):
    """Something that is told what happens, and how that goes."""

    id = serializers.UUIDField(read_only=True)
    state = serializers.ChoiceField(
        EndpointState.choices, read_only=True, help_text="`fails`: the last attempt did not arrive."
    )
    off_at = Moment(read_only=True, allow_null=True)
    off_reason = serializers.CharField(read_only=True)
    gave_up = serializers.BooleanField(
        read_only=True, help_text="The system has switched it off, because nothing arrived there any more."
    )
    failures = serializers.IntegerField(read_only=True, help_text="Attempts in a row that did not arrive.")
    failing_since = Moment(read_only=True, allow_null=True)
    leave_until = Moment(read_only=True, allow_null=True, help_text="It is left alone until then.")
    last_sent_at = Moment(read_only=True, allow_null=True, help_text="The last arrival. null: none yet.")
    waiting = serializers.IntegerField(read_only=True, help_text="Messages that are still to be sent.")
    parked = serializers.IntegerField(read_only=True, help_text="Messages that are not sent any more, unless you ask.")
    version = version()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    def get_fields(self) -> dict[str, Any]:
        """What it is comes before how it goes."""
        fields = super().get_fields()
        return {**{name: fields[name] for name in INPUTS if name in fields}, **fields}


class SwitchOnSerializer(Strict):
    """Whether it is told what happened while it was off."""

    catch_up = serializers.BooleanField(
        required=False, default=True, help_text="false: it is told what happens from now on."
    )


class AgainSerializer(Strict):
    """What came of sending again what was parked."""

    sent_again = serializers.IntegerField(help_text="They leave within seconds, under the same ids.")
    left = serializers.IntegerField(help_text="Still parked: ask again for these.")


class AttemptSerializer(Strict):
    """One attempt to send a message, and what was answered."""

    number = serializers.IntegerField()
    at = Moment()
    seconds = serializers.FloatField(help_text="How long it took.")
    status = serializers.IntegerField(allow_null=True, help_text="The HTTP status. null: there was no answer.")
    error = serializers.CharField(help_text="Why there was none.")
    answer = serializers.CharField(help_text="The beginning of it.")


class DeliverySerializer(Strict):
    """A message to a webhook or a receiver, and how far it is."""

    id = serializers.IntegerField()
    message = serializers.CharField(source="message_id", help_text="The `webhook-id`, by which a receiver knows it.")
    endpoint = serializers.UUIDField(source="endpoint_id", help_text="The webhook or receiver.")
    endpoint_name = serializers.CharField(source="endpoint.name")
    endpoint_kind = serializers.ChoiceField(EndpointKind.choices, source="endpoint.kind")
    brand = serializers.UUIDField(source="endpoint.brand_id", allow_null=True, help_text="null: of all brands.")
    type = serializers.ChoiceField([(kind.value, LABELS[kind]) for kind in EventType])
    happened_at = Moment()
    state = serializers.ChoiceField(
        DeliveryState.choices,
        help_text=f"SENT: it arrived. PARKED: not after {ATTEMPTS} attempts; it is not sent any more, unless you ask.",
    )
    attempts = serializers.IntegerField()
    next_at = Moment(allow_null=True, help_text="When it is tried next, unless its endpoint is off or left alone.")
    sent_at = Moment(allow_null=True)
    created_at = Moment()


class WholeDeliverySerializer(DeliverySerializer):
    """A message with what is sent and what was answered."""

    body = serializers.CharField(help_text="What is sent: for a webhook the very text that is signed.")
    log = AttemptSerializer(
        many=True, source="latest", help_text=f"Its attempts, the latest first, {MOST_ATTEMPTS} at most."
    )


class EndpointFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    name = filters.CharFilter()
    state = filters.ChoiceFilter(choices=EndpointState.choices, method="in_state")

    def in_state(self, queryset: EndpointQuerySet, name: str, value: str) -> EndpointQuerySet:
        return queryset.in_state(value)


class EndpointViewSet(Changeable):
    """Lists, changes, tries and switches those of some kinds."""

    kinds: Sequence[str]
    word: str
    ordering_fields: tuple[str, ...] = ("name", "last_sent_at", "created_at", "updated_at")

    def things(self) -> QuerySet[Endpoint]:
        found = Endpoint.objects.filter(kind__in=self.kinds)
        return found.order_by(F("brand__name").asc(nulls_first=True), "name", "pk")

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        counts = open_counts(things)
        for thing in things:
            its = counts.get(thing.pk, {})
            thing.waiting, thing.parked = its.get(DeliveryState.PENDING, 0), its.get(DeliveryState.PARKED, 0)

    def stays(self, thing: Endpoint, values: dict[str, Any]) -> None:
        """Take out what a change may name and may not change."""
        if values.pop("brand_id", thing.brand_id) != thing.brand_id:
            raise ValidationError({"brand": [f"A {self.word} stays with its brand. Add another one there."]})
        if values.pop("kind", thing.kind) != thing.kind:
            raise ValidationError({"kind": [f"A {self.word} stays what it is. Add another one."]})

    def found(self, address: str) -> Resolve:
        """The address's name looked up before there is a transaction."""
        return looked_up(address.strip(), webhooks.policy())

    @extend_schema(
        summary="Switch off: nothing is sent there",
        description="What happens meanwhile can be told when it is switched on.",
        request=NeededReasonSerializer,
    )
    @action(detail=True, methods=["post"], url_path="switch-off")
    def switch_off(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        endpoint = self.get_object()
        services.switch_off(endpoint.pk, reason=reason, actor=self.caller.name, now=clock.now())
        return self.show(endpoint)

    @extend_schema(
        summary="Switch on",
        description="Unless `catch_up` is false it is told what happened meanwhile: `waiting` says how much waits.",
        request=SwitchOnSerializer,
    )
    @action(detail=True, methods=["post"], url_path="switch-on")
    def switch_on(self, request: Request, id: str) -> Response:
        catch_up = self.values(SwitchOnSerializer)["catch_up"]
        endpoint = self.get_object()
        services.switch_on(endpoint.pk, catch_up=catch_up, actor=self.caller.name, now=clock.now())
        return self.show(endpoint)

    @extend_schema(
        summary="Send a test message now, and wait for the answer",
        description=(
            "`state` SENT: it arrived. Otherwise the first of `log` says what was answered, and it is tried again "
            "later. 422 if it is switched off."
        ),
        request=None,
        responses=WholeDeliverySerializer,
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, id: str) -> Response:
        """The message is made once; it is sent outside of any transaction."""
        self.get_object()  # an answer that was kept is for who still sees the webhook
        made = self._test_message(request, id)
        replayed = made.get("Idempotent-Replayed")
        if replayed != "true":
            relay.send_now(made.data["id"], clock=clock.now, send=outlets.send)
        response = Response(_whole(made.data["id"]))
        if replayed is not None:
            response["Idempotent-Replayed"] = replayed
        return response

    test.takes_idempotency_key = True  # type: ignore[attr-defined] # its first step does; the schema asks here

    @answered_once
    def _test_message(self, request: Request, id: str) -> Response:
        message = services.ping(self.get_object().pk, actor=self.caller.name, now=clock.now())
        return Response({"id": message.pk})

    @extend_schema(
        summary="Send again all that is parked",
        description=(
            f"The oldest first, {services.MOST_AGAIN:,} at a time, with all their attempts, as the same bytes under "
            "the same ids. 422 if it is switched off."
        ),
        request=None,
        responses=AgainSerializer,
    )
    @action(detail=True, methods=["post"], url_path="resend-parked")
    @answered_once
    def resend_parked(self, request: Request, id: str) -> Response:
        sent, left = services.resend_parked(self.get_object().pk, actor=self.caller.name, now=clock.now())
        return Response({"sent_again": sent, "left": left})


def _whole(delivery_id: int) -> Any:
    delivery = cast(Any, Delivery.objects.select_related("endpoint").get(pk=delivery_id))
    delivery.latest = latest_attempts(delivery)
    return WholeDeliverySerializer(delivery).data


# --- Webhooks --------------------------------------------------------------------------------------------------------


class WebhookSerializer(EndpointSerializer):
    """A program of yours that is told what happens to a brand, in signed messages."""

    brand = Id(source="brand_id", help_text="It is told of this brand only, from now on.")
    name = text(help_text="What listens there, such as “Bidder”.")
    url = text(help_text="Where messages are sent: https://, to a public address.")
    events = serializers.ListField(
        child=serializers.ChoiceField(
            [(kind.value, LABELS[kind]) for kind in CHOSEN],
            error_messages={"invalid_choice": f"There is no event “{{input}}”; there are {', '.join(CHOSEN)}."},
        ),
        help_text="What it is told.",
    )
    former_secret_until = Moment(
        source="former_until", read_only=True, allow_null=True, help_text="Until then the former secret signs too."
    )


class NewSecretSerializer(Strict):
    """What becomes of the present secret."""

    at_once = serializers.BooleanField(
        required=False,
        default=False,
        help_text="true: it ends at once, as it has become known to others. Otherwise both sign for 24 hours.",
    )


class WebhookWithSecretSerializer(WebhookSerializer):
    """A webhook and its new secret, which is shown in this answer only."""

    secret = serializers.CharField(
        source="new_secret",
        read_only=True,
        allow_null=True,
        help_text="Keep it now. null: this answer repeats one that had it (Idempotency-Key); make a new secret then.",
    )


SHOWN_ONCE = "The secret is in this answer and never again, also not for the same request with an Idempotency-Key."
AN_EXAMPLE = OpenApiExample(
    "A bidder that stops and starts",
    value={
        "brand": "0193b9c4-7a10-7c3e-8f00-2f6f0c1f9a11",
        "name": "Bidder",
        "url": "https://bidder.example.com/hooks",
        "events": ["campaign.state_changed"],
    },
    request_only=True,
)


@extend_schema_view(
    list=extend_schema(summary="List webhooks"),
    retrieve=extend_schema(summary="Show a webhook, and how it goes"),
    create=extend_schema(
        summary="Add a webhook",
        description=f"{SHOWN_ONCE} Try it with `test`.",
        examples=[AN_EXAMPLE],
        responses={201: WebhookWithSecretSerializer},
    ),
    update=extend_schema(
        summary="Change a webhook",
        description=f"{LEFT_OUT} What waits goes to the new address.",
    ),
    partial_update=extend_schema(summary="Change some of a webhook", description="What waits goes to the new address."),
)
class WebhookViewSet(EndpointViewSet):
    serializer_class = WebhookSerializer
    filterset_class = EndpointFilters
    search_fields = ("name", "url", "brand__name")
    kinds = (EndpointKind.WEBHOOK,)
    word = "webhook"
    needs: Mapping[str, str] = {
        "list": "delivery.view_endpoint",
        "retrieve": "delivery.view_endpoint",
        "create": "delivery.add_endpoint",
        "update": "delivery.change_endpoint",
        "partial_update": "delivery.change_endpoint",
        "new_secret": "delivery.change_endpoint",
        "switch_off": "delivery.change_endpoint",
        "switch_on": "delivery.change_endpoint",
        "test": "delivery.change_endpoint",
        "resend_parked": "delivery.change_delivery",
    }

    def create(self, request: Request) -> Response:
        return self._create(request, self.found(_said(request, "url")))

    create.takes_idempotency_key = True  # type: ignore[attr-defined] # what follows does; the schema asks here

    @answered_once
    def _create(self, request: Request, find: Resolve) -> Response:
        values = self.new_values(WebhookSerializer)
        brand_id = values.pop("brand_id")
        self.check_brand(brand_id)
        endpoint, secret = services.add_endpoint(
            brand_id, values, policy=webhooks.policy(), actor=self.caller.name, now=clock.now(), find=find
        )
        return self._with_secret(endpoint, secret, status.HTTP_201_CREATED)

    def change(self, thing: Endpoint, values: dict[str, Any], now: datetime) -> None:
        self.stays(thing, values)
        services.change_endpoint(
            thing.pk, values, policy=webhooks.policy(), actor=self.caller.name, now=now,
            expected_version=self.expected_version,
        )  # fmt: skip

    @extend_schema(
        summary="Make a new secret",
        description=f"{SHOWN_ONCE} The former one signs too for 24 hours, unless it is to end at once.",
        request=NewSecretSerializer,
        responses=WebhookWithSecretSerializer,
    )
    @action(detail=True, methods=["post"], url_path="new-secret")
    @answered_once
    def new_secret(self, request: Request, id: str) -> Response:
        at_once = self.values(NewSecretSerializer)["at_once"]
        endpoint, secret = services.new_endpoint_secret(
            self.get_object().pk, at_once=at_once, actor=self.caller.name, now=clock.now()
        )
        return self._with_secret(endpoint, secret, status.HTTP_200_OK)

    def _with_secret(self, endpoint: Endpoint, secret: str, status_code: int) -> Response:
        fresh = cast(Any, self.things().get(pk=endpoint.pk))
        self.dress([fresh], clock.now())
        fresh.new_secret = secret
        return shown_once(Response(WebhookWithSecretSerializer(fresh).data, status=status_code), "secret")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if self.action in {"create", "new_secret"}:
            response["Cache-Control"] = "no-store"
        return response


def _said(request: Request, name: str) -> str:
    """A text of the body that is not checked yet."""
    _ = request._request.body  # kept in memory from here on: what makes it safe to send twice reads it again
    value = request.data.get(name) if isinstance(request.data, Mapping) else None
    return value if isinstance(value, str) else ""


# --- Receivers: e-mail and Slack -------------------------------------------------------------------------------------


class ReceiverSerializer(EndpointSerializer):
    """People who are told of alerts by e-mail or in Slack: from which severity on, and when not."""

    brand = Id(
        source="brand_id",
        required=False,
        allow_null=True,
        help_text="It is told of this brand. null: of all brands and the system itself, for who sees all brands.",
    )
    kind = serializers.ChoiceField([(kind.value, kind.label) for kind in PEOPLE])
    name = text(help_text="Who reads it, such as “Media buyers”.")
    address = text(
        source="url",
        help_text="E-mail: addresses separated by commas. Slack: the address of an incoming webhook; it is a secret, "
        "and what is shown of it is its host.",
    )
    minimum_severity = SeverityName(required=False, help_text="What is less grave is not told here. Default: warning.")
    quiet_from = LocalTime(required=False, allow_null=True, help_text="Of a receiver of all brands in UTC.")
    quiet_until = LocalTime(
        required=False, allow_null=True, help_text="What still stands is told then. May lie on the next day."
    )
    quiet_for_critical = serializers.BooleanField(
        required=False, help_text="true: what is critical waits too in quiet hours."
    )
    digest_hour = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=23, help_text="Of the daily digest. null: none."
    )


class ReceiverFilters(EndpointFilters):
    kind = filters.ChoiceFilter(choices=[(kind.value, kind.label) for kind in PEOPLE])


@extend_schema_view(
    list=extend_schema(summary="List receivers"),
    retrieve=extend_schema(summary="Show a receiver, and how it goes"),
    create=extend_schema(
        summary="Add a receiver",
        description="It is told of alerts that are raised from now on. Try it with `test`.",
        examples=[
            OpenApiExample(
                "Slack, quiet at night",
                value={
                    "brand": "0193b9c4-7a10-7c3e-8f00-2f6f0c1f9a11",
                    "kind": "SLACK",
                    "name": "#acme-budgets",
                    "address": "https://hooks.slack.com/services/T…/B…/…",
                    "quiet_from": "22:00",
                    "quiet_until": "07:00",
                },
                request_only=True,
            )
        ],
    ),
    update=extend_schema(summary="Change a receiver", description=LEFT_OUT),
    partial_update=extend_schema(summary="Change some of a receiver"),
)
class ReceiverViewSet(EndpointViewSet):
    serializer_class = ReceiverSerializer
    filterset_class = ReceiverFilters
    search_fields = ("name", "brand__name")
    kinds = PEOPLE
    word = "receiver"
    needs: Mapping[str, str] = {
        "list": "delivery.view_receiver",
        "retrieve": "delivery.view_receiver",
        "create": "delivery.add_receiver",
        "update": "delivery.change_receiver",
        "partial_update": "delivery.change_receiver",
        "switch_off": "delivery.change_receiver",
        "switch_on": "delivery.change_receiver",
        "test": "delivery.change_receiver",
        "resend_parked": "delivery.change_delivery",
    }

    def create(self, request: Request) -> Response:
        return self._create(request, self.found(_said(request, "address")))

    create.takes_idempotency_key = True  # type: ignore[attr-defined] # what follows does; the schema asks here

    @answered_once
    def _create(self, request: Request, find: Resolve) -> Response:
        values = self.new_values(ReceiverSerializer)
        brand_id, kind = values.pop("brand_id", None), values.pop("kind")
        self.check_brand(brand_id)
        endpoint = receivers.add_receiver(
            brand_id, kind, _inputs(values), policy=webhooks.policy(), actor=self.caller.name, now=clock.now(),
            find=find,
        )  # fmt: skip
        return self.show(endpoint, status.HTTP_201_CREATED)

    def change(self, thing: Endpoint, values: dict[str, Any], now: datetime) -> None:
        self.stays(thing, values)
        if thing.kind == EndpointKind.SLACK and values.get("url") == thing.url:
            del values["url"]  # what was shown of it is sent back
        if values.get("url") == "":
            raise ValidationError({"address": ["This is needed. Leave it out to keep the present one."]})
        receivers.change_receiver(
            thing.pk, _inputs(values), policy=webhooks.policy(), actor=self.caller.name, now=now,
            expected_version=self.expected_version,
        )  # fmt: skip


def _inputs(values: dict[str, Any]) -> dict[str, Any]:
    return {"address" if name == "url" else name: value for name, value in values.items()}


# --- Messages --------------------------------------------------------------------------------------------------------


class DeliveryFilters(Filters):
    brand = filters.UUIDFilter("endpoint__brand_id")
    endpoint = filters.UUIDFilter("endpoint_id", help_text="The webhook or receiver.")
    kind = filters.ChoiceFilter("endpoint__kind", choices=EndpointKind.choices)
    type = filters.ChoiceFilter(choices=[(kind.value, LABELS[kind]) for kind in EventType])
    state = filters.ChoiceFilter(choices=DeliveryState.choices)
    days = OfTheLastDays("happened_at", help_text="What happened in the last so many times 24 hours.")


@extend_schema_view(
    list=extend_schema(
        summary="List messages to webhooks and receivers",
        description="The latest first. They are kept for 30 days. The whole message and its attempts are shown one by "
        "one.",
    ),
    retrieve=extend_schema(
        summary="Show a message: what is sent, and each attempt with its answer", responses=WholeDeliverySerializer
    ),
)
class DeliveryViewSet(Listed):
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilters
    ordering_fields = ("happened_at", "created_at")
    brand_path = "endpoint__brand"
    lookup_value_regex = "[0-9]{1,18}"
    needs: Mapping[str, str] = {
        "list": "delivery.view_delivery",
        "retrieve": "delivery.view_delivery",
        "resend": "delivery.change_delivery",
    }

    def things(self) -> QuerySet[Delivery]:
        found = Delivery.objects.select_related("endpoint").order_by("-id")
        return found.defer("body") if self.action == "list" else found

    def retrieve(self, request: Request, id: str) -> Response:
        self.allow_parameters()
        return Response(_whole(self.get_object().pk))

    @extend_schema(
        summary="Send a message again",
        description="With all its attempts, as the same bytes under the same id, within seconds. One that waits anyway "
        "stays as it is. 422 if its endpoint is switched off.",
        request=None,
        responses=WholeDeliverySerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def resend(self, request: Request, id: str) -> Response:
        delivery = self.get_object()
        services.resend([delivery.pk], actor=self.caller.name, now=clock.now())
        return Response(_whole(delivery.pk))
