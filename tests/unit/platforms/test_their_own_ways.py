"""What only one of the platforms does."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from platforms.adapters import KINDS, http, microsoft, oauth
from platforms.adapters.http import Answer, Http
from platforms.protocol import Outcome, RefusedByPlatform, Status, Throttled, Unauthorised, Unreachable
from tests.simulators.server import Reply, Request
from tests.unit.platforms.conftest import Desk

MONDAY = date(2026, 5, 4)
DeskOf = Callable[[str], Desk]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.0)
    monkeypatch.setattr(microsoft, "POLL_PAUSES_S", (0.0,) * 5)


def answering(desk: Desk, reply: Reply) -> None:
    """Whatever is asked, but for tokens, is answered so."""
    simulator = desk.server.simulators[desk.code]
    known = simulator.answer

    def answer(request: Request) -> Reply:
        return known(request) if simulator.signs_in(request) else reply

    simulator.answer = answer  # type: ignore[method-assign] # this simulator only


# --- Google Ads ------------------------------------------------------------------------------------------------------


def test_google_is_told_the_manager_without_dashes_and_nothing_that_is_empty(desk_of: DeskOf) -> None:
    desk = desk_of("GOOGLE")

    desk.connect(login_customer_id="123-456-7890", developer_token="").account()

    headers = desk.server.calls("googleAds:search")[0].headers
    assert headers["login-customer-id"] == "1234567890"
    assert "developer-token" not in headers


def test_google_errors_that_pass_are_tried_again_later_and_others_not(desk_of: DeskOf) -> None:
    desk = desk_of("GOOGLE")
    desk.faults.refuse = {"101"}

    outcomes = desk.platform.set_status({"101": Status.PAUSED, "105": Status.ENABLED, "102": Status.PAUSED})

    assert [(one.campaign_id, one.accepted, one.passing) for one in outcomes] == [
        ("101", False, True), ("105", False, False), ("102", True, False),
    ]  # fmt: skip
    assert "CONCURRENT_MODIFICATION" in outcomes[0].error
    assert "REMOVED_RESOURCE" in outcomes[1].error


def test_google_campaigns_that_are_over_are_ended(desk_of: DeskOf) -> None:
    desk = desk_of("GOOGLE")
    campaign = {"id": "7", "name": "Spring", "status": "ENABLED", "servingStatus": "ENDED"}
    answering(desk, Reply(data={"results": [{"campaign": campaign}]}))

    assert [(one.id, one.status, one.said) for one in desk.platform.campaigns()] == [("7", Status.ENDED, "ENDED")]


def test_google_tells_a_quota_among_the_operations_as_passing(desk_of: DeskOf) -> None:
    desk = desk_of("GOOGLE")
    where = {"fieldPathElements": [{"fieldName": "operations"}]}  # an index of 0 is left out
    error = {"errorCode": {"quotaError": "RESOURCE_TEMPORARILY_EXHAUSTED"}, "message": "Too fast.", "location": where}
    answering(desk, Reply(data={"partialFailureError": {"code": 8, "details": [{"errors": [error]}]}, "results": [{}]}))

    assert desk.platform.set_status({"101": Status.PAUSED}) == [
        Outcome("101", "Too fast. (RESOURCE_TEMPORARILY_EXHAUSTED)", passing=True)
    ]


def test_a_google_account_id_may_have_dashes_and_nothing_else(desk_of: DeskOf) -> None:
    there = desk_of("GOOGLE").server.connection("1112223334")

    assert KINDS["GOOGLE"].connect(there._replace(account_id="111-222-3334")).account().currency == "EUR"
    with pytest.raises(RefusedByPlatform):
        KINDS["GOOGLE"].connect(there._replace(account_id="111/../222"))


# --- Meta ------------------------------------------------------------------------------------------------------------


def test_meta_gets_its_token_in_a_header_and_pages_are_followed_by_cursor(desk_of: DeskOf) -> None:
    desk = desk_of("META")

    assert len(list(desk.platform.campaigns())) == 5

    calls = desk.server.calls("/campaigns")
    assert [call.query.get("after") for call in calls] == [None, "2", "4"]
    assert all(call.headers["authorization"].startswith("Bearer secret-") for call in calls)
    assert not any("access_token" in call.query for call in calls)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 17, Throttled), (400, 613, Throttled), (400, 80_004, Throttled), (403, 4, Throttled),
        (401, 190, Unauthorised), (400, 190, Unauthorised), (403, 200, Unauthorised), (403, 10, Unauthorised),
        (500, 1, Unreachable), (400, 2, Unreachable), (400, 100, RefusedByPlatform),
    ],
)  # fmt: skip
def test_meta_errors_go_by_their_code(desk_of: DeskOf, status: int, code: int, kind: type[Exception]) -> None:
    desk = desk_of("META")
    answering(desk, Reply(status, {"error": {"message": "So it is.", "code": code}}))

    with pytest.raises(kind, match=r"So it is\. \("):
        desk.platform.account()


def test_meta_tells_the_longest_wait_of_all_its_headers(desk_of: DeskOf) -> None:
    desk = desk_of("META")
    uses = [{"estimated_time_to_regain_access": 3}, {"estimated_time_to_regain_access": 11}]
    headers = {
        "X-Business-Use-Case-Usage": json.dumps({"1": uses}),
        "X-Ad-Account-Usage": json.dumps({"acc_id_util_pct": 100, "reset_time_duration": 90}),
    }
    answering(desk, Reply(400, {"error": {"message": "Too many calls", "code": 17}}, headers=headers))

    with pytest.raises(Throttled) as raised:
        desk.platform.account()

    assert raised.value.retry_after_s == 660


def test_meta_stops_at_a_throttle_and_tells_what_was_done(desk_of: DeskOf) -> None:
    desk = desk_of("META")
    simulator = desk.server.simulators["META"]
    known = simulator.answer

    def answer(request: Request) -> Reply:
        return simulator.throttled(60) if request.path.endswith("/102") else known(request)

    simulator.answer = answer  # type: ignore[method-assign] # this simulator only

    outcomes = desk.platform.set_status(dict.fromkeys(("101", "102", "103"), Status.PAUSED))

    assert [(one.accepted, one.passing) for one in outcomes] == [(True, False), (False, True), (False, True)]
    assert len([call for call in desk.server.requests if call.method == "POST"]) == 2


# --- TikTok ----------------------------------------------------------------------------------------------------------


def test_tiktok_is_asked_for_hours_one_day_at_a_time(desk_of: DeskOf) -> None:
    desk = desk_of("TIKTOK")
    desk.world.spend("101", MONDAY, 0, 1_000_000)
    desk.world.spend("101", MONDAY + timedelta(days=1), 23, 2_000_000)

    rows = list(desk.platform.spend(MONDAY, MONDAY + timedelta(days=2), by_hour=True))

    assert [(row.day.day, row.hour, row.micros) for row in rows] == [(4, 0, 1_000_000), (5, 23, 2_000_000)]
    assert len(desk.server.calls("report/integrated/get/")) == 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (40_100, Throttled), (40_105, Unauthorised), (40_102, Unauthorised), (40_001, Unauthorised),
        (40_002, RefusedByPlatform), (50_000, Unreachable), (51_010, Unreachable),
    ],
)  # fmt: skip
def test_tiktok_errors_have_status_200_and_go_by_their_code(desk_of: DeskOf, code: int, kind: type[Exception]) -> None:
    desk = desk_of("TIKTOK")
    answering(desk, Reply(data={"code": code, "message": "So it is.", "data": {}}))

    with pytest.raises(kind, match=rf"So it is\. \({code}\)"):
        desk.platform.account()


def test_tiktok_campaigns_that_are_refused_together_are_asked_one_by_one(desk_of: DeskOf) -> None:
    desk = desk_of("TIKTOK")
    desk.faults.refuse = {"102"}

    desk.platform.set_status(dict.fromkeys(("101", "102", "103"), Status.PAUSED))

    asked = [call.json()["campaign_ids"] for call in desk.server.calls("status/update")]
    assert asked == [["101", "102", "103"], ["101"], ["102"], ["103"]]


# --- Microsoft Advertising -------------------------------------------------------------------------------------------


def test_a_refresh_token_that_is_replaced_is_kept_before_anything_else_is_asked(desk_of: DeskOf) -> None:
    desk = desk_of("MICROSOFT")
    kept: list[Mapping[str, str]] = []
    asked_before: list[int] = []

    def keep(credentials: Mapping[str, str]) -> None:
        kept.append(credentials)
        asked_before.append(len(desk.server.requests))

    first = desk.server.connection(desk.account_id, keep)
    KINDS["MICROSOFT"].connect(first).account()
    second = first._replace(credentials=kept[-1])
    desk.server.simulators["MICROSOFT"].end_tokens()
    KINDS["MICROSOFT"].connect(second).account()

    assert asked_before == [1, 4]  # the token; then token, account, account again with a new token
    assert kept[0]["refresh_token"] != first.credentials["refresh_token"]
    assert {**kept[0], "refresh_token": ""} == {**first.credentials, "refresh_token": ""}
    assert kept[1]["refresh_token"] == desk.world.accounts[desk.account_id].credentials["refresh_token"]


def test_threads_that_begin_together_use_the_refresh_token_once(desk_of: DeskOf) -> None:
    desk = desk_of("MICROSOFT")
    there = desk.server.connection(desk.account_id)
    desk.faults.slow_s = 0.02

    with ThreadPoolExecutor(6) as pool:
        accounts = list(pool.map(lambda _: KINDS["MICROSOFT"].connect(there).account(), range(6)))

    assert {account.id for account in accounts} == {desk.account_id}
    assert len(desk.server.calls("/oauth2/v2.0/token")) == 1


def test_a_refresh_token_that_another_process_has_replaced_still_works(desk_of: DeskOf) -> None:
    desk = desk_of("MICROSOFT")
    there = desk.server.connection(desk.account_id)
    for _ in range(3):
        oauth.forget_all()  # as in another process
        assert KINDS["MICROSOFT"].connect(there).account().id == desk.account_id

    assert len(desk.server.calls("/oauth2/v2.0/token")) == 3


def test_a_report_is_waited_for_and_fetched_without_credentials(desk_of: DeskOf) -> None:
    desk = desk_of("MICROSOFT")
    desk.faults.reports_pending = 3
    desk.world.spend("101", MONDAY, 7, 1_234_560_000, impressions=12_345)

    rows = list(desk.platform.spend(MONDAY, MONDAY, by_hour=True))

    assert [(row.hour, row.micros, row.impressions) for row in rows] == [(7, 1_234_560_000, 12_345)]
    assert len(desk.server.calls("/Poll")) == 4
    fetched = desk.server.calls("/msreports/")[0].headers
    assert not {"authorization", "developertoken", "customerid"} & set(fetched)


def test_a_report_that_takes_too_long_is_asked_for_another_time(desk_of: DeskOf) -> None:
    desk = desk_of("MICROSOFT")
    desk.faults.reports_pending = 100

    with pytest.raises(Unreachable, match="still making"):
        list(desk.platform.spend(MONDAY, MONDAY))


def packed(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("report.csv", text)
    return file.getvalue()


HEADER = "TimePeriod,CampaignId,CampaignName,CurrencyCode,Spend,Impressions,Clicks,Conversions,Revenue\n"


@pytest.mark.parametrize(
    "file",
    [
        b"PK\x03\x04 and then nothing",
        b"<html>We will be back soon</html>",
        packed("TimePeriod,Spend\n2026-05-04,1\n"),
        packed(HEADER + "2026-05-04,101,Name,EUR,much,1,1,1,1\n"),
        packed(HEADER + "2026-05-04,101\n"),
    ],
)
def test_a_report_that_is_damaged_is_unreachable_and_not_an_empty_one(desk_of: DeskOf, file: bytes) -> None:
    desk = desk_of("MICROSOFT")
    desk.world.spend("101", MONDAY, 7, 1_000_000)
    simulator = desk.server.simulators["MICROSOFT"]
    known = simulator.answer

    def answer(request: Request) -> Reply:
        return Reply(body=file) if request.path.startswith("/msreports/") else known(request)

    simulator.answer = answer  # type: ignore[method-assign] # this simulator only

    with pytest.raises(Unreachable):
        list(desk.platform.spend(MONDAY, MONDAY))


def test_a_microsoft_budget_that_is_used_up_there_is_no_pause_of_ours(desk_of: DeskOf) -> None:
    desk = desk_of("MICROSOFT")
    words = ("BudgetPaused", "BudgetAndManualPaused", "Suspended")
    said = [{"Id": str(at), "Name": "N", "Status": word} for at, word in enumerate(words)]
    answering(desk, Reply(data={"Campaigns": said}))

    assert [one.status for one in desk.platform.campaigns()] == [Status.ENABLED, Status.PAUSED, Status.ENDED]


# --- What they share -------------------------------------------------------------------------------------------------


def test_words_from_outside_are_one_short_line_without_secrets() -> None:
    calls = Http("Somebody")
    calls.hide("hush-hush", "")

    assert calls.words("The token\nhush-hush  is wrong" + "!" * 1_000).startswith("The token … is wrong!!!")
    assert len(calls.words("x" * 1_000)) == 300


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (429, {}, Throttled), (503, {"Retry-After": "7"}, Throttled), (503, {}, Unreachable), (302, {}, Unreachable),
        (401, {}, Unauthorised), (403, {}, Unauthorised), (404, {}, RefusedByPlatform),
    ],
)  # fmt: skip
def test_a_status_alone_has_a_meaning(status: int, headers: dict[str, str], kind: type[Exception]) -> None:
    assert type(Http("Somebody").error(Answer(status, headers, b""))) is kind


def test_a_platform_is_called_over_https_only() -> None:
    with pytest.raises(Unreachable, match="https"):
        Http("Somebody").send("GET", "http://api.example/v1")


def test_an_answer_larger_than_the_limit_is_not_taken(desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_of("META")
    monkeypatch.setattr(http, "MAX_BYTES", 50)

    with pytest.raises(Unreachable, match="more than"):
        desk.platform.account()
