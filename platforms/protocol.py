"""What this system asks of an ad platform, in the platform's absence. Pure: standard library only.

An adapter speaks one platform's API; `AdPlatform` is what the rest of the system sees of it. Money is in whole micros
of the account's currency, days and hours are the account's local ones, as every platform reports them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol


class Status(StrEnum):
    """Whether a campaign may serve, as its platform says."""

    ENABLED = "ENABLED"
    PAUSED = "PAUSED"
    ENDED = "ENDED"
    """Removed, archived, deleted or over: it cannot be switched on."""


class Account(NamedTuple):
    """An account as its platform describes it."""

    id: str
    name: str
    currency: str
    time_zone: str
    """IANA name; empty where the platform's own name is not known here."""


class RemoteCampaign(NamedTuple):
    """A campaign as its platform has it at this moment."""

    id: str
    name: str
    status: Status
    said: str
    """The status in the platform's own word."""


class RemoteSpend(NamedTuple):
    """What a campaign spent on a local day of its account, or in an hour of it. Restated until the platform is sure."""

    campaign_id: str
    campaign_name: str
    day: date
    hour: int | None
    micros: int
    currency: str
    impressions: int = 0
    clicks: int = 0
    conversions: Decimal | None = None
    revenue: Decimal | None = None


class Outcome(NamedTuple):
    """What the platform answered about one campaign. An accepted status is not yet one that is seen."""

    campaign_id: str
    error: str = ""
    passing: bool = False
    """The error may be gone at the next attempt."""

    @property
    def accepted(self) -> bool:
        return not self.error


class AdPlatform(Protocol):
    """An account on a platform. Every method may raise a `PlatformError`; nothing is tried again inside but single
    reads."""

    def account(self) -> Account:
        """Its name, currency and zone: the least that shows that the credentials work."""

    def campaigns(self, ids: Collection[str] | None = None) -> Iterator[RemoteCampaign]:
        """All campaigns, or these; those that it does not know are left out."""

    def set_status(self, wanted: Mapping[str, Status]) -> list[Outcome]:
        """Ask for ENABLED or PAUSED, one outcome for each id. Asking for what is there already is accepted."""

    def spend(self, first: date, last: date, *, by_hour: bool = False) -> Iterator[RemoteSpend]:
        """What was spent on these days, both included. Days and hours without any delivery are left out."""


class Field(NamedTuple):
    """One of the credentials that an account needs."""

    name: str
    label: str
    help: str
    secret: bool = True
    required: bool = True


class Connection(NamedTuple):
    """What an adapter works with."""

    account_id: str
    credentials: Mapping[str, str]
    keep: Callable[[Mapping[str, str]], None]
    """Called with all credentials when the platform has replaced one (a rotated refresh token), before it is used."""
    base_url: str = ""
    """Instead of the platform's own address: a simulator on this machine."""


class Kind(NamedTuple):
    """What is known of a platform before there is an account."""

    code: str
    """As `campaigns.models.Platform` has it."""
    version: str
    """Of the API that is spoken; pinned."""
    fields: tuple[Field, ...]
    account_help: str
    """What the account id looks like and where it is found."""
    lookback_days: int
    """For how many days back the platform restates spend."""
    least_pause_s: int
    """How long to wait between two looks at the spend of one account, by the platform's quota."""
    connect: Callable[[Connection], AdPlatform]


# --- What goes wrong -------------------------------------------------------------------------------------------------


class PlatformError(Exception):
    """In words for a person, without any credential. `passing`: the next attempt may succeed without anybody's help."""

    passing = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthorised(PlatformError):
    """The credentials are wrong, have ended, or may not do this: a person has to act."""


class RefusedByPlatform(PlatformError):
    """The request is understood and not carried out; asking again the same way is in vain."""


class Throttled(PlatformError):
    """Too many requests. `retry_after_s` is what the platform asked for, or None."""

    passing = True

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreachable(PlatformError):
    """No answer, one that is cut off or not understood, or an error on the platform's side."""

    passing = True
