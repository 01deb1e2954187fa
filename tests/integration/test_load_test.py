"""`load_test`: real requests to a real server on this machine, and books that agree."""

import io
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from access.models import ApiToken
from brands.models import Brand
from budget_system import money
from budget_system.errors import Refused
from enforcement.management.load import Tally, percentile, server_of
from spending.models import Spend
from tests.factories import Story

pytestmark = pytest.mark.slow


def run(*arguments: str) -> str:
    out = io.StringIO()
    try:
        call_command("load_test", *arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        out.write(f"exit code {ended.code}")
    return out.getvalue()


@pytest.mark.slow
def test_what_is_acknowledged_is_in_the_ledger_and_nothing_stays_open(
    live_server: LiveServer, settings: Settings
) -> None:
    settings.DEMO = True

    said = run("--url", live_server.url, "--clients", "2", "--duration", "2")

    assert "✗" not in said
    assert "exit code" not in said
    total = sum(Spend.objects.values_list("amount", flat=True), Decimal(0))
    assert total > 0
    shown = money.display_text(total, "USD")
    assert f"✓ Acknowledged {shown} USD; in the ledger {shown}" in said
    brand = Brand.objects.get()
    assert brand.archived_at is not None
    assert ApiToken.objects.get().revoked_at is not None


@pytest.mark.slow
def test_with_a_token_of_no_use_nothing_is_recorded(live_server: LiveServer) -> None:
    Story().campaign()

    with pytest.raises(CommandError, match="answers 401 to a read with this token"):
        run("--url", live_server.url, "--token", "bs_nothing", "--brand", "Acme", "--yes")
    assert not Spend.objects.exists()


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "http://10.0.0.1:8000", "https://127.0.0.1", "ftp://localhost", "http://127.0.0.1.example.com",
     "x", "http://0x7f000001", "http://localhost:99999999"],
)  # fmt: skip
def test_only_this_machines_loopback_address_is_loaded(url: str) -> None:
    with pytest.raises(Refused, match="is not on this machine"):
        server_of(url, "")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:1/", "http://[::1]:8000", "http://127.1.2.3"]
)
def test_loopback_addresses_are_taken(url: str) -> None:
    assert server_of(url, "t").token == "t"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clients", "33"], "--clients is more than 0 and at most 32"),
        (["--duration", "301"], "--duration is more than 0 and at most 300"),
        (["--url", "http://127.0.0.1:9"], "Nothing answers at http://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_done_is_one_line(db: None, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(*arguments)
    assert not Brand.objects.exists()


def test_percentiles_are_answers_that_were_given() -> None:
    times = [float(number) for number in range(1, 101)]
    assert [percentile(times, share) for share in (0.5, 0.95, 0.99)] == [51, 96, 100]
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) == 0


def test_tallies_of_clients_add_up() -> None:
    one, two = Tally(), Tally()
    for tally in (one, two):
        tally.times["spend"].append(1.0)
        tally.errors["spend: HTTP 503"] += 1
        tally.acknowledged += Decimal("0.10")
    whole = Tally()
    whole.include(one)
    whole.include(two)

    assert whole.times == {"spend": [1.0, 1.0]}
    assert whole.errors.total() == 2
    assert whole.acknowledged == Decimal("0.20")
