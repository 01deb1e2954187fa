"""Client processes that reserve money at the same time, by the service or by bare SQL.

    python -m benchmarks.clients

is one of them: it reads jobs, a line each, from its input, does them on the database of DATABASE_URL, and says when it
is done. Imported, it starts them and hands out the work.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID, uuid4

AMOUNT = "0.000001"


class Target(NamedTuple):
    """Whom to reserve for, on which day of its brand."""

    campaign: str
    brand: str
    day: str


class Clients:
    """So many processes on one database."""

    def __init__(self, url: str, size: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.clients"],
                env={**os.environ, "DATABASE_URL": url},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(size)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for process in self._processes:
            process.communicate()

    def reserve(self, way: str, targets: Sequence[Target], count: int) -> None:
        """So many of them each their share, all at the same time, until the last is done."""
        busy = self._processes[:count]
        for number, process in enumerate(busy):
            assert process.stdin is not None
            process.stdin.write(json.dumps([way, targets[number::count]]) + "\n")
            process.stdin.flush()
        for process in busy:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "done":
                raise AssertionError("a client has failed")


# --- The other side --------------------------------------------------------------------------------------------------


def _by_the_service(targets: Sequence[Sequence[str]]) -> None:
    from decimal import Decimal

    from benchmarks.data import NOW
    from enforcement.reservations import reserve

    amount = Decimal(AMOUNT)
    for campaign, _, _ in targets:
        answer = reserve(uuid4(), UUID(campaign), amount, actor="benchmark", now=NOW)
        if answer.reservation is None:
            raise AssertionError(answer.text)


def _by_bare_sql(targets: Sequence[Sequence[str]], connection: Any) -> None:
    from benchmarks.bare import RESERVE
    from benchmarks.data import NOW

    for campaign, brand, day in targets:
        params = {
            "id": str(uuid4()), "campaign": campaign, "brand": brand, "day": day, "amount": 1, "now": NOW,
            "month": str(date.fromisoformat(day).replace(day=1)),
        }  # fmt: skip
        with connection, connection.cursor() as cursor:
            cursor.execute(RESERVE, params)
            if cursor.rowcount != 1:
                raise AssertionError(f"{campaign} was refused")


def main() -> int:
    import django
    import psycopg2

    django.setup()
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    for line in sys.stdin:
        way, targets = json.loads(line)
        if way == "ours":
            _by_the_service(targets)
        else:
            _by_bare_sql(targets, connection)
        print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
