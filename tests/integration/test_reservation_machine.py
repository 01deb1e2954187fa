"""Reservations among all that people, reports and time can do, beside the naive model of the ledger's machine."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from brands import services as brands
from budget_system.errors import Conflict
from enforcement import reservations, services
from enforcement.decision import Facts
from enforcement.snapshots import Snapshot, gather, gather_one, of_campaigns
from spending import books
from spending.models import BudgetPeriod, Reservation
from tests.integration.test_ledger_machine import (
    EPOCH,
    MOVES,
    STARTS,
    WEEKS,
    ZONES,
    CampaignModel,
    LedgerMachine,
    SpendModel,
    exact,
    is_refused,
    micros_of,
    which,
)

AMOUNTS = [1, 10_000, 10_000_000, 20_000_000, 49_990_000, 50_000_000, 100_000_000]
TTLS_S = [1, 60, 600, 7 * 86_400]
amounts = st.sampled_from(AMOUNTS)
Limit = tuple[int, int, int]
"""A budget, what counts against it and what is set aside of it."""


@dataclass
class ReservationModel:
    id: UUID
    campaign: CampaignModel
    amount: int
    channel: str
    day: date
    expires: datetime
    status: str = "PENDING"
    settled: int | None = None

    @property
    def key(self) -> str:
        return str(self.id)


class ReservationMachine(LedgerMachine):
    """`reserved` lists every reservation that was granted."""

    def __init__(self) -> None:
        super().__init__()
        self.reserved: list[ReservationModel] = []

    def one(self, index: int) -> ReservationModel | None:
        return self.reserved[-1 - index % len(self.reserved)] if self.reserved else None

    # What should be

    def set_aside(self, scope: UUID, kind: str, starts_on: date) -> int:
        total = 0
        for one in self.reserved:
            counted = one.status == "PENDING" and scope in (one.campaign.id, one.campaign.brand.id)
            if kind == "D":
                counted = counted and one.day == starts_on
            elif kind == "M":
                counted = counted and one.day.replace(day=1) == starts_on
            total += one.amount * counted
        return total

    def limits(self, campaign: CampaignModel) -> list[Limit]:
        """All that limits the campaign now, the longest period first."""
        brand, today = campaign.brand, campaign.brand.day(self.now)
        month, spent = today.replace(day=1), self.model.posted(campaign.id, "L", EPOCH)
        override = campaign.override
        stands = override if override is not None and override.stands(self.now, spent) else None
        found: list[Limit] = []
        for name, budget, scope, kind, starts_on in (
            ("LIFETIME", campaign.lifetime, campaign.id, "L", EPOCH),
            ("MONTHLY", brand.monthly, brand.id, "M", month),
            ("MONTHLY", campaign.monthly, campaign.id, "M", month),
            ("DAILY", brand.daily, brand.id, "D", today),
            ("DAILY", campaign.daily, campaign.id, "D", today),
        ):
            if budget is not None and (stands is None or f"{name}_BUDGET_EXCEEDED" not in stands.lifts):
                used = spent if kind == "L" else self.model.used(scope, kind, starts_on)
                found.append((budget, used, self.set_aside(scope, kind, starts_on)))
        if stands is not None and stands.extra is not None:
            found.append((stands.extra, spent - stands.spent_before, self.set_aside(campaign.id, "L", EPOCH)))
        return found

    def room(self, campaign: CampaignModel) -> tuple[int | None, int]:
        """What may still be set aside (None: no limit), and what is set aside of the budget that leaves the least."""
        limits = [(limit - used - aside, aside) for limit, used, aside in self.limits(campaign)]
        return min(limits, key=lambda pair: pair[0]) if limits else (None, 0)

    # What may happen

    @rule(who=which, micros=amounts, ttl_s=st.sampled_from(TTLS_S), channel=st.sampled_from(["", "search"]))
    def reserve(self, who: int, micros: int, ttl_s: int, channel: str) -> None:
        campaign = self.campaign(who)

        def ask() -> reservations.Answer:
            return reservations.reserve(
                uuid4(), campaign.id, exact(micros), channel=channel, ttl=timedelta(seconds=ttl_s), **self.asking
            )

        if campaign.archived_at is not None:
            assert is_refused(ask)
            return
        advice = reservations.can_spend(campaign.id, exact(micros), self.now).authorisation
        room, aside = self.room(campaign)
        holds = self.model.holds(campaign, self.now)
        assert advice.granted == (not holds and (room is None or micros <= room))
        if not holds and room is not None and micros > room and aside:
            self.expire_in_model(campaign.brand.id)
            room, _ = self.room(campaign)

        answer = ask()

        decided = answer.authorisation
        assert decided.granted == (answer.reservation is not None) == (not holds and (room is None or micros <= room))
        if answer.reservation is None:
            assert decided.hold == (holds[0] if holds else None)
            return
        assert decided.remaining == (None if room is None else room - micros)
        day = campaign.brand.day(self.now)
        expires = self.now + timedelta(seconds=ttl_s)
        self.reserved.append(ReservationModel(answer.reservation.pk, campaign, micros, channel, day, expires))
        for limit, used, aside in self.limits(campaign):
            assert used + aside <= limit, "never above a budget at the moment of the grant"

    @rule(who=which, other=st.booleans())
    def reserve_again(self, who: int, other: bool) -> None:
        if (one := self.one(who)) is None:
            return
        amount = exact(one.amount + other)

        def ask() -> reservations.Answer:
            return reservations.reserve(one.id, one.campaign.id, amount, channel=one.channel, **self.asking)

        if other:
            assert is_refused(ask)
            self.see_what_expired(one.campaign.brand.id)
            return
        answer = ask()
        assert answer.replayed
        assert answer.authorisation.granted
        assert answer.reservation is not None
        self.see_what_expired(one.campaign.brand.id)
        assert answer.reservation.status == one.status

    def see_what_expired(self, brand: UUID) -> None:
        """A request that is refused lets expire what is due of its brand: all of it or nothing."""
        due = [one for one in self.reserved if self.is_due(one) and one.campaign.brand.id == brand]
        statuses = set(Reservation.objects.filter(pk__in=[one.id for one in due]).values_list("status", flat=True))
        assert statuses in (set(), {"PENDING"}, {"EXPIRED"})
        for one in due:
            one.status = statuses.copy().pop()

    @rule(who=which, part=st.sampled_from([1, 2, 2, 3]))
    def settle(self, who: int, part: int) -> None:
        """Half of it, all of it, or half as much again, whenever it comes."""
        if (one := self.one(who)) is None:
            return
        amount = max(one.amount * part // 2, 1)

        def ask() -> reservations.Settlement:
            return reservations.settle(one.id, exact(amount), **self.asking)

        if one.status == "VOIDED" or (one.status == "SETTLED" and one.settled != amount):
            assert is_refused(ask)
            return
        done = ask()
        assert done.replayed == (one.status == "SETTLED")
        assert (done.verdict is None) == (one.campaign.archived_at is not None)
        assert done.reservation.spend_id is not None
        if not done.replayed:
            one.status, one.settled = "SETTLED", amount
            content = (one.campaign.id, amount, one.day, "DAILY")
            text = f"Reserved for {one.channel}" if one.channel else ""
            self.model.spends.append(
                SpendModel(
                    done.reservation.spend_id, one.campaign, amount, one.day, "DAILY", "reservation", one.key,
                    (*content, text),
                )
            )  # fmt: skip

    @rule(who=which)
    def give_back(self, who: int) -> None:
        if (one := self.one(who)) is None:
            return
        if one.status == "SETTLED":
            with pytest.raises(Conflict):
                reservations.void(one.id, **self.asking)
            return
        one.status = "VOIDED" if one.status == "PENDING" else one.status
        assert reservations.void(one.id, **self.asking).status == one.status

    def is_due(self, one: ReservationModel) -> bool:
        return one.status == "PENDING" and one.expires <= self.now

    def expire_in_model(self, brand: UUID | None = None) -> int:
        due = [one for one in self.reserved if self.is_due(one) and brand in (None, one.campaign.brand.id)]
        for one in due:
            one.status = "EXPIRED"
        return len(due)

    @rule(limit=st.sampled_from([1, 1_000]))
    def expire(self, limit: int) -> None:
        assert reservations.expire_due(self.now, limit) == self.expire_in_model()

    @rule(who=which)
    def restore(self, who: int) -> None:
        if self.model.spends:
            spend = self.model.spends[-1 - who % len(self.model.spends)]
            services.restore_spend(spend.id, reason="Not twice", **self.asking)
            spend.voided = False
            self.model.forgive_no_more_than_posted()

    # What must hold after each step

    @invariant()
    def what_is_set_aside_is_the_sum_of_what_waits(self) -> None:
        stored = {
            row.pk: (row.campaign_id, micros_of(row.amount), row.day, row.status, micros_of(row.settled_amount))
            for row in Reservation.objects.all()
        }
        assert stored == {r.id: (r.campaign.id, r.amount, r.day, r.status, r.settled) for r in self.reserved}
        for period in BudgetPeriod.objects.all():
            aside = self.set_aside(period.scope_id, period.kind, period.starts_on)
            assert micros_of(period.reserved) == aside, period
        ids = sorted(brand.id for brand in self.model.brands)
        if ids:
            assert books.wrong_reserved(books.Brands(ids[0], ids[-1])) == []
            assert books.wrong_totals(books.Brands(ids[0], ids[-1])) == []

    @invariant()
    def both_ways_to_gather_give_the_same_facts(self) -> None:
        for brand in brands.read_all():
            its = [c for c in self.model.campaigns if c.brand.id == brand.id and c.archived_at is None]
            for campaign in its:
                [of_many] = gather(of_campaigns([campaign.id], [brand.id]), [brand.timezone], self.now)
                one = gather_one(campaign.id, brand, self.now)
                assert one is not None
                assert isinstance(one.campaign, Snapshot)
                assert isinstance(of_many, Snapshot)
                assert one.campaign._replace(facts=without_reserved(one.campaign.facts)) == of_many

    def agree(self) -> None:
        super().agree()
        self.what_is_set_aside_is_the_sum_of_what_waits()


def without_reserved(facts: Facts) -> Facts:
    override = facts.override and facts.override._replace(reserved=0)
    return facts._replace(budgets=tuple(budget._replace(reserved=0) for budget in facts.budgets), override=override)


def play(**chosen: Any) -> None:
    run_state_machine_as_test(
        ReservationMachine,
        settings=settings(
            deadline=None, suppress_health_check=list(HealthCheck), database=None, print_blob=True, **chosen
        ),
    )


@pytest.mark.slow
@pytest.mark.django_db
def test_whatever_happens_nothing_is_granted_beyond_a_budget_and_the_books_agree() -> None:
    """The same sequences in each run."""
    play(max_examples=10, stateful_step_count=25, derandomize=True, phases=(Phase.explicit, Phase.generate))


@pytest.mark.faults
@pytest.mark.timeout(1_800)
@pytest.mark.django_db
def test_a_hundred_other_sequences_grant_nothing_beyond_a_budget() -> None:
    """Other ones in each run, and the shortest that fails."""
    play(max_examples=100, stateful_step_count=60)


OWN_MOVES: list[tuple[int, Callable[[ReservationMachine, int, Random], object]]] = [
    (14, lambda play, who, dice: play.reserve(who, dice.choice(AMOUNTS), dice.choice(TTLS_S), dice.choice(["", "x"]))),
    (3, lambda play, who, dice: play.reserve_again(who, dice.random() < 0.4)),
    (7, lambda play, who, dice: play.settle(who, dice.choice([1, 2, 2, 3]))),
    (3, lambda play, who, dice: play.give_back(who)),
    (4, lambda play, who, dice: play.expire(dice.choice([1, 1_000]))),
    (1, lambda play, who, dice: play.restore(who)),
]


def walk(number: int, steps: int) -> list[ReservationModel]:
    """A walk at random that is the same each time, with as many steps of reservations as of anything else."""
    dice = Random(number)
    machine = ReservationMachine()
    try:
        weeks = tuple(dice.choice([0, 1, 1, dice.randrange(len(WEEKS))]) for _ in range(3))
        machine.begin(dice.choice(STARTS), (dice.choice(ZONES), dice.choice(ZONES)), (weeks[0], weeks[1], weeks[2]))
        for _ in range(steps):
            moves: list[Any] = [*MOVES] if dice.random() < 0.5 else [*OWN_MOVES]
            [(_, move)] = dice.choices(moves, [weight for weight, _ in moves])
            move(machine, dice.randrange(8), dice)
            machine.agree()
    finally:
        machine.teardown()
    return machine.reserved


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1, *(pytest.param(number, marks=pytest.mark.slow) for number in range(2, 8))])
def test_a_walk_at_random_ends_in_the_same_agreement(number: int) -> None:
    walk(number, 40)


@pytest.mark.faults
@pytest.mark.django_db
@pytest.mark.parametrize("number", range(2_000, 2_100))
def test_a_long_walk_at_random_ends_in_the_same_agreement(number: int) -> None:
    walk(number, 100)


@pytest.mark.slow
@pytest.mark.django_db
def test_the_walks_pass_through_everything_that_may_become_of_a_reservation() -> None:
    statuses = {one.status for number in range(100, 104) for one in walk(number, 60)}

    assert statuses == {"PENDING", "SETTLED", "VOIDED", "EXPIRED"}
