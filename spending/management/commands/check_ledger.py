"""Prove that everything derived agrees with what it is derived from, and make it again."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from brands.models import Brand
from brands.queries import find_brand
from budget_system import clock, money
from campaigns.models import Campaign
from enforcement import books
from enforcement.books import Books
from enforcement.management.console import Progress, actor, errors_as_exit_code, table
from spending.ledger import PeriodKey
from spending.models import PeriodKind


class Command(BaseCommand):
    help = (
        "Compare the totals with the ledger, what is set aside with the reservations, the budgets in force with those "
        "that are set, the compiled weeks with the schedules and the holds with the decision. Exit code 1 when "
        "something differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--brand", help="Only this brand (its name or id).")
        parser.add_argument("--rebuild", action="store_true", help="Repair what differs, brand by brand, and evaluate.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            brand_id = find_brand(options["brand"]).pk if options["brand"] else None
            progress = Progress(self.stderr, "brands")
            found = books.check(clock.now(), brand_id=brand_id, progress=progress)
            self._show(found)
            if options["rebuild"] and found.differences:
                books.rebuild(found, actor=actor(), now=clock.now(), progress=progress)
                self.stdout.write(f"Rebuilt: {len(found.brand_ids())} brand(s). Checked again:")
                found = books.check(clock.now(), brand_id=brand_id, progress=progress)
                self._show(found)
        self.stdout.write(f"INFO Ledger check completed: {found.counts()}")
        if found.differences:
            sys.exit(1)

    def _show(self, found: Books) -> None:
        names = _Names(found)
        rows = list(_differences(found, names))
        if rows:
            for line in table(("What", "Of", "Period", "Kept", "Should be"), rows):
                self.stdout.write(line)


class _Names:
    """The names and currencies of what differs."""

    def __init__(self, found: Books) -> None:
        keys = [one.key for some in (found.totals, found.reserved, found.budgets) for one in some]
        ids = {key.scope_id for key in keys} | {UUID(bad.campaign_id) for bad in found.undecidable}
        ids |= {week.campaign_id for week in found.weeks} | {one.campaign_id for one in found.holds}
        self._campaigns = Campaign.objects.select_related("brand").in_bulk(_sorted(ids))
        self._brands = Brand.objects.in_bulk(_sorted({key.brand_id for key in keys}))

    def campaign(self, campaign_id: UUID) -> str:
        campaign = self._campaigns[campaign_id]
        return f"{campaign.brand} / {campaign}"

    def scope(self, key: PeriodKey) -> str:
        return self.campaign(key.scope_id) if key.scope_id != key.brand_id else str(self._brands[key.brand_id])

    def amount(self, key: PeriodKey, micros: int | None, otherwise: str) -> str:
        if micros is None:
            return otherwise
        currency = self._brands[key.brand_id].currency
        return f"{money.exact_text(money.from_micros(micros), currency)} {currency}"


def _sorted(ids: Iterable[UUID]) -> Sequence[UUID]:
    return sorted(ids)


def _differences(found: Books, names: _Names) -> Iterator[tuple[str, str, str, str, str]]:
    for total in found.totals:
        key = total.key
        kept = names.amount(key, total.kept, "no row")
        yield "total", names.scope(key), _period(key), kept, names.amount(key, total.ledger, "")
    for one in found.reserved:
        key = one.key
        kept = names.amount(key, one.kept, "no row")
        yield "set aside", names.scope(key), _period(key), kept, names.amount(key, one.pending, "")
    for budget in found.budgets:
        key = budget.key
        kept = names.amount(key, budget.kept, "no limit")
        yield "budget", names.scope(key), _period(key), kept, names.amount(key, budget.in_force, "no limit")
    for week in found.weeks:
        yield "week", names.campaign(week.campaign_id), "", week.kept or "always", week.rows or "always"
    for held in found.holds:
        kept, decided = (", ".join(some) or "none" for some in (held.kept, held.decided))
        yield "holds", names.campaign(held.campaign_id), "", kept, decided
    for bad in found.undecidable:
        yield "undecidable", names.campaign(UUID(bad.campaign_id)), "", "", bad.problem


def _period(key: PeriodKey) -> str:
    kind = PeriodKind(key.kind)
    return kind.label.lower() if kind is PeriodKind.LIFETIME else f"{kind.label.lower()} {key.starts_on}"
