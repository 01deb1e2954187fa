"""All that finds, each by itself: one that fails is logged and told of, and keeps no other from being heard."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from alerts import of_budgets, of_campaigns, of_platforms, of_records
from alerts.findings import Finder, Finding, World
from alerts.kinds import Kind
from alerts.rules import Rules

logger = logging.getLogger(__name__)

EVERYTHING = (*of_budgets.FINDERS, *of_campaigns.FINDERS, *of_platforms.FINDERS, *of_records.FINDERS)


class Found(NamedTuple):
    """What is wrong now, by its key, as far as it could be found."""

    findings: Mapping[str, Finding]
    unsure: frozenset[Kind] = frozenset()
    """Of these kinds there may be more: what stands of them is not over because it was not found."""
    failed: Sequence[str] = ()
    """Names of the finders that failed."""


def find_all(world: World, finders: Iterable[Finder]) -> Found:
    found: dict[str, Finding] = {}
    failed: dict[Finder, Exception] = {}
    for one in finders:
        try:
            for finding in one.find(world):
                found[finding.key] = finding
        except Exception as error:  # the other finders go on; this one is logged, counted and told of
            logger.exception("Alerts about %s could not be looked for", one.name)
            failed[one] = error
    for one, cause in failed.items():
        key = f"{one.find.__module__}.{one.find.__name__}"
        stays = "What stood of them stays as it was; all other alerts are found."
        for finding in _of_failure(cause, world.rules, world.now, key, f"Alerts about {one.name} are not", stays):
            found[finding.key] = finding
    unsure = frozenset(kind for one in failed for kind in one.kinds)
    return Found(found, unsure, [one.name for one in failed])


def of_blindness(cause: Exception, rules: Rules, now: datetime) -> Iterator[Finding]:
    """Where what all finders look at cannot be read."""
    return _of_failure(cause, rules, now, "read_world", "No alerts are", "What stood stays as it was.")


def _of_failure(cause: Exception, rules: Rules, now: datetime, key: str, what: str, stays: str) -> Iterator[Finding]:
    """For administrators: who relies on alerts must know that some do not come."""
    kind = Kind.RUNS_MISSED
    rule = rules.of(kind, None)
    if rule.on:
        yield Finding(
            kind, f"FINDER:{key}", None, None, rule.severity, f"{what} found at present",
            f"Looking for them failed: {type(cause).__name__}: {str(cause)[:500]}. {stays}", [], now,
            "The worker's log has the error in full. It is tried again every half minute.",
            reverse("admin:enforcement_run_changelist"),
        )  # fmt: skip
