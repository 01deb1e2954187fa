"""TikTok Ads Manager, exported as CSV; where the header stands is not known, so it is looked for.

`By Day, Campaign name, Ad group name, Ad name, Currency, Cost, CPC (destination), CPM, Impressions, Clicks
(destination)`, a bracket of which may be a wide one. Rows whose campaign name is `-`, or contains `Total` and stands
for no day or no ad, are totals; a campaign named “Total Wine” is not. Impressions may be masked: `<5` is no figure.
"""

import re
from collections.abc import Sequence

from spending.reports.columns import WORDS, Columns, Role, comparable, words_of
from spending.reports.header import Found
from spending.reports.numbers import NOT_REPORTED
from spending.reports.records import Record
from spending.reports.shapes import Cells, Facts, Format, Shape, SumsUp
from spending.reports.table import TOTAL

_ITS_OWN = frozenset(["by day", "clicks destination", "cpc destination"])
_PARTS = frozenset(["ad group name", "ad group id", "ad name", "ad id", "campaign id"])
_TOTAL_OF = re.compile(r"total of [0-9].*|total：.*", re.IGNORECASE)
_COLUMN: dict[Role, str] = {"cost": "Cost", "campaign_id": "Campaign name or Campaign ID"}

WORDS_HERE = {
    **WORDS,
    **words_of(
        {
            "day": ("by day|day|date",),
            "clicks": ("clicks destination", "clicks|clicks all"),
            "conversions": ("conversions|conversion",),
        }
    ),
}


def _claims(keys: frozenset[str], _preamble: Sequence[Record]) -> bool:
    """The names that no other platform uses, beside a cost and campaigns."""
    return not keys.isdisjoint(_ITS_OWN) and "cost" in keys and any(key.startswith("campaign") for key in keys)


def _missing(role: Role, _found: Found, _facts: Facts) -> str:
    if role != "day":
        return f"this TikTok report has no column {_COLUMN[role]}: add it and export the report again"
    return (
        "this TikTok report has no column By Day, so its figures are sums over its whole period: "
        "choose Breakdown > By Day and export the report again as CSV"
    )


def _sums_up(columns: Columns) -> SumsUp:
    """Tells totals: by a name that is one, or that contains the word while nothing else says whose row it is."""
    parts = [at for at, cell in enumerate(columns.header) if comparable(cell) in _PARTS]
    day, name, campaign_id = columns.day, columns.campaign_name, columns.campaign_id

    def label(cells: Cells) -> str | None:
        text = cells[name].strip() if name is not None else ""
        if text and text not in NOT_REPORTED and "total" not in text.casefold():
            return None
        if campaign_id is not None and cells[campaign_id].strip() not in NOT_REPORTED:
            return None
        nobodys = all(cells[at].strip() in NOT_REPORTED for at in parts)
        if text in NOT_REPORTED:
            return (text or "total") if text or (parts and nobodys) else None
        if cells[day].strip() in NOT_REPORTED or (parts and nobodys):
            return text
        return text if nobodys and (TOTAL.fullmatch(text) or _TOTAL_OF.fullmatch(text)) else None

    return label


SHAPE = Shape(Format.TIKTOK_ADS, WORDS_HERE, claims=_claims, missing=_missing, sums_up=_sums_up)
