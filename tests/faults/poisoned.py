"""Celery whose child dies, by kill -9, in the task that POISON names: python -m tests.faults.poisoned"""

import os
import signal
import sys

from budget_system.celery import app


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    app.loader.import_default_modules()
    app.tasks[os.environ["POISON"]].run = die  # type: ignore[method-assign] # the poison
    app.start(sys.argv[1:])
