"""Moving unused money between the channels of a campaign. Pure functions on values; money in micros.

Only transfers: what one channel gets another gives, so the sum never changes. A channel never falls below what it has
spent and holds. Budgets are worked out from the *original* split of the day, so that asking again with the same facts
gives the same answer and nothing compounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, NamedTuple

from budget_pacer.money import money_text

_KEEP: Final = 0.10
"""Of its budget a donor keeps so much beyond what it is expected to use."""
_HYSTERESIS: Final = 0.02
"""A move of less than this share of what is left of all budgets is not made."""


_KEEPS_UP: Final = 0.5
"""A channel that has spent less than this of what its plan says by now could not use more."""


class ChannelFacts(NamedTuple):
    """What is known of one channel."""

    budget: int
    """Now."""
    original: int
    """When the day's budgets were set."""
    used: int
    """Spent and held."""
    planned: float
    """Share of the day's plan that has passed, 0 to 1."""
    value_per_cost: float | None
    """What a unit of money returns; None when nothing is known."""
    can_spend: bool = True
    """False when its breaker is open or it is closed for the rest of the day: it receives nothing."""


class Demand(NamedTuple):
    """What a channel could still spend today, if only what returns at least `price` per unit of money is bought."""

    at_price: Callable[[float], float]
    """Micros that would be bought at a price; falls with the price."""
    highest_price: float


@dataclass(frozen=True, slots=True)
class Move:
    """One transfer."""

    donor: str
    receiver: str
    amount: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reallocation:
    """The new budgets in micros, how they came about, and why other things were left as they are."""

    budgets: Mapping[str, int]
    moves: tuple[Move, ...]
    reasons: tuple[str, ...]


class ReallocationRefused(ValueError):
    """Budgets that are no transfer of what there is, or take from a channel what it has used."""


def check_transfers(present: Mapping[str, tuple[int, int]], budgets: Mapping[str, int]) -> None:
    """Refuse new budgets unless they share out the present ones, as (budget, used) in micros. Raises
    ReallocationRefused."""
    if set(budgets) != set(present):
        raise ReallocationRefused(f"budgets are given for {sorted(budgets)}, there are {sorted(present)}")
    before, after = sum(budget for budget, _ in present.values()), sum(budgets.values())
    if before != after:
        raise ReallocationRefused(f"the budgets add up to {money_text(after)}, not to {money_text(before)}")
    for name, (_, used) in present.items():
        if budgets[name] < used:
            raise ReallocationRefused(
                f"{name} has used {money_text(used)}, more than the {money_text(budgets[name])} that it would get"
            )


def reallocate(facts: Mapping[str, ChannelFacts], threshold: float, unit: int) -> Reallocation:
    """Transfers from channels that will not use their money to channels that return more for it.

    A donor's expected use is its pace so far carried on, with a tenth of its budget as a reserve. A receiver returns at
    least `threshold` (0.2 = 20 %) more per unit of money than the donor, and has spent at least half of what its plan
    says by now: a channel that cannot spend what it has is not given more. The best receiver is served first, up to
    twice its budget.
    """
    start = {name: fact.original for name, fact in facts.items()}
    spare = {name: _spare(fact, unit) for name, fact in facts.items()}
    receivers = sorted(
        (name for name, fact in facts.items() if _keeps_up(fact)),
        key=lambda name: (-(facts[name].value_per_cost or 0.0), name),
    )
    budgets, moves, reasons = dict(start), list[Move](), list[str]()
    for receiver in receivers:
        best = facts[receiver].value_per_cost or 0.0
        room = start[receiver]
        for donor in sorted(spare, key=lambda name: (facts[name].value_per_cost or 0.0, name)):
            worth = facts[donor].value_per_cost or 0.0
            amount = min(spare[donor], room)
            if donor == receiver or amount < unit or best <= worth * (1 + threshold):
                continue
            budgets[donor] -= amount
            budgets[receiver] += amount
            spare[donor] -= amount
            room -= amount
            reason = (
                f"{money_text(amount)} from {donor} (used {money_text(facts[donor].used)} with "
                f"{facts[donor].planned:.0%} of its plan passed, returns {worth:.4g}) "
                f"to {receiver} (returns {best:.4g})"
            )
            moves.append(Move(donor, receiver, amount, reason))
    reasons.extend(
        f"{name} has {money_text(left)} to spare, but no channel that keeps up with its plan returns "
        f"{threshold:.0%} more than it"
        for name, left in spare.items()
        if left >= unit
    )
    return _settled(facts, budgets, moves, reasons)


def share_by_price(facts: Mapping[str, ChannelFacts], demands: Mapping[str, Demand], unit: int) -> Reallocation:
    """Budgets at one price of money for all channels, which is where the sum of their returns is highest: a unit moves
    from the channel whose worst purchase returns little to the one whose next purchase returns more.

    Averages cannot tell that (a channel may be good on average and used up); demand curves can. What nobody can use
    stays where it is. (The equal-marginal-return rule of concave allocation; one Lagrange multiplier for the budget.)
    """
    left = sum(fact.budget - fact.used for fact in facts.values())
    low, high = 0.0, max((demand.highest_price for demand in demands.values()), default=0.0)
    for _ in range(50):
        # In the middle by ratio once that is possible: prices spread over orders of magnitude.
        price = sqrt(low * high) if low > high * 1e-6 else (low + high) / 8
        if sum(demand.at_price(price) for demand in demands.values()) > left:
            low = price
        else:
            high = price
    wanted = {name: max(0.0, demands[name].at_price(high)) for name in facts}
    total = sum(wanted.values())
    rest = max(0.0, left - total)
    # What is left when everybody has what they want goes by the same proportions: forecasts may be low.
    shares = {name: wanted[name] + (rest * wanted[name] / total if total > 0 else 0.0) for name in facts}
    if total <= 0:
        return Reallocation({name: fact.budget for name, fact in facts.items()}, (), ("no channel expects traffic",))
    budgets = {name: fact.used + int(shares[name]) // unit * unit for name, fact in facts.items()}
    over = sum(fact.budget for fact in facts.values()) - sum(budgets.values())
    first = max(facts, key=lambda name: (shares[name], name))
    budgets[first] += over
    moves = _moves(facts, budgets, f"one price of money for all channels: {high:.4g} returned per unit")
    return _settled(facts, budgets, moves, [])


def _moves(facts: Mapping[str, ChannelFacts], budgets: Mapping[str, int], reason: str) -> list[Move]:
    gives = {name: facts[name].budget - budgets[name] for name in facts if budgets[name] < facts[name].budget}
    moves = []
    for receiver in facts:
        wants = budgets[receiver] - facts[receiver].budget
        for donor in list(gives):
            amount = min(gives[donor], wants)
            if amount > 0:
                moves.append(
                    Move(donor, receiver, amount, f"{money_text(amount)} from {donor} to {receiver}: {reason}")
                )
                gives[donor] -= amount
                wants -= amount
    return moves


def _settled(
    facts: Mapping[str, ChannelFacts], budgets: dict[str, int], moves: Sequence[Move], reasons: Sequence[str]
) -> Reallocation:
    """The answer, unless it is too small a change to make, or spend since the original split forbids it."""
    now = {name: fact.budget for name, fact in facts.items()}
    moved = sum(abs(budgets[name] - now[name]) for name in facts) // 2
    left = sum(max(0, fact.budget - fact.used) for fact in facts.values())
    if any(budgets[name] < min(facts[name].used, now[name]) for name in facts):
        return Reallocation(now, (), (*reasons, "a channel has already spent what it would have to give back"))
    if moved == 0:
        return Reallocation(now, (), tuple(reasons) or ("no channel has money to spare",))
    if moved < left * _HYSTERESIS:
        return Reallocation(now, (), (*reasons, f"{money_text(moved)} is too little to move"))
    return Reallocation(budgets, tuple(moves), (*(move.reason for move in moves), *reasons))


def _spare(fact: ChannelFacts, unit: int) -> int:
    """What a channel will not use, in whole units; 0 as long as too little of its plan has passed to know."""
    if not fact.can_spend:
        return max(0, fact.original - fact.used) // unit * unit
    if fact.planned < 0.1:
        return 0
    expected = fact.used / fact.planned
    return max(0, int(min(fact.original - expected - fact.original * _KEEP, fact.original - fact.used))) // unit * unit


def _keeps_up(fact: ChannelFacts) -> bool:
    if not fact.can_spend or fact.value_per_cost is None:
        return False
    return fact.used >= _KEEPS_UP * fact.original * fact.planned
