"""How an account is entered and found in the admin."""

from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest

from budget_system.admin.filters import FixedFilter, Lookups
from budget_system.admin.forms import UseCaseForm
from budget_system.admin.ui import DropdownFilter, TextInput
from campaigns.models import Platform as PlatformCode
from platforms.adapters import KINDS
from platforms.models import Account, AccountQuerySet, AccountState
from platforms.protocol import Kind


class AccountForm(UseCaseForm):
    """The id, and the credentials that the platform's kind asks for, which are never shown again."""

    prefix_of_keys = "key_"

    def keys(self) -> dict[str, str]:
        """What was typed, by the names of the kind."""
        return {
            name.removeprefix(self.prefix_of_keys): str(value)
            for name, value in self.cleaned_data.items()
            if name.startswith(self.prefix_of_keys)
        }


def form_for(kind: Kind, *, adding: bool) -> type[AccountForm]:
    """The form of an account on this platform."""
    fields: dict[str, Any] = {}
    for field in kind.fields:
        attrs = {"autocomplete": "new-password" if field.secret else "off", "spellcheck": "false"}
        widget = TextInput(attrs={**attrs, "type": "password"} if field.secret else attrs)
        fields[f"{AccountForm.prefix_of_keys}{field.name}"] = forms.CharField(
            label=field.label, help_text=field.help, required=adding and field.required, widget=widget,
            max_length=4_000,
        )  # fmt: skip
    return type("AccountFormOfKind", (AccountForm,), {**fields, "helps": {"account_id": kind.account_help}})


class AccountStateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return list(AccountState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        value = self.value()
        return cast(AccountQuerySet, queryset).in_state(value) if value in AccountState.values else queryset


class PlatformFilter(FixedFilter):
    title = "platform"
    parameter_name = "platform"
    field = "platform"
    values = [(code, str(PlatformCode(code).label)) for code in KINDS]
