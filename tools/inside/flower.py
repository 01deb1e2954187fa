"""Flower, a page that watches Celery, behind a password: python -m tools.inside.flower [--address A] [--port 5555]

FLOWER_BASIC_AUTH is user:password; without it a password is made up and printed. It is handed over in the environment,
where no list of processes shows it.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(argv: Sequence[str]) -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m tools.inside.flower")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", default="5555")
    options = parser.parse_args(argv)
    given = os.environ.get("FLOWER_BASIC_AUTH")
    if given and ":" not in given:
        sys.exit("error: FLOWER_BASIC_AUTH must be user:password.")
    login = given or f"flower:{secrets.token_urlsafe(12)}"
    user, _, password = login.partition(":")
    shown = "as FLOWER_BASIC_AUTH has it" if given else password
    print(f"\n    http://{options.address}:{options.port}/    user: {user}    password: {shown}\n", flush=True)
    celery = [sys.executable, "-m", "celery", "-A", "budget_system", "flower"]
    os.execve(
        sys.executable,
        [*celery, f"--address={options.address}", f"--port={options.port}", "--logging=warning"],
        {**os.environ, "FLOWER_BASIC_AUTH": login, "LOG_LEVEL": "WARNING"},
    )


if __name__ == "__main__":
    main(sys.argv[1:])
