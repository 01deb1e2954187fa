"""`python -m tests.simulators`: all platforms at one address on this machine, with an account and campaigns each.

Time in there passes as fast as `--speed` says. What the accounts are reached with is printed, and nothing of it is
secret; so is each campaign that is switched, with what it has spent by then.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from platforms.adapters import KINDS
from platforms.protocol import Status
from tests.simulators import ALL, Server, World
from tests.simulators.world import SimAccount


def demo(clock: datetime) -> World:
    """An account on each platform, with four campaigns: three that spend, one that is paused."""
    world = World(clock)
    for number, kind in enumerate(ALL, start=1):
        account = world.add_account(kind.platform, f"{number}112223334", name=f"Demo {kind.platform.title()}")
        for at, per_hour in enumerate((18_000_000, 7_500_000, 2_400_000, 5_000_000), start=1):
            status = Status.PAUSED if at == 4 else Status.ENABLED
            world.add_campaign(account.id, f"{number}00{at}", per_hour=per_hour, status=status)
    return world


def told(world: World, account: SimAccount) -> str:
    """What a person enters to connect it, by the names of the account's page and of the API, and its campaigns."""
    keys = account.keys()
    lines = [f"{account.platform}: account {account.id} ({account.currency}, {account.time_zone})"]
    for field in KINDS[account.platform].fields:
        if field.name in keys:
            lines.append(f"  {field.label:<22} {field.name:<16} {keys[field.name]}")
    for campaign in world.campaigns_of(account.id):
        pace = f"{campaign.per_hour / 10**6:.2f} an hour" if campaign.status is Status.ENABLED else "paused"
        lines.append(f"  {'Campaign':<22} {campaign.id:<16} {pace}")
    return "\n".join(lines)


def tell_changes(world: World, before: Mapping[str, Status]) -> dict[str, Status]:
    """Print which campaigns were switched since. Gives the statuses of now."""
    with world.lock:
        for campaign in world.campaigns.values():
            if campaign.status is not before[campaign.id]:
                day = world.clock.astimezone(ZoneInfo(world.accounts[campaign.account_id].time_zone)).date()
                spent = world.total(campaign.id, day) / 10**6
                print(f"Campaign {campaign.id} is {campaign.status} now; spent today: {spent:.2f}", flush=True)
        return {campaign.id: campaign.status for campaign in world.campaigns.values()}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators", description=__doc__)
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--speed", type=float, default=1.0, help="seconds there for a second here (default: 1)")
    chosen = parser.parse_args(arguments)
    world = demo(datetime.fromtimestamp(time.time(), UTC))
    shown = {campaign.id: campaign.status for campaign in world.campaigns.values()}
    with Server(world, *ALL, port=chosen.port) as server:
        urls = ",".join(f"{kind.platform}={server.base_url}" for kind in ALL)
        print(f"Listening; stop with Ctrl-C. Start the system with\n\n  PLATFORM_URLS={urls} make run", flush=True)
        for account in world.accounts.values():
            print(f"\n{told(world, account)}", flush=True)
        before = time.monotonic()
        try:
            while True:
                time.sleep(1)
                now = time.monotonic()
                world.advance(timedelta(seconds=(now - before) * chosen.speed))
                before = now
                shown = tell_changes(world, shown)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
