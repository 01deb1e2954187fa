"""Secrets of endpoints: made, encrypted at rest, and used to sign. Nothing here is logged."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from standardwebhooks import Webhook

from budget_system.errors import Refused

PREFIX = "whsec_"


class UnreadableSecret(Refused):
    """It was encrypted with a key that is not there any more."""

    code = "unreadable_secret"


def new_secret() -> str:
    """`whsec_` and 256 random bits, as Standard Webhooks writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def encrypt(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def decrypt(kept: str) -> str:
    """Raises UnreadableSecret."""
    try:
        return _box().decrypt(kept.encode()).decode()
    except InvalidToken:
        raise UnreadableSecret(
            "The endpoint's secret cannot be decrypted: WEBHOOK_KEYS (or SECRET_KEY) was changed without keeping the "
            "former key. Put it back, or give the endpoint a new secret."
        ) from None


def renew(kept: str) -> str:
    """The same secret under the newest key."""
    return _box().rotate(kept.encode()).decode()


def signatures(kept: Sequence[str], message_id: str, at: datetime, body: str) -> str:
    """The `webhook-signature` header: one signature for each of these encrypted secrets."""
    return " ".join(Webhook(decrypt(one)).sign(message_id, at, body) for one in kept)


def _box() -> MultiFernet:
    """The newest key encrypts, all of them decrypt. Without WEBHOOK_KEYS the key comes from SECRET_KEY."""
    derived = hashlib.sha256(b"delivery.secrets:" + settings.SECRET_KEY.encode()).digest()
    return MultiFernet([Fernet(key) for key in [*settings.WEBHOOK_KEYS, base64.urlsafe_b64encode(derived)]])
