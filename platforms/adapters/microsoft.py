"""Microsoft Advertising, by the JSON of its version 13. Where each name is documented: docs/platform-apis.md.

Spend comes as a report that is asked for, made, and fetched as a CSV in a zip.
"""

import csv
import io
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from budget_system.money import to_micros
from platforms.adapters.http import Answer, Http, batches, retry_after
from platforms.adapters.oauth import AccessTokens
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
from spending.reports.archives import unpacked
from spending.reports.numbers import NOT_REPORTED, read_amount, read_count, read_number
from spending.reports.text import UnreadableReport

VERSION = "v13"
TOKENS = "https://login.microsoftonline.com/common/oauth2/v2.0/token"
SCOPE = "https://ads.microsoft.com/msads.manage offline_access"
CAMPAIGNS = f"https://campaign.api.bingads.microsoft.com/CampaignManagement/{VERSION}/Campaigns"
ACCOUNT = f"https://clientcenter.api.bingads.microsoft.com/CustomerManagement/{VERSION}/Account/Query"
REPORTS = f"https://reporting.api.bingads.microsoft.com/Reporting/{VERSION}/GenerateReport"
MOST_SET = 100
"""Campaigns in one change."""
TYPES = "Search, Shopping, DynamicSearchAds, Audience, Hotel, PerformanceMax, App"
"""By itself the list has campaigns of the type Search only."""
POLL_PAUSES_S = (0.5, 1, 2, 3, 4, 5, 5, 5)
"""Before each time that a report is asked after. Together well within the time that a pull has."""
WAIT_S = 60.0
"""How long to stay away after too many calls: the limits are over so many seconds."""
_STATUS = {
    "Active": Status.ENABLED,
    "BudgetPaused": Status.ENABLED,  # it goes on by itself with a new budget
    "Paused": Status.PAUSED,
    "BudgetAndManualPaused": Status.PAUSED,
}
_WORD = {Status.ENABLED: "Active", Status.PAUSED: "Paused"}
_COLUMNS = [
    "TimePeriod", "CampaignId", "CampaignName", "CurrencyCode", "Spend", "Impressions", "Clicks", "Conversions",
    "Revenue",
]  # fmt: skip
_NOT_ALLOWED = frozenset({105, 106, 108, 109, 116, 120, 122, 123, 124, 125})
_EXPIRED = 109
_THROTTLED = frozenset({117, 207})
_PASSING = frozenset({0})
_ZONES = {
    "AmsterdamBerlinBernRomeStockholmVienna": "Europe/Berlin",
    "GreenwichMeanTimeDublinEdinburghLisbonLondon": "Europe/London",
    "BrusselsCopenhagenMadridParis": "Europe/Paris",
    "BelgradeBratislavaBudapestLjubljanaPrague": "Europe/Prague",
    "SarajevoSkopjeWarsawZagreb": "Europe/Warsaw",
    "HelsinkiKyivRigaSofiaTallinnVilnius": "Europe/Helsinki",
    "PacificTimeUSCanadaTijuana": "America/Los_Angeles",
    "MountainTimeUSCanada": "America/Denver",
    "Arizona": "America/Phoenix",
    "CentralTimeUSCanada": "America/Chicago",
    "EasternTimeUSCanada": "America/New_York",
    "AtlanticTimeCanada": "America/Halifax",
    "Brasilia": "America/Sao_Paulo",
    "OsakaSapporoTokyo": "Asia/Tokyo",
    "KualaLumpurSingapore": "Asia/Singapore",
    "ChennaiKolkataMumbaiNewDelhi": "Asia/Kolkata",
    "CanberraMelbourneSydney": "Australia/Sydney",
    "AucklandWellington": "Pacific/Auckland",
}
"""The commonest of its names for time zones."""


class Microsoft:
    """See `AdPlatform`."""

    def __init__(self, connection: Connection) -> None:
        credentials = connection.credentials
        self._http = Http("Microsoft Advertising", connection.base_url)
        self._http.hide(*(credentials.get(field.name, "") for field in KIND.fields if field.secret))
        self._tokens = AccessTokens(self._http, TOKENS, connection, {"scope": SCOPE})
        self._id = connection.account_id.strip()
        self._headers = {
            "DeveloperToken": credentials.get("developer_token", ""),
            "CustomerId": credentials.get("customer_id", ""),
            "CustomerAccountId": self._id,
        }
        if not _is_id(self._id):
            raise RefusedByPlatform("A Microsoft Advertising account id has digits only; it is not the account number.")

    def account(self) -> Account:
        said = self._described()
        with self._http.understood():
            return Account(self._id, said.get("Name", ""), said["CurrencyCode"], _ZONES.get(said["TimeZone"], ""))

    def _described(self) -> dict[str, Any]:
        said = self._call("POST", ACCOUNT, {"AccountId": self._id}, read=True)
        with self._http.understood():
            return dict(said["Account"])

    def campaigns(self, ids: Collection[str] | None = None) -> Iterator[RemoteCampaign]:
        asked = {"AccountId": self._id, "CampaignType": TYPES}
        said = self._call("POST", f"{CAMPAIGNS}/QueryByAccountId", asked, read=True)
        with self._http.understood():
            found = [
                RemoteCampaign(str(one["Id"]), one["Name"], _STATUS.get(one["Status"], Status.ENDED), one["Status"])
                for one in said["Campaigns"] or []
            ]
        yield from (one for one in found if ids is None or one.id in ids)

    def set_status(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        outcomes = [
            Outcome(one, "This is no id of a Microsoft Advertising campaign.") for one in wanted if not _is_id(one)
        ]
        done = False
        for some in batches(filter(_is_id, wanted), MOST_SET):
            try:
                outcomes += self._set({one: wanted[one] for one in some})
                done = True
            except PlatformError as error:
                if not done:
                    raise
                outcomes += [Outcome(one, error.message, error.passing) for one in some]
        return outcomes

    def _set(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        changes = [{"Id": one, "Status": _WORD[status]} for one, status in wanted.items()]
        said = self._call("PUT", CAMPAIGNS, {"AccountId": self._id, "Campaigns": changes})
        with self._http.understood():
            errors = {int(error["Index"]): error for error in said["PartialErrors"] or [] if error}
            return [
                Outcome(one, self._told(errors[at]), _code(errors[at]) in _PASSING | _THROTTLED)
                if at in errors
                else Outcome(one)
                for at, one in enumerate(wanted)
            ]

    # --- Reports -----------------------------------------------------------------------------------------------------

    def spend(self, first: date, last: date, *, by_hour: bool = False) -> Iterator[RemoteSpend]:
        with self._http.understood():
            zone = str(self._described()["TimeZone"])
        made = self._made(_report(self._id, zone, first, last, by_hour=by_hour))
        if not made:
            return
        answer = self._http.send("GET", made, read=True)  # the address is the key: no credential goes there
        if answer.status != 200:
            raise Unreachable(f"Microsoft Advertising answered {answer.status} instead of the report.")
        try:
            text = io.TextIOWrapper(unpacked(io.BytesIO(answer.body)), encoding="utf-8-sig", newline="")
            with self._http.understood():
                report = csv.DictReader(text)
                if not set(_COLUMNS).issubset(report.fieldnames or ()):
                    raise Unreachable("The report from Microsoft Advertising has not the columns that it should have.")
                rows = [_spend(row, by_hour=by_hour) for row in report]
        except UnreadableReport as error:
            raise Unreachable(f"The report from Microsoft Advertising cannot be read: {error}.") from None
        except csv.Error:
            raise Unreachable("The report from Microsoft Advertising is no CSV.") from None
        yield from rows

    def _made(self, report: Mapping[str, Any]) -> str:
        """Have it made and wait; the address where it lies, empty where there is nothing to report."""
        said = self._call("POST", f"{REPORTS}/Submit", {"ReportRequest": report}, read=True)
        with self._http.understood():
            asked = {"ReportRequestId": str(said["ReportRequestId"])}
        for pause in POLL_PAUSES_S:
            time.sleep(pause)
            said = self._call("POST", f"{REPORTS}/Poll", asked, read=True)
            with self._http.understood():
                status, url = said["ReportRequestStatus"]["Status"], said["ReportRequestStatus"]["ReportDownloadUrl"]
            if status == "Success":
                self._http.hide(url or "")
                return url or ""
            if status == "Error":
                raise Unreachable("Microsoft Advertising could not make the report.")
        raise Unreachable("Microsoft Advertising is still making the report.")

    # --- Calls -------------------------------------------------------------------------------------------------------

    def _call(self, method: str, url: str, data: object, *, read: bool = False) -> dict[str, Any]:
        answer = self._send(method, url, data, read=read)
        if answer.status == 401 or _EXPIRED in self._codes(answer):  # the token may have been taken back early
            self._tokens.forget()
            answer = self._send(method, url, data, read=read)
        if answer.status != 200:
            raise self._error(answer)
        return self._http.json(answer)

    def _send(self, method: str, url: str, data: object, *, read: bool) -> Answer:
        headers = {**self._headers, "Authorization": f"Bearer {self._tokens.get()}"}
        return self._http.send(method, url, headers=headers, data=data, read=read)

    def _error(self, answer: Answer) -> PlatformError:
        said = self._http.json(answer)
        with self._http.understood():
            errors = _errors(said)
            told = self._told(errors[0]) if errors else ""
            codes = {_code(error) for error in errors}
        general = self._http.error(answer, told)
        if isinstance(general, Throttled) or codes & _THROTTLED:
            return Throttled(general.message, retry_after(answer.headers) or WAIT_S)
        if codes & _NOT_ALLOWED:
            return Unauthorised(general.message)
        if codes & _PASSING:
            return Unreachable(general.message)
        return general

    def _codes(self, answer: Answer) -> set[int]:
        if answer.status == 200:
            return set()
        with suppress(Unreachable), self._http.understood():
            return {_code(error) for error in _errors(self._http.json(answer))}
        return set()

    def _told(self, error: Mapping[str, Any]) -> str:
        return self._http.words(f"{error.get('Message', '')} ({error.get('ErrorCode') or _code(error)})")


def _errors(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of an `ApiFaultDetail` or an `AdApiFaultDetail`."""
    return [error for name in ("OperationErrors", "BatchErrors", "Errors") for error in said.get(name) or [] if error]


def _code(error: Mapping[str, Any]) -> int:
    return int(error.get("Code", -1))


def _report(account_id: str, zone: str, first: date, last: date, *, by_hour: bool) -> dict[str, Any]:
    return {
        "Type": "CampaignPerformanceReportRequest",
        "ReportName": "Spend of campaigns",
        "Format": "Csv",
        "FormatVersion": "2.0",
        "Aggregation": "Hourly" if by_hour else "Daily",
        "ReturnOnlyCompleteData": False,
        "ExcludeReportHeader": True,
        "ExcludeReportFooter": True,
        "Columns": _COLUMNS,
        "Scope": {"AccountIds": [account_id]},
        "Time": {
            "CustomDateRangeStart": {"Day": first.day, "Month": first.month, "Year": first.year},
            "CustomDateRangeEnd": {"Day": last.day, "Month": last.month, "Year": last.year},
            # The last day may not be later than today, and what is today goes by this zone.
            "ReportTimeZone": zone,
        },
    }


def _spend(row: Mapping[str, str], *, by_hour: bool) -> RemoteSpend:
    """`TimePeriod` is 2026-05-04, or 2026-05-04|7 by the hour."""
    day, _, hour = row["TimePeriod"].partition("|")
    conversions, revenue = (
        None if row[name].strip() in NOT_REPORTED else read_number(row[name], "point")
        for name in ("Conversions", "Revenue")
    )
    return RemoteSpend(
        campaign_id=row["CampaignId"],
        campaign_name=row["CampaignName"],
        day=date.fromisoformat(day),
        hour=int(hour) if by_hour else None,
        micros=to_micros(read_amount(row["Spend"], "point").value),
        currency=row["CurrencyCode"],
        impressions=read_count(row["Impressions"]) or 0,
        clicks=read_count(row["Clicks"]) or 0,
        conversions=conversions,
        revenue=revenue,
    )


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20


KIND = Kind(
    code="MICROSOFT",
    version=VERSION,
    fields=(
        Field(
            "client_id", "Application id",
            "Application (client) ID of your app, in the Microsoft Entra admin center under App registrations.",
            secret=False,
        ),
        Field(
            "client_secret", "Client secret",
            "Of that app, under Certificates & secrets; empty where it is a native one.", required=False,
        ),
        Field(
            "refresh_token", "Refresh token",
            "Given when a user of the account signs in to that app once, for the scopes msads.manage and "
            "offline_access. Microsoft replaces it; the new one is kept here.",
        ),
        Field("developer_token", "Developer token", "From developers.ads.microsoft.com, under Account."),
        Field(
            "customer_id", "Customer id", "Of the manager account (cid in the address of Microsoft Advertising).",
            secret=False,
        ),
    ),
    account_help="The account id, digits only (aid in the address of Microsoft Advertising), not the account number.",
    lookback_days=7,
    least_pause_s=1800,
    connect=Microsoft,
)  # fmt: skip
