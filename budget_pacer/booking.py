"""What happens to a channel's state when money is asked for, spent, set aside or given back.

Pure functions on frozen values, all in constant time; the pacer reads the clock, calls one of them and swaps the result
in.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from budget_pacer import breaker as breakers
from budget_pacer.breaker import Breaker
from budget_pacer.config import PacerConfig
from budget_pacer.day import Day, is_open, opens_again
from budget_pacer.meter import Meter, corrected, counted, limits_of, new_meter, refusal, window_sum
from budget_pacer.money import from_micros, money_text
from budget_pacer.pace import PACE_ALERTS, is_emergency, pace_text
from budget_pacer.plan import Plan, planned_share, reason_of, slot_amounts
from budget_pacer.store import ChannelState
from budget_pacer.values import AlertType, CircuitBreakerState, HourStatus, Performance

GRANTED: Final = "ok"
_BURST: Final = 5
"""Fewer amounts than this are not a velocity, however large they are."""
_CLOSED = CircuitBreakerState.CLOSED
_OPEN = CircuitBreakerState.OPEN
_ALWAYS_OPEN_S: Final = 3600


class Outcome(NamedTuple):
    """What a result brought, besides its cost."""

    impressions: float = 0.0
    clicks: float = 0.0
    conversions: float = 0.0
    revenue: float = 0.0


def opened(state: ChannelState, plan: Plan, day: Day, config: PacerConfig) -> ChannelState:
    """The channel at the beginning of another day: its original budget, nothing counted. Breaker and performance go on;
    pace issues were the other day's."""
    return state._replace(
        plan=plan,
        limits=limits_of(state.original, plan, day, config),
        meter=new_meter(len(day.slots)),
        issues=state.issues - PACE_ALERTS,
    )


def why_not(state: ChannelState, day: Day, slot: int, amount: int, at_s: float, config: PacerConfig) -> str | None:
    """Why an amount may not be spent on the channel now; None when it may."""
    if state.breaker.state is not _CLOSED:
        reason = _breaker_refuses(state, amount, at_s, config)
        if reason is not None:
            return reason
    if day.slots[slot].open_s != _ALWAYS_OPEN_S and not is_open(day, at_s):
        opens = opens_again(day, at_s)
        return "closed: outside the open hours" + ("" if opens is None else f" for {(opens - at_s) / 60:.0f} minutes")
    return refusal(state.meter, state.limits, slot, amount, at_s)


def _breaker_refuses(state: ChannelState, amount: int, at_s: float, config: PacerConfig) -> str | None:
    breaker = breakers.at(state.breaker, at_s, config)
    if breaker.state is _OPEN:
        wait = (breakers.reopens_at(breaker, config) - at_s) / 60
        return f"circuit breaker open: {breaker.reason}; a probe is allowed in {wait:.0f} minutes"
    quota = int(state.limits.budget * config.probe_pct)
    # A first ticket passes even when it is dearer than the probe, or dear channels could never show that they are well.
    if breaker.probed and breaker.probed + amount > quota:
        return (
            f"circuit breaker half open ({breaker.reason}): {money_text(breaker.probed)} of the probe's "
            f"{money_text(quota)} used"
        )
    return None


def recorded(
    state: ChannelState, day: Day, slot: int, amount: int, outcome: Outcome, at_s: float, config: PacerConfig
) -> ChannelState:
    """After money was spent without a reservation. It is counted whatever the limits say: it is gone."""
    meter, limits = state.meter, state.limits
    over = meter.spent + meter.held + amount > limits.budget or meter.by_slot[slot] + amount > limits.plain_caps[slot]
    meter = counted(meter, limits, slot, amount, 0, at_s)
    breaker = state.breaker
    if breaker.state is not _CLOSED:
        breaker = _probed(breakers.at(breaker, at_s, config), amount)
    if over:
        reason = f"repeated overspend: {money_text(meter.spent)} of {money_text(limits.budget)} today"
        breaker = breakers.overspent(breaker, reason, at_s, config)
    return _after(state, meter, breaker, day, amount, outcome, at_s, config, well=not over)


def held(state: ChannelState, slot: int, amount: int, at_s: float, config: PacerConfig) -> ChannelState:
    """After an amount that may be spent was set aside."""
    breaker = state.breaker
    if breaker.state is not _CLOSED:
        breaker = _probed(breakers.at(breaker, at_s, config), amount)
    return state._replace(meter=counted(state.meter, state.limits, slot, 0, amount, at_s), breaker=breaker)


def settled(
    state: ChannelState,
    day: Day,
    slot: int,
    amount: int,
    reserved: int,
    outcome: Outcome,
    at_s: float,
    config: PacerConfig,
) -> ChannelState:
    """After a reservation of this day was spent in whole or in part; the rest is free again."""
    meter = counted(state.meter, state.limits, slot, amount, -reserved, at_s)
    breaker = state.breaker
    if breaker.state is not _CLOSED:
        breaker = _probed(breakers.at(breaker, at_s, config), amount - reserved)
    return _after(state, meter, breaker, day, amount, outcome, at_s, config, well=True)


def freed(state: ChannelState, slot: int, amount: int, at_s: float) -> ChannelState:
    """After a reservation of this day was voided or lapsed."""
    breaker = state.breaker
    if breaker.state is not _CLOSED:
        breaker = _probed(breaker, -amount)
    return state._replace(meter=counted(state.meter, state.limits, slot, 0, -amount, at_s), breaker=breaker)


def brought(state: ChannelState, outcome: Outcome, at_s: float) -> ChannelState:
    """After results of money spent before were reported. Negative ones take back what was reported too much."""
    fresh = state.fresh
    return state._replace(
        fresh_since_s=_since(state, at_s),
        fresh=Performance(
            max(0.0, fresh.impressions + outcome.impressions),
            max(0.0, fresh.clicks + outcome.clicks),
            max(0.0, fresh.conversions + outcome.conversions),
            fresh.cost,
            max(0.0, fresh.revenue + outcome.revenue),
        ),
    )


def restated(state: ChannelState, slot: int, amount: int) -> ChannelState:
    """After what was spent in an hour of this day turned out to be more or less. Neither a breach nor a clean
    transaction; issues clear with the next check."""
    return state._replace(meter=corrected(state.meter, slot, amount))


def with_breaker(state: ChannelState, breaker: Breaker) -> ChannelState:
    """With another breaker, and the issue that goes with it."""
    return state._replace(breaker=breaker, issues=_with_breaker(state.issues, breaker))


def hour_statuses(state: ChannelState, day: Day, unit: int) -> list[HourStatus]:
    """The day by hour: plan against actual."""
    limits, meter = state.limits, state.meter
    planned = slot_amounts(state.plan, limits.budget, unit)
    result = []
    for index, slot in enumerate(day.slots):
        held = meter.held_by_slot[index]
        protected = bool(slot.open_s) and slot.end <= limits.protected_until_s
        reason = reason_of(day, [i for i, other in enumerate(day.slots) if other.hour == slot.hour], state.plan)
        result.append(
            HourStatus(
                hour=slot.hour,
                starts_at=datetime.fromtimestamp(slot.start, UTC),
                planned=from_micros(planned[index], unit),
                spent=from_micros(meter.by_slot[index] - held, unit),
                held=from_micros(held, unit),
                cap=from_micros(limits.hour_caps[index] if slot.open_s else 0, unit),
                protected=protected,
                reason=f"{reason}; front-load protection" if protected else reason,
            )
        )
    return result


def _probed(breaker: Breaker, amount: int) -> Breaker:
    if breaker.state is _OPEN:
        return breaker
    return breaker._replace(probed=max(0, breaker.probed + amount))


def _after(
    state: ChannelState,
    meter: Meter,
    breaker: Breaker,
    day: Day,
    amount: int,
    outcome: Outcome,
    at_s: float,
    config: PacerConfig,
    *,
    well: bool,
) -> ChannelState:
    limits = state.limits
    if meter.amounts >= _BURST and (recent := window_sum(meter, limits, at_s)) > limits.window_trips_at:
        breaker = breakers.tripped(
            breaker, f"unusual velocity: {money_text(recent)} within {limits.window_part_s * 10:.0f} s", at_s
        )
    elif meter.spent > limits.emergency_from and emergency(state, meter, day, at_s, config):
        breaker = breakers.tripped(breaker, emergency_text(state, meter, day, at_s), at_s)
    elif well and (breaker.state is not _CLOSED or breaker.overspends):
        breaker = breakers.went_well(breaker, config)
    fresh, since_s = state.fresh, _since(state, at_s)
    if outcome.clicks or outcome.impressions or outcome.conversions or amount:
        fresh = Performance(
            fresh.impressions + outcome.impressions,
            fresh.clicks + outcome.clicks,
            fresh.conversions + outcome.conversions,
            fresh.cost + amount / 1_000_000,
            fresh.revenue + outcome.revenue,
        )
    return ChannelState(
        state.strategy,
        state.original,
        state.plan,
        limits,
        meter,
        breaker,
        _with_breaker(state.issues, breaker),
        fresh,
        since_s,
        state.converting,
    )


def _since(state: ChannelState, at_s: float) -> float:
    fresh = state.fresh
    return state.fresh_since_s if fresh.cost or fresh.clicks or fresh.impressions else at_s


def _with_breaker(issues: frozenset[AlertType], breaker: Breaker) -> frozenset[AlertType]:
    if breaker.state is _CLOSED:
        return issues - {AlertType.CIRCUIT_BREAKER_OPEN} if issues else issues
    return issues | {AlertType.CIRCUIT_BREAKER_OPEN} if breaker.state is _OPEN else issues


def emergency(state: ChannelState, meter: Meter, day: Day, at_s: float, config: PacerConfig) -> bool:
    """Whether nearly everything is spent well ahead of plan."""
    return is_emergency(meter.spent, state.limits.budget, planned_share(state.plan, day, at_s), config)


def emergency_text(state: ChannelState, meter: Meter, day: Day, at_s: float) -> str:
    """The figures of that."""
    return "ahead of plan: " + pace_text(meter.spent, state.limits.budget, planned_share(state.plan, day, at_s))
