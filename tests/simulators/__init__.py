"""Ad platforms on this machine, that speak as their documentation says. No platform is called by any test."""

from tests.simulators.google_ads import GoogleAdsSimulator
from tests.simulators.meta import MetaSimulator
from tests.simulators.microsoft import MicrosoftSimulator
from tests.simulators.server import Server, Simulator
from tests.simulators.tiktok import TikTokSimulator
from tests.simulators.world import World

ALL: tuple[type[Simulator], ...] = (GoogleAdsSimulator, MetaSimulator, TikTokSimulator, MicrosoftSimulator)
"""One server may speak for all of them: their addresses differ."""

__all__ = ["ALL", "Server", "World"]
