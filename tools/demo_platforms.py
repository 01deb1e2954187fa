"""The whole loop with an ad platform, told in the terminal: `make demo-platforms`.

A simulator on this machine speaks as the platform does; nothing else is called. The database is a temporary one.
"""

import os
import sys
import tempfile
from pathlib import Path

import django
from django.core.management import call_command

from tools.environment import DJANGO, sqlite_url


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="demo-platforms-") as folder:
        url = os.environ.get("DATABASE_URL") or sqlite_url(Path(folder) / "demo.sqlite3")
        os.environ.update(
            {"DEMO": "on", "DEBUG": "off", "DATABASE_URL": url, "REDIS_URL": "memory://", "LOG_LEVEL": "ERROR"} | DJANGO
        )
        django.setup()
        call_command("migrate", verbosity=0)
        from tools.platform_story import tell  # it loads models, so it comes after the setup, as in manage.py

        return tell()


if __name__ == "__main__":
    sys.exit(main())
