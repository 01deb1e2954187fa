"""Importing a spend report: the use case. Rows go in batch by batch, and campaigns stop as their budgets are reached.

Each batch is one transaction, so a worker that dies loses nothing: the same file again goes on where it ended, and
the totals are as if it had been sent once. A dry run does the same work and undoes it.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import IO, TextIO
from uuid import UUID

from brands.periods import local_date
from brands.services import LockedBrand, zone
from budget_system import money
from budget_system.db import chunks, joined, rehearsal, use_case
from budget_system.errors import Busy, Refused
from campaigns import services as campaigns
from campaigns.models import Campaign
from enforcement.evaluation import Evaluation
from enforcement.services import SpendResult, create_brand, create_campaign, post_and_evaluate
from pacing import services as pacing
from spending import metrics
from spending.figures import day_totals
from spending.groups import added
from spending.import_records import Underway, check_running
from spending.import_report import SHOWN, DayMoney
from spending.importing import (
    BrandTarget,
    CampaignTarget,
    Group,
    ImportOptions,
    ImportReport,
    Intake,
    StateFlip,
    UnreadableFile,
)
from spending.ledger import Moved
from spending.metrics import DayFigures
from spending.models import SpendType
from spending.reports import formats, plain_csv
from spending.reports.rows import Metrics
from spending.services import Outcome, Posted, SpendRow
from spending.turns import record_turns

BATCH = 5_000
"""Spends a transaction: enough to be fast, few enough that nobody waits long for a brand."""
_IDS_AT_ONCE = 5_000
PATIENCE = 3
"""How often a batch whose brands are held by somebody else is tried."""

_NONE_REPORTED = (None, Metrics())

Progress = Callable[[int, int], None]
Unit = list[tuple[BrandTarget, list[CampaignTarget]]]


def _silent(done: int, total: int) -> None:
    """No progress shown."""


def import_spend(
    stream: IO[bytes],
    options: ImportOptions,
    *,
    actor: str,
    now: datetime,
    dry_run: bool = False,
    rejects: TextIO | None = None,
    progress: Progress = _silent,
    underway: Underway | None = None,
) -> ImportReport:
    """Import a seekable file: a platform's export or a plain CSV. All rejected lines are written to `rejects`.

    With `underway`, what is written carries that import. `progress` is called outside of transactions.

    Raises UnreadableFile for a file that cannot be read, Refused for options that make no sense.
    """
    try:
        with _no_search_for_cycles():
            report = formats.parse(stream, options.checked().format, options.reading)
            alive = underway.alive if underway else _nothing
            intake = Intake(report, options.told(report.format), alive)
            if underway is not None:
                underway.about(intake)
            posting = _Posting(intake, actor=actor, now=now, dry_run=dry_run, progress=progress, underway=underway)
            posting.run()
            return intake.finish(rejects)
    except plain_csv.UnreadableReport as error:
        raise UnreadableFile(f"The file cannot be read: {error}.", field="file") from error


def _nothing() -> None:
    """Nobody waits for a sign of life."""


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Leave the collector off for these seconds: it took a third of an import to look, again and again, through
    hundreds of thousands of rows in which there are no cycles to find."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Posting:
    """One import under way."""

    def __init__(
        self,
        intake: Intake,
        *,
        actor: str,
        now: datetime,
        dry_run: bool,
        progress: Progress,
        underway: Underway | None,
    ) -> None:
        self.intake = intake
        self.spend_import_id = underway.id if underway else None
        self.underway = None if dry_run else underway  # a rehearsal leaves nothing to go on with
        self.options = intake.options
        self.actor, self.now, self.dry_run = actor, now, dry_run
        self.progress = progress
        self.done = 0
        self.flips: dict[UUID, StateFlip] = {}
        self.metrics_so_far: dict[tuple[UUID, date], Metrics] = {}
        self.in_parts: set[UUID] = set()
        self.moved_days: set[tuple[UUID, date]] = set()

    def run(self) -> None:
        brands = self.intake.brands()
        total = sum(len(target.days) + len(target.others) for _, targets in brands for target in targets)
        for unit in _units(brands):
            if self.dry_run:
                self._rehearse(unit, total)
            else:
                self._create(unit)
                self.in_parts |= _in_parts(unit)
                self._post_groups(_groups(unit), total)
        result = self.intake.result
        result.dry_run = self.dry_run
        result.changes = [flip for flip in self.flips.values() if flip.from_holds != flip.to_holds]

    def _post_groups(self, groups: Sequence[Group], total: int) -> None:
        for batch in chunks(groups, BATCH):
            self._post(self._not_from_elsewhere(batch))
            self.done += len(batch)
            if not self.dry_run:
                self.progress(self.done, total)

    def _rehearse(self, unit: Unit, total: int) -> None:
        """Do it, and undo it. What cannot stop or start a campaign is tried out a batch at a time, so that nobody else
        waits long for the brand; the rest together, as what it comes to decides."""
        self.in_parts |= _in_parts(unit)
        past = _without_effect_now(_groups(unit), self.now)
        for batch in chunks(past, BATCH):
            with rehearsal():
                self._post_groups(batch, total)
            self.progress(self.done, total)
        tried = set(past)
        with rehearsal():
            self._create(unit)
            self.in_parts |= _in_parts(unit)
            self._post_groups([group for group in _groups(unit) if group not in tried], total)
        self.progress(self.done, total)

    # -- What is missing

    def _create(self, unit: Unit) -> None:
        for brand, targets in unit:
            try:
                brand_id = brand.id or self._create_brand(brand)
            except Refused as error:
                self._refuse(targets, f"the brand “{brand.name}” cannot be created: {error.message}")
                continue
            for target in targets:
                if target.id is None:
                    self._create_campaign(brand_id, target)

    def _create_brand(self, brand: BrandTarget) -> UUID:
        inputs = {"name": brand.name, "currency": brand.currency, "timezone": self.options.timezone}
        brand.id = _create_brand(inputs, self.underway, actor=self.actor, now=self.now)
        self.intake.result.created_brands.append(brand.name)
        return brand.id

    def _create_campaign(self, brand_id: UUID, target: CampaignTarget) -> None:
        inputs = {"name": target.name, "external_id": target.external_id}
        if self.options.created_on:
            inputs["platform"] = self.options.created_on
        try:
            campaign = _create_campaign(brand_id, inputs, self.underway, actor=self.actor, now=self.now)
        except Refused as error:
            self._refuse([target], f"the campaign “{target.name}” cannot be created: {error.message}")
            return
        target.id = campaign.pk
        self.intake.result.created_campaigns.append(target.name)
        if campaign.holds:
            self.flips[campaign.pk] = StateFlip(campaign.pk, brand_id, (), campaign.holds)

    def _refuse(self, targets: Sequence[CampaignTarget], reason: str) -> None:
        for target in targets:
            for group in target.groups():
                self.intake.settle(group, Outcome.REFUSED, reason)

    # -- What is there already

    def _not_from_elsewhere(self, batch: Sequence[Group]) -> list[Group]:
        """The groups to post: without those whose day is recorded from another source, unless that is wanted."""
        intake = self.intake
        elsewhere = intake.spend_from_elsewhere(batch)
        replaced = intake.replaces(batch) if intake.report.of_rejects else set()
        if not elsewhere and not replaced:
            return list(batch)
        left = []
        for group in batch:
            found = elsewhere.get((group.target.id, group.day, bool(group.channel))) if group.target.id else None
            if found is not None and group.spend_type == SpendType.DAILY:
                intake.flag(group, found)
                if not self.options.even_if_typed:
                    intake.leave_out(group, found)
                    continue
                twice = intake.result.twice
                twice[group.currency] = twice.get(group.currency, Decimal(0)) + group.cost
            if group.line in replaced:
                reason = "this day is recorded with another amount, of which this may be a part: send the whole report"
                intake.settle(group, Outcome.REFUSED, reason)
                continue
            left.append(group)
        return left

    # -- Posting

    def _post(self, groups: Sequence[Group], attempt: int = 1) -> None:
        """Post in one transaction. What spoils it is found by halving; what is held by others is tried again."""
        if not groups:
            return
        try:
            answers, result = self._post_all(groups)
        except Refused as error:
            if isinstance(error, Busy) and attempt < PATIENCE:
                self._post(groups, attempt + 1)
            elif len(groups) == 1 or (isinstance(error, Busy) and len({group.target.brand for group in groups}) == 1):
                for group in groups:
                    self.intake.settle(group, Outcome.REFUSED, error.message)
            else:
                middle = len(groups) // 2
                self._post(groups[:middle], attempt)
                self._post(groups[middle:], attempt)
            return
        for group, (outcome, reason) in zip(groups, answers, strict=True):
            self.intake.settle(group, outcome, reason)
        figures = self._figures(groups, [outcome for outcome, _ in answers])
        self.intake.result.metrics += len(figures.keys() - self.metrics_so_far.keys())
        self.metrics_so_far |= {place: told for place, told in figures.items() if place[0] in self.in_parts}
        self._note(result.evaluation)
        if self.dry_run:
            self._note_money(groups, result.moved)

    def _note_money(self, groups: Sequence[Group], moved: Sequence[Moved]) -> None:
        """What these days come to now that they are posted, and so what they came to before."""
        by: dict[tuple[UUID, date], Decimal] = {}
        for one in moved:
            place = (one.campaign_id, one.spend_date)
            by[place] = by.get(place, Decimal(0)) + money.from_micros(one.amount)
        told = self.intake.result.money
        known = {(one.campaign_id, one.day): number for number, one in enumerate(told)}
        fresh = {place: delta for place, delta in by.items() if delta and place not in self.moved_days}
        self.moved_days |= fresh.keys()
        for place, number in known.items():
            if place in by:  # a day in several spends, posted batch by batch
                told[number] = told[number]._replace(after=told[number].after + by[place])
        targets = {group.target.id: group.target for group in groups}
        listed = dict(islice(fresh.items(), SHOWN - len(told)))
        for (campaign_id, day), after in day_totals(listed).items():
            target = targets[campaign_id]
            whose = (target.name, target.brand.name, target.brand.currency)
            told.append(DayMoney(campaign_id, *whose, day, after - listed[campaign_id, day], after))
        self.intake.result.money_more = len(self.moved_days) - len(told)

    def _post_all(self, groups: Sequence[Group]) -> tuple[list[tuple[Outcome, str]], SpendResult]:
        rows = [
            SpendRow(
                group.target.id, group.cost, group.day, group.spend_type, group.description[:1000], group.spend_key(),
                group.currency, group.channel,
            )
            for group in groups
            if group.target.id
        ]  # fmt: skip
        result = _post_batch(
            rows,
            lambda answers: self._figures(groups, [answer.outcome for answer in answers]),
            self.spend_import_id,
            source=self.options.spend_source,
            actor=self.actor,
            now=self.now,
        )
        return [(one.outcome, one.error.message if one.error else "") for one in result.answers], result

    def _figures(self, groups: Sequence[Group], outcomes: Sequence[Outcome]) -> DayFigures:
        """The metrics of these groups' days, with what earlier batches had of a day that comes in parts."""
        figures: dict[tuple[UUID, date], Metrics] = {}
        for group, outcome in zip(groups, outcomes, strict=True):
            if outcome is Outcome.REFUSED or group.target.id is None or group.metrics in _NONE_REPORTED:
                continue
            place = (group.target.id, group.day)
            before = figures.get(place) or self.metrics_so_far.get(place)
            figures[place] = added(before, group.metrics)
        return figures

    def _note(self, evaluation: Evaluation) -> None:
        """Keep the holds before the first change of each campaign and those after its last."""
        for change in evaluation.changes:
            first = self.flips.get(change.campaign_id)
            before = first.from_holds if first else change.from_holds
            self.flips[change.campaign_id] = StateFlip(
                change.campaign_id, change.brand_id, before, change.verdict.holds
            )


def _groups(unit: Unit) -> list[Group]:
    """What there is to post, of campaigns that are there."""
    return [group for _, targets in unit for target in targets if target.id for group in target.groups()]


def _without_effect_now(groups: Sequence[Group], now: datetime) -> list[Group]:
    """Of many groups those before this month, wherever the brand is, of campaigns without a budget for all time."""
    if len(groups) <= BATCH:
        return []
    # The farthest zones are 12 hours behind UTC.
    this_month = (now - timedelta(days=1)).date().replace(day=1)
    ids = {group.target.id for group in groups if group.target.id}
    for_all_time: set[UUID | None] = set()
    for some in chunks(list(ids), _IDS_AT_ONCE):
        limited = Campaign.objects.filter(pk__in=some).exclude(lifetime_budget=None)
        for_all_time.update(limited.values_list("pk", flat=True))
    return [group for group in groups if group.day < this_month and group.target.id not in for_all_time]


def _in_parts(unit: Unit) -> set[UUID]:
    """The campaigns of which a day may be in several spends."""
    found: set[UUID] = set()
    several: set[UUID] = set()
    for target in (target for _, targets in unit for target in targets):
        if target.id is not None:
            if target.others or target.id in found:
                several.add(target.id)
            found.add(target.id)
    return several


@use_case
def _post_batch(
    rows: Sequence[SpendRow],
    figures: Callable[[Sequence[Posted]], DayFigures],
    spend_import_id: UUID | None,
    *,
    source: str,
    actor: str,
    now: datetime,
) -> SpendResult:
    """Post spends, and keep the metrics of their days, together."""
    if spend_import_id is not None:
        check_running(spend_import_id)
    locked, brand_of = campaigns.lock_brands_of([row.campaign_id for row in rows])
    turned = {turns.brand_id for turns in record_turns(locked.values(), now)}
    result = post_and_evaluate(
        rows, locked, brand_of, turned, source=source, actor=actor, now=now, correct=True,
        spend_import_id=spend_import_id,
    )  # fmt: skip
    told = figures(result.answers)
    moved = metrics.keep(told, source, now, spend_import_id, watched=_todays(told, locked, brand_of, now))
    pacing.take_in_metrics(moved, {campaign_id: locked[brand_of[campaign_id]] for campaign_id, *_ in moved}, now)
    return result


def _todays(
    figures: DayFigures, locked: Mapping[UUID, LockedBrand], brand_of: Mapping[UUID, UUID], now: datetime
) -> set[tuple[UUID, date]]:
    """Of these campaigns' days those that are today where their brand is."""
    brand_ids = {brand_of[campaign_id] for campaign_id, _ in figures}
    today = {brand_id: local_date(zone(locked[brand_id].timezone), now) for brand_id in brand_ids}
    return {(campaign_id, day) for campaign_id, day in figures if today[brand_of[campaign_id]] == day}


@use_case
def _create_brand(inputs: Mapping[str, object], underway: Underway | None, *, actor: str, now: datetime) -> UUID:
    with joined():
        brand = create_brand(inputs, actor=actor, now=now)
    if underway is not None:
        underway.hold([brand.pk])
        underway.created("created_brands", brand.name)
    return brand.pk


@use_case
def _create_campaign(
    brand_id: UUID, inputs: Mapping[str, object], underway: Underway | None, *, actor: str, now: datetime
) -> Campaign:
    with joined():
        campaign = create_campaign(brand_id, inputs, actor=actor, now=now)
    if underway is not None:
        underway.created("created_campaigns", campaign.name)
    return campaign


def _units(brands: Sequence[tuple[BrandTarget, list[CampaignTarget]]]) -> Iterator[Unit]:
    """Brands together up to a batch's size; a brand is never in two units, so that each can be rehearsed by itself."""
    unit: Unit = []
    size = 0
    for brand, targets in brands:
        more = sum(len(target.days) + len(target.others) for target in targets)
        if unit and size + more > BATCH:
            yield unit
            unit, size = [], 0
        unit.append((brand, targets))
        size += more
    if unit:
        yield unit
