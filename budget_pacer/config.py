"""Limits and thresholds, with their units, defaults and the checks that refuse what cannot be meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, TypedDict


class InvalidConfiguration(ValueError):
    """A setting that cannot be meant; the message names it, its value and what is allowed."""


class Settings(TypedDict, total=False):
    """The keyword arguments of `BudgetPacer` and fields of `PacerConfig`."""

    max_hourly_spend_pct: Decimal
    frontload_protection_hours: int
    frontload_share: Decimal
    emergency_stop_threshold: Decimal
    emergency_lead: Decimal
    pace_warning_threshold: Decimal
    pace_critical_threshold: Decimal
    pace_under_threshold: Decimal
    velocity_window_s: int
    velocity_factor: Decimal
    velocity_trip: Decimal
    overspends_to_trip: int
    breaches_to_trip: int
    cooldown_s: int
    probe_pct: Decimal
    clean_to_close: int
    min_conversion_rate: Decimal | None
    max_cost_per_click: Decimal | None
    target_roas: Decimal | None
    performance_min_clicks: int
    anomaly_z: Decimal | None
    reallocation_threshold: Decimal
    reservation_ttl_s: int
    extra_channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class PacerConfig:
    """All settings of a pacer. Shares are fractions: 0.15 is 15 %. Raises InvalidConfiguration."""

    max_hourly_spend_pct: Decimal = Decimal("0.15")
    """Most of the daily budget that one hour may get or spend. Raised for a campaign that is open too few hours a day
    to spend its budget under it (3 hours: to a third)."""
    frontload_protection_hours: int = 4
    """So many first *open* hours (but at most half of the day's open time) spend no more than `frontload_share` of the
    hour's plan: what is wrong in the morning is found while there is still money. 0 switches it off."""
    frontload_share: Decimal = Decimal("0.5")
    emergency_stop_threshold: Decimal = Decimal("0.90")
    """Spent share of the daily budget beyond which being well ahead of plan opens the breaker."""
    emergency_lead: Decimal = Decimal("0.10")
    """How far ahead of plan that is, as a share of the daily budget. 92 % spent at 22:00 is success."""
    pace_warning_threshold: Decimal = Decimal("1.5")
    pace_critical_threshold: Decimal = Decimal("2.0")
    pace_under_threshold: Decimal = Decimal("0.5")
    """Below this pace, once a tenth of the plan has passed, the campaign is under-pacing."""
    velocity_window_s: int = 300
    velocity_factor: Decimal = Decimal(20)
    """A sliding window may spend so many times its share of the day, counting sums and never single amounts: with
    1,000 a day over 24 hours and a window of 5 minutes, a further amount waits once 69.44 were spent within it."""
    velocity_trip: Decimal = Decimal(3)
    """Recorded spend of so many times that limit within one window, in five amounts or more, opens the breaker."""
    overspends_to_trip: int = 3
    """So many recorded amounts in a row beyond the daily budget or the hour's cap open the breaker."""
    breaches_to_trip: int = 2
    """So many evaluations in a row with performance below its thresholds open the breaker."""
    cooldown_s: int = 900
    """How long the breaker stays open before a probe; doubled each time a probe fails, up to 8 times."""
    probe_pct: Decimal = Decimal("0.02")
    """Share of the daily budget that a probe may spend."""
    clean_to_close: int = 3
    """So many clean transactions within the probe close the breaker."""
    min_conversion_rate: Decimal | None = None
    """Conversions per click; None sets no limit. So for the next two."""
    max_cost_per_click: Decimal | None = None
    target_roas: Decimal | None = None
    performance_min_clicks: int = 100
    """Clicks of fresh data that an evaluation of performance needs."""
    anomaly_z: Decimal | None = Decimal(3)
    """A click price whose logarithm is so many standard deviations away from what is usual at this hour of the week is
    a breach; twice that opens the breaker at once. So few conversions that half the usual rate is out of the question
    are a breach too. None switches both off. Silent until a week of prices is known."""
    reallocation_threshold: Decimal = Decimal("0.20")
    """Money moves only to channels that return so much more."""
    reservation_ttl_s: int = 900
    """A reservation that is neither settled nor voided lapses after this time."""
    extra_channels: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in _DECIMALS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _decimal(name, value))
        for name in _WHOLE_NUMBERS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidConfiguration(f"{name} is {value!r}: use a whole number")
        _check_ranges(self)
        if isinstance(self.extra_channels, str) or not all(_is_name(name) for name in self.extra_channels):
            raise InvalidConfiguration(f"extra_channels is {self.extra_channels!r}: use a list of names")
        object.__setattr__(self, "extra_channels", tuple(self.extra_channels))


_WHOLE_NUMBERS = (
    "frontload_protection_hours",
    "velocity_window_s",
    "overspends_to_trip",
    "breaches_to_trip",
    "cooldown_s",
    "clean_to_close",
    "performance_min_clicks",
    "reservation_ttl_s",
)
_DECIMALS = tuple(field.name for field in fields(PacerConfig) if field.name not in (*_WHOLE_NUMBERS, "extra_channels"))
_BOUNDS: dict[str, tuple[Decimal, Decimal]] = {
    # name: (more than, at most)
    "max_hourly_spend_pct": (Decimal(0), Decimal(1)),
    "frontload_share": (Decimal(0), Decimal(1)),
    "emergency_stop_threshold": (Decimal(0), Decimal(1)),
    "emergency_lead": (Decimal(0), Decimal(1)),
    "pace_warning_threshold": (Decimal(1), Decimal(100)),
    "pace_critical_threshold": (Decimal(1), Decimal(100)),
    "pace_under_threshold": (Decimal(0), Decimal(1)),
    "velocity_window_s": (Decimal(9), Decimal(3600)),
    "velocity_factor": (Decimal(0), Decimal(1440)),
    "velocity_trip": (Decimal(1), Decimal(1000)),
    "overspends_to_trip": (Decimal(0), Decimal(1000)),
    "breaches_to_trip": (Decimal(0), Decimal(1000)),
    "cooldown_s": (Decimal(0), Decimal(86_400)),
    "probe_pct": (Decimal(0), Decimal(1)),
    "clean_to_close": (Decimal(0), Decimal(1000)),
    "min_conversion_rate": (Decimal(0), Decimal(1)),
    "max_cost_per_click": (Decimal(0), Decimal(10**9)),
    "target_roas": (Decimal(0), Decimal(10**6)),
    "performance_min_clicks": (Decimal(0), Decimal(10**9)),
    "anomaly_z": (Decimal(1), Decimal(100)),
    "reallocation_threshold": (Decimal(-1), Decimal(100)),
    "reservation_ttl_s": (Decimal(0), Decimal(86_400)),
    "frontload_protection_hours": (Decimal(-1), Decimal(24)),
}


def _decimal(name: str, value: Any) -> Decimal:
    """Floats are taken at what they show: 0.15 means 0.15. They are thresholds, not money."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidConfiguration(f"{name} is {value!r}: use a number")
    number = Decimal(str(value))
    if not number.is_finite():
        raise InvalidConfiguration(f"{name} is {value!r}: use a finite number")
    return number


def _check_ranges(config: PacerConfig) -> None:
    for name, (above, most) in _BOUNDS.items():
        value = getattr(config, name)
        if value is not None and not above < value <= most:
            raise InvalidConfiguration(f"{name} is {value}: it must be more than {above} and at most {most}")
    if config.pace_critical_threshold < config.pace_warning_threshold:
        raise InvalidConfiguration(
            f"pace_critical_threshold ({config.pace_critical_threshold}) is below pace_warning_threshold "
            f"({config.pace_warning_threshold}): critical comes after warning"
        )


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip())
