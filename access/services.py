"""Writing who works for which brand. No transactions here: callers have one."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User

from access.models import Membership
from brands.models import Brand
from brands.services import audit
from budget_system.errors import NotFound, Refused


def join(user: User, brand_id: UUID, actor: str, now: datetime) -> Membership:
    """`user` works for this brand from now on. Joining again changes nothing."""
    brand = Brand.objects.filter(pk=brand_id).first()
    if brand is None:
        raise NotFound("There is no such brand.", field="brand")
    if not user.is_active:
        raise Refused(f"The login of {user.get_username()} is switched off.", field="user")
    membership, made = Membership.objects.get_or_create(
        user=user, brand=brand, defaults={"created_at": now, "created_by": actor}
    )
    if made:
        audit(
            membership, "join brand", brand_id=brand.pk, actor=actor, now=now,
            after={"user": user.get_username(), "brand": brand.name},
        )  # fmt: skip
    return membership


def join_if_needed(user: User, brand_id: UUID, actor: str, now: datetime) -> None:
    """For who has just created a brand: without a membership they would not see it."""
    if not user.has_perm("access.all_brands"):
        join(user, brand_id, actor, now)


def leave(membership_id: UUID, actor: str, now: datetime) -> None:
    """The person works for the brand no more. The audit record keeps that they did."""
    membership = (
        Membership.objects.select_for_update(of=("self",))
        .select_related("user", "brand")
        .filter(pk=membership_id)
        .first()
    )
    if membership is None:
        raise NotFound("This person does not work for the brand (any more).")
    audit(
        membership, "leave brand", brand_id=membership.brand_id, actor=actor, now=now,
        before={"user": membership.user.get_username(), "brand": membership.brand.name},
    )  # fmt: skip
    membership.delete()
