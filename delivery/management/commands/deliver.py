"""Send what is due, without waiting for a worker."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from budget_system import clock
from delivery import outlets, relay


class Command(BaseCommand):
    help = (
        "Take up what has happened and send to webhooks what is due, until nothing is. Workers do this every three "
        "seconds; running it beside them does no harm."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = relay.run(clock=clock.now, send=outlets.send)
        except relay.AlreadyAtWork:
            raise CommandError("Another relay is at work at this moment; it sends what is due.") from None
        self.stdout.write(
            f"Taken up: {counts.get('taken_up', 0)}. Arrived: {counts.get('sent', 0)}. "
            f"Failed and to be tried again: {counts.get('failed', 0)}. Parked: {counts.get('parked', 0)}."
        )
