"""The loop against a platform's own wire format: a simulator on this machine, real threads, the tick of a worker."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest

from budget_system import clock
from enforcement import services as enforcement
from platforms import drift, push
from platforms.connections import connect
from platforms.models import RemoteState
from platforms.protocol import Status
from platforms.steps import Mode, Step
from tests.figures import Figure
from tests.simulators import ALL, Server, World
from tools.platform_story import ACTOR, CAMPAIGNS, QUARTER, Stage, spend_until_all_are_paused

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    settings.DEMO = True
    world = World(clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    with Server(world, *ALL) as server:
        yield server


def test_spend_is_read_decided_on_paused_there_and_read_back(server: Server, settings: Any) -> None:
    settings.PLATFORM_URLS = {}
    stage = Stage(server.world, server, "GOOGLE", campaigns=3)
    stage.look()
    stage.mode(Mode.ENFORCE)

    for _ in range(16):
        stage.world.advance(QUARTER)
        stage.pull()
    stage.push()

    assert [stage.there(campaign) for campaign in stage.campaigns] == [Status.PAUSED] * 3
    assert {row.step for row in RemoteState.objects.all()} == {Step.IN_STEP}

    stage.world.ask(stage.campaigns[0].external_id, Status.ENABLED)
    stage.look()
    stage.push()

    assert stage.step(stage.campaigns[0]) is Step.DRIFT
    assert len(drift.open_drifts(clock.now())) == 1


@pytest.mark.fault(51)
def test_a_platform_that_spreads_changes_late_is_read_until_it_shows_them(
    server: Server, settings: Any, figure: Figure
) -> None:
    settings.PLATFORM_URLS = {}
    stage = Stage(server.world, server, "GOOGLE", campaigns=1)
    stage.look()
    stage.mode(Mode.ENFORCE)
    stage.world.faults.stale_reads = 2
    [campaign] = stage.campaigns
    enforcement.pause(campaign.pk, reason="A try", actor=ACTOR, now=clock.now())

    counts = push.run(clock=clock.now, connect=connect, read_back_s=(0.0, 0.05, 0.05, 0.05))

    assert counts == {"sent": 1, "confirmed": 1}
    assert len(server.calls("mutate")) == 1
    figure("a change that is shown at the third look: sent once, seen at the third")


@pytest.mark.slow
@pytest.mark.fault(40, 51)
def test_pauses_are_seen_there_within_ten_seconds_and_the_overshoot_is_known(
    server: Server, settings: Any, figure: Figure
) -> None:
    settings.PLATFORM_URLS = {}
    stage = Stage(server.world, server, "GOOGLE")
    stage.look()
    stage.mode(Mode.ENFORCE)

    figures = spend_until_all_are_paused(stage, lambda _: None)

    assert len(figures.seconds) == CAMPAIGNS
    assert figures.median_s <= 10
    assert stage.running_there() == 0
    assert max(figures.overshoot) <= 26  # a quarter of an hour at 99 an hour, and some seconds
    figure(figures.words())
