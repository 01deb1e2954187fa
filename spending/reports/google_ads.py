"""Google Ads, downloaded from its pages: “.csv” and “Excel .csv” (UTF-16LE with BOM, parted by tabs).

Line 1 is the report's name, line 2 its period (“September 1, 2026 - September 3, 2026”, “All time”), line 3 the header.
Up to seven rows at the end are totals (“Total: Account”, “Total : compte”, “Gesamt: Konto”) that have no day. The
default view has no column Day: its figures are sums over the period. `Avg. cost` and `Cost / conv.` are no spend.
Only the names of columns that matter are known here; their order, and whatever else there is, plays no part.
"""

from collections.abc import Sequence

from spending.reports.columns import WORDS, Role, comparable, words_of
from spending.reports.header import Found
from spending.reports.periods import is_period, read_period
from spending.reports.records import Record
from spending.reports.shapes import Facts, Format, Shape, Usual

_CURRENCY = frozenset(["currency code", "code de la devise", "währungscode"])
_COST = frozenset(["cost", "coût", "kosten"])
_CAMPAIGN = frozenset(["campaign", "campagne", "kampagne"])
_OTHER_LANGUAGES = frozenset(["coût", "kosten", "campagne", "kampagne"])
_LONGER = {
    "week": "weeks",
    "semaine": "weeks",
    "woche": "weeks",
    "month": "months",
    "mois": "months",
    "monat": "months",
    "quarter": "quarters",
    "trimestre": "quarters",
    "quartal": "quarters",
    "year": "years",
    "année": "years",
    "jahr": "years",
}
_WITHIN = 5
_HOW = "add the column Day (Segment > Time > Day) and download the report again"
_COLUMN: dict[Role, str] = {"cost": "Cost", "campaign_id": "Campaign or Campaign ID"}

WORDS_HERE = {
    **WORDS,
    **words_of(
        {
            "day": ("day|jour|tag", "date|datum"),
            "cost": ("cost|coût|kosten",),
            "campaign_id": ("campaign id|id de campagne|id de la campagne|n° de la campagne|kampagnen id",),
            "campaign_name": ("campaign|campagne|kampagne", "campaign name"),
            "conversions": ("conversions|conversionen",),
            "revenue": ("conv value|valeur de conv|conv wert",),
        }
    ),
}


def _claims(keys: frozenset[str], preamble: Sequence[Record]) -> bool:
    """A period above a header that has campaigns and their figures, or the header that says `Currency code`."""
    if keys.isdisjoint(_CAMPAIGN):
        return False
    if not (keys.isdisjoint(_CURRENCY) or keys.isdisjoint(_COST)):
        return True
    return not keys.isdisjoint(_COST | _CURRENCY | {"impr"}) and _period_text(preamble) is not None


def _period_text(preamble: Sequence[Record]) -> str | None:
    for record in preamble[:_WITHIN]:
        text = ", ".join(cell.strip() for cell in record.cells if cell.strip())
        if is_period(text):
            return text
    return None


def _facts(found: Found) -> Facts:
    text = _period_text(found.preamble)
    return Facts(period_text=text, period=read_period(text) if text else None)


def _missing(role: Role, found: Found, facts: Facts) -> str:
    if role != "day":
        return f"this Google Ads report has no column {_COLUMN[role]}: add it (Modify columns) and download again"
    over = f" over “{facts.period_text}”" if facts.period_text else ""
    for cell in found.cells:
        if longer := _LONGER.get(comparable(cell)):
            return f"this Google Ads report is by {longer}{over}, not by day: {_HOW}"
    return f"this Google Ads report has no column Day, so its figures are sums{over}: {_HOW}"


def _usual(found: Found) -> Usual:
    """In French and German reports the day comes before the month, and decimals follow a comma."""
    local = {comparable(cell) for cell in found.cells} & _OTHER_LANGUAGES
    return Usual(days="dmy", amounts="comma") if local else Usual()


SHAPE = Shape(Format.GOOGLE_ADS, WORDS_HERE, claims=_claims, facts=_facts, missing=_missing, usual=_usual)
