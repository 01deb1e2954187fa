"""How much memory a worker takes: each piece of work in a process of its own (benchmarks.worker)."""

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.databases import Database, Databases
from benchmarks.posting import restore
from benchmarks.sizes import Sizes
from benchmarks.timing import Result


def memory(databases: Databases, sizes: Sizes) -> Iterator[Result]:
    """The peak of a worker that imports, and of one that sweeps."""
    database = databases.use(sizes.middle)
    restore(database)
    yield _peak(database, f"import of {sizes.imported:,} rows", "import", sizes.imported)
    yield _peak(databases.use(sizes.large), f"full sweep, {sizes.large:,} campaigns", "sweep", sizes.large)


def _peak(database: Database, name: str, work: str, size: int) -> Result:
    command = [sys.executable, "-m", "benchmarks.worker", work, str(database.campaigns), str(size)]
    environment = {**os.environ, "DATABASE_URL": database.url}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    before, peak = map(float, done.stdout.split())
    return Result(
        "11",
        f"peak memory of a worker: {name}",
        f"{peak:.0f} MB",
        f"{before:.0f} MB before it",
        peak,
        300,
        200,
        unit="MB",
    )
