"""Google Ads, by its REST interface. Where each name is documented: docs/platform-apis.md."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

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

VERSION = "v26"
API = f"https://googleads.googleapis.com/{VERSION}"
TOKENS = "https://oauth2.googleapis.com/token"
MOST_OPERATIONS = 1_000
"""In one request; 10,000 are allowed."""
MOST_IDS = 500
_PASSING = frozenset({"quotaError", "internalError", "CONCURRENT_MODIFICATION"})
_NOT_ALLOWED = frozenset({"authenticationError", "authorizationError"})
_ACCOUNT = "SELECT customer.id, customer.descriptive_name, customer.currency_code, customer.time_zone FROM customer"
_CAMPAIGNS = "SELECT campaign.id, campaign.name, campaign.status, campaign.serving_status FROM campaign"
_FIGURES = (
    "customer.currency_code, campaign.id, campaign.name, metrics.cost_micros, metrics.impressions, metrics.clicks, "
    "metrics.conversions, metrics.conversions_value, segments.date"
)


class _Failure(NamedTuple):
    """One error of a `GoogleAdsFailure`."""

    kind: str
    """Such as `quotaError`."""
    code: str
    """Such as `RESOURCE_EXHAUSTED`."""
    words: str
    operation: int | None
    wait_s: float | None

    @property
    def passing(self) -> bool:
        return self.kind in _PASSING or self.code in _PASSING


class GoogleAds:
    """See `AdPlatform`."""

    def __init__(self, connection: Connection) -> None:
        credentials = connection.credentials
        self._http = Http("Google Ads", connection.base_url)
        self._http.hide(*(credentials.get(field.name, "") for field in KIND.fields if field.secret))
        self._tokens = AccessTokens(self._http, TOKENS, connection)
        self._customer = _without_dashes(connection.account_id)
        self._headers = {
            "login-customer-id": _without_dashes(credentials.get("login_customer_id", "")),
            "developer-token": credentials.get("developer_token", ""),
        }
        if not _is_id(self._customer):
            raise RefusedByPlatform("A Google Ads customer id has digits only, like 123-456-7890.")

    def account(self) -> Account:
        for row in self._search(_ACCOUNT):
            with self._http.understood():
                said = row["customer"]
                return Account(str(said["id"]), said.get("descriptiveName", ""), said["currencyCode"], said["timeZone"])
        raise Unreachable("Google Ads did not describe the account.")

    def campaigns(self, ids: Collection[str] | None = None) -> Iterator[RemoteCampaign]:
        if ids is None:
            yield from map(self._campaign, self._search(_CAMPAIGNS))
            return
        for some in batches(sorted(filter(_is_id, set(ids))), MOST_IDS):
            yield from map(self._campaign, self._search(f"{_CAMPAIGNS} WHERE campaign.id IN ({', '.join(some)})"))

    def _campaign(self, row: Mapping[str, Any]) -> RemoteCampaign:
        with self._http.understood():
            said = row["campaign"]
            word = said["status"]
            if word != "REMOVED" and said.get("servingStatus") == "ENDED":
                word = "ENDED"
            status = {"ENABLED": Status.ENABLED, "PAUSED": Status.PAUSED}.get(word, Status.ENDED)
            return RemoteCampaign(str(said["id"]), said["name"], status, word)

    def set_status(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        outcomes = [Outcome(one, "This is no id of a Google Ads campaign.") for one in wanted if not _is_id(one)]
        done = False
        for some in batches(filter(_is_id, wanted), MOST_OPERATIONS):
            try:
                outcomes += self._mutate({one: wanted[one] for one in some})
                done = True
            except PlatformError as error:
                if not done:
                    raise
                outcomes += [Outcome(one, error.message, error.passing) for one in some]
        return outcomes

    def _mutate(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        operations = [
            {
                "updateMask": "status",
                "update": {"resourceName": f"customers/{self._customer}/campaigns/{one}", "status": status.value},
            }
            for one, status in wanted.items()
        ]
        said = self._call("campaigns:mutate", {"operations": operations, "partialFailure": True})
        with self._http.understood():
            results = said.get("results", [])
            failures = {failure.operation: failure for failure in self._failures(said.get("partialFailureError", {}))}
            return [
                self._outcome(one, failures.get(at, failures.get(None)), results[at] if at < len(results) else {})
                for at, one in enumerate(wanted)
            ]

    def _outcome(self, campaign_id: str, failure: _Failure | None, result: Mapping[str, Any]) -> Outcome:
        if failure:
            return Outcome(campaign_id, self._told(failure), failure.passing)
        if not result.get("resourceName"):
            return Outcome(campaign_id, "Google Ads did not say what became of it.", passing=True)
        return Outcome(campaign_id)

    def spend(self, first: date, last: date, *, by_hour: bool = False) -> Iterator[RemoteSpend]:
        fields = f"{_FIGURES}, segments.hour" if by_hour else _FIGURES
        days = f"segments.date BETWEEN '{first.isoformat()}' AND '{last.isoformat()}'"
        query = f"SELECT {fields} FROM campaign WHERE {days}"  # noqa: S608 - GAQL has no parameters; these are dates
        for row in self._search(query):
            with self._http.understood():
                campaign, figures, when = row["campaign"], row.get("metrics", {}), row["segments"]
                spend = RemoteSpend(
                    campaign_id=str(campaign["id"]),
                    campaign_name=campaign["name"],
                    day=date.fromisoformat(when["date"]),
                    hour=int(when.get("hour", 0)) if by_hour else None,
                    micros=int(figures.get("costMicros", 0)),
                    currency=row["customer"]["currencyCode"],
                    impressions=int(figures.get("impressions", 0)),
                    clicks=int(figures.get("clicks", 0)),
                    conversions=Decimal(figures.get("conversions", 0)),
                    revenue=Decimal(figures.get("conversionsValue", 0)),
                )
            yield spend

    # --- Calls -------------------------------------------------------------------------------------------------------

    def _search(self, query: str) -> Iterator[dict[str, Any]]:
        page = ""
        while True:
            asked = {"query": query, "pageToken": page} if page else {"query": query}
            said = self._call("googleAds:search", asked, read=True)
            with self._http.understood():
                rows: list[dict[str, Any]] = list(said.get("results", []))
                page = str(said.get("nextPageToken", ""))
            yield from rows
            if not page:
                return

    def _call(self, what: str, data: object, *, read: bool = False) -> dict[str, Any]:
        answer = self._send(what, data, read=read)
        if answer.status == 401:  # the token may have been taken back before its time
            self._tokens.forget()
            answer = self._send(what, data, read=read)
        if answer.status != 200:
            raise self._error(answer)
        return self._http.json(answer)

    def _send(self, what: str, data: object, *, read: bool) -> Answer:
        headers = {name: value for name, value in self._headers.items() if value}
        headers["Authorization"] = f"Bearer {self._tokens.get()}"
        url = f"{API}/customers/{self._customer}/{what}"
        return self._http.send("POST", url, headers=headers, data=data, read=read)

    def _error(self, answer: Answer) -> PlatformError:
        said = self._http.json(answer)
        with self._http.understood():
            error = said["error"]
            failures = self._failures(error)
            told = self._told(failures[0]) if failures else self._http.words(error.get("message", ""))
        general = self._http.error(answer, told)
        if isinstance(general, Throttled) or any(failure.kind == "quotaError" for failure in failures):
            waits = [failure.wait_s for failure in failures if failure.wait_s is not None]
            return Throttled(general.message, max(waits, default=retry_after(answer.headers)))
        if any(failure.kind in _NOT_ALLOWED for failure in failures):
            return Unauthorised(general.message)
        if any(failure.passing for failure in failures):
            return Unreachable(general.message)
        return general

    def _failures(self, status: Mapping[str, Any]) -> list[_Failure]:
        """What a `google.rpc.Status` carries as `GoogleAdsFailure`; the error as a whole where it carries none."""
        errors = [error for detail in status.get("details", []) for error in detail.get("errors", [])]
        found = [self._failure(error) for error in errors]
        if status and not found:
            found = [_Failure("", str(status.get("status", "")), str(status.get("message", "")), None, None)]
        return found

    def _failure(self, error: Mapping[str, Any]) -> _Failure:
        kind, code = next(iter(error.get("errorCode", {}).items()), ("", ""))
        path = error.get("location", {}).get("fieldPathElements", [])
        operation = next((part.get("index", 0) for part in path if part.get("fieldName") == "operations"), None)
        delay = error.get("details", {}).get("quotaErrorDetails", {}).get("retryDelay", "")
        wait = float(delay[:-1]) if delay.endswith("s") else None  # a Duration: "30s"
        return _Failure(str(kind), str(code), str(error.get("message", "")), operation, wait)

    def _told(self, failure: _Failure) -> str:
        return self._http.words(f"{failure.words} ({failure.code})" if failure.code else failure.words)


def _without_dashes(text: str) -> str:
    return text.replace("-", "").strip()


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20


KIND = Kind(
    code="GOOGLE",
    version=VERSION,
    fields=(
        Field(
            "client_id", "OAuth client id",
            "In the Google Cloud console under APIs & Services > Credentials, of the project that has access to the "
            "API.",
            secret=False,
        ),
        Field("client_secret", "OAuth client secret", "Beside the client id, in the same place."),
        Field(
            "refresh_token", "Refresh token",
            "Given when a user who may change campaigns signs in to that client once, for the scope "
            "https://www.googleapis.com/auth/adwords (Google's OAuth Playground does it).",
        ),
        Field(
            "login_customer_id", "Manager account",
            "The manager's customer id, when access comes through one; otherwise empty.",
            secret=False, required=False,
        ),
        Field(
            "developer_token", "Developer token",
            "Since 9 September 2026 access belongs to the Cloud project; leave it empty unless Google asks for it.",
            required=False,
        ),
    ),
    account_help="The customer id, ten digits as 123-456-7890, at the top right of Google Ads.",
    lookback_days=30,
    least_pause_s=900,
    connect=GoogleAds,
)  # fmt: skip
