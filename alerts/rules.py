"""Which rule is in force: the brand's, else that for all brands, else the system's own. One query for all of them."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from alerts.kinds import SPECS, Kind, Severity, limits_text
from alerts.models import AlertRule


class Rule(NamedTuple):
    on: bool
    limits: tuple[int, ...]
    severity: Severity
    own_severity: bool = False
    """A person has set it."""

    @property
    def limit(self) -> int:
        return self.limits[0]


class Rules(NamedTuple):
    """All rules that people have written."""

    written: Mapping[tuple[UUID | None, str], AlertRule]

    def of(self, kind: Kind, brand_id: UUID | None) -> Rule:
        row = self.written.get((brand_id, kind)) or self.written.get((None, kind))
        return in_force(kind, row)


def in_force(kind: Kind, row: AlertRule | None) -> Rule:
    spec = SPECS[kind]
    limits = spec.limits.default if spec.limits else ()
    if row is None:
        return Rule(True, limits, spec.severity)
    severity = spec.severity if row.severity is None else Severity(row.severity)
    return Rule(row.on, tuple(row.limits) or limits, severity, row.severity is not None)


def in_words(kind: Kind, row: AlertRule | None) -> str:
    """What the rule does."""
    rule = in_force(kind, row)
    return SPECS[kind].does.format(limits_text(kind, rule.limits)) if rule.on else "Nobody is told of it."


def read() -> Rules:
    return Rules({(row.brand_id, row.kind): row for row in AlertRule.objects.all()})
