"""Which column of a report means what: found by its name, or named by the person who imports."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from spending.reports.numbers import currencies_of
from spending.reports.text import UnreadableReport

Role = Literal[
    "campaign_id", "campaign_name", "day", "cost", "currency", "account", "spend_type", "channel", "description", "key",
]  # fmt: skip
Metric = Literal["impressions", "clicks", "conversions", "revenue"]
Words = Mapping[str, tuple[frozenset[str], ...]]
"""For each role and metric the names of its column, comparable, in tiers: the first that is there is it."""

_WORDS: dict[Role, tuple[str, ...]] = {
    # Names in the same tier (a line here) fit equally well; an earlier tier beats a later one.
    "campaign_id": (
        "campaign id|external campaign id|external id|campaignid|kampagnen id|id de campagne|id de campaña"
        "|id de la campagne|identifiant de la campagne",
        "campaign external id|campaign number|campaign key",
    ),
    "campaign_name": (
        "campaign name|campaignname|nom de la campagne|nombre de la campaña|kampagnenname|nome campagna|campagnenaam",
        "campaign|kampagne|campagne|campaña|campagna|campanha|kampanj|kampagnenavn",
    ),
    "day": (
        "spend date|spend day|spent on|date of spend",
        "day|date|by day|tag|datum|jour|fecha|día|dia|data|dag|giorno|dato|report date",
    ),
    "cost": (
        "cost|spend|amount spent|spent|media cost|media spend|ad spend|kosten|ausgaben|ausgegebener betrag|coût"
        "|montant dépensé|dépenses|coste|costo|gasto|importe gastado|spesa|importo speso|custo|kostnad"
        "|uitgegeven bedrag",
        "amount|betrag|montant|importe|importo|bedrag|belopp",
    ),
    "currency": (
        "currency|currency code|ccy|währung|währungscode|devise|code de la devise|moneda|valuta|valutakod|moeda",
        "account currency|account currency code|customer currency code",
    ),
    "account": (
        "brand|brand name|marke|marque|marca|merk",
        "client|client name|customer|customer name|kunde|klant",
        "account name|advertiser name|accountname|kontoname|nom du compte",
        "account|advertiser|konto|compte|cuenta",
    ),
    "spend_type": ("spend type|type of spend",),
    "channel": (),  # of platforms' reports none: their lines are added up over networks and placements
    "description": ("description|beschreibung", "note|notes|comment|memo"),
    "key": ("idempotency key|spend key|client key|key",),
}
_METRIC_WORDS: dict[Metric, tuple[str, ...]] = {
    "impressions": ("impressions|impression|impr|impressionen|impresiones|impressioni|impressões",),
    "clicks": ("clicks|clics|klicks|clic|cliques", "link clicks|clics sur un lien|link klicks|clics en el enlace"),
    "conversions": ("conversions|conversionen|conversiones|conversioni|conversões",),
    "revenue": ("revenue|conv value|conversion value|conversions value|conv wert|valeur de conv|umsatz",),
}
METRICS: tuple[Metric, ...] = tuple(_METRIC_WORDS)


def words_of(names: Mapping[Any, tuple[str, ...]]) -> Words:
    """Names of columns, as tiers of names parted by |, made ready to be looked up."""
    return {what: tuple(frozenset(tier.split("|")) for tier in tiers) for what, tiers in names.items()}


WORDS: Words = {**words_of(_WORDS), **words_of(_METRIC_WORDS)}
"""The names that spend reports use, whatever their source. A platform's own names are laid over these."""

OPTIONS: dict[Role, str] = {
    "campaign_id": "--campaign-id-column",
    "campaign_name": "--campaign-name-column",
    "day": "--day-column",
    "cost": "--cost-column",
    "currency": "--currency-column",
    "account": "--account-column",
    "spend_type": "--type-column",
    "channel": "--channel-column",
    "description": "--description-column",
    "key": "--key-column",
}
"""The option that names each column by hand."""

ROLES: tuple[Role, ...] = tuple(OPTIONS)
MAX_COLUMNS = 1_000

_MEANINGS: dict[Role, str] = {"campaign_id": "campaign", "campaign_name": "campaign", "spend_type": "spend type"}
_NOT_WORD = re.compile(r"[\W_]+")
_BRACKETED = re.compile(r"(.*?)\s*[(\[（]\s*(\S{1,4})\s*[)\]）]\s*")
_TRAILING = re.compile(r"(.*?)[\s_/-]+(?:in[\s_]+)?([A-Za-z]{3}|[^\w\s])\s*")
_MAX_NAME_CHARS = 100
_ALSO_WORDS = frozenset({"ALL", "TOP"})  # “cost_all” is not in Albanian lek


@dataclass(frozen=True, slots=True)
class Named:
    """Columns named by hand: the header's text, or a position counted from 1. None: guess; "": there is none."""

    campaign_id: str | None = None
    campaign_name: str | None = None
    day: str | None = None
    cost: str | None = None
    currency: str | None = None
    account: str | None = None
    spend_type: str | None = None
    channel: str | None = None
    description: str | None = None
    key: str | None = None

    def get(self, role: Role) -> str | None:
        """What was said about this role."""
        said: str | None = getattr(self, role)
        return said


class Columns(NamedTuple):
    """Where each thing stands in a row (counted from 0; None: not in this report)."""

    header: tuple[str, ...]
    day: int
    cost: int
    campaign_id: int | None
    campaign_name: int | None
    currency: int | None
    account: int | None
    spend_type: int | None
    channel: int | None
    description: int | None
    key: int | None
    cost_currencies: frozenset[str]
    """What the cost column's own name says of the currency: “Amount spent (USD)”; empty: nothing."""
    metrics: tuple[int | None, ...] = (None,) * len(METRICS)
    """Where each of `METRICS` stands."""

    def name(self, index: int) -> str:
        """The column's name as the header has it."""
        return self.header[index].strip()


class MissingColumn(UnreadableReport):
    """The report lacks a column without which it says nothing of a campaign's spend on a day."""

    def __init__(self, role: Role, header: Sequence[str], line: int) -> None:
        super().__init__(_missing(role, header, line))
        self.role = role
        self.listed = _listed(header, line)
        """What the header has instead, in words."""


def guess_columns(header: Sequence[str], named: Named | None = None, *, line: int = 1, words: Words = WORDS) -> Columns:
    """The columns of the report whose header this is, on that line of the file.

    Raises `MissingColumn` when a needed column is missing, `UnreadableReport` when two fit equally well.
    """
    named = named or Named()
    keys = [_Heading.of(text) for text in header]
    found = {role: _only(role, _candidates(role, keys, named, words), header, named, line) for role in ROLES}
    day, cost = found.pop("day"), found.pop("cost")
    if day is None:
        raise MissingColumn("day", header, line)
    if cost is None:
        raise MissingColumn("cost", header, line)
    if found["campaign_id"] is None and found["campaign_name"] is None:
        raise MissingColumn("campaign_id", header, line)
    metrics = tuple(_metric(words[metric], keys) for metric in METRICS)
    currencies = keys[cost].currencies
    return Columns(header=tuple(header), day=day, cost=cost, cost_currencies=currencies, metrics=metrics, **found)


def _metric(tiers: Sequence[frozenset[str]], keys: "Sequence[_Heading]") -> int | None:
    """The column of a metric. Metrics are an extra: where two columns fit equally well, neither is taken."""
    for tier in tiers:
        fitting = [index for index, heading in enumerate(keys) if heading.key in tier or heading.stem in tier]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def recognised(header: Sequence[str], named: Named, words: Words = WORDS) -> tuple[int, bool]:
    """How many roles this row would fill as a header, and whether that is enough for it to be one.

    A row of more than `MAX_COLUMNS` cells is no header.
    """
    if len(header) > MAX_COLUMNS:
        return 0, False
    keys = [_Heading.of(text) for text in header]
    roles = {role for role in ROLES if _candidates(role, keys, named, words)}
    asked = {role for role in ROLES if named.get(role)}
    enough = {"day", "cost"} | asked <= roles and not roles.isdisjoint({"campaign_id", "campaign_name"})
    return len(roles), enough


class _Heading(NamedTuple):
    """A column's name made comparable, and the same without the currency at its end."""

    key: str
    stem: str
    currencies: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "_Heading":
        stem, currencies = _split_currency(text)
        return cls(comparable(text), comparable(stem), currencies)


def comparable(text: str) -> str:
    """A column's name without regard to case, space, punctuation and the width of its characters."""
    return _NOT_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _split_currency(text: str) -> tuple[str, frozenset[str]]:
    """“Amount spent (USD)”, “cost_eur”, “Spend in £” taken apart; the text and nothing when none is named."""
    if len(text) > _MAX_NAME_CHARS:
        return text, frozenset()
    if bracketed := _BRACKETED.fullmatch(text):
        currencies = currencies_of(bracketed[2])
        return (bracketed[1], currencies) if currencies else (text, frozenset())
    trailing = _TRAILING.fullmatch(text)
    if trailing and trailing[2].upper() not in _ALSO_WORDS:
        currencies = currencies_of(trailing[2])
        if currencies:
            return trailing[1], currencies
    return text, frozenset()


def _candidates(role: Role, keys: Sequence[_Heading], named: Named, words: Words) -> list[int]:
    """The columns that fit a role best and equally well."""
    said = named.get(role)
    if said is not None:
        return _named(said, keys)
    for tier in words[role]:
        fitting = [
            index
            for index, heading in enumerate(keys)
            if heading.key in tier or (role == "cost" and heading.currencies and heading.stem in tier)
        ]
        if fitting:
            return fitting
    return []


def _named(said: str, keys: Sequence[_Heading]) -> list[int]:
    if not said.strip():
        return []
    wanted = comparable(said)
    fitting = [index for index, heading in enumerate(keys) if heading.key == wanted]
    if not fitting and re.fullmatch(r"[0-9]{1,4}", said.strip()) and 1 <= int(said) <= len(keys):
        return [int(said) - 1]
    return fitting


def _only(role: Role, fitting: list[int], header: Sequence[str], named: Named, line: int) -> int | None:
    if len(fitting) > 1:
        names = " and ".join(f"“{header[index].strip()}” (column {index + 1})" for index in fitting[:4])
        raise UnreadableReport(
            f"{names} fit the {_MEANINGS.get(role, role)} equally well: say which with {OPTIONS[role]} (name or number)"
        )
    if fitting:
        return fitting[0]
    if said := (named.get(role) or "").strip():
        raise UnreadableReport(f"there is no column “{said[:40]}” ({OPTIONS[role]}); {_listed(header, line)}")
    return None


def _missing(role: Role, header: Sequence[str], line: int) -> str:
    options = OPTIONS[role] if role != "campaign_id" else f"{OPTIONS['campaign_id']} or {OPTIONS['campaign_name']}"
    return f"no column looks like the {_MEANINGS.get(role, role)}: name it with {options}; {_listed(header, line)}"


def _listed(header: Sequence[str], line: int) -> str:
    names = ", ".join(f"“{text.strip()[:40]}”" for text in header[:60])
    return f"the header on line {line} has {names}" + (" and more" if len(header) > 60 else "")
