"""What a page has fetched for a row, kept on the row itself."""

from typing import Any

from django.db import models


def noted(obj: models.Model, key: str = "figures") -> Any:
    """What `dress` fetched for this row."""
    return vars(obj)[f"_{key}"]


def note(obj: models.Model, value: object, key: str = "figures") -> None:
    vars(obj)[f"_{key}"] = value
