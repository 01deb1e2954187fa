"""Writing alerts, and bringing them to a callback that may be sync or async, with or without a running event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from budget_pacer.money import money_text
from budget_pacer.pace import pace_text
from budget_pacer.store import ChannelState
from budget_pacer.values import AlertType, Channel, PacingAlert

AlertCallback = Callable[[PacingAlert], Awaitable[Any] | None]

_log = logging.getLogger(__name__)
_ACTIONS: Final = {
    AlertType.EMERGENCY_STOP_REQUIRED: "Look at what is buying; the breaker is open. Stop the campaign if it goes on.",
    AlertType.CRITICAL_OVERPACING: "Lower bids or participation now, or raise the daily budget.",
    AlertType.WARNING_OVERPACING: "Lower bids or participation, or check whether the plan fits today's traffic.",
    AlertType.CIRCUIT_BREAKER_OPEN: (
        "Find the cause. A probe follows after the cooldown; an emergency stop has to be cleared."
    ),
    AlertType.PERFORMANCE_DEGRADATION: "Check landing page, tracking and targeting.",
    AlertType.UNDER_PACING: "Raise bids or widen targeting, or move the money to another channel.",
}


def write_alert(
    alert_type: AlertType,
    campaign_id: str,
    channel: Channel,
    state: ChannelState,
    planned: float,
    ratio: float,
    at_s: float,
    detail: str = "",
) -> PacingAlert:
    """The alert in words, with the figures that led to it."""
    limits, meter = state.limits, state.meter
    if alert_type in (AlertType.CIRCUIT_BREAKER_OPEN, AlertType.PERFORMANCE_DEGRADATION):
        what = detail or f"{money_text(meter.spent)} of {money_text(limits.budget)} spent"
    else:
        what = f"pace {ratio:.2f}: {pace_text(meter.spent, limits.budget, planned)}"
    return PacingAlert(
        alert_type=alert_type,
        campaign_id=campaign_id,
        channel=channel,
        message=f"{campaign_id}, {channel}: {alert_type.replace('_', ' ')}: {what}",
        pace_ratio=ratio,
        raised_at=datetime.fromtimestamp(at_s, UTC),
        recommended_action=_ACTIONS[alert_type],
    )


class Delivery:
    """Calls the callback. What it raises is logged and goes no further: a broken mail server must not make a caller
    believe that money was not booked, and book it again."""

    def __init__(self, callback: AlertCallback | None) -> None:
        self.callback = callback
        self._running: set[asyncio.Task[None]] = set()

    def send(self, alert: PacingAlert) -> None:
        """Call a sync callback here; run an async one as a task of the running loop, or to its end without one."""
        if self.callback is None:
            return
        try:
            answer = self.callback(alert)
        except Exception:  # noqa: BLE001 - see the class
            _log.exception("alert callback failed for %s", alert.message)
            return
        if not inspect.isawaitable(answer):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(_finish(answer, alert))
            return
        task = loop.create_task(_finish(answer, alert))
        # The loop keeps weak references only: without this one the task could vanish before it has run.
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _finish(answer: Awaitable[Any], alert: PacingAlert) -> None:
    try:
        await answer
    except Exception:  # noqa: BLE001 - see Delivery
        _log.exception("alert callback failed for %s", alert.message)
