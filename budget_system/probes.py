"""What machines ask: is the process alive, may it get requests, is everything at work, and the metrics.

They are answered before anything asks for a host name, https, a session or a caller: load balancers and orchestrators
ask by address and in plain http. Each answer about the database is kept for some seconds, so that asking often costs
nothing.
"""

import hmac
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, re_path, resolve
from django.views.decorators.http import require_safe

from budget_system import clock, health
from budget_system.metrics import CONTENT_TYPE, exposition

READY_KEPT_S = 2
DEEP_KEPT_S = 5
NOT_PUBLIC = {"active", "paused"}
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


def _answer(content: Mapping[str, Any], *, good: bool) -> HttpResponse:
    return _fresh(JsonResponse(dict(content), status=200 if good else 503))


def _fresh(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    # Probes ask every few seconds: what is wrong is logged by health, not as an error of each answer.
    response._has_been_logged = response.status_code == 503  # type: ignore[attr-defined] # Django asks for it before it logs
    response["Content-Length"] = str(len(response.content))
    return response


@require_safe
def live(_: HttpRequest) -> HttpResponse:
    """200: the process answers. It asks nothing of anybody else."""
    return _answer({"status": "alive"}, good=True)


@require_safe
def ready(_: HttpRequest) -> HttpResponse:
    """200: the database can be written to and its migrations are applied. 503 with the reasons otherwise."""
    reasons = cache.get("probes:ready")
    if reasons is None:
        reasons = health.why_not_ready(clock.now())
        cache.set("probes:ready", reasons, READY_KEPT_S)
    return _answer({"status": "not ready" if reasons else "ready", "reasons": reasons}, good=not reasons)


@require_safe
def deep(_: HttpRequest) -> HttpResponse:
    """200: everything is healthy. 503 with what is not otherwise."""
    found = cache.get("probes:deep")
    if found is None:
        found = health.check(clock.now())
        for part in found["checks"].values():
            for name in NOT_PUBLIC & part.keys():
                del part[name]
        cache.set("probes:deep", found, DEEP_KEPT_S)
    return _answer(found, good=found["status"] == "healthy")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """In Prometheus' format. They name brands and what they spend, so not for everybody (`may_read_metrics`)."""
    if not may_read_metrics(request):
        why = "Bring METRICS_TOKEN as a bearer token." if settings.METRICS_TOKEN else "Set METRICS_TOKEN and bring it."
        return _fresh(HttpResponse(f"{why}\n", status=403, content_type="text/plain"))
    return _fresh(HttpResponse(exposition(clock.now()), content_type=CONTENT_TYPE))


def may_read_metrics(request: HttpRequest) -> bool:
    """With METRICS_TOKEN set: whoever brings it. Without: this machine, and not through a proxy on it."""
    if settings.METRICS_TOKEN:
        brought = request.META.get("HTTP_AUTHORIZATION", "")
        return hmac.compare_digest(brought.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    if any(name in request.META for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


urlpatterns = [
    re_path("^healthz/live/?$", live, name="live"),
    re_path("^healthz/ready/?$", ready, name="ready"),
    re_path("^healthz/deep/?$", deep, name="deep"),
    re_path("^metrics/?$", metrics, name="metrics"),
]
app_name = "probes"


class Probes:
    """Middleware: answer these paths here, and pass on all others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(("/healthz/", "/metrics")):
            try:
                match = resolve(request.path_info)
            except Resolver404:
                match = None
            if match is not None and match.app_name == app_name:
                request.resolver_match = match
                response: HttpResponse = match.func(request)
                return response
        return self.get_response(request)
