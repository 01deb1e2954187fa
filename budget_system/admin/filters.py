"""List filters that more than one admin uses. None of them counts or lists the values of a large table."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from budget_system import clock
from budget_system.admin.lists import over_pace, share_used
from budget_system.admin.show import NEARLY_USED_UP
from budget_system.admin.ui import DropdownFilter, RangeDateFilter
from spending.models import PeriodKind

Lookups = list[tuple[str, str]]


class ArchivedFilter(DropdownFilter):
    """Archived things are out of sight unless asked for by who may restore them."""

    title = "archived"
    parameter_name = "archived"
    all_option = ["", "Current only"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        if not request.user.has_perm("access.restore"):
            return []  # and so the filter is not shown, and asking for it by hand finds nothing
        return [("yes", "Archived only"), ("all", "Current and archived")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.exclude(archived_at=None)
            case "all":
                return queryset
            case _:
                return queryset.filter(archived_at=None)


class TodayFilter(DropdownFilter):
    """How much of today's budget is used, each brand by its own calendar."""

    title = "today's budget"
    parameter_name = "today"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [
            ("over", "Used up"), ("nearly", f"Nearly used up, from {NEARLY_USED_UP} %"), ("pace", "Over pace"),
            ("none", "No daily budget"),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = clock.now()
        match self.value():
            case "over":
                return self._used(queryset, now).filter(share__gte=1)
            case "nearly":
                return self._used(queryset, now).filter(share__gte=NEARLY_USED_UP / 100, share__lt=1)
            case "pace":
                return over_pace(queryset, now)
            case "none":
                return queryset.filter(daily_budget=None)
            case _:
                return queryset

    def _used(self, queryset: QuerySet[Any], now: datetime) -> QuerySet[Any]:
        used: QuerySet[Any] = queryset.alias(share=share_used(queryset.model, PeriodKind.DAY, now))
        return used


class FixedFilter(DropdownFilter):
    """Values of one field that are known beforehand: no query for the choices."""

    field = ""
    values: Lookups = []

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return self.values

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.field: self.value()}) if self.value() in dict(self.values) else queryset


class DaysFilter(RangeDateFilter):
    """Moments from a day to a day, both included, in UTC."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._day("from"), self._day("to")
        if first is not None:
            queryset = queryset.filter(**{f"{self.field_path}__gte": _midnight(first)})
        if last is not None and last < date.max:
            queryset = queryset.filter(**{f"{self.field_path}__lt": _midnight(last + timedelta(days=1))})
        return queryset

    def _day(self, end: str) -> date | None:
        try:
            return date.fromisoformat(str(self.used_parameters.get(f"{self.field_path}_{end}", "")))
        except ValueError:
            return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
