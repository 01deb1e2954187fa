"""Google Ads' REST interface, as its documentation has it; the addresses are in docs/platform-apis.md.

Spoken: the token endpoint, `googleAds:search` for the queries that are asked, `campaigns:mutate` with partial failure,
and errors as `GoogleAdsFailure`. Numbers of 64 bits are strings, zeros are left out, names are in camel case.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from platforms.protocol import Status
from tests.simulators.server import Reply, Request, Simulator
from tests.simulators.world import Row, SimAccount, SimCampaign

_FAILURE = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
_CALL = re.compile(r"/v26/customers/(\d+)/(googleAds:search|campaigns:mutate)")
_QUERY = re.compile(r"SELECT (.+?) FROM (customer|campaign)(?: WHERE (.+))?")
_IDS = re.compile(r"campaign\.id IN \(([\d, ]+)\)")
_DAYS = re.compile(r"segments\.date BETWEEN '(\d{4}-\d\d-\d\d)' AND '(\d{4}-\d\d-\d\d)'")
_KNOWN = {
    "customer": {"id", "descriptive_name", "currency_code", "time_zone"},
    "campaign": {"id", "name", "status", "serving_status"},
    "metrics": {"cost_micros", "impressions", "clicks", "conversions", "conversions_value"},
    "segments": {"date", "hour"},
}
_SAID = {Status.ENABLED: "ENABLED", Status.PAUSED: "PAUSED", Status.ENDED: "REMOVED"}


class GoogleAdsSimulator(Simulator):
    platform = "GOOGLE"
    paths = ("/v26/", "/token")

    def signs_in(self, request: Request) -> bool:
        return request.path == "/token"

    def throttled(self, wait_s: int) -> Reply:
        details = {
            "quotaErrorDetails": {
                "rateScope": "ACCOUNT",
                "rateName": "Requests per account",
                "retryDelay": f"{wait_s}s",
            }
        }
        error = {"errorCode": {"quotaError": "RESOURCE_EXHAUSTED"}, "message": "Too many requests.", "details": details}
        return _refused(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", error)

    def broken(self) -> Reply:
        error = {"errorCode": {"internalError": "INTERNAL_ERROR"}, "message": "An internal error has occurred."}
        return _refused(500, "INTERNAL", "Internal error encountered.", error)

    def answer(self, request: Request) -> Reply:
        if request.path == "/token":
            return self._token(request.form())
        call = _CALL.fullmatch(request.path)
        if call is None or request.method != "POST":
            return Reply(404, {"error": {"code": 404, "message": "Not found.", "status": "NOT_FOUND"}})
        credential = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if credential is None:
            error = {"errorCode": {"authenticationError": "OAUTH_TOKEN_EXPIRED"}, "message": "The token has expired."}
            return _refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", error)
        account = next((one for one in self.accounts() if one.id == call[1]), None)
        if account is None or account.credentials["refresh_token"] != credential:
            error = {
                "errorCode": {"authorizationError": "USER_PERMISSION_DENIED"},
                "message": "User doesn't have permission to access customer.",
            }
            return _refused(403, "PERMISSION_DENIED", "The caller does not have permission", error)
        return (self._search if call[2] == "googleAds:search" else self._mutate)(account, request.json())

    def _token(self, form: Mapping[str, str]) -> Reply:
        """https://developers.google.com/identity/protocols/oauth2/web-server#offline"""
        for account in self.accounts():
            if account.credentials["refresh_token"] == form.get("refresh_token"):
                if any(account.credentials[name] != form.get(name) for name in ("client_id", "client_secret")):
                    return Reply(401, {"error": "invalid_client", "error_description": "Unauthorized"})
                token = self.give_token(account.credentials["refresh_token"])
                return Reply(data={"access_token": token, "expires_in": 3599, "token_type": "Bearer"})
        return Reply(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})

    # --- Reading -----------------------------------------------------------------------------------------------------

    def _search(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        if "pageSize" in asked:
            return _invalid("requestError", "PAGE_SIZE_NOT_SUPPORTED", "Setting the page size is not supported.")
        query = _QUERY.fullmatch(asked.get("query", ""))
        fields = query[1].split(", ") if query else []
        if query is None or not all(_is_known(one) for one in fields):
            return _invalid("queryError", "UNRECOGNIZED_FIELD", "Unrecognized field in the query.")
        start = int(asked.get("pageToken") or 0)
        found = self._found(account, query[2], query[3] or "", "segments.hour" in fields)
        page = found[start : start + self.world.page_size]
        said: dict[str, Any] = {"fieldMask": ",".join(fields)}
        if page:
            said["results"] = [_selected(self._with_status(one), fields) for one in page]
        if start + len(page) < len(found):
            said["nextPageToken"] = str(start + len(page))
        return Reply(data=said)

    def _found(self, account: SimAccount, resource: str, where: str, by_hour: bool) -> list[dict[str, Any]]:
        customer = {
            "customer.id": account.id,
            "customer.descriptive_name": account.name,
            "customer.currency_code": account.currency,
            "customer.time_zone": account.time_zone,
        }
        days = _DAYS.search(where)
        if resource == "customer":
            return [customer]
        if days:
            rows = self.world.rows(
                account.id, date.fromisoformat(days[1]), date.fromisoformat(days[2]), by_hour=by_hour
            )
            return [customer | self._campaign(row.campaign) | _figures(row) for row in rows]
        ids = _IDS.search(where)
        wanted = ids[1].split(", ") if ids else None
        campaigns = [one for one in self.world.campaigns_of(account.id) if wanted is None or one.id in wanted]
        return [customer | self._campaign(one) | {"campaign": one} for one in campaigns]

    def _campaign(self, campaign: SimCampaign) -> dict[str, Any]:
        return {"campaign.id": campaign.id, "campaign.name": campaign.name}

    def _with_status(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Only what is on the page is looked at."""
        if "campaign" not in row:
            return row
        status = self.world.told(row["campaign"])
        serving = "SERVING" if status is Status.ENABLED else "NONE"
        return {**row, "campaign.status": _SAID[status], "campaign.serving_status": serving}

    # --- Writing -----------------------------------------------------------------------------------------------------

    def _mutate(self, account: SimAccount, asked: Mapping[str, Any]) -> Reply:
        results: list[dict[str, str]] = []
        errors: list[dict[str, Any]] = []
        for at, operation in enumerate(asked["operations"]):
            name = operation["update"]["resourceName"]
            error = self._set(account, name, operation)
            results.append({} if error else {"resourceName": name})
            if error:
                path = [{"fieldName": "operations", "index": at}, {"fieldName": "update"}]
                errors.append({**error, "trigger": {"stringValue": name}, "location": {"fieldPathElements": path}})
        if errors and not asked.get("partialFailure"):
            return _refused(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", *errors)
        if not errors:
            return Reply(data={"results": results})
        details = [{"@type": _FAILURE, "errors": errors, "requestId": "sim"}]
        failed = {"code": 3, "message": "Multiple errors in ‘details’.", "details": details}
        return Reply(data={"partialFailureError": failed, "results": results})

    def _set(self, account: SimAccount, name: str, operation: Mapping[str, Any]) -> dict[str, Any] | None:
        prefix = f"customers/{account.id}/campaigns/"
        campaign = self.world.campaigns.get(name.removeprefix(prefix))
        if operation.get("updateMask") != "status" or operation["update"].get("status") not in ("ENABLED", "PAUSED"):
            return _error("fieldMaskError", "FIELD_NOT_FOUND", "The field mask contained an invalid field.")
        if not name.startswith(prefix) or campaign is None or campaign.account_id != account.id:
            return _error("mutateError", "RESOURCE_NOT_FOUND", "Resource was not found.")
        if campaign.status is Status.ENDED:
            words = "The operation is not allowed for removed resources."
            return _error("contextError", "OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE", words)
        if not self.world.ask(campaign.id, Status(operation["update"]["status"])):
            words = "Multiple requests were attempting to modify the same resource at once. Retry the request."
            return _error("databaseError", "CONCURRENT_MODIFICATION", words)
        return None


def _is_known(name: str) -> bool:
    group, _, rest = name.partition(".")
    return rest in _KNOWN.get(group, ())


def _figures(row: Row) -> dict[str, Any]:
    figures: dict[str, Any] = {"segments.date": row.day.isoformat(), "segments.hour": row.hour}
    figures["metrics.conversions"] = float(row.conversions)
    figures["metrics.conversions_value"] = row.revenue / 1_000_000
    figures |= {"metrics.cost_micros": str(row.micros)} if row.micros else {}
    figures |= {"metrics.impressions": str(row.impressions)} if row.impressions else {}
    figures |= {"metrics.clicks": str(row.clicks)} if row.clicks else {}
    return figures


def _selected(row: Mapping[str, Any], fields: list[str]) -> dict[str, Any]:
    """`metrics.cost_micros` as `{"metrics": {"costMicros": …}}`."""
    said: dict[str, Any] = {}
    for name in fields:
        if name in row:
            group, _, rest = name.partition(".")
            first, *others = rest.split("_")
            said.setdefault(group, {})[first + "".join(part.title() for part in others)] = row[name]
    return said


def _error(kind: str, code: str, message: str) -> dict[str, Any]:
    return {"errorCode": {kind: code}, "message": message}


def _invalid(kind: str, code: str, message: str) -> Reply:
    return _refused(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", _error(kind, code, message))


def _refused(status: int, name: str, message: str, *errors: Mapping[str, Any]) -> Reply:
    details = [{"@type": _FAILURE, "errors": list(errors), "requestId": "sim"}]
    return Reply(status, {"error": {"code": status, "message": message, "status": name, "details": details}})
