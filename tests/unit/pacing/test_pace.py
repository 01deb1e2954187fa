"""Pace over open time, and alerts: once each, until they clear."""

import asyncio
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from budget_pacer import (
    AlertType,
    BudgetPacer,
    ChannelType,
    PacingAlert,
    SpendTransaction,
    UnknownBudget,
    open_daily,
)
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE
BERLIN = ZoneInfo("Europe/Berlin")


def open_11_to_22(hour: int, minute: int, **more: object) -> tuple[BudgetPacer, Clock]:
    clock = Clock(datetime(2026, 5, 4, hour, minute, tzinfo=BERLIN))
    pacer = BudgetPacer(clock=clock, timezone="Europe/Berlin", **more)  # type: ignore[arg-type]
    pacer.set_campaign("c", open_hours=open_daily(time(11), time(22)))
    pacer.allocate_hourly_budget("c", GOOGLE, daily_budget=Decimal("1000.00"))
    return pacer, clock


def spend(pacer: BudgetPacer, amount: str) -> None:
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(amount)))


def test_a_quarter_of_the_open_time_and_two_fifths_of_the_money_is_a_pace_of_1_6() -> None:
    pacer, _ = open_11_to_22(13, 45)
    spend(pacer, "400")

    ratio, alert = pacer.check_pace("c", GOOGLE)

    assert ratio == 1.6
    assert alert is not None
    assert alert.alert_type is AlertType.WARNING_OVERPACING
    assert "400.00 of 1,000.00 spent, 250.00 planned by now" in alert.message
    assert pacer.check_pace("c", GOOGLE) == (1.6, None)


def test_the_same_in_forty_amounts_still_warns_first() -> None:
    pacer, _ = open_11_to_22(13, 45)
    for _ in range(40):
        spend(pacer, "10")

    ratio, alert = pacer.check_pace("c", GOOGLE)

    assert ratio == 1.6
    assert alert is not None
    assert alert.alert_type is AlertType.WARNING_OVERPACING


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("250", None),
        ("375", None),
        ("376", AlertType.WARNING_OVERPACING),
        ("501", AlertType.CRITICAL_OVERPACING),
        ("901", AlertType.EMERGENCY_STOP_REQUIRED),
        ("100", AlertType.UNDER_PACING),
    ],
)
def test_the_gravest_alert_is_returned(amount: str, expected: AlertType | None) -> None:
    pacer, _ = open_11_to_22(13, 45)
    spend(pacer, amount)

    alert = pacer.check_pace("c", GOOGLE)[1]

    assert (alert.alert_type if alert else None) == expected


def test_before_opening_nothing_is_planned_and_nothing_is_late() -> None:
    pacer, _ = open_11_to_22(8, 0)

    assert pacer.check_pace("c", GOOGLE) == (1.0, None)
    assert pacer.can_spend("c", GOOGLE, Decimal(1))[1].startswith("closed")


def test_an_issue_is_alerted_again_only_after_it_has_cleared() -> None:
    seen: list[AlertType] = []
    pacer, clock = open_11_to_22(13, 45, alert_callback=lambda alert: seen.append(alert.alert_type))
    spend(pacer, "400")

    pacer.check_pace("c", GOOGLE)
    pacer.check_pace("c", GOOGLE)
    clock.wait(3600)
    pacer.check_pace("c", GOOGLE)
    assert pacer.active_alerts("c", GOOGLE) == []
    clock.wait(3600)
    spend(pacer, "300")
    pacer.check_pace("c", GOOGLE)

    assert seen == [AlertType.WARNING_OVERPACING, AlertType.WARNING_OVERPACING]


def test_a_new_day_starts_clean() -> None:
    pacer, clock = open_11_to_22(13, 45)
    spend(pacer, "400")
    pacer.check_pace("c", GOOGLE)

    clock.wait(86_400)

    assert pacer.spent("c", GOOGLE) == 0
    assert pacer.check_pace("c", GOOGLE)[0] == 0
    assert pacer.budget("c", GOOGLE) == 1000


def test_an_async_callback_is_run_with_and_without_a_loop() -> None:
    seen: list[str] = []

    async def callback(alert: PacingAlert) -> None:
        await asyncio.sleep(0)
        seen.append(alert.severity)

    pacer, _ = open_11_to_22(13, 45, alert_callback=callback)
    spend(pacer, "400")
    assert pacer.check_pace("c", GOOGLE)[0] == 1.6
    assert seen == ["warning"]

    async def inside() -> None:
        pacer, _ = open_11_to_22(13, 45, alert_callback=callback)
        spend(pacer, "600")
        assert pacer.check_pace("c", GOOGLE)[0] == pytest.approx(2.4)
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(inside())
    assert sorted(seen) == ["critical", "warning", "warning"]


def test_a_callback_that_fails_is_logged_and_costs_nobody_a_booking(caplog: pytest.LogCaptureFixture) -> None:
    def callback(alert: PacingAlert) -> None:
        raise OSError("mail server down")

    pacer, _ = open_11_to_22(13, 45, alert_callback=callback)
    spend(pacer, "400")

    assert pacer.check_pace("c", GOOGLE)[0] == 1.6
    assert "alert callback failed" in caplog.text


def test_asking_about_an_unknown_budget_says_so() -> None:
    with pytest.raises(UnknownBudget, match="allocate one first"):
        BudgetPacer().check_pace("nobody", GOOGLE)
    assert BudgetPacer().can_spend("nobody", GOOGLE, Decimal(1)) == (False, "no budget: nobody has none")
