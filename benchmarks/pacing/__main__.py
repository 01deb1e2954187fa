"""Replay, measure, print the tables, say target by target whether it is met.

python -m benchmarks.pacing [--data DIR] [--days N] [--tickets N] [--seed N] [--plots DIR] [--past N] [--jobs N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from random import Random
from statistics import mean

from benchmarks.pacing import rivals
from benchmarks.pacing.anomalies import Series, Watched, generated_prices, recorded_prices, watch
from benchmarks.pacing.channels import SharedResult, shared_day
from benchmarks.pacing.days import SETTINGS, ReplayDay, generated_days
from benchmarks.pacing.months import RULES, MonthResult, month
from benchmarks.pacing.ours import LateOurs, Ours
from benchmarks.pacing.plots import plot
from benchmarks.pacing.recorded import (
    Recorded,
    UnableToReadData,
    generated_month_series,
    month_series,
    read,
    recorded_days,
)
from benchmarks.pacing.replay import Result, replay
from benchmarks.pacing.speed import measure
from benchmarks.pacing.targets import Target, judge
from budget_pacer import PacingStrategy

S = PacingStrategy
GAINS = (10.0, 30.0, 100.0, 300.0)
TRAIN_SEED_OFFSET = 10_000
PLOTTED = ("pid, value", "even", "historical", "predictive, scores", "adaptive, scores")


def methods(gains: dict[str, float]) -> dict[str, rivals.Maker]:
    """All ways of pacing, by the name in the table: rivals first.

    Front-load protection, which is on by default, holds the first hours to half their plan on purpose. It is off here
    so that ways of pacing are compared, and on in the rows that say so: what it costs is their difference.
    """
    return {
        "as soon as possible": rivals.Asap,
        "even by clock, carried over": rivals.EvenByClock,
        "even hourly cap": rivals.EvenHourlyCap,
        "hourly plan, no carry, by traffic": partial(rivals.HourlyPlanNoCarry, by_traffic=True),
        "hourly plan, no carry, predictive": partial(rivals.HourlyPlanNoCarry, by_traffic=False),
        "probabilistic throttle, 22 h": rivals.ProbabilisticThrottle,
        "dual descent": rivals.DualDescent,
        "pid, throttle": partial(rivals.Pid, actuator="chance", gain=gains["chance"]),
        "pid, cost cap": partial(rivals.Pid, actuator="cost", gain=gains["cost"]),
        "pid, value": partial(rivals.Pid, actuator="value", gain=gains["value"]),
        "even": partial(Ours, strategy=S.EVEN_DISTRIBUTION, scores=False),
        "historical": partial(Ours, strategy=S.HISTORICAL_PATTERN, scores=False),
        "performance": partial(Ours, strategy=S.PERFORMANCE_WEIGHTED, scores=False),
        "predictive": partial(Ours, strategy=S.PREDICTIVE_ML, scores=False),
        "adaptive": partial(Ours, strategy=S.ADAPTIVE_HYBRID, scores=False),
        "performance, scores": partial(Ours, strategy=S.PERFORMANCE_WEIGHTED, scores=True),
        "predictive, scores": partial(Ours, strategy=S.PREDICTIVE_ML, scores=True),
        "adaptive, scores": partial(Ours, strategy=S.ADAPTIVE_HYBRID, scores=True),
        "adaptive, scores, settled late": partial(LateOurs, strategy=S.ADAPTIVE_HYBRID, scores=True),
        "adaptive, front load": partial(Ours, strategy=S.ADAPTIVE_HYBRID, scores=False, frontload=4),
        "adaptive, scores, front load": partial(Ours, strategy=S.ADAPTIVE_HYBRID, scores=True, frontload=4),
        "predictive, front load": partial(Ours, strategy=S.PREDICTIVE_ML, scores=False, frontload=4),
    }


def run_day(day: ReplayDay, names: Sequence[str], gains: dict[str, float]) -> list[Result]:
    """Every method on one day."""
    made = methods(gains)
    return [replay(name, made[name](day), day) for name in names]


def tuned_gains(days: Sequence[ReplayDay]) -> dict[str, float]:
    """The controller's gain, by actuator, that is best on days which are not reported."""

    def score(actuator: str, gain: float) -> float:
        results = [replay("", rivals.Pid(day, actuator, gain), day) for day in days]
        return mean(r.utilisation + r.value - r.ks for r in results)

    return {actuator: max(GAINS, key=lambda gain: score(actuator, gain)) for actuator in ("chance", "cost", "value")}


def table(results: Sequence[Result], names: Sequence[str]) -> str:
    """One row a method and setting."""
    columns = ("util", "p5", "over", "KS", "p95", "MAD", "early", "value", "p5", "noscore")
    head = " " * 34 + "".join(f"{column:>8}" for column in columns)
    lines = []
    for setting in SETTINGS:
        lines += ["", f"{setting}", head]
        for name in names:
            found = [r for r in results if (r.method, r.setting) == (name, setting)]
            used, values = [r.utilisation for r in found], [r.value for r in found]
            gaps = [r.ks for r in found]
            figures = (
                mean(used),
                quantile(used, 0.05),
                max(r.overspend for r in found),
                mean(gaps),
                quantile(gaps, 0.95),
                mean(r.mad for r in found),
                mean(r.premature for r in found),
                mean(values),
                quantile(values, 0.05),
                mean(r.value_no_scores for r in found),
            )
            lines.append(f"{name:34}" + "".join(f"{figure:8.3f}" for figure in figures))
    return "\n".join(lines)


def quantile(values: Sequence[float], share: float) -> float:
    """By linear interpolation."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def paired(
    results: Sequence[Result], ours: str, theirs: str, setting: str, figure: Callable[[Result], float], seed: int
) -> tuple[float, float, float]:
    """Mean difference on the same days with its 95 % bootstrap interval."""
    by_day = {(r.method, r.day): figure(r) for r in results if r.setting == setting}
    days = sorted({r.day for r in results if r.setting == setting})
    gaps = [by_day[ours, day] - by_day[theirs, day] for day in days]
    random = Random(seed)
    means = sorted(mean(random.choices(gaps, k=len(gaps))) for _ in range(2000))
    return mean(gaps), means[50], means[-51]


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of recorded traffic; without it traffic is generated")
    parser.add_argument("--days", type=int, default=16, help="days in each setting")
    parser.add_argument("--tickets", type=int, default=6000, help="expected opportunities a day")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--plots", type=Path, default=Path(".local/pacing-plots"))
    parser.add_argument("--past", type=int, default=1_000_000, help="transactions behind the speed measurement")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """The exit code: 0 when everything ran, whether or not every target is met; 2 for data that cannot be read."""
    asked = arguments(words)
    try:
        data = read(asked.data) if asked.data else None
    except UnableToReadData as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    source = f"recorded traffic in {asked.data}" if data else "generated traffic"
    print(f"{source}; {asked.days} days a setting, {asked.tickets} opportunities a day, seed {asked.seed}")
    start = time.monotonic()
    gains = tuned_gains(_days(data, "calm", 8, asked.tickets, asked.seed + TRAIN_SEED_OFFSET))
    print("controller gains, tuned on 8 other days:", ", ".join(f"{name} {gain:g}" for name, gain in gains.items()))
    names = list(methods(gains))
    results: list[Result] = []
    with Pool(asked.jobs) as pool:
        for setting in SETTINGS:
            print(f"replaying {setting} days ...", file=sys.stderr, flush=True)
            days = _days(data, setting, asked.days, asked.tickets, asked.seed)
            for found in pool.imap(partial(run_day, names=names, gains=gains), days, chunksize=1):
                results += found
        count = max(8, asked.days // 2)
        share = partial(shared_day, tickets=asked.tickets, seed=asked.seed, data=data)
        together = pool.map(partial(share, reallocates=True), range(count))
        apart = pool.map(partial(share, reallocates=False), range(count))
        watched = pool.map(watch, _prices(asked.data, asked.seed), chunksize=1)
    print(table(results, names))
    print_differences(results, asked.seed)
    print_channels(together, apart)
    months = [month(rule, series) for rule in RULES for series in _months(asked.data, asked.seed)]
    print_months(months)
    print_watched(watched)
    speed = measure(asked.past)
    print(
        f"\ncan_spend + record_spend: {speed.few:,.0f} pairs/s with 10 transactions behind, {speed.many:,.0f} with "
        f"{speed.past:,} (ratio of times {speed.few / speed.many:.2f}); memory grown by {speed.grown_kib:.0f} KiB over "
        f"the last {speed.past // 10:,}"
    )
    targets = judge(results, together, months, watched, speed, partial(paired, seed=asked.seed), quantile)
    print_targets(targets)
    save_plots(asked.plots, results)
    print(f"plots in {asked.plots}; {time.monotonic() - start:.0f} s")
    return 0


def _days(data: Recorded | None, setting: str, count: int, tickets: int, seed: int) -> list[ReplayDay]:
    if data is None:
        return generated_days(setting, count, tickets, seed)
    return recorded_days(data, setting, count, tickets, seed)


def _months(folder: Path | None, seed: int) -> list[list[float]]:
    return (month_series(folder) if folder else []) or generated_month_series(42, seed)


def _prices(folder: Path | None, seed: int) -> list[Series]:
    return recorded_prices(folder) if folder else generated_prices(8, seed)


def print_differences(results: Sequence[Result], seed: int) -> None:
    """Ours minus the tuned controller on the same actuator."""
    print("\ndifferences on the same days, mean [95 % bootstrap]")
    for ours, theirs in (("adaptive, scores", "pid, value"), ("predictive", "pid, cost cap")):
        for setting in SETTINGS:
            texts = []
            for name, figure in (("value", _value), ("util", _utilisation), ("KS", _ks)):
                middle, low, high = paired(results, ours, theirs, setting, figure, seed)
                texts.append(f"{name} {middle:+.4f} [{low:+.4f}, {high:+.4f}]")
            print(f"  {ours} minus {theirs}, {setting}: " + ", ".join(texts))


def _value(result: Result) -> float:
    return result.value


def _utilisation(result: Result) -> float:
    return result.utilisation


def _ks(result: Result) -> float:
    return result.ks


def print_channels(together: Sequence[SharedResult], apart: Sequence[SharedResult]) -> None:
    """Three channels, shared and apart."""
    print(f"\nthree channels, supply .5/2/6 of a third, {len(together)} days")
    for name, found in (("fixed thirds", apart), ("reallocated every hour", together)):
        values = [r.value for r in found]
        print(
            f"  {name:24} util {mean(r.utilisation for r in found):.4f}  "
            f"overspend {max(r.overspend for r in found):.3f}  "
            f"value/optimum {mean(values):.3f} (p5 {quantile(values, 0.05):.3f})"
        )


def print_months(months: Sequence[MonthResult]) -> None:
    """Months by rule."""
    print("\nmonths, budget 70 % of supply")
    for rule in RULES:
        found = [m for m in months if m.rule == rule]
        used = [m.utilisation for m in found]
        print(
            f"  {rule:24} util {mean(used):.3f} (p5 {quantile(used, 0.05):.3f}), >= 99 % in "
            f"{mean(u >= 0.99 for u in used):.2f} of {len(found)}, largest day {max(m.largest_day for m in found):.2f} "
            f"even days, inside the 80 % interval of day 10: {mean(m.in_interval for m in found):.2f}"
        )


def print_watched(watched: Sequence[Watched]) -> None:
    """The breaker on unit prices, by series."""
    print("\nbreaker on hourly unit prices")
    for series in watched:
        where = f"{series.opened_in_normal} of {series.normal_hours:,} normal hours"
        print(
            f"  {series.name:24} opened in {where}, not closed in {series.not_closed_in_normal} of them; "
            f"opened in {series.found} of {series.windows} labelled windows"
        )


def print_targets(targets: Sequence[Target]) -> None:
    """One line a target."""
    print("\ntargets")
    for target in targets:
        print(f"  {'met    ' if target.met else 'NOT MET'}  {target.name}: {target.figures}")
    print(f"  {sum(target.met for target in targets)} of {len(targets)} met")


def save_plots(folder: Path, results: Sequence[Result]) -> None:
    """Plan, the traffic that really came, and actual spend, for some days of each setting and method."""
    folder.mkdir(parents=True, exist_ok=True)
    for setting in SETTINGS:
        of_setting = [r for r in results if r.setting == setting]
        days = list(dict.fromkeys(r.day for r in of_setting))[1:4]
        for day in days:
            by_name = {r.method: r for r in of_setting if r.day == day}
            for name in PLOTTED:
                result = by_name[name]
                even = tuple(step / (len(result.plan_curve) - 1) for step in range(len(result.plan_curve)))
                plan = even if name == "even" else result.plan_curve
                lines = [("plan", plan), ("traffic", result.traffic_curve), ("actual", result.spend_curve)]
                plot(folder / f"{day} {name}.png".replace(",", "").replace(" ", "-"), f"{day}: {name}", lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
