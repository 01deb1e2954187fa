"""Real-time authorisation: money is set aside before it is spent; then it is settled, given back, or it expires.

Every change holds the brand's lock, so a request is decided on figures that nobody moves meanwhile, by the same facts
and the same rule that decide whether a campaign runs. The client makes the id: asking again with it is not asking
twice. A refusal is an answer, not an error, and is not kept: the same id may be asked again later.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.models import QuerySet

from brands import services as brands
from brands.services import LockedBrand, audit, plain
from budget_system import money, origin
from budget_system.db import use_case
from budget_system.errors import Busy, Conflict, NotFound, Refused
from campaigns import services as campaigns
from campaigns.holds import Hold, Verdict
from enforcement.decision import Authorisation, Code, Facts, Scope, as_granted, authorise
from enforcement.explain import local_text
from enforcement.services import Cause, evaluate_brands, post_and_evaluate
from enforcement.snapshots import Undecidable, gather_one
from pacing import services as pacing
from spending import ledger
from spending.models import Reservation, ReservationStatus
from spending.reservations import get, resolve
from spending.services import Source, SpendRow, clean_channel
from spending.turns import record_turns

__all__ = ["DEFAULT_TTL", "Answer", "Settlement", "can_spend", "expire_due", "get", "reserve", "settle", "void"]

logger = logging.getLogger(__name__)

DEFAULT_TTL = timedelta(minutes=10)
SHORTEST_TTL, LONGEST_TTL = timedelta(seconds=1), timedelta(days=7)
AT_ONCE = 1_000
"""How many reservations of a brand expire in one transaction."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request for money: the decision, and the reservation if there is one.

    `replayed`: this id was granted before. Nothing was set aside now; the reservation says what became of it.
    """

    amount: int
    currency: str
    zone: ZoneInfo
    authorisation: Authorisation
    reservation: Reservation | None = None
    replayed: bool = False
    pacer: str = ""
    """Why the pacer refuses it, where it is the pacer that does."""

    @property
    def text(self) -> str:
        """What was granted or why not, with the figures, for people."""
        asked, decided = self._text(self.amount), self.authorisation
        if not decided.granted:
            return f"{asked} refused: {self.pacer or self._why_not()}."
        limited = decided.limit is not None
        remain = f"{self._text(decided.remaining)} remain of {self._limit()}" if limited else "no budget limits it"
        if self.reservation is None:
            return f"{asked} could be set aside now; after that {remain}."
        if self.replayed:
            became = ReservationStatus(self.reservation.status).label.lower()
            return f"{asked} had been granted before under this id (now: {became}); {remain}."
        until = local_text(self.zone, self.reservation.expires_at, self.reservation.created_at)
        return f"{asked} set aside until {until}; {remain}."

    def _why_not(self) -> str:
        decided = self.authorisation
        if decided.limit is None:
            stopped = decided.hold is Hold.EMERGENCY_STOP
            return f"emergency stop of the {decided.scope}" if stopped else Hold(decided.code).label.lower()
        spent = f"{self._text(decided.used)} spent, {self._text(decided.reserved)} set aside"
        if decided.hold is not None:
            return f"{self._limit()} is used up ({spent})"
        return f"{self._text(decided.remaining)} remain of {self._limit()} ({spent})"

    def _limit(self) -> str:
        """“the brand's daily budget of 100.00 EUR”"""
        name = _LIMITS[self.authorisation.limited_by or self.authorisation.code]
        owner = "brand" if self.authorisation.scope is Scope.BRAND else "campaign"
        return f"the {owner}'s {name} of {self._text(self.authorisation.limit)}"

    def _text(self, micros: int | None) -> str:
        return f"{money.display_text(money.from_micros(micros or 0), self.currency)} {self.currency}"


_LIMITS: dict[str, str] = {
    Hold.LIFETIME_BUDGET_EXCEEDED: "lifetime budget",
    Hold.MONTHLY_BUDGET_EXCEEDED: "monthly budget",
    Hold.DAILY_BUDGET_EXCEEDED: "daily budget",
    Code.LIFETIME_BUDGET_INSUFFICIENT: "lifetime budget",
    Code.MONTHLY_BUDGET_INSUFFICIENT: "monthly budget",
    Code.DAILY_BUDGET_INSUFFICIENT: "daily budget",
    Code.OVERRIDE_INSUFFICIENT: "override with extra money",
}


class Settlement(NamedTuple):
    """A settled reservation, what its campaign's verdict is now (None: archived), and whether it had been settled."""

    reservation: Reservation
    verdict: Verdict | None
    replayed: bool


# --- Asking ----------------------------------------------------------------------------------------------------------


@use_case
def reserve(
    reservation_id: UUID,
    campaign_id: UUID,
    amount: Decimal,
    *,
    channel: str = "",
    ttl: timedelta = DEFAULT_TTL,
    actor: str,
    now: datetime,
) -> Answer:
    """Set money aside for the campaign, if nothing holds it and all its budgets have room for it.

    The same id with the same campaign, amount and channel is answered with what was granted first, whatever became of
    it since; with another content it is a Conflict.
    """
    micros, channel = _micros(amount), clean_channel(channel)
    _check_ttl(ttl)
    brand = campaigns.lock_brand_of(campaign_id)
    if brand is None:
        raise NotFound("There is no such campaign.", field="campaign")
    _record_turn(brand, actor, now)
    known, aside = _known(campaign_id, brand, now), pacing.NOT_PACED
    if known is not None:
        facts, period_ids, paced = known
        decided = authorise(facts, micros, now)
        if decided.hold is None and not decided.granted and decided.reserved and _expire(brand.id, now, AT_ONCE):
            # What has expired refuses nobody, even if no worker is there to say so.
            facts, period_ids, paced = _known(campaign_id, brand, now) or known
            decided = authorise(facts, micros, now)
        if decided.granted and paced:
            aside = pacing.set_aside(campaign_id, channel, micros, now)
            if not aside.allowed and _expire(brand.id, now, AT_ONCE):
                aside = pacing.set_aside(campaign_id, channel, micros, now)
        if decided.granted and aside.allowed:
            entry = ledger.Reserve(
                reservation_id, brand.id, campaign_id, channel, micros, facts.day, now, actor, origin.current(),
                now + ttl,
            )  # fmt: skip
            if ledger.reserve(entry, period_ids):
                aside.keep()
                return Answer(micros, brand.currency, facts.zone, decided, _made(entry))
    earlier = Reservation.objects.filter(pk=reservation_id).first()
    if earlier is not None:
        return _replay(earlier, campaign_id, micros, channel, brand, now)
    if known is None:
        raise _archived(campaign_id)
    if not aside.allowed:
        aside.keep()
        return _refused_by_pacer(micros, brand, facts, now, aside.reason)
    return Answer(micros, brand.currency, facts.zone, decided)


def can_spend(campaign_id: UUID, amount: Decimal, now: datetime, *, channel: str = "") -> Answer:
    """What `reserve` would answer at this moment. Advice only: it takes no lock and changes nothing."""
    micros = _micros(amount)
    brand = campaigns.read_brand_of(campaign_id)
    known = _known(campaign_id, brand, now)
    if known is None:
        raise _archived(campaign_id)
    facts, _, paced = known
    decided = authorise(facts, micros, now)
    if decided.granted and paced:
        asked = pacing.ask(campaign_id, clean_channel(channel), micros, now)
        if not asked.allowed:
            return _refused_by_pacer(micros, brand, facts, now, asked.reason)
    return Answer(micros, brand.currency, facts.zone, decided)


def _refused_by_pacer(micros: int, brand: LockedBrand, facts: Facts, now: datetime, why: str) -> Answer:
    """The budgets have room for it; what remains is what they say."""
    refused = Authorisation(False, Code.PACING, as_granted(facts, now).remaining)
    return Answer(micros, brand.currency, facts.zone, refused, pacer=why)


def _micros(amount: Decimal) -> int:
    try:
        micros = money.to_micros(amount)
    except money.InvalidAmount as error:
        raise Refused(str(error), field="amount") from error
    if micros <= 0:
        raise Refused("The amount must be more than 0.", field="amount")
    return micros


def _check_ttl(ttl: timedelta) -> None:
    if not SHORTEST_TTL <= ttl <= LONGEST_TTL:
        raise Refused("Money can be set aside for 1 second to 7 days.", field="ttl")


def _record_turn(brand: LockedBrand, actor: str, now: datetime) -> set[UUID]:
    """If the brand's day or month has turned, all its campaigns are evaluated."""
    turned = {turns.brand_id for turns in record_turns([brand], now)}
    if turned:
        evaluate_brands({brand.id: brand}, (), turned, cause=Cause.TIME, actor=actor, now=now)
    return turned


class _Known(NamedTuple):
    """A campaign's facts with what is set aside, the rows of its periods, and whether its spend is paced."""

    facts: Facts
    period_ids: list[int]
    paced: bool


def _known(campaign_id: UUID, brand: LockedBrand, now: datetime, *, archived: bool = False) -> _Known | None:
    """None for an archived campaign, unless asked for."""
    present = gather_one(campaign_id, brand, now, archived=archived)
    if present is None:
        return None
    if isinstance(present.campaign, Undecidable):
        raise Refused(f"The campaign cannot be decided: {present.campaign.problem}", field="campaign")
    return _Known(present.campaign.facts, present.period_ids, present.paced)


def _made(entry: ledger.Reserve) -> Reservation:
    values = {**entry._asdict(), "amount": money.from_micros(entry.amount), "status": ReservationStatus.PENDING}
    return Reservation.from_db(DEFAULT_DB_ALIAS, _COLUMNS, [values.get(column) for column in _COLUMNS])


_COLUMNS = [field.attname for field in Reservation._meta.concrete_fields]


def _replay(
    earlier: Reservation, campaign_id: UUID, micros: int, channel: str, brand: LockedBrand, now: datetime
) -> Answer:
    if (earlier.campaign_id, money.to_micros(earlier.amount), earlier.channel) != (campaign_id, micros, channel):
        raise Conflict("This id was used before for another reservation. Use a new id for a new one.", field="id")
    known = _known(campaign_id, brand, now, archived=True)
    if known is None:
        raise AssertionError("a campaign with a reservation is never deleted")
    return Answer(micros, brand.currency, known.facts.zone, as_granted(known.facts, now), earlier, replayed=True)


def _archived(campaign_id: UUID) -> Conflict:
    campaign = campaigns.get(campaign_id)
    return Conflict(f"“{campaign}” is archived: nothing can be set aside for it.", field="campaign")


# --- What becomes of it ----------------------------------------------------------------------------------------------


@use_case
def settle(reservation_id: UUID, amount: Decimal, *, actor: str, now: datetime) -> Settlement:
    """Record what was really spent, on the reservation's day, and release what was set aside.

    An expired reservation is settled too, and so is more than was set aside: money that was spent is a fact. Settling
    again with the same amount is answered with the first result.
    """
    try:
        micros = money.to_micros(amount)
    except money.InvalidAmount as error:
        raise Refused(str(error), field="amount") from error
    if micros <= 0:
        raise Refused("The amount must be more than 0. If nothing was spent, void the reservation.", field="amount")
    reservation, brand = _lock(reservation_id)
    turned = _record_turn(brand, actor, now)
    locked, brand_of = {brand.id: brand}, {reservation.campaign_id: brand.id}
    if reservation.status == ReservationStatus.VOIDED:
        raise Conflict("This reservation was given back. If money was spent after all, post the spend itself.")
    if reservation.status == ReservationStatus.SETTLED:
        if reservation.settled_amount != amount:
            settled = plain(reservation.settled_amount, brand.currency)
            raise Conflict(
                f"This reservation was settled with {settled} {brand.currency}. To correct it, amend its spend.",
                field="amount",
            )
        seen = evaluate_brands(locked, brand_of, turned, cause=Cause.SPEND, actor=actor, now=now, brand_of=brand_of)
        return Settlement(reservation, seen.verdicts.get(reservation.campaign_id), True)
    row = SpendRow(
        reservation.campaign_id, amount, reservation.day, key=str(reservation.pk), channel=reservation.channel,
        description=f"Reserved for {reservation.channel}" if reservation.channel else "",
    )  # fmt: skip
    held = _held(reservation) if reservation.status == ReservationStatus.PENDING else None
    result = post_and_evaluate(
        [row], locked, brand_of, turned, source=Source.RESERVATION, actor=actor, now=now, held=held
    )
    [posted] = result.answers
    if posted.error is not None:
        raise posted.error
    resolve([reservation], ReservationStatus.SETTLED, now=now, settled_amount=amount, spend_id=posted.spend_id)
    return Settlement(reservation, result.evaluation.verdicts.get(reservation.campaign_id), False)


@use_case
def void(reservation_id: UUID, *, actor: str, now: datetime) -> Reservation:
    """Give the money back. One that was given back before, or has expired, stays as it is: it sets nothing aside."""
    reservation, brand = _lock(reservation_id)
    _record_turn(brand, actor, now)
    if reservation.status == ReservationStatus.SETTLED:
        raise Conflict("This reservation was settled: the money was spent. To take it back, void its spend.")
    if reservation.status == ReservationStatus.PENDING:
        resolve([reservation], ReservationStatus.VOIDED, now=now)
        pacing.give_back([_held(reservation)], now)
        before = {"amount": plain(reservation.amount, brand.currency)}
        audit(reservation, "void reservation", brand_id=brand.id, actor=actor, now=now, before=before)
    return reservation


def expire_due(now: datetime, limit: int = AT_ONCE) -> int:
    """Release what is set aside longer than was asked for; how many reservations that were.

    Brand by brand, at most `limit` in a transaction. A brand that cannot be handled is logged and left to the next
    run; the others go on. Several workers at once are harmless: each looks again under the brand's lock.
    """
    expired = 0
    due = _due(now).order_by().values_list("brand_id", flat=True).distinct()
    for brand_id in sorted(due):
        try:
            while some := _expire_brand(brand_id, now, limit):
                expired += some
        except Busy:
            logger.warning("Brand %s is held by another change; its reservations expire with the next run", brand_id)
        except (DatabaseError, ledger.UnableToRelease):
            logger.exception("The reservations of brand %s could not expire", brand_id)
    return expired


@use_case
def _expire_brand(brand_id: UUID, now: datetime, limit: int) -> int:
    brands.lock([brand_id])
    return _expire(brand_id, now, limit)


def _expire(brand_id: UUID, now: datetime, limit: int) -> int:
    """Expire what is due of a locked brand."""
    due = list(_due(now).filter(brand_id=brand_id).order_by("expires_at")[:limit])
    if due:
        resolve(due, ReservationStatus.EXPIRED, now=now)
        pacing.give_back(map(_held, due), now)
    return len(due)


def _held(reservation: Reservation) -> pacing.Held:
    return pacing.Held(
        reservation.campaign_id, reservation.channel, money.to_micros(reservation.amount), reservation.created_at
    )


def _due(now: datetime) -> QuerySet[Reservation]:
    return Reservation.objects.filter(status=ReservationStatus.PENDING, expires_at__lte=now)


def _lock(reservation_id: UUID) -> tuple[Reservation, LockedBrand]:
    brand_id = get(reservation_id).brand_id
    locked = brands.lock([brand_id])
    return get(reservation_id), locked[brand_id]  # again: what was read before the lock may be old
