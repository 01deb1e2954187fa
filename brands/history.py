"""Which budget was in force when, by whom, why and from where: read from the audit record, which is never changed.

Pure: the standard library only. It serves brands and campaigns alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

BUDGETS = ("daily_budget", "monthly_budget", "lifetime_budget")
BESIDE = ("timezone", "currency")
"""What else a budget's meaning rests on: whose midnight ends its day, and which money it is."""


class Entry(Protocol):
    """What is read of an audit entry."""

    @property
    def at(self) -> datetime: ...
    @property
    def actor(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def before(self) -> Mapping[str, Any]: ...
    @property
    def after(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Version:
    """One value of one input, from `since` (None: from before the record) until `until` (None: it is in force)."""

    name: str
    value: str | None
    """As the record has it; None is no limit."""
    currency: str | None
    """In which the value was meant, where the record says it."""
    since: datetime | None
    until: datetime | None = None
    actor: str = ""
    reason: str = ""
    origin: str = ""


def budget_history(entries: Iterable[Entry], names: Sequence[str] = (*BUDGETS, "timezone")) -> list[Version]:
    """Every version of the inputs in `names`, the newest first; each ends when the next of its name begins.

    `entries` are those of one brand or campaign, oldest first. A changed currency makes new versions of the budgets:
    the same number is other money. What was there before the first entry is known from what that entry changed.
    """
    versions: list[Version] = []
    current: dict[str, int] = {}
    currency: str | None = None
    for entry in entries:
        recoined = "currency" in entry.after and entry.after["currency"] != currency
        old_currency, currency = entry.before.get("currency", currency), entry.after.get("currency", currency)
        for name in names:
            changed = name in entry.after
            if not changed and not (recoined and name in current and name in BUDGETS):
                continue
            if changed and name not in current and name in entry.before:
                current[name] = len(versions)
                versions.append(Version(name, entry.before[name], old_currency, None))
            value = entry.after[name] if changed else versions[current[name]].value
            if name in current:
                versions[current[name]] = replace(versions[current[name]], until=entry.at)
            current[name] = len(versions)
            versions.append(
                Version(name, value, currency, entry.at, None, entry.actor, entry.reason, entry.origin)
            )  # fmt: skip
    return versions[::-1]
