"""Reservations: reading them, and resolving them once. No transactions and no decisions here."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from budget_system import money
from budget_system.errors import NotFound
from spending import ledger
from spending.models import Reservation, ReservationStatus


def get(reservation_id: UUID) -> Reservation:
    """The reservation with its campaign and brand. Raises NotFound."""
    reservation = Reservation.objects.select_related("campaign__brand").filter(pk=reservation_id).first()
    if reservation is None:
        raise NotFound("There is no such reservation.", field="reservation")
    return reservation


def resolve(
    reservations: Sequence[Reservation],
    status: ReservationStatus,
    *,
    now: datetime,
    settled_amount: Decimal | None = None,
    spend_id: UUID | None = None,
) -> None:
    """Settle, void or expire these, of locked brands; what is still set aside for them is released."""
    changed = 0
    for before in {reservation.status for reservation in reservations}:
        ids = [reservation.pk for reservation in reservations if reservation.status == before]
        changed += Reservation.objects.filter(pk__in=ids, status=before).update(
            status=status, resolved_at=now, settled_amount=settled_amount, spend_id=spend_id
        )
    if changed != len(reservations):
        raise RuntimeError(f"{changed} of {len(reservations)} reservations were resolved")
    ledger.release(
        (one.brand_id, one.campaign_id, money.to_micros(one.amount), one.day)
        for one in reservations
        if one.status == ReservationStatus.PENDING
    )
    for reservation in reservations:
        reservation.status, reservation.resolved_at = status, now
        reservation.settled_amount, reservation.spend_id = settled_amount, spend_id
