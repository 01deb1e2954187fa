"""Fill the system with sample brands, campaigns and months of spend; make the demo's login."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from budget_system import clock
from enforcement.demo import reset
from enforcement.demo.login import PASSWORD, USERNAME, ensure_login
from enforcement.demo.report import HEADINGS, brand_lines
from enforcement.demo.sample import Done, Wish, check, set_up
from enforcement.management.console import Progress, actor, confirm, errors_as_exit_code
from enforcement.management.screen import grid, lines_of, width_of

DAYS_A_MONTH = Decimal("30.4")


class Command(BaseCommand):
    help = (
        "Make sample brands, campaigns, budgets, schedules and months of spend up to now, and the demo's login. "
        "A later run carries them on to the present and doubles nothing."
    )
    requires_system_checks: list[str] = []  # `make run` waits for this at each start, and the other parts are checked

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="Another seed gives other data (1).")
        parser.add_argument("--months", type=int, default=3, help="How many months of history (3).")
        parser.add_argument("--brands", type=int, default=6, help="How many brands (6).")
        parser.add_argument("--reset", action="store_true", help="Empty the demo first: all but logins. SQLite only.")
        parser.add_argument("--login-only", action="store_true", help="Only the login of demo mode.")
        parser.add_argument("--yes", action="store_true", help="Do not ask. Needed outside demo mode.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            if options["login_only"]:
                self._login()
            else:
                self._data(options)

    def _login(self) -> None:
        if ensure_login():
            self.stdout.write(f"Login: user {USERNAME}, password {PASSWORD}")
        else:
            self.stdout.write(f"Login: user {USERNAME} was there already and is left as it is ({PASSWORD} at first).")

    def _data(self, options: dict[str, Any]) -> None:
        wish = Wish(options["seed"], round(options["months"] * DAYS_A_MONTH), options["brands"])
        check(wish)
        if not settings.DEMO and not options["yes"]:
            raise CommandError(
                "This is not demo mode, and records cannot be taken back. To put sample data here, pass --yes."
            )
        if options["reset"]:
            self._reset(yes=options["yes"])
        done = set_up(wish, actor=actor(), clock=clock.now, progress=Progress(self.stderr, "steps"))
        self._say(done, wish)

    def _reset(self, *, yes: bool) -> None:
        reset.check_resettable()
        if not yes and not confirm("Empty the demo: all brands, campaigns, spend and records?"):
            raise CommandError("Nothing was changed. Answer y on a terminal, or pass --yes.")
        self.stdout.write(f"Emptied {reset.empty()} tables.")

    def _say(self, done: Done, wish: Wish) -> None:
        if done.wish != wish:
            was = f"{done.wish.days} days and {done.wish.brands} brands"
            self.stdout.write(f"The sample data was begun with {was}, and is carried on so; --reset begins anew.")
        for line in lines_of(grid(HEADINGS, brand_lines(done.brand_ids.values(), clock.now())), width_of(self.stdout)):
            self.stdout.write(line)
        if settings.DEMO:
            self._login()
        self.stdout.write(f"Look at {reverse('admin:index')}; manage.py explain CAMPAIGN says why one is paused.")
        self.stdout.write(f"INFO Demo set up: {asdict(done.made)}")
