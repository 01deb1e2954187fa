"""Timing two ways of the same work in turn, A B A B, and saying how they compare."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

Step = Callable[[], object]


def nothing() -> None:
    """No preparation."""


class Work(NamedTuple):
    """Something to time. `prepare` brings the state back before each run and is not timed."""

    run: Step
    prepare: Step = nothing


@dataclass(frozen=True)
class Samples:
    """How long each run took, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def spread(self, shown: Callable[[float], str]) -> str:
        """The median, and the quickest and the slowest run."""
        return f"{shown(self.median)} ({shown(min(self.seconds))}–{shown(max(self.seconds))})"


def alternate(*works: Work, rounds: int) -> tuple[Samples, ...]:
    """Run each work in turn, `rounds` times, after one round that does not count."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, taken in zip(works, times, strict=True):
            taken.append(_timed(work))
    return tuple(Samples(tuple(taken[1:])) for taken in times)


def _timed(work: Work) -> float:
    work.prepare()
    gc.collect()
    started = time.perf_counter()
    work.run()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Result:
    """One line of the report. `figure` is compared with `goal`: at most it, or at least it."""

    number: str
    name: str
    ours: str
    bare: str
    figure: float
    goal: float
    stretch: float
    at_most: bool = True
    unit: str = "x"

    @property
    def met(self) -> str:
        if self._reaches(self.stretch):
            return "met, and the stretch"
        return "met" if self._reaches(self.goal) else "NOT MET"

    def _reaches(self, goal: float) -> bool:
        return self.figure <= goal if self.at_most else self.figure >= goal

    def cells(self) -> tuple[str, ...]:
        sign = "≤" if self.at_most else "≥"
        figure = f"{self.figure:.0f} {self.unit}" if self.unit != "x" else f"{self.figure:.2f}"
        goal = f"{sign} {self.goal:g} ({self.stretch:g})"
        return (self.number, self.name, self.ours, self.bare, figure, goal, self.met)


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def slower(number: str, name: str, ours: Samples, bare: Samples, goal: float, stretch: float) -> Result:
    """How many times as long ours takes."""
    ratio = ours.median / bare.median
    return Result(number, name, ours.spread(duration), bare.spread(duration), ratio, goal, stretch)


def rate(number: str, name: str, rows: int, ours: Samples, bare: Samples, goal: float, stretch: float) -> Result:
    """Which part of bare SQL's rows a second ours reaches."""

    def shown(samples: Samples) -> str:
        low, high = rows / max(samples.seconds), rows / min(samples.seconds)
        return f"{rows / samples.median:,.0f} ({low:,.0f}–{high:,.0f}) rows/s"

    part = bare.median / ours.median
    return Result(number, name, shown(ours), shown(bare), part, goal, stretch, at_most=False)
