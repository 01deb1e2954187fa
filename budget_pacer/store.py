"""Where a pacer keeps what must not be lost: budgets, meters, breakers, stops, reservations.

The state of a campaign is one frozen value. A store keeps it and replaces it by compare-and-swap, together with the
reservations that the change makes or closes. That is all that several threads or workers need: whoever loses the swap
reads again and decides again. In memory it is a dict and a lock; in a database, a row with a version in a transaction.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from threading import Lock
from typing import Final, NamedTuple, Protocol

from budget_pacer.breaker import NEW, Breaker
from budget_pacer.day import OpenWeek
from budget_pacer.meter import Limits, Meter
from budget_pacer.plan import Plan
from budget_pacer.values import AlertType, PacingStrategy, Performance


class ChannelState(NamedTuple):
    """One channel of a campaign on one local day. Money in micros."""

    strategy: PacingStrategy
    original: int
    """The daily budget as it was set; each new day starts from it."""
    plan: Plan
    limits: Limits
    meter: Meter
    breaker: Breaker = NEW
    issues: frozenset[AlertType] = frozenset()
    """Alerts that stand."""
    fresh: Performance = Performance()
    """What came since performance was last evaluated."""
    fresh_since_s: float = 0.0
    """When the first of that came."""
    converting: int = 0
    """How many evaluations in a row have seen conversions, as far as that matters. Only where they come as clicks do,
    and not once a day, is it news that they do not."""


class CampaignState(NamedTuple):
    """Everything that is decided on. `channels` is never changed in place."""

    zone: str
    week: OpenWeek | None
    unit: int
    """The currency's smallest unit in micros: 10,000 for a cent."""
    channels: Mapping[str, ChannelState]
    day: int
    """The local date's ordinal that all channels' meters are of."""
    stopped: str = ""
    """Why a person (or a program) stopped the campaign; empty when nobody did."""
    version: int = 0
    """For the store alone: the pacer hands it back as it was loaded. In memory identity serves instead."""


class HoldStatus(StrEnum):
    """What has become of a reservation."""

    HELD = "held"
    SETTLED = "settled"
    VOIDED = "voided"
    LAPSED = "lapsed"


class Hold(NamedTuple):
    """Money set aside by a reservation, in micros. It belongs to the day and the hour in which it was made."""

    hold_id: str
    campaign_id: str
    channel: str
    amount: int
    day: int
    slot: int
    lapses_at_s: float
    status: HoldStatus = HoldStatus.HELD
    settled: int = 0


class Store(Protocol):
    """What a pacer asks of a store. Every method is atomic; `swap` is the only writer of states."""

    def load(self, campaign_id: str) -> CampaignState | None:
        """The present state; None when there is none. The same object as long as it is unchanged."""

    def swap(
        self, campaign_id: str, expected: CampaignState | None, new: CampaignState, holds: Sequence[Hold] = ()
    ) -> bool:
        """Replace `expected` by `new` and write `holds`; or do neither and return False, when the state is another one
        by now, or one of the holds is no longer HELD (a new one: exists already)."""

    def hold(self, hold_id: str) -> Hold | None:
        """A reservation; None when there is none, or it was closed so long ago that the store has forgotten it."""

    def lapsed(self, campaign_id: str, at_s: float) -> Sequence[Hold]:
        """Some of the campaign's HELD reservations whose time is over, oldest first; not necessarily all."""

    def campaign_ids(self) -> Iterable[str]:
        """All campaigns with a state."""


_CLOSED_KEPT: Final = 10_000


class MemoryStore:
    """The default: in this process only, gone with it. Closed reservations are forgotten after the latest 10,000."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[str, CampaignState] = {}
        self._held: dict[str, OrderedDict[str, Hold]] = {}
        self._holds: dict[str, Hold] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()

    def load(self, campaign_id: str) -> CampaignState | None:
        """See Store."""
        return self._states.get(campaign_id)

    def swap(
        self, campaign_id: str, expected: CampaignState | None, new: CampaignState, holds: Sequence[Hold] = ()
    ) -> bool:
        """See Store."""
        with self._lock:
            if self._states.get(campaign_id) is not expected:
                return False
            for hold in holds:
                known = self._holds.get(hold.hold_id)
                if (known is not None) != (hold.status is not HoldStatus.HELD):
                    return False
                if known is not None and known.status is not HoldStatus.HELD:
                    return False
            self._states[campaign_id] = new
            for hold in holds:
                self._write(hold)
            return True

    def _write(self, hold: Hold) -> None:
        self._holds[hold.hold_id] = hold
        held = self._held.setdefault(hold.campaign_id, OrderedDict())
        if hold.status is HoldStatus.HELD:
            held[hold.hold_id] = hold
            return
        held.pop(hold.hold_id, None)
        self._closed[hold.hold_id] = None
        if len(self._closed) > _CLOSED_KEPT:
            forgotten, _ = self._closed.popitem(last=False)
            del self._holds[forgotten]

    def hold(self, hold_id: str) -> Hold | None:
        """See Store."""
        return self._holds.get(hold_id)

    def lapsed(self, campaign_id: str, at_s: float) -> Sequence[Hold]:
        """See Store."""
        held = self._held.get(campaign_id)
        if not held:
            return ()
        with self._lock:
            found: list[Hold] = []
            for hold in held.values():
                if hold.lapses_at_s > at_s or len(found) == 100:
                    break
                found.append(hold)
            return found

    def campaign_ids(self) -> Iterable[str]:
        """See Store."""
        with self._lock:
            return list(self._states)
