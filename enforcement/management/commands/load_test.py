"""Load the API of this machine for some seconds, and prove that the books agree afterwards."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from http.client import HTTPException
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, Sum

from access.models import TokenScope
from access.tokens import issue, revoke
from brands.models import Brand
from brands.queries import find_brand
from budget_system import clock, money
from budget_system.db import chunks
from budget_system.errors import Refused
from campaigns.models import Campaign
from enforcement import books, services
from enforcement.demo.login import USERNAME, ensure_login
from enforcement.management.console import actor, errors_as_exit_code
from enforcement.management.load import (
    FASTEST,
    LONGEST_S,
    MOST_CLIENTS,
    Server,
    Tally,
    ask,
    connect,
    percentile,
    press,
    server_of,
)
from enforcement.management.screen import grid, lines_of, mark, width_of
from spending.models import Spend

VARIABLE = "BUDGET_API_TOKEN"
CAMPAIGNS = 5
BUDGET = "1000000"
EXTRA = timedelta(minutes=5)
HEADINGS = ("Request", "Count", "p50 ms", "p95 ms", "p99 ms")


class Command(BaseCommand):
    help = (
        "Load the API on this machine's loopback address with spends, reservations and reads, show how fast it "
        "answers, and prove that the ledger has exactly what was acknowledged. Exit code 1 if not, or after errors."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="Where the API is (http://127.0.0.1:8000).")
        parser.add_argument("--clients", type=int, default=4, help=f"At once (4), at most {MOST_CLIENTS}.")
        parser.add_argument("--duration", type=float, default=10.0, help=f"Seconds (10), at most {LONGEST_S}.")
        parser.add_argument("--rate", type=float, help="At most so many turns a second. Default: as fast as it goes.")
        parser.add_argument("--token", help=f"A token that may record spend; or {VARIABLE}. Demo mode makes one.")
        parser.add_argument("--brand", help="With --token: the brand that the spend is recorded for.")
        parser.add_argument("--yes", action="store_true", help="With --token: yes, real spend into that brand.")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_as_exit_code():
            for name, most in (("clients", MOST_CLIENTS), ("duration", LONGEST_S), ("rate", FASTEST)):
                if options[name] is not None and not 0 < options[name] <= most:
                    raise CommandError(f"--{name} is more than 0 and at most {most:,}.")
            token = options["token"] or os.environ.get(VARIABLE, "")
            server = server_of(options["url"], token)
            _status(server, "me/", options["url"])
            with _given(server, options) if token else _made_for_it(server, options["duration"]) as target:
                _check_reach(target, options["url"])
                self.stdout.write(
                    f"{options['url']}: {options['clients']} clients for {options['duration']:g} s, brand "
                    f"“{target.brand}”"
                )
                run_id = f"load {uuid4().hex[:12]}"
                tally, took = press(
                    target.server, target.campaigns, run_id, clients=options["clients"],
                    duration_s=options["duration"], rate=options["rate"],
                )  # fmt: skip
                good = self._show(tally, took, target.brand, run_id)
        if not good:
            sys.exit(1)

    def _show(self, tally: Tally, took: float, brand: Brand, run_id: str) -> bool:
        """The figures; whether all was answered and the books agree."""
        every = [one for times in tally.times.values() for one in times]
        rows = [(kind, *_speeds(times)) for kind, times in sorted(tally.times.items())]
        shown = grid(HEADINGS, [*rows, ("all", *_speeds(every))], right=range(1, len(HEADINGS)))
        for line in lines_of(shown, width_of(self.stdout)):
            self.stdout.write(line)
        self.stdout.write(f"{len(every) / took:,.1f} requests a second; {tally.refused} refused by a budget")
        if tally.throttled:
            self.stdout.write(f"{tally.throttled} times too many requests a minute for this token (429)")
        for kind, count in tally.errors.most_common():
            self.stdout.write(f"{mark(self.stdout, good=False)} {count} × {kind}")
        ledger = _recorded(brand, run_id, tally.settled)
        equal = tally.acknowledged <= ledger <= tally.acknowledged + tally.unsure
        acknowledged, kept = (f"{money.display_text(one, brand.currency)}" for one in (tally.acknowledged, ledger))
        unsure = f", {money.display_text(tally.unsure, brand.currency)} without an answer" if tally.unsure else ""
        self._verdict(equal, f"Acknowledged {acknowledged} {brand.currency}{unsure}; in the ledger {kept}")
        found = books.check(clock.now(), brand_id=brand.pk)
        agree = found.differences == 0
        self._verdict(agree, f"Books: {found.periods} totals compared, {found.differences} differences")
        counts = {"requests": len(every), "errors": tally.errors.total(), "differences": found.differences}
        self.stdout.write(f"INFO Load test completed: {counts}")
        return equal and agree and bool(every) and not tally.errors

    def _verdict(self, good: bool, text: str) -> None:
        self.stdout.write(f"{mark(self.stdout, good=good)} {text}")


class _Target(NamedTuple):
    """Who is loaded: a brand and some of its campaigns, by whose token."""

    server: Server
    brand: Brand
    campaigns: list[UUID]


@contextmanager
def _given(server: Server, options: dict[str, Any]) -> Iterator[_Target]:
    """The brand that was named, by the token that was given."""
    if not options["brand"] or not options["yes"]:
        raise Refused(
            "With a token the load is real spend: name the brand it is recorded for with --brand, and say --yes."
        )
    brand = find_brand(options["brand"])
    campaigns = list(Campaign.objects.current().filter(brand=brand).values_list("pk", flat=True)[:CAMPAIGNS])
    if not campaigns:
        raise Refused(f"“{brand}” has no campaign to record spend for.")
    yield _Target(server, brand, campaigns)


@contextmanager
def _made_for_it(server: Server, duration_s: float) -> Iterator[_Target]:
    """A brand and a token of the demo that last as long as the test: then one is archived, the other revoked."""
    if not settings.DEMO:
        raise Refused(f"Give a token with --token or {VARIABLE}: only demo mode makes one. See manage.py create_token.")
    ensure_login()
    now, who = clock.now(), actor()
    inputs = {"name": f"Load test {now:%Y-%m-%d %H:%M:%S}", "daily_budget": BUDGET, "monthly_budget": BUDGET}
    brand = services.create_brand(inputs, actor=who, now=now)
    token = None
    try:
        campaigns = [
            services.create_campaign(brand.pk, {"name": f"Load {number}"}, actor=who, now=now, rows=[]).pk
            for number in range(1, CAMPAIGNS + 1)
        ]
        token, text = issue(
            brand.name, User.objects.get(username=USERNAME), TokenScope.SPEND, [brand],
            expires_at=now + timedelta(seconds=duration_s) + EXTRA, requests_per_minute=1_000_000, actor=who, now=now,
        )  # fmt: skip
        yield _Target(server._replace(token=text), brand, campaigns)
    finally:
        if token is not None:
            revoke(token.pk, actor=who, now=clock.now())
        services.archive_brand(brand.pk, actor=who, now=clock.now(), reason="The load test is over.")


def _check_reach(target: _Target, url: str) -> None:
    """Refuse to begin unless the server takes the token and has the brand of this database."""
    status = _status(target.server, f"brands/{target.brand.pk}/", url)
    if status == 404:
        raise Refused(f"{url} does not know “{target.brand}”: it has another database, or the token may not see it.")
    if status != 200:
        raise Refused(f"{url} answers {status} to a read with this token. It needs the scope spend.")


def _status(server: Server, path: str, url: str) -> int:
    link = connect(server)
    try:
        return ask(server, link, "GET", path)[0]
    except (OSError, HTTPException) as error:
        raise Refused(f"Nothing answers at {url} ({error}). Start it: make run; or name another --url.") from error
    finally:
        link.close()


def _recorded(brand: Brand, run_id: str, settled: list[UUID]) -> Decimal:
    """What the ledger has of this run."""
    spends = Spend.objects.filter(brand=brand, voided_at=None)
    total = Decimal(0)
    for some in [Q(key__startswith=f"{run_id} "), *(Q(reservation__in=part) for part in chunks(settled, 500))]:
        total += spends.filter(some).aggregate(total=Sum("amount"))["total"] or 0
    return total


def _speeds(times: list[float]) -> list[str]:
    return [f"{len(times):,}", *(f"{percentile(times, share) * 1000:,.1f}" for share in (0.50, 0.95, 0.99))]
