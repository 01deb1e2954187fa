"""Who calls the API: a machine with a token, a person with a session, or in demo mode anybody on this machine.

They are asked in the order of the settings. A request with an Authorization header stands or falls by it: cookies are
not looked at, so no cross-site form can borrow a session for it, and a token that is refused is told so at once.
"""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from access import tokens
from access.callers import ANONYMOUS
from access.models import ApiToken
from budget_system import clock

CHALLENGE = 'Bearer realm="budget system"'


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer bs_…`"""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = authentication.get_authorization_header(request).split()
        if not header:
            return None
        if header[0].lower() != b"bearer" or len(header) != 2:
            raise AuthenticationFailed("Send your token as “Authorization: Bearer bs_…”. Nothing else is read there.")
        now = clock.now()
        token = tokens.find(header[1].decode("latin-1"), now)
        if token is None:
            # One answer for all of them: who guesses learns nothing from it.
            raise AuthenticationFailed("This token is not known, or was revoked, or is over. Ask for a new one.")
        tokens.touch(token, now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """Who is logged in to the admin. Whatever changes something needs the CSRF token, as in any form.

    Without a session the answer is 401 and not 403, also where this is the only way in: logging in would help.
    """

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class DemoAuthentication(authentication.BaseAuthentication):
    """Demo mode: who calls from this machine and says nothing acts as the demo's user, and is recorded as anonymous.

    Nothing else guards the demo against the other pages that are open in the same browser, so what a page of another
    origin makes the browser send gets no identity.
    """

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        if not settings.DEMO or "HTTP_AUTHORIZATION" in request.META:
            return None
        if not _from_this_machine(request.META) or _from_another_site(request):
            return None
        user = User.objects.filter(username=settings.DEMO_USERNAME, is_active=True).first()
        return None if user is None else (user, ANONYMOUS)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


_PROXIES_ADD = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def _from_this_machine(meta: dict[str, Any]) -> bool:
    """Not through a proxy either: what a proxy on this machine passes on may come from anywhere."""
    if any(header in meta for header in _PROXIES_ADD):
        return False
    try:
        return ipaddress.ip_address(str(meta.get("REMOTE_ADDR", ""))).is_loopback
    except ValueError:
        return False


def _from_another_site(request: Request) -> bool:
    # “same-site” is another port or scheme of this machine: another program, so another site to us.
    if request.META.get("HTTP_SEC_FETCH_SITE", "none") not in {"none", "same-origin"}:
        return True
    origin = request.META.get("HTTP_ORIGIN")
    return origin is not None and urlsplit(origin).netloc != request.get_host()
