"""TikTok, by its API for Business. Where each name is documented: docs/platform-apis.md.

Every answer has status 200 and an envelope: a code, of which 0 is well, a message and the data.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from budget_system.money import to_micros
from platforms.adapters.http import Answer, Http, batches
from platforms.protocol import (
    Account,
    Connection,
    Field,
    Kind,
    Outcome,
    PlatformError,
    RefusedByPlatform,
    RemoteCampaign,
    RemoteSpend,
    Status,
    Throttled,
    Unauthorised,
    Unreachable,
)

VERSION = "v1.3"
API = f"https://business-api.tiktok.com/open_api/{VERSION}"
PAGE = "1000"
MOST_SET = 20
"""Campaigns in one change of status."""
MOST_IDS = 100
"""Campaigns in one filter."""
DAYS_BY_DAY, DAYS_BY_HOUR = 30, 1
"""The longest that one report may ask for."""
_WORD = {Status.ENABLED: "ENABLE", Status.PAUSED: "DISABLE"}
_STATUS = {word: status for status, word in _WORD.items()}
_NOT_ALLOWED = frozenset({40_001, *range(40_101, 40_107), 40_110, 40_300})
_THROTTLED = frozenset({40_016, 40_100, 40_132, 40_133})
_SYSTEM = 50_000
"""Codes from here on are errors on TikTok's side."""
_METRICS = ["campaign_name", "spend", "impressions", "clicks", "conversion"]
_ALL = [{"field_name": "campaign_status", "filter_type": "IN", "filter_value": '["STATUS_ALL"]'}]
"""By itself a report leaves out what deleted campaigns have spent."""


class TikTok:
    """See `AdPlatform`."""

    def __init__(self, connection: Connection) -> None:
        token = connection.credentials.get("access_token", "")
        self._http = Http("TikTok", connection.base_url)
        self._http.hide(token)
        self._headers = {"Access-Token": token}
        self._id = connection.account_id.strip()
        if not _is_id(self._id):
            raise RefusedByPlatform("A TikTok advertiser id has digits only.")

    def account(self) -> Account:
        fields = ["advertiser_id", "name", "currency", "timezone", "display_timezone"]
        asked = {"advertiser_ids": json.dumps([self._id]), "fields": json.dumps(fields)}
        data = self._read("advertiser/info/", asked)
        with self._http.understood():
            said = next(one for one in [*data["list"], None] if one is None or one["advertiser_id"] == self._id)
            if said is None:
                raise Unauthorised("TikTok does not know this advertiser, or the token may not see it.")
            zones = (said.get("display_timezone"), said.get("timezone"))
            zone = next((one for one in zones if one in available_timezones()), "")
            return Account(self._id, said.get("name", ""), said["currency"], zone)

    def campaigns(self, ids: Collection[str] | None = None) -> Iterator[RemoteCampaign]:
        if ids is None:
            yield from self._campaigns({})
            return
        for some in batches(sorted(filter(_is_id, set(ids))), MOST_IDS):
            yield from self._campaigns({"campaign_ids": some})

    def _campaigns(self, some: Mapping[str, list[str]]) -> Iterator[RemoteCampaign]:
        fields = ["campaign_id", "campaign_name", "operation_status", "secondary_status"]
        filtering = {"primary_status": "STATUS_ALL", **some}
        for said in self._pages("campaign/get/", {"fields": json.dumps(fields), "filtering": json.dumps(filtering)}):
            with self._http.understood():
                deleted = said.get("secondary_status") == "CAMPAIGN_STATUS_DELETE"
                word = "DELETE" if deleted else said["operation_status"]
                found = RemoteCampaign(
                    said["campaign_id"], said["campaign_name"], _STATUS.get(word, Status.ENDED), word
                )
            yield found

    def set_status(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        outcomes = {one: Outcome(one, "This is no id of a TikTok campaign.") for one in wanted if not _is_id(one)}
        stopped: PlatformError | None = None
        done = False
        for status in _WORD:
            for some in batches((one for one, asked in wanted.items() if asked is status and _is_id(one)), MOST_SET):
                try:
                    found = self._set(some, status) if stopped is None else []
                    done = True
                except PlatformError as error:
                    if not done:
                        raise
                    stopped, found = error, []
                if stopped is not None:
                    found = [Outcome(one, stopped.message, stopped.passing) for one in some]
                outcomes |= {one.campaign_id: one for one in found}
        return [outcomes[one] for one in wanted]

    def _set(self, ids: list[str], status: Status) -> list[Outcome]:
        """All at once; one by one where they are refused together, so that each has its own answer."""
        asked = {"advertiser_id": self._id, "campaign_ids": ids, "operation_status": _WORD[status]}
        try:
            data = self._answered(self._send("POST", "campaign/status/update/", data=asked))
        except RefusedByPlatform as error:
            if len(ids) == 1:
                return [Outcome(ids[0], error.message)]
            return [outcome for one in ids for outcome in self._set([one], status)]
        with self._http.understood():
            done = {str(one) for one in data["campaign_ids"]}
        silent = "TikTok did not say what became of it."
        return [Outcome(one, "" if one in done else silent, passing=one not in done) for one in ids]

    def spend(self, first: date, last: date, *, by_hour: bool = False) -> Iterator[RemoteSpend]:
        currency = self.account().currency
        when = "stat_time_hour" if by_hour else "stat_time_day"
        for start, end in _parts(first, last, DAYS_BY_HOUR if by_hour else DAYS_BY_DAY):
            asked = {
                "report_type": "BASIC",
                "data_level": "AUCTION_CAMPAIGN",
                "dimensions": json.dumps(["campaign_id", when]),
                "metrics": json.dumps(_METRICS),
                "filtering": json.dumps(_ALL),
                "start_date": start.isoformat(),
                "end_date": end.isoformat(),
            }
            for said in self._pages("report/integrated/get/", asked):
                with self._http.understood():
                    figures, moment = said["metrics"], said["dimensions"][when]  # "2026-05-04 07:00:00"
                    spend = RemoteSpend(
                        campaign_id=str(said["dimensions"]["campaign_id"]),
                        campaign_name=figures.get("campaign_name", ""),
                        day=date.fromisoformat(moment[:10]),
                        hour=int(moment[11:13]) if by_hour else None,
                        micros=to_micros(_number(figures, "spend")),
                        currency=currency,
                        impressions=int(_number(figures, "impressions")),
                        clicks=int(_number(figures, "clicks")),
                        conversions=_number(figures, "conversion"),
                    )
                if spend.micros or spend.impressions or spend.clicks or spend.conversions:
                    yield spend

    # --- Calls -------------------------------------------------------------------------------------------------------

    def _pages(self, path: str, asked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        page, pages = 1, 1
        while page <= pages:
            wanted = {"advertiser_id": self._id, **asked, "page": str(page), "page_size": PAGE}
            data = self._read(path, wanted)
            with self._http.understood():
                rows: list[dict[str, Any]] = list(data["list"])
                pages = int(data["page_info"]["total_page"])
            yield from rows
            page += 1

    def _read(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        return self._answered(self._send("GET", path, params=asked, read=True))

    def _send(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, data: object = None,
        read: bool = False,
    ) -> Answer:  # fmt: skip
        url = f"{API}/{path}"
        return self._http.send(
            method, url, headers=self._headers, params=params, data=data, read=read, failed=self._failed
        )

    def _failed(self, answer: Answer) -> bool:
        with suppress(Unreachable, TypeError, ValueError):
            return answer.status >= 500 or int(self._http.json(answer).get("code", 0)) >= _SYSTEM
        return False

    def _answered(self, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise self._http.error(answer)
        said = self._http.json(answer)
        with self._http.understood():
            code, data = int(said["code"]), said.get("data") or {}
        if code == 0 and isinstance(data, dict):
            return data
        told = f"TikTok said: {self._http.words(said.get('message', ''))} ({code})"
        if code in _THROTTLED:
            raise Throttled(told)
        if code in _NOT_ALLOWED:
            raise Unauthorised(told)
        if code == 0 or code >= _SYSTEM:
            raise Unreachable(told)
        raise RefusedByPlatform(told)


def _parts(first: date, last: date, most: int) -> Iterator[tuple[date, date]]:
    while first <= last:
        end = min(first + timedelta(days=most - 1), last)
        yield first, end
        first = end + timedelta(days=1)


def _number(figures: Mapping[str, Any], name: str) -> Decimal:
    """A figure as a string; “-” where there is none."""
    text = str(figures.get(name, "0"))
    return Decimal(0) if text == "-" else Decimal(text)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 25


KIND = Kind(
    code="TIKTOK",
    version=VERSION,
    fields=(
        Field(
            "access_token", "Access token",
            "Given when the advertiser authorises your app (My Apps, in TikTok's portal for developers): it stays "
            "until the advertiser takes it back.",
        ),
    ),
    account_help="The advertiser id, digits only, from TikTok Ads Manager's address (aadvid) or account list.",
    lookback_days=7,
    least_pause_s=600,
    connect=TikTok,
)  # fmt: skip
