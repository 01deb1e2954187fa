"""One piece of work in a process that has loaded what a worker loads.

    python -m benchmarks.worker sweep|import CAMPAIGNS SIZE

works on the database of DATABASE_URL and prints this process's largest resident size in MB, before the work and after.
"""

import resource
import sys
from pathlib import Path

import django

STATUS = Path("/proc/self/status")


def main(arguments: list[str]) -> int:
    work, campaigns, size = arguments[0], int(arguments[1]), int(arguments[2])
    django.setup()
    # What loads models comes after the setup, as in manage.py.
    from benchmarks import posting
    from benchmarks.data import NOW
    from enforcement.sweeps import enforce_all
    from tasks import budget_tasks  # noqa: F401 - a worker has loaded it

    before = _peak_mb()
    if work == "import":
        posting.import_a_file(campaigns, size)
    elif enforce_all(NOW, actor="benchmark").checked != size:
        raise AssertionError("not all campaigns were checked")
    print(before, _peak_mb())
    return 0


def _peak_mb() -> float:
    """On Linux not from getrusage: its figure begins with the size of the process that started this one."""
    if STATUS.exists():
        return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
