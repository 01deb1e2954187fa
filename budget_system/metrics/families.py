"""A family of metrics from rows."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Row = tuple[Sequence[object], float]


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
