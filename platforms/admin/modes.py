"""Modes in the admin: how far this system may go at a brand's platforms on its own."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from budget_system.admin import show
from budget_system.admin.base import actor_of
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.pages import ActionsAdmin
from budget_system.admin.ui import AutocompleteSelectFilter
from platforms import services
from platforms.admin.words import mode_words
from platforms.models import Steering
from platforms.steps import Mode


class SteeringForm(UseCaseForm):
    helps = {
        "mode": "Begin with observe, read for some days what would have been done, then let it do more.",
    }


@admin.register(Steering)
class SteeringAdmin(ActionsAdmin):
    form = SteeringForm
    list_display = ("brand_name", "mode_word", "limit_words", "budgets_word")
    list_display_links = ("mode_word",)
    list_select_related = ("brand",)
    list_filter = (("brand", AutocompleteSelectFilter),)
    search_fields = ("brand__name",)
    brand_path = "brand"
    ordering = ("brand__name", "pk")
    sortable_by = ()
    fields = ("brand", "mode", "most_campaigns", "most_share", "budgets_count")
    readonly_fields = ("brand",)
    empty_text = "A brand's mode appears here with its first platform account."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def offered(self, obj: Steering) -> Iterable[str]:
        return ()

    def create(self, request: HttpRequest, form: Any, now: datetime) -> Steering:
        raise NotImplementedError("A mode comes with the brand's first account.")

    def change(self, request: HttpRequest, obj: Steering, form: Any, now: datetime) -> None:
        changes = form.changes(services.STEERING)
        services.change_steering(
            obj.brand_id, changes, actor=actor_of(request), now=now,
            expected_version=form.cleaned_data["expected_version"],
        )  # fmt: skip
        self.say(request, f"From now on: {mode_words(form.cleaned_data.get('mode', obj.mode))}")

    @admin.display(description="brand")
    def brand_name(self, row: Steering) -> SafeString:
        return show.link_to(row.brand, "brands_brand", row.brand_id)

    @admin.display(description="mode")
    def mode_word(self, row: Steering) -> SafeString:
        tones = {Mode.OBSERVE: show.PLAIN, Mode.SUGGEST: show.INFO, Mode.ENFORCE: show.GOOD}
        return show.badge(row.mode.capitalize(), tones[Mode(row.mode)], mode_words(row.mode))

    @admin.display(description="waits for a person above")
    def limit_words(self, row: Steering) -> str:
        return f"{row.most_campaigns} campaigns, or {row.most_share} % of the spend, in a quarter of an hour"

    @admin.display(description="what spend and the clock decide")
    def budgets_word(self, row: Steering) -> str:
        return "counts too" if row.budgets_count else "is always sent"
