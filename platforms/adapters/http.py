"""Calls to a platform, with an end: bounded in time and size, and told in words without any credential.

Credentials go in headers or bodies, never in an address. A read is tried once more when nothing came of it; a write
never is.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from threading import Timer
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from delivery.transport import tls
from platforms.protocol import PlatformError, RefusedByPlatform, Throttled, Unauthorised, Unreachable

TIMEOUT_S = 15.0
"""How long connecting, or waiting for anything to come, may take."""
DEADLINE_S = 30.0
"""How long a call may take from beginning to end, however steadily it drips."""
MAX_BYTES = 64 * 1024 * 1024
"""A page of ten thousand rows is a tenth of this."""
RETRY_PAUSE_S = 0.3
USER_AGENT = "budget-system/0.1"
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_MAX_WORDS = 300


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Looked up whatever their case."""
    body: bytes


class Http:
    """Calls on behalf of one account. `base_url` stands in for every host of the platform: a simulator here."""

    def __init__(self, platform: str, base_url: str = "", *, deadline_s: float = DEADLINE_S) -> None:
        self.platform = platform
        self.deadline_s = deadline_s
        self._base = base_url.rstrip("/")
        self._secrets: set[str] = set()
        if self._base and (urlsplit(self._base).scheme != "http" or urlsplit(self._base).hostname not in _HERE):
            raise RefusedByPlatform(f"The address instead of {platform}'s own must be http:// on this machine.")

    def hide(self, *secrets: str) -> None:
        """Never tell these in words."""
        self._secrets.update(secret for secret in secrets if secret)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None, data: object = None, form: Mapping[str, str] | None = None,
        read: bool = False, failed: Callable[[Answer], bool] = lambda answer: answer.status >= 500,
    ) -> Answer:  # fmt: skip
        """The platform's answer, whatever its status. `data` is sent as JSON. Raises `Unreachable`.

        A `read` is sent again, once, when there is no answer or the platform has `failed`, unless it says when to.
        """
        sent = {"Accept": "application/json", "User-Agent": USER_AGENT, **(headers or {})}
        body: bytes | None = None
        if form is not None:
            sent["Content-Type"], body = "application/x-www-form-urlencoded", urlencode(form).encode()
        elif data is not None:
            sent["Content-Type"], body = "application/json", json.dumps(data).encode()
        url = self._address(url) + (f"?{urlencode(params)}" if params else "")
        if read:
            with suppress(Unreachable):
                answer = self._once(method, url, sent, body)
                if not failed(answer) or "Retry-After" in answer.headers:
                    return answer
            time.sleep(RETRY_PAUSE_S)
        return self._once(method, url, sent, body)

    def _address(self, url: str) -> str:
        parts = urlsplit(url)
        if self._base:
            return self._base + url.removeprefix(f"{parts.scheme}://{parts.netloc}")
        if parts.scheme != "https":
            raise Unreachable(f"{self.platform} named an address that is not https.")
        return url

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        began = time.monotonic()
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
        watchdog = Timer(self.deadline_s, _cut, [connection])
        watchdog.daemon = True
        watchdog.start()
        try:
            connection.request(method, target, body=body, headers=headers, preload_content=False)
            response = connection.getresponse()
            read = bytearray()
            for chunk in response.stream(64 * 1024):
                read += chunk
                if len(read) > MAX_BYTES:
                    raise Unreachable(f"{self.platform} answered with more than {MAX_BYTES // 2**20} MB.")
            return Answer(response.status, response.headers, bytes(read))
        except (HTTPError, OSError, ValueError, AttributeError) as error:  # a socket that was cut fails in its own ways
            late = time.monotonic() - began >= self.deadline_s
            why = f"no answer within {self.deadline_s:g} s" if late else self.words(str(error).rsplit(": ", 1)[-1])
            raise Unreachable(f"{self.platform} could not be reached: {why}.") from None
        finally:
            watchdog.cancel()
            connection.close()

    def json(self, answer: Answer) -> dict[str, Any]:
        """The object that was answered; numbers with a point are `Decimal`. Raises `Unreachable`."""
        with suppress(ValueError, RecursionError):
            read = json.loads(answer.body, parse_float=Decimal)
            if isinstance(read, dict):
                return read
        raise Unreachable(f"{self.platform} answered with status {answer.status} and nothing that can be read.")

    def error(self, answer: Answer, said: str = "") -> PlatformError:
        """What an answer means by its status alone; `said` are the platform's words."""
        words = f"{self.platform} said: {self.words(said)}" if said else f"{self.platform} answered {answer.status}."
        wait = retry_after(answer.headers)
        if answer.status == 429 or (answer.status == 503 and wait is not None):
            return Throttled(words, wait)
        if answer.status in (401, 403):
            return Unauthorised(words)
        if answer.status < 400 or answer.status >= 500 or answer.status == 408:
            return Unreachable(words)
        return RefusedByPlatform(words)

    def words(self, text: object) -> str:
        """A text from outside on one line, not long, with every secret taken out."""
        line = " ".join(str(text).split())
        for secret in self._secrets:
            line = line.replace(secret, "…")
        return line[:_MAX_WORDS]

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Around the reading of an answer: what is not of the documented shape is an `Unreachable`."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise Unreachable(
                f"{self.platform} answered in a way that is not understood ({type(error).__name__})."
            ) from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a `Retry-After`; None where there is none, or a date."""
    text = headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 8 else None


def _connection(scheme: str, host: str, port: int | None) -> HTTPConnection:
    if scheme == "http":
        return HTTPConnection(host, port, timeout=TIMEOUT_S)
    return HTTPSConnection(host, port, timeout=TIMEOUT_S, ssl_context=tls())


def _cut(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(2)


def batches(items: Iterable[str], most: int) -> Iterator[list[str]]:
    """At most so many at a time, in their order."""
    rest = list(items)
    for at in range(0, len(rest), most):
        yield rest[at : at + most]
