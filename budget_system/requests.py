"""What every request gets: a number to ask about it by, and its address, which are kept with what it writes."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from budget_system.ids import new_id
from budget_system.origin import coming_from


def client_address(request: HttpRequest) -> str:
    """Where the request comes from. Behind a proxy that we trust, what the proxy says: the last address it added."""
    if settings.BEHIND_TLS_PROXY:
        forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rsplit(",", 1)[-1].strip()
        if forwarded:
            return forwarded
    return str(request.META.get("REMOTE_ADDR", ""))


def request_id(request: HttpRequest) -> str:
    return str(getattr(request, "number", ""))


class Origin:
    """Middleware: number the request, say so in the answer, and let records know where they come from."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        number = new_id()
        request.number = number  # type: ignore[attr-defined]
        with coming_from(f"{client_address(request)}, request {number}"):
            response = self.get_response(request)
        response["X-Request-Id"] = str(number)
        return response
