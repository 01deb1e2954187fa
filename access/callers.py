"""The caller: a person, or a machine acting for one: what they may do and which brands they see, for all doors."""

from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet

from access.models import ApiToken, TokenScope
from access.roles import ROLES, SPEND, VIEW, Role
from brands.models import Brand

M = TypeVar("M", bound=Model)

SCOPES: dict[str, frozenset[str]] = {
    TokenScope.READ: VIEW,
    TokenScope.SPEND: VIEW | SPEND,
    TokenScope.OPERATE: ROLES[Role.OPERATOR],
    TokenScope.MANAGE: ROLES[Role.MANAGER],
}


@dataclass(frozen=True)
class Caller:
    """Who asks. With a token, only what its scope and its brands leave of what the person may do and see."""

    user: User
    token: ApiToken | None = None
    anonymous: bool = False
    """Demo mode only: nobody has said who they are."""

    @property
    def name(self) -> str:
        """As the records name them."""
        if self.anonymous:
            return "demo: anonymous"
        if self.token is not None:
            return f"token: {self.token.name} ({self.token.prefix}…) for {self.user.get_username()}"
        return f"user: {self.user.get_username()}"

    @property
    def key(self) -> str:
        """What throttles and kept answers know them by."""
        return f"token:{self.token.pk.hex}" if self.token is not None else f"user:{self.user.pk}"

    def may(self, permission: str) -> bool:
        """Whether they have this permission, such as `brands.change_budget`."""
        in_scope = self.token is None or permission in SCOPES[self.token.scope]
        return in_scope and self.user.has_perm(permission)

    def sees_all_brands(self) -> bool:
        return self.user.has_perm("access.all_brands") and not self._is_for_some_brands()

    def brands(self) -> QuerySet[Brand]:
        """The brands they see, archived ones included."""
        brands: QuerySet[Brand] = Brand.objects.all()
        if not self.user.has_perm("access.all_brands"):
            brands = brands.filter(memberships__user=self.user)
        if self.token is not None and self._is_for_some_brands():
            brands = brands.filter(pk__in=self.token.brands.values("pk"))
        return brands

    def _is_for_some_brands(self) -> bool:
        if self.token is None:
            return False
        known: bool | None = getattr(self.token, "is_for_some_brands", None)  # as tokens.find fetched it
        return self.token.brands.exists() if known is None else known

    def sees(self, brand_id: UUID) -> bool:
        return self.sees_all_brands() or self.brands().filter(pk=brand_id).exists()

    def only_theirs(self, things: QuerySet[M], brand: str = "brand") -> QuerySet[M]:
        """Those of `things` that belong to brands they see; `brand` is the path to the brand."""
        if self.sees_all_brands():
            return things
        return things.filter(**{f"{brand}__in": self.brands().values("pk")})


def caller_of(request: Any) -> Caller:
    """The caller of a request of Django's or of REST framework's, which has been authenticated."""
    auth = getattr(request, "auth", None)
    return Caller(request.user, auth if isinstance(auth, ApiToken) else None, anonymous=auth == ANONYMOUS)


ANONYMOUS = "anonymous"
"""What authentication says of a request that demo mode lets in without a name."""
