"""The OpenAPI schema: what REST framework cannot tell of itself."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from budget_system.rest.idempotency import HEADER, LONGEST_KEY

_KEY = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=(
        f"Up to {LONGEST_KEY} characters that you make, such as a UUID. The same request again gets the first answer "
        "(header Idempotent-Replayed: true); another request under the same key is refused (422); while the first is "
        "under way the answer is 409."
    ),
)


class Operation(AutoSchema):
    """One operation: JSON in, with the key that makes it safe to send twice where that is taken."""

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        method = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        return [*parameters, _KEY] if getattr(method, "takes_idempotency_key", False) else parameters

    def map_parsers(self) -> list[Any]:
        return [kind for kind in super().map_parsers() if kind != "application/x-www-form-urlencoded"]

    def map_renderers(self, attribute: str) -> list[Any]:
        return [kind for kind in super().map_renderers(attribute) if kind != "text/html"]


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": (
        "What went wrong (RFC 9457). Fields of the input that are at fault are in `errors`; the messages of each field "
        "also stand under its own name."
    ),
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "In words, for people."},
        "code": {"type": "string", "description": "For machines."},
        "request_id": {"type": "string", "description": "Name it when you ask about this."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["field", "code", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code", "request_id"],
}
_ALWAYS = {
    "401": "Nobody, or nobody known: log in, or send a token.",
    "403": "The caller may not do this.",
    "429": "Too many requests: wait as long as Retry-After says.",
    "default": "Any other problem.",
}
_WRITES = {
    "400": "The input is wrong; nothing was changed.",
    "409": "It does not fit what there is now; nothing was changed.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "It can't be done, for the reason given; nothing was changed.",
}


def add_problems(result: Any, **_: Any) -> Any:
    """Promise a problem wherever one may be the answer."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            texts = dict(_ALWAYS)
            if method != "get":
                texts |= _WRITES
            elif operation.get("parameters"):
                texts["400"] = "A parameter is wrong."
            if "{" in path:
                texts["404"] = "There is no such thing, or the caller may not see it."
            elif any(parameter["name"] == "page" for parameter in operation.get("parameters", ())):
                texts["404"] = "There is no such page."
            for code, text in texts.items():
                operation["responses"].setdefault(code, _problem(text))
    return result


def _problem(text: str) -> Mapping[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": text, "content": content}
