"""What a channel has brought, for the pacer's models: the last fit and the hours since. Fitting again forgets nothing
that matters: it goes over the hours kept, oldest first, each week weighing a tenth less than the next."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count

from budget_pacer.history import History
from budget_pacer.serialize import dump_history, load_history
from campaigns.models import Campaign
from pacing.channels import channel_of
from pacing.hours import hour_of
from pacing.models import FittedHistory, HourTotal

KEPT: Final = timedelta(weeks=13)
"""A fit looks back so far: what is older would weigh less than a quarter."""


def history_of(campaign: Campaign, channel: str, budgets: Collection[str], now: datetime) -> History:
    """What the channel has brought in all full hours before `now`."""
    fitted = FittedHistory.objects.filter(campaign=campaign, channel=channel).first()
    history = History() if fitted is None else load_history(fitted.history)
    since = now - KEPT if fitted is None else fitted.until
    _, until = hour_of(campaign.brand.zone, now)
    add_hours(history, hours_of(campaign, channel, budgets, since, until), campaign.brand.zone)
    return history


def hours_of(
    campaign: Campaign, channel: str, budgets: Collection[str], since: datetime, until: datetime
) -> list[HourTotal]:
    """The hours from `since` to before `until` that belong to the channel, oldest first."""
    rows = HourTotal.objects.filter(campaign=campaign, starts_at__gte=since, starts_at__lt=until).order_by("starts_at")
    return [row for row in rows if channel_of(row.channel, campaign.platform, budgets) == channel]


def add_hours(history: History, rows: Iterable[HourTotal], zone: ZoneInfo) -> None:
    """Let a history count these hours, which come oldest first.

    An hour without a row between two of the same day brought nothing. Before a day's first and after its last nothing
    is known: it may have been closed, or its money spent. Corrections that outweigh an hour's spend count as none.
    """
    last: HourTotal | None = None
    for row in rows:
        if last is not None and last.day == row.day:
            for gap in range(_hour_number(last) + 1, _hour_number(row)):
                _add(history, datetime.fromtimestamp(gap * 3600 + row.starts_at.minute * 60, zone), gap, HourTotal())
        _add(history, row.starts_at.astimezone(zone), _hour_number(row), row)
        last = row


def _add(history: History, local: datetime, number: int, row: HourTotal) -> None:
    history.add(
        local.weekday(), local.hour, number,
        impressions=max(row.impressions, 0), clicks=max(row.clicks, 0), conversions=_size(row.conversions),
        cost=_size(row.spent), revenue=_size(row.revenue),
    )  # fmt: skip


def _hour_number(row: HourTotal) -> int:
    return int(row.starts_at.timestamp()) // 3600


def _size(amount: Decimal) -> float:
    return max(float(amount), 0.0)


def refit(campaign: Campaign, budgets: Collection[str], now: datetime) -> dict[str, int]:
    """Fit each channel afresh on the hours kept; how many hours each has data of."""
    _, until = hour_of(campaign.brand.zone, now)
    fitted = {}
    for channel in sorted(budgets):
        history = History()
        add_hours(history, hours_of(campaign, channel, budgets, now - KEPT, until), campaign.brand.zone)
        FittedHistory.objects.update_or_create(
            campaign=campaign,
            channel=channel,
            defaults={
                "history": dump_history(history), "data_hours": history.data_hours, "until": until, "fitted_at": now,
            },
        )  # fmt: skip
        fitted[channel] = history.data_hours
    return fitted


def paced_campaign_ids(channels: int = 1, brand_id: UUID | None = None) -> list[UUID]:
    """The campaigns (of one brand if given) with budgets for so many channels or more that are not archived."""
    paced = Campaign.objects.current().filter(paced=True).annotate(channels=Count("channel_budgets"))
    if brand_id is not None:
        paced = paced.filter(brand=brand_id)
    return list(paced.filter(channels__gte=channels).order_by("brand_id", "pk").values_list("pk", flat=True))
