"""Plan against actual by hour: bars of what was spent and set aside, a line of the plan, and closed hours in grey."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from budget_pacer import HourStatus
from budget_system.admin import charts, show

_GREY = charts.FAINT


def hours_chart(title: str, hours: Sequence[HourStatus], *, currency: str, zone: ZoneInfo, now: datetime) -> SafeString:
    """A channel's day; the table below it says for each hour why it gets so much."""
    top = max((max(hour.planned, hour.spent + hour.held, hour.cap) for hour in hours), default=Decimal(0))
    begun = [hour.starts_at <= now for hour in hours]
    bars = [
        _bar("Spent", [hour.spent if past else None for hour, past in zip(hours, begun, strict=True)],
             "var(--color-primary-600)", "money"),
        _bar("Set aside", [hour.held if past else None for hour, past in zip(hours, begun, strict=True)],
             charts.ORANGE, "money"),
        _bar("Closed", [top if is_closed(hour) else None for hour in hours], "rgba(156, 163, 175, 0.25)", "closed"),
    ]  # fmt: skip
    lines = [
        _line("Planned", [hour.planned for hour in hours], charts.GREEN, dashed=False),
        _line("At most", [hour.cap if hour.cap else None for hour in hours], charts.RED, dashed=True),
    ]
    datasets = [one for one in (*lines, *bars) if any(value for value in one["data"])]
    return render_to_string(
        "budget/chart.html",
        {
            "title": title,
            "data": json.dumps({"labels": [clock_text(hour, zone) for hour in hours], "datasets": datasets}),
            "options": json.dumps(_options(currency, f"Hour, {zone.key}")),
            "headers": ("Hour", "Planned", "Spent", "Set aside", "At most", "Why"),
            "rows": [_row(hour, zone, currency, now) for hour in hours],
            "note": "By the hour in which spend was reported. Grey hours are closed.",
            "is_empty": not any(hour.planned or hour.spent for hour in hours),
        },
    )


def is_closed(hour: HourStatus) -> bool:
    return not hour.cap and not hour.planned and not hour.spent and hour.reason.startswith("closed")


def clock_text(hour: HourStatus, zone: ZoneInfo) -> str:
    return f"{hour.starts_at.astimezone(zone):%H:%M}"


def _row(hour: HourStatus, zone: ZoneInfo, currency: str, now: datetime) -> tuple[object, ...]:
    begun = hour.starts_at <= now
    none = show.right(show.nothing())
    return (
        clock_text(hour, zone),
        show.right(show.amount(hour.planned, currency)),
        show.right(show.amount(hour.spent, currency)) if begun else none,
        show.right(show.amount(hour.held, currency)) if begun else none,
        show.right("closed" if is_closed(hour) else show.amount(hour.cap, currency)),
        f"{hour.reason[:1].upper()}{hour.reason[1:]}",
    )


def _bar(label: str, values: Sequence[Decimal | None], colour: str, stack: str) -> dict[str, Any]:
    wide = {"barPercentage": 1, "categoryPercentage": 1} if stack == "closed" else {}
    return {
        "type": "bar", "label": label, "data": _drawn(values), "backgroundColor": colour, "borderColor": colour,
        "borderWidth": 0, "pointStyle": "rect", "order": 3 if stack == "closed" else 2, "stack": stack,
        "grouped": False, **wide,
    }  # fmt: skip


def _line(label: str, values: Sequence[Decimal | None], colour: str, *, dashed: bool) -> dict[str, Any]:
    return {
        "type": "line", "label": label, "data": _drawn(values), "backgroundColor": colour, "borderColor": colour,
        "borderDash": [6, 4] if dashed else [], "borderWidth": 1 if dashed else 2, "pointRadius": 0,
        "pointStyle": "line", "order": 1, "stepped": "middle", "stack": label,
    }  # fmt: skip


def _drawn(values: Sequence[Decimal | None]) -> list[float | None]:
    return [None if value is None else float(value) for value in values]  # to be drawn, not reckoned with


def _options(currency: str, x_title: str) -> dict[str, Any]:
    def axis(title: str, *, grid: bool, **more: Any) -> dict[str, Any]:
        return {
            "title": {"display": True, "text": title, "color": _GREY},
            "ticks": {"color": _GREY, "maxRotation": 0, "autoSkip": True},
            "grid": {"display": grid},
            **more,
        }

    labels = {"color": _GREY, "usePointStyle": True, "boxWidth": 20}
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {"legend": {"display": True, "position": "top", "align": "end", "labels": labels}},
        "scales": {
            "x": axis(x_title, grid=False, stacked=True),
            "y": axis(currency, grid=True, beginAtZero=True, stacked=True),
        },
    }
