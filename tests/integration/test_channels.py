"""A spend may name its channel: it says where money went, and never how much counts against a budget."""

import hashlib
import io
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands import services as brands
from brands.models import AuditEntry, Brand
from budget_system.db import rehearsal
from budget_system.errors import Conflict
from campaigns import services as campaigns
from campaigns.models import Campaign
from enforcement import imports, reservations, services
from enforcement.importing import import_spend
from enforcement.imports import start_import, undo_import
from spending import services as spending
from spending.import_options import ImportOptions
from spending.importing import ImportReport
from spending.ledger import Moved
from spending.models import BudgetPeriod, Spend, SpendImport, SpendRevision
from spending.reports.columns import Named
from spending.reports.plain_csv import Options
from spending.services import Outcome, SpendRow
from spending.taking_back import take_back
from tests.factories import ACTOR, Story
from tests.integration.admin_client import Person, text_of

pytestmark = pytest.mark.django_db

TODAY = date(2026, 5, 5)


def totals() -> list[tuple[object, ...]]:
    return list(BudgetPeriod.objects.order_by("pk").values_list("pk", "budget", "posted", "reserved", "forgiven"))


# --- Posting ---------------------------------------------------------------------------------------------------------


def test_a_channel_is_kept_as_that_of_a_reservation_is() -> None:
    story = Story()
    a = story.campaign()

    assert story.spend(a, "1").channel == ""
    assert story.spend(a, "1", channel="  Brand \t search ").channel == "Brand search"
    assert story.refused(a, "1", channel="x" * 41).field == "channel"
    assert story.refused(a, "1", channel="a\x00b").field == "channel"


def test_what_was_sent_before_there_were_channels_is_still_a_replay_of_itself() -> None:
    story = Story()
    a = story.campaign()
    spend = story.spend(a, "10", key="k", description="Fee")

    as_ever = f"{a.pk}|10000000|2026-05-05|DAILY|Fee"
    assert spend.fingerprint == hashlib.blake2b(as_ever.encode(), digest_size=16).hexdigest()
    assert story.post(a, "10", key="k", description="Fee").outcome is Outcome.REPLAYED


def test_the_channel_is_part_of_what_was_sent() -> None:
    story = Story()
    a = story.campaign()
    story.spend(a, "10", key="k", channel="search")

    assert story.post(a, "10", key="k", channel=" search").outcome is Outcome.REPLAYED
    assert isinstance(story.refused(a, "10", key="k", channel="video"), Conflict)
    assert isinstance(story.refused(a, "10", key="k"), Conflict)
    assert isinstance(story.refused(a, "10", key="k", description="search"), Conflict)


def test_amending_the_channel_leaves_all_totals_alone_and_keeps_the_former_one() -> None:
    story = Story()
    a = story.campaign(lifetime_budget="500")
    spend = story.spend(a, "30", channel="search")
    before = totals()

    services.amend_spend(spend.pk, {"channel": " video "}, reason="Wrong one", actor=ACTOR, now=story.now)

    spend.refresh_from_db()
    assert (spend.channel, spend.version, totals()) == ("video", 2, before)
    assert SpendRevision.objects.get().channel == "search"
    entry = AuditEntry.objects.get(action="amend spend")
    assert (entry.before, entry.after) == ({"channel": "search"}, {"channel": "video"})


def test_an_import_with_the_same_key_and_another_channel_corrects() -> None:
    story = Story()
    a = story.campaign()

    def report(channel: str) -> Outcome:
        row = SpendRow(a.pk, Decimal(7), TODAY, key="k", channel=channel)
        result = services.post_spend([row], source="import:csv", actor=ACTOR, now=story.now, correct=True)
        return result.answers[0].outcome

    assert [report(channel) for channel in ("", "search", "search")] == [
        Outcome.RECORDED, Outcome.CORRECTED, Outcome.REPLAYED,
    ]  # fmt: skip
    assert (Spend.objects.get().channel, SpendRevision.objects.get().channel) == ("search", "")


def test_what_was_set_aside_for_a_channel_is_spent_on_it() -> None:
    story = Story()
    a = story.campaign()
    pk = UUID(int=7)
    reservations.reserve(pk, a.pk, Decimal(10), channel="Search", actor=ACTOR, now=story.now)

    reservations.settle(pk, Decimal(9), actor=ACTOR, now=story.now)

    spend = Spend.objects.get()
    assert (spend.channel, spend.amount, spend.description) == ("Search", 9, "Reserved for Search")


# --- What moved ------------------------------------------------------------------------------------------------------

Place = tuple[UUID, date, str, str]


class Mover:
    """Does things to the spends of a brand as the use cases do, and sums what they say has moved."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.campaigns = story.campaigns(["A", "B"])
        self.sums: Counter[Place] = Counter()

    def note(self, moved: list[Moved]) -> None:
        for one in moved:
            assert one.brand_id == self.story.brand.pk
            self.sums[one.campaign_id, one.spend_date, one.spend_type, one.channel] += one.amount

    def post(self, which: int, cents: int, day: int, channel: str, key: str | None, *, correct: bool) -> None:
        row = SpendRow(self.campaigns[which].pk, Decimal(cents) / 100, date(2026, 5, day), key=key, channel=channel)
        with transaction.atomic():
            locked, brand_of = campaigns.lock_brands_of([row.campaign_id])
            source = "import:csv" if correct else "api"
            posting = spending.post(
                [row, row], locked, brand_of, source=source, correct=correct, actor=ACTOR, now=self.story.now
            )
        self.note(posting.moved)

    def change(self, what: str, index: int, **changes: object) -> None:
        found = list(Spend.objects.order_by("pk"))
        if not found:
            return
        spend = found[index % len(found)]
        if what == "amend" and spend.voided_at is not None:
            return
        with transaction.atomic():
            brand = brands.lock([spend.brand_id])[spend.brand_id]
            if what == "amend":
                change = spending.amend(spend, changes, brand, reason="x", actor=ACTOR, now=self.story.now)
            elif what == "void":
                change = spending.void(spend, reason="x", actor=ACTOR, now=self.story.now)
            else:
                change = spending.restore(spend, reason="x", actor=ACTOR, now=self.story.now)
        self.note(change.moved)


def ledger_sums() -> dict[Place, int]:
    sums: Counter[Place] = Counter()
    for spend in Spend.objects.filter(voided_at=None):
        sums[spend.campaign_id, spend.spend_date, spend.spend_type, spend.channel] += int(spend.amount * 1_000_000)
    return {place: amount for place, amount in sums.items() if amount}


channels = st.sampled_from(["", "search", "video"])
cents = st.integers(1, 500)
days = st.integers(4, 5)
steps = st.one_of(
    st.tuples(st.just("post"), st.integers(0, 1), cents, days, channels, st.sampled_from([None, "k", "l"]),
              st.booleans()),
    st.tuples(st.just("amend"), st.integers(0, 9), st.fixed_dictionaries(
        {}, optional={"channel": channels, "amount": cents.map(lambda number: Decimal(number) / 100),
                      "spend_type": st.sampled_from(["DAILY", "MONTHLY"])})),
    st.tuples(st.sampled_from(["void", "restore"]), st.integers(0, 9)),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=12))
def test_what_is_said_to_have_moved_adds_up_to_the_ledger(told: list[tuple[Any, ...]]) -> None:
    with rehearsal():  # what one example did is gone before the next
        mover = Mover(Story(name=f"Brand {Brand.objects.count()}"))

        for what, *values in told:
            if what == "post":
                mover.post(*values[:-1], correct=values[-1])
            else:
                mover.change(what, values[0], **(values[1] if what == "amend" else {}))

        assert {place: amount for place, amount in mover.sums.items() if amount} == ledger_sums()


def test_undoing_an_import_says_what_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    a = story.campaign("A", external_id="11")
    kept(story, "2026-05-05,11,search,5", "2026-05-04,11,search,3")
    second = kept(story, "2026-05-05,11,search,6", "2026-05-05,11,video,2", "2026-05-04,11,search,3")
    said: list[Moved] = []

    def listening(*args: Any, **more: Any) -> Any:
        taken = take_back(*args, **more)
        said.extend(taken.moved)
        return taken

    monkeypatch.setattr(imports, "take_back", listening)
    undo_import(second.pk, reason="Wrong file", actor=ACTOR, now=story.now)

    by_channel: Counter[str] = Counter()
    for one in said:
        assert (one.campaign_id, one.spend_date, one.spend_type) == (a.pk, TODAY, "DAILY")
        by_channel[one.channel] += one.amount
    assert by_channel == {"search": -1_000_000, "video": -2_000_000}


# --- Imports ---------------------------------------------------------------------------------------------------------

HEADER = "Day,Campaign ID,Channel,Cost"


@pytest.fixture
def story() -> Story:
    story = Story(daily_budget="1000")
    story.campaign("A", external_id="11")
    return story


def load(story: Story, *lines: str, header: str = HEADER, **options: Any) -> ImportReport:
    stream = io.BytesIO("\n".join([header, *lines]).encode())
    chosen = ImportOptions(brand_id=story.brand.pk, **options)
    report = import_spend(stream, chosen, actor=ACTOR, now=story.now)
    assert sum((report.accepted, report.unchanged, report.corrected, report.duplicate, report.rejected)) == report.rows
    return report


def kept(story: Story, *lines: str, header: str = HEADER) -> SpendImport:
    stream = io.BytesIO("\n".join([header, *lines]).encode())
    return start_import(stream, "may.csv", ImportOptions(brand_id=story.brand.pk), actor=ACTOR, now=story.now)


def outcome(report: ImportReport) -> dict[str, int]:
    return {name: count for name, count in report.counts().items() if count}


def in_ledger() -> set[tuple[str, Decimal]]:
    spends = Spend.objects.filter(voided_at=None).values_list("channel", "amount")
    assert len(spends) == len(set(spends))
    return set(spends)


def keys() -> list[str]:
    prefix = Campaign.objects.get().pk.hex
    return sorted((spend.key or "").replace(prefix, "A") for spend in Spend.objects.all())


def test_keys_of_files_without_channels_are_what_they_always_were(story: Story) -> None:
    load(story, "2026-05-05,11,5", header="Day,Campaign ID,Cost")
    load(story, "2026-05-04,11,,5", "2026-05-04,11,,MONTHLY,2", header="Day,Campaign ID,Channel,Cost")

    assert keys() == ["A|2026-05-04", "A|2026-05-05"]


def test_the_lines_of_a_channel_are_added_up(story: Story) -> None:
    lines = [
        "2026-05-05,11,search,DAILY,5", "2026-05-05,11, search ,DAILY,6", "2026-05-05,11,video,DAILY,2",
        "2026-05-05,11,,DAILY,1", "2026-05-05,11,video,MONTHLY,4",
    ]  # fmt: skip
    header = "Day,Campaign ID,Channel,Spend type,Cost"
    report = load(story, *lines, header=header)

    assert outcome(report) == {"rows": 5, "accepted": 5}
    assert in_ledger() == {("search", Decimal(11)), ("video", Decimal(2)), ("", Decimal(1)), ("video", Decimal(4))}
    assert keys() == [
        "A|2026-05-05", "A|2026-05-05/search", "A|2026-05-05/video", "A|2026-05-05|MONTHLY/video",
    ]  # fmt: skip
    assert outcome(load(story, *lines, header=header)) == {"rows": 5, "unchanged": 5}
    newer = load(story, "2026-05-05,11,search,DAILY,12", *lines[2:], header=header)
    assert outcome(newer) == {"rows": 4, "corrected": 1, "unchanged": 3}


def test_a_file_for_each_channel_is_no_double_count(story: Story) -> None:
    load(story, "2026-05-05,11,search,5")
    other = load(story, "2026-05-05,11,video,6")

    assert outcome(other) == {"rows": 1, "accepted": 1}
    assert in_ledger() == {("search", Decimal(5)), ("video", Decimal(6))}


@pytest.mark.parametrize(
    ("first", "second"),
    [("2026-05-05,11,,5", "2026-05-05,11,search,5"), ("2026-05-05,11,search,5", "2026-05-05,11,,5")],
)
def test_a_day_with_channels_and_without_them_is_not_counted_twice(first: str, second: str, story: Story) -> None:
    before = kept(story, first)

    again = load(story, second)

    assert outcome(again) == {"rows": 1, "duplicate": 1}
    assert "undo" in again.duplicates[0].reason
    assert sum(amount for _, amount in in_ledger()) == 5

    undo_import(before.pk, reason="Now by channel", actor=ACTOR, now=story.now)
    assert outcome(load(story, second)) == {"rows": 1, "accepted": 1}
    assert sum(amount for _, amount in in_ledger()) == 5
    assert outcome(load(story, first, even_if_typed=True)) == {"rows": 1, "accepted": 1}


def test_a_line_whose_channel_cannot_be_kept_keeps_its_whole_day_out(story: Story) -> None:
    report = load(story, f"2026-05-05,11,{'x' * 41},5", "2026-05-05,11,search,5", "2026-05-04,11,search,1")

    assert outcome(report) == {"rows": 3, "accepted": 1, "rejected": 2}
    assert "limit is 40" in report.rejects[0].reason
    assert in_ledger() == {("search", Decimal(1))}


def test_a_key_is_of_one_channel(story: Story) -> None:
    header = "Day,Campaign ID,Channel,Cost,Key"
    report = load(story, "2026-05-05,11,search,5,k", "2026-05-05,11,video,5,k", header=header)
    assert outcome(report) == {"rows": 2, "accepted": 1, "rejected": 1}

    assert outcome(load(story, "2026-05-05,11,video,5,k", header=header)) == {"rows": 1, "corrected": 1}
    assert in_ledger() == {("video", Decimal(5))}


def test_the_column_can_be_named_by_hand_or_denied(story: Story) -> None:
    denied = Options(columns=Named(channel=""))
    named = Options(columns=Named(channel="Placement"))

    load(story, "2026-05-05,11,search,5", reading=denied)
    load(story, "2026-05-04,11,feed,7", header="Day,Campaign ID,Placement,Cost", reading=named)

    assert in_ledger() == {("", Decimal(5)), ("feed", Decimal(7))}


def test_a_platforms_report_is_added_up_over_its_networks(story: Story) -> None:
    load(
        story, "2026-05-05,A,EUR,Search,5", "2026-05-05,A,EUR,Display,6",
        header="Day,Campaign,Currency code,Channel,Cost",
    )  # fmt: skip

    assert in_ledger() == {("", Decimal(11))}


# --- The admin -------------------------------------------------------------------------------------------------------


@pytest.fixture
def ann(story: Story, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(story, monkeypatch)


def test_a_spend_is_typed_with_its_channel_found_by_it_and_moved_to_another(story: Story, ann: Person) -> None:
    a = Campaign.objects.get()
    ann.sends("spending_spend_add", campaign=str(a.pk), amount="12", channel=" Brand  search")
    story.spend(a, "13")
    spend = Spend.objects.get(amount=12)

    listed = ann.reads("spending_spend_changelist")
    found = ann.reads("spending_spend_changelist", channel="brand SEARCH")
    ann.sends("spending_spend_change", spend.pk, channel="Video", reason="Wrong one")
    spend.refresh_from_db()
    page = ann.reads("spending_spend_change", spend.pk)

    assert ("Brand search" in listed, "13.00 EUR" in listed) == (True, True)
    assert ("12.00 EUR" in found, "13.00 EUR" in found) == (True, False)
    assert (spend.channel, spend.amount) == ("Video", 12)
    assert "Brand search" in page, "the former value"
    too_long = ann.sends("spending_spend_change", spend.pk, channel="x" * 41, reason="x")
    assert "40 characters" in text_of(too_long)
