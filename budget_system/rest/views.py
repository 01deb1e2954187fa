"""The base of every resource: its list starts at what the caller may see, and what is written is one use case."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.exceptions import ErrorDetail, NotFound, PermissionDenied, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import APIRootView
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from access.callers import Caller, caller_of
from access.permissions import LOGGED_IN
from access.roles import ROLES, Role
from brands.models import Brand
from budget_system import clock
from budget_system.rest.fields import Strict
from budget_system.rest.filters import refuse_unknown
from campaigns.models import Campaign

UUID_PATTERN = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
TRUE = {"true", "1"}


LEFT_OUT = "PATCH leaves as it is what you leave out."
NO_CAMPAIGN = ErrorDetail("There is no such campaign.", "not_found")


class Owner(NamedTuple):
    """A campaign, and of its brand what an input and its answer need."""

    id: UUID
    brand_id: UUID
    timezone: str
    currency: str

    @property
    def brand(self) -> Brand:
        """As much of the brand as an answer shows. Not to be saved."""
        return Brand(pk=self.brand_id, currency=self.currency)


class Resource(GenericViewSet[Any]):
    """Lists and shows the things of one model. `needs` says which permission each action asks for."""

    lookup_value_regex = UUID_PATTERN
    lookup_url_kwarg = "id"
    needs: Mapping[str, str] = {}
    brand_path = "brand"
    """The path from the model to its brand; empty for brands themselves."""
    gone = ""
    """The field that says since when a thing is out of sight; empty where nothing goes."""
    gone_parameter = ""
    """The query parameter by which an administrator sees what is gone."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """No write has parameters: one that is there, such as ?dry_run=true, would be thought to have been heeded."""
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS and self.action is not None:
            self.allow_parameters()

    @property
    def caller(self) -> Caller:
        return caller_of(self.request)

    def things(self) -> QuerySet[Any]:
        """All of them, with what their answers need fetched."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        things = self.things()
        if getattr(self, "swagger_fake_view", False):
            return things.none()
        seen = self.caller.only_theirs(things, self.brand_path)
        if not self.gone:
            return seen
        return seen.exclude(**{self.gone: None}) if self._wants_what_is_gone() else seen.filter(**{self.gone: None})

    def _wants_what_is_gone(self) -> bool:
        if self.action == "restore":
            return True
        if self.request.query_params.get(self.gone_parameter, "").lower() not in TRUE:
            return False
        if not self.caller.may("access.restore"):
            raise PermissionDenied("Only an administrator sees what was removed.")
        return True

    def dress(self, things: Sequence[Any], now: datetime) -> None:
        """Fetch the figures that the answers about these things show, in as many queries for one as for a page."""

    def show(self, thing: Any, status_code: int = status.HTTP_200_OK) -> Response:
        """The thing, read anew, as an answer."""
        fresh = self.things().get(pk=thing if isinstance(thing, UUID) else thing.pk)
        self.dress([fresh], clock.now())
        return Response(self.get_serializer(fresh).data, status=status_code)

    def values(self, serializer_class: type[Strict], *, partial: bool = False) -> dict[str, Any]:
        """The body, its shape checked. What it means is checked by the use case."""
        serializer: Serializer[Any] = serializer_class(
            data=self.request.data, partial=partial, context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def new_values(self, serializer_class: type[Strict]) -> dict[str, Any]:
        """The body of a creation: what belongs to changes is refused."""
        values = self.values(serializer_class)
        if out_of_place := [name for name in ("version", "reason") if name in values]:
            raise ValidationError({name: ["This belongs to a change, not to a creation."] for name in out_of_place})
        return values

    def require(self, permission: str, what: str) -> None:
        """For what only some values of an input ask for."""
        if not self.caller.may(permission):
            raise PermissionDenied(f"You are not allowed to {what}. It needs the permission {permission}.")

    def allow_parameters(self, *names: str) -> None:
        refuse_unknown(self.request, set(names))

    def check_brand(self, brand_id: UUID | None) -> None:
        """That the caller may name this brand in a body or, with None, all brands."""
        if brand_id is None and not self.caller.sees_all_brands():
            raise ValidationError({"brand": ["Choose the brand. All of them are for who sees all brands."]})
        if brand_id is not None and not self.caller.sees(brand_id):
            raise ValidationError({"brand": ["There is no such brand."]}, code="not_found")

    def campaigns(self, campaign_ids: Iterable[UUID]) -> dict[UUID, Owner]:
        """Those of these campaigns that the caller sees: for ids in bodies."""
        seen = self.caller.only_theirs(Campaign.objects.filter(pk__in=set(campaign_ids)))
        rows = seen.order_by().values_list("pk", "brand_id", "brand__timezone", "brand__currency")
        return {campaign: Owner(campaign, brand, str(zone), currency) for campaign, brand, zone, currency in rows}

    def campaign(self, campaign_id: UUID) -> Owner:
        """The campaign of this id in a body, if the caller sees it."""
        seen = self.campaigns([campaign_id])
        if campaign_id not in seen:
            raise ValidationError({"campaign": [NO_CAMPAIGN]}, code="not_found")
        return seen[campaign_id]


class Listed(Resource):
    """GET: a page of things, or one."""

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        self.dress(page or [], clock.now())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, id: str) -> Response:
        self.allow_parameters(*filter(None, [self.gone_parameter]))
        thing = self.get_object()
        self.dress([thing], clock.now())
        return Response(self.get_serializer(thing).data)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filters are for lists; one thing is found by its id."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset


class Changeable(Listed):
    """PUT and PATCH as one use case: what may be left out, and is, stays as it is."""

    expected_version: int | None = None
    reason = ""

    def change(self, thing: Any, values: dict[str, Any], now: datetime) -> None:
        """Call the use case that changes. The body's version and reason are in `expected_version` and `reason`."""
        raise NotImplementedError

    def update(self, request: Request, id: str) -> Response:
        return self._update(partial=False)

    def partial_update(self, request: Request, id: str) -> Response:
        return self._update(partial=True)

    def _update(self, *, partial: bool) -> Response:
        thing = self.get_object()
        values = self.values(cast(type[Strict], self.get_serializer_class()), partial=partial)
        self.expected_version, self.reason = values.pop("version", None), values.pop("reason", "")
        self.change(thing, values, clock.now())
        return self.show(thing)


class Root(APIRootView):
    """What there is. How to use it: /api/docs/."""

    name = "Budget system API"
    needs = {"GET": LOGGED_IN}
    schema = None


ME = inline_serializer(
    "Me",
    {
        "name": serializers.CharField(help_text="As the records name you."),
        "permissions": serializers.ListField(child=serializers.CharField()),
        "all_brands": serializers.BooleanField(),
        "brands": inline_serializer(
            "MyBrand", {"id": serializers.UUIDField(), "name": serializers.CharField()}, many=True
        ),
    },
)
MOST_BRANDS = 100


class Me(APIView):
    """Who the system takes you for."""

    needs = {"GET": LOGGED_IN}

    @extend_schema(
        summary="Who you are, what you may do and which brands you see",
        description=f"Of the brands the first {MOST_BRANDS}, by name.",
        responses=ME,
    )
    def get(self, request: Request) -> Response:
        caller = caller_of(request)
        brands = caller.brands().filter(archived_at=None)[:MOST_BRANDS]
        return Response(
            {
                "name": caller.name,
                "permissions": sorted(name for name in ROLES[Role.ADMINISTRATOR] if caller.may(name)),
                "all_brands": caller.sees_all_brands(),
                "brands": [{"id": brand.pk, "name": brand.name} for brand in brands],
            }
        )


class NoSuchPath(APIView):
    """Whatever else is asked for under /api/."""

    needs = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), LOGGED_IN)
    schema = None

    def get(self, request: Request, **_: Any) -> Response:
        raise NotFound("There is no such path. See /api/docs/ for those there are.")

    post = put = patch = delete = get
