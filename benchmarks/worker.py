"""One piece of work in a process that has loaded what a worker loads.

    python -m benchmarks.worker sweep|import CAMPAIGNS SIZE

works on the database of DATABASE_URL and prints this process's largest resident size in MB, before the work and after.
"""

import resource
import sys

import django


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
        posting.import_in_batches(campaigns, size)
    elif enforce_all(NOW, actor="benchmark").checked != size:
        raise AssertionError("not all campaigns were checked")
    print(before, _peak_mb())
    return 0


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
