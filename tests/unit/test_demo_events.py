"""What happens in the sample data: in order, within bounds, and the same wherever a run begins."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from brands.periods import day_starts_at, next_midnight
from enforcement.demo import events
from enforcement.demo.events import Event
from enforcement.demo.plan import make_plan

END = datetime(2026, 6, 17, 13, 20, tzinfo=UTC)
PLAN = make_plan(1, END, days=90, brands=12)


def happened(kind: type) -> list[Event]:
    return [event for event in events.events(PLAN, PLAN.start, PLAN.end) if isinstance(event.action, kind)]


def test_platforms_are_asked_once_an_hour_and_at_the_end() -> None:
    moments = [PLAN.start, *events.syncs(1, PLAN.start, END)]

    assert moments[-1] == END
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) > timedelta(0)
    assert max(gaps) < timedelta(minutes=73)
    assert len(moments) == pytest.approx(90 * 24, abs=3)


def test_every_kind_of_event_happens_in_order_of_time() -> None:
    all_events = events.events(PLAN, PLAN.start, PLAN.end)

    kinds = Counter(type(event.action) for event in all_events)
    assert set(kinds) == set(events.Action.__args__)
    assert all(earlier.at <= later.at for earlier, later in pairwise(all_events))
    assert all(PLAN.start < event.at <= PLAN.end for event in all_events)


def test_events_do_not_depend_on_where_a_run_begins() -> None:
    middle = PLAN.start + timedelta(days=41, hours=5)

    parts = [*events.events(PLAN, PLAN.start, middle), *events.events(PLAN, middle, PLAN.end)]

    assert parts == events.events(PLAN, PLAN.start, PLAN.end)


def test_a_late_day_arrives_one_to_three_days_after_it() -> None:
    late = happened(events.LateDay)

    assert late
    for event in late:
        assert isinstance(event.action, events.LateDay)
        began = day_starts_at(event.brand.zone, event.action.day)
        assert timedelta(days=1) < event.at - began < timedelta(days=4, hours=2)


def test_a_spend_is_voided_after_it_was_counted_twice() -> None:
    twice = {(event.campaign, event.action): event.at for event in happened(events.CountTwice)}

    for event in happened(events.VoidTwin):
        assert isinstance(event.action, events.VoidTwin)
        assert event.at > twice[event.campaign, events.CountTwice(event.action.day)]


def test_credits_are_small_and_negative() -> None:
    credits = happened(events.Credit)

    assert credits
    for event in credits:
        assert isinstance(event.action, events.Credit)
        assert event.campaign is not None
        assert -event.campaign.level / 20 < event.action.amount < 0


def test_each_brand_pays_its_fee_at_the_beginning_of_each_month() -> None:
    fees = Counter(event.brand.name for event in happened(events.Fee))

    assert set(fees.values()) == {3}  # of April, May and June


def test_the_last_manual_pause_ends_with_the_local_day() -> None:
    last = [event for event in happened(events.Pause) if event.at > END - timedelta(hours=4)]

    assert len(last) == 1
    assert isinstance(last[0].action, events.Pause)
    assert last[0].action.until == next_midnight(last[0].brand.zone, END)


def test_people_do_nothing_after_the_end() -> None:
    later = events.events(PLAN, END, END + timedelta(days=30))

    assert {event.actor for event in later if not isinstance(event.action, events.CountTwice | events.VoidTwin)} == {
        events.PLATFORM
    }
