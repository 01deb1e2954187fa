"""From an account's row to what speaks its platform's API. Credentials are unsealed here, and nowhere else."""

import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connections

from budget_system.db import use_case
from budget_system.errors import Refused
from budget_system.sealed import seal, unseal
from platforms.accounts import lock
from platforms.adapters import KINDS
from platforms.models import Account
from platforms.protocol import AdPlatform, Connection, Kind

Connect = Callable[[Account], AdPlatform]


def kind_of(platform: str) -> Kind:
    """Raises Refused for a platform that this system does not speak to."""
    if platform not in KINDS:
        known = ", ".join(kind.code for kind in KINDS.values())
        raise Refused(f"There is no connection to {platform}; there is one to {known}.", field="platform")
    return KINDS[platform]


def sealed(credentials: Mapping[str, str]) -> str:
    return seal(json.dumps(dict(credentials), ensure_ascii=False))


def credentials_of(account: Account) -> dict[str, str]:
    """Raises UnreadableSecret."""
    kept: dict[str, Any] = json.loads(unseal(account.credentials))
    return {name: str(value) for name, value in kept.items()}


def connect(account: Account) -> AdPlatform:
    """The account as something to ask. Nothing is called yet. Raises Refused."""
    known = credentials_of(account)
    return connect_with(account.platform, account.account_id, known, keeper(account.pk, known))


def connect_with(
    platform: str,
    account_id: str,
    credentials: Mapping[str, str],
    keep: Callable[[Mapping[str, str]], None] = lambda _: None,
) -> AdPlatform:
    """The same for credentials that are not kept yet."""
    kind = kind_of(platform)
    return kind.connect(Connection(account_id, credentials, keep, _base_url(platform)))


def keeper(account_id: UUID, known: Mapping[str, str]) -> Callable[[Mapping[str, str]], None]:
    """Called in the thread of a call, before the new credentials are used: a former one may not work any more.

    Should a person have entered others than those that are `known` meanwhile, those stay.
    """

    def keep(credentials: Mapping[str, str]) -> None:
        nonlocal known
        try:
            if _replace(account_id, known, credentials):
                known = dict(credentials)
        finally:
            connections.close_all()

    return keep


@use_case
def _replace(account_id: UUID, known: Mapping[str, str], credentials: Mapping[str, str]) -> bool:
    """Whether they were those that are known. What is sealed differs each time, so what is inside is compared."""
    account = lock(account_id)
    if credentials_of(account) != known:
        return False
    account.credentials = sealed(credentials)
    account.save(update_fields=["credentials"])
    return True


def _base_url(platform: str) -> str:
    """A simulator on this machine in demo mode, whose login everybody knows. Empty: the platform's own address."""
    url: str = settings.PLATFORM_URLS.get(platform, "")
    if not url and not settings.DEMO:
        return ""
    if not url:
        raise Refused(
            "Demo mode calls no ad platform. Start a simulator and name it in PLATFORM_URLS (docs/platforms.md), or "
            "run the system as in production (docs/deployment.md)."
        )
    if not settings.DEMO:
        raise Refused("PLATFORM_URLS is for demo mode: outside of it platforms are called at their own addresses.")
    host = urlsplit(url).hostname or ""
    if host != "localhost" and not _is_loopback(host):
        raise Refused(f"PLATFORM_URLS leads to {host}; a simulator runs on this machine.")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
