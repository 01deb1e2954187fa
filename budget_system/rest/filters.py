"""Filters of lists. A parameter that nobody knows is an error: ignored, it would give too much."""

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django_filters import BooleanFilter, Filter, FilterSet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter, SearchFilter

from budget_system import clock

MOST_WORDS = 20
MOST_DAYS = 366
_YES_OR_NO = {"", "true", "false", "True", "False"}
"""What django-filter understands. It takes all else for no filter at all."""


def refuse_unknown(request: Any, known: set[str]) -> None:
    """Raise for a query parameter that is not in `known`, and for characters that no text in the database has."""
    for name, values in request.query_params.lists():
        if name not in known:
            raise ValidationError(
                {name: [f"There is no such parameter. There are: {', '.join(sorted(known)) or 'none'}."]}
            )
        if any("\x00" in value for value in values):
            raise ValidationError({name: ["It holds a NUL character."]})


class StrictFilters(DjangoFilterBackend):  # type: ignore[misc]
    """django-filter's, which also refuses parameters that there are not."""

    def filter_queryset(self, request: Any, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filterset = self.get_filterset_class(view, queryset)
        known = {"page", "page_size"} | set(filterset.base_filters if filterset else ())
        if getattr(view, "search_fields", None):
            known.add("search")
        if getattr(view, "ordering_fields", None):
            known.add("ordering")
        refuse_unknown(request, known)
        for name, kind in (filterset.base_filters if filterset else {}).items():
            # An empty one is that of a form that was not filled in.
            if isinstance(kind, BooleanFilter) and request.query_params.get(name, "") not in _YES_OR_NO:
                raise ValidationError({name: ["Write true or false."]})
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


class Search(SearchFilter):
    """REST framework's, for a few words at a time; it is spoken of only where there is something to search."""

    def get_search_terms(self, request: Any) -> list[str]:
        terms: list[str] = super().get_search_terms(request)
        if len(terms) > MOST_WORDS:
            raise ValidationError({self.search_param: [f"Search for {MOST_WORDS} words at most."]})
        return terms

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        fields = getattr(view, "search_fields", None)
        return super().get_schema_operation_parameters(view) if fields else []


class Ordering(OrderingFilter):
    """REST framework's, which also refuses fields that there are not, and leaves nothing to chance.

    Things that are alike in what they are ordered by stand in the order of their ids: otherwise a thing might be on two
    pages, and another one on none.
    """

    def get_ordering(self, request: Any, queryset: QuerySet[Any], view: Any) -> list[str]:
        asked: str = request.query_params.get(self.ordering_param, "")
        fields: tuple[str, ...] = getattr(view, "ordering_fields", None) or ()
        terms = [term.strip() for term in asked.split(",")] if asked else []
        for term in terms:
            if term.removeprefix("-") not in fields:
                raise ValidationError({self.ordering_param: [f"“{term}” is none of {', '.join(fields)}."]})
        return [*terms, "pk"] if terms else []

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        fields = getattr(view, "ordering_fields", None)
        if not fields:
            return []
        one = f"-?({'|'.join(fields)})"
        [parameter] = super().get_schema_operation_parameters(view)
        text = f"One or more of {', '.join(fields)}, with commas between. A minus turns the order round."
        return [{**parameter, "description": text, "schema": {"type": "string", "pattern": f"^{one}(,{one})*$"}}]


class Filters(FilterSet):  # type: ignore[misc]
    """A list's filters. What is gone is chosen by the base queryset, for who may see it (`Resource.get_queryset`)."""

    def as_it_is(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return queryset


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": MOST_DAYS})
class OfTheLastDays(Filter):  # type: ignore[misc]
    """Those whose moment lies in the last so many times 24 hours."""

    field_class = forms.IntegerField

    def __init__(self, field_name: str, **more: Any) -> None:
        super().__init__(field_name, min_value=1, max_value=MOST_DAYS, **more)

    def filter(self, qs: QuerySet[Any], value: int | None) -> QuerySet[Any]:
        return qs if value is None else qs.filter(**{f"{self.field_name}__gte": clock.now() - timedelta(days=value)})


def of_what_is_gone(word: str) -> BooleanFilter:
    """The parameter by which an administrator lists what was removed."""
    return BooleanFilter(method="as_it_is", help_text=f"true: the {word} ones only, which administrators see.")
