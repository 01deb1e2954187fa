"""A dump of Google Ads API rows, as CSV or as JSON: `campaign.id`, `metrics.cost_micros`, `segments.date`,
`customer.currency_code`.

Costs are whole millionths of the currency and are divided exactly. 64-bit numbers are written as strings. A metric that
is zero is left out, so an empty one is zero. With `segments.hour`, or parts of campaigns, rows repeat a day and add up.
REST writes `costMicros` where the client libraries write `cost_micros`; both are read.
"""

from collections.abc import Sequence

from spending.reports.columns import WORDS, Role, words_of
from spending.reports.header import Found
from spending.reports.records import Record
from spending.reports.shapes import Facts, Format, Shape

_COST = frozenset(["metrics cost micros", "metrics costmicros", "cost micros", "costmicros"])
_FIELD: dict[Role, str] = {"day": "segments.date", "cost": "metrics.cost_micros", "campaign_id": "campaign.id"}
_ZONE = frozenset(["customer.time_zone", "customer.timezone"])

WORDS_HERE = {
    **WORDS,
    **words_of(
        {
            "day": ("segments date", "date|day"),
            "cost": ("metrics cost micros|metrics costmicros", "cost micros|costmicros"),
            "campaign_id": ("campaign id",),
            "campaign_name": ("campaign name",),
            "currency": ("customer currency code|customer currencycode", "currency code|currencycode|currency"),
            "account": ("customer descriptive name|customer descriptivename",),
            "impressions": ("metrics impressions", "impressions"),
            "clicks": ("metrics clicks", "clicks"),
            "conversions": ("metrics conversions", "conversions"),
            "revenue": (
                "metrics conversions value|metrics conversionsvalue",
                "conversions value|conversionsvalue",
            ),
        }
    ),
}


def _claims(keys: frozenset[str], _preamble: Sequence[Record]) -> bool:
    """A cost in micros; or fields of the API without it, to say that it is missing."""
    if not keys.isdisjoint(_COST):
        return True
    return any(key.startswith(("metrics ", "segments ")) for key in keys) and "campaign id" in keys


def _facts(found: Found) -> Facts:
    """The account's time zone, when it was asked for: every row repeats it."""
    zones = [at for at, name in enumerate(found.cells) if name.strip().casefold() in _ZONE]
    stated = [record.cells[zones[0]].strip() for record in found.below if zones and len(record.cells) > zones[0]]
    return Facts(time_zone=next(filter(None, stated), None))


def _missing(role: Role, _found: Found, _facts: Facts) -> str:
    return f"this Google Ads API dump has no {_FIELD[role]}: add it to what the query selects and dump it again"


SHAPE = Shape(Format.GOOGLE_ADS_API, WORDS_HERE, claims=_claims, facts=_facts, missing=_missing, micros=True)
