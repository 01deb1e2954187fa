"""What every adapter promises, told of each by the same tests, against its simulator."""

import logging
import time
import traceback
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest

from platforms.adapters import KINDS, http, microsoft
from platforms.protocol import (
    Account,
    AdPlatform,
    PlatformError,
    RefusedByPlatform,
    Status,
    Throttled,
    Unauthorised,
    Unreachable,
)
from tests.simulators.server import Server
from tests.unit.platforms.conftest import Desk

MONDAY, TUESDAY = date(2026, 5, 4), date(2026, 5, 5)

READS: dict[str, Callable[[AdPlatform], object]] = {
    "account": lambda platform: platform.account(),
    "campaigns": lambda platform: list(platform.campaigns()),
    "spend": lambda platform: list(platform.spend(MONDAY, MONDAY)),
    "spend by hour": lambda platform: list(platform.spend(MONDAY, MONDAY, by_hour=True)),
}
CALLS: dict[str, Callable[[AdPlatform], object]] = {
    **READS,
    "set_status": lambda platform: platform.set_status({"101": Status.PAUSED}),
}
read = pytest.mark.parametrize("read", READS.values(), ids=READS)
call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.0)
    monkeypatch.setattr(microsoft, "POLL_PAUSES_S", (0.0,) * 5)


def statuses(platform: AdPlatform) -> dict[str, Status]:
    return {one.id: one.status for one in platform.campaigns()}


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_an_account_tells_its_name_currency_and_zone(desk: Desk) -> None:
    assert desk.platform.account() == Account(desk.account_id, "Nordlicht GmbH", "EUR", "Europe/Berlin")


def test_all_pages_of_campaigns_are_read(desk: Desk) -> None:
    found = statuses(desk.platform)

    assert {id: found[id] for id in ("101", "102", "103", "104")} == {
        "101": Status.ENABLED, "102": Status.ENABLED, "103": Status.ENABLED, "104": Status.PAUSED,
    }  # fmt: skip
    assert found.get("105", Status.ENDED) is Status.ENDED
    assert "901" not in found


def test_some_campaigns_are_read_and_unknown_ones_left_out(desk: Desk) -> None:
    found = list(desk.platform.campaigns(["104", "102", "999", "no id"]))

    assert sorted((one.id, one.name, one.status) for one in found) == [
        ("102", "Campaign 102", Status.ENABLED),
        ("104", "Campaign 104", Status.PAUSED),
    ]
    assert all(one.said for one in found)


def test_spend_by_day_and_by_hour_are_the_same_money(desk: Desk) -> None:
    desk.world.advance(timedelta(hours=20))
    desk.world.spend("101", MONDAY, 9, 1_230_000, impressions=700, clicks=3)
    desk.world.spend("101", MONDAY, 14, 4_000_000)
    desk.world.spend("103", TUESDAY, 0, 10_000)

    days = list(desk.platform.spend(MONDAY, TUESDAY))
    hours = [*desk.platform.spend(MONDAY, MONDAY, by_hour=True), *desk.platform.spend(TUESDAY, TUESDAY, by_hour=True)]

    assert [(row.campaign_id, row.day, row.hour, row.micros, row.currency) for row in sorted(days)] == [
        ("101", MONDAY, None, 5_230_000, "EUR"),
        ("103", TUESDAY, None, 10_000, "EUR"),
    ]
    assert [(row.campaign_id, row.day, row.hour, row.micros) for row in sorted(hours)] == [
        ("101", MONDAY, 9, 1_230_000), ("101", MONDAY, 14, 4_000_000), ("103", TUESDAY, 0, 10_000),
    ]  # fmt: skip
    assert (days[0].campaign_name, days[0].impressions, days[0].clicks) == ("Campaign 101", 700, 3)


def test_spend_is_read_over_more_days_than_one_answer_may_hold(desk: Desk) -> None:
    desk.world.advance(timedelta(days=40))
    for day in range(40):
        desk.world.spend("102", MONDAY + timedelta(days=day), 12, 1_000_000)

    rows = list(desk.platform.spend(MONDAY, MONDAY + timedelta(days=39)))

    assert len({row.day for row in rows}) == len(rows) == 40
    assert sum(row.micros for row in rows) == 40_000_000


def test_what_a_campaign_spent_is_told_after_its_end(desk: Desk) -> None:
    desk.world.spend("105", MONDAY, 9, 2_000_000)

    assert [(row.campaign_id, row.micros) for row in desk.platform.spend(MONDAY, MONDAY)] == [("105", 2_000_000)]


def test_a_restated_day_is_read_as_it_is_now(desk: Desk) -> None:
    desk.world.spend("101", MONDAY, 9, 5_000_000)
    before = [row.micros for row in desk.platform.spend(MONDAY, MONDAY)]

    desk.world.restate("101", MONDAY, 9, 4_990_000)

    assert before == [5_000_000]
    assert [row.micros for row in desk.platform.spend(MONDAY, MONDAY)] == [4_990_000]


def test_late_spend_is_read_when_the_platform_tells_of_it(desk: Desk) -> None:
    desk.world.spend("101", MONDAY, 9, 5_000_000, late=timedelta(hours=3))

    assert list(desk.platform.spend(MONDAY, MONDAY)) == []
    desk.world.advance(timedelta(hours=3))
    assert [row.micros for row in desk.platform.spend(MONDAY, MONDAY)] == [5_000_000]


# --- Setting a status ------------------------------------------------------------------------------------------------


def test_a_status_is_set_and_read_back_and_stops_the_spending(desk: Desk) -> None:
    desk.world.campaigns["101"].per_hour = 6_000_000
    desk.world.advance(timedelta(hours=2))

    outcomes = desk.platform.set_status({"101": Status.PAUSED, "104": Status.ENABLED})
    desk.world.advance(timedelta(hours=2))

    assert [(one.campaign_id, one.accepted) for one in outcomes] == [("101", True), ("104", True)]
    found = statuses(desk.platform)
    assert (found["101"], found["104"]) == (Status.PAUSED, Status.ENABLED)
    assert [(row.campaign_id, row.micros) for row in desk.platform.spend(MONDAY, MONDAY)] == [("101", 12_000_000)]


def test_asking_for_what_is_there_already_is_accepted(desk: Desk) -> None:
    for _ in range(2):
        assert [one.accepted for one in desk.platform.set_status({"101": Status.PAUSED})] == [True]

    assert statuses(desk.platform)["101"] is Status.PAUSED


def test_one_refused_campaign_does_not_hold_up_the_others(desk: Desk) -> None:
    desk.faults.refuse = {"102"}

    outcomes = desk.platform.set_status(dict.fromkeys(("101", "102", "103"), Status.PAUSED))

    assert {one.campaign_id: one.accepted for one in outcomes} == {"101": True, "102": False, "103": True}
    found = statuses(desk.platform)
    assert (found["101"], found["102"], found["103"]) == (Status.PAUSED, Status.ENABLED, Status.PAUSED)


def test_unknown_campaigns_have_an_outcome_each_and_no_second_attempt(desk: Desk) -> None:
    outcomes = desk.platform.set_status({"999": Status.PAUSED, "no id": Status.PAUSED, "901": Status.PAUSED})

    assert sorted((one.campaign_id, one.accepted, one.passing) for one in outcomes) == [
        ("901", False, False), ("999", False, False), ("no id", False, False),
    ]  # fmt: skip
    assert desk.world.campaigns["901"].status is Status.ENABLED


def test_many_campaigns_are_set_in_as_many_requests_as_it_takes(desk: Desk) -> None:
    ids = [str(number) for number in range(2_000, 2_250)]
    for id in ids:
        desk.world.add_campaign(desk.account_id, id)

    outcomes = desk.platform.set_status(dict.fromkeys(ids, Status.PAUSED))

    assert [one.campaign_id for one in outcomes] == ids
    assert all(one.accepted for one in outcomes)
    assert {desk.world.campaigns[id].status for id in ids} == {Status.PAUSED}


@pytest.mark.fault(51)
def test_a_platform_that_says_yes_and_does_no_is_found_out_by_looking(desk: Desk) -> None:
    desk.faults.deaf = {"101"}

    outcomes = desk.platform.set_status({"101": Status.PAUSED})

    assert outcomes[0].accepted
    assert statuses(desk.platform)["101"] is Status.ENABLED


def test_a_change_that_has_not_spread_is_told_as_it_was(desk: Desk) -> None:
    desk.faults.stale_reads = 2
    desk.platform.set_status({"101": Status.PAUSED})

    seen = [statuses(desk.platform)["101"] for _ in range(3)]

    assert seen == [Status.ENABLED, Status.ENABLED, Status.PAUSED]


# --- What goes wrong -------------------------------------------------------------------------------------------------


@call
def test_throttling_is_told_with_the_wait_that_was_asked_for(desk: Desk, call: Callable[[AdPlatform], object]) -> None:
    desk.faults.throttled, desk.faults.retry_after_s = 1, 120

    with pytest.raises(Throttled) as raised:
        call(desk.platform)

    assert raised.value.passing
    assert raised.value.retry_after_s == {"TIKTOK": None, "MICROSOFT": 60}.get(desk.code, 120)


@call
def test_credentials_that_are_not_taken_are_unauthorised(desk: Desk, call: Callable[[AdPlatform], object]) -> None:
    wrong = desk.connect(refresh_token="secret-of-somebody", access_token="secret-of-somebody")

    with pytest.raises(Unauthorised) as raised:
        call(wrong)

    assert not raised.value.passing


@read
def test_a_read_is_tried_once_more_and_then_told(desk: Desk, read: Callable[[AdPlatform], object]) -> None:
    platform = desk.platform
    platform.account()
    desk.faults.broken = 1
    read(platform)

    desk.faults.broken = 100
    with pytest.raises(Unreachable):
        read(platform)

    assert desk.faults.broken == 98


def test_a_write_is_never_tried_again(desk: Desk) -> None:
    desk.faults.broken = 1

    with pytest.raises(Unreachable):
        desk.platform.set_status({"101": Status.PAUSED})

    assert desk.world.campaigns["101"].status is Status.ENABLED


@pytest.mark.parametrize("fault", ["cut", "garbled", "strange"])
@call
def test_an_answer_that_cannot_be_read_is_unreachable(
    desk: Desk, call: Callable[[AdPlatform], object], fault: str
) -> None:
    setattr(desk.faults, fault, 100)

    with pytest.raises(Unreachable) as raised:
        call(desk.platform)

    assert raised.value.passing


@call
def test_nobody_there_is_unreachable(desk: Desk, call: Callable[[AdPlatform], object]) -> None:
    platform = desk.platform
    desk.server._http.server_close()

    with pytest.raises(Unreachable):
        call(platform)


def test_a_slow_platform_is_given_up_at_the_deadline(desk: Desk) -> None:
    platform = desk.platform
    platform.account()
    platform._http.deadline_s = 0.2  # type: ignore[attr-defined] # adapters have it, the protocol does not
    desk.faults.slow_s = 0.6

    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"within 0\.2 s"):
        platform.set_status({"101": Status.PAUSED})

    assert time.monotonic() - began < 0.5


def test_a_token_that_ended_early_is_renewed_where_it_can_be(desk_of: Callable[[str], Desk]) -> None:
    for code in ("GOOGLE", "MICROSOFT"):
        desk = desk_of(code)
        platform = desk.platform
        platform.account()
        desk.server.simulators[code].end_tokens()

        platform.set_status({"101": Status.PAUSED})

        assert desk.world.campaigns["101"].status is Status.PAUSED


def test_an_access_token_serves_all_connections_of_its_account(desk_of: Callable[[str], Desk]) -> None:
    for code in ("GOOGLE", "MICROSOFT"):
        desk = desk_of(code)

        for _ in range(3):
            desk.platform.account()

        assert len(desk.server.calls("token")) == 1


# --- Secrets ---------------------------------------------------------------------------------------------------------


def test_no_secret_stands_in_an_address_an_error_or_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    for fault in ("throttled", "broken", "cut", "garbled", "strange"):
        for call in CALLS.values():
            platform = desk.platform
            setattr(desk.faults, fault, 100)
            try:
                call(platform)
            except PlatformError as error:
                told += [error.message, *traceback.format_exception(error)]
            setattr(desk.faults, fault, 0)
    platform = desk.platform
    desk.take_back()
    with pytest.raises(Unauthorised) as raised:
        platform.account()
    told += [raised.value.message]

    assert len(told) > 20
    assert "secret-" not in "".join(told) + caplog.text
    assert not [request for request in desk.server.requests if "secret-" in request.path + str(request.query)]


def test_an_address_that_is_not_on_this_machine_is_not_called(desk: Desk) -> None:
    there = desk.server.connection(desk.account_id)

    for address in ("http://198.51.100.7:80", "https://127.0.0.1:1", "http://localhost.example"):
        with pytest.raises(RefusedByPlatform):
            KINDS[desk.code].connect(there._replace(base_url=address))


def test_decimals_of_figures_are_kept(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("GOOGLE")
    desk.world.spend("101", MONDAY, 9, 1, conversions=2, revenue=19_990_000)

    rows = list(desk.platform.spend(MONDAY, MONDAY))

    assert [(row.micros, row.conversions, row.revenue) for row in rows] == [(1, Decimal("2.0"), Decimal("19.99"))]


def test_one_server_speaks_for_all_platforms(desk: Desk) -> None:
    assert isinstance(desk.server, Server)
    assert set(desk.server.simulators) == set(KINDS)
