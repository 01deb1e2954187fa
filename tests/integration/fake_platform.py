"""An ad platform in memory, with the habits of real ones: it may say yes and do no, be late, refuse, or be away."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date

from platforms.models import Account as AccountRow
from platforms.protocol import Account, Outcome, PlatformError, RemoteCampaign, RemoteSpend, Status


class FakePlatform:
    def __init__(self, *, currency: str = "EUR", time_zone: str = "Europe/Berlin") -> None:
        self.there = Account("123", "Acme there", currency, time_zone)
        self.statuses: dict[str, Status] = {}
        self.spends: list[RemoteSpend] = []
        self.asked: list[dict[str, Status]] = []
        self.spend_asked: list[tuple[date, date]] = []
        self.error: PlatformError | None = None
        self.says_yes_and_does_no = 0
        """How many more changes are accepted and not carried out."""
        self.forgets: set[str] = set()
        """Campaigns that it does not list."""
        self.refuses: dict[str, Outcome] = {}
        self.report_error: PlatformError | None = None
        self.calls = 0

    def connect(self, account: AccountRow) -> "FakePlatform":
        return self

    def _called(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error

    def account(self) -> Account:
        self._called()
        return self.there

    def campaigns(self, ids: Collection[str] | None = None) -> Iterator[RemoteCampaign]:
        self._called()
        for one, status in list(self.statuses.items()):
            if one not in self.forgets and (ids is None or one in ids):
                yield RemoteCampaign(one, f"Campaign {one}", status, status.value.lower())

    def set_status(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        self._called()
        self.asked.append(dict(wanted))
        outcomes = []
        for one, status in wanted.items():
            outcome = self.refuses.get(one) or Outcome(one)
            if outcome.accepted:
                if self.says_yes_and_does_no > 0:
                    self.says_yes_and_does_no -= 1
                else:
                    self.statuses[one] = status
            outcomes.append(outcome)
        return outcomes

    def spend(self, first: date, last: date, *, by_hour: bool = False) -> Iterator[RemoteSpend]:
        self._called()
        self.spend_asked.append((first, last))
        if self.report_error is not None:
            raise self.report_error
        yield from [row for row in self.spends if first <= row.day <= last]

    def spent(self, campaign_id: str, day: str, amount: float, currency: str = "") -> None:
        """So much on that day, all told: the platform restates it."""
        on = date.fromisoformat(day)
        self.spends = [row for row in self.spends if (row.campaign_id, row.day) != (campaign_id, on)]
        micros = round(amount * 1_000_000)
        currency = currency or self.there.currency
        self.spends.append(RemoteSpend(campaign_id, f"Campaign {campaign_id}", on, None, micros, currency, 100, 10))
