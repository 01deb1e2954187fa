"""How a message goes out, by the kind of its endpoint: signed, to Slack, or by e-mail. `send` runs in a thread that has
no database.
"""

import json
import smtplib
import time
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from budget_system.sealed import unseal
from delivery import webhooks
from delivery.models import Delivery, EndpointKind
from delivery.schedule import Answer
from delivery.transport import Call, post

ACCEPTED = 250
"""What a mail server says when it has taken a message."""
BAD_MESSAGE = 400
"""What Slack says of a message that it will never take."""


class SlackCall(NamedTuple):
    call: Call


class Mail(NamedTuple):
    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    message_id: str


Outgoing = Call | SlackCall | Mail


def outgoing(delivery: Delivery, now: datetime) -> Outgoing:
    """What is to be sent. Raises `sealed.UnreadableSecret`."""
    endpoint = delivery.endpoint
    if endpoint.kind == EndpointKind.SLACK:
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "budget-system-alerts/1"}
        return SlackCall(Call(unseal(endpoint.secret), headers, delivery.body.encode()))
    if endpoint.kind == EndpointKind.EMAIL:
        body = json.loads(delivery.body)
        to = tuple(address.strip() for address in endpoint.url.split(","))
        return Mail(to, body["subject"], body["text"], body["html"], delivery.message_id)
    return webhooks.call_of(delivery, now)


def send(message: Outgoing) -> Answer:
    if isinstance(message, SlackCall):
        return _slack(message.call)
    return _mail(message) if isinstance(message, Mail) else webhooks.send(message)


def _slack(call: Call) -> Answer:
    """Its address is a secret, which an answer may repeat."""
    answer = post(call, webhooks.policy())
    answer = answer._replace(text=_without(answer.text, call.url), error=_without(answer.error, call.url))
    if answer.status == BAD_MESSAGE:
        return answer._replace(refused=True)
    if answer.arrived and not _is_ok(answer.text):
        return answer._replace(status=None, error=f"It answered {answer.status}, but not “ok” as Slack does")
    return answer


def _is_ok(text: str) -> bool:
    """Slack says ok; some that understand it say nothing, or something in JSON. A page for people is none of these."""
    return text.strip().lower() in {"", "ok"} or text.lstrip().startswith("{")


def _without(text: str, url: str) -> str:
    parts = urlsplit(url)
    secret = [url, parts.path, *(one for one in (*parts.path.split("/"), parts.query) if len(one) >= 6)]
    for one in sorted(filter(lambda part: len(part) > 1, secret), key=len, reverse=True):
        text = text.replace(one, "…")
    return text


def _mail(mail: Mail) -> Answer:
    began = time.monotonic()
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip(" >") or "localhost"
    message = EmailMultiAlternatives(
        f"{settings.EMAIL_SUBJECT_PREFIX}{mail.subject}", mail.text, to=list(mail.to),
        headers={"Message-ID": f"<{mail.message_id}@{domain}>", "Auto-Submitted": "auto-generated"},
    )  # fmt: skip
    message.attach_alternative(mail.html, "text/html")
    try:
        message.send()
        answer = Answer(ACCEPTED, text="The mail server took it.")
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        answer = Answer(None, f"No recipient was accepted: {_words(error)}", refused=all(code >= 500 for code in codes))
    except smtplib.SMTPResponseException as error:
        answer = Answer(
            None, f"The mail server said {error.smtp_code}", refused=isinstance(error, smtplib.SMTPDataError)
            and error.smtp_code >= 500,
        )  # fmt: skip
    except (OSError, ValueError) as error:  # smtplib's own errors are among them; a bad header is a ValueError
        answer = Answer(
            None, f"The mail server could not be reached: {_words(error)}", refused=isinstance(error, ValueError)
        )
    return answer._replace(seconds=time.monotonic() - began)


def _words(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:300]
