"""The loop over the wire: accounts that are added with their credentials, and platforms' simulators that answer."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from budget_system.money import to_micros
from budget_system.sealed import renew_all
from campaigns.models import Campaign
from platforms import drift, look, pull, push, services
from platforms.adapters import KINDS, http, microsoft, oauth
from platforms.connections import connect, credentials_of, keeper, sealed
from platforms.models import Account, Pull, RemoteState
from platforms.protocol import Status
from platforms.steps import Mode, Step
from spending.models import PeriodKind, SpendImport
from tests.factories import ACTOR, Story
from tests.simulators import ALL, Server, World

# A refresh token that is replaced is stored from the thread of the call: what is set up has to be committed.
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TODAY = date(2026, 5, 5)
ID = "1112223334"


class Wired:
    """A brand that enforces, its account on one platform, and three campaigns that are on here and there."""

    def __init__(self, code: str, world: World, server: Server) -> None:
        self.story = Story()
        self.code, self.world, self.server = code, world, server
        world.clock = self.story.now
        world.page_size = 2
        there = world.add_account(code, ID, name="Acme there")
        self.account = services.add_account(
            self.story.brand.pk, code, ID, there.keys(), actor=ACTOR, now=self.story.now
        )
        steering = {"mode": Mode.ENFORCE.value, "most_share": 100}  # that three start again is all of the spend
        services.change_steering(self.story.brand.pk, steering, actor=ACTOR, now=self.story.now)
        self.campaigns: list[Campaign] = []
        for id in ("101", "102", "103"):
            world.add_campaign(ID, id)
            self.campaigns.append(self.story.campaign(f"C{id}", platform=code, external_id=id))
        self.look()
        self.push()

    def look(self) -> None:
        self.later(1)
        look.run(clock=lambda: self.story.now, connect=connect, now_due=True)

    def push(self) -> dict[str, int]:
        self.later(1)
        return push.run(clock=lambda: self.story.now, connect=connect, read_back_s=(0.0, 0.0))

    def pull(self) -> dict[str, int]:
        self.later(1)
        return pull.run(clock=lambda: self.story.now, connect=connect, now_due=True)

    def later(self, seconds: float) -> None:
        self.story.now += timedelta(seconds=seconds)
        self.world.advance(timedelta(seconds=seconds))

    def there(self) -> set[Status]:
        return {campaign.status for campaign in self.world.campaigns.values()}

    def steps(self) -> set[str]:
        return set(RemoteState.objects.values_list("step", flat=True))

    def spent(self, campaign: Campaign) -> Decimal:
        return self.story.total(campaign, PeriodKind.DAY, TODAY.isoformat())

    def account_now(self) -> Account:
        return Account.objects.get(pk=self.account.pk)


@pytest.fixture(params=sorted(KINDS))
def wired(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Wired]:
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.0)
    monkeypatch.setattr(microsoft, "POLL_PAUSES_S", (0.0,) * 5)
    oauth.forget_all()
    world = World()
    with Server(world, *ALL) as server:
        settings.DEMO = True
        settings.PLATFORM_URLS = dict.fromkeys(KINDS, server.base_url)
        yield Wired(request.param, world, server)
    oauth.forget_all()


def test_the_first_look_tells_what_the_account_is(wired: Wired) -> None:
    account = wired.account_now()

    assert (account.name, account.currency, account.time_zone) == ("Acme there", "EUR", "Europe/Berlin")
    assert (wired.steps(), wired.there()) == ({Step.IN_STEP}, {Status.ENABLED})


def test_what_was_spent_there_pauses_there(wired: Wired) -> None:
    for id, micros in (("101", 60_250_000), ("102", 39_750_000)):
        wired.world.spend(id, TODAY, 9, micros, impressions=12_000, clicks=40)

    wired.pull()

    assert [to_micros(wired.spent(campaign)) for campaign in wired.campaigns] == [60_250_000, 39_750_000, 0]
    assert Pull.objects.get().error == ""

    wired.push()

    assert (wired.there(), wired.steps()) == ({Status.PAUSED}, {Step.IN_STEP})

    wired.story.tick("2026-05-06 00:00")
    wired.push()

    assert (wired.there(), wired.steps()) == ({Status.ENABLED}, {Step.IN_STEP})


def test_restated_spend_corrects_what_was_imported(wired: Wired) -> None:
    wired.world.spend("101", TODAY, 9, 50_000_000)
    wired.pull()
    wired.world.restate("101", TODAY, 9, 48_760_000)
    wired.pull()
    wired.pull()

    assert to_micros(wired.spent(wired.campaigns[0])) == 48_760_000
    assert SpendImport.objects.filter(rejected=0).count() == SpendImport.objects.count()


def test_a_campaign_that_is_refused_keeps_no_other_out_and_late_answers_are_waited_for(wired: Wired) -> None:
    wired.world.faults.refuse = {"102"}
    wired.world.faults.stale_reads = 3
    wired.story.spend(wired.campaigns[0], "100")

    wired.push()

    assert {one.id: one.status for one in wired.world.campaigns.values()} == {
        "101": Status.PAUSED, "102": Status.ENABLED, "103": Status.PAUSED,
    }  # fmt: skip
    assert RemoteState.objects.get(campaign=wired.campaigns[1]).error

    wired.world.faults.refuse = set()
    wired.later(3_700)
    for _ in range(4):
        wired.push()
        wired.later(60)
    assert (wired.there(), wired.steps()) == ({Status.PAUSED}, {Step.IN_STEP})


@pytest.mark.fault(51)
def test_a_platform_that_says_yes_and_does_no_is_told_of(wired: Wired) -> None:
    wired.world.faults.deaf = {"101"}
    wired.story.spend(wired.campaigns[0], "100")

    for _ in range(6):
        wired.push()
        wired.later(300)

    assert wired.world.campaigns["101"].status is Status.ENABLED
    assert [one.campaign_id for one in drift.open_drifts(wired.story.now)] == [wired.campaigns[0].pk]

    wired.world.faults.deaf = set()
    wired.later(600)
    wired.push()

    assert (wired.there(), drift.open_drifts(wired.story.now)) == ({Status.PAUSED}, [])


def test_an_account_that_is_throttled_is_left_alone_and_one_that_is_shut_out_needs_a_person(wired: Wired) -> None:
    wired.world.faults.throttled = 1
    wired.look()
    until = wired.account_now().leave_until

    assert until is not None
    assert until > wired.story.now

    wired.later(3_600)
    wired.world.accounts[ID].credentials |= {"refresh_token": "secret-new", "access_token": "secret-new"}
    for simulator in wired.server.simulators.values():
        simulator.end_tokens()
    oauth.forget_all()
    wired.look()
    account = wired.account_now()

    assert account.needs_person
    assert "secret" not in account.error


def test_refresh_tokens_that_are_replaced_are_stored(wired: Wired) -> None:
    for _ in range(2):
        oauth.forget_all()  # as in another process
        wired.look()

    kept = credentials_of(wired.account_now())

    assert all(wired.world.accounts[ID].credentials[name] == value for name, value in kept.items() if value)
    assert wired.account_now().error == ""


def test_a_replaced_token_does_not_undo_what_a_person_entered_meanwhile(wired: Wired) -> None:
    """As the platform answers the old credentials with another token, somebody has just saved new ones."""
    account = wired.account_now()
    keep = keeper(account.pk, credentials_of(account))
    Account.objects.filter(pk=account.pk).update(credentials=sealed({"access_token": "entered"}))

    keep({"access_token": "replaced"})

    assert credentials_of(wired.account_now()) == {"access_token": "entered"}


def test_a_replaced_token_is_stored_though_what_is_kept_was_sealed_anew_meanwhile(wired: Wired) -> None:
    account = wired.account_now()
    keep = keeper(account.pk, credentials_of(account))
    renew_all()

    for token in ("replaced", "again"):
        keep({"access_token": token})

    assert wired.account_now().credentials != account.credentials
    assert credentials_of(wired.account_now()) == {"access_token": "again"}
