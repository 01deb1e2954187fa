"""Microsoft Advertising's version 13 with JSON, as its documentation and its SDK have it; see docs/platform-apis.md.

Spoken: the token endpoint, which gives a new refresh token each time; the account, its campaigns, their change with
partial errors; and reports that are submitted, polled, and fetched as a CSV in a zip. Ids are strings.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from platforms.protocol import Status
from tests.simulators.server import Reply, Request, Simulator
from tests.simulators.world import Row, SimAccount, World

_TOKEN = "/common/oauth2/v2.0/token"
_CAMPAIGNS = "/CampaignManagement/v13/Campaigns"
_REPORTS = "/Reporting/v13/GenerateReport/"
_FILES = "/msreports/"
_SAID = {Status.ENABLED: "Active", Status.PAUSED: "Paused", Status.ENDED: "Deleted"}
_MEANT = {"Active": Status.ENABLED, "Paused": Status.PAUSED}
_ZONES = {"Europe/Berlin": "AmsterdamBerlinBernRomeStockholmVienna", "America/New_York": "EasternTimeUSCanada"}
_TYPES = {"Search", "Shopping", "DynamicSearchAds", "Audience", "Hotel", "PerformanceMax", "App"}


class MicrosoftSimulator(Simulator):
    platform = "MICROSOFT"
    paths = (_TOKEN, "/CampaignManagement/", "/CustomerManagement/", "/Reporting/", _FILES)

    def __init__(self, world: World, here: Callable[[], str]) -> None:
        super().__init__(world, here)
        self.rotates = True
        """Whether each use of a refresh token gives a new one. Former ones go on working, as Microsoft says they do."""
        self.former: dict[str, str] = {}
        """Replaced refresh tokens, and what replaced each. Cleared, they no longer work."""
        self._reports: dict[str, tuple[SimAccount, Mapping[str, Any]]] = {}
        self._polls: dict[str, int] = {}

    def signs_in(self, request: Request) -> bool:
        return request.path == _TOKEN

    def throttled(self, wait_s: int) -> Reply:
        words = "You have exceeded the number of calls that you are allowed to make in a minute."
        return _fault(400, 117, "CallRateExceeded", words)  # how long to wait is said in the documentation only

    def broken(self) -> Reply:
        return _fault(500, 0, "InternalError", "An internal error has occurred.")

    def answer(self, request: Request) -> Reply:
        if request.path == _TOKEN:
            return self._token(request.form())
        if request.path.startswith(_FILES):
            return self._file(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return _fault(401, 109, "AuthenticationTokenExpired", "Authentication token expired.")
        account = next(
            (one for one in self.accounts() if one.id == request.headers.get("customeraccountid")), None
        )  # fmt: skip
        if account is None or account.id != self.tokens[token]:
            return _fault(403, 106, "UserIsNotAuthorized", "The user does not represent a authorized developer.")
        for header, name in (("developertoken", "developer_token"), ("customerid", "customer_id")):
            if request.headers.get(header) != account.credentials[name]:
                return _fault(401, 105, "InvalidCredentials", "Authentication failed.")
        known: dict[tuple[str, str], Callable[[SimAccount, Mapping[str, Any]], Reply]] = {
            ("POST", "/CustomerManagement/v13/Account/Query"): self._account,
            ("POST", f"{_CAMPAIGNS}/QueryByAccountId"): self._campaigns,
            ("PUT", _CAMPAIGNS): self._set,
            ("POST", f"{_REPORTS}Submit"): self._submit,
            ("POST", f"{_REPORTS}Poll"): self._poll,
        }
        call = known.get((request.method, request.path))
        return call(account, request.json()) if call else Reply(404, {"message": "not found"})

    def _token(self, form: Mapping[str, str]) -> Reply:
        """https://learn.microsoft.com/en-us/advertising/guides/authentication-oauth-get-tokens"""
        newest = self._newest(form.get("refresh_token", ""))
        for account in self.accounts():
            credentials = account.credentials
            if credentials["refresh_token"] == newest and "msads.manage" in form.get("scope", ""):
                if credentials["client_secret"] != form.get("client_secret"):
                    return Reply(
                        401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid secret."}
                    )
                if self.rotates:
                    old, new = credentials["refresh_token"], f"secret-refresh-{self.given}-{account.id}"
                    self.former[old] = credentials["refresh_token"] = new
                given = {"access_token": self.give_token(account.id), "token_type": "Bearer", "expires_in": 3600}
                return Reply(data=given | {"refresh_token": credentials["refresh_token"]})
        return Reply(400, {"error": "invalid_grant", "error_description": "AADSTS70008: The grant has expired."})

    def _newest(self, refresh_token: str) -> str:
        """https://learn.microsoft.com/en-us/entra/identity-platform/refresh-tokens: using one does not end it."""
        while refresh_token in self.former:
            refresh_token = self.former[refresh_token]
        return refresh_token

    # --- Accounts and campaigns --------------------------------------------------------------------------------------

    def _account(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        zone = _ZONES.get(account.time_zone, "PacificTimeUSCanadaTijuana")
        said = {"Id": account.id, "Name": account.name, "CurrencyCode": account.currency, "TimeZone": zone}
        return Reply(data={"Account": said})

    def _campaigns(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        if not _TYPES.issuperset(asked.get("CampaignType", "Search").split(", ")):
            return _fault(400, 100, "NullRequest", "The request message is null.")
        found = [one for one in self.world.campaigns_of(account.id) if one.status is not Status.ENDED]
        said = [
            {"Id": one.id, "Name": one.name, "Status": _SAID[self.world.told(one)], "CampaignType": "Search"}
            for one in found
        ]
        return Reply(data={"Campaigns": said})

    def _set(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        changes = asked.get("Campaigns", [])
        if not 1 <= len(changes) <= 100:
            words = "The list of campaigns exceeds the limit."
            return _fault(400, 1114, "CampaignServiceCampaignsArrayExceedsLimit", words)
        errors = [
            error for at, change in enumerate(changes) if (error := self._change(account, at, change))
        ]  # fmt: skip
        return Reply(data={"PartialErrors": errors})

    def _change(self, account: SimAccount, at: int, change: Mapping[str, Any]) -> dict[str, Any] | None:
        campaign = self.world.campaigns.get(str(change["Id"]))
        wanted = _MEANT.get(change.get("Status", ""))
        if campaign is None or campaign.account_id != account.id or campaign.status is Status.ENDED:
            return _partial(at, 1100, "CampaignServiceInvalidCampaignId", "The campaign identifier is invalid.")
        if wanted is None or not self.world.ask(campaign.id, wanted):
            words = "The campaign status is not valid for the requested operation."
            return _partial(at, 1120, "CampaignServiceInvalidCampaignStatus", words)
        return None

    # --- Reports -----------------------------------------------------------------------------------------------------

    def _submit(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        report = asked.get("ReportRequest", {})
        if report.get("Type") != "CampaignPerformanceReportRequest" or report["Scope"]["AccountIds"] != [account.id]:
            return _fault(400, 100, "NullRequest", "The request message is null.")
        _, last = _days(report)
        if last > self.world.clock.date() or report["Time"].get("ReportTimeZone") not in _ZONES.values():
            words = "The report time contains a custom date range end value that is not valid."
            return _fault(400, 2010, "ReportingServiceInvalidCustomDateRangeEnd", words)
        id = f"30000{len(self._reports) + 1}"
        self._reports[id] = (account, report)
        self._polls[id] = self.world.faults.reports_pending
        return Reply(data={"ReportRequestId": id})

    def _poll(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        id = asked.get("ReportRequestId", "")
        if id not in self._reports:
            return _fault(400, 2100, "ReportingServiceInvalidReportId", "The report request id is invalid.")
        self._polls[id] -= 1
        if self._polls[id] >= 0:
            return Reply(data={"ReportRequestStatus": {"Status": "Pending", "ReportDownloadUrl": None}})
        url = f"{self.here()}{_FILES}{id}.zip?sig=sim" if self._rows(id) else None
        return Reply(data={"ReportRequestStatus": {"Status": "Success", "ReportDownloadUrl": url}})

    def _rows(self, id: str) -> list[Row]:
        account, report = self._reports[id]
        return self.world.rows(account.id, *_days(report), by_hour=report["Aggregation"] == "Hourly")

    def _file(self, request: Request) -> Reply:
        id = request.path.removeprefix(_FILES).removesuffix(".zip")
        if id not in self._reports or request.query.get("sig") != "sim" or "authorization" in request.headers:
            return Reply(403, body=b"<Error><Code>AuthenticationFailed</Code></Error>")
        account, report = self._reports[id]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerow(report["Columns"])
        for row in self._rows(id):
            said = _said(account, row)
            writer.writerow([said[name] for name in report["Columns"]])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{id}.csv", text.getvalue().encode("utf-8-sig"))
        return Reply(body=packed.getvalue(), headers={"Content-Type": "application/octet-stream"})


def _days(report: Mapping[str, Any]) -> tuple[date, date]:
    first, last = (
        date(day["Year"], day["Month"], day["Day"])
        for day in (report["Time"]["CustomDateRangeStart"], report["Time"]["CustomDateRangeEnd"])
    )
    return first, last


def _said(account: SimAccount, row: Row) -> dict[str, str]:
    return {
        "TimePeriod": row.day.isoformat() + ("" if row.hour is None else f"|{row.hour}"),
        "CampaignId": row.campaign.id,
        "CampaignName": row.campaign.name,
        "CurrencyCode": account.currency,
        "Spend": f"{row.micros / 1_000_000:,.2f}",
        "Impressions": f"{row.impressions:,}",
        "Clicks": f"{row.clicks:,}",
        "Conversions": str(row.conversions),
        "Revenue": f"{row.revenue / 1_000_000:,.2f}",
    }


def _partial(at: int, code: int, name: str, message: str) -> dict[str, Any]:
    return {"Index": at, "Code": code, "ErrorCode": name, "Message": message, "Details": None, "Type": "BatchError"}


def _fault(status: int, code: int, name: str, message: str) -> Reply:
    error = {"Code": code, "ErrorCode": name, "Message": message, "Details": None}
    detail = {"OperationErrors": [error], "BatchErrors": [], "TrackingId": "sim", "Type": "ApiFaultDetail"}
    return Reply(status, detail)
