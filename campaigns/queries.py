"""Reading campaigns: finding one by what a person types."""

from brands.models import Brand
from brands.queries import id_or_name
from budget_system.errors import NotFound, Refused
from campaigns.models import Campaign


def find_campaign(text: str, brand: Brand | None = None) -> Campaign:
    """The one campaign with this id, platform campaign id or exact name, within `brand` if given.

    An archived one is found by its id only.
    """
    everyone = Campaign.objects.select_related("brand")
    if brand is not None:
        everyone = everyone.filter(brand=brand)
    campaigns = everyone.current()
    matches = list(campaigns.filter(id_or_name(text))[:5]) or list(campaigns.filter(external_id=text)[:5])
    if len(matches) == 1:
        return matches[0]
    if matches:
        listed = ", ".join(f"{match.pk} ({match.brand})" for match in matches)
        raise Refused(f"Several campaigns match “{text}”. Use the id: {listed}.", field="campaign")
    archived = everyone.filter(id_or_name(text)).exclude(archived_at=None).first()
    if archived is None:
        raise NotFound(f"There is no campaign with the id or name “{text}”.", field="campaign")
    if str(archived.pk) == text:
        return archived
    raise Refused(f"“{archived}” is archived. Use its id: {archived.pk}.", field="campaign")
