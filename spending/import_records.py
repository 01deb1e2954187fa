"""Writing the records of imports: whose turn it is, how far it is, what came of it. No transactions here.

A record is QUEUED, then RUNNING, then DONE or FAILED; a DONE one may become UNDOING, then UNDONE. While it is RUNNING
or UNDOING its `report` holds what another worker needs to go on where a dead one stopped.

A dry run keeps its file for some days. Another dry run with other options, or the import itself, may follow it: one
record only, which takes the file over.
"""

import gzip
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import IO, Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from budget_system import origin
from budget_system.db import fetch, is_postgres, param
from budget_system.errors import Conflict, NotFound
from spending.import_options import ImportOptions
from spending.import_report import KEPT, ImportReport
from spending.importing import Intake
from spending.models import ImportFile, ImportState, SpendImport

LEASE = timedelta(seconds=60)
"""A running import that gave no sign of life for so long has lost its worker; another goes on with it."""
GRACE = timedelta(seconds=10)
"""So long whoever sent a file has to run it or to have it run; then it counts as forgotten."""
MAX_ATTEMPTS = 5
"""An import that ended its worker so often is given up."""
KEPT_FOR = timedelta(days=7)
"""How long dry runs keep their file and their rejected lines, and files of imports that never ran are kept."""
IN_MEMORY = 4 * 1024 * 1024
MAX_REJECTS_CHARS = 20_000_000
SEEN_BEFORE = 5


class Ended(Exception):
    """Another worker has ended this import, and perhaps a person has undone it since."""


class AlreadyRunning(Conflict):
    """Another worker is at it."""

    code = "already_running"


def create(
    content: IO[bytes], *, file_name: str, digest: str, size: int, options: ImportOptions, dry_run: bool, actor: str,
    now: datetime,
) -> SpendImport:  # fmt: skip
    """A new record that waits for a worker, with its file."""
    record = SpendImport.objects.create(
        file_name=file_name, digest=digest, size=size, options=options.as_json(), dry_run=dry_run, created_at=now,
        created_by=actor, origin=origin.current(),
    )  # fmt: skip
    content.seek(0)
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as packed:
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as packer:
            shutil.copyfileobj(content, packer)
        packed.seek(0)
        ImportFile.objects.create(spend_import=record, content=packed.read())
    return record


def follow(
    record: SpendImport, options: ImportOptions, *, dry_run: bool, actor: str, now: datetime
) -> SpendImport:  # fmt: skip
    """A new record that takes over the file of this dry run, which is locked. Raises Conflict when that is gone."""
    following = SpendImport.objects.create(
        file_name=record.file_name, digest=record.digest, size=record.size, options=options.as_json(), dry_run=dry_run,
        created_at=now, created_by=actor, origin=origin.current(), follows=record,
    )  # fmt: skip
    if not ImportFile.objects.filter(pk=record.pk).update(spend_import=following):
        raise Conflict(f"“{record.file_name}” is not kept any more: send the file again.")
    return following


def has_file(record: SpendImport) -> bool:
    return ImportFile.objects.filter(pk=record.pk).exists()


@contextmanager
def opened(import_id: UUID) -> Iterator[IO[bytes]]:
    """The file as it was sent. Raises NotFound when it is kept no longer."""
    content = ImportFile.objects.filter(pk=import_id).values_list("content", flat=True).first()
    if content is None:
        raise NotFound("The file of this import is not kept any more: send it again.", field="file")
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as packed:
        packed.write(content)
        del content
        packed.seek(0)
        with tempfile.SpooledTemporaryFile(max_size=4 * IN_MEMORY) as stream:
            with gzip.GzipFile(fileobj=packed, mode="rb") as unpacker:
                shutil.copyfileobj(unpacker, stream)
            stream.seek(0)
            yield stream


def get(import_id: UUID) -> SpendImport:
    record = SpendImport.objects.filter(pk=import_id).first()
    if record is None:
        raise NotFound("There is no such import.", field="import")
    return record


def locked(import_id: UUID) -> SpendImport:
    """The record, which nobody else changes until the transaction ends, and to which nobody posts meanwhile."""
    record = SpendImport.objects.select_for_update().filter(pk=import_id).first()
    if record is None:
        raise NotFound("There is no such import.", field="import")
    return record


def check_running(import_id: UUID) -> None:
    """Refuse to post for an import that has ended: a worker that hung must not write into what was undone since.

    The shared lock makes an undo wait until this transaction has ended; it does not disturb the signs of life. Take it
    before the locks of brands, as an undo does.
    """
    sql = "SELECT state FROM spending_spendimport WHERE id = %s"
    with connection.cursor() as cursor:
        ((state,),) = fetch(cursor, f"{sql} FOR KEY SHARE" if is_postgres() else sql, [param(import_id)])
    if state != ImportState.RUNNING:
        raise Ended(f"This import is {ImportState(state).label.lower()}: another worker has ended it.")


def claim(record: SpendImport, now: datetime) -> bool:
    """Take a locked record on. Says whether it is to be run: a finished one is not, nor one given up here.

    Raises AlreadyRunning when another worker has shown signs of life lately.
    """
    if record.state not in (ImportState.QUEUED, ImportState.RUNNING):
        return False
    attempts = int(record.report.get("attempts", 0))
    if record.state == ImportState.RUNNING and not _is_stale(record, now):
        raise AlreadyRunning(f"“{record.file_name}” is being imported already.")
    if attempts >= MAX_ATTEMPTS:
        error = record.error or "its worker was killed, or ran out of time or memory."
        fail(record.pk, f"Given up after {attempts} attempts: {error} What was recorded stays until it is undone.", now)
        return False
    record.state = ImportState.RUNNING
    record.started_at = record.started_at or now
    record.report = {**record.report, "alive_at": now.isoformat(), "attempts": attempts + 1}
    record.save(update_fields=["state", "started_at", "report"])
    return True


def claim_undo(record: SpendImport, now: datetime) -> bool:
    """Take the undo of a locked record on. Says whether it is to be run: one that has ended is not, nor one given up
    here. Raises AlreadyRunning when another worker has shown signs of life lately."""
    if record.state != ImportState.UNDOING:
        return False
    if not _is_stale(record, now):
        raise AlreadyRunning(f"“{record.file_name}” is being undone already.")
    attempts = int(record.report.get("attempts", 0))
    if attempts >= MAX_ATTEMPTS:
        error = record.error or "its worker was killed, or ran out of time or memory."
        record.state = ImportState(record.report["undo"].pop("was"))
        record.error = f"The undo was given up after {attempts} attempts: {error} What it took back stays so."
        record.report = {name: value for name, value in record.report.items() if name not in ("alive_at", "attempts")}
        record.save(update_fields=["state", "error", "report"])
        return False
    record.report = {**record.report, "alive_at": now.isoformat(), "attempts": attempts + 1}
    record.save(update_fields=["report"])
    return True


def _is_stale(record: SpendImport, now: datetime) -> bool:
    alive_at = record.report.get("alive_at")
    return alive_at is None or datetime.fromisoformat(alive_at) + LEASE < now


class Underway:
    """An import that this process is at: its signs of life, and what another process must know to go on with it."""

    def __init__(self, record: SpendImport, clock: Callable[[], datetime]) -> None:
        self.id = record.pk
        self.resumed = int(record.report["attempts"]) > 1
        self._clock = clock
        self._last = clock()
        self.total = 0

    def alive(self) -> None:
        """A sign of life, at most once a second."""
        self._pulse({})

    def progress(self, done: int, total: int) -> None:
        """The same, and how far it is. Not for the inside of a transaction, at whose end others would see it."""
        self.total = total
        self._pulse({"done": done, "total": total})

    def _pulse(self, values: dict[str, object]) -> None:
        now = self._clock()
        if now - self._last >= timedelta(seconds=1):
            self._last = now
            report = {**self._report(), "alive_at": now.isoformat()}
            SpendImport.objects.filter(pk=self.id, state=ImportState.RUNNING).update(report=report, **values)

    def about(self, intake: Intake) -> None:
        """What the file turned out to be, and whose."""
        SpendImport.objects.filter(pk=self.id).update(
            format=intake.report.format.value, source=intake.options.spend_source
        )
        self.hold(intake.brand_ids())

    def hold(self, brand_ids: Iterable[UUID]) -> None:
        """The import is about these brands."""
        links = SpendImport.brands.through
        links.objects.bulk_create(
            [links(spendimport_id=self.id, brand_id=brand_id) for brand_id in brand_ids], ignore_conflicts=True
        )

    def created(self, what: str, name: str) -> None:
        """Note a brand or a campaign, in the transaction that creates it."""
        report = self._report()
        report[what] = [*report.get(what, []), name][:KEPT]
        SpendImport.objects.filter(pk=self.id).update(report=report)

    def names_created(self, what: str) -> list[str]:
        names: list[str] = self._report().get(what, [])
        return names

    def _report(self) -> dict[str, Any]:
        return dict(SpendImport.objects.values_list("report", flat=True).get(pk=self.id))


def finish(underway: Underway, result: ImportReport, rejects: str, note: dict[str, object], now: datetime) -> None:
    """What came of it. If another worker has finished it, that stands. Drops the file, unless it was a dry run."""
    counts = {name: getattr(result, name) for name in _COUNTS}
    SpendImport.objects.filter(pk=underway.id, state=ImportState.RUNNING).update(
        state=ImportState.DONE, finished_at=now, first_day=result.first_day, last_day=result.last_day, error="",
        report={**result.as_json(), **note}, rejects=rejects, done=underway.total, total=underway.total, **counts,
    )  # fmt: skip
    ImportFile.objects.filter(pk=underway.id, spend_import__dry_run=False).delete()


_COUNTS = ("rows", "accepted", "unchanged", "corrected", "duplicate", "rejected")


def fail(import_id: UUID, error: str, now: datetime) -> None:
    """It cannot be read, or is given up."""
    SpendImport.objects.filter(pk=import_id, state__in=[ImportState.QUEUED, ImportState.RUNNING]).update(
        state=ImportState.FAILED, error=error, finished_at=now
    )
    ImportFile.objects.filter(pk=import_id, spend_import__dry_run=False).delete()


def interrupted(import_id: UUID, error: str) -> None:
    """It ended in a way that was not expected; the next worker need not wait to go on with it."""
    record = get(import_id)
    record.report.pop("alive_at", None)
    SpendImport.objects.filter(pk=import_id, state__in=_AT_WORK).update(error=error, report=record.report)


_AT_WORK = (ImportState.RUNNING, ImportState.UNDOING)


def seen_before(record: SpendImport) -> list[dict[str, str]]:
    """The latest imports of the same file that count. Those of brands that this one may not see are not told."""
    same = SpendImport.objects.filter(digest=record.digest, state=ImportState.DONE, dry_run=False).exclude(pk=record.pk)
    allowed = ImportOptions.from_json(record.options).brand_ids
    if allowed is not None:
        same = same.filter(brands__in=allowed).distinct()
    found = same.order_by("-pk").values_list("pk", "created_at", "created_by")
    return [{"id": str(pk), "at": at.isoformat(), "by": by} for pk, at, by in found[:SEEN_BEFORE]]


def reported_too(record: SpendImport) -> list[dict[str, str]]:
    """Later imports that found figures of this one as they were, and so hold none of them themselves."""
    later = SpendImport.objects.filter(
        state=ImportState.DONE, dry_run=False, source=record.source, unchanged__gt=0, pk__gt=record.pk,
        brands__in=record.brands.all(), first_day__lte=record.last_day, last_day__gte=record.first_day,
    ).distinct() if record.first_day and record.last_day else SpendImport.objects.none()  # fmt: skip
    found = later.order_by("-pk").values_list("pk", "created_at", "created_by")
    return [{"id": str(pk), "at": at.isoformat(), "by": by} for pk, at, by in found[:SEEN_BEFORE]]


def undos_due(now: datetime) -> list[UUID]:
    """The imports whose undo waits for a worker, or has lost its own."""
    waiting = SpendImport.objects.filter(state=ImportState.UNDOING).order_by("pk")
    return [record.pk for record in waiting.only("state", "report") if _is_stale(record, now)]


def due(now: datetime) -> list[UUID]:
    """The imports that wait for a worker, or have lost theirs, oldest first."""
    waiting = SpendImport.objects.filter(state__in=[ImportState.QUEUED, ImportState.RUNNING]).order_by("pk")
    return [record.pk for record in waiting.only("state", "report", "created_at") if _is_due(record, now)]


def _is_due(record: SpendImport, now: datetime) -> bool:
    if record.state == ImportState.QUEUED:
        return record.created_at + GRACE <= now
    return _is_stale(record, now)


def tidy(now: datetime) -> None:
    """Drop what nobody will look at again: files of imports that have ended, old rejected lines of dry runs."""
    ended = [ImportState.DONE, ImportState.FAILED, ImportState.UNDOING, ImportState.UNDONE]
    old = Q(created_at__lt=now - KEPT_FOR)
    files = ImportFile.objects.filter(spend_import__state__in=ended)
    files.filter(Q(spend_import__dry_run=False) | Q(spend_import__created_at__lt=now - KEPT_FOR)).delete()
    for pk in SpendImport.objects.filter(old, state=ImportState.QUEUED).values_list("pk", flat=True):
        fail(pk, f"No worker has come to it within {KEPT_FOR.days} days. Send the file again.", now)
        ImportFile.objects.filter(pk=pk).delete()
    SpendImport.objects.filter(old, dry_run=True).exclude(rejects="").update(rejects="")


class CappedText(io.StringIO):
    """A text that takes no more lines once it is full, and counts those."""

    def __init__(self, limit: int) -> None:
        super().__init__(newline="")
        self._room = limit
        self.left_out = 0

    def write(self, text: str) -> int:
        """See `io`. Written to by csv, a line a call."""
        self._room -= len(text)
        if self._room < 0:
            self.left_out += 1
            return len(text)
        return super().write(text)
