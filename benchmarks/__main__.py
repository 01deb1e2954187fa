"""Measure, and compare with bare SQL in the same run.

    python -m benchmarks [--quick] [NAME ...]

works on databases of its own on the PostgreSQL server of DATABASE_URL, and drops them. `make bench` starts a temporary
server for it. `--quick` takes small sizes: it shows that the benchmark works, and nothing else. Names choose measures.
"""

import os
import sys

import django

from tools.environment import for_tests


def main(arguments: list[str]) -> int:
    os.environ.update(for_tests())
    if not os.environ["DATABASE_URL"].startswith(("postgres://", "postgresql://")):
        sys.stderr.write("error: DATABASE_URL names no PostgreSQL server. `make bench` starts one.\n")
        return 2
    django.setup()
    from benchmarks.report import run  # it loads models, so it comes after the setup, as in manage.py

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
