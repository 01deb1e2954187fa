"""Campaigns and their pacing: stopped, tripped, off their plan, paused or idle for long, and overrides that end."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max, Q

from alerts.findings import BUDGET_HOLDS, Finding, World, amount, budget_of, finder, named, page
from alerts.kinds import Kind, Severity
from brands.models import Brand
from campaigns.holds import Hold
from campaigns.models import Campaign, CampaignStatus, Override
from enforcement.explain import local_text
from pacing.channels import label
from pacing.models import AlertKind, BreakerChange, BreakerState, ChannelBudget, PaceAlert
from spending.models import PeriodKind

CLEAR_STOP = "Clear it once the cause is gone."


def _current(world: World) -> Q:
    return Q(archived_at=None, brand__archived_at=None) & ~Q(brand__in=world.hidden)


def _its_current(world: World) -> Q:
    return Q(campaign__archived_at=None, campaign__brand__archived_at=None) & ~Q(campaign__brand__in=world.hidden)


# --- Emergency stops and breakers ------------------------------------------------------------------------------------


def _stops(world: World) -> Iterator[Finding]:
    for brand in world.brands.values():
        rule = world.rule(Kind.EMERGENCY_STOP, brand.pk)
        if brand.emergency_stopped_at is not None and rule.on:
            yield _stop(
                world, rule.severity, brand, None, str(brand), brand.emergency_stopped_at,
                brand.emergency_stop_reason,
            )  # fmt: skip
    stopped = Campaign.objects.filter(_current(world), emergency_stopped_at__isnull=False).select_related("brand")
    for campaign in stopped.order_by("name", "pk"):
        rule = world.rule(Kind.EMERGENCY_STOP, campaign.brand_id)
        if rule.on:
            yield _stop(
                world, rule.severity, campaign.brand, campaign, named(campaign),
                campaign.emergency_stopped_at or world.now, campaign.emergency_stop_reason,
            )  # fmt: skip
    channels = ChannelBudget.objects.filter(_its_current(world), stopped_at__isnull=False).select_related(
        "campaign__brand"
    )
    for budget in channels.order_by("campaign__name", "channel"):
        campaign = budget.campaign
        rule = world.rule(Kind.EMERGENCY_STOP, campaign.brand_id)
        if rule.on:
            yield _stop(
                world, rule.severity, campaign.brand, campaign, f"{named(campaign)}, {label(budget.channel)}",
                budget.stopped_at or world.now, budget.stop_reason, budget.channel,
            )  # fmt: skip


def _stop(
    world: World, severity: Severity, brand: Brand, campaign: Campaign | None, name: str, since: datetime, reason: str,
    channel: str = "",
) -> Finding:  # fmt: skip
    scope = campaign or brand
    return Finding(
        Kind.EMERGENCY_STOP, f"{Kind.EMERGENCY_STOP}:{scope.pk}:{channel}", brand.pk, campaign.pk if campaign else None,
        severity, f"{name}: emergency stop",
        f"Stopped {local_text(brand.zone, since, world.now)}: {reason.rstrip('. ')}. "
        "It does not run again without a person.",
        [], since, CLEAR_STOP,
        page("campaigns_campaign", campaign.pk) if campaign else page("brands_brand", brand.pk),
    )  # fmt: skip


def _breakers(world: World) -> Iterator[Finding]:
    tripped = ChannelBudget.objects.filter(_its_current(world), breaker=BreakerState.OPEN).select_related(
        "campaign__brand"
    )
    budgets = list(tripped.order_by("campaign__name", "channel"))
    changes = BreakerChange.objects.filter(
        campaign__in={one.campaign_id for one in budgets}, to_state=BreakerState.OPEN
    )
    opened = {
        (row["campaign"], row["channel"]): row["last"]
        for row in changes.order_by().values("campaign", "channel").annotate(last=Max("at"))
    }
    for budget in budgets:
        campaign, zone = budget.campaign, budget.campaign.brand.zone
        rule = world.rule(Kind.BREAKER, campaign.brand_id)
        if not rule.on:
            continue
        since = opened.get((campaign.pk, budget.channel), budget.updated_at)
        probe = local_text(zone, budget.breaker_until or world.now, world.now)
        yield Finding(
            Kind.BREAKER, f"{Kind.BREAKER}:{campaign.pk}:{budget.channel}", campaign.brand_id, campaign.pk,
            rule.severity, f"{named(campaign)}, {label(budget.channel)}: the circuit breaker is open",
            f"Nothing is spent on this channel since {local_text(zone, since, world.now)}: "
            f"{budget.breaker_reason.rstrip('. ')}. "
            f"A probe may spend from {probe}.",
            [("reason", budget.breaker_reason), ("a probe from", probe)], since,
            "See why it opened; close it by hand, or let the probe decide.", page("pacing_channelbudget", budget.pk),
        )  # fmt: skip


PACE_KINDS = {
    AlertKind.EMERGENCY_STOP_REQUIRED: Kind.OVER_PACING,
    AlertKind.CRITICAL_OVERPACING: Kind.OVER_PACING,
    AlertKind.WARNING_OVERPACING: Kind.OVER_PACING,
    AlertKind.PERFORMANCE_DEGRADATION: Kind.PERFORMANCE,
    AlertKind.UNDER_PACING: Kind.UNDER_PACING,
}
"""That a breaker is open is found above."""


def _pace_alerts(world: World) -> Iterator[Finding]:
    """The pacer's own alerts that stand: it says when one is over."""
    standing = PaceAlert.objects.filter(_its_current(world), cleared_at=None, kind__in=list(PACE_KINDS))
    for row in standing.select_related("campaign__brand").order_by("pk"):
        campaign, kind = row.campaign, PACE_KINDS[AlertKind(row.kind)]
        rule = world.rule(kind, campaign.brand_id)
        if not rule.on:
            continue
        critical = row.severity == "critical" and not rule.own_severity
        yield Finding(
            kind, f"PACE_ALERT:{row.pk}", campaign.brand_id, campaign.pk,
            Severity.CRITICAL if critical else rule.severity,
            f"{named(campaign)}, {label(row.channel)}: {row.get_kind_display().lower()}", row.message,
            [("pace", f"{row.pace:.2f}")], row.raised_at, row.action or "See its plan for today.",
            page("pacing_pacealert", row.pk),
        )  # fmt: skip


# --- Paused or idle for long -----------------------------------------------------------------------------------------


def _in_flight() -> Q:
    return ~Q(holds__contains=Hold.ENDED.value) & ~Q(holds__contains=Hold.NOT_STARTED.value)


def _has_left(world: World, brand: Brand) -> bool:
    """Whether the brand's day and month leave anything to spend."""
    for kind in (PeriodKind.DAY, PeriodKind.MONTH):
        budget = budget_of(brand, kind)
        if budget is not None and world.used_of(brand, kind) >= budget:
            return False
    return True


def _paused_with_budget(world: World) -> Iterator[Finding]:
    kind = Kind.PAUSED_WITH_BUDGET
    reasons = [Hold.MANUAL.value, Hold.NO_SCHEDULE.value]
    paused = Campaign.objects.filter(
        _current(world), _in_flight(), status=CampaignStatus.PAUSED, pause_reason__in=reasons, manual_pause_until=None,
        paused_at__lte=world.now - timedelta(hours=1),
    )  # fmt: skip
    for campaign in paused.order_by("name", "pk"):
        brand = world.brands.get(campaign.brand_id)
        if brand is None:
            continue
        campaign.brand = brand
        rule = world.rule(kind, brand.pk)
        since = campaign.paused_at or world.now
        if not rule.on or since > world.now - timedelta(hours=rule.limit) or not _has_left(world, brand):
            continue
        by_hand = campaign.pause_reason == Hold.MANUAL.value
        why = "It was paused by hand, without an end" if by_hand else "None of its schedule windows is active"
        note = f": {campaign.manual_pause_reason}" if by_hand and campaign.manual_pause_reason else ""
        yield Finding(
            kind, f"{kind}:{campaign.pk}", brand.pk, campaign.pk, rule.severity,
            f"{named(campaign)}: paused though budget is left",
            f"{why}{note}. It has not run since {local_text(brand.zone, since, world.now)}. {_left(world, brand)}",
            [("not running since", local_text(brand.zone, since, world.now))], since,
            "Activate it, or resolve this if it is meant to wait." if by_hand else "Make a window active.",
            page("campaigns_campaign", campaign.pk),
        )  # fmt: skip


def _left(world: World, brand: Brand) -> str:
    budget = brand.daily_budget
    if budget is None:
        return "Its brand has no daily budget."
    left = amount(budget - world.used_of(brand, PeriodKind.DAY), brand)
    return f"{left} of its brand's daily budget of {amount(budget, brand)} are left."


def _never_ran(world: World) -> Iterator[Finding]:
    kind = Kind.NEVER_RAN
    told_as_such = [Hold.MANUAL, Hold.NO_SCHEDULE, Hold.EMERGENCY_STOP, *BUDGET_HOLDS]
    idle = Campaign.objects.filter(
        _current(world), _in_flight(), status=CampaignStatus.PAUSED, paused_at__lte=world.now - timedelta(days=1)
    ).exclude(pause_reason__in=[hold.value for hold in told_as_such])
    for campaign in idle.order_by("name", "pk"):
        if campaign.brand_id not in world.brands:
            continue
        campaign.brand = world.brands[campaign.brand_id]
        zone, rule = campaign.brand.zone, world.rule(kind, campaign.brand_id)
        since = campaign.paused_at or world.now
        if not rule.on or since > world.now - timedelta(days=rule.limit):
            continue
        reasons = ", ".join(hold.label.lower() for hold in campaign.holds)
        yield Finding(
            kind, f"{kind}:{campaign.pk}", campaign.brand_id, campaign.pk, rule.severity,
            f"{named(campaign)}: has not run for {(world.now - since).days} days",
            f"It has not run since {local_text(zone, since, world.now)}. What holds it: {reasons}.",
            [("not running since", local_text(zone, since, world.now)), ("held by", reasons)], since,
            "See on its page when it would run next; change what holds it, or archive it.",
            page("campaigns_campaign", campaign.pk),
        )  # fmt: skip


def _overrides(world: World) -> Iterator[Finding]:
    kind = Kind.OVERRIDE_ENDS
    ending = Override.objects.filter(
        _its_current(world), cleared_at=None, starts_at__lte=world.now,
        ends_at__gt=world.now, ends_at__lte=world.now + timedelta(days=7),
    )  # fmt: skip
    for override in ending.select_related("campaign__brand").order_by("ends_at", "pk"):
        campaign, zone = override.campaign, override.campaign.brand.zone
        rule = world.rule(kind, campaign.brand_id)
        if not rule.on or override.ends_at > world.now + timedelta(minutes=rule.limit):
            continue
        ends = local_text(zone, override.ends_at, world.now)
        lifts = ", ".join(hold.label.lower() for hold in override.lifts)
        yield Finding(
            kind, f"{kind}:{override.pk}", campaign.brand_id, campaign.pk, rule.severity,
            f"{named(campaign)}: its override ends {ends}",
            f"Until then it runs in spite of: {lifts}. Afterwards the normal rules decide.",
            [("ends", ends), ("lifts", lifts)], override.starts_at,
            "Override it anew if it is to run on; otherwise nothing has to be done.",
            page("campaigns_campaign", campaign.pk),
        )  # fmt: skip


FINDERS = (
    finder("emergency stops", _stops, Kind.EMERGENCY_STOP),
    finder("circuit breakers", _breakers, Kind.BREAKER),
    finder("the pacer's alerts", _pace_alerts, *PACE_KINDS.values()),
    finder("campaigns paused by hand", _paused_with_budget, Kind.PAUSED_WITH_BUDGET),
    finder("campaigns that do not run", _never_ran, Kind.NEVER_RAN),
    finder("overrides", _overrides, Kind.OVERRIDE_ENDS),
)
