"""Microsoft Advertising, from its API or a scheduled report: a CSV, usually in a zip.

Above the header stand lines such as "Report Time: 2/1/2020, 2/7/2020", "Time Zone: …", "Potential Incomplete Data:
true" and "Rows: 5"; below the rows a footer, “@2020 Microsoft Corporation. All rights reserved.”, with or without its
sign. The day is `TimePeriod` (or `Date`); in hourly reports it carries the hour (`3/15/2020 12:00:00 AM|7`, in
version 2 `2020-03-15|7`), and the hours of a day add up. Numbers may have commas between thousands. Budget summaries
call the day's spend `DailySpend`; `MonthToDateSpend` is no day's.
"""

import re
from collections.abc import Sequence
from datetime import date

from spending.reports.columns import WORDS, Role, words_of
from spending.reports.days import InvalidDay, read_day
from spending.reports.header import Found
from spending.reports.periods import Period
from spending.reports.records import Record
from spending.reports.shapes import Cells, Facts, Format, Shape, Usual
from spending.reports.text import UnreadableReport

_STATED = re.compile(r"\s*([A-Za-z][A-Za-z /]{2,40}):\s*(.*?)\s*", re.DOTALL)
_FOOTER = re.compile(r"\W{0,3}(?:Â\W?)?(?:19|20)[0-9]{2}\s+Microsoft\b.{0,200}", re.DOTALL)
_HOUR = re.compile(r"(.*?)\|([01]?[0-9]|2[0-3])")
_DAILY = frozenset(["", "daily", "hourly"])
_SPEND = frozenset(["spend", "dailyspend", "daily spend"])
_CAMPAIGN = frozenset(["campaignname", "campaignid"])
_ITS_OWN = frozenset(["timeperiod", "accountname", "accountnumber", "accountid", "currencycode"])
_COLUMN: dict[Role, str] = {"cost": "Spend", "campaign_id": "CampaignName or CampaignId"}

WORDS_HERE = {
    **WORDS,
    **words_of(
        {
            "day": ("timeperiod|time period", "date|gregorian date|day"),
            "cost": ("spend", "dailyspend|daily spend"),
            "currency": ("currencycode|currency code", "currency"),
            "account": ("accountname|account name",),
        }
    ),
}


def _claims(keys: frozenset[str], preamble: Sequence[Record]) -> bool:
    """Names written together (`CampaignName`) as only this API does, or the lines above them."""
    stated = _stated(preamble)
    if "report name" in stated and "report time" in stated:
        return not keys.isdisjoint(_SPEND | _CAMPAIGN | {"campaign", "campaign name"}) and len(keys) > 1
    return not (keys.isdisjoint(_CAMPAIGN) or keys.isdisjoint(_SPEND) or keys.isdisjoint(_ITS_OWN))


def _stated(preamble: Sequence[Record]) -> dict[str, str]:
    """What the lines above the header say, by the words before their colon."""
    stated: dict[str, str] = {}
    for record in preamble:
        match = _STATED.fullmatch(", ".join(cell.strip() for cell in record.cells if cell.strip())[:1_000])
        if match:
            stated.setdefault(match[1].casefold(), match[2])
    return stated


def _facts(found: Found) -> Facts:
    stated = _stated(found.preamble)
    text = stated.get("report time") or None
    aggregation = stated.get("report aggregation", "")
    if aggregation.casefold() not in _DAILY:
        over = f" over “{text}”" if text else ""
        raise UnreadableReport(
            f"this Microsoft Advertising report is aggregated “{aggregation[:40]}”{over}, not by day: "
            "request it with the aggregation Daily"
        )
    rows = stated.get("rows", "").replace(",", "")
    return Facts(
        period_text=text,
        period=_period(text or ""),
        time_zone=stated.get("time zone") or None,
        incomplete={"true": True, "false": False}.get(stated.get("potential incomplete data", "").casefold()),
        complete_until=stated.get("last completed available hour")
        or stated.get("last completed available day")
        or None,
        rows=int(rows) if re.fullmatch(r"[0-9]{1,12}", rows) else None,
    )


def _period(text: str) -> Period | None:
    """“2/1/2020, 2/7/2020” or “2/1/2020”: the month first."""
    try:
        days: list[date] = [read_day(part, "mdy") for part in text.split(",")]
    except InvalidDay:
        return None
    return Period(days[0], days[-1]) if len(days) <= 2 and days[0] <= days[-1] else None


def _missing(role: Role, _found: Found, facts: Facts) -> str:
    if role != "day":
        return f"this Microsoft Advertising report has no column {_COLUMN[role]}: add it and run the report again"
    over = f" over “{facts.period_text}”" if facts.period_text else ""
    return (
        f"this Microsoft Advertising report has no column TimePeriod, so its figures are sums{over}: "
        "add TimePeriod with the aggregation Daily and run the report again"
    )


def _usual(_found: Found) -> Usual:
    return Usual(days="mdy", amounts="point")


def _is_footer(cells: Cells) -> bool:
    first = cells[0]
    return "Microsoft" in first and not any(cells[1:]) and _FOOTER.fullmatch(first.strip()) is not None


def _day_text(text: str) -> str:
    match = _HOUR.fullmatch(text.strip()) if "|" in text else None
    return match[1] if match else text


SHAPE = Shape(
    Format.MICROSOFT_ADS,
    WORDS_HERE,
    claims=_claims,
    facts=_facts,
    missing=_missing,
    usual=_usual,
    footer=_is_footer,
    day_text=_day_text,
)
