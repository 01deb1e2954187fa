"""What each list can be taken out with: its columns, in words, with money as numbers beside their currency, and moments
by the brand's clock and in UTC."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import Model
from django.utils.text import slugify

from brands.models import AuditEntry, Brand
from budget_system import money as amounts
from budget_system.admin import show
from budget_system.admin.export_files import Cell
from budget_system.admin.notes import noted
from campaigns.models import Campaign, Override, StateChange
from enforcement.models import Run
from scheduling.models import Schedule
from spending.models import (
    BudgetPeriod,
    DayMetrics,
    ForcedReset,
    PeriodKind,
    Reservation,
    Spend,
    SpendImport,
    SpendRevision,
)


class Column(NamedTuple):
    """What a person chooses as one: its parts are columns of the file, each with its title."""

    title: str
    parts: tuple[tuple[str, Callable[[Any], Cell]], ...]
    chosen: bool = True

    @property
    def code(self) -> str:
        return slugify(self.title)


Getter = Callable[[Any], Any]


def plain(title: str, path: str | Getter, *, chosen: bool = True) -> Column:
    """A value as it is: a text, a number or a day."""
    value = attrgetter(path) if isinstance(path, str) else path
    return Column(title, ((title, lambda thing: _cell(value(thing))),), chosen)


def words(title: str, field: str, *, chosen: bool = True) -> Column:
    """A choice in words."""
    return Column(title, ((title, lambda thing: str(getattr(thing, f"get_{field}_display")())),), chosen)


def money(title: str, path: str | Getter, currency: str, *, chosen: bool = True) -> Column:
    """An amount as a number with the decimals of its currency; the currency has a column of its own."""
    value = attrgetter(path) if isinstance(path, str) else path
    code = attrgetter(currency)

    def exact(thing: Any) -> Decimal | None:
        amount = value(thing)
        return None if amount is None else Decimal(amounts.exact_text(amount, code(thing)))

    return Column(title, ((title, exact),), chosen)


def moment(title: str, path: str, brand: str | None, *, chosen: bool = True) -> Column:
    """When something was: by the clock of its brand, and in UTC."""
    value = attrgetter(path)
    in_utc = (f"{title} (UTC)", lambda thing: _naive(value(thing), UTC))
    if brand is None:
        return Column(title, (in_utc,), chosen)
    owner: Getter = attrgetter(brand) if brand else lambda thing: thing

    def local(thing: Any) -> datetime | None:
        of = owner(thing)
        return None if of is None else _naive(value(thing), of.zone)

    return Column(title, ((f"{title} (brand's time)", local), in_utc), chosen)


def zone_of(brand: str) -> Column:
    owner: Getter = attrgetter(brand) if brand else lambda thing: thing
    return plain("time zone", lambda thing: owner(thing).zone.key if owner(thing) else "UTC")


def _naive(at: datetime | None, zone: Any) -> datetime | None:
    return None if at is None else at.astimezone(zone).replace(tzinfo=None, microsecond=0)


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    is_plain = value is None or isinstance(value, int | float | Decimal | str | date)
    return value if is_plain else str(value)


def percent(title: str, used: Getter, budget: str) -> Column:
    def share(thing: Any) -> int | None:
        limit = getattr(thing, budget)
        return amounts.percent_used(used(thing), limit) if limit else None

    return plain(title, share)


def figure(kind: str, name: str) -> Getter:
    """What `dress` fetched: of a campaign, or of a brand."""

    def value(thing: Any) -> Any:
        figures = noted(thing)
        return getattr(getattr(getattr(figures, "spent", figures), kind), name)

    return value


def _uses(kinds: Iterable[tuple[str, str, str]], currency: str) -> list[Column]:
    columns = []
    for kind, words_, budget in kinds:
        columns += [
            money(f"{budget.replace('_', ' ')}", budget, currency),
            money(f"spent {words_}", figure(kind, "used"), currency),
            percent(f"% used {words_}", figure(kind, "used"), budget),
            money(f"set aside {words_}", figure(kind, "reserved"), currency, chosen=False),
            money(f"not counted {words_}", figure(kind, "forgiven"), currency, chosen=False),
        ]
    return columns


_DAY = ("day", "today", "daily_budget")
_MONTH = ("month", "this month", "monthly_budget")
_LIFETIME = ("lifetime", "in all", "lifetime_budget")


def _of_campaign(path: str) -> list[Column]:
    return [
        plain("campaign", f"{path}.name"),
        plain("platform campaign id", f"{path}.external_id", chosen=False),
    ]


def _kind(period: BudgetPeriod) -> str:
    return str(period.get_kind_display())


def _starts(period: BudgetPeriod) -> Any:
    return None if period.kind == PeriodKind.LIFETIME else period.starts_on


def _counted(run: Run) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in run.counts.items())


def _spend_state(spend: Spend) -> str:
    return "voided" if spend.voided_at else "corrected" if spend.version > 1 else "counted"


COLUMNS: dict[type[Model], Sequence[Column]] = {
    Brand: [
        plain("brand", "name"), plain("currency", "currency"), zone_of(""),
        *_uses((_DAY, _MONTH), "currency"),
        plain("campaigns running", lambda brand: noted(brand).running),
        plain("campaigns paused", lambda brand: noted(brand).paused),
        moment("emergency stop since", "emergency_stopped_at", ""),
        plain("reason of the stop", "emergency_stop_reason", chosen=False),
        plain("stopped by", "emergency_stopped_by", chosen=False),
        moment("archived", "archived_at", "", chosen=False), moment("created", "created_at", "", chosen=False),
    ],
    Campaign: [
        plain("campaign", "name"), plain("brand", "brand.name"), words("platform", "platform"),
        plain("platform campaign id", "external_id"), words("status", "status"),
        plain("reason", lambda campaign: campaign.holds[0].label if campaign.holds else ""),
        plain("all reasons", lambda campaign: show.hold_words(campaign.holds)),
        moment("paused since", "paused_at", "brand"), plain("currency", "brand.currency"),
        *_uses((_DAY, _MONTH, _LIFETIME), "brand.currency"),
        plain("starts on", "start_date"), plain("ends on", "end_date"),
        moment("next check", "next_check_at", "brand", chosen=False), zone_of("brand"),
        plain("paused by", "manual_paused_by", chosen=False),
        plain("reason of the pause", "manual_pause_reason", chosen=False),
        moment("archived", "archived_at", "brand", chosen=False),
    ],
    Override: [
        *_of_campaign("campaign"), plain("brand", "campaign.brand.name"),
        plain("lifts", lambda override: show.hold_words(override.lifts)),
        moment("began", "starts_at", "campaign.brand"), moment("ends", "ends_at", "campaign.brand"),
        money("extra money", "extra_budget", "campaign.brand.currency"), plain("currency", "campaign.brand.currency"),
        plain("reason", "reason"), plain("by", "created_by"), moment("cleared", "cleared_at", "campaign.brand"),
        plain("cleared by", "cleared_by"), zone_of("campaign.brand"),
    ],
    StateChange: [
        moment("when", "at", "brand"), *_of_campaign("campaign"), plain("brand", "brand.name"),
        words("from", "from_status"), words("to", "to_status"),
        plain("reasons before", lambda change: show.hold_words(change.from_holds)),
        plain("reasons", lambda change: show.hold_words(change.to_holds)),
        plain("cause", "cause"), plain("who", "actor"), zone_of("brand"),
    ],
    AuditEntry: [
        moment("when", "at", "brand"), plain("who", "actor"), plain("action", "action"),
        plain("kind of thing", "object_type"), plain("thing", "object_label"),
        plain("brand", lambda entry: entry.brand.name if entry.brand else ""),
        plain("change", lambda entry: "; ".join(show.change_texts(entry.before, entry.after))),
        plain("reason", "reason"), plain("from", "origin", chosen=False), zone_of("brand"),
    ],
    Schedule: [
        *_of_campaign("campaign"), plain("brand", "campaign.brand.name"), words("weekday", "day_of_week"),
        plain("from", lambda row: row.start_time.isoformat()), plain("to", lambda row: row.end_time.isoformat()),
        plain("ends next day", "ends_next_day"), plain("active", "is_active"), zone_of("campaign.brand"),
    ],
    Spend: [
        plain("date", "spend_date"), *_of_campaign("campaign"), plain("brand", "brand.name"),
        money("amount", "amount", "brand.currency"), plain("currency", "brand.currency"), words("type", "spend_type"),
        plain("channel", "channel"), plain("state", _spend_state), plain("description", "description"),
        plain("source", "source"),
        plain("key", "key", chosen=False), plain("version", "version", chosen=False),
        moment("recorded", "created_at", "brand"), plain("recorded by", "created_by"),
        moment("voided", "voided_at", "brand", chosen=False), zone_of("brand"),
    ],
    SpendRevision: [
        moment("replaced", "replaced_at", "spend.brand"), *_of_campaign("spend.campaign"),
        plain("brand", "spend.brand.name"), plain("version", "version"),
        money("former amount", "amount", "spend.brand.currency"),
        money("amount now", "spend.amount", "spend.brand.currency"), plain("currency", "spend.brand.currency"),
        plain("former date", "spend_date"), words("former type", "spend_type"),
        plain("former channel", "channel", chosen=False),
        plain("former description", "description", chosen=False), plain("replaced by", "replaced_by"),
        plain("reason", "reason"), zone_of("spend.brand"),
    ],
    BudgetPeriod: [
        plain("of", lambda period: "campaign" if period.campaign_id else "brand"),
        plain("campaign", lambda period: period.campaign.name if period.campaign else ""),
        plain("brand", "brand.name"), plain("kind", _kind), plain("begins", _starts),
        money("budget", "budget", "brand.currency"), money("used", "used", "brand.currency"),
        percent("% used", attrgetter("used"), "budget"), money("in the ledger", "posted", "brand.currency"),
        money("set aside", "reserved", "brand.currency"), money("not counted", "forgiven", "brand.currency"),
        plain("currency", "brand.currency"), moment("turn recorded", "turned_at", "brand", chosen=False),
        zone_of("brand"),
    ],
    ForcedReset: [
        moment("when", "at", "brand"), plain("brand", "brand.name"), words("kind", "kind"),
        plain("begins", "starts_on"), money("no longer counted", "forgiven", "brand.currency"),
        plain("currency", "brand.currency"), plain("who", "actor"), plain("reason", "reason"), zone_of("brand"),
    ],
    Reservation: [
        moment("set aside", "created_at", "brand"), *_of_campaign("campaign"), plain("brand", "brand.name"),
        plain("channel", "channel"), plain("day", "day"), money("amount", "amount", "brand.currency"),
        money("really spent", "settled_amount", "brand.currency"), plain("currency", "brand.currency"),
        words("state", "status"), moment("expires", "expires_at", "brand"),
        moment("resolved", "resolved_at", "brand"), plain("by", "created_by"), zone_of("brand"),
    ],
    DayMetrics: [
        plain("day", "day"), *_of_campaign("campaign"), plain("brand", "campaign.brand.name"),
        plain("impressions", "impressions"), plain("clicks", "clicks"),
        plain("conversions", lambda row: None if row.conversions is None else row.conversions.normalize()),
        money("revenue", "revenue", "campaign.brand.currency"), plain("currency", "campaign.brand.currency"),
        plain("source", "source"), moment("updated", "updated_at", "campaign.brand", chosen=False),
    ],
    SpendImport: [
        moment("sent", "created_at", None), plain("file", "file_name"), plain("by", "created_by"),
        plain("brands", lambda one: ", ".join(brand.name for brand in one.brands.all())),
        words("state", "state"), plain("dry run", "dry_run"), plain("kind of report", "format"),
        plain("first day", "first_day"), plain("last day", "last_day"), plain("rows", "rows"),
        plain("accepted", "accepted"), plain("unchanged", "unchanged"), plain("corrected", "corrected"),
        plain("duplicate", "duplicate"), plain("rejected", "rejected"), moment("undone", "undone_at", None),
        plain("undone by", "undone_by"), plain("why undone", "undo_reason"),
    ],
    Run: [
        words("kind", "kind"), moment("started", "started_at", None), moment("finished", "finished_at", None),
        plain("outcome", lambda run: "error" if run.error else "done" if run.finished_at else "under way"),
        plain("counted", _counted),
        plain("trigger", "trigger"),
    ],
}  # fmt: skip
"""The lists that can be exported. People, tokens and logins are not among them."""
