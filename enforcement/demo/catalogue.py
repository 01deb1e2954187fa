"""The invented brands, campaigns and people of the sample data. Pure."""

from typing import Final, NamedTuple


class BrandIdea(NamedTuple):
    """A brand that does not exist. `level` is what it spends a day, roughly, in units of its currency."""

    name: str
    zone: str
    currency: str
    level: int


# The first six are spread over the day, so that for at least two of them it is daytime at any moment.
BRANDS: Final = (
    BrandIdea("Lumenkraut Teehaus", "Europe/Berlin", "EUR", 900),
    BrandIdea("Pinequill Stationery", "America/New_York", "USD", 1200),
    BrandIdea("Hoshimizu Audio", "Asia/Tokyo", "JPY", 140_000),
    BrandIdea("Wattlebrook Surfwear", "Australia/Sydney", "AUD", 1300),
    BrandIdea("Thistlecombe Gardens", "Europe/London", "GBP", 800),
    BrandIdea("Saltmarrow Cycles", "America/Los_Angeles", "USD", 1000),
    BrandIdea("Kjerrvik Ullvare", "Europe/Oslo", "NOK", 9000),
    BrandIdea("Ambarela Interiores", "America/Sao_Paulo", "BRL", 4500),
    BrandIdea("Zeldrin Dental", "Asia/Dubai", "AED", 3600),
    BrandIdea("Maplefinch Tools", "America/Toronto", "CAD", 1400),
    BrandIdea("Ntabelo Journeys", "Africa/Johannesburg", "ZAR", 15_000),
    BrandIdea("Kirrowan Creamery", "Pacific/Auckland", "NZD", 1100),
)


class CampaignIdea(NamedTuple):
    """A campaign as agencies name them. `digits` is the length of its platform's ids."""

    name: str
    platform: str
    digits: int
    business: bool = False


CAMPAIGNS: Final = (
    CampaignIdea("Search, brand terms", "GOOGLE", 11),
    CampaignIdea("Prospecting", "META", 17),
    CampaignIdea("Shopping, all products", "GOOGLE", 11),
    CampaignIdea("Retargeting", "META", 17),
    CampaignIdea("Short videos", "TIKTOK", 16),
    CampaignIdea("Search, generic terms", "GOOGLE", 11),
    CampaignIdea("Search", "MICROSOFT", 9),
    CampaignIdea("Trade customers", "LINKEDIN", 9, business=True),
    CampaignIdea("Inspiration", "PINTEREST", 12),
    CampaignIdea("New arrivals", "META", 17),
)


class ChannelIdea(NamedTuple):
    """A channel of a paced campaign: of 100 of its money, around which hour most of it goes, what it returns, and how
    it stands to its plan in the end."""

    name: str
    share: int
    peak: int
    revenue_per_cost: float
    cost_per_click: float
    pace: float


CHANNELS: Final = {
    "search": ChannelIdea("search", 50, 11, 4.2, 0.9, 1.02),
    "shopping": ChannelIdea("shopping", 30, 19, 1.6, 0.5, 0.42),
    "display": ChannelIdea("display", 20, 15, 1.1, 0.3, 1.3),
    "facebook": ChannelIdea("facebook", 60, 20, 2.4, 0.6, 0.97),
    "video": ChannelIdea("video", 40, 21, 1.9, 0.4, 1.06),
}

PEOPLE: Final = ("mira (sample data)", "jonas (sample data)", "aiko (sample data)")
PAUSE_REASONS: Final = (
    "The new creatives are not approved yet.",
    "Stock is low until the next delivery.",
    "The client checks the landing page.",
)
