"""The question before something is destroyed."""

import os
import sys
from collections.abc import Sequence

from tools.bootstrap import fail


def agree(verb: str, what: Sequence[str]) -> None:
    """Name what is lost and ask; end unless the answer is y or FORCE=1. Without a terminal nobody can be asked."""
    print(f"This {verb}:")
    for one in what:
        print(f"  - {one}")
    sys.stdout.flush()
    if os.environ.get("FORCE") == "1":
        return
    if not sys.stdin.isatty():
        fail("nothing was done: there is no terminal to ask on. If you are sure, add FORCE=1.")
    try:
        answer = input("Go on? [y/N] ")
    except (EOFError, KeyboardInterrupt):
        print()
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        fail("nothing was done.")
