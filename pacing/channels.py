"""Names of channels, and which one spend belongs to that names none. Pure."""

from collections.abc import Collection
from typing import Final

from budget_pacer import ChannelType

LABELS: Final[dict[str, str]] = {
    ChannelType.GOOGLE: "Google",
    ChannelType.FACEBOOK: "Facebook",
    ChannelType.TIKTOK: "TikTok",
    ChannelType.DISPLAY: "Display",
    ChannelType.NATIVE: "Native",
    ChannelType.VIDEO: "Video",
    ChannelType.SEARCH: "Search",
    ChannelType.SHOPPING: "Shopping",
}
_OF_PLATFORM: Final[dict[str, str]] = {
    "GOOGLE": ChannelType.GOOGLE,
    "META": ChannelType.FACEBOOK,
    "TIKTOK": ChannelType.TIKTOK,
}


def label(channel: str) -> str:
    """The channel's name for people."""
    return LABELS.get(channel, channel) or "own channel"


def normal(text: str) -> str:
    """The one spelling under which a channel is kept: “Google ” and “google” are the same.

    So are “TİKTOK” and “tıktok”, which a Turkish spreadsheet makes of it in capitals and in small letters.
    """
    return " ".join(text.split()).casefold().replace("i\N{COMBINING DOT ABOVE}", "i").replace("ı", "i")


def channel_of(text: str, platform: str, budgets: Collection[str]) -> str | None:
    """The channel with a budget that spend under this name belongs to; None when it belongs to none of them.

    Spend that names no channel is of the only one that there is, or of that of the campaign's platform.
    """
    name = normal(text)
    if not name:
        name = next(iter(budgets)) if len(budgets) == 1 else _OF_PLATFORM.get(platform, "")
    return name if name in budgets else None
