"""An address in the admin that leads nowhere: a page that says so, with the way back."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.common import no_append_slash

_search = admin.site.catch_all_view


def _missing(request: HttpRequest, url: str) -> HttpResponse:
    try:
        found: HttpResponse = _search(request, url)
    except Http404:
        request.current_app = admin.site.name
        context = {**admin.site.each_context(request), "title": "There is no such page"}
        return render(request, "budget/missing.html", context, status=404)
    return found


admin.site.catch_all_view = no_append_slash(_missing)  # type: ignore[method-assign]
