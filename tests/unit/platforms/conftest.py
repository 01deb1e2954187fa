from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from platforms.adapters import KINDS, oauth
from platforms.protocol import AdPlatform, Status
from tests.simulators import ALL
from tests.simulators.server import Server
from tests.simulators.world import Faults, World

ACCOUNTS = {"GOOGLE": "1112223334", "META": "5550001", "TIKTOK": "7001002003", "MICROSOFT": "180005"}


class Desk(NamedTuple):
    """One account on one platform, in a world with its server."""

    world: World
    server: Server
    account_id: str
    connect: Callable[..., AdPlatform]
    code: str

    @property
    def platform(self) -> AdPlatform:
        return self.connect()

    @property
    def faults(self) -> Faults:
        return self.world.faults

    def take_back(self) -> None:
        """The platform takes none of the account's credentials any longer."""
        credentials = self.world.accounts[self.account_id].credentials
        credentials |= {"refresh_token": "secret-new", "access_token": "secret-new"}
        for simulator in self.server.simulators.values():
            simulator.end_tokens()


@pytest.fixture(params=sorted(KINDS))
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """Three campaigns that are on, 104 paused, 105 removed, and 901 of another account."""
    yield from _desk(request.param)


def _desk(code: str) -> Iterator[Desk]:
    world = World()
    account_id = ACCOUNTS[code]
    world.add_account(code, account_id, name="Nordlicht GmbH")
    world.add_account(code, "99887766")
    for id in ("101", "102", "103"):
        world.add_campaign(account_id, id)
    world.add_campaign(account_id, "104", status=Status.PAUSED)
    world.add_campaign(account_id, "105", status=Status.ENDED)
    world.add_campaign("99887766", "901")

    def connect(**changed: str) -> AdPlatform:
        there = server.connection(account_id)
        return KINDS[code].connect(there._replace(credentials={**there.credentials, **changed}))

    oauth.forget_all()
    with Server(world, *ALL) as server:
        yield Desk(world, server, account_id, connect, code)


@pytest.fixture
def desk_of() -> Iterator[Callable[[str], Desk]]:
    """The same for a platform by its code."""
    opened: list[Iterator[Desk]] = []

    def of(code: str) -> Desk:
        opened.append(_desk(code))
        return next(opened[-1])

    yield of
    for one in opened:
        for _ in one:
            pass
