"""Meta's Graph API, as its documentation has it; the addresses are in docs/platform-apis.md.

Spoken: an ad account, its campaigns, a campaign's status, and insights by day and hour. Lists have cursors, and the
address of their next page has the token in it, as Graph does it. Numbers of insights are strings.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from platforms.protocol import Status
from tests.simulators.server import Reply, Request, Simulator
from tests.simulators.world import Row, SimAccount, SimCampaign

_SAID = {Status.ENABLED: "ACTIVE", Status.PAUSED: "PAUSED", Status.ENDED: "ARCHIVED"}
_MEANT = {"ACTIVE": Status.ENABLED, "PAUSED": Status.PAUSED}
_HOUR = "hourly_stats_aggregated_by_advertiser_time_zone"
_ACCOUNT = re.compile(r"/v26\.0/act_(\d+)(?:/(campaigns|insights))?")
_FIELDS = {
    "account": {"name", "currency", "timezone_name"},
    "campaigns": {"id", "name", "status", "effective_status"},
    "insights": {"campaign_id", "campaign_name", "account_currency", "spend", "impressions", "clicks"},
}


class MetaSimulator(Simulator):
    platform = "META"
    paths = ("/v26.0/",)

    def throttled(self, wait_s: int) -> Reply:
        usage = {"type": "ads_insights", "call_count": 100, "total_cputime": 25, "total_time": 25}
        usage["estimated_time_to_regain_access"] = wait_s // 60
        headers = {"X-Business-Use-Case-Usage": json.dumps({"66782684": [usage]})}
        message = "There have been too many calls to this ad-account. Wait a bit and try again."
        return _error(400, 80_000, message, subcode=2446079, headers=headers)

    def broken(self) -> Reply:
        return _error(500, 2, "An unexpected error has occurred. Please retry your request later.", transient=True)

    def answer(self, request: Request) -> Reply:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        mine = [one for one in self.accounts() if one.credentials["access_token"] == token]
        if not mine:
            message = "Error validating access token: The session has been invalidated."
            return _error(401, 190, message, subcode=460)
        asked = _ACCOUNT.fullmatch(request.path)
        if request.method == "POST":
            return self._set(mine, request)
        account = next((one for one in mine if asked and one.id == asked[1]), None)
        if asked is None or account is None:
            message = "(#200) Ad account owner has NOT grant ads_management or ads_read permission"
            return _error(403, 200, message)
        fields = request.query.get("fields", "").split(",")
        if not _FIELDS[asked[2] or "account"].issuperset(fields):
            return _error(400, 100, "(#100) Tried accessing nonexisting field")
        if asked[2] == "campaigns":
            return self._campaigns(account, request, token)
        if asked[2] == "insights":
            return self._insights(account, request, token)
        said = {"name": account.name, "currency": account.currency, "timezone_name": account.time_zone}
        return Reply(data={"id": f"act_{account.id}"} | {name: said[name] for name in fields})

    # --- Reading -----------------------------------------------------------------------------------------------------

    def _campaigns(self, account: SimAccount, request: Request, token: str) -> Reply:
        shown = json.loads(request.query.get("effective_status", '["ACTIVE", "PAUSED", "IN_PROCESS", "WITH_ISSUES"]'))
        found = [one for one in self.world.campaigns_of(account.id) if _SAID[one.status] in shown]
        return self._page(found, request, token, self._campaign)

    def _campaign(self, campaign: SimCampaign) -> dict[str, Any]:
        status = _SAID[self.world.told(campaign)]
        return {"id": campaign.id, "name": campaign.name, "status": status, "effective_status": status}

    def _insights(self, account: SimAccount, request: Request, token: str) -> Reply:
        asked = request.query
        if asked.get("level") != "campaign" or asked.get("time_increment") != "1":
            return _error(400, 100, "(#100) the simulator knows daily rows of campaigns only")
        if asked.get("breakdowns", _HOUR) != _HOUR:
            return _error(400, 100, "(#100) breakdowns must be one of the known values")
        by_hour = "breakdowns" in asked
        days = json.loads(asked["time_range"])
        first, last = date.fromisoformat(days["since"]), date.fromisoformat(days["until"])
        shown = ["ACTIVE", "PAUSED", "IN_PROCESS", "WITH_ISSUES"]
        for one in json.loads(asked.get("filtering", "[]")):
            if (one["field"], one["operator"]) != ("campaign.effective_status", "IN"):
                return _error(400, 100, "(#100) Filtering field is invalid")
            shown = one["value"]
        rows = self.world.rows(account.id, first, last, by_hour=by_hour)
        rows = [row for row in rows if _SAID[row.campaign.status] in shown]
        return self._page(rows, request, token, lambda row: _insight(account, row))

    def _page(self, found: list[Any], request: Request, token: str, said: Any) -> Reply:
        start = int(request.query.get("after") or 0)
        size = min(int(request.query.get("limit", 25)), self.world.page_size)
        page = found[start : start + size]
        if not page:
            return Reply(data={"data": []})
        after = str(start + len(page))
        paging: dict[str, Any] = {"cursors": {"before": str(start), "after": after}}
        if start + len(page) < len(found):
            paging["next"] = f"https://graph.facebook.com{request.path}?access_token={token}&after={after}"
        return Reply(data={"data": [said(one) for one in page], "paging": paging})

    # --- Writing -----------------------------------------------------------------------------------------------------

    def _set(self, mine: list[SimAccount], request: Request) -> Reply:
        id = request.path.removeprefix("/v26.0/")
        campaign = self.world.campaigns.get(id)
        if campaign is None or campaign.account_id not in {one.id for one in mine}:
            message = (
                f"Unsupported post request. Object with ID '{id}' does not exist, cannot be loaded due to missing "
                "permissions, or does not support this operation."
            )
            return _error(400, 100, message, subcode=33)
        wanted = _MEANT.get(request.form().get("status", ""))
        if wanted is None or not self.world.ask(id, wanted):
            return _error(400, 100, "(#100) Invalid parameter", subcode=1487790)
        return Reply(data={"success": True})


def _insight(account: SimAccount, row: Row) -> Mapping[str, str]:
    said = {
        "campaign_id": row.campaign.id,
        "campaign_name": row.campaign.name,
        "account_currency": account.currency,
        "spend": f"{row.micros / 1_000_000:.2f}",
        "impressions": str(row.impressions),
        "clicks": str(row.clicks),
        "date_start": row.day.isoformat(),
        "date_stop": row.day.isoformat(),
    }
    if row.hour is not None:
        said[_HOUR] = f"{row.hour:02}:00:00 - {row.hour:02}:59:59"
    return said


def _error(
    status: int, code: int, message: str, *, subcode: int = 0, transient: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Reply:  # fmt: skip
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "sim"}
    error |= {"error_subcode": subcode} if subcode else {}
    error |= {"is_transient": transient}
    return Reply(status, {"error": error}, headers=headers or {})
