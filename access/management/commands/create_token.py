"""Issue an API token, and print it once."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

from access.models import TokenScope
from access.tokens import issue
from brands.queries import find_brand
from budget_system import clock
from budget_system.errors import NotFound, Refused
from enforcement.management.console import actor, errors_as_exit_code

LONGEST_DAYS = 3_650


class Command(BaseCommand):
    help = "Issue an API token. The token is the only line on standard output, and is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="What uses it, such as Bidder.")
        parser.add_argument("--user", required=True, help="Whom it acts for: it can do nothing that they may not do.")
        parser.add_argument("--scope", choices=TokenScope.values, default=TokenScope.READ.value)
        parser.add_argument(
            "--brand",
            action="append",
            default=[],
            metavar="B",
            help="Name or id; may be repeated. None: all of theirs.",
        )
        parser.add_argument("--expires", type=int, metavar="DAYS", help="Otherwise it lasts until it is revoked.")
        parser.add_argument("--requests-per-minute", type=int, metavar="N", help="Otherwise the system's default.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        with errors_as_exit_code():
            user = User.objects.filter(username=options["user"]).first()
            if user is None:
                raise NotFound(f"There is no user “{options['user']}”.", field="user")
            days = options["expires"]
            if days is not None and not 1 <= days <= LONGEST_DAYS:
                raise Refused(f"It can last from 1 to {LONGEST_DAYS} days.", field="expires")
            token, text = issue(
                options["name"],
                user,
                options["scope"],
                [find_brand(name) for name in options["brand"]],
                expires_at=None if days is None else now + timedelta(days=days),
                requests_per_minute=options["requests_per_minute"],
                actor=actor(),
                now=now,
            )
        ends = f"until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "until it is revoked"
        self.stderr.write(f"“{token.name}” acts for {user}, scope {token.scope}, {ends}. Keep it safe; here it is:")
        self.stdout.write(text)
