"""Importing a spend report: whose row is it, what adds up with what, and what became of every line.

Reading and accounting only. `enforcement.importing` posts what is gathered here, because posting evaluates campaigns.

A campaign's day is taken as a whole: the lines that repeat it (device, network, ad set) are added up into one spend,
whose key is the campaign and the day, so that the same report again changes nothing and a newer one corrects. Where a
plain table names channels, that is one spend a channel. If one of these lines cannot be read, none of them is taken: a
part of a day would later be mistaken for the whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import TextIO
from uuid import UUID

from django.db import connection

from budget_system.db import fetch, is_postgres, param, read_date, read_uuid
from budget_system.errors import Refused
from spending.groups import BrandTarget, CampaignTarget, Group
from spending.import_options import ImportOptions, UnreadableFile
from spending.import_report import KEPT, ImportReport, Noted, StateFlip, Unknown
from spending.matching import Labels, Matcher
from spending.models import Spend, SpendType
from spending.reports.plain_csv import Report
from spending.reports.rejects import RejectWriter
from spending.reports.rows import Reject, ReportRow, Tally
from spending.reports.shapes import Format
from spending.reports.table import TOTAL
from spending.services import Outcome, clean_channel

MAX_LINES = 500_000
"""More lines than this take more memory than a worker has; such a file is to be split."""
_CHUNK = 5_000
_UNKNOWN = 10_000
"""Of so many campaigns that could not be found it is counted what they come to."""


class Intake:
    """A report read, its rows added up, and the account of what becomes of every line."""

    def __init__(self, report: Report, options: ImportOptions, alive: Callable[[], None] = lambda: None) -> None:
        """`alive` is called every few thousand lines."""
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
        self._may_sum_up: list[ReportRow] = []
        self._unknown: dict[tuple[str, str, str], Unknown] = {}
        self._alive = alive
        self._read()

    # -- Reading

    def _read(self) -> None:
        rows = iter(self.report)
        unread: list[Reject] = []
        while some := list(islice(rows, _CHUNK)):
            self._alive()
            self._matcher.learn(item for item in some if isinstance(item, ReportRow))
            for item in some:
                if isinstance(item, Reject):
                    self._reject(item.line, item.reason, item.raw)
                    unread.append(item)
                else:
                    self._take(item)
        summed = self._settle_dated_totals()
        self._spoil(unread)
        tally = self.report.tally
        self.result.rows = tally.rows + tally.rejects - len(summed)
        self.result.total_lines = len(tally.totals) + len(summed)
        self.result.totals_agree = _agree_without(tally, summed) if summed else tally.totals_agree
        self._note_own_total(tally, summed)
        self.result.unknown = sorted(self._unknown.values(), key=lambda one: (-one.rows, one.name, one.external_id))
        self.result.format = self.report.format
        self.result.incomplete = bool(self.report.incomplete)

    def _note_own_total(self, tally: Tally, summed: Sequence[ReportRow]) -> None:
        """The figures that a person compares: what the rows add up to, and what the file says they do."""
        result = self.result
        for currency, total in tally.sums.items():
            result.sums[currency or self._usual_currency()] = total
        for row in summed:
            result.sums[row.currency or self._usual_currency()] -= row.cost
        if summed or tally.totals_off_by is None:
            return
        result.own_total = sum(tally.sums.values(), _ZERO) + tally.totals_off_by

    def _usual_currency(self) -> str:
        return self.options.currency or self._matcher.currency

    def _take(self, row: ReportRow) -> None:
        target = self._matcher.found[row.account, row.campaign_id, row.campaign_name]
        if (isinstance(target, str) or target.id is None) and self._named_total(row):
            self._may_sum_up.append(row)
        else:
            self._add(row, target)

    def _named_total(self, row: ReportRow) -> bool:
        """Whether a row of a plain table, which says of no row what it is, may sum others up although it has a day."""
        name = row.campaign_name or ""
        return self.report.format is Format.PLAIN and not row.campaign_id and TOTAL.fullmatch(name) is not None

    def _settle_dated_totals(self) -> list[ReportRow]:
        """Those that do sum others up, a day or all days. The others are spend of a campaign of that name."""
        held = {row.line: row for row in self._may_sum_up}
        if not held:
            return []
        days: dict[date, Decimal] = {}
        for item in self.report:
            if isinstance(item, ReportRow) and item.line not in held:
                days[item.day] = days.get(item.day, _ZERO) + item.cost
        everything = sum(days.values(), _ZERO)
        summed = [row for row in held.values() if days and row.cost in (days.get(row.day), everything)]
        for row in held.values():
            if row not in summed:
                self._add(row, self._matcher.found[row.account, row.campaign_id, row.campaign_name])
        return summed

    def _add(self, row: ReportRow, target: CampaignTarget | str) -> None:
        if isinstance(target, str):
            self._reject(row.line, target, row.raw)
            self._note_unknown(row, target)
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
        channel = row.channel
        if channel:
            try:
                channel = clean_channel(channel)
            except Refused as error:
                self._reject(row.line, error.message, row.raw)
                target.spoiled.setdefault(row.day, row.line)
                return
        fingerprint = hash(tuple(row.raw))
        if spend_type == SpendType.DAILY and row.key is None and currency == brand.currency and not channel:
            group = target.days.get(row.day)
            if group is None:
                target.days[row.day] = Group(target, row, fingerprint, spend_type, currency)
                return
        else:
            if currency != brand.currency:
                self._keep_raw(row.line, row.raw)
            place = (row.day, spend_type, currency, row.key, channel)
            group = target.others.get(place)
            if group is None:
                self._open(place, Group(target, row, fingerprint, spend_type, currency, channel), row)
                return
        if (twin := group.twin(fingerprint)) is not None:
            self._duplicate(row.line, f"the same as line {twin}")
        else:
            group.add(row, fingerprint)

    def _note_unknown(self, row: ReportRow, reason: str) -> None:
        if self._matcher.is_chosen(row):
            return
        label = self._matcher.label_of(row)
        unknown = self._unknown.get(label)
        if unknown is None:
            if len(self._unknown) >= _UNKNOWN:
                return
            name = row.campaign_name or ""
            unknown = self._unknown[label] = Unknown(label[0], label[1], label[2] or name, reason)
        currency = row.currency or self._usual_currency()
        unknown.rows += 1
        unknown.sums[currency] = unknown.sums.get(currency, _ZERO) + row.cost

    def _open(self, place: tuple[date, str, str, str | None, str], group: Group, row: ReportRow) -> None:
        """A new group, unless its key was used above for another campaign, day or channel."""
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
            target = self._matcher.found.get(Labels(place.account, place.campaign_id, place.campaign_name))
            if isinstance(target, CampaignTarget):
                target.spoiled.setdefault(place.day, reject.line)

    # -- Accounting

    def brand_ids(self) -> list[UUID]:
        """The brands in the database that the file is about."""
        return self._matcher.brand_ids()

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

    def spend_from_elsewhere(self, groups: Sequence[Group]) -> dict[tuple[UUID, date, bool], str]:
        """For which of these campaigns' days there is spend that this import would not replace, in words: for groups
        that name their channel (True) and for those that do not."""
        found: dict[tuple[UUID, date, bool], str] = {}
        prefixes = {target.key_prefix for target in self._matcher.targets()}
        by_key = self.report.columns.key is not None
        by_channel = self.report.columns.channel is not None
        targets = {group.target for group in groups} if by_channel else ()
        own = {group.spend_key() for target in targets for group in target.groups()}
        for campaign_id, day, source, key in _other_spend(groups, self.options.spend_source, own_too=by_channel):
            if source == self.options.spend_source:
                if by_key or key in own:
                    continue
                if (key or "")[:-11] in prefixes:
                    found[campaign_id, day, True] = _split_otherwise("without its channels")
                    continue
                if (key or "").partition(f"|{day}/")[0] in prefixes:
                    found[campaign_id, day, False] = _split_otherwise("by channel")
                    continue
            found[campaign_id, day, True] = found[campaign_id, day, False] = _standing(source)
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


def _agree_without(tally: Tally, summed: Sequence[ReportRow]) -> bool | None:
    """Whether some total equals the sum of the rows, when these rows are totals too, and right ones."""
    if len(tally.sums) > 1:
        return None
    spent = sum(tally.sums.values(), _ZERO) - sum((row.cost for row in summed), _ZERO)
    claims = [total.cost for total in tally.totals if total.cost is not None]
    return spent in claims if claims else True


def _other_spend(
    groups: Sequence[Group], source: str, *, own_too: bool
) -> Iterator[tuple[UUID, date, str, str | None]]:
    """The daily spends of these campaigns, within the days of these groups; those that have the key of a campaign and
    its day only if `own_too`."""
    daily = [group for group in groups if group.spend_type == SpendType.DAILY and group.target.id]
    if not daily:
        return
    campaign_ids = {group.target.id for group in daily if group.target.id}
    days = {group.day for group in daily}
    own_key = "replace(campaign_id::text, '-', '') || '|' || spend_date::text"
    if not is_postgres():
        own_key = "campaign_id || '|' || spend_date"
    but_own = "" if own_too else f"AND (source <> %s OR key IS NULL OR key <> {own_key})"
    marks = ",".join(["%s"] * len(campaign_ids))
    sql = f"""
        SELECT campaign_id, spend_date, source, key FROM spending_spend
        WHERE campaign_id IN ({marks}) AND spend_date BETWEEN %s AND %s AND spend_type = 'DAILY' AND voided_at IS NULL
            {but_own}
    """  # noqa: S608 - only placeholders
    params = [*map(param, campaign_ids), param(min(days)), param(max(days)), *([] if own_too else [source])]
    with connection.cursor() as cursor:
        for campaign_id, day, other, key in fetch(cursor, sql, params):
            yield read_uuid(campaign_id), read_date(day) or min(days), other, key


def _standing(source: str) -> str:
    how = f"imported from “{source.removeprefix('import:')}”" if source.startswith("import:") else f"by {source}"
    return f"spend of this campaign and day is recorded already ({how}); take it as well with --even-if-typed"


def _split_otherwise(how: str) -> str:
    return f"this campaign and day is imported already, {how}: undo that first, or take both with --even-if-typed"


__all__ = [
    "BrandTarget",
    "CampaignTarget",
    "Group",
    "ImportOptions",
    "ImportReport",
    "Intake",
    "StateFlip",
    "UnreadableFile",
]
