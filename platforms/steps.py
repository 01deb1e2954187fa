"""What is to be done about a campaign whose platform may say something else than we do: one table, no effects.

Three things are compared: what we want (the first of our holds, or none), what the platform shows, and what we wanted
when both last agreed. If our wish is another one than it was then, we have moved, and the platform is to follow. If it
is not, the platform was moved by somebody, and a person chooses.
"""

from enum import StrEnum
from typing import NamedTuple

from campaigns.holds import Hold
from platforms.protocol import Status


class Mode(StrEnum):
    """How far this system may go on its own, by brand."""

    OBSERVE = "OBSERVE"
    SUGGEST = "SUGGEST"
    ENFORCE = "ENFORCE"


class Step(StrEnum):
    """What is next for a campaign at its platform."""

    NOTHING = "NOTHING"
    """It is archived here, or over or unknown there."""
    IN_STEP = "IN_STEP"
    DRIFT = "DRIFT"
    """It was switched there. Never undone by itself."""
    OBSERVED = "OBSERVED"
    """It would be sent, if the brand's mode let us."""
    WAITING = "WAITING"
    """A person is to approve."""
    LEFT = "LEFT"
    """A person has said no, for this time."""
    STOPPED = "STOPPED"
    """The kill switch is on."""
    BROKEN = "BROKEN"
    """Its account does not work, or is switched off."""
    SEND = "SEND"


class Why(StrEnum):
    """Why a person is to approve."""

    NONE = ""
    MODE = "MODE"
    """The brand's mode asks for it."""
    NOT_OURS = "NOT_OURS"
    """It was not this system that paused it there, so nobody here knows why it stands still."""
    LIMIT = "LIMIT"
    """Too much at once."""


class Facts(NamedTuple):
    """`reason`, `agreed` and `left` are our first hold, by its code; empty when nothing holds."""

    reason: str
    """Now."""
    actual: Status | None
    """What the platform shows. None: it does not know the campaign, or was not asked yet."""
    agreed: str | None
    """When both last agreed. None: they never did, as far as we have seen."""
    mode: Mode = Mode.OBSERVE
    archived: bool = False
    ours: bool = False
    """The pause that the platform shows is one that we have sent."""
    approved: Status | None = None
    """What a person has approved of since they last agreed."""
    left: str | None = None
    """The wish that a person said no to."""
    limited: bool = False
    """It was part of too much at once."""
    stopped: bool = False
    """The kill switch is on."""
    usable: bool = True
    """The account works."""


class Next(NamedTuple):
    step: Step
    ask: Status | None = None
    """What the platform is to be asked for, now or once a person or the mode permits."""
    why: Why = Why.NONE


DECISIVE = frozenset(
    {
        Hold.EMERGENCY_STOP, Hold.MANUAL, Hold.LIFETIME_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED,
        Hold.DAILY_BUDGET_EXCEEDED, Hold.CIRCUIT_BREAKER,
    }
)  # fmt: skip
"""Holds that are a new decision even about a campaign that was to stand still before: a budget is used up, a breaker
opens, a person says stop. A window that closes, or a flight that ends, is none."""
OF_MONEY = frozenset(
    {
        Hold.LIFETIME_BUDGET_EXCEEDED, Hold.MONTHLY_BUDGET_EXCEEDED, Hold.DAILY_BUDGET_EXCEEDED, Hold.CIRCUIT_BREAKER,
        Hold.EMERGENCY_STOP,
    }
)  # fmt: skip
"""Holds under which each minute that a campaign runs costs what must not be spent."""


def wanted(reason: str) -> Status:
    """What the platform should show under this hold, or none."""
    return Status.PAUSED if reason else Status.ENABLED


def have_moved(agreed: str | None, reason: str) -> bool:
    """Whether we want something else than when both last agreed, or for a new reason that counts."""
    if agreed is None or wanted(agreed) != wanted(reason):
        return True
    return reason != agreed and reason in DECISIVE


def next_step(facts: Facts) -> Next:
    """The transition table. The first line that fits decides."""
    if facts.archived or facts.actual in (None, Status.ENDED):
        return Next(Step.NOTHING)
    ask = wanted(facts.reason)
    if facts.actual == ask:
        return Next(Step.IN_STEP)
    approved = facts.approved == ask
    if not have_moved(facts.agreed, facts.reason) and not approved:
        return Next(Step.DRIFT, ask)
    if facts.mode is Mode.OBSERVE:
        return Next(Step.OBSERVED, ask)
    if facts.left == facts.reason and not approved:
        return Next(Step.LEFT, ask)
    why = Why.NONE if approved else _asks_first(facts, ask)
    if why is not Why.NONE:
        return Next(Step.WAITING, ask, why)
    if facts.stopped:
        return Next(Step.STOPPED, ask)
    return Next(Step.SEND if facts.usable else Step.BROKEN, ask)


def _asks_first(facts: Facts, ask: Status) -> Why:
    if ask is Status.ENABLED and not facts.ours:
        return Why.NOT_OURS
    if facts.reason == Hold.EMERGENCY_STOP:
        return Why.NONE  # a person has decided this moment; asking another one would cost what it is to save
    if facts.mode is Mode.SUGGEST:
        return Why.MODE
    return Why.LIMIT if facts.limited else Why.NONE


def at_risk(reason: str, actual: Status | None) -> bool:
    """It runs at its platform although a budget, a breaker or a person has stopped it here."""
    return actual is Status.ENABLED and reason in OF_MONEY
