"""What happens on ad platforms, without any: accounts, campaigns that spend while they are on, and what goes wrong.

The platforms' simulators all tell of one world. Its clock moves only when it is told to. No pytest, no Django.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import RLock
from typing import NamedTuple
from zoneinfo import ZoneInfo

from platforms.adapters import KINDS
from platforms.protocol import Status

MORNING = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
"""A Monday, when worlds begin."""


@dataclass
class SimAccount:
    platform: str
    """As `campaigns.models.Platform` has it."""
    id: str
    name: str
    currency: str
    time_zone: str
    credentials: dict[str, str]
    """What its platform takes at this moment; change one to take it back."""

    def keys(self) -> dict[str, str]:
        """Of these what a person enters for an account of this platform."""
        names = [field.name for field in KINDS[self.platform].fields]
        return {name: self.credentials[name] for name in names if name in self.credentials}


@dataclass
class SimCampaign:
    id: str
    account_id: str
    name: str
    status: Status
    """What it really is: only an ENABLED one spends."""
    per_hour: int = 0
    """Micros that it spends in an hour of the clock."""
    told: Status = Status.ENABLED
    """What readers are told while a change has not spread."""
    stale_reads: int = 0
    stale_until: datetime | None = None


@dataclass
class Faults:
    """Switched on by a test or by hand; a number is counted down by the calls that it befalls."""

    throttled: int = 0
    retry_after_s: int = 30
    broken: int = 0
    """Answers 500."""
    cut: int = 0
    """The body ends in its middle."""
    garbled: int = 0
    """Answers 200 with a page of HTML."""
    strange: int = 0
    """Answers 200 with JSON of another shape."""
    slow_s: float = 0.0
    """Before each answer."""
    refuse: set[str] = field(default_factory=set)
    """Campaigns whose status cannot be changed: a partial failure."""
    deaf: set[str] = field(default_factory=set)
    """Campaigns whose changes are accepted and not carried out."""
    stale_reads: int = 0
    """A change of status is seen only after so many looks at it."""
    stale_for: timedelta = timedelta(0)
    """A change of status is seen only after so long by the world's clock."""
    reports_pending: int = 1
    """How often a report is not ready yet, where reports are made."""


class Booked(NamedTuple):
    """Money spent in an hour of an account's day, and from when its platform tells of it."""

    campaign_id: str
    day: date
    hour: int
    micros: int
    impressions: int
    clicks: int
    conversions: int
    revenue: int
    """Micros."""
    told_from: datetime


class Row(NamedTuple):
    """A line of a report; the hour is None for a whole day."""

    campaign: SimCampaign
    day: date
    hour: int | None
    micros: int
    impressions: int
    clicks: int
    conversions: int
    revenue: int


class World:
    """Everything that all platforms know. Hold `lock` while looking at more than one thing."""

    def __init__(self, clock: datetime = MORNING) -> None:
        self.clock = clock
        self.lock = RLock()
        self.accounts: dict[str, SimAccount] = {}
        self.campaigns: dict[str, SimCampaign] = {}
        self.faults = Faults()
        self.page_size = 2
        """The most that a page of an answer holds, whatever is asked for."""
        self.delay = timedelta(0)
        """How late platforms tell of what `advance` spends."""
        self._booked: list[Booked] = []

    # --- Setting it up -----------------------------------------------------------------------------------------------

    def add_account(
        self, platform: str, id: str, *, name: str = "", currency: str = "EUR", time_zone: str = "Europe/Berlin"
    ) -> SimAccount:
        """An account, with credentials of its own: `secret-…` for what must never be told."""
        names = ("client_secret", "refresh_token", "developer_token", "access_token", "app_secret")
        credentials = {name: f"secret-{name.replace('_', '-')}-{id}" for name in names}
        credentials |= {"client_id": f"client-{id}", "customer_id": f"9{id}"}
        account = SimAccount(platform, id, name or f"Account {id}", currency, time_zone, credentials)
        self.accounts[id] = account
        return account

    def add_campaign(
        self, account_id: str, id: str, *, name: str = "", status: Status = Status.ENABLED, per_hour: int = 0
    ) -> SimCampaign:
        campaign = SimCampaign(id, account_id, name or f"Campaign {id}", status, per_hour, told=status)
        self.campaigns[id] = campaign
        return campaign

    # --- What happens ------------------------------------------------------------------------------------------------

    def spend(
        self, campaign_id: str, day: date, hour: int, micros: int, *, impressions: int = 0, clicks: int = 0,
        conversions: int = 0, revenue: int = 0, late: timedelta = timedelta(0),
    ) -> None:  # fmt: skip
        """It has spent this in an hour of its account's day, whatever its status; told of `late` from now."""
        with self.lock:
            told_from = self.clock + late
            self._booked.append(
                Booked(campaign_id, day, hour, micros, impressions, clicks, conversions, revenue, told_from)
            )

    def restate(self, campaign_id: str, day: date, hour: int, micros: int) -> None:
        """The platform thinks better of what was spent in that hour."""
        with self.lock:
            before = sum(b.micros for b in self._booked if (b.campaign_id, b.day, b.hour) == (campaign_id, day, hour))
            self.spend(campaign_id, day, hour, micros - before)

    def advance(self, by: timedelta) -> None:
        """Time passes; what is on spends, hour by hour of its account."""
        with self.lock:
            end = self.clock + by
            while self.clock < end:
                step = min(_next_hour(self.clock), end)
                part = (step - self.clock) / timedelta(hours=1)
                for campaign in self.campaigns.values():
                    micros = round(campaign.per_hour * part)
                    if campaign.status is Status.ENABLED and micros:
                        local = self.clock.astimezone(ZoneInfo(self.accounts[campaign.account_id].time_zone))
                        late = step + self.delay - self.clock
                        seen, clicked = micros // 5_000, micros // 500_000
                        self.spend(
                            campaign.id, local.date(), local.hour, micros, impressions=seen, clicks=clicked, late=late
                        )
                self.clock = step

    def ask(self, campaign_id: str, status: Status) -> bool:
        """Somebody sets a status. True where it is accepted, whatever is done about it."""
        with self.lock:
            campaign = self.campaigns.get(campaign_id)
            if campaign is None or campaign_id in self.faults.refuse or campaign.status is Status.ENDED:
                return False
            if campaign_id not in self.faults.deaf and campaign.status is not status:
                campaign.told = self.told(campaign, look=False)
                campaign.status = status
                campaign.stale_reads = self.faults.stale_reads
                campaign.stale_until = self.clock + self.faults.stale_for
            return True

    # --- What is told ------------------------------------------------------------------------------------------------

    def told(self, campaign: SimCampaign, *, look: bool = True) -> Status:
        """The status that a reader gets; a `look` is counted."""
        if campaign.stale_reads > 0:
            campaign.stale_reads -= look
            return campaign.told
        if campaign.stale_until and self.clock < campaign.stale_until:
            return campaign.told
        return campaign.status

    def campaigns_of(self, account_id: str) -> list[SimCampaign]:
        return [campaign for campaign in self.campaigns.values() if campaign.account_id == account_id]

    def rows(self, account_id: str, first: date, last: date, *, by_hour: bool) -> list[Row]:
        """What a report says at this moment. Days and hours without anything are left out."""
        with self.lock:
            sums: dict[tuple[str, date, int | None], list[int]] = {}
            for one in self._of(account_id):
                if first <= one.day <= last and one.told_from <= self.clock:
                    figures = sums.setdefault((one.campaign_id, one.day, one.hour if by_hour else None), [0] * 5)
                    for at, figure in enumerate(one[3:8]):
                        figures[at] += figure
            kept = sorted((key, figures) for key, figures in sums.items() if any(figures))
            return [Row(self.campaigns[id], day, hour, *figures) for (id, day, hour), figures in kept]

    def total(self, campaign_id: str, day: date) -> int:
        """All that was truly spent on a day, told of or not. Micros."""
        return sum(one.micros for one in self._booked if (one.campaign_id, one.day) == (campaign_id, day))

    def _of(self, account_id: str) -> Iterator[Booked]:
        return (one for one in self._booked if self.campaigns[one.campaign_id].account_id == account_id)


def _next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
