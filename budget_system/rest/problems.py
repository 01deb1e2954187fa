"""Errors as callers get them: problem+json (RFC 9457), never a stack.

Every problem has `code` for machines, `detail` for people and the `request_id` to ask about it by. Where fields of the
input are at fault, `errors` lists each with its code and message, and each field's messages stand under its own name
beside them, as clients of REST framework know it.
"""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, InternalError, OperationalError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_handler
from rest_framework.views import set_rollback

from budget_system.errors import Busy, Conflict, NotFound, Refused
from budget_system.requests import request_id

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 1
_MEMBERS = ("type", "title", "status", "detail", "code", "request_id", "errors")


class KeyReused(exceptions.APIException):
    """The same Idempotency-Key came with another request."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = (
        "This Idempotency-Key was used for another request. Nothing was done; take a new key for a new request."
    )


class InFlight(exceptions.APIException):
    """The first request with this Idempotency-Key is still being worked on."""

    status_code = HTTPStatus.CONFLICT
    default_code = "request_in_flight"
    default_detail = (
        "The first request with this Idempotency-Key is still under way. Ask again in a moment with the same key."
    )


class LengthRequired(exceptions.APIException):
    """A body in pieces, whose length is not told: the server reads none of it."""

    status_code = HTTPStatus.LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = "Send the header Content-Length; a body in chunks is not read."


class TooLarge(exceptions.APIException):
    """The body is larger than is read."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit / 1024 / 1024:.0f} MB. Send it in parts.")


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """REST framework's exception handler: whatever was raised becomes a problem."""
    known = _known(error)
    if known is None:
        logger.exception("%s failed", context["request"].path, exc_info=error)
        if settings.DEBUG:
            raise error
        set_rollback()
        return respond(context["request"], HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", _OUR_FAULT)
    response = rest_handler(known, {**context})
    if response is None:
        raise error
    headers = {name: response[name] for name in ("WWW-Authenticate", "Retry-After", "Allow") if name in response}
    if isinstance(known, exceptions.ValidationError):
        return _invalid(context["request"], known)
    detail = getattr(known, "detail", None)
    code = str(getattr(detail, "code", "") or "not_found")
    text = str(detail) if detail is not None else "There is no such thing, or you may not see it."
    return respond(context["request"], response.status_code, code, text, headers=headers)


_OUR_FAULT = "Something went wrong here; nothing was changed. Tell the administrator the request id."


def _known(error: Exception) -> Exception | None:
    """The error as REST framework knows it; None for what nobody expected."""
    match error:
        case Busy():
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.message, wait=RETRY_AFTER_S)
        case Conflict():
            return _problem(HTTPStatus.CONFLICT, error.code, error.message)
        case NotFound() if error.field is None:
            return exceptions.NotFound(error.message)
        case Refused() if error.field is not None:
            return exceptions.ValidationError({error.field: [exceptions.ErrorDetail(error.message, error.code)]})
        case Refused():
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, error.message)
        case RequestDataTooBig():
            return TooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        case SuspiciousOperation():
            return exceptions.ParseError("The request is not one that is taken here.")
        case DatabaseError() if _is_down(error):
            logger.error("The database did not answer: %s", error)
            return _problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The database does not answer. Ask again.", RETRY_AFTER_S
            )
        case exceptions.APIException():
            return error
    return error if type(error).__name__ in {"Http404", "PermissionDenied"} else None


_READ_ONLY = "25006"


def _is_down(error: DatabaseError) -> bool:
    """No connection, no room, shutting down, too slow or read-only; anything else is a fault of ours."""
    code = getattr(error.__cause__, "pgcode", None)
    if isinstance(error, InternalError):
        return bool(code == _READ_ONLY)
    # A connection that breaks off while an answer is awaited is a bare DatabaseError to the driver.
    return type(error) in {OperationalError, DatabaseError} and (code is None or code[:2] in {"08", "53", "57", "58"})


def _problem(status: int, code: str, detail: str, wait: int | None = None) -> exceptions.APIException:
    problem = exceptions.APIException(detail, code)
    problem.status_code = status
    if wait is not None:
        problem.wait = wait  # type: ignore[attr-defined]
    return problem


def respond(
    request: Any,
    status: int,
    code: str,
    detail: str,
    *,
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that is a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "request_id": request_id(getattr(request, "_request", request)),
        **(more or {}),
    }
    response = Response(body, status=status, headers=dict(headers or {}))
    response.problem = True  # type: ignore[attr-defined]
    return response


def _invalid(request: Any, error: exceptions.ValidationError) -> Response:
    fields = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
    errors = [{"field": field, "code": str(detail.code), "message": str(detail)} for field, detail in _flat("", fields)]
    first = errors[0] if errors else {"field": "", "message": "The input is not valid.", "code": "invalid"}
    where = f"{first['field']}: " if first["field"] not in {"", "non_field_errors"} else ""
    more = {name: value for name, value in fields.items() if name not in _MEMBERS}
    return respond(
        request,
        HTTPStatus.BAD_REQUEST,
        "invalid",
        f"{where}{first['message']}" + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""),
        more={"errors": errors, **more},
    )


def _flat(path: str, detail: Any) -> Iterator[tuple[str, Any]]:
    """Every message with the path of its field, such as `windows.3.end_time`."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(f"{path}.{name}" if path else str(name), inner)
    elif isinstance(detail, list) and any(isinstance(inner, Mapping | list) for inner in detail):
        for number, inner in enumerate(detail):
            yield from _flat(f"{path}.{number}" if path else str(number), inner)
    else:
        for message in detail if isinstance(detail, list) else [detail]:
            yield path, message
