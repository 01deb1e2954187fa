"""The use cases of pacing: each one transaction that locks the brand, lets the pacer work, and decides again."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from brands import services as brands
from brands.services import LockedBrand
from budget_system.db import use_case
from budget_system.errors import Conflict, NotFound
from campaigns import services as campaigns
from campaigns.models import Campaign
from enforcement.services import Cause, evaluate_brands
from pacing import learning
from pacing import services as pacing
from pacing.models import ChannelBudget, HourTotal, PaceAlert, PacedCampaign, Reallocation
from spending.turns import record_turns

T = TypeVar("T")


@use_case
def set_channel_budget(
    campaign_id: UUID,
    channel: str,
    changes: Mapping[str, object],
    *,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
    new: bool | None = None,
    reason: str = "",
) -> ChannelBudget:
    """Give a channel of the campaign a daily budget, a strategy and settings, or change them. It acts at once."""

    def change(campaign: Campaign) -> ChannelBudget:
        return pacing.set_channel(
            campaign, channel, changes, actor=actor, now=now, expected_version=expected_version, new=new, reason=reason
        )

    return _changed(campaign_id, change, actor=actor, now=now)


@use_case
def remove_channel_budget(channel_budget_id: UUID, *, actor: str, now: datetime, reason: str = "") -> None:
    """Take a channel's budget away; the campaign's own budgets still hold."""
    _changed(
        pacing.get_channel(channel_budget_id).campaign_id,
        lambda _: pacing.remove_channel(pacing.get_channel(channel_budget_id), actor=actor, now=now, reason=reason),
        actor=actor, now=now,
    )  # fmt: skip


@use_case
def change_pacing(
    campaign_id: UUID, changes: Mapping[str, object], *, actor: str, now: datetime, reason: str = ""
) -> PacedCampaign:
    """Change the thresholds of all its channels, and whether money is moved between them without asking."""

    def change(campaign: Campaign) -> PacedCampaign:
        return pacing.set_campaign_settings(campaign, changes, actor=actor, now=now, reason=reason)

    return _changed(campaign_id, change, actor=actor, now=now)


@use_case
def stop_channel(channel_budget_id: UUID, *, reason: str, actor: str, now: datetime) -> ChannelBudget:
    """An emergency stop of a channel holds the campaign until a person clears it."""
    clean = campaigns.clean_reason(reason)

    def change(_: Campaign) -> ChannelBudget:
        budget = pacing.get_channel(channel_budget_id)
        pacing.stop_channel(budget, reason=clean, actor=actor, now=now)
        return budget

    campaign_id = pacing.get_channel(channel_budget_id).campaign_id
    return _changed(campaign_id, change, actor=actor, now=now, cause=Cause.EMERGENCY_STOP)


@use_case
def clear_channel_stop(channel_budget_id: UUID, *, actor: str, now: datetime, reason: str = "") -> ChannelBudget:
    """End the emergency stop of a channel."""

    def change(_: Campaign) -> ChannelBudget:
        budget = pacing.get_channel(channel_budget_id)
        pacing.clear_channel_stop(budget, actor=actor, now=now, reason=reason)
        return budget

    campaign_id = pacing.get_channel(channel_budget_id).campaign_id
    return _changed(campaign_id, change, actor=actor, now=now, cause=Cause.EMERGENCY_STOP)


@use_case
def close_breaker(channel_budget_id: UUID, *, reason: str, actor: str, now: datetime) -> ChannelBudget:
    """A person has looked into it: the channel may spend again at once."""
    clean = campaigns.clean_reason(reason)

    def change(_: Campaign) -> ChannelBudget:
        pacing.close_breaker(pacing.get_channel(channel_budget_id), reason=clean, actor=actor, now=now)
        return pacing.get_channel(channel_budget_id)

    campaign_id = pacing.get_channel(channel_budget_id).campaign_id
    return _changed(campaign_id, change, actor=actor, now=now, cause=Cause.BREAKER)


@use_case
def report_performance(
    campaign_id: UUID,
    channel: str,
    hour: datetime,
    figures: Mapping[str, object],
    *,
    actor: str,
    now: datetime,
) -> HourTotal:
    """Take what an hour of a channel has brought beside its cost. Sent again, it corrects."""

    def change(campaign: Campaign) -> HourTotal:
        return pacing.report_hour(campaign, channel, hour, figures, actor=actor, now=now)

    return _changed(campaign_id, change, actor=actor, now=now)


@use_case
def propose_reallocation(campaign_id: UUID, *, actor: str, now: datetime) -> Reallocation | None:
    """What moving unused money between the channels would do now, kept for a person to approve."""
    return _changed(campaign_id, lambda c: pacing.propose(c, actor=actor, now=now), actor=actor, now=now)


@use_case
def apply_reallocation(proposal_id: UUID, *, actor: str, now: datetime, reason: str = "") -> Reallocation:
    """Approve a proposal: the money is moved at once, for today."""
    return _decided(proposal_id, lambda p: pacing.apply(p, actor=actor, now=now, reason=reason), actor=actor, now=now)


@use_case
def reject_reallocation(proposal_id: UUID, *, actor: str, now: datetime, reason: str = "") -> Reallocation:
    """Leave the money where it is."""
    return _decided(proposal_id, lambda p: pacing.reject(p, actor=actor, now=now, reason=reason), actor=actor, now=now)


@use_case
def see_alert(alert_id: UUID, *, actor: str, now: datetime) -> PaceAlert:
    """Say that a person has seen the alert."""
    return pacing.mark_seen(alert_id, actor=actor, now=now)


def check_pace(brand_id: UUID, *, actor: str, now: datetime) -> int:
    """Look at the pace of a brand's paced campaigns: plans of a new day, alerts, breakers; how many were looked at."""
    return _check_brand(brand_id, actor=actor, now=now)


@use_case
def _check_brand(brand_id: UUID, *, actor: str, now: datetime) -> int:
    locked = brands.lock([brand_id])
    record_turns(locked.values(), now)
    paced = [row.pk for row in Campaign.objects.current().filter(brand=brand_id, paced=True).order_by("pk").only("pk")]
    for campaign in Campaign.objects.filter(pk__in=paced).select_related("brand"):
        pacing.lapse_over(now, campaign)
    _decide_again(locked, pacing.check(paced, now), actor=actor, now=now)
    return len(paced)


@use_case
def move_unused(campaign_id: UUID, *, actor: str, now: datetime) -> Reallocation | None:
    """The hourly look at a campaign's channels: money is moved, or a proposal made, as the campaign is set."""

    def change(campaign: Campaign) -> Reallocation | None:
        if campaign.pacing.automatic:
            return pacing.reallocate(campaign, actor=actor, now=now)
        return pacing.propose(campaign, actor=actor, now=now)

    return _changed(campaign_id, change, actor=actor, now=now)


@use_case
def refit(campaign_id: UUID, now: datetime) -> dict[str, int]:
    """Fit the models of the campaign's channels afresh; how many hours each has data of."""
    campaigns.lock_brand_of(campaign_id)
    campaign = campaigns.get(campaign_id)
    channels = list(ChannelBudget.objects.filter(campaign=campaign).values_list("channel", flat=True))
    return learning.refit(campaign, channels, now)


# --- Shared steps ----------------------------------------------------------------------------------------------------


def _changed(
    campaign_id: UUID,
    change: Callable[[Campaign], T],
    *,
    actor: str,
    now: datetime,
    cause: str = "",
) -> T:
    """Lock the campaign's brand, do it, and decide about the campaign again."""
    brand = campaigns.lock_brand_of(campaign_id)
    if brand is None:
        raise NotFound("There is no such campaign.", field="campaign")
    record_turns([brand], now)
    campaign = campaigns.get(campaign_id)
    if campaign.archived_at is not None:
        raise Conflict(f"“{campaign}” is archived. Restore it first.", field="campaign")
    result = change(campaign)
    _decide_again({brand.id: brand}, {campaign_id}, actor=actor, now=now, cause=cause or Cause.PACING)
    return result


def _decided(
    proposal_id: UUID, decide: Callable[[Reallocation], Reallocation], *, actor: str, now: datetime
) -> Reallocation:
    def find() -> Reallocation:
        found = Reallocation.objects.select_related("campaign__brand").filter(pk=proposal_id).first()
        if found is None:
            raise NotFound("There is no such proposal.", field="proposal")
        return found

    return _changed(find().campaign_id, lambda _: decide(find()), actor=actor, now=now)


def _decide_again(
    locked: Mapping[UUID, LockedBrand], campaign_ids: set[UUID], *, actor: str, now: datetime, cause: str = ""
) -> None:
    brand_of = dict(Campaign.objects.filter(pk__in=campaign_ids).values_list("pk", "brand_id"))
    evaluate_brands(
        locked, campaign_ids, (), cause=cause or Cause.BREAKER, actor=actor, now=now, brand_of=brand_of
    )  # fmt: skip
