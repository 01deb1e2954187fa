"""So many requests a minute for each token and each person."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from access.callers import caller_of
from access.limiter import Count, limiter
from budget_system import clock
from budget_system.requests import client_address


class CallerThrottle(BaseThrottle):
    """The token's own rate, or REQUESTS_PER_MINUTE; who is not known is counted by address."""

    def allow_request(self, request: Request, view: Any) -> bool:
        limit: int = settings.REQUESTS_PER_MINUTE
        key = f"address:{client_address(request._request)}"
        if getattr(request.user, "is_authenticated", False):
            caller = caller_of(request)
            key = caller.key
            if caller.token is not None and caller.token.requests_per_minute is not None:
                limit = caller.token.requests_per_minute
        self.count = limiter().hit(key, limit, clock.now())
        request._request.request_count = self.count  # type: ignore[attr-defined] # for RateHeaders
        return self.count.admitted

    def wait(self) -> float:
        return self.count.window_ends_in_s


class RateHeaders:
    """Middleware: say in the answer how many requests are left, and in how many seconds there are more."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        count: Count | None = getattr(request, "request_count", None)
        if count is not None:
            response["X-RateLimit-Limit"] = str(count.limit)
            response["X-RateLimit-Remaining"] = str(count.remaining)
            response["X-RateLimit-Reset"] = str(count.window_ends_in_s)
        return response
