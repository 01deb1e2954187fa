"""A message as a call: signed as Standard Webhooks says, with the secrets in force at this moment."""

from datetime import datetime

from django.conf import settings

from delivery.addresses import Policy
from delivery.models import Delivery
from delivery.schedule import Answer
from delivery.secrets import signatures
from delivery.transport import Call, post


def call_of(delivery: Delivery, now: datetime) -> Call:
    """Raises `sealed.UnreadableSecret`."""
    endpoint = delivery.endpoint
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "budget-system-webhooks/1",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signatures(endpoint.secrets_at(now), delivery.message_id, now, delivery.body),
    }
    return Call(endpoint.url, headers, delivery.body.encode())


def send(call: Call) -> Answer:
    """Send it, as far as this system's policy lets it."""
    return post(call, policy())


def policy() -> Policy:
    return Policy(frozenset(settings.WEBHOOK_PORTS), settings.WEBHOOK_LOOPBACK)
