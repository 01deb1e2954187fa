"""What Celery's workers are at: python -m tools.workers inspect|events|flower"""

import os
import sys

from tools import compose, here

# Celery declares an option of `events` twice, and click warns of it.
CELERY = ("python", "-W", "ignore::UserWarning:click.core", "-m", "celery", "-A", "budget_system")
QUESTIONS = ("ping", "active", "reserved")


def inspect() -> int:
    """Which workers answer, what they do now and what they have fetched to do next."""
    codes = [
        here.run([*CELERY, "inspect", question, "--timeout", "3"], service="celery_worker", needs_run=True)
        for question in QUESTIONS
    ]
    return max(codes)


def events() -> int:
    """Each task as it is sent, received and done; Celery's own screen on a terminal, a line each in a pipe."""
    control = [*CELERY, "control", "--timeout", "3"]
    if code := here.run([*control, "enable_events"], service="celery_worker", needs_run=True):
        return code
    try:
        code = here.run(
            [*CELERY, "events", *([] if sys.stdout.isatty() else ["--dump"])], service="celery_worker", needs_run=True
        )
        return 0 if code == 130 else code  # nothing but Ctrl-C ends it
    finally:
        here.run([*control, "disable_events"], service="celery_worker", needs_run=True)


def flower() -> int:
    if compose.is_chosen():
        return compose.run("--profile", "flower", "up", "flower")
    port = os.environ.get("FLOWER_PORT") or "5555"
    return here.run(["python", "-m", "tools.inside.flower", "--port", port], needs_run=True)


if __name__ == "__main__":
    sys.exit({"inspect": inspect, "events": events, "flower": flower}[sys.argv[1]]())
