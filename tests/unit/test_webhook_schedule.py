"""When a message is tried again, when it is parked, and when its endpoint is switched off."""

from datetime import UTC, datetime, timedelta

import pytest

from delivery.schedule import ATTEMPTS, BREAKER, Answer, after_failure, retry_after

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def waits(answer: Answer, attempts: int, failures: int = 1) -> timedelta | None:
    then = after_failure(answer, attempts=attempts, failures=failures, failing_since=NOW, now=NOW)
    return None if then.try_at is None else then.try_at - NOW


@pytest.mark.fault(48)
def test_ten_attempts_over_three_days_and_then_it_is_parked() -> None:
    found = [waits(Answer(500), attempts) for attempts in range(1, ATTEMPTS + 1)]

    assert [wait and wait.total_seconds() for wait in found] == [
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, None,
    ]  # fmt: skip
    assert sum((wait for wait in found if wait), timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("status", [429, 503])
def test_who_asks_for_time_gets_it_for_all_messages(status: int) -> None:
    asked = after_failure(Answer(status, retry_after="600"), attempts=1, failures=1, failing_since=NOW, now=NOW)

    assert (asked.try_at, asked.leave_until) == (NOW + 10 * MINUTE, NOW + 10 * MINUTE)


def test_retry_after_makes_nothing_sooner_and_means_nothing_with_another_status() -> None:
    assert waits(Answer(503, retry_after="1"), attempts=3) == 30 * MINUTE
    assert waits(Answer(500, retry_after="600"), attempts=1) == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", 2 * MINUTE),
        (" 0120 ", 2 * MINUTE),
        ("Tue, 05 May 2026 12:01:00 GMT", MINUTE),
        ("999999999999999999999", timedelta(hours=24)),
        ("Tue, 05 May 2099 12:01:00 GMT", timedelta(hours=24)),
        ("0", None), ("-5", None), ("1.5", None), ("", None), ("soon", None), ("１２０", None),
        ("Tue, 05 May 2026 11:00:00 GMT", None), ("Tue, 05 May 2026 12:01:00", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_within_a_day(text: str, wait: timedelta | None) -> None:
    assert retry_after(text, NOW) == wait


def test_an_endpoint_that_fails_is_left_alone_for_longer_and_longer() -> None:
    found = [
        after_failure(Answer(None, "x"), attempts=1, failures=failures, failing_since=NOW, now=NOW).leave_until - NOW
        for failures in range(1, 8)
    ]

    assert found == [*BREAKER, BREAKER[-1], BREAKER[-1]]


def test_gone_parks_the_message_and_switches_off_at_once() -> None:
    then = after_failure(Answer(410), attempts=1, failures=1, failing_since=NOW, now=NOW)

    assert then.try_at is None
    assert "410 Gone" in then.switch_off


@pytest.mark.parametrize(("days", "off"), [(4.99, False), (5, True)])
def test_five_days_of_failure_switch_off(days: float, off: bool) -> None:
    since = NOW - timedelta(days=days)

    then = after_failure(Answer(500), attempts=2, failures=99, failing_since=since, now=NOW)

    assert bool(then.switch_off) is off
    assert then.try_at is not None
