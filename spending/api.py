"""Spend through the API: what was spent, money set aside before it is spent, and report files."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from brands.periods import local_date
from brands.services import zone
from budget_system import clock, money
from budget_system.rest.fields import Amount, Id, Moment, Strict, reason_of_change, text, version
from budget_system.rest.filters import Filters, of_what_is_gone
from budget_system.rest.idempotency import answered_once
from budget_system.rest.problems import respond
from budget_system.rest.views import NO_CAMPAIGN, Changeable, Listed, Owner
from enforcement import reservations, services
from spending.figures import left_text
from spending.models import Reservation, ReservationStatus, Spend, SpendType
from spending.services import Posted, Source, SpendRow

MOST_IN_A_BATCH = 1_000
BY_API = "Through the API, without a reason."


# --- Spends ----------------------------------------------------------------------------------------------------------


class SpendSerializer(Strict):
    """Money spent by a campaign on a local day of its brand."""

    id = serializers.UUIDField(read_only=True)
    campaign = Id(source="campaign_id")
    brand = serializers.UUIDField(source="brand_id", read_only=True)
    amount = Amount(help_text="Above 0; an adjustment may be negative.")
    currency = serializers.CharField(
        source="brand.currency", required=False, help_text="Handed in, it must be the brand's: nothing is converted."
    )
    spend_date = serializers.DateField(required=False, help_text="The brand's local day. Default: its today.")
    spend_type = serializers.ChoiceField(
        SpendType.choices,
        required=False,
        help_text="DAILY counts in its day and month, MONTHLY in its month only; an ADJUSTMENT may be negative.",
    )
    channel = text(
        required=False, help_text="Where on its platforms it was spent, such as search. Empty: the campaign's own."
    )
    description = text(required=False, help_text="An adjustment needs one: the reason.")
    key = serializers.CharField(
        required=False,
        allow_null=True,
        trim_whitespace=False,
        help_text="Your own name for it, once a brand: the same again gets the first answer, other content is refused.",
    )
    source = serializers.CharField(read_only=True)  # type: ignore[assignment] # a field; REST framework takes it away
    spend_import = serializers.UUIDField(
        source="spend_import_id", read_only=True, allow_null=True, help_text="The import that gave the present value."
    )
    voided_at = Moment(read_only=True, allow_null=True)
    version = version()
    reason = reason_of_change()
    created_at = Moment(read_only=True)
    created_by = serializers.CharField(read_only=True)


class BatchSerializer(Strict):
    """Up to 1,000 spends, recorded in one transaction. Each is answered by itself."""

    spends = serializers.ListField(child=serializers.JSONField(), min_length=1, max_length=MOST_IN_A_BATCH)


_BATCH_REQUEST = inline_serializer("SpendBatch", {"spends": SpendSerializer(many=True)})
_BATCH_ANSWER = inline_serializer(
    "SpendBatchAnswer",
    {
        "recorded": serializers.IntegerField(),
        "replayed": serializers.IntegerField(),
        "refused": serializers.IntegerField(),
        "answers": inline_serializer(
            "SpendAnswer",
            {
                "index": serializers.IntegerField(help_text="Its place in the request, from 0."),
                "outcome": serializers.ChoiceField(["recorded", "replayed", "refused"]),
                "id": serializers.UUIDField(allow_null=True),
                "code": serializers.CharField(help_text="Why it was refused, for machines; else empty."),
                "field": serializers.CharField(help_text="The field at fault, where there is one."),
                "message": serializers.CharField(help_text="Why it was refused, in words."),
            },
            many=True,
        ),
    },
)


class SpendFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    campaign = filters.UUIDFilter("campaign_id")
    spend_date = filters.DateFilter()
    date_from = filters.DateFilter("spend_date", lookup_expr="gte")
    date_to = filters.DateFilter("spend_date", lookup_expr="lte")
    spend_type = filters.ChoiceFilter(choices=SpendType.choices)
    channel = filters.CharFilter()
    source = filters.CharFilter()
    key = filters.CharFilter()
    spend_import = filters.UUIDFilter("spend_import_id")
    voided = of_what_is_gone("voided")


@extend_schema_view(
    list=extend_schema(summary="List spends"),
    retrieve=extend_schema(summary="Show a spend"),
    create=extend_schema(
        summary="Record a spend",
        description="Its campaign, and all campaigns of its brand, are paused in the same transaction when a budget is "
        "reached.",
        responses={
            201: SpendSerializer,
            200: OpenApiResponse(SpendSerializer, description="Known already by its key: the first one."),
        },
    ),
    update=extend_schema(
        summary="Amend a spend", description="The former value is kept; totals move by the difference."
    ),
    partial_update=extend_schema(summary="Amend some of a spend"),
    destroy=extend_schema(
        summary="Void a spend",
        description="It counts no more and stays in the ledger. An administrator can restore it.",
    ),
)
class SpendViewSet(Changeable):
    serializer_class = SpendSerializer
    filterset_class = SpendFilters
    search_fields = ("description", "campaign__name", "key")
    ordering_fields = ("spend_date", "amount", "created_at")
    gone = "voided_at"
    gone_parameter = "voided"
    needs: Mapping[str, str] = {
        "list": "spending.view_spend",
        "retrieve": "spending.view_spend",
        "create": "spending.add_spend",
        "batch": "spending.add_spend",
        "update": "spending.change_spend",
        "partial_update": "spending.change_spend",
        "destroy": "spending.delete_spend",
        "restore": "access.restore",
    }

    def things(self) -> QuerySet[Spend]:
        return Spend.objects.select_related("brand")

    @answered_once
    def create(self, request: Request) -> Response:
        values = self.new_values(SpendSerializer)
        owner = self.campaign(values["campaign_id"])
        posted = self._post([values], {owner.id: owner})[0]
        if posted.error is not None:
            raise posted.error
        if posted.entry is None:
            return self.show(posted.spend_id)
        made = Spend(**{**posted.entry._asdict(), "amount": money.from_micros(posted.entry.amount)})
        made.brand = owner.brand
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(summary="Record up to 1,000 spends", request=_BATCH_REQUEST, responses=_BATCH_ANSWER)
    @action(detail=False, methods=["post"], filter_backends=[])
    @answered_once
    def batch(self, request: Request) -> Response:
        given = self.values(BatchSerializer)["spends"]
        answers: list[dict[str, Any] | None] = [None] * len(given)
        shaped: list[tuple[int, dict[str, Any]]] = []
        for index, item in enumerate(given):
            serializer = SpendSerializer(data=item)
            if not serializer.is_valid():
                answers[index] = _misshapen(index, serializer.errors)
            elif out_of_place := {"version", "reason"} & set(serializer.validated_data):
                answers[index] = _refused(index, "invalid", min(out_of_place), "This belongs to a change.")
            else:
                shaped.append((index, dict(serializer.validated_data)))
        seen = self.campaigns(values["campaign_id"] for _, values in shaped)
        posting = []
        for index, values in shaped:
            if values["campaign_id"] in seen:
                posting.append((index, values))
            else:
                answers[index] = _refused(index, str(NO_CAMPAIGN.code), "campaign", NO_CAMPAIGN)
        posted = self._post([values for _, values in posting], seen)
        for (index, _), one in zip(posting, posted, strict=True):
            answers[index] = _answer(index, one)
        done = [answer for answer in answers if answer is not None]
        counts = {
            name: sum(answer["outcome"] == name for answer in done) for name in ("recorded", "replayed", "refused")
        }
        return Response({**counts, "answers": done})

    def _post(self, spends: Sequence[Mapping[str, Any]], owners: Mapping[UUID, Owner]) -> list[Posted]:
        now = clock.now()
        rows = [
            SpendRow(
                values["campaign_id"],
                values["amount"],
                values.get("spend_date") or local_date(zone(owners[values["campaign_id"]].timezone), now),
                values.get("spend_type", SpendType.DAILY),
                values.get("description", ""),
                values.get("key"),
                _currency(values),
                values.get("channel", ""),
            )
            for values in spends
        ]
        return services.post_spend(rows, source=Source.API, actor=self.caller.name, now=now).answers

    def change(self, thing: Spend, values: dict[str, Any], now: datetime) -> None:
        present = {"campaign_id": thing.campaign_id, "key": thing.key, "brand": {"currency": thing.brand.currency}}
        for name, fixed in present.items():
            if values.pop(name, fixed) != fixed:
                field = {"campaign_id": "campaign", "brand": "currency"}.get(name, name)
                raise ValidationError({field: ["This stays as it is. Void the spend and record another one."]})
        services.amend_spend(
            thing.pk,
            values,
            reason=self.reason or BY_API,
            actor=self.caller.name,
            now=now,
            expected_version=self.expected_version,
        )

    def destroy(self, request: Request, id: str) -> Response:
        services.void_spend(self.get_object().pk, reason=BY_API, actor=self.caller.name, now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(summary="Let a voided spend count again", request=None, responses=SpendSerializer)
    @action(detail=True, methods=["post"])
    @answered_once
    def restore(self, request: Request, id: str) -> Response:
        spend = self.get_object()
        services.restore_spend(spend.pk, reason=BY_API, actor=self.caller.name, now=clock.now())
        return self.show(spend)


def _currency(values: Mapping[str, Any]) -> str | None:
    brand: Mapping[str, str] = values.get("brand", {})
    return brand.get("currency")


def _answer(index: int, posted: Posted) -> dict[str, Any]:
    if posted.error is not None:
        return _refused(index, posted.error.code, posted.error.field or "", posted.error.message)
    return {
        "index": index,
        "outcome": posted.outcome.value,
        "id": posted.spend_id,
        "code": "",
        "field": "",
        "message": "",
    }


def _refused(index: int, code: str, field: str, message: str) -> dict[str, Any]:
    return {"index": index, "outcome": "refused", "id": None, "code": code, "field": field, "message": message}


def _misshapen(index: int, errors: Mapping[str, Any]) -> dict[str, Any]:
    field, messages = next(iter(errors.items()))
    first = messages[0]
    return _refused(index, str(getattr(first, "code", "invalid")), str(field), str(first))


# --- Reservations ----------------------------------------------------------------------------------------------------


class ReservationSerializer(Strict):
    """Money set aside before it is spent. While it is PENDING nobody else can have it."""

    id = Id(help_text="Made by you: asking again with it is not asking twice.")
    campaign = Id(source="campaign_id")
    brand = serializers.UUIDField(source="brand_id", read_only=True)
    channel = text(required=False, help_text="Where it is spent, such as Search.")
    amount = Amount()
    currency = serializers.CharField(source="brand.currency", read_only=True)
    ttl = serializers.IntegerField(
        required=False, write_only=True, help_text="For how many seconds it is set aside: 1 to 604800. Default: 600."
    )
    day = serializers.DateField(read_only=True, help_text="The brand's local day that it counts in.")
    status = serializers.ChoiceField(ReservationStatus.choices, read_only=True)
    created_at = Moment(read_only=True)
    created_by = serializers.CharField(read_only=True)
    expires_at = Moment(read_only=True)
    resolved_at = Moment(read_only=True, allow_null=True)
    settled_amount = Amount(read_only=True, allow_null=True, help_text="What was really spent.")
    spend = serializers.UUIDField(source="spend_id", read_only=True, allow_null=True)


class GrantSerializer(ReservationSerializer):
    """A reservation that was granted."""

    granted = serializers.BooleanField(read_only=True)
    code = serializers.CharField(read_only=True)
    text = serializers.CharField(read_only=True)
    remaining = serializers.CharField(
        read_only=True, allow_null=True, help_text="What may still be authorised after it. null: no limit."
    )


class SettleSerializer(Strict):
    """What was really spent: less, the same or more."""

    amount = Amount()


class ReservationFilters(Filters):
    brand = filters.UUIDFilter("brand_id")
    campaign = filters.UUIDFilter("campaign_id")
    status = filters.ChoiceFilter(choices=ReservationStatus.choices)
    channel = filters.CharFilter()
    day = filters.DateFilter()


@extend_schema_view(
    list=extend_schema(summary="List reservations"),
    retrieve=extend_schema(summary="Show a reservation"),
)
class ReservationViewSet(Listed):
    serializer_class = ReservationSerializer
    filterset_class = ReservationFilters
    ordering_fields = ("created_at", "expires_at", "amount")
    needs: Mapping[str, str] = {
        "list": "spending.view_reservation",
        "retrieve": "spending.view_reservation",
        "create": "spending.add_reservation",
        "settle": "spending.change_reservation",
        "void": "spending.change_reservation",
    }

    def things(self) -> QuerySet[Reservation]:
        return Reservation.objects.select_related("brand")

    @extend_schema(
        summary="May this be spent? Set it aside",
        description=(
            "201: granted; the money is yours until you settle or void it, or until it expires. 409 with `granted: "
            "false`: refused; `code` and `detail` say why and `remaining` what could be had. Never is more granted "
            "than any budget allows, whoever asks at the same time. The same id again gets the first grant."
        ),
        responses={201: GrantSerializer, 200: OpenApiResponse(GrantSerializer, description="Granted before.")},
    )
    @answered_once
    def create(self, request: Request) -> Response:
        values = self.values(ReservationSerializer)
        owner = self.campaign(values["campaign_id"])
        answer = reservations.reserve(
            values["id"],
            owner.id,
            values["amount"],
            channel=values.get("channel", ""),
            ttl=_ttl(values.get("ttl")),
            actor=self.caller.name,
            now=clock.now(),
        )
        given = answer.authorisation
        remaining = left_text(given.remaining, answer.currency)
        if answer.reservation is None:
            more = {"granted": False, "remaining": remaining, "currency": answer.currency}
            return respond(request, status.HTTP_409_CONFLICT, given.code, answer.text, more=more)
        verdict = {"granted": True, "code": given.code, "text": answer.text, "remaining": remaining}
        answer.reservation.brand = owner.brand
        shown = ReservationSerializer(answer.reservation).data
        return Response({**shown, **verdict}, status=200 if answer.replayed else 201)

    @extend_schema(
        summary="Say what was really spent",
        description=(
            "The amount becomes a spend of the reservation's day, and the rest is free again. Also after it has "
            "expired: money that was spent is recorded."
        ),
        request=SettleSerializer,
        responses=ReservationSerializer,
    )
    @action(detail=True, methods=["post"])
    @answered_once
    def settle(self, request: Request, id: str) -> Response:
        amount = self.values(SettleSerializer)["amount"]
        reservation = self.get_object()
        reservations.settle(reservation.pk, amount, actor=self.caller.name, now=clock.now())
        return self.show(reservation)

    @extend_schema(summary="Give it back", request=None, responses=ReservationSerializer)
    @action(detail=True, methods=["post"])
    @answered_once
    def void(self, request: Request, id: str) -> Response:
        reservation = self.get_object()
        reservations.void(reservation.pk, actor=self.caller.name, now=clock.now())
        return self.show(reservation)


def _ttl(seconds: int | None) -> timedelta:
    if seconds is None:
        return reservations.DEFAULT_TTL
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.max
