"""Many processes at one channel's budget at once, on a real PostgreSQL."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection

from enforcement import pacing, reservations
from pacing.desk import Desk
from pacing.models import ChannelBudget
from spending.models import BudgetPeriod, Reservation, Spend
from tests.integration.processes import Crew, seconds
from tests.integration.test_races import NOON, brand_with
from tests.integration.test_reservation_races import asking, codes, everything_wrong, resolving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.xdist_group("processes"),
]
FREE = {"frontload_protection_hours": 0, "max_hourly_spend_pct": "1", "velocity_factor": "1440"}


@pytest.mark.fault(2)
def test_of_eight_processes_at_a_channels_1_000_none_gets_beyond(crew: Crew) -> None:
    _, [campaign] = brand_with(1, daily_budget="100000")
    given = {"daily_budget": "1000", "strategy": "even_distribution", "settings": FREE}
    pacing.set_channel_budget(campaign, "search", given, actor="Anna", now=NOON)

    answers = crew.work(*([asking([campaign], 25, amount="7")] * 8))

    told = codes(answers)
    print(f"200 tries of 7.00, {told['GRANTED']} granted of 142, {200 / seconds(answers):.0f}/s")
    assert told == {"GRANTED": 142, "PACING": 58}
    assert sum(Reservation.objects.values_list("amount", flat=True)) == 994
    assert max(BudgetPeriod.objects.values_list("reserved", flat=True)) == 994
    assert held(campaign) == (Decimal(0), Decimal(994))

    ids = list(Reservation.objects.order_by("pk").values_list("pk", flat=True))
    crew.work(
        resolving("settle", ids[:50], amount="5"),
        resolving("settle", ids[25:60], amount="5"),
        resolving("void", ids[60:100]),
        resolving("void", ids[80:120]),
        asking([campaign], 40, amount="7"),
        asking([campaign], 40, amount="7"),
    )

    spent, kept = held(campaign)
    pending = Reservation.objects.filter(status="PENDING").values_list("amount", flat=True)
    assert spent == sum(Spend.objects.values_list("amount", flat=True)) == 300
    assert kept == sum(pending)
    assert spent + kept <= 1000
    assert everything_wrong(NOON) == []


def test_money_moves_between_channels_while_others_reserve_and_the_sum_stays(crew: Crew) -> None:
    _, [campaign] = brand_with(1, daily_budget="100000")
    given = {"daily_budget": "100", "strategy": "even_distribution", "settings": FREE}
    for channel in ("search", "display"):
        pacing.set_channel_budget(campaign, channel, given, actor="Anna", now=NOON)
    for channel, revenue in (("search", "700"), ("display", "6")):
        held_by = reservations.reserve(uuid4(), campaign, Decimal(40), channel=channel, actor="Anna", now=NOON)
        assert held_by.reservation is not None
        reservations.settle(held_by.reservation.pk, Decimal(40 if channel == "search" else 5), actor="Anna", now=NOON)
        figures = {"clicks": 100, "revenue": revenue}
        pacing.report_performance(campaign, channel, NOON, figures, actor="Anna", now=NOON)
    later = NOON + timedelta(hours=7)
    proposal = pacing.propose_reallocation(campaign, actor="Anna", now=later)
    assert proposal is not None
    applied: list[object] = []

    def apply_once() -> None:
        if not applied:
            applied.append(pacing.apply_reallocation(proposal.pk, actor="Anna", now=later))

    answers = crew.work(*([asking([campaign], 15, amount="1", now=later, channel="search")] * 8), meanwhile=apply_once)

    assert applied
    today = {
        one.channel: Desk([campaign], later).pacer.budget(str(campaign), one.channel)
        for one in ChannelBudget.objects.all()
    }
    assert sum(today.values()) == 200
    assert codes(answers)["GRANTED"] <= today["search"] - 40
    assert everything_wrong(later) == []


def held(campaign: object) -> tuple[Decimal, Decimal]:
    """What the pacer counts as spent and as set aside."""
    state = Desk([campaign], NOON).pacer.store.load(str(campaign))  # type: ignore[list-item]
    assert state is not None
    meter = state.channels["search"].meter
    return Decimal(meter.spent) / 1_000_000, Decimal(meter.held) / 1_000_000
