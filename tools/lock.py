"""Resolve requirements/*.in into requirements/*.txt: exact versions with hashes, for every platform and Python.

    python -m tools.lock [--upgrade]

Versions stay as they are where they still fit, unless --upgrade is given.
"""

import os
import subprocess
import sys
from pathlib import Path

from tools.bootstrap import ROOT

# In this order: each is held to the versions of those before it.
LOCKS = ("base", "local", "dev", "uv", "flower")


def main(options: list[str]) -> int:
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        sys.stderr.write("error: locks are made with uv, which pip could not get here. Check the network; run again.\n")
        return 1
    for name in LOCKS:
        command = [
            *(str(uv), "pip", "compile", f"requirements/{name}.in", "--output-file", f"requirements/{name}.txt"),
            *("--universal", "--generate-hashes", "--python-version", "3.11", "--no-header", "--quiet", *options),
        ]
        # A mirror that this machine uses is nobody else's business.
        environment = {**os.environ, "UV_NO_EMIT_INDEX_URL": "1", "UV_NO_EMIT_FIND_LINKS": "1"}
        if subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode != 0:
            return 1
        print(f"  requirements/{name}.txt", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
