"""What gunicorn reads by itself when it starts here: metrics across its processes, logs, and the watch over ticks.

How many workers, which address and which time limits are said on the command line.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

OWN = "budget-metrics-"
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    # In TMPDIR, or /tmp: a tmpfs where the root is read-only.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=OWN)
DIRECTORY = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])

from prometheus_client import multiprocess  # noqa: E402 - it reads the directory's name when it is imported

from budget_system import settings  # noqa: E402 - it reads what is set above

logconfig_dict = settings.LOGGING


def on_starting(_: Any) -> None:
    """What processes of a former start have counted is not ours."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    if "GUNICORN_PID" not in os.environ:  # of an upgrade while running: the former master's workers still count
        for left in DIRECTORY.glob("*.db"):
            left.unlink()


def post_worker_init(_: Any) -> None:
    from budget_system import watch

    watch.start()


def child_exit(_: Any, worker: Any) -> None:
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # untyped there


def on_exit(_: Any) -> None:
    if DIRECTORY.name.startswith(OWN):
        shutil.rmtree(DIRECTORY, ignore_errors=True)
