"""Importing a spend report: whose row is it, what adds up with what, and what became of every line.

Reading and accounting only. `enforcement.importing` posts what is gathered here, because posting evaluates campaigns.

A campaign's day is taken as a whole: the lines that repeat it (device, network, ad set) are added up into one spend,
whose key is the campaign and the day, so that the same report again changes nothing and a newer one corrects. If one
of these lines cannot be read, none of them is taken: a part of a day would later be mistaken for the whole.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import NamedTuple, TextIO
from uuid import UUID

from django.db import connection
from django.db.models import Q

from brands.models import Brand
from brands.queries import id_or_name
from budget_system import money
from budget_system.db import fetch, is_postgres, param, read_date, read_uuid
from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign, Platform
from spending.models import Spend, SpendType
from spending.reports import plain_csv
from spending.reports.plain_csv import Report
from spending.reports.rejects import RejectWriter
from spending.reports.rows import Reject, ReportRow
from spending.reports.shapes import Format
from spending.services import Outcome

MAX_LINES = 500_000
"""More lines than this take more memory than a worker has; such a file is to be split."""
KEPT = 1_000
"""How many rejects and duplicates a report remembers; a file of rejects gets all of them."""
_CHUNK = 5_000
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_CSV = plain_csv.Options()
_PLATFORMS = {
    Format.GOOGLE_ADS: Platform.GOOGLE.value,
    Format.GOOGLE_ADS_API: Platform.GOOGLE.value,
    Format.META_ADS: Platform.META.value,
    Format.MICROSOFT_ADS: Platform.MICROSOFT.value,
    Format.TIKTOK_ADS: Platform.TIKTOK.value,
}


class UnreadableFile(Refused):
    """The file as a whole cannot be imported. Nothing was changed."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the person who imports says about the file and about what is new in it."""

    reading: plain_csv.Options = _CSV
    format: Format | None = None
    """None: told from the file."""
    source: str = ""
    """Names where the figures come from. The same source again corrects its earlier figures, never another's. Empty:
    named after the format."""
    brand_id: UUID | None = None
    """All rows are this brand's. None: the account column names the brand, or else the campaign id is enough."""
    platform: str = ""
    """Match campaigns of this platform only, and create them on it. Empty: any."""
    currency: str | None = None
    """For rows that do not say theirs; None: the brand's."""
    timezone: str = "UTC"
    """For brands that are created."""
    create_campaigns: bool = False
    create_brands: bool = False
    even_if_typed: bool = False
    """Take a row although spend of its campaign and day is recorded already from somewhere else."""

    def checked(self) -> "ImportOptions":
        """These options; Refused when one of them makes no sense."""
        if self.source and not _SOURCE.fullmatch(self.source):
            raise Refused(
                f"“{self.source}” is not a source: use up to 40 small letters, digits, - and _.", field="source"
            )
        if self.platform and self.platform not in Platform.values:
            raise Refused(f"“{self.platform}” is not one of {', '.join(Platform.values)}.", field="platform")
        if self.currency is not None and not money.is_currency(self.currency):
            raise Refused(f"“{self.currency}” is not an ISO 4217 currency code, such as USD.", field="currency")
        return self

    def told(self, format: Format) -> "ImportOptions":
        """These options, for a file that turned out to be of this format."""
        source = self.source or ("csv" if format is Format.PLAIN else format.value)
        return replace(self, format=format, source=source)

    @property
    def created_on(self) -> str:
        """The platform on which campaigns are created; empty: the default."""
        return self.platform or (_PLATFORMS.get(self.format, "") if self.format else "")

    @property
    def spend_source(self) -> str:
        """The source as spends carry it."""
        return f"import:{self.source}"


# --- What comes out --------------------------------------------------------------------------------------------------


class Noted(NamedTuple):
    """A line that was left out, or looked at twice, and why."""

    line: int
    reason: str


class StateFlip(NamedTuple):
    """A campaign's holds before the import and after it."""

    campaign_id: UUID
    brand_id: UUID
    from_holds: tuple[Hold, ...]
    to_holds: tuple[Hold, ...]


@dataclass
class ImportReport:
    """What an import did, or in a dry run would do. accepted + unchanged + corrected + duplicate + rejected = rows."""

    rows: int = 0
    """The file's data lines, without its total lines."""
    accepted: int = 0
    unchanged: int = 0
    corrected: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    """The first `KEPT` of them, in the order of the file."""
    duplicates: list[Noted] = field(default_factory=list)
    """The first `KEPT` of them."""
    flagged: list[Noted] = field(default_factory=list)
    """The first `KEPT` lines whose campaign and day has spend from elsewhere too, taken or not."""
    created_brands: list[str] = field(default_factory=list)
    created_campaigns: list[str] = field(default_factory=list)
    changes: list[StateFlip] = field(default_factory=list)
    first_day: date | None = None
    last_day: date | None = None
    totals: dict[str, Decimal] = field(default_factory=dict)
    """By currency, what the lines that count now (accepted, unchanged, corrected) add up to."""
    total_lines: int = 0
    """Lines such as “Total”, which are no spend."""
    totals_agree: bool | None = None
    """Whether such a line equals the sum of all rows; None when there is nothing to compare."""
    dry_run: bool = False
    format: Format = Format.PLAIN
    incomplete: bool = False
    """The file says of itself that figures may still change."""

    @property
    def paused(self) -> int:
        return sum(not change.from_holds and bool(change.to_holds) for change in self.changes)

    @property
    def activated(self) -> int:
        return sum(bool(change.from_holds) and not change.to_holds for change in self.changes)

    def counts(self) -> dict[str, int]:
        """The figures of the closing line."""
        names = ("rows", "accepted", "unchanged", "corrected", "duplicate", "rejected", "paused", "activated")
        return {name: getattr(self, name) for name in names}


# --- Whose row is it -------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class BrandTarget:
    """The brand that rows belong to. `id` is None as long as it is to be created."""

    id: UUID | None
    name: str
    currency: str


@dataclass(eq=False, slots=True)
class CampaignTarget:
    """The campaign that rows belong to, and what they come to. `id` is None as long as it is to be created."""

    brand: BrandTarget
    id: UUID | None
    name: str
    external_id: str
    stated_id: str = ""
    """The rows' platform id, where the campaign has none and was found by its name."""
    days: "dict[date, Group]" = field(default_factory=dict)
    others: "dict[tuple[date, str, str, str | None], Group]" = field(default_factory=dict)
    """Groups that are not plainly a day's spend in the brand's currency: by day, type, currency, key."""
    spoiled: dict[date, int] = field(default_factory=dict)
    """Days of which a line is rejected, and that line."""

    @property
    def key_prefix(self) -> str:
        """Names the campaign in keys of spends; its own id, so that renaming it on the platform doubles nothing."""
        own = self.id.hex if self.id else ""
        return f"{own}/{self.stated_id}" if self.stated_id else own

    def groups(self) -> "Iterator[Group]":
        yield from self.days.values()
        yield from self.others.values()


class _Labels(NamedTuple):
    """How a row names its campaign."""

    account: str | None
    campaign_id: str | None
    campaign_name: str | None


class _Known(NamedTuple):
    """A campaign in the database."""

    pk: UUID
    brand_id: UUID
    name: str
    external_id: str
    archived: bool


class Matcher:
    """Finds the campaign of each label: by its platform id, else by its exact name. It remembers every answer."""

    def __init__(self, options: ImportOptions, *, by_account: bool) -> None:
        self._options = options
        self._by_account = by_account and options.brand_id is None
        self._brand: BrandTarget | None = None
        self._brands: dict[UUID, BrandTarget] = {}
        self._new_brands: dict[str, BrandTarget] = {}
        self._accounts: dict[str, BrandTarget | str] = {}
        self._targets: dict[tuple[object, str, str], CampaignTarget] = {}
        self.found: dict[tuple[str | None, str | None, str | None], CampaignTarget | str] = {}
        """The target of each label seen, or why there is none."""
        if options.brand_id is not None:
            brand = Brand.objects.filter(pk=options.brand_id).first()
            if brand is None:
                raise Refused("There is no such brand.", field="brand")
            self._brand = self._target_of_brand(brand)

    def learn(self, rows: Iterable[ReportRow]) -> None:
        """Find what these rows name for the first time."""
        labels = {_Labels(row.account, row.campaign_id, row.campaign_name) for row in rows}
        labels -= self.found.keys()
        if not labels:
            return
        if self._by_account:
            self._find_brands({label.account for label in labels if label.account} - self._accounts.keys())
        known = self._known(labels)
        for label in sorted(labels, key=lambda label: tuple(part or "" for part in label)):
            self.found[label] = self._match(label, known)

    def targets(self) -> list[CampaignTarget]:
        """Every campaign that rows belong to, once."""
        return list(self._targets.values())

    def _target_of_brand(self, brand: Brand) -> BrandTarget:
        return self._brands.setdefault(brand.pk, BrandTarget(brand.pk, brand.name, brand.currency))

    def _find_brands(self, accounts: set[str]) -> None:
        names = {text: " ".join(text.split()) for text in accounts}
        by_name: dict[str, list[Brand]] = {}
        for brand in Brand.objects.current().filter(name__in=set(names.values())):
            by_name.setdefault(brand.name, []).append(brand)
        for text, name in names.items():
            matches = by_name.get(name) or list(Brand.objects.current().filter(id_or_name(text))[:1])
            if len(matches) == 1:
                self._accounts[text] = self._target_of_brand(matches[0])
            elif matches:
                self._accounts[text] = f"several brands are named “{name}”: import their files one by one with --brand"
            elif self._options.create_brands:
                target = BrandTarget(None, name, self._options.currency or "")
                self._accounts[text] = self._new_brands.setdefault(name, target)
            else:
                self._accounts[text] = (
                    f"there is no brand “{name}”: create it, import with --create-brands, or say with --brand whose "
                    "rows these are"
                )

    def _brand_of(self, label: _Labels) -> BrandTarget | str | None:
        """The label's brand, why it has none, or None: any brand."""
        if not self._by_account:
            return self._brand
        return self._accounts[label.account] if label.account else "no brand given"

    def _known(self, labels: Iterable[_Labels]) -> dict[tuple[str, str], list[_Known]]:
        """The campaigns in the database that may be meant, by (“id” or “name”, text)."""
        ids = {label.campaign_id for label in labels if label.campaign_id}
        names = {_folded(label.campaign_name) for label in labels if label.campaign_name}
        campaigns = Campaign.objects.filter(Q(external_id__in=ids) | Q(name__in=names))
        if self._brand is not None or self._by_account:
            campaigns = campaigns.filter(brand_id__in=list(self._brands))
        else:
            campaigns = campaigns.filter(brand__archived_at=None)
        if self._options.platform:
            campaigns = campaigns.filter(platform=self._options.platform)
        known: dict[tuple[str, str], list[_Known]] = {}
        columns = ("pk", "brand_id", "name", "external_id", "archived_at")
        for pk, brand_id, name, external_id, archived_at in campaigns.order_by("pk").values_list(*columns):
            campaign = _Known(pk, brand_id, name, external_id, archived_at is not None)
            known.setdefault(("name", name), []).append(campaign)
            if external_id:
                known.setdefault(("id", external_id), []).append(campaign)
        return known

    def _match(self, label: _Labels, known: dict[tuple[str, str], list[_Known]]) -> CampaignTarget | str:
        brand = self._brand_of(label)
        if isinstance(brand, str):
            return brand
        external_id, name = label.campaign_id or "", _folded(label.campaign_name)
        by_id = _one_of(known.get(("id", external_id), ()), brand)
        # A campaign that has another id on its platform is another campaign, whatever its name.
        named = [one for one in known.get(("name", name), ()) if not (external_id and one.external_id)]
        matches = by_id or _one_of(named, brand)
        if len(matches) > 1:
            what = f"the id “{external_id}”" if by_id else f"the name “{name}”"
            return f"{len(matches)} campaigns have {what}: say which with --brand or --platform"
        if matches:
            return self._existing(matches[0], "" if by_id else external_id)
        if brand is None:
            return f"no brand has {_described(external_id, name)}: say with --brand whose rows these are"
        if not self._options.create_campaigns:
            where = f"“{brand.name}” has no {self._platform_words()}campaign with {_described(external_id, name)}"
            return f"{where}: create it, or import with --create-campaigns"
        key = (brand, external_id, "" if external_id else name)
        return self._targets.setdefault(key, CampaignTarget(brand, None, name or external_id, external_id))

    def _platform_words(self) -> str:
        return f"{Platform(self._options.platform).label} " if self._options.platform else ""

    def _existing(self, campaign: _Known, stated_id: str) -> CampaignTarget:
        key = (campaign.pk, stated_id, "")
        if key not in self._targets:
            if campaign.brand_id not in self._brands:
                self._target_of_brand(Brand.objects.get(pk=campaign.brand_id))
            brand = self._brands[campaign.brand_id]
            self._targets[key] = CampaignTarget(brand, campaign.pk, campaign.name, campaign.external_id, stated_id)
        return self._targets[key]


def _folded(name: str | None) -> str:
    """A name as names are stored: inner white space folded."""
    return " ".join(name.split()) if name else ""


def _one_of(campaigns: Sequence[_Known], brand: BrandTarget | None) -> list[_Known]:
    """Those of the brand; of twins the ones that are not archived."""
    own = [campaign for campaign in campaigns if brand is None or campaign.brand_id == brand.id]
    return [campaign for campaign in own if not campaign.archived] or own


def _described(external_id: str, name: str) -> str:
    return " or ".join(filter(None, (external_id and f"the id “{external_id}”", name and f"the name “{name}”")))


# --- What adds up ----------------------------------------------------------------------------------------------------


class Group:
    """The lines that make one spend. Made by the hundred thousand, hence by hand."""

    __slots__ = ("cost", "currency", "day", "description", "key", "line", "more", "print", "spend_type", "target")

    def __init__(
        self, target: CampaignTarget, row: ReportRow, fingerprint: int, spend_type: str, currency: str
    ) -> None:
        self.target = target
        self.day = row.day
        self.cost = row.cost
        self.line = row.line
        self.print = fingerprint
        self.more: dict[int, int] | None = None
        """The lines after the first, by what their cells hash to."""
        self.spend_type = spend_type
        self.currency = currency
        self.key = row.key
        self.description = row.description

    def twin(self, fingerprint: int) -> int | None:
        """The earlier line with the same cells."""
        if fingerprint == self.print:
            return self.line
        return self.more.get(fingerprint) if self.more else None

    def add(self, row: ReportRow, fingerprint: int) -> None:
        if self.more is None:
            self.more = {}
        self.more[fingerprint] = row.line
        self.cost += row.cost
        if row.description and row.description not in self.description.split("; "):
            self.description = f"{self.description}; {row.description}" if self.description else row.description

    def lines(self) -> list[int]:
        return [self.line, *self.more.values()] if self.more else [self.line]

    def __len__(self) -> int:
        return 1 + len(self.more) if self.more else 1

    def spend_key(self) -> str:
        """What makes importing again a correction instead of a second spend."""
        if self.key is not None:
            return self.key
        key = f"{self.target.key_prefix}|{self.day}"
        return key if self.spend_type == SpendType.DAILY else f"{key}|{self.spend_type}"


class Intake:
    """A report read, its rows added up, and the account of what becomes of every line."""

    def __init__(self, report: Report, options: ImportOptions) -> None:
        if report.given > MAX_LINES:
            raise UnreadableFile(
                f"The file has {report.given:,} lines; at most {MAX_LINES:,} are imported at once. Split it."
            )
        self.report = report
        self.options = options
        self.result = ImportReport()
        self._matcher = Matcher(options, by_account=report.columns.account is not None)
        self._keys: dict[str, Group] = {}
        self._rejected: dict[int, str] = {}
        self._raw: dict[int, Sequence[str]] = {}
        self._read()

    # -- Reading

    def _read(self) -> None:
        rows = iter(self.report)
        unread: list[Reject] = []
        while some := list(islice(rows, _CHUNK)):
            self._matcher.learn(item for item in some if isinstance(item, ReportRow))
            for item in some:
                if isinstance(item, Reject):
                    self._reject(item.line, item.reason, item.raw)
                    unread.append(item)
                else:
                    self._take(item)
        self._spoil(unread)
        tally = self.report.tally
        self.result.rows = tally.rows + tally.rejects
        self.result.total_lines = len(tally.totals)
        self.result.totals_agree = tally.totals_agree
        self.result.format = self.report.format
        self.result.incomplete = bool(self.report.incomplete)

    def _take(self, row: ReportRow) -> None:
        target = self._matcher.found[row.account, row.campaign_id, row.campaign_name]
        if isinstance(target, str):
            self._reject(row.line, target, row.raw)
            return
        brand = target.brand
        if not brand.currency:  # of a brand to be created: that of its first row
            brand.currency = row.currency or "USD"
        currency = row.currency or self.options.currency or brand.currency
        spend_type = row.spend_type.upper() if row.spend_type else SpendType.DAILY.value
        if row.cost < 0 and spend_type != SpendType.ADJUSTMENT:
            self._reject(row.line, "a negative cost is an ADJUSTMENT: say so in a type column, with a reason", row.raw)
            target.spoiled.setdefault(row.day, row.line)
            return
        fingerprint = hash(tuple(row.raw))
        if spend_type == SpendType.DAILY and row.key is None and currency == brand.currency:
            group = target.days.get(row.day)
            if group is None:
                target.days[row.day] = Group(target, row, fingerprint, spend_type, currency)
                return
        else:
            if currency != brand.currency:
                self._keep_raw(row.line, row.raw)
            place = (row.day, spend_type, currency, row.key)
            group = target.others.get(place)
            if group is None:
                self._open(place, Group(target, row, fingerprint, spend_type, currency), row)
                return
        if (twin := group.twin(fingerprint)) is not None:
            self._duplicate(row.line, f"the same as line {twin}")
        else:
            group.add(row, fingerprint)

    def _open(self, place: tuple[date, str, str, str | None], group: Group, row: ReportRow) -> None:
        """A new group, unless its key was used above for another campaign or day."""
        if row.key is not None:
            first = self._keys.setdefault(row.key, group)
            if first is not group:
                self._reject(row.line, f"the key “{row.key}” is used on line {first.line} for another spend", row.raw)
                return
        group.target.others[place] = group

    def _spoil(self, unread: Iterable[Reject]) -> None:
        """Where a line could not be read but its campaign and day can be told, that day is incomplete."""
        for reject in unread:
            place = self.report.place(reject)
            if place is None:
                continue
            target = self._matcher.found.get(_Labels(place.account, place.campaign_id, place.campaign_name))
            if isinstance(target, CampaignTarget):
                target.spoiled.setdefault(place.day, reject.line)

    # -- Accounting

    def brands(self) -> list[tuple[BrandTarget, list[CampaignTarget]]]:
        """The campaigns that have something to post, by brand, in the order in which brands are locked."""
        by_brand: dict[BrandTarget, list[CampaignTarget]] = {}
        for target in self._matcher.targets():
            self._drop_spoiled(target)
            if target.days or target.others:
                by_brand.setdefault(target.brand, []).append(target)
        return sorted(by_brand.items(), key=lambda item: item[0].id.int if item[0].id else 1 << 128)

    def _drop_spoiled(self, target: CampaignTarget) -> None:
        for day, line in target.spoiled.items():
            reason = f"line {line} is of the same campaign and day and is rejected: mend it and send them together"
            spoiled = [target.days.pop(day)] if day in target.days else []
            spoiled += [target.others.pop(place) for place in list(target.others) if place[0] == day and not place[3]]
            for group in spoiled:
                self.settle(group, Outcome.REFUSED, reason)

    def settle(self, group: Group, outcome: Outcome, reason: str = "") -> None:
        """Every line of the group has come to this."""
        result = self.result
        if outcome == Outcome.REFUSED:
            for line in group.lines():
                self._reject(line, reason)
            return
        if outcome == Outcome.RECORDED:
            result.accepted += len(group)
        elif outcome == Outcome.REPLAYED:
            result.unchanged += len(group)
        else:
            result.corrected += len(group)
        day = group.day
        if result.first_day is None or day < result.first_day:
            result.first_day = day
        if result.last_day is None or day > result.last_day:
            result.last_day = day
        result.totals[group.currency] = result.totals.get(group.currency, _ZERO) + group.cost

    def leave_out(self, group: Group, reason: str) -> None:
        """Its spend is recorded from elsewhere: every line of the group counts as a duplicate."""
        for line in group.lines():
            self._duplicate(line, reason)

    def flag(self, group: Group, reason: str) -> None:
        for line in group.lines():
            if len(self.result.flagged) < KEPT:
                self.result.flagged.append(Noted(line, reason))

    def _reject(self, line: int, reason: str, raw: Sequence[str] | None = None) -> None:
        self.result.rejected += 1
        self._rejected[line] = reason
        if raw is not None:
            self._keep_raw(line, raw)

    def _keep_raw(self, line: int, raw: Sequence[str]) -> None:
        if len(self._raw) < 2 * KEPT:
            self._raw[line] = raw

    def _duplicate(self, line: int, reason: str) -> None:
        self.result.duplicate += 1
        if len(self.result.duplicates) < KEPT:
            self.result.duplicates.append(Noted(line, reason))

    def finish(self, rejects: TextIO | None) -> ImportReport:
        """The result, with the rejected lines in the order of the file; all of them are written to `rejects`."""
        writer = RejectWriter(rejects, self.report.header) if rejects else None
        for reject in self._rejects():
            if len(self.result.rejects) < KEPT:
                self.result.rejects.append(reject)
            elif writer is None:
                break
            if writer is not None:
                writer.write(reject)
        self.result.duplicates.sort()
        self.result.flagged.sort()
        return self.result

    def _rejects(self) -> Iterator[Reject]:
        if self._rejected.keys() <= self._raw.keys():
            for line in sorted(self._rejected):
                yield Reject(line, self._rejected[line], self._raw[line])
            return
        for item in self.report:  # their cells were not kept: read them again
            if item.line in self._rejected:
                yield Reject(item.line, self._rejected[item.line], item.raw)

    # -- What stands in the ledger already

    def spend_from_elsewhere(self, groups: Sequence[Group]) -> dict[tuple[UUID, date], str]:
        """For which of these campaigns' days there is spend that this import would not replace, in words."""
        found: dict[tuple[UUID, date], str] = {}
        prefixes = {target.key_prefix for target in self._matcher.targets()}
        by_key = self.report.columns.key is not None
        for campaign_id, day, source, key in _other_spend(groups, self.options.spend_source):
            if source == self.options.spend_source and (by_key or (key or "")[:-11] in prefixes):
                continue
            found[campaign_id, day] = _standing(source)
        return found

    def replaces(self, groups: Sequence[Group]) -> set[int]:
        """The first lines of the groups whose key stands in the ledger with another amount."""
        by_key = {group.spend_key(): group for group in groups}
        spends = Spend.objects.filter(
            brand_id__in={group.target.brand.id for group in groups},
            source=self.options.spend_source,
            key__in=list(by_key),
        )
        standing = spends.values_list("key", "amount")
        return {by_key[key].line for key, amount in standing if key is not None and by_key[key].cost != amount}


_ZERO = Decimal(0)


def _other_spend(groups: Sequence[Group], source: str) -> Iterator[tuple[UUID, date, str, str | None]]:
    """The daily spends of these campaigns, within the days of these groups, that do not have the groups' own keys."""
    daily = [group for group in groups if group.spend_type == SpendType.DAILY and group.target.id]
    if not daily:
        return
    campaign_ids = {group.target.id for group in daily if group.target.id}
    days = {group.day for group in daily}
    own_key = "replace(campaign_id::text, '-', '') || '|' || spend_date::text"
    if not is_postgres():
        own_key = "campaign_id || '|' || spend_date"
    marks = ",".join(["%s"] * len(campaign_ids))
    sql = f"""
        SELECT campaign_id, spend_date, source, key FROM spending_spend
        WHERE campaign_id IN ({marks}) AND spend_date BETWEEN %s AND %s AND spend_type = 'DAILY' AND voided_at IS NULL
            AND (source <> %s OR key IS NULL OR key <> {own_key})
    """  # noqa: S608 - only placeholders
    params = [*map(param, campaign_ids), param(min(days)), param(max(days)), source]
    with connection.cursor() as cursor:
        for campaign_id, day, other, key in fetch(cursor, sql, params):
            yield read_uuid(campaign_id), read_date(day) or min(days), other, key


def _standing(source: str) -> str:
    how = f"imported from “{source.removeprefix('import:')}”" if source.startswith("import:") else f"by {source}"
    return f"spend of this campaign and day is recorded already ({how}); take it as well with --even-if-typed"
