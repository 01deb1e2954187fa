"""Filters of lists. A parameter that nobody knows is an error: ignored, it would give too much."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError

COMMON = {"page", "page_size", "search", "ordering", "format"}


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
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
