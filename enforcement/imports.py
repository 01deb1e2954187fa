"""Imports as records: start one, run it or go on with it, take it back as a whole.

The work itself is in `enforcement.importing`. A record says which file it was, who sent it, what became of each line,
and which spends have their value from it; so it can be run again by another worker, and be undone.
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import IO, Any
from uuid import UUID

from django.db import transaction

from brands import services as brands
from brands.models import Brand
from brands.services import audit
from budget_system import origin
from budget_system.db import chunks, use_case
from budget_system.errors import Conflict, NotFound, Refused
from campaigns.models import StateChange
from campaigns.services import clean_reason
from enforcement.importing import Progress, import_spend
from enforcement.services import Cause, evaluate_brands
from spending import import_records
from spending.import_options import ImportOptions
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
"""Spends of one transaction of an undo."""
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
    _check_brand(options)
    with _copied(stream) as (copy, digest, size), transaction.atomic():
        record = import_records.create(
            copy, file_name=_clean(file_name), digest=digest, size=size, options=options, dry_run=dry_run,
            actor=actor, now=now,
        )  # fmt: skip
    if size > inline_bytes:
        return record
    return run_import(record.pk, clock=clock or (lambda: now), progress=progress)


def _check_brand(options: ImportOptions) -> None:
    """The brand that was named is there; said at once and not by a worker."""
    if options.brand_id is not None:
        hidden = options.brand_ids is not None and options.brand_id not in options.brand_ids
        if hidden or not Brand.objects.filter(pk=options.brand_id).exists():
            raise NotFound("There is no such brand.", field="brand")


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


def _leave(import_id: UUID, error: Exception) -> None:
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
    """Take an import back as a whole; what became of it is in the record's `report["undo"]`.

    Spends that it recorded are voided, those that it corrected are what they were before, its metrics are removed.
    What a person or a later import has changed since stays. It goes by batches under the brands' locks; interrupted, it
    is to be called again. Raises Conflict for what cannot be undone (any more), Refused without a reason.
    """
    reason = clean_reason(reason)
    record = import_records.get(import_id)
    _check_undoable(record)
    for brand_id in record.brands.order_by("pk").values_list("pk", flat=True):
        batches = list(chunks(_spends_of(record, brand_id), UNDONE_AT_ONCE))
        for number, batch in enumerate(batches, start=1):
            last = number == len(batches)
            _undo_batch(import_id, brand_id, batch, last=last, reason=reason, actor=actor, now=now)
    return _end_undo(import_id, reason=reason, actor=actor, now=now)


def _check_undoable(record: SpendImport) -> None:
    if record.state in (ImportState.QUEUED, ImportState.RUNNING):
        raise Conflict(f"“{record.file_name}” is still being imported. Undo it when it has ended.")
    if record.state == ImportState.UNDONE:
        when = f"{record.undone_at:%Y-%m-%d %H:%M} UTC" if record.undone_at else "before"
        raise Conflict(f"“{record.file_name}” was undone already ({when}, by {record.undone_by}).")
    if record.dry_run:
        raise Conflict("A dry run has changed nothing, so there is nothing to undo.")


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
    import_id: UUID, brand_id: UUID, spend_ids: Sequence[UUID], *, last: bool, reason: str, actor: str, now: datetime
) -> None:
    record = import_records.locked(import_id)
    _check_undoable(record)
    locked = brands.lock([brand_id])
    record_turns(locked.values(), now)
    taken = take_back(spend_ids, import_id, reason=reason, actor=actor, now=now)
    undo: dict[str, Any] = record.report.setdefault("undo", {})
    own = undo.setdefault("brands", {}).setdefault(str(brand_id), {"voided": 0, "restored": 0, "restored_by_hand": 0})
    own["voided"] += taken.voided
    own["restored"] += taken.restored
    own["restored_by_hand"] += taken.restored_by_hand
    record.save(update_fields=["report"])
    if last:
        after = {"spends voided": own["voided"], "spends set back": own["restored"]}
        audit(record, "undo import", brand_id=brand_id, actor=actor, now=now, after=after, reason=reason)
    evaluate_brands(locked, [], locked, cause=Cause.CORRECTION, actor=actor, now=now)


@use_case
def _end_undo(import_id: UUID, *, reason: str, actor: str, now: datetime) -> SpendImport:
    record = import_records.locked(import_id)
    _check_undoable(record)
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
    undo["metrics_removed"], _ = DayMetrics.objects.filter(
        source=record.source, campaign__brand__in=record.brands.all(), spend_import=record
    ).delete()
    record.state = ImportState.UNDONE
    record.undone_at, record.undone_by, record.undo_reason = now, actor, reason
    record.save(update_fields=["state", "undone_at", "undone_by", "undo_reason", "report"])
    return record


__all__ = [
    "INLINE_BYTES",
    "MAX_BYTES",
    "AlreadyRunning",
    "run_import",
    "start_import",
    "tidy",
    "undo_import",
]
