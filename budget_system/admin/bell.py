"""The bell in the header of every page: how many open alerts nobody has read yet, of the brands that are theirs."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from access.callers import caller_of
from alerts.models import Alert

MOST = 99


def bell(request: HttpRequest) -> dict[str, Any]:
    """Counted only where the template shows it."""
    return {"bell": SimpleLazyObject(lambda: _bell(request))}


def _bell(request: HttpRequest) -> dict[str, str]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff or not user.has_perm("alerts.view_alert"):
        return {}
    unread = caller_of(request).only_theirs(Alert.objects.unread()).values("pk")[: MOST + 1].count()
    text = "" if not unread else f"{MOST}+" if unread > MOST else str(unread)
    return {"count": text, "label": f"{text} unread alert{'' if unread == 1 else 's'}" if text else "No unread alerts"}
