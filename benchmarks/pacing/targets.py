"""The promises, and whether a run keeps them. Numbers as in docs/pacing.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.pacing.anomalies import Watched
from benchmarks.pacing.channels import SharedResult
from benchmarks.pacing.months import MonthResult
from benchmarks.pacing.replay import Result
from benchmarks.pacing.speed import Speed

ENOUGH = 1.5
"""Above this supply over budget nearly everything can be spent."""
BEST, NO_SCORES, SMOOTH, LATE = "adaptive, scores", "adaptive", "predictive", "adaptive, scores, settled late"

Paired = Callable[[Sequence[Result], str, str, str, Callable[[Result], float]], tuple[float, float, float]]
Quantile = Callable[[Sequence[float], float], float]


@dataclass(frozen=True, slots=True)
class Target:
    """One promise."""

    name: str
    met: bool
    figures: str


def judge(
    results: Sequence[Result],
    together: Sequence[SharedResult],
    months: Sequence[MonthResult],
    watched: Sequence[Watched],
    speed: Speed,
    paired: Paired,
    quantile: Quantile,
) -> list[Target]:
    """Every target of this run."""
    return [
        _overspend(results, together, months),
        *(_plenty(results, setting, least, days) for setting, least, days in PLENTY),
        *(_scarce(results, setting) for setting in ("calm", "cold")),
        *(_early(results, setting, most) for setting, most in (("calm", 0.01), ("cold", 0.01), ("stress", 0.04))),
        *(_smooth(results, setting) for setting in ("calm", "cold")),
        _smoother_than_controller(results),
        *(_value(results, setting, quantile) for setting in ("calm", "cold", "stress")),
        *(_value_without_scores(results, setting) for setting in ("calm", "cold")),
        *(_against_controller(results, setting, paired) for setting in ("calm", "cold", "stress")),
        _channels(together, quantile),
        _months(months, quantile),
        _late(results),
        _prices(watched),
        _speed(speed),
    ]


PLENTY = (("calm", 0.997, 0.93), ("cold", 0.997, 0.93), ("stress", 0.995, 0.90))


def _of(results: Sequence[Result], method: str, setting: str) -> list[Result]:
    return [r for r in results if (r.method, r.setting) == (method, setting)]


def _overspend(results: Sequence[Result], together: Sequence[SharedResult], months: Sequence[MonthResult]) -> Target:
    over = max(*(r.overspend for r in results), *(r.overspend for r in together), *(m.overspend for m in months))
    conserved = all(r.conserved for r in together)
    met = over == 0 and conserved
    text = f"most {over:.6f}; sums kept by reallocation: {'always' if conserved else 'NO'}"
    return Target("1 no overspend: day, channel, month", met, text)


def _plenty(results: Sequence[Result], setting: str, least: float, share: float) -> Target:
    used = [r.utilisation for r in _of(results, BEST, setting) if r.ratio >= ENOUGH]
    if not used:
        return Target(f"2 supply >= 1.5, {setting}", False, "no such day in this run")
    full = mean(u >= 0.99 for u in used)
    text = f"util {mean(used):.4f} (>= {least}), >= 99 % on {full:.2f} of {len(used)} days (>= {share})"
    return Target(f"2 supply >= 1.5, {setting}", mean(used) >= least and full >= share, text)


def _scarce(results: Sequence[Result], setting: str) -> Target:
    used = [r.utilisation for r in _of(results, BEST, setting) if r.ratio < ENOUGH]
    if not used:
        return Target(f"3 supply < 1.5, {setting}", True, "no such day in this run")
    return Target(f"3 supply < 1.5, {setting}", mean(used) >= 0.965, f"util {mean(used):.4f} of {len(used)} (>= .965)")


def _early(results: Sequence[Result], setting: str, most: float) -> Target:
    early = mean(r.premature for r in _of(results, BEST, setting))
    return Target(f"4 early exhaustion, {setting}", early <= most, f"{early:.3f} (<= {most})")


def _smooth(results: Sequence[Result], setting: str) -> Target:
    found = _of(results, SMOOTH, setting)
    ks, mad = mean(r.ks for r in found), mean(r.mad for r in found)
    return Target(
        f"5 smooth, {setting}", ks <= 0.085 and mad <= 0.025, f"KS {ks:.3f} (<= .085), MAD {mad:.3f} (<= .025)"
    )


def _smoother_than_controller(results: Sequence[Result]) -> Target:
    ours = mean(r.ks for r in _of(results, SMOOTH, "cold"))
    theirs = mean(r.ks for r in _of(results, "pid, throttle", "cold"))
    return Target("5 KS below tuned PID, cold", ours <= 0.75 * theirs, f"{1 - ours / theirs:+.0%} (>= 25 %)")


def _value(results: Sequence[Result], setting: str, quantile: Quantile) -> Target:
    values = [r.value for r in _of(results, BEST, setting)]
    p5 = quantile(values, 0.05)
    if setting == "stress":
        return Target("6 value, stress", mean(values) >= 0.955, f"{mean(values):.3f} (>= .955)")
    met = mean(values) >= 0.980 and p5 >= 0.945
    return Target(f"6 value, {setting}", met, f"{mean(values):.3f} (>= .980), p5 {p5:.3f} (>= .945)")


def _value_without_scores(results: Sequence[Result], setting: str) -> Target:
    ours = _of(results, NO_SCORES, setting)
    blind = mean(r.value for r in _of(results, "pid, throttle", setting))
    share, times = mean(r.value_no_scores for r in ours), mean(r.value for r in ours) / blind
    met = share >= 0.975 and times >= 1.45
    text = f"{share:.3f} of the optimum without scores (>= .975), {times:.2f} x throttling (>= 1.45)"
    return Target(f"6 value without scores, {setting}", met, text)


def _against_controller(results: Sequence[Result], setting: str, paired: Paired) -> Target:
    value = paired(results, BEST, "pid, value", setting, lambda r: r.value)
    used = paired(results, BEST, "pid, value", setting, lambda r: r.utilisation)
    text = f"value {value[0]:+.4f} (lower bound {value[1]:+.4f} > 0), util lower bound {used[1]:+.4f} (> -.001)"
    return Target(f"7 against tuned PID, {setting}", value[1] > 0 and used[1] > -0.001, text)


def _channels(together: Sequence[SharedResult], quantile: Quantile) -> Target:
    values, used = [r.value for r in together], mean(r.utilisation for r in together)
    p5 = quantile(values, 0.05)
    met = mean(values) >= 0.985 and p5 >= 0.975 and used >= 0.998
    text = f"value {mean(values):.3f} (>= .985), p5 {p5:.3f} (>= .975), util {used:.4f} (>= .998)"
    return Target("8 channels", met, text)


def _months(months: Sequence[MonthResult], quantile: Quantile) -> Target:
    found = [m for m in months if m.rule == "month plan"]
    used = [m.utilisation for m in found]
    p5, largest = quantile(used, 0.05), max(m.largest_day for m in found)
    met = mean(used) >= 0.98 and p5 >= 0.94 and largest <= 2.0 + 1e-9
    text = f"util {mean(used):.3f} (>= .98), p5 {p5:.3f} (>= .94), largest day {largest:.2f} (<= 2)"
    return Target("9 month", met, text)


def _late(results: Sequence[Result]) -> Target:
    found = _of(results, LATE, "calm")
    used, value, over = (
        mean(r.utilisation for r in found),
        mean(r.value for r in found),
        max(r.overspend for r in found),
    )
    met = over == 0 and used >= 0.985 and value >= 0.965
    return Target(
        "11 settled 5 min late", met, f"over {over:.3f}, util {used:.3f} (>= .985), value {value:.3f} (>= .965)"
    )


def _prices(watched: Sequence[Watched]) -> Target:
    normal, windows = sum(w.normal_hours for w in watched), sum(w.windows for w in watched)
    if not windows:
        return Target("12 breaker on prices", False, "no labelled prices in this run")
    found, quiet = sum(w.found for w in watched), 1 - sum(w.opened_in_normal for w in watched) / normal
    closes = all(w.closes_again for w in watched)
    text = f"quiet in {quiet:.4f} of {normal:,} normal hours (>= .98), opened in {found} of {windows} labelled windows "
    text += f"(>= 10 of 14), closes again: {'always' if closes else 'NO'}"
    return Target("12 breaker on prices", quiet >= 0.98 and found * 14 >= windows * 10 and closes, text)


def _speed(speed: Speed) -> Target:
    ratio = speed.few / speed.many
    met = ratio <= 1.1 and min(speed.few, speed.many) >= 50_000
    text = f"{speed.many:,.0f} pairs/s (>= 50,000), {ratio:.2f} x the time of few (<= 1.1)"
    return Target(f"speed with {speed.past:,} behind", met, text)
