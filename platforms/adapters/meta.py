"""Meta (Facebook, Instagram), by the Marketing API of Graph. Where each name is documented: docs/platform-apis.md."""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from budget_system.money import to_micros
from platforms.adapters.http import Answer, Http, retry_after
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

VERSION = "v26.0"
API = f"https://graph.facebook.com/{VERSION}"
PAGE = "500"
_STATUS = {"ACTIVE": Status.ENABLED, "PAUSED": Status.PAUSED}
_WORD = {status: word for word, status in _STATUS.items()}
_SHOWN = ["ACTIVE", "PAUSED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES"]
"""By themselves lists and insights leave out the archived. What is deleted is not told of, however it is asked for."""
_HOUR = "hourly_stats_aggregated_by_advertiser_time_zone"
_THROTTLED = frozenset({4, 17, 32, 613, *range(80_000, 80_015)})
_NOT_ALLOWED = frozenset({3, 10, 102, 190, *range(200, 300)})
_PASSING = frozenset({1, 2})


class Meta:
    """See `AdPlatform`."""

    def __init__(self, connection: Connection) -> None:
        token = connection.credentials.get("access_token", "")
        self._http = Http("Meta", connection.base_url)
        self._http.hide(token)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._id = connection.account_id.strip().removeprefix("act_")
        if not _is_id(self._id):
            raise RefusedByPlatform("A Meta ad account id has digits only, like act_1234567890.")

    def account(self) -> Account:
        said = self._read(f"act_{self._id}", {"fields": "name,currency,timezone_name"})
        with self._http.understood():
            return Account(self._id, said.get("name", ""), said["currency"], said["timezone_name"])

    def campaigns(self, ids: Collection[str] | None = None) -> Iterator[RemoteCampaign]:
        asked = {"fields": "id,name,status,effective_status", "effective_status": json.dumps(_SHOWN)}
        for said in self._pages(f"act_{self._id}/campaigns", asked):
            with self._http.understood():
                status = _STATUS.get(said["status"], Status.ENDED)
                found = RemoteCampaign(said["id"], said["name"], status, said.get("effective_status", said["status"]))
            if ids is None or found.id in ids:
                yield found

    def set_status(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        stopped: PlatformError | None = None
        for one, status in wanted.items():
            if stopped is None:
                try:
                    outcomes.append(self._set(one, status))
                    continue
                except PlatformError as error:
                    if not outcomes:
                        raise
                    stopped = error
            outcomes.append(Outcome(one, stopped.message, stopped.passing))
        return outcomes

    def _set(self, campaign_id: str, status: Status) -> Outcome:
        if not _is_id(campaign_id):
            return Outcome(campaign_id, "This is no id of a Meta campaign.")
        try:
            said = self._answered(self._send("POST", campaign_id, form={"status": _WORD[status]}))
        except RefusedByPlatform as error:
            return Outcome(campaign_id, error.message)
        with self._http.understood():
            done = said["success"] is True
        return Outcome(campaign_id, "" if done else "Meta did not carry it out.", passing=not done)

    def spend(self, first: date, last: date, *, by_hour: bool = False) -> Iterator[RemoteSpend]:
        asked = {
            "level": "campaign",
            "fields": "campaign_id,campaign_name,account_currency,spend,impressions,clicks",
            "time_range": json.dumps({"since": first.isoformat(), "until": last.isoformat()}),
            "time_increment": "1",
            "filtering": json.dumps([{"field": "campaign.effective_status", "operator": "IN", "value": _SHOWN}]),
        }
        if by_hour:
            asked["breakdowns"] = _HOUR
        for said in self._pages(f"act_{self._id}/insights", asked):
            with self._http.understood():
                spend = RemoteSpend(
                    campaign_id=said["campaign_id"],
                    campaign_name=said["campaign_name"],
                    day=date.fromisoformat(said["date_start"]),
                    hour=int(said[_HOUR][:2]) if by_hour else None,  # "07:00:00 - 07:59:59"
                    micros=to_micros(Decimal(said.get("spend", "0"))),
                    currency=said["account_currency"],
                    impressions=int(said.get("impressions", 0)),
                    clicks=int(said.get("clicks", 0)),
                )
            yield spend

    # --- Calls -------------------------------------------------------------------------------------------------------

    def _pages(self, path: str, asked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """By cursor: the address of the next page that comes with each has the token in it and is not used."""
        after = ""
        while True:
            said = self._read(path, {**asked, "limit": PAGE, **({"after": after} if after else {})})
            with self._http.understood():
                rows: list[dict[str, Any]] = list(said["data"])
                paging = said.get("paging", {})
                before, after = after, paging["cursors"]["after"] if "next" in paging else ""
            yield from rows
            if not after or after == before:
                return

    def _read(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        return self._answered(self._send("GET", path, params=asked, read=True))

    def _send(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None, read: bool = False,
    ) -> Answer:  # fmt: skip
        return self._http.send(
            method, f"{API}/{path}", headers=self._headers, params=params, form=form, read=read
        )  # fmt: skip

    def _answered(self, answer: Answer) -> dict[str, Any]:
        said = self._http.json(answer)
        if answer.status == 200 and "error" not in said:
            return said
        with self._http.understood():
            error = said["error"]
            code = int(error.get("code", 0))
            told = f"{error.get('error_user_msg') or error.get('message', '')} ({code})"
            passing = error.get("is_transient") is True or code in _PASSING
        general = self._http.error(answer, told)
        if isinstance(general, Throttled) or code in _THROTTLED:
            raise Throttled(general.message, self._wait_s(answer))
        if code in _NOT_ALLOWED:
            raise Unauthorised(general.message)
        if passing or general.passing:
            raise Unreachable(general.message)
        raise RefusedByPlatform(general.message) if not isinstance(general, Unauthorised) else general

    def _wait_s(self, answer: Answer) -> float | None:
        """How long until access comes back, by whichever header tells the longest."""
        waits = [retry_after(answer.headers) or 0.0]
        with self._http.understood():
            by_object = json.loads(answer.headers.get("X-Business-Use-Case-Usage", "{}"))
            uses = [use for uses in by_object.values() for use in uses]
            waits += [60.0 * float(use.get("estimated_time_to_regain_access", 0)) for use in uses]
            of_account = json.loads(answer.headers.get("X-Ad-Account-Usage", "{}"))
            waits.append(float(of_account.get("reset_time_duration", 0)))
        return max(waits) or None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 25


KIND = Kind(
    code="META",
    version=VERSION,
    fields=(
        Field(
            "access_token", "Access token",
            "Of a system user, in Meta's business settings under Users > System users > Generate new token, with "
            "ads_management and ads_read: it does not end by itself.",
        ),
    ),
    account_help="The ad account id, as act_1234567890 or digits only, from Ads Manager's address or settings.",
    lookback_days=28,
    least_pause_s=900,
    connect=Meta,
)  # fmt: skip
