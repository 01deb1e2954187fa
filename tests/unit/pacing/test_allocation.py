"""Shares under caps, and cents that add up."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget_pacer.allocation import split, split_money, water_fill

weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=26).filter(any)
caps = st.fractions(Fraction(1, 26), 1)


def shares_of(weights: list[int]) -> list[Fraction]:
    return [Fraction(weight, sum(weights)) for weight in weights]


@given(weights, caps)
def test_caps_hold_after_normalising(weights: list[int], cap: Fraction) -> None:
    shares = water_fill(weights, [cap] * len(weights))

    positive = sum(weight > 0 for weight in weights)
    assert sum(shares) == 1
    assert max(shares) <= max(cap, Fraction(1, positive))
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if weight == 0)


@given(weights, caps)
def test_what_is_not_capped_keeps_its_proportions(weights: list[int], cap: Fraction) -> None:
    shares = water_fill(weights, [cap] * len(weights))

    free = [(s, w) for s, w in zip(shares, weights, strict=True) if w and s < cap]
    if max(shares) <= cap:
        assert len({share / weight for share, weight in free}) <= 1


def test_a_cap_that_cuts_one_off_may_push_the_next_over_it() -> None:
    assert water_fill([80, 14, 6], [Fraction(1, 2)] * 3) == [Fraction(1, 2), Fraction(35, 100), Fraction(15, 100)]
    assert water_fill([80, 14, 6], [Fraction(7, 20)] * 3) == [Fraction(7, 20), Fraction(7, 20), Fraction(3, 10)]


def test_caps_that_cannot_hold_are_raised_together() -> None:
    assert water_fill([5, 5, 0, 90], [Fraction(15, 100)] * 4) == [Fraction(1, 3), Fraction(1, 3), 0, Fraction(1, 3)]


@given(st.integers(0, 10**9), weights)
def test_parts_add_up_and_none_is_above_its_share_rounded_up(total: int, weights: list[int]) -> None:
    parts = split(total, shares_of(weights))

    assert sum(parts) == total
    for part, share in zip(parts, shares_of(weights), strict=True):
        assert 0 <= part <= -(-share * total // 1)


@given(st.integers(0, 10**6), st.integers(0, 300), weights)
def test_no_part_falls_when_the_total_rises(total: int, more: int, weights: list[int]) -> None:
    before, after = split(total, shares_of(weights)), split(total + more, shares_of(weights))

    assert all(a <= b for a, b in zip(before, after, strict=True))


def test_a_negative_total_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        split(-1, [Fraction(1)])


@pytest.mark.fault(42)
def test_money_finer_than_its_unit_is_split_finer() -> None:
    assert sum(split_money(1_000_001, [Fraction(1, 3)] * 3, 10_000)) == 1_000_001
    assert all(part % 10_000 == 0 for part in split_money(1_000_000, [Fraction(1, 3)] * 3, 10_000))
