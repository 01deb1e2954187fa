"""Celery's doors to the ad platforms. They carry no state: what is wanted, due and claimed is in the database."""

from celery import shared_task

from budget_system import clock
from platforms import look, pull, push
from platforms.connections import connect


@shared_task(name="tasks.platform_tasks.push_platforms_task")
def push_platforms_task() -> dict[str, int]:
    """Every three seconds: send what is wanted and not so, and see whether it has arrived."""
    return push.run(clock=clock.now, connect=connect)


@shared_task(name="tasks.platform_tasks.look_at_platforms_task")
def look_at_platforms_task() -> dict[str, int]:
    """Every half minute: read what campaigns show at the accounts that are due, each every two minutes."""
    return look.run(clock=clock.now, connect=connect)


@shared_task(name="tasks.platform_tasks.pull_platforms_task")
def pull_platforms_task() -> dict[str, int]:
    """Every half minute: read the spend of the accounts that are due, as often as each platform lets us."""
    return pull.run(clock=clock.now, connect=connect)
