"""Release what is set aside for longer than was asked for."""

from typing import Any

from django.core.management.base import BaseCommand

from budget_system import clock
from enforcement import reservations


class Command(BaseCommand):
    help = (
        "Let reservations expire whose time is over, so that their money may be spent by others. A worker does it too."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        expired = reservations.expire_due(clock.now())
        self.stdout.write(f"INFO Reservations expired: {{'expired': {expired}}}")
