"""Encrypt every secret that is kept with the newest key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from budget_system.errors import Refused
from budget_system.sealed import renew_all


class Command(BaseCommand):
    help = (
        "Encrypt the secrets of webhooks and platform accounts with the newest of ENCRYPTION_KEYS. Afterwards the "
        "former key may go. Either all of them are encrypted anew, or none."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = renew_all()
        except Refused as error:
            raise CommandError(error.message) from None
        for name, count in counts.items():
            self.stdout.write(f"Encrypted with the newest key: {name}, {count}.")
