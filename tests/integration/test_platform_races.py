"""Several workers at once at the same account: each change leaves once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from brands.models import AuditEntry
from budget_system.errors import Conflict
from enforcement import services as enforcement
from platforms import push, services
from platforms.models import Account
from platforms.protocol import Status
from tests.factories import ACTOR, Story
from tests.integration.test_platforms import KEYS, Loop

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
WORKERS = 4


def at_once(loop: Loop) -> None:
    """Pushes of several workers in the same moment."""
    barrier = Barrier(WORKERS)

    def work(_: int) -> None:
        try:
            barrier.wait()
            push.run(clock=lambda: loop.story.now, connect=loop.platform.connect, read_back_s=(0.0,))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))


def test_workers_at_once_send_each_change_once() -> None:
    loop = Loop()
    loop.mode_limits_off()
    campaigns = loop.settled(*range(1, 9))
    asked = 0
    for round_ in range(5):
        for campaign in campaigns:
            if round_ % 2:
                enforcement.activate(campaign.pk, actor=ACTOR, now=loop.story.now)
            else:
                enforcement.pause(campaign.pk, reason="A try", actor=ACTOR, now=loop.story.now)

        at_once(loop)
        loop.later(60)

        sent = [one for call in loop.platform.asked[asked:] for one in call]
        asked = len(loop.platform.asked)
        assert sorted(sent) == sorted(str(number) for number in range(1, 9))
        wanted = Status.ENABLED if round_ % 2 else Status.PAUSED
        assert set(loop.platform.statuses.values()) == {wanted}


def test_of_several_people_who_add_the_same_account_one_does_and_the_others_are_told() -> None:
    story, barrier = Story(), Barrier(WORKERS)

    def add(_: int) -> str:
        try:
            barrier.wait()
            services.add_account(story.brand.pk, "GOOGLE", "123", KEYS, actor=ACTOR, now=story.now)
        except Conflict as error:
            return error.message
        finally:
            connections.close_all()
        return ""

    with ThreadPoolExecutor(WORKERS) as pool:
        told = sorted(pool.map(add, range(WORKERS)))

    assert told == ["", *["This brand has this account already."] * (WORKERS - 1)]
    assert AuditEntry.objects.filter(action="connect platform account").count() == Account.objects.count() == 1


def test_after_the_kill_switch_no_worker_sends() -> None:
    loop = Loop()
    loop.mode_limits_off()
    campaigns = loop.settled(1, 2, 3)
    for campaign in campaigns:
        enforcement.pause(campaign.pk, reason="A try", actor=ACTOR, now=loop.story.now)
    services.stop_all(reason="Stop", actor=ACTOR, now=loop.story.now)

    at_once(loop)

    assert loop.platform.asked == []
