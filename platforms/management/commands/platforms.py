"""Read from ad platforms and send to them, without waiting for a worker; and how they stand."""

import argparse
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count

from budget_system import clock
from budget_system.db import rehearsal
from platforms import drift, look, pull, push, services
from platforms.connections import connect
from platforms.models import STEP_LABELS, Account, RemoteState
from platforms.protocol import Status
from platforms.steps import Step


class Command(BaseCommand):
    help = "Ad platforms: how they stand, read what campaigns show there, read spend, send what is wanted."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", choices=["status", "look", "pull", "push"])
        parser.add_argument("--account", help="only this one: its id at the platform")
        parser.add_argument("--dry-run", action="store_true", help="with push: show what would be sent, send nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        account = self._account(options["account"])
        if options["dry_run"] and options["action"] != "push":
            raise CommandError("--dry-run goes with push.")
        match options["action"]:
            case "status":
                self._status(account)
            case "look":
                counts = look.run(clock=clock.now, connect=connect, account_id=account, now_due=True)
                self.stdout.write(f"Accounts read: {counts['looked']}. Failed: {counts['failed']}.")
            case "pull":
                counts = pull.run(clock=clock.now, connect=connect, account_id=account, now_due=True)
                self.stdout.write(
                    f"Accounts read: {counts['read']}. Imports of new figures: {counts['imported']}. "
                    f"Failed: {counts['failed']}."
                )
            case "push" if options["dry_run"]:
                self._would_send(account)
            case _:
                counts = push.run(clock=clock.now, connect=connect, account_id=account)
                self.stdout.write(
                    f"Sent: {counts.get('sent', 0)}. Seen there: {counts.get('confirmed', 0)}. Not seen yet: "
                    f"{counts.get('not_seen', 0)}. Failed: {counts.get('failed', 0) + counts.get('refused', 0)}."
                )

    def _account(self, text: str | None) -> UUID | None:
        if text is None:
            return None
        found = list(Account.objects.filter(account_id=text)[:2])
        if len(found) != 1:
            raise CommandError(f"There is no account {text}." if not found else f"Several brands have account {text}.")
        return found[0].pk

    def _status(self, account_id: UUID | None) -> None:
        now = clock.now()
        switch = services.outgoing()
        if switch.stopped_at is not None:
            self.stdout.write(f"The kill switch is on: {switch.reason}")
        accounts = Account.objects.select_related("brand").order_by("brand__name", "pk")
        for account in accounts if account_id is None else accounts.filter(pk=account_id):
            steps = RemoteState.objects.filter(account=account).order_by("step").values_list("step")
            words = [f"{STEP_LABELS[Step(step)].lower()} {count}" for step, count in steps.annotate(count=Count("pk"))]
            state = "off" if account.off_at else account.error or account.pull_error or "works"
            self.stdout.write(f"{account.brand}: {account}: {state}. {', '.join(words) or 'no campaigns'}.")
        for one in [*drift.broken_accounts(now), *drift.open_drifts(now)]:
            self.stdout.write(f"! {one.text} {one.next_step}")

    def _would_send(self, account_id: UUID | None) -> None:
        now = clock.now()
        accounts = Account.objects.order_by("pk")
        sent = 0
        for account in accounts if account_id is None else accounts.filter(pk=account_id):
            with rehearsal():
                batch = push.plan(account.pk, now)
            for one, status in batch.asked.items() if batch is not None else ():
                sent += 1
                self.stdout.write(f"{account}: {one} would be {'paused' if status is Status.PAUSED else 'started'}")
        self.stdout.write(f"Would be sent now: {sent}. Nothing was sent.")
