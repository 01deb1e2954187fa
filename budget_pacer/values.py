"""The words of the package: channels, strategies, transactions, allocations, alerts. Values only; they do nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias


class ChannelType(StrEnum):
    """The channels known from the start. Others are added by name: `BudgetPacer(extra_channels=["podcast"])`."""

    GOOGLE = "google"
    FACEBOOK = "facebook"
    TIKTOK = "tiktok"
    DISPLAY = "display"
    NATIVE = "native"
    VIDEO = "video"
    SEARCH = "search"
    SHOPPING = "shopping"


Channel: TypeAlias = ChannelType | str
"""A member of ChannelType, or the name of a channel that was added."""
_CHANNELS: Final = {str(channel): channel for channel in ChannelType}


def as_channel(name: str) -> Channel:
    """The member of that name, or the name itself."""
    return _CHANNELS.get(name, name)


class PacingStrategy(StrEnum):
    """How a day's budget is laid out over its hours, and which opportunities are taken."""

    EVEN_DISTRIBUTION = "even_distribution"
    """The same for every open minute."""
    PERFORMANCE_WEIGHTED = "performance_weighted"
    """More where money has returned more; no plan by the clock beyond the caps."""
    HISTORICAL_PATTERN = "historical_pattern"
    """As the campaign's own traffic has come, by hour of the week."""
    PREDICTIVE_ML = "predictive_ml"
    """As traffic is predicted to come, corrected through the day by what does come."""
    ADAPTIVE_HYBRID = "adaptive_hybrid"
    """Prediction and returns together, each as far as there is data for it; the default."""


class CircuitBreakerState(StrEnum):
    """CLOSED: spend flows. OPEN: nothing may be spent. HALF_OPEN: a small probe may be spent, to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class AlertType(StrEnum):
    """What an alert is about; in the order in which `check_pace` returns them when there are several."""

    EMERGENCY_STOP_REQUIRED = "emergency_stop_required"
    CRITICAL_OVERPACING = "critical_overpacing"
    WARNING_OVERPACING = "warning_overpacing"
    CIRCUIT_BREAKER_OPEN = "circuit_breaker_open"
    PERFORMANCE_DEGRADATION = "performance_degradation"
    UNDER_PACING = "under_pacing"


class SpendTransaction(NamedTuple):
    """Money that has been spent, and what it brought. `amount` and `revenue` in the campaign's currency.

    `timestamp` is aware; None means now. Another day's transaction teaches the models and touches no budget of today.
    """

    campaign_id: str
    channel: Channel
    amount: Decimal
    timestamp: datetime | None = None
    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    revenue: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class HourlyAllocation:
    """What one hour of the local day gets.

    An entry stands for all real time at which the local clock shows its hour: an hour that is skipped when the clocks
    go forward gets 0, one that comes twice gets both parts.
    """

    hour: int
    """0 to 23, on the campaign's local clock."""
    base_allocation_pct: float
    """Share of the day's budget, 0 to 1, after all weights and caps: `amount` before rounding."""
    amount: Decimal
    """The entries add up to the daily budget exactly."""
    performance_multiplier: float
    """What this hour has returned for its money over the average hour's return; 1.0 where nothing is known."""
    predicted_conversion_rate: float
    """Conversions per click, 0 to 1; 0.0 with a confidence of 0 means that nothing is known."""
    predicted_cost_per_click: Decimal
    """0.00 with a confidence of 0 means that nothing is known."""
    confidence_score: float
    """0 (no data) to 1: how far the predictions of this entry rest on data of this hour."""
    reason: str
    """Why the hour gets this much, in words."""


@dataclass(frozen=True, slots=True)
class HourStatus:
    """How one hour of today stands: plan against actual. A repeated hour comes twice, a skipped one not at all."""

    hour: int
    """0 to 23, on the campaign's local clock."""
    starts_at: datetime
    planned: Decimal
    """Of today's budget after reallocations; the hours add up to it exactly."""
    spent: Decimal
    held: Decimal
    cap: Decimal
    """The most that may be spent and held in the hour; 0 when it is closed."""
    protected: bool
    """Whether front-load protection lowers the cap."""
    reason: str
    """Why the hour gets this much, in words."""


@dataclass(frozen=True, slots=True)
class PacingAlert:
    """Something that a person should know. Raised once, and again only after it has cleared."""

    alert_type: AlertType
    campaign_id: str
    channel: Channel
    message: str
    pace_ratio: float
    raised_at: datetime
    recommended_action: str

    @property
    def severity(self) -> str:
        """ "critical" or "warning"."""
        critical = (AlertType.EMERGENCY_STOP_REQUIRED, AlertType.CRITICAL_OVERPACING, AlertType.CIRCUIT_BREAKER_OPEN)
        return "critical" if self.alert_type in critical else "warning"


class Performance(NamedTuple):
    """Sums of a channel, or of one hour of it, and the rates that follow. A rate is None when nothing divides it."""

    impressions: float = 0.0
    clicks: float = 0.0
    conversions: float = 0.0
    cost: float = 0.0
    revenue: float = 0.0

    @property
    def ctr(self) -> float | None:
        """Clicks per impression."""
        return self.clicks / self.impressions if self.impressions else None

    @property
    def cvr(self) -> float | None:
        """Conversions per click."""
        return self.conversions / self.clicks if self.clicks else None

    @property
    def cpc(self) -> float | None:
        """Cost per click."""
        return self.cost / self.clicks if self.clicks else None

    @property
    def cpa(self) -> float | None:
        """Cost per conversion."""
        return self.cost / self.conversions if self.conversions else None

    @property
    def roas(self) -> float | None:
        """Revenue per cost."""
        return self.revenue / self.cost if self.cost else None
