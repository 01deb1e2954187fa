"""Fill the system with sample brands, campaigns and months of spend; make the demo's login."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from enforcement.demo.login import PASSWORD, USERNAME, ensure_login
from enforcement.management.console import errors_as_exit_code


class Command(BaseCommand):
    help = "Make sample brands, campaigns, budgets, schedules and months of spend up to now, and the demo's login."
    requires_system_checks: list[str] = []  # `make run` waits for this at each start, and the other parts are checked

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--login-only", action="store_true", help="Only the login of demo mode.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            if not options["login_only"]:
                raise CommandError("Only --login-only is there so far.")
            self._login()

    def _login(self) -> None:
        if ensure_login():
            self.stdout.write(f"Login: user {USERNAME}, password {PASSWORD}")
        else:
            self.stdout.write(f"Login: user {USERNAME} was there already and is left as it is ({PASSWORD} at first).")
