"""Pacing's writes: budgets of channels, spend as it comes in, checks, money moved.

No transactions here: the use cases in `enforcement.pacing` hold the brands' locks and decide again about the campaigns
that these functions name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from brands.periods import local_date
from brands.services import LockedBrand, audit, check_version, clean_budget, plain, zone
from budget_pacer import PacerConfig, PacingStrategy, SpendTransaction
from budget_pacer.reallocation import ReallocationRefused
from budget_system import money
from budget_system.errors import Conflict, NotFound, Refused
from campaigns.models import Campaign
from pacing import hours, learning
from pacing.channels import label, normal
from pacing.desk import OFF, SYSTEM, Desk, config_of
from pacing.models import (
    CHANNEL_LENGTH,
    ChannelBudget,
    HourTotal,
    PaceAlert,
    PacedCampaign,
    Reallocation,
    ReallocationState,
    Strategy,
)
from spending.ledger import Moved
from spending.metrics import MetricsMoved
from spending.models import SpendType

# --- What comes in ---------------------------------------------------------------------------------------------------


class Held(NamedTuple):
    """Money that was set aside: whose, for which channel, how much in micros, and when."""

    campaign_id: UUID
    channel: str
    amount: int
    made_at: datetime


def take_in(
    moved: Iterable[Moved], brands: Mapping[UUID, LockedBrand], now: datetime, held: Held | None = None
) -> None:
    """Count spend that was posted or changed, where it is of the brand's present day. The brands are locked.

    `held` is the money that was set aside for it: it is free again, whatever was spent of it.
    """
    places: dict[UUID, tuple[date, datetime]] = {}
    sums: dict[hours.Key, int] = {}
    for move in moved:
        place = places.get(move.brand_id)
        if place is None:
            place = places[move.brand_id] = hours.hour_of(zone(brands[move.brand_id].timezone), now)
        day, hour = place
        if move.spend_date == day and move.spend_type != SpendType.MONTHLY:
            key = hours.Key(move.campaign_id, normal(move.channel), day, hour)
            sums[key] = sums.get(key, 0) + move.amount
    changes = {key: hours.Figures(spent=micros) for key, micros in sums.items() if micros}
    _count(changes, now, held)


def take_in_metrics(moved: Iterable[MetricsMoved], brand_of: Mapping[UUID, LockedBrand], now: datetime) -> None:
    """Count what platforms report beside the cost, where it is of the brand's present day. By campaign, locked."""
    changes = {}
    for told in moved:
        day, hour = hours.hour_of(zone(brand_of[told.campaign_id].timezone), now)
        if told.day == day:
            figures = hours.Figures(0, told.impressions, told.clicks, told.conversions, told.revenue)
            changes[hours.Key(told.campaign_id, "", day, hour)] = figures
    _count(changes, now)


def _count(changes: Mapping[hours.Key, hours.Figures], now: datetime, held: Held | None = None) -> None:
    paced = hours.add(changes) if changes else set()
    if not paced:
        return
    desk = Desk(paced, now)
    for key, figures in changes.items():
        if key.campaign_id in desk:
            _tell(desk, key, figures, held)
    desk.save()


def _tell(desk: Desk, key: hours.Key, figures: hours.Figures, held: Held | None) -> None:
    campaign_id, channel = str(key.campaign_id), desk.channel_of(key.campaign_id, key.channel)
    if channel is None:
        return  # it counts against the campaign's budget, and against none of its channels'
    spent, of_held = money.from_micros(figures.spent), 0
    if held is not None:
        of_held = min(figures.spent, held.amount)
        transaction = SpendTransaction(campaign_id, channel, money.from_micros(of_held))
        desk.pacer.spend_aside(transaction, money.from_micros(held.amount), held.made_at)
    if figures.spent > of_held:
        desk.pacer.record_spend(SpendTransaction(campaign_id, channel, money.from_micros(figures.spent - of_held)))
    elif figures.spent < 0:
        desk.pacer.correct_spend(campaign_id, channel, spent)
    if any(figures[1:]):
        desk.pacer.report_performance(
            campaign_id, channel,
            impressions=figures.impressions, clicks=figures.clicks, conversions=figures.conversions / money.MICROS,
            revenue=money.from_micros(figures.revenue),
        )  # fmt: skip


FIGURES = ("impressions", "clicks", "conversions", "revenue")


def report_hour(
    campaign: Campaign, channel: str, hour: datetime, figures: Mapping[str, object], *, actor: str, now: datetime
) -> HourTotal:
    """Keep what an hour of a channel has brought; named figures replace what was reported for it before.

    Replacing is on the record: what had been reported would be lost.
    """
    if hour > now:
        raise Refused("This hour has not begun yet.", field="hour")
    if hour < now - learning.KEPT:
        raise Refused(f"Hours are kept for {learning.KEPT.days // 7} weeks; this one is older.", field="hour")
    starts_on, starts_at = hours.hour_of(campaign.brand.zone, hour)
    cleaned = {field: _clean_figure(field, value) for field, value in figures.items()}
    name = clean_channel(channel) if channel else ""
    row = HourTotal.objects.filter(campaign=campaign, channel=name, starts_at=starts_at).first()
    before = {field: 0 if row is None else _whole(getattr(row, field)) for field in cleaned}
    steps = {field: _whole(value) - before[field] for field, value in cleaned.items()}
    if row is not None and (corrected := [field for field, step in steps.items() if step and before[field]]):
        audit(
            campaign, f"correct performance of {label(name)}", brand_id=campaign.brand_id, actor=actor, now=now,
            before={"hour": starts_at.isoformat(), **{field: str(getattr(row, field)) for field in corrected}},
            after={"hour": starts_at.isoformat(), **{field: str(cleaned[field]) for field in corrected}},
        )  # fmt: skip
    change = {hours.Key(campaign.pk, name, starts_on, starts_at): hours.Figures(**steps)}
    if starts_on == local_date(campaign.brand.zone, now):
        _count(change, now)
    else:
        hours.add(change)
    return HourTotal.objects.get(campaign=campaign, channel=name, starts_at=starts_at)


def _clean_figure(field: str, value: object) -> int | Decimal:
    if field not in FIGURES:
        raise Refused(f"An hour has no figure called {field}; it has {', '.join(FIGURES)}.", field=field)
    if field in ("impressions", "clicks"):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
            raise Refused(f"“{value}” is no whole number of 0 or more.", field=field)
        return value
    if value in ("", None):
        raise Refused("Leave out what is not known.", field=field)
    try:
        amount = value if isinstance(value, Decimal) else money.parse_amount(str(value))
        money.to_micros(amount)
    except money.InvalidAmount as error:
        raise Refused(str(error), field=field) from error
    if amount < 0:
        raise Refused("It cannot be negative. To correct what was reported, report the hour again.", field=field)
    return amount


def _whole(value: int | Decimal) -> int:
    return value if isinstance(value, int) else money.to_micros(value)


# --- Budgets of channels ---------------------------------------------------------------------------------------------


INPUTS = ("daily_budget", "strategy", "settings")


def set_channel(
    campaign: Campaign,
    channel: str,
    changes: Mapping[str, object],
    *,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
    new: bool | None = None,
    reason: str = "",
) -> ChannelBudget:
    """Give a channel of the campaign a budget, or change the one it has. Today's plan and limits follow at once.

    `daily_budget` is needed for a new one; `strategy` and `settings` have defaults. `new` says that there must be none
    yet, or (False) that there must be one. Raises Refused.
    """
    name = clean_channel(channel)
    cleaned = _clean_inputs(changes)
    PacedCampaign.objects.get_or_create(campaign=campaign)
    found = ChannelBudget.objects.filter(campaign=campaign, channel=name).first()
    if found is not None and new:
        raise Conflict(f"{label(name)} has a budget in this campaign already. Change that one.", field="channel")
    if found is None and new is False:
        raise Conflict(f"The budget of {label(name)} was removed meanwhile.", field="channel")
    if found is not None:
        check_version(found, expected_version)
    elif "daily_budget" not in cleaned:
        raise Refused("A channel needs a daily budget.", field="daily_budget")
    else:
        _check_room(campaign, name)
    budget = found or ChannelBudget(campaign=campaign, channel=name, created_at=now)
    before = _shown(budget, campaign) if found else {}
    for field, value in cleaned.items():
        setattr(budget, field, value)
    check_inside(campaign, {name: budget.daily_budget})
    if found is not None and before == _shown(budget, campaign):
        return budget
    budget.updated_at, budget.version = now, budget.version + (1 if found else 0)
    budget.save()
    action = "change channel budget" if found else "add channel budget"
    _audit(budget, campaign, action, before, actor=actor, now=now, reason=reason)
    desk = Desk([campaign.pk], now)
    key = str(campaign.pk)
    desk.budgets[key][name] = budget
    _set_all(desk, key)
    if found is None:
        _catch_up(desk, campaign, name, now)
    desk.save(actor)
    return budget


def remove_channel(budget: ChannelBudget, *, actor: str, now: datetime, reason: str = "") -> None:
    """Take a channel's budget away. What it spent stays in the ledger, in its hours and in the campaign's totals."""
    campaign = budget.campaign
    if budget.stopped_at is not None:
        raise Conflict("This channel is stopped in an emergency. Clear the stop first.")
    _audit(budget, campaign, "remove channel budget", {}, actor=actor, now=now, reason=reason, gone=True)
    desk = Desk([campaign.pk], now)
    desk.pacer.remove_channel(str(campaign.pk), budget.channel)
    PaceAlert.objects.filter(campaign=campaign, channel=budget.channel, cleared_at=None).update(cleared_at=now)
    del desk.budgets[str(campaign.pk)][budget.channel]
    _set_all(desk, str(campaign.pk))
    budget.delete()
    desk.save(actor)


def _set_all(desk: Desk, key: str) -> None:
    """Every channel of the campaign starts from the budget that it was given: what was moved between them before was
    worked out from other budgets."""
    for name, budget in desk.budgets[key].items():
        desk.pacer.allocate_hourly_budget(key, name, budget.daily_budget, PacingStrategy(budget.strategy))


def set_campaign_settings(
    campaign: Campaign, changes: Mapping[str, object], *, actor: str, now: datetime, reason: str = ""
) -> PacedCampaign:
    """Change what holds for all channels of the campaign: `settings` (thresholds), and `automatic` reallocation."""
    paced, _ = PacedCampaign.objects.get_or_create(campaign=campaign)
    before = {"settings": paced.settings, "automatic": paced.automatic}
    if "settings" in changes:
        paced.settings = clean_settings(changes["settings"])
    if "automatic" in changes:
        paced.automatic = bool(changes["automatic"])
    after = {"settings": paced.settings, "automatic": paced.automatic}
    if before == after:
        return paced
    paced.save(update_fields=["settings", "automatic"])
    audit(
        campaign, "change pacing", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason,
        before={name: value for name, value in before.items() if after[name] != value},
        after={name: value for name, value in after.items() if before[name] != value},
    )  # fmt: skip
    desk = Desk([campaign.pk], now)
    if desk.budgets[str(campaign.pk)]:
        desk.pacer.relimit(str(campaign.pk))
        desk.save(actor)
    return paced


def clean_channel(text: str) -> str:
    """The channel's name as it is kept. Raises Refused."""
    name = normal(text)
    if not name:
        raise Refused("A channel needs a name, such as search.", field="channel")
    if len(name) > CHANNEL_LENGTH or "," in name or not name.isprintable():
        raise Refused(f"A channel's name has at most {CHANNEL_LENGTH} characters and no comma.", field="channel")
    return name


def _check_room(campaign: Campaign, name: str) -> None:
    """The campaign names its stopped channels in one line: all of them must fit."""
    names = [*ChannelBudget.objects.filter(campaign=campaign).values_list("channel", flat=True), name]
    if len(",".join(names)) > (Campaign._meta.get_field("stopped_channels").max_length or 0):
        raise Refused(f"The names of {len(names)} channels are too long together. Use shorter ones.", field="channel")


def clean_settings(value: object) -> dict[str, object]:
    """Settings that differ from the defaults; numbers are kept as text, exactly. Raises Refused."""
    if not isinstance(value, Mapping):
        raise Refused('Settings are given by name, such as {"max_hourly_spend_pct": "0.2"}.', field="settings")
    kept = {str(name): _clean_setting(str(name), given) for name, given in value.items() if given not in ("", None)}
    config_of(kept)
    return kept


def _clean_setting(name: str, given: object) -> object:
    """A form sends numbers as text. A whole number stays one, others are kept as text."""
    if not isinstance(given, str | Decimal | float) or given == OFF:
        return given
    try:
        number = Decimal(str(given).strip())
    except ArithmeticError as error:
        raise Refused(f"{name} is “{given}”: use a number.", field="settings") from error
    whole = isinstance(getattr(PacerConfig(), name, None), int)
    if whole and number.is_finite() and number.adjusted() < 12 and number == int(number):
        return int(number)
    return str(number)


def check_inside(campaign: Campaign, changed: Mapping[str, Decimal]) -> None:
    """Refuse channel budgets that add up to more than the campaign's own daily budget."""
    if campaign.daily_budget is None:
        return
    kept = dict(ChannelBudget.objects.filter(campaign=campaign).values_list("channel", "daily_budget"))
    total = sum({**kept, **changed}.values(), Decimal(0))
    if total > campaign.daily_budget:
        currency = campaign.brand.currency
        raise Refused(
            f"The channels' daily budgets would add up to {money.display_text(total, currency)} {currency}, more "
            f"than the campaign's {money.display_text(campaign.daily_budget, currency)}. Lower one, or raise that.",
            field="daily_budget",
        )


def _clean_inputs(changes: Mapping[str, object]) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for field, value in changes.items():
        match field:
            case "daily_budget":
                cleaned[field] = clean_budget(value, field)
                if cleaned[field] is None:
                    raise Refused("A channel needs a daily budget; 0 keeps it from spending.", field=field)
            case "strategy":
                if value not in Strategy.values:
                    raise Refused(f"“{value}” is not one of {', '.join(Strategy.values)}.", field=field)
                cleaned[field] = value
            case "settings":
                cleaned[field] = clean_settings(value)
            case _:
                raise Refused(f"A channel has no input called {field}.", field=field)
    return cleaned


def _shown(budget: ChannelBudget, campaign: Campaign) -> dict[str, object]:
    return {field: plain(getattr(budget, field), campaign.brand.currency) for field in INPUTS}


def _audit(
    budget: ChannelBudget,
    campaign: Campaign,
    action: str,
    before: Mapping[str, object],
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    gone: bool = False,
) -> None:
    present = _shown(budget, campaign)
    changed = {field: value for field, value in present.items() if before.get(field) != value}
    audit(
        budget, action, brand_id=campaign.brand_id, actor=actor, now=now, reason=reason,
        before=present if gone else {field: before[field] for field in changed if field in before},
        after={} if gone else changed,
    )  # fmt: skip


def _catch_up(desk: Desk, campaign: Campaign, channel: str, now: datetime) -> None:
    """A channel that gets a budget in the middle of a day has spent what its hours of this day say."""
    day, _ = hours.hour_of(campaign.brand.zone, now)
    for row in HourTotal.objects.filter(campaign=campaign, day=day).order_by("starts_at"):
        if row.spent and desk.channel_of(campaign.pk, row.channel) == channel:
            desk.pacer.correct_spend(str(campaign.pk), channel, row.spent, at=row.starts_at)


# --- Stops and breakers ----------------------------------------------------------------------------------------------


def get_channel(channel_budget_id: UUID) -> ChannelBudget:
    budget = ChannelBudget.objects.select_related("campaign__brand").filter(pk=channel_budget_id).first()
    if budget is None:
        raise NotFound("There is no such channel budget.", field="channel")
    return budget


def stop_channel(budget: ChannelBudget, *, reason: str, actor: str, now: datetime) -> None:
    """Stop a channel until a person clears it. The campaign is held by it: a platform stops campaigns, not channels."""
    if budget.stopped_at is not None:
        return
    budget.stopped_at, budget.stop_reason, budget.stopped_by = now, reason, actor
    _save_stop(budget, "emergency stop of a channel", actor=actor, now=now, reason=reason)


def clear_channel_stop(budget: ChannelBudget, *, actor: str, now: datetime, reason: str = "") -> None:
    if budget.stopped_at is None:
        return
    budget.stopped_at, budget.stop_reason, budget.stopped_by = None, "", ""
    _save_stop(budget, "clear emergency stop of a channel", actor=actor, now=now, reason=reason)


def _save_stop(budget: ChannelBudget, action: str, *, actor: str, now: datetime, reason: str) -> None:
    budget.version += 1
    budget.updated_at = now
    budget.save(update_fields=["stopped_at", "stop_reason", "stopped_by", "version", "updated_at"])
    campaign = budget.campaign
    audit(budget, action, brand_id=campaign.brand_id, actor=actor, now=now, reason=reason)
    stopped = ChannelBudget.objects.filter(campaign=campaign, stopped_at__isnull=False).order_by("channel")
    campaign.stopped_channels = ",".join(stopped.values_list("channel", flat=True))
    campaign.save(update_fields=["stopped_channels"])


def close_breaker(budget: ChannelBudget, *, reason: str, actor: str, now: datetime) -> None:
    """A person has looked and lets the channel spend again."""
    desk = Desk([budget.campaign_id], now)
    desk.pacer.close_breaker(str(budget.campaign_id), budget.channel)
    desk.save(actor)
    audit(
        budget, "close circuit breaker", brand_id=budget.campaign.brand_id, actor=actor, now=now, reason=reason,
        before={"breaker": budget.breaker_reason},
    )  # fmt: skip


# --- Asking ----------------------------------------------------------------------------------------------------------


class Ask(NamedTuple):
    """Whether the pacer lets an amount be spent on a channel now, and why not."""

    allowed: bool
    reason: str
    channel: str | None


def ask(campaign_id: UUID, channel: str, micros: int, now: datetime) -> Ask:
    """What the channel's limits say, apart from what holds the campaign. Sets nothing aside; takes no lock."""
    desk = Desk([campaign_id], now)
    name = desk.channel_of(campaign_id, channel) if campaign_id in desk else None
    if name is None:
        return Ask(*_without_budget(desk, campaign_id, channel), None)
    return Ask(*desk.pacer.can_spend(str(campaign_id), name, money.from_micros(micros)), name)


class Aside(NamedTuple):
    """What the pacer says of an amount to set aside, and what writes it down: nothing is counted before."""

    allowed: bool
    reason: str
    keep: Callable[[], object]


NOT_PACED = Aside(True, "ok", lambda: None)


def set_aside(campaign_id: UUID, channel: str, micros: int, now: datetime) -> Aside:
    """What `ask` says, to be counted as set aside if it is allowed. The brand is locked."""
    desk = Desk([campaign_id], now)
    name = desk.channel_of(campaign_id, channel) if campaign_id in desk else None
    if name is None:
        return Aside(*_without_budget(desk, campaign_id, channel), NOT_PACED.keep)
    return Aside(*desk.pacer.set_aside(str(campaign_id), name, money.from_micros(micros)), desk.save)


def _without_budget(desk: Desk, campaign_id: UUID, channel: str) -> tuple[bool, str]:
    """Where a person names a channel that has no budget, nothing may be spent on it; where none is named, the
    campaign's own budgets decide."""
    names = desk.budgets.get(str(campaign_id), {})
    if not normal(channel) or not names:
        return True, "ok"
    return False, f"{label(normal(channel))} has no budget in this campaign; those with one: {', '.join(sorted(names))}"


def give_back(held: Iterable[Held], now: datetime) -> None:
    """Free what was set aside. Of campaigns that are not paced nothing changes."""
    given = list(held)
    desk = Desk({one.campaign_id for one in given}, now)
    for one in given:
        name = desk.channel_of(one.campaign_id, one.channel) if one.campaign_id in desk else None
        if name is not None:
            desk.pacer.give_back(str(one.campaign_id), name, money.from_micros(one.amount), one.made_at)
    desk.save()


# --- Checking --------------------------------------------------------------------------------------------------------


def check(campaign_ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Look at the pace of these campaigns, whose brands are locked: lay today's plan where the day is new, raise and
    clear alerts, open breakers. Says which campaigns are to be decided on again."""
    desk = Desk(campaign_ids, now)
    for row in desk.campaigns:
        for name in desk.budgets[str(row.pk)]:
            desk.pacer.check_pace(str(row.pk), name)
    PacedCampaign.objects.filter(pk__in=[row.pk for row in desk.campaigns]).update(checked_at=now)
    return desk.save(all_of_them=True)


def begin_day_afresh(brand_id: UUID, now: datetime) -> None:
    """After a forced reset of the brand's day: what its channels have spent so far no longer counts against them."""
    desk = Desk(learning.paced_campaign_ids(brand_id=brand_id), now)
    for row in desk.campaigns:
        for name in desk.budgets[key := str(row.pk)]:
            desk.pacer.correct_spend(key, name, -desk.pacer.spent(key, name))
    desk.save()


def mark_seen(alert_id: UUID, *, actor: str, now: datetime) -> PaceAlert:
    """A person has seen the alert. It stands until what it is about is over."""
    alert = PaceAlert.objects.select_related("campaign__brand").filter(pk=alert_id).first()
    if alert is None:
        raise NotFound("There is no such alert.", field="alert")
    if alert.seen_at is None:
        alert.seen_at, alert.seen_by = now, actor
        alert.save(update_fields=["seen_at", "seen_by"])
        campaign = alert.campaign
        audit(
            campaign, "see pace alert", brand_id=campaign.brand_id, actor=actor, now=now,
            before={}, after={"channel": label(alert.channel), "alert": alert.message},
        )  # fmt: skip
    return alert


# --- Moving money between channels -----------------------------------------------------------------------------------


def propose(campaign: Campaign, *, actor: str, now: datetime) -> Reallocation | None:
    """What moving unused money would do now, kept for a person to approve; None when there is nothing to move.

    It takes the place of an earlier proposal that nobody has decided about.
    """
    _lapse(campaign, now)
    desk = _desk_of(campaign, now)
    proposed = desk.pacer.propose_reallocation(str(campaign.pk))
    before = _budgets(desk, campaign)
    after = {name: _text(money.from_micros(micros), campaign) for name, micros in sorted(proposed.budgets.items())}
    if after == before:
        return None
    moves = [
        {
            "from": move.donor, "to": move.receiver, "amount": _text(money.from_micros(move.amount), campaign),
            "reason": move.reason,
        }
        for move in proposed.moves
    ]  # fmt: skip
    return Reallocation.objects.create(
        campaign=campaign, day=local_date(campaign.brand.zone, now), moves=moves, before=before, after=after,
        notes=list(proposed.reasons), proposed_at=now, proposed_by=actor,
    )  # fmt: skip


def reallocate(campaign: Campaign, *, actor: str, now: datetime) -> Reallocation | None:
    """Move unused money now, without asking; None when there is nothing to move."""
    proposal = propose(campaign, actor=actor, now=now)
    return None if proposal is None else apply(proposal, actor=actor, now=now)


def apply(proposal: Reallocation, *, actor: str, now: datetime, reason: str = "") -> Reallocation:
    """Move the money as was proposed. Refused where the day, a budget or what is spent no longer allows it."""
    _open(proposal)
    campaign = proposal.campaign
    if proposal.day != local_date(campaign.brand.zone, now):
        raise Conflict(f"This proposal was for {proposal.day}; that day is over. Ask for a new one.")
    desk = _desk_of(campaign, now)
    key = str(campaign.pk)
    if _budgets(desk, campaign) != proposal.before:
        raise Conflict("The channels' budgets have changed since this was proposed. Ask for a new proposal.")
    try:
        desk.pacer.move_budgets(key, {name: Decimal(text) for name, text in proposal.after.items()})
    except ReallocationRefused as error:
        raise Conflict(f"{error}. Ask for a new proposal.") from error
    desk.save(actor)
    _decide(proposal, ReallocationState.APPLIED, actor=actor, now=now, reason=reason)
    audit(
        campaign, "move money between channels", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason,
        before=proposal.before, after=proposal.after,
    )  # fmt: skip
    return proposal


def reject(proposal: Reallocation, *, actor: str, now: datetime, reason: str = "") -> Reallocation:
    """Leave the money where it is."""
    _open(proposal)
    _decide(proposal, ReallocationState.REJECTED, actor=actor, now=now, reason=reason)
    campaign = proposal.campaign
    audit(campaign, "reject moving money", brand_id=campaign.brand_id, actor=actor, now=now, reason=reason)
    return proposal


def _open(proposal: Reallocation) -> None:
    if proposal.state != ReallocationState.PROPOSED:
        raise Conflict(f"This proposal is decided already: {proposal.get_state_display().lower()}.")


def _decide(proposal: Reallocation, state: ReallocationState, *, actor: str, now: datetime, reason: str = "") -> None:
    proposal.state, proposal.decided_at, proposal.decided_by, proposal.reason = state, now, actor, reason
    proposal.save(update_fields=["state", "decided_at", "decided_by", "reason"])


def _lapse(campaign: Campaign, now: datetime) -> None:
    for proposal in Reallocation.objects.filter(campaign=campaign, state=ReallocationState.PROPOSED):
        _decide(proposal, ReallocationState.LAPSED, actor=SYSTEM, now=now, reason="Another one was asked for.")


def lapse_over(now: datetime, campaign: Campaign) -> None:
    """Proposals of days that are over can no longer be followed."""
    today: date = local_date(campaign.brand.zone, now)
    for proposal in Reallocation.objects.filter(campaign=campaign, state=ReallocationState.PROPOSED, day__lt=today):
        _decide(proposal, ReallocationState.LAPSED, actor=SYSTEM, now=now, reason="Its day is over.")


def _desk_of(campaign: Campaign, now: datetime) -> Desk:
    desk = Desk([campaign.pk], now)
    if len(desk.budgets.get(str(campaign.pk), {})) < 2:
        raise Refused("Money can be moved between channels when at least two of them have a budget.")
    return desk


def _budgets(desk: Desk, campaign: Campaign) -> dict[str, str]:
    """Today's budgets of the channels, as they are after what was moved."""
    key = str(campaign.pk)
    return {name: _text(desk.pacer.budget(key, name), campaign) for name in sorted(desk.budgets[key])}


def _text(amount: Decimal, campaign: Campaign) -> str:
    return money.exact_text(amount, campaign.brand.currency)
