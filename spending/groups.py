"""What adds up: the lines of a report that make one spend, by campaign and brand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from spending.models import SpendType
from spending.reports.rows import Metrics, ReportRow


@dataclass(eq=False, slots=True)
class BrandTarget:
    """The brand that rows belong to. `id` is None as long as it is to be created."""

    id: UUID | None
    name: str
    currency: str


@dataclass(eq=False, slots=True)
class CampaignTarget:
    """The campaign that rows belong to, and what they come to. `id` is None as long as it is to be created."""

    brand: BrandTarget
    id: UUID | None
    name: str
    external_id: str
    stated_id: str = ""
    """The rows' platform id, where the campaign has none and was found by its name."""
    days: "dict[date, Group]" = field(default_factory=dict)
    others: "dict[tuple[date, str, str, str | None, str], Group]" = field(default_factory=dict)
    """Groups that are not plainly a day's spend in the brand's currency: by day, type, currency, key, channel."""
    spoiled: dict[date, int] = field(default_factory=dict)
    """Days of which a line is rejected, and that line."""

    @property
    def key_prefix(self) -> str:
        """Names the campaign in keys of spends; its own id, so that renaming it on the platform doubles nothing."""
        own = self.id.hex if self.id else ""
        return f"{own}/{self.stated_id}" if self.stated_id else own

    def groups(self) -> "Iterator[Group]":
        yield from self.days.values()
        yield from self.others.values()


class Group:
    """The lines that make one spend. Made by the hundred thousand, hence by hand."""

    __slots__ = (
        "channel", "cost", "currency", "day", "description", "key", "line", "metrics", "more", "print", "spend_type",
        "target",
    )  # fmt: skip

    def __init__(
        self,
        target: CampaignTarget,
        row: ReportRow,
        fingerprint: int,
        spend_type: str,
        currency: str,
        channel: str = "",
    ) -> None:
        self.target = target
        self.day = row.day
        self.cost = row.cost
        self.line = row.line
        self.print = fingerprint
        self.more: dict[int, int] | None = None
        """The lines after the first, by what their cells hash to."""
        self.spend_type = spend_type
        self.currency = currency
        self.channel = channel
        self.key = row.key
        self.description = row.description
        self.metrics = row.metrics

    def twin(self, fingerprint: int) -> int | None:
        """The earlier line with the same cells."""
        if fingerprint == self.print:
            return self.line
        return self.more.get(fingerprint) if self.more else None

    def add(self, row: ReportRow, fingerprint: int) -> None:
        if self.more is None:
            self.more = {}
        self.more[fingerprint] = row.line
        self.cost += row.cost
        if row.metrics is not None:
            self.metrics = added(self.metrics, row.metrics)
        if row.description and row.description not in self.description.split("; "):
            self.description = f"{self.description}; {row.description}" if self.description else row.description

    def lines(self) -> list[int]:
        return [self.line, *self.more.values()] if self.more else [self.line]

    def __len__(self) -> int:
        return 1 + len(self.more) if self.more else 1

    def spend_key(self) -> str:
        """What makes importing again a correction instead of a second spend."""
        if self.key is not None:
            return self.key
        key = f"{self.target.key_prefix}|{self.day}"
        if self.spend_type != SpendType.DAILY:
            key = f"{key}|{self.spend_type}"
        return f"{key}/{self.channel}" if self.channel else key


def added(some: Metrics | None, more: Metrics) -> Metrics:
    """Both together. A figure that only one of them reports is that figure; what none reports stays unreported."""
    return more if some is None else Metrics(*map(_plus, some, more))


def _plus(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other
