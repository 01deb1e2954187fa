"""Reading brands: finding one by what a person types."""

import unicodedata
from uuid import UUID

from django.db.models import Q

from brands.models import Brand
from budget_system.errors import NotFound, Refused


def id_or_name(text: str) -> Q:
    """The condition that finds a thing by its id, or else by its exact name."""
    try:
        return Q(pk=UUID(text))
    except ValueError:
        return Q(name=unicodedata.normalize("NFC", text).strip())


def find_brand(text: str) -> Brand:
    """The one brand with this id or exact name. Raises NotFound, or Refused when several have the name."""
    matches = list(Brand.objects.current().filter(id_or_name(text))[:2])
    if not matches:
        raise NotFound(f"There is no brand with the id or name “{text}”.", field="brand")
    if len(matches) > 1:
        raise Refused(f"Several brands are named “{text}”. Use the id.", field="brand")
    return matches[0]
