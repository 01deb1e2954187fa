"""Splitting money: shares under caps, and whole cents that add up. Pure functions on values."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil


def water_fill(weights: Sequence[int], caps: Sequence[Fraction]) -> list[Fraction]:
    """Shares that add up to 1, in proportion to `weights` (>= 0) as far as no share is above its cap.

    What a cap cuts off goes to the others in proportion, again and again until nothing is above its cap: the caps hold
    after normalising, not before. Where the caps of the positive weights add up to less than 1 they are all raised by
    the same factor, because the money has to go somewhere. All weights 0: all shares 0.
    """
    total_cap = sum((cap for weight, cap in zip(weights, caps, strict=True) if weight > 0), Fraction(0))
    if total_cap == 0:
        return [Fraction(0)] * len(weights)
    if total_cap <= 1:
        return [cap / total_cap if weight > 0 else Fraction(0) for weight, cap in zip(weights, caps, strict=True)]
    shares = [Fraction(0)] * len(weights)
    free = [index for index, weight in enumerate(weights) if weight > 0]
    left = Fraction(1)
    while free:
        total = sum(weights[index] for index in free)
        above = [index for index in free if left * weights[index] > caps[index] * total]
        if not above:
            for index in free:
                shares[index] = left * weights[index] / total
            break
        for index in above:
            shares[index] = caps[index]
            left -= caps[index]
        capped = set(above)
        free = [index for index in free if index not in capped]
    return shares


def split(total: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole units (cents) in proportion to `shares`, which add up to 1; the result adds up to `total` exactly.

    Adams' divisor method: every part is its share at one common scale, rounded up. Largest remainders would be simpler,
    but there a part can fall when the total rises (the Alabama paradox). Here no part ever falls when the total rises,
    none is above its exact share rounded up, and a share of 0 gets 0.
    """
    if total < 0:
        raise ValueError(f"cannot split {total}: it is negative")
    parts = [ceil(share * total) for share in shares]
    for _ in range(sum(parts) - total):
        # The part that a falling scale would be first to cut; equal ones in a fixed order.
        last = max(
            (index for index, part in enumerate(parts) if part > 0),
            key=lambda index: (Fraction(parts[index] - 1) / shares[index], index),
        )
        parts[last] -= 1
    if sum(parts) != total:
        raise ValueError(f"shares add up to {float(sum(shares))}, not to 1")
    return parts


def split_money(micros: int, shares: Sequence[Fraction], unit: int) -> list[int]:
    """As `split`, in units of `unit` micros. An amount that is no whole number of them is split in the largest power of
    ten of micros that divides it."""
    while micros % unit:
        unit //= 10
    return [part * unit for part in split(micros // unit, shares)]
