"""What a person says about a file of spend that they import, and how that is kept with the record of the import."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from brands.services import zone_names
from budget_system import money
from budget_system.errors import Refused
from campaigns.models import Platform
from spending.reports import plain_csv
from spending.reports.columns import Named
from spending.reports.shapes import Format

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PLATFORMS = {
    Format.GOOGLE_ADS: Platform.GOOGLE.value,
    Format.GOOGLE_ADS_API: Platform.GOOGLE.value,
    Format.META_ADS: Platform.META.value,
    Format.MICROSOFT_ADS: Platform.MICROSOFT.value,
    Format.TIKTOK_ADS: Platform.TIKTOK.value,
}


class UnreadableFile(Refused):
    """The file as a whole cannot be imported. Nothing was changed."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person said of a campaign that a file names and that could not be found. Neither campaign nor brand: its
    rows are left out."""

    account: str = ""
    external_id: str = ""
    name: str = ""
    campaign_id: UUID | None = None
    """It is this campaign."""
    brand_id: UUID | None = None
    """It is new, and this brand's."""
    remember: bool = False
    """Give the campaign the platform id, so that the next file finds it."""

    @property
    def label(self) -> tuple[str, str, str]:
        """What it is known by: the name only where there is no platform id, which says more."""
        return self.account, self.external_id, "" if self.external_id else self.name

    def as_json(self) -> dict[str, Any]:
        """Its fields that are not empty."""
        said = {name: value for name, value in asdict(self).items() if value}
        return {name: str(value) if isinstance(value, UUID) else value for name, value in said.items()}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Choice":
        """The choice that `as_json` was called on."""
        ids = {name: UUID(kept[name]) for name in ("campaign_id", "brand_id") if name in kept}
        return cls(**{**kept, **ids})


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the person who imports says about the file and about what is new in it."""

    reading: plain_csv.Options = field(default_factory=plain_csv.Options)
    format: Format | None = None
    """None: told from the file."""
    source: str = ""
    """Names where the figures come from. The same source again corrects its earlier figures, never another's. Empty:
    named after the format."""
    brand_id: UUID | None = None
    """All rows are this brand's. None: the account column names the brand, or else the campaign id is enough."""
    brand_name: str = ""
    """The same, by its exact name; with `create_brands` it need not be there yet."""
    brand_ids: frozenset[UUID] | None = None
    """The brands that the import may touch: all others are as if they did not exist. None: all."""
    platform: str = ""
    """Match campaigns of this platform only, and create them on it. Empty: any."""
    currency: str | None = None
    """For rows that do not say theirs; None: the brand's."""
    timezone: str = "UTC"
    """For brands that are created."""
    create_campaigns: bool = False
    create_brands: bool = False
    even_if_typed: bool = False
    """Take a row although spend of its campaign and day is recorded already from somewhere else."""
    mapping: tuple[Choice, ...] = ()
    """Whose the campaigns are that could not be found, as a person said after a dry run."""

    def checked(self) -> "ImportOptions":
        """These options; Refused when one of them makes no sense."""
        if self.source and not _SOURCE.fullmatch(self.source):
            raise Refused(
                f"“{self.source}” is not a source: use up to 40 small letters, digits, - and _.", field="source"
            )
        if self.platform and self.platform not in Platform.values:
            raise Refused(f"“{self.platform}” is not one of {', '.join(Platform.values)}.", field="platform")
        if self.timezone not in zone_names():
            raise Refused(f"“{self.timezone}” is not a time zone; write it like Europe/Berlin.", field="timezone")
        if self.brand_id is not None and self.brand_name:
            raise Refused("Say the brand by its id or by its name, not both.", field="brand")
        if self.currency is not None and not money.is_currency(self.currency):
            raise Refused(f"“{self.currency}” is not an ISO 4217 currency code, such as USD.", field="currency")
        return self

    def told(self, format: Format) -> "ImportOptions":
        """These options, for a file that turned out to be of this format."""
        source = self.source or ("csv" if format is Format.PLAIN else format.value)
        return replace(self, format=format, source=source)

    @property
    def created_on(self) -> str:
        """The platform on which campaigns are created; empty: the default."""
        return self.platform or (_PLATFORMS.get(self.format, "") if self.format else "")

    @property
    def spend_source(self) -> str:
        """The source as spends carry it."""
        return f"import:{self.source}"

    def as_json(self) -> dict[str, Any]:
        """What differs from the defaults, as kept with the record of an import."""
        usual = asdict(ImportOptions())
        said: dict[str, Any] = {name: value for name, value in asdict(self).items() if value != usual[name]}
        if self.brand_id is not None:
            said["brand_id"] = str(self.brand_id)
        if self.brand_ids is not None:
            said["brand_ids"] = sorted(map(str, self.brand_ids))
        if self.mapping:
            said["mapping"] = [choice.as_json() for choice in self.mapping]
        if "reading" in said:
            reading = said["reading"]
            reading["columns"] = {role: name for role, name in reading["columns"].items() if name is not None}
            said["reading"] = {name: value for name, value in reading.items() if value}
        return said

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "ImportOptions":
        """The options that `as_json` was called on."""
        said = dict(kept)
        if "brand_id" in said:
            said["brand_id"] = UUID(said["brand_id"])
        if "brand_ids" in said:
            said["brand_ids"] = frozenset(map(UUID, said["brand_ids"]))
        if "mapping" in said:
            said["mapping"] = tuple(map(Choice.from_json, said["mapping"]))
        if "format" in said:
            said["format"] = Format(said["format"])
        if "reading" in said:
            reading = dict(said["reading"])
            said["reading"] = plain_csv.Options(columns=Named(**reading.pop("columns", {})), **reading)
        return cls(**said)
