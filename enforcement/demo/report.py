"""What there is now: a line for each brand of the sample data."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from brands.models import Brand
from brands.periods import local_date
from budget_system.money import display_text, percent_used
from campaigns.models import Campaign
from spending.models import BudgetPeriod, PeriodKind

HEADINGS = ("Brand", "Zone", "Today", "Used", "Run", "Paused", "Why paused")


def brand_lines(brand_ids: Iterable[UUID], now: datetime) -> list[tuple[str, ...]]:
    """The brands in order of their names, as rows of text under HEADINGS."""
    return [_line(brand, now) for brand in Brand.objects.filter(pk__in=list(brand_ids))]


def _line(brand: Brand, now: datetime) -> tuple[str, ...]:
    today = BudgetPeriod.objects.of_brands().filter(
        brand=brand, kind=PeriodKind.DAY, starts_on=local_date(brand.zone, now)
    )
    used = today.values_list("used", flat=True).first() or Decimal(0)
    share = f"{percent_used(used, brand.daily_budget)} %" if brand.daily_budget else "no limit"
    reasons = Counter(
        campaign.holds[0].label.lower() if campaign.holds else ""
        for campaign in Campaign.objects.current().filter(brand=brand)
    )
    running = reasons.pop("", 0)
    return (
        brand.name, brand.zone.key, f"{display_text(used, brand.currency)} {brand.currency}", share, str(running),
        str(reasons.total()), ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items())),
    )  # fmt: skip
