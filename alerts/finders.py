"""All that finds, each by itself: one that fails is logged and told of, and keeps no other from being heard."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.urls import reverse

from alerts import of_budgets, of_campaigns, of_platforms, of_records
from alerts.findings import Finder, Finding, World
from alerts.kinds import Kind

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
    if failed and world.rule(Kind.RUNS_MISSED, None).on:
        for one, cause in failed.items():
            finding = _of_failure(world, one, cause)
            found[finding.key] = finding
    unsure = frozenset(kind for one in failed for kind in one.kinds)
    return Found(found, unsure, [one.name for one in failed])


def _of_failure(world: World, failed: Finder, cause: Exception) -> Finding:
    """For administrators: who relies on alerts must know that some do not come."""
    kind = Kind.RUNS_MISSED
    return Finding(
        kind, f"FINDER:{failed.find.__module__}.{failed.find.__name__}", None, None, world.rule(kind, None).severity,
        f"Alerts about {failed.name} are not found at present",
        f"Looking for them failed: {type(cause).__name__}: {str(cause)[:500]}. What stood of them stays as it was; all "
        "other alerts are found.",
        [], world.now, "The worker's log has the error in full. It is tried again every half minute.",
        reverse("admin:enforcement_run_changelist"),
    )  # fmt: skip
