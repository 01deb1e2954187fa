"""The table of what is to be done at a platform: the cases that it is for, and what must never happen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.holds import Hold
from platforms.protocol import Status
from platforms.steps import Facts, Mode, Next, Step, Why, next_step, wanted

ENABLED, PAUSED = Status.ENABLED, Status.PAUSED
DAILY, MANUAL, CLOSED, STOP = "DAILY_BUDGET_EXCEEDED", "MANUAL", "OUTSIDE_SCHEDULE", "EMERGENCY_STOP"
RUNS = ""

REASONS = st.sampled_from(["", *[hold.value for hold in Hold]])
STATUSES = st.sampled_from(list(Status))
FACTS = st.builds(
    Facts,
    reason=REASONS,
    actual=st.none() | STATUSES,
    agreed=st.none() | REASONS,
    mode=st.sampled_from(list(Mode)),
    archived=st.booleans(),
    ours=st.booleans(),
    approved=st.none() | st.sampled_from([ENABLED, PAUSED]),
    left=st.none() | REASONS,
    limited=st.booleans(),
    stopped=st.booleans(),
    usable=st.booleans(),
)


def step(reason: str, actual: Status | None, agreed: str | None, mode: Mode = Mode.ENFORCE, **more: Any) -> Next:
    return next_step(Facts(reason, actual, agreed, mode, **more))


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        # We have moved.
        (step(DAILY, ENABLED, RUNS), Next(Step.SEND, PAUSED)),
        (step(DAILY, ENABLED, RUNS, Mode.OBSERVE), Next(Step.OBSERVED, PAUSED)),
        (step(DAILY, ENABLED, RUNS, Mode.SUGGEST), Next(Step.WAITING, PAUSED, Why.MODE)),
        (step(DAILY, ENABLED, RUNS, Mode.SUGGEST, approved=PAUSED), Next(Step.SEND, PAUSED)),
        (step(DAILY, ENABLED, RUNS, Mode.SUGGEST, left=DAILY), Next(Step.LEFT, PAUSED)),
        (step(DAILY, ENABLED, RUNS, limited=True), Next(Step.WAITING, PAUSED, Why.LIMIT)),
        (step(DAILY, ENABLED, RUNS, limited=True, approved=PAUSED), Next(Step.SEND, PAUSED)),
        (step(DAILY, ENABLED, RUNS, stopped=True), Next(Step.STOPPED, PAUSED)),
        (step(DAILY, ENABLED, RUNS, usable=False), Next(Step.BROKEN, PAUSED)),
        (step(STOP, ENABLED, RUNS, Mode.SUGGEST, limited=True), Next(Step.SEND, PAUSED)),
        (step(RUNS, PAUSED, DAILY, ours=True), Next(Step.SEND, ENABLED)),
        (step(RUNS, PAUSED, DAILY), Next(Step.WAITING, ENABLED, Why.NOT_OURS)),
        (step(RUNS, PAUSED, None), Next(Step.WAITING, ENABLED, Why.NOT_OURS)),
        (step(DAILY, ENABLED, None), Next(Step.SEND, PAUSED)),
        # They have moved.
        (step(RUNS, PAUSED, RUNS), Next(Step.DRIFT, ENABLED)),
        (step(DAILY, ENABLED, DAILY), Next(Step.DRIFT, PAUSED)),
        (step(DAILY, ENABLED, DAILY, approved=PAUSED), Next(Step.SEND, PAUSED)),
        (step(DAILY, ENABLED, DAILY, Mode.OBSERVE), Next(Step.DRIFT, PAUSED)),
        # They have moved, and then we decided anew.
        (step(DAILY, ENABLED, CLOSED), Next(Step.SEND, PAUSED)),
        (step(CLOSED, ENABLED, DAILY), Next(Step.DRIFT, PAUSED)),
        # Nothing.
        (step(DAILY, PAUSED, RUNS), Next(Step.IN_STEP)),
        (step(RUNS, Status.ENDED, RUNS), Next(Step.NOTHING)),
        (step(RUNS, None, RUNS), Next(Step.NOTHING)),
        (step(DAILY, ENABLED, RUNS, archived=True), Next(Step.NOTHING)),
    ],
)
def test_the_table(got: Next, expected: Next) -> None:
    assert got == expected


@given(FACTS)
def test_nothing_is_sent_that_may_not_be(facts: Facts) -> None:
    step = next_step(facts)

    if step.step is Step.SEND:
        assert step.ask == wanted(facts.reason) != facts.actual
        assert facts.usable
        assert not facts.stopped
        assert not facts.archived
        assert facts.mode is not Mode.OBSERVE
        assert facts.actual in (ENABLED, PAUSED)
        by_a_person = facts.approved == step.ask
        assert by_a_person or facts.mode is Mode.ENFORCE or facts.reason == Hold.EMERGENCY_STOP
        if step.ask is ENABLED:
            assert by_a_person or facts.ours


@given(FACTS)
def test_a_change_there_is_never_undone_by_itself(facts: Facts) -> None:
    same_wish = facts._replace(agreed=facts.reason, approved=None)

    assert next_step(same_wish).step in {Step.DRIFT, Step.IN_STEP, Step.NOTHING}


@given(FACTS)
def test_a_used_up_budget_is_always_sent_in_enforce_mode(facts: Facts) -> None:
    crossed = facts._replace(
        reason=DAILY, actual=ENABLED, agreed=RUNS, mode=Mode.ENFORCE, archived=False, left=None, limited=False,
        stopped=False, usable=True,
    )  # fmt: skip

    assert next_step(crossed) == Next(Step.SEND, PAUSED)


@given(FACTS)
def test_once_it_is_there_it_is_in_step(facts: Facts) -> None:
    """Whatever was asked for: when it has arrived, nothing is left to do."""
    step = next_step(facts)

    if step.ask is not None:
        assert next_step(facts._replace(actual=step.ask)).step is Step.IN_STEP
