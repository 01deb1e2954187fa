"""What may be spent now, and why not."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest

from budget_pacer import BudgetPacer, ChannelType, InvalidAmount, InvalidConfiguration, SpendTransaction, open_daily
from tests.unit.pacing.clocks import Clock

GOOGLE = ChannelType.GOOGLE


def fresh(hour: int = 12, **settings: object) -> tuple[BudgetPacer, Clock]:
    clock = Clock(datetime(2026, 5, 4, hour, tzinfo=UTC))
    pacer = BudgetPacer(clock=clock, **settings)  # type: ignore[arg-type]
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal("1000.00"))
    return pacer, clock


def spend(pacer: BudgetPacer, amount: str, at: datetime | None = None) -> None:
    pacer.record_spend(SpendTransaction("c", GOOGLE, Decimal(amount), at))


def why_not(pacer: BudgetPacer, amount: str) -> str:
    allowed, reason = pacer.can_spend("c", GOOGLE, Decimal(amount))
    assert not allowed
    return reason


def test_fifty_and_a_hundred_and_fifty_of_a_thousand_are_allowed_in_a_normal_hour() -> None:
    pacer, _ = fresh()

    assert pacer.can_spend("c", GOOGLE, Decimal("50.00")) == (True, "ok")
    assert pacer.can_spend("c", GOOGLE, Decimal("150.00")) == (True, "ok")
    assert why_not(pacer, "150.01") == "hourly limit: 150.00 of 150.00 left for this hour, 150.01 asked for"


def test_the_hourly_limit_begins_anew_each_hour() -> None:
    pacer, clock = fresh()
    spend(pacer, "140")
    assert "hourly limit: 10.00" in why_not(pacer, "10.01")

    clock.wait(3600)

    assert pacer.can_spend("c", GOOGLE, Decimal(150))[0]


def test_the_daily_budget_may_be_reached_exactly() -> None:
    pacer, _ = fresh(23)
    for hour in range(6, 23):
        spend(pacer, "58.82", datetime(2026, 5, 4, hour, 30, tzinfo=UTC))

    assert pacer.spent("c", GOOGLE) == Decimal("999.94")
    assert pacer.can_spend("c", GOOGLE, Decimal("0.06"))[0]
    assert why_not(pacer, "0.07").startswith("daily budget: 0.06 of 1,000.00 left")


@pytest.mark.parametrize(("hour", "cap"), [(0, "20.83"), (3, "20.83"), (4, "150")])
def test_the_first_four_hours_are_held_to_half_their_plan(hour: int, cap: str) -> None:
    pacer, _ = fresh(hour)

    assert pacer.can_spend("c", GOOGLE, Decimal(cap))[0]
    assert "left for this hour" in why_not(pacer, str(Decimal(cap) + Decimal("0.01")))


def test_protection_counts_open_hours() -> None:
    for hour, reason in ((14, "front-load protection"), (15, "hourly limit")):
        clock = Clock(datetime(2026, 5, 4, hour, tzinfo=UTC))
        pacer = BudgetPacer(clock=clock)
        pacer.set_campaign("c", open_hours=open_daily(time(11), time(22)))
        pacer.allocate_hourly_budget("c", GOOGLE, Decimal(1000))

        assert why_not(pacer, "160").startswith(reason)


def test_velocity_is_a_sum_over_a_sliding_window_and_never_one_amount() -> None:
    pacer, clock = fresh()
    spend(pacer, "60")
    assert pacer.can_spend("c", GOOGLE, Decimal(60))[0]
    spend(pacer, "60")

    assert why_not(pacer, "0.01").startswith("velocity: 120.00 within 300 s, the limit is 69.44")
    clock.wait(299)
    assert "velocity" in why_not(pacer, "0.01")
    clock.wait(31)
    assert pacer.can_spend("c", GOOGLE, Decimal(30))[0]


def test_many_small_amounts_at_once_run_into_it() -> None:
    pacer, _ = fresh()
    taken = 0
    while pacer.can_spend("c", GOOGLE, Decimal("0.69"))[0]:
        spend(pacer, "0.69")
        taken += 1

    assert taken == 101


def test_another_days_transaction_touches_no_budget_of_today() -> None:
    pacer, clock = fresh()

    spend(pacer, "500", clock.now - timedelta(days=1))

    assert pacer.spent("c", GOOGLE) == 0
    assert pacer.performance("c", GOOGLE).cost == 500


def test_performance_is_kept_by_channel_and_hour() -> None:
    pacer, _ = fresh()
    pacer.record_spend(
        SpendTransaction(
            "c", GOOGLE, Decimal(20), None, impressions=1000, clicks=40, conversions=4, revenue=Decimal(80)
        )
    )

    found = pacer.performance("c", GOOGLE, hour=12)

    assert (found.ctr, found.cvr, found.cpc, found.cpa, found.roas) == (0.04, 0.1, 0.5, 5.0, 4.0)
    assert pacer.performance("c", GOOGLE, hour=13).ctr is None


def test_a_changed_setting_takes_effect_at_once() -> None:
    pacer, _ = fresh()
    pacer.max_hourly_spend_pct = Decimal("0.10")

    assert pacer.max_hourly_spend_pct == Decimal("0.10")
    assert "of 100.00 left" in why_not(pacer, "101")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_hourly_spend_pct", 0, "must be more than 0 and at most 1"),
        ("max_hourly_spend_pct", "15", "use a number"),
        ("frontload_protection_hours", 2.5, "use a whole number"),
        ("frontload_protection_hours", 25, "at most 24"),
        ("pace_critical_threshold", Decimal("1.2"), "critical comes after warning"),
        ("emergency_stop_threshold", Decimal("NaN"), "finite"),
        ("velocity_window_s", 5, "more than 9"),
        ("extra_channels", "podcast", "list of names"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        BudgetPacer(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidConfiguration, match=words):
        setattr(BudgetPacer(), name, value)


def test_a_misspelt_setting_channel_or_zone_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="no such setting: max_hourly"):
        BudgetPacer(max_hourly=1)  # type: ignore[call-arg]
    with pytest.raises(InvalidConfiguration, match="no time zone"):
        BudgetPacer(timezone="Europe/Berlinn")
    with pytest.raises(InvalidConfiguration, match="'podcast' is no known channel"):
        BudgetPacer().allocate_hourly_budget("c", "podcast", Decimal(1))


def test_channels_can_be_added() -> None:
    pacer = BudgetPacer(extra_channels=["podcast"], clock=Clock())
    pacer.allocate_hourly_budget("c", "podcast", Decimal(100))

    assert pacer.can_spend("c", "podcast", Decimal(1))[0]


@pytest.mark.parametrize("amount", [Decimal(0), Decimal(-5), Decimal("NaN"), 5.0])
def test_amounts_must_be_positive_money(amount: Decimal) -> None:
    with pytest.raises(InvalidAmount):
        fresh()[0].can_spend("c", GOOGLE, amount)


def test_a_naive_timestamp_is_refused() -> None:
    with pytest.raises(InvalidAmount, match="no time zone"):
        spend(fresh()[0], "1", datetime(2026, 5, 4, 12))  # noqa: DTZ001 - that is the point


def test_raising_and_lowering_the_budget_keeps_what_was_spent() -> None:
    pacer, _ = fresh()
    spend(pacer, "100")
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(50))

    assert why_not(pacer, "1").startswith("daily budget: 0.00 of 50.00 left")
    pacer.allocate_hourly_budget("c", GOOGLE, Decimal(2000))
    assert pacer.spent("c", GOOGLE) == 100
    assert pacer.can_spend("c", GOOGLE, Decimal(100))[0]
