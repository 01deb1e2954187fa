"""What every request leaves: a count, its duration, its number with all that is logged, and in JSON logs a line."""

import logging
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

from budget_system.requests import request_id

logger = structlog.stdlib.get_logger(__name__)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_VIEW = "none"
REQUESTS = Counter(
    "budget_http_requests_total", "Requests answered, by view, method and status.", ["view", "method", "status"]
)
DURATION = Histogram(
    "budget_http_request_duration_seconds",
    "How long the answers took, by view.",
    ["view"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class Traffic:
    """Middleware, right inside of Origin. Labels are names from the URLconf, so their number is bounded."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id(request)):
            response = self.get_response(request)
            seconds = time.perf_counter() - started
            match = request.resolver_match
            view = (match.view_name if match else "") or NO_VIEW
            method = request.method if request.method in METHODS else "OTHER"
            REQUESTS.labels(view, method, response.status_code).inc()
            DURATION.labels(view).observe(seconds)
            if settings.LOG_REQUESTS:
                # Without the query: it may hold what people search for.
                logger.log(
                    logging.DEBUG if view.startswith("probes:") and response.status_code < 400 else logging.INFO,
                    "request", method=method, path=request.path, view=view, status=response.status_code,
                    ms=round(seconds * 1000, 1),
                )  # fmt: skip
        return response
