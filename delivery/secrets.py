"""Secrets of endpoints: made, and used to sign. Nothing here is logged."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

from budget_system.sealed import unseal

PREFIX = "whsec_"


def new_secret() -> str:
    """`whsec_` and 256 random bits, as Standard Webhooks writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signatures(sealed: Sequence[str], message_id: str, at: datetime, body: str) -> str:
    """The `webhook-signature` header: one signature for each of these secrets."""
    return " ".join(Webhook(unseal(one)).sign(message_id, at, body) for one in sealed)
