"""TikTok's API for Business, as its documentation has it; the addresses are in docs/platform-apis.md.

Spoken: an advertiser, its campaigns, their status, and basic reports by day and hour. Everything is answered with
status 200, an envelope and a code.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from platforms.protocol import Status
from tests.simulators.server import Reply, Request, Simulator
from tests.simulators.world import Row, SimAccount, SimCampaign

_BASE = "/open_api/v1.3/"
_SAID = {Status.ENABLED: "ENABLE", Status.PAUSED: "DISABLE", Status.ENDED: "DISABLE"}
_SECOND = {
    Status.ENABLED: "CAMPAIGN_STATUS_ENABLE",
    Status.PAUSED: "CAMPAIGN_STATUS_DISABLE",
    Status.ENDED: "CAMPAIGN_STATUS_DELETE",
}
_MEANT = {"ENABLE": Status.ENABLED, "DISABLE": Status.PAUSED}
_METRICS = {"campaign_name", "spend", "impressions", "clicks", "conversion"}
_LONGEST = {"stat_time_day": 30, "stat_time_hour": 1}


class TikTokSimulator(Simulator):
    platform = "TIKTOK"
    paths = (_BASE,)

    def throttled(self, wait_s: int) -> Reply:
        return _error(40_100, "Requests made too frequently.")

    def broken(self) -> Reply:
        return _error(50_000, "System error.")

    def answer(self, request: Request) -> Reply:
        token = request.headers.get("access-token", "")
        mine = [one for one in self.accounts() if one.credentials["access_token"] == token]
        if not mine:
            return _error(40_105, "Access token is incorrect or has been revoked.")
        call = (request.method, request.path.removeprefix(_BASE))
        if call == ("GET", "advertiser/info/"):
            ids = json.loads(request.query["advertiser_ids"])
            return _well({"list": [_advertiser(one) for one in mine if one.id in ids]})
        asked = request.json() if request.method == "POST" else request.query
        account = next((one for one in mine if one.id == asked.get("advertiser_id")), None)
        if account is None:
            return _error(40_001, "No permission to operate advertiser.")
        known: dict[tuple[str, str], Callable[[SimAccount, Mapping[str, Any]], Reply]] = {
            ("GET", "campaign/get/"): self._campaigns,
            ("GET", "report/integrated/get/"): self._report,
            ("POST", "campaign/status/update/"): self._set,
        }
        return known[call](account, asked) if call in known else Reply(404, {"message": "not found"})

    # --- Reading -----------------------------------------------------------------------------------------------------

    def _campaigns(self, account: SimAccount, asked: Mapping[str, str]) -> Reply:
        filtering = json.loads(asked.get("filtering", "{}"))
        ids = filtering.get("campaign_ids")
        if ids is not None and not 1 <= len(ids) <= 100:
            return _error(40_002, "campaign_ids: Length must be between 1 and 100.")
        found = [one for one in self.world.campaigns_of(account.id) if ids is None or one.id in ids]
        if filtering.get("primary_status") != "STATUS_ALL":
            found = [one for one in found if one.status is not Status.ENDED]
        return self._page(found, asked, self._campaign)

    def _campaign(self, campaign: SimCampaign) -> dict[str, str]:
        status = self.world.told(campaign)
        return {
            "campaign_id": campaign.id,
            "campaign_name": campaign.name,
            "operation_status": _SAID[status],
            "secondary_status": _SECOND[status],
        }

    def _report(self, account: SimAccount, asked: Mapping[str, str]) -> Reply:
        dimensions, metrics = json.loads(asked["dimensions"]), json.loads(asked["metrics"])
        first, last = date.fromisoformat(asked["start_date"]), date.fromisoformat(asked["end_date"])
        if asked.get("report_type") != "BASIC" or asked.get("data_level") != "AUCTION_CAMPAIGN":
            return _error(40_002, "The simulator knows basic reports of campaigns only.")
        if dimensions[0] != "campaign_id" or dimensions[1] not in _LONGEST or not _METRICS.issuperset(metrics):
            return _error(40_002, "Unsupported dimensions or metrics.")
        if (last - first).days >= _LONGEST[dimensions[1]]:
            return _error(40_002, f"The time span of {dimensions[1]} must not exceed {_LONGEST[dimensions[1]]} days.")
        everything = any(
            one["field_name"] == "campaign_status" and json.loads(one["filter_value"]) == ["STATUS_ALL"]
            for one in json.loads(asked.get("filtering", "[]"))
        )
        rows = self.world.rows(account.id, first, last, by_hour=dimensions[1] == "stat_time_hour")
        rows = [row for row in rows if everything or row.campaign.status is not Status.ENDED]
        return self._page(rows, asked, lambda row: _row(row, dimensions[1], metrics))

    def _page(self, found: list[Any], asked: Mapping[str, str], said: Callable[[Any], object]) -> Reply:
        page, size = int(asked.get("page", 1)), int(asked.get("page_size", 10))
        if not 1 <= size <= 1_000:
            return _error(40_002, "page_size: must be between 1 and 1000.")
        size = min(size, self.world.page_size)
        here = found[(page - 1) * size : page * size]
        pages = max(1, -(-len(found) // size))
        info = {"page": page, "page_size": size, "total_number": len(found), "total_page": pages}
        return _well({"list": [said(one) for one in here], "page_info": info})

    # --- Writing -----------------------------------------------------------------------------------------------------

    def _set(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        ids, wanted = asked.get("campaign_ids", []), _MEANT.get(asked.get("operation_status", ""))
        if not 1 <= len(ids) <= 20 or wanted is None:
            return _error(40_002, "campaign_ids: Length must be between 1 and 20.")
        known = {one.id for one in self.world.campaigns_of(account.id)}
        refused = [id for id in ids if id not in known or id in self.world.faults.refuse]
        if refused:  # all or nothing: that single ids may fail is not documented
            return _error(40_002, f"Campaign {refused[0]} does not exist or cannot be modified.")
        done = [id for id in ids if self.world.ask(id, wanted)]
        listed = [{"campaign_id": id, "status": asked["operation_status"]} for id in done]
        return _well({"campaign_ids": done, "status": asked["operation_status"], "campaign_list": listed})


def _advertiser(account: SimAccount) -> dict[str, str]:
    return {
        "advertiser_id": account.id,
        "name": account.name,
        "currency": account.currency,
        "timezone": "Etc/GMT-1",
        "display_timezone": account.time_zone,
    }


def _row(row: Row, when: str, metrics: list[str]) -> dict[str, dict[str, str]]:
    said = {
        "campaign_name": row.campaign.name,
        "spend": f"{row.micros / 1_000_000:.2f}",
        "impressions": str(row.impressions),
        "clicks": str(row.clicks),
        "conversion": str(row.conversions),
    }
    moment = f"{row.day.isoformat()} {row.hour or 0:02}:00:00"
    return {
        "dimensions": {"campaign_id": row.campaign.id, when: moment},
        "metrics": {name: said[name] for name in metrics},
    }


def _well(data: object) -> Reply:
    return Reply(data={"code": 0, "message": "OK", "request_id": "sim", "data": data})


def _error(code: int, message: str) -> Reply:
    return Reply(data={"code": code, "message": message, "request_id": "sim", "data": {}})
