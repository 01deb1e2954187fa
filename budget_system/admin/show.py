"""How figures, states and moments look. Every function escapes what it is given; colour never stands alone."""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from django.contrib.admin.utils import quote
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brands.models import Brand
from budget_system import money
from budget_system.admin.pacing_settings import settings_words
from budget_system.text import day_text as day_text
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus
from enforcement.explain import Prospect, local_text, short
from pacing.models import Strategy
from scheduling.models import hours_text

GOOD, WARN, BAD, INFO, PLAIN = "good", "warn", "bad", "info", "plain"
_TONES = {
    GOOD: "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
    WARN: "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    BAD: "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
    INFO: "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    PLAIN: "bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200",
}
_BARS = {GOOD: "bg-green-500", WARN: "bg-orange-500", BAD: "bg-red-600"}
NEARLY_USED_UP = 80
"""Per cent of a budget from which on it is shown as a warning."""


def badge(text: object, tone: str = PLAIN, title: str = "") -> SafeString:
    return format_html(
        '<span class="inline-block font-semibold rounded-default text-[11px] uppercase whitespace-nowrap h-6 leading-6'
        ' px-2 {}" title="{}">{}</span>',
        _TONES[tone],
        title,
        text,
    )


def nothing(text: str = "–") -> SafeString:
    """What is not there, quieter than the rest and yet dark enough to be read."""
    return format_html('<span class="text-base-600 dark:text-base-400">{}</span>', text)


def link(url: str, text: object) -> SafeString:
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def link_to(obj: object, name: str, pk: object) -> SafeString:
    """A link to the page of an object; `name` is its admin's, such as campaigns_campaign."""
    return link(page_url(name, pk), obj)


def page_url(name: str, pk: object) -> str:
    """The address of an object's page. A list has hundreds of them, and reversing each takes longer than the rest."""
    before, after = _page_url(name)
    return f"{before}{quote(str(pk))}{after}"


@cache
def _page_url(name: str) -> tuple[str, str]:
    before, _, after = reverse(f"admin:{name}_change", args=["~"]).partition("~")
    return before, after


def amount(value: Decimal, currency: str) -> str:
    return f"{money.display_text(value, currency)} {currency}"


def limit(value: Decimal | None, currency: str) -> str:
    """A budget in words. None is no limit; 0 is a limit."""
    if value is None:
        return "no limit"
    return f"{amount(value, currency)}{' (nothing may be spent)' if value == 0 else ''}"


def right(text: object) -> SafeString:
    return format_html('<span class="block text-right whitespace-nowrap">{}</span>', text)


def use_text(used: Decimal, budget: Decimal | None, currency: str) -> str:
    """“82.40 of 100.00 EUR · 82 %”."""
    return " ".join(_use_parts(used, budget, currency))


def _use_parts(used: Decimal, budget: Decimal | None, currency: str) -> tuple[str, str]:
    spent = money.display_text(used, currency)
    if budget is None:
        return f"{spent} {currency}", "· no limit"
    of = f"{spent} of {amount(budget, currency)}"
    if budget == 0:
        return of, "· nothing may be spent"
    share = money.percent_used(used, budget)
    return of, f"· {share} % · used up" if share >= 100 else f"· {share} %"


def use_bar(
    used: Decimal,
    budget: Decimal | None,
    currency: str,
    forgiven: Decimal = Decimal(0),
    reserved: Decimal = Decimal(0),
) -> SafeString:
    """How much of a budget is used: in words, and as a bar that is green, orange from 80 % and red from 100 %.

    What is set aside follows in a lighter stretch: it is not spent yet.
    """
    parts = [*_use_parts(used, budget, currency)]
    if forgiven:
        parts.append(f"(+ {money.display_text(forgiven, currency)} not counted)")
    if reserved:
        parts.append(f"(+ {money.display_text(reserved, currency)} set aside)")
    text = format_html_join(" ", '<span class="inline-block whitespace-nowrap">{}</span>', map(_line, parts))
    if budget is None:
        return stacked(text)
    share = 100 if budget == 0 else min(money.percent_used(used, budget), 100)
    tone = BAD if share >= 100 else WARN if share >= NEARLY_USED_UP else GOOD
    bar = format_html(
        '<span class="bg-base-200 dark:bg-base-700 flex h-1.5 mt-1 overflow-hidden rounded-default w-full">'
        '<span class="block h-1.5 {}" style="width: {}%"></span>{}</span>',
        _BARS[tone],
        share,
        _set_aside(reserved, budget, share),
    )
    return stacked(text, bar)


def _line(part: str) -> tuple[object]:
    """A dot parts what stands in one line; a list, where each part has a line of its own, hides it."""
    rest = part.removeprefix("· ")
    return (part if rest == part else format_html('<span class="use-dot">· </span>{}', rest),)


def _set_aside(reserved: Decimal, budget: Decimal, share: int) -> SafeString:
    if not reserved or budget == 0:
        return SafeString()
    width = min(money.percent_used(reserved, budget), 100 - share)
    return format_html('<span class="bg-blue-500 block h-1.5 opacity-50" style="width: {}%"></span>', width)


def stacked(*parts: object) -> SafeString:
    """One cell of several lines; on a phone, where cells are rows, they stay together at its right."""
    inner = format_html_join("", "{}", ((part,) for part in parts))
    return format_html('<span class="block text-right lg:text-left">{}</span>', inner)


def day(on: date) -> SafeString:
    return format_html('<span class="whitespace-nowrap">{}</span>', day_text(on))


def days_text(first: date, last: date) -> str:
    return day_text(first) if first == last else f"{day_text(first)} to {day_text(last)}"


def today_text(brand: Brand, now: datetime) -> str:
    """The brand's own day: “Sun 22 Nov 2026 in Australia/Sydney”."""
    return f"{day_text(now.astimezone(brand.zone))} in {brand.zone.key}"


def cut(text: str | None, length: int = 32) -> SafeString:
    """Long keys shortened; the whole of them shows on pointing at it."""
    if not text:
        return nothing()
    short = text if len(text) <= length else f"{text[: length - 1]}…"
    return format_html('<span title="{}">{}</span>', text, short)


def small(text: object) -> SafeString:
    """A second, quieter line."""
    return format_html('<span class="block text-base-500 text-xs dark:text-base-400">{}</span>', text)


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """A moment by the wall clock of `zone`, which is named: “Sat 21 Nov 2026 22:25 Europe/Berlin”."""
    if at is None:
        return "–"
    local = at.astimezone(zone)
    return f"{day_text(local)} {local:%H:%M} {zone.key}"


def utc(at: datetime | None) -> str:
    """To the second, for what belongs to no brand."""
    return "–" if at is None else f"{day_text(at.astimezone(UTC))} {at.astimezone(UTC):%H:%M:%S} UTC"


def who(actor: str) -> str:
    """Whom the records name, in words: “ann”, “root, on the command line”, “token CRM (bk_12…) for ann”."""
    if actor in {"worker", "system"}:
        return "the system"
    kind, told, name = actor.partition(": ")
    if not told:
        return actor
    return {"user": name, "command line": f"{name}, on the command line", "demo": f"{name} (demo)"}.get(
        kind, f"{kind} {name}"
    )


def ago(at: datetime, now: datetime) -> str:
    """“47 seconds ago”, “in 3 hours”."""
    seconds = round((now - at).total_seconds())
    text = span(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def span(seconds: int) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (seconds >= size and unit != "minute"):
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def hold_words(holds: Iterable[Hold]) -> str:
    return ", ".join(hold.label for hold in holds)


def campaign_label(campaign: Campaign) -> str:
    """A campaign where it stands alone: with its brand, as other brands have campaigns of this name."""
    archived = " (archived)" if campaign.archived_at is not None else ""
    return f"{campaign} · {campaign.brand}{archived}"


def full_label(obj: object) -> str:
    """What a page is about, so that nobody mistakes it: several brands have a campaign called “Search”."""
    return f"{campaign_label(obj)} ({obj.get_platform_display()})" if isinstance(obj, Campaign) else str(obj)


def status_badge(campaign: Campaign) -> SafeString:
    if campaign.archived_at is not None:
        return badge("Archived")
    if campaign.status == CampaignStatus.ACTIVE:
        return badge("Active", GOOD)
    stopped = Hold.EMERGENCY_STOP in campaign.holds
    return badge("Stopped" if stopped else "Paused", BAD if stopped else WARN, hold_words(campaign.holds))


def why(campaign: Campaign, prospect: Prospect | None, now: datetime) -> object:
    """All that holds the campaign, and whose it is; or what it runs in spite of, and until when."""
    if not campaign.holds:
        if prospect is None or not prospect.lifted:
            return nothing()
        until = (
            ""
            if prospect.lifted_until is None
            else f" until {local_text(campaign.brand.zone, prospect.lifted_until, now)}"
        )
        return stacked(f"By an override{until}, in spite of:", *(small(short(cause)) for cause in prospect.lifted))
    # The holds on record; what is known of them at this moment adds whose they are.
    known = {} if prospect is None else {cause.hold: short(cause) for cause in reversed(prospect.standing)}
    first, *others = (known.get(hold, hold.label) for hold in campaign.holds)
    return stacked(first, *(small(f"also: {other[0].lower()}{other[1:]}") for other in others))


def runs_again(campaign: Campaign, prospect: Prospect | None, now: datetime) -> object:
    """When a paused campaign runs next if nothing else changes."""
    if not campaign.holds or campaign.archived_at is not None:
        return nothing()
    if prospect is None or prospect.runs_next_at is None:
        return "not without a person"
    at, _, zone = local_text(campaign.brand.zone, prospect.runs_next_at, now).rpartition(" ")
    return stacked(at, small(zone))


def lines(items: Iterable[object]) -> SafeString:
    return format_html_join("", '<span class="block">{}</span>', ((item,) for item in items))


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    empty: str,
    *,
    label: str = "",
    right: Collection[str] = (),
) -> SafeString:
    """With a `label`, a wide one that can be scrolled by keyboard too; `right`: headers of figures."""
    context = {"headers": headers, "rows": rows, "empty": empty, "label": label, "right": right}
    return render_to_string("budget/table.html", context)


def cards(headers: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> SafeString:
    """A table; on a phone each row is a card whose lines say what they are."""
    labelled = [list(zip(headers, row, strict=True)) for row in rows]
    return render_to_string("budget/cards.html", {"headers": headers, "rows": labelled, "empty": empty})


def facts(pairs: Sequence[tuple[str, object]]) -> SafeString:
    """Read-only figures side by side."""
    return render_to_string("budget/facts.html", {"pairs": pairs})


def change_lines(before: dict[str, object], after: dict[str, object], zone: ZoneInfo | None = None) -> SafeString:
    """What an audit entry says, a line for each value: “daily budget: 100.00 → 150.00”."""
    return lines(change_texts(before, after, zone))


def change_texts(before: dict[str, object], after: dict[str, object], zone: ZoneInfo | None = None) -> list[str]:
    names = [*before, *(name for name in after if name not in before)]
    return [_change_line(name, name in before, before.get(name), after.get(name), zone) for name in names]


def _change_line(name: str, had_value: bool, old: object, new: object, zone: ZoneInfo | None) -> str:
    label = name.replace("_", " ")
    if isinstance(old, list) and isinstance(new, list):
        before, after = ([_value(item, zone) for item in some] for some in (old, new))
        gone = [f"− {item}" for item in before if item not in after]
        came = [f"+ {item}" for item in after if item not in before]
        return f"{label}: {', '.join(gone + came) or 'in another order'}"
    return f"{label}: {_value(old, zone)} → {_value(new, zone)}" if had_value else f"{label}: {_value(new, zone)}"


def _value(value: object, zone: ZoneInfo | None) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, list):
        return ", ".join(_value(item, zone) for item in value)
    if isinstance(value, dict):
        return settings_words(value)
    if value is True or value is False:
        return "yes" if value else "no"
    text = str(value)
    if text in _HOLDS:
        return Hold(text).label.lower()
    if text in _STRATEGIES:
        return Strategy(text).label.lower()
    if _MOMENT.fullmatch(text):
        return moment(datetime.fromisoformat(text), zone or ZoneInfo("UTC"))
    if _DAY.fullmatch(text):
        return day_text(date.fromisoformat(text))
    return _WINDOW.sub(lambda found: f"{found[1]} {hours_text(found[2], found[3])}", text)


_HOLDS = frozenset(hold.value for hold in Hold)
_STRATEGIES = frozenset(strategy.value for strategy in Strategy)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WINDOW = re.compile(r"((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day) ([0-9:]+)–([0-9:]+)(?! next day)")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+[+-][0-9]{2}:[0-9]{2}")
