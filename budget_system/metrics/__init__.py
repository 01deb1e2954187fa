"""Metrics in Prometheus' format: what web processes have counted, and what the database and the broker say at the
moment of the question. What each means is in docs/operations.md.

Every process gives the same answer: counts are shared through files (`gunicorn.conf.py`), the rest is read afresh.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.db import DatabaseError
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from budget_system import traffic  # noqa: F401 - its counts are in the registry
from budget_system.metrics import business, machine, outward

CONTENT_TYPE = CONTENT_TYPE_LATEST
logger = logging.getLogger(__name__)

Gather = Callable[[datetime], Iterable[Metric]]
GATHER: tuple[Gather, ...] = (
    machine.heart, machine.runs, machine.tasks, machine.broker, machine.alarms, business.totals, business.brands,
    business.campaigns, business.changes, business.reservations, business.imports, business.reports, business.pacing,
    outward.alerts, outward.messages, outward.platforms,
)  # fmt: skip


class Gathered(Collector):
    """What is read when asked for. Where the database does not answer, what needs it is left out, and said so."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        failed = 0
        for gather in GATHER:
            try:
                found = list(gather(self._now))
            except DatabaseError as error:
                logger.critical("Metrics, %s: %s", gather.__name__, error)
                failed += 1
            else:
                yield from found
        yield GaugeMetricFamily("budget_metrics_failed_groups", "Groups of metrics that could not be read.", failed)


def exposition(now: datetime) -> bytes:
    registry = CollectorRegistry()
    registry.register(Gathered(now))
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # untyped there
        return generate_latest(registry)
    return generate_latest(registry) + generate_latest(REGISTRY)
