"""One call to a receiver, to the address that was checked, with an end. No database, no Django: it runs in a thread."""

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from threading import Timer
from typing import NamedTuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from budget_system.errors import Refused
from delivery.addresses import Policy, Resolve, Target, checked, parse, resolve
from delivery.schedule import Answer

TIMEOUT_S = 10.0
"""How long connecting, or waiting for anything to come, may take."""
DEADLINE_S = 15.0
"""How long a call may take from beginning to end, however steadily it drips."""
KEPT_BYTES = 2_000
"""As much of an answer is read and kept."""


class Call(NamedTuple):
    url: str
    headers: Mapping[str, str]
    body: bytes


def post(call: Call, policy: Policy, find: Resolve = resolve, deadline_s: float = DEADLINE_S) -> Answer:
    """Send it. What goes wrong is an answer, too; a redirect is answered with its status and not followed."""
    began = time.monotonic()
    connection: HTTPConnection | None = None
    watchdog: Timer | None = None
    try:
        target = parse(call.url, policy)
        connection = _connection(target, str(checked(target, policy, find)))
        watchdog = Timer(deadline_s, _cut, [connection])
        watchdog.daemon = True
        watchdog.start()
        connection.request(
            "POST", target.path, body=call.body, headers={"Host": target.host_header, **call.headers},
            preload_content=False, decode_content=False,
        )  # fmt: skip
        response = connection.getresponse()
        text = response.read(KEPT_BYTES, decode_content=False).decode("utf-8", "replace").replace("\0", "")
        answer = Answer(response.status, "", response.headers.get("Retry-After", ""), text)
    except Refused as error:
        answer = Answer(None, error.message)
    except (HTTPError, OSError, ValueError, AttributeError) as error:  # a socket that was cut fails in its own ways
        cut = time.monotonic() - began >= deadline_s
        answer = Answer(None, f"No answer within {deadline_s:g} s." if cut else _words(error))
    finally:
        if watchdog is not None:
            watchdog.cancel()
        if connection is not None:
            connection.close()
    return answer._replace(seconds=time.monotonic() - began)


def _connection(target: Target, address: str) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=TIMEOUT_S)
    # The name is what the certificate must be for, and what the other side is told.
    return HTTPSConnection(
        address, target.port, timeout=TIMEOUT_S, ssl_context=tls(), server_hostname=target.host,
        assert_hostname=target.host,
    )  # fmt: skip


@cache
def tls() -> ssl.SSLContext:
    """Certificates as this machine trusts them."""
    return ssl.create_default_context()


def _cut(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(2)


def _words(error: Exception) -> str:
    """The last and most telling words of an error."""
    text = str(error) or type(error).__name__
    return text.rsplit(": ", 1)[-1][:300] if isinstance(error, HTTPError) else text[:300]
