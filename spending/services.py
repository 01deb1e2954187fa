"""Posting, amending and voiding spend: checks, idempotency by key, revisions. No transactions and no decisions here.

Bad input is refused row by row, so that given = recorded + replayed + corrected + refused, and nothing is lost.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from django.db.models import F

from brands.periods import local_date
from brands.services import LockedBrand, zone
from budget_system import money, origin
from budget_system.errors import Conflict, NotFound, Refused
from budget_system.ids import new_id
from budget_system.text import InvalidText, clean_note, required_note
from campaigns.services import clean_day
from spending import ledger
from spending.ledger import Moved
from spending.models import CHANNEL_LENGTH, Spend, SpendRevision, SpendType
from spending.revisions import moved_by, revise, save

FUTURE_DAYS = 1
"""An ad account's zone may be ahead of the brand's; a later date is a typing error."""


class Source(StrEnum):
    """Where a spend came from: keys are unique within a brand and a source."""

    API = "api"
    RESERVATION = "reservation"
    ADMIN = "admin"
    COMMAND = "command"
    DEMO = "demo"
    SIMULATION = "simulation"


class SpendRow(NamedTuple):
    """A spend as an interface hands it in. `currency`, where known, must be the brand's. Without a `channel` it is
    the campaign's own."""

    campaign_id: UUID
    amount: Decimal
    spend_date: date
    spend_type: str = SpendType.DAILY
    description: str = ""
    key: str | None = None
    currency: str | None = None
    channel: str = ""


class Outcome(StrEnum):
    RECORDED = "recorded"
    REPLAYED = "replayed"
    CORRECTED = "corrected"
    REFUSED = "refused"


class Posted(NamedTuple):
    """What became of one given row, in the order given."""

    outcome: Outcome
    spend_id: UUID | None = None
    error: Refused | None = None
    entry: ledger.Entry | None = None
    """What was inserted, if it was just now."""


@dataclass
class Posting:
    """The result of posting: an answer a row, how the totals stand after it, and what moved them."""

    answers: list[Posted]
    periods: list[ledger.PeriodAfter] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)


def post(
    rows: Sequence[SpendRow],
    brands: Mapping[UUID, LockedBrand],
    brand_of: Mapping[UUID, UUID],
    *,
    source: str,
    correct: bool,
    actor: str,
    now: datetime,
    spend_import_id: UUID | None = None,
) -> Posting:
    """Insert what is new, answer what is known, refuse what is wrong; then move the totals by what was inserted.

    With `correct` (an import), a known key with other content corrects the earlier row instead of being refused.
    """
    answers: list[Posted | None] = [None] * len(rows)
    fresh: list[tuple[int, ledger.Entry]] = []
    known: list[tuple[int, ledger.Entry]] = []
    keys: set[tuple[UUID, str]] = set()
    for index, row in enumerate(rows):
        try:
            entry = _entry(row, brands, brand_of, source, spend_import_id, zero_allowed=correct, actor=actor, now=now)
        except Refused as error:
            answers[index] = Posted(Outcome.REFUSED, error=error)
            continue
        if entry.key is not None:
            key = (entry.brand_id, entry.key)
            if key in keys:
                known.append((index, entry))  # the same key earlier in this batch
                continue
            keys.add(key)
        fresh.append((index, entry))

    moved: list[Moved] = []
    inserted = ledger.insert([entry for _, entry in fresh])
    for (index, entry), is_new in zip(fresh, inserted, strict=True):
        if is_new:
            answers[index] = Posted(Outcome.RECORDED, entry.id, entry=entry)
            moved.append(
                Moved(
                    entry.brand_id, entry.campaign_id, entry.amount, entry.spend_date, entry.spend_type, entry.channel
                )
            )  # fmt: skip
        else:
            known.append((index, entry))
    if known:
        known.sort(key=lambda pair: pair[0])
        moved += _answer_known(known, answers, source, correct=correct, actor=actor, now=now)
    periods = ledger.move_totals(ledger.add_up(moved)) if moved else []
    return Posting([answer for answer in answers if answer is not None], periods, moved)


def _entry(
    row: SpendRow,
    brands: Mapping[UUID, LockedBrand],
    brand_of: Mapping[UUID, UUID],
    source: str,
    spend_import_id: UUID | None,
    *,
    zero_allowed: bool,
    actor: str,
    now: datetime,
) -> ledger.Entry:
    """The row checked and made ready to insert. Raises Refused naming the field."""
    brand_id = brand_of.get(row.campaign_id)
    if brand_id is None:
        raise NotFound("There is no such campaign.", field="campaign")
    brand = brands[brand_id]
    if row.currency is not None and row.currency != brand.currency:
        raise Refused(
            f"The amount is in {row.currency}, the brand's currency is {brand.currency}. "
            f"Nothing is converted: hand in the amount in {brand.currency}.",
            field="currency",
        )
    amount = _amount(row.amount, row.spend_type, zero_allowed=zero_allowed)
    if source != Source.RESERVATION:  # its day was read from the brand's calendar; the brand may have moved since
        _check_date(row.spend_date, brand, now)
    channel = clean_channel(row.channel)
    description = _description(row.description, row.spend_type)
    key = _key(row.key)
    content = f"{row.campaign_id}|{amount}|{row.spend_date}|{row.spend_type}|{description}"
    if channel:  # what was recorded before there were channels must stay a replay of itself
        content = f"{channel}|{content}"
    fingerprint = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    return ledger.Entry(
        new_id(), brand_id, row.campaign_id, amount, row.spend_date, row.spend_type, channel, description, source,
        key, fingerprint, now, actor, origin.current(), spend_import_id,
    )  # fmt: skip


_TYPES = frozenset(SpendType.values)


def _amount(amount: Decimal, spend_type: str, *, zero_allowed: bool) -> int:
    if spend_type not in _TYPES:
        raise Refused(f"“{spend_type}” is not one of {', '.join(SpendType.values)}.", field="spend_type")
    try:
        micros = money.to_micros(amount)
    except money.InvalidAmount as error:
        raise Refused(str(error), field="amount") from error
    if spend_type == SpendType.ADJUSTMENT:
        if micros == 0:
            raise Refused("An adjustment of 0 changes nothing.", field="amount")
    elif micros < 0 or (micros == 0 and not zero_allowed):
        raise Refused("The amount must be more than 0; a correction is an ADJUSTMENT.", field="amount")
    return micros


def _check_date(day: date, brand: LockedBrand, now: datetime) -> None:
    clean_day(day, "spend_date")
    try:
        last_day = _last_day(brand.timezone, now)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refused(
            f"The brand's time zone “{brand.timezone}” is not known, and so not its days. Correct it first.",
            field="campaign",
        ) from error
    if day > last_day:
        today = local_date(zone(brand.timezone), now)
        raise Refused(f"{day} is in the future: today is {today} in {brand.timezone}.", field="spend_date")


@lru_cache(maxsize=1024)
def _last_day(timezone: str, now: datetime) -> date:
    return local_date(zone(timezone), now) + timedelta(days=FUTURE_DAYS)


def clean_channel(text: str) -> str:
    """A channel as it is kept: of a spend, a reservation, a line of a report. Raises Refused naming the field."""
    try:
        return clean_note(" ".join(text.split()), what="channel", limit=CHANNEL_LENGTH) if text else ""
    except InvalidText as error:
        raise Refused(str(error), field="channel") from error


def _description(text: str, spend_type: str) -> str:
    try:
        if spend_type == SpendType.ADJUSTMENT:
            return required_note(text, what="reason for the adjustment")
        return clean_note(text, what="description") if text else ""
    except InvalidText as error:
        raise Refused(str(error), field="description") from error


def _key(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return required_note(text, what="key") if len(text) <= 200 else clean_note(text, what="key", limit=200)
    except InvalidText as error:
        raise Refused(str(error), field="key") from error


class _Standing(NamedTuple):
    """What is in the ledger under a key."""

    pk: UUID
    fingerprint: str
    campaign_id: UUID
    amount: Decimal
    spend_date: date
    spend_type: str
    channel: str
    voided_at: datetime | None
    version: int
    spend_import_id: UUID | None

    @property
    def taken_back(self) -> bool:
        """Voided because its import was undone. One that a person voided has no import."""
        return self.voided_at is not None and self.spend_import_id is not None


def _answer_known(
    known: Sequence[tuple[int, ledger.Entry]],
    answers: list[Posted | None],
    source: str,
    *,
    correct: bool,
    actor: str,
    now: datetime,
) -> list[Moved]:
    """Answer rows whose key is in the ledger already: a replay, a correction, or a conflict. Gives what moves."""
    standing = _standing([entry for _, entry in known], source)
    differing = {
        found.pk
        for found, entry in ((standing[entry.brand_id, entry.key], entry) for _, entry in known)
        if not _same(found, entry, correct=correct)
    }
    spends = Spend.objects.in_bulk(list(differing))
    recorded_before = _recorded_before(standing.values(), known)
    moved: list[Moved] = []
    revisions: list[SpendRevision] = []
    for index, entry in known:
        found = standing[entry.brand_id, entry.key]
        spend = spends.get(found.pk)
        if spend is None or _same(spend, entry, correct=correct):
            answers[index] = Posted(recorded_before.get(found.pk, Outcome.REPLAYED), found.pk)
        elif not correct:
            message = f"The key “{entry.key}” was used before for another spend. Use a new key for a new spend."
            answers[index] = Posted(Outcome.REFUSED, spend.pk, Conflict(message, field="key"))
        elif (spend.voided_at is not None and not found.taken_back) or spend.campaign_id != entry.campaign_id:
            message = "This row was imported before and voided by hand since; it stays voided."
            answers[index] = Posted(Outcome.REFUSED, spend.pk, Conflict(message, field="key"))
        else:
            again = spend.voided_at is not None
            reason = "Imported again." if again else "The source reported another value."
            revisions.append(revise(spend, actor=actor, reason=reason, now=now))
            amount = money.from_micros(entry.amount)
            before, after = _replace(spend, amount, entry.spend_date, entry.spend_type, entry.channel)
            moved += [after] if again else [before, after]
            spend.voided_at = None
            spend.description = entry.description
            spend.spend_import_id = entry.spend_import_id
            answers[index] = Posted(Outcome.RECORDED if again else Outcome.CORRECTED, spend.pk)
    changed = {revision.spend_id for revision in revisions}
    save([spend for spend in spends.values() if spend.pk in changed], revisions)
    return moved


def _standing(entries: Sequence[ledger.Entry], source: str) -> dict[tuple[UUID, str | None], _Standing]:
    """What is in the ledger under these keys. Tuples: an import that was sent before has nothing but such rows."""
    spends = Spend.objects.filter(
        brand_id__in={entry.brand_id for entry in entries}, source=source, key__in={entry.key for entry in entries}
    )
    rows = spends.order_by().values_list("brand_id", "key", *_Standing._fields)
    return {(brand_id, key): _Standing(*values) for brand_id, key, *values in rows}


def _recorded_before(standing: Iterable[_Standing], known: Iterable[tuple[int, ledger.Entry]]) -> dict[UUID, Outcome]:
    """What the import that posts now, interrupted and gone on with, had done to these spends before."""
    own_id = next((entry.spend_import_id for _, entry in known), None)
    own = [found for found in standing if own_id is not None and found.spend_import_id == own_id]
    if not own:
        return {}
    corrected = [found.pk for found in own if found.version > 1]
    again = set(
        SpendRevision.objects.filter(
            spend__in=corrected, version=F("spend__version") - 1, voided_at__isnull=False
        ).values_list("spend_id", flat=True)
    )
    outcomes = {found.pk: Outcome.RECORDED for found in own if found.version == 1 or found.pk in again}
    return dict.fromkeys(corrected, Outcome.CORRECTED) | outcomes


def _same(stands: Spend | _Standing, entry: ledger.Entry, *, correct: bool) -> bool:
    """A request is compared with what was first sent, an import with what stands in the ledger now."""
    if not correct:
        return stands.fingerprint == entry.fingerprint
    return (
        stands.voided_at is None
        and stands.campaign_id == entry.campaign_id
        and money.to_micros(stands.amount) == entry.amount
        and stands.spend_date == entry.spend_date
        and stands.spend_type == entry.spend_type
        and stands.channel == entry.channel
    )


# --- Changing what was posted ----------------------------------------------------------------------------------------


class Change(NamedTuple):
    """What changing a spend came to: how the totals stand after it, and what moved them."""

    periods: list[ledger.PeriodAfter]
    moved: list[Moved]


def get(spend_id: UUID) -> Spend:
    spend = Spend.objects.select_related("campaign__brand").filter(pk=spend_id).first()
    if spend is None:
        raise NotFound("There is no such spend.", field="spend")
    return spend


def amend(
    spend: Spend, changes: Mapping[str, object], brand: LockedBrand, *, reason: str, actor: str, now: datetime
) -> Change:
    """Replace amount, date, type, channel or description; keep the former value; move the totals by the difference."""
    if spend.voided_at is not None:
        raise Conflict("This spend is voided. Post a new one instead.")
    if unknown := set(changes) - {"amount", "spend_date", "spend_type", "channel", "description"}:
        raise Refused(f"A spend has nothing called {', '.join(sorted(unknown))} to change.", field=min(unknown))
    spend_type = str(changes.get("spend_type", spend.spend_type))
    amount = changes.get("amount", spend.amount)
    if not isinstance(amount, Decimal):
        raise Refused(f"{amount!r} is not an amount.", field="amount")
    day = clean_day(changes.get("spend_date", spend.spend_date), "spend_date")
    if day is None:
        raise Refused("A spend needs a date.", field="spend_date")
    _amount(amount, spend_type, zero_allowed=False)
    _check_date(day, brand, now)
    channel = clean_channel(str(changes.get("channel", spend.channel)))
    description = _description(str(changes.get("description", spend.description)), spend_type)
    stands = (spend.amount, spend.spend_date, spend.spend_type, spend.channel, spend.description)
    if (amount, day, spend_type, channel, description) == stands:
        return Change([], [])
    revision = revise(spend, actor=actor, reason=reason, now=now)
    moved = _replace(spend, amount, day, spend_type, channel)
    spend.description = description
    spend.spend_import = None
    save([spend], [revision])
    return _moved(moved)


def void(spend: Spend, *, reason: str, actor: str, now: datetime) -> Change:
    """Take the spend out of all totals; it stays in the ledger, marked. Voiding twice changes nothing."""
    if spend.voided_at is not None:
        return Change([], [])
    revision = revise(spend, actor=actor, reason=reason, now=now)
    spend.voided_at = now
    spend.spend_import = None
    save([spend], [revision])
    return _moved([moved_by(spend, -1)])


def restore(spend: Spend, *, reason: str, actor: str, now: datetime) -> Change:
    """Take a voided spend back into all totals. One that is not void stays as it is."""
    if spend.voided_at is None:
        return Change([], [])
    revision = revise(spend, actor=actor, reason=reason, now=now)
    spend.voided_at = None
    spend.spend_import = None
    save([spend], [revision])
    return _moved([moved_by(spend, 1)])


def _moved(moved: list[Moved]) -> Change:
    return Change(ledger.move_totals(ledger.add_up(moved)), moved)


def _replace(spend: Spend, amount: Decimal, day: date, spend_type: str, channel: str) -> list[Moved]:
    before = moved_by(spend, -1)
    spend.amount, spend.spend_date, spend.spend_type, spend.channel = amount, day, spend_type, channel
    return [before, moved_by(spend, 1)]
