"""How the ways in are written in the API's schema."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # it registers itself, untyped
    target_class = "access.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "bs_…", "description": "An API token."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # it registers itself, untyped
    target_class = "access.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A login to the admin, in the browser.",
        }


class DemoScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # it registers itself, untyped
    """Asks for nothing, so there is nothing to describe."""

    target_class = "access.authentication.DemoAuthentication"
    name: list[str] = []

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return []

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return []
