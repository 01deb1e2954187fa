"""Secrets that this system must be able to read again: encrypted at rest. Nothing here is logged."""

import base64
import hashlib
from collections.abc import Iterator

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models

from budget_system.db import use_case
from budget_system.errors import Refused


class SealedField(models.TextField[str, str]):
    """A sealed text, or an empty one. It is kept and read as it is sealed; `unseal` gives what is inside."""

    description = "A text encrypted at rest"


class UnreadableSecret(Refused):
    """It was encrypted with a key that is not there any more."""

    code = "unreadable_secret"


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def unseal(kept: str) -> str:
    """Raises UnreadableSecret."""
    try:
        return _box().decrypt(kept.encode()).decode()
    except InvalidToken:
        raise UnreadableSecret(
            "A secret kept here cannot be decrypted: ENCRYPTION_KEYS (or SECRET_KEY) was changed without keeping the "
            "former key. Put it back, or enter the secret anew."
        ) from None


@use_case
def renew_all() -> dict[str, int]:
    """Seal every secret with the newest of ENCRYPTION_KEYS, or none. Gives how many rows of each model.

    Raises UnreadableSecret.
    """
    counts: dict[str, int] = {}
    for model, fields in _sealed_fields():
        rows = list(model._default_manager.order_by("pk").select_for_update(of=("self",), no_key=True))
        for row in rows:
            for name in fields:
                if kept := getattr(row, name):
                    setattr(row, name, seal(unseal(kept)))
            row.save(update_fields=fields)
        counts[str(model._meta.verbose_name_plural)] = len(rows)
    return counts


def unreadable() -> dict[str, int]:
    """How many secrets of each model no key opens any more."""
    return {
        str(model._meta.verbose_name_plural): closed
        for model, fields in _sealed_fields()
        if (closed := sum(map(is_closed, _kept(model, fields))))
    }


def _kept(model: type[models.Model], fields: list[str]) -> Iterator[str]:
    for values in model._default_manager.order_by().values_list(*fields).iterator():
        yield from filter(None, values)


def is_closed(kept: str) -> bool:
    """Whether no key opens it any more."""
    try:
        unseal(kept)
    except UnreadableSecret:
        return True
    return False


def _sealed_fields() -> Iterator[tuple[type[models.Model], list[str]]]:
    for model in apps.get_models():
        fields = [field.name for field in model._meta.fields if isinstance(field, SealedField)]
        if fields and not model._meta.proxy:
            yield model, fields


def _box() -> MultiFernet:
    """The newest key encrypts, all of them decrypt. Without ENCRYPTION_KEYS the key comes from SECRET_KEY."""
    derived = hashlib.sha256(b"delivery.secrets:" + settings.SECRET_KEY.encode()).digest()
    return MultiFernet([Fernet(key) for key in [*settings.ENCRYPTION_KEYS, base64.urlsafe_b64encode(derived)]])
