"""What a real worker logs and adds up about a task that a request asked for."""

import json
from pathlib import Path

import pytest
from structlog.contextvars import bound_contextvars

from budget_system.celery import app
from enforcement.models import TaskTotal
from spending.models import BudgetPeriod
from tests.factories import Story
from tests.integration.processes import wait_until
from tests.integration.test_celery import Starter
from tools.processes import ProcessGroup, stop

TASK = "tasks.watch_tasks.check_books_task"


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_each_line_says_which_task_which_run_and_which_request(tmp_path: Path) -> None:
    story = Story()
    story.spend(story.campaign(), "5")
    BudgetPeriod.objects.filter(scope_id=story.brand.pk, kind="D").update(posted=0)

    with ProcessGroup() as group:
        worker = Starter(group, tmp_path).worker()
        with bound_contextvars(request_id="0193"):
            app.send_task(TASK, task_id="a-task")
        wait_until(lambda: TaskTotal.objects.filter(name=TASK, runs=1).exists(), "the task is added up")
        stop(worker.process)

    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    [alarm] = [line for line in lines if line["level"] == "critical"]
    [end] = [line for line in lines if "succeeded" in line["event"]]
    ids = {"request_id": "0193", "task_id": "a-task", "task": TASK}
    assert ids.items() <= alarm.items()
    assert ids.items() <= end.items()
    assert (alarm["run"], "run" in end) == ("check_books", False)
    assert "The books differ" in alarm["event"]
    total = TaskTotal.objects.get(name=TASK)
    assert (total.runs, total.failures) == (1, 0)
    assert total.seconds > 0
