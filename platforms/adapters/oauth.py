"""Access tokens from a refresh token (RFC 6749, section 6), kept in this process until shortly before they end."""

import time
from collections.abc import Mapping
from hashlib import sha256
from threading import Lock
from typing import NamedTuple

from platforms.adapters.http import Answer, Http
from platforms.protocol import Connection, Throttled, Unauthorised

LEEWAY_S = 120.0
"""A token is not used in the last moments of its life."""
_MOST = 1_000
_PASSING = frozenset({"temporarily_unavailable", "server_error"})


class _Token(NamedTuple):
    value: str
    until: float
    """By the monotonic clock."""


_kept: dict[str, _Token] = {}
_one_asks = tuple(Lock() for _ in range(16))
"""By key: threads that begin together ask once, and none uses a refresh token that another has just replaced."""


class AccessTokens:
    """The access token of one connection. A refresh token that is replaced is handed to `Connection.keep` first."""

    def __init__(self, http: Http, url: str, connection: Connection, more: Mapping[str, str] | None = None) -> None:
        self._http = http
        self._url = url
        self._keep = connection.keep
        self._more = more or {}
        self._credentials = dict(connection.credentials)
        self._where = connection.base_url or url

    def get(self) -> str:
        """One that still works for a while. Raises `Unauthorised`, `Throttled`, `Unreachable`."""
        key = self._key()
        with _one_asks[int(key[:8], 16) % len(_one_asks)]:
            token = _kept.get(key)
            if token is None or token.until <= time.monotonic():
                token = self._fetch()
        self._http.hide(token.value)
        return token.value

    def forget(self) -> None:
        """The platform no longer takes the present one."""
        _kept.pop(self._key(), None)

    def _key(self) -> str:
        parts = (self._where, self._credentials.get("client_id", ""), self._credentials.get("refresh_token", ""))
        return sha256("\0".join(parts).encode()).hexdigest()

    def _fetch(self) -> _Token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._credentials.get("refresh_token", ""),
            **self._more,
        }
        form |= {
            name: self._credentials[name] for name in ("client_id", "client_secret") if self._credentials.get(name)
        }
        answer = self._http.send("POST", self._url, form=form)
        if answer.status != 200:
            raise self._error(answer)
        said = self._http.json(answer)
        with self._http.understood():
            token = _Token(str(said["access_token"]), time.monotonic() + float(said["expires_in"]) - LEEWAY_S)
        if len(_kept) >= _MOST:
            _kept.clear()
        _kept[self._key()] = token
        new = said.get("refresh_token")
        if isinstance(new, str) and new and new != self._credentials.get("refresh_token"):
            self._http.hide(new)
            self._keep({**self._credentials, "refresh_token": new})
            self._credentials["refresh_token"] = new
            _kept[self._key()] = token
        return token

    def _error(self, answer: Answer) -> Exception:
        general = self._http.error(answer)
        if general.passing and not isinstance(general, Throttled):
            return general
        said = self._http.json(answer)
        code, words = self._http.words(said.get("error", "")), self._http.words(said.get("error_description", ""))
        if isinstance(general, Throttled):
            return general
        if code in _PASSING:
            return self._http.error(answer._replace(status=503), code)
        return Unauthorised(
            f"{self._http.platform} does not accept the refresh token or the client ({code}: {words}). "
            "Sign in to it again and enter what it gives."
        )


def forget_all() -> None:
    """Every access token that this process has."""
    _kept.clear()
