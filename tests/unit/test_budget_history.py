"""The history of budgets, as the audit record tells it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from brands.history import Version, budget_history

START = datetime(2026, 5, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """An entry of the record, so many hours after the start."""

    hours: int
    after: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)
    actor: str = "ann"
    reason: str = ""
    origin: str = ""

    @property
    def at(self) -> datetime:
        return START + timedelta(hours=self.hours)


MADE = Entry(
    0,
    {"name": "Acme", "timezone": "Europe/Berlin", "currency": "EUR", "daily_budget": "100.00", "monthly_budget": None},
)


def told(versions: list[Version], name: str) -> list[tuple[str | None, int | None, int | None]]:
    """Of one input: the values with the hours between which they were in force, the oldest first."""
    return [
        (one.value, _hours(one.since), _hours(one.until)) for one in reversed(versions) if one.name == name
    ]  # fmt: skip


def _hours(at: datetime | None) -> int | None:
    return None if at is None else round((at - START) / timedelta(hours=1))


def test_what_was_made_is_in_force_until_it_is_changed() -> None:
    versions = budget_history([MADE])

    assert told(versions, "daily_budget") == [("100.00", 0, None)]
    assert told(versions, "monthly_budget") == [(None, 0, None)]
    assert told(versions, "lifetime_budget") == []


def test_a_chain_of_changes_with_who_why_and_from_where() -> None:
    launch = Entry(5, {"daily_budget": "150.00"}, {"daily_budget": "100.00"}, "bob", "A launch", "10.0.0.7, request 1")
    renamed = Entry(6, {"name": "Acme Ltd"}, {"name": "Acme"})
    moved = {"daily_budget": None, "monthly_budget": "900.00"}, {"daily_budget": "150.00", "monthly_budget": None}

    versions = budget_history([MADE, launch, renamed, Entry(30, *moved)])

    assert told(versions, "daily_budget") == [("100.00", 0, 5), ("150.00", 5, 30), (None, 30, None)]
    assert told(versions, "monthly_budget") == [(None, 0, 30), ("900.00", 30, None)]
    raised = next(one for one in versions if one.value == "150.00")
    assert (raised.actor, raised.reason, raised.origin, raised.currency) == (
        "bob", "A launch", "10.0.0.7, request 1", "EUR",
    )  # fmt: skip
    assert versions[0].since == START + timedelta(hours=30), "the newest first"


def test_another_time_zone_is_a_version_of_its_own_and_leaves_the_budgets() -> None:
    versions = budget_history(
        [
            MADE,
            Entry(10, {"timezone": "Asia/Tokyo"}, {"timezone": "Europe/Berlin"}),
            Entry(
                20, {"daily_budget": "80.00", "timezone": "UTC"}, {"daily_budget": "100.00", "timezone": "Asia/Tokyo"}
            ),
        ]
    )

    assert told(versions, "timezone") == [("Europe/Berlin", 0, 10), ("Asia/Tokyo", 10, 20), ("UTC", 20, None)]
    assert told(versions, "daily_budget") == [("100.00", 0, 20), ("80.00", 20, None)]


def test_another_currency_makes_other_money_of_the_same_number() -> None:
    versions = budget_history([MADE, Entry(3, {"currency": "USD"}, {"currency": "EUR"})])

    assert [(one.value, one.currency) for one in versions if one.name == "daily_budget"] == [
        ("100.00", "USD"),
        ("100.00", "EUR"),
    ]


def test_what_was_there_before_the_record_began_is_known_from_its_first_change() -> None:
    versions = budget_history([Entry(4, {"daily_budget": "7.00"}, {"daily_budget": "5.00"})])

    assert told(versions, "daily_budget") == [("5.00", None, 4), ("7.00", 4, None)]


def test_entries_without_budgets_tell_nothing() -> None:
    assert budget_history([]) == []
    assert budget_history([Entry(1, {"until": "x"}), Entry(2, {})]) == []


VALUES = st.none() | st.integers(0, 9).map(str)


@given(st.lists(st.dictionaries(st.sampled_from(["daily_budget", "monthly_budget"]), VALUES), max_size=12))
def test_versions_follow_each_other_without_gap_or_overlap(changes: list[dict[str, Any]]) -> None:
    now: dict[str, Any] = {"daily_budget": "100.00", "monthly_budget": None}
    entries = [MADE]
    for hour, change in enumerate(changes, start=1):
        entries.append(Entry(hour, change, {name: now[name] for name in change}))
        now |= change

    versions = budget_history(entries)

    for name, last in now.items():
        spans = told(versions, name)
        assert spans[0][1] == 0
        assert spans[-1][0] == last
        assert spans[-1][2] is None
        assert [span[2] for span in spans[:-1]] == [span[1] for span in spans[1:]]
