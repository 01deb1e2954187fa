"""How much traffic the rest of a day will bring, from past days and from what has come today. Pure functions.

Three corrections, each the posterior mean of a simple model: which of several day shapes this day follows (tempered
multinomial likelihood), how strong the day is (Gamma-Poisson), and what the last 40 minutes were like, which is
believed less the further ahead one looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, exp, log, pi
from typing import Final, NamedTuple

EFFECTIVE_COUNT: Final = 120.0
"""Opportunities come in bursts, and hours drift: for telling shapes apart a day says no more than so many independent
opportunities would."""
LEVEL_PRIOR: Final = 0.2
"""The forecast of the day's volume weighs as much as this share of a day of traffic: hours drift together, so a slow
morning says little of the evening."""
PRICE_PRIOR: Final = 0.04
"""The same for the levels of costs and returns."""
FADE_TRAFFIC: Final = 0.45
"""Of a deviation seen now, so much is expected an hour ahead."""
FADE_PRICE: Final = 0.8
HALF_LIFE_S: Final = 2400.0

Shape = Sequence[float]
"""Expected traffic of the 24 hours of the clock, in any unit."""


def _bump(peak_hour: float, depth: float) -> tuple[float, ...]:
    return tuple(1 + depth * cos(2 * pi * (hour + 0.5 - peak_hour) / 24) for hour in range(24))


LIBRARY: Final[tuple[tuple[Shape, float], ...]] = (
    (_bump(13, 0.0), 0.1),
    *((_bump(peak, depth), 0.9 / 12) for peak in (10, 12, 14, 16, 18, 20) for depth in (0.4, 0.8)),
)
"""Generic days, which say only that nights are quieter; own history outweighs them as soon as there is some."""
_OWN: Final = 0.7
"""Prior weight of the own shape beside them."""


class Shapes(NamedTuple):
    """Candidate shapes of one day, as shares of its slots, with the logarithms of their prior weights."""

    shares: tuple[tuple[float, ...], ...]
    log_priors: tuple[float, ...]


def shapes_of(own: Shape | None, hours: Sequence[int], open_s: Sequence[int]) -> Shapes:
    """The candidates laid over the slots of a day (`hours` and `open_s` by slot)."""
    candidates: list[tuple[Shape, float]] = list(LIBRARY)
    if own is not None and sum(own) > 0:
        candidates = [(shape, weight * (1 - _OWN)) for shape, weight in LIBRARY]
        candidates.append((own, _OWN))
    shares, log_priors = [], []
    for shape, weight in candidates:
        raw = [max(shape[hour], 0.0) * seconds for hour, seconds in zip(hours, open_s, strict=True)]
        total = sum(raw)
        if total > 0:
            # A trace everywhere: a share of 0 would rule a shape out for ever after one stray opportunity.
            floor = 0.002 / len(raw)
            shares.append(tuple(0.998 * value / total + floor * (s > 0) for value, s in zip(raw, open_s, strict=True)))
            log_priors.append(log(weight))
    return Shapes(tuple(shares), tuple(log_priors))


def blend(shapes: Shapes, counts: Sequence[float], slot: int, part: float, volume: float) -> list[float]:
    """The posterior mean of the shapes, given the counts of the slots up to `slot`, of which `part` has passed, on
    a day of about `volume` opportunities."""
    temper = min(1.0, EFFECTIVE_COUNT / max(volume, 1.0))
    scores = []
    for share, log_prior in zip(shapes.shares, shapes.log_priors, strict=True):
        passed = [*share[:slot], share[slot] * part]
        total = sum(passed)
        score = log_prior
        if total > 0:
            for count, expected in zip(counts, passed, strict=False):
                if count > 0 and expected > 0:
                    score += temper * count * log(expected / total)
        scores.append(score)
    if not scores:
        return [0.0] * len(counts)
    best = max(scores)
    weights = [exp(score - best) for score in scores]
    total = sum(weights)
    return [
        sum(weight * share[index] for weight, share in zip(weights, shapes.shares, strict=True)) / total
        for index in range(len(counts))
    ]


def day_volume(usual: float | None, count: float, passed: float) -> float:
    """Expected opportunities of the whole day, given what has come while `passed` of its traffic should have."""
    if usual is None:
        # Nothing to compare with: carried on from today, timidly at first.
        return count / max(passed, 0.02)
    prior = LEVEL_PRIOR * usual
    return usual * (prior + count) / (prior + usual * passed)


def ahead(deviation: float, fade: float, hours: float) -> float:
    """A ratio of seen to expected as it is believed for so many hours ahead."""
    return 1 + (deviation - 1) * float(fade ** max(hours, 0.0))
