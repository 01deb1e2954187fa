"""Send what is due, without waiting for a worker."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from budget_system import clock
from budget_system.errors import Refused
from delivery import relay, services, webhooks


class Command(BaseCommand):
    help = (
        "Take up what has happened and send to webhooks what is due, until nothing is. Workers do this every three "
        "seconds; running it beside them does no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--renew-encryption",
            action="store_true",
            help="Send nothing; encrypt the secrets of all webhooks with the newest of WEBHOOK_KEYS.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["renew_encryption"]:
                self.stdout.write(
                    f"Encrypted with the newest key: the secrets of {services.renew_encryption()} webhooks."
                )
                return
            counts = relay.run(clock=clock.now, send=webhooks.send)
        except relay.AlreadyAtWork:
            raise CommandError("Another relay is at work at this moment; it sends what is due.") from None
        except Refused as error:
            raise CommandError(error.message) from None
        self.stdout.write(
            f"Taken up: {counts.get('taken_up', 0)}. Arrived: {counts.get('sent', 0)}. "
            f"Failed and to be tried again: {counts.get('failed', 0)}. Parked: {counts.get('parked', 0)}."
        )
