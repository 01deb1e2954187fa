"""A person in front of the admin: opens pages, fills in what is shown, sends it, and reads what comes back."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.forms import BaseForm
from django.test import Client
from django.urls import reverse

from budget_system import clock
from budget_system.admin.budget_guard import Unconfirmed
from tests.factories import Story

ACTOR = "user: ann"


class Person:
    """Ann, who may do everything. Her clock is the story's."""

    def __init__(self, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
        self.story = story
        self.client = Client()
        self.client.force_login(User.objects.create_superuser("ann", "ann@example.com", "a-long-password"))
        monkeypatch.setattr(clock, "now", lambda: story.now)

    def opens(self, name: str, *args: object, **query: str) -> Any:
        response = self.client.get(reverse(f"admin:{name}", args=args), query)
        assert response.status_code == 200, (name, response.status_code)
        return response

    def reads(self, name: str, *args: object, **query: str) -> str:
        return text_of(self.opens(name, *args, **query))

    def sends(self, page: str, /, *args: object, **changes: object) -> Any:
        """Open a page with a form, change these values (None: leave it out), and send it."""
        return self.sends_filled(page, args, filled(self.opens(page, *args)), changes)

    def confirms(self, page: str, /, *args: object, response: Any, **changes: object) -> Any:
        """Say yes to what the page has shown a large change of a budget to do, and why."""
        yes: dict[str, object] = {"change_confirmed": "on", "change_reason": "The client agreed"}
        return self.sends_filled(page, args, filled(response), {**yes, **changes})

    def sends_filled(
        self, page: str, args: tuple[object, ...], data: dict[str, Any], changes: dict[str, object]
    ) -> Any:
        sent = {key: value for key, value in {**data, **changes}.items() if value is not None}
        response = self.client.post(reverse(f"admin:{page}", args=args), sent, follow=True)
        assert response.status_code == 200, response.status_code
        return response


def filled(response: Any) -> dict[str, Any]:
    """What a browser would send for the page as it is shown."""
    data: dict[str, Any] = {}
    if "adminform" in response.context:
        data |= _values(response.context["adminform"].form)
        for inline in response.context["inline_admin_formsets"]:
            data |= _values(inline.formset.management_form)
            for form in inline.formset.forms:
                data |= _values(form)
    elif "form" in response.context:
        data |= _values(response.context["form"])
    refusal = refusal_of(response)
    return data | _values(refusal.form) if refusal is not None else data


def refusal_of(response: Any) -> Unconfirmed | None:
    """The large change of a budget that the page asks to confirm."""
    context = response.context
    form = context["adminform"].form if "adminform" in context else context.get("form")
    refusal = getattr(form, "refusal", None)
    return refusal if isinstance(refusal, Unconfirmed) else None


def _values(form: BaseForm) -> dict[str, Any]:
    data = {}
    for field in form:
        value = field.value()
        if value is False or value is None:
            continue
        data[field.html_name] = "on" if value is True else value
    return data


def text_of(response: Any) -> str:
    """The words on a page, tags taken out and white space folded."""
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split()))


def errors_of(response: Any) -> dict[str, list[str]]:
    """The errors on the form that came back; empty when the page went on."""
    context = response.context
    form = context["adminform"].form if "adminform" in context else context.get("form")
    return dict(form.errors) if form is not None else {}


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]] if response.context else []
