"""Paces advertising budgets: spends the day's money well, and never faster than is safe. See README.md.

Standard library only; imports nothing of the project around it.
"""

from budget_pacer.advice import BidAdvice
from budget_pacer.config import InvalidConfiguration, PacerConfig
from budget_pacer.day import InvalidOpenHours, open_daily
from budget_pacer.history import History
from budget_pacer.money import InvalidAmount
from budget_pacer.month import InvalidMonth, MonthFacts, MonthPlan, Projection, plan_month
from budget_pacer.pacer import (
    BudgetPacer,
    Reservation,
    ReservationRefused,
    UnableToSwap,
    UnknownBudget,
    UnknownReservation,
)
from budget_pacer.reallocation import Move, Reallocation
from budget_pacer.serialize import UnreadableData, dump_history, dump_state, load_history, load_state
from budget_pacer.steering import Advice, TrafficHour
from budget_pacer.store import CampaignState, ChannelState, Hold, HoldStatus, MemoryStore, Store
from budget_pacer.values import (
    AlertType,
    Channel,
    ChannelType,
    CircuitBreakerState,
    HourlyAllocation,
    HourStatus,
    PacingAlert,
    PacingStrategy,
    Performance,
    SpendTransaction,
)

__all__ = [
    "Advice",
    "AlertType",
    "BidAdvice",
    "BudgetPacer",
    "CampaignState",
    "Channel",
    "ChannelState",
    "ChannelType",
    "CircuitBreakerState",
    "History",
    "Hold",
    "HoldStatus",
    "HourStatus",
    "HourlyAllocation",
    "InvalidAmount",
    "InvalidConfiguration",
    "InvalidMonth",
    "InvalidOpenHours",
    "MemoryStore",
    "MonthFacts",
    "MonthPlan",
    "Move",
    "PacerConfig",
    "PacingAlert",
    "PacingStrategy",
    "Performance",
    "Projection",
    "Reallocation",
    "Reservation",
    "ReservationRefused",
    "SpendTransaction",
    "Store",
    "TrafficHour",
    "UnableToSwap",
    "UnknownBudget",
    "UnknownReservation",
    "UnreadableData",
    "dump_history",
    "dump_state",
    "load_history",
    "load_state",
    "open_daily",
    "plan_month",
]
