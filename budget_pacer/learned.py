"""What a pacer has learned of its channels: their histories and what steers them, under one lock.

Advice and forecasts come from here. What is decided on is in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import RLock
from typing import TypeVar

from budget_pacer.booking import Outcome
from budget_pacer.day import Day
from budget_pacer.history import History
from budget_pacer.reallocation import Demand
from budget_pacer.steering import Steering, TrafficHour

T = TypeVar("T")
HistoryOf = Callable[[str, str], History | None]
"""What a campaign's channel has brought so far, by campaign id and channel; None when nothing is known."""


class Learned:
    """Histories and steerings by campaign and channel. `history_of` is asked once for each; the answer is copied."""

    def __init__(self, history_of: HistoryOf | None) -> None:
        self._history_of = history_of
        # Whoever is asked for a history may ask the pacer something else meanwhile.
        self._lock = RLock()
        self._histories: dict[tuple[str, str], History] = {}
        self._steerings: dict[tuple[str, str], Steering] = {}

    def history(self, campaign_id: str, name: str, look: Callable[[History], T]) -> T:
        """What `look` finds in a channel's history."""
        with self._lock:
            return look(self._history(campaign_id, name))

    def steering(self, campaign_id: str, name: str, ask: Callable[[Steering], T]) -> T:
        """What a channel's steering answers."""
        with self._lock:
            return ask(self._steering(campaign_id, name))

    def demand(self, campaign_id: str, name: str, day: Day, at_s: float) -> Demand | None:
        """See `Steering.demand`; None too where nothing was ever asked about."""
        with self._lock:
            steering = self._steerings.get((campaign_id, name))
            return None if steering is None else steering.demand(day, at_s)

    def add(self, campaign_id: str, name: str, day: Day, slot: int, amount: int, outcome: Outcome) -> None:
        """Count what an hour has cost, in micros, and brought."""
        where = day.slots[slot]
        with self._lock:
            self._history(campaign_id, name).add(
                day.date.weekday(),
                where.hour,
                where.start // 3600,
                impressions=outcome.impressions,
                clicks=outcome.clicks,
                conversions=outcome.conversions,
                cost=amount / 1_000_000,
                revenue=outcome.revenue,
            )

    def note(self, campaign_id: str, name: str, day: Day, slot: int, amount: int, outcome: Outcome) -> None:
        """The same for what just happened; where histories are kept elsewhere and this one was not asked for yet, it
        has it from there."""
        if self._is_here(campaign_id, name):
            self.add(campaign_id, name, day, slot, amount, outcome)

    def correct(self, campaign_id: str, name: str, day: Day, slot: int, amount: int) -> None:
        """Change what an hour has cost, under the same condition."""
        where = day.slots[slot]
        if self._is_here(campaign_id, name):
            with self._lock:
                self._history(campaign_id, name).correct(
                    day.date.weekday(), where.hour, where.start // 3600, amount / 1_000_000
                )

    def add_traffic(self, campaign_id: str, name: str, hours: Iterable[tuple[Day, int, TrafficHour]]) -> None:
        """Take in past traffic, by day and slot."""
        with self._lock:
            steering, history = self._steering(campaign_id, name), self._history(campaign_id, name)
            for day, index, hour in hours:
                slot = day.slots[index]
                steering.learn(slot.hour, hour)
                history.add(day.date.weekday(), slot.hour, slot.start // 3600, opportunities=hour.opportunities)

    def _is_here(self, campaign_id: str, name: str) -> bool:
        return self._history_of is None or (campaign_id, name) in self._histories

    def _history(self, campaign_id: str, name: str) -> History:
        key = (campaign_id, name)
        history = self._histories.get(key)
        if history is None:
            given = None if self._history_of is None else self._history_of(campaign_id, name)
            history = self._histories[key] = History() if given is None else given.copy()
        return history

    def _steering(self, campaign_id: str, name: str) -> Steering:
        key = (campaign_id, name)
        steering = self._steerings.get(key)
        if steering is None:
            steering = self._steerings[key] = Steering()
        return steering
