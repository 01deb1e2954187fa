"""What we take from django-unfold, with types. It ships none, so the checker sees Django's classes in their place."""

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from django import forms
from django.contrib import admin
from django.db import models

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

    M = TypeVar("M", bound=models.Model)
    P = TypeVar("P", bound=models.Model)

    class ModelAdmin(admin.ModelAdmin[M]):
        def get_actions_detail(self, request: Any, object_id: Any) -> list[Any]: ...

    class TabularInline(admin.TabularInline[M, P]): ...

    class DropdownFilter(admin.SimpleListFilter): ...

    class _AutocompleteSelectFilter(admin.RelatedFieldListFilter):
        lookup_kwarg: str
        request: Any
        model_admin: Any

    class ChoicesDropdownFilter(admin.ChoicesFieldListFilter): ...

    class RangeDateFilter(admin.FieldListFilter): ...

    InlineFormSet = forms.BaseInlineFormSet
    TextInput = forms.TextInput
    Textarea = forms.Textarea
    Select = SearchableSelect = forms.Select
    Checkboxes = forms.CheckboxSelectMultiple
    Radios = forms.RadioSelect
    Switch = forms.CheckboxInput
    INPUT_CLASSES: list[str]

    ROW_CLASSES: list[str]
    LINK_CLASSES: list[str]
    CELL_CHECKBOX_CLASSES: list[str]
    CHECKBOX_CLASSES: str

    class ActionVariant(Enum):
        DEFAULT = "default"
        DANGER = "danger"

    def result_headers(changelist: Any) -> Iterator[dict[str, Any]]: ...
    def display_for_field(value: object, field: object, empty: str) -> str: ...
    def display_for_value(value: object, empty: str, boolean: bool) -> str: ...

else:
    from unfold.admin import ModelAdmin, TabularInline, checkbox
    from unfold.contrib.filters.admin import AutocompleteSelectFilter as _AutocompleteSelectFilter
    from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateFilter
    from unfold.enums import ActionVariant
    from unfold.forms import PaginationInlineFormSet as InlineFormSet
    from unfold.templatetags.unfold_list import CHECKBOX_CLASSES as CELL_CHECKBOX_CLASSES
    from unfold.templatetags.unfold_list import LINK_CLASSES, ROW_CLASSES, result_headers
    from unfold.utils import display_for_field, display_for_value
    from unfold.views import ChangeList
    from unfold.widgets import INPUT_CLASSES
    from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as Checkboxes
    from unfold.widgets import UnfoldAdminRadioSelectWidget as Radios
    from unfold.widgets import UnfoldAdminSelect2Widget as SearchableSelect
    from unfold.widgets import UnfoldAdminSelectWidget as Select
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
    from unfold.widgets import UnfoldBooleanSwitchWidget as Switch

    CHECKBOX_CLASSES = checkbox.attrs["class"]


class AutocompleteSelectFilter(_AutocompleteSelectFilter):
    """Unfold's names whatever is chosen. Ours names it only if the person may see it."""

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            form: Any = dict(choice)["form"]
            listed: Any = self.model_admin.admin_site.get_model_admin(self.field.related_model)
            form.fields[self.lookup_kwarg].queryset = listed.get_queryset(self.request)
            yield choice


__all__ = [
    "CELL_CHECKBOX_CLASSES",
    "CHECKBOX_CLASSES",
    "INPUT_CLASSES",
    "LINK_CLASSES",
    "ROW_CLASSES",
    "ActionVariant",
    "AutocompleteSelectFilter",
    "ChangeList",
    "Checkboxes",
    "ChoicesDropdownFilter",
    "DropdownFilter",
    "InlineFormSet",
    "ModelAdmin",
    "Radios",
    "RangeDateFilter",
    "SearchableSelect",
    "Select",
    "Switch",
    "TabularInline",
    "TextInput",
    "Textarea",
    "display_for_field",
    "display_for_value",
    "result_headers",
]
