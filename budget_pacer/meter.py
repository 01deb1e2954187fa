"""Counting money against limits in constant time and memory: one channel, one local day.

Pure functions on frozen values. Nothing here looks at past transactions: a running sum a day, one an hour, and a ring
of parts for the sliding window.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from budget_pacer.config import PacerConfig
from budget_pacer.day import Day, moment_of_open_second, slot_index
from budget_pacer.money import about_text, money_text
from budget_pacer.plan import Plan

PARTS: Final = 10
"""The sliding window is counted in so many parts and the present one, so it is never shorter than it says."""
_EMPTY: Final = (0,) * (PARTS + 1)
_RELEASED_S: Final = 2700
"""In the last 45 open minutes speed is not limited: what is left may go, under the other limits."""


class Limits(NamedTuple):
    """The limits of one channel on one day, in micros; worked out once when the plan is laid."""

    budget: int
    hour_caps: tuple[int, ...]
    """The most that each slot of the day may hold: the hourly cap, less in the protected first hours."""
    plain_caps: tuple[int, ...]
    """The same without that protection: what a recorded amount is measured by."""
    emergency_from: int
    """Spent above this may be an emergency; below it that need not be asked."""
    window_trips_at: int
    protected_until_s: float
    window_part_s: float
    window_limit: int
    window_released_s: float


class Meter(NamedTuple):
    """What is counted today. Sums in micros."""

    spent: int
    held: int
    by_slot: tuple[int, ...]
    """Spent and held, by slot of the day."""
    window: tuple[int, ...]
    """Sums of the newest parts of the sliding window, newest last."""
    newest: int
    """Number of the newest part since 1970."""
    amounts: int
    """How many amounts in a row have fallen into the window without a gap as long as the window."""
    held_by_slot: tuple[int, ...]
    """The part of `by_slot` that is held."""


def new_meter(slots: int) -> Meter:
    """A meter at the beginning of a day with so many slots."""
    nothing = (0,) * slots
    return Meter(0, 0, nothing, _EMPTY, 0, 0, nothing)


def limits_of(budget: int, plan: Plan, day: Day, config: PacerConfig) -> Limits:
    """The limits that follow from budget, plan and settings."""
    cap = int(budget * config.max_hourly_spend_pct)
    protected_open_s = min(config.frontload_protection_hours * 3600, day.open_s / 2)
    protected_until = moment_of_open_second(day, protected_open_s) if protected_open_s else day.start
    caps, plain_caps = [], []
    for index, slot in enumerate(day.slots):
        of_plan = _share(budget, plan, index)
        hour_cap = max(cap, of_plan)
        plain_caps.append(hour_cap)
        # An hour in which protection ends is left whole.
        if slot.end <= protected_until:
            hour_cap = min(hour_cap, int(of_plan * config.frontload_share))
        caps.append(hour_cap)
    window_limit = int(budget * config.velocity_factor * config.velocity_window_s / max(day.open_s, 1))
    return Limits(
        budget=budget,
        hour_caps=tuple(caps),
        plain_caps=tuple(plain_caps),
        emergency_from=int(budget * config.emergency_stop_threshold),
        window_trips_at=int(window_limit * config.velocity_trip),
        protected_until_s=float(protected_until),
        window_part_s=config.velocity_window_s / PARTS,
        window_limit=window_limit,
        window_released_s=float(moment_of_open_second(day, max(0, day.open_s - _RELEASED_S))),
    )


def _share(budget: int, plan: Plan, index: int) -> int:
    # Rounded up, as allocations are: a cap never stands below its own plan.
    return -(-budget * plan.weights[index] // plan.total) if plan.total else 0


def window_sum(meter: Meter, limits: Limits, at_s: float) -> int:
    """What fell into the sliding window that ends at a moment."""
    behind = int(at_s / limits.window_part_s) - meter.newest
    if behind <= 0:
        return sum(meter.window)
    return sum(meter.window[behind:]) if behind <= PARTS else 0


def refusal(meter: Meter, limits: Limits, slot: int, amount: int, at_s: float) -> str | None:
    """Why an amount may not be spent now, in words; None when it may. Constant time."""
    left = limits.budget - meter.spent - meter.held
    if amount > left:
        return (
            f"daily budget: {money_text(max(0, left))} of {money_text(limits.budget)} left, "
            f"{money_text(amount)} asked for"
        )
    cap = limits.hour_caps[slot]
    if meter.by_slot[slot] + amount > cap:
        rest = f"{money_text(max(0, cap - meter.by_slot[slot]))} of {money_text(cap)} left for this hour"
        if at_s < limits.protected_until_s:
            return f"front-load protection: {rest}, {money_text(amount)} asked for"
        return f"hourly limit: {rest}, {money_text(amount)} asked for"
    if at_s < limits.window_released_s and meter.newest + PARTS >= at_s / limits.window_part_s:
        recent = window_sum(meter, limits, at_s)
        if recent and recent >= limits.window_limit:
            return (
                f"velocity: {money_text(recent)} within {limits.window_part_s * PARTS:.0f} s, the limit is "
                f"{about_text(limits.window_limit)}: wait"
            )
    return None


def counted(meter: Meter, limits: Limits, slot: int, spent: int, held: int, at_s: float) -> Meter:
    """The meter after so much was spent and held (held may be negative: a settled hold is held less, spent more)."""
    by_slot, held_by_slot = meter.by_slot, meter.held_by_slot
    change = spent + held
    # Slots that no longer exist, or count less than was held in them: the calendar was changed in between.
    slot = min(slot, len(by_slot) - 1)
    part = int(at_s / limits.window_part_s)
    window, newest, amounts = meter.window, meter.newest, meter.amounts
    if change:
        by_slot = _with(by_slot, slot, max(0, by_slot[slot] + change))
    if held:
        held_by_slot = _with(held_by_slot, slot, max(0, held_by_slot[slot] + held))
    if change > 0:
        ahead = part - newest
        if ahead == 0:
            window, amounts = (*window[:-1], window[-1] + change), amounts + 1
        elif ahead > PARTS:
            window, newest, amounts = (*_EMPTY[1:], change), part, 1
        elif ahead > 0:
            window, newest, amounts = (*window[ahead:], *_EMPTY[1:ahead], change), part, amounts + 1
        elif ahead >= -PARTS:
            index = PARTS + ahead
            window, amounts = (*window[:index], window[index] + change, *window[index + 1 :]), amounts + 1
    return Meter(meter.spent + spent, meter.held + held, by_slot, window, newest, amounts, held_by_slot)


def corrected(meter: Meter, slot: int, amount: int) -> Meter:
    """The meter after what was spent turned out to be more or less. It is no purchase: the window stays.

    What a slot has not spent is taken from the slots before it, and after those from the ones behind it; no slot and
    no day falls below nothing spent, and what is held stays.
    """
    amount = max(amount, -meter.spent)
    by_slot = list(meter.by_slot)
    left = amount
    for index in (*range(slot, -1, -1), *range(slot + 1, len(by_slot))):
        change = max(left, meter.held_by_slot[index] - by_slot[index])
        by_slot[index] += change
        left -= change
        if not left:
            break
    return meter._replace(spent=meter.spent + amount, by_slot=tuple(by_slot))


def moved(meter: Meter, before: Day, after: Day) -> Meter:
    """The meter on another calendar's day: each slot's sums go to the slot in which it begins, where there is one."""
    by_slot, held_by_slot = [0] * len(after.slots), [0] * len(after.slots)
    for index, slot in enumerate(before.slots):
        if after.start <= slot.start < after.end:
            by_slot[slot_of(after, slot.start)] += meter.by_slot[index]
            held_by_slot[slot_of(after, slot.start)] += meter.held_by_slot[index]
    return meter._replace(by_slot=tuple(by_slot), held_by_slot=tuple(held_by_slot))


def _with(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])


def slot_of(day: Day, at_s: float) -> int:
    """The slot in which a moment counts. Most days run evenly, which spares the search."""
    index = int(at_s - day.start) // 3600
    if 0 <= index < len(day.slots) and day.slot_starts[index] <= at_s < day.slots[index].end:
        return index
    return slot_index(day, at_s)
