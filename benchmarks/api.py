"""Requests through the whole stack of the web, from the WSGI door: against a view that does nothing.

That view is asked in the same way: the same middleware, a token, the permission, the throttle, a JSON body and answer.
"""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import count, islice
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access import tokens
from access.models import TokenScope
from access.permissions import LOGGED_IN
from benchmarks.data import NOW
from benchmarks.databases import Databases
from benchmarks.posting import owners_of, restore
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, Work, alternate, rate
from budget_system import clock
from enforcement.reservations import can_spend

CENT = Decimal("0.01")
_number = count(1)


class Nothing(APIView):
    """Reads the body and answers."""

    needs = {"POST": LOGGED_IN}

    def post(self, request: Request) -> Response:
        return Response({"given": len(request.data)})


urlpatterns = [path("nothing/", Nothing.as_view()), path("", include("budget_system.urls"))]
HOST = "localhost"


def requests(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """One caller, one request after another, each for another campaign."""
    database = databases.use(sizes.middle)
    restore(database)
    owners = owners_of(sizes.middle, sizes.middle // 2)
    open_now = (
        owner.campaign for owner in owners if can_spend(owner.campaign, CENT, clock.now()).authorisation.granted
    )
    campaigns = list(islice(open_now, sizes.singles))
    user = User.objects.create_superuser("bench")
    text = tokens.issue(
        "Benchmark", user, TokenScope.SPEND, (), expires_at=None, requests_per_minute=10**9, actor="b", now=NOW
    )[1]
    with override_settings(ROOT_URLCONF="benchmarks.api", ALLOWED_HOSTS=[HOST], SECURE_SSL_REDIRECT=False):
        door = WSGIHandler()
        nothing, spends, reservations = alternate(
            Work(partial(_ask, door, text, campaigns, "/nothing/", _spend)),
            Work(partial(_ask, door, text, campaigns, "/api/spends/", _spend)),
            Work(partial(_ask, door, text, campaigns, "/api/reservations/", _reservation)),
            rounds=sizes.rounds * 2,
        )
    yield rate("8", "POST /api/spends/, against a view that does nothing", len(campaigns), spends, nothing, 0.4, 0.6)
    name = "POST /api/reservations/, against a view that does nothing"
    yield rate("8", name, len(campaigns), reservations, nothing, 0.4, 0.6)


def _spend(campaign: UUID) -> dict[str, object]:
    return {"campaign": str(campaign), "amount": "0.01", "key": f"bench {next(_number)}"}


def _reservation(campaign: UUID) -> dict[str, object]:
    return {"id": str(uuid4()), "campaign": str(campaign), "amount": "0.01"}


def _ask(
    door: WSGIHandler, token: str, campaigns: Sequence[UUID], address: str, body: Callable[[UUID], dict[str, object]]
) -> None:
    for campaign in campaigns:
        given = json.dumps(body(campaign)).encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST", "PATH_INFO": address, "SERVER_NAME": HOST, "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": HOST, "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(given), "wsgi.errors": io.StringIO(), "CONTENT_LENGTH": str(len(given)),
            "CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {token}",
        }  # fmt: skip
        response = door(environ, _started)
        answer = b"".join(response)
        response.close()
        if not 200 <= response.status_code < 300:
            raise AssertionError(f"{response.status_code}: {answer.decode()[:500]}")


def _started(*_: Any) -> Callable[[bytes], object]:
    return len
