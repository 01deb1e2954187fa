"""Pages of a list: count, next, previous, results."""

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination


class Pages(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    page_size_query_description = f"How many a page: {page_size} if you don't say, {max_page_size} at most."

    def get_page_size(self, request: Any) -> int | None:
        asked: str = request.query_params.get("page_size", "")
        if asked and not (asked.isascii() and asked.isdigit() and int(asked[:9])):
            raise ValidationError({"page_size": ["Write a whole number from 1."]})
        return super().get_page_size(request)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        return [{**parameter, "schema": {"type": "integer", "minimum": 1}} for parameter in parameters]
