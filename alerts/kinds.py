"""What people are told of: the kinds of alerts, how grave each is, and what its rule does in words. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from delivery.severity import Severity as Severity


class Kind(StrEnum):
    DAY_USED = "DAY_USED"
    MONTH_USED = "MONTH_USED"
    PAUSE_EXPECTED = "PAUSE_EXPECTED"
    BUDGET_PAUSE = "BUDGET_PAUSE"
    OVER_PACING = "OVER_PACING"
    UNDER_PACING = "UNDER_PACING"
    PERFORMANCE = "PERFORMANCE"
    BREAKER = "BREAKER"
    EMERGENCY_STOP = "EMERGENCY_STOP"
    DATA_STALE = "DATA_STALE"
    IMPORT_REJECTS = "IMPORT_REJECTS"
    PAUSED_WITH_BUDGET = "PAUSED_WITH_BUDGET"
    NEVER_RAN = "NEVER_RAN"
    OVERRIDE_ENDS = "OVERRIDE_ENDS"
    PLATFORM_DRIFT = "PLATFORM_DRIFT"
    WEBHOOK_OFF = "WEBHOOK_OFF"
    RUNS_MISSED = "RUNS_MISSED"


class Limits(NamedTuple):
    """The whole numbers that a rule compares with, and what they count."""

    unit: str
    default: tuple[int, ...]
    least: int
    most: int
    many: bool = False


class Spec(NamedTuple):
    """A kind in words. `does` is what its rule does; “{}” stands for its limits. `tells_end`: people who were told of
    it are told that it is over."""

    label: str
    does: str
    severity: Severity
    limits: Limits | None = None
    tells_end: bool = False


_PER_CENT = Limits("per cent", (50, 80, 90, 100), 1, 500, many=True)

SPECS: Mapping[Kind, Spec] = {
    Kind.DAY_USED: Spec(
        "Daily budget used to a part",
        "Tells when a brand has used {} of its daily budget, once a day for each. At 100 per cent it is critical, from "
        "80 a warning, below a notice.",
        Severity.WARNING, _PER_CENT,
    ),
    Kind.MONTH_USED: Spec(
        "Monthly budget used to a part",
        "Tells when a brand has used {} of its monthly budget, once a month for each. At 100 per cent it is critical, "
        "from 80 a warning, below a notice.",
        Severity.WARNING, _PER_CENT,
    ),
    Kind.PAUSE_EXPECTED: Spec(
        "A budget will be used up soon",
        "Tells when a budget will be used up within {}, at the rate of today, before the day ends.",
        Severity.WARNING, Limits("minutes", (60,), 5, 24 * 60),
    ),
    Kind.BUDGET_PAUSE: Spec(
        "Paused by a budget",
        "Tells when campaigns are paused because a budget is used up, and when that is over.",
        Severity.CRITICAL, tells_end=True,
    ),
    Kind.OVER_PACING: Spec(
        "Over pace",
        "Tells when a brand spends well ahead of its open day, or a channel well ahead of its plan, once a day.",
        Severity.WARNING,
    ),
    Kind.UNDER_PACING: Spec(
        "Under pace",
        "Tells when a brand spends less than half as fast as its open day, or a channel far behind its plan, once a "
        "day.",
        Severity.NOTICE,
    ),
    Kind.PERFORMANCE: Spec(
        "Performance below its thresholds",
        "Tells when what a paced channel brings falls below the thresholds of its campaign.",
        Severity.WARNING,
    ),
    Kind.BREAKER: Spec(
        "Circuit breaker open",
        "Tells when a circuit breaker has stopped a channel, and when it spends again.",
        Severity.CRITICAL, tells_end=True,
    ),
    Kind.EMERGENCY_STOP: Spec(
        "Emergency stop",
        "Tells when a person has stopped a brand, a campaign or a channel, and when the stop is cleared.",
        Severity.CRITICAL, tells_end=True,
    ),
    Kind.DATA_STALE: Spec(
        "No spend reported",
        "Tells when campaigns of a brand run and no spend of the last {} was reported, and when it is.",
        Severity.WARNING, Limits("days", (2,), 1, 31), tells_end=True,
    ),
    Kind.IMPORT_REJECTS: Spec(
        "An import left rows out",
        "Tells when an import rejects rows or cannot be read. It is over when that import is undone, the same file "
        "comes again without rejects, or a week later.",
        Severity.WARNING,
    ),
    Kind.PAUSED_WITH_BUDGET: Spec(
        "Paused though budget is left",
        "Tells when a campaign has been paused by hand without an end, or has no active schedule, for {}, and its "
        "brand has budget left.",
        Severity.NOTICE, Limits("hours", (24,), 1, 24 * 31),
    ),
    Kind.NEVER_RAN: Spec(
        "Has not run for a week",
        "Tells when a campaign inside its flight has not run for {}, and neither a person nor a budget has stopped it.",
        Severity.WARNING, Limits("days", (7,), 1, 60),
    ),
    Kind.OVERRIDE_ENDS: Spec(
        "An override is about to end",
        "Tells when an override ends within {}.",
        Severity.NOTICE, Limits("minutes", (120,), 5, 7 * 24 * 60),
    ),
    Kind.PLATFORM_DRIFT: Spec(
        "The platform differs",
        "Tells when a campaign was switched at its ad platform, does not follow there, or runs there when it must not, "
        "or an account does not work, and when that is over.",
        Severity.CRITICAL, tells_end=True,
    ),
    Kind.WEBHOOK_OFF: Spec(
        "Messages do not arrive",
        "Tells when a webhook, Slack channel or e-mail receiver was switched off because nothing arrived there "
        "any more.",
        Severity.CRITICAL, tells_end=True,
    ),
    Kind.RUNS_MISSED: Spec(
        "Runs missed or failed",
        "Tells administrators when the system's own runs are missed or fail, and when that is over.",
        Severity.CRITICAL, tells_end=True,
    ),
}  # fmt: skip

LABELS = {kind: spec.label for kind, spec in SPECS.items()}


def limits_text(kind: Kind, values: tuple[int, ...]) -> str:
    """“50, 80, 90 or 100 per cent”, “60 minutes”."""
    limits = SPECS[kind].limits
    if limits is None:
        return ""
    numbers = [str(value) for value in values]
    text = " or ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))
    unit = limits.unit if values != (1,) else limits.unit.removesuffix("s")
    return f"{text} {unit}"


def severity_of_share(per_cent: int) -> Severity:
    """How grave it is that so much of a budget is used."""
    if per_cent >= 100:
        return Severity.CRITICAL
    return Severity.WARNING if per_cent >= 80 else Severity.NOTICE
