"""Tokens of machines: made, found, used and revoked. What is kept cannot be used: it is a digest."""

import hashlib
import logging
import re
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import InternalError
from django.db.models import Exists, OuterRef, Q

from access.models import ApiToken, TokenScope
from brands.models import Brand
from brands.services import audit, clean_title
from budget_system.db import use_case
from budget_system.errors import NotFound, Refused

logger = logging.getLogger(__name__)

PREFIX_LENGTH = 11
LETTERS = string.ascii_letters + string.digits
TOKEN = re.compile(r"bs_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}")
"""`bs_` and 8 characters to know it by, then 256 random bits. Scanners for leaked secrets can look for this."""
USE_NOTED_EVERY = timedelta(minutes=1)


@use_case
def issue(
    name: str,
    user: User,
    scope: str,
    brands: Iterable[Brand],
    *,
    expires_at: datetime | None,
    requests_per_minute: int | None,
    actor: str,
    now: datetime,
) -> tuple[ApiToken, str]:
    """A new token for `user`, and its text, which is known now and never again. No `brands`: all of the person's."""
    chosen = sorted(brands, key=lambda brand: brand.name)
    _check(user, scope, chosen, expires_at, requests_per_minute, now)
    prefix = f"bs_{''.join(secrets.choice(LETTERS) for _ in range(8))}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken(
        name=clean_title(name, "name"), user=user, scope=scope, requests_per_minute=requests_per_minute,
        prefix=prefix, digest=digest(text), expires_at=expires_at, created_at=now, created_by=actor,
    )  # fmt: skip
    if len(token.name) > 100:
        raise Refused(f"The name is {len(token.name)} characters long; the limit is 100.", field="name")
    token.save(force_insert=True)
    token.brands.set(chosen)
    after: dict[str, object] = {
        "acts for": user.get_username(),
        "scope": scope,
        "brands": [brand.name for brand in chosen] or "all of the person's",
        "expires": expires_at.isoformat() if expires_at else None,
        "requests per minute": requests_per_minute,
    }
    audit(token, "issue token", brand_id=None, actor=actor, now=now, after=after)
    return token, text


def _check(
    user: User,
    scope: str,
    brands: list[Brand],
    expires_at: datetime | None,
    requests_per_minute: int | None,
    now: datetime,
) -> None:
    if not user.is_active:
        raise Refused(
            f"The login of {user.get_username()} is switched off, so a token for it is of no use.", field="user"
        )
    if scope not in TokenScope.values:
        raise Refused(f"“{scope}” is not a scope; choose one of {', '.join(TokenScope.values)}.", field="scope")
    if expires_at is not None and expires_at <= now:
        raise Refused("The token would have ended already. Choose a later moment.", field="expires_at")
    if requests_per_minute is not None and requests_per_minute < 1:
        raise Refused(
            "It needs at least one request a minute. Leave it empty for the default.", field="requests_per_minute"
        )
    if not user.has_perm("access.all_brands"):
        theirs = set(user.memberships.values_list("brand_id", flat=True))
        for brand in brands:
            if brand.pk not in theirs:
                raise Refused(
                    f"{user.get_username()} does not work for “{brand}”, so nor can the token.", field="brands"
                )


@use_case
def rename(token_id: UUID, name: str, *, actor: str, now: datetime) -> ApiToken:
    """Another name. All else of a token stays as it was issued: who needs something else issues another."""
    token = _lock(token_id)
    before, token.name = token.name, clean_title(name, "name")
    if len(token.name) > 100:
        raise Refused(f"The name is {len(token.name)} characters long; the limit is 100.", field="name")
    if token.name != before:
        token.save(update_fields=["name"])
        audit(
            token, "rename token", brand_id=None, actor=actor, now=now, before={"name": before},
            after={"name": token.name},
        )  # fmt: skip
    return token


@use_case
def revoke(token_id: UUID, *, actor: str, now: datetime) -> ApiToken:
    """From now on it is refused. The row is kept; revoking again changes nothing."""
    token = _lock(token_id)
    if token.revoked_at is None:
        token.revoked_at, token.revoked_by = now, actor
        token.save(update_fields=["revoked_at", "revoked_by"])
        audit(token, "revoke token", brand_id=None, actor=actor, now=now)
    return token


def _lock(token_id: UUID) -> ApiToken:
    token = ApiToken.objects.select_for_update(no_key=True).filter(pk=token_id).first()
    if token is None:
        raise NotFound("There is no such token.")
    return token


def digest(text: str) -> str:
    """What is kept. The secret has 256 random bits, so nothing slower than SHA-256 is needed."""
    return hashlib.sha256(text.encode()).hexdigest()


def find(text: str, now: datetime) -> ApiToken | None:
    """The token with this text, if it may be used: not revoked, not over, and its person may still log in."""
    if not TOKEN.fullmatch(text):
        return None
    chosen = ApiToken.brands.through.objects.filter(apitoken_id=OuterRef("pk"))
    tokens = ApiToken.objects.select_related("user").annotate(is_for_some_brands=Exists(chosen))
    token = tokens.filter(prefix=text[:PREFIX_LENGTH]).first()
    if token is None or not secrets.compare_digest(token.digest, digest(text)):
        return None
    return token if is_usable(token, now) else None


def is_usable(token: ApiToken, now: datetime) -> bool:
    in_time = token.expires_at is None or token.expires_at > now
    return token.revoked_at is None and in_time and token.user.is_active


def touch(token: ApiToken, now: datetime) -> None:
    """Note that it is in use: written once a minute at most, however many requests come with it.

    A database that takes no writes at present keeps nobody from reading.
    """
    known = token.last_used_at
    if known is not None and now - known < USE_NOTED_EVERY:
        return
    unnoted = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    try:
        ApiToken.objects.filter(unnoted, pk=token.pk).update(last_used_at=now)
    except InternalError as error:
        logger.warning("The use of “%s” could not be noted: %s", token.name, error)
