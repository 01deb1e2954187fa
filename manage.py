#!/usr/bin/env python
"""Django's command line for the budget system."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "budget_system.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import DatabaseError

        try:
            execute_from_command_line(sys.argv)
        except DatabaseError:
            why = _why_refused()
            if why is None:
                raise
            sys.exit(f"CommandError: {why}")
        except ImproperlyConfigured as error:
            if "--traceback" in sys.argv:
                raise
            sys.exit(f"CommandError: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _why_refused() -> str | None:
    """What to do about a database that no command can work on. None: the error itself has to be seen."""
    if "migrate" in sys.argv[1:2] or "--traceback" in sys.argv:
        return None
    from budget_system import health

    return health.why_refused()


if __name__ == "__main__":
    main()
