"""The loop with an ad platform: what we want is sent and seen there, and what somebody changes there is not undone."""

import io
from datetime import timedelta
from typing import Any

import pytest

from brands.models import AuditEntry
from budget_system.errors import Conflict
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import imports
from enforcement import services as enforcement
from platforms import drift, files, look, pull, push, services
from platforms.models import Account, Act, ActKind, Outgoing, Pull, RemoteState, Steering
from platforms.protocol import Outcome, Status, Throttled, Unauthorised, Unreachable
from platforms.queries import standings
from platforms.steps import Mode, Step
from spending.import_options import ImportOptions
from spending.models import PeriodKind, Spend, SpendImport
from tests.factories import ACTOR, Story
from tests.figures import Figure
from tests.integration.fake_platform import FakePlatform

pytestmark = pytest.mark.django_db
ENABLED, PAUSED = Status.ENABLED, Status.PAUSED
META = {"access_token": "meta-secret"}
KEYS = {"client_id": "client", "client_secret": "client-secret", "refresh_token": "refresh-secret"}


class Loop:
    """A brand with an account at a platform, and the workers' runs on it."""

    def __init__(self, mode: Mode = Mode.ENFORCE, **brand: Any) -> None:
        self.story = Story(**brand)
        self.platform = FakePlatform()
        self.account = services.add_account(self.story.brand.pk, "GOOGLE", "123", KEYS, actor=ACTOR, now=self.story.now)
        self.mode(mode)

    def mode(self, mode: Mode, **more: Any) -> None:
        services.change_steering(self.story.brand.pk, {"mode": mode.value, **more}, actor=ACTOR, now=self.story.now)

    def mode_limits_off(self) -> None:
        self.mode(Mode.ENFORCE, most_campaigns=1_000, most_share=100)

    def campaign(self, number: int = 1, actual: Status = ENABLED, **more: Any) -> Campaign:
        campaign = self.story.campaign(f"C{number}", platform="GOOGLE", external_id=str(number), **more)
        self.platform.statuses[str(number)] = actual
        return campaign

    def look(self) -> None:
        self.later(1)
        look.run(clock=lambda: self.story.now, connect=self.platform.connect, now_due=True)

    def push(self) -> dict[str, int]:
        self.later(1)
        return push.run(clock=lambda: self.story.now, connect=self.platform.connect, read_back_s=(0.0, 0.0))

    def pull(self) -> dict[str, int]:
        self.later(1)
        return pull.run(clock=lambda: self.story.now, connect=self.platform.connect, now_due=True)

    def settled(self, *numbers: int) -> list[Campaign]:
        """Campaigns that run here and there, as seen by both."""
        campaigns = [self.campaign(number) for number in numbers]
        self.look()
        self.push()
        return campaigns

    def later(self, seconds: float) -> None:
        self.story.now += timedelta(seconds=seconds)

    def row(self, campaign: Campaign) -> RemoteState:
        return RemoteState.objects.get(campaign=campaign)

    def step(self, campaign: Campaign) -> Step:
        return Step(self.row(campaign).step)

    def acts(self, campaign: Campaign) -> list[str]:
        return list(Act.objects.filter(campaign=campaign).order_by("id").values_list("kind", flat=True))


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_a_budget_that_is_used_up_pauses_there_and_the_new_day_starts_it_again(loop: Loop) -> None:
    [a] = loop.settled(1)

    loop.story.spend(a, "100")
    loop.push()

    assert loop.platform.statuses["1"] == PAUSED
    assert (loop.step(a), loop.row(a).ours) == (Step.IN_STEP, True)
    assert loop.acts(a) == [ActKind.SENT, ActKind.CONFIRMED]

    loop.story.tick("2026-05-06 00:00")
    loop.push()

    assert loop.platform.statuses["1"] == ENABLED
    assert loop.acts(a)[2:] == [ActKind.SENT, ActKind.CONFIRMED]
    assert loop.push() == {}


def test_all_campaigns_of_a_brand_are_one_call(loop: Loop) -> None:
    [a, *_] = loop.settled(1, 2, 3)

    loop.story.spend(a, "100")
    loop.push()

    assert loop.platform.asked == [{"1": PAUSED, "2": PAUSED, "3": PAUSED}]


def test_campaigns_that_are_archived_are_counted_with_none_of_those_that_are_listed(loop: Loop) -> None:
    [a, b] = loop.settled(1, 2)
    for campaign in (a, b):
        enforcement.emergency_stop(campaign.pk, reason="x", actor=ACTOR, now=loop.story.now)
    enforcement.archive_campaign(a.pk, actor=ACTOR, now=loop.story.now)

    standing = standings([loop.account])[loop.account.pk]

    assert (standing.at_risk, sum(standing.steps.values())) == (1, 1)
    assert list(RemoteState.objects.current()) == [loop.row(b)]


def test_more_accounts_than_calls_take_turns(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "CALLS", 1)
    [a] = loop.settled(1)
    other = services.add_account(loop.story.brand.pk, "META", "9", META, actor=ACTOR, now=loop.story.now)
    b = loop.story.campaign("B", platform="META", external_id="b")
    loop.platform.statuses["b"] = ENABLED
    loop.look()
    loop.push()
    loop.story.spend(a, "100")

    loop.push()

    assert loop.row(b).account_id == other.pk
    assert loop.platform.asked == [{"1": PAUSED}, {"b": PAUSED}]


def test_a_budget_of_nothing_pauses_what_has_run_there_from_the_start() -> None:
    loop = Loop(daily_budget="0")

    [a] = loop.settled(1)

    assert loop.platform.asked == [{"1": PAUSED}]
    assert loop.step(a) == Step.IN_STEP


def test_midnight_in_auckland_starts_there_what_the_day_before_had_used_up() -> None:
    loop = Loop(at="2026-04-04 23:50", timezone="Pacific/Auckland")
    [a] = loop.settled(1)
    loop.story.spend(a, "100")
    loop.push()

    loop.story.tick("2026-04-05 00:00")
    loop.push()

    assert loop.platform.asked == [{"1": PAUSED}, {"1": ENABLED}]
    assert loop.step(a) == Step.IN_STEP


def test_only_the_latest_wish_is_sent(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.platform.error = Unreachable("No answer.")
    loop.story.spend(a, "100")
    loop.push()
    loop.story.change_brand(daily_budget="200")
    loop.platform.error = None
    loop.later(60)

    loop.push()

    assert loop.platform.asked == []
    assert loop.step(a) == Step.IN_STEP


@pytest.mark.fault(51)
def test_a_platform_that_says_yes_and_does_no_is_asked_until_it_is_seen(loop: Loop, figure: Figure) -> None:
    [a] = loop.settled(1)
    loop.platform.says_yes_and_does_no = 4
    loop.story.spend(a, "100")
    began = loop.story.now

    told_after = None
    while ActKind.CONFIRMED not in loop.acts(a):
        loop.push()
        if told_after is None and drift.open_drifts(loop.story.now):
            told_after = loop.story.now - began
        assert loop.story.now - began < timedelta(minutes=30)
        loop.later(2)

    assert loop.platform.statuses["1"] == PAUSED
    assert loop.acts(a).count(ActKind.NOT_SEEN) == 4
    assert told_after is not None
    assert drift.open_drifts(loop.story.now) == []
    took = (loop.story.now - began).total_seconds() / 60
    figure(
        f"four false answers: converged after {took:.1f} minutes and 5 attempts, "
        f"somebody told after {told_after.total_seconds() / 60:.1f}"
    )


def test_what_is_accepted_and_cannot_be_read_back_is_not_taken_to_have_arrived(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.platform.forgets.add("1")
    loop.story.spend(a, "100")

    assert loop.push() == {"sent": 1, "not_seen": 1}
    assert loop.step(a) is Step.SEND
    assert loop.row(a).error == "The platform said yes and does not show it yet."

    loop.platform.forgets.clear()
    loop.look()
    loop.push()

    assert loop.step(a) is Step.IN_STEP
    assert loop.acts(a) == [ActKind.SENT, ActKind.NOT_SEEN, ActKind.CONFIRMED]


def test_a_campaign_that_was_started_there_is_shown_and_not_undone(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.story.spend(a, "100")
    loop.push()

    loop.platform.statuses["1"] = ENABLED
    loop.look()
    loop.push()
    loop.push()

    assert loop.platform.statuses["1"] == ENABLED
    assert loop.step(a) == Step.DRIFT
    [open_drift] = drift.open_drifts(loop.story.now)
    assert "paused here (daily budget used up) and enabled at Google Ads" in open_drift.text
    assert loop.acts(a)[-1] == ActKind.DRIFT


def test_a_drift_ends_by_putting_ours_back(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.story.spend(a, "100")
    loop.push()
    loop.platform.statuses["1"] = ENABLED
    loop.look()
    loop.push()

    services.put_back(a.pk, reason="It was a mistake", actor=ACTOR, now=loop.story.now)
    loop.push()

    assert loop.platform.statuses["1"] == PAUSED
    assert loop.acts(a)[-3:] == [ActKind.APPROVED, ActKind.SENT, ActKind.CONFIRMED]
    assert Act.objects.filter(kind=ActKind.SENT).order_by("-id").values_list("actor", flat=True)[0] == ACTOR


def test_a_drift_ends_by_taking_theirs_over(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.platform.statuses["1"] = PAUSED
    loop.look()
    loop.push()
    assert loop.step(a) == Step.DRIFT

    services.take_over(a.pk, reason="The client asked", actor=ACTOR, now=loop.story.now)
    loop.push()

    assert loop.story.holds(a) == (Hold.MANUAL,)
    assert loop.step(a) == Step.IN_STEP

    loop.story.activate(a)
    loop.push()

    assert loop.platform.statuses["1"] == ENABLED


def test_a_start_there_is_not_taken_over_while_a_budget_holds(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.story.spend(a, "100")
    loop.push()
    loop.platform.statuses["1"] = ENABLED
    loop.look()
    loop.push()

    with pytest.raises(Conflict, match="override"):
        services.take_over(a.pk, reason="Let it", actor=ACTOR, now=loop.story.now)


def test_a_budget_that_is_used_up_is_sent_even_if_the_campaign_was_started_there_before(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.story.pause(a)
    loop.push()
    loop.platform.statuses["1"] = ENABLED
    loop.look()
    loop.push()
    assert loop.step(a) == Step.DRIFT

    # Paused by hand shows first, so it is an emergency stop that is the new decision.
    enforcement.emergency_stop(a.pk, reason="Stop", actor=ACTOR, now=loop.story.now)
    loop.push()

    assert loop.platform.statuses["1"] == PAUSED


def test_a_campaign_that_somebody_paused_there_is_not_started(loop: Loop) -> None:
    a = loop.campaign(1, PAUSED)
    loop.look()

    loop.push()

    assert loop.platform.asked == []
    assert (loop.step(a), loop.row(a).why) == (Step.WAITING, "NOT_OURS")

    services.approve([a.pk], actor=ACTOR, now=loop.story.now)
    loop.push()

    assert loop.platform.statuses["1"] == ENABLED


@pytest.mark.parametrize(("mode", "step"), [(Mode.OBSERVE, Step.OBSERVED), (Mode.SUGGEST, Step.WAITING)])
def test_observe_writes_down_and_suggest_asks(mode: Mode, step: Step) -> None:
    loop = Loop(mode)
    [a] = loop.settled(1)

    loop.story.spend(a, "100")
    loop.push()
    loop.push()

    assert loop.platform.asked == []
    assert loop.step(a) == step
    assert len(loop.acts(a)) == 1


def test_what_is_approved_is_sent_and_what_is_left_is_not_asked_again() -> None:
    loop = Loop(Mode.SUGGEST)
    [a, b] = loop.settled(1, 2)
    loop.story.spend(a, "100")
    loop.push()

    services.approve([a.pk], actor=ACTOR, now=loop.story.now)
    services.leave([b.pk], reason="Not this one", actor=ACTOR, now=loop.story.now)
    loop.push()

    assert loop.platform.asked == [{"1": PAUSED}]
    assert loop.step(b) == Step.LEFT
    assert [entry.action for entry in AuditEntry.objects.order_by("id")][-2:] == [
        "approve change at platform", "leave at platform as it is",
    ]  # fmt: skip


def test_too_much_at_once_waits_for_a_person() -> None:
    loop = Loop()
    loop.mode(Mode.ENFORCE, most_campaigns=2, most_share=100)
    campaigns = loop.settled(1, 2, 3)
    for campaign in campaigns:
        loop.story.pause(campaign)

    loop.push()

    assert loop.platform.asked == []
    assert {loop.row(campaign).why for campaign in campaigns} == {"LIMIT"}

    services.approve([campaign.pk for campaign in campaigns], actor=ACTOR, now=loop.story.now)
    loop.push()

    assert set(loop.platform.statuses.values()) == {PAUSED}


def test_a_change_that_trickles_through_many_runs_counts_as_one() -> None:
    loop = Loop()
    loop.mode(Mode.ENFORCE, most_campaigns=2, most_share=100)
    campaigns = loop.settled(1, 2, 3)

    for campaign in campaigns:
        loop.story.pause(campaign)
        loop.push()

    assert [loop.step(campaign) for campaign in campaigns] == [Step.IN_STEP, Step.IN_STEP, Step.WAITING]


def test_a_large_share_of_the_spend_waits_for_a_person() -> None:
    loop = Loop()
    loop.mode(Mode.ENFORCE, most_campaigns=20, most_share=50)
    [a, b, c] = loop.settled(1, 2, 3)
    loop.story.spend(a, "40")
    loop.story.spend(b, "15")
    loop.story.spend(c, "35")
    loop.story.pause(b)
    loop.push()
    assert loop.step(b) == Step.IN_STEP

    loop.story.pause(a)
    loop.push()

    assert loop.row(a).why == "LIMIT"


@pytest.mark.parametrize("counted", [False, True])
def test_used_up_budgets_count_only_where_the_brand_says_so(counted: bool) -> None:
    loop = Loop()
    loop.mode(Mode.ENFORCE, most_campaigns=1, budgets_count=counted)
    [a, *_] = loop.settled(1, 2, 3)

    loop.story.spend(a, "100")
    loop.push()

    assert len(loop.platform.asked) == (0 if counted else 1)


def test_a_day_that_begins_starts_all_of_them_without_a_person() -> None:
    loop = Loop()
    loop.mode(Mode.ENFORCE, most_campaigns=1, most_share=10)
    [a, *_] = loop.settled(1, 2, 3)
    loop.story.spend(a, "100")
    loop.push()

    loop.story.tick("2026-05-06 00:00")
    loop.push()

    assert set(loop.platform.statuses.values()) == {ENABLED}


def test_a_budget_that_a_person_raises_starts_only_so_many() -> None:
    loop = Loop()
    loop.mode(Mode.ENFORCE, most_campaigns=2)
    [a, *_] = loop.settled(1, 2, 3)
    loop.story.spend(a, "100")
    loop.push()

    loop.story.change_brand(daily_budget="10000")
    loop.push()

    assert set(loop.platform.statuses.values()) == {PAUSED}
    assert loop.row(a).why == "LIMIT"


def test_the_kill_switch_holds_everything_and_then_only_what_is_wanted_leaves(loop: Loop) -> None:
    [a, b] = loop.settled(1, 2)
    services.stop_all(reason="A wrong file", actor=ACTOR, now=loop.story.now)
    loop.story.pause(a)
    loop.story.pause(b)

    loop.push()
    loop.look()

    assert loop.platform.asked == []
    assert loop.step(a) == Step.STOPPED

    loop.story.activate(b)
    services.go_on(actor=ACTOR, now=loop.story.now)
    loop.push()

    assert loop.platform.asked == [{"1": PAUSED}]


def test_a_switch_that_is_thrown_between_planning_and_claiming_holds(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    [a] = loop.settled(1)
    loop.story.pause(a)
    real = push._claim

    def thrown_before(*args: Any) -> Any:
        Outgoing.objects.create(stopped_at=loop.story.now, stopped_by="x", reason="y")
        return real(*args)

    monkeypatch.setattr(push, "_claim", thrown_before)
    loop.push()

    assert loop.platform.asked == []


def test_a_campaign_that_is_refused_keeps_no_other_out(loop: Loop) -> None:
    [a, b] = loop.settled(1, 2)
    loop.platform.refuses = {"1": Outcome("1", "It belongs to an experiment.")}

    loop.story.spend(a, "100")
    loop.push()
    loop.push()

    assert loop.step(b) == Step.IN_STEP
    row = loop.row(a)
    assert (row.step, row.error) == (Step.SEND, "It belongs to an experiment.")
    assert len(loop.platform.asked) == 1
    loop.later(600)
    assert "experiment" in drift.open_drifts(loop.story.now)[0].text


def test_a_platform_that_asks_for_time_is_left_alone(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.platform.error = Throttled("Too many requests.", 120)
    loop.story.spend(a, "100")
    loop.push()
    calls = loop.platform.calls

    loop.later(60)
    loop.push()
    loop.look()

    assert loop.platform.calls == calls

    loop.platform.error = None
    loop.later(60)
    loop.push()

    assert loop.platform.statuses["1"] == PAUSED


def test_wrong_credentials_stop_the_account_until_a_person_acts(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.platform.error = Unauthorised("The token has ended.")
    loop.story.spend(a, "100")
    loop.push()
    loop.platform.error = None
    loop.later(3600)

    assert loop.push() == {}
    assert loop.step(a) == Step.BROKEN
    [broken] = drift.broken_accounts(loop.story.now)
    assert "The token has ended." in broken.text
    assert drift.open_drifts(loop.story.now)[0].campaign_id == a.pk  # it spends what must not be spent

    services.change_account(loop.account.pk, credentials={"refresh_token": "new"}, actor=ACTOR, now=loop.story.now)
    loop.push()

    assert loop.platform.statuses["1"] == PAUSED


def test_what_a_killed_worker_had_claimed_is_sent_again_when_its_lease_has_ended(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.story.spend(a, "100")
    loop.later(1)
    claimed = push.plan(loop.account.pk, loop.story.now)  # and then it is killed
    assert claimed is not None

    loop.push()
    assert loop.platform.asked == []

    loop.later(push.LEASE.total_seconds())
    loop.push()

    assert loop.platform.statuses["1"] == PAUSED
    assert loop.row(a).attempts == 0
    assert loop.acts(a) == [ActKind.SENT, ActKind.SENT, ActKind.CONFIRMED]


def test_a_late_answer_changes_nothing_that_was_sent_since(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.story.spend(a, "100")
    late = push.plan(loop.account.pk, loop.story.now)
    assert late is not None
    loop.later(push.LEASE.total_seconds() + 1)
    loop.push()
    before = loop.row(a)

    push.settle(late, push.Answer(Unreachable("No answer.")), loop.story.now)

    after = loop.row(a)
    assert (after.step, after.error, after.next_at) == (before.step, before.error, before.next_at)


def test_credentials_are_nowhere_to_be_read(loop: Loop) -> None:
    services.change_account(
        loop.account.pk, credentials={"refresh_token": "other-secret"}, actor=ACTOR, now=loop.story.now
    )

    kept = str(list(Account.objects.values())) + str(list(AuditEntry.objects.values()))

    for secret in ["client-secret", "refresh-secret", "other-secret"]:
        assert secret not in kept


# --- Spend -----------------------------------------------------------------------------------------------------------


def test_spend_is_read_and_decided_on(loop: Loop) -> None:
    loop.settled(1)
    loop.platform.spent("1", "2026-05-05", 103.5)

    loop.pull()
    loop.push()

    spend = Spend.objects.get()
    assert (str(spend.amount), spend.spend_date.isoformat(), spend.source) == (
        "103.500000", "2026-05-05", "import:google_ads",
    )  # fmt: skip
    assert loop.platform.statuses["1"] == PAUSED
    record = SpendImport.objects.get()
    assert record.file_name.startswith("Google Ads API, account 123")
    assert Pull.objects.get().spend_import_id == record.pk


def test_the_same_figures_make_no_import_and_others_correct(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.platform.spent("1", "2026-05-05", 10)
    loop.pull()
    loop.pull()
    loop.pull()
    before = SpendImport.objects.count()

    loop.platform.spent("1", "2026-05-05", 12)
    loop.pull()

    assert before == 2  # the days that may be restated, and the days of late
    assert SpendImport.objects.count() == 3
    assert loop.story.total(a, PeriodKind.DAY, "2026-05-05") == 12


def test_days_past_are_read_again_when_the_day_has_turned(loop: Loop) -> None:
    loop.settled(1)
    loop.pull()
    loop.pull()
    loop.story.clock("2026-05-06 00:05")
    loop.pull()

    spans = [(last - first).days for first, last in loop.platform.spend_asked]
    assert spans[0] == spans[2] > 1
    assert spans[1] == 1


def test_a_campaign_that_nobody_knows_and_another_currency_are_rejected_not_lost(loop: Loop) -> None:
    loop.settled(1)
    loop.platform.spent("99", "2026-05-05", 5)
    loop.platform.spent("1", "2026-05-05", 7, "USD")

    loop.pull()

    record = SpendImport.objects.get()
    assert (record.rows, record.accepted, record.rejected) == (2, 0, 2)
    assert record.report["unknown"][0]["external_id"] == "99"


def test_a_report_that_fails_is_told_and_holds_no_pause_up(loop: Loop) -> None:
    [a] = loop.settled(1)
    loop.platform.report_error = Unreachable("The report is not ready.")
    loop.pull()
    loop.story.spend(a, "100")

    loop.push()
    loop.later(600)

    assert loop.platform.statuses["1"] == PAUSED
    assert "cannot be read: The report is not ready." in drift.broken_accounts(loop.story.now)[0].text

    loop.platform.report_error = None
    loop.pull()

    assert drift.broken_accounts(loop.story.now) == []


@pytest.mark.parametrize(("spent", "step"), [("0", Step.IN_STEP), ("5", Step.SEND)])
def test_a_file_is_acknowledged_by_the_next_report(spent: str, step: Step) -> None:
    loop = Loop()
    Account.objects.all().delete()
    now = loop.story.now
    account = services.add_account(loop.story.brand.pk, "META", "9", {}, actor=ACTOR, now=now, by_file=True)
    a, b = (loop.story.campaign(name, platform="META", external_id=name) for name in "AB")
    loop.look()
    loop.push()
    loop.story.pause(a)
    loop.push()
    handed_out = files.hand_out(account.pk, actor=ACTOR, now=loop.story.now)

    loop.story.clock("2026-05-07 09:00")
    amounts = [("A", spent), ("B", "7")]
    report = "".join(f"2026-05-06,{one},{amount},EUR\n" for one, amount in amounts if amount != "0")
    imports.start_import(
        io.BytesIO(f"day,campaign id,cost,currency\n{report}".encode()), "meta.csv",
        ImportOptions(source="meta_ads", brand_id=loop.story.brand.pk), actor=ACTOR, now=loop.story.now,
    )  # fmt: skip
    loop.look()
    loop.push()

    assert handed_out[1:] == [["A", "A", "PAUSED"]]
    assert (loop.step(a), loop.step(b)) == (step, Step.IN_STEP)


def test_days_are_those_of_the_account(loop: Loop) -> None:
    loop.platform.there = loop.platform.there._replace(time_zone="America/Los_Angeles")
    loop.settled(1)
    loop.story.clock("2026-05-06 03:00")

    loop.pull()

    assert loop.platform.spend_asked[-1][1].isoformat() == "2026-05-05"


def test_modes_begin_with_observe() -> None:
    story = Story()
    services.add_account(story.brand.pk, "GOOGLE", "1", KEYS, actor=ACTOR, now=story.now)

    assert Steering.objects.get().mode == Mode.OBSERVE
