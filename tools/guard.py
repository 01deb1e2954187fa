"""Ends a group of processes when the program that started them is gone, however it went: `kill -9` included.

    guard.py GRACE_S [DIRECTORY TO REMOVE ...]

The program starts this first, as the leader of a new process group, and then everything else into the same group. The
guard waits for the end of its standard input, a pipe that only the program holds. (Linux could do a part of this with
PR_SET_PDEATHSIG, but that reaches children only, not the workers of a gunicorn or a Celery.)
"""

import os
import shutil
import signal
import sys
import time


def main(grace_s: float, directories: list[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)
    time.sleep(grace_s)
    # The leader cannot outlive its own kill, so a child that has left the group gives it and tidies up.
    if os.fork() == 0:
        os.setpgid(0, 0)
        os.killpg(group, signal.SIGKILL)
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
