"""The run log in the admin: what ran, when, what it counted, and whether it failed."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from access.callers import caller_of
from budget_system.admin import show
from budget_system.admin.base import RecordAdmin, note, noted
from budget_system.admin.filters import DaysFilter, Lookups
from budget_system.admin.ui import ChoicesDropdownFilter, DropdownFilter
from enforcement.models import Run
from enforcement.runs import LEASE


class OutcomeFilter(DropdownFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("error", "Error"), ("done", "Done"), ("open", "Under way or lost")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        match self.value():
            case "error":
                return queryset.exclude(error="")
            case "done":
                return queryset.filter(error="").exclude(finished_at=None)
            case "open":
                return queryset.filter(error="", finished_at=None)
            case _:
                return queryset


@admin.register(Run)
class RunAdmin(RecordAdmin[Run]):
    list_display = ("kind", "age", "started", "took", "outcome", "counted", "trigger")
    list_filter = (("kind", ChoicesDropdownFilter), OutcomeFilter, ("started_at", DaysFilter))
    ordering = ("-id",)
    brand_path = None
    empty_text = "Ticks write a line each. Start the worker and the beat, or run manage.py enforce_budgets."

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("kind", "trigger", "started", "took", "outcome", "counted")
        # An error may name a brand or a campaign, and a run belongs to none of them.
        return ((None, {"fields": (*fields, "error") if caller_of(request).sees_all_brands() else fields}),)

    def dress(self, rows: list[Run], now: datetime) -> None:
        for run in rows:
            note(run, now, "now")

    def panels_above(self, obj: Run, now: datetime) -> tuple[()]:
        self.dress([obj], now)
        return ()

    @admin.display(description="age", ordering="started_at")
    def age(self, run: Run) -> str:
        return show.ago(run.started_at, noted(run, "now"))

    @admin.display(description="started")
    def started(self, run: Run) -> str:
        return show.utc(run.started_at)

    @admin.display(description="took")
    def took(self, run: Run) -> object:
        if run.finished_at is None:
            return show.nothing()
        return f"{(run.finished_at - run.started_at).total_seconds():.2f} s"

    @admin.display(description="outcome")
    def outcome(self, run: Run) -> SafeString:
        if run.error:
            return show.badge("Error", show.BAD)
        if run.finished_at is not None:
            return show.badge("Done", show.GOOD)
        if noted(run, "now") - run.started_at > LEASE:
            return show.badge("Lost", show.BAD, "Its process ended before it did; the next run closes it.")
        return show.badge("Under way", show.INFO)

    @admin.display(description="counted")
    def counted(self, run: Run) -> object:
        counts = (f"{name.replace('_', ' ')} {count}" for name, count in run.counts.items())
        return ", ".join(counts) or show.nothing()
