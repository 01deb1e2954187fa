"""Idempotency-Key: a request that may be sent twice is carried out once.

The answer is kept in the transaction of what the request did, so neither is there without the other, whatever dies.
While the first request is under way, the same key is answered 409 (on SQLite, which has one writer, it waits); later it
is answered what the first one was. Another request under the same key is refused with 422. An answer that changed
nothing because the input was wrong is not kept: mend it and send it again with the same key.

What is shown once, such as a new secret, is in the first answer only. It is not kept: where the first one was, the same
request again is answered null. Sealed it could be read again for seven days by whoever has the caller's token, and not
at all after a change of the key.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db import connection
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from access.callers import caller_of
from access.models import IdempotentAnswer
from budget_system import clock
from budget_system.db import fetch, is_postgres, joined, use_case
from budget_system.rest.problems import InFlight, KeyReused

R = TypeVar("R", bound=Response)
HEADER = "Idempotency-Key"
LONGEST_KEY = 200


class Kept(NamedTuple):
    """An answer, and whether it was given before."""

    status: int
    data: Any
    replayed: bool


def answered_once(method: Callable[..., Response]) -> Callable[..., Response]:
    """Make a POST method heed the header Idempotency-Key."""

    @functools.wraps(method)
    def run(view: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return method(view, request, *args, **kwargs)
        if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
            raise ValidationError({HEADER: [f"Use 1 to {LONGEST_KEY} printable characters, such as a UUID."]})
        kept = _once(
            caller_of(request).key,
            key,
            _fingerprint(request),
            lambda: method(view, request, *args, **kwargs),
            now=clock.now(),
        )
        response = Response(kept.data, status=kept.status)
        response["Idempotent-Replayed"] = "true" if kept.replayed else "false"
        response.problem = kept.status >= 400  # type: ignore[attr-defined]
        return response

    run.takes_idempotency_key = True  # type: ignore[attr-defined]
    return run


def shown_once(response: R, *fields: str) -> R:
    """Keep this answer without these fields, which must be able to be null."""
    response.shown_once = fields  # type: ignore[attr-defined] # for `_once`, and read nowhere else
    return response


@use_case
def _once(caller: str, key: str, fingerprint: str, do: Callable[[], Response], *, now: datetime) -> Kept:
    if is_postgres() and not _locked(f"{caller} {key}"):
        raise InFlight
    kept = IdempotentAnswer.objects.filter(caller=caller, key=key).first()
    if kept is not None:
        if kept.fingerprint != fingerprint:
            raise KeyReused
        return Kept(kept.status, json.loads(kept.body), replayed=True)
    with joined():
        response = do()
    body = _rendered(response.data)
    secret = dict.fromkeys(getattr(response, "shown_once", ()))
    kept_body = _rendered({**response.data, **secret}) if secret else body
    IdempotentAnswer.objects.create(
        caller=caller, key=key, fingerprint=fingerprint, status=response.status_code, body=kept_body, created_at=now
    )
    return Kept(response.status_code, json.loads(body), replayed=False)


def _rendered(data: Any) -> str:
    text: str = JSONRenderer().render(data).decode()
    return text


def _locked(name: str) -> bool:
    """Take the name until the transaction ends; False if another one has it."""
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
    with connection.cursor() as cursor:
        return bool(fetch(cursor, "SELECT pg_try_advisory_xact_lock(%s)", [number])[0][0])


def _fingerprint(request: Any) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if request.content_type.startswith("multipart/"):
        for name in sorted(request.data):
            values = request.data.getlist(name)
            digest.update(f"\n{name}\n".encode())
            for value in values:
                digest.update(b"".join(value.chunks()) if hasattr(value, "chunks") else str(value).encode())
                if hasattr(value, "seek"):
                    value.seek(0)
    else:
        digest.update(request._request.body)
    return digest.hexdigest()
