"""Choosing a campaign: campaigns of several brands have the same name, so a choice names the brand too."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest, HttpResponseBase

from budget_system.admin.show import campaign_label
from campaigns.models import Campaign


class ChoicesView(AutocompleteJsonView):
    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        result = super().serialize_result(obj, to_field_name)
        return {**result, "text": campaign_label(obj)} if isinstance(obj, Campaign) else result


def _choices(request: HttpRequest) -> HttpResponseBase:
    return ChoicesView.as_view(admin_site=admin.site)(request)


admin.site.autocomplete_view = _choices  # type: ignore[method-assign, assignment]
