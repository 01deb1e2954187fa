"""Taking a list out as a file: exactly the rows that its filters and search show, to the person who asks."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import capfirst

from access.callers import caller_of
from access.exports import record_export
from budget_system import clock
from budget_system.admin.export_columns import COLUMNS, Column
from budget_system.admin.export_files import Cell, csv_lines, write_workbook
from budget_system.admin.lists import filters_in_words
from budget_system.admin.ui import Checkboxes, Radios

CSV, XLSX = "csv", "xlsx"
MOST_ROWS = {CSV: 200_000, XLSX: 20_000}
"""A CSV file is sent while it is read, a workbook is made as a whole: each within the 30 s that a web worker has."""
AT_ONCE = 1_000
"""Rows that are fetched and dressed together: what an export holds in memory."""


class ExportForm(forms.Form):
    form = forms.ChoiceField(
        label="Kind of file",
        widget=Radios,
        choices=[
            (CSV, f"CSV, up to {MOST_ROWS[CSV]:,} rows"),
            (XLSX, f"Excel workbook (XLSX), up to {MOST_ROWS[XLSX]:,} rows"),
        ],
        initial=CSV,
    )
    columns = forms.MultipleChoiceField(
        widget=Checkboxes,
        help_text="Amounts are numbers; their currency has a column of its own. Moments are in the brand's time and in"
        " UTC. A text that a spreadsheet would take for a formula gets an apostrophe in front.",
        error_messages={"required": "Tick at least one column."},
    )

    def __init__(self, columns: Sequence[Column], rows: int, *args: Any) -> None:
        super().__init__(*args)
        self.rows = rows
        field: Any = self.fields["columns"]
        field.choices = [(column.code, capfirst(column.title)) for column in columns]
        field.initial = [column.code for column in columns if column.chosen]

    def clean_form(self) -> str:
        form = str(self.cleaned_data["form"])
        if self.rows > MOST_ROWS[form]:
            other = " Choose CSV, or" if form == XLSX and self.rows <= MOST_ROWS[CSV] else " Go back and"
            raise forms.ValidationError(f"That is more than {MOST_ROWS[form]:,} rows.{other} filter the list further.")
        return form


def is_exportable(model_admin: Any) -> bool:
    return model_admin.model in COLUMNS


def export_view(model_admin: Any, request: HttpRequest) -> HttpResponseBase:
    """The list's address with `export/` behind it, and the same filters."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        changelist = model_admin.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return HttpResponseRedirect(_list_url(model_admin))
    columns, queryset = COLUMNS[model_admin.model], changelist.queryset
    rows = queryset.order_by().values("pk")[: max(MOST_ROWS.values()) + 1].count()
    form = ExportForm(columns, rows, *([request.POST] if request.method == "POST" else []))
    filters = filters_in_words(changelist, request)
    if not form.is_valid():
        return _page(model_admin, request, changelist, form, filters)
    chosen = [column for column in columns if column.code in form.cleaned_data["columns"]]
    now = clock.now()
    what = str(model_admin.opts.verbose_name_plural)
    record_export(
        what, form=form.cleaned_data["form"].upper(), filters=filters, columns=[column.title for column in chosen],
        rows=rows, actor=caller_of(request).name, now=now,
    )  # fmt: skip
    header = [title for column in chosen for title, _ in column.parts]
    name = f"{what.replace(' ', '-')}-{now:%Y-%m-%d-%H%M}"
    table = rows_of(model_admin, queryset, chosen, now)
    if form.cleaned_data["form"] == XLSX:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        write_workbook(file, what, header, table)
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx")
    disposition = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(csv_lines(header, table), content_type="text/csv; charset=utf-8", headers=disposition)


def rows_of(
    model_admin: Any, queryset: QuerySet[Any], columns: Sequence[Column], now: datetime
) -> Iterator[Sequence[Cell]]:
    """The cells of each row. However many there are, only `AT_ONCE` of them are in memory."""
    values = [value for column in columns for _, value in column.parts]
    for some in _batches(queryset.iterator(chunk_size=AT_ONCE)):
        model_admin.dress(some, now)
        for thing in some:
            yield [value(thing) for value in values]


def _batches(things: Iterable[Model]) -> Iterator[list[Model]]:
    remaining = iter(things)
    while some := list(islice(remaining, AT_ONCE)):
        yield some


def _page(
    model_admin: Any, request: HttpRequest, changelist: Any, form: ExportForm, filters: list[str]
) -> HttpResponse:
    what, more = model_admin.opts.verbose_name_plural, form.rows > max(MOST_ROWS.values())
    count = f"More than {max(MOST_ROWS.values()):,}" if more else f"{form.rows:,}"
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Export {what}",
        "opts": model_admin.opts,
        "form": form,
        "media": model_admin.media + form.media,
        "intro": [
            f"{count} {model_admin.opts.verbose_name if form.rows == 1 else what}, as the list is filtered and sorted.",
            f"Filters: {'; '.join(filters) or 'none'}. Who exported what is kept in the audit record.",
        ],
        "button": "Export",
        "danger": False,
        "back": f"{_list_url(model_admin)}{changelist.get_query_string()}",
        "subtitle": None,
        "original": None,
        "hidden": (),
    }
    return render(request, "budget/ask.html", context)


def _list_url(model_admin: Any) -> str:
    return reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
