"""Imports of report files through the API. Each is a record that can be read, and undone as a whole."""

from collections.abc import Mapping
from typing import Any

import django_filters as filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from budget_system import clock
from budget_system.rest.fields import Moment, NeededReasonSerializer, Strict, text
from budget_system.rest.filters import Filters
from budget_system.rest.idempotency import answered_once
from budget_system.rest.problems import TooLarge
from budget_system.rest.views import Listed
from campaigns.models import Platform
from enforcement import imports
from spending import import_access
from spending.import_options import ImportOptions
from spending.models import ImportState, SpendImport
from spending.reports import plain_csv
from spending.reports.days import DAY_FORMATS
from spending.reports.header import DELIMITERS
from spending.reports.numbers import AMOUNT_FORMATS
from spending.reports.shapes import Format
from tasks.import_tasks import ask_worker

FORM_BYTES = 64 * 1024
"""What a form has beside its file, at most."""

_WRITTEN = ("day_format", "amount_format", "delimiter", "encoding")
_LINE: dict[str, serializers.Field[Any, Any, Any, Any]] = {
    "line": serializers.IntegerField(),
    "reason": serializers.CharField(),
}


class ImportSerializer(Strict):
    """One import of a file: accepted + unchanged + corrected + duplicate + rejected = rows."""

    id = serializers.UUIDField()
    file_name = serializers.CharField()
    digest = serializers.CharField(help_text="SHA-256 of the file.")
    size = serializers.IntegerField(help_text="In bytes.")
    format = serializers.CharField(help_text="What kind of report it turned out to be.")
    source = serializers.CharField(help_text="As its spends carry it.")  # type: ignore[assignment] # REST framework takes the field away
    dry_run = serializers.BooleanField()
    state = serializers.ChoiceField(ImportState.choices)
    error = serializers.CharField(help_text="Why it failed.")
    brands = serializers.ListField(child=serializers.UUIDField(), help_text="Whose spend it holds.")
    done = serializers.IntegerField(help_text="Spends handled so far, of `total`.")
    total = serializers.IntegerField()
    rows = serializers.IntegerField()
    accepted = serializers.IntegerField()
    unchanged = serializers.IntegerField(help_text="There already.")
    corrected = serializers.IntegerField(help_text="There with another value, which was kept.")
    duplicate = serializers.IntegerField()
    rejected = serializers.IntegerField()
    first_day = serializers.DateField(allow_null=True)
    last_day = serializers.DateField(allow_null=True)
    totals = serializers.DictField(child=serializers.CharField(), help_text="By currency, of the lines that count.")
    totals_agree = serializers.BooleanField(
        allow_null=True, help_text="Whether the file's own total is the sum of its lines. null: it has none."
    )
    incomplete = serializers.BooleanField(help_text="The file says that its figures may still change.")
    metrics = serializers.IntegerField(help_text="Days of campaigns with impressions, clicks, conversions or revenue.")
    created_brands = serializers.ListField(child=serializers.CharField())
    created_campaigns = serializers.ListField(child=serializers.CharField())
    changes = inline_serializer(
        "ImportChange",
        {
            "campaign": serializers.UUIDField(),
            "brand": serializers.UUIDField(),
            "from": serializers.ListField(child=serializers.CharField()),
            "to": serializers.ListField(child=serializers.CharField()),
        },
        many=True,
        help_text="Campaigns whose holds it changed, before and after.",
    )
    rejects = inline_serializer(
        "ImportReject",
        {**_LINE, "row": serializers.ListField(child=serializers.CharField())},
        many=True,
        help_text="The first of them; all are in `rejects`. Shown to who sent the file and to who sees all brands.",
    )
    duplicates = inline_serializer("ImportDuplicate", _LINE, many=True, help_text="The first of them.")
    flagged = inline_serializer(
        "ImportFlag", _LINE, many=True, help_text="Lines whose campaign and day has spend from elsewhere too."
    )
    seen_before = inline_serializer(
        "SeenBefore",
        {"id": serializers.UUIDField(), "at": serializers.DateTimeField(), "by": serializers.CharField()},
        many=True,
        help_text="Earlier imports of the same file.",
    )
    undo = serializers.DictField(child=serializers.JSONField(), help_text="What became of it when it was undone.")
    created_at = Moment()
    created_by = serializers.CharField()
    started_at = Moment(allow_null=True)
    finished_at = Moment(allow_null=True)
    undone_at = Moment(allow_null=True)
    undone_by = serializers.CharField()
    undo_reason = serializers.CharField()

    def to_representation(self, instance: SpendImport) -> dict[str, Any]:
        """The record's columns, and what its report has beside them."""
        lines = {"rejects", "duplicates", "flagged"}
        hidden = set() if self.context["sees_lines"](instance) else lines
        shown: dict[str, Any] = {}
        for name, field in self.fields.items():
            if name in _OF_REPORT:
                shown[name] = _OF_REPORT[name] if name in hidden else instance.report.get(name, _OF_REPORT[name])
            elif name == "brands":
                shown[name] = [str(brand.pk) for brand in instance.brands.all()]
            else:
                value = field.get_attribute(instance)
                shown[name] = None if value is None else field.to_representation(value)
        return shown


_OF_REPORT: Mapping[str, Any] = {
    "totals": {}, "totals_agree": None, "incomplete": False, "metrics": 0, "created_brands": [],
    "created_campaigns": [], "changes": [], "rejects": [], "duplicates": [], "flagged": [], "seen_before": [],
    "undo": {},
}  # fmt: skip


class NewImportSerializer(Strict):
    """A file, and what has to be said about it. Mostly nothing."""

    file = serializers.FileField(allow_empty_file=True, help_text="Also packed as zip or gzip. At most 50 MB.")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Show what would come of it.")
    format = serializers.ChoiceField(
        [kind.value for kind in Format], required=False, help_text="Default: told from the file."
    )
    brand = serializers.UUIDField(required=False, help_text="All rows are this brand's. Else the account column says.")
    source = text(  # type: ignore[assignment] # REST framework takes the field away
        required=False, help_text="Where the figures come from. Default: the kind of report."
    )
    platform = serializers.ChoiceField(Platform.choices, required=False, help_text="Only campaigns of it.")
    currency = text(required=False, help_text="For rows without one. Default: the brand's.")
    create_campaigns = serializers.BooleanField(required=False, default=False)
    create_brands = serializers.BooleanField(
        required=False, default=False, help_text="For who works for all brands only."
    )
    timezone = text(required=False, help_text="Of brands that are created. Default: UTC.")
    even_if_typed = serializers.BooleanField(
        required=False, default=False, help_text="Also take days that have spend from elsewhere already."
    )
    day_format = serializers.ChoiceField(list(DAY_FORMATS), required=False)
    amount_format = serializers.ChoiceField(list(AMOUNT_FORMATS), required=False)
    delimiter = serializers.ChoiceField(list(DELIMITERS), required=False)
    encoding = text(required=False)


class ImportFilters(Filters):
    brand = filters.UUIDFilter("brands__id")
    state = filters.ChoiceFilter(choices=ImportState.choices)
    format = filters.CharFilter()
    source = filters.CharFilter()
    digest = filters.CharFilter()
    dry_run = filters.BooleanFilter()


@extend_schema_view(
    list=extend_schema(summary="List imports"),
    retrieve=extend_schema(summary="Show an import, and how far it is"),
)
class ImportViewSet(Listed):
    serializer_class = ImportSerializer
    filterset_class = ImportFilters
    search_fields = ("file_name",)
    ordering_fields = ("created_at", "file_name", "rows")
    needs: Mapping[str, str] = {
        "list": "spending.view_spendimport",
        "retrieve": "spending.view_spendimport",
        "rejects": "spending.view_spendimport",
        "create": "spending.add_spendimport",
        "undo": "spending.change_spendimport",
    }

    def things(self) -> QuerySet[SpendImport]:
        return SpendImport.objects.prefetch_related("brands").defer("rejects")

    def get_queryset(self) -> QuerySet[SpendImport]:
        things = self.things()
        if getattr(self, "swagger_fake_view", False):
            return things.none()
        return import_access.visible(things, self.caller)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "sees_lines": self._sees_lines}

    def _sees_lines(self, record: SpendImport) -> bool:
        return import_access.sees_lines(record, self.caller)

    def get_parsers(self) -> list[Any]:
        # Before there is a request, the schema asks: then the action is known.
        method = getattr(getattr(self, "request", None), "method", None)
        upload = getattr(self, "action", None) == "create" or (method == "POST" and "id" not in self.kwargs)
        return [MultiPartParser()] if upload else super().get_parsers()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if int(request.META.get("CONTENT_LENGTH") or 0) > imports.MAX_BYTES + FORM_BYTES:
            raise TooLarge(imports.MAX_BYTES)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        summary="Import a report file",
        description=(
            "A platform's export or a plain CSV: which is told from the file. The same file again changes nothing; a "
            "newer one corrects. A small file is imported at once (201); a larger one by a worker (202): ask for the "
            "import until its state is DONE."
        ),
        request={"multipart/form-data": NewImportSerializer},
        responses={
            201: ImportSerializer,
            202: OpenApiResponse(ImportSerializer, description="A worker has been asked."),
        },
    )
    def create(self, request: Request) -> Response:
        recorded = self._record(request)
        record = self._run(SpendImport.objects.get(pk=recorded.data["id"]))
        waits = record.state in {ImportState.QUEUED, ImportState.RUNNING}
        response = self.show(record, status.HTTP_202_ACCEPTED if waits else status.HTTP_201_CREATED)
        if "Idempotent-Replayed" in recorded:
            response["Idempotent-Replayed"] = recorded["Idempotent-Replayed"]
        return response

    create.takes_idempotency_key = True  # type: ignore[attr-defined] # the step that follows does; the schema asks here

    @answered_once
    def _record(self, request: Request) -> Response:
        """Keep the file and what was said about it. What follows is many transactions, and may be done again."""
        values = self.values(NewImportSerializer)
        file, dry_run = values.pop("file"), values.pop("dry_run")
        record = imports.start_import(
            file,
            file.name,
            self._options(values),
            actor=self.caller.name,
            now=clock.now(),
            dry_run=dry_run,
            inline_bytes=-1,
        )
        return Response({"id": str(record.pk)}, status=status.HTTP_201_CREATED)

    def _options(self, values: dict[str, Any]) -> ImportOptions:
        sees_all = self.caller.sees_all_brands()
        if values["create_campaigns"]:
            self.require("campaigns.add_campaign", "create campaigns")
        if values["create_brands"]:
            self.require("brands.add_brand", "create brands")
            if not sees_all:
                self.permission_denied(self.request, "Only who works for all brands can create brands by an import.")
        written: dict[str, Any] = {name: values.pop(name, None) or None for name in _WRITTEN}
        kind = values.pop("format", None)
        return ImportOptions(
            reading=plain_csv.Options(**written),
            format=Format(kind) if kind else None,
            brand_id=values.pop("brand", None),
            brand_ids=None if sees_all else frozenset(self.caller.brands().values_list("pk", flat=True)),
            currency=values.pop("currency", "").upper() or None,
            **{name: said for name, said in values.items() if said != ""},
        )

    def _run(self, record: SpendImport) -> SpendImport:
        """At once if it is small; else a worker is asked. Should that be lost, the next minute's tick asks again."""
        if record.state != ImportState.QUEUED:
            return record
        if record.size <= imports.INLINE_BYTES:
            return imports.run_import(record.pk, clock=clock.now)
        ask_worker(record)
        return record

    @extend_schema(
        summary="All rejected lines as CSV, to be mended and sent again",
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=True, filter_backends=[])
    def rejects(self, request: Request, id: str) -> HttpResponse:
        self.allow_parameters()
        record = self.get_object()
        if not self._sees_lines(record) or not record.rejects:
            raise NotFound("This import has no rejected lines to download.")
        name = f"rejects-{record.pk}.csv"
        return HttpResponse(
            record.rejects.encode("utf-8-sig"),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @extend_schema(
        summary="Undo an import as a whole",
        description=(
            "Spends that it recorded are voided; those that it corrected are what they were before. What was changed "
            "by hand or by a later import since stays as it is. `undo` tells how many of each. A large one is undone "
            "by a worker (202): ask for the import until its state is UNDONE."
        ),
        request=NeededReasonSerializer,
        responses={
            200: ImportSerializer,
            202: OpenApiResponse(ImportSerializer, description="A worker has been asked."),
        },
    )
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, id: str) -> Response:
        reason = self.values(NeededReasonSerializer)["reason"]
        record = self.get_object()
        record = imports.start_undo(
            record.pk, reason=reason, actor=self.caller.name, now=clock.now(), clock=clock.now
        )  # fmt: skip
        ask_worker(record)
        waits = record.state == ImportState.UNDOING
        return self.show(record, status.HTTP_202_ACCEPTED if waits else status.HTTP_200_OK)
