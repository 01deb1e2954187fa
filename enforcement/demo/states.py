"""Whether campaigns ran at some moment, as the record of state changes tells, and so how much platforms still spend."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from campaigns.holds import Hold
from campaigns.models import StateChange
from enforcement.demo.shapes import after_a_stop
from enforcement.demo.traffic import ONE_HOUR

KNOWN_TO_PLATFORM = {Hold.ENDED, Hold.NOT_STARTED, Hold.NO_SCHEDULE, Hold.OUTSIDE_SCHEDULE}
"""Holds that platforms keep by themselves, so that nothing is spent after the stop."""


class State(NamedTuple):
    """A campaign's holds from a moment on, and since when it is stopped."""

    at: datetime
    holds: tuple[Hold, ...]
    stopped_at: datetime


class States:
    """The states of all campaigns of some brands, read as they are written."""

    def __init__(self, brand_ids: Iterable[UUID]) -> None:
        self._changes = StateChange.objects.filter(brand_id__in=list(brand_ids)).order_by("pk")
        self._last: UUID | None = None
        self._moments: dict[UUID, list[datetime]] = {}
        self._states: dict[UUID, list[State]] = {}

    def refresh(self) -> None:
        """Read what was written since the last call."""
        fresh = self._changes if self._last is None else self._changes.filter(pk__gt=self._last)
        for self._last, campaign_id, at, before, holds in fresh.values_list(
            "pk", "campaign_id", "at", "from_holds", "to_holds"
        ):
            states = self._states.setdefault(campaign_id, [])
            stopped_at = states[-1].stopped_at if before and states else at
            states.append(State(at, holds, stopped_at))
            self._moments.setdefault(campaign_id, []).append(at)

    def share_spent(self, campaign_id: UUID, at: datetime) -> float:
        """Of what the platform would spend at `at`, how much it does: all while it runs, some shortly after."""
        state = self.at(campaign_id, at)
        if state is None or not state.holds:
            return 1.0
        if KNOWN_TO_PLATFORM.intersection(state.holds):
            return 0.0
        return after_a_stop((at - state.stopped_at) / ONE_HOUR)

    def at(self, campaign_id: UUID, at: datetime) -> State | None:
        """The state at a moment; None before the first change, when it ran."""
        position = bisect_right(self._moments.get(campaign_id, ()), at)
        return self._states[campaign_id][position - 1] if position else None
