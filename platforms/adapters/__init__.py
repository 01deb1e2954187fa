"""One module for each ad platform; `KINDS` is what the rest of the system sees of them."""

from collections.abc import Mapping

from platforms.adapters import google_ads, meta, microsoft, tiktok
from platforms.protocol import Kind

KINDS: Mapping[str, Kind] = {kind.code: kind for kind in (google_ads.KIND, meta.KIND, tiktok.KIND, microsoft.KIND)}
"""By `campaigns.models.Platform`."""
