"""Whether a container is well, for Docker's HEALTHCHECK: python -m tools.inside.healthcheck live|ready|deep|worker|beat

`live`, `ready` and `deep` ask the web of this container; `worker` asks this container's worker through the broker;
`beat` looks at its schedule, which it writes at least every three minutes.
"""

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

OLDEST_S = 600


def web(kind: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or "8000"), timeout=10)
    try:
        connection.request("GET", f"/healthz/{kind}")
        answer = connection.getresponse()
        print(answer.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        print(f"the web does not answer: {error}")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == 200 else 1


def worker() -> int:
    command = [sys.executable, "-m", "celery", "-A", "budget_system", "inspect", "ping", "--timeout", "8"]
    return subprocess.run([*command, "--destination", f"celery@{socket.gethostname()}"], check=False).returncode


def beat(schedule: Path) -> int:
    written = [path.stat().st_mtime for path in schedule.parent.glob(f"{schedule.name}*")]
    if not written:
        print(f"there is no {schedule}")
        return 1
    age_s = time.time() - max(written)
    print(f"the schedule was written {age_s:.0f} s ago")
    return 0 if age_s < OLDEST_S else 1


def main(arguments: list[str]) -> int:
    what = arguments[0]
    if what == "worker":
        return worker()
    if what == "beat":
        return beat(Path(arguments[1]))
    return web(what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
