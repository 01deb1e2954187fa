"""Who sees which imports: one rule for all doors."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from access.callers import Caller
from spending.models import SpendImport


def visible(things: QuerySet[SpendImport], caller: Caller) -> QuerySet[SpendImport]:
    """Those that concern only brands that the caller sees; and their own, which may have found no brand."""
    if caller.sees_all_brands():
        return things
    links = SpendImport.brands.through.objects.filter(spendimport_id=OuterRef("pk"))
    elsewhere = links.exclude(brand_id__in=caller.brands().values("pk"))
    return things.filter(~Exists(elsewhere)).filter(Exists(links) | Q(created_by=caller.name))


def sees_lines(record: SpendImport, caller: Caller) -> bool:
    """Whether they may read lines that were left out, which may be of brands that are none of others' business."""
    return record.created_by == caller.name or caller.sees_all_brands()
