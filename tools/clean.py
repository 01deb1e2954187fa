"""Remove what can be made again: python -m tools.clean caches|all|packages"""

import os
import subprocess
import sys
from pathlib import Path

from tools import compose, running, stack
from tools.ask import agree
from tools.bootstrap import LOCAL, ROOT, VENV, fail

CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache", "staticfiles")


def caches() -> None:
    """Remove the caches of Python and of the checks, and say how much that was."""
    found = [ROOT / name for name in CACHES if (ROOT / name).exists()]
    for folder, names, _ in os.walk(ROOT):
        names[:] = [name for name in names if name not in {".git", VENV.name, LOCAL.name, *CACHES}]
        if "__pycache__" in names:
            found.append(Path(folder) / "__pycache__")
            names.remove("__pycache__")
    if not found:
        print("There are no caches.")
        return
    total = stack.size(*found)
    for path in found:
        stack.remove(path)
    print(f"Removed {len(found)} folders of caches, {total}.")


def everything() -> None:
    """Remove the caches, .venv and the demo with its data. Backups stay."""
    found = [path for path in (VENV, LOCAL) if path.exists()]
    _refuse_while_running()
    if found:
        agree("deletes, beside the caches", [f"{path.name} ({stack.size(path)})" for path in found])
    caches()
    for path in found:
        stack.remove(path)


def packages() -> None:
    """Remove .venv and install it again; with DOCKER=1 build the images afresh and start from them."""
    if compose.is_asked_for():
        agree("builds the images afresh and replaces the containers; volumes stay", ["the containers as they are"])
        sys.exit(compose.run("build", "--pull", "--no-cache") or compose.run("up", "--detach", "--wait"))
    _refuse_while_running()
    agree("deletes and installs again", [f"{VENV.name} ({stack.size(VENV)})"] if VENV.exists() else [VENV.name])
    stack.remove(VENV)
    bootstrap = [sys.executable, str(ROOT / "tools" / "bootstrap.py"), "test"]
    if code := subprocess.run(bootstrap, check=False, cwd=ROOT).returncode:
        sys.exit(code)


def _refuse_while_running() -> None:
    run = running.current()
    if run is not None:
        fail(f"the system runs at {run.url} and uses these files. Stop it first: make down")


if __name__ == "__main__":
    {"caches": caches, "all": everything, "packages": packages}[sys.argv[1]]()
