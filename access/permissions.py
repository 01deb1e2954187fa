"""What a view of the API needs. Closed by default: what declares nothing is refused.

    class BrandViewSet(...):
        needs = {"list": "brands.view_brand", "retrieve": "brands.view_brand", "create": "brands.add_brand"}

Whether the caller sees the very thing is the queryset's business (`Caller.only_theirs`): what they do not see is 404.
"""

import logging
from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request

from access.callers import caller_of

log = logging.getLogger(__name__)

LOGGED_IN = "logged in"
"""In place of a permission: whoever is known may."""


class MayDo(BasePermission):
    """The caller has what the view's `needs` asks for this action (of a view set) or method (of a view)."""

    message = "You are not allowed to do this."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not getattr(request.user, "is_authenticated", False):
            return False
        needed = needed_for(view, str(request.method))
        if needed is None:
            log.error("%s declares nothing in `needs` for %s, so it is refused.", type(view).__name__, request.method)
            return False
        if needed == LOGGED_IN:
            return True
        self.message = f"You are not allowed to do this. It needs the permission {needed}."
        return caller_of(request).may(needed)


class Anybody(AllowAny):
    """Of the documentation and the schema, which tell no secrets: without them nobody could learn how to log in."""


def needed_for(view: Any, method: str) -> str | None:
    """What this request needs by the view's `needs`; None if the view does not say. HEAD and OPTIONS are like GET."""
    needs: Mapping[str, str] = getattr(view, "needs", {})
    actions: Mapping[str, str] | None = getattr(view, "action_map", None)
    method = method.upper()
    if method in {"HEAD", "OPTIONS"}:
        offered = [name.upper() for name in actions] if actions is not None else view.allowed_methods
        others = [name for name in offered if name not in {"GET", "HEAD", "OPTIONS"}]
        # OPTIONS of what cannot be read tells of a change, so it needs what the change needs.
        method = "GET" if "GET" in offered or not others else others[0]
    if actions is None:
        return needs.get(method) if hasattr(view, method.lower()) else LOGGED_IN
    action = actions.get(method.lower())
    return needs.get(action) if action is not None else LOGGED_IN  # there is no such method here: 405, and not 403
