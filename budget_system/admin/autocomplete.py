"""Choosing a thing: from what the person may see, as the list of such things begins there too.

Campaigns of several brands have the same name, so a choice of one names the brand.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from budget_system import clock
from budget_system.admin.show import campaign_label, today_text
from campaigns.models import Campaign


class ChoicesView(AutocompleteJsonView):
    def process_request(self, request: HttpRequest) -> Any:
        found = super().process_request(request)
        if found[2].auto_created:
            raise PermissionDenied("There is nothing to choose at the other end of a reference.")  # Django breaks on it
        return found

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        result = super().serialize_result(obj, to_field_name)
        if not isinstance(obj, Campaign):
            return result
        # What a form says of an amount and a day once it is known whose they are.
        whose = {"currency": obj.brand.currency, "today": today_text(obj.brand, clock.now())}
        return {**result, "text": campaign_label(obj), **whose}


def _choices(request: HttpRequest) -> HttpResponseBase:
    return ChoicesView.as_view(admin_site=admin.site)(request)


admin.site.autocomplete_view = _choices  # type: ignore[method-assign, assignment]
