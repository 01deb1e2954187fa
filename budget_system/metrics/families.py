"""A family of metrics from rows, and the rows of a day."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from budget_system.ids import first_id_at

Row = tuple[Sequence[object], float]
SLACK = timedelta(days=1)
"""How far the clock that made an id may be from the moment that is written beside it."""


def gauge(name: str, says: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, number in rows:
        family.add_metric([str(value) for value in values], number)
    return family


def counter(name: str, says: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """A number that only grows, until it begins again. `name` ends with `_total`."""
    family = CounterMetricFamily(name, says, labels=labels)
    for values, number in rows:
        family.add_metric([str(value) for value in values], number)
    return family


def one(name: str, says: str, number: float | timedelta | None) -> Metric:
    """A single number, or none where it is not known."""
    if isinstance(number, timedelta):
        number = number.total_seconds()
    return gauge(name, says, (), [] if number is None else [((), number)])


def today(model: Any, moment: str, now: datetime) -> Any:
    """Rows since 00:00 UTC, found by their ids."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return model.objects.filter(pk__gte=first_id_at(midnight - SLACK), **{f"{moment}__gte": midnight})
