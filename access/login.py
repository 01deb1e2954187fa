"""Logging in to the admin: how often it may be tried, and what is said to who tried too often.

Two limits. django-axes counts wrong passwords for a name from an address; five, and the two wait. All tries from an
address, right or wrong, are counted here, so that nobody can go through many names.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from access.limiter import limiter
from budget_system import clock
from budget_system.requests import client_address

TRIES_PER_MINUTE = 30


class LoginLimit:
    """Middleware: so many tries to log in a minute from one address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        if request.method != "POST" or match is None or match.url_name != "login":
            return None
        count = limiter().hit(f"login:{client_address(request)}", TRIES_PER_MINUTE, clock.now())
        if count.admitted:
            return None
        return _refusal(
            request,
            f"More than {TRIES_PER_MINUTE} tries to log in came from your address within a minute.",
            timedelta(seconds=count.window_ends_in_s),
        )


def locked_out(request: HttpRequest, _: HttpResponse | None, credentials: dict[str, Any] | None) -> HttpResponse:
    """What django-axes answers to a name and an address that must wait, whatever the password."""
    name = str((credentials or {}).get("username") or "")
    last: datetime | None = (
        AccessAttempt.objects.filter(username=name, ip_address=client_address(request))
        .order_by("-attempt_time")
        .values_list("attempt_time", flat=True)
        .first()
    )
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    wait = cool_off if last is None else last + cool_off - clock.now()
    return _refusal(
        request,
        f"There were {settings.AXES_FAILURE_LIMIT} wrong passwords for “{name}” from your address. For a while nobody "
        "can log in under this name from there, not even with the right password.",
        min(max(wait, timedelta(minutes=1)), cool_off),
    )


def _refusal(request: HttpRequest, why: str, wait: timedelta) -> HttpResponse:
    seconds = int(wait.total_seconds())
    minutes = -(-seconds // 60)
    context = {
        **admin.site.each_context(request),
        "title": "Too many tries",
        "why": why,
        "how_long": f"{seconds} seconds" if seconds < 60 else f"{minutes} minute{'' if minutes == 1 else 's'}",
    }
    response = render(request, "budget/too_many_tries.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response
