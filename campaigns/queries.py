"""Reading campaigns: finding one by what a person types."""

from brands.models import Brand
from brands.queries import id_or_name
from budget_system.errors import NotFound, Refused
from campaigns.models import Campaign


def find_campaign(text: str, brand: Brand | None = None) -> Campaign:
    """The one campaign with this id, platform campaign id or exact name, within `brand` if given."""
    campaigns = Campaign.objects.current().select_related("brand")
    if brand is not None:
        campaigns = campaigns.filter(brand=brand)
    matches = list(campaigns.filter(id_or_name(text))[:2]) or list(campaigns.filter(external_id=text)[:2])
    if not matches:
        raise NotFound(f"There is no campaign with the id or name “{text}”.", field="campaign")
    if len(matches) > 1:
        raise Refused(f"Several campaigns match “{text}”. Name the brand too, or use the id.", field="campaign")
    return matches[0]
