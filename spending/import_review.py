"""What an import's page says: what became of the rows, or would; what to look at; how far it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.callers import Caller
from budget_system.admin import show
from budget_system.admin.base import Panel, query_url
from campaigns.holds import Hold
from campaigns.models import Campaign
from spending import import_access
from spending.import_forms import KINDS, amounts, in_page_words
from spending.models import ImportState, SpendImport
from spending.reports.shapes import Format

SHOWN = 50
LINES_SHOWN = 20
"""Of lines that were left out; all rejected ones can be downloaded."""
AT_WORK = (ImportState.QUEUED, ImportState.RUNNING, ImportState.UNDOING)
COUNTS = ("accepted", "unchanged", "corrected", "duplicate", "rejected")
_IN_WORDS = {
    "accepted": ("New", "Recorded by this import."),
    "unchanged": ("There already", "Recorded before with the same value: nothing to do."),
    "corrected": ("Corrected", "Recorded before with another value, which is kept as a former one."),
    "duplicate": ("Left out", "The same line twice, or a day whose spend comes from elsewhere."),
    "rejected": ("Rejected", "Could not be taken; the reasons are below."),
}


class Warning(NamedTuple):
    """Something to look at before going on."""

    tone: str
    words: str
    text: object


def kind_of(record: SpendImport) -> str:
    return KINDS[Format(record.format)] if record.format in set(Format) else "Not known"


# --- Warnings --------------------------------------------------------------------------------------------------------


def warnings(record: SpendImport, caller: Caller) -> Iterator[Warning]:
    report = record.report
    yield from _seen_before(record, caller)
    if report.get("incomplete"):
        text = "The file says of itself that its figures may still change. Import it again when they are final."
        yield Warning(show.WARN, "Incomplete", text)
    if report.get("totals_agree") is False:
        text = "The file's own total differs from the sum of its rows"
        if (own := report.get("own_total")) is not None:
            code = next(iter(report.get("sums", {})), "")
            text += f": it says {amounts({code: own})[0]}, the rows add up to {', '.join(amounts(report['sums']))}"
        yield Warning(show.WARN, "Total", f"{text}. Rejected rows are in the one and not in the other.")
    if record.rejected and record.dry_run:
        yield Warning(show.WARN, "Rejected", f"{_count(record.rejected, 'row')} would not be taken; see below why.")
    elif record.rejected:
        text = f"{_count(record.rejected, 'row')} not taken. Download them, mend them, and import that file."
        yield Warning(show.WARN, "Rejected", text)
    unknown = len(report.get("unknown", [])) + report.get("unknown_more", 0)
    if unknown and record.dry_run and import_access.sees_lines(record, caller):
        yield Warning(show.WARN, "Unknown", f"{_count(unknown, 'campaign')} could not be found: see below.")


def _seen_before(record: SpendImport, caller: Caller) -> Iterator[Warning]:
    before = record.report.get("seen_before", [])
    seen = set(
        import_access.visible(SpendImport.objects.filter(pk__in=[one["id"] for one in before]), caller)
        .values_list("pk", flat=True)
    )  # fmt: skip
    for one in before:
        text: object = f"This very file was imported before, by {one['by']} on {_when(one['at'])}"
        if UUID(one["id"]) in seen:
            text = show.link(reverse("admin:spending_spendimport_change", args=[one["id"]]), text)
        yield Warning(show.INFO, "Seen", format_html("{}. What it recorded counts as there already.", text))


def _when(moment: str) -> str:
    return show.utc(datetime.fromisoformat(moment))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- Panels ----------------------------------------------------------------------------------------------------------


def summary(record: SpendImport) -> Panel:
    """The file at a glance."""
    report = record.report
    period = f"{record.first_day} to {record.last_day}" if record.first_day else show.nothing("No row that counts")
    own = {True: "Equals the sum of its rows", False: "Differs from the sum of its rows"}
    facts = [
        ("Kind of report", kind_of(record)),
        ("Period", period),
        ("Total of the rows that count", show.lines(amounts(report.get("totals", {}))) or show.nothing()),
        ("The file's own total", own.get(report.get("totals_agree"), show.nothing("It has none"))),
    ]
    return Panel(f"{record.file_name}, {_count(record.rows, 'row')}", show.facts(facts))


def counts(record: SpendImport) -> Panel:
    """What became of the rows, or would."""
    rows = [(show.right(f"{getattr(record, name):,}"), *_IN_WORDS[name]) for name in COUNTS]
    title = "What importing it would do" if record.dry_run else "What became of its rows"
    return Panel(title, show.table(["Rows", "", ""], rows, ""))


def changes(record: SpendImport) -> Iterator[Panel]:
    """Campaigns that it stops or starts, and what it creates."""
    report, would = record.report, record.dry_run
    created = [*report.get("created_brands", []), *report.get("created_campaigns", [])]
    if created:
        more = [f"and {len(created) - SHOWN:,} more"] if len(created) > SHOWN else []
        yield Panel("Would be created" if would else "Created", show.lines([*created[:SHOWN], *more]))
    if flips := report.get("changes"):
        names = Campaign.objects.select_related("brand").in_bulk([one["campaign"] for one in flips[:SHOWN]])
        rows = [
            (_campaign(names.get(UUID(one["campaign"]))), _flip(one), _holds(one["from"]), _holds(one["to"]))
            for one in flips[:SHOWN]
        ]
        title = "Campaigns that would be stopped or started" if would else "Campaigns stopped or started"
        if len(flips) > SHOWN:
            title += f": the first {SHOWN} of {len(flips):,}"
        yield Panel(title, show.table(["Campaign", "", "Held before by", "Held then by"], rows, ""))


def _campaign(campaign: Campaign | None) -> object:
    if campaign is None:
        return "A campaign that would be created"
    return show.link_to(show.campaign_label(campaign), "campaigns_campaign", campaign.pk)


def _flip(one: Mapping[str, Any]) -> object:
    if not one["to"]:
        return show.badge("Starts", show.GOOD)
    return show.badge("Stops", show.WARN) if not one["from"] else show.badge("Stays paused")


def _holds(codes: Sequence[str]) -> object:
    return show.hold_words(map(Hold, codes)) or "Nothing: it runs"


def spends(record: SpendImport) -> Iterator[Panel]:
    if record.dry_run or not record.source:
        return
    links = [
        show.link(
            query_url(
                "spending_spend", brand__id__exact=brand.pk, source__exact=record.source, spend_import__exact=record.pk
            ),
            f"Spends of {brand} that have their value from this import",
        )
        for brand in list(record.brands.all())[:SHOWN]
    ]
    if links:
        yield Panel("Spends", show.lines(links))


def lines_left_out(record: SpendImport) -> Iterator[Panel]:
    """The first rejected, duplicate and flagged lines."""
    report = record.report
    if rejects := report.get("rejects"):
        rows = [
            (_line(one), in_page_words(one["reason"]), _broken(", ".join(one["row"])))
            for one in rejects[:LINES_SHOWN]
        ]
        title = f"Rejected: {_count(record.rejected, 'row')}"
        title += f", the first {LINES_SHOWN}; download all of them above" if record.rejected > LINES_SHOWN else ""
        yield Panel(title, show.cards(["Line", "Why", "Row"], rows, ""))
    for name, title in (("duplicates", "Left out"), ("flagged", "Taken although recorded from elsewhere too")):
        # Flagged lines that were not taken are left out, and so listed there.
        if (noted := report.get(name)) and (name == "duplicates" or record.options.get("even_if_typed")):
            told = [(_line(one), in_page_words(one["reason"])) for one in noted[:LINES_SHOWN]]
            listed = told if name == "duplicates" else [(line, reason.partition(";")[0]) for line, reason in told]
            if len(noted) > LINES_SHOWN:
                title += f", the first {LINES_SHOWN}"
            yield Panel(title, show.cards(["Line", "Why"], listed, ""))


def _line(one: Mapping[str, Any]) -> SafeString:
    return format_html('<span class="whitespace-nowrap">Line {}</span>', one["line"])


def _broken(text: str) -> SafeString:
    """What may have a hundred letters without a space."""
    return format_html('<span class="budget-hash">{}</span>', text)


# --- Under way -------------------------------------------------------------------------------------------------------


class Progress(NamedTuple):
    """How far it is, in words and per cent (None: it cannot be told)."""

    text: str
    percent: int | None


def progress(record: SpendImport, now: datetime) -> Progress:
    if record.state == ImportState.UNDOING:
        undo = record.report.get("undo", {})
        if not undo.get("total"):
            return Progress("It waits to be undone by a worker.", None)
        return _far(f"Undoing: {undo['done']:,} of {undo['total']:,} spends", undo["done"], undo["total"])
    if record.state == ImportState.QUEUED:
        return Progress(f"It waits for a worker, since {show.utc(record.created_at)}.", None)
    if record.total:
        what = "Checking" if record.dry_run else "Importing"
        text = f"{what}: {record.done:,} of {record.total:,} spends"
        return _far(text, record.done, record.total)
    since = show.span(round((now - (record.started_at or now)).total_seconds()))
    what = "Reading the file and trying it out" if record.dry_run else "Reading the file"
    return Progress(f"{what}, for {since} now.", None)


def _far(text: str, done: int, total: int) -> Progress:
    percent = min(done * 100 // total, 100)
    return Progress(f"{text}, {percent} %.", percent)


def undone(record: SpendImport) -> Iterator[Panel]:
    """What was taken back, where that is what a person should know first."""
    if record.state == ImportState.UNDONE:
        yield Panel("Undone as a whole", show.lines(undone_lines(record)))


def undone_lines(record: SpendImport) -> Iterable[str]:
    undo = record.report.get("undo", {})
    yield f"{show.utc(record.undone_at)} by {record.undone_by}: {record.undo_reason}"
    yield (
        f"{undo.get('voided', 0):,} spends voided, {undo.get('restored', 0):,} set back to their former value, "
        f"metrics of {undo.get('metrics_removed', 0):,} days removed"
    )
    yield (
        f"{undo.get('left_changed_by_hand', 0):,} changed by hand since and "
        f"{undo.get('left_changed_by_import', 0):,} by later imports stay as they are"
    )
