"""Wait until the database of DATABASE_URL takes connections: python -m tools.inside.wait_for_db [SECONDS]

A SQLite file needs no waiting. Ends with 1 and the last refusal when the time (60 s) is over; a wrong password or
a database that does not exist will not mend itself and ends it at once.
"""

import os
import sys
import time
from urllib.parse import urlsplit

import psycopg2

HOPELESS = ("authentication failed", "does not exist", "no password supplied", "no pg_hba.conf entry", "invalid")


def wait(url: str, limit_s: float) -> str | None:
    """None once it answers, else why it does not."""
    if urlsplit(url).scheme.startswith("sqlite"):
        return None
    deadline = time.monotonic() + limit_s
    while True:
        try:
            psycopg2.connect(url, connect_timeout=5).close()
        except psycopg2.OperationalError as error:
            said = str(error).strip().splitlines()[0]
            if time.monotonic() >= deadline or any(words in said for words in HOPELESS):
                return said
            time.sleep(0.5)
        except psycopg2.ProgrammingError as error:
            return str(error).strip()
        else:
            return None


def main(arguments: list[str]) -> int:
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        sys.stderr.write("error: DATABASE_URL is not set.\n")
        return 1
    limit_s = float(arguments[0]) if arguments else 60.0
    problem = wait(url, limit_s)
    if problem:
        sys.stderr.write(f"error: the database does not answer: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
