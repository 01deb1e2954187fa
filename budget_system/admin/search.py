"""Searching for campaigns by words, of which each may be of the campaign's name or of its brand's."""

from django.db.models import Q

from brands.models import Brand
from budget_system.admin.lists import as_text

MATCHED_BRANDS = 1_000
"""How many brands a word looks into by their keys; a word that more of them have is compared with each campaign's."""
MOST_WORDS = 10


def campaigns_with(term: str) -> Q:
    """A condition on campaigns: each word of `term` is in the name or the brand's name, or is the platform id.

    Brands first: joined, every campaign's brand would be compared as well.
    """
    found = Q()
    for word in dict.fromkeys(term.split()[:MOST_WORDS]):
        brands = list(
            Brand.objects.filter(name__icontains=word)
            .order_by()
            .values_list(as_text("pk"), flat=True)[: MATCHED_BRANDS + 1]
        )
        few = len(brands) <= MATCHED_BRANDS
        its_brand = Q(brand__pk__any_of=brands) if few else Q(brand__name__icontains=word)
        found &= Q(name__icontains=word) | Q(external_id=word) | its_brand
    return found | Q(external_id=term.strip())
