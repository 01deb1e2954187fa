"""How much is measured: the sizes of the goals, or small ones to see that the benchmark itself works."""

from typing import NamedTuple


class Sizes(NamedTuple):
    """Campaigns in the three databases, and how much is done in them."""

    small: int
    middle: int
    large: int
    due: int
    imported: int
    posted: int
    singles: int
    reserved: int
    clients: int
    spends: int
    rounds: int


FULL = Sizes(
    10_000, 100_000, 1_000_000, due=1_000, imported=100_000, posted=1_000, singles=200, reserved=2_000, clients=8,
    spends=1_000_000, rounds=5,
)  # fmt: skip
QUICK = Sizes(
    200, 1_000, 3_000, due=30, imported=1_000, posted=100, singles=10, reserved=80, clients=2, spends=2_000, rounds=1
)  # fmt: skip
