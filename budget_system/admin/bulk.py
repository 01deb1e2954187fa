"""One act on many things: asked once, done row by row, with an honest answer for each.

Each row is a transaction of its own. A request works for some seconds at most; the page then goes on by itself, or by
its button, so that many rows are no long wait. What was selected and what became of it is kept in the person's session.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import actor_of
from budget_system.admin.export_files import csv_lines
from budget_system.admin.pages import ActionsAdmin
from budget_system.errors import Refused
from budget_system.ids import new_id

LIMIT: Final = 1_000
"""How many rows one act takes."""
STEP_S: Final = 2.0
"""How long one request works at it."""
AT_ONCE: Final = 10
"""Rows that are fetched together."""
KEPT: Final = 3
"""How many selections a session remembers."""

DONE, ALREADY, HELD, REFUSED = "done", "already so", "still held", "refused"
TONES = {DONE: show.GOOD, ALREADY: show.PLAIN, HELD: show.WARN, REFUSED: show.BAD}


class Outcome(NamedTuple):
    """What became of a row, and what a person should know about it."""

    kind: str
    detail: str = ""


class Act(NamedTuple):
    """Something to do to each of many things."""

    title: str
    button: str
    needs: str
    """The permission, such as `campaigns.pause_campaign`."""
    form_class: type[forms.Form]
    run: Callable[[Any, Any, str, datetime], Outcome]
    """Called with the thing, the valid form, who asks, and the moment."""
    intro: str
    danger: bool = False
    foretells: Callable[[Sequence[UUID]], Iterable[object]] | None = None
    """What would come of it, given the ids of what is selected: lines for the page that asks."""


class BulkAdmin(ActionsAdmin):
    """An admin whose list acts on several at once. Selecting across pages is possible up to the limit."""

    list_disable_select_all = False
    bulk_limit = f"{LIMIT:,}"
    acts: Mapping[str, Act] = {}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(bulk_view, self))
        return [path("bulk/<str:job>/", view, name=f"{_name(self)}_bulk"), *super().get_urls()]

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Asked by the actions of the list, as their `permissions` say."""
        return request.user.has_perm("brands.emergency_stop")

    def has_clear_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("brands.clear_emergency_stop")


def begin(model_admin: Any, request: HttpRequest, queryset: models.QuerySet[Any], act: str) -> HttpResponse | None:
    """Remember what is selected and go to the page that asks; None, with a message, if it is too much."""
    keys = [str(pk) for pk in queryset.values_list("pk", flat=True)[: LIMIT + 1]]
    if len(keys) > LIMIT:
        model_admin.say(
            request, f"More than {LIMIT:,} are selected; that is the limit for one act. Nothing was changed: filter the"
            " list further, or go page by page.", messages.WARNING,
        )  # fmt: skip
        return None
    if not keys:
        model_admin.say(request, "Nothing that is selected can be acted on. Nothing was changed.", messages.WARNING)
        return None
    job = new_id().hex
    jobs = dict(list(request.session.get("bulk", {}).items())[-(KEPT - 1) :])
    jobs[job] = {
        "act": act, "model": model_admin.opts.label_lower, "left": keys, "said": None, "results": [],
        "back": request.get_full_path(),
    }  # fmt: skip
    request.session["bulk"] = jobs
    return HttpResponseRedirect(_url(model_admin, job))


def bulk_view(model_admin: Any, request: HttpRequest, job: str) -> HttpResponseBase:
    """The page of one selection: it asks, works, and tells what became of each row."""
    kept = request.session.get("bulk", {}).get(job)
    if kept is None or kept["model"] != model_admin.opts.label_lower:
        return _gone(model_admin, request)
    act = model_admin.acts[kept["act"]]
    if not request.user.has_perm(act.needs):
        raise PermissionDenied
    if request.method == "POST" and kept["left"]:
        said = request.POST.dict() if kept["said"] is None else kept["said"]
        form = act.form_class(said)
        if not form.is_valid():
            return _ask(model_admin, request, act, kept, form)
        kept["said"] = {name: value for name, value in said.items() if name in form.fields}
        _work(model_admin, request, act, kept, form)
        request.session.modified = True
        return HttpResponseRedirect(request.path)
    if kept["said"] is None:
        return _ask(model_admin, request, act, kept, act.form_class())
    if "download" in request.GET:
        return _download(kept, act)
    return _tell(model_admin, request, act, kept)


def _work(model_admin: Any, request: HttpRequest, act: Act, kept: dict[str, Any], form: forms.Form) -> None:
    ends_at = time.monotonic() + STEP_S
    actor = actor_of(request)
    while kept["left"]:
        some, kept["left"] = kept["left"][:AT_ONCE], kept["left"][AT_ONCE:]
        things = {str(thing.pk): thing for thing in model_admin.get_queryset(request).filter(pk__in=some)}
        for key in some:
            thing = things.get(key)
            outcome = _outcome(act, thing, form, actor)
            kept["results"].append([key, *_named(thing), *outcome])
        kept["at"] = clock.now().isoformat()
        if time.monotonic() >= ends_at:
            return


def _outcome(act: Act, thing: Any, form: forms.Form, actor: str) -> Outcome:
    if thing is None:
        return Outcome(REFUSED, "It is not there any more, or not yours to see.")
    try:
        return act.run(thing, form, actor, clock.now())
    except Refused as error:
        return Outcome(REFUSED, error.message)


def _named(thing: Any) -> tuple[str, str]:
    return ("", "") if thing is None else (str(thing), str(getattr(thing, "brand", "")))


def _ask(model_admin: Any, request: HttpRequest, act: Act, kept: dict[str, Any], form: forms.Form) -> HttpResponse:
    things = model_admin.get_queryset(request).filter(pk__in=[UUID(key) for key in kept["left"][:20]])
    count = len(kept["left"])
    names = [" · ".join(filter(None, _named(thing))) for thing in things]
    foretold = act.foretells([UUID(key) for key in kept["left"]]) if act.foretells else []
    more = [f"and {count - len(names):,} more"] if count > len(names) else []
    context = {
        "title": act.title, "form": form, "button": act.button, "danger": act.danger, "subtitle": None,
        "intro": [
            act.intro, *foretold, f"For {count:,} {_things(model_admin, count)}:", show.lines([*names, *more]),
        ],
        "hidden": (), "original": None,
    }  # fmt: skip
    return _render(model_admin, request, "budget/ask.html", kept, context, form.media)


def _tell(model_admin: Any, request: HttpRequest, act: Act, kept: dict[str, Any]) -> HttpResponse:
    results, left = kept["results"], len(kept["left"])
    counts = Counter(kind for _, _, _, kind, _ in results)
    order = {kind: place for place, kind in enumerate((REFUSED, HELD, ALREADY, DONE))}
    rows = [
        (
            show.lines([show.link_to(name, _name(model_admin), key) if name else "Not there", show.small(brand)]),
            show.lines([show.badge(kind, TONES[kind]), detail]),
        )
        for key, name, brand, kind, detail in sorted(results, key=lambda result: order[result[3]])
    ]
    context = {
        "title": act.title,
        "counts": [(show.badge(kind, TONES[kind]), count) for kind, count in counts.items()],
        "done": len(results),
        "total": len(results) + left,
        "left": left,
        "things": _things(model_admin, len(results) + left),
        "at": show.utc(datetime.fromisoformat(kept["at"])),
        "table": "" if left else show.table(["Which", "What became of it"], rows, ""),
    }
    return _render(model_admin, request, "budget/bulk.html", kept, context, forms.Media())


def _download(kept: dict[str, Any], act: Act) -> StreamingHttpResponse:
    rows: Iterable[list[str]] = [result[1:] for result in kept["results"]]
    name = act.title.rstrip("…").lower().replace(" ", "-")
    return StreamingHttpResponse(
        csv_lines(["name", "brand", "what became of it", "why"], rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"},
    )


def _gone(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """The page of a selection that this session does not know (any more)."""
    back = reverse(f"admin:{_name(model_admin)}_changelist")
    context = {"title": "No longer kept", "kept": KEPT, "actor": actor_of(request)}
    response = _render(model_admin, request, "budget/bulk_gone.html", {"back": back}, context, forms.Media())
    response.status_code = 404
    return response


def _render(
    model_admin: Any, request: HttpRequest, template: str, kept: dict[str, Any], context: dict[str, Any], media: Any
) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    shared = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media + media,
        "back": kept["back"],
    }
    return render(request, template, {**shared, **context})


def _things(model_admin: Any, count: int) -> str:
    return str(model_admin.opts.verbose_name if count == 1 else model_admin.opts.verbose_name_plural)


def _name(model_admin: Any) -> str:
    return f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"


def _url(model_admin: Any, job: str) -> str:
    return reverse(f"admin:{_name(model_admin)}_bulk", args=[job])
