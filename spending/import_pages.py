"""The journey of a report: send it, look at what it would do, say whose the unknown campaigns are, confirm.

Every step is a record: a dry run keeps the file, the next one takes it over, and so does the import in the end. So a
step that is sent twice is one, and a worker can do each of them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from access.callers import Caller, caller_of
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.home import last_tick
from budget_system.admin.pages import ActionsAdmin
from budget_system.errors import Refused
from enforcement import imports
from spending import import_access, import_records, import_review
from spending.import_forms import (
    CHOSEN_AT_ONCE,
    MappingForm,
    SettingsForm,
    UploadForm,
    brands_of,
    in_page_words,
    initial_of,
)
from spending.import_options import ImportOptions
from spending.models import ImportState, SpendImport
from tasks.import_tasks import ask_worker

MAX_MB = imports.MAX_BYTES // 2**20


class ImportPages(ActionsAdmin):
    """The pages of an import, beside those of every admin."""

    change_form_outer_before_template = "budget/import_above.html"

    def get_urls(self) -> list[Any]:
        pages = {
            "progress": require_GET(self.progress_view),
            "map": self.map_view,
            "again": self.again_view,
            "confirm": require_POST(self.confirm_view),
        }
        own = [
            path(f"<uuid:pk>/{name}/", self.admin_site.admin_view(view), name=f"spending_spendimport_{name}")
            for name, view in pages.items()
        ]
        return own + super().get_urls()

    # --- Send

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose a file. The first step is always a dry run."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        caller = caller_of(request)
        if request.method == "POST":
            form = UploadForm(caller, request.POST, request.FILES)
            record = self._send(form, caller) if form.is_valid() else None
            if record is not None:
                return HttpResponseRedirect(self.url_of(record))
        else:
            form = UploadForm(caller, initial={"brand": request.GET.get("brand")})
        return self._page(request, "budget/import_new.html", form, title="Import a report", max_mb=MAX_MB)

    def _send(self, form: UploadForm, caller: Caller) -> SpendImport | None:
        """The record of the dry run; None when something is wrong, which the form then says."""
        file = form.cleaned_data["file"]
        try:
            record = imports.start_import(
                file, file.name, form.options(), actor=caller.name, now=clock.now(), clock=clock.now, dry_run=True,
                inline_bytes=imports.INLINE_BYTES,
            )  # fmt: skip
        except Refused as error:
            form.refuse(error)
            return None
        ask_worker(record)
        return record

    # --- After a dry run

    def map_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Say whose the unknown campaigns are, and check the file again with that."""
        record, caller = self._dry_run(request, pk)
        options = ImportOptions.from_json(record.options)
        data = [request.POST] if request.method == "POST" else []
        form = MappingForm(caller, options, record.report.get("unknown", []), *data, plain="plain" in request.GET)
        if form.is_valid():
            done = self._check_again(form, record, caller, lambda: replace(options, mapping=form.mapping()))
            if done is not None:
                return done
        return self._page(request, "budget/import_map.html", form, title="Unknown campaigns", record=record)

    def again_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Read the same file with other settings."""
        record, caller = self._dry_run(request, pk)
        options = ImportOptions.from_json(record.options)
        if request.method == "POST":
            form = SettingsForm(caller, request.POST)
            if form.is_valid():
                done = self._check_again(form, record, caller, lambda: form.options(options.mapping))
                if done is not None:
                    return done
        else:
            form = SettingsForm(caller, initial=initial_of(options))
        form.opened = any("--platform" in one["reason"] for one in record.report.get("unknown", []))
        return self._page(request, "budget/import_settings.html", form, title="Other settings", record=record)

    def _check_again(
        self, form: Any, record: SpendImport, caller: Caller, options: Callable[[], ImportOptions]
    ) -> HttpResponse | None:
        try:
            said = _for_caller(options(), caller)
            following = imports.check_again(
                record.pk, said, actor=caller.name, now=clock.now(), clock=clock.now, inline_bytes=imports.INLINE_BYTES
            )  # fmt: skip
        except Refused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
            return None
        ask_worker(following)
        return HttpResponseRedirect(self.url_of(following))

    def confirm_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Import what was tried out. Sent twice, it is one import."""
        record, caller = self._dry_run(request, pk)
        try:
            options = _for_caller(ImportOptions.from_json(record.options), caller)
            made = imports.confirm(
                record.pk, options, actor=caller.name, now=clock.now(), clock=clock.now,
                inline_bytes=imports.INLINE_BYTES,
            )  # fmt: skip
        except Refused as error:
            self.say(request, error.message, messages.ERROR)
            return HttpResponseRedirect(self.url_of(record))
        ask_worker(made)
        if made.state == ImportState.DONE:
            taken = made.accepted + made.corrected
            self.say(request, f"Imported: {taken:,} of {made.rows:,} rows of “{made.file_name}” were recorded.")
        return HttpResponseRedirect(self.url_of(made))

    def _dry_run(self, request: HttpRequest, pk: UUID) -> tuple[SpendImport, Caller]:
        """A record that this person may go on with: their own, or anybody's for who sees all brands."""
        caller = caller_of(request)
        record = self.get_object(request, str(pk))
        if not self.has_add_permission(request) or record is None or not import_access.sees_lines(record, caller):
            raise PermissionDenied
        return record, caller

    # --- Show

    def progress_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """How far it is, asked for again and again. The same as before is answered with 304; once it has ended, the
        page is to be loaded anew."""
        record = self.get_object(request, str(pk))
        if record is None or not self.has_view_permission(request):
            raise PermissionDenied
        if record.state not in import_review.AT_WORK:
            return HttpResponse(headers={"HX-Refresh": "true", "Cache-Control": "no-store"})
        response = render(request, "budget/import_progress.html", self._progress(record))
        response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()}"'
        response["Cache-Control"] = "private, no-cache"
        if request.headers.get("If-None-Match") == response["ETag"]:
            return HttpResponse(status=304, headers={"ETag": response["ETag"]})
        return response

    def _progress(self, record: SpendImport) -> dict[str, Any]:
        now = clock.now()
        tone, words = last_tick(now)
        return {"progress": import_review.progress(record, now), "down": "" if tone == show.GOOD else words}

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        record: SpendImport | None = kwargs.get("obj")
        if record is not None:
            context |= self._review(request, record)
            for name in ("mapping_form", "settings_form"):
                if name in context:
                    context["media"] += context[name].media
        return super().render_change_form(request, context, *args, **kwargs)

    def _review(self, request: HttpRequest, record: SpendImport) -> dict[str, Any]:
        """What stands above the record's own fields."""
        caller = caller_of(request)
        shown: dict[str, Any] = {"record": record, "error": in_page_words(record.error)}
        if record.state in import_review.AT_WORK:
            return {**shown, **self._progress(record), "at_work": True}
        following = SpendImport.objects.filter(follows=record).first()
        shown["panels_summary"] = [
            *import_review.undone(record), import_review.summary(record), import_review.counts(record)
        ]  # fmt: skip
        shown["panels_before"] = [
            *import_review.spends(record), *import_review.changes(record), *import_review.money(record)
        ]  # fmt: skip
        if import_access.sees_lines(record, caller):
            shown["panels_after"] = list(import_review.lines_left_out(record))
        shown["warnings"] = [
            (show.badge(one.words, one.tone), one.text) for one in import_review.warnings(record, caller)
        ]
        if following is not None and self.get_queryset(request).filter(pk=following.pk).exists():
            shown["following"] = following
            shown["following_url"] = self.url_of(following)
        goes_on = record.dry_run and following is None and self.has_add_permission(request)
        if goes_on and import_access.sees_lines(record, caller) and import_records.has_file(record):
            shown |= self._next_steps(record, caller)
        shown["add"] = self.has_add_permission(request)
        return shown

    def _next_steps(self, record: SpendImport, caller: Caller) -> dict[str, Any]:
        """The forms by which a person goes on with a dry run."""
        options = ImportOptions.from_json(record.options)
        steps: dict[str, Any] = {"goes_on": True, "would_take": record.accepted + record.corrected}
        steps |= {"twice": import_review.twice(record), "nothing": import_review.nothing_to_import(record)}
        unknown = record.report.get("unknown", [])
        if record.state == ImportState.FAILED:
            steps["settings_form"] = SettingsForm(caller, initial=initial_of(options))
        elif unknown or options.mapping:
            steps["mapping_form"] = MappingForm(caller, options, unknown)
            steps["unknown_more"] = max(len(unknown) - CHOSEN_AT_ONCE, 0) + record.report.get("unknown_more", 0)
            steps["unknown"] = len(unknown)
        return steps

    def _page(self, request: HttpRequest, template: str, form: Any, *, title: str, **context: Any) -> HttpResponse:
        request.current_app = self.admin_site.name
        record = context.get("record")
        return render(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "title": title,
                "subtitle": str(record) if record else None,
                "opts": self.opts,
                "original": record,
                "form": form,
                "media": form.media,
                "back": self.url_of(record) if record else None,
                **context,
            },
        )


def _for_caller(options: ImportOptions, caller: Caller) -> ImportOptions:
    """These options, for no more than the caller sees and may do now. Raises Refused."""
    creates = options.create_campaigns or any(choice.brand_id for choice in options.mapping)
    if creates and not caller.may("campaigns.add_campaign"):
        raise Refused("You may not create campaigns. Choose existing ones, or ask a manager.")
    if options.create_brands and not (caller.may("brands.add_brand") and caller.sees_all_brands()):
        raise Refused("You may not create brands. Check the file again without that.")
    own = brands_of(caller)
    if own is not None and options.brand_ids is not None:
        own &= options.brand_ids
    return replace(options, brand_ids=options.brand_ids if own is None else own)
