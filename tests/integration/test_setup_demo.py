"""setup_demo: the login of demo mode, and sample data that is made like live work."""

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F
from django.test import TestCase
from pytest_django import Settings

from brands.models import Brand
from budget_system import clock, money
from budget_system.errors import Refused
from campaigns.holds import Hold
from campaigns.models import Campaign, Override, StateChange
from enforcement import jobs, runs
from enforcement.demo.catalogue import BRANDS
from enforcement.demo.plan import Role
from enforcement.demo.sample import Done, Wish, set_up
from enforcement.models import Run
from enforcement.sweeps import Progress, enforce_all
from pacing.models import AlertKind, PaceAlert, PacedCampaign, Reallocation, ReallocationState
from pacing.queries import paces, plans
from spending.models import BudgetPeriod, PeriodKind, Spend, SpendRevision, SpendType

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 9, 13, 20, 31, tzinfo=UTC)
LARGE, SMALL = Wish(seed=1, days=12, brands=6), Wish(seed=1, days=4, brands=2)


def silent(done: int, total: int) -> None:
    """No progress shown."""


def made_at(now: datetime, wish: Wish, progress: Progress = silent) -> Done:
    return set_up(wish, actor="tester", clock=lambda: now, progress=progress)


def ledger_agrees_with_totals() -> bool:
    """Whether every period's total is the sum of its spends, counted here anew."""
    sums: Counter[tuple[UUID, str, date]] = Counter()
    spends = Spend.objects.filter(voided_at=None)
    for brand, campaign, amount, day, spend_type in spends.values_list(
        "brand_id", "campaign_id", "amount", "spend_date", "spend_type"
    ):
        micros = money.to_micros(amount)
        sums[campaign, PeriodKind.LIFETIME, date(1970, 1, 1)] += micros
        for scope in (brand, campaign):
            sums[scope, PeriodKind.MONTH, day.replace(day=1)] += micros
            if spend_type != SpendType.MONTHLY:
                sums[scope, PeriodKind.DAY, day] += micros
    totals = {
        (period.scope_id, period.kind, period.starts_on): money.to_micros(period.posted)
        for period in BudgetPeriod.objects.exclude(posted=0)
    }
    return totals == {key: micros for key, micros in sums.items() if micros}


Content = list[tuple[object, ...]]


def content() -> Content:
    """What the ledger says, without the ids that are new each time."""
    return list(
        Spend.objects.order_by("key").values_list(
            "campaign__external_id", "key", "amount", "spend_date", "spend_type", "voided_at", "version", "created_at"
        )
    )


def content_after(*deeds: Callable[[], object]) -> Content:
    """What the ledger says after these; then it is as if nothing had been."""
    before = transaction.savepoint()
    for deed in deeds:
        deed()
    result = content()
    transaction.savepoint_rollback(before)
    return result


@pytest.mark.slow
class SampleData(TestCase):
    """Six brands and some days of history, made once; each test sees them fresh."""

    done: Done

    @classmethod
    def setUpTestData(cls) -> None:
        cls.done = made_at(NOW, LARGE)

    def brand(self, role: Role) -> Brand:
        name = next(brand.name for brand in self.done.plan.brands if brand.role is role)
        return Brand.objects.get(name=name)

    def share_of_budget(self, role: Role, kind: PeriodKind) -> float:
        period = BudgetPeriod.objects.of_brands().filter(brand=self.brand(role), kind=kind).first()
        assert period is not None
        assert period.budget is not None
        return float(period.used / period.budget)

    def test_every_row_is_accepted(self) -> None:
        assert self.done.made.refused == 0
        assert self.done.made.spends == Spend.objects.count() > 4_000
        assert Brand.objects.count() == 6
        assert Campaign.objects.count() == 20

    def test_totals_equal_the_ledger(self) -> None:
        assert ledger_agrees_with_totals()

    def test_states_are_what_a_full_sweep_would_find(self) -> None:
        assert enforce_all(NOW, actor="tester", dry_run=True).evaluation.changes == []

    def test_history_goes_forward_in_time(self) -> None:
        moments = list(StateChange.objects.order_by("pk").values_list("at", flat=True))

        assert moments == sorted(moments)
        assert moments[-1] <= NOW
        assert len(moments) == self.done.made.state_changes

    def test_the_end_shows_every_kind_of_trouble_and_a_brand_without(self) -> None:
        shown = set(Campaign.objects.current().values_list("pause_reason", flat=True))

        everything = set(Hold) - {Hold.CIRCUIT_BREAKER}
        assert shown == {"", *everything}
        assert not Campaign.objects.filter(brand=self.brand(Role.CALM)).exclude(status="ACTIVE").exists()
        assert Campaign.objects.exclude(archived_at=None).count() == 1

    def test_brands_stand_where_they_are_meant_to(self) -> None:
        assert self.share_of_budget(Role.OVER_DAY, PeriodKind.DAY) >= 1
        assert 0.92 <= self.share_of_budget(Role.NEAR_DAY, PeriodKind.DAY) <= 0.96
        assert self.share_of_budget(Role.OVER_MONTH, PeriodKind.MONTH) >= 1
        assert self.share_of_budget(Role.CALM, PeriodKind.DAY) < 0.9

    def test_two_campaigns_are_paced_with_something_to_do(self) -> None:
        shown = {one.campaign.brand: one for one in paces([row.pk for row in PacedCampaign.objects.all()], NOW)}

        assert set(shown) == {self.brand(Role.NEAR_DAY), self.brand(Role.CALM)}
        assert [one.channel for one in shown[self.brand(Role.NEAR_DAY)].channels] == ["display", "search", "shopping"]
        behind = PaceAlert.objects.get(cleared_at=None, channel="shopping")
        assert (behind.kind, behind.campaign.brand) == (AlertKind.UNDER_PACING, self.brand(Role.NEAR_DAY))
        proposal = Reallocation.objects.get(campaign=behind.campaign, state=ReallocationState.PROPOSED)
        assert {move["from"] for move in proposal.moves} == {"shopping"}
        for hours in (plans(row.pk, NOW)[0].hours for row in PacedCampaign.objects.all()):
            assert len({hour.planned for hour in hours}) > 3, "the plan of a day is not even"

    def test_an_override_is_running(self) -> None:
        override = Override.objects.get(starts_at__gte=NOW - timedelta(hours=2))

        assert override.ends_at > NOW
        assert override.campaign.status == "ACTIVE"
        assert override.campaign.brand == self.brand(Role.OVER_DAY)

    def test_today_is_alive_in_every_brand(self) -> None:
        for brand in Brand.objects.all():
            today = BudgetPeriod.objects.of_brands().filter(brand=brand, kind=PeriodKind.DAY).first()
            assert today is not None
            assert today.starts_on == NOW.astimezone(brand.zone).date()
            assert today.posted > 0

    def test_platforms_leave_daily_budgets_behind_about_as_often_as_in_real_accounts(self) -> None:
        whole_days = self.done.plan.start.date() + timedelta(days=2), NOW.date() - timedelta(days=2)
        days = BudgetPeriod.objects.filter(kind=PeriodKind.DAY, budget__gt=0, posted__gt=0, starts_on__range=whole_days)
        days = days.exclude(campaign=None).exclude(brand=self.brand(Role.OVER_DAY))

        over = days.filter(posted__gt=F("budget")).count() / days.count()

        assert 0.28 < over < 0.45
        assert days.filter(posted__gt=2.1 * F("budget")).count() == 0

    def test_spend_is_late_restated_voided_credited_and_charged(self) -> None:
        types = set(Spend.objects.values_list("spend_type", flat=True))

        assert types == set(SpendType.values)
        assert Spend.objects.filter(key__startswith="late ").exists()
        assert Spend.objects.exclude(voided_at=None).count() == self.done.made.voided > 0
        assert SpendRevision.objects.count() == self.done.made.voided + self.done.made.restated
        assert not Spend.objects.filter(amount__lt=0).exclude(spend_type=SpendType.ADJUSTMENT).exists()

    def test_a_platform_spends_a_little_more_after_it_was_told_to_stop(self) -> None:
        stopped = Campaign.objects.get(pause_reason=Hold.EMERGENCY_STOP)
        assert stopped.paused_at is not None

        after = Spend.objects.filter(campaign=stopped, created_at__gt=stopped.paused_at, key__startswith="sync ")

        arrived = [moment - stopped.paused_at for moment in after.values_list("created_at", flat=True)]
        assert arrived
        assert max(arrived) < timedelta(hours=4) < NOW - stopped.paused_at

    def test_a_second_run_at_the_same_moment_adds_nothing(self) -> None:
        before = content(), StateChange.objects.count(), Run.objects.count()

        again = made_at(NOW, self.done.wish)

        assert (content(), StateChange.objects.count(), Run.objects.count()) == before
        assert (again.made.brands, again.made.spends, again.made.by_hand) == (0, 0, 0)

    def test_a_later_run_carries_on_after_what_the_system_did_meanwhile(self) -> None:
        seen_at, later = NOW + timedelta(hours=2), NOW + timedelta(hours=5)
        jobs.run(jobs.DAYPARTING, actor="beat", clock=lambda: seen_at)
        before = set(Spend.objects.values_list("pk", flat=True))

        again = made_at(later, self.done.wish)

        fresh = Spend.objects.exclude(pk__in=before)
        moments = list(StateChange.objects.order_by("pk").values_list("at", flat=True))
        assert again.made.spends == fresh.count() > 20
        assert min(fresh.values_list("created_at", flat=True)) >= seen_at
        assert moments == sorted(moments)
        assert ledger_agrees_with_totals()

    def test_other_numbers_do_not_change_what_is_there(self) -> None:
        again = made_at(NOW, Wish(seed=1, days=60, brands=3))

        assert again.wish == self.done.wish
        assert Brand.objects.count() == 6

    def test_another_seed_is_refused_where_there_is_sample_data(self) -> None:
        with pytest.raises(Refused, match="--seed 1"):
            made_at(NOW, replace(LARGE, seed=2))


class SmallSampleData(TestCase):
    """Two brands and few days."""

    @pytest.mark.slow
    def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(self) -> None:
        first = content_after(lambda: made_at(NOW, SMALL))

        assert first
        assert content_after(lambda: made_at(NOW, SMALL)) == first
        assert content_after(lambda: made_at(NOW, replace(SMALL, seed=2))) != first

    @pytest.mark.slow
    def test_a_run_that_was_broken_off_ends_as_if_it_had_not_been(self) -> None:
        def break_off(done: int, _total: int) -> None:
            if done == 111:
                raise KeyboardInterrupt

        def broken_off() -> None:
            with pytest.raises(KeyboardInterrupt):
                made_at(NOW, SMALL, break_off)

        whole = content_after(lambda: made_at(NOW, SMALL))

        assert content_after(broken_off, lambda: made_at(NOW, SMALL)) == whole

    def test_sweeps_wait_while_the_past_is_made(self) -> None:
        refused = []

        def try_to_sweep(done: int, _total: int) -> None:
            if done == 100:
                with pytest.raises(runs.AlreadyRunning) as error:
                    jobs.run(jobs.DAYPARTING, actor="beat", clock=lambda: NOW)
                refused.append(error.value)

        made_at(NOW, SMALL, try_to_sweep)

        assert refused
        assert not Run.objects.filter(finished_at=None).exists()


def test_nothing_is_made_under_the_name_of_a_real_brand() -> None:
    Brand.objects.create(name=BRANDS[0].name, created_at=NOW, updated_at=NOW)

    with pytest.raises(Refused, match="no sample data"):
        made_at(NOW, SMALL)


@pytest.mark.parametrize("arguments", [["--brands", "0"], ["--brands", "99"], ["--months", "0"], ["--months", "25"]])
def test_numbers_out_of_bounds_are_refused(arguments: list[str], settings: Settings) -> None:
    settings.DEMO = True

    with pytest.raises(CommandError, match="between 1 and"):
        setup_demo(*arguments)

    assert not Brand.objects.exists()


def test_outside_demo_mode_sample_data_needs_a_yes(settings: Settings) -> None:
    settings.DEMO = False

    with pytest.raises(CommandError, match="--yes"):
        setup_demo()
    with pytest.raises(CommandError, match="not demo mode"):
        setup_demo("--reset", "--yes")

    assert not Brand.objects.exists()


def test_reset_empties_a_demo_on_sqlite_only(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEMO = True
    monkeypatch.setattr(clock, "now", lambda: NOW)
    Brand.objects.create(name="Old", created_at=NOW, updated_at=NOW)

    if connection.vendor != "sqlite":
        with pytest.raises(CommandError, match="kept as they were written"):
            setup_demo("--reset", "--yes", "--months", "1", "--brands", "1")
        assert Brand.objects.get().name == "Old"
        return
    setup_demo("--login-only")
    lines = setup_demo("--reset", "--yes", "--months", "1", "--brands", "1").splitlines()

    assert Brand.objects.get().name != "Old"
    assert get_user_model().objects.exists()
    assert lines[1].split() == ["Brand", "Zone", "Today", "Used", "Run", "Paused", "Why", "paused"]
    assert max(map(len, lines[1:-3])) <= 80
    assert lines[-2].startswith("Look at /admin/;")
    assert ast.literal_eval(lines[-1].removeprefix("INFO Demo set up: "))["brands"] == 1


def test_reset_asks_first(settings: Settings) -> None:
    settings.DEMO = True
    Brand.objects.create(name="Old", created_at=NOW, updated_at=NOW)

    with pytest.raises(CommandError):
        setup_demo("--reset")  # nobody is there to answer

    assert Brand.objects.get().name == "Old"


def setup_demo(*arguments: str) -> str:
    out = StringIO()
    call_command("setup_demo", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_demo_mode_gets_its_login_once(settings: Settings) -> None:
    settings.DEMO = True

    first, second = setup_demo("--login-only"), setup_demo("--login-only")

    user = get_user_model().objects.get()
    assert first == "Login: user admin, password admin123\n"
    assert "left as it is" in second
    assert user.is_superuser
    assert user.check_password("admin123")


def test_an_existing_login_keeps_its_password(settings: Settings) -> None:
    settings.DEMO = True
    get_user_model().objects.create_superuser("admin", "", "another one")

    setup_demo("--login-only")

    assert get_user_model().objects.get().check_password("another one")


def test_outside_demo_mode_no_known_password_is_made(settings: Settings) -> None:
    settings.DEMO = False

    with pytest.raises(CommandError, match="demo mode only"):
        setup_demo("--login-only")

    assert not get_user_model().objects.exists()
