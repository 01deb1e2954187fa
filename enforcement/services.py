"""The use cases: each one transaction that locks the brands, writes its input, and evaluates what it may have changed.

Interfaces call these, one each. `now` is the moment of the request and `actor` who asks, as the records will name them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from brands import services as brands
from brands.models import Brand
from brands.periods import local_date, month_start, next_midnight
from brands.services import LockedBrand, audit, plain, write_inputs, zone
from budget_system.db import use_case
from budget_system.errors import Conflict, NotFound, Refused
from campaigns import services as campaigns
from campaigns.holds import Hold, Verdict, in_order
from campaigns.models import Campaign, Override
from enforcement.decision import reached
from enforcement.evaluation import Evaluation, evaluate
from enforcement.snapshots import Selection, of_brands, of_campaigns
from pacing import services as pacing
from scheduling import services as scheduling
from scheduling.models import Schedule
from scheduling.services import ScheduleRow
from spending import ledger
from spending import services as spending
from spending.models import BudgetPeriod, ForcedReset, PeriodKind, Spend
from spending.services import Posted, SpendRow
from spending.turns import forgive, record_turns, set_budget_in_force


class Cause:
    """What made the system look at a campaign: kept with every state change."""

    SPEND = "spend"
    CORRECTION = "spend corrected"
    BUDGET = "budget changed"
    SETTINGS = "settings changed"
    SCHEDULE = "schedule changed"
    PAUSE = "paused by hand"
    ACTIVATE = "activated by hand"
    OVERRIDE = "override"
    EMERGENCY_STOP = "emergency stop"
    CREATED = "created"
    ARCHIVED = "archived"
    RESET = "forced reset"
    PACING = "pacing changed"
    BREAKER = "circuit breaker"
    TIME = "time passed"
    SWEEP = "sweep"


# --- Shared steps ----------------------------------------------------------------------------------------------------


def evaluate_brands(
    locked: Mapping[UUID, LockedBrand],
    campaign_ids: Iterable[UUID],
    whole: Iterable[UUID],
    *,
    cause: str,
    actor: str,
    now: datetime,
    brand_of: Mapping[UUID, UUID] | None = None,
) -> Evaluation:
    """Evaluate all campaigns of the brands in `whole`, and of the other locked brands those in `campaign_ids`."""
    zones = {brand.timezone for brand in locked.values()}
    wide = set(whole)
    narrow = {campaign for campaign in campaign_ids if brand_of is None or brand_of[campaign] not in wide}
    selections: list[Selection] = []
    if wide:
        selections.append(of_brands(wide))
    if narrow:
        selections.append(of_campaigns(narrow, locked))
    result = Evaluation()
    for selection in selections:
        result.include(evaluate(selection, zones, cause=cause, actor=actor, now=now))
    return result


def _whole_brand(brand_id: UUID, *, cause: str, actor: str, now: datetime) -> Evaluation:
    brand = Brand.objects.get(pk=brand_id)
    return evaluate(of_brands([brand_id]), [str(brand.timezone)], cause=cause, actor=actor, now=now)


def _one(campaign: Campaign, *, cause: str, actor: str, now: datetime, archived: bool = False) -> Verdict:
    selection = of_campaigns([campaign.pk], [campaign.brand_id])
    result = evaluate(selection, [str(campaign.brand.timezone)], cause=cause, actor=actor, now=now, archived=archived)
    if result.undecidable:
        raise Refused(f"“{campaign}” cannot be decided: {result.undecidable[0].problem}")
    return result.verdicts[campaign.pk]


def _lock_brand(brand_id: UUID, now: datetime, expected_version: int | None = None) -> tuple[Brand, LockedBrand]:
    locked = brands.lock([brand_id])
    if brand_id not in locked:
        raise NotFound("There is no such brand.", field="brand")
    record_turns(locked.values(), now)
    brand = Brand.objects.get(pk=brand_id)
    brands.check_version(brand, expected_version)
    return brand, locked[brand_id]


def _lock_campaign(campaign_id: UUID, now: datetime, expected_version: int | None = None) -> Campaign:
    locked, _ = campaigns.lock_brands_of([campaign_id])
    record_turns(locked.values(), now)
    return campaigns.get(campaign_id, expected_version)


def _current(thing: Brand | Campaign) -> None:
    if thing.archived_at is not None:
        raise Conflict(f"“{thing}” is archived. Restore it first.")


# --- Spend -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpendResult:
    """An answer for each given row, the verdicts of the campaigns that were evaluated, and by what totals moved."""

    answers: list[Posted]
    evaluation: Evaluation
    moved: Sequence[ledger.Moved] = ()


@use_case
def post_spend(
    rows: Sequence[SpendRow],
    *,
    source: str,
    actor: str,
    now: datetime,
    correct: bool = False,
    spend_import_id: UUID | None = None,
) -> SpendResult:
    """Record one spend or thousands, each once by its key, and stop what has reached its budget.

    Rows are answered one by one: a refused row does not keep the others out. With `correct` (an import), a known key
    with other content corrects the earlier spend; what it writes carries `spend_import_id`.
    """
    locked, brand_of = campaigns.lock_brands_of([row.campaign_id for row in rows])
    turned = {turns.brand_id for turns in record_turns(locked.values(), now)}
    return post_and_evaluate(
        rows, locked, brand_of, turned, source=source, actor=actor, now=now, correct=correct,
        spend_import_id=spend_import_id,
    )  # fmt: skip


def post_and_evaluate(
    rows: Sequence[SpendRow],
    locked: Mapping[UUID, LockedBrand],
    brand_of: Mapping[UUID, UUID],
    turned: set[UUID],
    *,
    source: str,
    actor: str,
    now: datetime,
    correct: bool = False,
    spend_import_id: UUID | None = None,
    held: pacing.Held | None = None,
) -> SpendResult:
    """What posting spend is within a transaction that has locked the brands and recorded which of them have turned.

    `held`: it was set aside before, and is now what became of it.
    """
    posting = spending.post(
        rows, locked, brand_of, source=source, correct=correct, actor=actor, now=now, spend_import_id=spend_import_id
    )
    pacing.take_in(posting.moved, locked, now, held)
    evaluation = evaluate_brands(
        locked,
        {row.campaign_id for row in rows if row.campaign_id in brand_of},
        turned | _crossed(posting.periods),
        cause=Cause.SPEND,
        actor=actor,
        now=now,
        brand_of=brand_of,
    )
    return SpendResult(posting.answers, evaluation, posting.moved)


def _crossed(periods: Iterable[ledger.PeriodAfter]) -> set[UUID]:
    """The brands of which a budget was reached or left by these moves, so that all their campaigns are concerned."""
    return {
        period.key.brand_id
        for period in periods
        if period.key.scope_id == period.key.brand_id and period.budget is not None and _crosses(period, period.budget)
    }


def _crosses(period: ledger.PeriodAfter, budget: int) -> bool:
    """After a forced reset the total before the move is not known for certain, so it counts as crossed."""
    return period.forgiven != 0 or reached(budget, period.used) != reached(budget, period.used - period.delta)


class SpendChange(NamedTuple):
    """A changed spend and the verdict of its campaign."""

    spend: Spend
    verdict: Verdict | None


@use_case
def amend_spend(
    spend_id: UUID,
    changes: Mapping[str, object],
    *,
    reason: str,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
) -> SpendChange:
    """Change amount (Decimal), spend_date, spend_type, channel or description of a spend; the former value is kept."""
    spend, locked = _lock_spend(spend_id, now, expected_version)
    reason = campaigns.clean_reason(reason)
    before = {field: getattr(spend, field) for field in changes if hasattr(spend, field)}
    change = spending.amend(spend, changes, locked[spend.brand_id], reason=reason, actor=actor, now=now)
    after = {field: getattr(spend, field) for field in before}
    return _spend_changed(spend, locked, change, "amend spend", before, after, reason=reason, actor=actor, now=now)


@use_case
def void_spend(
    spend_id: UUID, *, reason: str, actor: str, now: datetime, expected_version: int | None = None
) -> SpendChange:
    """Take a spend out of all totals. It stays in the ledger, marked as void."""
    spend, locked = _lock_spend(spend_id, now, expected_version)
    reason = campaigns.clean_reason(reason)
    before = {"amount": None if spend.voided_at else spend.amount}
    change = spending.void(spend, reason=reason, actor=actor, now=now)
    after = {"amount": None}
    return _spend_changed(spend, locked, change, "void spend", before, after, reason=reason, actor=actor, now=now)


@use_case
def restore_spend(
    spend_id: UUID, *, reason: str, actor: str, now: datetime, expected_version: int | None = None
) -> SpendChange:
    """Take a voided spend back into all totals: the opposite of `void_spend`. That it was void stays on record."""
    spend, locked = _lock_spend(spend_id, now, expected_version)
    reason = campaigns.clean_reason(reason)
    before = {"amount": None if spend.voided_at else spend.amount}
    change = spending.restore(spend, reason=reason, actor=actor, now=now)
    after = {"amount": spend.amount}
    return _spend_changed(spend, locked, change, "restore spend", before, after, reason=reason, actor=actor, now=now)


def _lock_spend(spend_id: UUID, now: datetime, expected_version: int | None) -> tuple[Spend, dict[UUID, LockedBrand]]:
    locked = brands.lock([spending.get(spend_id).brand_id])
    record_turns(locked.values(), now)
    spend = spending.get(spend_id)  # again: what was read before the lock may be old
    brands.check_version(spend, expected_version)
    return spend, locked


def _spend_changed(
    spend: Spend,
    locked: Mapping[UUID, LockedBrand],
    change: spending.Change,
    action: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    reason: str,
    actor: str,
    now: datetime,
) -> SpendChange:
    currency = locked[spend.brand_id].currency
    if before != after:
        audit(
            spend, action, brand_id=spend.brand_id, actor=actor, now=now, reason=reason,
            before={field: plain(value, currency) for field, value in before.items()},
            after={field: plain(value, currency) for field, value in after.items()},
        )  # fmt: skip
    pacing.take_in(change.moved, locked, now)
    result = evaluate_brands(
        locked, [spend.campaign_id], _crossed(change.periods), cause=Cause.CORRECTION, actor=actor, now=now,
        brand_of={spend.campaign_id: spend.brand_id},
    )  # fmt: skip
    return SpendChange(spend, result.verdicts.get(spend.campaign_id))


# --- Brands ----------------------------------------------------------------------------------------------------------


@use_case
def create_brand(inputs: Mapping[str, object], *, actor: str, now: datetime) -> Brand:
    """A new brand. `name` is needed; time zone (UTC), currency (USD) and budgets (no limit) have defaults."""
    cleaned = brands.clean_inputs(inputs)
    if "name" not in cleaned:
        raise Refused("A brand needs a name.", field="name")
    brand = Brand(created_at=now, updated_at=now, **cleaned)
    brand.save(force_insert=True)
    record_turns(brands.lock([brand.pk]).values(), now)
    after = {field: plain(getattr(brand, field), brand.currency) for field in brands.INPUTS}
    audit(brand, "create brand", brand_id=brand.pk, actor=actor, now=now, after=after)
    brand.refresh_from_db()
    return brand


@use_case
def change_brand(
    brand_id: UUID,
    changes: Mapping[str, object],
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    expected_version: int | None = None,
) -> Evaluation:
    """Change name, time zone, currency or budgets of a brand. A changed budget acts at once."""
    brand, _ = _lock_brand(brand_id, now, expected_version)
    _current(brand)
    cleaned = brands.clean_inputs(changes)
    if cleaned.get("currency", brand.currency) != brand.currency and Spend.objects.filter(brand=brand).exists():
        raise Refused("The currency cannot change once there is spend in it.", field="currency")
    before, after = write_inputs(brand, cleaned, brand.currency, now)
    if not after:
        return Evaluation()
    record_turns(brands.lock([brand_id]).values(), now)  # the day may be another one in the new zone
    today = local_date(brand.zone, now)
    # In a new zone today may be a day that was over, whose rows still show the budgets of then.
    for scope in [brand, *brand.campaigns.all()] if "timezone" in after else [brand]:
        if {"timezone", "daily_budget"} & set(after):
            set_budget_in_force(scope.pk, PeriodKind.DAY, scope.daily_budget, today)
        if {"timezone", "monthly_budget"} & set(after):
            set_budget_in_force(scope.pk, PeriodKind.MONTH, scope.monthly_budget, month_start(today))
    audit(brand, "change brand", brand_id=brand.pk, actor=actor, now=now, before=before, after=after, reason=reason)
    cause = Cause.BUDGET if {"daily_budget", "monthly_budget"} & set(after) else Cause.SETTINGS
    return _whole_brand(brand_id, cause=cause, actor=actor, now=now)


@use_case
def emergency_stop_brand(brand_id: UUID, *, reason: str, actor: str, now: datetime) -> Evaluation:
    """Stop every campaign of the brand, now, until a person clears it."""
    brand, _ = _lock_brand(brand_id, now)
    reason = campaigns.clean_reason(reason)
    if brand.emergency_stopped_at is None:
        campaigns.set_emergency_stop(brand, reason=reason, actor=actor, now=now)
        audit(brand, "emergency stop", brand_id=brand.pk, actor=actor, now=now, reason=reason)
    return _whole_brand(brand_id, cause=Cause.EMERGENCY_STOP, actor=actor, now=now)


@use_case
def clear_brand_stop(brand_id: UUID, *, actor: str, now: datetime, reason: str = "") -> Evaluation:
    """End the brand's emergency stop and evaluate."""
    brand, _ = _lock_brand(brand_id, now)
    if brand.emergency_stopped_at is not None:
        campaigns.clear_emergency_stop(brand, now)
        audit(brand, "clear emergency stop", brand_id=brand.pk, actor=actor, now=now, reason=reason)
    return _whole_brand(brand_id, cause=Cause.EMERGENCY_STOP, actor=actor, now=now)


@use_case
def archive_brand(brand_id: UUID, *, actor: str, now: datetime, reason: str = "") -> None:
    """Take a brand and its campaigns out of sight: all are paused by hand, nothing is deleted."""
    brand, _ = _lock_brand(brand_id, now)
    if brand.archived_at is not None:
        return
    for campaign in brand.campaigns.filter(archived_at=None).select_related("brand"):
        _archive(campaign, actor=actor, now=now)
    campaigns.set_archived(Brand.objects.filter(pk=brand_id), now, now)
    audit(brand, "archive", brand_id=brand.pk, actor=actor, now=now, reason=reason)


@use_case
def restore_brand(brand_id: UUID, *, actor: str, now: datetime) -> None:
    """Bring back a brand and the campaigns archived with it. They stay paused until a person activates them."""
    brand, _ = _lock_brand(brand_id, now)
    if brand.archived_at is None:
        return
    campaigns.set_archived(brand.campaigns.filter(archived_at=brand.archived_at), None, now)
    campaigns.set_archived(Brand.objects.filter(pk=brand_id), None, now)
    audit(brand, "restore", brand_id=brand.pk, actor=actor, now=now)
    _whole_brand(brand_id, cause=Cause.ARCHIVED, actor=actor, now=now)


@use_case
def force_reset(
    brand_id: UUID, kinds: Sequence[PeriodKind], *, reason: str, actor: str, now: datetime
) -> tuple[list[ForcedReset], Evaluation]:
    """Begin the brand's present day or month (or both) afresh. The ledger keeps the truth."""
    brand, locked = _lock_brand(brand_id, now)
    reason = campaigns.clean_reason(reason)
    resets = [forgive(locked, kind, reason=reason, actor=actor, now=now) for kind in kinds]
    after: dict[str, object] = {
        f"{PeriodKind(reset.kind).label.lower()} {reset.starts_on}, no longer counted": plain(
            reset.forgiven, brand.currency
        )
        for reset in resets
    }
    if PeriodKind.DAY in kinds:
        pacing.begin_day_afresh(brand_id, now)
    audit(brand, "forced reset", brand_id=brand.pk, actor=actor, now=now, after=after, reason=reason)
    return resets, _whole_brand(brand_id, cause=Cause.RESET, actor=actor, now=now)


# --- Campaigns -------------------------------------------------------------------------------------------------------


@use_case
def create_campaign(
    brand_id: UUID,
    inputs: Mapping[str, object],
    *,
    actor: str,
    now: datetime,
    rows: Sequence[ScheduleRow] | None = None,
    paused: bool = False,
) -> Campaign:
    """A new campaign, evaluated. Its schedule is `rows`, by default seven whole days, ready to be edited."""
    brand, locked = _lock_brand(brand_id, now)
    _current(brand)
    cleaned = campaigns.clean_inputs(inputs)
    if "name" not in cleaned:
        raise Refused("A campaign needs a name.", field="name")
    campaigns.check_flight(cleaned.get("start_date"), cleaned.get("end_date"))
    campaign = Campaign(brand=brand, created_at=now, updated_at=now, next_check_at=now, **cleaned)
    campaigns.check_external_id(brand, campaign.platform, campaign.external_id)
    campaign.save(force_insert=True)
    scheduling.replace_rows(campaign, scheduling.always() if rows is None else rows, now)
    campaign.refresh_from_db()
    if paused:
        campaigns.set_manual_pause(campaign, until=None, reason="Created paused.", actor=actor, now=now)
    after = {field: plain(getattr(campaign, field), locked.currency) for field in campaigns.INPUTS}
    audit(campaign, "create campaign", brand_id=brand.pk, actor=actor, now=now, after=after)
    _one(campaign, cause=Cause.CREATED, actor=actor, now=now)
    return campaigns.get(campaign.pk)


@use_case
def change_campaign(
    campaign_id: UUID,
    changes: Mapping[str, object],
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    expected_version: int | None = None,
    rows: Sequence[ScheduleRow] | None = None,
) -> Verdict:
    """Change name, platform, platform id, budgets or flight (start_date, end_date) of a campaign; acts at once.

    With `rows`, its schedule becomes exactly these in the same transaction.
    """
    campaign = _lock_campaign(campaign_id, now, expected_version)
    _current(campaign)
    cleaned = campaigns.clean_inputs(changes)
    before, after = write_inputs(campaign, cleaned, campaign.brand.currency, now, check=_check_campaign)
    if after:
        today = local_date(campaign.brand.zone, now)
        if "daily_budget" in after:
            set_budget_in_force(campaign.pk, PeriodKind.DAY, campaign.daily_budget, today)
        if "monthly_budget" in after:
            set_budget_in_force(campaign.pk, PeriodKind.MONTH, campaign.monthly_budget, month_start(today))
        if "lifetime_budget" in after:
            set_budget_in_force(campaign.pk, PeriodKind.LIFETIME, campaign.lifetime_budget, ledger.LIFETIME_STARTS_ON)
        audit(
            campaign, "change campaign", brand_id=campaign.brand_id, actor=actor, now=now, before=before, after=after,
            reason=reason,
        )  # fmt: skip
    if rows is not None:
        _change_schedule(campaign, lambda: scheduling.replace_rows(campaign, rows, now), actor=actor, now=now)
    if {"daily_budget", "monthly_budget", "lifetime_budget"} & set(after):
        cause = Cause.BUDGET
    else:
        cause = Cause.SETTINGS if after else Cause.SCHEDULE
    return _one(campaign, cause=cause, actor=actor, now=now)


def _check_campaign(campaign: Campaign) -> None:
    campaigns.check_flight(campaign.start_date, campaign.end_date)
    campaigns.check_external_id(campaign.brand, campaign.platform, campaign.external_id, but=campaign.pk)


@use_case
def pause(campaign_id: UUID, *, actor: str, now: datetime, until: datetime | None = None, reason: str = "") -> Verdict:
    """Pause by hand, optionally until a moment. No reset, raise or schedule ends it."""
    campaign = _lock_campaign(campaign_id, now)
    _current(campaign)
    campaigns.set_manual_pause(campaign, until=until, reason=reason, actor=actor, now=now)
    after: dict[str, object] = {"until": plain(until, "")}
    audit(campaign, "pause", brand_id=campaign.brand_id, actor=actor, now=now, after=after, reason=reason)
    return _one(campaign, cause=Cause.PAUSE, actor=actor, now=now)


@use_case
def activate(campaign_id: UUID, *, actor: str, now: datetime, reason: str = "") -> Verdict:
    """End the manual pause and evaluate. If other holds remain, the verdict lists them."""
    campaign = _lock_campaign(campaign_id, now)
    _current(campaign)
    if campaign.manual_paused_at is not None:
        campaigns.clear_manual_pause(campaign, now)
        audit(campaign, "activate", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason)
    return _one(campaign, cause=Cause.ACTIVATE, actor=actor, now=now)


@use_case
def emergency_stop(campaign_id: UUID, *, reason: str, actor: str, now: datetime) -> Verdict:
    """Stop the campaign, now, until a person clears it. No override lifts it."""
    campaign = _lock_campaign(campaign_id, now)
    reason = campaigns.clean_reason(reason)
    if campaign.emergency_stopped_at is None:
        campaigns.set_emergency_stop(campaign, reason=reason, actor=actor, now=now)
        audit(campaign, "emergency stop", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason)
    return _one(campaign, cause=Cause.EMERGENCY_STOP, actor=actor, now=now, archived=True)


@use_case
def clear_stop(campaign_id: UUID, *, actor: str, now: datetime, reason: str = "") -> Verdict:
    """End the campaign's own emergency stop and evaluate; a stop of its brand remains."""
    campaign = _lock_campaign(campaign_id, now)
    if campaign.emergency_stopped_at is not None:
        campaigns.clear_emergency_stop(campaign, now)
        audit(campaign, "clear emergency stop", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason)
    return _one(campaign, cause=Cause.EMERGENCY_STOP, actor=actor, now=now, archived=True)


NEEDS_EXPLICIT_END = {Hold.MONTHLY_BUDGET_EXCEEDED, Hold.LIFETIME_BUDGET_EXCEEDED}


@use_case
def set_override(
    campaign_id: UUID,
    lifts: Iterable[Hold],
    *,
    reason: str,
    actor: str,
    now: datetime,
    ends_at: datetime | None = None,
    extra_budget: Decimal | None = None,
) -> tuple[Override, Verdict]:
    """Let the campaign run in spite of the holds in `lifts`, until `ends_at`, for at most `extra_budget` more.

    By default it ends with the local day. It takes the place of an earlier override.
    """
    campaign = _lock_campaign(campaign_id, now)
    _current(campaign)
    holds = _liftable(lifts, ends_at)
    ends_at = ends_at or next_midnight(zone(str(campaign.brand.timezone)), now)
    if ends_at <= now:
        raise Refused("The override would end in the past. Choose a later moment.", field="ends_at")
    extra_budget = brands.clean_budget(extra_budget, "extra_budget")
    if extra_budget is not None and extra_budget == 0:
        raise Refused(
            "An override for 0 more money changes nothing. Leave it empty for no limit.", field="extra_budget"
        )
    reason = campaigns.clean_reason(reason)
    _clear_override(campaign, actor, now)
    spent = BudgetPeriod.objects.filter(scope_id=campaign.pk, kind=PeriodKind.LIFETIME).values_list("posted", flat=True)
    override = Override.objects.create(
        campaign=campaign, lifts=holds, starts_at=now, ends_at=ends_at, extra_budget=extra_budget,
        spent_before=spent.first() or Decimal(0), reason=reason, created_by=actor,
    )  # fmt: skip
    after: dict[str, object] = {
        "lifts": [hold.value for hold in holds],
        "until": ends_at.isoformat(),
        "extra_budget": plain(extra_budget, campaign.brand.currency),
    }
    audit(campaign, "override", brand_id=campaign.brand_id, actor=actor, now=now, after=after, reason=reason)
    return override, _one(campaign, cause=Cause.OVERRIDE, actor=actor, now=now)


def _liftable(lifts: Iterable[Hold], ends_at: datetime | None) -> tuple[Hold, ...]:
    holds = in_order(lifts)
    if not holds:
        raise Refused("Say which holds the override lifts.", field="lifts")
    if Hold.EMERGENCY_STOP in holds:
        raise Refused("An emergency stop cannot be overridden. Clear it instead.", field="lifts")
    if ends_at is None and NEEDS_EXPLICIT_END.intersection(holds):
        raise Refused("To lift a monthly or lifetime budget, say until when.", field="ends_at")
    return holds


@use_case
def clear_override(campaign_id: UUID, *, actor: str, now: datetime, reason: str = "") -> Verdict:
    """End the campaign's override, if it has one, and evaluate."""
    campaign = _lock_campaign(campaign_id, now)
    _current(campaign)
    if _clear_override(campaign, actor, now):
        audit(campaign, "clear override", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason)
    return _one(campaign, cause=Cause.OVERRIDE, actor=actor, now=now)


def _clear_override(campaign: Campaign, actor: str, now: datetime) -> bool:
    return bool(Override.objects.filter(campaign=campaign, cleared_at=None).update(cleared_at=now, cleared_by=actor))


@use_case
def archive_campaign(campaign_id: UUID, *, actor: str, now: datetime, reason: str = "") -> None:
    """Take a campaign out of sight: it is paused by hand, and nothing is deleted. Late spend still counts."""
    campaign = _lock_campaign(campaign_id, now)
    if campaign.archived_at is None:
        _archive(campaign, actor=actor, now=now)
        audit(campaign, "archive", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason)


def _archive(campaign: Campaign, *, actor: str, now: datetime) -> None:
    campaigns.set_manual_pause(campaign, until=None, reason="Archived.", actor=actor, now=now)
    _clear_override(campaign, actor, now)
    _one(campaign, cause=Cause.ARCHIVED, actor=actor, now=now)
    campaigns.set_archived(Campaign.objects.filter(pk=campaign.pk), now, now)


@use_case
def restore_campaign(campaign_id: UUID, *, actor: str, now: datetime) -> Verdict:
    """Bring an archived campaign back. It stays paused until a person activates it."""
    campaign = _lock_campaign(campaign_id, now)
    if campaign.brand.archived_at is not None:
        raise Conflict(f"The brand “{campaign.brand}” is archived. Restore it first.")
    if campaign.archived_at is not None:
        campaigns.set_archived(Campaign.objects.filter(pk=campaign.pk), None, now)
        audit(campaign, "restore", brand_id=campaign.brand_id, actor=actor, now=now)
    return _one(campaign, cause=Cause.ARCHIVED, actor=actor, now=now)


# --- Schedules -------------------------------------------------------------------------------------------------------


@use_case
def replace_week(
    campaign_id: UUID,
    rows: Sequence[ScheduleRow],
    *,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
) -> Verdict:
    """The campaign's schedule becomes exactly these rows. None at all: around the clock."""
    campaign = _lock_campaign(campaign_id, now, expected_version)
    return _schedule_changed(campaign, lambda: scheduling.replace_rows(campaign, rows, now), actor=actor, now=now)


@use_case
def add_window(campaign_id: UUID, row: ScheduleRow, *, actor: str, now: datetime) -> tuple[Schedule, Verdict]:
    """Add one window to the campaign's schedule."""
    campaign = _lock_campaign(campaign_id, now)
    added: list[Schedule] = []
    verdict = _schedule_changed(
        campaign, lambda: added.append(scheduling.add_row(campaign, row, now)), actor=actor, now=now
    )
    return added[0], verdict


@use_case
def change_window(
    schedule_id: UUID, row: ScheduleRow, *, actor: str, now: datetime, expected_version: int | None = None
) -> Verdict:
    """Change one window of a schedule. `expected_version` is that of its campaign."""
    campaign = _lock_campaign(scheduling.get(schedule_id).campaign_id, now, expected_version)
    return _schedule_changed(
        campaign, lambda: scheduling.change_row(scheduling.get(schedule_id), row, now), actor=actor, now=now
    )


@use_case
def remove_window(schedule_id: UUID, *, actor: str, now: datetime) -> Verdict:
    """Remove one window. When the last one goes, the campaign runs around the clock."""
    campaign = _lock_campaign(scheduling.get(schedule_id).campaign_id, now)
    return _schedule_changed(
        campaign, lambda: scheduling.remove_row(scheduling.get(schedule_id), now), actor=actor, now=now
    )


def _schedule_changed(campaign: Campaign, change: Callable[[], None], *, actor: str, now: datetime) -> Verdict:
    _current(campaign)
    _change_schedule(campaign, change, actor=actor, now=now)
    return _one(campaign, cause=Cause.SCHEDULE, actor=actor, now=now)


def _change_schedule(campaign: Campaign, change: Callable[[], None], *, actor: str, now: datetime) -> None:
    before = scheduling.describe(scheduling.rows_of(campaign))
    change()
    after = scheduling.describe(scheduling.rows_of(campaign))
    if before != after:
        audit(
            campaign, "change schedule", brand_id=campaign.brand_id, actor=actor, now=now,
            before={"windows": before}, after={"windows": after},
        )  # fmt: skip
