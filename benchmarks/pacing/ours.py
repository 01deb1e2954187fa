"""The package's strategies, asked through the public functions only, with a clock that the replay moves."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from benchmarks.pacing.days import ReplayDay, Ticket, traffic_hours
from budget_pacer import BudgetPacer, ChannelType, PacingStrategy

MIDNIGHT = datetime(2026, 5, 5, tzinfo=UTC)
MIDNIGHT_S = MIDNIGHT.timestamp()
CHANNEL = ChannelType.DISPLAY


class MovedClock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = MIDNIGHT

    def __call__(self) -> datetime:
        """The moment it was set to."""
        return self.now

    def set(self, second_of_day: float) -> None:
        """Move it within the replayed day."""
        self.now = datetime.fromtimestamp(MIDNIGHT_S + second_of_day, UTC)


def paced(day: ReplayDay, clock: MovedClock, strategy: PacingStrategy, **settings: int) -> BudgetPacer:
    """A pacer that has been told what is known before the day."""
    pacer = BudgetPacer(clock=clock, frontload_protection_hours=settings.get("frontload", 0))
    week_before = [MIDNIGHT - timedelta(days=7) + timedelta(hours=hour) for hour in range(168)]
    pacer.learn_traffic("c", CHANNEL, traffic_hours(day.known, week_before))
    pacer.allocate_hourly_budget("c", CHANNEL, Decimal(day.budget).scaleb(-6), strategy)
    return pacer


class Ours:
    """One strategy on one day."""

    def __init__(self, day: ReplayDay, strategy: PacingStrategy, *, scores: bool, frontload: int = 0) -> None:
        self._clock = MovedClock()
        self._scores = scores
        self.pacer = paced(day, self._clock, strategy, frontload=frontload)
        self.refusals: dict[str, int] = {}

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """As advised, if it can be reserved."""
        self._clock.set(ticket.at_s)
        pacer = self.pacer
        advice = pacer.advise("c", CHANNEL, ticket.price, ticket.value if self._scores else None)
        if not advice.approve:
            return False
        reservation = pacer.reserve("c", CHANNEL, ticket.price)
        if not reservation.granted:
            word = reservation.reason.split(":")[0]
            self.refusals[word] = self.refusals.get(word, 0) + 1
            return False
        self.settle(reservation.reservation_id, ticket)
        return True

    def settle(self, reservation_id: str, ticket: Ticket) -> None:
        """At once."""
        self.pacer.settle(reservation_id, ticket.price)


class LateOurs(Ours):
    """The same with spend that is settled five minutes after it was authorised."""

    def __init__(self, day: ReplayDay, strategy: PacingStrategy, *, scores: bool) -> None:
        super().__init__(day, strategy, scores=scores)
        self._open: deque[tuple[float, str]] = deque()

    def takes(self, ticket: Ticket, spent: int) -> bool:
        """As advised, if it can be reserved; what is due is settled first."""
        while self._open and self._open[0][0] <= ticket.at_s:
            self.pacer.settle(self._open.popleft()[1])
        return super().takes(ticket, spent)

    def settle(self, reservation_id: str, ticket: Ticket) -> None:
        """Later."""
        self._open.append((ticket.at_s + 300, reservation_id))
