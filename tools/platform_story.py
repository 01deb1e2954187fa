"""Twenty-four campaigns on a platform, and this system beside it, at the pace that it has in production.

In each round the simulated platform spends for a quarter of an hour; then its spend is read and imported. What has
reached its budget is paused there by the tick that a worker has, every three seconds. Meanwhile time over there passes
as it does here. So what is measured is real: from the import that crosses the budget until the pause is read back, and
what was spent beyond the budget until then.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import UTC, timedelta
from threading import Event, Thread
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connections

from brands.models import Brand
from budget_system import clock, money
from campaigns.models import Campaign, CampaignStatus
from enforcement import services as enforcement
from platforms import drift, look, pull, push, services
from platforms.connections import connect
from platforms.models import STATUS_LABELS, STEP_LABELS, Account, Act, ActKind, RemoteState
from platforms.protocol import Status
from platforms.steps import Mode, Step
from tests.simulators import ALL, Server, World

ACTOR = "the demo"
CAMPAIGNS = 24
BUDGET = 100
QUARTER = timedelta(minutes=15)
"""Between two readings of the spend, in the platform's time: its quota lets us."""
TICK_S = 3.0
"""Between two pushes, in real time: as Celery's beat has it."""

Say = Callable[[str], None]


class Figures(NamedTuple):
    """`seconds` from the crossing import until the pause was seen there; `overshoot` in per cent of the budget."""

    seconds: list[float]
    overshoot: list[float]
    spent: float
    budget: float

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    def words(self) -> str:
        return (
            f"{len(self.seconds)} campaigns paused there, median {self.median_s:.1f} s, at most"
            f" {max(self.seconds):.1f} s after the crossing import; read each 15 minutes, they spent {self.spent:.2f}"
            f" of {self.budget:.2f}: over by {statistics.median(self.overshoot):.1f} % (median),"
            f" {max(self.overshoot):.1f} % (at most)"
        )


class Stage:
    """A brand, its account on a simulated platform, and its campaigns."""

    def __init__(self, world: World, server: Server, platform: str, *, campaigns: int = CAMPAIGNS) -> None:
        self.world = world
        world.page_size = 100
        there = world.add_account(platform, "1234567890", name="Acme search", time_zone="UTC")
        now = clock.now()
        self.brand: Brand = enforcement.create_brand(
            {"name": "Acme", "timezone": "UTC", "currency": "EUR"}, actor=ACTOR, now=now
        )
        self.campaigns: list[Campaign] = []
        for number in range(1, campaigns + 1):
            # From 30 to 99 an hour, so that they cross one after another.
            world.add_campaign(
                there.id, f"{1000 + number}", name=f"Search {number}", per_hour=(27 + 3 * number) * 10**6
            )
            self.campaigns.append(
                enforcement.create_campaign(
                    self.brand.pk,
                    {
                        "name": f"Search {number}", "platform": platform, "external_id": f"{1000 + number}",
                        "daily_budget": str(BUDGET),
                    },
                    actor=ACTOR, now=now,
                )
            )  # fmt: skip
        settings.PLATFORM_URLS = {platform: server.base_url}
        self.account: Account = services.add_account(
            self.brand.pk, platform, there.id, there.keys(), actor=ACTOR, now=now
        )

    def mode(self, mode: Mode, **more: object) -> None:
        changes: Mapping[str, object] = {"mode": mode.value, **more}
        services.change_steering(self.brand.pk, changes, actor=ACTOR, now=clock.now())

    def look(self) -> None:
        look.run(clock=clock.now, connect=connect, now_due=True)

    def pull(self) -> int:
        return pull.run(clock=clock.now, connect=connect, now_due=True)["imported"]

    def push(self) -> dict[str, int]:
        return push.run(clock=clock.now, connect=connect)

    def there(self, campaign: Campaign) -> Status:
        return self.world.campaigns[campaign.external_id].status

    def running_there(self) -> int:
        return sum(self.there(campaign) is Status.ENABLED for campaign in self.campaigns)

    def step(self, campaign: Campaign) -> Step:
        return Step(RemoteState.objects.get(campaign=campaign).step)


@contextmanager
def worker(stage: Stage) -> Any:
    """The tick that pushes, in a thread of its own, as a worker has it."""
    over = Event()

    def work() -> None:
        try:
            while not over.is_set():
                began = time.monotonic()
                stage.push()
                over.wait(max(0.0, TICK_S - (time.monotonic() - began)))
        finally:
            connections.close_all()

    thread = Thread(target=work, name="push")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def spend_until_all_are_paused(stage: Stage, say: Say) -> Figures:
    """Let the platform spend, read and import it quarter by quarter, until every campaign stands still there."""
    began = clock.now()
    with worker(stage):
        for _ in range(40):
            stage.world.advance(QUARTER)
            stage.pull()
            held = Campaign.objects.filter(brand=stage.brand, status=CampaignStatus.PAUSED).count()
            took = _wait_for(stage, held)
            say(f"  {_hour(stage)}  {held:2} paused here, {stage.running_there():2} run there after {took:.1f} s")
            if held == len(stage.campaigns):
                break
    stage.pull()  # what was spent until the pauses
    stage.push()
    confirmed = Act.objects.filter(
        account=stage.account, kind=ActKind.CONFIRMED, asked=Status.PAUSED, at__gte=began
    ).values_list("seconds", flat=True)
    spent = [money.from_micros(_spent(stage, campaign)) for campaign in stage.campaigns]
    return Figures(
        [float(seconds) for seconds in confirmed if seconds is not None],
        [float((amount - BUDGET) * 100 / BUDGET) for amount in spent],
        float(sum(spent)),
        float(BUDGET * len(spent)),
    )


def _wait_for(stage: Stage, held: int) -> float:
    """Until so many stand still there, half a minute at most; time passes there too. Gives how long that was."""
    began = before = time.monotonic()
    while stage.running_there() > len(stage.campaigns) - held and before - began < 30:
        time.sleep(0.1)
        stage.world.advance(timedelta(seconds=time.monotonic() - before))
        before = time.monotonic()
    return before - began


def _spent(stage: Stage, campaign: Campaign) -> int:
    first = stage.world.clock.date() - timedelta(days=1)
    return sum(stage.world.total(campaign.external_id, first + timedelta(days=more)) for more in range(3))


def _hour(stage: Stage) -> str:
    return f"{stage.world.clock:%H:%M}"


# --- The story -------------------------------------------------------------------------------------------------------


def tell(say: Say = print, platform: str = "GOOGLE") -> int:
    """All of it, scene by scene; 0 if it went as it should."""
    kinds = [kind for kind in ALL if kind.platform == platform]
    # A world of today, at an hour from which no midnight is near.
    world = World(clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    with Server(world, *kinds) as server:
        stage = Stage(world, server, platform)
        scenes = [_connected, _observed, _spends, _says_yes_and_does_no, _drift, _kill_switch]
        went = [scene(stage, say) for scene in scenes]
    say("")
    say("All of it went as it should." if all(went) else "NOT as it should.")
    return 0 if all(went) else 1


def _word(what: Status | Step) -> str:
    return STEP_LABELS[what].lower() if isinstance(what, Step) else STATUS_LABELS[what].lower()


def _connected(stage: Stage, say: Say) -> bool:
    say("1. An account is connected, and checked")
    there = services.check(stage.account.pk, actor=ACTOR, now=clock.now())
    stage.look()
    known = RemoteState.objects.count()
    say(f"  {there.name}, {there.currency}, {there.time_zone}; {known} campaigns known by their id")
    return known == len(stage.campaigns)


def _observed(stage: Stage, say: Say) -> bool:
    say("2. The brand's mode is observe: what would be sent is written down, and nothing is sent")
    first = stage.campaigns[0]
    enforcement.pause(first.pk, reason="A try", actor=ACTOR, now=clock.now())
    stage.push()
    say(f"  paused here; there it is {_word(stage.there(first))}; {_word(stage.step(first))}")
    observed = stage.step(first) is Step.OBSERVED and stage.there(first) is Status.ENABLED
    enforcement.activate(first.pk, actor=ACTOR, now=clock.now())
    stage.push()
    stage.mode(Mode.ENFORCE)
    say("  the mode is enforce from now on")
    return observed


def _spends(stage: Stage, say: Say) -> bool:
    say(f"3. {len(stage.campaigns)} campaigns spend, each may {BUDGET} a day; their spend is read each 15 minutes")
    figures = spend_until_all_are_paused(stage, say)
    say(f"  {figures.words()}")
    return figures.median_s <= 10 and stage.running_there() == 0


def _says_yes_and_does_no(stage: Stage, say: Say) -> bool:
    say("4. The platform says yes and does no")
    odd = stage.campaigns[1]
    stage.world.faults.deaf.add(odd.external_id)
    enforcement.change_campaign(odd.pk, {"daily_budget": "1000"}, actor=ACTOR, now=clock.now(), reason="More for it")
    began = time.monotonic()
    stage.push()
    row = RemoteState.objects.get(campaign=odd)
    say(f"  after {time.monotonic() - began:.0f} s: {row.error} It is asked again in some seconds.")
    seen = stage.step(odd) is Step.SEND and row.attempts == 1
    stage.world.faults.deaf.clear()
    while stage.step(odd) is not Step.IN_STEP and time.monotonic() - began < 60:
        time.sleep(1)
        stage.push()
    say(f"  it does what it says again: in step {time.monotonic() - began:.0f} s after the first try")
    return seen and stage.there(odd) is Status.ENABLED


def _drift(stage: Stage, say: Say) -> bool:
    say("5. Somebody starts a paused campaign over there")
    other = stage.campaigns[2]
    stage.world.ask(other.external_id, Status.ENABLED)
    stage.look()
    stage.push()
    [found] = drift.open_drifts(clock.now())
    say(f"  {found.text} {found.next_step}")
    kept = stage.there(other) is Status.ENABLED
    services.put_back(other.pk, reason="It was a mistake", actor=ACTOR, now=clock.now())
    stage.push()
    say(f"  a person puts ours back: there it is {_word(stage.there(other))}; {_word(stage.step(other))}")
    return kept and stage.there(other) is Status.PAUSED


def _kill_switch(stage: Stage, say: Say) -> bool:
    say("6. The kill switch")
    runs = stage.campaigns[1]
    services.stop_all(reason="A wrong file was imported", actor=ACTOR, now=clock.now())
    enforcement.pause(runs.pk, reason="A try", actor=ACTOR, now=clock.now())
    sent = stage.push().get("sent", 0)
    say(f"  paused here; sent: {sent}; there it is {_word(stage.there(runs))}; {_word(stage.step(runs))}")
    held = sent == 0 and stage.there(runs) is Status.ENABLED
    services.go_on(actor=ACTOR, now=clock.now())
    stage.push()
    say(f"  changes leave again: there it is {_word(stage.there(runs))}")
    return held and stage.there(runs) is Status.PAUSED
