"""Relays to be killed, each a process of its own, forked from one that has loaded everything: a hundred take a minute.

    python -m tests.integration.relays

For each line it reads it starts one, and answers with its process id, and with another line when it has ended.
"""

import os
import sys

import django


def main() -> None:
    django.setup()
    from django.core.management import call_command

    from delivery.management.commands import deliver

    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            with open(os.devnull, "w") as nowhere:
                call_command(deliver.Command(stdout=nowhere))
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()
