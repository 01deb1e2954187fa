"""Reservations through the use cases: what is answered, what is written, and what becomes of them."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brands.models import AuditEntry
from budget_system import clock, health
from budget_system.errors import Conflict, NotFound, Refused
from budget_system.origin import coming_from
from campaigns.holds import Hold
from campaigns.models import Campaign, StateChange
from enforcement import books, reservations, services
from enforcement.decision import Code
from enforcement.reservations import Answer
from spending.models import BudgetPeriod, PeriodKind, Reservation, ReservationStatus, Spend, SpendRevision
from spending.reservations import resolve
from tasks import budget_tasks
from tests.factories import ACTOR, Story, window

pytestmark = pytest.mark.django_db

PENDING, SETTLED, VOIDED, EXPIRED = ReservationStatus


def reserve(story: Story, campaign: Campaign, amount: str, **more: Any) -> Answer:
    reservation_id = more.pop("id", None) or uuid4()
    return reservations.reserve(reservation_id, campaign.pk, Decimal(amount), actor=ACTOR, now=story.now, **more)


def granted(story: Story, campaign: Campaign, amount: str, **more: Any) -> Reservation:
    answer = reserve(story, campaign, amount, **more)
    assert answer.reservation is not None, answer.text
    return answer.reservation


def settle(story: Story, reservation: Reservation, amount: str) -> reservations.Settlement:
    return reservations.settle(reservation.pk, Decimal(amount), actor=ACTOR, now=story.now)


def void(story: Story, reservation: Reservation) -> Reservation:
    return reservations.void(reservation.pk, actor=ACTOR, now=story.now)


def set_aside(story: Story, campaign: Campaign) -> list[Decimal]:
    """Of the brand's day and month, and of the campaign's day, month and lifetime."""
    rows = {(period.scope_id, period.kind): period.reserved for period in BudgetPeriod.objects.exclude(reserved=0)}
    brand, its = story.brand.pk, campaign.pk
    return [rows.get(key, Decimal(0)) for key in ((brand, "D"), (brand, "M"), (its, "D"), (its, "M"), (its, "L"))]


def status(reservation: Reservation) -> str:
    return Reservation.objects.get(pk=reservation.pk).status


def balanced(story: Story) -> bool:
    return books.check(story.now).differences == 0


# --- Asking ----------------------------------------------------------------------------------------------------------


def test_a_grant_is_kept_with_all_that_was_said_and_counts_in_five_periods() -> None:
    story = Story()
    a = story.campaign()

    with coming_from("10.0.0.7, request 1"):
        answer = reserve(story, a, "12", channel="  search \n ads ", ttl=timedelta(minutes=2))

    assert answer.reservation is not None
    kept = Reservation.objects.get()
    for one in (kept, answer.reservation):
        assert (one.brand_id, one.campaign_id, one.amount) == (story.brand.pk, a.pk, 12)
        assert (one.channel, one.day, one.status) == ("search ads", date(2026, 5, 5), PENDING)
        assert (one.created_at, one.created_by, one.origin) == (story.now, ACTOR, "10.0.0.7, request 1")
        assert (one.expires_at, one.resolved_at) == (story.now + timedelta(minutes=2), None)
    assert set_aside(story, a) == [12] * 5
    assert not answer.replayed
    assert answer.currency == "EUR"
    assert answer.text == (
        "12.00 EUR set aside until Tue 12:02 Europe/Berlin; 88.00 EUR remain of the brand's daily budget of 100.00 EUR."
    )
    assert balanced(story)


def test_a_grant_takes_three_statements_beside_begin_and_commit() -> None:
    story = Story()
    a = story.campaign()
    reserve(story, a, "1")

    with CaptureQueriesContext(connection) as queries:
        reserve(story, a, "1")

    statements = [one["sql"] for one in queries.captured_queries if "SAVEPOINT" not in one["sql"]]
    assert len(statements) <= (3 if connection.vendor == "postgresql" else 4), statements


def test_set_aside_money_refuses_others_and_pauses_nobody() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    granted(story, a, "70")

    answer = reserve(story, b, "30.01")
    exactly = reserve(story, b, "30")

    assert answer.reservation is None
    assert answer.authorisation.code == Code.DAILY_BUDGET_INSUFFICIENT
    assert answer.text == (
        "30.01 EUR refused: 30.00 EUR remain of the brand's daily budget of 100.00 EUR (0.00 EUR spent,"
        " 70.00 EUR set aside)."
    )
    assert exactly.authorisation.remaining == 0
    assert [story.runs(a), story.runs(b)] == [True, True]
    assert set_aside(story, b) == [100, 100, 30, 30, 30]


def test_the_same_id_is_answered_with_what_was_granted_whatever_became_of_it() -> None:
    story = Story()
    a = story.campaign()
    first = granted(story, a, "100", channel="search")
    again = reserve(story, a, "100", id=first.pk, channel="search")
    settle(story, first, "40")
    services.archive_campaign(a.pk, actor=ACTOR, now=story.now)

    later = reserve(story, a, "100", id=first.pk, channel="search", ttl=timedelta(days=1))

    assert [again.replayed, later.replayed] == [True, True]
    assert [again.authorisation.granted, later.authorisation.granted] == [True, True]
    assert [again.authorisation.remaining, later.authorisation.remaining] == [0, 60_000_000]
    assert again.reservation == later.reservation == first
    assert later.reservation is not None
    assert later.reservation.status == SETTLED
    assert later.text.startswith("100.00 EUR had been granted before under this id (now: spent); 60.00 EUR remain")
    assert Reservation.objects.count() == 1
    assert balanced(story)


@pytest.mark.parametrize("other", [{"amount": "11"}, {"channel": "search"}, {"campaign": "B"}], ids=str)
def test_the_same_id_with_another_content_is_a_conflict(other: dict[str, str]) -> None:
    story = Story()
    a, b = story.campaigns("AB")
    first = granted(story, a, "10")
    campaign = b if "campaign" in other else a

    with pytest.raises(Conflict) as refused:
        reserve(story, campaign, other.get("amount", "10"), id=first.pk, channel=other.get("channel", ""))

    assert refused.value.field == "id"
    assert set_aside(story, a) == [10] * 5
    assert balanced(story)


def test_an_id_of_another_brand_is_a_conflict_and_moves_nothing() -> None:
    story, other = Story(), Story(name="Bravo")
    first = granted(story, story.campaign(), "10")
    its = other.campaign()

    with pytest.raises(Conflict):
        reserve(other, its, "10", id=first.pk)

    assert set_aside(other, its) == [0] * 5
    assert balanced(story)


def test_a_refusal_is_not_kept_and_the_same_id_may_be_asked_again() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "95")
    reservation_id = uuid4()

    refused = reserve(story, a, "10", id=reservation_id)
    story.change_brand(daily_budget="200")
    answer = reserve(story, a, "10", id=reservation_id)

    assert refused.reservation is None
    assert answer.reservation is not None
    assert not answer.replayed


@pytest.mark.parametrize(
    ("amount", "more", "field"),
    [
        ("0", {}, "amount"),
        ("-1", {}, "amount"),
        ("NaN", {}, "amount"),
        ("1e400", {}, "amount"),
        ("0.0000001", {}, "amount"),
        ("1", {"ttl": timedelta(0)}, "ttl"),
        ("1", {"ttl": timedelta(days=-1)}, "ttl"),
        ("1", {"ttl": timedelta(milliseconds=999)}, "ttl"),
        ("1", {"ttl": timedelta(days=7, microseconds=1)}, "ttl"),
        ("1", {"channel": "x" * 41}, "channel"),
        ("1", {"channel": "a\x00b"}, "channel"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(amount: str, more: dict[str, Any], field: str) -> None:
    story = Story()
    a = story.campaign()

    with pytest.raises(Refused) as refused:
        reserve(story, a, amount, **more)

    assert refused.value.field == field
    assert Reservation.objects.count() == 0


def test_what_is_unknown_or_archived_is_told_so() -> None:
    story = Story()
    a = story.campaign()
    services.archive_brand(story.brand.pk, actor=ACTOR, now=story.now)

    with pytest.raises(Conflict, match="“A” is archived"):
        reserve(story, a, "1")
    with pytest.raises(Conflict, match="“A” is archived"):
        reservations.can_spend(a.pk, Decimal(1), story.now)
    with pytest.raises(NotFound) as unknown:
        reservations.reserve(uuid4(), uuid4(), Decimal(1), actor=ACTOR, now=story.now)
    assert unknown.value.field == "campaign"
    with pytest.raises(NotFound):
        reservations.can_spend(uuid4(), Decimal(1), story.now)
    with pytest.raises(NotFound) as nothing:
        reservations.get(uuid4())
    assert nothing.value.field == "reservation"


@pytest.mark.fault(43)
def test_more_than_can_be_kept_is_never_set_aside() -> None:
    story = Story(daily_budget="", monthly_budget="")
    a = story.campaign()
    for _ in range(4):
        granted(story, a, "1000000000000")

    with pytest.raises(Refused, match="larger than can be kept"):
        reserve(story, a, "0.000001")

    assert set_aside(story, a) == [4_000_000_000_000] * 5
    assert balanced(story)


@pytest.mark.parametrize(
    ("held", "text"),
    [
        ("paused", "refused: paused by hand."),
        ("stopped", "refused: emergency stop of the brand."),
        ("closed", "refused: outside schedule."),
        ("used up", "the brand's daily budget of 100.00 EUR is used up (100.00 EUR spent, 0.00 EUR set aside)."),
    ],
)
def test_a_campaign_that_is_held_is_refused_with_the_reason(held: str, text: str) -> None:
    story = Story()
    a = story.campaign(rows=[window(6, "09:00", "10:00")] if held == "closed" else None)
    if held == "paused":
        story.pause(a)
    elif held == "stopped":
        services.emergency_stop_brand(story.brand.pk, reason="Wrong page", actor=ACTOR, now=story.now)
    elif held == "used up":
        story.spend(a, "100")

    answer = reserve(story, a, "1")

    assert answer.reservation is None
    assert answer.authorisation.hold is story.holds(a)[0]
    assert answer.text.endswith(text)
    assert answer.authorisation.remaining == (0 if held == "used up" else 100_000_000)


def test_an_override_lets_a_campaign_reserve_as_far_as_its_own_money() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    story.spend(a, "105")
    story.override(a, Hold.DAILY_BUDGET_EXCEEDED, extra="30")
    granted(story, a, "20")

    beyond, within, other = reserve(story, a, "10.01"), reserve(story, a, "10"), reserve(story, b, "0.01")

    assert beyond.authorisation.code == Code.OVERRIDE_INSUFFICIENT
    assert "10.00 EUR remain of the campaign's override with extra money of 30.00 EUR" in beyond.text
    assert within.authorisation.remaining == 0
    assert other.authorisation.hold is Hold.DAILY_BUDGET_EXCEEDED


def test_advice_answers_as_reserve_would_and_changes_nothing() -> None:
    story = Story()
    a = story.campaign()
    granted(story, a, "60")

    fits = reservations.can_spend(a.pk, Decimal(40), story.now)
    does_not = reservations.can_spend(a.pk, Decimal("40.01"), story.now)

    assert (fits.authorisation.granted, fits.authorisation.remaining, fits.reservation) == (True, 0, None)
    assert fits.text == (
        "40.00 EUR could be set aside now; after that 0.00 EUR remain of the brand's daily budget of 100.00 EUR."
    )
    assert does_not.authorisation.code == Code.DAILY_BUDGET_INSUFFICIENT
    assert set_aside(story, a) == [60] * 5
    assert reservations.can_spend(story.campaign("B").pk, Decimal(1), story.now + timedelta(days=1)).text.startswith(
        "1"
    )


def test_the_first_reservation_of_a_day_records_the_turn_and_starts_what_midnight_starts() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    story.spend(a, "100")
    story.clock("2026-05-06 00:00")

    answer = reserve(story, a, "100")

    assert answer.authorisation.granted
    assert [story.runs(a), story.runs(b)] == [True, True]
    assert BudgetPeriod.objects.of_brands().get(kind="D", starts_on="2026-05-06").turned_at == story.now
    assert StateChange.objects.filter(cause="time passed").count() == 2


# --- Settling and giving back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spent", ["12", "7.5", "20"], ids=["as much", "less", "more"])
def test_settling_records_what_was_spent_and_releases_what_was_set_aside(spent: str) -> None:
    story = Story()
    a = story.campaign()
    one, other = granted(story, a, "12", channel="search"), granted(story, a, "5")

    settled = settle(story, one, spent)

    spend = Spend.objects.get()
    assert (spend.amount, spend.source, spend.key) == (Decimal(spent), "reservation", str(one.pk))
    assert (spend.spend_date, spend.description) == (date(2026, 5, 5), "Reserved for search")
    kept = settled.reservation
    assert (kept.status, kept.settled_amount, kept.spend_id) == (SETTLED, Decimal(spent), spend.pk)
    assert Reservation.objects.filter(pk=one.pk, status=SETTLED, spend=spend, resolved_at=story.now).exists()
    assert settled.verdict is not None
    assert settled.verdict.runs
    assert set_aside(story, a) == [5] * 5
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-05") == Decimal(spent)
    assert status(other) == PENDING
    assert balanced(story)


@pytest.mark.fault(40)
def test_settling_more_than_the_budget_is_recorded_and_pauses_the_brand_in_the_same_transaction() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    one = granted(story, a, "90")

    settled = settle(story, one, "130")

    assert settled.verdict is not None
    assert settled.verdict.holds == (Hold.DAILY_BUDGET_EXCEEDED,)
    assert [story.runs(a), story.runs(b)] == [False, False]


def test_settling_again_with_the_same_amount_is_the_same_and_with_another_a_conflict() -> None:
    story = Story()
    a = story.campaign()
    one = granted(story, a, "10")
    first = settle(story, one, "9.50")

    again = settle(story, one, "9.5")
    with pytest.raises(Conflict, match=r"settled with 9\.50 EUR.*amend its spend"):
        settle(story, one, "9.51")

    assert (first.replayed, again.replayed) == (False, True)
    assert again.reservation.spend_id == first.reservation.spend_id
    assert again.verdict == first.verdict
    assert Spend.objects.count() == 1
    assert balanced(story)


@pytest.mark.parametrize("amount", ["0", "-1", "Infinity"])
def test_settling_with_no_amount_says_to_void_it(amount: str) -> None:
    story = Story()
    one = granted(story, story.campaign(), "10")

    with pytest.raises(Refused) as refused:
        settle(story, one, amount)

    assert refused.value.field == "amount"
    assert status(one) == PENDING


def test_giving_back_releases_once_and_keeps_who_did_it() -> None:
    story = Story()
    a = story.campaign()
    one = granted(story, a, "10")

    first, again = void(story, one), void(story, one)

    assert [first.status, again.status] == [VOIDED, VOIDED]
    assert set_aside(story, a) == [0] * 5
    [entry] = AuditEntry.objects.filter(action="void reservation")
    assert (entry.object_id, entry.actor, entry.before) == (one.pk, ACTOR, {"amount": "10.00"})
    with pytest.raises(Conflict, match="post the spend itself"):
        settle(story, one, "10")
    assert balanced(story)


def test_what_is_settled_cannot_be_given_back() -> None:
    story = Story()
    one = granted(story, story.campaign(), "10")
    settle(story, one, "10")

    with pytest.raises(Conflict, match="void its spend"):
        void(story, one)

    assert status(one) == SETTLED


def test_a_reservation_made_before_midnight_is_spent_on_its_own_day() -> None:
    story = Story("2026-05-31 23:59")
    a = story.campaign()
    one = granted(story, a, "30")
    story.clock("2026-06-01 00:01")

    before = reserve(story, a, "100")
    settle(story, one, "30")

    assert before.authorisation.granted, "yesterday's reservation does not count today"
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-31") == 30
    assert story.total(story.brand, PeriodKind.MONTH, "2026-06-01") == 0
    assert balanced(story)


def test_a_brand_that_moved_two_dates_back_can_still_settle() -> None:
    story = Story(timezone="Pacific/Kiritimati")
    story.now = datetime(2026, 3, 10, 10, 30, tzinfo=UTC)  # the 11th in Kiritimati, the 9th in Pago Pago
    a = story.campaign()
    one = granted(story, a, "30")
    services.change_brand(story.brand.pk, {"timezone": "Pacific/Pago_Pago"}, actor=ACTOR, now=story.now)

    settle(story, one, "30")

    assert Spend.objects.get().spend_date == date(2026, 3, 11)
    assert balanced(story)


# --- Expiry ----------------------------------------------------------------------------------------------------------


def test_what_nobody_settles_expires_and_its_money_comes_back() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    one, other = granted(story, a, "60", ttl=timedelta(minutes=1)), granted(story, b, "40")

    early = reservations.expire_due(story.now + timedelta(seconds=59))
    due = reservations.expire_due(story.now + timedelta(minutes=1))
    again = reservations.expire_due(story.now + timedelta(minutes=1))

    assert (early, due, again) == (0, 1, 0)
    assert [status(one), status(other)] == [EXPIRED, PENDING]
    assert set_aside(story, a) == [40, 40, 0, 0, 0]
    assert balanced(story)


def test_settling_an_expired_reservation_is_recorded_and_releases_nothing_again() -> None:
    story = Story()
    a = story.campaign()
    one, other = granted(story, a, "60", ttl=timedelta(minutes=1)), granted(story, a, "40", ttl=timedelta(days=2))
    story.clock("2026-05-05 13:00")
    reservations.expire_due(story.now)

    settled = settle(story, one, "60")

    assert settled.reservation.status == SETTLED
    assert set_aside(story, a) == [40] * 5
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-05") == 60
    assert status(other) == PENDING
    assert balanced(story)


def test_giving_back_what_has_expired_changes_nothing() -> None:
    story = Story()
    a = story.campaign()
    one = granted(story, a, "60", ttl=timedelta(minutes=1))
    reservations.expire_due(story.now + timedelta(minutes=1))

    assert void(story, one).status == EXPIRED
    assert set_aside(story, a) == [0] * 5


def test_what_has_expired_refuses_nobody_even_without_a_worker() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    one = granted(story, a, "60", ttl=timedelta(minutes=1))
    story.clock("2026-05-05 12:01")

    fits = reserve(story, b, "40")
    still_pending = status(one)
    needs_it = reserve(story, b, "60")

    assert (fits.authorisation.granted, still_pending) == (True, PENDING)
    assert needs_it.authorisation.granted
    assert status(one) == EXPIRED
    assert balanced(story)


def test_a_brand_whose_reservations_cannot_expire_does_not_keep_the_others_waiting() -> None:
    story, broken = Story(), Story(name="Bravo")
    one, wrong = granted(story, story.campaign(), "5"), granted(broken, broken.campaign(), "5")
    BudgetPeriod.objects.filter(scope_id=broken.brand.pk, kind="D").update(reserved=0)  # behind the system's back
    BudgetPeriod.objects.filter(scope_id=broken.brand.pk, kind="M").update(reserved=0)
    later = story.now + timedelta(hours=1)

    expired = reservations.expire_due(later)
    overdue = health._reservations(later)
    books.rebuild(books.check(later), actor=ACTOR, now=later)
    after_rebuild = reservations.expire_due(later)

    assert (expired, status(one)) == (1, EXPIRED)
    assert overdue == {"status": "degraded", "oldest_overdue_s": 3_000}
    assert (after_rebuild, status(wrong)) == (1, EXPIRED)
    assert health._reservations(later) == {"status": "healthy", "oldest_overdue_s": 0}
    assert books.check(later).differences == 0


def test_many_expire_in_several_transactions() -> None:
    story = Story()
    a = story.campaign()
    for _ in range(7):
        granted(story, a, "1")

    assert reservations.expire_due(story.now + timedelta(hours=1), limit=3) == 7
    assert set_aside(story, a) == [0] * 5


def test_the_task_and_the_command_let_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    a = story.campaign()
    monkeypatch.setattr(clock, "now", lambda: story.now + timedelta(minutes=30))
    granted(story, a, "1")
    by_task = budget_tasks.expire_reservations_task()
    granted(story, a, "1")
    shown = io.StringIO()

    call_command("expire_reservations", stdout=shown)

    assert by_task == {"expired": 1}
    assert shown.getvalue() == "INFO Reservations expired: {'expired': 1}\n"
    assert budget_tasks.expire_reservations_task.name == "tasks.budget_tasks.expire_reservations_task"


# --- Beside everything else ------------------------------------------------------------------------------------------


def test_archiving_leaves_reservations_alone_and_they_settle_or_expire() -> None:
    story = Story()
    a, b = story.campaigns("AB")
    one, other = granted(story, a, "10"), granted(story, b, "20")
    services.archive_brand(story.brand.pk, actor=ACTOR, now=story.now)

    settled = settle(story, one, "10")
    expired = reservations.expire_due(story.now + timedelta(hours=1))

    assert (settled.verdict, expired) == (None, 1)
    assert [status(one), status(other)] == [SETTLED, EXPIRED]
    assert balanced(story)


def test_a_forced_reset_forgives_what_was_spent_and_not_what_is_set_aside() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "50")
    one = granted(story, a, "30")

    services.force_reset(story.brand.pk, [PeriodKind.DAY], reason="Agreed", actor=ACTOR, now=story.now)

    assert reserve(story, a, "70.01").authorisation.remaining == 70_000_000
    settle(story, one, "30")
    assert reserve(story, a, "70").authorisation.remaining == 0
    assert balanced(story)


@pytest.mark.fault(5)
def test_a_budget_cut_below_what_is_set_aside_keeps_it_and_grants_nothing_more() -> None:
    story = Story()
    a = story.campaign()
    granted(story, a, "60")

    story.change_brand(daily_budget="50")
    answer = reserve(story, a, "0.01")

    assert (answer.authorisation.code, answer.authorisation.remaining) == (Code.DAILY_BUDGET_INSUFFICIENT, 0)
    assert story.runs(a)
    assert set_aside(story, a) == [60] * 5


def test_explain_says_what_is_set_aside() -> None:
    story = Story(monthly_budget="")
    a = story.campaign()
    before = story.explain(a).sentences
    granted(story, a, "12")

    after = story.explain(a).sentences

    assert before == ()
    assert after == ("12.00 EUR of the brand's day are set aside and not settled yet",)


def test_a_voided_spend_can_be_restored_and_counts_again() -> None:
    story = Story()
    a = story.campaign()
    spend = story.spend(a, "100")
    services.void_spend(spend.pk, reason="Twice", actor=ACTOR, now=story.now)
    while_void = story.runs(a)

    change = services.restore_spend(spend.pk, reason="Not twice", actor=ACTOR, now=story.now)
    again = services.restore_spend(spend.pk, reason="Not twice", actor=ACTOR, now=story.now)

    assert while_void
    assert change.verdict is not None
    assert change.verdict.holds == (Hold.DAILY_BUDGET_EXCEEDED,)
    assert (change.spend.voided_at, change.spend.version, again.spend.version) == (None, 3, 3)
    [revision] = SpendRevision.objects.filter(version=2)
    assert (revision.voided_at, revision.reason, revision.replaced_by) == (story.now, "Not twice", ACTOR)
    [entry] = AuditEntry.objects.filter(action="restore spend")
    assert (entry.before, entry.after) == ({"amount": None}, {"amount": "100.00"})
    with pytest.raises(Conflict):
        services.restore_spend(spend.pk, reason="Late", actor=ACTOR, now=story.now, expected_version=2)
    assert balanced(story)


def test_a_restored_spend_of_a_settled_reservation_leaves_the_reservation_as_it_was() -> None:
    story = Story()
    one = granted(story, story.campaign(), "10")
    settled = settle(story, one, "10")
    spend_id: UUID | None = settled.reservation.spend_id
    assert spend_id is not None

    services.void_spend(spend_id, reason="Refunded", actor=ACTOR, now=story.now)
    replay = settle(story, one, "10")
    services.restore_spend(spend_id, reason="Charged after all", actor=ACTOR, now=story.now)

    assert (replay.replayed, status(one)) == (True, SETTLED)
    assert story.total(story.brand, PeriodKind.DAY, "2026-05-05") == 10
    assert balanced(story)


@pytest.mark.fault(9)
def test_what_was_resolved_meanwhile_is_not_resolved_again() -> None:
    story = Story()
    a = story.campaign("A")
    seen_before = granted(story, a, "10")
    void(story, seen_before)

    with pytest.raises(RuntimeError, match="0 of 1"):
        resolve([seen_before], EXPIRED, now=story.now)

    assert status(seen_before) == VOIDED
    assert set_aside(story, a) == [0] * 5
