"""Imports in the admin: what was sent, by whom, what became of each line, and a way back; and metrics they brought."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, ExpressionWrapper, Prefetch, Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.callers import Caller
from brands.models import Brand
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import RecordAdmin, actor_of
from budget_system.admin.filters import DaysFilter, FixedFilter
from budget_system.admin.forms import ReasonForm, UseCaseForm
from budget_system.admin.pages import ask, object_action
from budget_system.admin.ui import AutocompleteSelectFilter, RangeDateFilter
from enforcement.imports import start_undo
from spending import import_access, import_review
from spending.import_forms import words_of
from spending.import_pages import ImportPages
from spending.models import DayMetrics, ImportState, SpendImport
from tasks.import_tasks import ask_worker

TONES = {
    ImportState.QUEUED: show.INFO,
    ImportState.RUNNING: show.INFO,
    ImportState.DONE: show.GOOD,
    ImportState.FAILED: show.BAD,
    ImportState.UNDOING: show.INFO,
    ImportState.UNDONE: show.WARN,
}


class RecordForm(UseCaseForm):
    """Nothing in it can be changed, so it needs no version."""

    has_version = False


class StateFilter(FixedFilter):
    title = "state"
    parameter_name = "state"
    field = "state"
    values = [(state.value, str(state.label)) for state in ImportState]


class KindFilter(FixedFilter):
    title = "kind"
    parameter_name = "dry_run"
    field = "dry_run"
    values = [("0", "Imports"), ("1", "Dry runs")]


@admin.register(SpendImport)
class SpendImportAdmin(ImportPages):
    form = RecordForm
    list_display = ("when", "named", "of_brands", "sent_by", "state_badge", "period", "row_counts", "totals")
    list_display_links = ("when", "named")
    list_filter = (("brands", AutocompleteSelectFilter), StateFilter, KindFilter, ("created_at", DaysFilter))
    search_fields = ("file_name", "created_by", "brands__name")
    search_help_text = "File, brand, or who sent it"
    brand_path = "brands"
    ordering = ("-id",)
    sortable_by = ()
    list_fullwidth = True
    actions_detail = ("rejects", "undo")
    empty_text = (
        "Export a report by day from Google Ads, Meta, Microsoft or TikTok as CSV, and import it here. First you see "
        "what it would do; nothing changes until you confirm."
    )
    fieldsets = (
        ("File", {"fields": ("named", "kind", "said")}),
        ("Import", {"fields": ("state_badge", "when", "sent_by", "took", "seen_before", "undone")}),
        ("What it held", {"fields": ("of_brands", "metrics")}),
        ("For support", {"classes": ("collapse",), "fields": ("size_text", "fingerprint", "origin")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def create(self, request: HttpRequest, form: Any, now: datetime) -> SpendImport:
        raise PermissionDenied

    def change(self, request: HttpRequest, obj: SpendImport, form: Any, now: datetime) -> None:
        raise PermissionDenied

    def visible(self, things: QuerySet[SpendImport], caller: Caller) -> QuerySet[SpendImport]:
        things = things.defer("rejects").prefetch_related(Prefetch("brands", Brand.objects.order_by("name")))
        things = import_access.visible(things, caller)
        if caller.sees_all_brands():
            return things.annotate(shows_lines=Value(True))
        own = ExpressionWrapper(Q(created_by=caller.name), output_field=BooleanField())
        return things.annotate(shows_lines=own)

    # --- The list -----------------------------------------------------------------------------------------------------

    @admin.display(description="sent")
    def when(self, record: SpendImport) -> str:
        return show.utc(record.created_at)

    @admin.display(description="file")
    def named(self, record: SpendImport) -> SafeString:
        return show.cut(record.file_name, 40)

    @admin.display(description="brands")
    def of_brands(self, record: SpendImport) -> object:
        brands = list(record.brands.all())
        links = [show.link_to(brand, "brands_brand", brand.pk) for brand in brands[:5]]
        more = [f"and {len(brands) - 5} more"] if len(brands) > 5 else []
        return show.lines([*links, *more]) if brands else show.nothing()

    @admin.display(description="sent by")
    def sent_by(self, record: SpendImport) -> str:
        return show.who(record.created_by)

    @admin.display(description="state")
    def state_badge(self, record: SpendImport) -> SafeString:
        state = ImportState(record.state)
        if record.dry_run and state == ImportState.DONE:
            return show.badge("Dry run", show.INFO, "Checked only: nothing was changed")
        badge = show.badge(state.label, TONES[state], record.error)
        if state in import_review.AT_WORK:
            far = import_review.progress(record, clock.now())
            badge = show.stacked(badge, show.small(f"{far.percent} %")) if far.percent is not None else badge
        return show.stacked(badge, show.small("Dry run")) if record.dry_run else badge

    @admin.display(description="period")
    def period(self, record: SpendImport) -> object:
        if record.first_day is None or record.last_day is None:
            return show.nothing()
        return show.days_text(record.first_day, record.last_day)

    @admin.display(description="rows")
    def row_counts(self, record: SpendImport) -> object:
        counts = {words: getattr(record, name) for name, words in import_review.NAMES.items()}
        parts = [f"{count:,} {words.lower()}" for words, count in counts.items() if count]
        return show.lines([f"{record.rows:,} rows", *map(show.small, parts)])

    @admin.display(description="total")
    def totals(self, record: SpendImport) -> object:
        sums = record.report.get("totals", {})
        return show.lines(show.right(show.amount(Decimal(total), code)) for code, total in sums.items()) or (
            show.nothing()
        )

    # --- The page -----------------------------------------------------------------------------------------------------

    @admin.display(description="kind of report")
    def kind(self, record: SpendImport) -> str:
        partial = ", which says that its figures may still change" if record.report.get("incomplete") else ""
        return f"{import_review.kind_of(record)}{partial}"

    @admin.display(description="size")
    def size_text(self, record: SpendImport) -> str:
        return f"{record.size:,} bytes"

    @admin.display(description="SHA-256")
    def fingerprint(self, record: SpendImport) -> SafeString:
        return format_html('<span class="budget-hash">{}</span>', record.digest)

    @admin.display(description="what was said of it")
    def said(self, record: SpendImport) -> object:
        told = {name: value for name, value in record.options.items() if name not in _NOT_SAID}
        told |= told.pop("reading", {})
        lines = [f"{words_of(name)}: {_said(value)}" for name, value in told.items()]
        if (brand_id := record.options.get("brand_id")) and (brand := Brand.objects.filter(pk=brand_id).first()):
            lines.insert(0, f"Brand of all rows: {brand}")
        if chosen := len(record.options.get("mapping", [])):
            lines.append(f"{chosen:,} unknown campaign{'' if chosen == 1 else 's'} decided by hand")
        return show.lines(lines) or show.nothing("Nothing: all was told from the file")

    @admin.display(description="took")
    def took(self, record: SpendImport) -> object:
        if record.started_at is None or record.finished_at is None:
            return show.nothing()
        return show.span(round((record.finished_at - record.started_at).total_seconds()))

    @admin.display(description="the same file before")
    def seen_before(self, record: SpendImport) -> object:
        before = record.report.get("seen_before", [])
        told = (f"{show.utc(datetime.fromisoformat(one['at']))} by {show.who(one['by'])}" for one in before)
        return show.lines(told) or show.nothing("No")

    @admin.display(description="days with metrics")
    def metrics(self, record: SpendImport) -> str:
        return f"{record.report.get('metrics', 0):,}"

    @admin.display(description="undone")
    def undone(self, record: SpendImport) -> object:
        if record.state != ImportState.UNDONE:
            return show.nothing("No")
        return show.lines(import_review.undone_lines(record))

    # --- Actions ------------------------------------------------------------------------------------------------------

    def offered(self, obj: SpendImport) -> Iterable[str]:
        if obj.rejected and obj.shows_lines:  # type: ignore[attr-defined] # see visible
            yield "rejects"
        if obj.state in (ImportState.DONE, ImportState.FAILED) and obj.source and not obj.dry_run:
            yield "undo"

    @object_action("Rejected rows", path="rejects", needs="spending.view_spendimport", icon="download")
    def rejects(self, request: HttpRequest, obj: SpendImport) -> HttpResponse:
        """As CSV, to be mended and sent again."""
        return HttpResponse(
            obj.rejects.encode("utf-8-sig"),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="rejects-{obj.pk}.csv"'},
        )

    @object_action("Undo…", path="undo", needs="spending.change_spendimport", icon="undo", danger=True)
    def undo(self, request: HttpRequest, obj: SpendImport) -> HttpResponse:
        def run(form: Any) -> None:
            reason = form.cleaned_data["reason"]
            record = start_undo(obj.pk, reason=reason, actor=actor_of(request), now=clock.now(), clock=clock.now)
            ask_worker(record)
            if record.state == ImportState.UNDOING:
                self.say(request, f"{obj} is being undone by a worker. This page shows how far it is.")
                return
            counts = record.report["undo"]
            self.say(
                request,
                f"Undone: {obj}. {counts['voided']:,} spends voided, {counts['restored']:,} set back to their former"
                " value.",
            )

        return ask(
            self, request, obj, title="Undo", button="Undo it", danger=True, form_class=ReasonForm, run=run,
            intro=[
                f"{obj}, sent by {show.who(obj.created_by)}.",
                "Spends that it recorded are voided, those that it corrected get their former value back, its metrics "
                "are removed. What a person or a later import has changed since stays as it is, and so do brands and "
                "campaigns that it created. Campaigns that its spend has stopped start again.",
            ],
        )  # fmt: skip


_NOT_SAID = ("brand_id", "brand_ids", "mapping")


def _said(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{words_of(f'column_{name}')} “{said}”" for name, said in value.items())
    return "yes" if value is True else value


@admin.register(DayMetrics)
class DayMetricsAdmin(RecordAdmin[DayMetrics]):
    list_display = ("on", "campaign_name", "impressions", "clicks", "conversions", "revenue_text", "source")
    list_display_links = ("on",)
    list_select_related = ("campaign__brand",)
    list_filter = (("campaign__brand", AutocompleteSelectFilter), ("day", RangeDateFilter))
    search_fields = ("campaign__name",)
    search_help_text = "Campaign, platform campaign id, or brand"
    campaign_path = "campaign"
    brand_path = "campaign__brand"
    ordering = ("-id",)
    sortable_by = ()
    list_fullwidth = True
    empty_text = "Impressions, clicks, conversions and revenue come with imported reports that have these columns."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "on", "campaign_name", "impressions", "clicks", "conversions", "revenue_text", "source",
                    "import_link", "updated_at",
                )
            },
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[DayMetrics]:
        return super().get_queryset(request).select_related("campaign__brand")

    @admin.display(description="day")
    def on(self, metrics: DayMetrics) -> SafeString:
        return show.day(metrics.day)

    @admin.display(description="campaign")
    def campaign_name(self, metrics: DayMetrics) -> SafeString:
        return show.link_to(metrics.campaign, "campaigns_campaign", metrics.campaign_id)

    @admin.display(description="revenue")
    def revenue_text(self, metrics: DayMetrics) -> object:
        if metrics.revenue is None:
            return show.nothing()
        return show.right(show.amount(metrics.revenue, metrics.campaign.brand.currency))

    @admin.display(description="import")
    def import_link(self, metrics: DayMetrics) -> object:
        if metrics.spend_import_id is None:
            return show.nothing()
        return show.link_to("the import that brought them", "spending_spendimport", metrics.spend_import_id)
