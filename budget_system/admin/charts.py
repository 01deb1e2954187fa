"""Charts, drawn by the library that unfold brings along: real axes with units, a legend, and the figures as a table.

Colours are the theme's variables, so a chart fits light and dark. What is drawn is rounded by the screen; the table
below it has the exact figures, for whoever cannot see the chart.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from budget_system.admin.show import amount

_GREY = "#9ca3af"


class Series(NamedTuple):
    """One line or row of bars. None: there is no figure there, and nothing is drawn."""

    label: str
    values: Sequence[Decimal | None]
    kind: str = "bar"
    """`bar`, `line`, or `dashed` for a plan, a budget or a projection."""
    colour: str = "var(--color-primary-600)"


GREEN, ORANGE, RED, FAINT = "#22c55e", "#f97316", "#dc2626", _GREY


def money_chart(
    title: str, labels: Sequence[str], series: Sequence[Series], *, currency: str, x_title: str, note: str = ""
) -> SafeString:
    """Amounts of one currency over days or hours."""
    rows = [
        (label, *(amount(value, currency) if value is not None else "–" for value in values))
        for label, *values in zip(labels, *(one.values for one in series), strict=True)
    ]
    return render_to_string(
        "budget/chart.html",
        {
            "title": title,
            "data": json.dumps({"labels": list(labels), "datasets": [_dataset(one) for one in series]}),
            "options": json.dumps(_options(currency, x_title, legend=len(series) > 1)),
            "headers": (x_title, *(one.label for one in series)),
            "rows": rows,
            "note": note,
            "is_empty": not any(value for one in series if one.kind != "dashed" for value in one.values),
        },
    )


def _dataset(series: Series) -> dict[str, Any]:
    bar = series.kind == "bar"
    return {
        "type": "bar" if bar else "line",
        "label": series.label,
        "data": [None if value is None else float(value) for value in series.values],  # to be drawn, not reckoned with
        "backgroundColor": series.colour,
        "borderColor": series.colour,
        "borderDash": [6, 4] if series.kind == "dashed" else [],
        "borderWidth": 0 if bar else 2,
        "pointRadius": 0,
        "pointStyle": "rect" if bar else "line",
        "order": 2 if bar else 1,
    }


def _options(currency: str, x_title: str, *, legend: bool) -> dict[str, Any]:
    def axis(title: str, **more: Any) -> dict[str, Any]:
        return {
            "title": {"display": True, "text": title, "color": _GREY},
            "ticks": {"color": _GREY, "maxRotation": 0, "autoSkip": True},
            "grid": {"display": more.pop("grid")},
            **more,
        }

    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {
            "legend": {
                "display": legend,
                "position": "top",
                "align": "end",
                "labels": {"color": _GREY, "usePointStyle": True, "boxWidth": 20},
            }
        },
        "scales": {
            "x": axis(x_title, grid=False),
            "y": axis(currency, grid=True, beginAtZero=True),
        },
    }
