"""Meta Ads Manager, exported as CSV: a plain header on line 1.

The currency stands in the name of the column (“Amount spent (USD)”). Without the breakdown by day there is one row per
range of days, which is refused; with it, `Reporting starts` and `Reporting ends` still span the whole report. A row
without a name is the account's total and would count everything twice; so is one named `Total`, whether it has a day
or not. French: `Jour;Nom de la campagne;Montant dépensé (USD)`, with 1 234,56 and 01/08/2026.
"""

from collections.abc import Sequence

from budget_system.money import is_currency
from spending.reports.columns import WORDS, Columns, Role, comparable, words_of
from spending.reports.header import Found
from spending.reports.numbers import NOT_REPORTED
from spending.reports.periods import Period, read_period
from spending.reports.records import Record
from spending.reports.shapes import Cells, Facts, Format, Shape, SumsUp, Usual
from spending.reports.table import TOTAL

_SPENT = frozenset(
    ["amount spent", "montant dépensé", "ausgegebener betrag", "importe gastado", "importo speso", "uitgegeven bedrag"]
)
_STARTS = frozenset(["reporting starts", "début des rapports", "début du rapport"])
_ENDS = frozenset(["reporting ends", "fin des rapports", "fin du rapport"])
_PARTS = frozenset(
    ["ad set name", "ad set id", "ad name", "ad id", "nom de l ensemble de publicités", "nom de la publicité"]
)
_HOW = "choose Breakdown > By time > Day and export the report again"
_COLUMN: dict[Role, str] = {"cost": "Amount spent", "campaign_id": "Campaign name or Campaign ID"}

WORDS_HERE = {
    **WORDS,
    **words_of(
        {
            "clicks": ("link clicks|clics sur un lien", "clicks|clicks all|clics|clics tous"),
            "conversions": ("results|résultats",),
            "revenue": ("purchases conversion value|purchase conversion value", "website purchases conversion value"),
        }
    ),
}


def _claims(keys: frozenset[str], _preamble: Sequence[Record]) -> bool:
    """The amount spent with its currency, or beside the days on which reporting starts and ends."""
    if any(key[:-4] in _SPENT and is_currency(key[-3:].upper()) for key in keys):
        return True
    return not (keys.isdisjoint(_SPENT) or keys.isdisjoint(_STARTS | _ENDS))


def _facts(found: Found) -> Facts:
    """The period is that of the first row: every row repeats it."""
    starts, ends = _at(found.cells, _STARTS), _at(found.cells, _ENDS)
    if len(starts) != 1 or len(ends) != 1:
        return Facts()
    for record in found.below:
        if len(record.cells) == len(found.cells) and record.cells[starts[0]].strip():
            first, last = record.cells[starts[0]].strip(), record.cells[ends[0]].strip()
            one, other = read_period(first), read_period(last)
            period = Period(one.first, other.last) if one and other and one.first <= other.last else None
            return Facts(period_text=f"{first} - {last}", period=period)
    return Facts()


def _at(header: Sequence[str], names: frozenset[str]) -> list[int]:
    return [index for index, cell in enumerate(header) if comparable(cell) in names]


def _missing(role: Role, _found: Found, facts: Facts) -> str:
    if role != "day":
        return f"this Meta report has no column {_COLUMN[role]}: add it (Columns > Customise columns) and export again"
    over = f" (“{facts.period_text}”)" if facts.period_text else ""
    return f"this Meta report has no column Day, so each row is a sum over its range of days{over}: {_HOW}"


def _usual(found: Found) -> Usual:
    """In French reports the day comes before the month, and decimals follow a comma."""
    french = {"jour", "nom de la campagne"} & {comparable(cell) for cell in found.cells}
    return Usual(days="dmy", amounts="comma") if french else Usual()


def _sums_up(columns: Columns) -> SumsUp:
    """Tells the account's total: no campaign, no ad set, no ad."""
    parts = _at(columns.header, _PARTS)
    campaign_id, name = columns.campaign_id, columns.campaign_name

    def label(cells: Cells) -> str | None:
        if campaign_id is not None and cells[campaign_id].strip() not in NOT_REPORTED:
            return None
        text = cells[name].strip() if name is not None else ""
        named = text not in NOT_REPORTED
        if (named and not TOTAL.fullmatch(text)) or any(cells[at].strip() not in NOT_REPORTED for at in parts):
            return None
        return text if named else "account total"

    return label


SHAPE = Shape(
    Format.META_ADS, WORDS_HERE, claims=_claims, facts=_facts, missing=_missing, usual=_usual, sums_up=_sums_up
)
