"""Imports as records: try a file out, import it, go on with it, take it back as a whole.

The work itself is in `enforcement.importing`. A record says which file it was, who sent it, what became of each line,
and which spends have their value from it; so it can be run again by another worker, and be undone.
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import IO, Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from brands import services as brands
from brands.models import Brand
from brands.services import audit
from budget_system import origin
from budget_system.db import chunks, use_case
from budget_system.errors import Conflict, NotFound, Refused
from campaigns.models import Campaign, StateChange
from campaigns.services import clean_reason
from enforcement.importing import Progress, import_spend
from enforcement.services import Cause, change_campaign, evaluate_brands
from pacing import services as pacing
from spending import import_records, metrics
from spending.import_options import Choice, ImportOptions
from spending.import_records import MAX_REJECTS_CHARS, AlreadyRunning, CappedText, Ended, Underway, tidy
from spending.import_report import StateFlip, shown
from spending.models import DayMetrics, ImportState, Spend, SpendImport, SpendRevision
from spending.taking_back import take_back
from spending.turns import record_turns

logger = logging.getLogger(__name__)

INLINE_BYTES = 1024 * 1024
"""A file of up to this size is imported at once; a larger one waits for a worker."""
MAX_BYTES = 50 * 1024 * 1024
"""A larger file is refused. Half a million rows take about this."""
UNDONE_AT_ONCE = 5_000
"""Spends of one transaction of an undo. One of more than that is left to a worker."""
_KEYS_AT_ONCE = 20_000
_PART = 1024 * 1024


def _silent(done: int, total: int) -> None:
    """No progress shown."""


# --- Start -----------------------------------------------------------------------------------------------------------


def start_import(
    stream: IO[bytes],
    file_name: str,
    options: ImportOptions,
    *,
    actor: str,
    now: datetime,
    dry_run: bool = False,
    allowed: Callable[[UUID], bool] | None = None,
    clock: Callable[[], datetime] | None = None,
    inline_bytes: int = INLINE_BYTES,
    progress: Progress = _silent,
) -> SpendImport:
    """Record the import of a file, and run it at once when it is small. A QUEUED one is the caller's to publish.

    `allowed` says which brands the import may touch (None: what the options say). `stream` need not be seekable. Raises
    Refused for a file that is too large, and for options that make no sense; a file that cannot be read is a FAILED
    import.
    """
    options = options.checked()
    if allowed is not None:
        seen = filter(allowed, Brand.objects.values_list("pk", flat=True))
        options = replace(options, brand_ids=frozenset(seen))
    _check_brands(options)
    with _copied(stream) as (copy, digest, size), transaction.atomic():
        record = import_records.create(
            copy, file_name=_clean(file_name), digest=digest, size=size, options=options, dry_run=dry_run,
            actor=actor, now=now,
        )  # fmt: skip
    if size > inline_bytes:
        return record
    return run_import(record.pk, clock=clock or (lambda: now), progress=progress)


def _check_brands(options: ImportOptions) -> None:
    """The brands and campaigns that were named are there; said at once and not by a worker."""
    named = {choice.brand_id for choice in options.mapping if choice.brand_id}
    if options.brand_id is not None:
        named.add(options.brand_id)
    seen = options.brand_ids
    if (seen is not None and not named <= seen) or Brand.objects.filter(pk__in=named).count() != len(named):
        raise NotFound("There is no such brand.", field="brand")
    chosen = {choice.campaign_id for choice in options.mapping if choice.campaign_id}
    campaigns = Campaign.objects.filter(pk__in=chosen)
    if seen is not None:
        campaigns = campaigns.filter(brand__in=seen)
    if campaigns.count() != len(chosen):
        raise NotFound("There is no such campaign.", field="campaign")


@contextmanager
def _copied(stream: IO[bytes]) -> Iterator[tuple[IO[bytes], str, int]]:
    """A copy of the file that can be read twice, its SHA-256 and its size."""
    digest, size = hashlib.sha256(), 0
    with tempfile.SpooledTemporaryFile(max_size=import_records.IN_MEMORY) as copy:
        while part := stream.read(_PART):
            size += len(part)
            if size > MAX_BYTES:
                raise Refused(
                    f"The file is larger than {MAX_BYTES // 2**20} MB. Split it, or send it packed (zip or gzip).",
                    field="file",
                )
            digest.update(part)
            copy.write(part)
        yield copy, digest.hexdigest(), size


def _clean(file_name: str) -> str:
    """The file's own name, without the folders it lay in and what cannot be shown."""
    name = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in name if char.isprintable()).strip()[:200] or "a file without a name"


# --- After a dry run -------------------------------------------------------------------------------------------------


def check_again(
    import_id: UUID,
    options: ImportOptions,
    *,
    actor: str,
    now: datetime,
    clock: Callable[[], datetime],
    inline_bytes: int = INLINE_BYTES,
) -> SpendImport:
    """Try the same file out with other options: a dry run of its own, which takes the file over.

    Done already, it is the record that was made then. Raises Conflict for what is no dry run that has ended, or whose
    file is kept no longer, Refused for options that make no sense.
    """
    options = options.checked()
    _check_brands(options)
    record = _follow(import_id, options, dry_run=True, actor=actor, now=now)
    return _run_if_small(record, clock, inline_bytes)


def confirm(
    import_id: UUID,
    options: ImportOptions,
    *,
    actor: str,
    now: datetime,
    clock: Callable[[], datetime],
    inline_bytes: int = INLINE_BYTES,
) -> SpendImport:
    """Import the very file that a dry run was made of. `options` are the dry run's, for the brands seen now.

    Confirmed already, it is the import that was made then: one dry run is one import, however often that is sent.
    Raises Conflict as `check_again` does, and when the dry run was followed by another one.
    """
    _check_brands(options)
    record = _follow(import_id, options, dry_run=False, actor=actor, now=now)
    if record.dry_run:
        raise Conflict("This file was checked again with other settings. Look at that result, and confirm it there.")
    return _run_if_small(record, clock, inline_bytes)


def _run_if_small(record: SpendImport, clock: Callable[[], datetime], inline_bytes: int) -> SpendImport:
    if record.state != ImportState.QUEUED or record.size > inline_bytes:
        return record
    try:
        return run_import(record.pk, clock=clock)
    except AlreadyRunning:  # the same request, sent twice
        return import_records.get(record.pk)


@use_case
def _follow(import_id: UUID, options: ImportOptions, *, dry_run: bool, actor: str, now: datetime) -> SpendImport:
    """The record that follows this dry run: a new one, unless there is one."""
    record = import_records.locked(import_id)
    following = SpendImport.objects.filter(follows=record).first()
    if following is not None:
        return following
    can_follow = (ImportState.DONE, ImportState.FAILED) if dry_run else (ImportState.DONE,)
    if not record.dry_run or record.state not in can_follow:
        raise Conflict(f"“{record.file_name}” is not a dry run that can be gone on with: send the file again.")
    return import_records.follow(record, options, dry_run=dry_run, actor=actor, now=now)


def _remember(options: ImportOptions, actor: str, now: datetime) -> None:
    """Give campaigns that were chosen by hand the platform id of their rows, so that the next file finds them."""
    wanted = {one.campaign_id: one.external_id for one in options.mapping if one.remember and one.campaign_id}
    for campaign in Campaign.objects.current().filter(pk__in=wanted, external_id="").order_by("pk"):
        try:
            change_campaign(
                campaign.pk, {"external_id": wanted[campaign.pk]}, actor=actor, now=now,
                reason="Chosen for this id when a report was imported.",
            )  # fmt: skip
        except Refused as error:
            # Another campaign has it, or the brand is busy: for this import the choice holds all the same.
            logger.warning("The campaign %s does not keep its platform id: %s", campaign.pk, error)


# --- Run -------------------------------------------------------------------------------------------------------------


def run_import(import_id: UUID, *, clock: Callable[[], datetime], progress: Progress = _silent) -> SpendImport:
    """Run an import, or go on with one whose worker died. One that has ended is left as it is.

    The same rows again change nothing, and count as what they were counted as before. Raises AlreadyRunning when
    another worker is at it.
    """
    now = clock()
    record, taken = _claim(import_id, now)
    if not taken:
        return record
    came_from = f"import {import_id}, {record.origin}" if record.origin else f"import {import_id}"
    with origin.coming_from(came_from):
        try:
            _run(record, now, clock, progress)
        except Refused as error:
            import_records.fail(import_id, shown(error.message), clock())
        except Ended as ended:
            logger.warning("Import %s: %s", import_id, ended)
        except KeyboardInterrupt:
            stopped = "It was stopped by hand. What was recorded stays: send the file again, or undo the import."
            import_records.fail(import_id, stopped, clock())
            raise
        except Exception as error:
            # Whatever it was, rows posted so far are there: another worker goes on, and gives up after some attempts.
            _leave(import_id, error)
            raise
    return import_records.get(import_id)


@use_case
def _claim(import_id: UUID, now: datetime) -> tuple[SpendImport, bool]:
    record = import_records.locked(import_id)
    taken = import_records.claim(record, now)
    record.refresh_from_db()
    return record, taken


def _leave(import_id: UUID, error: BaseException) -> None:
    try:
        import_records.interrupted(import_id, f"{type(error).__name__}: {shown(str(error))}")
    except Exception as second:  # the database is away as well: the lease runs out by itself
        raise error from second


def _run(record: SpendImport, now: datetime, clock: Callable[[], datetime], progress: Progress) -> None:
    underway = Underway(record, clock)
    rejects = CappedText(MAX_REJECTS_CHARS)

    def tell(done: int, total: int) -> None:
        progress(done, total)
        underway.progress(done, total)

    options = _with_own_brands(record)
    if not record.dry_run:
        _remember(options, record.created_by, now)
    with import_records.opened(record.pk) as stream:
        result = import_spend(
            stream, options, actor=record.created_by, now=now, dry_run=record.dry_run, rejects=rejects, progress=tell,
            underway=underway,
        )  # fmt: skip
    if underway.resumed and not record.dry_run:
        result.created_brands = underway.names_created("created_brands")
        result.created_campaigns = underway.names_created("created_campaigns")
        result.changes = _all_changes(record)
    note: dict[str, object] = {"seen_before": import_records.seen_before(record)}
    if rejects.left_out:
        note["rejects_left_out"] = rejects.left_out
    text = rejects.getvalue() if result.rejected else ""
    import_records.finish(underway, result, text, note, clock())


def _with_own_brands(record: SpendImport) -> ImportOptions:
    """What was said, with the brands that the import itself created before it was interrupted."""
    options = ImportOptions.from_json(record.options)
    if options.brand_ids is None:
        return options
    own = SpendImport.brands.through.objects.filter(spendimport_id=record.pk).values_list("brand_id", flat=True)
    return replace(options, brand_ids=options.brand_ids.union(own))


def _all_changes(record: SpendImport) -> list[StateFlip]:
    """The campaigns' holds before the import and after it, of its interrupted runs too, as the records have them."""
    changes = StateChange.objects.filter(
        brand__in=record.brands.all(), at__gte=record.started_at, actor=record.created_by,
        cause__in=[Cause.SPEND, Cause.CREATED],
    ).order_by("pk")  # fmt: skip
    flips: dict[UUID, StateFlip] = {}
    for change in changes:
        first = flips.get(change.campaign_id)
        before = first.from_holds if first else change.from_holds
        flips[change.campaign_id] = StateFlip(change.campaign_id, change.brand_id, before, change.to_holds)
    return [flip for flip in flips.values() if flip.from_holds != flip.to_holds]


# --- Undo ------------------------------------------------------------------------------------------------------------


def undo_import(import_id: UUID, *, reason: str, actor: str, now: datetime) -> SpendImport:
    """Take an import back as a whole, now; what became of it is in the record's `report["undo"]`.

    Spends that it recorded are voided, those that it corrected are what they were before, its metrics are removed.
    What a person or a later import has changed since stays. It goes by batches under the brands' locks; interrupted, a
    worker goes on with it, or whoever calls it again. Raises Conflict for what cannot be undone (any more), Refused
    without a reason.
    """
    begin_undo(import_id, reason=reason, actor=actor, now=now)
    record = run_undo(import_id, clock=lambda: now)
    if record.state != ImportState.UNDONE:
        raise Conflict(record.error)
    return record


def start_undo(
    import_id: UUID, *, reason: str, actor: str, now: datetime, clock: Callable[[], datetime]
) -> SpendImport:
    """The same, at once when it is small. One that is left UNDOING is the caller's to hand to a worker."""
    record = begin_undo(import_id, reason=reason, actor=actor, now=now)
    return record if is_large(record) else run_undo(import_id, clock=clock)


def is_large(record: SpendImport) -> bool:
    """Whether undoing it takes longer than a person should wait for a page."""
    if record.report.get("totals") is None:  # it did not come to its end, so nobody has counted
        return record.size > INLINE_BYTES
    return record.accepted + record.corrected > UNDONE_AT_ONCE


@use_case
def begin_undo(import_id: UUID, *, reason: str, actor: str, now: datetime) -> SpendImport:
    """Write down that an import is to be undone, by whom and why."""
    reason = clean_reason(reason)
    record = import_records.locked(import_id)
    if record.state == ImportState.UNDOING:
        return record
    _check_undoable(record)
    undo: dict[str, Any] = record.report.setdefault("undo", {})
    undo["was"], undo["asked_at"] = record.state, now.isoformat()
    record.report = {name: value for name, value in record.report.items() if name not in ("alive_at", "attempts")}
    record.state, record.error = ImportState.UNDOING, ""
    record.undone_by, record.undo_reason = actor, reason
    record.save(update_fields=["state", "error", "undone_by", "undo_reason", "report"])
    return record


def run_undo(import_id: UUID, *, clock: Callable[[], datetime]) -> SpendImport:
    """Undo an import of which `begin_undo` said so, or go on with it. Raises AlreadyRunning when another does."""
    record, taken = _claim_undo(import_id, clock())
    if not taken:
        return record
    try:
        _undo(record, clock)
    except Ended as ended:
        logger.warning("Undo of import %s: %s", import_id, ended)
    except BaseException as error:
        _leave(import_id, error)
        raise
    return import_records.get(import_id)


@use_case
def _claim_undo(import_id: UUID, now: datetime) -> tuple[SpendImport, bool]:
    record = import_records.locked(import_id)
    return record, import_records.claim_undo(record, now)


def _undo(record: SpendImport, clock: Callable[[], datetime]) -> None:
    reason, actor = record.undo_reason, record.undone_by
    spends = {pk: _spends_of(record, pk) for pk in record.brands.order_by("pk").values_list("pk", flat=True)}
    left = sum(map(len, spends.values()))
    for brand_id, spend_ids in spends.items():
        batches = list(chunks(spend_ids, UNDONE_AT_ONCE))
        for number, batch in enumerate(batches, start=1):
            last = number == len(batches)
            _undo_batch(record.pk, brand_id, batch, last=last, left=left, reason=reason, actor=actor, now=clock())
            left -= len(batch)
    _end_undo(record.pk, now=clock())


def _check_undoable(record: SpendImport) -> None:
    if record.state in (ImportState.QUEUED, ImportState.RUNNING):
        raise Conflict(f"“{record.file_name}” is still being imported. Undo it when it has ended.")
    if record.state == ImportState.UNDONE:
        when = f"{record.undone_at:%Y-%m-%d %H:%M} UTC" if record.undone_at else "before"
        raise Conflict(f"“{record.file_name}” was undone already ({when}, by {record.undone_by}).")
    if record.dry_run:
        raise Conflict("A dry run has changed nothing, so there is nothing to undo.")


def _check_undoing(record: SpendImport) -> None:
    if record.state != ImportState.UNDOING:
        raise Ended(f"This import is {ImportState(record.state).label.lower()}: another worker has ended its undo.")


def _spends_of(record: SpendImport, brand_id: UUID) -> Sequence[UUID]:
    """The import's spends of a brand, found through the index of keys, so much of it at a time."""
    found: list[UUID] = []
    after = ""
    while True:
        rows = list(
            Spend.objects.filter(brand=brand_id, source=record.source, key__gt=after)
            .order_by("key")
            .values_list("key", "pk", "spend_import_id", "voided_at")[:_KEYS_AT_ONCE]
        )
        found += [pk for _, pk, spend_import_id, voided_at in rows if spend_import_id == record.pk and not voided_at]
        if len(rows) < _KEYS_AT_ONCE:
            return found
        after = rows[-1][0] or after


@use_case
def _undo_batch(
    import_id: UUID,
    brand_id: UUID,
    spend_ids: Sequence[UUID],
    *,
    last: bool,
    left: int,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    record = import_records.locked(import_id)
    _check_undoing(record)
    locked = brands.lock([brand_id])
    record_turns(locked.values(), now)
    taken = take_back(spend_ids, import_id, reason=reason, actor=actor, now=now)
    pacing.take_in(taken.moved, locked, now)
    undo: dict[str, Any] = record.report.setdefault("undo", {})
    own = undo.setdefault("brands", {}).setdefault(str(brand_id), {"voided": 0, "restored": 0, "restored_by_hand": 0})
    own["voided"] += taken.voided
    own["restored"] += taken.restored
    own["restored_by_hand"] += taken.restored_by_hand
    undo["done"] = undo.get("done", 0) + len(spend_ids)
    undo["total"] = undo["done"] + left - len(spend_ids)
    record.report["alive_at"] = now.isoformat()
    record.save(update_fields=["report"])
    if last:
        after = {"spends voided": own["voided"], "spends set back": own["restored"]}
        audit(record, "undo import", brand_id=brand_id, actor=actor, now=now, after=after, reason=reason)
    evaluate_brands(locked, [], locked, cause=Cause.CORRECTION, actor=actor, now=now)


@use_case
def _end_undo(import_id: UUID, *, now: datetime) -> None:
    record = import_records.locked(import_id)
    _check_undoing(record)
    since = SpendRevision.objects.filter(spend_import=record).exclude(
        spend__spend_import_id__isnull=False, spend__spend_import=record
    )
    changed = dict(since.values_list("spend_id", "spend__spend_import_id"))
    by_hand = sum(spend_import_id is None for spend_import_id in changed.values())
    undo: dict[str, Any] = record.report.setdefault("undo", {})
    own = undo.setdefault("brands", {}).values()
    undo["voided"], undo["restored"], restored_by_hand = (
        sum(counts[name] for counts in own) for name in ("voided", "restored", "restored_by_hand")
    )
    undo["left_changed_by_hand"] = by_hand - restored_by_hand
    undo["left_changed_by_import"] = len(changed) - by_hand - (undo["restored"] - restored_by_hand)
    undo["reported_too"] = import_records.reported_too(record)
    reported = DayMetrics.objects.filter(
        source=record.source, campaign__brand__in=record.brands.all(), spend_import=record
    )
    _take_back_metrics(reported, now)
    undo["metrics_removed"], _ = reported.delete()
    record.report = {name: value for name, value in record.report.items() if name not in ("alive_at", "attempts")}
    record.state, record.error, record.undone_at = ImportState.UNDONE, "", now
    record.save(update_fields=["state", "error", "undone_at", "report"])


def _take_back_metrics(reported: QuerySet[DayMetrics], now: datetime) -> None:
    """Take today's figures out of the totals by hour too."""
    latest = now.date() + timedelta(days=1)  # some brand's today is at most a day off
    rows = list(reported.filter(day__gte=latest - timedelta(days=2), day__lte=latest).select_related("campaign"))
    locked = brands.lock({row.campaign.brand_id for row in rows})
    moved = [metrics.moved_by(row, -1) for row in rows]
    pacing.take_in_metrics(moved, {row.campaign_id: locked[row.campaign.brand_id] for row in rows}, now)


__all__ = [
    "INLINE_BYTES",
    "MAX_BYTES",
    "AlreadyRunning",
    "Choice",
    "begin_undo",
    "check_again",
    "confirm",
    "is_large",
    "run_import",
    "run_undo",
    "start_import",
    "start_undo",
    "tidy",
    "undo_import",
]
