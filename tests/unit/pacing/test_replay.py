"""The replay measures what it says, and the same seed gives the same day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.pacing.anomalies import Series, generated_prices, recorded_prices, watch
from benchmarks.pacing.days import SETTINGS, ReplayDay, generated_days, make_ticket
from benchmarks.pacing.hindsight import best_value
from benchmarks.pacing.months import month
from benchmarks.pacing.ours import Ours
from benchmarks.pacing.plots import plot
from benchmarks.pacing.recorded import UnableToReadData, read
from benchmarks.pacing.replay import replay
from benchmarks.pacing.rivals import Asap, EvenByClock
from budget_pacer import PacingStrategy


def a_day(setting: str = "calm") -> ReplayDay:
    return generated_days(setting, 2, 400, seed=3)[1]


@pytest.mark.parametrize("setting", list(SETTINGS))
def test_a_seed_gives_the_same_day_and_only_the_forecast_differs_when_cold(setting: str) -> None:
    assert a_day(setting) == a_day(setting)
    if setting == "cold":
        assert a_day("cold").tickets == a_day("calm").tickets
        assert a_day("cold").known.shape != a_day("calm").known.shape


def test_buying_everything_at_once_is_seen_as_early_and_poor() -> None:
    day = a_day()
    result = replay("asap", Asap(day), day)

    assert result.utilisation > 0.98
    assert result.premature
    assert result.ks > 0.3
    assert result.value < replay("even", EvenByClock(day), day).value < 1


def test_ours_never_passes_the_budget_and_beats_buying_everything() -> None:
    day = a_day()
    result = replay("ours", Ours(day, PacingStrategy.ADAPTIVE_HYBRID, scores=True), day)

    assert result.overspend == 0
    assert not result.premature
    assert result.value > 1.3 * replay("asap", Asap(day), day).value


def test_the_hindsight_optimum_fills_a_knapsack() -> None:
    tickets = [make_ticket(0, 10, 5.0), make_ticket(1, 10, 30.0), make_ticket(2, 20, 20.0)]

    assert best_value(tickets, 20) == 30 + 10
    assert best_value(tickets, 1000) == 55


def test_a_price_that_jumps_inside_its_window_is_found_and_steady_ones_are_quiet() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    prices = [(start + timedelta(hours=hour), 5.0 if 300 <= hour < 310 else 1.0) for hour in range(400)]
    window = (start + timedelta(hours=295), start + timedelta(hours=315))

    found = watch(Series("jump", True, prices, [window]))

    assert (found.found, found.windows, found.opened_in_normal) == (1, 1, 0)
    assert found.closes_again
    assert generated_prices(2, 1)[1] == generated_prices(2, 1)[1]


def test_recorded_prices_are_matched_with_their_labels(tmp_path: Path) -> None:
    rows = "timestamp,value\n2011-07-01 00:00:01,0.5\n2011-07-01 01:00:01,0.6\n"
    for name in ("exchange2_cpc_hourly.csv", "exchange2_cpm_hourly.csv"):
        (tmp_path / name).write_text(rows, encoding="utf-8")
    labels = '{"exchange-2_cpc_results.csv": [["2011-07-01 01:00:01.000000", "2011-07-01 01:00:01.000000"]]}'
    (tmp_path / "exchange2_anomaly_windows.json").write_text(labels, encoding="utf-8")

    clicks, milles = recorded_prices(tmp_path)

    assert (clicks.by_click, len(clicks.prices), len(clicks.windows)) == (True, 2, 1)
    assert (milles.by_click, milles.windows) == (False, [])


def test_a_month_of_even_supply_is_used_up() -> None:
    result = month("month plan", [10.0] * 30)

    assert result.utilisation > 0.999
    assert result.overspend == 0


def test_a_plot_is_a_png(tmp_path: Path) -> None:
    plot(tmp_path / "a.png", "calm 1: even", [("plan", [0.0, 0.5, 1.0])])

    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnableToReadData, match="traffic_share_by_hour"):
        read(tmp_path)
