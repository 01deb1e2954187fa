"""What an import's page says: what became of the rows, or would; what to look at; how far it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
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
NAMES = {
    "accepted": "New", "unchanged": "There already", "corrected": "Corrected", "duplicate": "Left out",
    "rejected": "Rejected",
}  # fmt: skip
"""What each of the counts is called, on the page and in the list."""
_EITHER_WAY = {
    "unchanged": "Recorded before with the same value: nothing to do.",
    "duplicate": "The same line twice, or a day whose spend comes from elsewhere.",
}
_DID = {
    **_EITHER_WAY,
    "accepted": "Recorded by this import.",
    "corrected": "Recorded before with another value, which is kept as a former one.",
    "rejected": "Could not be taken; the reasons are below.",
}
_WOULD = {
    **_EITHER_WAY,
    "accepted": "Would be recorded.",
    "corrected": "Recorded before with another value, which would be kept as a former one.",
    "rejected": "Cannot be taken; the reasons are below.",
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
        text = f"{_count(record.rejected, 'row')} not taken."
        if record.state != ImportState.UNDONE:
            text += " Download them, mend them, and import that file."
        yield Warning(show.WARN, "Rejected", text)
    unknown = len(report.get("unknown", [])) + report.get("unknown_more", 0)
    if unknown and record.dry_run and import_access.sees_lines(record, caller):
        text = f"Of {_count(unknown, 'campaign')} it could not be told which they are: see below."
        yield Warning(show.WARN, "Unknown", text)


def _seen_before(record: SpendImport, caller: Caller) -> Iterator[Warning]:
    before = record.report.get("seen_before", [])
    seen = set(
        import_access.visible(SpendImport.objects.filter(pk__in=[one["id"] for one in before]), caller)
        .values_list("pk", flat=True)
    )  # fmt: skip
    for one in before:
        text: object = f"This very file was imported before, by {show.who(one['by'])} on {_when(one['at'])}"
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
    period: object = show.nothing("No row that counts")
    if record.first_day and record.last_day:
        period = show.days_text(record.first_day, record.last_day)
    total = "Total of the rows that count"
    if record.state == ImportState.UNDONE:
        total = "Total of the rows that counted until it was undone"
    elif record.dry_run:
        total = "Total of the rows that would count"
    own = {True: "Equals the sum of its rows", False: "Differs from the sum of its rows"}
    facts = [
        ("Kind of report", kind_of(record)),
        ("Period", period),
        (total, show.lines(amounts(report.get("totals", {}))) or show.nothing()),
        ("The file's own total", own.get(report.get("totals_agree"), show.nothing("It has none"))),
    ]
    return Panel(f"{record.file_name}, {_count(record.rows, 'row')}", show.facts(facts))


def counts(record: SpendImport) -> Panel:
    """What became of the rows, or would."""
    words = _WOULD if record.dry_run else _DID
    rows = [(show.right(f"{getattr(record, name):,}"), NAMES[name], words[name]) for name in COUNTS]
    title = "What importing it would do" if record.dry_run else "What became of its rows"
    return Panel(title, show.table(["Rows", "", ""], rows, ""))


def money(record: SpendImport) -> Iterator[Panel]:
    """Of a dry run: what each campaign's day comes to now, and what it would come to."""
    told = record.report.get("money")
    if not told or not record.dry_run:
        return
    told = sorted(told, key=lambda one: (one["brand"], one["name"], one["campaign"], one["day"]))
    there = set(Campaign.objects.filter(pk__in={one["campaign"] for one in told}).values_list("pk", flat=True))
    rows = []
    for one in told:
        label, before, after = f"{one['name']} · {one['brand']}", Decimal(one["before"]), Decimal(one["after"])
        named = show.link_to(label, "campaigns_campaign", one["campaign"]) if UUID(one["campaign"]) in there else label
        sign = "+" if after > before else ""
        figures = (show.amount(value, one["currency"]) for value in (before, after))
        moved = f"{sign}{show.amount(after - before, one['currency'])}"
        rows.append((named, show.day(date.fromisoformat(one["day"])), *figures, moved))
    more = record.report.get("money_more", 0)
    title = "What would change in the books, by campaign and day"
    title += f": {len(told)} of {len(told) + more:,}" if more else ""
    yield Panel(title, show.cards(["Campaign", "Day", "Now", "Then", "Change"], rows, ""))


def twice(record: SpendImport) -> str:
    """Of what money it would be recorded twice; empty if of none."""
    sums = record.report.get("twice")
    if not sums or not record.dry_run:
        return ""
    return (
        f"{' and '.join(amounts(sums))} of this would count twice if it is the same money: these days of these"
        " campaigns have spend from elsewhere already, and you chose to take them as well. They are listed below."
    )


def nothing_to_import(record: SpendImport) -> str:
    """Why there is nothing to import, row by row."""
    told = []
    if record.unchanged:
        told.append(f"{_count(record.unchanged, 'row')} recorded already with the same value")
    if record.duplicate:
        told.append(f"{_count(record.duplicate, 'row')} left out")
    if record.rejected:
        told.append(f"{_count(record.rejected, 'row')} that cannot be taken")
    text = f"There is nothing to import: {', '.join(told)}." if told else "There is nothing to import: it has no rows."
    if record.report.get("flagged"):
        text += (
            " Left out are days that have spend from elsewhere. If both should count, choose “Also take days that have"
            " spend already” among the other settings."
        )
    return text


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
        title += ", or held for other reasons" if any(one["from"] and one["to"] for one in flips) else ""
        if len(flips) > SHOWN:
            title += f": the first {SHOWN} of {len(flips):,}"
        yield Panel(title, show.cards(["Campaign", "State", "Held before by", "Held then by"], rows, ""))
    elif would and (record.accepted or record.corrected):
        yield Panel("Campaigns that would be stopped or started", show.lines(["None."]))


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
            (_line(one), in_page_words(one["reason"]), _broken(", ".join(one["row"]))) for one in rejects[:LINES_SHOWN]
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
    yield f"{show.utc(record.undone_at)} by {show.who(record.undone_by)}: {record.undo_reason}"
    yield (
        f"{undo.get('voided', 0):,} spends voided, {undo.get('restored', 0):,} set back to their former value, "
        f"metrics of {undo.get('metrics_removed', 0):,} days removed"
    )
    yield (
        f"{undo.get('left_changed_by_hand', 0):,} changed by hand since and "
        f"{undo.get('left_changed_by_import', 0):,} by later imports stay as they are"
    )
